"""USD files, read back and skinned by OpenUSD itself, give the fitted people."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from prosepose_jax.body import BodyModel, rest_joints
from prosepose_jax.errors import InputError
from prosepose_jax.exporting import PosedPerson, export_scene

FLIP = np.array([1.0, -1.0, -1.0])  # camera frame to y up


def _turn(rng: np.random.Generator) -> np.ndarray:
    matrix, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return matrix * np.sign(np.linalg.det(matrix))


@pytest.fixture(scope="module")
def people(small_body: BodyModel) -> list[PosedPerson]:
    """Two in wild poses with pose corrections; the fitted vertices come from skinning of this test's own."""
    rng = np.random.default_rng(0)
    found = []
    joints = np.asarray(rest_joints(small_body, np.zeros(10)), float)
    rest = np.asarray(small_body.v_template, float)
    weights = np.asarray(small_body.skin_weights, float)
    for index in range(2):
        rotations = np.stack([_turn(rng) for _ in small_body.parents])
        corrections = 0.02 * rng.normal(size=rest.shape) * (index == 0)  # the second person has none
        transl = rng.normal(size=3) + np.array([0.0, 0.0, 4.0])
        turned, placed = [rotations[0]], [joints[0] + transl]
        for joint, parent in list(enumerate(small_body.parents))[1:]:
            placed.append(placed[parent] + turned[parent] @ (joints[joint] - joints[parent]))
            turned.append(turned[parent] @ rotations[joint])
        shaped = rest + corrections
        moved = np.einsum("jab,vjb->vja", np.stack(turned), shaped[:, None] - joints) + np.stack(placed)
        found.append(
            PosedPerson(
                name=f"person {index}", vertices_cam=np.einsum("vj,vja->va", weights, moved),
                faces=np.asarray(small_body.faces), parents=small_body.parents,
                joint_names=tuple(f"joint_{k}" for k in range(len(joints))), rotations=rotations, joints_rest=joints,
                vertices_rest=rest, pose_corrections=corrections, skin_weights=weights, transl=transl,
                pose=np.zeros((len(joints), 3)), betas=np.zeros(10), expression=np.zeros(10), kid_scale=0.0,
            )
        )  # fmt: skip
    return found


def test_skinned_by_usd_itself(people: list[PosedPerson], tmp_path: Path) -> None:
    pxr = pytest.importorskip("pxr", reason="usd-core is not installed (extra usd)")
    from pxr import Gf, Usd, UsdGeom, UsdSkel

    (file,) = export_scene(tmp_path, "hug", people, "usd")
    assert [path.name for path in tmp_path.iterdir()] == ["hug.usdc"] and pxr
    stage = Usd.Stage.Open(str(file))
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert str(stage.GetDefaultPrim().GetPath()) == "/world"
    roots = [UsdSkel.Root(prim) for prim in stage.Traverse() if prim.IsA(UsdSkel.Root)]
    assert len(roots) == 2
    for root, person in zip(roots, people, strict=True):
        mesh = next(UsdGeom.Mesh(prim) for prim in Usd.PrimRange(root.GetPrim()) if prim.IsA(UsdGeom.Mesh))
        assert (np.asarray(mesh.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3) == person.faces).all()
        assert len(mesh.GetPrim().GetAttribute("skel:blendShapes").Get() or ()) == (person is people[0])
        assert UsdSkel.BakeSkinning(root, Gf.Interval(1.0, 1.0))
        place = np.asarray(UsdGeom.Xformable(mesh).ComputeLocalToWorldTransform(Usd.TimeCode.Default()))
        points = np.asarray(mesh.GetPointsAttr().Get(1.0), float) @ place[:3, :3] + place[3, :3]
        np.testing.assert_allclose(points, person.vertices_cam * FLIP, atol=1e-4)


def test_without_its_library(people: list[PosedPerson], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(InputError, match=r"--format=usd needs OpenUSD: pip install 'prosepose_jax\[usd\]'"):
        export_scene(tmp_path, "hug", [dataclasses.replace(people[0])], "usd")
