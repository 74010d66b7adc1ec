"""Skinned GLB: mesh, skeleton and weights of every person, posed as fitted, ready to be animated.

Written with pygltflib (pip install 'prosepose_jax[export]'). The mesh is the shaped body at rest in SMPL-X's own
frame; the skeleton holds the pose. Pose corrections, where the body has any, are a morph target that is switched on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.exporting.people import PosedPerson
from prosepose_jax.io.mesh import vertex_normals

_LEAST_WEIGHT = 1e-6
_MAX_SETS = 4  # of four weights a vertex
COLORS = ((0.11, 0.36, 0.85), (0.96, 0.37, 0.06), (0.04, 0.51, 0.37), (0.75, 0.26, 0.52), (0.85, 0.71, 0.15))  # linear


def skinned_glb(people: Sequence[PosedPerson]) -> bytes:
    """The file's bytes.

    Raises:
      InputError: pygltflib is not installed.
    """
    try:
        import pygltflib
    except ImportError as error:
        raise InputError("--format=glb needs pygltflib: pip install 'prosepose_jax[export]'") from error
    return _Writer(pygltflib).write(people)


class _Writer:
    """Collects arrays in one buffer and describes them."""

    def __init__(self, gltf: Any) -> None:
        self.gltf = gltf
        self.document = gltf.GLTF2(asset=gltf.Asset(version="2.0", generator="prosepose_jax"), scene=0)
        self.buffer = bytearray()

    def write(self, people: Sequence[PosedPerson]) -> bytes:
        roots = []
        for index, person in enumerate(people):
            roots += self._person(person, COLORS[index % len(COLORS)])
        self.document.scenes = [self.gltf.Scene(nodes=roots)]
        self.document.buffers = [self.gltf.Buffer(byteLength=len(self.buffer))]
        self.document.set_binary_blob(bytes(self.buffer))
        return b"".join(self.document.save_to_bytes())

    def _person(self, person: PosedPerson, color: Sequence[float]) -> list[int]:
        """Nodes of the armature and of the mesh."""
        gltf, document = self.gltf, self.document
        first = len(document.nodes)
        # Half a turn about x: from the camera frame, in which the root is posed, to y up.
        armature = gltf.Node(name=f"{person.name} armature", rotation=[1.0, 0.0, 0.0, 0.0], children=[])
        document.nodes.append(armature)
        joints = [first + 1 + joint for joint in range(len(person.parents))]
        for joint, parent in enumerate(person.parents):
            place = person.joints_rest[joint] - (person.joints_rest[parent] if parent >= 0 else -person.transl)
            document.nodes.append(
                gltf.Node(
                    name=person.joint_names[joint], translation=place.tolist(),
                    rotation=quaternion(person.rotations[joint]), children=[],
                )
            )  # fmt: skip
            document.nodes[joints[parent] if parent >= 0 else first].children.append(joints[joint])
        bind = np.tile(np.eye(4, dtype="<f4"), (len(joints), 1, 1))
        bind[:, 3, :3] = -person.joints_rest  # column by column
        document.skins.append(
            gltf.Skin(
                name=person.name, joints=joints, skeleton=first,
                inverseBindMatrices=self._array(bind.reshape(-1, 16), "MAT4"),
            )
        )  # fmt: skip
        document.materials.append(
            gltf.Material(
                name=person.name,
                pbrMetallicRoughness=gltf.PbrMetallicRoughness(
                    baseColorFactor=[*color, 1.0], metallicFactor=0.0, roughnessFactor=0.8
                ),
            )
        )
        document.meshes.append(self._mesh(person, len(document.materials) - 1))
        document.nodes.append(gltf.Node(name=person.name, mesh=len(document.meshes) - 1, skin=len(document.skins) - 1))
        return [first, len(document.nodes) - 1]

    def _mesh(self, person: PosedPerson, material: int) -> Any:
        gltf = self.gltf
        vertices = person.vertices_rest.astype("<f4")
        attributes = {
            "POSITION": self._array(vertices, "VEC3", bounds=True),
            "NORMAL": self._array(vertex_normals(person.vertices_rest, person.faces).astype("<f4"), "VEC3"),
        }
        for number, (ids, weights) in enumerate(weight_sets(person.skin_weights)):
            attributes[f"JOINTS_{number}"] = self._array(ids.astype("<u2"), "VEC4")
            attributes[f"WEIGHTS_{number}"] = self._array(weights.astype("<f4"), "VEC4")
        primitive = gltf.Primitive(
            attributes=gltf.Attributes(**attributes), material=material,
            indices=self._array(person.faces.reshape(-1).astype("<u4"), "SCALAR"),
        )  # fmt: skip
        mesh = gltf.Mesh(name=person.name, primitives=[primitive])
        if np.abs(person.pose_corrections).max() > 1e-7:
            target = self._array(person.pose_corrections.astype("<f4"), "VEC3", bounds=True)
            primitive.targets = [{"POSITION": target}]
            mesh.weights, mesh.extras = [1.0], {"targetNames": ["pose corrections"]}
        return mesh

    def _array(self, array: np.ndarray, kind: str, bounds: bool = False) -> int:
        gltf, document = self.gltf, self.document
        array = np.ascontiguousarray(array)
        component = {"f4": gltf.FLOAT, "u4": gltf.UNSIGNED_INT, "u2": gltf.UNSIGNED_SHORT}[array.dtype.str[1:]]
        self.buffer += b"\0" * (-len(self.buffer) % 4)
        document.bufferViews.append(gltf.BufferView(buffer=0, byteOffset=len(self.buffer), byteLength=array.nbytes))
        accessor = gltf.Accessor(
            bufferView=len(document.bufferViews) - 1, componentType=component, count=len(array), type=kind
        )
        if bounds:
            accessor.min, accessor.max = array.min(axis=0).tolist(), array.max(axis=0).tolist()
        self.buffer += array.tobytes()
        document.accessors.append(accessor)
        return len(document.accessors) - 1


def weight_sets(weights: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Skinning weights (V, J) as sets of four joints and weights a vertex, the largest first, each summing up to one.

    As many sets as the vertex with the most weights needs, at most four: programs that read only the first see the
    four largest weights.
    """
    used = min(4 * _MAX_SETS, max(1, int((weights > _LEAST_WEIGHT).sum(axis=1).max())), weights.shape[1])
    order = np.argsort(-weights, axis=1, kind="stable")[:, :used]
    values = np.take_along_axis(weights, order, axis=1)
    values /= np.maximum(values.sum(axis=1, keepdims=True), 1e-12)
    order[values == 0.0] = 0  # glTF wants unused joints to be 0
    padding = -used % 4
    order, values = (np.pad(array, ((0, 0), (0, padding))) for array in (order, values))
    return [(order[:, k : k + 4], values[:, k : k + 4]) for k in range(0, used + padding, 4)]


def quaternion(rotation: np.ndarray) -> list[float]:
    """Unit quaternion (x, y, z, w) of a rotation: an eigenvector, exact also near half a turn."""
    r = rotation
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
            [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
        ]
    )
    vector = np.linalg.eigh(k / 3.0)[1][:, -1]
    return (vector * (1.0 if vector[3] >= 0 else -1.0)).tolist()
