"""Frames to files: GIF through Pillow, MP4 through imageio-ffmpeg (extra `report`)."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from prosepose_jax.errors import InputError
from prosepose_jax.io.atomic import atomic_file

FILMS = ("gif", "mp4")


def write_film(path: str | os.PathLike[str], frames: Iterable[np.ndarray], fps: int = 20) -> Path:
    """Writes (h, w, 3) uint8 frames of one size as the file name's ending says, in one step.

    Raises:
      InputError: another ending than .gif or .mp4, or .mp4 without imageio-ffmpeg.
    """
    path = Path(path)
    kind = path.suffix.removeprefix(".").lower()
    if kind not in FILMS:
        raise InputError(f"{path}: expected a name ending in .gif or .mp4")
    (_write_gif if kind == "gif" else _write_mp4)(path, frames, fps)
    return path


def _write_gif(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    pictures = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    # One palette for all: colours that change between frames flicker.
    palette = pictures[0].quantize(255, method=Image.Quantize.MEDIANCUT)
    flat = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    with atomic_file(path) as file:
        flat[0].save(file, format="GIF", save_all=True, append_images=flat[1:], duration=round(1000 / fps), loop=0)


def _write_mp4(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    try:
        ffmpeg = importlib.import_module("imageio_ffmpeg")
    except ImportError:
        raise InputError("MP4 needs imageio-ffmpeg: pip install 'prosepose_jax[report]'; GIF needs nothing") from None
    iterator = iter(frames)
    first = np.ascontiguousarray(next(iterator))
    height, width = first.shape[:2]
    part = path.with_name(f".{path.stem}.part.mp4")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Sizes that the codec takes: even ones.
    writer = ffmpeg.write_frames(
        str(part), (width, height), fps=fps, codec="libx264", quality=8, macro_block_size=2, ffmpeg_log_level="error"
    )
    try:
        writer.send(None)
        writer.send(first)
        for frame in iterator:
            writer.send(np.ascontiguousarray(frame))
        writer.close()
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
