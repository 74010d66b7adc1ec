"""Which vertices a floor can touch: of everything that moves as one piece, the outermost of many directions."""

from __future__ import annotations

from typing import Any

import numpy as np
from flax import struct

from prosepose_jax.body.cells import pad_lists
from prosepose_jax.body.model import BodyModel
from prosepose_jax.terms.floor_supports import support_pieces

DIRECTIONS = 26
"""Spread over the sphere: what is lower than the vertices they choose is so by less than 1 mm on average."""


@struct.dataclass
class FloorVertices:
    """Vertices that are looked at for the lowest of a piece, and for the lowest of a person (int32 arrays)."""

    pieces: Any  # (K, M), padded with each piece's first
    whole: Any  # (B,)


def floor_vertices(body: BodyModel, directions: int = DIRECTIONS) -> FloorVertices:
    """Chooses them in the rest pose (host); what skinning bends between two bones is lower by little.

    Args:
      body: the body.
      directions: how many; 0: every vertex.
    """
    pieces = support_pieces(body)
    if not directions:
        return FloorVertices(pieces=pieces, whole=np.arange(len(body.v_template), dtype=np.int32))
    rest, ways = np.asarray(body.v_template, np.float64), _spread(directions)
    bone = np.asarray(body.skin_weights).argmax(axis=1)

    def of_bones(ids: np.ndarray) -> np.ndarray:
        """Of each bone's skin by itself: whatever way a knee is bent, its kneecap is among them."""
        return np.concatenate([_outermost(rest, ids[bone[ids] == joint], ways) for joint in np.unique(bone[ids])])

    found = [of_bones(np.unique(piece)) for piece in pieces]
    whole = np.unique(np.concatenate([of_bones(np.arange(len(rest))), *found]))
    return FloorVertices(pieces=pad_lists(found)[0], whole=whole)


def _outermost(points: np.ndarray, ids: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Those of `ids` that are the farthest along some way."""
    return np.unique(ids[np.argmax(points[ids] @ ways.T, axis=0)]).astype(np.int32)


def _spread(count: int) -> np.ndarray:
    """(count, 3) unit directions evenly over the sphere: the spiral of golden angles."""
    height = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    around = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(count)
    radius = np.sqrt(1.0 - height**2)
    return np.column_stack([radius * np.cos(around), height, radius * np.sin(around)])
