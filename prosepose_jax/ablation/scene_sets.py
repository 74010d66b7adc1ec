"""The scenes of a point: generated and kept in the sweep's folder, or read from a folder."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from pathlib import Path
from typing import Any

from prosepose_jax.body import BodyModel
from prosepose_jax.errors import InputError
from prosepose_jax.io import AnswerSet, load_answers, load_scenes, save_scene, write_json
from prosepose_jax.resources import demo_dir
from prosepose_jax.scene import Answer, Scene

KINDS = ("two_person", "self_contact")
DEMO = "demo"  # as folder and answers: the packaged scenes


@dataclasses.dataclass(frozen=True)
class SceneSpec:
    """Which scenes: generated ones by kind, count, seed and noise, or those of a folder."""

    kind: str = "two_person"
    count: int = 64
    seed: int = 31
    noise: str = "middle"
    noise_changes: tuple[tuple[str, Any], ...] = ()  # (field of the noise, value) on top of the level
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

    def of(self, scene: Scene) -> list[Answer]:
        return self.answers.for_scene(scene.key)


def load_or_make(spec: SceneSpec, body: BodyModel, cache: Path) -> Scenes:
    """The scenes of a spec; generated ones are kept under `cache` and read from there the next time.

    Raises:
      InputError: the folder or answers file cannot be used, or the noise is unknown.
    """
    if spec.folder:
        found = load_scenes(demo_dir() / "scenes" if spec.folder == DEMO else spec.folder)
        for key, reason in found.failures.items():
            raise InputError(f"{spec.folder}: scene {key}: {reason}")
        file = demo_dir() / "answers.json" if spec.answers == DEMO else spec.answers
        answers = load_answers(file) if file else AnswerSet()
        wanted = [scene for scene in found if (scene.num_people == 1) == (spec.kind == "self_contact")]
        return Scenes(tuple(wanted)[: spec.count], answers)
    folder = cache / _name(spec)
    index = folder / "answers.json"
    if not index.is_file():
        print(f"making {spec.count} scenes ({spec.kind}, seed {spec.seed}, {spec.noise} noise) …", file=sys.stderr)
        _generate(spec, body, folder)
    answers = load_answers(index)
    return Scenes(tuple(scene for scene in load_scenes(folder / "scenes") if scene.key in answers), answers)


def _name(spec: SceneSpec) -> str:
    changes = hashlib.sha256(repr((spec.noise_changes, spec.body)).encode()).hexdigest()[:8]
    return f"{spec.kind}_{spec.count}_seed{spec.seed}_{spec.noise}_{spec.noise_seed}_{spec.num_answers}_{changes}"


def _generate(spec: SceneSpec, body: BodyModel, folder: Path) -> None:
    from prosepose_jax.synthetic import generate_scenes

    if spec.noise_changes:
        raise InputError("scenes: noise_changes need the scene generator with separate noise")
    texts = {}
    for made in generate_scenes(body, spec.kind, spec.count, spec.seed, level=spec.noise, num_answers=spec.num_answers):
        save_scene(folder / "scenes", made.scene)
        texts[made.scene.key] = [{"table_response": answer.text} for answer in made.answers]
    write_json(folder / "answers.json", texts)  # last: it says that the folder is complete
