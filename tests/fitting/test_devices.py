"""Several devices share a folder of scenes and change no fit."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_scenes import answer, fewer_terms

from prosepose_jax.body import BodyModel
from prosepose_jax.config import load_config
from prosepose_jax.fitting import Fitter, settings_from_config
from prosepose_jax.io import save_scene
from prosepose_jax.scene import Answer

ANSWERS = [answer(("hand", "back"), ("arm", "shoulder (back)"))]
ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = """
import sys
import jax, numpy as np
from prosepose_jax.body import load_body
from prosepose_jax.fitting import Fitter
from prosepose_jax.fitting.compiled import signatures
from prosepose_jax.io import load_scenes
from tests.fitting.test_devices import ANSWERS, few_steps
assert jax.device_count() == 2
fitter = Fitter(load_body(sys.argv[2]), few_steps())
fits = list(fitter.fit(load_scenes(sys.argv[1]), lambda key: ANSWERS))
devices = {signature[1].id for signature in signatures()}
np.savez(sys.argv[3], devices=sorted(devices), **{fit.key: fit.vertices for fit in fits})
"""


def few_steps():
    """Stage 1 alone, a few steps, more scenes than slots."""
    config = load_config("two_person")
    config.lm.steps, config.stage2.steps, config.batch_size = 6, 0, 2
    # Compiled three times, for each device and for one alone.
    settings = fewer_terms(settings_from_config(config))
    few = ("keypoints", "contact", "estimate_pose")
    return dataclasses.replace(settings, terms=tuple(term for term in settings.terms if term.name in few))


@pytest.mark.heavy
def test_two_devices_give_the_fits_of_one(small_body: BodyModel, make_scene, tmp_path: Path) -> None:
    scenes = [make_scene(seed) for seed in range(5)]
    for scene in scenes:
        save_scene(tmp_path / "scenes", scene)

    def answers(key: str) -> list[Answer]:
        return ANSWERS

    alone = {fit.key: fit for fit in Fitter(small_body, few_steps()).fit(scenes, answers)}
    out = tmp_path / "out.npz"
    # Compiled alike: the solver would turn other roundings into other vertices.
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    body_file = ROOT / "tests" / "data" / "small_body.npz"
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "scenes"), str(body_file), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    shared = np.load(out)
    assert shared["devices"].tolist() == [0, 1]
    for scene in scenes:
        np.testing.assert_allclose(shared[scene.key], alone[scene.key].vertices, atol=1e-5)
