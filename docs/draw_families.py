"""Draws fits of every noise family beside the truth, to look at: a sheet a family, and one of all for docs/results.md.

python docs/draw_families.py --scenes=out/ablations/scenes --out=out/families [--count=10] [--families=a,b]

A row is a scene: what is true, what was estimated, the published objective (solved by Levenberg–Marquardt with the
exact nearest vertices) and the default, each from the front and from the side, all in the frame of the truth. The sheet
of all has the first scene of every family (docs/img/families.jpg; only when no families are named).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags
from PIL import Image

from prosepose_jax.ablation.scene_sets import SceneSpec, load_or_make
from prosepose_jax.apps._runtime import set_up_jax
from prosepose_jax.body import BodyModel, load_body
from prosepose_jax.config import load_config
from prosepose_jax.fitting import Fitter
from prosepose_jax.io.atomic import write_bytes
from prosepose_jax.metrics._people import true_people
from prosepose_jax.report.render import render_views
from prosepose_jax.scene import Fit, Scene
from prosepose_jax.synthetic.collection import encode_jpeg_image
from prosepose_jax.synthetic.families import NAMES
from prosepose_jax.synthetic.picture import contact_sheet

_IMG = Path(__file__).resolve().parent / "img"
_SCENES = flags.DEFINE_string("scenes", None, "folder that keeps true scenes, as of `prosepose ablate`", required=True)
_OUT = flags.DEFINE_string("out", None, "folder for the sheets", required=True)
_COUNT = flags.DEFINE_integer("count", 10, "scenes a family")
_SEED = flags.DEFINE_integer("seed", 2001, "seed of the scenes")
_FAMILIES = flags.DEFINE_list("families", [], "families; none: all")
_VIEW = (150, 190)  # px of one view
_SHOWN = ("truth", "estimate", "published", "default")


def _fitters() -> dict[str, Fitter]:
    body, published = load_body(), load_config("parity_two_person")
    published.solver, published.contact.search = "lm", "cells"
    return {"published": Fitter(body, published), "default": Fitter(body, load_config("two_person"))}


def _views(vertices: np.ndarray, faces: np.ndarray, frame: np.ndarray) -> Image.Image:
    """A stage from the front and from the side, moved so that its middle is the frame's."""
    moved = vertices - vertices.reshape(-1, 3).mean(axis=0) + frame.reshape(-1, 3).mean(axis=0)
    pictures = render_views(moved, faces, ("front", "side"), _VIEW, frame=frame, scale_bar=False)
    return Image.fromarray(np.concatenate([pictures["front"], pictures["side"]], axis=1))


def _row(body: BodyModel, scene: Scene, fits: dict[str, Fit]) -> list[tuple[str, Image.Image]]:
    """The pictures of a scene with their titles."""
    known, faces = true_people(body, scene), np.asarray(body.faces)
    assert known is not None, scene.key
    truth = known[0]
    shown = {"truth": truth, "estimate": fits["default"].initial_vertices}
    shown |= {name: fit.vertices for name, fit in fits.items()}
    return [(f"{scene.key}: {name}", _views(np.asarray(shown[name]), faces, truth)) for name in _SHOWN]


def _sheet(cells: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """A row a scene, the pictures as large as they are."""
    return contact_sheet(cells, cell=2 * _VIEW[0] + 8, columns=len(_SHOWN), height=_VIEW[1] + 4)


def main(argv: Sequence[str]) -> None:
    del argv
    set_up_jax()
    body, fitters = load_body(), _fitters()
    first = []
    for family in _FAMILIES.value or NAMES:
        made = load_or_make(SceneSpec(count=_COUNT.value, seed=_SEED.value, noise=family), body, Path(_SCENES.value))
        found = {name: {fit.key: fit for fit in fitter.fit(made.scenes, made.answers.for_scene)}
                 for name, fitter in fitters.items()}  # fmt: skip
        rows = [_row(body, scene, {name: fits[scene.key] for name, fits in found.items()}) for scene in made.scenes]
        first += [
            (f"{family.replace('_', ' ')}: {name}", view) for name, (_, view) in zip(_SHOWN, rows[0], strict=True)
        ]
        sheet = _sheet([cell for row in rows for cell in row])
        write_bytes(Path(_OUT.value) / f"{family}.jpg", encode_jpeg_image(sheet))
        print(f"{family}: {len(rows)} scenes")
    if not _FAMILIES.value:
        sheet = _sheet(first)
        write_bytes(_IMG / "families.jpg", encode_jpeg_image(sheet, 75))


if __name__ == "__main__":
    app.run(main)
