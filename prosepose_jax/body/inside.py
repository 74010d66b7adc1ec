"""Which points lie inside a closed surface: the exact test, and a fast one with the same result.

The exact test sums solid angles (generalised winding number; Jacobson et al. 2013). The fast one cuts
the surface into pieces, closes every piece with cones over its boundary, and counts signed crossings of
a ray with those pieces only whose bounding box holds the point. The cones of neighbouring pieces cancel,
and a closed piece winds zero times around a point outside its box, so both give the same integer
(docs/method.md, "Other terms").
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.errors import InputError

# A point is inside when the surface winds around it at least this often (1 up to rounding).
INSIDE_THRESHOLD = 0.99
_TINY = 1e-30


def winding_numbers(points: jax.Array, vertices: jax.Array, faces: jax.Array, chunk: int = 256) -> jax.Array:
    """Generalised winding number of a triangle mesh around each point, by solid angles.

    Args:
      points: (n, 3) m.
      vertices: (m, 3) m.
      faces: (f, 3) int, outward by the right-hand rule.
      chunk: points handled at once; bounds the memory to chunk × f.

    Returns:
      (n,) 1 inside and 0 outside of a closed surface.
    """
    corners = vertices[faces]  # (f, 3, 3)

    def one(point: jax.Array) -> jax.Array:
        rel = corners - point[None, None]
        a, b, c = rel[:, 0], rel[:, 1], rel[:, 2]
        la, lb, lc = (jnp.sqrt(jnp.sum(x * x, axis=-1)) for x in (a, b, c))
        det = jnp.sum(a * jnp.cross(b, c), axis=-1)
        dots = (jnp.sum(a * b, -1) * lc) + (jnp.sum(b * c, -1) * la) + (jnp.sum(c * a, -1) * lb)
        return jnp.sum(jnp.arctan2(det, la * lb * lc + dots)) / (2.0 * jnp.pi)

    return jax.lax.map(one, points, batch_size=chunk)


@struct.dataclass
class SurfacePieces:
    """A closed surface cut into closed pieces, for `crossing_numbers`. n vertices, k cone apexes, s pieces."""

    # Per piece and face: the three edges as (low, high) indices into [vertices, apexes], so that the two
    # faces at an edge compute bitwise the same number, and the sign that orients the edge along the face.
    edge_low: jax.Array  # (s, t, 3) int32
    edge_high: jax.Array  # (s, t, 3) int32
    edge_sign: jax.Array  # (s, t, 3) float32, 0 on padding faces
    corners: jax.Array  # (s, t, 3) int32
    apex_members: jax.Array  # (k, a) int32 vertices whose mean is the apex
    apex_weights: jax.Array  # (k, a) float32, rows sum to one
    piece_points: jax.Array  # (s, b) int32 all points of a piece (for its box), padded with its first


def cut_surface(vertices: np.ndarray, faces: np.ndarray, max_faces: int = 48) -> SurfacePieces:
    """Cuts a closed surface into compact pieces of at most about `max_faces` faces, each closed by cones.

    Args:
      vertices: (n, 3) rest positions, used only to choose compact pieces.
      faces: (f, 3) ints of a closed, consistently oriented surface.
      max_faces: most faces of a piece, its cones counted in.

    Raises:
      InputError: when the surface has a boundary or inconsistent orientation.
    """
    faces = np.asarray(faces, np.int64)
    n = len(vertices)
    open_edges = _open_edges(faces)
    if len(open_edges):
        raise InputError(
            f"low-resolution mesh: {len(open_edges)} edges are open or inconsistently oriented; "
            "expected a closed surface with outward faces"
        )
    points = [np.asarray(vertices, np.float64)]
    apex_weights: list[np.ndarray] = []  # each apex as a (n,) combination of the surface's own vertices

    def split(part: np.ndarray) -> list[np.ndarray]:
        if len(part) <= max_faces:
            return [part]
        place = np.concatenate(points)
        centres = place[part].mean(1)
        axis = int(np.argmax(np.ptp(centres, axis=0)))
        order = np.argsort(centres[:, axis], kind="stable")
        halves = [part[np.sort(order[: len(order) // 2])], part[np.sort(order[len(order) // 2 :])]]
        # The cut's edges fall into closed curves. A cone over each closes both halves, and the two cones
        # cancel, so the halves' winding numbers add up to the whole's.
        edges = _open_edges(halves[0])
        curve = _connected(edges, len(place))
        for label in np.unique(curve[edges[:, 0]]) if len(edges) else []:
            mine = edges[curve[edges[:, 0]] == label]
            members = np.unique(mine)
            apex = n + len(apex_weights)
            weights = np.zeros(n)
            for member in members:
                weights += (np.eye(1, n, member)[0] if member < n else apex_weights[member - n]) / len(members)
            apex_weights.append(weights)
            points.append((weights @ points[0])[None])
            cone = np.stack([np.full(len(mine), apex), mine[:, 1], mine[:, 0]], axis=1)
            halves = [np.concatenate([halves[0], cone]), np.concatenate([halves[1], cone[:, ::-1]])]
        if max(len(half) for half in halves) >= len(part):  # cones ate what the cut saved
            return [part]
        return split(halves[0]) + split(halves[1])

    return _pack_pieces(split(faces), apex_weights)


def _open_edges(faces: np.ndarray) -> np.ndarray:
    """Directed edges (e, 2) of faces that no opposite edge cancels, repeated by their count."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    low, high = directed.min(1), directed.max(1)
    ids, inverse = np.unique(np.stack([low, high], axis=1), axis=0, return_inverse=True)
    net = np.bincount(inverse.ravel(), weights=np.where(directed[:, 0] < directed[:, 1], 1, -1)).astype(int)
    forward = np.repeat(ids[net > 0], net[net > 0], axis=0)
    backward = np.repeat(ids[net < 0][:, ::-1], -net[net < 0], axis=0)
    return np.concatenate([forward, backward])


def _pack_pieces(piece_faces: list[np.ndarray], apexes: list[np.ndarray]) -> SurfacePieces:
    count = max(len(f) for f in piece_faces)
    count = -(-count // 16) * 16
    points = [np.unique(f) for f in piece_faces]
    width = max(len(p) for p in points)
    corners = np.zeros((len(piece_faces), count, 3), np.int32)
    used = np.zeros((len(piece_faces), count), bool)
    piece_points = np.zeros((len(piece_faces), width), np.int32)
    for s, (f, p) in enumerate(zip(piece_faces, points, strict=True)):
        corners[s] = f[0]
        corners[s, : len(f)] = f
        used[s, : len(f)] = True
        piece_points[s] = p[0]
        piece_points[s, : len(p)] = p
    start, end = corners, np.roll(corners, -1, axis=-1)
    sign = np.where(start < end, 1.0, -1.0) * used[..., None]
    most = max([np.count_nonzero(w) for w in apexes], default=1)
    apex_members = np.zeros((len(apexes), most), np.int32)
    apex_weights = np.zeros((len(apexes), most), np.float32)
    for i, w in enumerate(apexes):
        ids = np.flatnonzero(w)
        apex_members[i, : len(ids)] = ids
        apex_weights[i, : len(ids)] = w[ids]
    return SurfacePieces(
        edge_low=jnp.asarray(np.minimum(start, end)),
        edge_high=jnp.asarray(np.maximum(start, end)),
        edge_sign=jnp.asarray(sign, jnp.float32),
        corners=jnp.asarray(corners),
        apex_members=jnp.asarray(apex_members),
        apex_weights=jnp.asarray(apex_weights),
        piece_points=jnp.asarray(piece_points),
    )


def _connected(edges: np.ndarray, n: int) -> np.ndarray:
    """Component label of each of n vertices under the given (e, 2) edges."""
    label = np.arange(n)
    while True:
        smallest = np.minimum(label[edges[:, 0]], label[edges[:, 1]])
        new = label.copy()
        np.minimum.at(new, edges[:, 0], smallest)
        np.minimum.at(new, edges[:, 1], smallest)
        if np.array_equal(new, label):
            return label
        label = new


def surface_points(pieces: SurfacePieces, vertices: jax.Array) -> jax.Array:
    """The posed vertices (n, 3) with the cone apexes appended, (n + k, 3)."""
    apexes = jnp.sum(vertices[pieces.apex_members] * pieces.apex_weights[..., None], axis=1)
    return jnp.concatenate([vertices, apexes])


def piece_boxes(pieces: SurfacePieces, surface: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Lower and upper corners (s, 3) of the pieces' bounding boxes."""
    points = surface[pieces.piece_points]
    return jnp.min(points, axis=1), jnp.max(points, axis=1)


@struct.dataclass
class PieceEdges:
    """The posed pieces as crossings read them: per piece, edge of a face, and face (minor axis)."""

    low_x: jax.Array  # (s, 3, t)
    low_y: jax.Array
    high_x: jax.Array
    high_y: jax.Array
    sign: jax.Array
    opposite_z: jax.Array  # z of the corner opposite to the edge


def piece_edges(pieces: SurfacePieces, surface: jax.Array) -> PieceEdges:
    """Gathers the edges of all pieces from `surface_points`."""
    low, high = jnp.swapaxes(pieces.edge_low, 1, 2), jnp.swapaxes(pieces.edge_high, 1, 2)
    x, y, z = surface[:, 0], surface[:, 1], surface[:, 2]
    return PieceEdges(
        low_x=x[low],
        low_y=y[low],
        high_x=x[high],
        high_y=y[high],
        sign=jnp.swapaxes(pieces.edge_sign, 1, 2),
        # Edge i runs from corner i to i + 1, so i + 2 is opposite.
        opposite_z=z[jnp.roll(jnp.swapaxes(pieces.corners, 1, 2), -2, axis=1)],
    )


def piece_crossings(edges: PieceEdges, points: jax.Array) -> jax.Array:
    """Winding number of one closed piece around points, by signed crossings of the ray along +z.

    Args:
      edges: of one piece, leaves (3, t).
      points: (c, 3).

    Returns:
      (c,) integers as float32.
    """
    x, y, level = points[:, 0, None], points[:, 1, None], points[:, 2, None]
    far = jnp.full((1, 1), jnp.inf)
    smallest, largest, height = far, -far, jnp.zeros((1, 1))
    for i in range(3):
        sign = edges.sign[i][None]
        # Twice the signed area of (point, start, end); the two faces at an edge compute the same bits.
        area = (edges.low_x[i][None] - x) * (edges.high_y[i][None] - y)
        area = (area - (edges.low_y[i][None] - y) * (edges.high_x[i][None] - x)) * sign
        # A point exactly over an edge is moved to the same side of it for both faces.
        area = jnp.where(area == 0, sign * _TINY, area)
        smallest, largest = jnp.minimum(smallest, area), jnp.maximum(largest, area)
        height = height + area * (edges.opposite_z[i][None] - level)
    upward, downward = (smallest > 0) & (height > 0), (largest < 0) & (height < 0)
    return jnp.sum(jnp.where(upward, 1.0, jnp.where(downward, -1.0, 0.0)), axis=-1)


def crossing_numbers(pieces: SurfacePieces, vertices: jax.Array, points: jax.Array, chunk: int = 256) -> jax.Array:
    """Winding numbers (n,) of the whole closed surface by ray crossings, every piece, no culling."""
    edges = piece_edges(pieces, surface_points(pieces, vertices))

    def one(point: jax.Array) -> jax.Array:
        return jnp.sum(jax.vmap(lambda piece: piece_crossings(piece, point[None])[0])(edges))

    return jax.lax.map(one, points, batch_size=chunk)
