"""A closed surface of known shape, for tests of what is inside of what."""

from __future__ import annotations

import numpy as np


def box(size: float = 1.0, cuts: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """A cube [0, size]³ with every side cut into squares, outward triangles."""
    ticks = np.arange(cuts + 1)
    points: dict[tuple[int, int, int], int] = {}
    faces = []
    for axis in range(3):
        for at, flip in ((0, True), (cuts, False)):
            for i in ticks[:-1]:
                for j in ticks[:-1]:
                    corners = []
                    for di, dj in ((0, 0), (1, 0), (1, 1), (0, 1)):
                        place = [0, 0, 0]
                        place[axis], place[(axis + 1) % 3], place[(axis + 2) % 3] = at, i + di, j + dj
                        corners.append(points.setdefault(tuple(place), len(points)))
                    a, b, c, d = corners[::-1] if flip else corners
                    faces += [(a, b, c), (a, c, d)]
    return np.array(list(points)) * (size / cuts), np.array(faces)
