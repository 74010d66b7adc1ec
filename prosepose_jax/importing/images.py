"""From the outputs of other tools on one image to scenes (docs/import.md; docs/method.md, "Import")."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prosepose_jax.body.model import BodyModel
from prosepose_jax.errors import InputError
from prosepose_jax.importing.agreement import (
    DEPTH_M,
    HEIGHT_M,
    NOTE_SHARE,
    REFUSE_SHARE,
    TURNED_DEG,
    limb_share,
    named_cause,
)
from prosepose_jax.importing.detections import Detections
from prosepose_jax.importing.estimates import Estimate, ImageEstimates
from prosepose_jax.importing.flickrci3d import AnnotatedPair, read_annotations
from prosepose_jax.importing.keypoints import read_merged
from prosepose_jax.importing.matching import (
    ESTIMATE_LIMIT,
    boxes_overlap,
    match_boxes,
    match_people,
    merge_detections,
    person_box,
)
from prosepose_jax.importing.retarget import Retargeted, retarget
from prosepose_jax.importing.sources.table import SOURCES as READERS
from prosepose_jax.importing.sources.table import open_estimates
from prosepose_jax.scene import Scene

SOURCES = ("auto", *READERS)
ALL_FRAMES = "all"  # of a video: scenes of each frame


@dataclasses.dataclass(frozen=True)
class ImageInputs:
    """The files that belong to one image."""

    name: str  # scenes are called NAME_0, NAME_1, …
    estimates: Path
    keypoints: tuple[Path, ...] = ()  # files, or folders with one an image; most trusted first
    image: Path | None = None
    annotations: Path | None = None
    more_estimates: tuple[Path, ...] = ()  # further files of the same image
    frame: str | None = None  # of a video's file; "all": each frame becomes scenes
    focal: float | None = None  # px, where the file has none
    keypoint_layouts: tuple[str, ...] = ()  # one for all keypoint files or one each; "" or "auto": recognised
    image_id: str | None = None  # the image in keypoint files for many; "auto": by name, else by its people


@dataclasses.dataclass(frozen=True)
class ImportedScene:
    """A scene and what is to be said about its people; `agreement` is in the scene as well."""

    scene: Scene
    people: tuple[Retargeted, ...]


@dataclasses.dataclass(frozen=True)
class ImportResult:
    """All scenes of an image.

    Attributes:
      scenes: the scenes, in order.
      failures: {scene key: reason} of those that could not be made.
      notes: what was left out and why.
    """

    scenes: tuple[ImportedScene, ...]
    failures: dict[str, str]
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Person:
    """One matched person of the image."""

    estimate: Estimate
    fitted: Retargeted
    keypoints: np.ndarray  # (25, 3) detected
    hands: np.ndarray | None  # (2, 21, 3) detected


def import_image(
    body: BodyModel,
    inputs: ImageInputs,
    source: str = "auto",
    people: int = 2,
    keep_betas: bool = False,
    force: bool = False,
) -> ImportResult:
    """Reads, matches and places the people of one image, or of the frames of a video.

    Args:
      body: the body model the scenes are for.
      inputs: the image's files.
      source: what wrote the estimates, a name of SOURCES; "auto" recognises it.
      people: 2 makes a scene of each annotated pair, else of each overlapping pair; 1 a scene of each person.
      keep_betas: the estimates were made with this very body: shapes are taken as they are.
      force: import also where estimates and keypoints contradict each other.

    Raises:
      InputError: a file cannot be used, or nobody of the estimates has keypoints. What was noted before hangs on it
        as notes (`__notes__`).
    """
    opened = open_estimates(
        (inputs.estimates, *inputs.more_estimates), inputs.image, source, inputs.frame, inputs.focal
    )
    if inputs.frame != ALL_FRAMES:
        return _import_frame(body, inputs, opened.read(), people, keep_betas, force)
    frames = opened.frames()
    if not frames:
        raise InputError(f"{inputs.estimates}: --frame={ALL_FRAMES}: holds no frames, but one image")
    stems = [Path(frame).stem for frame in frames]
    scenes: list[ImportedScene] = []
    failures: dict[str, str] = {}
    notes: list[str] = []
    seen: set[bytes] = set()  # keypoints of the frames
    for index, frame in enumerate(frames):
        label = stems[index] if stems.count(stems[index]) == 1 else f"{index:06d}"
        one = dataclasses.replace(inputs, name=f"{inputs.name}_{label}", frame=frame)
        try:
            # The photograph tells the size; it is the picture of no more than one of the frames.
            estimates = dataclasses.replace(opened.read(frame), image=None)
            result = _import_frame(body, one, estimates, people, keep_betas, force)
        except InputError as error:
            notes += getattr(error, "__notes__", ())
            failures[one.name] = str(error)
            continue
        scenes += result.scenes
        failures |= result.failures
        notes += result.notes
        seen.add(b"".join(made.scene.keypoints.tobytes() for made in result.scenes))
    if len(frames) > 1 and len(seen) == 1 and len(scenes) > 1:
        raise InputError(
            f"{inputs.estimates}: --frame={ALL_FRAMES}: the keypoints are the same in every frame; give a keypoint "
            "file that goes over the frames, or choose one frame"
        )
    return ImportResult(tuple(scenes), failures, tuple(dict.fromkeys(notes)))


def _import_frame(
    body: BodyModel, inputs: ImageInputs, estimates: ImageEstimates, people: int, keep_betas: bool, force: bool
) -> ImportResult:
    """One image, its estimates read; notes hang on the error as well."""
    notes = [f"{inputs.name}: read as {estimates.tool}", *estimates.notes]
    try:
        return _import(body, inputs, estimates, people, keep_betas, force, notes)
    except InputError as error:
        for note in notes:
            error.add_note(note)
        raise


def _import(
    body: BodyModel,
    inputs: ImageInputs,
    estimates: ImageEstimates,
    people: int,
    keep_betas: bool,
    force: bool,
    notes: list[str],
) -> ImportResult:
    pairs = _annotated_pairs(inputs) if people == 2 else ()
    matched = _match(body, inputs, estimates, keep_betas, notes)
    if people == 1:
        groups: list[tuple[tuple[_Person, ...], AnnotatedPair | None] | str] = [((p,), None) for p in matched]
    elif pairs:
        groups = _annotated_groups(matched, pairs)
    else:
        groups = [(pair, None) for pair in _overlapping(matched)]
        if not groups:
            problem = "one person left, two are needed" if len(matched) == 1 else "no two people overlap in the image"
            raise InputError(f"{inputs.name}: {problem}; --people=1 makes a scene of each")
    scenes, failures = [], {}
    for index, group in enumerate(groups):
        key = f"{inputs.name}_{index}"
        if isinstance(group, str):
            failures[key] = group
            continue
        members, annotation = group
        shares, said, refusal = _agreement(key, estimates, members)
        notes += said
        if refusal is not None:
            if not force:
                failures[key] = f"{refusal}; --force imports it all the same"
                continue
            notes.append(f"{key}: {refusal}")
        made = _scene(key, estimates, members, annotation, keep_betas)
        scene = dataclasses.replace(made.scene, agreement=np.array(shares, np.float32))
        scenes.append(dataclasses.replace(made, scene=scene))
    return ImportResult(tuple(scenes), failures, tuple(notes))


def _detections(inputs: ImageInputs, estimates: ImageEstimates, own: np.ndarray) -> Detections:
    """What the detectors saw, else what came with the estimates; `own` (n, 25, 2+) is BODY_25 of the estimates, px."""
    if not inputs.keypoints and estimates.detections is not None:
        return merge_detections([Detections(estimates.detections)])
    if not inputs.keypoints:
        raise InputError(f"{inputs.estimates}: no 2D keypoints; give at least one keypoint file of the image")
    return read_merged(
        inputs.keypoints,
        layouts=inputs.keypoint_layouts,
        names=(*([inputs.image.name] if inputs.image is not None else []), inputs.name),
        image_id=inputs.image_id,
        frame=inputs.frame,
        image_size=estimates.image_size.tolist(),
        people_px=np.concatenate([own[..., :2], np.ones((*own.shape[:2], 1))], axis=2),
        image=inputs.image,
    )


def _agreement(
    key: str, image: ImageEstimates, people: tuple[_Person, ...]
) -> tuple[list[float], list[str], str | None]:
    """Limb distances of a scene's people as shares of their size, notes, and why it is refused if it is."""
    projected = np.stack([p.fitted.keypoints_px for p in people])
    detected = np.stack([p.keypoints for p in people])
    shares = [limb_share(a, b) for a, b in zip(projected, detected, strict=True)]
    notes = []
    for index, (share, person) in enumerate(zip(shares, people, strict=True)):
        if share >= NOTE_SHARE:
            notes.append(f"{key}: person {index}: limbs are {100 * share:.0f} % of its size from the keypoints")
        turned = person.fitted.turned_deg
        if turned is not None and turned > TURNED_DEG:
            notes.append(
                f"{key}: person {index}: the tool's rotations do not go with its joints ({turned:.0f}° apart on "
                "average); the joints are followed"
            )
        depth = float(person.estimate.root[2])
        if not DEPTH_M[0] <= depth <= DEPTH_M[1]:
            return shares, notes, f"person {index} is {depth:.3g} m from the camera; millimetres for metres?"
        if not HEIGHT_M[0] <= person.fitted.height_m <= HEIGHT_M[1]:
            return shares, notes, f"person {index} is {person.fitted.height_m:.3g} m high; millimetres for metres?"
    cause = named_cause(projected, detected, image.principal_point, image.image_size)
    far = [f"{100 * s:.0f} %" for s in shares if s > REFUSE_SHARE]
    if cause is not None:
        return shares, notes, f"estimates and keypoints contradict each other; it would be explained by: {cause}"
    if len(far) >= 2:
        return shares, notes, f"the limbs of {len(far)} people are {' and '.join(far)} of their size from the keypoints"
    return shares, notes, None


def _annotated_pairs(inputs: ImageInputs) -> tuple[AnnotatedPair, ...]:
    if inputs.annotations is None:
        return ()
    annotations = read_annotations(inputs.annotations)
    names = [inputs.name, *([inputs.image.stem] if inputs.image is not None else [])]
    for name in names:
        if name in annotations:
            return annotations[name]
    if len(annotations) == 1:
        return next(iter(annotations.values()))
    raise InputError(f"{inputs.annotations}: no annotation of {' or '.join(map(repr, dict.fromkeys(names)))}")


def _match(
    body: BodyModel,
    inputs: ImageInputs,
    estimates: ImageEstimates,
    keep_betas: bool,
    notes: list[str],
) -> list[_Person]:
    """People that both the regressor and a detector saw, from left to right in the image; adds to `notes`."""
    fitted, own = _fit(body, estimates, keep_betas)
    detected = _detections(inputs, estimates, own)
    notes += detected.notes
    keypoints, hands = detected.keypoints, detected.hands
    pairs = match_people(own, keypoints, ESTIMATE_LIMIT)
    worst = _worst_share(fitted, keypoints, pairs)
    for meaning, roots in () if keep_betas or worst <= NOTE_SHARE else estimates.other_roots:
        moved = [dataclasses.replace(p, root=root) for p, root in zip(estimates.people, roots, strict=True)]
        other = dataclasses.replace(estimates, people=tuple(moved))
        other_fitted, other_own = _fit(body, other, keep_betas)
        other_pairs = match_people(other_own, keypoints, ESTIMATE_LIMIT)
        if len(other_pairs) >= len(pairs) and _worst_share(other_fitted, keypoints, other_pairs) < worst / 3:
            estimates, fitted, own, pairs = other, other_fitted, other_own, other_pairs
            notes.append(f"{inputs.name}: the translation is taken for {meaning}: so it agrees with the keypoints")
            break
    people = [
        _Person(estimates.people[i], fitted[i], keypoints[j], None if hands is None else hands[j]) for i, j in pairs
    ]
    for i in sorted(set(range(len(own))) - {i for i, _ in pairs}):
        x, y = own[i, :, :2].mean(axis=0)
        notes.append(f"{inputs.name}: the estimate of a person at ({x:.0f}, {y:.0f}) has no keypoints and is left out")
    for j in sorted(set(range(len(keypoints))) - {j for _, j in pairs}):
        x, y = keypoints[j, keypoints[j, :, 2] > 0, :2].mean(axis=0)
        notes.append(f"{inputs.name}: the keypoints of a person at ({x:.0f}, {y:.0f}) have no estimate near them")
    if not people:
        raise InputError(
            f"{inputs.estimates}: none of the {len(own)} estimated people matches one of the {len(keypoints)} people "
            f"with keypoints{_why_strangers(own, keypoints, estimates)}"
        )
    return sorted(people, key=lambda p: _centre_x(p.keypoints))


def _fit(body: BodyModel, estimates: ImageEstimates, keep_betas: bool) -> tuple[list[Retargeted], np.ndarray]:
    """The people on the body in use, and their keypoints (n, 25, 3) as the tool has them."""
    fitted = [
        retarget(body, person, estimates.focal_length, estimates.principal_point, keep_betas)
        for person in estimates.people
    ]
    own = np.array(
        [
            f.keypoints_px if person.keypoints_px is None else person.keypoints_px
            for person, f in zip(estimates.people, fitted, strict=True)
        ]
    )
    return fitted, own


def _worst_share(fitted: Sequence[Retargeted], keypoints: np.ndarray, pairs: Sequence[tuple[int, int]]) -> float:
    """The largest limb distance of matched people; infinite where nobody is matched."""
    shares = [limb_share(fitted[i].keypoints_px, keypoints[j]) for i, j in pairs]
    return max((s for s in shares if np.isfinite(s)), default=np.inf)


def _why_strangers(own: np.ndarray, keypoints: np.ndarray, estimates: ImageEstimates) -> str:
    """What would bring as many estimates and detections together, paired from left to right; "" if nothing known."""
    if len(own) != len(keypoints):
        return ""
    mine, theirs = (p[np.argsort(p[..., 0].mean(axis=1), kind="stable")] for p in (own, keypoints))
    cause = named_cause(mine, theirs, estimates.principal_point, estimates.image_size)
    return "" if cause is None else f"; it would be explained by: {cause}"


def _centre_x(keypoints: np.ndarray) -> float:
    box = person_box(keypoints)
    return float(box[0] + box[2])


def _annotated_groups(
    people: list[_Person], pairs: Sequence[AnnotatedPair]
) -> list[tuple[tuple[_Person, ...], AnnotatedPair | None] | str]:
    """For each annotated pair its two people in the annotation's order, or why there are none."""
    # All boxes of the image are matched at once: a person belongs to one box.
    boxes = list(dict.fromkeys(tuple(map(float, box)) for pair in pairs for box in pair.boxes))
    keypoints = np.array([p.keypoints for p in people])
    person_of = {boxes[i]: people[j] for i, j in match_boxes(np.array(boxes), keypoints)}
    groups: list[tuple[tuple[_Person, ...], AnnotatedPair | None] | str] = []
    for pair in pairs:
        keys = [tuple(map(float, box)) for box in pair.boxes]
        lost = [key for key in keys if key not in person_of]
        if lost:
            text = ", ".join("[" + ", ".join(f"{v:.0f}" for v in key) + "]" for key in lost)
            groups.append(f"no person with an estimate and keypoints in the annotated box {text}")
        else:
            groups.append((tuple(person_of[key] for key in keys), pair))
    return groups


def _overlapping(people: list[_Person]) -> list[tuple[_Person, _Person]]:
    """Pairs whose boxes overlap; the left person first, pairs from left to right."""
    return [(a, b) for a, b in itertools.combinations(people, 2) if boxes_overlap(a.keypoints, b.keypoints)]


def _scene(
    key: str, image: ImageEstimates, people: tuple[_Person, ...], annotation: AnnotatedPair | None, keep_betas: bool
) -> ImportedScene:
    fitted = tuple(p.fitted for p in people)

    def optional(name: str) -> np.ndarray | None:
        """Hands, jaw and expression: only when every person has them."""
        values = [getattr(p.estimate, name) for p in people]
        return None if any(v is None for v in values) else np.stack(values).astype(np.float32)

    hands = None
    if any(p.hands is not None and (p.hands[..., 2] > 0).any() for p in people):
        hands = np.stack([np.zeros((2, 21, 3), np.float32) if p.hands is None else p.hands for p in people])

    scene = Scene(
        key=key,
        global_orient=np.stack([f.global_orient for f in fitted]),
        body_pose=np.stack([f.body_pose for f in fitted]),
        betas=np.stack([f.betas for f in fitted]),
        transl=np.stack([f.transl for f in fitted]),
        keypoints=np.stack([p.keypoints for p in people]),
        keypoints_hands=hands,
        focal_length=image.focal_length,
        principal_point=image.principal_point,
        image_size=image.image_size,
        left_hand_pose=optional("left_hand_pose"),
        right_hand_pose=optional("right_hand_pose"),
        jaw_pose=optional("jaw_pose"),
        # Expression coefficients, like betas, belong to the model they were made for.
        expression=optional("expression") if keep_betas else None,
        kid_scale=np.array([f.kid_scale for f in fitted], np.float32),
        image=image.image,
        gt_region_pairs=None if annotation is None else annotation.region_pairs,
    )
    return ImportedScene(scene=scene, people=fitted)
