"""Fits for other programs: meshes, skinned bodies with their skeleton, motions (docs/export.md)."""

from prosepose_jax.exporting.formats import FORMATS, export_scene
from prosepose_jax.exporting.people import PosedPerson, posed_people

__all__ = ["FORMATS", "PosedPerson", "export_scene", "posed_people"]
