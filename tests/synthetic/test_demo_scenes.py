"""The packaged scenes: complete, touching, not overlapping, with estimates as wrong as a regressor's."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from prosepose_jax.contact import compile_answers
from prosepose_jax.io import load_answers, load_scenes
from prosepose_jax.metrics._people import body25, initial_people, true_people
from prosepose_jax.metrics.contact import annotated_pairs, smallest_distance
from prosepose_jax.metrics.penetration import penetration
from prosepose_jax.metrics.pose import evaluation_joints, joint_pa_mpjpe_mm, pa_mpjpe_mm
from prosepose_jax.resources import demo_dir
from prosepose_jax.synthetic import templates
from prosepose_jax.synthetic.measure import TOUCH_DISTANCE_M

KEYS = templates.PACKAGED
TWO_PERSON = tuple(key for key in KEYS if key in templates.TWO_PERSON)
SELF_CONTACT = tuple(key for key in KEYS if key in templates.SELF_CONTACT)


@pytest.fixture(scope="module")
def scenes():
    return {scene.key: scene for scene in load_scenes(demo_dir() / "scenes")}


@pytest.fixture(scope="module")
def truth(scenes, body):
    return {key: true_people(body, scene) for key, scene in scenes.items()}


def _members(body, region: int) -> np.ndarray:
    return np.asarray(body.regions.vertex_ids)[region][np.asarray(body.regions.mask)[region]]


def test_all_scenes_are_there_and_small(scenes):
    assert set(scenes) == set(KEYS)
    assert len(TWO_PERSON) >= 6 and len(SELF_CONTACT) >= 4
    assert sum(f.stat().st_size for f in demo_dir().rglob("*") if f.suffix in (".npz", ".jpg", ".json")) < 2e6


@pytest.mark.parametrize("key", KEYS)
def test_scene_is_complete(scenes, key):
    scene = scenes[key]
    people = 2 if key in TWO_PERSON else 1
    assert scene.num_people == people and scene.has_truth
    assert scene.gt_region_pairs is not None and len(scene.gt_region_pairs) and scene.gt_contacts
    assert scene.image is not None and scene.image.stat().st_size <= 60_000
    with Image.open(scene.image) as picture:
        assert picture.size == tuple(scene.image_size) and max(picture.size) == 640
    seen = scene.keypoints[..., 2] > 0
    assert seen.sum() >= 15 * people
    # 60 degrees across the longer side, as the method assumes.
    np.testing.assert_allclose(scene.focal_length, 320 / np.tan(np.pi / 6), rtol=1e-4)


@pytest.mark.heavy
def test_labelled_regions_touch_and_people_do_not_overlap(scenes, truth, body):
    for key in TWO_PERSON:
        vertices, _ = truth[key]
        gaps = [
            smallest_distance(vertices[0][_members(body, a)], vertices[1][_members(body, b)])
            for a, b in scenes[key].gt_region_pairs
        ]
        assert max(gaps) <= TOUCH_DISTANCE_M + 1e-4, key
        assert min(gaps) <= 0.003, key
        assert penetration(vertices, np.asarray(body.faces)).max_mm <= 10.0, key


@pytest.mark.heavy
def test_self_contact_labels_touch(scenes, truth, body):
    for key in SELF_CONTACT:
        vertices = truth[key][0][0]
        gaps = [
            smallest_distance(vertices[_members(body, a)], vertices[_members(body, b)])
            for a, b in scenes[key].gt_region_pairs
        ]
        assert max(gaps) <= TOUCH_DISTANCE_M + 1e-4 and min(gaps) <= 0.003, key


def test_true_people_are_seen_where_the_keypoints_are(scenes, truth, body):
    errors = []
    for key, scene in scenes.items():
        points = body25(body, *truth[key])
        pixels = scene.focal_length * points[..., :2] / points[..., 2:] + scene.principal_point
        assert (pixels > -20).all() and (pixels < scene.image_size + 20).all(), key
        seen = scene.keypoints[..., 2] > 0.6
        errors.append(np.median(np.linalg.norm(pixels - scene.keypoints[..., :2], axis=-1)[seen]))
    assert 1.0 < np.mean(errors) < 8.0
    missing = np.mean([np.mean(s.keypoints[..., 2] == 0) for s in scenes.values()])
    assert 0.01 < missing < 0.25


def test_initial_estimates_are_as_wrong_as_a_regressors(scenes, truth, body):
    errors = {}
    for key, scene in scenes.items():
        estimate, true = evaluation_joints(initial_people(body, scene)[1]), evaluation_joints(truth[key][1])
        errors[key] = joint_pa_mpjpe_mm(estimate, true) if key in TWO_PERSON else pa_mpjpe_mm(estimate, true)
    assert 100 <= np.mean([errors[k] for k in TWO_PERSON]) <= 145
    assert 60 <= np.mean([errors[k] for k in SELF_CONTACT]) <= 95


def test_twenty_answers_each_that_the_parser_reads():
    answers = load_answers(demo_dir() / "answers.json")
    for key in KEYS:
        texts = [answer.text for answer in answers.for_scene(key)]
        assert len(texts) == 20 and len(set(texts)) > 5
        people, mode = (2, "two_person") if key in TWO_PERSON else (1, "self_contact")
        program = compile_answers(texts, num_people=people, mode=mode, parser="extended")
        assert program.num_answers == 20
        assert sum("|" in text for text in texts) >= 15


def test_annotated_pairs_are_readable(scenes):
    for scene in scenes.values():
        assert annotated_pairs(scene)
