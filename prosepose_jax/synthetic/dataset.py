"""Sets of scenes in a folder: made once, gone on with after an interruption, the same for the same seed.

The folder of a set holds one file per truth and `set.json`, which says what it is a set of. A larger set
begins with the smaller one. `exhausted.json`, if there, names the templates of which this body allows no more.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body.model import BodyModel
from prosepose_jax.errors import InputError
from prosepose_jax.io.atomic import write_json
from prosepose_jax.io.lock import read_lock
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.synthetic.camera_placement import USUAL_CAMERAS, Cameras
from prosepose_jax.synthetic.families import Family, family_of
from prosepose_jax.synthetic.generate import SceneMaker, TooManyRefused, library, share_out
from prosepose_jax.synthetic.levels import Noise
from prosepose_jax.synthetic.people import TEMPLATES_OWN, People
from prosepose_jax.synthetic.shapes import Wardrobe
from prosepose_jax.synthetic.truth import Truth, load_truth, observe, save_truth

SET_FILE, EXHAUSTED_FILE = "set.json", "exhausted.json"
# Counts changes of the templates or the refining that make other scenes of the same seed.
RECIPE = 3


def make_truths(
    body: BodyModel,
    kind: str,
    count: int,
    seed: int,
    folder: str | os.PathLike[str],
    templates: Sequence[str] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    maker: SceneMaker | None = None,
    workers: int = 0,
    people: People = TEMPLATES_OWN,
    cameras: Cameras = USUAL_CAMERAS,
) -> list[Truth]:
    """Noise-free scenes in a folder; those that are there already are read, the others made.

    Args:
      body: any SMPL-X format body with regions.
      kind: "two_person" or "self_contact".
      count: scenes wanted; the templates take turns, so the first ones are a smaller set of the same kind. No more are
        made of a template whose candidates are refused too often in a row; the others take its place.
      seed: everything random comes from it.
      folder: of the set; `<key>.npz` each, written whole.
      templates: names to use; None for all of the kind.
      progress: called with (scenes there, scenes wanted, a note) whenever a scene is there or was refused.
      maker: makes the scenes; None: one with the usual settings.
      workers: threads that make scenes side by side; 0: one per core, at most four.
      people, cameras: what is changed about the people whom the templates draw, and where cameras may be; of a maker
        that is given, its own.

    Returns:
      `count` truths, the templates in turn.

    Raises:
      ValueError: unknown kind or template.
      InputError: the folder holds another set, or a damaged file.
      TooManyRefused: so it is with every template.
    """
    names = tuple(library(kind)) if templates is None else tuple(templates)
    unknown = sorted(set(names) - set(library(kind)))
    if unknown:
        raise ValueError(f"templates: expected names of {tuple(library(kind))}, found {unknown}")
    folder = Path(folder)
    if maker is not None:
        people, cameras = maker.people, maker.cameras
    this = {"kind": kind, "seed": seed, "recipe": RECIPE, "body": body_digest(body)}
    # Left out of sets of the templates' own people, as it was before there were others: those folders stay usable.
    labels = {"people": people.label, "cameras": cameras.label}
    _lock(folder / SET_FILE, this | {name: label for name, label in labels.items() if label})
    exhausted = read_exhausted(folder)
    if sum(share_out(count, names, exhausted).values()) < count:
        exhausted = {}  # all are: try each again
    while True:
        wanted = share_out(count, names, exhausted)
        truths: dict[str, list[Truth]] = {name: _read(folder, name, number) for name, number in wanted.items()}
        if any(len(truths[name]) < number for name, number in wanted.items()):
            maker = maker or SceneMaker(body, people=people, cameras=cameras)
        try:
            _complete(truths, wanted, seed, folder, maker, workers, progress)
        except TooManyRefused as error:
            exhausted[error.template] = len(truths[error.template])
            if sum(share_out(count, names, exhausted).values()) < count:
                raise
            write_json(folder / EXHAUSTED_FILE, exhausted)
        else:
            whole = [truths[n][i] for i in range(max(wanted.values(), default=0)) for n in names if i < wanted[n]]
            return _completed_by_body(whole, body)


def _completed_by_body(truths: list[Truth], body: BodyModel) -> list[Truth]:
    """The same, with what files of before there were families lack and the body knows."""
    if all(truth.stature_kid_dir is not None for truth in truths):
        return truths
    wardrobe, kid_dir = Wardrobe(body), np.asarray(body.joint_kid_dir)[0]

    def completed(truth: Truth) -> Truth:
        if truth.stature_kid_dir is not None:
            return truth
        truth = dataclasses.replace(truth, stature_kid_dir=wardrobe.stature_kid_dir())
        if truth.stature_shape_dirs is not None:
            return truth
        dirs = wardrobe.stature_dirs(truth.betas.shape[1])
        return dataclasses.replace(truth, stature_shape_dirs=dirs, pelvis_kid_dir=kid_dir)

    return [completed(truth) for truth in truths]


def _complete(
    truths: dict[str, list[Truth]],
    wanted: Mapping[str, int],
    seed: int,
    folder: Path,
    maker: SceneMaker | None,
    workers: int,
    progress: Callable[[int, int, str], None] | None,
) -> None:
    """Adds to each template's truths what is wanted and not there; `maker` is None when nothing is missing."""
    there, count = sum(map(len, truths.values())), sum(wanted.values())
    if progress and there:
        progress(there, count, "read")
    if maker is None or there == count:
        return
    refusals: Callable[[str], None] | None = None
    if progress:
        refusals = lambda line: progress(sum(map(len, truths.values())), count, line)  # noqa: E731
    made = {name: len(t) for name, t in truths.items()}
    tried = {name: t[-1].seed[-1] + 1 for name, t in truths.items() if t}
    for truth in maker.truths(seed, wanted, made=made, tried=tried, workers=workers, progress=refusals):
        save_truth(folder, truth)
        truths[truth.template].append(truth)
        there += 1
        if progress:
            progress(there, count, truth.key)


def make_dataset(
    body: BodyModel,
    kind: str,
    count: int,
    seed: int,
    folder: str | os.PathLike[str],
    noise: str | Noise | Family = "middle",
    num_answers: int = 20,
    noise_seed: int = 0,
    templates: Sequence[str] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[list[Scene], dict[str, list[Answer]]]:
    """Scenes with noisy estimates and answers, from the truths of a folder (`make_truths`).

    Args:
      body, kind, count, seed, folder, templates, progress: as in `make_truths`.
      noise: a level's or family's name, or a `Noise` or `Family` of one's own.
      num_answers: N answers per scene.
      noise_seed: another one gives other errors and answers about the same truths.

    Returns:
      The scenes, the templates in turn, and the answers by scene key.

    Raises:
      ValueError: unknown kind, template or level.
      InputError: the folder holds another set, or a damaged file.
    """
    family = family_of(noise)
    truths = make_truths(
        body, kind, count, seed, folder, templates, progress, people=family.people, cameras=family.cameras
    )
    seen = [observe(truth, family.noise, seed=noise_seed, num_answers=num_answers) for truth in truths]
    return [scene for scene, _ in seen], {scene.key: answers for scene, answers in seen}


def body_digest(body: BodyModel) -> str:
    """Short name of a body's shape space: sets of different bodies don't mix."""
    digest = hashlib.sha256()
    for array in (body.v_template, body.faces, body.joint_template, body.joint_shape_dirs):
        digest.update(np.ascontiguousarray(np.asarray(array)).tobytes())
    return digest.hexdigest()[:16]


def read_exhausted(folder: Path) -> dict[str, int]:
    """{template: how many scenes of it there are}, of those of which a set's body allows no more.

    Raises:
      InputError: the file that says so is damaged.
    """
    file = folder / EXHAUSTED_FILE
    found = read_lock(file, "the exhausted templates of a set of scenes") if file.is_file() else {}
    if not isinstance(found, dict) or not all(type(number) is int for number in found.values()):
        raise InputError(f"{file}: expected numbers of scenes by template, found {found!r}")
    return found


def _read(folder: Path, template: str, count: int) -> list[Truth]:
    """The template's scenes 0, 1, … that are there, at most `count`."""
    truths: list[Truth] = []
    while len(truths) < count and (file := folder / f"{template}_{len(truths):03d}.npz").is_file():
        truths.append(load_truth(file))
    return truths


def _lock(file: Path, this: dict[str, Any]) -> None:
    """Writes what the set is, or checks that the folder holds the same set."""
    if not file.is_file():
        write_json(file, this)
        return
    before = read_lock(file, "a set of scenes")
    before = before if isinstance(before, dict) else {}
    for name in {**this, **before}:
        found, value = before.get(name), this.get(name)
        if found != value:
            raise InputError(
                f"{file}: this folder holds scenes whose {name} differs ({found!r} there, {value!r} now); "
                "choose another folder or delete it"
            )
