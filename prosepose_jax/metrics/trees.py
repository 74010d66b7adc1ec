"""The faces of a mesh in a full binary tree of neighbours, made once a body; `metrics._compiled` poses and walks it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from prosepose_jax.metrics.boxes import halved

_FACES = 8  # of a leaf, at most


class Leaves(NamedTuple):
    """The leaves of a tree: a power of two of them, of which 8 k … 8 k + 7 are neighbours."""

    faces: np.ndarray  # (L, w) of each leaf, filled up with -1
    corners: np.ndarray  # (L, m) the vertices of those, likewise


def leaves_of(rest: np.ndarray, faces: np.ndarray) -> Leaves:
    """The leaves over faces (F, 3) of vertices (V, 3) at rest."""
    depth = max(3, int(np.ceil(np.log2(max(len(faces), 1) / _FACES))))
    leaves = _halves(np.arange(len(faces)), rest[faces].mean(axis=1), depth)
    return Leaves(_rows(leaves), _rows([np.unique(faces[leaf]) for leaf in leaves]))


def _rows(lists: list[np.ndarray]) -> np.ndarray:
    width = max(1, *map(len, lists))
    return np.stack([np.pad(ids, (0, width - len(ids)), constant_values=-1) for ids in lists])


def _halves(ids: np.ndarray, points: np.ndarray, depth: int) -> list[np.ndarray]:
    """Ids in 2^depth parts of about the same size, halved along the longest side of their points."""
    if depth == 0:
        return [ids]
    first, second = halved(ids, points)
    return [*_halves(first, points, depth - 1), *_halves(second, points, depth - 1)]
