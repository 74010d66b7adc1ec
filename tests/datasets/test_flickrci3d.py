"""FlickrCI3D Signatures: its layouts, and each of its traps."""

from __future__ import annotations

import numpy as np
import pytest
from miniatures import pixels

from prosepose_jax.errors import InputError

SIZE = (640, 480)


def _check_people(scenes, people) -> None:
    for key, scene in scenes.items():
        np.testing.assert_allclose(scene.keypoints[..., :2], pixels(people[key].body25, SIZE), atol=1.0)


def test_cached_list_with_tensors(make, read, off_mm) -> None:
    root, people = make("flickrci3d")
    dataset, scenes = read("flickrci3d", root)
    assert list(scenes) == ["park_1_0", "park_1_1", "beach_2_0"] and not dataset.failures
    _check_people(scenes, people)
    np.testing.assert_array_equal(sorted(map(tuple, scenes["park_1_1"].gt_region_pairs)), [(3, 69), (26, 7)])
    assert scenes["park_1_0"].image is not None
    assert not scenes["park_1_0"].has_truth and any("no pseudo ground truth" in note for note in dataset.notes)


def test_pair_order_is_the_annotations(make, read) -> None:
    """person_ids [2, 1]: from left to right the two would be exchanged, and every region pair with them."""
    root, people = make("flickrci3d")
    _, scenes = read("flickrci3d", root)
    turned = scenes["park_1_1"]
    assert turned.keypoints[0, :, 0].mean() > turned.keypoints[1, :, 0].mean()
    assert people["park_1_1"].joints[0, 0, 0] > people["park_1_1"].joints[1, 0, 0]


def test_pseudo_ground_truth_and_its_bad_fits(make, read, off_mm) -> None:
    root, people = make("flickrci3d")
    dataset, scenes = read("flickrci3d", root, truth_fits=root / "pgt")
    assert list(scenes) == ["park_1_0", "park_1_1"]
    assert dataset.counts["dropped: its pseudo ground truth is a bad fit"] == 1
    assert all(off_mm(scene, people[key]) < 0.1 for key, scene in scenes.items())
    (root / "pgt" / "pkl" / "park_1_1.pkl").rename(root / "pgt" / "park_1_1.pkl")
    dataset, scenes = read("flickrci3d", root, truth_fits=root / "pgt")
    (root / "pgt" / "park_1_1.pkl").rename(root / "pgt" / "pkl" / "park_1_1.pkl")
    assert list(scenes) == ["park_1_0"] and dataset.counts["dropped: no pseudo ground truth"] == 1
    with pytest.raises(InputError, match="no such folder of pseudo"):
        read("flickrci3d", root, truth_fits=root / "nowhere")


def test_processed_people_with_the_download(make, read) -> None:
    root, people = make("flickrci3d", lists=False, persons=True)
    dataset, scenes = read("flickrci3d", root)
    assert list(scenes) == ["park_1_0", "park_1_1", "beach_2_0"] and not dataset.failures
    _check_people(scenes, people)


def test_download_with_detector_files(make, read) -> None:
    root, people = make("flickrci3d", lists=False, detectors=True, name="FlickrCI3D_signature")
    dataset, scenes = read("flickrci3d", root, keep_betas=False)
    assert list(scenes) == ["park_1_0", "park_1_1", "beach_2_0"] and not dataset.failures
    _check_people(scenes, people)
    for key, scene in scenes.items():
        assert np.abs(scene.transl[:, 0] - people[key].transl[:, 0]).max() < 0.3


def test_what_is_missing_is_named(make, read, tmp_path) -> None:
    root, _ = make("flickrci3d", lists=False)
    dataset, scenes = read("flickrci3d", root)
    assert not scenes and "bev/park_1_0.08.npz" in dataset.failures["park_1"]
    with pytest.raises(InputError, match=r"this is no FlickrCI3D.*interaction_contact_signature\.json"):
        read("flickrci3d", tmp_path)
    with pytest.raises(InputError, match="has train, val, test"):
        read("flickrci3d", root, "dev")
