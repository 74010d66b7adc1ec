"""Meshes as `.glb` (binary glTF 2.0), written by hand: any viewer opens them, no library is needed.

The camera frame (x right, y down, z forward) is turned half a circle about x into glTF's frame (y up, the viewer
looks along -z), so people stand upright and face the viewer as in the photograph.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.io.atomic import write_bytes

Mesh = tuple[np.ndarray, np.ndarray, Sequence[float]]

_CAMERA_TO_GLTF = np.array([1.0, -1.0, -1.0], dtype=np.float32)
_FLOAT, _UINT32 = 5126, 5125  # glTF component types
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963


def write_glb(path: str | os.PathLike[str], meshes: Sequence[Mesh], names: Sequence[str] | None = None) -> Path:
    """Writes meshes given in the camera frame to one `.glb`, a node each, in one step.

    Args:
      path: the file to write.
      meshes: (vertices (V, 3) m camera frame, faces (F, 3) int, rgb in 0–1 sRGB) for each.
      names: a name for each mesh; default "person 0", "person 1", ….

    Returns:
      The path.

    Raises:
      ValueError: a mesh has wrong shapes, vertices that are not finite, or faces out of range.
    """
    names = list(names) if names is not None else [f"person {i}" for i in range(len(meshes))]
    buffer = bytearray()
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "prosepose_jax"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(meshes)))}],
        "nodes": [{"mesh": i, "name": name} for i, name in zip(range(len(meshes)), names, strict=True)],
        "meshes": [],
        "materials": [],
        "accessors": [],
        "bufferViews": [],
    }

    def add(array: np.ndarray, component: int, kind: str, target: int, bounds: bool = False) -> int:
        view = {"buffer": 0, "byteOffset": len(buffer), "byteLength": array.nbytes, "target": target}
        accessor: dict[str, Any] = {
            "bufferView": len(document["bufferViews"]),
            "componentType": component,
            "count": len(array),
            "type": kind,
        }
        if bounds:
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        buffer.extend(array.tobytes())  # every element has 4 bytes: views stay aligned
        document["bufferViews"].append(view)
        document["accessors"].append(accessor)
        return len(document["accessors"]) - 1

    for index, (vertices, faces, rgb) in enumerate(meshes):
        vertices, faces = _checked(index, vertices, faces)
        positions = vertices * _CAMERA_TO_GLTF
        primitive = {
            "attributes": {
                "POSITION": add(positions, _FLOAT, "VEC3", _ARRAY_BUFFER, bounds=True),
                "NORMAL": add(vertex_normals(positions, faces), _FLOAT, "VEC3", _ARRAY_BUFFER),
            },
            "indices": add(faces.reshape(-1), _UINT32, "SCALAR", _ELEMENT_ARRAY_BUFFER),
            "material": index,
        }
        document["meshes"].append({"name": names[index], "primitives": [primitive]})
        document["materials"].append(
            {
                "name": names[index],
                "pbrMetallicRoughness": {
                    "baseColorFactor": [*_srgb_to_linear(rgb), 1.0],
                    "metallicFactor": 0.0,
                    "roughnessFactor": 0.8,
                },
            }
        )
    if buffer:
        document["buffers"] = [{"byteLength": len(buffer)}]
    else:  # glTF forbids empty lists
        document = {key: value for key, value in document.items() if value != []}
        document["scenes"] = [{}]
    write_bytes(path, _container(document, bytes(buffer)))
    return Path(path)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (V, 3), the area-weighted mean over the faces of each vertex; +z where there is none."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.stack(
        [np.bincount(faces.reshape(-1), np.repeat(face_normals[:, k], 3), len(vertices)) for k in range(3)], axis=1
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit = np.where(length > 1e-20, normals / np.where(length > 1e-20, length, 1.0), [0.0, 0.0, 1.0])
    return unit.astype(np.float32)


def _checked(index: int, vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    vertices = np.asarray(vertices, dtype="<f4")
    faces = np.asarray(faces)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or len(vertices) == 0 or not np.isfinite(vertices).all():
        raise ValueError(f"mesh {index}: expected finite vertices (V, 3), found shape {vertices.shape}")
    if faces.ndim != 2 or faces.shape[1] != 3 or len(faces) == 0 or faces.dtype.kind not in "iu":
        raise ValueError(f"mesh {index}: expected integer faces (F, 3), found {faces.dtype} {faces.shape}")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise ValueError(f"mesh {index}: faces refer to vertices outside 0–{len(vertices) - 1}")
    return vertices, np.ascontiguousarray(faces, dtype="<u4")


def _srgb_to_linear(rgb: Sequence[float]) -> list[float]:
    """glTF colour factors are linear."""
    value = np.clip(np.asarray(rgb, dtype=np.float64)[:3], 0.0, 1.0)
    return [float(v) for v in np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)]


def _container(document: dict[str, Any], buffer: bytes) -> bytes:
    """The glb container: a 12-byte header, the JSON chunk padded with blanks, the binary chunk with zeros."""
    text = json.dumps(document, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 4)
    buffer += b"\0" * (-len(buffer) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    if buffer:
        chunks += struct.pack("<I4s", len(buffer), b"BIN\0") + buffer
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
