"""What is measured of scenes: one record each, and a summary of a set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from prosepose_jax.body.model import BodyModel
from prosepose_jax.contact.vocabulary import without_side
from prosepose_jax.metrics._people import initial_people
from prosepose_jax.metrics.answers import contact_f1
from prosepose_jax.metrics.contact import annotated_pairs
from prosepose_jax.metrics.pose import evaluation_joints, joint_pa_mpjpe_mm, pa_mpjpe_mm
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.synthetic.measure import Checks
from prosepose_jax.synthetic.truth import Truth


def scene_figures(
    body: BodyModel, scene: Scene, answers: Sequence[Answer], checks: Checks, true_joints: np.ndarray
) -> dict[str, Any]:
    """Gap, penetration, error of the initial estimate and the answers' F1 of one scene.

    Args:
      body: the body model.
      scene: the observed scene.
      answers: its answers.
      checks: the truth's figures.
      true_joints: (P, J, 3) m, camera frame.
    """
    _, joints = initial_people(body, scene)
    estimate, truth = evaluation_joints(joints), evaluation_joints(true_joints)
    two = scene.num_people == 2
    f1 = contact_f1(answers, annotated_pairs(scene) or (), alone=not two)
    visible = scene.keypoints[..., 2] > 0
    assert scene.gt_region_pairs is not None and scene.gt_contacts is not None
    return {
        "largest_gap_mm": round(1e3 * max(checks.gaps), 2),
        "penetration_mm": round(1e3 * checks.penetration, 2),
        "self_penetration_mm": round(1e3 * checks.self_penetration, 2),
        "floor_mm": round(1e3 * checks.floor, 2),
        "touching_region_pairs": len(scene.gt_region_pairs),
        "touching_parts": len(scene.gt_contacts),
        ("initial_joint_pa_mpjpe_mm" if two else "initial_pa_mpjpe_mm"): round(
            joint_pa_mpjpe_mm(estimate, truth) if two else pa_mpjpe_mm(estimate, truth), 1
        ),
        "missing_keypoints": int(np.sum(~visible)),
        "answers_contact_f1": None if f1 is None else round(f1, 3),
    }


def contact_kinds(truths: Sequence[Truth]) -> Counter[tuple[str, str]]:
    """In how many scenes each pair of parts touches, sides and order left out."""
    counts: Counter[tuple[str, str]] = Counter()
    for truth in truths:
        counts.update({(min(p), max(p)) for p in ((without_side(a), without_side(b)) for a, b in truth.contacts.parts)})
    return counts


def set_figures(truths: Sequence[Truth], scenes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A set's summary: means and extremes over scenes, templates with their acceptance, contact kinds.

    Args:
      truths: the scenes of the set.
      scenes: `scene_figures` by key.
    """
    names = ("largest_gap_mm", "penetration_mm", "self_penetration_mm", "floor_mm", "touching_region_pairs",
             "touching_parts", "initial_joint_pa_mpjpe_mm", "initial_pa_mpjpe_mm", "missing_keypoints",
             "answers_contact_f1")  # fmt: skip
    summary: dict[str, Any] = {"scenes": len(truths)}
    for name in names:
        values = [figures[name] for figures in scenes.values() if figures.get(name) is not None]
        if values:
            summary[name] = {
                "mean": round(float(np.mean(values)), 3), "min": float(min(values)), "max": float(max(values))
            }  # fmt: skip
    made = Counter(truth.template for truth in truths)
    # Tries are numbered from 0 and accepted in order, so the last accepted one tells how many there were.
    tries = {name: 1 + max(t.seed[-1] for t in truths if t.template == name) for name in made}
    summary["templates"] = {
        name: {"scenes": made[name], "tries": tries[name], "accepted": round(made[name] / tries[name], 3)}
        for name in made
    }
    summary["accepted"] = round(len(truths) / max(sum(tries.values()), 1), 3)
    summary["contact_kinds"] = {f"{a} – {b}": n for (a, b), n in contact_kinds(truths).most_common()}
    return summary
