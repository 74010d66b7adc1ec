"""Small blocks of vertices, and these in groups, for the inside test and the search of nearest vertices."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.cells import divide, pad_lists

_BLOCK_SIZE = 16  # vertices
_GROUP_SIZE = 16  # blocks


@struct.dataclass
class Blocks:
    """Vertices in blocks of at most 16 neighbours; each is in exactly one. Padding repeats a first entry."""

    vertex_ids: jax.Array  # (n, M) int32
    mask: jax.Array  # (n, M) bool
    of_group: jax.Array  # (g, K) int32 blocks of each group


def make_blocks(v_template: np.ndarray, owner: np.ndarray | None = None, ids: np.ndarray | None = None) -> Blocks:
    """Divides a mesh into blocks.

    Args:
      v_template: (V, 3) rest vertices.
      owner: (V,); no group of blocks has vertices of two owners. None: all have one.
      ids: the vertices to divide; None: all.
    """
    points = np.asarray(v_template, np.float64)
    blocks: list[np.ndarray] = []
    groups: list[np.ndarray] = []
    owner = np.zeros(len(points), np.int64) if owner is None else np.asarray(owner)
    ids = np.arange(len(points)) if ids is None else np.asarray(ids)
    owned = [ids[owner[ids] == k] for k in np.unique(owner[ids])]
    for part in (part for ids in owned for part in divide(points, ids, _BLOCK_SIZE * _GROUP_SIZE)):
        found = divide(points, part, _BLOCK_SIZE)
        groups.append(np.arange(len(blocks), len(blocks) + len(found)))
        blocks += found
    vertex_ids, mask = pad_lists(blocks)
    return Blocks(
        vertex_ids=jnp.asarray(vertex_ids), mask=jnp.asarray(mask), of_group=jnp.asarray(pad_lists(groups)[0])
    )


def stand_ins(v_template: np.ndarray, kinds: np.ndarray, most: int) -> np.ndarray:
    """Chooses vertices that stand for the others of a fine mesh.

    One of every few neighbours of one kind, the nearest to their middle.

    Args:
      v_template: (V, 3) rest vertices.
      kinds: (V,) int; a vertex stands for those of its own kind alone, those of kind -1 are left out.
      most: vertices to choose, about; V and more: all.

    Returns:
      (V,) int, how many vertices each stands for, itself among them; 0 for those that another stands for.
    """
    points, size = np.asarray(v_template, np.float64), -(-len(v_template) // most)
    stands_for = np.zeros(len(points), np.int64)
    for kind in np.unique(kinds[kinds >= 0]):
        for part in divide(points, np.flatnonzero(kinds == kind), size):
            apart = np.linalg.norm(points[part] - points[part].mean(axis=0), axis=1)
            stands_for[part[np.argmin(apart)]] = len(part)
    return stands_for
