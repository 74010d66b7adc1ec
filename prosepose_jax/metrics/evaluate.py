"""All figures of a run in the layout of metrics.json (docs/evaluate.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from prosepose_jax.body import BodyModel
from prosepose_jax.errors import InputError
from prosepose_jax.metrics import _people
from prosepose_jax.metrics.contact import (
    PCC_RADII_M,
    SELF_CONTACT_GEODESIC_M,
    annotated_pairs,
    contact_f1,
    pair_distances,
    pcc_at,
)
from prosepose_jax.metrics.geodesic import SurfaceDistances
from prosepose_jax.metrics.penetration import is_closed, is_measurable, penetration
from prosepose_jax.metrics.pose import PELVIS, evaluation_joints, joint_pa_mpjpe_mm, mpjpe_mm, pa_mpjpe_mm
from prosepose_jax.metrics.reprojection import reprojection_px
from prosepose_jax.scene import Answer, Fit, Scene

NO_ANSWERS = "no_answers"
KINDS = ("two_person", "self_contact")

# Figures that describe bodies: computed alike for the initial estimate and for every fit.
BODY_METRICS: tuple[str, ...] = (
    "joint_pa_mpjpe_mm", "pa_mpjpe_mm", "mpjpe_mm", "pcc", "pcc_at",
    "penetration_max_mm", "penetration_mean_mm", "reprojection_px",
)  # fmt: skip
# Figures that describe the answers and the run.
_MEANS_ALSO = ("answers", "answers_usable", "rows_rejected", "contact_f1", "contact_f1_ignoring_sides", "seconds")


class Evaluator:
    """What the metrics of many scenes share: the body, its surface distances, the joint regressor.

    Args:
      body: the body model that the fits used.
      joint_regressor: (14, V) from `load_joint_regressor`; None: SMPL-X joints.
    """

    def __init__(self, body: BodyModel, joint_regressor: np.ndarray | None = None):
        self.body = body
        self._faces = np.asarray(body.faces)
        self._regressor = joint_regressor
        self._closed = is_closed(self._faces)
        self._surface: SurfaceDistances | None = None

    @property
    def surface(self) -> SurfaceDistances:
        """Distances along the rest surface, made when first needed (self-contact only)."""
        if self._surface is None:
            self._surface = SurfaceDistances(np.asarray(self.body.v_template), self._faces, SELF_CONTACT_GEODESIC_M)
        return self._surface

    def truth(self, scene: Scene) -> tuple[np.ndarray, np.ndarray] | None:
        """True vertices (P, V, 3) and joints (P, J, 3), m, camera frame; None when the scene has none."""
        return _people.true_people(self.body, scene)

    def initial(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        """The same of the scene's initial estimate."""
        return _people.initial_people(self.body, scene)

    def bodies(
        self,
        scene: Scene,
        vertices: np.ndarray,
        joints: np.ndarray,
        truth: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> dict[str, Any]:
        """The figures of `BODY_METRICS` that the scene has data for.

        Args:
          scene: keypoints, camera and annotated contacts.
          vertices: (P, V, 3) m, camera frame.
          joints: (P, J, 3) m.
          truth: vertices and joints of the ground truth.
        """
        expected = (scene.num_people, self.body.num_vertices, 3)
        if np.shape(vertices) != expected:
            raise InputError(f"scene {scene.key}: fit: field vertices: expected {expected}, found {np.shape(vertices)}")
        figures: dict[str, Any] = {}
        if truth is not None:
            found = evaluation_joints(joints, vertices, self._regressor)
            wanted = evaluation_joints(truth[1], truth[0], self._regressor)
            if scene.num_people > 1:
                figures["joint_pa_mpjpe_mm"] = joint_pa_mpjpe_mm(found, wanted)
            figures["pa_mpjpe_mm"] = pa_mpjpe_mm(found, wanted)
            figures["mpjpe_mm"] = mpjpe_mm(found, wanted, joints[:, PELVIS], truth[1][:, PELVIS])
        pairs = annotated_pairs(scene)
        if pairs:
            surface = self.surface if scene.num_people == 1 else None
            shares = pcc_at(pair_distances(pairs, vertices, self.body.regions, surface))
            figures["pcc"] = float(shares.mean())
            figures["pcc_at"] = {f"{r:.2f}": float(p) for r, p in zip(PCC_RADII_M, shares, strict=True)}
        if scene.num_people > 1 and is_measurable(vertices):
            closed = () if self._closed else (self.body.lowres.vertex_ids, self.body.lowres.faces)
            depth = penetration(vertices, self._faces, *closed)
            figures["penetration_max_mm"], figures["penetration_mean_mm"] = depth.max_mm, depth.mean_mm
        points = _people.body25(self.body, vertices, joints)
        offset = reprojection_px(points, scene.keypoints, scene.focal_length, scene.principal_point)
        if offset is not None:
            figures["reprojection_px"] = offset
        return figures

    def scene(
        self,
        scene: Scene,
        fit: Fit,
        no_answers: Fit | None = None,
        answers: Sequence[Answer] = (),
        parser: str = "published",
    ) -> dict[str, Any]:
        """One scene's entry of metrics.json."""
        figures: dict[str, Any] = {}
        truth = self.truth(scene)
        if fit.ok:
            figures |= self.bodies(scene, *_fitted(fit), truth)
        pairs = annotated_pairs(scene)
        if pairs is not None and answers:
            for name, ignore_sides in (("contact_f1", False), ("contact_f1_ignoring_sides", True)):
                score = contact_f1(
                    answers, pairs, alone=scene.num_people == 1, parser=parser, ignore_sides=ignore_sides
                )
                if score is not None:
                    figures[name] = score
        figures |= {
            "answers": int(fit.answers), "answers_usable": int(fit.answers_usable),
            "rows_rejected": int(fit.rows_rejected),
        }  # fmt: skip
        if fit.steps is not None:
            figures["steps"] = [int(n) for n in np.atleast_1d(fit.steps)]
        if fit.ok:
            figures["seconds"] = float(fit.seconds)
        figures["status"] = fit.status
        if fit.initial_vertices is not None and fit.initial_joints is not None:
            initial = np.asarray(fit.initial_vertices), np.asarray(fit.initial_joints)
        else:
            initial = self.initial(scene)
        figures["initial"] = self.bodies(scene, *initial, truth)
        if no_answers is not None:
            beside: dict[str, Any] = self.bodies(scene, *_fitted(no_answers), truth) if no_answers.ok else {}
            if no_answers.steps is not None:
                beside["steps"] = [int(n) for n in np.atleast_1d(no_answers.steps)]
            figures[NO_ANSWERS] = beside | {"status": no_answers.status}
        return figures


def evaluate(
    body: BodyModel,
    scenes: Iterable[Scene],
    fits: Mapping[str, Fit] | Iterable[Fit],
    *,
    no_answers: Mapping[str, Fit] | None = None,
    answers: Mapping[str, Sequence[Answer]] | None = None,
    parser: str = "published",
    joint_regressor: np.ndarray | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """The figures of a run: every scene, and the means (docs/evaluate.md describes each).

    Args:
      body: the body model that the fits used.
      scenes: the scenes, from `load_scenes` or a list; scenes without a fit are left out.
      fits: fits by key, or any fits; those of the variant "no_answers" are taken as `no_answers`.
      no_answers: the fits without answers, to stand beside.
      answers: the answers by key, from `load_answers`, for contact_f1.
      parser: how contact_f1 reads the answers, "published" or "extended".
      joint_regressor: (14, V) from `load_joint_regressor`; None: SMPL-X joints.
      progress: called with each scene's key when it is done.

    Returns:
      {"scenes": {key: {…, "initial": {…}}}, "mean": {"two_person": {…}, "self_contact": {…}}} of plain numbers,
      strings, lists and dicts. A scene that can't be evaluated has an "error" with the reason in its entry.
    """
    # A mapping may read its fits as they are asked for: it is not gone through as a whole when it need not be.
    if isinstance(fits, Mapping) and no_answers is not None:
        beside = no_answers
    else:
        fits, beside = _split_variants(fits, no_answers)
    evaluator = Evaluator(body, joint_regressor)
    lookup = getattr(answers, "for_scene", None) or (lambda key: (answers or {}).get(key, []))
    table: dict[str, dict[str, Any]] = {}
    kinds: dict[str, str] = {}
    for scene in scenes:
        fit = fits.get(scene.key)
        if fit is None or fit.variant == NO_ANSWERS:
            continue
        try:
            table[scene.key] = evaluator.scene(scene, fit, beside.get(scene.key), lookup(scene.key), parser)
        except InputError as error:
            table[scene.key] = {"status": fit.status, "error": str(error)}
        kinds[scene.key] = KINDS[0] if scene.num_people > 1 else KINDS[1]
        if progress is not None:
            progress(scene.key)
    means = {}
    for kind in KINDS:
        entries = [entry for key, entry in table.items() if kinds[key] == kind]
        if entries:
            means[kind] = summarise(entries)
    return {"scenes": table, "mean": means}


def summarise(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The means over scene entries: of fits that did not fail, and of "initial" and "no_answers" over the same ones.

    "coverage" is the share of scenes whose fit used answers; "without_fallback" repeats the figures over
    those scenes alone.
    """
    fitted = [entry for entry in entries if not entry["status"].startswith("failed") and "error" not in entry]
    used = [entry for entry in fitted if entry["status"] == "ok"]
    mean: dict[str, Any] = {
        "scenes": len(entries),
        "fitted": len(fitted),
        "fallback": len(fitted) - len(used),
        "failed": len(entries) - len(fitted),
        "coverage": len(used) / len(entries),
    }
    mean |= _means(fitted)
    if used and len(used) < len(fitted):
        mean["without_fallback"] = {"scenes": len(used)} | _means(used)
    return mean


def _means(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    means = _mean_of(entries, (*BODY_METRICS, *_MEANS_ALSO))
    for part in ("initial", NO_ANSWERS):
        below = [entry[part] for entry in entries if part in entry]
        if below:
            means[part] = _mean_of(below, BODY_METRICS)
    return means


def _mean_of(entries: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    means: dict[str, Any] = {}
    for name in names:
        values = [entry[name] for entry in entries if name in entry]
        if values and isinstance(values[0], Mapping):
            means[name] = {radius: float(np.mean([value[radius] for value in values])) for radius in values[0]}
        elif values:
            means[name] = float(np.mean(values))
    return means


def _fitted(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    if fit.vertices is None or fit.joints is None:
        raise InputError(f"scene {fit.key}: fit: expected the fields vertices and joints, found none")
    return np.asarray(fit.vertices), np.asarray(fit.joints)


def _split_variants(
    fits: Mapping[str, Fit] | Iterable[Fit], no_answers: Mapping[str, Fit] | None
) -> tuple[dict[str, Fit], dict[str, Fit]]:
    every = list(fits.values()) if isinstance(fits, Mapping) else list(fits)
    beside = {fit.key: fit for fit in every if fit.variant == NO_ANSWERS} | dict(no_answers or {})
    return {fit.key: fit for fit in every if fit.variant != NO_ANSWERS}, beside
