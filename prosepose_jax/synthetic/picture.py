"""A plain picture of a scene: people in simple clothes on a floor, drawn by the report's rasteriser."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from prosepose_jax.body.model import BodyModel
from prosepose_jax.report._raster import Mesh, draw, vertex_normals
from prosepose_jax.synthetic.camera_placement import View
from prosepose_jax.synthetic.refine import body_joint_of_vertices

_SKIN = np.array([[0.91, 0.74, 0.62], [0.80, 0.60, 0.46], [0.60, 0.42, 0.31], [0.42, 0.29, 0.22], [0.96, 0.82, 0.72]])
_CLOTH = np.array(
    [[0.20, 0.33, 0.55], [0.68, 0.25, 0.22], [0.22, 0.45, 0.34], [0.85, 0.70, 0.32], [0.45, 0.32, 0.52],
     [0.30, 0.32, 0.36], [0.82, 0.80, 0.76], [0.25, 0.50, 0.58]]
)  # fmt: skip
_HAIR = np.array([[0.12, 0.09, 0.08], [0.30, 0.19, 0.11], [0.55, 0.38, 0.18], [0.35, 0.33, 0.32]])
_FLOOR_HALF_M, _FLOOR_CELLS = 7.0, 70


def wardrobe(body: BodyModel, rng: np.random.Generator) -> np.ndarray:
    """(V, 3) vertex colours of one person: shirt, trousers or leggings, hair, shoes or bare feet."""
    owner = body_joint_of_vertices(body)
    rest = np.asarray(body.v_template)
    joints = np.asarray(body.joint_template)
    skin = _SKIN[rng.integers(len(_SKIN))] * rng.uniform(0.94, 1.04)
    shirt, trousers = _CLOTH[rng.choice(len(_CLOTH), 2, replace=False)]
    colors = np.tile(skin, (body.num_vertices, 1))
    waist = joints[3, 1] - 0.02
    trunk = np.isin(owner, (0, 3, 6, 9, 13, 14, 16, 17)) | (np.isin(owner, (1, 2)) & (rest[:, 1] > joints[1, 1]))
    collar = joints[12, 1] - 0.015
    colors[trunk & (rest[:, 1] < collar)] = shirt
    sleeve = rng.uniform(0.35, 1.0) if rng.random() < 0.75 else 1.9  # short, or to the wrist
    upper = np.abs(joints[18, 0] - joints[16, 0])
    along = (np.abs(rest[:, 0]) - np.abs(joints[16, 0])) / upper
    arm = np.isin(owner, (16, 17, 18, 19, 20, 21))
    colors[arm & (along < sleeve)] = shirt
    colors[arm & (along >= sleeve)] = skin
    legs = np.isin(owner, (0, 1, 2, 4, 5)) & (rest[:, 1] < waist)
    hem = joints[7, 1] + (0.06 if rng.random() < 0.7 else 0.34)
    colors[legs & (rest[:, 1] > hem)] = trousers
    head = owner == 15
    top, back = joints[15, 1], joints[15, 2]
    crown = rest[head, 1].max()
    line = crown - 0.28 * (crown - top)
    hair = head & ((rest[:, 1] > line) | ((rest[:, 2] < back + 0.005) & (rest[:, 1] > top - 0.02)))
    colors[hair] = _HAIR[rng.integers(len(_HAIR))]
    return np.clip(colors, 0, 1)


def draw_scene(
    body: BodyModel, vertices_cam: np.ndarray, view: View, floor_cam: tuple[np.ndarray, np.ndarray], seed: int
) -> np.ndarray:
    """(h, w, 3) uint8 picture of people (P, V, 3) in the camera frame.

    Args:
      body: the body model.
      vertices_cam: (P, V, 3) m.
      view: the camera.
      floor_cam: a point (3,) of the floor and its upward normal (3,), camera frame.
      seed: chooses clothes and background.
    """
    rng = np.random.default_rng([seed, 9176])
    faces = np.asarray(body.faces, np.int64)
    people = len(vertices_cam)
    size = view.size
    colors = [wardrobe(body, rng) for _ in range(people)]
    wall = np.array([0.90, 0.91, 0.92]) * rng.uniform(0.92, 1.05) + rng.uniform(-0.03, 0.03, 3)
    ground = np.array([0.72, 0.67, 0.60]) + rng.uniform(-0.08, 0.08, 3)
    picture = _background(view, floor_cam, np.clip(wall, 0, 1), np.clip(ground, 0, 1), vertices_cam)
    every = np.concatenate(list(vertices_cam)).astype(np.float64)
    mesh = Mesh(
        xy_px=view.project(every),
        depth_m=every[:, 2],
        normals=np.concatenate([vertex_normals(v.astype(np.float64), faces) for v in vertices_cam]),
        colors=np.concatenate(colors),
        faces=np.concatenate([faces + i * body.num_vertices for i in range(people)]),
        perspective=True,
    )
    drawn = draw(mesh, size)
    alpha = drawn[..., 3:]
    return np.clip(np.rint((drawn[..., :3] * alpha + picture * (1 - alpha)) * 255), 0, 255).astype(np.uint8)


def _background(
    view: View, floor_cam: tuple[np.ndarray, np.ndarray], wall: np.ndarray, ground: np.ndarray, people: np.ndarray
) -> np.ndarray:
    """A wall with a soft gradient and a floor with a soft shadow under the people; floats in [0, 1]."""
    width, height = view.size
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([(x - view.principal[0]) / view.focal, (y - view.principal[1]) / view.focal, np.ones_like(x)], -1)
    point, normal = floor_cam
    slope = rays @ normal
    reach = (point @ normal) / np.where(np.abs(slope) < 1e-9, 1e-9, slope)
    on_floor = (slope < 0) & (reach > 0)
    picture = wall[None, None] * (1.04 - 0.10 * (y / height))[..., None]
    # The wall stands a few metres behind; where the floor goes on beyond it, the wall begins.
    depth_limit = people[..., 2].max() + 2.2
    floor = on_floor & (reach < depth_limit)
    hits = rays * reach[..., None]
    fade = np.clip((reach - people[..., 2].min()) / 8.0, 0, 1)[..., None]
    shade = ground[None, None] * (1 - 0.25 * fade)
    # Soft contact shadow: how many low vertices lie near a floor point.
    low = people.reshape(-1, 3)[::7]
    above = (low - point) @ normal
    low, above = low[above < 1.0], above[above < 1.0]
    foot = low - above[:, None] * normal
    dark = np.zeros((height, width))
    step = 4
    grid = hits[::step, ::step].reshape(-1, 3)
    density = np.zeros(len(grid))
    for start in range(0, len(grid), 4096):
        part = grid[start : start + 4096]
        squared = np.sum(part**2, 1)[:, None] + np.sum(foot**2, 1)[None] - 2 * part @ foot.T
        density[start : start + 4096] = np.sum(np.exp(-np.maximum(squared, 0) / 0.012) * np.exp(-above / 0.25)[None], 1)
    coarse = density.reshape(hits[::step, ::step].shape[:2])
    dark = np.repeat(np.repeat(1 - np.exp(-coarse / 60.0), step, 0), step, 1)[:height, :width]
    shade = shade * (1 - 0.5 * dark)[..., None]
    return np.clip(np.where(floor[..., None], shade, picture), 0, 1)


def encode_jpeg(picture: np.ndarray, limit_bytes: int = 60_000) -> bytes:
    """JPEG bytes of a picture, at the best quality (of 90 down to 40) that stays under the limit."""
    data = b""
    for quality in range(90, 39, -5):
        buffer = BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality, optimize=True)
        data = buffer.getvalue()
        if len(data) <= limit_bytes:
            break
    return data


def contact_sheet(
    pictures: Sequence[tuple[str, Image.Image]], cell: int = 340, columns: int = 5, height: int | None = None
) -> Image.Image:
    """One picture of captioned pictures, in rows of `columns` cells of `cell` by `height` pixels (None: squares)."""
    caption, height = 22, height or cell
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * cell, rows * (height + caption)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (text, picture) in enumerate(pictures):
        small = picture.copy()
        small.thumbnail((cell - 8, height - 4), Image.Resampling.LANCZOS)
        x, y = index % columns * cell, index // columns * (height + caption)
        sheet.paste(small, (x + (cell - small.width) // 2, y + caption))
        draw.text((x + cell // 2, y + caption // 2), text, "#222222", ImageFont.load_default(15), "mm")
    return sheet
