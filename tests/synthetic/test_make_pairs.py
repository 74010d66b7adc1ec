"""Pairs for the prior: a mirror's image is a body's pose again, and a camera changes nothing between the people."""

from __future__ import annotations

import numpy as np
import pytest
from small_scenes import pose_at_once

from prosepose_jax.body import BodyModel, axis_angle_to_matrix
from prosepose_jax.errors import InputError
from prosepose_jax.synthetic.make_pairs import MIRROR, _begun, mirrored, seen_people
from prosepose_jax.synthetic.refine import Start, start_params


@pytest.fixture
def people() -> Start:
    rng = np.random.default_rng(0)

    def turned(*shape: int, by: float) -> np.ndarray:
        return rng.normal(0, by, shape).astype(np.float32)

    transl = np.array([[0.1, 0.9, 0.0], [0.5, 0.9, 0.3]], np.float32)
    hands = turned(2, 2, 15, 3, by=0.2)
    return Start(turned(2, 3, by=0.5), turned(2, 21, 3, by=0.3), transl, np.zeros((2, 10), np.float32), *hands)


def test_mirrored_people_are_the_mirror_image(body: BodyModel, people: Start) -> None:
    """Of the joints, names of the sides exchanged; the embedded rest body is symmetric to a millimetre."""
    left, right = (1, 4, 7, 10, 13, 16, 18, 20, 23, *range(25, 40)), (2, 5, 8, 11, 14, 17, 19, 21, 24, *range(40, 55))
    swap = np.arange(55)
    swap[list(left)], swap[list(right)] = right, left
    here = np.asarray(pose_at_once(body, start_params(people)).joints)
    there = np.asarray(pose_at_once(body, start_params(mirrored(people))).joints)
    np.testing.assert_allclose(there, here[:, swap] * MIRROR, atol=2e-3)
    again = mirrored(mirrored(people))
    np.testing.assert_array_equal(again.body_pose, people.body_pose)
    np.testing.assert_array_equal(again.transl, people.transl)


def test_cameras_stand_all_around_and_keep_the_people_as_they_are(people: Start) -> None:
    rng = np.random.default_rng(1)
    vertices = np.asarray(people.transl)[:, None] + rng.normal(0, 0.3, (2, 50, 3))
    root = np.array([[0.0, -0.3, 0.0], [0.0, -0.3, 0.02]])
    between = np.linalg.norm((people.transl + root)[1] - (people.transl + root)[0])
    own = [np.asarray(axis_angle_to_matrix(v)) for v in people.global_orient]
    headings = []
    for _ in range(40):
        seen = seen_people(people, vertices, root, rng)
        assert np.linalg.norm((seen["transl"] + root)[1] - (seen["transl"] + root)[0]) == pytest.approx(between, 1e-4)
        turned = [np.asarray(axis_angle_to_matrix(v)) for v in seen["global_orient"]]
        np.testing.assert_allclose(turned[0].T @ turned[1], own[0].T @ own[1], atol=1e-4)
        np.testing.assert_array_equal(seen["body_pose"], people.body_pose)
        camera = turned[0] @ own[0].T
        assert camera[1, 1] < -0.9  # the floor's upward normal points up in the picture
        headings.append(np.degrees(np.arctan2(camera[0, 2], camera[0, 0])) % 360)
    assert np.histogram(headings, bins=4, range=(0, 360))[0].min() > 3


def test_a_file_goes_on_with_the_same_interactions_alone(tmp_path, people: Start) -> None:
    root, vertices = np.zeros((2, 3)), np.asarray(people.transl)[:, None] + np.eye(3)
    pair = seen_people(people, vertices, root, np.random.default_rng(0))
    content = {name: value[None] for name, value in pair.items()} | {"source": np.array([7]), "tries": 64, "seed": 3}
    np.savez(tmp_path / "pairs.npz", **content, templates=np.array(["hug", "handshake"]))
    pairs, source, tries = _begun(tmp_path / "pairs.npz", {"seed": 3}, ("hug", "handshake"))
    assert (source, tries) == ([7], 64)
    np.testing.assert_array_equal(pairs[0]["body_pose"], pair["body_pose"])
    with pytest.raises(InputError, match="pairs.npz.*templates.*hug, conga"):
        _begun(tmp_path / "pairs.npz", {"seed": 3}, ("hug", "conga"))
    with pytest.raises(InputError, match="field seed: its pairs were made with 3, now it is 4"):
        _begun(tmp_path / "pairs.npz", {"seed": 4}, ("hug", "handshake"))
