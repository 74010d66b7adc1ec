"""All figures of a run in the layout of metrics.json (docs/evaluate.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np

from prosepose_jax.body import BodyModel
from prosepose_jax.body.segments import make_segments
from prosepose_jax.errors import InputError
from prosepose_jax.metrics import _people, pose, records
from prosepose_jax.metrics.alignment import similarity_of
from prosepose_jax.metrics.answers import contact_f1
from prosepose_jax.metrics.boxes import is_closed
from prosepose_jax.metrics.contact import (
    PCC_RADII_M,
    SELF_CONTACT_GEODESIC_M,
    ContactPair,
    annotated_pairs,
    pair_distances,
    region_contact,
    shares_below,
)
from prosepose_jax.metrics.finite import finite_entry
from prosepose_jax.metrics.geodesic import SurfaceDistances
from prosepose_jax.metrics.joint_sets import JointSet
from prosepose_jax.metrics.kernels import kernels
from prosepose_jax.metrics.patches import Patches
from prosepose_jax.metrics.penetration import is_measurable, penetration_in
from prosepose_jax.metrics.precision import in_double
from prosepose_jax.metrics.regions import RegionTiles, five_vertex_distances, five_vertices
from prosepose_jax.metrics.reprojection import reprojection_errors_px
from prosepose_jax.metrics.self_contact import SelfContact
from prosepose_jax.metrics.self_penetration import SelfPenetration
from prosepose_jax.metrics.sequences import Sequences
from prosepose_jax.scene import Answer, Fit, Scene

NO_ANSWERS = "no_answers"
KINDS = ("two_person", "self_contact")
JOINT_SET = "joint_set"
"""Key under which an entry and a mean say on which joints its errors were taken."""

# Figures that describe bodies: computed alike for the initial estimate and for every fit.
BODY_METRICS: tuple[str, ...] = records.names_of(records.BODIES)
# Figures that describe the answers and the run.
MEANS_ALSO = ("answers", "answers_usable", "rows_rejected", "contact_f1", "contact_f1_ignoring_sides", "seconds")
CHUNK = 32
"""Scenes that are measured together: enough to fill a call, few enough to stay in memory."""

_AT_ONCE = 16  # bodies compared with the truth in one call: more do not fit into the processor's cache

People = tuple[np.ndarray, np.ndarray]  # vertices (P, V, 3) and joints (P, J, 3)


class Posed(NamedTuple):
    """Bodies of one scene to be measured: m, camera frame."""

    scene: Scene
    vertices: np.ndarray  # (P, V, 3)
    joints: np.ndarray  # (P, J, 3)
    truth: People | None = None


class Evaluator:
    """What the metrics of many scenes share: the body, its surface distances, the joint set.

    Args:
      body: the body model that the fits used.
      joint_regressor: a `JointSet`, or a regressor (14, V); None: SMPL-X joints.
      compiled: walk meshes in compiled loops where Numba is installed; the figures are the same.
    """

    def __init__(self, body: BodyModel, joint_regressor: np.ndarray | JointSet | None = None, compiled: bool = True):
        self.body, self._kernels = body, kernels(compiled)
        self.joint_set = JointSet.of(joint_regressor)
        self._faces = np.asarray(body.faces)
        self._patches: Patches | None = None
        self._tiles = RegionTiles(body.regions, np.asarray(body.v_template), self._kernels)
        self._five = five_vertices(self._tiles.members)
        self._surface: SurfaceDistances | None = None
        self._self_contact: SelfContact | None = None
        self._self_penetration: SelfPenetration | None = None

    @property
    def surface(self) -> SurfaceDistances:
        """Distances along the rest surface, made when first needed (self-contact only)."""
        if self._surface is None:
            self._surface = SurfaceDistances(np.asarray(self.body.v_template), self._faces, SELF_CONTACT_GEODESIC_M)
        return self._surface

    @property
    def patches(self) -> Patches:
        """The body's mesh in patches, made when first needed (two people or more)."""
        if self._patches is None:
            lowres = self.body.lowres
            hull = None if is_closed(self._faces) else np.asarray(lowres.vertex_ids)[np.asarray(lowres.faces)]
            self._patches = Patches(np.asarray(self.body.v_template), self._faces, hull, self._kernels)
        return self._patches

    @property
    def self_contact(self) -> SelfContact:
        """Which regions of one person touch, made when first needed."""
        if self._self_contact is None:
            self._self_contact = SelfContact(self.surface, np.asarray(self.body.v_template), self.body.regions)
        return self._self_contact

    @property
    def self_penetration(self) -> SelfPenetration:
        """Depths inside the own body, made when first needed."""
        if self._self_penetration is None:
            body, rest = self.body, np.asarray(self.body.v_template)
            segments = make_segments(rest, self._faces, np.asarray(body.skin_weights), body.parents)
            self._self_penetration = SelfPenetration(rest, self._faces, segments, self._kernels)
        return self._self_penetration

    def truth(self, scene: Scene) -> People | None:
        """True vertices (P, V, 3) and joints (P, J, 3), m, camera frame; None when the scene has none."""
        return _people.true_people(self.body, scene)

    def initial(self, scene: Scene) -> People:
        """The same of the scene's initial estimate."""
        return _people.initial_people(self.body, scene)

    def bodies(
        self, scene: Scene, vertices: np.ndarray, joints: np.ndarray, truth: People | None = None
    ) -> dict[str, Any]:
        """The figures of `BODY_METRICS` that the scene has data for.

        Args:
          scene: keypoints, camera and annotated contacts.
          vertices: (P, V, 3) m, camera frame.
          joints: (P, J, 3) m.
          truth: vertices and joints of the ground truth.

        Raises:
          InputError: the vertices are not those of this body.
        """
        (figures,) = self.many([Posed(scene, vertices, joints, truth)])
        return figures

    def many(self, posed: Sequence[Posed]) -> list[dict[str, Any]]:
        """`bodies` of many scenes at once: the same figures, in few calls."""
        for one in posed:
            expected = (one.scene.num_people, self.body.num_vertices, 3)
            if np.shape(one.vertices) != expected:
                raise InputError(
                    f"scene {one.scene.key}: fit: field vertices: expected {expected}, found {np.shape(one.vertices)}"
                )
        figures: list[dict[str, Any]] = [{} for _ in posed]
        for count in sorted({one.scene.num_people for one in posed}):
            places = [i for i, one in enumerate(posed) if one.scene.num_people == count]
            known = [i for i in places if posed[i].truth is not None]
            for start in range(0, len(known), _AT_ONCE):
                self._against_truth(known[start : start + _AT_ONCE], posed, figures)
            sound = [i for i in places if is_measurable(posed[i].vertices)]
            self._contacts(places, sound, posed, figures)
            if count > 1:
                self._penetration(sound, posed, figures)
            self._own_penetration(sound, posed, figures)
            self._reprojection(places, posed, figures)
        return figures

    def _against_truth(self, places: list[int], posed: Sequence[Posed], figures: list[dict[str, Any]]) -> None:
        found = [posed[i] for i in places]
        truths = [one.truth for one in found if one.truth is not None]
        arrays = _Truth(
            np.stack([self.joint_set.joints(one.joints, one.vertices) for one in found]),
            np.stack([self.joint_set.joints(joints, vertices) for vertices, joints in truths]),
            np.stack([np.asarray(one.joints)[:, pose.PELVIS] for one in found]),
            np.stack([joints[:, pose.PELVIS] for _, joints in truths]),
            np.stack([one.vertices for one in found]),
            np.stack([vertices for vertices, _ in truths]),
        )
        values = _joint_errors(*_padded(arrays[:4]))
        if self._kernels is None:
            values |= _vertex_errors(*_padded(arrays[2:]))
        else:
            values |= _vertex_errors_compiled(self._kernels, *arrays[2:])
        for row, i in enumerate(places):
            for name in _TRUTH_FIGURES:
                if name in values:
                    figures[i][name] = float(values[name][row])
            figures[i][JOINT_SET] = self.joint_set.name

    def _contacts(
        self, places: list[int], sound: list[int], posed: Sequence[Posed], figures: list[dict[str, Any]]
    ) -> None:
        annotated = {i: pairs for i in places if (pairs := self._pairs(posed[i])) is not None}
        kept = [i for i in places if annotated.get(i)]
        if posed[places[0]].scene.num_people == 1:
            distances = [pair_distances(annotated[i], posed[i].vertices, self.body.regions, self.surface) for i in kept]
            for i, shares in zip(kept, _shares(distances), strict=True):
                figures[i] |= _curve("pcc", shares)
            for i, pairs in annotated.items():
                if i in sound:
                    touching = self.self_contact.touching(np.asarray(posed[i].vertices[0], np.float64))
                    figures[i] |= _region_figures(touching, pairs, alone=True)
            return
        found = {i: self._tiles.both(posed[i].vertices, pairs) for i, pairs in annotated.items()}
        five = [five_vertex_distances(posed[i].vertices, annotated[i], self._five) for i in kept]
        for i, shares, published in zip(kept, _shares([found[i][0] for i in kept]), _shares(five), strict=True):
            figures[i] |= _curve("pcc", shares) | _curve("pcc_five", published)
        for i, (_, touching) in found.items():
            figures[i] |= _region_figures(touching, annotated[i])

    def _pairs(self, one: Posed) -> tuple[ContactPair, ...] | None:
        """The annotated pairs; of one person without any, those of regions that touch on the true mesh."""
        pairs = annotated_pairs(one.scene)
        if pairs is None and one.scene.num_people == 1 and one.truth is not None:
            touching = np.triu(self.self_contact.touching(np.asarray(one.truth[0][0], np.float64)))
            pairs = tuple(ContactPair(frozenset([int(a)]), frozenset([int(b)])) for a, b in np.argwhere(touching))
        return pairs

    def _penetration(self, places: list[int], posed: Sequence[Posed], figures: list[dict[str, Any]]) -> None:
        for i in places:
            depth, shared = penetration_in(self.patches, posed[i].vertices)
            figures[i]["penetration_max_mm"], figures[i]["penetration_mean_mm"] = depth.max_mm, depth.mean_mm
            figures[i]["penetration_volume_l"] = shared

    def _own_penetration(self, places: list[int], posed: Sequence[Posed], figures: list[dict[str, Any]]) -> None:
        for i in places:
            deepest = max(self.self_penetration.deepest_m(person) for person in posed[i].vertices)
            figures[i]["self_penetration_max_mm"] = 1000.0 * deepest

    def _reprojection(self, places: list[int], posed: Sequence[Posed], figures: list[dict[str, Any]]) -> None:
        scenes = [posed[i].scene for i in places]
        arrays = (
            _people.body25(
                self.body, np.stack([posed[i].vertices for i in places]), np.stack([posed[i].joints for i in places])
            ),
            np.stack([scene.keypoints for scene in scenes]),
            np.stack([np.broadcast_to(scene.focal_length, (2,)) for scene in scenes]),
            np.stack([scene.principal_point for scene in scenes]),
        )
        for i, value in zip(places, reprojection_errors_px(*_padded(arrays)), strict=False):
            if not np.isnan(value):
                figures[i]["reprojection_px"] = float(value)

    def entries(
        self, rows: Sequence[Row], parser: str = "published", sequences: Sequences | None = None
    ) -> list[dict[str, Any]]:
        """Entries of metrics.json; a scene that can't be measured has an "error" and no figures.

        Scenes with truth are added to `sequences`.
        """
        out: list[dict[str, Any]] = []
        jobs: list[tuple[dict[str, Any], str, Posed]] = []
        truths = self._truths([row.scene for row in rows])
        for row, truth in zip(rows, truths, strict=True):
            entry: dict[str, Any] = {}
            out.append(entry)
            try:
                if isinstance(truth, InputError):
                    raise truth
                mine = self._jobs(row, truth)
                entry |= self._about(row, parser)
            except InputError as error:
                entry.clear()
                entry |= {"status": row.fit.status, "error": str(error)}
            else:
                jobs += [(entry, part, posed) for part, posed in mine]
                if sequences is not None and truth is not None:
                    true_joints = self.joint_set.joints(truth[1], truth[0])
                    for part, posed in mine:
                        joints = self.joint_set.joints(posed.joints, posed.vertices)
                        sequences.add(row.scene.key, part, joints, true_joints)
        for (entry, part, _), figures in zip(jobs, self.many([posed for *_, posed in jobs]), strict=True):
            below = entry.setdefault(part, {}) if part else entry
            beside = dict(below)
            below.clear()
            below |= figures | beside  # the figures of bodies stand first
        return out

    def _truths(self, scenes: Sequence[Scene]) -> list[People | InputError | None]:
        return _people.true_people_of(self.body, scenes)

    def _jobs(self, row: Row, truth: People | None) -> list[tuple[str, Posed]]:
        """The bodies of a scene with the part of its entry that they belong to."""
        fit, scene = row.fit, row.scene
        found = []
        if fit.ok:
            found.append(("", Posed(scene, *_fitted(fit), truth)))
        if fit.initial_vertices is not None and fit.initial_joints is not None:
            initial = np.asarray(fit.initial_vertices), np.asarray(fit.initial_joints)
        else:
            initial = self.initial(scene)
        found.append(("initial", Posed(scene, *initial, truth)))
        if row.no_answers is not None and row.no_answers.ok:
            found.append((NO_ANSWERS, Posed(scene, *_fitted(row.no_answers), truth)))
        for _, posed in found:
            expected = (scene.num_people, self.body.num_vertices, 3)
            if np.shape(posed.vertices) != expected:
                raise InputError(
                    f"scene {scene.key}: fit: field vertices: expected {expected}, found {np.shape(posed.vertices)}"
                )
        return found

    def _about(self, row: Row, parser: str) -> dict[str, Any]:
        """What an entry says besides the figures of bodies."""
        fit, scene, entry = row.fit, row.scene, dict[str, Any]()
        pairs = annotated_pairs(scene)
        if pairs is not None and row.answers:
            for name, ignore_sides in (("contact_f1", False), ("contact_f1_ignoring_sides", True)):
                score = contact_f1(
                    row.answers, pairs, alone=scene.num_people == 1, parser=parser, ignore_sides=ignore_sides
                )
                if score is not None:
                    entry[name] = score
        entry |= {
            "answers": int(fit.answers), "answers_usable": int(fit.answers_usable),
            "rows_rejected": int(fit.rows_rejected),
        }  # fmt: skip
        if fit.steps is not None:
            entry["steps"] = [int(n) for n in np.atleast_1d(fit.steps)]
        if fit.ok:
            entry["seconds"] = float(fit.seconds)
        entry["status"] = fit.status
        if row.no_answers is not None:
            beside: dict[str, Any] = {}
            if row.no_answers.steps is not None:
                beside["steps"] = [int(n) for n in np.atleast_1d(row.no_answers.steps)]
            entry[NO_ANSWERS] = beside | {"status": row.no_answers.status}
        return entry

    def initial_entries(self, scenes: Sequence[Scene]) -> dict[str, dict[str, Any]]:
        """{key: the figures of the initial estimate}, as entries of a run that fits nothing."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(scenes), CHUNK):
            part = scenes[start : start + CHUNK]
            good: list[Posed] = []
            for scene, truth in zip(part, self._truths(part), strict=True):
                if isinstance(truth, InputError):
                    found[scene.key] = {"status": "failed: no truth", "error": str(truth)}
                else:
                    good.append(Posed(scene, *self.initial(scene), truth))
            for posed, figures in zip(good, self.many(good), strict=True):
                found[posed.scene.key] = figures | {"status": "ok"}
        return found

    def scene(
        self,
        scene: Scene,
        fit: Fit,
        no_answers: Fit | None = None,
        answers: Sequence[Answer] = (),
        parser: str = "published",
    ) -> dict[str, Any]:
        """One scene's entry of metrics.json.

        Raises:
          InputError: the fit is of another body, or the scene's truth is incomplete.
        """
        (entry,) = self.entries([Row(scene, fit, no_answers, answers)], parser)
        if "error" in entry:
            raise InputError(entry["error"])
        return entry


class Row(NamedTuple):
    """A scene with its fits and answers."""

    scene: Scene
    fit: Fit
    no_answers: Fit | None = None
    answers: Sequence[Answer] = ()


class _Truth(NamedTuple):
    joints: np.ndarray  # (S, P, 14, 3)
    true_joints: np.ndarray
    pelvis: np.ndarray  # (S, P, 3)
    true_pelvis: np.ndarray
    vertices: np.ndarray  # (S, P, V, 3)
    true_vertices: np.ndarray


@in_double()
def _joint_errors(
    joints: jax.Array, true_joints: jax.Array, pelvis: jax.Array, true_pelvis: jax.Array
) -> dict[str, jax.Array]:
    """Errors of the joints of S scenes of P people, each (S,)."""
    found = {
        "pa_mpjpe_mm": pose.pa_mpjpe_mm(joints, true_joints),
        "mpjpe_mm": pose.mpjpe_mm(joints, true_joints, pelvis, true_pelvis),
        "translation_mpjpe_mm": pose.translation_mpjpe_mm(joints, true_joints),
        "scale_translation_mpjpe_mm": pose.scale_translation_mpjpe_mm(joints, true_joints),
    }
    if joints.shape[1] > 1:
        found["joint_pa_mpjpe_mm"] = pose.joint_pa_mpjpe_mm(joints, true_joints)
    if joints.shape[1] == 2:
        found["pelvis_vector_mm"] = pose.pelvis_vector_mm(pelvis, true_pelvis)
    return found


@in_double()
def _vertex_errors(
    pelvis: jax.Array, true_pelvis: jax.Array, vertices: jax.Array, true_vertices: jax.Array
) -> dict[str, jax.Array]:
    """Errors of the vertices of S scenes of P people, each (S,)."""
    return {
        "pve_mm": pose.pve_mm(vertices, true_vertices, pelvis, true_pelvis),
        "pa_pve_mm": pose.pa_mpjpe_mm(vertices, true_vertices),
    }


def _vertex_errors_compiled(
    loops: ModuleType, pelvis: np.ndarray, true_pelvis: np.ndarray, vertices: np.ndarray, true_vertices: np.ndarray
) -> dict[str, np.ndarray]:
    """`_vertex_errors` in passes over the vertices: XLA is slow along rows of three."""
    pairs = [
        (np.array(found, np.float64), np.array(truth, np.float64))
        for scene, true_scene in zip(vertices, true_vertices, strict=True)
        for found, truth in zip(scene, true_scene, strict=True)
    ]
    sums = (np.stack(parts) for parts in zip(*(loops.moments(*pair) for pair in pairs), strict=True))
    shape = (len(pairs), 3)
    best = similarity_of(*_padded(sums))
    turns, offsets = best.scale[:, None, None] * best.rotation, best.translation
    shifts = true_pelvis.reshape(shape).astype(np.float64) - pelvis.reshape(shape).astype(np.float64)
    errors = [
        (loops.mean_error(*pair, np.eye(3), shift), loops.mean_error(*pair, turn, offset))
        for pair, shift, turn, offset in zip(pairs, shifts, turns, offsets, strict=False)  # the last are padding
    ]
    means = 1000.0 * np.array(errors).reshape(*vertices.shape[:2], 2).mean(axis=1)
    return {"pve_mm": means[:, 0], "pa_pve_mm": means[:, 1]}


_TRUTH_FIGURES = tuple(
    name for name in BODY_METRICS
    if records.TRUTH in records.METRICS[name].needs and records.SEQUENCE not in records.METRICS[name].needs
)  # fmt: skip


def _padded(arrays: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Arrays (S, …) with S brought to a power of two by repeating the last scene: few shapes are compiled."""
    out = []
    for array in arrays:
        size = 1 << (len(array) - 1).bit_length()
        out.append(np.concatenate([array, np.repeat(array[-1:], size - len(array), axis=0)]))
    return out


def _shares(distances: Sequence[np.ndarray]) -> np.ndarray:
    """(S, R) PCC at every radius from each scene's distances."""
    if not distances:
        return np.zeros((0, len(PCC_RADII_M)))
    width = max(8, 1 << (max(map(len, distances)) - 1).bit_length())
    values = np.array([np.pad(one, (0, width - len(one))) for one in distances])
    counted = np.array([np.arange(width) < len(one) for one in distances])
    return shares_below(*_padded((values, counted)), PCC_RADII_M)[: len(distances)]


def _region_figures(touching: np.ndarray, pairs: Sequence[ContactPair], alone: bool = False) -> dict[str, float]:
    return {f"region_{name}": score for name, score in region_contact(touching, pairs, alone).items()}


def _curve(name: str, shares: np.ndarray) -> dict[str, Any]:
    at = {f"{radius:.2f}": float(share) for radius, share in zip(PCC_RADII_M, shares, strict=True)}
    return {name: float(shares.mean()), f"{name}_at": at}


def evaluate(
    body: BodyModel,
    scenes: Iterable[Scene],
    fits: Mapping[str, Fit] | Iterable[Fit],
    *,
    no_answers: Mapping[str, Fit] | None = None,
    answers: Mapping[str, Sequence[Answer]] | None = None,
    parser: str = "published",
    joint_regressor: np.ndarray | JointSet | None = None,
    sequences: str | None = None,
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
      joint_regressor: from `load_joint_set`, or a regressor (14, V); None: SMPL-X joints.
      sequences: a regular expression of keys that tells which scenes are frames of one sequence (`Sequences`).
      progress: called with each scene's key when it is done.

    Returns:
      {"scenes": {key: {…, "initial": {…}}}, "mean": {"two_person": {…}, "self_contact": {…}}} of plain numbers,
      strings, lists and dicts; with `sequences` also {"sequences": {name: {…}}}. A scene that can't be evaluated has an
      "error" with the reason in its entry.
    """
    lookup = getattr(answers, "for_scene", None) or (lambda key: (answers or {}).get(key, []))
    fits, beside = _split_variants(fits, no_answers)

    def rows() -> Iterator[Row]:
        for scene in scenes:
            fit = fits.get(scene.key)
            if fit is not None:
                yield Row(scene, fit, beside.get(scene.key), lookup(scene.key))

    collected = None if sequences is None else Sequences(sequences)
    table = gather(evaluate_rows(Evaluator(body, joint_regressor), rows(), parser, sequences=collected), progress)
    return table | ({} if collected is None else {"sequences": collected.figures()})


def gather(
    entries: Iterable[tuple[str, str, dict[str, Any]]], progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """The figures of a run from the entries of its scenes.

    Args:
      entries: (key, kind, entry) of each scene, from `evaluate_rows`.
      progress: called with each scene's key.

    Returns:
      {"scenes", "mean"} as `evaluate` has them.
    """
    table: dict[str, dict[str, Any]] = {}
    kinds: dict[str, str] = {}
    for key, kind, entry in entries:
        table[key], kinds[key] = entry, kind
        if progress is not None:
            progress(key)
    means = {}
    for kind in KINDS:
        of_kind = [entry for key, entry in table.items() if kinds[key] == kind]
        if of_kind:
            means[kind] = summarise(of_kind)
    return {"scenes": table, "mean": means}


def evaluate_rows(
    evaluator: Evaluator,
    rows: Iterable[Row],
    parser: str = "published",
    chunk: int = CHUNK,
    sequences: Sequences | None = None,
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(key, kind, entry) of each scene in their order; only `chunk` scenes are in memory at a time.

    A scene with a figure that is no finite number has an "error" instead of figures.

    Args:
      evaluator: of the fits' body.
      rows: scenes with their fits, read as they are asked for.
      parser: how the answers are read.
      chunk: scenes measured together.
      sequences: what the joints of frames are added to.
    """
    waiting = iter(rows)
    while part := list(islice(waiting, chunk)):
        for row, entry in zip(part, evaluator.entries(part, parser, sequences), strict=True):
            key = row.scene.key
            yield key, KINDS[0] if row.scene.num_people > 1 else KINDS[1], finite_entry(key, entry)


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
    means = _mean_of(entries, (*BODY_METRICS, *MEANS_ALSO))
    sets = sorted({entry[JOINT_SET] for entry in entries if JOINT_SET in entry})
    if len(sets) > 1:
        raise InputError(f"one mean over errors on different joints ({', '.join(sets)}) would mean nothing")
    if sets:
        means[JOINT_SET] = sets[0]
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
) -> tuple[Mapping[str, Fit], Mapping[str, Fit]]:
    if isinstance(fits, Mapping) and not isinstance(fits, dict):  # read from files as they are asked for
        return fits, {} if no_answers is None else no_answers
    every = list(fits.values()) if isinstance(fits, Mapping) else list(fits)
    beside = {fit.key: fit for fit in every if fit.variant == NO_ANSWERS} | dict(no_answers or {})
    return {fit.key: fit for fit in every if fit.variant != NO_ANSWERS}, beside
