"""Makes the packaged scenes: `python -m prosepose_jax.synthetic.make_demo --out=prosepose_jax/demo`.

Writes OUT/scenes/<key>.npz and .jpg, OUT/answers.json (in the layout of the method's own release) and
OUT/figures.json (what was measured). The same seeds and body give the same scenes. docs/demo_scenes.md.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags
from PIL import Image, ImageDraw, ImageFont

from prosepose_jax.body import load_body
from prosepose_jax.io.atomic import write_bytes, write_text
from prosepose_jax.io.scenes import save_scene
from prosepose_jax.metrics._people import initial_people
from prosepose_jax.metrics.contact import annotated_pairs, contact_f1
from prosepose_jax.metrics.pose import evaluation_joints, joint_pa_mpjpe_mm, pa_mpjpe_mm
from prosepose_jax.synthetic.generate import GeneratedScene, SceneMaker
from prosepose_jax.synthetic.picture import draw_scene, encode_jpeg
from prosepose_jax.synthetic.templates import SELF_CONTACT, TWO_PERSON

# The seed of each packaged scene. Chosen by looking at the pictures, before anything was fitted to them.
SEEDS: dict[str, int] = {
    "hug": 0,
    "handshake": 0,
    "arm_over_shoulder": 0,
    "hug_from_behind": 0,
    "dance_hold": 0,
    "hand_on_head": 0,
    "tree": 0,
    "cobbler": 0,
    "seated_fold": 0,
    "childs_pose": 0,
}

_OUT = flags.DEFINE_string("out", None, "folder to write to", required=True)
_BODY = flags.DEFINE_string("body", None, "body file in SMPL-X format; the embedded body when not given")
_SHEET = flags.DEFINE_string("sheet", None, "PNG file for a contact sheet of all scenes")
_ONLY = flags.DEFINE_list("only", [], "keys to make; all when not given (answers.json keeps the others)")


def make_demo_scene(maker: SceneMaker, key: str, seed: int) -> GeneratedScene:
    """The packaged scene of one template."""
    kind = "two_person" if key in TWO_PERSON else "self_contact"
    made = next(maker.scenes(kind, 1, seed, templates=(key,), batch=4))
    return dataclasses.replace(made, scene=dataclasses.replace(made.scene, key=key))


def scene_figures(maker: SceneMaker, made: GeneratedScene) -> dict[str, Any]:
    """What was measured of a scene: gaps, penetration, error of the initial estimate, answers."""
    _, joints = initial_people(maker.body, made.scene)
    estimate, truth = evaluation_joints(joints), evaluation_joints(made.joints)
    two = made.scene.num_people == 2
    f1 = contact_f1(made.answers, annotated_pairs(made.scene) or (), alone=not two)
    visible = made.scene.keypoints[..., 2] > 0
    return {
        "largest_gap_mm": round(1e3 * max(made.checks.gaps), 2),
        "penetration_mm": round(1e3 * made.checks.penetration, 2),
        "self_penetration_mm": round(1e3 * made.checks.self_penetration, 2),
        "floor_mm": round(1e3 * made.checks.floor, 2),
        "touching_region_pairs": len(made.contacts.region_pairs),
        "touching_parts": len(made.contacts.parts),
        ("initial_joint_pa_mpjpe_mm" if two else "initial_pa_mpjpe_mm"): round(
            joint_pa_mpjpe_mm(estimate, truth) if two else pa_mpjpe_mm(estimate, truth), 1
        ),
        "missing_keypoints": int(np.sum(~visible)),
        "answers_contact_f1": None if f1 is None else round(f1, 3),
    }


def write_scene(maker: SceneMaker, made: GeneratedScene, folder: Path, seed: int) -> None:
    """Writes the picture and the scene file into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{made.scene.key}.jpg"
    looks = zlib.crc32(f"{made.scene.key} {seed}".encode())
    write_bytes(picture, encode_jpeg(draw_scene(maker.body, made.vertices, made.view, made.floor, looks)))
    save_scene(folder, dataclasses.replace(made.scene, image=picture))


def contact_sheet(folder: Path, keys: Sequence[str], cell: int = 340, columns: int = 5) -> Image.Image:
    """One picture of the scenes' pictures, captioned."""
    caption = 22
    rows = -(-len(keys) // columns)
    sheet = Image.new("RGB", (columns * cell, rows * (cell + caption)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, key in enumerate(keys):
        picture = Image.open(folder / f"{key}.jpg")
        picture.thumbnail((cell - 8, cell - 4), Image.Resampling.LANCZOS)
        x, y = index % columns * cell, index // columns * (cell + caption)
        sheet.paste(picture, (x + (cell - picture.width) // 2, y + caption))
        draw.text((x + cell // 2, y + caption // 2), key.replace("_", " "), "#222222", ImageFont.load_default(15), "mm")
    return sheet


def main(argv: Sequence[str]) -> None:
    del argv
    out = Path(_OUT.value)
    maker = SceneMaker(load_body(_BODY.value))
    answers_file, figures_file = out / "answers.json", out / "figures.json"
    only = _ONLY.value or list(SEEDS)
    answers: dict[str, Any] = json.loads(answers_file.read_text()) if _ONLY.value and answers_file.exists() else {}
    figures: dict[str, Any] = json.loads(figures_file.read_text()) if _ONLY.value and figures_file.exists() else {}
    for key in only:
        made = make_demo_scene(maker, key, SEEDS[key])
        write_scene(maker, made, out / "scenes", SEEDS[key])
        answers[key] = [{"table_response": answer.text} for answer in made.answers]
        figures[key] = scene_figures(maker, made)
        print(key, figures[key], flush=True)
    order = [k for k in (*TWO_PERSON, *SELF_CONTACT) if k in answers]
    write_text(answers_file, json.dumps({k: answers[k] for k in order}, indent=1) + "\n")
    write_text(figures_file, json.dumps({k: figures[k] for k in order}, indent=1) + "\n")
    if _SHEET.value:
        contact_sheet(out / "scenes", order).save(_SHEET.value, optimize=True)


if __name__ == "__main__":
    app.run(main)
