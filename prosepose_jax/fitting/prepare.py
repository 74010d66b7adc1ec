"""From records on the host to arrays for the device, and from batches of equal shape to groups."""

from __future__ import annotations

import dataclasses
import itertools
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.camera.pinhole import MIN_DEPTH_M
from prosepose_jax.contact import Grounded, compile_answers, grounded_parts
from prosepose_jax.contact.program import (
    ContactProgram,
    ProgramArrays,
    ProgramShape,
    bucket,
    program_shape,
    takes_fallback,
)
from prosepose_jax.errors import InputError
from prosepose_jax.fitting.arrays import SceneArrays
from prosepose_jax.fitting.seen import see
from prosepose_jax.fitting.settings import FitSettings
from prosepose_jax.language import Votes, aligned, compile_votes
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.terms import Camera, SceneReading
from prosepose_jax.terms.contact import entries_of, fine_pairs_of, only_pair

# Programs of a size class share the arrays' shape, so a class must not be wide: the sizes up to which a program is
# of the first class, and by how much each grows from class to class.
_PROGRAM_CLASSES = {"levels": (9, 1.6), "nodes": (128, 2.0), "edges": (16, 1.6), "minima": (128, 2.0)}
_ENTRY_STEP, _FINE_PAIR_STEP = 32, 64


@dataclasses.dataclass(frozen=True)
class PreparedScene:
    """One scene with its compiled answers, not yet padded."""

    scene: Scene
    program: ContactProgram  # what the answers say, for the records
    arrays: ProgramArrays  # what the fit uses: an empty program for a fallback
    fallback: bool
    settings: FitSettings  # of its preparation and its weights; the fit itself takes its own
    votes: Votes | None = None  # what the answers tell beyond touch
    grounded: Grounded = ()  # which parts they say are on the ground
    place: int = 0  # among the scenes of a call
    start: Mapping[str, np.ndarray] | None = None  # where what moves of its people begins; None: as estimated

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """(stages,) weights of every term, those of the fallback where it applies."""
        return self.settings.weights(self.fallback)


def check_scene(scene: Scene, settings: FitSettings, num_betas: int) -> None:
    """Raises InputError when the scene cannot be fitted in this mode or with this body."""
    if np.any(np.asarray(scene.betas)[:, num_betas:]):
        raise InputError(
            f"scene {scene.key}: field betas has {scene.betas.shape[1]} coefficients, the body has {num_betas}"
        )
    for name in ("global_orient", "body_pose", "betas", "transl", "keypoints", "focal_length", "principal_point"):
        if not np.all(np.isfinite(getattr(scene, name))):
            raise InputError(f"scene {scene.key}: field {name} has NaN or infinite values, expected finite numbers")
    behind = np.flatnonzero(np.asarray(scene.transl)[:, 2] <= MIN_DEPTH_M)
    if len(behind):
        raise InputError(
            f"scene {scene.key}: field transl puts person {behind[0]} at or behind the camera, expected z > 0"
        )
    if settings.mode == "two_person" and scene.num_people < 2:
        raise InputError(
            f"scene {scene.key}: has {scene.num_people} person, the config's mode two_person expects 2 or more"
        )
    if settings.mode == "self_contact" and scene.num_people != 1:
        raise InputError(f"scene {scene.key}: has {scene.num_people} people, the config's mode self_contact expects 1")
    for person, visible in enumerate(np.any(np.asarray(scene.keypoints)[..., 2] > 0, axis=1).tolist()):
        if not visible:
            raise InputError(f"scene {scene.key}: field keypoints has no visible keypoint of person {person}")


def prepare_scene(scene: Scene, answers: Sequence[Answer], settings: FitSettings, num_betas: int = 10) -> PreparedScene:
    """Compiles a scene's answers and decides on the fallback (docs/method.md, "Answers and rows").

    Args:
      scene: the scene.
      answers: about it; none make it fall back.
      settings: of the fit.
      num_betas: shape coefficients of the body in use.

    Raises:
      InputError: the scene cannot be fitted; the message says why.
    """
    check_scene(scene, settings, num_betas)
    pairs = [(0, 0)] if settings.mode == "self_contact" else list(itertools.combinations(range(scene.num_people), 2))

    def compiled(some: Sequence[Answer]) -> ContactProgram:
        return compile_answers(
            list(some),
            num_people=scene.num_people,
            mode=settings.mode,
            parser=settings.parser,
            min_count=settings.min_count,
            min_share=settings.min_share,
            aggregation=settings.aggregation,
        )

    program = compiled(answers)
    votes: Votes | None = None
    grounded: Grounded = ()
    if settings.use_answers:
        votes = aligned(compile_votes(answers, scene.num_people))
        if any(term.reads_ground for term in settings.terms):
            grounded = grounded_parts(answers, scene.num_people)
    if settings.use_answers and not takes_fallback(program, settings.fallback_empty_answers):
        return PreparedScene(
            scene, program, program.arrays, fallback=False, settings=settings, votes=votes, grounded=grounded
        )
    # The fallback asks for no named contact; the heuristic looks at every pair of people.
    empty = dataclasses.replace(compiled([]).arrays, pairs=np.array(pairs, np.int32))
    return PreparedScene(scene, program, empty, fallback=True, settings=settings, votes=votes, grounded=grounded)


def initial_batch(body: BodyModel, batch: Sequence[PreparedScene]) -> BodyParams:
    """The scenes' initial estimates, stacked: (B, P, …) numpy leaves."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *[initial_params(body, item.scene) for item in batch])


def filled_up(tree: Any, size: int) -> Any:
    """Stacked scenes, the last one repeated to so many: calls of similar size share a compilation."""
    return jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[-1:], size - len(x), axis=0)]), tree)


def _round_up(size: int, step: int) -> int:
    return max(step, -(-size // step) * step)


def starting_batch(body: BodyModel, batch: Sequence[PreparedScene]) -> BodyParams:
    """Where the scenes' fits begin, stacked: their initial estimates, or what they are to begin with."""

    def start(item: PreparedScene) -> BodyParams:
        moving: Any = item.start or {}
        return dataclasses.replace(initial_params(body, item.scene), **moving)

    starts = [start(item) for item in batch]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *starts)


def initial_params(body: BodyModel, scene: Scene) -> BodyParams:
    """The scene's initial estimate as parameters of the body (numpy leaves, float32)."""
    people = scene.num_people

    def filled(value: np.ndarray | None, shape: tuple[int, ...]) -> Any:
        return np.zeros((people, *shape), np.float32) if value is None else np.asarray(value, np.float32)

    betas = np.zeros((people, min(10, body.num_betas)), np.float32)
    given = np.asarray(scene.betas, np.float32)[:, : betas.shape[1]]
    betas[:, : given.shape[1]] = given
    expression = np.zeros((people, min(10, body.num_expressions)), np.float32)
    if scene.expression is not None:
        kept = np.asarray(scene.expression, np.float32)[:, : expression.shape[1]]
        expression[:, : kept.shape[1]] = kept
    leaves: dict[str, Any] = {
        "global_orient": filled(scene.global_orient, (3,)),
        "body_pose": filled(scene.body_pose, (21, 3)),
        "betas": betas,
        "transl": filled(scene.transl, (3,)),
        "left_hand_pose": filled(scene.left_hand_pose, (15, 3)),
        "right_hand_pose": filled(scene.right_hand_pose, (15, 3)),
        "jaw_pose": filled(scene.jaw_pose, (3,)),
        "leye_pose": np.zeros((people, 3), np.float32),
        "reye_pose": np.zeros((people, 3), np.float32),
        "expression": expression,
        "kid_scale": filled(scene.kid_scale, ()),
    }
    return BodyParams(**leaves)  # numpy until the batch is put together


def group_scenes(
    prepared: Sequence[PreparedScene], shared: Mapping[GroupKey, Room] | None = None
) -> list[list[PreparedScene]]:
    """Scenes that share array shapes: same people and pairs, programs of similar size, or one room of `shared`."""
    groups: dict[Any, list[PreparedScene]] = {}
    for item in prepared:
        key = group_key(item)
        groups.setdefault(key if shared is None else (key[:-1], shared[key]), []).append(item)
    return list(groups.values())


GroupKey = tuple[int, int, "tuple[int, int] | None", int]


def group_key(item: PreparedScene) -> GroupKey:
    """What the scenes of a group have in common: people, pairs, the pair where there is one, program size."""
    shape = program_shape(item.arrays)
    return (item.scene.num_people, shape.pairs, only_pair(item.arrays), _program_class(shape))


def _program_class(shape: ProgramShape) -> int:
    number = 0
    while any(getattr(shape, name) > size * growth**number for name, (size, growth) in _PROGRAM_CLASSES.items()):
        number += 1
    return number


class GroupShape(NamedTuple):
    """Sizes to which the scenes of a group are padded; calls that share them share a compilation."""

    program: ProgramShape
    entries: int  # region pairs that a search looks at
    fine_pairs: int  # of sampled fine regions


def group_shape(group: Sequence[PreparedScene], settings: FitSettings) -> GroupShape:
    """The smallest sizes of coarse ladders that hold every scene of a group."""
    entries = [entries_of(item.arrays) for item in group]
    sampled = settings.search == "sample"
    return GroupShape(
        bucket(*(program_shape(item.arrays) for item in group)),
        _round_up(max(map(len, entries)), _ENTRY_STEP),
        _round_up(max(len(fine_pairs_of(e)) for e in entries), _FINE_PAIR_STEP) if sampled else 0,
    )


class Room(NamedTuple):
    """What calls share with the calls of other scenes that they are to share a compilation with."""

    scenes: int  # of the group in all
    shape: GroupShape


def stack_scenes(
    body: BodyModel,
    group: Sequence[PreparedScene],
    initial_px: np.ndarray,
    settings: FitSettings,
    shape: GroupShape | None = None,
) -> SceneArrays:
    """One batch of scenes as stacked arrays (numpy).

    Args:
      body: the body model.
      group: B scenes of one group.
      initial_px: (B, P, 25, 2) keypoints of the initial estimates in the image.
      settings: of the fit; what concerns one scene alone is the scene's own.
      shape: sizes that hold them; None for those of `group_shape`.
    """
    shape = group_shape(group, settings) if shape is None else shape
    scenes = []
    for item, pixels in zip(group, initial_px, strict=True):
        scene, initial = item.scene, initial_params(body, item.scene)
        seen = see(scene, pixels, item.settings)
        reading = SceneReading(
            scene=scene,
            initial=initial,
            errors=item.settings.errors,
            votes=item.votes,
            keypoints=seen.keypoints,
            box_px=seen.box_px,
            beyond=seen.beyond,
            program=item.arrays,
            program_shape=shape.program,
            entries=shape.entries,
            fine_pairs=shape.fine_pairs,
            grounded=item.grounded,
        )
        camera: dict[str, Any] = {
            "focal_px": np.asarray(scene.focal_length, np.float32),
            "principal_px": np.asarray(scene.principal_point, np.float32),
        }
        leaves: dict[str, Any] = {
            "params": initial,
            "camera": Camera(**camera),
            "weights": item.weights,
            "terms": {term.name: term.prepare_scene(reading) for term in settings.terms},
            "seed": np.uint32(zlib.crc32(scene.key.encode())),
        }
        scenes.append(SceneArrays(**leaves))
    return jax.tree.map(lambda *leaves: np.stack(leaves), *scenes)
