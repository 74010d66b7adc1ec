"""Whether people would fall over: the centre of mass against the polygon of what stands on the floor.

A body has the same density everywhere. Who holds on to somebody may use the other's support as well.
"""

from __future__ import annotations

import numpy as np

SUPPORT_HEIGHT_M = 0.03  # vertices this near to the floor carry weight


def mass_centre(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre of mass (3,) and volume (m³) of a closed mesh (V, 3)."""
    middle = vertices.mean(axis=0)
    a, b, c = (np.asarray(vertices[faces[:, k]], np.float64) - middle for k in range(3))
    volumes = np.sum(a * np.cross(b, c), axis=1) / 6.0
    volume = float(volumes.sum())
    return middle + np.sum(volumes[:, None] * (a + b + c), axis=0) / (4.0 * volume), volume


def convex_hull(points: np.ndarray) -> np.ndarray:
    """Corners (k, 2) of the convex hull of (n, 2) points, counter-clockwise (Andrew's monotone chain)."""
    points = np.unique(np.asarray(points, np.float64), axis=0)
    if len(points) < 3:
        return points

    def chain(ordered: np.ndarray) -> list[np.ndarray]:
        kept: list[np.ndarray] = []
        for point in ordered:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return np.array(chain(points) + chain(points[::-1]))


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def distance_outside(point: np.ndarray, corners: np.ndarray) -> float:
    """How far a point (2,) lies outside a convex polygon (k, 2), k >= 1, counter-clockwise; 0 inside."""
    ends = np.roll(corners, -1, axis=0)
    along = ends - corners
    rel = point - corners
    if len(corners) > 2 and np.all(along[:, 0] * rel[:, 1] - along[:, 1] * rel[:, 0] >= 0):
        return 0.0
    length2 = np.maximum(np.sum(along * along, axis=1), 1e-18)
    at = np.clip(np.sum(rel * along, axis=1) / length2, 0.0, 1.0)
    return float(np.min(np.linalg.norm(rel - at[:, None] * along, axis=1)))


def imbalance(vertices: np.ndarray, faces: np.ndarray) -> float:
    """How far (m) people (P, V, 3), world frame, floor at y = 0, are from standing safely; 0: they do.

    Each person's centre of mass must be over the own support; or else that of all together over the support of
    all, for people who hold each other. The smaller of the two distances counts.
    """
    centres, volumes, supports = [], [], []
    for person in np.asarray(vertices, np.float64):
        centre, volume = mass_centre(person, faces)
        centres.append(centre[[0, 2]])
        volumes.append(volume)
        supports.append(person[person[:, 1] < SUPPORT_HEIGHT_M][:, [0, 2]])
    together = np.concatenate(supports)
    if not len(together):
        return float("inf")
    joint = distance_outside(np.average(centres, axis=0, weights=volumes), convex_hull(together))
    if not all(len(s) for s in supports):
        return joint
    alone = max(distance_outside(c, convex_hull(s)) for c, s in zip(centres, supports, strict=True))
    return min(alone, joint)
