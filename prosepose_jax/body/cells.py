"""The vertices of every fine region in small compact cells, and these in groups: what coarse searches look at."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import NUM_REGIONS, Regions

_CELL_SIZE = 24  # vertices
_GROUP_SIZE = 8  # cells


def divide(points: np.ndarray, ids: np.ndarray, size: int) -> list[np.ndarray]:
    """Splits vertices across the longest axis, again and again, into the fewest parts of at most `size`."""
    queue, done = [(ids, -(-len(ids) // size))], []
    while queue:
        part, count = queue.pop()
        if count <= 1:
            done.append(part)
            continue
        axis = int(np.argmax(np.ptp(points[part], axis=0)))
        order = part[np.argsort(points[part, axis], kind="stable")]
        first = count // 2
        cut = round(len(order) * first / count)  # both sides fit into their numbers of parts
        queue += [(order[:cut], first), (order[cut:], count - first)]
    return done


def pad_lists(lists: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Lists of ids as one int32 array, padded with each list's first id, and its mask."""
    width = max(len(x) for x in lists)
    ids = np.stack([np.concatenate([x, np.full(width - len(x), x[0])]) for x in lists])
    return ids.astype(np.int32), np.stack([np.arange(width) < len(x) for x in lists])


@struct.dataclass
class Cells:
    """C cells of at most 24 vertices of one region, in G groups of at most 8 neighbours of one region.

    Padding repeats a first entry: harmless in a minimum.
    """

    vertex_ids: jax.Array  # (C, M) int32
    of_group: jax.Array  # (G, K) int32 cells of each group
    group_mask: jax.Array  # (G, K) bool, False on padding
    of_union: jax.Array  # (n, L) int32 groups of each union of regions
    union_mask: jax.Array  # (n, L) bool


def make_cells(v_template: np.ndarray, regions: Regions, unions: Sequence[Sequence[int]]) -> Cells:
    """Divides every region into cells.

    Args:
      v_template: (V, 3) rest vertices.
      regions: the fine regions; they may overlap or leave vertices out. One without vertices has no cells.
      unions: n lists of regions between which distances will be asked; each must have vertices.
    """
    points = np.asarray(v_template, np.float64)
    table, mask = np.asarray(regions.vertex_ids), np.asarray(regions.mask)
    cells: list[np.ndarray] = []
    groups: list[np.ndarray] = []
    of_region: list[np.ndarray] = []
    for region in range(NUM_REGIONS):
        first_group = len(groups)
        members = np.unique(table[region][mask[region]])
        for part in divide(points, members, _CELL_SIZE * _GROUP_SIZE) if len(members) else []:
            found = divide(points, part, _CELL_SIZE)
            groups.append(np.arange(len(cells), len(cells) + len(found)))
            cells += found
        of_region.append(np.arange(first_group, len(groups)))
    of_group, group_mask = pad_lists(groups)
    of_union, union_mask = pad_lists([np.concatenate([of_region[r] for r in union]) for union in unions])
    return Cells(
        vertex_ids=jnp.asarray(pad_lists(cells)[0]),
        of_group=jnp.asarray(of_group),
        group_mask=jnp.asarray(group_mask),
        of_union=jnp.asarray(of_union),
        union_mask=jnp.asarray(union_mask),
    )
