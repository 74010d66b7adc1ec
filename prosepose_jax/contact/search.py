"""Finds the closest vertices of touching parts without gradient, coarsely first.

The fit needs, for every pair of parts that some answer names, the closest two vertices. Three searches
share one interface: "cells" looks at region representatives, then into the cells of the best ones;
"exact" looks at every vertex; "sample" draws random vertices of each region, as the method's release
does (docs/method.md, "Contact loss").
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.cells import Cells
from prosepose_jax.body.model import NUM_REGIONS, Regions
from prosepose_jax.contact.distance import nearest_region_pairs
from prosepose_jax.contact.vocabulary import PART_REGIONS

# Fine region pairs of a part pair that the cell search looks into.
_CANDIDATES = 4
# Entries searched at once.
_ENTRY_CHUNK = 64
_FAR = jnp.float32(jnp.inf)

_MOST_REGIONS = int(PART_REGIONS.sum(1).max())
# Fine regions of every part, padded with the part's first region.
PART_REGION_LISTS = np.stack(
    [np.concatenate([r, np.full(_MOST_REGIONS - len(r), r[0])]) for r in (np.flatnonzero(p) for p in PART_REGIONS)]
).astype(np.int32)


@struct.dataclass
class ClosestPairs:
    """The closest vertices found for U entries (person pair, part, part) and for the whole meshes."""

    ids_a: jax.Array  # (U,) int32 vertices of the pair's first person
    ids_b: jax.Array  # (U,) int32 of its second
    distance: jax.Array  # (U,) m


def _distance(squared: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.maximum(squared, 0.0))


def _squared_distances(a: jax.Array, b: jax.Array) -> jax.Array:
    """(..., m, n) squared distances by differences: exact where the matrix-product form cancels."""
    x, y, z = ((a[..., :, None, k] - b[..., None, :, k]) ** 2 for k in range(3))
    return x + y + z


def coarse_distances(cells: Cells, vertices_a: jax.Array, vertices_b: jax.Array) -> jax.Array:
    """Squared distance (75, C) from each region of a to each cell of b, by the cells' centres."""
    squared = _squared_distances(vertices_a[cells.centres], vertices_b[cells.centres])
    return jax.ops.segment_min(squared, cells.region, NUM_REGIONS, indices_are_sorted=True)


def coarse_region_distances(cells: Cells, coarse: jax.Array) -> jax.Array:
    """Squared distance (75, 75) between regions, from `coarse_distances`."""
    return jax.ops.segment_min(coarse.T, cells.region, NUM_REGIONS, indices_are_sorted=True).T


def search_cells(
    cells: Cells, vertices: jax.Array, pairs: jax.Array, entries: jax.Array, mask: jax.Array
) -> ClosestPairs:
    """Closest vertices by cells, for a batch of scenes.

    Looks at the centres of all cells, then at the vertices in the nearest cells of the most promising fine
    region pairs. The distance found is never below the exact one; tests/fitting bounds the excess. The entries of
    all scenes share one work list, so a scene with many does not make the others search for padding.

    Args:
      cells: the body's cells.
      vertices: (B, P, V, 3) posed people.
      pairs: (B, Q, 2) int person indices.
      entries: (B, U, 3) int: index of the person pair, part on its first, part on its second person.
      mask: (B, U) bool, False on padding.

    Returns:
      The closest pairs of the entries, (B, U); infinitely far on padding.
    """
    num_scenes, num_entries = mask.shape
    num_pairs = pairs.shape[1]
    lists = jnp.asarray(PART_REGION_LISTS)
    looker = _CellLooker(cells, vertices, pairs)
    (todo,) = jnp.nonzero(mask.reshape(-1), size=mask.size, fill_value=mask.size)
    total = jnp.sum(mask)
    flat_entries = entries.reshape(-1, 3)

    def body(state: tuple[jax.Array, ClosestPairs]) -> tuple[jax.Array, ClosestPairs]:
        first, found = state
        place = jax.lax.dynamic_slice(padded, (first,), (_ENTRY_CHUNK,))
        entry = flat_entries[jnp.minimum(place, mask.size - 1)]
        table = jnp.minimum(place, mask.size - 1) // num_entries * num_pairs + entry[:, 0]
        new = jax.vmap(looker.closest)(table, lists[entry[:, 1]], lists[entry[:, 2]])
        found = jax.tree.map(lambda old, new: old.at[place].set(new, mode="drop"), found, new)
        return first + _ENTRY_CHUNK, found

    padded = jnp.concatenate([todo, jnp.full((_ENTRY_CHUNK,), mask.size, todo.dtype)])
    none = jnp.zeros(mask.size, jnp.int32)
    found = ClosestPairs(none, none, jnp.full(mask.size, _FAR))
    _, found = jax.lax.while_loop(lambda state: state[0] < total, body, (jnp.int32(0), found))
    return jax.tree.map(lambda x: x.reshape(num_scenes, num_entries), found)


def search_meshes(cells: Cells, vertices: jax.Array, pairs: jax.Array) -> ClosestPairs:
    """The closest vertices (B, Q) of the whole meshes of each person pair; arguments as in `search_cells`."""
    every = jnp.arange(NUM_REGIONS)
    looker = _CellLooker(cells, vertices, pairs)
    found = jax.vmap(lambda table: looker.closest(table, every, every))(jnp.arange(pairs.shape[0] * pairs.shape[1]))
    return jax.tree.map(lambda x: x.reshape(pairs.shape[:2]), found)


class _CellLooker:
    """Coarse tables of all person pairs of a batch, and the look into the cells that they recommend."""

    def __init__(self, cells: Cells, vertices: jax.Array, pairs: jax.Array) -> None:
        num_scenes, num_people, num_vertices, _ = vertices.shape
        self.cells = cells
        # A person is an offset: indexing people first would copy meshes per entry.
        self.flat = vertices.reshape(-1, 3)
        scene = jnp.arange(num_scenes)[:, None, None]
        self.offsets = ((scene * num_people + pairs) * num_vertices).reshape(-1, 2)
        self.to_cells = jax.vmap(jax.vmap(lambda v, p: coarse_distances(cells, v[p[0]], v[p[1]]), in_axes=(None, 0)))(
            vertices, pairs
        ).reshape(-1, NUM_REGIONS, cells.centres.shape[0])
        self.coarse = jax.vmap(lambda c: coarse_region_distances(cells, c))(self.to_cells)

    def closest(self, table: jax.Array, regions_a: jax.Array, regions_b: jax.Array) -> ClosestPairs:
        """The closest vertices of two lists of regions on the people of one table."""
        cells, flat = self.cells, self.flat
        offset_a, offset_b = self.offsets[table, 0], self.offsets[table, 1]
        block = self.coarse[table, regions_a[:, None], regions_b[None]].reshape(-1)
        _, best = jax.lax.top_k(-block, _CANDIDATES)
        region_a, region_b = regions_a[best // regions_b.shape[0]], regions_b[best % regions_b.shape[0]]
        # The nearest cells of each candidate region pair, then the nearest vertices in them.
        cells_a, cells_b = cells.of_region[region_a], cells.of_region[region_b]
        choice = jnp.argmin(self.to_cells[table, region_a[:, None], cells_b], axis=-1)
        cell_b = jnp.take_along_axis(cells_b, choice[:, None], axis=1)[:, 0]
        towards = flat[cells.centres[cells_a] + offset_a] - flat[cells.centres[cell_b] + offset_b][:, None]
        choice = jnp.argmin(jnp.sum(towards * towards, axis=-1), axis=-1)
        cell_a = jnp.take_along_axis(cells_a, choice[:, None], axis=1)[:, 0]
        ids_a, ids_b = cells.vertex_ids[cell_a], cells.vertex_ids[cell_b]
        inner = _squared_distances(flat[ids_a + offset_a], flat[ids_b + offset_b])
        # A plain minimum over columns first: cheaper than the argmin of everything.
        best_of_row = jnp.min(inner, axis=-1)
        found = jnp.argmin(best_of_row.reshape(-1))
        candidate, row = found // best_of_row.shape[1], found % best_of_row.shape[1]
        column = jnp.argmin(inner[candidate, row])
        return ClosestPairs(ids_a[candidate, row], ids_b[candidate, column], _distance(inner[candidate, row, column]))


def _best_of_table(
    table: jax.Array, ids: jax.Array, regions_a: jax.Array, regions_b: jax.Array
) -> tuple[jax.Array, ...]:
    """The winner of a block of a (75, 75) distance table with its (75, 75, 2) vertex ids."""
    block = table[regions_a[:, None], regions_b[None]].reshape(-1)
    best = jnp.argmin(block)
    width = regions_b.shape[0]
    chosen = ids[regions_a[best // width], regions_b[best % width]]
    return chosen[0], chosen[1], block[best]


def search_tables(tables: jax.Array, ids: jax.Array, entries: jax.Array) -> tuple[ClosestPairs, ClosestPairs]:
    """Closest vertices from complete region tables.

    Args:
      tables: (Q, 75, 75) region distances, m.
      ids: (Q, 75, 75, 2) int closest vertices.
      entries: (U, 3) int: index of the person pair, part on its first, part on its second person.
    """
    lists = jnp.asarray(PART_REGION_LISTS)
    every = jnp.arange(NUM_REGIONS)
    found = jax.vmap(lambda e: _best_of_table(tables[e[0]], ids[e[0]], lists[e[1]], lists[e[2]]))(entries)
    whole = jax.vmap(lambda t, i: _best_of_table(t, i, every, every))(tables, ids)
    return ClosestPairs(*found), ClosestPairs(*whole)


def search_exact(
    regions: Regions, vertices: jax.Array, pairs: jax.Array, entries: jax.Array
) -> tuple[ClosestPairs, ClosestPairs]:
    """Closest vertices of one scene among all vertices of the regions: of the entries, and of the whole meshes.

    Args:
      regions: the fine regions.
      vertices: (P, V, 3) posed people.
      pairs: (Q, 2) int person indices.
      entries: (U, 3) int: index of the person pair, part on its first, part on its second person.
    """

    def table(pair: jax.Array) -> tuple[jax.Array, jax.Array]:
        a, b = vertices[pair[0]], vertices[pair[1]]
        ids = nearest_region_pairs(regions, a, b)
        apart = a[ids[..., 0]] - b[ids[..., 1]]
        filled = jnp.any(regions.mask, axis=1)
        squared = jnp.where(filled[:, None] & filled[None], jnp.sum(apart * apart, axis=-1), _FAR)
        return _distance(squared), ids

    tables, ids = jax.lax.map(table, pairs)
    return search_tables(tables, ids, entries)


def sample_regions(regions: Regions, key: jax.Array, count: int) -> jax.Array:
    """At most `count` random vertices of each fine region, drawn without replacement, (75, count) int32."""
    noise = jax.random.uniform(key, regions.mask.shape)
    noise = jnp.where(regions.mask, noise, jnp.inf)  # padding sorts last
    size = min(count, regions.mask.shape[1])
    _, order = jax.lax.top_k(-noise, size)
    picked = jnp.take_along_axis(regions.vertex_ids, order, axis=1)
    # Regions with fewer vertices repeat their first one: a repeated candidate changes no minimum.
    return jnp.where(jnp.take_along_axis(regions.mask, order, axis=1), picked, regions.vertex_ids[:, :1])


def search_samples(
    samples: jax.Array, vertices: jax.Array, pairs: jax.Array, entries: jax.Array, fine_pairs: jax.Array
) -> ClosestPairs:
    """Closest vertices among random samples of the regions.

    Args:
      samples: (75, m) int from `sample_regions`.
      vertices: (P, V, 3).
      pairs: (Q, 2) int person indices.
      entries: (U, 3) as in `search_exact`.
      fine_pairs: (W, 3) int: index of the person pair and two fine regions; every pair that an entry
        reads must be listed, others are never looked at.
    """

    def one(pair: jax.Array) -> tuple[jax.Array, ...]:
        ids_a, ids_b = samples[pair[1]], samples[pair[2]]
        squared = _squared_distances(vertices[pairs[pair[0], 0]][ids_a], vertices[pairs[pair[0], 1]][ids_b])
        # A plain minimum over the block, then the column of the best row alone: cheaper than argmin of all rows.
        best_of_row = jnp.min(squared, axis=1)
        row = jnp.argmin(best_of_row)
        return ids_a[row], ids_b[jnp.argmin(squared[row])], _distance(best_of_row[row])

    found = jax.lax.map(one, fine_pairs, batch_size=32)
    shape = (pairs.shape[0], NUM_REGIONS, NUM_REGIONS)
    place = (fine_pairs[:, 0], fine_pairs[:, 1], fine_pairs[:, 2])
    tables = jnp.full(shape, _FAR).at[place].set(found[2])
    ids = jnp.zeros((*shape, 2), jnp.int32).at[place].set(jnp.stack([found[0], found[1]], axis=-1))
    return search_tables(tables, ids, entries)[0]
