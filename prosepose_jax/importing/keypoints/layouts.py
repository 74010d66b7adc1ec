"""The table of keypoint layouts, and how each becomes BODY_25."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from prosepose_jax.errors import InputError

BODY_25 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe",
    "right_heel",
)  # fmt: skip
# Points that a layout may lack and that are made of two others.
_MADE = {"neck": ("right_shoulder", "left_shoulder"), "mid_hip": ("right_hip", "left_hip")}
# What tools call a point that BODY_25 has under another name; stand-ins count only where that is absent.
_SYNONYMS = {
    "hip": "mid_hip", "midhip": "mid_hip", "hips": "mid_hip", "pelvis": "mid_hip", "root": "mid_hip",
    "hip_center": "mid_hip", "bigtoe": "big_toe", "big_toe_tip": "big_toe", "smalltoe": "small_toe",
    "small_toe_tip": "small_toe",
}  # fmt: skip
_STAND_INS = {"thorax": "neck", "foot": "ankle", "foot_index": "big_toe"}
_BONES = (
    (0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (10, 11), (8, 12), (12, 13),
    (13, 14), (0, 15), (15, 17), (0, 16), (16, 18),
)  # fmt: skip
# Names without which a list of names says too little.
_NEEDED_NAMES = ("shoulder", "elbow", "hip", "knee")
# Another order whose skeleton is shorter than this share of the assumed one's is the right one.
_SHORTER = 0.8


@dataclasses.dataclass(frozen=True)
class Layout:
    """An order of points.

    Attributes:
      name: as `--keypoint_layout` takes it.
      count: number of points.
      sources: for each BODY_25 point the source point, the two whose middle it is, or nothing.
      hands: (left, right), each 21 source points in OpenPose's order, or nothing.
    """

    name: str
    count: int
    sources: tuple[tuple[int, ...], ...]
    hands: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    def body25(self, points: np.ndarray) -> np.ndarray:
        """(…, count, 3) source points as (…, 25, 3); made points have the smaller confidence of their two."""
        result = np.zeros((*points.shape[:-2], 25, 3), points.dtype)
        for target, source in enumerate(self.sources):
            if not source:
                continue
            chosen = points[..., list(source), :]
            confidence = chosen[..., 2].min(axis=-1)
            result[..., target, :2] = chosen[..., :2].mean(axis=-2)
            result[..., target, 2] = confidence
        result[result[..., 2] <= 0] = 0.0
        return result

    def hands_of(self, points: np.ndarray) -> np.ndarray | None:
        """(…, count, 3) source points as (…, 2, 21, 3), or None where the layout has no hands."""
        return None if self.hands is None else points[..., np.array(self.hands), :]


def _sources(numbers: dict[str, int]) -> tuple[tuple[int, ...], ...]:
    found = []
    for name in BODY_25:
        parts = (name,) if name in numbers else _MADE.get(name, ())
        found.append(tuple(numbers[p] for p in parts) if parts and all(p in numbers for p in parts) else ())
    return tuple(found)


def _layout(
    name: str, count: int, *numbers: int | None, hands: tuple[Sequence[int], Sequence[int]] | None = None
) -> Layout:
    """A layout from its source numbers in BODY_25's order; None = lacking, the end may be left out."""
    given = {part: n for part, n in zip(BODY_25, numbers, strict=False) if n is not None}
    return Layout(name, count, _sources(given), None if hands is None else (tuple(hands[0]), tuple(hands[1])))


def _ranges(left: int, right: int) -> tuple[range, range]:
    return range(left, left + 21), range(right, right + 21)


# Sapiens and MHR count each finger from its tip: thumb, fore, middle, ring, little; the wrist comes after the hand.
_TIPS_FIRST = [4 * finger + joint for finger in range(5) for joint in (3, 2, 1, 0)]
_GOLIATH_HANDS = ([62, *(42 + n for n in _TIPS_FIRST)], [41, *(21 + n for n in _TIPS_FIRST)])
_COCO = (0, None, 6, 8, 10, 5, 7, 9, None, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_HALPE = (0, 18, 6, 8, 10, 5, 7, 9, 19, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3, 20, 22, 24, 21, 23, 25)
_OPENPOSE_18 = (0, 1, 2, 3, 4, 5, 6, 7, None, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)
_GOLIATH = (0, 69, 6, 8, 41, 5, 7, 62, None, 10, 12, 14, 9, 11, 13, 2, 1, 4, 3, 15, 16, 17, 18, 19, 20)

# Sources: docs/keypoints.md. Of 17 points the first layout is taken where readers know no better.
LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        _layout("body25", 25, *range(25)),
        _layout("body25b", 25, 0, 17, *_COCO[2:], *range(19, 25)),
        _layout("coco25", 25, 0, 5, 7, 9, 11, 6, 8, 10, 14, 13, 16, 18, 12, 15, 17, 2, 1, 4, 3, *range(19, 25)),
        _layout("coco17", 17, *_COCO),
        _layout("h36m17", 17, None, 8, 14, 15, 16, 11, 12, 13, 0, 1, 2, 3, 4, 5, 6),
        _layout("coco18", 18, *_OPENPOSE_18),
        _layout("halpe26", 26, *_HALPE),
        _layout("mediapipe33", 33, 0, None, 12, 14, 16, 11, 13, 15, None, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7,
                31, None, 29, 32, None, 30),
        _layout("halpe68", 68, *_HALPE, hands=_ranges(26, 47)),
        _layout("mhr70", 70, *_GOLIATH, hands=_GOLIATH_HANDS),
        _layout("wholebody133", 133, *_COCO, *range(17, 23), hands=_ranges(91, 112)),
        _layout("openpose134", 134, *_OPENPOSE_18, *range(18, 24), hands=_ranges(92, 113)),
        _layout("halpe136", 136, *_HALPE, hands=_ranges(94, 115)),
        _layout("sapiens308", 308, *_GOLIATH, hands=_GOLIATH_HANDS),
        _layout("mpi15", 15, None, 1, 2, 3, 4, 5, 6, 7, None, 8, 9, 10, 11, 12, 13),
        _layout("mpii16", 16, None, 7, 12, 11, 10, 13, 14, 15, 6, 2, 1, 0, 3, 4, 5),
        _layout("aic14", 14, None, 13, 0, 1, 2, 3, 4, 5, None, 6, 7, 8, 9, 10, 11),
        _layout("crowdpose14", 14, None, 13, 1, 3, 5, 0, 2, 4, None, 7, 9, 11, 6, 8, 10),
    )
}  # fmt: skip
_ALIASES = {
    "coco": "coco17", "wholebody": "wholebody133", "cocowholebody": "wholebody133", "cocowholebody133": "wholebody133",
    "halpe": "halpe26", "body26": "halpe26", "h36m": "h36m17", "mediapipe": "mediapipe33", "sapiens": "sapiens308",
    "openpose25": "body25", "openpose18": "coco18", "openposecoco18": "coco18", "mpi": "mpi15", "mpii": "mpii16",
    "aic": "aic14", "crowdpose": "crowdpose14", "easyvitpose": "coco25", "goliath": "sapiens308",
}  # fmt: skip


def named_layout(name: str) -> Layout:
    """The layout of a name, however it is written (`BODY_25B`, `coco-wholebody`, …).

    Raises:
      InputError: there is none of that name; the message lists them.
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    plain = _ALIASES.get(plain, plain)
    if plain not in LAYOUTS:
        raise InputError(f"--keypoint_layout: no layout {name!r}; expected one of: {', '.join(LAYOUTS)}")
    return LAYOUTS[plain]


def layouts_of(count: int) -> list[Layout]:
    """The known layouts of a number of points."""
    return [layout for layout in LAYOUTS.values() if layout.count == count]


def layout_by_names(names: Sequence[str]) -> Layout | None:
    """The layout that the points' own names tell, or None where they name too little of a body."""
    numbers: dict[str, int] = {}
    stand_ins: dict[str, int] = {}
    for index, name in enumerate(names):
        side, part = _side_and_part(name)
        if part in _STAND_INS:
            stand_ins.setdefault(side + _STAND_INS[part], index)
        elif part == "hip" and side:
            numbers.setdefault(side + part, index)
        else:
            numbers.setdefault(side + _SYNONYMS.get(part, part), index)
    sources = _sources(stand_ins | numbers)
    if any(f"{side}_{part}" not in numbers for side in ("left", "right") for part in _NEEDED_NAMES):
        return None
    for layout in layouts_of(len(names)):
        if layout.sources == sources:
            return layout
    return Layout("named", len(names), sources)


def _side_and_part(name: str) -> tuple[str, str]:
    """("left_", "big_toe") of `left_big_toe`, `LBigToe`, `L_BigToe`, `big-toe-left`; ("", "neck") of `Neck`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=\b[LR])(?=[A-Z][a-z])", "_", name)
    plain = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    found = re.fullmatch(r"(l|r|left|right)_(\w+)", plain)
    side, part = found.groups() if found else ("", plain)
    if not found and (found := re.fullmatch(r"(\w+)_(l|r|left|right)", plain)):
        part, side = found.groups()
    return {"l": "left_", "r": "right_"}.get(side[:1], ""), part


def shorter_order(layout: Layout, points: np.ndarray) -> Layout | None:
    """Another layout of the same number in which these people's skeletons are much shorter, or None.

    A wrong order connects points that are no neighbours. `points` is (N, count, 3).
    """
    own = _skeleton(layout.body25(points))
    others = [other for other in layouts_of(layout.count) if other.name != layout.name]
    if not others or not np.isfinite(own):
        return None
    lengths = [_skeleton(other.body25(points)) for other in others]
    best = int(np.argmin(lengths))
    return others[best] if lengths[best] < _SHORTER * own else None


def _skeleton(body25: np.ndarray) -> float:
    """Mean length of the visible bones of all people, as a share of each one's size."""
    lengths = []
    for person in body25:
        seen = person[:, 2] > 0
        bones = [(a, b) for a, b in _BONES if seen[a] and seen[b]]
        if len(bones) < 8:
            continue
        size = float(np.linalg.norm(np.ptp(person[seen, :2], axis=0)))
        if size > 0:
            lengths.append(np.mean([np.linalg.norm(person[a, :2] - person[b, :2]) for a, b in bones]) / size)
    return float(np.median(lengths)) if lengths else float("inf")
