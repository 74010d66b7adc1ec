"""Makes pairs for the prior to learn from: `python -m prosepose_jax.synthetic.make_pairs --out=pairs.npz`.

Two people of the templates, refined and checked as scenes are (docs/synthetic.md) but for the depth of a person's own
parts, and without keypoints, answers and labels, which a prior does not read. From each come several pairs: seen by
cameras all around them, half of them mirrored, so that nothing is learnt about where the templates' cameras stand or
which hand is used. OUT says of which people each pair is, so that all pairs of some can be held out together
(docs/buddi.md, "Training"). A stopped run goes on where it was; the same seed and body give the same pairs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags

from prosepose_jax.body import load_body, pose_body
from prosepose_jax.errors import InputError
from prosepose_jax.io._npz import FieldReader, read_npz
from prosepose_jax.io.atomic import write_npz
from prosepose_jax.synthetic.camera_placement import choose_view, orientation_in_camera, translation_in_camera
from prosepose_jax.synthetic.generate import SceneMaker
from prosepose_jax.synthetic.measure import PENETRATION_LIMIT_M
from prosepose_jax.synthetic.refine import Start, start_params
from prosepose_jax.synthetic.templates import TWO_PERSON

FIELDS = ("global_orient", "body_pose", "betas", "transl", "kid_scale")
# Less than scenes get: a prior needs many people more than it needs the last millimetre.
SAMPLES, STEPS = 700, 160
_VIEW_STREAM = 6  # of a try's random numbers; generate.py and truth.py have the others
_SAVE_EVERY = 64  # tries
MIRROR = np.array([-1.0, 1.0, 1.0], np.float32)

_OUT = flags.DEFINE_string("out", None, ".npz to write", required=True)
_COUNT = flags.DEFINE_integer("count", 2000, "people that are made, two each", 1)
_VIEWS = flags.DEFINE_integer("views", 8, "pairs of each: cameras around them", 1)
_SEED = flags.DEFINE_integer("seed", 9001, "of everything random", 0)
_TEMPLATES = flags.DEFINE_list("templates", [], "interactions; default: all of two people")
_BODY = flags.DEFINE_string("body", None, "body file in SMPL-X format; the embedded body when not given")

# Left and right of the 21 body joints, which are joints 1 to 21 of the body.
_SWAPPED = np.array([1, 0, 2, 4, 3, 5, 7, 6, 8, 10, 9, 11, 13, 12, 14, 16, 15, 18, 17, 20, 19])


def mirrored(people: Start) -> Start:
    """The people as a mirror shows them: x turned round, left and right exchanged (rest bodies are symmetric)."""
    turned = np.array([1.0, -1.0, -1.0], np.float32)  # of axis-angles: a reflection keeps the axis along x

    return dataclasses.replace(
        people,
        global_orient=people.global_orient * turned,
        body_pose=people.body_pose[:, _SWAPPED] * turned,
        transl=people.transl * MIRROR,
        left_hand_pose=people.right_hand_pose * turned,
        right_hand_pose=people.left_hand_pose * turned,
    )


def seen_people(
    people: Start, vertices: np.ndarray, root: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Two people in the frame of a camera anywhere around them.

    Args:
      people: world frame, y up.
      vertices: (2, V, 3) of them.
      root: (2, 3) their rest pelvises.
      rng: of the camera.

    Returns:
      Arrays of `FIELDS`, leaves (2, …).
    """
    view = choose_view(vertices, float(rng.uniform(0.0, 360.0)), rng)
    arrays = {
        "global_orient": orientation_in_camera(view, people.global_orient),
        "body_pose": people.body_pose,
        "betas": people.betas,
        "transl": translation_in_camera(view, people.transl, root),
        "kid_scale": np.zeros(2),
    }
    return {name: np.asarray(value, np.float32) for name, value in arrays.items()}


def try_pairs(maker: SceneMaker, template: str, seed: Sequence[int], views: int) -> list[dict[str, np.ndarray]]:
    """All pairs of one try of a template; none when its people fail a check."""
    candidate = maker.author(template, seed)
    people = maker.refine([candidate])[0]
    checks = maker.check(candidate, people, thorough=False)
    if not checks.stands or not checks.penetration <= PENETRATION_LIMIT_M:
        return []
    rng = np.random.default_rng([*seed, list(TWO_PERSON).index(template), _VIEW_STREAM])
    root = np.array([maker.wardrobe.shape(betas).joints[0] for betas in people.betas])
    seen = np.asarray(pose_body(maker.body, start_params(people)).vertices)
    found = []
    for number in range(views):
        shown, pelvis = (people, root) if number % 2 == 0 else (mirrored(people), root * MIRROR)
        found.append(seen_people(shown, seen if number % 2 == 0 else seen * MIRROR, pelvis, rng))
    return found


def _begun(
    path: Path, this: dict[str, int], names: Sequence[str]
) -> tuple[list[dict[str, np.ndarray]], list[int], int]:
    """Pairs, their sources and the tries of an earlier run."""
    if not path.is_file():
        return [], [], 0
    reader = FieldReader(path, read_npz(path))
    for name, value in this.items():
        found = float(reader.floats(name, ()))
        if found != value:
            raise InputError(f"{path}: field {name}: its pairs were made with {found:g}, now it is {value}")
    if reader.raw("templates").tolist() != list(names):
        raise InputError(f"{path}: field templates: its pairs were made of others than {', '.join(names)}")
    arrays = {name: reader.raw(name) for name in FIELDS}
    pairs = [{name: array[i] for name, array in arrays.items()} for i in range(len(arrays["transl"]))]
    return pairs, [int(n) for n in reader.raw("source")], int(reader.floats("tries", ()))


def main(argv: Sequence[str]) -> None:
    del argv
    path = Path(_OUT.value)
    path.parent.mkdir(parents=True, exist_ok=True)
    this = {"seed": _SEED.value, "views": _VIEWS.value, "samples": SAMPLES, "steps": STEPS}
    names = tuple(_TEMPLATES.value or TWO_PERSON)
    if unknown := sorted(set(names) - set(TWO_PERSON)):
        raise InputError(f"--templates: unknown {', '.join(unknown)}, expected some of {', '.join(TWO_PERSON)}")
    pairs, source, tries = _begun(path, this, names)
    maker = SceneMaker(load_body(_BODY.value), SAMPLES, STEPS)
    start, first = time.perf_counter(), tries
    while True:
        made = len(set(source))
        if made >= _COUNT.value or (tries - first) % _SAVE_EVERY == 0:
            if pairs:
                columns = {name: np.stack([pair[name] for pair in pairs]) for name in FIELDS}
                of_file = {"source": np.array(source, np.int32), "templates": np.array(names), "tries": tries}
                write_npz(path, {**columns, **of_file, **this})
            seconds = time.perf_counter() - start
            print(f"{made} of {_COUNT.value} people of {tries} tries, {seconds:.0f} s", flush=True)
        if made >= _COUNT.value:
            return
        template, number = names[tries % len(names)], tries // len(names)
        found = try_pairs(maker, template, (_SEED.value, number), _VIEWS.value)
        pairs += found
        source += [tries] * len(found)
        tries += 1


if __name__ == "__main__":
    app.run(main)
