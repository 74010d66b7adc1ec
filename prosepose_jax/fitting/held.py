"""The searches of a round: what is found once without gradient and held for some steps.

A minimum's gradient is the gradient at its argument, so the steps between two searches need only the
vertices that the search chose.
"""

from __future__ import annotations

import dataclasses
import itertools

import jax
import jax.numpy as jnp
from flax import struct

from prosepose_jax.body.kinematics import pose_joints
from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.body.skinning import rest_vertices, skin
from prosepose_jax.contact.cell_search import ClosestPairs, search_cells, search_meshes
from prosepose_jax.contact.program import program_weights
from prosepose_jax.contact.search import sample_regions, search_exact, search_samples
from prosepose_jax.contact.vocabulary import PARTS
from prosepose_jax.fitting.arrays import FitModel, Rows, SceneArrays, gather_rows
from prosepose_jax.fitting.inside_search import inside_masks, inside_sets
from prosepose_jax.fitting.settings import FitSettings, StageSettings
from prosepose_jax.losses import TERMS


@struct.dataclass
class HeldContact:
    """Chosen vertex pairs: the program's entries, then the closest pair of each person pair's meshes."""

    rows: Rows  # (P, 2 (U + Q) + 11) rows of every person: first sides, second sides, keypoint vertices
    first: jax.Array  # (U + Q, P) one-hot person of the first side
    second: jax.Array  # (U + Q, P)
    weight: jax.Array  # (U,) how often the minimum uses the entry, over N
    closest: jax.Array  # (Q,) 1 for the person pair whose meshes are closest, else 0


@struct.dataclass
class HeldPenetration:
    """Inside vertices and the surface vertices they are matched to, for every ordered pair of people."""

    inside: Rows  # (D, n)
    nearest: Rows  # (D, n)
    weight: jax.Array  # (D, n)


@struct.dataclass
class Held:
    contact: HeldContact
    penetration: HeldPenetration | None


def ordered_pairs(num_people: int) -> list[tuple[int, int]]:
    """All (a, b), a ≠ b, both directions of a pair next to each other."""
    return [p for pair in itertools.combinations(range(num_people), 2) for p in (pair, pair[::-1])]


def pose_meshes(body: BodyModel, params: BodyParams) -> tuple[jax.Array, jax.Array]:
    """Rest and posed vertices (B, P, V, 3) of parameters (B, P, …)."""

    def pose(params: BodyParams) -> tuple[jax.Array, jax.Array]:
        _, transforms, rotations = pose_joints(body, params)
        rest = rest_vertices(body, params, rotations)
        return rest, skin(body, transforms, rest)

    return jax.vmap(jax.vmap(pose))(params)


def hold(
    model: FitModel,
    scenes: SceneArrays,
    params: BodyParams,
    stage: StageSettings,
    settings: FitSettings,
    stage_index: int,
    round_index: jax.Array,
    busy: jax.Array | None = None,
) -> Held:
    """Searches contact and inside vertices at the present parameters.

    Args:
      model: the prepared body.
      scenes: B scenes.
      params: (B, P, …).
      stage: settings of the stage.
      settings: of the fit.
      stage_index: which stage.
      round_index: (B,) counts the searches of each scene; the "sample" search draws anew for each.
      busy: (B,) bool, False on scenes whose result nobody reads: nothing is searched for them. None: all count.
    """
    params = jax.lax.stop_gradient(params)
    if busy is None:
        busy = jnp.ones(params.transl.shape[0], bool)
    scenes = dataclasses.replace(scenes, entry_mask=scenes.entry_mask & busy[:, None])
    rest, vertices = pose_meshes(model.body, params)
    found, whole = _search(model, scenes, vertices, stage, settings, stage_index, round_index)
    contact = jax.vmap(lambda *one: _hold_contact(model, settings, *one))(scenes, params, found, whole)
    penetration = _hold_penetration(model, rest, vertices, settings, busy) if stage.has_penetration else None
    return Held(contact=contact, penetration=penetration)


def _search(
    model: FitModel,
    scenes: SceneArrays,
    vertices: jax.Array,
    stage: StageSettings,
    settings: FitSettings,
    stage_index: int,
    round_index: jax.Array,
) -> tuple[ClosestPairs, ClosestPairs]:
    """Closest vertices of the programs' entries (B, U), and of the people's whole meshes (B, Q)."""
    pairs, regions = jnp.asarray(scenes.program.pairs), model.body.regions
    if settings.search == "exact":
        return jax.vmap(lambda *one: search_exact(regions, *one))(vertices, pairs, scenes.entries)
    if settings.search == "cells":
        found = search_cells(model.cells, vertices, pairs, scenes.entries, scenes.entry_mask)
    else:

        def sampled(scene: SceneArrays, vertices: jax.Array, round_index: jax.Array) -> ClosestPairs:
            key = jax.random.fold_in(jax.random.key(settings.seed), scene.seed)
            key = jax.random.fold_in(jax.random.fold_in(key, stage_index), round_index)
            samples = sample_regions(regions, key, settings.sample_size)
            return search_samples(samples, vertices, jnp.asarray(scene.program.pairs), scene.entries, scene.fine_pairs)

        found = jax.vmap(sampled)(scenes, vertices, round_index)
    # The heuristic's closest pair of whole meshes is never sampled, and searched only where it counts.
    nothing = jnp.zeros(pairs.shape[:2], jnp.int32)
    whole = ClosestPairs(nothing, nothing, jnp.zeros(pairs.shape[:2]))
    if stage.has_heuristic:
        wanted = jnp.any(scenes.weights[:, stage_index, TERMS.index("heuristic")] > 0)
        whole = jax.lax.cond(wanted, lambda: search_meshes(model.cells, vertices, pairs), lambda: whole)
    return found, whole


def _hold_contact(
    model: FitModel,
    settings: FitSettings,
    scene: SceneArrays,
    params: BodyParams,
    found: ClosestPairs,
    whole: ClosestPairs,
) -> HeldContact:
    pairs = scene.program.pairs
    # Entries that the program does not read never win: their weight is 0 whatever the table says.
    table = jnp.zeros((pairs.shape[0], len(PARTS), len(PARTS)), jnp.float32)
    entries = scene.entries
    table = table.at[entries[:, 0], entries[:, 1], entries[:, 2]].max(jnp.where(scene.entry_mask, found.distance, 0.0))
    weights = program_weights(scene.program, table, settings.aggregation)
    weight = jnp.where(scene.entry_mask, weights[entries[:, 0], entries[:, 1], entries[:, 2]], 0.0)
    ids_a = jnp.concatenate([found.ids_a, whole.ids_a])
    ids_b = jnp.concatenate([found.ids_b, whole.ids_b])
    pair = jnp.concatenate([entries[:, 0], jnp.arange(pairs.shape[0])])
    people = jnp.arange(params.transl.shape[0])
    ids = jnp.concatenate([ids_a, ids_b, model.body.keypoint_vertices])
    rows = jax.vmap(lambda p: gather_rows(model.body, p, ids))(params)
    return HeldContact(
        rows=rows,
        first=(pairs[pair, 0][:, None] == people[None]).astype(jnp.float32),
        second=(pairs[pair, 1][:, None] == people[None]).astype(jnp.float32),
        weight=weight,
        closest=(jnp.arange(pairs.shape[0]) == jnp.argmin(whole.distance)).astype(jnp.float32),
    )


def _hold_penetration(
    model: FitModel, rest: jax.Array, vertices: jax.Array, settings: FitSettings, busy: jax.Array
) -> HeldPenetration | None:
    num_scenes, num_people, num_vertices, _ = vertices.shape
    directions = ordered_pairs(num_people)
    if not directions:
        return None
    a, b = jnp.array([d[0] for d in directions]), jnp.array([d[1] for d in directions])
    first = vertices[:, a].reshape(-1, num_vertices, 3)
    second = vertices[:, b].reshape(-1, num_vertices, 3)
    asked = jnp.repeat(busy, len(directions))
    inside = inside_masks(model.blocks, model.groups, first, second[:, model.body.lowres.vertex_ids], asked)
    found = inside_sets(model.blocks, inside, first, second, settings.inside_slots)
    # The published rule: a pair counts only when each mesh has vertices inside the other.
    both = jnp.min(found.count.reshape(-1, 2), axis=1) > 0
    weight = found.weight * jnp.repeat(both, 2)[:, None]

    def per_scene(x: jax.Array) -> jax.Array:
        return x.reshape(num_scenes, len(directions), *x.shape[1:])

    def rows(people: jax.Array, ids: jax.Array) -> Rows:
        # Pose correctives are held in the base: their change within a round is far below a millimetre.
        base = jnp.take_along_axis(rest[:, people], ids[..., None], axis=2)
        return Rows(base=base, shape_dirs=None, pose_dirs=None, skin_weights=model.body.skin_weights[ids])

    return HeldPenetration(
        inside=rows(a, per_scene(found.inside_ids)),
        nearest=rows(b, per_scene(found.nearest_ids)),
        weight=per_scene(weight),
    )
