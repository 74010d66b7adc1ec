"""A small software rasteriser for people, in numpy: triangles in, shaded pixels out.

Why not a graphics library: VTK's wheels (and so pyvista) need a system OpenGL, and without one they end
the process instead of raising. This draws the same picture everywhere, in the plain install, with no
display, no driver and no state, in a few tenths of a second for two people of 14,000 vertices.
"""

from __future__ import annotations

import dataclasses

import numpy as np

# Samples (triangle, pixel) evaluated at a time: bounds the working memory to some tens of MB.
_CHUNK_SAMPLES = 400_000
_MIN_AREA_PX2 = 1e-9
_CRACK = np.float32(-1e-5)
# A step in depth of this many metres between neighbouring pixels gets a soft dark edge.
_EDGE_STEP_M = 0.03


@dataclasses.dataclass(frozen=True)
class Mesh:
    """All people of one picture as one triangle list, in a right-handed view frame."""

    xy_px: np.ndarray  # (V, 2) image position, origin at the top-left corner of the image
    depth_m: np.ndarray  # (V,) along the view direction
    normals: np.ndarray  # (V, 3) unit, view frame x right, y down, z forward
    colors: np.ndarray  # (V, 3) in [0, 1]
    faces: np.ndarray  # (F, 3)
    perspective: bool
    two_sided: bool = False  # draw insides too, for meshes that are cut open; False: outsides only


def outward_faces(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The faces, turned over if they enclose a negative volume (a file whose triangles look inward)."""
    a, b, c = (vertices[faces[:, k]] - vertices.mean(axis=0) for k in range(3))
    volume = np.einsum("fi,fi->", a, np.cross(b, c))
    return faces[:, ::-1] if volume < 0 else faces


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals: the area-weighted mean of the neighbouring triangles'."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    total = np.stack(
        [np.bincount(faces.ravel(), np.repeat(normals[:, k], 3), minlength=len(vertices)) for k in range(3)], axis=1
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20)


def visible_surface(mesh: Mesh, size_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Which triangle each pixel shows, and where on it.

    A pixel shows the nearest triangle that covers its centre.

    Returns:
      (h, w) int face index, -1 where there is none; (3, h, w) float32 barycentric weights on the image plane.
    """
    width, height = size_px
    corners = mesh.xy_px[mesh.faces]  # (F, 3, 2)
    area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # Pixel (i, j) has its centre at (i + ½, j + ½).
    first = np.maximum(np.ceil(corners.min(axis=1) - 0.5), 0).astype(np.int64)
    last = np.minimum(np.floor(corners.max(axis=1) - 0.5), [width - 1, height - 1]).astype(np.int64)
    # With y down and z forward, the outside of a triangle is seen where its image runs anticlockwise.
    faced = np.abs(area) > _MIN_AREA_PX2 if mesh.two_sided else area < -_MIN_AREA_PX2
    drawn = np.flatnonzero(faced & (last >= first).all(axis=1))
    first, last, area, corners = first[drawn], last[drawn], area[drawn], corners[drawn]
    window = (last - first + 1).max(axis=1)
    # 1/z is linear over the image under perspective, z itself without: nearness interpolates with plain weights.
    nearness = (1.0 / mesh.depth_m if mesh.perspective else -mesh.depth_m)[mesh.faces[drawn]].astype(np.float32)
    # Barycentric weights 1 and 2 are linear in the pixel: slopes per pixel, value at the window's first centre.
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    to_first = first + 0.5 - corners[:, 0]
    linear = [
        np.stack([ac[:, 1], -ac[:, 0], _cross(to_first, ac)], axis=1) / area[:, None],
        np.stack([-ab[:, 1], ab[:, 0], _cross(ab, to_first)], axis=1) / area[:, None],
    ]
    slopes1, slopes2 = (plane.astype(np.float32) for plane in linear)

    best = np.full(height * width, -np.inf, dtype=np.float32)
    face_at = np.full(height * width, -1, dtype=np.int64)
    weights_at = np.zeros((3, height * width), dtype=np.float32)
    # Triangles of similar size are done together, in square windows of 1, 2, 3, 4, 6, 9, 13, … pixels.
    side, lower = 1, 0
    while lower < (window.max() if len(window) else 0):
        chosen = np.flatnonzero((window > lower) & (window <= side))
        dx, dy = (offset.ravel() for offset in np.meshgrid(np.arange(side), np.arange(side)))
        grid = np.stack([dx, dy, np.ones_like(dx)]).astype(np.float32)
        step = max(1, _CHUNK_SAMPLES // (side * side))
        for start in range(0, len(chosen), step):
            part = chosen[start : start + step]
            w1, w2 = slopes1[part] @ grid, slopes2[part] @ grid
            w0 = 1.0 - w1 - w2
            # The tolerance closes float32 cracks between neighbours; a sample in both is decided by depth.
            row, sample = np.nonzero((w0 >= _CRACK) & (w1 >= _CRACK) & (w2 >= _CRACK))
            face = part[row]
            x, y = first[face, 0] + dx[sample], first[face, 1] + dy[sample]
            within = (x <= last[face, 0]) & (y <= last[face, 1])
            row, sample, face, x, y = (array[within] for array in (row, sample, face, x, y))
            weights = np.stack([w0[row, sample], w1[row, sample], w2[row, sample]])
            near = weights[0] * nearness[face, 0] + weights[1] * nearness[face, 1] + weights[2] * nearness[face, 2]
            pixel = y * width + x
            np.maximum.at(best, pixel, near)
            won = near == best[pixel]
            face_at[pixel[won]] = drawn[face[won]]
            weights_at[:, pixel[won]] = weights[:, won]
        lower, side = side, max(side + 1, side * 3 // 2)
    return face_at.reshape(height, width), weights_at.reshape(3, height, width)


def draw(mesh: Mesh, size_px: tuple[int, int], supersampling: int = 2) -> np.ndarray:
    """(h, w, 4) float picture, colours straight (not multiplied by alpha), all in [0, 1]."""
    fine = (size_px[0] * supersampling, size_px[1] * supersampling)
    mesh = dataclasses.replace(mesh, xy_px=mesh.xy_px * supersampling)
    face_at, weights = visible_surface(mesh, fine)
    shown = face_at >= 0
    corner = mesh.faces[face_at[shown]].T  # (3, n)
    weight = weights[:, shown]
    depth_m = mesh.depth_m.astype(np.float32)
    if mesh.perspective:
        weight = weight / depth_m[corner]
        weight /= weight[0] + weight[1] + weight[2]

    def interpolated(values: np.ndarray) -> np.ndarray:
        values = values.astype(np.float32)
        spread = weight if values.ndim == 1 else weight[..., None]
        return spread[0] * values[corner[0]] + spread[1] * values[corner[1]] + spread[2] * values[corner[2]]

    depth = np.full(shown.shape, np.inf, dtype=np.float32)
    depth[shown] = interpolated(depth_m)
    color = _lit(interpolated(mesh.colors), interpolated(mesh.normals)) * _edge_shade(depth)[shown][:, None]
    picture = np.zeros((*shown.shape, 4), dtype=np.float32)
    picture[shown, :3] = np.clip(color, 0.0, 1.0)
    picture[shown, 3] = 1.0
    return _averaged(picture, supersampling)


# (direction towards the light in the view frame x right, y down, z forward; strength): key from the upper left,
# fill from the right, rim from behind and above.
_LIGHTS = (((-0.55, -0.75, -0.75), 0.58), ((0.85, -0.10, -0.55), 0.26), ((0.15, -0.80, 0.60), 0.16))
_AMBIENT = 0.26
_GLOSS, _GLOSS_DOUBLINGS = 0.12, 5  # highlight strength; its power is 2 to the doublings
_EXPOSURE = np.float32(1.18)


def _lit(color: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Soft three-point light with a small highlight; (n, 3) colours, (n, 3) normals of any length."""
    x, y, z = normal[:, 0], normal[:, 1], -np.abs(normal[:, 2])  # the side of the surface that is seen
    scale = 1.0 / np.maximum(np.sqrt(x * x + y * y + z * z), np.float32(1e-12))
    x, y, z = x * scale, y * scale, z * scale

    def towards(direction: np.ndarray) -> np.ndarray:
        unit = (direction / np.linalg.norm(direction)).astype(np.float32)
        return x * unit[0] + y * unit[1] + z * unit[2]

    light = np.full(len(normal), _AMBIENT, dtype=np.float32)
    for direction, strength in _LIGHTS:
        # Wrapped diffuse light: no hard terminator, limbs keep their roundness in the shade.
        wrapped = 0.5 + 0.5 * towards(np.array(direction))
        light += np.float32(strength) * wrapped * wrapped
    key = np.array(_LIGHTS[0][0])
    glint = np.maximum(towards(key / np.linalg.norm(key) + np.array([0.0, 0.0, -1.0])), 0.0)
    for _ in range(_GLOSS_DOUBLINGS):
        glint = glint * glint
    return color * (_EXPOSURE * light)[:, None] + (np.float32(_GLOSS) * glint)[:, None]


def _edge_shade(depth: np.ndarray) -> np.ndarray:
    """(h, w) factors: darker just behind a nearer surface, so that limbs stand out from the body behind them."""
    padded = np.pad(depth, 2, constant_values=np.inf)
    height, width = depth.shape
    nearest = depth
    for shift in (0, 1, 3, 4):
        nearest = np.minimum(nearest, padded[shift : shift + height, 2 : 2 + width])
        nearest = np.minimum(nearest, padded[2 : 2 + height, shift : shift + width])
    step = np.zeros_like(depth)
    np.subtract(depth, nearest, out=step, where=np.isfinite(depth))
    return 1.0 - np.float32(0.38) * np.clip(step / np.float32(_EDGE_STEP_M) - 1.0, 0.0, 1.0)


def _averaged(picture: np.ndarray, factor: int) -> np.ndarray:
    """The picture scaled down by averaging blocks; colours weighted by their alpha."""
    picture[..., :3] *= picture[..., 3:]
    total = sum(picture[i::factor, j::factor] for i in range(factor) for j in range(factor))
    total = np.asarray(total) / np.float32(factor * factor)
    total[..., :3] /= np.maximum(total[..., 3:], np.float32(1e-6))
    return total


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
