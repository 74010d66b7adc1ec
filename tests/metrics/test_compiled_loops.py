"""The compiled loops against NumPy: the same figures to rounding on pairs of every kind, and NumPy without Numba."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from closed_box import box
from small_scenes import pose_at_once
from test_crossings import bent
from test_penetration_metrics import every_triangle

from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.body.segments import make_segments
from prosepose_jax.metrics import ContactPair, RegionTiles, kernels, surface_depths
from prosepose_jax.metrics.crossings import Mesh, crossings, crossings_of, facing, windings
from prosepose_jax.metrics.evaluate import Evaluator, Posed
from prosepose_jax.metrics.patches import Patches
from prosepose_jax.metrics.penetration import penetration_in
from prosepose_jax.metrics.self_penetration import SelfPenetration
from prosepose_jax.scene import Scene


@pytest.fixture(scope="module")
def loops() -> ModuleType:
    pytest.importorskip("numba", reason="the extra `fast` is not installed")
    found = kernels.kernels()
    assert found is not None
    return found


def _people(body: BodyModel, seed: int, apart: float) -> np.ndarray:
    """Two people whose limbs are bent at random."""
    rng = np.random.default_rng(seed)
    params = BodyParams.zeros(2, body.num_betas).replace(
        body_pose=np.float32(0.5 * rng.normal(size=(2, 21, 3))),
        global_orient=np.float32(0.5 * rng.normal(size=(2, 3))),
        transl=np.float32([[0.0, 0.0, 3.0], [apart, 0.1, 3.0]]),
    )
    return np.asarray(pose_at_once(body, params).vertices)


def test_edges_run_through_the_same_faces(loops: ModuleType) -> None:
    for seed in range(4):
        people, faces = bent(seed, stretch=1.0 + 0.7 * seed, cuts=8)
        plain, fast = Mesh(people[0], faces), Mesh(people[0], faces, kernels=loops)
        for a, b in (people, people[::-1]):
            first, second = plain.placed(a), plain.placed(b)
            expected = crossings_of(first, second, facing(first, second))
            posed = fast.placed(a), fast.placed(b)
            np.testing.assert_array_equal(posed[0].low, first.low)
            np.testing.assert_array_equal(posed[0].high, first.high)
            found = crossings(*posed)
            order, by = np.lexsort((expected.face, expected.edge)), np.lexsort((found.face, found.edge))
            assert len(order) > 10
            for mine, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(mine[by], other[order], rtol=1e-12)
            numbers, told = windings(posed[0], expected, posed[1]), windings(first, expected, second)
            assert numbers is not None and told is not None
            np.testing.assert_array_equal(numbers[0], told[0])
            assert numbers[1] == told[1]


def test_a_contradiction_is_seen(loops: ModuleType) -> None:
    people, faces = bent(1, cuts=6)
    mesh = Mesh(people[0], faces, kernels=loops)
    first, second = (mesh.placed(person) for person in people)
    found = crossings_of(first, second, facing(first, second))
    assert windings(first, found, second) is not None
    assert windings(first, type(found)(*(part[1:] for part in found)), second) is None


def test_depths_equal_looking_at_every_triangle(loops: ModuleType) -> None:
    rng = np.random.default_rng(0)
    for seed in range(3):
        (vertices, _), faces = bent(seed, stretch=1.0 + 2.0 * seed)
        points = np.concatenate([vertices[:5], vertices.mean(axis=0) + rng.normal(size=(60, 3)) * [0.1, 0.3, 1.0]])
        degenerate = np.concatenate([faces, [[0, 0, 1], [2, 2, 2]]])
        found = Mesh(vertices, degenerate, kernels=loops).placed(vertices).distances(points)
        np.testing.assert_allclose(found, every_triangle(points, vertices, faces), atol=1e-12)
        np.testing.assert_allclose(found, surface_depths(points, vertices, faces), atol=1e-12)


@pytest.mark.parametrize("apart", [0.02, 0.15, 0.35, 0.8, 3.0])
def test_people_inside_one_another(loops: ModuleType, small_body: BodyModel, apart: float) -> None:
    rest, faces = np.asarray(small_body.v_template), np.asarray(small_body.faces)
    lowres = np.asarray(small_body.lowres.vertex_ids)[np.asarray(small_body.lowres.faces)]
    people = _people(small_body, int(100 * apart), apart)
    for hull in (None, lowres):
        (depth, volume), (expected, litres) = (
            penetration_in(Patches(rest, faces, hull, given), people) for given in (loops, None)
        )
        assert depth.inside == expected.inside
        np.testing.assert_allclose([*depth[:2], volume], [*expected[:2], litres], rtol=1e-9, atol=1e-9)
    assert (expected.inside > 0) == (apart < 0.5)


def test_what_overlaps_itself_counts_once(loops: ModuleType) -> None:
    bar, faces = box(size=0.3, cuts=6)
    twice = np.concatenate([bar, bar + np.array([0.15, 0.02, 0.03])])
    both = np.concatenate([faces, faces + len(bar)])
    for shift in ([0.1, 0.07, 0.05], [0.07, 0.1, -0.05], [0.05, -0.07, 0.1]):  # along each axis
        people = np.stack([twice, twice + shift])
        found, expected = (penetration_in(Patches(twice, both, None, given), people)[1] for given in (loops, None))
        assert found == pytest.approx(expected, rel=1e-9) and found > 1.0


def test_depths_in_the_own_body(loops: ModuleType, small_body: BodyModel) -> None:
    rest, faces = np.asarray(small_body.v_template), np.asarray(small_body.faces)
    segments = make_segments(rest, faces, np.asarray(small_body.skin_weights), small_body.parents)
    plain, fast = (SelfPenetration(rest, faces, segments, given) for given in (None, loops))
    deep = 0
    for seed in range(6):
        for person in _people(small_body, seed, 1.0):
            expected = plain.deepest_m(person)
            assert fast.deepest_m(person) == pytest.approx(expected, abs=1e-12)
            deep += expected > 0.0
    assert deep > 2


def test_regions(loops: ModuleType, small_body: BodyModel) -> None:
    rng = np.random.default_rng(5)
    plain, fast = (RegionTiles(small_body.regions, np.asarray(small_body.v_template), k) for k in (None, loops))
    pairs = [
        ContactPair(*(frozenset(rng.choice(75, 1 + k % 3, replace=False).tolist()) for _ in range(2)))
        for k in range(12)
    ]
    for apart in (0.1, 0.5, 2.0):
        people = _people(small_body, 7, apart)
        for wanted in (pairs, []):
            (found, touching), (expected, told) = (tiles.both(people, wanted) for tiles in (fast, plain))
            np.testing.assert_allclose(found, expected, rtol=1e-12)
            np.testing.assert_array_equal(touching, told)
    people = people.copy()
    people[0, 3] = np.nan
    np.testing.assert_array_equal(fast.both(people, pairs)[1], plain.both(people, pairs)[1])


def _same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, str):
            assert found[name] == value
        else:
            assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("people", [1, 2])
def test_all_figures_of_a_scene(
    loops: ModuleType, small_body: BodyModel, make_scene: Callable[..., Scene], people: int
) -> None:
    evaluators = [Evaluator(small_body, compiled=compiled) for compiled in (True, False)]
    contacts = (("left hand", "right arm"), ("chest", "back"))
    scene = dataclasses.replace(make_scene(people), gt_contacts=contacts)
    posed = []
    for seed in range(3):
        vertices = _people(small_body, seed, 0.2)[:people]
        truth = _people(small_body, seed, 0.25)[:people]
        posed.append(Posed(scene, vertices, vertices[:, :55], (truth, truth[:, :55])))
    found, expected = (evaluator.many(posed) for evaluator in evaluators)
    for one, other in zip(found, expected, strict=True):
        assert {"pve_mm", "pa_pve_mm", "self_penetration_max_mm"} <= other.keys()
        _same(one, other)


def test_without_numba_numpy_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.kernels(compiled=False) is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    kernels._kernels.cache_clear()
    try:
        assert kernels.kernels() is None
    finally:
        kernels._kernels.cache_clear()
