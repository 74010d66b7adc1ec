"""Draws the pictures of docs/synthetic.md from two folders that `prosepose generate` made.

python docs/draw_synthetic.py --two_person=out/two_person --self_contact=out/self_contact
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags
from PIL import Image

from prosepose_jax.body import load_body
from prosepose_jax.io.atomic import write_bytes
from prosepose_jax.synthetic import SceneMaker, Truth, load_truth
from prosepose_jax.synthetic.collection import draw_truth, encode_jpeg_image, encode_png
from prosepose_jax.synthetic.distribution import draw_distribution
from prosepose_jax.synthetic.picture import contact_sheet

_IMG = Path(__file__).resolve().parent / "img"
_TWO = flags.DEFINE_string("two_person", None, "folder of two-person scenes", required=True)
_ONE = flags.DEFINE_string("self_contact", None, "folder of self-contact scenes", required=True)
_OF_TWO, _OF_ONE = 24, 16  # scenes on the sheet


def _truths(folder: str) -> list[Truth]:
    """The scenes of a folder, the templates in turn."""
    keys = json.loads((Path(folder) / "figures.json").read_text())["scenes"]
    return [load_truth(Path(folder) / "truth" / f"{key}.npz") for key in keys]


def _spread(truths: Sequence[Truth], count: int) -> list[Truth]:
    """So many scenes, a template as seldom twice as can be."""
    return sorted(truths, key=lambda t: t.key.rpartition("_")[2])[:count]


def main(argv: Sequence[str]) -> None:
    del argv
    maker = SceneMaker(load_body())
    shown = []
    for folder, kind, title, count in (
        (_TWO.value, "two_person", "scenes of two people", _OF_TWO),
        (_ONE.value, "self_contact", "scenes of self-contact", _OF_ONE),
    ):
        truths = _truths(folder)
        write_bytes(_IMG / f"synthetic_{kind}.png", encode_png(draw_distribution(truths, title)))
        shown += _spread(truths, count)
    pictures = [(t.template.replace("_", " "), Image.fromarray(draw_truth(maker, t))) for t in shown]
    write_bytes(_IMG / "synthetic_sheet.jpg", encode_jpeg_image(contact_sheet(pictures, cell=270, columns=8)))


if __name__ == "__main__":
    app.run(main)
