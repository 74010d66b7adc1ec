"""Touch of one person: against all pairs of vertices and their ways along the surface, one by one."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from small_scenes import pose_at_once

from prosepose_jax.body import BodyParams
from prosepose_jax.metrics import SelfContact, SurfaceDistances, evaluate
from prosepose_jax.metrics.regions import region_members
from prosepose_jax.scene import Fit

RADIUS = 0.3


@pytest.fixture(scope="module")
def contact(small_body) -> tuple[SelfContact, SurfaceDistances]:
    rest = np.asarray(small_body.v_template)
    surface = SurfaceDistances(rest, np.asarray(small_body.faces), RADIUS)
    return SelfContact(surface, rest, small_body.regions), surface


@pytest.fixture(scope="module")
def folded(small_body) -> np.ndarray:
    """A body with one hand in front of the chest and strongly bent knees."""
    params = BodyParams.zeros(1, small_body.num_betas, small_body.num_expressions)
    pose = np.zeros((1, 21, 3), np.float32)
    pose[0, 15] = [0.0, -0.9, -0.6]  # left shoulder
    pose[0, 17] = [0.0, -2.2, 0.0]  # left elbow
    pose[0, 3] = pose[0, 4] = [2.6, 0.0, 0.0]  # knees
    return np.asarray(pose_at_once(small_body, params.replace(body_pose=pose)).vertices[0], np.float64)


@pytest.mark.heavy
def test_touching_regions_equal_brute_force(small_body, contact, folded) -> None:
    finder, surface = contact
    limit = 0.05  # the small body's vertices are far between
    found = finder.touching(folded, limit)
    between = np.linalg.norm(folded[:, None] - folded[None], axis=-1)
    touch = np.zeros_like(between, bool)
    for i in np.flatnonzero((between < limit).sum(axis=1) > 1):
        near = np.flatnonzero(between[i] < limit)
        touch[i, near] = surface.from_vertex(int(i))[near] >= RADIUS
    members = region_members(small_body.regions)
    expected = np.array([[touch[np.ix_(a, b)].any() for b in members] for a in members])
    expected |= expected.T
    np.fill_diagonal(expected, False)
    np.testing.assert_array_equal(found, expected)
    assert 0 < found.sum() < 75 * 74 and not finder.touching(np.asarray(small_body.v_template, np.float64), 0.005).any()


def test_ways_along_the_surface_are_those_of_the_other_algorithm(contact) -> None:
    finder, surface = contact
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, surface.num_vertices, size=(400, 2))
    exact = np.array([surface.from_vertex(int(i))[j] >= RADIUS for i, j in pairs])
    np.testing.assert_array_equal(finder.apart(pairs), exact)


def test_without_annotation_the_true_mesh_says_what_touches(small_body, make_scene, monkeypatch) -> None:
    # The small body's vertices are too far between to come within 2 cm.
    monkeypatch.setattr(SelfContact, "touching", functools.partialmethod(SelfContact.touching, limit_m=0.05))
    pose = np.zeros((1, 21, 3), np.float32)
    pose[0, 3] = pose[0, 4] = [2.6, 0.0, 0.0]
    scene = make_scene(1, gt_global_orient=np.zeros((1, 3)), gt_body_pose=pose, gt_betas=np.zeros((1, 4)),
                       gt_transl=np.array([[0.0, 0, 3]]))  # fmt: skip
    params = BodyParams.zeros(1, small_body.num_betas, small_body.num_expressions)
    right, wrong = (pose_at_once(small_body, params.replace(body_pose=p)) for p in (pose, 0 * pose))
    pcc = []
    for posed in (right, wrong):
        fit = Fit("scene", "ok", vertices=np.asarray(posed.vertices), joints=np.asarray(posed.joints))
        pcc.append(evaluate(small_body, [scene], [fit])["scenes"]["scene"].get("pcc"))
    assert pcc[0] == pytest.approx(95.0) and pcc[1] < 80
