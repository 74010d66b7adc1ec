"""A folder of observed scenes beside its truths: scene files, answers, pictures, figures, plots."""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prosepose_jax.io.atomic import write_bytes, write_json, write_text
from prosepose_jax.io.scenes import save_scene
from prosepose_jax.scene import Scene
from prosepose_jax.synthetic.distribution import draw_distribution
from prosepose_jax.synthetic.figures import scene_figures, set_figures
from prosepose_jax.synthetic.generate import SceneMaker
from prosepose_jax.synthetic.levels import Noise
from prosepose_jax.synthetic.picture import contact_sheet, draw_scene, encode_jpeg
from prosepose_jax.synthetic.truth import Truth, observe


def write_collection(
    maker: SceneMaker,
    truths: Sequence[Truth],
    out: str | os.PathLike[str],
    noise: str | Noise = "middle",
    *,
    num_answers: int = 20,
    noise_seed: int = 0,
    images: bool = False,
    sheet: int = 40,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Observes truths and writes OUT/scenes, answers.jsonl, figures.json, plots and contact_sheet.jpg.

    Every file is written whole; pictures that are there are kept, everything else is written again.

    Args:
      maker: of the truths' body.
      truths: the scenes.
      out: the folder.
      noise: a level's name or a `Noise`.
      num_answers: N.
      noise_seed: as in `observe`.
      images: draw every scene into OUT/scenes/<key>.jpg.
      sheet: how many scenes are drawn on the contact sheet; 0: none.
      progress: called after each scene.

    Returns:
      The summary in figures.json.
    """
    out = Path(out)
    lines, figures = [], {}
    for truth in truths:
        scene, answers = observe(truth, noise, seed=noise_seed, num_answers=num_answers)
        picture = out / "scenes" / f"{truth.key}.jpg"
        if images:
            if not picture.is_file():
                write_bytes(picture, encode_jpeg(_shown(draw_truth(maker, truth), truth, scene)))
            scene = dataclasses.replace(scene, image=picture)
        save_scene(out / "scenes", scene)
        figures[truth.key] = scene_figures(maker.body, scene, answers, truth.checks, maker.pose_truth(truth)[1])
        for answer in answers:
            record = {"key": truth.key, "sample": answer.sample, "text": answer.text, "model": answer.model}
            lines.append(json.dumps(record | {"order": answer.order}, ensure_ascii=False))
        progress()
    write_text(out / "answers.jsonl", "".join(f"{line}\n" for line in lines))
    summary = set_figures(truths, figures)
    if truths:
        title = "scenes of two people" if truths[0].num_people == 2 else "scenes of self-contact"
        write_bytes(out / "plots" / "distribution.png", encode_png(draw_distribution(truths, title)))
        if sheet:
            drawn = contact_sheet([(_caption(t), Image.fromarray(draw_truth(maker, t))) for t in truths[:sheet]])
            write_bytes(out / "contact_sheet.jpg", encode_jpeg_image(drawn))
    write_json(out / "figures.json", {"summary": summary, "scenes": figures})  # last: it says that all is there
    return summary


def draw_truth(maker: SceneMaker, truth: Truth) -> Any:
    """(h, w, 3) uint8 picture of the true people."""
    looks = zlib.crc32(f"{truth.key} {truth.seed[0]}".encode())
    return draw_scene(maker.body, maker.pose_truth(truth)[0], truth.view, truth.floor, looks)


def _shown(picture: Any, truth: Truth, scene: Scene) -> Any:
    """The part of the picture that the scene is about."""
    x, y = np.round(truth.view.principal - scene.principal_point).astype(int)
    width, height = (int(n) for n in scene.image_size)
    return picture[y : y + height, x : x + width]


def _caption(truth: Truth) -> str:
    return truth.template.replace("_", " ")


def encode_jpeg_image(picture: Image.Image, quality: int = 82) -> bytes:
    """JPEG bytes of a sheet."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def encode_png(picture: Image.Image) -> bytes:
    """PNG bytes of a picture with few colours."""
    buffer = BytesIO()
    picture.quantize(64).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
