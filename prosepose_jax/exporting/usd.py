"""USD: mesh, skeleton, weights and pose of every person, for what reads UsdSkel (Omniverse, Houdini, Blender, USDView).

Written with OpenUSD's own library (pip install 'prosepose_jax[usd]'). As in the skinned GLB the mesh is the shaped
body at rest in SMPL-X's own frame and the skeleton holds the pose; pose corrections, where the body has any, are a
blend shape that is switched on. Unlike there, a vertex keeps all its weights in one set.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.exporting.people import PosedPerson
from prosepose_jax.exporting.skinned import COLORS, quaternion, weight_sets
from prosepose_jax.io.mesh import vertex_normals

_CORRECTIONS = "pose_corrections"


def usd_bytes(people: Sequence[PosedPerson]) -> bytes:
    """The bytes of a binary USD file (`.usdc`): metres, y up.

    Raises:
      InputError: OpenUSD is not installed.
    """
    try:
        from pxr import Usd, UsdGeom
    except ImportError as error:
        raise InputError("--format=usd needs OpenUSD: pip install 'prosepose_jax[usd]'") from error
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    world = UsdGeom.Xform.Define(stage, "/world")
    stage.SetDefaultPrim(world.GetPrim())
    for index, person in enumerate(people):
        _person(stage, f"/world/person_{index}", person, COLORS[index % len(COLORS)])
    with tempfile.TemporaryDirectory() as folder:
        # The ending names the format.
        file = Path(folder) / "people.usdc"
        stage.GetRootLayer().Export(str(file), args={"comment": "prosepose_jax: metres, y up"})
        return file.read_bytes()


def _person(stage: Any, path: str, person: PosedPerson, color: Sequence[float]) -> None:
    """A root with skeleton, pose and mesh below it."""
    from pxr import Gf, UsdGeom, UsdSkel

    root = UsdSkel.Root.Define(stage, path)
    # Half a turn about x: from the camera frame, in which the skeleton's root is posed, to y up.
    root.AddTransformOp().Set(Gf.Matrix4d().SetRotate(Gf.Rotation(Gf.Vec3d(1, 0, 0), 180.0)))
    root.GetPrim().SetDisplayName(person.name)
    skeleton = UsdSkel.Skeleton.Define(stage, f"{path}/skeleton")
    pose = UsdSkel.Animation.Define(stage, f"{path}/pose")
    mesh = UsdGeom.Mesh.Define(stage, f"{path}/mesh")
    _surface(mesh, person, color)
    _material(stage, f"{path}/material", mesh, color)
    _skeleton(skeleton, pose, person)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([pose.GetPath()])
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))
    sets = weight_sets(person.skin_weights)
    ids, weights = (np.concatenate(parts, axis=1) for parts in zip(*sets, strict=True))
    binding.CreateJointIndicesPrimvar(False, ids.shape[1]).Set(np.ascontiguousarray(ids.reshape(-1), np.int32))
    binding.CreateJointWeightsPrimvar(False, ids.shape[1]).Set(np.ascontiguousarray(weights.reshape(-1), np.float32))
    if np.abs(person.pose_corrections).max() > 1e-7:
        shape = UsdSkel.BlendShape.Define(stage, f"{path}/mesh/{_CORRECTIONS}")
        shape.CreateOffsetsAttr(person.pose_corrections.astype(np.float32))
        binding.CreateBlendShapesAttr([_CORRECTIONS])
        binding.CreateBlendShapeTargetsRel().SetTargets([shape.GetPath()])
        pose.CreateBlendShapesAttr([_CORRECTIONS])
        pose.CreateBlendShapeWeightsAttr([1.0])


def _surface(mesh: Any, person: PosedPerson, color: Sequence[float]) -> None:
    from pxr import Gf, UsdGeom

    vertices = person.vertices_rest.astype(np.float32)
    mesh.CreatePointsAttr(vertices)
    mesh.CreateExtentAttr(np.stack([vertices.min(axis=0), vertices.max(axis=0)]))
    mesh.CreateFaceVertexCountsAttr(np.full(len(person.faces), 3, np.int32))
    mesh.CreateFaceVertexIndicesAttr(np.ascontiguousarray(person.faces.reshape(-1), np.int32))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateNormalsAttr(vertex_normals(person.vertices_rest, person.faces).astype(np.float32))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateDisplayColorAttr([Gf.Vec3f(*color)])


def _material(stage: Any, path: str, mesh: Any, color: Sequence[float]) -> None:
    from pxr import Gf, Sdf, UsdShade

    material = UsdShade.Material.Define(stage, path)
    shader = UsdShade.Shader.Define(stage, f"{path}/surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*color))
    shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(0.8)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)


def _skeleton(skeleton: Any, pose: Any, person: PosedPerson) -> None:
    """The joints by their paths, where they rest, and how the fit turns them."""
    from pxr import Gf, Vt

    paths: list[str] = []
    for name, parent in zip(person.joint_names, person.parents, strict=True):
        paths.append(f"{paths[parent]}/{name}" if parent >= 0 else name)
    parents = np.array(person.parents)
    bones = person.joints_rest - np.where(parents[:, None] >= 0, person.joints_rest[np.maximum(parents, 0)], 0.0)
    skeleton.CreateJointsAttr(paths)
    # Rows, as USD multiplies vectors from the left.
    skeleton.CreateBindTransformsAttr([Gf.Matrix4d().SetTranslate(Gf.Vec3d(*place)) for place in person.joints_rest])
    skeleton.CreateRestTransformsAttr([Gf.Matrix4d().SetTranslate(Gf.Vec3d(*bone)) for bone in bones])
    posed = bones + np.where(parents[:, None] >= 0, 0.0, person.transl)
    turns = [quaternion(rotation) for rotation in person.rotations]
    pose.CreateJointsAttr(paths)
    pose.CreateTranslationsAttr(posed.astype(np.float32))
    pose.CreateRotationsAttr([Gf.Quatf(w, x, y, z) for x, y, z, w in turns])
    pose.CreateScalesAttr(Vt.Vec3hArray(len(paths), Gf.Vec3h(1.0)))
