"""Which questions a folder of scenes gives: one a scene, or one for every overlapping pair of its people."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from prosepose_jax.errors import InputError
from prosepose_jax.importing.matching import boxes_overlap
from prosepose_jax.io.image_paths import ANYWHERE, INSIDE, ImageRule
from prosepose_jax.io.pictures import read_header
from prosepose_jax.io.scenes import load_scene
from prosepose_jax.lmm.crops import View, person_extent, view_hash
from prosepose_jax.lmm.prompts import Prompt
from prosepose_jax.scene import Scene
from prosepose_jax.untrusted import shown as readable


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked about one pair of people (twice the same person where there is one)."""

    key: str
    pair: tuple[int, int]
    prompt: Prompt  # with `{who}` filled in
    order: str  # "free" or "given"
    input_hash: str  # of the image and crop, or of the captions; empty when nothing is shown
    view: View | None = None
    captions: tuple[str, ...] = ()

    def caption(self, sample: int) -> str:
        """The caption that a sample goes with: several take turns."""
        return self.captions[sample % len(self.captions)] if self.captions else ""


@dataclasses.dataclass
class Questions:
    """The questions of a folder, and what cannot be asked."""

    questions: list[Question] = dataclasses.field(default_factory=list)
    failures: dict[str, str] = dataclasses.field(default_factory=dict)  # by scene
    notes: list[str] = dataclasses.field(default_factory=list)


def make_questions(
    files: Iterable[Path],
    prompts: Mapping[int, Prompt],
    *,
    shown: bool = True,
    marked: bool = False,
    max_side: int = 0,
    captions: Callable[[str], Sequence[str]] | None = None,
    images: ImageRule = INSIDE,
) -> Questions:
    """Reads scenes one by one and keeps only what the questions need.

    Args:
      files: scene files.
      prompts: the prompt for scenes of one person (1) and of two or more (2); a missing one fails those scenes.
      shown: whether the client is sent the image or caption.
      marked: whether people are marked in the image, so that Person 1 is known.
      max_side: larger crops are reduced to it; 0: never.
      captions: a scene's captions by its key, for prompts that take one.
      images: where pictures may lie; a scene that names another one fails.
    """
    found = Questions()
    told = {people: prompt.told(marked and people > 1) for people, prompt in prompts.items()}
    for file in files:
        try:
            scene = load_scene(file, images if shown else ANYWHERE)  # what nobody is shown may lie anywhere
            prompt = told.get(min(scene.num_people, 2))
            if prompt is None:
                (other,) = told.values()
                raise InputError(
                    f"{file}: has {scene.num_people} {'person' if scene.num_people == 1 else 'people'}, prompt "
                    f"{other.id} is about {'one' if other.people == 1 else 'two or more'}"
                )
            pairs = _pairs(scene)
            if not pairs:
                found.notes.append(f"{scene.key}: none of the {scene.num_people} people overlap, nothing is asked")
            found.questions += [
                _question(file, scene, pair, prompt, shown, marked and scene.num_people > 1, max_side, captions)
                for pair in pairs
            ]
        except InputError as error:
            found.failures[readable(file.stem)] = str(error)
    return found


def _pairs(scene: Scene) -> list[tuple[int, int]]:
    if scene.num_people == 1:
        return [(0, 0)]
    if scene.num_people == 2:
        return [(0, 1)]
    return [
        (i, j)
        for i, j in itertools.combinations(range(scene.num_people), 2)
        if boxes_overlap(scene.keypoints[i], scene.keypoints[j])
    ]


def _question(
    file: Path,
    scene: Scene,
    pair: tuple[int, int],
    prompt: Prompt,
    shown: bool,
    marked: bool,
    max_side: int,
    captions: Callable[[str], Sequence[str]] | None,
) -> Question:
    order = "given" if marked else "free"
    if not shown:
        return Question(scene.key, pair, prompt, order, "")
    if prompt.input == "caption":
        texts = tuple(text for text in (captions(scene.key) if captions else ()) if text.strip())
        if not texts:
            raise InputError(f"{file}: prompt {prompt.id} needs a caption, the captions hold none for {scene.key}")
        digest = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:16]
        return Question(scene.key, pair, prompt, order, digest, captions=texts)
    if scene.image is None:
        raise InputError(f"{file}: field 'image' is missing: there is no picture to ask about")
    read_header(scene.image)  # what nobody can open fails before anything is sent
    width, height = (round(float(side)) for side in scene.image_size)
    people = tuple(person_extent(scene.keypoints[person]) for person in dict.fromkeys(pair))
    view = View(scene.image, (width, height), people, marked, max_side)
    return Question(scene.key, pair, prompt, order, view_hash(view), view)
