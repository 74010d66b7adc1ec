"""Depths inside the own body: known ones, and none where skin folds."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from small_scenes import pose_at_once

from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.body.segments import Segments, make_segments
from prosepose_jax.metrics import crossing_numbers, surface_depths
from prosepose_jax.metrics.self_penetration import SelfPenetration


@pytest.fixture(scope="module")
def segments(small_body: BodyModel) -> Segments:
    arrays = (np.asarray(x) for x in (small_body.v_template, small_body.faces, small_body.skin_weights))
    return make_segments(*arrays, small_body.parents)


def _depths(body: BodyModel, segments: Segments, vertices: np.ndarray) -> np.ndarray:
    return SelfPenetration(np.asarray(body.v_template), np.asarray(body.faces), segments).depths_m(vertices)


def test_a_hand_moved_into_the_trunk_has_its_depth(small_body: BodyModel, segments: Segments) -> None:
    rest = np.asarray(small_body.v_template, np.float64)
    assert not _depths(small_body, segments, rest).any()
    # One fingertip is put 30 mm under the front of the chest, on the way from a skin vertex straight back.
    trunk, arm = (np.flatnonzero(segments.of_vertex == segments.names.index(n)) for n in ("trunk", "left forearm"))
    front = trunk[np.argmax(rest[trunk, 2] - np.abs(rest[trunk, 0]))]
    tip = arm[np.argmax(rest[arm, 0])]
    moved = rest.copy()
    moved[tip] = rest[front] - [0.0, 0.0, 0.03]
    depths = _depths(small_body, segments, moved)
    assert 0.005 < depths[tip] <= 0.0301
    moved[tip] = rest[front] + [0.0, 0.0, 0.03]
    assert _depths(small_body, segments, moved)[tip] == 0.0


def test_bent_knees_and_elbows_do_not_count(small_body: BodyModel, segments: Segments) -> None:
    pose = np.zeros((1, 21, 3), np.float32)
    pose[0, 3] = pose[0, 4] = (2.5, 0.0, 0.0)
    pose[0, 17] = (0.0, -2.2, 0.0)
    posed = pose_at_once(small_body, BodyParams.zeros(1, 10).replace(body_pose=jnp.asarray(pose))).vertices[0]
    depths = _depths(small_body, segments, np.asarray(posed))
    shin = segments.of_vertex == segments.names.index("left shin")
    assert not depths[shin].any()


def _one_by_one(body: BodyModel, segments: Segments, vertices: np.ndarray) -> np.ndarray:
    """The definition, with nothing left out beforehand."""
    faces, depths = np.asarray(body.faces, np.int64), np.zeros(len(vertices))
    for k, hull in enumerate(segments.faces):
        asked = np.flatnonzero(segments.foreign[:, k])
        inside = asked[crossing_numbers(vertices[asked], vertices, hull) >= 1]
        skin = faces[np.any(segments.of_vertex[faces] == k, axis=1)]
        depths[inside] = np.maximum(depths[inside], surface_depths(vertices[inside], vertices, skin))
    return depths


def test_boxes_leave_nothing_out(small_body: BodyModel, segments: Segments) -> None:
    rng, met = np.random.default_rng(3), 0
    metric = SelfPenetration(np.asarray(small_body.v_template), np.asarray(small_body.faces), segments)
    for _ in range(6):
        pose = rng.normal(0.0, 1.0, (1, 21, 3)).astype(np.float32)
        params = BodyParams.zeros(1, 10).replace(body_pose=jnp.asarray(pose))
        vertices = np.asarray(pose_at_once(small_body, params).vertices[0], np.float64)
        found = _depths(small_body, segments, vertices)
        np.testing.assert_allclose(found, _one_by_one(small_body, segments, vertices), atol=1e-12)
        met += int((found > 0).sum())
        # The deepest alone, found without measuring the others.
        assert metric.deepest_m(vertices) == pytest.approx(found.max(), abs=1e-12)
    assert met > 50
