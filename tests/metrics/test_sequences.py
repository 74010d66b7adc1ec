"""Acceleration errors of scenes that are frames of a sequence."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.metrics import acceleration_error_mm, evaluate
from prosepose_jax.metrics.sequences import Sequences
from prosepose_jax.scene import Fit

PATTERN = r"(?P<sequence>.+)_(?P<frame>\d+)_0"


def test_a_sequence_equals_the_metric_on_its_frames() -> None:
    rng = np.random.default_rng(0)
    joints, truth = rng.normal(size=(2, 6, 2, 14, 3))
    sequences = Sequences(PATTERN)
    for frame in (3, 0, 5, 1, 4, 2):  # in any order, every second frame of the video
        sequences.add(f"walk_{10 + 2 * frame:04d}_0", "", joints[frame], truth[frame])
        sequences.add(f"walk_{10 + 2 * frame:04d}_0", "initial", truth[frame] + 0.1, truth[frame])
    sequences.add("other", "", joints[0], truth[0])  # of no sequence
    ((name, found),) = sequences.figures().items()
    assert name == "walk" and found["frames"] == 6 and found["accelerations"] == 4
    assert found["acceleration_error_mm"] == pytest.approx(float(acceleration_error_mm(joints, truth)))
    assert found["initial"]["acceleration_error_mm"] == pytest.approx(0.0, abs=1e-9)  # a constant error


def test_gaps_are_not_bridged() -> None:
    truth = np.zeros((8, 1, 14, 3))
    joints = truth.copy()
    joints[:, ..., 0] = (np.arange(8.0) ** 2)[:, None, None]  # an acceleration of 2 m a frame²
    sequences = Sequences(PATTERN)
    for frame in (0, 1, 2, 5, 6, 7):
        sequences.add(f"a_{frame}_0", "", joints[frame], truth[frame])
    for frame in (0, 1):
        sequences.add(f"short_{frame}_0", "", joints[frame], truth[frame])
    sequences.add("a_3_0", "", np.full_like(joints[3], np.nan), truth[3])  # a gap too
    (found,) = sequences.figures().values()
    assert found["accelerations"] == 2 and found["acceleration_error_mm"] == pytest.approx(2000.0)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "no regular expression"), (r"(?P<frame>\d+)", r"lacks the group \(\?P<sequence>")],
)
def test_wrong_patterns_are_named(pattern: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sequences(pattern)


def test_frames_that_are_no_numbers_or_there_twice() -> None:
    sequences = Sequences(r"(?P<sequence>[a-z]+)_(?P<frame>.+?)(_again)?")
    joints = np.zeros((1, 14, 3))
    with pytest.raises(InputError, match="expected a number as frame, found 'x'"):
        sequences.add("walk_x", "", joints, joints)
    sequences.add("walk_1", "", joints, joints)
    with pytest.raises(InputError, match="frame 1 of walk is there twice"):
        sequences.add("walk_1_again", "", joints.copy(), joints)


@pytest.mark.heavy
def test_evaluation_writes_sequences_when_asked(block_body, make_scene) -> None:
    scenes, fits = [], {}
    for frame in range(3):
        zeros = np.zeros((2, 3), np.float32)
        transl = np.array([[0.0, 0.0, 3.0], [0.5, 0.0, 3.0]], np.float32)
        truth = {"gt_global_orient": zeros, "gt_body_pose": np.zeros((2, 21, 3), np.float32),
                 "gt_betas": np.zeros((2, 10), np.float32), "gt_transl": transl}  # fmt: skip
        scene = make_scene(key=f"dance_{frame}_0", **truth)
        moved = (transl + np.array([0.0, 0.001 * frame**2, 0.0], np.float32))[:, None]
        scenes.append(scene)
        fits[scene.key] = Fit(scene.key, "ok", vertices=np.asarray(block_body.v_template) + moved,
                              joints=np.asarray(block_body.joint_template) + moved)  # fmt: skip
    assert "sequences" not in evaluate(block_body, scenes, fits)
    found = evaluate(block_body, scenes, fits, sequences=PATTERN)["sequences"]["dance"]
    assert found["acceleration_error_mm"] == pytest.approx(2.0, abs=1e-3)
    assert found["initial"]["acceleration_error_mm"] == pytest.approx(0.0, abs=1e-3)
