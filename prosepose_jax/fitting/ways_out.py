"""Which ways two people who are inside each other can be drawn apart (docs/method.md, "People inside each other").

On the host, in numpy, on the low-resolution surface: few scenes ask.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

# Edges, faces and corners of a cube: no direction is more than 28 degrees from one of these.
DIRECTIONS = np.array([d for d in itertools.product((-1.0, 0.0, 1.0), repeat=3) if any(d)])
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
# Farther is no way out but through somebody.
FARTHEST_M = 0.5
_MOST_POINTS = 48
# Whether a point is inside is asked along a line that meets no edge of a face but by rare chance.
_ASKED = np.array([0.0237, 0.0411, 1.0]) / np.linalg.norm([0.0237, 0.0411, 1.0])
_ON_SURFACE_M = 1e-6
# The cosine of the angle from which on a way leads elsewhere: across or back.
_ELSEWHERE = 0.3


class WayOut(NamedTuple):
    """How to draw two people apart."""

    direction: np.ndarray  # (3,) of unit length, in which the first goes relative to the second
    distance_m: float


def ways_out(first: np.ndarray, second: np.ndarray, faces: np.ndarray) -> list[WayOut]:
    """The shortest way out and the shortest of those that lead elsewhere, as far as there are.

    A way is as long as the longest that a vertex within the other surface has to its outside; what is met on the
    way after that is not looked at.

    Args:
      first: (n, 3) vertices of the first person's closed surface, m.
      second: (n, 3) of the second's.
      faces: (F, 3) of both, counter-clockwise seen from outside.

    Returns:
      At most two, none longer than FARTHEST_M; none at all when no vertex is inside.
    """
    of_first, of_second = first[faces], second[faces]
    entered, covered = _within(first, of_second), _within(second, of_first)
    if not len(entered) and not len(covered):
        return []
    lengths = np.array([max(_longest(entered, of_second, d), _longest(covered, of_first, -d)) for d in DIRECTIONS])
    order = [k for k in np.argsort(lengths, kind="stable") if lengths[k] <= FARTHEST_M]
    if not order:
        return []
    elsewhere = [k for k in order if DIRECTIONS[k] @ DIRECTIONS[order[0]] <= _ELSEWHERE]
    return [WayOut(DIRECTIONS[k], float(lengths[k])) for k in [order[0], *elsewhere[:1]]]


def _within(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The points (k, 3) that are inside a closed surface; of more than _MOST_POINTS an even selection."""
    low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
    near = points[((points >= low) & (points <= high)).all(axis=1)]
    if not len(near):
        return near
    turns, depth = _hits(near, triangles, _ASKED)
    found = near[np.where(depth > 0, turns, 0).sum(axis=1) != 0]
    return found[np.unique(np.linspace(0, len(found) - 1, _MOST_POINTS).astype(int))] if len(found) else found


def _longest(points: np.ndarray, triangles: np.ndarray, direction: np.ndarray) -> float:
    """How far points have to go at most until they leave a closed surface that they are in; 0 without points."""
    if not len(points):
        return 0.0
    turns, depth = _hits(points, triangles, direction)
    ahead = (turns > 0) & (depth > -_ON_SURFACE_M)
    return max(0.0, float(np.where(ahead, depth, np.inf).min(axis=1, initial=np.inf).max()))


def _hits(points: np.ndarray, triangles: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where lines through points meet triangles.

    Args:
      points: (n, 3).
      triangles: (F, 3, 3) corners.
      direction: (3,) of all lines, unit length.

    Returns:
      Of the k faces that any line may meet, (n, k): 1 where the line leaves the surface, -1 where it enters, 0 where it
      passes; and m from the point to there, negative behind it, anything where it passes.
    """
    across = np.eye(3)[np.argmin(np.abs(direction))]
    right = np.cross(across, direction)
    right /= np.linalg.norm(right)
    frame = np.stack([right, np.cross(direction, right), direction])
    (x, y, z), (u, v, w) = frame @ points.T, np.moveaxis(triangles @ frame.T, -1, 0)  # (n,), (F, 3)
    met = (
        (u.max(axis=1) >= x.min())
        & (u.min(axis=1) <= x.max())
        & (v.max(axis=1) >= y.min())
        & (v.min(axis=1) <= y.max())
    )
    u, v, w = u[met], v[met], w[met]
    edges = []
    for k in range(3):
        j = (k + 1) % 3
        du, dv = u[:, j] - u[:, k], v[:, j] - v[:, k]
        edges.append(du * y[:, None] - dv * x[:, None] - (du * v[:, k] - dv * u[:, k]))
    area = edges[0] + edges[1] + edges[2]
    leaves = (edges[0] >= 0) & (edges[1] >= 0) & (edges[2] >= 0) & (area > 0)
    enters = (edges[0] < 0) & (edges[1] < 0) & (edges[2] < 0)
    height = (edges[1] * w[:, 0] + edges[2] * w[:, 1] + edges[0] * w[:, 2]) / np.where(area == 0, 1.0, area)
    return leaves.astype(np.int8) - enters.astype(np.int8), height - z[:, None]
