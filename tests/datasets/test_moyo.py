"""MOYO: its layout, and each of its traps."""

from __future__ import annotations

import numpy as np
import pytest
from miniatures import MOYO_POSES, pixels

from prosepose_jax.errors import InputError

BOAT = "Boat_Pose_or_Paripurna_Navasana_-a_YOGI_Cam_05_0012_0"


def test_keys_truth_and_counts(make, read, off_mm) -> None:
    root, people = make("moyo")
    dataset, scenes = read("moyo", root)
    # The renamed pose has its truth all the same; a key without motion capture is dropped and named.
    assert list(scenes) == list(people) and len(scenes) == len(MOYO_POSES) and not dataset.failures
    assert any("RENAME_A1" in key for key in scenes)
    assert dataset.counts["keys"] == 4 and dataset.counts["dropped: no truth"] == 1
    assert any("Camel_Pose" in note for note in dataset.notes)
    for key, scene in scenes.items():
        assert scene.num_people == 1 and off_mm(scene, people[key]) < 0.2
        np.testing.assert_allclose(scene.keypoints[0, :, :2], pixels(people[key].body25, (2056, 1504))[0], atol=1.0)


def test_the_other_rate_is_another_frame(make, read, off_mm) -> None:
    """Images come at 30, motion capture at 60: the image's number itself, or the toolkit's, is another pose."""
    root, people = make("moyo")
    _, scenes = read("moyo", root, mocap_frames="toolkit")
    assert all(off_mm(scene, people[key]) > 100 for key, scene in scenes.items())
    with pytest.raises(InputError, match="published or toolkit"):
        read("moyo", root, mocap_frames="mine")


def test_a_pose_whose_name_begins_anothers(make, read, off_mm) -> None:
    """A wildcard on the shorter name finds the longer one's recording first."""
    root, people = make("moyo")
    _, scenes = read("moyo", root)
    files = sorted(p.name for p in root.rglob("*Boat_Pose_or_Paripurna_Navasana_-a*_stageii.npz"))
    assert len(files) == 2 and "wide" in files[0]
    assert off_mm(scenes[BOAT], people[BOAT]) < 0.2


def test_ten_of_sixteen_betas(make, read) -> None:
    root, people = make("moyo")
    _, scenes = read("moyo", root)
    np.testing.assert_allclose(
        scenes[BOAT].gt_betas[0], people[BOAT].betas[0][: scenes[BOAT].gt_betas.shape[1]], atol=1e-6
    )


def test_images_of_half_the_calibrated_size(make, read) -> None:
    root, _ = make("moyo")
    _, scenes = read("moyo", root)
    # The estimate's own camera (60° across 2056 px), not the calibrated 5000 px of the full-size image.
    assert scenes[BOAT].focal_length[0] == pytest.approx(2056 / 2 / np.tan(np.pi / 6), rel=1e-3)
    np.testing.assert_allclose(scenes[BOAT].principal_point, [1028, 752])


def test_without_cameras_and_without_joints(make, read, aligned_mm, rooted_mm) -> None:
    root, people = make("moyo", cameras=False, joints=False)
    dataset, scenes = read("moyo", root)
    assert len(scenes) == 3 and any("cameras_param.json" in note for note in dataset.notes)
    assert aligned_mm(scenes[BOAT], people[BOAT]) < 0.2 and rooted_mm(scenes[BOAT], people[BOAT]) > 100


def test_what_was_expected_where(tmp_path, read) -> None:
    with pytest.raises(InputError, match=r"this is no MOYO.*test_keys|this is no MOYO.*_keys\.json"):
        read("moyo", tmp_path)
    with pytest.raises(InputError, match="has test and val"):
        read("moyo", tmp_path, "dev")
