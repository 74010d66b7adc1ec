"""Readers of other tools' files: BEV, OpenPose, FlickrCI3D."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from foreign_files import FOCAL, SIZE, bev_results, make_people, pose22, sign, write_annotations, write_bev, write_image

from prosepose_jax.errors import InputError
from prosepose_jax.importing.flickrci3d import read_annotations
from prosepose_jax.importing.keypoints import read_keypoints
from prosepose_jax.importing.sources.bev import read_bev


@pytest.fixture(scope="module")
def people(small_body):
    return make_people(small_body, [(-0.4, 4.0), (0.4, 4.5)], [0.0, 0.5])


def test_bev_joints_in_the_camera_frame(tmp_path, people):
    estimates = read_bev(write_bev(tmp_path / "bev.npz", bev_results(people)), write_image(tmp_path / "i.png"))
    np.testing.assert_array_equal(estimates.image_size, SIZE)
    np.testing.assert_allclose(estimates.focal_length, FOCAL, rtol=1e-5)
    np.testing.assert_array_equal(estimates.principal_point, np.array(SIZE) / 2)
    assert len(estimates.people) == 2
    for i, person in enumerate(estimates.people):
        np.testing.assert_allclose(person.joints, people.joints[i, :22], atol=1e-5)
        np.testing.assert_allclose(person.landmarks, people.body25[i, [0, *range(15, 25)]], atol=1e-5)
        np.testing.assert_allclose(person.keypoints_px[:, :2], people.body25_px[i], atol=1e-2)
        np.testing.assert_allclose(person.pose, pose22(people)[i], atol=1e-6)
    assert estimates.people[0].kid_scale == 0 and estimates.people[1].kid_scale == 0.5


def test_bev_camera_without_the_image(tmp_path, people):
    estimates = read_bev(write_bev(tmp_path / "bev.npz", bev_results(people)))
    np.testing.assert_array_equal(estimates.image_size, SIZE)
    np.testing.assert_allclose(estimates.focal_length, FOCAL, rtol=1e-5)
    assert estimates.image is None


def test_bev_of_another_image(tmp_path, people):
    path = write_bev(tmp_path / "bev.npz", bev_results(people))
    with pytest.raises(InputError, match=r"640×480.*1000×700"):
        read_bev(path, write_image(tmp_path / "i.png", (1000, 700)))
    (tmp_path / "no.png").write_text("no image")
    with pytest.raises(InputError, match=r"no\.png.*image"):
        read_bev(path, tmp_path / "no.png")


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"cam_trans": None}, ["cam_trans", "missing"]),
        ({"joints": np.zeros((2, 24, 3))}, ["joints", "(2, 71, 3)", "(2, 24, 3)"]),
        ({"smpl_thetas": np.zeros((0, 72))}, ["smpl_thetas", "one person"]),
        ({"smpl_thetas": np.full((2, 72), np.nan)}, ["smpl_thetas", "NaN"]),
        ({"cam_trans": np.array([[0, 0, -3.0], [0, 0, 4.0]])}, ["cam_trans", "behind"]),
    ],
)
def test_bad_bev_fields_are_named(tmp_path, people, changes, words):
    results = bev_results(people) | changes
    path = write_bev(tmp_path / "bev.npz", {k: v for k, v in results.items() if v is not None})
    with pytest.raises(InputError) as error:
        read_bev(path)
    for word in [str(path), *words]:
        assert word in str(error.value)


class Evil:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_bev_pickle_that_runs_code_is_refused(tmp_path, people):
    trap = tmp_path / "trap"
    results = bev_results(people) | {"extra": Evil(trap)}
    with pytest.raises(InputError, match=r"bev\.npz.*mkdir"):
        read_bev(write_bev(tmp_path / "bev.npz", results))
    assert not trap.exists()


def test_truncated_and_missing_bev(tmp_path, people):
    path = write_bev(tmp_path / "bev.npz", bev_results(people))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"bev\.npz"):
        read_bev(path)
    with pytest.raises(InputError, match="no such file"):
        read_bev(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(InputError, match="results"):
        read_bev(tmp_path / "other.npz")


def openpose(tmp_path, *people):
    path = tmp_path / "k.json"
    path.write_text(json.dumps({"people": [{"pose_keypoints_2d": p} for p in people]}))
    return path


def test_openpose_values(tmp_path):
    keypoints = np.arange(75, dtype=float).reshape(25, 3)
    keypoints[:, 2] = 0.5
    keypoints[3] = [7, 8, 0]  # missing: its place means nothing
    keypoints[4, 2] = 1.02
    found = read_keypoints(openpose(tmp_path, keypoints.reshape(-1).tolist()), layout="body25").keypoints
    assert found.shape == (1, 25, 3) and found.dtype == np.float32
    assert not found[0, 3].any() and found[0, 4, 2] == 1
    np.testing.assert_array_equal(found[0, 5:], keypoints[5:])
    assert read_keypoints(openpose(tmp_path)).keypoints.shape == (0, 25, 3)


@pytest.mark.parametrize(
    "person, words",
    [
        ([0.0] * 57, ["people[0].pose_keypoints_2d", "75", "57"]),
        ([0.0] * 74 + ["x"], ["numbers"]),
        ([0.0] * 74 + [-1.0], ["[0, 1]"]),
        (None, ["people[0].pose_keypoints_2d", "none"]),
    ],
)
def test_bad_openpose_is_named(tmp_path, person, words):
    path = openpose(tmp_path, person)
    with pytest.raises(InputError) as error:
        read_keypoints(path)
    for word in [str(path), *words]:
        assert word in str(error.value)


def test_a_point_of_nan_is_missing_and_said(tmp_path):
    found = read_keypoints(openpose(tmp_path, [5.0, 6.0, 0.5] * 24 + [5.0, float("nan"), 0.5]), layout="body25")
    assert not found.keypoints[0, 24].any() and found.keypoints[0, 23].all()
    assert any("1 points are NaN or null" in note for note in found.notes)


def test_openpose_without_people(tmp_path):
    (tmp_path / "k.json").write_text("{}")
    with pytest.raises(InputError, match="people"):
        read_keypoints(tmp_path / "k.json")
    (tmp_path / "k.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        read_keypoints(tmp_path / "k.json")


BOXES = [[0, 0, 10, 20], [30, 0, 40, 20], [50, 0, 60, 20]]


def test_annotation_order(tmp_path):
    path = write_annotations(tmp_path / "a.json", "img", BOXES, [sign([2, 0], [[51, 33], [7, 2]]), sign([0, 1], [])])
    first, second = read_annotations(path)["img"]
    np.testing.assert_array_equal(first.boxes, [BOXES[2], BOXES[0]])
    np.testing.assert_array_equal(first.region_pairs, [[51, 33], [7, 2]])
    np.testing.assert_array_equal(second.boxes, [BOXES[0], BOXES[1]])
    assert second.region_pairs.shape == (0, 2)


@pytest.mark.parametrize(
    "bad, words",
    [
        (sign([0, 3], []), ["ci_sign[0].person_ids", "3 boxes", "[0, 3]"]),
        (sign([1, 1], []), ["person_ids", "different"]),
        (sign([0, 1], [[0, 75]]), ["region_id", "74"]),
        (sign([0, 1], [[0, 1, 2]]), ["region_id", "(C, 2)"]),
        ({"person_ids": [0, 1]}, ["smplx.region_id"]),
        ({}, ["person_ids"]),
    ],
)
def test_bad_annotations_are_named(tmp_path, bad, words):
    path = write_annotations(tmp_path / "a.json", "img", BOXES, [bad])
    with pytest.raises(InputError) as error:
        read_annotations(path)
    for word in [str(path), "img", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"img": ' + "9" * 5_000 + "}",
        '{"img": {"bbxes": [[1, 2, 3, 4], [5, 6, 7, 1' + "0" * 400 + ']], "ci_sign": [{"person_ids": [0, 1]}]}}',
        '{"img": {"bbxes": [[1, 2, 3, 4], [5, 6]], "ci_sign": [{"person_ids": [0, 1]}]}}',
        '{"img": {"bbxes": [[1, 2, 3, 4], [5, 6, 7, 8]], "ci_sign": [{"person_ids": [false, true]}]}}',
        '{"img": [1]}',
        "",
        "{",
    ],
)
def test_odd_annotations_are_named(content, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.json"):
        read_annotations(tmp_path / "a.json")
