"""The noise models: their sizes are what they say, the levels are ordered, hidden points are found."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.synthetic.camera_placement import View, choose_view
from prosepose_jax.synthetic.levels import LEVELS
from prosepose_jax.synthetic.noise import (
    KeypointNoise,
    RegressorNoise,
    detect_keypoints,
    hidden_keypoints,
    noisy_betas,
    noisy_pelvis,
    noisy_pose,
)


def _view() -> View:
    return View(np.eye(3), np.zeros(3), 500.0, (640, 480), np.array([320.0, 240.0]))


def _people() -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.uniform(-0.8, 0.8, size=(2, 25, 3)) * np.array([0.4, 1.0, 0.1]) + np.array([0.0, 0.0, 4.0])


def test_keypoint_noise_has_its_size_and_rates():
    noise = KeypointNoise(swap=0.0, outlier=0.0)
    keypoints, hidden = _people(), np.zeros((2, 25), bool)
    hidden[:, :5] = True
    view = _view()
    truth = view.project(keypoints)
    rng = np.random.default_rng(0)
    found = np.array([detect_keypoints(keypoints, hidden, view, noise, rng) for _ in range(400)])
    seen = found[..., 2] > 0
    assert abs(1 - seen[:, :, 5:].mean() - noise.missing) < 0.01
    assert abs(1 - seen[:, :, :5].mean() - noise.occluded_missing) < 0.03
    for i in range(2):
        size = np.ptp(truth[i], axis=0).max()
        error = (found[:, i, :, :2] - truth[i])[:, 5:][seen[:, i, 5:]]
        assert abs(error.std() / (noise.pixel_share * size) - 1) < 0.05
        worse = (found[:, i, :, :2] - truth[i])[:, :5][seen[:, i, :5]]
        assert abs(worse.std() / (noise.pixel_share * noise.occluded_factor * size) - 1) < 0.1
    assert found[..., 2].max() < 1.0 and np.isfinite(found).all()
    assert (found[~seen] == 0).all()


def test_swapped_limbs_occur_at_their_rate():
    keypoints, hidden, view = _people(), np.zeros((2, 25), bool), _view()
    noise = KeypointNoise(pixel_share=0.0, missing=0.0, swap=0.2, outlier=0.0)
    rng = np.random.default_rng(0)
    truth = view.project(keypoints)
    swapped = [
        np.linalg.norm(detect_keypoints(keypoints, hidden, view, noise, rng)[:, 4, :2] - truth[:, 7], axis=-1) < 1e-6
        for _ in range(500)
    ]
    assert abs(np.mean(swapped) - 0.2) < 0.04


@pytest.mark.heavy
def test_touching_limbs_get_larger_errors_and_levels_are_ordered():
    pose = np.zeros((21, 3))
    base = RegressorNoise(joint_degrees=8.0, towards_rest=0.0)

    def spread(noise: RegressorNoise, touching: set[str], joint: int) -> float:
        rng = np.random.default_rng(1)
        return float(np.std([noisy_pose(pose, touching, noise, rng)[joint - 1] for _ in range(600)]))

    elbow = 18
    plain, touched = spread(base, set(), elbow), spread(base, {"left hand"}, elbow)
    assert abs(touched / plain - base.touching_factor) < 0.15
    assert abs(spread(base, {"left hand"}, 19) / plain - 1) < 0.1  # the right arm touches nothing
    sizes = [spread(LEVELS[level].two_person, set(), elbow) for level in ("low", "middle", "high")]
    assert sizes[0] < sizes[1] < sizes[2]


def test_pelvis_error_lies_along_the_line_of_sight_and_shape_shrinks():
    noise = RegressorNoise(joint_degrees=8.0)
    rng = np.random.default_rng(0)
    pelvis = np.array([0.3, 0.1, 4.0])
    moved = np.array([noisy_pelvis(pelvis, 400.0, 500.0, noise, rng) for _ in range(2000)])
    assert abs(moved[:, 2].std() / (noise.depth_share * 4.0) - 1) < 0.1
    pixels = 500.0 * moved[:, :2] / moved[:, 2:]
    assert abs(pixels.std(axis=0) / (noise.pixel_share * 400.0) - 1).max() < 0.15
    betas = np.array([noisy_betas(np.full(10, 2.0), noise, rng) for _ in range(400)])
    assert abs(betas.mean() - 2.0 * (1 - noise.shape_shrink)) < 0.05


def test_a_person_behind_a_wall_of_vertices_is_hidden():
    view = _view()
    x, y = np.meshgrid(np.linspace(-1, 1, 400), np.linspace(-1, 1, 400))
    wall = np.stack([x, y, np.full_like(x, 2.0)], -1).reshape(-1, 3)
    far = wall + np.array([0.0, 0.0, 1.5])
    keypoints = np.zeros((2, 25, 3))
    keypoints[0] = [0.1, 0.1, 2.02]  # inside the first person's surface
    keypoints[1] = [0.1, 0.1, 3.52]
    hidden = hidden_keypoints(np.stack([wall, far]), keypoints, view)
    assert not hidden[0].any() and hidden[1].all()


@pytest.mark.parametrize("seed", range(5))
def test_view_holds_the_people_and_is_a_rotation(seed):
    rng = np.random.default_rng(seed)
    vertices = rng.uniform([-0.5, 0, -0.3], [0.5, 1.8, 0.3], size=(2, 300, 3))
    view = choose_view(vertices, 40.0, rng)
    np.testing.assert_allclose(view.rotation @ view.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view.rotation) > 0
    camera = view.to_camera(vertices)
    pixels = view.project(camera)
    assert camera[..., 2].min() > 0.5
    assert (pixels >= 0).all() and (pixels <= np.array(view.size)).all()
    high, low = np.argmax(vertices[0, :, 1]), np.argmin(vertices[0, :, 1])
    assert pixels[0, high, 1] < pixels[0, low, 1]  # up in the world is up in the picture
