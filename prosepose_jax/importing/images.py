"""From the outputs of other tools on one image to scenes (docs/import.md; docs/method.md, "Import")."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prosepose_jax.body.model import BodyModel
from prosepose_jax.errors import InputError
from prosepose_jax.importing.estimates import Estimate, ImageEstimates
from prosepose_jax.importing.flickrci3d import AnnotatedPair, read_annotations
from prosepose_jax.importing.matching import (
    ESTIMATE_LIMIT,
    boxes_overlap,
    match_boxes,
    match_people,
    merge_detections,
    person_box,
)
from prosepose_jax.importing.retarget import Retargeted, retarget
from prosepose_jax.importing.sources.bev import read_bev
from prosepose_jax.importing.sources.smpl import read_smpl
from prosepose_jax.io.openpose import read_openpose
from prosepose_jax.scene import Scene

SOURCES = ("bev", "smpl")


@dataclasses.dataclass(frozen=True)
class ImageInputs:
    """The files that belong to one image."""

    name: str  # scenes are called NAME_0, NAME_1, …
    estimates: Path
    keypoints: tuple[Path, ...] = ()  # most trusted first
    image: Path | None = None
    annotations: Path | None = None


@dataclasses.dataclass(frozen=True)
class ImportedScene:
    """A scene and what is to be said about its people."""

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


def import_image(
    body: BodyModel, inputs: ImageInputs, source: str = "bev", people: int = 2, keep_betas: bool = False
) -> ImportResult:
    """Reads, matches and places the people of one image.

    Args:
      body: the body model the scenes are for.
      inputs: the image's files.
      source: "bev" or "smpl", the kind of `inputs.estimates`.
      people: 2 makes a scene of each annotated pair, else of each overlapping pair; 1 a scene of each person.
      keep_betas: the estimates were made with this very body: shapes are taken as they are.

    Raises:
      InputError: a file cannot be used, or nobody of the estimates has keypoints.
    """
    reader = {"bev": read_bev, "smpl": read_smpl}[source]
    estimates = reader(inputs.estimates, inputs.image)
    detections = [read_openpose(path) for path in inputs.keypoints]
    if not detections and estimates.detections is not None:
        detections = [estimates.detections]
    if not detections:
        raise InputError(f"{inputs.estimates}: no 2D keypoints; give at least one keypoint file of the image")
    pairs = _annotated_pairs(inputs) if people == 2 else ()

    matched, notes = _match(body, inputs, estimates, merge_detections(detections), keep_betas)
    if people == 1:
        groups: list[tuple[tuple[_Person, ...], AnnotatedPair | None] | str] = [((p,), None) for p in matched]
    elif pairs:
        groups = _annotated_groups(matched, pairs)
    else:
        groups = [(pair, None) for pair in _overlapping(matched)]
        if not groups:
            raise InputError(f"{inputs.name}: no two people overlap in the image; --people=1 makes a scene of each")
    scenes, failures = [], {}
    for index, group in enumerate(groups):
        key = f"{inputs.name}_{index}"
        if isinstance(group, str):
            failures[key] = group
        else:
            scenes.append(_scene(key, estimates, *group, keep_betas=keep_betas))
    return ImportResult(tuple(scenes), failures, tuple(notes))


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
    body: BodyModel, inputs: ImageInputs, estimates: ImageEstimates, keypoints: np.ndarray, keep_betas: bool
) -> tuple[list[_Person], list[str]]:
    """People that both the regressor and a detector saw, from left to right in the image."""
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
    pairs = match_people(own, keypoints, ESTIMATE_LIMIT)
    people = [_Person(estimates.people[i], fitted[i], keypoints[j]) for i, j in pairs]
    notes = []
    for i in sorted(set(range(len(own))) - {i for i, _ in pairs}):
        x, y = own[i, :, :2].mean(axis=0)
        notes.append(f"{inputs.name}: the estimate of a person at ({x:.0f}, {y:.0f}) has no keypoints and is left out")
    for j in sorted(set(range(len(keypoints))) - {j for _, j in pairs}):
        x, y = keypoints[j, keypoints[j, :, 2] > 0, :2].mean(axis=0)
        notes.append(f"{inputs.name}: the keypoints of a person at ({x:.0f}, {y:.0f}) have no estimate near them")
    if not people:
        raise InputError(
            f"{inputs.estimates}: none of the {len(own)} estimated people matches one of the {len(keypoints)} people "
            "with keypoints"
        )
    return sorted(people, key=lambda p: _centre_x(p.keypoints)), notes


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

    scene = Scene(
        key=key,
        global_orient=np.stack([f.global_orient for f in fitted]),
        body_pose=np.stack([f.body_pose for f in fitted]),
        betas=np.stack([f.betas for f in fitted]),
        transl=np.stack([f.transl for f in fitted]),
        keypoints=np.stack([p.keypoints for p in people]),
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
