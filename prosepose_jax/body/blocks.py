"""Equal small blocks of vertices, for culling in the inside test."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.cells import halve, pad_lists

_BLOCK_SIZE = 16


@struct.dataclass
class Blocks:
    """All V vertices in blocks of at most 16 neighbours; every vertex is in exactly one block."""

    vertex_ids: jax.Array  # (n, M) int32, padded with the block's first vertex
    mask: jax.Array  # (n, M) bool


def make_blocks(v_template: np.ndarray) -> Blocks:
    """Divides the mesh (V, 3) into blocks."""
    points = np.asarray(v_template, np.float64)
    vertex_ids, mask = pad_lists(halve(points, np.arange(len(points)), _BLOCK_SIZE))
    return Blocks(vertex_ids=jnp.asarray(vertex_ids), mask=jnp.asarray(mask))
