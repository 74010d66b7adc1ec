"""Sets of scenes: files hold all of a truth, a stopped run goes on to the same scenes, noise is added apart."""

from __future__ import annotations

import dataclasses
import json

import jax
import numpy as np
import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.metrics._people import initial_people
from prosepose_jax.metrics.pose import evaluation_joints, joint_pa_mpjpe_mm
from prosepose_jax.synthetic import (
    LEVELS,
    Cameras,
    People,
    SceneMaker,
    Truth,
    load_truth,
    make_truths,
    observe,
    save_truth,
)
from prosepose_jax.synthetic.dataset import EXHAUSTED_FILE, make_dataset
from prosepose_jax.synthetic.generate import TooManyRefused
from prosepose_jax.synthetic.measure import Checks


@pytest.fixture(scope="module")
def maker(small_body):
    return SceneMaker(small_body, samples=300, steps=16)


@pytest.fixture
def lenient(monkeypatch):
    """Few steps on a coarse body close no gap: a rule of the try alone, as the real one, decides instead."""
    monkeypatch.setattr(Checks, "stands", True)
    monkeypatch.setattr(Checks, "passed", property(lambda self: int(self.gaps[0] * 1e7) % 3 > 0))


@pytest.fixture(scope="module")
def truth(maker) -> Truth:
    candidate = maker.author("handshake", (5, 1))
    start = maker.refine([candidate])[0]
    return maker.finish(candidate, start, maker.check(candidate, start), "handshake_000")


def _plain(truth: Truth) -> dict:
    """Everything in it as lists, for comparing."""
    return jax.tree.map(lambda x: x.tolist() if isinstance(x, np.ndarray) else x, dataclasses.asdict(truth))


def _equal(a: Truth, b: Truth) -> bool:
    return _plain(a) == _plain(b)


def test_a_file_holds_all_of_a_truth(tmp_path, truth):
    again = load_truth(save_truth(tmp_path, truth))
    assert _equal(truth, again)
    first, second = observe(truth, "high", seed=3), observe(again, "high", seed=3)
    np.testing.assert_array_equal(first[0].body_pose, second[0].body_pose)
    np.testing.assert_array_equal(first[0].keypoints, second[0].keypoints)
    assert first[1] == second[1]


def test_a_damaged_or_other_file_is_named(tmp_path, truth):
    file = save_truth(tmp_path, truth)
    arrays = dict(np.load(file))
    np.savez(file, **(arrays | {"keypoints": arrays["keypoints"][:, :7]}))
    with pytest.raises(InputError, match="handshake_000.npz.*'keypoints'.*25"):
        load_truth(file)
    np.savez(file, **{k: v for k, v in arrays.items() if k != "seed"})
    with pytest.raises(InputError, match="'seed'"):
        load_truth(file)


_SINCE_FAMILIES = ("stature_shape_dirs", "kid_scale", "pelvis_kid_dir", "stature_kid_dir")


def _as_before_families(file) -> None:
    """The file of a truth as it was written before there were noise families."""
    arrays = dict(np.load(file))
    np.savez(file, **{k: v for k, v in arrays.items() if k not in _SINCE_FAMILIES})


def test_a_file_of_before_families_is_read_and_tells_what_it_lacks(tmp_path, truth):
    file = save_truth(tmp_path, truth)
    _as_before_families(file)
    old = load_truth(file)
    assert old.stature_shape_dirs is None and not old.kid_scale.any()
    first, second = observe(truth, "high")[0], observe(old, "high")[0]
    for name in ("global_orient", "body_pose", "betas", "transl", "keypoints"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    with pytest.raises(ValueError, match="make_truths adds"):
        observe(old, "agreeing")
    # One of those three alone is damage.
    arrays = dict(np.load(file)) | {"kid_scale": truth.kid_scale}
    np.savez(file, **arrays)
    with pytest.raises(InputError, match="'pelvis_kid_dir'"):
        load_truth(file)


@pytest.mark.heavy
def test_a_folder_of_before_families_serves_them(tmp_path, small_body, maker, lenient):
    args = (small_body, "self_contact", 1, 9, tmp_path)
    made = make_truths(*args, templates=("tree",), maker=maker)[0]
    _as_before_families(tmp_path / "tree_000.npz")
    lock = (tmp_path / "set.json").read_text()
    assert set(json.loads(lock)) == {"kind", "seed", "recipe", "body"}  # as it was
    again = make_truths(*args, templates=("tree",))[0]
    np.testing.assert_allclose(again.stature_shape_dirs, made.stature_shape_dirs)
    assert _equal(dataclasses.replace(again, stature_shape_dirs=made.stature_shape_dirs), made)
    assert (tmp_path / "set.json").read_text() == lock
    with pytest.raises(InputError, match="set.json.*people differs"):
        make_truths(*args, templates=("tree",), people=People(stature_share=0.06))
    with pytest.raises(InputError, match="set.json.*cameras differs"):
        make_truths(*args, templates=("tree",), cameras=Cameras((25.0, 45.0)))


def test_noise_seed_and_level_change_the_observation_only(truth):
    scene, answers = observe(truth, "middle")
    same, _ = observe(truth, LEVELS["middle"])
    other, other_answers = observe(truth, "middle", seed=1)
    np.testing.assert_array_equal(scene.body_pose, same.body_pose)
    np.testing.assert_array_equal(scene.gt_body_pose, other.gt_body_pose)
    assert np.abs(scene.body_pose - other.body_pose).max() > 0.01
    assert [a.text for a in answers] != [a.text for a in other_answers]


def test_more_answers_begin_with_the_same_ones(truth):
    noise = LEVELS["middle"].with_sides(0.5).with_order("given")
    few, many = (observe(truth, noise, num_answers=n)[1] for n in (5, 40))
    assert many[:5] == few and len(many) == 40


def test_the_initial_error_scales(small_body, maker, truth):
    def error(factor: float) -> float:
        scene, _ = observe(truth, LEVELS["middle"].with_initial_error(factor))
        estimate = initial_people(small_body, scene)[1]
        return joint_pa_mpjpe_mm(evaluation_joints(estimate), evaluation_joints(maker.pose_truth(truth)[1]))

    assert error(0.0) < 0.5  # single precision
    half, full, double = error(0.5), error(1.0), error(2.0)
    assert 0.3 < half / full < 0.7 and 1.4 < double / full < 2.6


@pytest.mark.heavy
def test_a_stopped_run_goes_on_to_the_same_scenes(tmp_path, small_body, maker, lenient):
    args = (small_body, "self_contact", 4, 9)
    whole = make_truths(*args, tmp_path / "whole", templates=("tree", "cobbler"), maker=maker)
    assert [t.key for t in whole] == ["tree_000", "cobbler_000", "tree_001", "cobbler_001"]
    # What a killed run leaves: some of the files, and the torn one of a write under way.
    for key in ("cobbler_001", "tree_001"):
        (tmp_path / "whole" / f"{key}.npz").unlink()
    (tmp_path / "whole" / ".tree_001.npz.1-ab.tmp").write_bytes(b"PK")
    notes = []
    again = make_truths(
        *args, tmp_path / "whole", templates=("tree", "cobbler"), maker=maker, progress=lambda *a: notes.append(a)
    )
    assert notes[0] == (2, 4, "read")
    assert all(n[:2] <= (4, 4) for n in notes) and notes[-1][:2] == (4, 4)
    assert [t.key for t in again] == [t.key for t in whole]
    assert _equal(again[0], whole[0]) and _equal(again[1], whole[1])


@pytest.mark.heavy
def test_interruption_changes_no_scene(tmp_path, small_body, maker, lenient):
    args = (small_body, "self_contact", 4, 9)
    names = ("tree", "cobbler")
    whole = make_truths(*args, tmp_path / "a", templates=names, maker=maker)
    stopped = iter(range(10))

    def stop(*_: object) -> None:
        if next(stopped) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_truths(*args, tmp_path / "b", templates=names, maker=maker, progress=stop)
    assert 0 < len(list((tmp_path / "b").glob("*.npz"))) < 4
    again = make_truths(*args, tmp_path / "b", templates=names, maker=maker)
    assert all(_equal(x, y) for x, y in zip(whole, again, strict=True))
    # Nothing is made again when all is there, and a smaller set is the beginning of a larger one.
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "b").iterdir()}
    fewer, answers = make_dataset(small_body, "self_contact", 3, 9, tmp_path / "b", "low", 4, templates=names)
    assert [s.key for s in fewer] == [t.key for t in whole[:3]]
    assert {len(a) for a in answers.values()} == {4} and set(answers) == {s.key for s in fewer}
    assert before == {f: f.stat().st_mtime_ns for f in (tmp_path / "b").iterdir()}


@pytest.mark.heavy
def test_other_templates_take_the_place_of_one_that_the_body_refuses(tmp_path, small_body, maker, lenient, monkeypatch):
    real, tries = SceneMaker.attempt, []

    def attempt(self, template, seed):
        tries.append(template)
        truth, checks = real(self, template, seed)
        return (None if template == "tree" and seed[-1] > 4 else truth), checks

    monkeypatch.setattr(SceneMaker, "attempt", attempt)
    monkeypatch.setattr("prosepose_jax.synthetic.generate._MOST_REFUSALS", 6)
    args, names = (small_body, "self_contact"), ("tree", "cobbler")
    whole = make_truths(*args, 12, 9, tmp_path / "a", templates=names, maker=maker)
    trees = sum(t.template == "tree" for t in whole)
    assert 0 < trees < 6 and len(whole) == 12
    assert json.loads((tmp_path / "a" / EXHAUSTED_FILE).read_text()) == {"tree": trees}
    assert [t.key for t in whole[: 2 * trees]] == [f"{n}_{k:03d}" for k in range(trees) for n in names]
    assert [t.key for t in whole[2 * trees :]] == [f"cobbler_{k:03d}" for k in range(trees, 12 - trees)]
    # It is not tried again, and a set's size still changes none of its scenes.
    tries.clear()
    larger = make_truths(*args, 13, 9, tmp_path / "a", templates=names, maker=maker)
    assert set(tries) == {"cobbler"} and all(_equal(x, y) for x, y in zip(whole, larger, strict=False))
    with pytest.raises(TooManyRefused, match="template tree: .* in a row were refused"):
        make_truths(*args, 12, 9, tmp_path / "b", templates=("tree",), maker=maker)


@pytest.mark.parametrize("wrong", [("self_contact", 8), ("two_person", 9)])
def test_a_folder_of_another_set_is_refused(tmp_path, small_body, maker, lenient, wrong):
    make_truths(small_body, "self_contact", 1, 9, tmp_path, templates=("tree",), maker=maker)
    kind, seed = wrong
    with pytest.raises(InputError, match="set.json.*(seed|kind) differs"):
        make_truths(small_body, kind, 1, seed, tmp_path, maker=maker)


def test_unknown_names_are_refused(tmp_path, small_body):
    with pytest.raises(ValueError, match="templates"):
        make_truths(small_body, "self_contact", 1, 0, tmp_path, templates=("hug",))
    with pytest.raises(ValueError, match="kind"):
        make_truths(small_body, "three", 1, 0, tmp_path)
    with pytest.raises(ValueError, match="level"):
        make_dataset(small_body, "self_contact", 1, 0, tmp_path, noise="loud")
