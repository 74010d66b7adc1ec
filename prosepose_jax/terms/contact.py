"""What the answers say: the distance of parts that touch (docs/method.md, "Contact loss")."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.contact.aggregation import AggregationSettings
from prosepose_jax.contact.cell_search import ClosestPairs, search_cells
from prosepose_jax.contact.distance import safe_norm
from prosepose_jax.contact.program import ProgramArrays, pad_arrays, program_weights, used_entries
from prosepose_jax.contact.search import (
    PART_REGION_LISTS,
    sample_regions,
    search_exact,
    search_samples,
)
from prosepose_jax.contact.vocabulary import PARTS
from prosepose_jax.terms import kernels
from prosepose_jax.terms.base import Context, Elements, End, Lookup, SceneReading, Term
from prosepose_jax.terms.points import Rows, gather_rows

# Distances are treated as if at least this long: a quadratic in a distance of 0 has no curvature to offer.
SHORTEST_M = 5e-3


@struct.dataclass
class ContactArrays:
    """A scene's answers, and the distances that they read."""

    program: ProgramArrays
    entries: jax.Array  # (U, 3) int32 person pair, part, part
    entry_mask: jax.Array  # (U,) bool
    fine_pairs: jax.Array  # (W, 3) int32 person pair, region, region: for the "sample" search
    # People of the pair where there is only one: then it is known while compiling whose each vertex is.
    only_pair: tuple[int, int] | None = struct.field(pytree_node=False, default=None)


@struct.dataclass
class HeldContact:
    """The closest vertices of every entry, and how often the minimum over choices uses it."""

    ids_a: jax.Array  # (U,)
    ids_b: jax.Array  # (U,)
    weight: jax.Array  # (U,) over N


def entries_of(program: ProgramArrays) -> np.ndarray:
    """(U, 3) person pair, part, part of every distance that a program reads."""
    return np.argwhere(used_entries(program)).astype(np.int32)


def fine_pairs_of(entries: np.ndarray) -> np.ndarray:
    """Every (person pair, region, region) that the entries read."""
    rows = {(int(q), int(r), int(s)) for q, a, b in entries for r in PART_REGION_LISTS[a] for s in PART_REGION_LISTS[b]}
    return np.array(sorted(rows), np.int32).reshape(-1, 3)


def only_pair(program: ProgramArrays) -> tuple[int, int] | None:
    """The one pair of people that a program is about, if there is only one."""
    pairs = np.asarray(program.pairs)
    return (int(pairs[0, 0]), int(pairs[0, 1])) if len(pairs) == 1 else None


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    padding = np.repeat(rows[:1] if len(rows) else np.zeros((1, 3), np.int32), count - len(rows), axis=0)
    return np.concatenate([rows, padding])


def distance(points: jax.Array, data: None) -> jax.Array:
    """(1,) between two vertices (2, 3): along their line alone the pull is stiff."""
    return safe_norm(points[0] - points[1])[None]


def pair_ends(
    body: BodyModel,
    params: BodyParams,
    ids: tuple[jax.Array, jax.Array],
    pair: tuple[int, int] | None,
    people: jax.Array,
) -> tuple[End, End]:
    """The two ends of R vertex pairs.

    Args:
      body: the body model.
      params: P people.
      ids: (R,) vertices of the first and of the second side.
      pair: the two people, where all pairs are theirs; None: `people` says.
      people: (R, 2) int.
    """

    def end(side: int) -> End:
        if pair is not None:
            one = jax.tree.map(lambda x: x[pair[side]], params)
            rows = jax.tree.map(lambda x: x[None], gather_rows(body, one, ids[side]))
            return End(rows, whose=(pair[side],))
        every: Rows = jax.vmap(lambda p: gather_rows(body, p, ids[side]))(params)
        count = params.transl.shape[0]
        share = (people[:, side, None] == jnp.arange(count)[None]).astype(jnp.float32)
        return End(every, whose=tuple(range(count)), share=share)

    return end(0), end(1)


@dataclasses.dataclass(frozen=True)
class Contact(Term):
    """Σ over entries of how often the answers' minimum uses them · ρ(distance)."""

    name: str = "contact"
    scale_field: str = "contact.robust_m"
    refresh_field: str = "contact.refresh_every"
    from_answers: bool = True

    def prepare_scene(self, reading: SceneReading) -> ContactArrays:
        entries = entries_of(reading.program)
        fine = fine_pairs_of(entries) if reading.fine_pairs else np.zeros((0, 3), np.int32)
        leaves: dict[str, Any] = {
            "program": pad_arrays(reading.program, reading.program_shape),
            "entries": _padded(entries, reading.entries),
            "entry_mask": np.arange(reading.entries) < len(entries),
            "fine_pairs": _padded(fine, reading.fine_pairs),
        }
        return ContactArrays(**leaves, only_pair=only_pair(reading.program))

    def look_up(self, lookup: Lookup) -> HeldContact:
        arrays: ContactArrays = lookup.data
        mask = arrays.entry_mask & lookup.busy[:, None]
        found = _search(lookup, arrays, mask)
        weight = jax.vmap(lambda *one: _entry_weights(lookup.aggregation, *one))(
            arrays.program, arrays.entries, mask, found.distance
        )
        return HeldContact(found.ids_a, found.ids_b, weight)

    def elements(self, context: Context) -> Sequence[Elements]:
        arrays, held = context.data, context.held
        people = arrays.program.pairs[arrays.entries[:, 0]]
        ends = pair_ends(context.body, context.params, (held.ids_a, held.ids_b), arrays.only_pair, people)
        kernel = kernels.saturating_distance
        return [Elements(ends, held.weight[None], residual=distance, kernel=kernel, floor=SHORTEST_M)]


def _search(lookup: Lookup, arrays: ContactArrays, mask: jax.Array) -> ClosestPairs:
    """Closest vertices (S, U) of the programs' entries."""
    pairs = jnp.asarray(arrays.program.pairs)
    if lookup.search == "cells":
        return search_cells(lookup.surface.cells, lookup.vertices, pairs, arrays.entries, mask)
    regions = lookup.body.regions
    if lookup.search == "exact":
        return jax.vmap(lambda *one: search_exact(regions, *one)[0])(lookup.vertices, pairs, arrays.entries)

    def sampled(key, vertices, pairs, entries, fine_pairs) -> ClosestPairs:
        samples = sample_regions(regions, key, lookup.sample_size)
        return search_samples(samples, vertices, pairs, entries, fine_pairs)

    return jax.vmap(sampled)(lookup.keys, lookup.vertices, pairs, arrays.entries, arrays.fine_pairs)


def _entry_weights(
    aggregation: AggregationSettings, program: ProgramArrays, entries: jax.Array, mask: jax.Array, distance: jax.Array
) -> jax.Array:
    # Entries that the program does not read never win: their weight is 0 whatever the table says.
    table = jnp.zeros((program.pairs.shape[0], len(PARTS), len(PARTS)), jnp.float32)
    table = table.at[entries[:, 0], entries[:, 1], entries[:, 2]].max(jnp.where(mask, distance, 0.0))
    weights = program_weights(program, table, aggregation)
    return jnp.where(mask, weights[entries[:, 0], entries[:, 1], entries[:, 2]], 0.0)
