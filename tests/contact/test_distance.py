"""Region distances: exact, accurate far from the camera, differentiable at the winner."""

from __future__ import annotations

import brute_force
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import random_answers

from prosepose_jax.body.model import NUM_REGIONS, Regions
from prosepose_jax.contact import (
    PARTS,
    ContactProgram,
    ProgramShape,
    compile_answers,
    contact_loss,
    nearest_region_pairs,
    pad_arrays,
    part_distances,
    region_distances,
)
from prosepose_jax.contact.distance import EMPTY_DISTANCE, safe_norm


def _regions(lists: list[np.ndarray]) -> Regions:
    width = max(map(len, lists))
    ids = np.zeros((NUM_REGIONS, width), np.int32)
    mask = np.zeros((NUM_REGIONS, width), bool)
    for region, members in enumerate(lists):
        ids[region, : len(members)] = members
        mask[region, : len(members)] = True
    return Regions(vertex_ids=jnp.array(ids), mask=jnp.array(mask))


def _lists(regions: Regions) -> list[np.ndarray]:
    ids, mask = np.asarray(regions.vertex_ids), np.asarray(regions.mask)
    return [row[keep] for row, keep in zip(ids, mask, strict=True)]


def _every_pair(lists: list[np.ndarray], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(75, 75) smallest distances, every vertex pair looked at, in float64."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    table = np.full((NUM_REGIONS, NUM_REGIONS), EMPTY_DISTANCE)
    for i, members in enumerate(lists):
        if len(members):
            squared = ((first[members][:, None] - second[None]) ** 2).sum(-1).min(0)
            for j, others in enumerate(lists):
                if len(others):
                    table[i, j] = np.sqrt(squared[others].min())
    return table


@pytest.fixture(scope="module")
def people(small_body) -> np.ndarray:
    """(2, V, 3): two bodies 4 m away that reach into each other."""
    template = np.asarray(small_body.v_template)
    angle = 2.1
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return np.stack([template + np.array([0.1, 0.2, 4.0]), template @ turn.T + np.array([0.3, 0.15, 4.15])]).astype(
        np.float32
    )


@pytest.mark.parametrize("second", [1, 0], ids=["two people", "one person twice"])
@pytest.mark.parametrize("traced", [False, True])
def test_equals_every_pair(small_body, people, second, traced):
    measure = jax.jit(region_distances) if traced else region_distances
    found = measure(small_body.regions, jnp.array(people[0]), jnp.array(people[second]))
    wanted = _every_pair(_lists(small_body.regions), people[0], people[second])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


def test_overlapping_partial_and_scattered_regions():
    """A user's file: lists that overlap, leave vertices out, are empty, or lie all over the body."""
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(2, 700, 3)).astype(np.float32)
    lists = [rng.choice(500, 1 + int(rng.integers(60)), replace=False) for _ in range(NUM_REGIONS)]
    lists[4] = np.zeros(0, int)
    lists[5] = np.arange(400)
    regions = _regions(lists)
    wanted = _every_pair(lists, vertices[0], vertices[1])
    found = np.asarray(region_distances(regions, jnp.array(vertices[0]), jnp.array(vertices[1])))
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)
    pairs = np.asarray(nearest_region_pairs(regions, jnp.array(vertices[0]), jnp.array(vertices[1])))
    at_pairs = np.linalg.norm(vertices[0][pairs[..., 0]] - vertices[1][pairs[..., 1]], axis=-1)
    full = wanted < EMPTY_DISTANCE
    np.testing.assert_allclose(at_pairs[full], wanted[full], atol=1e-6)
    for i, j in ((0, 1), (5, 70), (74, 5)):
        assert pairs[i, j, 0] in lists[i] and pairs[i, j, 1] in lists[j]


def test_a_tenth_of_a_millimetre_at_four_metres(small_body, people):
    """The matrix-product form gives 0 below 0.3 mm here."""
    offset = np.array([0.0, 0.0, 1e-4], np.float32)
    first = people[0]
    second = first + offset
    found = np.asarray(region_distances(small_body.regions, jnp.array(first), jnp.array(second)))
    gaps = np.diag(found)
    assert (gaps > 0.5e-4).all() and (gaps < 1.5e-4).all()
    gradient = jax.grad(lambda v: jnp.trace(region_distances(small_body.regions, v, jnp.array(second))))(
        jnp.array(first)
    )
    assert float(jnp.abs(gradient).sum()) == pytest.approx(NUM_REGIONS, rel=1e-3)


def test_zero_distance_has_zero_gradient(small_body, people):
    def total(vertices):
        return region_distances(small_body.regions, vertices, vertices).sum()

    value, gradient = jax.value_and_grad(lambda v: jnp.trace(region_distances(small_body.regions, v, v)))(
        jnp.array(people[0])
    )
    assert value == 0.0 and not np.asarray(gradient).any()
    assert bool(jnp.isfinite(jax.grad(total)(jnp.array(people[0]))).all())
    assert jax.grad(safe_norm)(jnp.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_gradient_is_that_of_the_winning_pair(small_body, people):
    lists = _lists(small_body.regions)
    first, second = jnp.array(people[0]), jnp.array(people[1])
    gradient = np.asarray(jax.grad(lambda v: region_distances(small_body.regions, v, second)[17, 39])(first))
    offsets = people[0][lists[17]][:, None] - people[1][lists[39]][None]
    lengths = np.linalg.norm(offsets, axis=-1)
    a, b = np.unravel_index(lengths.argmin(), lengths.shape)
    wanted = np.zeros_like(people[0])
    wanted[lists[17][a]] = offsets[a, b] / lengths[a, b]
    np.testing.assert_allclose(gradient, wanted, atol=1e-5)


def test_vmap_equals_loop(small_body, people):
    shifted = people[1] + np.array([[[0.0, 0.0, 0.0]], [[0.2, 0.0, 0.1]], [[-0.4, 0.3, 0.0]]], np.float32)
    first = jnp.broadcast_to(jnp.array(people[0]), shifted.shape)
    together = jax.vmap(region_distances, in_axes=(None, 0, 0))(small_body.regions, first, jnp.array(shifted))
    for k in range(3):
        alone = region_distances(small_body.regions, first[k], jnp.array(shifted[k]))
        np.testing.assert_allclose(together[k], alone, atol=1e-7)


def test_part_distances_are_minima_over_fine_regions():
    table = np.random.default_rng(1).random((NUM_REGIONS, NUM_REGIONS)).astype(np.float32)
    found = np.asarray(part_distances(jnp.array(table)))
    parts = brute_force.coarse_parts()
    for i, first in enumerate(PARTS):
        for j, second in enumerate(PARTS):
            assert found[i, j] == table[np.ix_(parts[first], parts[second])].min()


@pytest.mark.heavy
def test_contact_loss_equals_brute_force_on_real_vertices(small_body, people):
    rng = np.random.default_rng(30)
    parts = brute_force.coarse_parts()
    lists = _lists(small_body.regions)
    fitted = jax.jit(lambda arrays, vertices: contact_loss(ContactProgram(arrays), vertices, small_body.regions))

    def value(texts, vertices):
        arrays = compile_answers(texts, num_people=len(vertices)).arrays
        # One shape for all programs: one compilation.
        shape = ProgramShape(1, 4, 96, 4, 16, 96, 9, 16, 8)
        return float(fitted(pad_arrays(arrays, shape), jnp.array(vertices)))

    two, one = (_every_pair(lists, people[0], people[second]) for second in (1, 0))
    for _ in range(25):
        texts = [random_answers.two_person_text(rng, 10)[0] for _ in range(2)]
        wanted = brute_force.two_person_loss(texts, lambda a, b: two[np.ix_(parts[a], parts[b])].min())
        assert abs(value(texts, people) - wanted) <= 1e-6 * max(1.0, wanted)
        texts = random_answers.self_contact_texts(rng, 3)
        wanted = brute_force.self_contact_loss(texts, lambda a, b: one[np.ix_(parts[a], parts[b])].min())
        assert abs(value(texts, people[:1]) - wanted) <= 1e-6 * max(1.0, wanted)


def test_contact_loss_of_three_people_and_its_gradient(small_body, people):
    third = people[0] + np.array([-0.5, 0.0, 0.1], np.float32)
    vertices = jnp.array(np.stack([*people, third]))
    program = compile_answers(["| hand | back |", "| head | arm |"], num_people=3, pairs=[(0, 1), (2, 1)])
    value, gradient = jax.jit(jax.value_and_grad(lambda v: contact_loss(program, v, small_body.regions)))(vertices)
    parts = brute_force.coarse_parts()
    wanted = 0.0
    for text, (i, j) in (("| hand | back |", (0, 1)), ("| head | arm |", (2, 1))):
        table = _every_pair(_lists(small_body.regions), np.asarray(vertices[i]), np.asarray(vertices[j]))
        wanted += brute_force.two_person_loss([text], lambda a, b, t=table: t[np.ix_(parts[a], parts[b])].min())
    assert float(value) == pytest.approx(wanted, rel=1e-5)
    # Two distances: each pulls one vertex on either side with unit length.
    lengths = np.linalg.norm(np.asarray(gradient), axis=-1)
    assert np.count_nonzero(lengths) in (3, 4)
    assert lengths.sum() == pytest.approx(4.0, rel=1e-4)


def test_gradient_equals_finite_differences_in_float64(small_body, people):
    with jax.enable_x64(True):
        vertices = jnp.array(people, jnp.float64)
        regions = _regions(_lists(small_body.regions))
        program = compile_answers(["| hands | back |\n| head | hand |", "| leg | leg/foot |"])
        loss = jax.jit(lambda v: contact_loss(program, v, regions))
        gradient = np.asarray(jax.jit(jax.grad(loss))(vertices))
        moved = np.argwhere(np.abs(gradient).max(-1) > 0)
        assert len(moved) >= 4
        rng = np.random.default_rng(2)
        for _ in range(4):
            direction = np.zeros_like(gradient)
            direction[tuple(moved.T)] = rng.normal(size=(len(moved), 3))
            slope = float(loss(vertices + 1e-7 * direction) - loss(vertices - 1e-7 * direction)) / 2e-7
            assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-4, abs=1e-7)
