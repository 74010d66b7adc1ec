"""The vertices of every fine region in small compact cells, for searches that look coarsely first."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import NUM_REGIONS, Regions

_CELL_SIZE = 32


def halve(points: np.ndarray, ids: np.ndarray, size: int) -> list[np.ndarray]:
    """Splits vertices at the median of their longest axis until no part has more than `size`."""
    queue, done = [ids], []
    while queue:
        part = queue.pop()
        if len(part) <= size:
            done.append(part)
            continue
        axis = int(np.argmax(np.ptp(points[part], axis=0)))
        order = part[np.argsort(points[part, axis], kind="stable")]
        queue += [order[: len(order) // 2], order[len(order) // 2 :]]
    return done


def pad_lists(lists: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Lists of ids as one int32 array, padded with each list's first id, and its mask."""
    width = max(len(x) for x in lists)
    ids = np.stack([np.concatenate([x, np.full(width - len(x), x[0])]) for x in lists])
    return ids.astype(np.int32), np.stack([np.arange(width) < len(x) for x in lists])


@struct.dataclass
class Cells:
    """C cells of at most 32 vertices, region by region. Padding repeats a first entry: harmless in a minimum."""

    vertex_ids: jax.Array  # (C, M) int32
    centres: jax.Array  # (C,) int32 the vertex in the middle of each cell
    region: jax.Array  # (C,) int32 the region a cell belongs to, ascending
    of_region: jax.Array  # (75, K) int32 the cells of each region


def make_cells(v_template: np.ndarray, regions: Regions) -> Cells:
    """Divides every region into cells.

    Args:
      v_template: (V, 3) rest vertices.
      regions: the fine regions; they may overlap or leave vertices out.
    """
    points = np.asarray(v_template, np.float64)
    table, mask = np.asarray(regions.vertex_ids), np.asarray(regions.mask)
    members: list[np.ndarray] = []
    of_region: list[np.ndarray] = []
    for region in range(NUM_REGIONS):
        parts = halve(points, np.unique(table[region][mask[region]]), _CELL_SIZE)
        of_region.append(np.arange(len(members), len(members) + len(parts)))
        members += parts
    centres = [m[np.argmin(np.sum((points[m] - points[m].mean(0)) ** 2, axis=1))] for m in members]
    region_of = np.concatenate([np.full(len(c), r) for r, c in enumerate(of_region)])
    return Cells(
        vertex_ids=jnp.asarray(pad_lists(members)[0]),
        centres=jnp.asarray(centres, jnp.int32),
        region=jnp.asarray(region_of, jnp.int32),
        of_region=jnp.asarray(pad_lists(of_region)[0]),
    )
