"""What the fit sees of detections: boxes of people cut by the edge, points at the edge, lost feet."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from prosepose_jax.body.keypoints import Body25
from prosepose_jax.fitting.seen import beyond_edge, see, visible_box, whole_box
from prosepose_jax.fitting.settings import FitSettings

SIZE = np.array([640, 480])


def _people(*points: dict[int, tuple[float, float, float]]) -> np.ndarray:
    """(P, 25, 3): the given keypoints, the others missing (confidence 0, far away)."""
    array = np.zeros((len(points), 25, 3), np.float32)
    array[..., :2] = 9999.0
    for person, some in zip(array, points, strict=True):
        for index, values in some.items():
            person[index] = values
    return array


def _inside(people: int = 1) -> np.ndarray:
    """(P, 25, 2) an initial estimate whose points all lie at one place in the picture."""
    return np.full((people, 25, 2), 200.0, np.float32)


def test_visible_box_is_the_larger_side() -> None:
    wide = {0: (100.0, 50.0, 0.9), 3: (356.0, 60.0, 0.3), 7: (200.0, 178.0, 1.0)}
    tall = {1: (10.0, 0.0, 0.01), 2: (20.0, 1024.0, 1.0)}
    np.testing.assert_allclose(visible_box(_people(wide, tall)), [256.0, 1024.0])
    np.testing.assert_array_equal(visible_box(_people({}, {0: (3.0, 4.0, 1.0)})), 0.0)


def test_whole_box_adds_what_the_edge_cuts_off() -> None:
    found = _people({0: (200.0, 100.0, 0.9), 8: (200.0, 400.0, 0.9)})
    initial = _inside()
    assert whole_box(found, initial, SIZE)[0] == visible_box(found)[0] == 300.0  # hidden, not cut: nothing is added
    initial[0, Body25.LEFT_ANKLE] = (210.0, 900.0)
    assert whole_box(found, initial, SIZE)[0] == 800.0
    found[0, Body25.LEFT_ANKLE] = (205.0, 470.0, 0.05)  # a doubtful guess at the edge does not stand for the ankle
    assert whole_box(found, initial, SIZE)[0] == 800.0
    found[0, Body25.LEFT_ANKLE, 2] = 0.9
    assert whole_box(found, initial, SIZE)[0] == pytest.approx(370.0)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((635.0, 200.0), (1, 0)), ((4.0, 200.0), (-1, 0)), ((300.0, 478.0), (0, 1)), ((300.0, 2.0), (0, -1)),
        ((-3.0, 490.0), (-1, 1)), ((300.0, 200.0), (0, 0)), ((620.0, 200.0), (0, 0)),
    ],
)  # fmt: skip
def test_points_near_an_edge_may_lie_beyond_it(point, expected) -> None:
    found = _people({5: (*point, 0.5)})
    np.testing.assert_array_equal(beyond_edge(found, SIZE, np.array([10.0]))[0, 5], expected)
    assert not beyond_edge(found, SIZE, np.array([0.0])).any()  # as published
    assert not np.delete(beyond_edge(found, SIZE, np.array([10.0]))[0], 5, axis=0).any()  # nothing of missing ones


def test_a_limb_exchanged_back_keeps_its_marks(make_scene) -> None:
    scene = make_scene(seed=0)
    initial = np.random.default_rng(0).uniform(100, 300, (scene.num_people, 25, 2)).astype(np.float32)
    right = [int(k) for k in (Body25.RIGHT_KNEE, Body25.RIGHT_ANKLE, Body25.RIGHT_BIG_TOE)]
    left = [int(k) for k in (Body25.LEFT_KNEE, Body25.LEFT_ANKLE, Body25.LEFT_BIG_TOE)]
    found = np.concatenate([initial, np.full((*initial.shape[:2], 1), 0.9, np.float32)], axis=-1)
    found[0, right, 1] = scene.image_size[1] - 1.0
    initial[0, right, 1] = scene.image_size[1] + 20.0
    found[0, right + left] = found[0, left + right]  # found for the other leg
    seen = see(dataclasses.replace(scene, keypoints=found), initial, FitSettings())
    np.testing.assert_array_equal(seen.beyond[0, right, 1], 1.0)
    np.testing.assert_array_equal(seen.beyond[0, left, 1], 0.0)
    np.testing.assert_array_equal(seen.keypoints[0, right, 1], scene.image_size[1] - 1.0)


def test_published_reading_has_the_visible_box_and_no_edge(make_scene) -> None:
    scene = make_scene(seed=0)
    published = FitSettings(keypoint_box="visible", edge_share=0.0, exchange_swapped=False)
    keypoints = np.array(scene.keypoints)
    keypoints[..., :2] = np.clip(keypoints[..., :2], 0, np.asarray(scene.image_size) - 1)
    keypoints[:, Body25.LEFT_KNEE, 1] = scene.image_size[1] - 1
    initial = keypoints[..., :2] + 5000.0
    seen = see(dataclasses.replace(scene, keypoints=keypoints), initial, published)
    np.testing.assert_allclose(seen.box_px, visible_box(keypoints))
    assert not seen.beyond.any()
