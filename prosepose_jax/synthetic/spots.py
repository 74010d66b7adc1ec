"""Named places on the body surface as sets of fine regions: what templates aim at.

Templates speak of "left palm" or "upper back"; the body's regions say which vertices that is, so the
same template works on any body with regions.
"""

from __future__ import annotations

import numpy as np

from prosepose_jax.body.model import BodyModel
from prosepose_jax.body.region_table import MIRROR_PAIRS

# Sided spots are written once for the left; the right one is their mirror image.
_SIDED: dict[str, tuple[int, ...]] = {
    "palm": (72, 33),
    "fingers": (33,),
    "hand": (3, 33, 72, 17),
    "hand back": (17, 3),
    "forearm": (5, 69),
    "forearm front": (5,),
    "elbow": (11, 34),
    "upper arm": (49, 57),
    "upper arm front": (49,),
    "upper arm back": (57,),
    "shoulder": (2, 73),
    "shoulder front": (73,),
    "shoulder back": (2,),
    "chest": (59, 61),
    "upper chest": (59,),
    "belly": (0, 74),
    "upper back": (41, 70),
    "middle back": (35,),
    "lower back": (48,),
    "butt": (71,),
    "face": (66,),
    "skull back": (39,),
    "neck": (54, 14),
    "thigh front": (45, 20),
    "lower thigh front": (20,),
    "upper thigh front": (45,),
    "thigh back": (15, 53),
    "thigh": (45, 20, 15, 53),
    "knee": (64, 30),
    "knee front": (64,),
    "lower leg front": (60,),
    "lower leg": (60, 21),
    "shin": (25, 60),
    "calf": (21, 56),
    "foot": (1, 67),
    "foot top": (1,),
    "sole": (67,),
}  # fmt: skip
_LEFT_TO_RIGHT = dict(MIRROR_PAIRS)
# Spots across the midline are the union of both sides.
_WHOLE = (
    "chest", "upper chest", "belly", "upper back", "middle back", "lower back", "face", "skull back", "neck", "butt"
)  # fmt: skip


def _build() -> dict[str, tuple[int, ...]]:
    spots: dict[str, tuple[int, ...]] = {}
    for name, left in _SIDED.items():
        right = tuple(_LEFT_TO_RIGHT[r] for r in left)
        spots[f"left {name}"] = left
        spots[f"right {name}"] = right
        if name in _WHOLE:
            spots[name] = left + right
    spots["pelvis front"] = (50,)
    spots["back"] = spots["upper back"] + spots["middle back"] + spots["lower back"]
    for side in ("left", "right"):
        spots[f"{side} back"] = tuple(r for part in ("upper", "middle", "lower") for r in spots[f"{side} {part} back"])
        spots[f"{side} shoulder or arm"] = spots[f"{side} shoulder"] + spots[f"{side} upper arm"]
        spots[f"{side} hand or forearm"] = spots[f"{side} hand"] + spots[f"{side} forearm"]
        spots[f"{side} shoulder or back"] = spots[f"{side} shoulder"] + spots[f"{side} upper back"]
        spots[f"{side} elbow or arm"] = spots[f"{side} elbow"] + spots[f"{side} forearm"] + spots[f"{side} upper arm"]
        spots[f"{side} ear side"] = spots[f"{side} face"] + spots[f"{side} skull back"]
        spots[f"{side} flank"] = spots[f"{side} belly"] + spots[f"{side} lower back"] + spots[f"{side} butt"]
        spots[f"{side} lower leg back"] = spots[f"{side} calf"]
        spots[f"{side} lower leg or shin"] = spots[f"{side} lower leg"] + spots[f"{side} shin"] + spots[f"{side} calf"]
        spots[f"{side} knee or thigh"] = spots[f"{side} knee"] + spots[f"{side} thigh"]
        spots[f"{side} knee or shin"] = spots[f"{side} knee"] + spots[f"{side} lower leg"] + spots[f"{side} shin"]
        spots[f"{side} chest or shoulder"] = spots[f"{side} chest"] + spots[f"{side} shoulder"]
        spots[f"{side} leg"] = spots[f"{side} thigh front"] + spots[f"{side} knee"] + spots[f"{side} lower leg"]
    spots["waist front"] = spots["belly"] + spots["pelvis front"]
    spots["neck or shoulders"] = spots["neck"] + spots["left shoulder back"] + spots["right shoulder back"]
    spots["neck or shoulders"] += spots["upper back"]
    spots["seat or back"] = spots["butt"] + spots["lower back"]
    spots["head"] = spots["face"] + spots["skull back"]
    return spots


SPOTS: dict[str, tuple[int, ...]] = _build()
"""Fine region ids of every spot, by name."""


def mirrored(name: str) -> str:
    """The spot's name on the other side of the body."""
    if name.startswith("left "):
        return "right " + name[5:]
    if name.startswith("right "):
        return "left " + name[6:]
    return name


def spot_vertices(body: BodyModel, name: str) -> np.ndarray:
    """Sorted vertex ids of a spot on this body."""
    ids, mask = np.asarray(body.regions.vertex_ids), np.asarray(body.regions.mask)
    return np.unique(np.concatenate([ids[r][mask[r]] for r in SPOTS[name]]))
