"""Distances of regions against brute force and SciPy, the published five vertices, and scores of touching regions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from prosepose_jax.metrics import (
    ContactPair,
    RegionTiles,
    five_vertices,
    pair_distances,
    region_contact,
    set_scores,
    shares_below,
)
from prosepose_jax.metrics.regions import five_vertex_distances, region_members


def _pair(first, second) -> ContactPair:
    return ContactPair(frozenset(first), frozenset(second))


@pytest.fixture
def bodies(small_body) -> list[np.ndarray]:
    """Two people in four distances, turned at random."""
    rng = np.random.default_rng(3)
    rest = np.asarray(small_body.v_template, np.float64)
    out = []
    for apart in (0.05, 0.3, 0.6, 2.0):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        out.append(np.stack([rest, rest @ turn + [apart, 0.0, 0.0]]))
    return out


def _tree_distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(cKDTree(b).query(a)[0].min())


def test_pairs_equal_trees_and_brute_force(small_body, bodies) -> None:
    rng = np.random.default_rng(4)
    members = region_members(small_body.regions)
    pairs = [
        [
            _pair(rng.choice(75, 1 + k % 3, replace=False), rng.choice(75, 1 + k % 2, replace=False))
            for k in range(count)
        ]
        for count in (1, 9, 0, 30)
    ]
    tiles = RegionTiles(small_body.regions, np.asarray(small_body.v_template))
    found = [tiles.pair_distances(vertices, wanted) for vertices, wanted in zip(bodies, pairs, strict=True)]
    assert [len(one) for one in found] == [1, 9, 0, 30]
    for vertices, wanted, distances in zip(bodies, pairs, found, strict=True):
        trees = [
            _tree_distance(*(vertices[p][np.concatenate([members[r] for r in side])] for p, side in enumerate(pair)))
            for pair in wanted
        ]
        np.testing.assert_allclose(distances, trees, rtol=1e-9)
        if wanted:
            np.testing.assert_allclose(distances, pair_distances(wanted, vertices, small_body.regions), rtol=1e-9)


@pytest.mark.heavy
def test_touching_regions_equal_brute_force(small_body, bodies) -> None:
    members = region_members(small_body.regions)
    tiles = RegionTiles(small_body.regions, np.asarray(small_body.v_template))
    limit = 0.05
    for vertices in bodies:
        exact = np.array([[_tree_distance(vertices[0][a], vertices[1][b]) for b in members] for a in members])
        np.testing.assert_array_equal(tiles.touching(vertices, limit), exact < limit)
    assert tiles.touching(bodies[0], limit).any()  # a person in the other touches


def test_five_vertices_are_drawn_as_published() -> None:
    ids = np.array([40, 7, 19, 3, 88, 54, 21])
    np.random.seed(0)
    expected = np.random.choice(ids, 5, replace=False)
    members = [ids, np.array([5, 6]), np.zeros(0, np.int64), ids]
    found = five_vertices(members)
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(found[3], expected)  # seeded again before each region
    assert set(found[1]) == {5, 6} and (found[2] == -1).all()
    # The order of the file decides: another order of the same vertices is another draw.
    assert set(five_vertices([np.sort(ids)])[0]) != set(expected) or list(five_vertices([np.sort(ids)])[0]) != list(
        expected
    )


def test_five_vertex_distances(small_body, bodies) -> None:
    five = five_vertices(region_members(small_body.regions))
    found = five_vertex_distances(bodies[1], [_pair([3], [9]), _pair([3, 4], [9])], five)
    a, b = bodies[1][0], bodies[1][1]
    exact = [np.linalg.norm(a[five[r]][:, None] - b[five[9]][None], axis=-1).min() for r in (3, 4)]
    np.testing.assert_allclose(found, [exact[0], min(exact)])


def test_shares_count_pairs_and_not_padding() -> None:
    distances = np.array([[0.02, 0.07, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
    counted = np.array([[True, True, False], [True, False, False], [False] * 3])
    found = shares_below(distances, counted, np.array([0.0, 0.05, 0.07, 0.6]))
    np.testing.assert_allclose(found, [[0, 50, 50, 100], [0, 0, 0, 100], [np.nan] * 4])


def test_scores_by_hand() -> None:
    found = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]], bool)
    wanted = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    scores = set_scores(found, wanted)
    np.testing.assert_allclose(scores["precision"], [1 / 2, 1, 0, 0])
    np.testing.assert_allclose(scores["recall"], [1 / 3, 1, 0, 0])
    np.testing.assert_allclose(scores["f1"], [2 / 5, 1, 0, 0])
    np.testing.assert_allclose(scores["iou"], [1 / 4, 1, 0, 0])


def test_region_contact_by_hand() -> None:
    touching = np.zeros((75, 75), bool)
    touching[3, 9] = touching[4, 9] = True
    assert region_contact(touching, [_pair([3], [9]), _pair([9], [3])]) == pytest.approx(
        {"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "iou": 1 / 3}
    )
    # Of one person a pair has no order.
    assert region_contact(touching, [_pair([9], [3]), _pair([9], [4])], alone=True)["f1"] == 1.0
    # Coarse parts: one touching pair of their regions finds the pair, all of them are right.
    assert region_contact(touching, [_pair([3, 4, 5], [9, 10])]) == pytest.approx(
        {"precision": 1.0, "recall": 1.0, "f1": 1.0, "iou": 1.0}
    )
    assert region_contact(np.zeros((75, 75), bool), []) == dict.fromkeys(("precision", "recall", "f1", "iou"), 1.0)


def test_region_contact_of_any_memory_order() -> None:
    rng = np.random.default_rng(0)
    touching, pairs = rng.random((75, 75)) < 0.3, [_pair([3], [9]), _pair([40, 41], [7])]
    wanted = region_contact(touching, pairs)
    assert region_contact(np.asfortranarray(touching), pairs) == wanted
    assert region_contact(np.repeat(touching, 2, axis=0)[::2], pairs) == wanted


@pytest.mark.parametrize("pair", [([3], [75]), ([75], [3]), ([-1], [3]), ([3], [9, -2])])
def test_regions_that_there_are_none_of(pair: tuple[list[int], list[int]]) -> None:
    with pytest.raises(IndexError):
        region_contact(np.zeros((75, 75), bool), [_pair([1], [2]), _pair(*pair)])
