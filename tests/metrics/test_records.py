"""One record a metric: what is measured has a record, and every table reads it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from prosepose_jax.ablation.run import FIGURES
from prosepose_jax.errors import InputError
from prosepose_jax.metrics import JointSet, compare, evaluate, load_joint_set
from prosepose_jax.metrics.evaluate import _TRUTH_FIGURES
from prosepose_jax.metrics.records import BY_KIND, HIGHER, LOWER, MAIN, METRICS, NEITHER
from prosepose_jax.metrics.table import format_table
from prosepose_jax.scene import Fit

_NO_METRICS = {"status", "steps", "initial", "no_answers", "joint_set", "error"}


@pytest.fixture
def measured(block_body, make_scene):
    truth = {"gt_global_orient": np.zeros((2, 3)), "gt_body_pose": np.zeros((2, 21, 3)), "gt_betas": np.zeros((2, 10))}
    scene = make_scene(
        gt_transl=np.array([[0.0, 0, 3], [0.5, 0, 3]]), gt_region_pairs=np.array([[5, 0], [7, 7]]),
        keypoints=np.ones((2, 25, 3)), **truth,
    )  # fmt: skip
    transl = np.asarray(scene.gt_transl, np.float32)[:, None]
    fit = Fit("scene", "ok", vertices=np.asarray(block_body.v_template) + transl,
              joints=np.asarray(block_body.joint_template) + transl)  # fmt: skip
    return block_body, scene, fit


def test_every_figure_has_a_record(measured) -> None:
    entry = evaluate(measured[0], [measured[1]], [measured[2]])["scenes"]["scene"]
    unknown = (set(entry) | set(entry["initial"])) - set(METRICS) - _NO_METRICS
    assert not unknown
    assert set(_TRUTH_FIGURES) <= set(entry) and {"pcc_five", "region_f1", "penetration_volume_l"} <= set(entry)
    assert set(FIGURES) <= set(METRICS)


def test_records_are_complete() -> None:
    for name, record in METRICS.items():
        assert record.name == name and record.label and record.about and record.better in (LOWER, HIGHER, NEITHER)
    assert METRICS["pcc"].best([3.0, 5.0]) == 5.0 and METRICS["pa_mpjpe_mm"].best([3.0, 5.0]) == 3.0
    assert METRICS["answers"].best([3.0]) is None
    assert METRICS["pa_mpjpe_mm"].titled() == "PA-MPJPE (mm)" and METRICS["pcc"].arrow == "↑"


def test_printed_names_are_those_of_before() -> None:
    """Scripts and readers know the lines of a run's table and the columns of sweeps."""
    assert [metric.titled() for metric in MAIN] == [
        "joint PA-MPJPE (mm)", "PA-MPJPE (mm)", "MPJPE (mm)", "pelvis vector (mm)", "PCC (%)",
        "penetration, deepest (mm)", "penetration, mean (mm)", "reprojection (px)",
    ]  # fmt: skip
    assert [m.titled(m.heading) for m in BY_KIND["two_person"]] == [
        "joint PA-MPJPE (mm)", "PCC (%)", "PA-MPJPE (mm)", "pelvis vector (mm)", "deepest penetration (mm)",
    ]  # fmt: skip


def test_region_contact_and_five_vertices_of_known_bodies(measured) -> None:
    """Regions 5 of person 0 and 0 of person 1 coincide; so do 6 and 1, 7 and 2, …, which nobody annotated."""
    entry = evaluate(measured[0], [measured[1]], [measured[2]])["scenes"]["scene"]
    assert entry["region_recall"] == 0.5
    assert 0 < entry["region_precision"] < 0.2
    assert entry["pcc_five_at"]["0.05"] == 50.0  # four vertices a region: all of them stand for it


def test_the_joint_set_stands_in_entry_mean_and_table(measured, tmp_path) -> None:
    body, scene, fit = measured
    regressor = np.random.default_rng(0).uniform(size=(17, body.num_vertices))
    np.save(tmp_path / "h36m.npy", regressor / regressor.sum(axis=1, keepdims=True))
    joints = load_joint_set(tmp_path / "h36m.npy", body.num_vertices)
    assert joints.name.startswith("H36M regressor ")
    own, theirs = (evaluate(body, [scene], [fit], joint_regressor=one) for one in (None, joints))
    assert own["scenes"]["scene"]["joint_set"] == own["mean"]["two_person"]["joint_set"] == "SMPL-X joints"
    assert theirs["mean"]["two_person"]["joint_set"] == joints.name
    assert f"joints: {joints.name}" in format_table(theirs) and "joints: SMPL-X joints" in format_table(own)
    with pytest.raises(InputError, match="different joints"):
        compare(own["scenes"], theirs["scenes"], "pa_mpjpe_mm")
    assert compare(own["scenes"], theirs["scenes"], "pcc").mean == 0.0  # no joints in it
    assert JointSet.of(joints.regressor + 1e-6).name != JointSet.of(joints.regressor).name


def test_a_pickled_regressor_is_read_and_a_foreign_one_explained(measured, tmp_path) -> None:
    import pickle

    count = measured[0].num_vertices
    array = np.random.default_rng(1).uniform(size=(14, count))
    (tmp_path / "SMPLX_to_J14.pkl").write_bytes(pickle.dumps(array))
    np.testing.assert_array_equal(load_joint_set(tmp_path / "SMPLX_to_J14.pkl", count).regressor, array)
    np.save(tmp_path / "J_regressor_h36m.npy", np.zeros((17, 6890)))
    with pytest.raises(InputError, match=r"SMPL's 6890 vertices"):
        load_joint_set(tmp_path / "J_regressor_h36m.npy", count)
    (tmp_path / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InputError, match=r"os\.system"):
        load_joint_set(tmp_path / "evil.pkl", count)


def test_one_bad_scene_does_not_stop_a_batch(measured) -> None:
    body, scene, fit = measured
    scenes = [dataclasses.replace(scene, key=key) for key in "abc"]
    scenes[1] = dataclasses.replace(scenes[1], gt_betas=None)
    found = evaluate(body, scenes, [dataclasses.replace(fit, key=key) for key in "abc"])["scenes"]
    assert "gt_betas" in found["b"]["error"] and set(found["b"]) == {"status", "error"}
    assert found["a"]["pcc"] == found["c"]["pcc"] and "error" not in found["c"]


def test_the_truth_has_a_kid_scale_of_its_own(small_body, make_scene) -> None:
    """An estimate that takes an adult for a child must not shrink the truth as well."""
    from prosepose_jax.metrics._people import true_people

    zeros = {"gt_global_orient": np.zeros((2, 3)), "gt_body_pose": np.zeros((2, 21, 3)), "gt_betas": np.zeros((2, 4)),
             "gt_transl": np.zeros((2, 3)), "kid_scale": np.array([0.0, 0.8])}  # fmt: skip
    with_own = make_scene(**zeros, gt_kid_scale=np.zeros(2))
    (adult, child), (own, theirs) = (true_people(small_body, one)[0] for one in (make_scene(**zeros), with_own))
    assert np.ptp(child[:, 1]) < 0.9 * np.ptp(adult[:, 1])
    np.testing.assert_allclose(theirs, own)
