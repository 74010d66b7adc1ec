"""The layout of metrics.json and the means."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from prosepose_jax.metrics import evaluate
from prosepose_jax.metrics.table import format_table
from prosepose_jax.scene import Answer, Fit

TRUTH_TRANSL = np.array([[0.0, 0.0, 3.0], [0.5, 0.0, 3.0]], np.float32)


def _fit(body, transl, key="scene", status="ok", **fields):
    transl = np.asarray(transl, np.float32)[:, None]  # in the rest pose, moving is all that posing does
    return Fit(
        key=key, status=status,
        vertices=np.asarray(body.v_template) + transl, joints=np.asarray(body.joint_template) + transl,
        steps=np.array([12, 34]), seconds=2.0, answers=4, answers_usable=3, rows_rejected=2, **fields,
    )  # fmt: skip


@pytest.fixture
def scene(make_scene):
    keypoints = np.zeros((2, 25, 3), np.float32)
    keypoints[0, 0] = [320.0, 243.0, 1.0]  # the nose, vertex 0, of a body at the origin, 3 m away, is at (320, 240)
    return make_scene(
        keypoints=keypoints,
        gt_global_orient=np.zeros((2, 3), np.float32),
        gt_body_pose=np.zeros((2, 21, 3), np.float32),
        gt_betas=np.zeros((2, 10), np.float32),
        gt_transl=TRUTH_TRANSL,
        gt_region_pairs=np.array([[5, 0]]),
    )


def test_two_person_scene(block_body, scene):
    answers = {"scene": [Answer("| left arm | stomach |")]}  # regions 5 and 0
    found = evaluate(block_body, [scene], {"scene": _fit(block_body, TRUTH_TRANSL)}, answers=answers)
    assert set(found) == {"scenes", "mean"}
    entry = found["scenes"]["scene"]
    assert entry["joint_pa_mpjpe_mm"] == pytest.approx(0.0, abs=1e-3)
    assert entry["pa_mpjpe_mm"] == pytest.approx(0.0, abs=1e-3)
    assert entry["mpjpe_mm"] == pytest.approx(0.0, abs=1e-3)
    assert entry["pcc"] == pytest.approx(95.0)
    assert entry["pcc_at"]["0.00"] == 0.0 and entry["pcc_at"]["0.05"] == 100.0 and len(entry["pcc_at"]) == 20
    assert entry["penetration_max_mm"] == 0.0 and entry["penetration_mean_mm"] == 0.0
    assert entry["reprojection_px"] == pytest.approx(3.0, abs=1e-3)
    assert entry["contact_f1"] == 1.0
    assert entry["steps"] == [12, 34] and entry["seconds"] == 2.0 and entry["status"] == "ok"
    assert (entry["answers"], entry["answers_usable"], entry["rows_rejected"]) == (4, 3, 2)
    # The initial estimate stands 1 m apart instead of 0.5 m: region 5 of person 0 and 0 of person 1 are 0.49 m apart.
    initial = entry["initial"]
    assert initial["pcc"] == pytest.approx(100.0 * 10 / 20)
    assert initial["pa_mpjpe_mm"] == pytest.approx(0.0, abs=1e-3) and initial["joint_pa_mpjpe_mm"] > 50.0
    assert "status" not in initial and "no_answers" not in entry
    mean = found["mean"]["two_person"]
    assert set(found["mean"]) == {"two_person"}
    assert mean["pcc"] == pytest.approx(95.0) and mean["initial"]["pcc"] == pytest.approx(50.0)
    assert (mean["scenes"], mean["fallback"], mean["failed"], mean["coverage"]) == (1, 0, 0, 1.0)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_given_initial_estimate_is_used(block_body, scene):
    posed = _fit(block_body, TRUTH_TRANSL)
    fit = _fit(block_body, TRUTH_TRANSL, initial_vertices=posed.vertices, initial_joints=posed.joints)
    entry = evaluate(block_body, [scene], {"scene": fit})["scenes"]["scene"]
    assert entry["initial"]["pcc"] == pytest.approx(95.0)


def test_keys_without_data_are_absent(block_body, make_scene):
    entry = evaluate(block_body, [make_scene()], {"scene": _fit(block_body, TRUTH_TRANSL)})["scenes"]["scene"]
    absent = {"joint_pa_mpjpe_mm", "pa_mpjpe_mm", "mpjpe_mm", "pcc", "pcc_at", "contact_f1", "reprojection_px"}
    assert not absent & set(entry) and not absent & set(entry["initial"])
    assert "penetration_max_mm" in entry


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, 1e4])
def test_broken_bodies_have_no_penetration(block_body, make_scene, value):
    fit = _fit(block_body, TRUTH_TRANSL)
    fit.vertices[1, 0] = value  # numpy's warnings are errors in tests
    entry = evaluate(block_body, [make_scene()], {"scene": fit})["scenes"]["scene"]
    assert not {"penetration_max_mm", "penetration_mean_mm"} & set(entry)
    assert "penetration_max_mm" in entry["initial"]


def test_self_contact_scene(block_body, make_scene):
    scene = make_scene(
        1, gt_global_orient=np.zeros((1, 3)), gt_body_pose=np.zeros((1, 21, 3)), gt_betas=np.zeros((1, 4)),
        gt_transl=np.zeros((1, 3)), gt_contacts=(("left hand", "head"),),
    )  # fmt: skip
    found = evaluate(block_body, [scene], {"scene": _fit(block_body, [[0.0, 0.0, 3.0]])})
    entry = found["scenes"]["scene"]
    assert "joint_pa_mpjpe_mm" not in entry and "penetration_max_mm" not in entry
    assert entry["pa_mpjpe_mm"] == pytest.approx(0.0, abs=1e-3) and "pcc" in entry
    assert set(found["mean"]) == {"self_contact"}


def test_means_fallback_and_failures(block_body, scene):
    scenes = [dataclasses.replace(scene, key=key) for key in "abcd"]
    fits = {
        "a": _fit(block_body, TRUTH_TRANSL, "a"),
        "b": _fit(block_body, scene.transl, "b", status="fallback"),
        "c": Fit("c", "failed: no visible keypoints"),
    }
    beside = {key: dataclasses.replace(_fit(block_body, scene.transl, key), variant="no_answers") for key in "ab"}
    found = evaluate(block_body, scenes, fits, no_answers=beside)
    assert set(found["scenes"]) == {"a", "b", "c"}  # d has no fit
    assert found["scenes"]["c"]["status"] == "failed: no visible keypoints"
    assert "pcc" not in found["scenes"]["c"]
    mean = found["mean"]["two_person"]
    assert (mean["scenes"], mean["fitted"], mean["fallback"], mean["failed"]) == (3, 2, 1, 1)
    assert mean["coverage"] == pytest.approx(1 / 3)
    assert mean["pcc"] == pytest.approx((95.0 + 50.0) / 2)
    assert mean["pcc_at"]["0.05"] == pytest.approx(50.0)
    assert mean["no_answers"]["pcc"] == pytest.approx(50.0)
    assert mean["without_fallback"]["pcc"] == pytest.approx(95.0)
    assert mean["without_fallback"]["no_answers"]["pcc"] == pytest.approx(50.0)
    assert found["scenes"]["a"]["no_answers"]["status"] == "ok"
    # Variants mixed into one list are told apart.
    assert evaluate(block_body, scenes, [*fits.values(), *beside.values()]) == found
    text = format_table(found)
    assert "Two people: 3 scenes (1 by fallback, 1 failed)" in text
    line = next(line for line in text.splitlines() if "PCC" in line)
    assert line.split()[-3:] == ["50.0", "50.0", "72.5"]


def test_a_fit_of_another_body_is_named(block_body, scene):
    fit = Fit("scene", "ok", vertices=np.zeros((2, 7, 3)), joints=np.zeros((2, 55, 3)))
    found = evaluate(block_body, [scene], {"scene": fit})
    assert "vertices: expected (2, 300, 3), found (2, 7, 3)" in found["scenes"]["scene"]["error"]
    assert found["mean"]["two_person"]["failed"] == 1


def test_region_contact_of_one_person(block_body, make_scene):
    """Two regions far apart on the body are brought together; a third annotated pair stays apart."""
    scene = make_scene(1, gt_region_pairs=np.array([[0, 9], [5, 70]]))
    vertices = np.asarray(block_body.v_template)[None] + scene.transl[:, None]
    vertices[0, 36:40] = vertices[0, 0:4] + np.array([0.012, 0.0, 0.0], np.float32)  # region 9 beside region 0
    joints = np.asarray(block_body.joint_template)[None] + scene.transl[:, None]
    fit = Fit("scene", "ok", vertices=vertices.astype(np.float32), joints=joints.astype(np.float32))
    entry = evaluate(block_body, [scene], {"scene": fit})["scenes"]["scene"]
    assert (entry["region_precision"], entry["region_recall"]) == (1.0, 0.5)
    assert entry["region_f1"] == pytest.approx(2 / 3) and entry["region_iou"] == 0.5
    assert entry["initial"]["region_recall"] == 0.0
