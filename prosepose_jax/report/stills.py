"""Pictures for papers and films: people on a ground with a soft shadow, from any side, at any resolution.

Every picture is RGBA with straight alpha; without a paper colour the background is transparent. Pure functions, drawn
in software as `render.py`'s.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter
from scipy.spatial import cKDTree

from prosepose_jax.errors import InputError
from prosepose_jax.report._raster import Mesh, draw
from prosepose_jax.report.render import draw_people

SIDES = {"front": (0.0, 8.0), "side": (-90.0, 8.0), "back": (180.0, 8.0), "corner": (32.0, 18.0), "top": (0.0, 89.0)}
"""Degrees around the vertical (0: as the photograph's camera) and above the horizon."""

PASTELS = np.array([[0.56, 0.74, 0.94], [0.98, 0.77, 0.55], [0.60, 0.84, 0.75], [0.93, 0.72, 0.84], [0.94, 0.89, 0.62]])
_FIELD_DEG = 28.0
_MARGIN = 1.10
_LIGHT = np.array([0.22, 1.0, 0.14])  # where the light goes, camera frame (y down)
_SHADOW, _SHADOW_BLUR = 0.32, 0.014  # darkness; blur as a share of the picture's shorter side
_FAR_M = 0.10  # a vertex as far from the others as this has no heat
_HEAT = np.array([[0.85, 0.86, 0.88], [0.98, 0.80, 0.45], [0.93, 0.45, 0.20], [0.70, 0.06, 0.10]])


@dataclasses.dataclass(frozen=True)
class Eye:
    """A camera that looks at a point from a distance."""

    around_deg: float
    above_deg: float
    center: np.ndarray  # (3,) m, the photograph's camera frame
    radius: float  # m around the centre that the picture holds

    def axes(self) -> np.ndarray:
        """(3, 3): rows right, down and forward in the photograph's camera frame."""
        around, above = math.radians(self.around_deg), math.radians(self.above_deg)
        # From the photograph's side (-z), turned about y (down), then raised.
        forward = np.array(
            [-math.sin(around) * math.cos(above), math.sin(above), math.cos(around) * math.cos(above)], float
        )
        right = np.cross([0.0, 1.0, 0.0], forward)
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])


def eye_for(points: np.ndarray, side: str | tuple[float, float]) -> Eye:
    """A camera that holds points (..., 3) m: a name of `SIDES`, or degrees around and above."""
    if isinstance(side, str):
        if side not in SIDES:
            raise InputError(f"view {side!r}: expected one of {', '.join(SIDES)}")
        side = SIDES[side]
    points = np.asarray(points, float).reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    center = 0.5 * (low + high)
    return Eye(side[0], side[1], center, max(0.2, float(np.linalg.norm(points - center, axis=1).max())))


def render_still(
    vertices_cam: np.ndarray,
    faces: np.ndarray,
    eye: Eye,
    size: tuple[int, int] = (1200, 1200),
    colors: np.ndarray | None = None,
    *,
    ground_y: float | None = None,
    paper: tuple[int, int, int] | None = None,
) -> np.ndarray:
    """A picture of people on their ground.

    Args:
      vertices_cam: (P, V, 3) m, the photograph's camera frame.
      faces: (F, 3) triangles.
      eye: from where.
      size: (width, height) in pixels.
      colors: (P, 3) one colour a person, or (P, V, 3) one a vertex, in [0, 1]; None: `PASTELS`.
      ground_y: height of the ground in the camera frame (y down); None: under the lowest vertex. Infinite: no ground.
      paper: background colour; None: transparent.

    Returns:
      (h, w, 4) uint8, alpha straight.
    """
    people = np.asarray(vertices_cam, float)
    if people.ndim != 3 or people.shape[-1] != 3 or not np.isfinite(people).all():
        raise InputError(f"vertices: expected finite (P, V, 3), found shape {people.shape}")
    if min(size) < 1:
        raise InputError(f"size: expected at least 1 × 1 pixels, found {size[0]} × {size[1]}")
    if colors is None:
        colors = PASTELS[np.arange(len(people)) % len(PASTELS)]
    axes = eye.axes()
    distance = _MARGIN * eye.radius / math.sin(math.radians(_FIELD_DEG) / 2.0)
    focal = 0.5 * min(size) / math.tan(math.radians(_FIELD_DEG) / 2.0)

    def seen(points: np.ndarray) -> np.ndarray:
        return (points - eye.center) @ axes.T + [0.0, 0.0, distance]

    def placed(view: np.ndarray) -> np.ndarray:
        return view[..., :2] / np.maximum(view[..., 2:], 1e-3) * focal + np.array(size) / 2.0

    view = seen(people)
    visible = view[..., 2] > 0.02
    drawn = draw_people(people, np.asarray(faces), placed(view), view, visible, colors, size, perspective=True)
    ground_y = float(people[..., 1].max()) if ground_y is None else ground_y
    # From below the ground no shadow is seen.
    if np.isfinite(ground_y) and eye.above_deg > 0.0:
        fallen = people + np.maximum(ground_y - people[..., 1:2], 0.0) / _LIGHT[1] * _LIGHT
        flat = seen(fallen)
        drawn = _over(drawn, _shadow(flat, placed(flat), np.asarray(faces), size))
    if paper is not None:
        back = np.ones((size[1], size[0], 4), np.float32)
        back[..., :3] = np.array(paper, np.float32) / 255.0
        drawn = _over(drawn, back)
    return np.clip(np.rint(drawn * 255.0), 0, 255).astype(np.uint8)


def contact_heat(vertices: np.ndarray, apart: np.ndarray | None = None) -> np.ndarray:
    """(P, V, 3) colours by the distance to the nearest vertex of another person: red touches, grey is 10 cm away.

    Args:
      vertices: (P, V, 3) m.
      apart: unused for several people; for one person its rest vertices (V, 3), which tell neighbours from touch.
    """
    people = np.asarray(vertices, float)
    distance = np.full(people.shape[:2], np.inf)
    for i, points in enumerate(people):
        others = np.concatenate([other for j, other in enumerate(people) if j != i] or [np.zeros((0, 3))])
        if len(others):
            distance[i] = cKDTree(others).query(points, distance_upper_bound=_FAR_M)[0]
        elif apart is not None:
            distance[i] = _own_distance(points, np.asarray(apart, float))
    heat = 1.0 - np.minimum(distance, _FAR_M) / _FAR_M
    place = heat * (len(_HEAT) - 1)
    first = np.minimum(place.astype(int), len(_HEAT) - 2)
    share = (place - first)[..., None]
    return (1.0 - share) * _HEAT[first] + share * _HEAT[first + 1]


def _own_distance(points: np.ndarray, rest: np.ndarray, apart_m: float = 0.25) -> np.ndarray:
    """To the nearest vertex of the same person that is far away at rest."""
    found = np.full(len(points), np.inf)
    pairs = cKDTree(points).query_pairs(_FAR_M / 2.0, output_type="ndarray")
    far = np.linalg.norm(rest[pairs[:, 0]] - rest[pairs[:, 1]], axis=1) > apart_m
    pairs = pairs[far]
    apart = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    for side in (0, 1):
        np.minimum.at(found, pairs[:, side], apart)
    return found


def _shadow(view: np.ndarray, positions: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, 4) the flattened people as a blurred dark spot."""
    num_vertices = view.shape[1]
    mesh = Mesh(
        xy_px=positions.reshape(-1, 2),
        depth_m=np.maximum(view[..., 2], 1e-3).reshape(-1),
        normals=np.tile([[0.0, 0.0, -1.0]], (view.shape[0] * num_vertices, 1)),
        colors=np.zeros((view.shape[0] * num_vertices, 3)),
        faces=np.concatenate([faces + person * num_vertices for person in range(len(view))]),
        perspective=True,
        two_sided=True,
    )
    covered = Image.fromarray((draw(mesh, size, supersampling=1)[..., 3] * 255.0).astype(np.uint8))
    blurred = covered.filter(ImageFilter.GaussianBlur(_SHADOW_BLUR * min(size)))
    out = np.zeros((size[1], size[0], 4), np.float32)
    out[..., 3] = np.asarray(blurred, np.float32) / 255.0 * _SHADOW
    return out


def _over(front: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Straight-alpha compositing of (h, w, 4) float pictures."""
    alpha = front[..., 3:] + back[..., 3:] * (1.0 - front[..., 3:])
    color = front[..., :3] * front[..., 3:] + back[..., :3] * back[..., 3:] * (1.0 - front[..., 3:])
    return np.concatenate([color / np.maximum(alpha, 1e-6), alpha], axis=-1)


def turntable(points: np.ndarray, frames: int, above_deg: float = 12.0) -> list[Eye]:
    """Cameras once around the points, the first as the photograph's."""
    return [eye_for(points, (360.0 * frame / frames, above_deg)) for frame in range(frames)]


def film_frames(stages: Sequence[np.ndarray], frames: int, rest: int) -> list[np.ndarray]:
    """People (P, V, 3) of every frame of a film: through the stages in order, resting at both ends.

    Args:
      stages: (P, V, 3) m each, at least one: before, what was recorded, after.
      frames: of the movement.
      rest: frames that each end stands still.
    """
    if len(stages) == 1:
        return [stages[0]] * (frames + 2 * rest)
    out = [stages[0]] * rest
    for place in np.linspace(0.0, len(stages) - 1.0, frames):
        first = min(int(place), len(stages) - 2)
        share = place - first
        out.append((1.0 - share) * stages[first] + share * stages[first + 1])
    return out + [stages[-1]] * rest
