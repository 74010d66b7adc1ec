from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.io import CONTACT_PART_NAMES, load_scene, load_scenes, save_scene
from prosepose_jax.io.image_paths import ANYWHERE
from prosepose_jax.scene import Scene


def arrays(people: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    keypoints = rng.uniform(10, 90, (people, 25, 3))
    keypoints[..., 2] = rng.uniform(0.1, 1, (people, 25))
    return {
        "global_orient": rng.normal(size=(people, 3)),
        "body_pose": rng.normal(size=(people, 21, 3)),
        "betas": rng.normal(size=(people, 4)),
        "transl": rng.normal((0, 0, 4), 1.0, (people, 3)),
        "keypoints": keypoints,
        "focal_length": np.float64(500.0),
        "image_size": np.array([100, 60]),
    }


def truth(people: int = 2) -> dict[str, np.ndarray]:
    return {f"gt_{name}": arrays(people)[name] for name in ("global_orient", "body_pose", "betas", "transl")}


def write(folder: Path, key: str = "a", **changes: object) -> Path:
    fields = arrays() | {name: np.asarray(value) for name, value in changes.items() if value is not None}
    for name, value in changes.items():
        if value is None:
            del fields[name]
    path = folder / f"{key}.npz"
    np.savez(path, **fields)
    return path


def test_defaults_and_padding(tmp_path):
    scene = load_scene(write(tmp_path, "pair_0"))
    assert scene.key == "pair_0"
    assert scene.betas.shape == (2, 10) and not scene.betas[:, 4:].any() and scene.betas[:, :4].all()
    np.testing.assert_array_equal(scene.principal_point, [50, 30])
    np.testing.assert_array_equal(scene.focal_length, [500, 500])
    assert scene.keypoints.dtype == np.float32 and scene.kid_scale is None and not scene.has_truth


def test_round_trip_of_every_field(tmp_path):
    rng = np.random.default_rng(2)
    full = load_scene(
        write(
            tmp_path,
            focal_length=np.array([500.0, 510.0]),
            principal_point=np.array([48.0, 31.0]),
            left_hand_pose=rng.normal(size=(2, 15, 3)),
            right_hand_pose=rng.normal(size=(2, 15, 3)),
            jaw_pose=rng.normal(size=(2, 3)),
            expression=rng.normal(size=(2, 7)),
            kid_scale=np.array([0.0, 0.5]),
            agreement=np.array([0.02, 0.05]),
            keypoints_hands=rng.uniform(0, 1, (2, 2, 21, 3)),
            image="photos/a.png",
            gt_kid_scale=np.array([0.1, 0.2]),
            gt_contacts=np.array([["left hand", "left shoulder (back)"], ["head", "head"]]),
            gt_region_pairs=np.array([[0, 74], [50, 3]]),
            **truth(),
        )
    )
    out = tmp_path / "elsewhere"
    again = load_scene(save_scene(out, full), ANYWHERE)
    for field in dataclasses.fields(Scene):
        before, after = getattr(full, field.name), getattr(again, field.name)
        if isinstance(before, np.ndarray):
            np.testing.assert_array_equal(before, after, err_msg=field.name)
        else:
            assert before == after, field.name
        assert before is not None, field.name
    assert again.image == (tmp_path / "photos/a.png").resolve()
    assert again.gt_contacts == (("left hand", "left shoulder (back)"), ("head", "head"))
    with np.load(out / "a.npz", allow_pickle=False) as stored:
        assert not Path(str(stored["image"])).is_absolute()
    assert [p.name for p in out.iterdir()] == ["a.npz"]


def test_missing_keypoints_may_have_any_position(tmp_path):
    keypoints = arrays()["keypoints"]
    keypoints[0, 3] = np.nan, np.inf, 0.0
    keypoints[1, 4] = 1e9, 5.0, 0.0
    scene = load_scene(write(tmp_path, keypoints=keypoints))
    keypoints[[0, 1], [3, 4]] = 0.0
    np.testing.assert_array_equal(scene.keypoints, keypoints.astype(np.float32))


def test_hand_keypoints_are_checked_as_keypoints_are(tmp_path):
    hands = np.zeros((2, 2, 21, 3), np.float32)
    hands[1, 0, 3] = np.nan, 5.0, 0.0  # missing
    hands[0, 1, 2] = 7.0, 8.0, 0.5
    scene = load_scene(write(tmp_path, keypoints_hands=hands))
    assert scene.keypoints_hands.sum() == 15.5
    for value, words in (([np.nan, 1, 0.5], "finite"), ([1, 1, 1.5], r"\[0, 1\]"), ([1e9, 1, 1], "pixels")):
        hands[0, 1, 2] = value
        with pytest.raises(InputError, match=f"keypoints_hands.*{words}"):
            load_scene(write(tmp_path, keypoints_hands=hands))
    with pytest.raises(InputError, match="keypoints_hands.*shape"):
        load_scene(write(tmp_path, keypoints_hands=hands[:, :, :20]))


def test_hands_in_one_row(tmp_path):
    hands = np.random.default_rng(3).normal(size=(2, 45)).astype(np.float32)
    scene = load_scene(write(tmp_path, left_hand_pose=hands, right_hand_pose=hands.reshape(2, 15, 3)))
    np.testing.assert_array_equal(scene.left_hand_pose, hands.reshape(2, 15, 3))
    np.testing.assert_array_equal(scene.right_hand_pose, hands.reshape(2, 15, 3))


def nan_at(name: str, index: tuple[int, ...], value: float = np.nan) -> np.ndarray:
    array = arrays()[name].astype(np.float64)
    array[index] = value
    return array


def confidence(value: float, person: int | None = None) -> np.ndarray:
    keypoints = arrays()["keypoints"]
    keypoints[slice(None) if person is None else person, :, 2] = value
    return keypoints


BAD = {
    "body_pose missing": ({"body_pose": None}, ["body_pose", "missing"]),
    "body_pose shape": ({"body_pose": np.zeros((2, 23, 3))}, ["body_pose", "(2, 21, 3)", "(2, 23, 3)"]),
    "people differ": ({"transl": np.zeros((3, 3))}, ["transl", "(2, 3)", "(3, 3)"]),
    "nobody": ({name: arrays(0)[name] for name in ("global_orient", "body_pose")}, ["global_orient", "one person"]),
    "nan keypoints": ({"keypoints": nan_at("keypoints", (1, 3, 0))}, ["keypoints", "NaN", "(1, 3, 0)"]),
    "nan confidence": ({"keypoints": nan_at("keypoints", (1, 3, 2))}, ["keypoints", "NaN", "(1, 3, 2)"]),
    "far keypoint": ({"keypoints": nan_at("keypoints", (1, 3, 1), -10001.0)}, ["keypoints", "10000", "10001"]),
    "infinite transl": ({"transl": nan_at("transl", (0, 2), np.inf)}, ["transl", "infinite"]),
    "too large for float32": ({"betas": nan_at("betas", (0, 0), 1e300)}, ["betas", "finite"]),
    "focal length": ({"focal_length": 0.0}, ["focal_length", "positive"]),
    "focal shape": ({"focal_length": np.ones(3)}, ["focal_length", "(2,)", "(3,)"]),
    "image size": ({"image_size": np.array([100, 0])}, ["image_size", "positive"]),
    "eleven betas": ({"betas": np.zeros((2, 11))}, ["betas", "10", "11"]),
    "text for numbers": ({"betas": np.array([["a"], ["b"]])}, ["betas", "numbers"]),
    "confidence above 1": ({"keypoints": confidence(1.5)}, ["keypoints", "[0, 1]", "1.5"]),
    "confidence below 0": ({"keypoints": confidence(-0.5)}, ["keypoints", "[0, 1]"]),
    "invisible person": ({"keypoints": confidence(0.0, 1)}, ["keypoints", "no visible keypoints for person 1"]),
    "truth incomplete": ({"gt_betas": np.zeros((2, 3))}, ["gt_betas", "gt_body_pose", "missing"]),
    "truth people": (truth() | {"gt_transl": np.zeros((1, 3))}, ["gt_transl", "(2, 3)", "(1, 3)"]),
    "contact name": ({"gt_contacts": np.array([["left nose", "head"]])}, ["gt_contacts", "'left nose'", "left hand"]),
    "contact shape": ({"gt_contacts": np.array(["head", "head"])}, ["gt_contacts", "(C, 2)"]),
    "region 75": ({"gt_region_pairs": np.array([[0, 75]])}, ["gt_region_pairs", "74", "75"]),
    "region float": ({"gt_region_pairs": np.array([[0.0, 5.0]])}, ["gt_region_pairs", "integers"]),
    "kid scale shape": ({"kid_scale": np.zeros(3)}, ["kid_scale", "(2,)", "(3,)"]),
    "flat hand": ({"left_hand_pose": np.zeros((2, 44))}, ["left_hand_pose", "(2, 45)", "(2, 44)"]),
    "object array": ({"betas": np.array({"a": 1}, dtype=object)}, ["betas", "object"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_field_is_named(tmp_path, name):
    changes, words = BAD[name]
    path = write(tmp_path, **changes)
    with pytest.raises(InputError) as error:
        load_scene(path)
    for word in [str(path), *words]:
        assert word in str(error.value)


def test_a_bad_scene_never_stops_the_others(tmp_path):
    write(tmp_path, "good_1")
    write(tmp_path, "bad", focal_length=-1.0)
    whole = write(tmp_path, "cut").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("not a zip file")
    (tmp_path / "empty.npz").write_bytes(b"")
    with (tmp_path / "single.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    write(tmp_path, "good_0")
    write(tmp_path, ".good_0.npz.123-abc.tmp")  # what a killed writer leaves
    scenes = load_scenes(tmp_path)
    assert [scene.key for scene in scenes] == ["good_0", "good_1"]
    assert set(scenes.failures) == {"bad", "cut", "text", "empty", "single"}
    assert "single.npz" in scenes.failures["single"] and ".npy" in scenes.failures["single"]
    assert "focal_length" in scenes.failures["bad"] and "truncated" in scenes.failures["cut"]
    assert scenes[-1].key == "good_1" and len(scenes[:1]) == 1


def test_damage_inside_a_member_is_found(tmp_path):
    path = write(tmp_path)
    data = bytearray(path.read_bytes())
    data[200] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"a\.npz"):
        load_scene(path)


def test_folder_without_scenes(tmp_path):
    with pytest.raises(InputError, match="no scene files"):
        load_scenes(tmp_path)
    with pytest.raises(InputError, match="folder of scene files"):
        load_scenes(tmp_path / "nothing")


def test_saving_checks_and_keeps_the_old_file(tmp_path):
    scene = load_scene(write(tmp_path, "a"))
    before = (tmp_path / "a.npz").read_bytes()
    with pytest.raises(InputError, match="transl"):
        save_scene(tmp_path, dataclasses.replace(scene, transl=np.full((2, 3), np.nan)))
    assert (tmp_path / "a.npz").read_bytes() == before
    for key in ("", "../up", "a/b", ".hidden", "a "):
        with pytest.raises(InputError, match="key"):
            save_scene(tmp_path, dataclasses.replace(scene, key=key))


def test_contact_names_are_those_of_the_vocabulary():
    vocabulary = pytest.importorskip("prosepose_jax.contact.vocabulary")
    assert set(CONTACT_PART_NAMES) == set(vocabulary.PARTS)
