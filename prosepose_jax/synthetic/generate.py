"""Scenes with known truth from a seed: templates, refined, measured, seen by a camera.

Everything random comes from the seed, so the same call makes the same scenes. Scene i of a template depends on
(seed, template, i) alone, not on how many are made. `dataset.make_truths` keeps truths in a folder.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.keypoints import keypoints as body_keypoints
from prosepose_jax.body.model import BodyModel
from prosepose_jax.body.skinning import pose_body
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.synthetic.camera_placement import (
    USUAL_CAMERAS,
    Cameras,
    View,
    choose_view,
    orientation_in_camera,
    translation_in_camera,
)
from prosepose_jax.synthetic.families import family_of
from prosepose_jax.synthetic.figure import Figure
from prosepose_jax.synthetic.levels import Noise
from prosepose_jax.synthetic.measure import PART_OF_REGION, Checks, Contacts, Yardstick
from prosepose_jax.synthetic.noise import hidden_keypoints
from prosepose_jax.synthetic.people import TEMPLATES_OWN, People, change_people, with_child_axis
from prosepose_jax.synthetic.refine import (
    STEPS,
    SURFACE_SAMPLES,
    Start,
    Touches,
    limit_excess,
    make_surface,
    pack_touches,
    refine,
    start_params,
)
from prosepose_jax.synthetic.shapes import Wardrobe
from prosepose_jax.synthetic.spots import SPOTS
from prosepose_jax.synthetic.templates import (
    AZIMUTHS,
    SELF_CONTACT,
    TALLER_FIRST,
    TWO_PERSON,
    Intent,
    Template,
)
from prosepose_jax.synthetic.truth import Truth, observe

KINDS = ("two_person", "self_contact")
_SHAPE_SPREAD, _PAIR_SPREAD = 0.7, 0.5  # of betas: common to a pair, and each person's own
_MOST_REFUSALS = 60  # of one template in a row before giving up
_MOST_WORKERS = 4
_VIEW_STREAM, _PEOPLE_STREAM = 1, 5  # of the scene's random numbers; truth.py has the others


class TooManyRefused(RuntimeError):
    """A template's tries failed the checks again and again: it doesn't suit the body."""

    def __init__(self, template: str, refusals: int) -> None:
        super().__init__(f"template {template}: {refusals} candidates in a row were refused")
        self.template = template


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An authored scene before refining."""

    key: str
    template: str
    seed: tuple[int, ...]
    intent: Intent
    start: Start
    touches: Touches


@dataclasses.dataclass(frozen=True)
class GeneratedScene:
    """A scene with everything that is known about it. Camera frame unless said otherwise."""

    scene: Scene
    answers: tuple[Answer, ...]
    template: str
    contacts: Contacts
    checks: Checks
    view: View
    vertices: np.ndarray  # (P, V, 3) true vertices
    joints: np.ndarray  # (P, J, 3) true joints
    floor: tuple[np.ndarray, np.ndarray]  # point and upward normal


class SceneMaker:
    """Makes scenes of one body; keeps what is costly to prepare.

    Args:
      body: any SMPL-X format body with regions.
      samples: surface samples that keep people apart while refining.
      steps: steps of refining.
      people: what is changed about the people whom the templates draw.
      cameras: where cameras may be.
    """

    def __init__(
        self,
        body: BodyModel,
        samples: int = SURFACE_SAMPLES,
        steps: int = STEPS,
        people: People = TEMPLATES_OWN,
        cameras: Cameras = USUAL_CAMERAS,
    ):
        self.body = jax.tree.map(jnp.asarray, body)
        self.people = people
        self.cameras = cameras
        self._betas = min(10, body.num_betas)
        # People are made with kid_scale as one more beta, and a truth has it apart.
        self._shaped = with_child_axis(self.body, self._betas) if people.child else self.body
        self.wardrobe = Wardrobe(self._shaped)
        self.surface = make_surface(body, samples)
        self.steps = steps
        self.yardstick = Yardstick(body, self.surface)
        self._pose = jax.jit(lambda params: pose_body(self._shaped, params))
        self._pose_true = jax.jit(lambda params: pose_body(self.body, params))

    # ---- stages --------------------------------------------------------------------------------------------

    def author(self, template: str, seed: Sequence[int]) -> Candidate:
        """Poses the figures of one candidate scene."""
        kind: dict[str, Template] = TWO_PERSON if template in TWO_PERSON else SELF_CONTACT
        people = 2 if template in TWO_PERSON else 1
        rng = np.random.default_rng([*seed, zlib.crc32(template.encode())])
        count = self._betas
        common = _SHAPE_SPREAD * rng.normal(size=(1, count)).clip(-2, 2)
        betas = common + _PAIR_SPREAD * rng.normal(size=(people, count)).clip(-2, 2)
        if self.people != TEMPLATES_OWN:
            own_rng = np.random.default_rng([*seed, zlib.crc32(template.encode()), _PEOPLE_STREAM])
            statures = np.array([self.wardrobe.shape(b).height for b in betas])
            mean = self.wardrobe.shape(np.zeros(count)).height
            dirs = self.wardrobe.stature_dirs(count + self.people.child)
            betas = change_people(betas, dirs, statures, mean, self.people, own_rng)
        shapes = [self.wardrobe.shape(b) for b in betas]
        if template in TALLER_FIRST:
            order = np.argsort([-(s.leg_length + s.trunk_length) for s in shapes], kind="stable")
            betas, shapes = betas[order], [shapes[i] for i in order]
        figures = [Figure(shape) for shape in shapes]
        intent = kind[template](*figures, rng)
        orient, pose, transl = (_f32(x) for x in zip(*(f.parameters() for f in figures), strict=True))
        start = Start(
            orient,
            pose,
            transl,
            _f32(betas),
            _f32([f.hands["left"] - np.asarray(self.body.left_hand_mean) for f in figures]),
            _f32([f.hands["right"] - np.asarray(self.body.right_hand_mean) for f in figures]),
        )
        touches = pack_touches(self.body, self.wardrobe.spots, intent.touches, intent.grounded)
        return Candidate("_".join([template, *map(str, seed)]), template, tuple(seed), intent, start, touches)

    def refine(self, candidates: Sequence[Candidate], padded: int | None = None) -> list[Start]:
        """Refines candidates of the same number of people in one batch (padded to one size for one compile)."""
        rows = list(candidates)
        rows += [rows[0]] * ((padded or len(rows)) - len(rows))
        starts = jax.tree.map(lambda *x: np.stack(x), *(c.start for c in rows))
        touches = jax.tree.map(lambda *x: np.stack(x), *(c.touches for c in rows))
        done = jax.device_get(refine(self._shaped, self.surface, starts, touches, self.steps))
        return [jax.tree.map(lambda x, i=i: x[i], done) for i in range(len(candidates))]

    def check(self, candidate: Candidate, refined: Start, thorough: bool = True) -> Checks:
        """Measures a refined candidate in the world frame (`Yardstick.check`)."""
        vertices = np.asarray(self._pose(start_params(refined)).vertices)
        bend = float(np.max(np.asarray(limit_excess(jnp.asarray(refined.body_pose)))))
        grounded = {person for person, _ in candidate.intent.grounded}
        return self.yardstick.check(
            vertices, refined.body_pose, candidate.intent.touches, grounded, self.wardrobe.spots, bend, thorough
        )

    def finish(self, candidate: Candidate, refined: Start, checks: Checks, key: str) -> Truth:
        """Looks at a refined candidate through a camera and measures what touches."""
        people = len(refined.betas)
        rng_view = np.random.default_rng([*candidate.seed, zlib.crc32(candidate.template.encode()), _VIEW_STREAM])
        world = np.asarray(self._pose(start_params(refined)).vertices)
        azimuth = float(rng_view.choice(AZIMUTHS[candidate.template]))
        view = choose_view(world, azimuth, rng_view, cameras=self.cameras)
        shapes = [self.wardrobe.shape(b) for b in refined.betas]
        people_cam = dataclasses.replace(
            refined,
            global_orient=_f32(orientation_in_camera(view, refined.global_orient)),
            transl=_f32(translation_in_camera(view, refined.transl, np.array([s.joints[0] for s in shapes]))),
        )
        posed = jax.device_get(self._pose(start_params(people_cam)))
        keypoints = np.asarray(body_keypoints(self.body, posed), np.float64)
        contacts = self.yardstick.contacts(posed.vertices)
        count = self._betas
        kid_scale = refined.betas[:, count] if self.people.child else np.zeros(people)
        return Truth(
            key=key,
            template=candidate.template,
            seed=candidate.seed,
            global_orient=people_cam.global_orient,
            body_pose=_f32(refined.body_pose),
            betas=_f32(refined.betas[:, :count]),
            transl=people_cam.transl,
            left_hand_pose=_f32(refined.left_hand_pose),
            right_hand_pose=_f32(refined.right_hand_pose),
            pelvis=posed.joints[:, 0],
            keypoints=keypoints,
            hidden=hidden_keypoints(posed.vertices, keypoints, view),
            pelvis_template=np.asarray(self.body.joint_template)[0],
            pelvis_shape_dirs=np.asarray(self.body.joint_shape_dirs)[0, :, :count],
            contacts=contacts,
            intended=tuple(sorted(intended_parts(candidate.intent, contacts, people))),
            grounded=grounded_names(candidate.intent),
            view=view,
            checks=checks,
            heights=np.array([s.height for s in shapes]),
            stature_shape_dirs=self.wardrobe.stature_dirs(count),
            kid_scale=_f32(kid_scale),
            pelvis_kid_dir=np.asarray(self.body.joint_kid_dir)[0],
            stature_kid_dir=self.wardrobe.stature_kid_dir(),
        )

    def pose_truth(self, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (P, V, 3) and joints (P, J, 3) of the true people, camera frame."""
        posed = jax.device_get(self._pose_true(truth.params()))
        return posed.vertices, posed.joints

    # ---- all together --------------------------------------------------------------------------------------

    def attempt(self, template: str, seed: Sequence[int]) -> tuple[Truth | None, Checks]:
        """One try of a template: the scene (its key is not final yet), or None when a check failed."""
        candidate = self.author(template, seed)
        refined = self.refine([candidate])[0]
        checks = self.check(candidate, refined, thorough=False)
        return (self.finish(candidate, refined, checks, candidate.key) if checks.passed else None), checks

    def truths(
        self,
        seed: int,
        wanted: Mapping[str, int],
        *,
        made: Mapping[str, int] | None = None,
        tried: Mapping[str, int] | None = None,
        workers: int = 0,
        progress: Callable[[str], None] | None = None,
    ) -> Iterator[Truth]:
        """Yields accepted scenes of templates of one kind until there are as many as wanted.

        A scene depends on the seed, its template and its number among the template's tries alone.

        Args:
          seed: of everything random.
          wanted: how many scenes of each template.
          made: how many of them exist already.
          tried: with which try each template goes on.
          workers: threads that make scenes side by side; 0: one per core, at most four.
          progress: called with a line about each refused candidate.

        Raises:
          TooManyRefused: far too many candidates of a template were refused.
        """
        names = tuple(wanted)
        made = {name: (made or {}).get(name, 0) for name in names}
        tried = {name: (tried or {}).get(name, 0) for name in names}
        in_a_row = dict.fromkeys(names, 0)
        workers = workers or min(os.cpu_count() or 1, _MOST_WORKERS)
        pending: collections.deque[tuple[str, Future[tuple[Truth | None, Checks]]]] = collections.deque()

        def lack(name: str) -> int:
            return wanted[name] - made[name] - sum(n == name for n, _ in pending)

        def idle() -> bool:
            """Whether another try should be handed out."""
            if not pending:
                return True
            if not warm:  # the first one alone: it compiles
                return False
            if any(in_a_row.values()) and len(pending) < workers:
                return True  # towards the end further tries keep the workers busy
            return len(pending) < 2 * workers and any(lack(name) > 0 for name in names)

        warm = False
        pool = ThreadPoolExecutor(workers)
        try:
            while open_names := [n for n in names if made[n] < wanted[n]]:
                while idle():
                    name = max(open_names, key=lack)
                    pending.append((name, pool.submit(self.attempt, name, (seed, tried[name]))))
                    tried[name] += 1
                name, attempt = pending.popleft()
                truth, checks = attempt.result()
                warm = True
                if made[name] >= wanted[name]:
                    continue
                if truth is None:
                    in_a_row[name] += 1
                    if progress:
                        progress(f"{name} refused: {', '.join(checks.reasons)}")
                    if in_a_row[name] > _MOST_REFUSALS:
                        raise TooManyRefused(name, in_a_row[name])
                    continue
                in_a_row[name] = 0
                made[name] += 1
                yield dataclasses.replace(truth, key=f"{name}_{made[name] - 1:03d}")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def scenes(
        self,
        kind: str,
        count: int,
        seed: int,
        *,
        templates: Sequence[str] | None = None,
        level: str | Noise = "middle",
        num_answers: int = 20,
        workers: int = 0,
        progress: Callable[[str], None] | None = None,
    ) -> Iterator[GeneratedScene]:
        """Yields `count` accepted scenes, the templates in turn; see `generate_scenes`."""
        wanted = share_out(count, templates or tuple(library(kind)))
        for truth in self.truths(seed, wanted, workers=workers, progress=progress):
            yield self.observed(truth, level, num_answers)

    def observed(self, truth: Truth, level: str | Noise = "middle", num_answers: int = 20) -> GeneratedScene:
        """A truth with noisy estimates and answers, and its meshes."""
        scene, answers = observe(truth, level, num_answers=num_answers)
        vertices, joints = self.pose_truth(truth)
        return GeneratedScene(
            scene, tuple(answers), truth.template, truth.contacts, truth.checks, truth.view, vertices, joints,
            truth.floor,
        )  # fmt: skip


def library(kind: str) -> dict[str, Template]:
    """The templates of a kind.

    Raises:
      ValueError: unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {KINDS}, found {kind!r}")
    return TWO_PERSON if kind == "two_person" else SELF_CONTACT


def share_out(count: int, names: Sequence[str], most: Mapping[str, int] | None = None) -> dict[str, int]:
    """So many scenes shared among templates in turn; of those in `most` not more than that, if need be fewer in all."""
    shares = dict.fromkeys(names, 0)
    while left := count - sum(shares.values()):
        taking = [name for name in names if most is None or shares[name] < most.get(name, count)][:left]
        if not taking:
            break
        for name in taking:
            shares[name] += 1
    return shares


def generate_scenes(
    body: BodyModel,
    kind: str = "two_person",
    count: int = 6,
    seed: int = 0,
    *,
    templates: Sequence[str] | None = None,
    level: str | Noise = "middle",
    num_answers: int = 20,
    workers: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[GeneratedScene]:
    """Distinct scenes with truth, noisy initial estimates, keypoints and simulated answers.

    Args:
      body: any SMPL-X format body with regions.
      kind: "two_person" or "self_contact".
      count: accepted scenes wanted; the templates take turns.
      seed: everything random comes from it.
      templates: names to use; None for all of the kind.
      level: noise of regressor, keypoints and answers: "low", "middle", "high", a family's name or a `Noise`.
      num_answers: N answers per scene.
      workers: threads that make scenes side by side; 0: one per core, at most four.
      progress: called with a line about each refused candidate.

    Returns:
      Scenes whose intended contacts are within 3 mm and where nobody is deeper than 1 cm in the other.

    Raises:
      ValueError: unknown kind, template or level.
      TooManyRefused: far too many candidates of a template were refused.
    """
    family = family_of(level)
    unknown = sorted(set(templates or ()) - set(library(kind)))
    if unknown:
        raise ValueError(f"templates: expected names of {tuple(library(kind))}, found {unknown}")
    maker = SceneMaker(body, people=family.people, cameras=family.cameras).scenes(
        kind,
        count,
        seed,
        templates=templates,
        level=family.noise,
        num_answers=num_answers,
        workers=workers,
        progress=progress,
    )
    return list(maker)


def _f32(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)


def intended_parts(intent: Intent, contacts: Contacts, people: int) -> set[tuple[str, str]]:
    """The measured part pairs that the template meant."""
    meant = set()
    for touch in intent.touches:
        a, b = ({PART_OF_REGION[r] for r in SPOTS[spot]} for spot in (touch.spot_a, touch.spot_b))
        if people == 2 and touch.person_a == 1:
            a, b = b, a
        meant |= {p for p in contacts.parts if (p[0] in a and p[1] in b) or (people == 1 and p[0] in b and p[1] in a)}
    return meant


def grounded_names(intent: Intent) -> tuple[str, ...]:
    """Part names (without side) that the template puts on the floor."""
    words = {
        "foot": "foot",
        "sole": "foot",
        "butt": "butt",
        "knee": "leg",
        "calf": "leg",
        "shin": "leg",
        "hand": "hand",
        "palm": "hand",
        "face": "head",
    }
    names = [words.get(spot.split()[-1], "") for _, spot in intent.grounded]
    return tuple(dict.fromkeys(n for n in names if n))
