"""The SMPL-X joint tree and how the source model's bones fall onto it."""

from __future__ import annotations

import numpy as np

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")

JOINT_NAMES: tuple[str, ...] = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "jaw", "left_eye_smplhf",
    "right_eye_smplhf",
    *(f"{side}_{finger}{k}" for side in ("left", "right") for finger in _FINGERS for k in (1, 2, 3)),
)  # fmt: skip

JOINT = {name: i for i, name in enumerate(JOINT_NAMES)}

PARENTS = np.array(
    [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15]
    + [p for wrist, first in ((20, 25), (21, 40)) for f in range(5) for p in (wrist, first + 3 * f, first + 3 * f + 1)]
)

_SIDE = {"L": "left_", "R": "right_"}
_FINGER_OF_NUMBER = {"1": "thumb", "2": "index", "3": "middle", "4": "ring", "5": "pinky"}


def mirror_joints() -> np.ndarray:
    """(55,) index of each joint's mirror image."""

    def other(name: str) -> str:
        if name.startswith("left_"):
            return "right_" + name[5:]
        return "left_" + name[6:] if name.startswith("right_") else name

    return np.array([JOINT[other(n)] for n in JOINT_NAMES])


def joint_of_bone(bone: str, ancestors: list[str]) -> str:
    """The SMPL-X joint that moves a bone of the source rig.

    Args:
      bone: the bone's name in the MakeHuman rig, such as "upperarm02.L".
      ancestors: its ancestors' names, nearest first. Facial bones follow the jaw, an eye or the head.
    """
    stem, _, suffix = bone.partition(".")
    side = _SIDE.get(suffix, "")
    if stem in ("root", "pelvis", "spine05", "spine04"):
        return "pelvis"
    if stem.startswith("upperleg"):
        return side + "hip"
    if stem.startswith("lowerleg"):
        return side + "knee"
    if stem == "foot":
        return side + "ankle"
    if stem.startswith("toe"):
        return side + "foot"
    if stem in ("spine03", "spine02"):  # their heads are nearest to SMPL-X's spine1 and spine2
        return {"spine03": "spine1", "spine02": "spine2"}[stem]
    if stem in ("spine01", "breast"):
        return "spine3"
    if stem.startswith(("clavicle", "shoulder")):
        return side + "collar"
    if stem.startswith("upperarm"):
        return side + "shoulder"
    if stem.startswith("lowerarm"):
        return side + "elbow"
    if stem.startswith(("wrist", "metacarpal")):
        return side + "wrist"
    if stem.startswith("finger"):
        number, segment = stem[6:].split("-")
        return side + _FINGER_OF_NUMBER[number] + segment
    if stem.startswith("neck"):
        return "neck"
    if stem == "eye":
        return side + "eye_smplhf"
    if "jaw" in (bone, *ancestors):
        return "jaw"
    if "head" in (bone, *ancestors):
        return "head"
    raise KeyError(f"bone {bone!r} has no place in the SMPL-X tree")


# Bone whose head is the joint, where it is not simply the first bone that maps to the joint.
HEAD_BONE = {"pelvis": "spine05", "jaw": "jaw", "head": "head", "spine3": "spine01"}
