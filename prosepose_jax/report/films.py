"""Frames to files: GIF through Pillow, MP4 through imageio-ffmpeg (extra `report`)."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import subprocess
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
    # The codec takes even sizes alone.
    height, width = (side - side % 2 for side in first.shape[:2])
    part = path.with_name(f".{path.stem}.part.mp4")
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [
        ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
        "-s", f"{width}x{height}", "-r", str(fps), "-i", "-",
        "-an", "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(part),
    ]  # fmt: skip
    try:
        # Not the package's own writer: it forks, which JAX's threads do not survive.
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            assert running.stdin is not None and running.stderr is not None
            with contextlib.suppress(BrokenPipeError), running.stdin as pipe:
                for frame in itertools.chain([first], iterator):
                    pipe.write(np.ascontiguousarray(frame[:height, :width]).tobytes())
            said = running.stderr.read().decode(errors="replace").strip()
        if running.returncode:
            raise InputError(f"{path}: ffmpeg wrote no film: {said.splitlines()[-1] if said else 'no reason given'}")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
