"""The scenes of a point: generated and kept in the sweep's folder, or read from a folder."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prosepose_jax.body import BodyModel
from prosepose_jax.errors import InputError
from prosepose_jax.io import AnswerSet, load_answers, load_scenes
from prosepose_jax.resources import demo_dir
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.synthetic.dataset import make_dataset
from prosepose_jax.synthetic.families import family_of
from prosepose_jax.synthetic.generate import TooManyRefused
from prosepose_jax.synthetic.levels import Noise
from prosepose_jax.untrusted import read_bytes

KINDS = ("two_person", "self_contact")
# Methods of `Noise`, without "with_": what a study varies on top of a level.
NOISE_CHANGES = ("answers", "initial_error", "misses", "imagined", "sides", "order", "second_table")
_SECONDS_BETWEEN_LINES = 10.0
DEMO = "demo"  # as folder and answers: the packaged scenes


@dataclasses.dataclass(frozen=True)
class SceneSpec:
    """Which scenes: generated ones by kind, count, seed and noise, or those of a folder."""

    kind: str = "two_person"
    count: int = 64
    seed: int = 31
    noise: str = "middle"  # a level or a family
    noise_changes: tuple[tuple[str, Any], ...] = ()  # (one of NOISE_CHANGES, its arguments) on top of the level
    noise_seed: int = 0
    num_answers: int = 20
    body: str = ""  # file of the body; empty: the embedded one
    folder: str = ""  # of scene files; "demo": the packaged ones; empty: generated
    answers: str = ""  # answers file of that folder


@dataclasses.dataclass(frozen=True)
class Scenes:
    """Scenes with their answers."""

    scenes: tuple[Scene, ...]
    answers: AnswerSet
    failures: Mapping[str, str] = dataclasses.field(default_factory=dict)  # scenes that cannot be read, with reasons

    def of(self, scene: Scene) -> list[Answer]:
        return self.answers.for_scene(scene.key)


def load_or_make(spec: SceneSpec, body: BodyModel, cache: Path) -> Scenes:
    """The scenes of a spec; the truth of generated ones is kept under `cache` and read from there the next time.

    Raises:
      InputError: the folder or answers file cannot be used, or the noise is unknown.
    """
    if spec.folder:
        found = load_scenes(demo_dir() / "scenes" if spec.folder == DEMO else spec.folder)
        file = demo_dir() / "answers.json" if spec.answers == DEMO else spec.answers
        answers = load_answers(file) if file else AnswerSet()
        wanted = [scene for scene in found if (scene.num_people == 1) == (spec.kind == "self_contact")]
        return Scenes(tuple(wanted)[: spec.count], answers, found.failures)
    folder = cache / _name(spec)
    try:
        with _note(spec) as progress:
            scenes, texts = make_dataset(
                body,
                spec.kind,
                spec.count,
                spec.seed,
                folder,
                noise=dataclasses.replace(family_of(spec.noise), noise=noise_of(spec)),
                num_answers=spec.num_answers,
                noise_seed=spec.noise_seed,
                progress=progress,
            )
    except TooManyRefused as error:
        raise InputError(f"scenes of kind {spec.kind}: {error}") from None
    return Scenes(tuple(scenes), AnswerSet(texts))


def noise_of(spec: SceneSpec) -> Noise:
    """The noise of a spec: its level or family, and on top what `noise_changes` says.

    Raises:
      InputError: an unknown level or change, or a number out of range.
    """
    try:
        noise = family_of(spec.noise).noise
        for name, value in spec.noise_changes:
            if name not in NOISE_CHANGES:
                raise ValueError(f"{name}: expected one of {', '.join(NOISE_CHANGES)}")
            noise = getattr(noise, f"with_{name}")(*(value if isinstance(value, list | tuple) else (value,)))
    except (TypeError, ValueError) as error:
        raise InputError(f"scenes: noise: {error}") from None
    return noise


@contextlib.contextmanager
def _note(spec: SceneSpec) -> Iterator[Callable[[int, int, str], None]]:
    """A line on stderr now and then while scenes are made."""
    last = time.monotonic()

    def progress(there: int, wanted: int, note: str) -> None:
        nonlocal last
        del note
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"scenes ({spec.kind}, seed {spec.seed}): {there} of {wanted}", file=sys.stderr, flush=True)

    yield progress


def _name(spec: SceneSpec) -> str:
    """Of the folder of the true scenes: noise is added to them when they are read."""
    body = f"_{hashlib.sha256(read_bytes(spec.body)).hexdigest()[:8]}" if spec.body else ""
    label = family_of(spec.noise).set_label
    return "_".join([f"{spec.kind}_seed{spec.seed}{body}", *([label] if label else [])])
