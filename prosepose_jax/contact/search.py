"""Finds the closest vertices of touching parts without gradient: the exact reference and the published sampling.

The fit needs, for every pair of parts that some answer names, the closest two vertices. Three searches
find them: "cells" (cell_search.py), "exact", which looks at every vertex, and "sample", which draws random vertices
of each region, as the method's release does (docs/method.md, "Contact loss").
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.model import NUM_REGIONS, Regions
from prosepose_jax.contact.cell_search import ClosestPairs
from prosepose_jax.contact.distance import nearest_region_pairs
from prosepose_jax.contact.vocabulary import PART_REGIONS

_FAR = np.float32(np.inf)  # no JAX array: importing must not start a device

_MOST_REGIONS = int(PART_REGIONS.sum(1).max())
# Fine regions of every part, padded with the part's first region.
PART_REGION_LISTS = np.stack(
    [np.concatenate([r, np.full(_MOST_REGIONS - len(r), r[0])]) for r in (np.flatnonzero(p) for p in PART_REGIONS)]
).astype(np.int32)


def _distance(squared: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.maximum(squared, 0.0))


def _squared_distances(a: jax.Array, b: jax.Array) -> jax.Array:
    """(..., m, n) squared distances by differences: exact where the matrix-product form cancels."""
    x, y, z = ((a[..., :, None, k] - b[..., None, :, k]) ** 2 for k in range(3))
    return x + y + z


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
