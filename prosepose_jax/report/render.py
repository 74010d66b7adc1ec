"""Pictures of fitted people: over the photograph, from the side, from above (docs/report.md).

Drawn in software (`_raster.py`): no display, no graphics driver, no extra package. Every function is
pure, from arrays to a uint8 picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from prosepose_jax.errors import InputError
from prosepose_jax.io.pictures import picture_of_size
from prosepose_jax.report._raster import Mesh, draw, outward_faces, vertex_normals
from prosepose_jax.scene import Fit, Scene

# Distinct for every common colour vision: blue and orange first, then teal, pink, yellow.
PERSON_COLORS = np.array(
    [[0.36, 0.63, 0.93], [0.98, 0.64, 0.27], [0.22, 0.74, 0.64], [0.88, 0.55, 0.75], [0.93, 0.86, 0.42]]
)
MAX_SIDE_PX = 1000
_NEAR_M = 0.05
_PAPER = (244, 245, 247)
_INK = (38, 42, 48)

# Camera-frame directions of a view: (looking along, up in the picture).
_VIEWS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "side": ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),  # the photograph's camera is to the left of the picture
    "top": ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),  # the photograph's camera is below the picture
    "front": ((0.0, 0.0, 1.0), (0.0, -1.0, 0.0)),
    "back": ((0.0, 0.0, -1.0), (0.0, -1.0, 0.0)),
}
_CAPTIONS = {"side": "side (camera is left)", "top": "top (camera is below)"}


def render_people(
    vertices_cam: np.ndarray,
    faces: np.ndarray,
    focal: np.ndarray | Sequence[float],
    principal: np.ndarray | Sequence[float],
    image_size: tuple[int, int] | np.ndarray,
    background: np.ndarray | None = None,
    colors: np.ndarray | None = None,
    *,
    opacity: float = 0.88,
    max_side: int = MAX_SIDE_PX,
    crop: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """People as the scene's pinhole camera sees them, laid over the photograph.

    People hide each other as they should; the whole drawing is then blended over the background with
    `opacity`, so that the photograph shines through evenly. Triangles behind the camera are left out.

    Args:
      vertices_cam: (P, V, 3) m, camera frame (x right, y down, z forward).
      faces: (F, 3) triangles.
      focal: (2,) focal lengths in pixels of the full-size image.
      principal: (2,) principal point in the same pixels.
      image_size: (width, height) of the full-size image.
      background: (h, w, 3) uint8 photograph of any size with the same aspect ratio; None: plain paper.
      colors: (P, 3) one colour a person, or (P, V, 3) one a vertex, in [0, 1]; None: `PERSON_COLORS`.
      opacity: of the people over the background.
      max_side: larger pictures are scaled down to this many pixels on the longer side.
      crop: (left, top, right, bottom) in pixels of the full-size image; None: all of it.

    Returns:
      (h, w, 3) uint8.

    Raises:
      InputError: the arrays have the wrong shape or hold NaN.
    """
    vertices = _checked_vertices(vertices_cam)
    full = np.asarray(image_size, dtype=float).reshape(2)
    if not (full >= 1).all():
        raise InputError(f"image_size: expected two positive numbers, found {tuple(full)}")
    left, top, right, bottom = (0.0, 0.0, full[0], full[1]) if crop is None else crop
    part = np.array([right - left, bottom - top])
    scale = min(1.0, max_side / part.max())
    size = (max(1, round(part[0] * scale)), max(1, round(part[1] * scale)))
    # Rounding the size scales the two axes by slightly different factors; the camera follows.
    factor = np.array(size) / part
    depth = vertices[..., 2]
    visible = depth > _NEAR_M
    ratio = vertices[..., :2] / np.where(visible, depth, 1.0)[..., None]
    focal_px = np.broadcast_to(np.asarray(focal, dtype=float), (2,))
    positions = (ratio * focal_px + np.asarray(principal, dtype=float).reshape(2) - [left, top]) * factor
    drawn = draw_people(vertices, np.asarray(faces), positions, vertices, visible, colors, size, perspective=True)
    return _over(drawn, _background(background, full, (left, top, right, bottom), size), opacity)


def render_views(
    vertices_cam: np.ndarray,
    faces: np.ndarray,
    views: Sequence[str] = ("side", "top"),
    size: tuple[int, int] = (420, 420),
    colors: np.ndarray | None = None,
    *,
    frame: np.ndarray | None = None,
    scale_bar: bool = True,
) -> dict[str, np.ndarray]:
    """People without perspective from other directions, framed around them.

    "side" looks along the camera's -x axis (the photograph's camera is to the left of the picture), "top"
    looks down (the camera is below the picture), "front" is the photograph's direction, "back" its opposite.

    Args:
      vertices_cam: (P, V, 3) m, camera frame.
      faces: (F, 3) triangles.
      views: any of "side", "top", "front", "back".
      size: (width, height) of each picture in pixels.
      colors: (P, 3) or (P, V, 3) in [0, 1]; None: `PERSON_COLORS`.
      frame: (..., 3) points that the pictures must hold; None: the people. Give the vertices of several
        stages together to make their pictures comparable.
      scale_bar: draw a bar of half a metre.

    Returns:
      {view: (h, w, 3) uint8}.
    """
    vertices = _checked_vertices(vertices_cam)
    points = (vertices if frame is None else np.asarray(frame, dtype=float)).reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    pictures = {}
    for view in views:
        if view not in _VIEWS:
            raise InputError(f"views: expected some of {', '.join(_VIEWS)}; found {view!r}")
        forward, up = (np.array(axis) for axis in _VIEWS[view])
        axes = np.stack([np.cross(forward, up), -up, forward])  # view frame: right, down, forward
        seen = (vertices - 0.5 * (low + high)) @ axes.T
        across, along = (float((high - low) @ np.abs(axis)) for axis in axes[:2])
        pixels_per_metre = min(size[0] / max(across, 0.2), size[1] / max(along, 0.2)) / 1.12
        positions = seen[..., :2] * pixels_per_metre + np.array(size) / 2.0
        everywhere = np.ones(vertices.shape[:2], dtype=bool)
        drawn = draw_people(seen, np.asarray(faces), positions, seen, everywhere, colors, size, perspective=False)
        picture = _over(drawn, np.broadcast_to(np.array(_PAPER, dtype=np.uint8), (size[1], size[0], 3)), 1.0)
        pictures[view] = _with_scale_bar(picture, pixels_per_metre) if scale_bar else picture
    return pictures


def render_overlay(scene: Scene, vertices_cam: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """`render_people` with the scene's camera over the scene's photograph (paper when it has none)."""
    return render_people(
        vertices_cam, faces, scene.focal_length, scene.principal_point, scene.image_size,
        background=load_background(scene),
    )  # fmt: skip


def render_scene_panel(
    scene: Scene,
    fit: Fit,
    body_faces: np.ndarray,
    *,
    people_only: bool = True,
    on_problem: Callable[[str], object] | None = None,
) -> np.ndarray:
    """One picture of a scene's fit: overlay, side view and top view, before (above) and after (below).

    Args:
      scene: the scene; its photograph is used when it can be read.
      fit: a fit with `vertices`; the upper row appears when it has `initial_vertices` too.
      body_faces: (F, 3) triangles of the body.
      people_only: cut the photograph to the people's surroundings when they are small in it.
      on_problem: is told why the photograph is left out.

    Returns:
      (h, w, 3) uint8 picture, at most about 1700 px wide.

    Raises:
      InputError: the fit failed and has no vertices, or they hold NaN.
    """
    if fit.vertices is None:
        raise InputError(f"scene {scene.key}: no picture, the fit has no vertices (status {fit.status!r})")
    stages = [("after", _checked_vertices(fit.vertices))]
    if fit.initial_vertices is not None:
        stages.insert(0, ("before", _checked_vertices(fit.initial_vertices)))
    frame = np.concatenate([vertices.reshape(-1, 3) for _, vertices in stages])
    crop = _people_box(scene, frame) if people_only else None
    part = (0.0, 0.0, float(scene.image_size[0]), float(scene.image_size[1])) if crop is None else crop
    aspect = (part[2] - part[0]) / (part[3] - part[1])
    # Portrait pictures get a taller row, so that the overlay keeps a useful size.
    height = 520 if aspect < 1.0 else 440
    width = int(np.clip(round(height * aspect), 220, 780))
    background = load_background(scene, on_problem)
    rows = []
    for stage, vertices in stages:
        overlay = render_people(
            vertices, body_faces, scene.focal_length, scene.principal_point, scene.image_size,
            background=background, max_side=max(width, height), crop=crop,
        )  # fmt: skip
        views = render_views(vertices, body_faces, ("side", "top"), (height, height), frame=frame)
        named = "photograph" if background is not None else "camera"
        tiles = [_labelled(_letterbox(overlay, (width, height)), f"{stage}: {named}")]
        tiles += [_labelled(views[view], f"{stage}: {_CAPTIONS[view]}") for view in ("side", "top")]
        rows.append(_joined(tiles, axis=1))
    return _joined(rows, axis=0)


def load_background(scene: Scene, on_problem: Callable[[str], object] | None = None) -> np.ndarray | None:
    """The scene's photograph as (h, w, 3) uint8, at most `MAX_SIDE_PX` large; None if there is none to read.

    As the model is shown it (`io.pictures.picture_of_size`): turned as the scene's camera and keypoints have it.
    """
    if scene.image is None:
        return None
    width, height = (float(x) for x in scene.image_size)
    try:
        picture, _ = picture_of_size(scene.image, (width, height), enough=MAX_SIDE_PX)
    except InputError as error:
        if on_problem is not None:
            on_problem(str(error))
        return None
    picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def draw_people(
    vertices: np.ndarray,
    faces: np.ndarray,
    positions_px: np.ndarray,
    view_points: np.ndarray,
    visible: np.ndarray,
    colors: np.ndarray | None,
    size: tuple[int, int],
    *,
    perspective: bool,
) -> np.ndarray:
    """All people as one mesh through the rasteriser; triangles with a vertex that is not visible are left out."""
    num_people, num_vertices = vertices.shape[:2]
    if faces.ndim != 2 or faces.shape[1] != 3 or (faces.size and faces.max() >= num_vertices):
        raise InputError(f"faces: expected (F, 3) ids below {num_vertices}, found shape {faces.shape}")
    faces = outward_faces(view_points[0], faces.astype(np.int64))
    all_faces = np.concatenate([faces + person * num_vertices for person in range(num_people)])
    normals = np.concatenate([vertex_normals(points, faces) for points in view_points])
    if perspective:
        # Facing is decided against the line of sight, not the optical axis: turn the normals into that frame.
        normals = _along_sight(normals, view_points.reshape(-1, 3))
    chosen = PERSON_COLORS[np.arange(num_people) % len(PERSON_COLORS)] if colors is None else np.asarray(colors, float)
    if chosen.shape != vertices.shape:
        chosen = np.broadcast_to(np.broadcast_to(chosen, (num_people, 3))[:, None], vertices.shape)
    whole = bool(visible.all())
    if not whole:
        all_faces = all_faces[visible.reshape(-1)[all_faces].all(axis=1)]
    mesh = Mesh(
        xy_px=positions_px.reshape(-1, 2),
        depth_m=np.where(visible, view_points[..., 2], 1.0).reshape(-1),
        normals=normals,
        colors=chosen.reshape(-1, 3),
        faces=all_faces,
        perspective=perspective,
        two_sided=not whole,
    )
    return draw(mesh, size)


def _along_sight(normals: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Normals (n, 3) rotated by the rotation that takes each point's line of sight to the z axis."""
    sight = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    # Rodrigues for the rotation sight -> z, axis sight × z, cosine c: n + v×n + v×(v×n) / (1 + c).
    axis = np.stack([sight[:, 1], -sight[:, 0], np.zeros(len(sight))], axis=1)
    turned = np.cross(axis, normals)
    return normals + turned + np.cross(axis, turned) / np.maximum(1.0 + sight[:, 2:], 1e-6)


def _checked_vertices(vertices: np.ndarray) -> np.ndarray:
    array = np.asarray(vertices, dtype=np.float64)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[-1] != 3 or not len(array):
        raise InputError(f"vertices: expected shape (P, V, 3) with P >= 1, found {np.shape(vertices)}")
    if not np.isfinite(array).all():
        raise InputError("vertices: expected finite numbers, found NaN or infinity")
    return array


def _people_box(scene: Scene, points_cam: np.ndarray) -> tuple[float, float, float, float]:
    """The part of the image around the people (with a margin); the whole image when they fill much of it."""
    width, height = (float(x) for x in scene.image_size)
    depth = np.maximum(points_cam[:, 2:], _NEAR_M)
    positions = points_cam[:, :2] / depth * np.asarray(scene.focal_length) + np.asarray(scene.principal_point)
    seen = np.asarray(scene.keypoints)[np.asarray(scene.keypoints)[..., 2] > 0][:, :2]
    positions = np.clip(np.concatenate([positions, seen]), 0.0, [width, height])
    low, high = positions.min(axis=0), positions.max(axis=0)
    margin = 0.15 * max(high - low)
    low, high = np.maximum(low - margin, 0.0), np.minimum(high + margin, [width, height])
    box = high - low
    if (box < 16).any() or (box[0] * box[1] > 0.7 * width * height):
        return 0.0, 0.0, width, height
    # Not narrower than 3:5, so that a lone standing person doesn't become a sliver.
    short = np.maximum(0.6 * box.max() - box, 0.0) / 2.0
    low, high = np.maximum(low - short, 0.0), np.minimum(high + short, [width, height])
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _background(
    photograph: np.ndarray | None,
    full_size: np.ndarray,
    crop: tuple[float, float, float, float],
    size: tuple[int, int],
) -> np.ndarray:
    if photograph is None:
        return np.broadcast_to(np.array(_PAPER, dtype=np.uint8), (size[1], size[0], 3))
    picture = Image.fromarray(np.ascontiguousarray(photograph[..., :3], dtype=np.uint8))
    factor = np.array(picture.size) / full_size
    box = tuple(np.clip(np.array(crop) * np.tile(factor, 2), 0, np.tile(picture.size, 2)))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box=box))


def _over(drawn: np.ndarray, background: np.ndarray, opacity: float) -> np.ndarray:
    alpha = drawn[..., 3:] * opacity
    mixed = drawn[..., :3] * alpha + background.astype(np.float32) / 255.0 * (1.0 - alpha)
    return np.clip(np.rint(mixed * 255.0), 0, 255).astype(np.uint8)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _with_scale_bar(picture: np.ndarray, pixels_per_metre: float) -> np.ndarray:
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    length = 0.5 if pixels_per_metre * 0.5 < picture.shape[1] * 0.6 else 0.1
    right, bottom = picture.shape[1] - 14, picture.shape[0] - 12
    left = right - math.ceil(length * pixels_per_metre)
    pen.line([(left, bottom), (right, bottom)], fill=_INK, width=2)
    for x in (left, right):
        pen.line([(x, bottom - 4), (x, bottom + 4)], fill=_INK, width=2)
    pen.text((right, bottom - 6), f"{length:g} m", fill=_INK, font=_font(13), anchor="rb")
    return np.asarray(image)


def _letterbox(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(ImageOps.pad(Image.fromarray(picture), size, Image.Resampling.LANCZOS, color=_PAPER))


def _labelled(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture with a caption strip above it."""
    strip = Image.new("RGB", (picture.shape[1], 26), (255, 255, 255))
    ImageDraw.Draw(strip).text((8, 13), text, fill=_INK, font=_font(15), anchor="lm")
    return np.concatenate([np.asarray(strip), picture], axis=0)


def _joined(pictures: Sequence[np.ndarray], axis: int, gap: int = 6) -> np.ndarray:
    parts: list[np.ndarray] = []
    for index, picture in enumerate(pictures):
        if index:
            shape = list(picture.shape)
            shape[axis] = gap
            parts.append(np.full(shape, 255, dtype=np.uint8))
        parts.append(picture)
    return np.concatenate(parts, axis=axis)
