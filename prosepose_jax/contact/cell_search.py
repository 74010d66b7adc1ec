"""The closest vertices of touching parts: coarse to fine with bounds, exact, for a whole batch at once.

Boxes around small cells of vertices, and around groups of cells, bound distances from below. A guess looks into a
few promising cells; then every pair of cells whose bound lies below the distance found so far is searched vertex by
vertex, so nothing that is closer is skipped. The work lists are shared by the scenes of a batch, so a
scene with many entries does not make the others search for padding. docs/method.md, "Contact loss".
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.cells import Cells
from prosepose_jax.body.coarse import (
    Boxes,
    Marked,
    coarse_meshes,
    keep_lower,
    squared_centre_distances,
    squared_gaps,
)

# Group pairs that the guess looks into.
_GUESSES = 4
# Entries, group pairs and cell pairs worked on at once.
_ENTRY_CHUNK, _GROUP_CHUNK, _CELL_CHUNK = 256, 512, 512
# How much the distance of centres counts beside the bound where the guess ranks pairs: boxes of bodies that
# interpenetrate often overlap, and the bound of all of them is 0.
_CENTRES = 0.1
_FAR = np.float32(np.inf)  # no JAX array: importing must not start a device


@struct.dataclass
class ClosestPairs:
    """The closest vertices found for entries (person pair, part, part) or for whole meshes."""

    ids_a: jax.Array  # int32 vertices of the pair's first person
    ids_b: jax.Array  # int32 of its second
    distance: jax.Array  # m


def _bounds(a: Boxes, b: Boxes) -> tuple[jax.Array, jax.Array]:
    """Of every box (..., m) of a and (..., n) of b: the squared gap, and what a guess sorts them by; (..., m, n)."""
    a, b = (
        jax.tree.map(lambda x: x[..., :, None, :], a),
        jax.tree.map(lambda x: x[..., None, :, :], b),
    )
    bounds = squared_gaps(a, b)
    return bounds, bounds + _CENTRES * squared_centre_distances(a, b)


def search_cells(
    cells: Cells, vertices: jax.Array, pairs: jax.Array, entries: jax.Array, mask: jax.Array
) -> ClosestPairs:
    """Closest vertices of parts, for a batch of scenes.

    Args:
      cells: the body's cells; their unions are the parts.
      vertices: (B, P, V, 3) posed people.
      pairs: (B, Q, 2) int person indices.
      entries: (B, U, 3) int: index of the person pair, part on its first, part on its second person.
      mask: (B, U) bool, False on padding.

    Returns:
      The closest pairs of the entries, (B, U); infinitely far on padding.
    """
    num_scenes, num_entries = mask.shape
    looker = _Looker(cells, vertices, pairs)

    def look(scene: jax.Array, column: jax.Array, valid: jax.Array, found: ClosestPairs) -> ClosestPairs:
        entry = entries[scene, column]
        new = looker.closest(
            scene * pairs.shape[1] + entry[:, 0],
            (cells.of_union[entry[:, 1]], cells.union_mask[entry[:, 1]] & valid[:, None]),
            (cells.of_union[entry[:, 2]], cells.union_mask[entry[:, 2]]),
        )
        place = jnp.where(valid, scene * num_entries + column, mask.size)
        return jax.tree.map(lambda old, new: old.at[place].set(new, mode="drop"), found, new)

    none = jnp.zeros(mask.size, jnp.int32)
    found = Marked(mask).visit(_ENTRY_CHUNK, look, ClosestPairs(none, none, jnp.full(mask.size, _FAR)))
    return jax.tree.map(lambda x: x.reshape(num_scenes, num_entries), found)


def search_meshes(cells: Cells, vertices: jax.Array, pairs: jax.Array) -> ClosestPairs:
    """The closest region vertices (B, Q) of the whole meshes of each person pair; arguments as in `search_cells`."""
    looker = _Looker(cells, vertices, pairs)
    every = jnp.arange(cells.of_group.shape[0])[None]
    groups = (every, jnp.ones(every.shape, bool))

    def one(table: jax.Array) -> ClosestPairs:
        return jax.tree.map(lambda x: x[0], looker.closest(table[None], groups, groups))

    found = jax.lax.map(one, jnp.arange(pairs.shape[0] * pairs.shape[1]))
    return jax.tree.map(lambda x: x.reshape(pairs.shape[:2]), found)


# Squared distances (E,) of the closest cells so far, and which these are: rows (E,) of the cells of all people.
_Best = tuple[jax.Array, tuple[jax.Array, jax.Array]]


class _Looker:
    """Cells and groups of all people of a batch."""

    def __init__(self, cells: Cells, vertices: jax.Array, pairs: jax.Array) -> None:
        num_scenes, num_people = vertices.shape[:2]
        self.cells = cells
        self.num_cells, self.size = cells.vertex_ids.shape
        scene = jnp.arange(num_scenes)[:, None, None]
        self.people = (scene * num_people + pairs).reshape(-1, 2)  # of each table
        self.meshes = coarse_meshes(vertices.reshape(-1, *vertices.shape[2:]), cells.vertex_ids, cells.of_group)

    def closest(
        self, table: jax.Array, groups_a: tuple[jax.Array, jax.Array], groups_b: tuple[jax.Array, jax.Array]
    ) -> ClosestPairs:
        """The closest vertices of E pairs of lists of groups.

        Args:
          table: (E,) person pair of each.
          groups_a: ids and mask (E, L) of the groups of its first person; an empty list finds nothing.
          groups_b: of its second.
        """
        (ids_a, mask_a), (ids_b, mask_b) = groups_a, groups_b
        person = self.people[table]  # (E, 2)
        boxes = self.meshes.group_boxes
        bounds, ranks = _bounds(boxes.take((person[:, :1], ids_a)), boxes.take((person[:, 1:], ids_b)))  # (E, La, Lb)
        real = mask_a[:, :, None] & mask_b[:, None, :]
        bounds, ranks = jnp.where(real, bounds, _FAR), jnp.where(real, ranks, _FAR)

        # The guess: the best cell pair of a few group pairs.
        width = bounds.shape[2]
        _, chosen = jax.lax.top_k(-ranks.reshape(len(table), -1), min(_GUESSES, ranks[0].size))
        entry = jnp.broadcast_to(jnp.arange(len(table))[:, None], chosen.shape).reshape(-1)
        chosen = chosen.reshape(-1)
        group_a, group_b = ids_a[entry, chosen // width], ids_b[entry, chosen % width]
        cell_a, cell_b, _, ranks = self._cell_pairs(person[entry], group_a, group_b)
        side = cell_b.shape[1]
        pick = jnp.argmin(ranks.reshape(len(entry), -1), axis=1)
        cell_a = jnp.take_along_axis(cell_a, (pick // side)[:, None], axis=1)[:, 0]
        cell_b = jnp.take_along_axis(cell_b, (pick % side)[:, None], axis=1)[:, 0]
        guesses = self._look(cell_a, cell_b)
        winner = jnp.argmin(guesses.reshape(len(table), -1), axis=1)
        winner = winner + jnp.arange(len(table)) * (guesses.shape[0] // len(table))
        asked = jnp.any(bounds.reshape(len(table), -1) < _FAR, axis=1)
        # Below 0 nothing is looked for.
        best = (jnp.where(asked, guesses[winner], -1.0), (cell_a[winner], cell_b[winner]))
        squared, pair = self._prove(best, person, ids_a, ids_b, bounds)
        first, second = self._ids(*pair)
        return ClosestPairs(
            ids_a=first,
            ids_b=second,
            distance=jnp.where(asked, jnp.sqrt(jnp.maximum(squared, 0.0)), _FAR),
        )

    def _cell_pairs(
        self, person: jax.Array, group_a: jax.Array, group_b: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """Cells (n, K) of n group pairs as rows, the bounds (n, K, K) between them, and ranks for a guess."""
        cells = self.cells
        cell_a = person[:, :1] * self.num_cells + cells.of_group[group_a]
        cell_b = person[:, 1:] * self.num_cells + cells.of_group[group_b]
        real = cells.group_mask[group_a][:, :, None] & cells.group_mask[group_b][:, None, :]
        bounds, ranks = _bounds(self.meshes.boxes.take(cell_a), self.meshes.boxes.take(cell_b))
        return cell_a, cell_b, jnp.where(real, bounds, _FAR), jnp.where(real, ranks, _FAR)

    def _squared(self, cell_a: jax.Array, cell_b: jax.Array) -> jax.Array:
        """(n, M, M) squared distances between the vertices of n cell pairs: those of a along the last axis."""
        a, b = self.meshes.points[cell_a], self.meshes.points[cell_b]  # (n, 3, M)
        total = jnp.zeros((), jnp.float32)
        for k in range(3):
            apart = a[:, k, None, :] - b[:, k, :, None]
            total = total + apart * apart
        return total

    def _look(self, cell_a: jax.Array, cell_b: jax.Array) -> jax.Array:
        """Smallest squared distance between the vertices of n cell pairs, (n,)."""
        # The middle axis first: whole rows then go through the processor's vector units.
        return jnp.min(jnp.min(self._squared(cell_a, cell_b), axis=1), axis=1)

    def _ids(self, cell_a: jax.Array, cell_b: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The closest vertices of n cell pairs."""
        squared = self._squared(cell_a, cell_b)
        found = jnp.argmin(squared.reshape(len(squared), -1), axis=1)
        of_body = self.cells.vertex_ids
        return (
            of_body[cell_a % self.num_cells, found % self.size],
            of_body[cell_b % self.num_cells, found // self.size],
        )

    def _prove(self, best: _Best, person: jax.Array, ids_a: jax.Array, ids_b: jax.Array, bounds: jax.Array) -> _Best:
        """Searches every cell pair that could be closer than the best so far."""
        depth, width = bounds.shape[1:]
        open_groups = Marked(bounds.reshape(-1, width) < jnp.repeat(best[0], depth)[:, None])

        def look_into_groups(row: jax.Array, column: jax.Array, valid: jax.Array, best: _Best) -> _Best:
            entry = row // depth
            cell_a, cell_b, cell_bounds, _ = self._cell_pairs(
                person[entry], ids_a[entry, row % depth], ids_b[entry, column]
            )
            side = cell_b.shape[1]
            open_cells = (cell_bounds < best[0][entry][:, None, None]) & valid[:, None, None]

            def look_into_cells(row: jax.Array, column: jax.Array, valid: jax.Array, best: _Best) -> _Best:
                pair = row // side
                a, b = cell_a[pair, row % side], cell_b[pair, column]
                return keep_lower(*best, entry[pair], jnp.where(valid, self._look(a, b), _FAR), (a, b))

            return Marked(open_cells.reshape(-1, side)).visit(_CELL_CHUNK, look_into_cells, best)

        return open_groups.visit(_GROUP_CHUNK, look_into_groups, best)
