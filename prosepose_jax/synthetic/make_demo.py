"""Makes the packaged scenes: `python -m prosepose_jax.synthetic.make_demo --out=prosepose_jax/demo`.

Writes OUT/scenes/<key>.npz and .jpg, OUT/answers.json (in the layout of the method's own release) and
OUT/figures.json (what was measured). The same seeds and body give the same scenes. docs/synthetic.md.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags
from PIL import Image

from prosepose_jax.body import load_body
from prosepose_jax.io.atomic import write_bytes, write_text
from prosepose_jax.io.scenes import save_scene
from prosepose_jax.synthetic.figures import scene_figures
from prosepose_jax.synthetic.generate import GeneratedScene, SceneMaker
from prosepose_jax.synthetic.picture import contact_sheet, draw_scene, encode_jpeg
from prosepose_jax.synthetic.templates import PACKAGED, TWO_PERSON

# The seed of each packaged scene. Chosen by looking at the pictures, before anything was fitted to them.
SEEDS: dict[str, int] = dict.fromkeys(PACKAGED, 0)

_OUT = flags.DEFINE_string("out", None, "folder to write to", required=True)
_BODY = flags.DEFINE_string("body", None, "body file in SMPL-X format; the embedded body when not given")
_SHEET = flags.DEFINE_string("sheet", None, "PNG file for a contact sheet of all scenes")
_ONLY = flags.DEFINE_list("only", [], "keys to make; all when not given (answers.json keeps the others)")


def make_demo_scene(maker: SceneMaker, key: str, seed: int) -> GeneratedScene:
    """The packaged scene of one template."""
    kind = "two_person" if key in TWO_PERSON else "self_contact"
    made = next(maker.scenes(kind, 1, seed, templates=(key,)))
    return dataclasses.replace(made, scene=dataclasses.replace(made.scene, key=key))


def write_scene(maker: SceneMaker, made: GeneratedScene, folder: Path, seed: int) -> None:
    """Writes the picture and the scene file into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{made.scene.key}.jpg"
    looks = zlib.crc32(f"{made.scene.key} {seed}".encode())
    write_bytes(picture, encode_jpeg(draw_scene(maker.body, made.vertices, made.view, made.floor, looks)))
    save_scene(folder, dataclasses.replace(made.scene, image=picture))


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
        figures[key] = scene_figures(maker.body, made.scene, made.answers, made.checks, made.joints)
        print(key, figures[key], flush=True)
    order = [k for k in PACKAGED if k in answers]
    write_text(answers_file, json.dumps({k: answers[k] for k in order}, indent=1) + "\n")
    write_text(figures_file, json.dumps({k: figures[k] for k in order}, indent=1) + "\n")
    if _SHEET.value:
        pictures = [(key.replace("_", " "), Image.open(out / "scenes" / f"{key}.jpg")) for key in order]
        contact_sheet(pictures).save(_SHEET.value, optimize=True)


if __name__ == "__main__":
    app.run(main)
