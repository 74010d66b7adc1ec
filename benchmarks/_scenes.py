"""The scenes that benchmarks run on: the packaged ones, and generated ones kept between runs."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from _common import CACHE

from prosepose_jax.body import BodyModel
from prosepose_jax.io import load_answers, load_scenes, save_scene, write_json
from prosepose_jax.resources import demo_dir
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.synthetic import generate_scenes

# Neither the packaged scenes' seed (0) nor those with which settings were chosen (7, 101).
SEED = 31
SceneSets = tuple[list[Scene], dict[str, list[Answer]]]


def packaged() -> SceneSets:
    """The packaged two-person scenes and their 20 answers each."""
    scenes = [scene for scene in load_scenes(demo_dir() / "scenes") if scene.num_people == 2]
    answers = load_answers(demo_dir() / "answers.json")
    return scenes, {scene.key: answers.for_scene(scene.key) for scene in scenes}


def generated(body: BodyModel, count: int, num_answers: int = 20, seed: int = SEED) -> SceneSets:
    """Generated two-person scenes, the templates in turn, read from out/bench when they were made before.

    A scene depends on its template and its place among the template's scenes alone, so a larger set begins with the
    smaller one.

    Args:
      body: the embedded body.
      count: how many.
      num_answers: simulated answers a scene.
      seed: of everything random.
    """
    folder = CACHE / f"two_person_seed{seed}_answers{num_answers}"
    index = folder / "answers.json"
    if not index.is_file() or len(load_answers(index)) < count:
        print(f"making {count} scenes with {num_answers} answers each …", file=sys.stderr, flush=True)
        _make(folder, body, count, num_answers, seed)
    scenes = sorted(load_scenes(folder / "scenes"), key=_turn)[:count]
    answers = load_answers(index)
    return scenes, {scene.key: answers.for_scene(scene.key) for scene in scenes}


def _turn(scene: Scene) -> tuple[int, str]:
    """Order in which the templates take turns: keys are TEMPLATE_NUMBER."""
    template, _, number = scene.key.rpartition("_")
    return int(number), template


def _make(folder: Path, body: BodyModel, count: int, num_answers: int, seed: int) -> None:
    texts = {}
    for made in generate_scenes(body, "two_person", count, seed, num_answers=num_answers):
        save_scene(folder / "scenes", made.scene)
        texts[made.scene.key] = [{"table_response": answer.text} for answer in made.answers]
    write_json(folder / "answers.json", texts)  # last: it says that the folder is complete


def repeated(sets: SceneSets, count: int) -> SceneSets:
    """So many scenes from fewer, repeated under new keys: for measurements that don't ask whether scenes differ."""
    scenes, answers = sets
    chosen = [(scenes[i % len(scenes)], f"copy{i // len(scenes)}_{scenes[i % len(scenes)].key}") for i in range(count)]
    copies = [dataclasses.replace(scene, key=key) for scene, key in chosen]
    return copies, {key: answers[scene.key] for scene, key in chosen}


def mixed(body: BodyModel, count: int) -> SceneSets:
    """The packaged scenes, filled up to `count` with generated ones; fewer than six are packaged ones alone."""
    scenes, answers = packaged()
    if count <= len(scenes):
        kept = scenes[:count]
        return kept, {scene.key: answers[scene.key] for scene in kept}
    more, their_answers = generated(body, count - len(scenes))
    return scenes + more, answers | their_answers
