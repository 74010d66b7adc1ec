"""Runs that nobody fitted: two people of a small body who are moved together, for tests of what shows fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from prosepose_jax.body import BodyModel
from prosepose_jax.scene import Fit, Scene

TERMS = ("keypoints", "contact", "penetration")


def made_scene(key: str, num_people: int = 2, **fields: Any) -> Scene:
    """A scene without anything seen."""
    return Scene(
        key=key,
        global_orient=np.zeros((num_people, 3)),
        body_pose=np.zeros((num_people, 21, 3)),
        betas=np.zeros((num_people, 10)),
        transl=np.zeros((num_people, 3)),
        keypoints=np.zeros((num_people, 25, 3)),
        focal_length=np.array([600.0, 600.0]),
        principal_point=np.array([320.0, 240.0]),
        image_size=np.array([640, 480]),
        **fields,
    )


def made_fit(body: BodyModel, key: str, apart_m: float = 0.5, num_people: int = 2, **fields: Any) -> Fit:
    """A fit in which the rest pose stands side by side, twice as far apart before."""
    # The camera frame has y down.
    one = np.asarray(body.v_template, np.float32) * np.array([1.0, -1.0, -1.0], np.float32) + [0.0, 0.0, 3.0]
    side = np.array([1.0, 0.0, 0.0], np.float32)
    after = np.stack([one + p * apart_m * side for p in range(num_people)]).astype(np.float32)
    before = np.stack([one + p * 2.0 * apart_m * side for p in range(num_people)]).astype(np.float32)
    losses = np.full((2, 30, len(TERMS)), np.nan, np.float32)
    losses[0, :25] = np.geomspace(100.0, 1.0, 25)[:, None] * [1.0, 3.0, 0.5]
    losses[1, :12] = np.geomspace(5.0, 1.0, 12)[:, None] * [1.0, 2.0, 4.0]
    joints = np.zeros((num_people, 55, 3), np.float32)
    fit = Fit(
        key=key,
        status="ok",
        global_orient=np.zeros((num_people, 3), np.float32),
        body_pose=np.zeros((num_people, 21, 3), np.float32),
        betas=np.zeros((num_people, 10), np.float32),
        transl=np.zeros((num_people, 3), np.float32),
        vertices=after,
        joints=joints,
        initial_vertices=before,
        initial_joints=joints,
        loss_terms=TERMS,
        losses=losses,
        steps=np.array([25, 12]),
        seconds=0.7,
        answers=20,
        answers_usable=18,
        rows_rejected=3,
        rejected=(("sofa | back", "unknown part 'sofa'"),) * 2 + (("hand | lamp", "unknown part 'lamp'"),),
        constraints=(("hand", "back", 13), ("left hand", "right shoulder", 9), ("foot", "foot", 1)),
    )
    return dataclasses.replace(fit, **fields)


def made_metrics(keys: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """Figures of a run, spread at random."""
    random = np.random.default_rng(seed)
    scenes = {}
    for key in keys:
        after, pcc = float(random.gamma(4.0, 15.0)), float(random.uniform(40.0, 95.0))
        before = {"joint_pa_mpjpe_mm": after * 1.6, "pcc": pcc * 0.6}
        scenes[key] = {"status": "ok", "joint_pa_mpjpe_mm": after, "pcc": pcc, "initial": before}
    names = ("joint_pa_mpjpe_mm", "pcc")
    mean: dict[str, Any] = {name: float(np.mean([s[name] for s in scenes.values()])) for name in names}
    mean["initial"] = {name: float(np.mean([s["initial"][name] for s in scenes.values()])) for name in names}
    mean |= {"scenes": len(keys), "fitted": len(keys), "fallback": 0, "failed": 0, "coverage": 1.0}
    return {"scenes": scenes, "mean": {"two_person": mean}}
