"""Noise families: the levels stay to the bit, each family does what it states, sizes don't depend on a body's units."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from shape_units import body_in_other_units, in_other_units, turn

from prosepose_jax.apps import generate
from prosepose_jax.errors import InputError
from prosepose_jax.io.scenes import load_scenes
from prosepose_jax.metrics.answers import contact_f1
from prosepose_jax.metrics.contact import annotated_pairs
from prosepose_jax.resources import demo_dir
from prosepose_jax.scene import Answer
from prosepose_jax.synthetic import FAMILIES, LEVELS, People, Truth, observe
from prosepose_jax.synthetic.answers import simulate_answers
from prosepose_jax.synthetic.camera_placement import View, choose_view
from prosepose_jax.synthetic.collection import _shown
from prosepose_jax.synthetic.error_statistics import Errors, measure_errors, size_error
from prosepose_jax.synthetic.families import NAMES, family_of
from prosepose_jax.synthetic.figure import rotation, to_axis_angle, unit
from prosepose_jax.synthetic.framing import LIMBS
from prosepose_jax.synthetic.levels import ANSWER_LEVELS
from prosepose_jax.synthetic.measure import PART_OF_REGION, Checks, Contacts
from prosepose_jax.synthetic.noise import _matrix as rotation_of
from prosepose_jax.synthetic.noise import nearer_upright, noisy_pose
from prosepose_jax.synthetic.people import change_people, with_child_axis
from prosepose_jax.synthetic.shapes import Wardrobe

_STATURE = np.array([0.09, 0.01, 0.03, -0.02])


def _truth(number: int = 0) -> Truth:
    """Two people who stand, from numbers alone: nothing compiled."""
    rng = np.random.default_rng(number)
    pelvis = np.array([[-0.3, 0.0, 4.0], [0.3, 0.05, 4.2]])
    heights = np.linspace(-0.7, 0.25, 25)
    keypoints = pelvis[:, None] + rng.uniform(-0.2, 0.2, (2, 25, 3))
    keypoints[:, :, 1] = heights
    for limb in ("left leg", "right leg"):
        keypoints[:, list(LIMBS[limb].keypoints), 1] = np.linspace(0.45, 0.85, 5)
    pairs = (("left hand", "right hand"), ("right hand", "back"))
    return Truth(
        key=f"handshake_{number:03d}", template="handshake", seed=(7, number),
        global_orient=np.array([[np.pi - 0.3, 0.0, 0.0], [np.pi - 0.2, 0.1, 0.0]]),
        body_pose=rng.normal(size=(2, 21, 3)) * 0.3, betas=rng.normal(size=(2, 4)),
        transl=pelvis, left_hand_pose=np.zeros((2, 15, 3)), right_hand_pose=np.zeros((2, 15, 3)),
        pelvis=pelvis, keypoints=keypoints, hidden=np.zeros((2, 25), bool), pelvis_template=np.zeros(3),
        pelvis_shape_dirs=rng.normal(size=(3, 4)) * 0.01,
        contacts=Contacts(np.zeros((0, 2), np.int32), pairs, dict.fromkeys(pairs, 4)), intended=pairs[:1],
        grounded=(), view=View(np.eye(3), np.zeros(3), 554.0, (640, 480), np.array([320.0, 240.0])),
        checks=Checks(**{f.name: () for f in dataclasses.fields(Checks)}),
        heights=np.array([1.8, 1.65]), stature_shape_dirs=_STATURE, kid_scale=np.zeros(2), pelvis_kid_dir=np.zeros(3),
        stature_kid_dir=np.array(-0.7),
    )  # fmt: skip


def _seen(name: str, number: int):
    return _truth(number), observe(_truth(number), family_of(name).noise, num_answers=2)[0]


@functools.cache
def _errors(name: str, people: float = 0.0) -> Errors:
    """Of 200 scenes. Shapes that betas drawn half towards the mean shrink have a stature of their own: not here."""
    truths = []
    for number in range(200):
        truth = _truth(number)
        rng = np.random.default_rng(number)
        lean = np.array([rotation(unit(np.array([*d, 0.0])), a) for d, a in zip(
            rng.normal(size=(2, 2)), rng.uniform(0.0, 0.6, 2), strict=True)])  # fmt: skip
        turned = np.array([to_axis_angle(r @ rotation(np.array([1.0, 0.0, 0.0]), np.pi)) for r in lean])
        truths.append(dataclasses.replace(truth, global_orient=turned, betas=people * truth.betas))
    seen = [observe(truth, family_of(name).noise, num_answers=0)[0] for truth in truths]
    return measure_errors(truths, seen)


# What each family states of the estimates of people of mean shape: of `Errors`, the value and its tolerance.
_SIZE_AND_DEPTH = {"stature_sd": (0.04, 0.004), "depth_own_sd": (0.01, 0.001), "depth_with_size": (0.97, 0.03)}
STATED = {
    "agreeing": _SIZE_AND_DEPTH | {"orient_degrees": (6.0, 0.4)},
    "independent_depth": {"stature_sd": (0.04, 0.004), "depth_sd": (0.08, 0.008), "depth_with_size": (0.0, 0.15)},
    "mean_shape": {"stature_sd": (0.0, 1e-6), "depth_sd": (0.01, 0.001)},
    "wide_statures": _SIZE_AND_DEPTH,
    "children": _SIZE_AND_DEPTH | {"stature_sd": (0.08, 0.008), "depth_with_size": (0.99, 0.01)},
    "small_orientation": {"orient_degrees": (3.0, 0.2), "depth_sd": (0.035, 0.004)},
    "large_orientation": {"orient_degrees": (14.0, 0.9), "depth_sd": (0.035, 0.004)},
    "upright": {"lean_kept": (0.65, 0.05)},
    "occluded_limbs": {"covered_limbs": (0.7, 0.06)},
    "truncated": {"legs_gone": (1.0, 0.0)},
    "edge_keypoints": {},  # test_points_just_outside_are_found_at_the_edge
    "mixed_keypoints": {"mixed_limbs": (0.12, 0.03)},
    "half_right_answers": _SIZE_AND_DEPTH,
    "steep_cameras": {},  # test_steep_cameras_look_down_and_hang_askew
}


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "field"), [(name, field) for name, fields in STATED.items() for field in fields])
def test_a_family_is_wrong_by_what_it_states(name: str, field: str) -> None:
    value, tolerance = STATED[name][field]
    assert getattr(_errors(name), field) == pytest.approx(value, abs=tolerance)


def test_a_family_changes_one_kind_of_error_alone() -> None:
    """The rest is the middle level's: the figures of each family are its own or the level's."""
    assert set(STATED) == set(FAMILIES)
    level = _errors("middle")
    assert level.lean_kept == pytest.approx(1.0, abs=0.05) and level.depth_with_size == pytest.approx(0.0, abs=0.15)
    for name in ("small_orientation", "large_orientation", "upright", "occluded_limbs", "truncated", "mixed_keypoints"):
        assert _errors(name).depth_sd == level.depth_sd and _errors(name).stature_sd == level.stature_sd
        turned = name in ("small_orientation", "large_orientation", "upright")
        assert (_errors(name).orient_degrees == level.orient_degrees) is not turned


@pytest.mark.heavy
def test_shapes_are_drawn_towards_the_mean_by_the_share_stated() -> None:
    assert _errors("mean_shape", people=1.0).shape_kept == pytest.approx(0.1, abs=1e-6)
    assert _errors("agreeing", people=1.0).shape_kept == pytest.approx(0.5, abs=0.05)


def test_limbs_out_of_sight_have_twice_the_error_and_are_drawn_towards_the_rest() -> None:
    pose = np.random.default_rng(0).normal(size=(21, 3)) * 0.3
    noise = FAMILIES["occluded_limbs"].noise.two_person
    still = dataclasses.replace(noise, joint_degrees=0.0)
    joints = np.array(LIMBS["left arm"].joints) - 1

    def error(unseen: tuple[str, ...]) -> np.ndarray:
        centre = noisy_pose(pose, (), still, np.random.default_rng(1), unseen)
        found = noisy_pose(pose, (), noise, np.random.default_rng(1), unseen)
        return np.array([np.linalg.norm(to_axis_angle(rotation_of(c).T @ rotation_of(f)))
                         for c, f in zip(centre, found, strict=True)])  # fmt: skip

    ratio = error(("left arm",)) / error(())
    np.testing.assert_allclose(ratio[joints], 2.0, rtol=1e-5)
    np.testing.assert_allclose(np.delete(ratio, joints), 1.0, rtol=1e-5)
    drawn = noisy_pose(pose, (), still, np.random.default_rng(1), ("left arm",))
    elbow = LIMBS["left arm"].joints[1] - 1  # its rest is straight
    np.testing.assert_allclose(drawn[elbow], 0.4 * pose[elbow], atol=1e-9)


@pytest.mark.parametrize("name", ["agreeing", "independent_depth", "mean_shape", "children"])
def test_the_same_truth_in_other_shape_units_is_seen_alike(name):
    truth, scale, rotation = _truth(), 1.9, turn(4)
    other = dataclasses.replace(
        truth,
        betas=scale * truth.betas @ rotation.T,
        **{n: in_other_units(getattr(truth, n), scale, rotation) for n in ("stature_shape_dirs", "pelvis_shape_dirs")},
    )
    noise = FAMILIES[name].noise
    first, second = observe(truth, noise)[0], observe(other, noise)[0]
    np.testing.assert_allclose(second.betas, scale * first.betas @ rotation.T, atol=1e-5)
    np.testing.assert_allclose(second.transl, first.transl, atol=1e-5)
    np.testing.assert_array_equal(second.keypoints, first.keypoints)


def test_a_childs_size_is_estimated_wrongly_by_its_child_scale():
    truth = dataclasses.replace(_truth(), kid_scale=np.array([0.0, 0.5]))
    noise = FAMILIES["children"].noise
    noise = dataclasses.replace(noise, two_person=dataclasses.replace(noise.two_person, shape_shrink=0.0))
    scene, _ = observe(truth, noise)
    np.testing.assert_array_equal(scene.gt_kid_scale, truth.kid_scale)
    assert scene.kid_scale[0] == 0 and 0.01 < abs(scene.kid_scale[1] - 0.5) < 0.5
    np.testing.assert_allclose(scene.betas[1], truth.betas[1], atol=1e-6)
    assert np.abs(scene.betas[0] - truth.betas[0]).max() > 0.01
    larger = size_error(truth, scene)
    np.testing.assert_allclose(larger[1], (scene.kid_scale[1] - 0.5) * truth.stature_kid_dir / truth.heights[1])
    pelvis = scene.transl[1] + scene.betas[1] @ truth.pelvis_shape_dirs.T + scene.kid_scale[1] * truth.pelvis_kid_dir
    assert pelvis[2] / truth.pelvis[1, 2] - 1 == pytest.approx(larger[1], abs=0.03)  # as far off as it is large
    with pytest.raises(ValueError, match="make_truths adds"):
        observe(dataclasses.replace(truth, stature_kid_dir=None), FAMILIES["children"].noise)


def test_people_of_stated_statures_do_not_depend_on_shape_units(small_body):
    count, people = small_body.num_betas, People(stature_share=0.06)
    scale, rotation = 0.5, turn(small_body.num_betas)
    betas = np.random.default_rng(2).normal(size=(2, count)) * 0.3
    statures = []
    for body, drawn in ((small_body, betas), (body_in_other_units(small_body, scale, rotation),
                                              scale * betas @ rotation.T)):  # fmt: skip
        wardrobe = Wardrobe(body)
        before = np.array([wardrobe.shape(b).height for b in drawn])
        changed = change_people(drawn, wardrobe.stature_dirs(count), before, 1.7, people, np.random.default_rng(3))
        statures.append([wardrobe.shape(b).height for b in changed])
    np.testing.assert_allclose(statures[0], statures[1], atol=1e-4)
    assert np.abs(np.array(statures[0]) - before).max() > 0.01


def _f1(level: str) -> float:
    """Contact F1 of simulated answers about the packaged scenes of two people."""
    found = []
    for scene in load_scenes(demo_dir() / "scenes"):
        if scene.num_people == 2:
            pairs = [(PART_OF_REGION[a], PART_OF_REGION[b]) for a, b in scene.gt_region_pairs]
            strength = {pair: pairs.count(pair) for pair in scene.gt_contacts}
            clear = sorted(strength, key=strength.__getitem__)[-2:]  # taken for what the interaction is about
            for seed in range(10):
                texts = simulate_answers(
                    Contacts(scene.gt_region_pairs, tuple(strength), strength), 2, np.random.default_rng(seed),
                    count=10, noise=ANSWER_LEVELS[level], salient=clear,
                )  # fmt: skip
                answers = [Answer(text, sample=i, model="", prompt="") for i, text in enumerate(texts)]
                found.append(contact_f1(answers, annotated_pairs(scene)))
    return float(np.mean(found))


@pytest.mark.heavy
def test_half_right_answers_have_the_f1_that_they_state():
    assert _f1("half") == pytest.approx(0.5, abs=0.06)
    assert _f1("high") < _f1("half") < _f1("middle")


def test_a_child_needs_the_childs_template(small_body):
    adult = dataclasses.replace(small_body, kid_dir=small_body.kid_dir * 0)
    with pytest.raises(InputError, match="no child template"):
        with_child_axis(adult, 4)
    both = with_child_axis(small_body, 4)
    np.testing.assert_array_equal(both.shape_dirs[..., 4], small_body.kid_dir)


def _pitch_and_roll(name: str, number: int) -> np.ndarray:
    """Degrees by which a camera of a family looks down and is turned."""
    people = np.random.default_rng(0).uniform([-0.5, 0.0, -0.3], [0.5, 1.8, 0.3], size=(2, 300, 3))
    view = choose_view(people, 40.0, np.random.default_rng(number), cameras=family_of(name).cameras)
    up = view.rotation @ np.array([0.0, 1.0, 0.0])
    return np.degrees([np.arcsin(-up[2]), np.arctan2(up[0], -up[1])])


def test_steep_cameras_look_down_and_hang_askew():
    steep = np.array([_pitch_and_roll("steep_cameras", number) for number in range(200)])
    assert steep[:, 0].min() < 28 and steep[:, 0].max() > 42 and abs(steep[:, 0] - 35).max() < 10
    roll = np.abs(steep[:, 1])
    assert roll.mean() == pytest.approx(5.0, abs=0.6) and roll.max() == pytest.approx(10.0, abs=0.6)
    usual = np.array([_pitch_and_roll("middle", number) for number in range(200)])
    assert abs(usual[:, 0] - 8).max() < 12 and np.ptp(usual[:, 0]) > 22 and abs(usual[:, 1]).max() < 1e-9


def test_truncated_people_have_no_legs_in_the_picture():
    truth, scene = _seen("truncated", 0)
    legs = [k for name in ("left leg", "right leg") for k in LIMBS[name].keypoints]
    assert (scene.keypoints[:, legs, 2] == 0).all() and (scene.keypoints[..., 2] > 0).mean() > 0.4
    assert scene.image_size[1] < truth.view.size[1]
    seen = scene.keypoints[..., 2] > 0
    assert (scene.keypoints[seen][:, :2] < scene.image_size).all()


def test_points_just_outside_are_found_at_the_edge():
    truth, scene = _seen("edge_keypoints", 0)
    _, cut = _seen("truncated", 0)
    new = (scene.keypoints[..., 2] > 0) & (cut.keypoints[..., 2] == 0)
    assert new.any()
    np.testing.assert_array_equal(scene.keypoints[~new], cut.keypoints[~new])
    true = truth.view.project(truth.keypoints)
    sizes = np.broadcast_to(np.ptp(true, axis=1).max(-1)[:, None], new.shape)[new]
    found, where = scene.keypoints[new], true[new] - (truth.view.principal - scene.principal_point)
    last = np.array(scene.image_size) - 1.0
    beyond = np.maximum(where - last, -where).max(-1)
    assert (beyond > 0).all() and (beyond <= 0.3 * sizes).all()  # they are outside, by no more than that
    inwards = np.minimum(found[:, :2], last - found[:, :2]).min(-1)
    assert (inwards >= 0).all() and (inwards <= 0.01 * sizes).all()
    assert ((found[:, 2] >= 0.3) & (found[:, 2] <= 0.8)).all()


def test_the_picture_of_truncated_people_is_cut_as_their_scene_is():
    truth, scene = _seen("truncated", 0)
    width, height = truth.view.size
    rows, columns = np.mgrid[:height, :width]
    picture = _shown(np.stack([columns, rows], axis=-1), truth, scene)
    assert picture.shape[1::-1] == tuple(scene.image_size)
    # A keypoint lies on the same spot of the whole picture and of what is left of it.
    whole, _ = observe(truth, "middle", num_answers=2)
    both = (scene.keypoints[..., 2] > 0) & (whole.keypoints[..., 2] > 0)
    x, y = np.floor(scene.keypoints[both][:, :2]).astype(int).T
    np.testing.assert_array_equal(picture[y, x], np.floor(whole.keypoints[both][:, :2]))


@pytest.mark.heavy
def test_mixed_limbs_and_covered_ones_come_at_their_rates():
    mixed = covered = people = 0
    for number in range(150):
        _, plain = _seen("middle", number)
        found = _seen("mixed_keypoints", number)[1].keypoints
        hidden = _seen("occluded_limbs", number)[1].keypoints
        for limb in LIMBS.values():
            k = list(limb.keypoints)
            mixed += (np.abs(found[:, k] - plain.keypoints[:, k]).max((1, 2)) > 1).sum()
            covered += ((hidden[:, k, 2] == 0).all(1) & (plain.keypoints[:, k, 2] > 0).any(1)).sum()
        people += 2
    assert abs(mixed / people / 4 - 0.12) < 0.03 and abs(covered / people - 0.7) < 0.08


def test_the_lean_shrinks_by_its_share():
    lean = np.radians(20.0)
    orient = np.array([np.pi - lean, 0.0, 0.0])
    assert np.linalg.norm(nearer_upright(orient, 0.5)) == pytest.approx(np.pi - lean / 2)
    lying = np.array([np.pi / 2, 0.0, 0.0])
    np.testing.assert_array_equal(nearer_upright(lying, 0.5), lying)


def test_every_family_states_what_it_is_and_a_wrong_name_is_refused(tmp_path, capsys):
    assert all(f.statistic and f.source for f in FAMILIES.values())
    assert all(f.noise != LEVELS["middle"] for name, f in FAMILIES.items() if name != "steep_cameras")
    kinds = [(f.noise, f.people, f.cameras) for f in (*map(family_of, LEVELS), *FAMILIES.values())]
    assert all(kind not in kinds[:k] for k, kind in enumerate(kinds))  # each changes something
    with pytest.raises(ValueError, match="expected one of"):
        family_of("foggy")
    flags = ["prosepose generate", "--kind=two_person", f"--out={tmp_path}"]
    assert generate.main([*flags, "--noise=foggy"]) == 2 and "agreeing" in capsys.readouterr().err
    assert generate.main([*flags, "--noise=agreeing", "--level=low"]) == 2


def test_the_document_measures_every_family():
    """`python docs/measure_families.py` writes the table."""
    document = Path(__file__).resolve().parents[2] / "docs" / "synthetic.md"
    measured = document.read_text(encoding="utf-8").partition("<!-- families -->")[2].partition("<!-- end -->")[0]
    assert re.findall(r"^\| `(\w+)` \|", measured, re.MULTILINE) == list(NAMES)


def _digest(level: str) -> str:
    scene, answers = observe(_truth(), level, num_answers=4)
    names = ("global_orient", "body_pose", "betas", "transl", "keypoints", "principal_point")
    data = b"".join(np.asarray(getattr(scene, name), np.float32).tobytes() for name in names)
    return hashlib.sha256(data + "".join(a.text for a in answers).encode()).hexdigest()[:16]


def test_the_levels_stay_as_they_were_to_the_bit():
    assert {level: _digest(level) for level in LEVELS} == GOLDEN


# Found with the code before there were families.
GOLDEN = {"low": "df5fd7f962d71c51", "middle": "d876144629b0f6c3", "high": "326433fc5966d7b5"}
