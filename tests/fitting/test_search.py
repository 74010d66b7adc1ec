"""The coarse-to-fine search of closest vertices against the exact one."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_scenes import find_held

from prosepose_jax.body import BodyModel, BodyParams, pose_body
from prosepose_jax.body.cells import make_cells
from prosepose_jax.contact import PARTS
from prosepose_jax.contact.cell_search import search_cells, search_meshes
from prosepose_jax.contact.distance import part_distances, region_distances
from prosepose_jax.contact.search import sample_regions, search_exact, search_samples
from prosepose_jax.contact.vocabulary import PART_REGION_IDS
from prosepose_jax.fitting import Fitter, settings_from_config
from prosepose_jax.fitting.prepare import prepare_scene, stack_scenes

PAIRS = jnp.array([[0, 1]])
ENTRIES = jnp.array([[0, a, b] for a in range(len(PARTS)) for b in range(0, len(PARTS), 3)])
_posed, _search_exact = jax.jit(pose_body), jax.jit(search_exact)


def _people(body: BodyModel, seed: int, people: int = 2) -> jax.Array:
    rng = np.random.default_rng(seed)
    params = BodyParams.zeros(people, 10).replace(
        body_pose=jnp.asarray(rng.normal(0.0, 0.3, (people, 21, 3)), jnp.float32),
        transl=jnp.asarray([[0.4 * p, 0.0, 3.0 + 0.1 * p] for p in range(people)], jnp.float32),
    )
    return _posed(body, params).vertices


def test_exact_search_is_the_minimum(small_body: BodyModel) -> None:
    vertices = _people(small_body, 0)
    found, whole = _search_exact(small_body.regions, vertices, PAIRS, ENTRIES)
    table = jax.jit(region_distances)(small_body.regions, vertices[0], vertices[1])
    expected = np.asarray(jax.jit(part_distances)(table))[ENTRIES[:, 1], ENTRIES[:, 2]]
    np.testing.assert_allclose(np.asarray(found.distance), np.asarray(expected), rtol=1e-6)
    apart = np.linalg.norm(np.asarray(vertices[0])[found.ids_a] - np.asarray(vertices[1])[found.ids_b], axis=1)
    np.testing.assert_allclose(apart, np.asarray(expected), atol=1e-6)
    assert float(whole.distance[0]) <= float(expected.min()) + 1e-7


@pytest.mark.heavy
def test_cell_search_equals_the_exact_one(body: BodyModel) -> None:
    cells = make_cells(np.asarray(body.v_template), body.regions, PART_REGION_IDS)
    search, meshes = jax.jit(search_cells), jax.jit(search_meshes)
    for seed in range(4):
        vertices = _people(body, seed)
        if seed == 3:  # deep inside each other
            vertices = vertices.at[1].add(jnp.array([-0.4, 0.0, -0.1]))
        exact, exact_whole = _search_exact(body.regions, vertices, PAIRS, ENTRIES)
        found = search(cells, vertices[None], PAIRS[None], ENTRIES[None], jnp.ones((1, len(ENTRIES)), bool))
        whole = meshes(cells, vertices[None], PAIRS[None])
        for pairs in (found, whole):
            first, second = np.asarray(vertices[0])[pairs.ids_a[0]], np.asarray(vertices[1])[pairs.ids_b[0]]
            np.testing.assert_allclose(np.linalg.norm(first - second, axis=1), np.asarray(pairs.distance[0]), atol=1e-6)
        np.testing.assert_allclose(np.asarray(found.distance[0]), np.asarray(exact.distance), rtol=2e-6, atol=1e-7)
        np.testing.assert_allclose(
            np.asarray(whole.distance[0]), np.asarray(exact_whole.distance), rtol=2e-6, atol=1e-7
        )


@pytest.mark.heavy
def test_cell_search_of_a_batch_equals_scenes_alone_and_padding_does_not_matter(small_body: BodyModel) -> None:
    cells = make_cells(np.asarray(small_body.v_template), small_body.regions, PART_REGION_IDS)
    rng = np.random.default_rng(7)
    vertices = jnp.stack([_people(small_body, seed, people=3) for seed in range(3)])
    pairs = jnp.array([[[0, 1], [0, 2]], [[1, 2], [2, 0]], [[0, 1], [1, 2]]])
    parts = np.stack([rng.integers(0, 2, (3, 80)), *rng.integers(0, len(PARTS), (2, 3, 80))], axis=-1)
    mask = rng.uniform(size=(3, 80)) < np.array([[1.0], [0.5], [0.0]])  # full, scattered padding, nothing asked for
    search, meshes = jax.jit(search_cells), jax.jit(search_meshes)
    found = search(cells, vertices, pairs, jnp.asarray(parts), jnp.asarray(mask))
    assert mask.sum() > 64 and np.all(np.isinf(np.asarray(found.distance)[~mask]))
    other = np.where(mask[..., None], parts, (parts + 1) % 2)
    again = search(cells, vertices, pairs, jnp.asarray(other), jnp.asarray(mask))
    jax.tree.map(np.testing.assert_array_equal, again, found)
    whole = meshes(cells, vertices, pairs)
    for i in range(3):
        everything = jnp.ones((1, 80), bool)
        alone = search(cells, vertices[i : i + 1], pairs[i : i + 1], jnp.asarray(parts[i : i + 1]), everything)
        for name in ("ids_a", "ids_b", "distance"):
            here, there = np.asarray(getattr(found, name)), np.asarray(getattr(alone, name))
            np.testing.assert_array_equal(here[i][mask[i]], there[0][mask[i]], err_msg=name)
        for q, (a, b) in enumerate(np.asarray(pairs[i])):
            one = meshes(cells, vertices[i : i + 1][:, jnp.array([a, b])], jnp.array([[[0, 1]]]))
            assert float(whole.distance[i, q]) == float(one.distance[0, 0])


def test_samples_are_region_vertices_and_their_minimum_is_above_the_exact(small_body: BodyModel) -> None:
    vertices = _people(small_body, 1)
    samples = sample_regions(small_body.regions, jax.random.key(0), 8)
    again = sample_regions(small_body.regions, jax.random.key(1), 8)
    for region in range(75):
        members = set(np.asarray(small_body.regions.vertex_ids[region])[np.asarray(small_body.regions.mask[region])])
        drawn = np.asarray(samples[region])
        assert set(drawn) <= members
        assert len(set(drawn)) == min(8, len(members))
    assert not np.array_equal(np.asarray(samples), np.asarray(again))
    fine = jnp.array([[0, r, s] for r in range(75) for s in range(75)])
    search_among = jax.jit(search_samples)
    found = search_among(samples, vertices, PAIRS, ENTRIES, fine)
    exact, _ = _search_exact(small_body.regions, vertices, PAIRS, ENTRIES)
    assert np.all(np.asarray(found.distance) >= np.asarray(exact.distance) - 1e-6)
    everything = sample_regions(small_body.regions, jax.random.key(2), 10_000)
    found = search_among(everything, vertices, PAIRS, ENTRIES, fine)
    np.testing.assert_allclose(np.asarray(found.distance), np.asarray(exact.distance), atol=1e-6)


@pytest.mark.heavy
def test_heuristic_of_the_sample_search_sees_the_whole_meshes(small_body: BodyModel, make_scene, short_config) -> None:
    short_config.contact.search = "sample"
    settings = settings_from_config(short_config)
    alone = tuple(term for term in settings.terms if term.name == "heuristic")
    fitter = Fitter(small_body, dataclasses.replace(settings, terms=alone))
    prepared = [prepare_scene(make_scene(0), [], fitter.settings)]
    arrays = stack_scenes(small_body, prepared, np.zeros((1, 2, 25, 2), np.float32), fitter.settings)
    held = find_held(fitter.model, arrays, arrays.params, jnp.int32(0), fitter.settings.structure)["heuristic"]
    vertices = _posed(small_body, jax.tree.map(lambda x: jnp.asarray(x[0]), arrays.params)).vertices
    _, whole = _search_exact(small_body.regions, vertices, PAIRS, ENTRIES)
    found = np.linalg.norm(np.asarray(vertices[0])[held.ids_a[0, 0]] - np.asarray(vertices[1])[held.ids_b[0, 0]])
    assert found == pytest.approx(float(whole.distance[0]), abs=1e-6)
