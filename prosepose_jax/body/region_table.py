"""Names, mirror pairs and body sides of the 75 fine surface regions (docs/method.md, "Regions").

The numbering is that of the FlickrCI3D contact signatures. Where the published list gives two regions
the same name, the names here say which is which (palm side or back side, upper or lower).
"""

from __future__ import annotations

import enum

import numpy as np

NUM_REGIONS = 75


class Region(enum.IntEnum):
    """The fine regions by id. Left and right are the body's own."""

    LEFT_UPPER_BELLY = 0
    LEFT_FOOT_UPPER_SIDE = 1
    BACK_LEFT_SHOULDER = 2
    LEFT_FINGERS_BACK_SIDE = 3
    RIGHT_UPPER_BELLY = 4
    FRONT_LEFT_FOREARM = 5
    BACK_RIGHT_UPPER_ARM = 6
    RIGHT_LOWER_CHEST = 7
    BACK_RIGHT_FOREARM = 8
    RIGHT_BUTT = 9
    RIGHT_LOWER_BACK = 10
    BACK_LEFT_ELBOW = 11
    BACK_RIGHT_KNEE = 12
    RIGHT_MIDDLE_BACK = 13
    BACK_LEFT_NECK = 14
    BACK_LEFT_UPPER_THIGH = 15
    FRONT_RIGHT_KNEE = 16
    LEFT_BACK_OF_HAND = 17
    BACK_RIGHT_LOWER_LEG = 18
    FRONT_RIGHT_UPPER_THIGH = 19
    FRONT_LEFT_LOWER_THIGH = 20
    BACK_LEFT_LOWER_LEG = 21
    FRONT_RIGHT_SHIN = 22
    RIGHT_PALM = 23
    BACK_RIGHT_ELBOW = 24
    FRONT_LEFT_SHIN = 25
    RIGHT_FINGERS_PALM_SIDE = 26
    RIGHT_BACK_OF_HAND = 27
    BACK_RIGHT_LOWER_THIGH = 28
    BACK_RIGHT_SHOULDER = 29
    BACK_LEFT_KNEE = 30
    FRONT_RIGHT_SHOULDER = 31
    FRONT_RIGHT_FOREARM = 32
    LEFT_FINGERS_PALM_SIDE = 33
    FRONT_LEFT_ELBOW = 34
    LEFT_MIDDLE_BACK = 35
    BACK_RIGHT_SHIN = 36
    FRONT_RIGHT_UPPER_ARM = 37
    RIGHT_UPPER_BACK = 38
    BACK_LEFT_SKULL = 39
    RIGHT_FINGERS_BACK_SIDE = 40
    LEFT_UPPER_BACK = 41
    RIGHT_FOOT_UPPER_SIDE = 42
    BACK_RIGHT_NECK = 43
    FRONT_RIGHT_ELBOW = 44
    FRONT_LEFT_UPPER_THIGH = 45
    FRONT_RIGHT_LOWER_THIGH = 46
    FRONT_RIGHT_NECK = 47
    LEFT_LOWER_BACK = 48
    FRONT_LEFT_UPPER_ARM = 49
    FRONT_PELVIS = 50
    FRONT_RIGHT_SKULL = 51
    BACK_RIGHT_SKULL = 52
    BACK_LEFT_LOWER_THIGH = 53
    FRONT_LEFT_NECK = 54
    BACK_RIGHT_UPPER_THIGH = 55
    BACK_LEFT_SHIN = 56
    BACK_LEFT_UPPER_ARM = 57
    RIGHT_UPPER_CHEST = 58
    LEFT_UPPER_CHEST = 59
    FRONT_LEFT_LOWER_LEG = 60
    LEFT_LOWER_CHEST = 61
    FRONT_RIGHT_LOWER_LEG = 62
    RIGHT_UPPER_BACK_BELOW = 63
    FRONT_LEFT_KNEE = 64
    RIGHT_SOLE = 65
    FRONT_LEFT_SKULL = 66
    LEFT_SOLE = 67
    RIGHT_LOWER_BELLY = 68
    BACK_LEFT_FOREARM = 69
    LEFT_UPPER_BACK_BELOW = 70
    LEFT_BUTT = 71
    LEFT_PALM = 72
    FRONT_LEFT_SHOULDER = 73
    LEFT_LOWER_BELLY = 74


REGION_NAMES: tuple[str, ...] = tuple(Region(i).name.lower().replace("_", " ") for i in range(NUM_REGIONS))

MIRROR_PAIRS: tuple[tuple[int, int], ...] = (
    (1, 42), (67, 65), (2, 29), (3, 40), (33, 26), (17, 27), (72, 23), (5, 32), (69, 8), (11, 24), (34, 44),
    (49, 37), (57, 6), (73, 31), (14, 43), (54, 47), (39, 52), (66, 51), (41, 38), (70, 63), (35, 13), (48, 10),
    (59, 58), (61, 7), (0, 4), (74, 68), (71, 9), (45, 19), (20, 46), (64, 16), (60, 62), (25, 22), (15, 55),
    (53, 28), (30, 12), (21, 18), (56, 36),
)  # fmt: skip
"""(left, right) region ids. Region 50 (front pelvis) has no side."""


def _mirror() -> np.ndarray:
    mirror = np.arange(NUM_REGIONS, dtype=np.int32)
    for left, right in MIRROR_PAIRS:
        mirror[left], mirror[right] = right, left
    mirror.setflags(write=False)
    return mirror


MIRROR_REGION: np.ndarray = _mirror()
"""(75,) int32: the region on the other side of the body; 50 maps to itself."""

LEFT_REGIONS: tuple[int, ...] = tuple(sorted(left for left, _ in MIRROR_PAIRS))
RIGHT_REGIONS: tuple[int, ...] = tuple(sorted(right for _, right in MIRROR_PAIRS))
