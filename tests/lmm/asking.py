"""Small scenes with pictures, and `prosepose ask` run in this process on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prosepose_jax.apps.main import main
from prosepose_jax.scene import Scene

WIDTH, HEIGHT = 400, 300


def make_scene(key: str, image: Path | None = None, people: int = 2, spread: float = 60.0, **fields: Any) -> Scene:
    """People side by side, `spread` pixels apart, as tall as half the image."""
    rng = np.random.default_rng(sum(map(ord, key)))
    points = np.ones((people, 25, 3), np.float32)
    for person in range(people):
        x = WIDTH / 2 + spread * (person - (people - 1) / 2)
        points[person, :, 0] = x + rng.uniform(-40, 40, 25)
        points[person, :, 1] = HEIGHT / 2 + rng.uniform(-75, 75, 25)
    return Scene(
        key=key,
        global_orient=np.zeros((people, 3), np.float32),
        body_pose=np.zeros((people, 21, 3), np.float32),
        betas=np.zeros((people, 10), np.float32),
        transl=np.full((people, 3), 3.0, np.float32),
        keypoints=points,
        focal_length=np.full(2, 300.0, np.float32),
        principal_point=np.array([WIDTH / 2, HEIGHT / 2], np.float32),
        image_size=np.array([WIDTH, HEIGHT]),
        image=image,
        **fields,
    )


def make_picture(file: Path, seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """A picture of smooth colours that no other seed gives."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    file.parent.mkdir(parents=True, exist_ok=True)
    small.resize(size, Image.Resampling.BICUBIC).save(file, quality=90)
    return file


def ask(scenes: Path, out: Path, url: str, client: str, *more: str, num_answers: int = 4) -> int:
    """Runs `prosepose ask` in this process; returns the exit status."""
    base = f"{url}/v1" if client.startswith("openai") else url
    return main(
        ["prosepose", "ask", f"--scenes={scenes}", f"--out={out}", f"--client={client}", "--model=fake-model",
         f"--base_url={base}", f"--num_answers={num_answers}", *more]
    )  # fmt: skip


def lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a .jsonl; every line must be whole."""
    text = file.read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]
