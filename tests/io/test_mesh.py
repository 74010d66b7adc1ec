from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from prosepose_jax.io import write_glb

# A tetrahedron 1 m above (y down: negative) and 4 m in front of the camera, faces outward.
VERTICES = np.array([[0, -1, 4], [1, -1, 4], [0, -2, 4], [0, -1, 5]], np.float32)
FACES = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]], np.int32)


def outward(vertices):
    a, b, c = (vertices[FACES[:, k]] for k in range(3))
    return (np.cross(b - a, c - a) * ((a + b + c) / 3 - vertices.mean(axis=0))).sum(axis=1)


def parts(path):
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    json_length, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON" and json_length % 4 == 0
    document = json.loads(data[20 : 20 + json_length])
    binary_length, kind = struct.unpack_from("<I4s", data, 20 + json_length)
    assert kind == b"BIN\0" and binary_length % 4 == 0
    return document, data[28 + json_length :]


def array(document, binary, index):
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    width = {"VEC3": 3, "SCALAR": 1}[accessor["type"]]
    kind = {5126: "<f4", 5125: "<u4"}[accessor["componentType"]]
    assert view["byteLength"] == accessor["count"] * width * 4 and view["byteOffset"] % 4 == 0
    values = np.frombuffer(binary, kind, accessor["count"] * width, view["byteOffset"])
    return values.reshape(-1, width)


def test_layout_and_frame(tmp_path):
    path = write_glb(tmp_path / "m.glb", [(VERTICES, FACES, (1, 0, 0)), (VERTICES + 1, FACES[:2], (0, 0, 1))])
    document, binary = parts(path)
    assert document["asset"]["version"] == "2.0" and document["buffers"] == [{"byteLength": len(binary)}]
    assert [node["name"] for node in document["nodes"]] == ["person 0", "person 1"]
    primitive = document["meshes"][0]["primitives"][0]
    positions = array(document, binary, primitive["attributes"]["POSITION"])
    np.testing.assert_array_equal(positions, VERTICES * [1, -1, -1])  # upright, in front of a viewer looking along -z
    np.testing.assert_array_equal(array(document, binary, primitive["indices"]).reshape(-1, 3), FACES)
    accessor = document["accessors"][primitive["attributes"]["POSITION"]]
    assert accessor["min"] == [0, 1, -5] and accessor["max"] == [1, 2, -4]
    assert (outward(VERTICES) > 0).all() and (outward(positions) > 0).all()  # no mirror image
    normals = array(document, binary, primitive["attributes"]["NORMAL"])
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    assert ((positions - positions.mean(axis=0)) * normals).sum(axis=1).min() > 0
    colours = [m["pbrMetallicRoughness"]["baseColorFactor"] for m in document["materials"]]
    assert colours == [[1, 0, 0, 1], [0, 0, 1, 1]]


def test_another_reader_agrees(tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="trimesh reads the file back (extra `assets`)")
    path = write_glb(tmp_path / "m.glb", [(VERTICES, FACES, (0.2, 0.4, 0.9))], names=["someone"])
    scene = trimesh.load(path, process=False)
    mesh = scene.geometry["someone"]
    np.testing.assert_allclose(mesh.vertices, VERTICES * [1, -1, -1], atol=1e-6)
    assert mesh.is_watertight and mesh.volume > 0


def test_empty_file_is_valid(tmp_path):
    data = write_glb(tmp_path / "e.glb", []).read_bytes()
    document = json.loads(data[20:])
    assert document["scenes"] == [{}] and all(value != [] for value in document.values())


@pytest.mark.parametrize(
    "vertices, faces",
    [
        (np.full((3, 3), np.nan), FACES[:1]),
        (VERTICES, FACES + 1),
        (VERTICES, FACES[:, :2]),
        (VERTICES[:, :2], FACES),
        (VERTICES, FACES.astype(float)),
    ],
)
def test_bad_meshes_are_refused(tmp_path, vertices, faces):
    with pytest.raises(ValueError, match="mesh 0"):
        write_glb(tmp_path / "m.glb", [(vertices, faces, (1, 1, 1))])
    assert list(tmp_path.iterdir()) == []
