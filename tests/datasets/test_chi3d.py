"""CHI3D: its layouts, and each of its traps."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from miniatures import CHI3D_CAMERAS

from prosepose_jax.errors import InputError

ALL = {f"s03_{stem}_{camera}_0" for stem in ("Grab 10_000081", "Hug 3_000040") for camera in CHI3D_CAMERAS}
INCOMPLETE = "s03_Hug 3_000040_65906101_0"  # ViTPose+ missed a person


def test_people_with_download(make, read, off_mm) -> None:
    root, people = make("chi3d")
    dataset, scenes = read("chi3d", root)
    assert set(scenes) == ALL - {INCOMPLETE} and not dataset.failures
    assert dataset.counts["dropped: a detector missed a person"] == 1 and dataset.counts["kept"] == 3
    assert any("test = s03" in note for note in dataset.notes)
    for key, scene in scenes.items():
        assert off_mm(scene, people[key]) < 0.1
        # The picture is .jpg although lists name it .png.
        assert scene.image is not None and scene.image.suffix == ".jpg"
    np.testing.assert_array_equal(scenes["s03_Grab 10_000081_50591643_0"].gt_region_pairs, [[26, 7], [3, 70]])


def test_the_translation_of_a_camera_is_where_it_stands(make, read, off_mm) -> None:
    """x_cam = R (x - T): a reader that adds T to R x is metres off."""
    root, people = make("chi3d")
    _, scenes = read("chi3d", root)
    file = root / "original/CHI3D/train/s03/camera_parameters" / CHI3D_CAMERAS[0] / "Grab 10.json"
    extrinsics = json.loads(file.read_text())["extrinsics"]
    rotation, centre = np.array(extrinsics["R"]), np.array(extrinsics["T"])[0]
    assert np.linalg.norm(centre - (-rotation @ centre)) > 1.0
    key = "s03_Grab 10_000081_50591643_0"
    assert off_mm(scenes[key], people[key]) < 0.1


def test_lists_alone_carry_truth_and_contacts(make, read, off_mm) -> None:
    root, people = make("chi3d", persons=False, lists=True, download=False)
    dataset, scenes = read("chi3d", root)
    # Grab 10 begins at its contact frame: the list has lost it. Frames without contact are no scenes.
    assert set(scenes) == {"s03_Hug 3_000040_50591643_0"}
    (scene,) = scenes.values()
    assert off_mm(scene, people[scene.key]) < 0.1
    np.testing.assert_array_equal(sorted(map(tuple, scene.gt_region_pairs)), [(3, 71), (26, 7)])
    assert dataset.counts["dropped: a detector missed a person"] == 1


def test_a_lost_contact_frame_is_named(make, read) -> None:
    root, _ = make("chi3d", persons=False, lists=True)
    dataset, _ = read("chi3d", root)
    assert any("contact frame 81 of s03, Grab 10 is in none of the lists" in note for note in dataset.notes)


def test_a_body_of_another_kind_gets_truth_from_joints(make, read, off_mm) -> None:
    root, people = make("chi3d")
    dataset, scenes = read("chi3d", root, keep_betas=False)
    assert any("fitted to the dataset's joints" in note for note in dataset.notes)
    for key, scene in scenes.items():
        assert off_mm(scene, people[key]) < 40


def test_missing_parts_are_named(make, read, tmp_path) -> None:
    root, _ = make("chi3d")
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    shutil.rmtree(copy / "original" / "CHI3D" / "train" / "s03" / "smplx")
    dataset, scenes = read("chi3d", copy)
    assert len(scenes) == 3 and not any(scene.has_truth for scene in scenes.values())
    assert any("smplx/Grab 10.json" in note for note in dataset.notes)
    shutil.rmtree(copy / "original")
    with pytest.raises(InputError, match="needs the download"):
        read("chi3d", copy)
    shutil.copytree(root / "original", copy / "original")
    shutil.rmtree(copy / "processed")
    with pytest.raises(InputError, match=r"no estimates.*processed/CHI3D/train"):
        read("chi3d", copy)
    with pytest.raises(InputError, match="or a subject"):
        read("chi3d", root, "testing")
    assert not read("chi3d", root, "val")[1]  # s02 is not there


def test_one_broken_action_does_not_stop_the_others(make, read, tmp_path) -> None:
    root, _ = make("chi3d")
    shutil.copytree(root, tmp_path / "copy")
    base = tmp_path / "copy" / "original" / "CHI3D" / "train" / "s03"
    contacts = json.loads((base / "interaction_contact_signature.json").read_text())
    del contacts["Grab 10"]["fr_id"]
    (base / "interaction_contact_signature.json").write_text(json.dumps(contacts))
    dataset, scenes = read("chi3d", tmp_path / "copy")
    assert list(scenes) == ["s03_Hug 3_000040_50591643_0"] and "fr_id" in dataset.failures["s03_Grab 10"]


@pytest.mark.parametrize("extrinsics", [[1, 2], {"R": [[1, 0, 0]] * 3, "T": [1, [2]]}, {"R": [[1], [1, 2]], "T": None}])
def test_a_ragged_file_fails_its_own_scene_only(make, read, tmp_path, extrinsics) -> None:
    root, _ = make("chi3d")
    shutil.copytree(root, tmp_path / "copy")
    folder = tmp_path / "copy" / "original" / "CHI3D" / "train" / "s03" / "camera_parameters" / "50591643"
    (folder / "Grab 10.json").write_text(json.dumps({"extrinsics": extrinsics}))
    dataset, scenes = read("chi3d", tmp_path / "copy")
    assert "s03_Hug 3_000040_50591643_0" in scenes
    assert [key for key in dataset.failures if key.startswith("s03_Grab 10_") and "50591643" in key]
