"""How wrong estimates, keypoints and answers are, measured: what a noise family states, found again in its scenes.

Signs and units of `Errors`: a share of 0.04 is 4 %; who is taken for taller or stands too far away has a positive one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from prosepose_jax.contact.compile import PARSERS
from prosepose_jax.metrics.answers import contact_f1
from prosepose_jax.metrics.contact import annotated_pairs, name_regions
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.synthetic.figure import rotation, to_axis_angle
from prosepose_jax.synthetic.framing import LIMBS
from prosepose_jax.synthetic.truth import Truth

_UP = np.array([0.0, -1.0, 0.0])  # in the camera frame
_MOST_LEAN = np.radians(60.0)
_LEGS = [k for name in ("left leg", "right leg") for k in LIMBS[name].keypoints]


@dataclasses.dataclass(frozen=True)
class Errors:
    """Of a set of observed scenes. Means and standard deviations are over people."""

    stature_spread: float  # sd of the true statures, share of their mean
    child_stature: float | None  # mean stature of who has a kid_scale, share of the others' mean
    stature_sd: float  # error of the estimated stature, share of the stature
    depth_sd: float  # error of the pelvis depth, share of the depth
    depth_own_sd: float  # of the depth over the size: what is left when who is taken for taller is further away
    depth_with_size: float  # correlation of the two errors
    shape_kept: float  # slope of the estimated betas on the true ones
    orient_degrees: float  # of the global orientation about each axis, rms
    lean_kept: float  # slope of the estimated lean on the true one, of people who lean by less than 60 degrees
    covered_limbs: float  # arms and legs a person of which nothing is seen
    legs_gone: float  # share of the scenes that show no knee and no foot
    mixed_limbs: float  # share of the seen arms and legs that lie on the other person's
    contact_f1: float | None  # of the answers (`metrics.contact_f1`)
    contacts_told: float | None  # recall: annotated region pairs that an answer names
    rows_right: float | None  # precision: rows of an answer that name an annotated pair


def measure_errors(
    truths: Sequence[Truth], scenes: Sequence[Scene], answers: Sequence[Sequence[Answer]] | None = None
) -> Errors:
    """What is wrong with scenes made of truths (`observe`).

    Args:
      truths: at least one, with `stature_shape_dirs` and `stature_kid_dir`.
      scenes: one a truth.
      answers: those of each scene; None: their figures are None.

    Raises:
      ValueError: truths without.
    """
    pairs = list(zip(truths, scenes, strict=True))
    taller = np.concatenate([size_error(t, s) for t, s in pairs])
    further = np.concatenate([depth_error(t, s) for t, s in pairs])
    turned = np.concatenate([orientation_error(t, s) for t, s in pairs])
    leans = np.array([pair for t, s in pairs for pair in _leans(t, s)]).reshape(-1, 2, 2)
    betas, true_betas = (np.concatenate(x).ravel() for x in ([s.betas for s in scenes], [t.betas for t in truths]))
    heights, kids = (np.concatenate([getattr(t, n) for t in truths]) for n in ("heights", "kid_scale"))
    missing = np.concatenate([s.keypoints[..., 2] == 0 for s in scenes])
    told = [_told(s, a) for s, a in zip(scenes, answers or (), strict=answers is not None) if a]
    return Errors(
        stature_spread=float(heights.std() / heights.mean()),
        child_stature=float(heights[kids > 0].mean() / heights[kids == 0].mean()) if kids.any() else None,
        stature_sd=float(taller.std()),
        depth_sd=float(further.std()),
        depth_own_sd=float(((1 + further) / (1 + taller) - 1).std()),
        depth_with_size=_correlation(taller, further),
        shape_kept=_slope(true_betas, betas),
        orient_degrees=float(np.degrees(np.sqrt(np.mean(turned**2)))),
        lean_kept=_slope(leans[:, 0].ravel(), leans[:, 1].ravel()),
        covered_limbs=float(sum(missing[:, list(limb.keypoints)].all(1).mean() for limb in LIMBS.values())),
        legs_gone=float(np.mean([(s.keypoints[:, _LEGS, 2] == 0).all() for s in scenes])),
        mixed_limbs=_mean([m for t, s in pairs for m in _on_the_other(t, s)]) or 0.0,
        contact_f1=_mean([t.f1 for t in told]),
        contacts_told=_mean([share for t in told for share in t.recalls]),
        rows_right=_mean([share for t in told for share in t.precisions]),
    )


def size_error(truth: Truth, scene: Scene) -> np.ndarray:
    """(P,) share of the stature by which each person is taken for taller.

    Raises:
      ValueError: the truth has no `stature_shape_dirs` or no `stature_kid_dir`.
    """
    if truth.stature_shape_dirs is None or truth.stature_kid_dir is None:
        raise ValueError(f"{truth.key}: has no stature_shape_dirs or stature_kid_dir; make_truths adds them")
    kid = (_kid_scale(truth, scene) - truth.kid_scale) * truth.stature_kid_dir
    return ((np.asarray(scene.betas, np.float64) - truth.betas) @ truth.stature_shape_dirs + kid) / truth.heights


def depth_error(truth: Truth, scene: Scene) -> np.ndarray:
    """(P,) share of the depth by which each pelvis is estimated further away."""
    kid = _kid_scale(truth, scene)[:, None] * truth.pelvis_kid_dir
    rest = truth.pelvis_template + np.asarray(scene.betas, np.float64) @ truth.pelvis_shape_dirs.T + kid
    return (scene.transl + rest)[:, 2] / truth.pelvis[:, 2] - 1


def _kid_scale(truth: Truth, scene: Scene) -> np.ndarray:
    """(P,) as estimated."""
    return np.zeros(truth.num_people) if scene.kid_scale is None else np.asarray(scene.kid_scale, np.float64)


def orientation_error(truth: Truth, scene: Scene) -> np.ndarray:
    """(P, 3) radians about the camera's axes from the true to the estimated global orientation."""
    return np.array(
        [
            to_axis_angle(_matrix(found) @ _matrix(true).T)
            for found, true in zip(scene.global_orient, truth.global_orient, strict=True)
        ]
    )


def _leans(truth: Truth, scene: Scene) -> list[tuple[np.ndarray, np.ndarray]]:
    """True and estimated lean (2,) of each person, radians to the picture's right and away from the camera."""
    found = [(_lean(t), _lean(s)) for t, s in zip(truth.global_orient, scene.global_orient, strict=True)]
    return [pair for pair in found if np.linalg.norm(pair[0]) < _MOST_LEAN]


def _lean(orient: np.ndarray) -> np.ndarray:
    up = _matrix(orient)[:, 1]
    level = up[[0, 2]]
    return level / max(float(np.linalg.norm(level)), 1e-9) * np.arccos(np.clip(up @ _UP, -1.0, 1.0))


def _on_the_other(truth: Truth, scene: Scene) -> list[bool]:
    """Of each limb seen by two keypoints or more, whether all lie nearer to the other person's."""
    if truth.num_people != 2:
        return []
    true = truth.view.project(truth.keypoints) - (truth.view.principal - scene.principal_point)
    found = []
    for person in range(2):
        for limb in LIMBS.values():
            seen = [k for k in limb.keypoints if scene.keypoints[person, k, 2] > 0]
            if len(seen) > 1:
                own, other = (
                    np.linalg.norm(scene.keypoints[person, seen, :2] - true[p, seen], axis=-1)
                    for p in (person, 1 - person)
                )
                found.append(bool((other < own).all()))
    return found


class _Told(NamedTuple):
    f1: float
    recalls: list[float]  # of each answer with rows: share of the annotated pairs that it names
    precisions: list[float]  # and of its rows that name one


def _told(scene: Scene, answers: Sequence[Answer]) -> _Told:
    """What a scene's answers have right."""
    alone = scene.num_people == 1
    pairs = annotated_pairs(scene) or ()
    recalls, precisions = [], []
    for answer in answers:
        rows = PARSERS["published"](answer.text, "self_contact" if alone else "two_person").rows
        said = [[(name_regions(a), name_regions(b)) for a, b in row.options] for row in dict.fromkeys(rows)]
        if not said or not pairs:
            continue
        both = [np.array([[any(o[k] & x and o[1 - k] & y for o in options) for x, y in pairs] for options in said])
                for k in (0, 1)]  # fmt: skip
        meets = both[0] | both[1] if alone else max(both, key=lambda m: m.any(1).mean() + m.any(0).mean())
        recalls.append(float(meets.any(0).mean()))
        precisions.append(float(meets.any(1).mean()))
    return _Told(contact_f1(answers, pairs, alone=alone) or 0.0, recalls, precisions)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(x @ y / max(float(x @ x), 1e-12))


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    spread = float(x.std() * y.std())
    return float(np.mean((x - x.mean()) * (y - y.mean())) / spread) if spread > 1e-12 else 0.0


def _matrix(vector: np.ndarray) -> np.ndarray:
    vector = np.asarray(vector, np.float64)
    angle = float(np.linalg.norm(vector))
    return rotation(vector / max(angle, 1e-12), angle)
