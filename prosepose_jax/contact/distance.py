"""Smallest distances between surface regions: exact, in bounded memory, differentiable.

The search runs without gradient: the vertices of each region are sorted along a space-
filling curve and cut into clusters of 16, boxes around clusters give lower bounds, and
only cluster pairs whose bound does not exceed a distance already found are searched
vertex by vertex. No pair that could be the nearest is ever skipped, whatever the shapes.
The distance is then taken, and differentiated, at the winning pair. Coordinates are
subtracted before squaring: the matrix-product form loses everything below 0.3 mm at 4 m.
docs/method.md, "Contact loss".
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body.model import NUM_REGIONS, Regions
from prosepose_jax.contact.vocabulary import NUM_PARTS, PART_REGION_IDS

CLUSTER = 16  # vertices per cluster
_BLOCK = 4096  # cluster pairs searched at a time: about 4 MB of differences per axis
_FAR = 1e18  # m²; more than any distance, and its square root still finite

EMPTY_DISTANCE = 1e6
"""Metres between two regions of which one has no vertices: a constant without gradient."""

_REGION_PAIRS = NUM_REGIONS * NUM_REGIONS


class _Slots(NamedTuple):
    """Regions laid out for clustering: each region's vertices, padded to whole clusters. L slots."""

    vertex_ids: jax.Array | np.ndarray  # (L,) int32
    valid: jax.Array | np.ndarray  # (L,) bool
    region: jax.Array | np.ndarray  # (L,) int32, non-decreasing


class _Clusters(NamedTuple):
    """Clusters of one posed person. C clusters."""

    vertex_ids: jax.Array  # (C, 16) int32
    points: jax.Array  # (C, 16, 3) m
    low: jax.Array  # (C, 3) box corner
    high: jax.Array  # (C, 3)
    region: jax.Array  # (C,) int32
    valid: jax.Array  # (C,) bool


def region_distances(regions: Regions, vertices_a: jax.Array, vertices_b: jax.Array) -> jax.Array:
    """The smallest distance between every two fine regions, exact over all their vertices.

    Args:
      regions: the body's regions; lists may overlap and may leave vertices out.
      vertices_a: (V, 3) m, one person's posed vertices.
      vertices_b: (V, 3) m, the other's; the same array again for self-contact.

    Returns:
      (75, 75) metres, rows: regions of the first, columns: of the second. The gradient is that of the
      winning vertex pair, and zero where the distance is zero. docs/method.md, "Contact loss".
    """
    nearest, found = _nearest(_slots(regions), jax.lax.stop_gradient(vertices_a), jax.lax.stop_gradient(vertices_b))
    offsets = vertices_a[nearest[..., 0]] - vertices_b[nearest[..., 1]]
    return jnp.where(found, safe_norm(offsets), EMPTY_DISTANCE)


def nearest_region_pairs(regions: Regions, vertices_a: jax.Array, vertices_b: jax.Array) -> jax.Array:
    """(75, 75, 2) int32 vertex ids of a nearest pair of every two regions (0, 0 where a region is empty)."""
    return _nearest(_slots(regions), jax.lax.stop_gradient(vertices_a), jax.lax.stop_gradient(vertices_b))[0]


def part_distances(region_table: jax.Array) -> jax.Array:
    """(S, S) distances between parts from the (75, 75) distances between fine regions."""
    longest = max(map(len, PART_REGION_IDS))
    # Short lists repeat their first region, which changes no minimum.
    ids = np.array([list(part) + [part[0]] * (longest - len(part)) for part in PART_REGION_IDS])
    rows = jnp.min(region_table[ids], axis=1)
    assert rows.shape[0] == NUM_PARTS
    return jnp.min(rows[:, ids], axis=-1)


def safe_norm(offsets: jax.Array) -> jax.Array:
    """Euclidean norm of the last axis, with value and gradient 0 at 0."""
    squared = jnp.sum(offsets * offsets, axis=-1)
    positive = squared > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)


def _slots(regions: Regions) -> _Slots:
    """Lays the regions out in whole clusters: compact when their sizes are known, padded when traced."""
    ids, mask = regions.vertex_ids, regions.mask
    width = -(-ids.shape[1] // CLUSTER) * CLUSTER
    if isinstance(ids, jax.core.Tracer) or isinstance(mask, jax.core.Tracer):
        pad = ((0, 0), (0, width - ids.shape[1]))
        region = jnp.repeat(jnp.arange(NUM_REGIONS, dtype=jnp.int32), width)
        return _Slots(jnp.pad(ids, pad).reshape(-1), jnp.pad(mask, pad).reshape(-1), region)
    rows = zip(np.asarray(ids), np.asarray(mask), strict=True)
    parts = [np.asarray(row[keep], np.int32) for row, keep in rows]
    sizes = [-(-len(part) // CLUSTER) * CLUSTER for part in parts]
    valid = [np.arange(size) < len(part) for part, size in zip(parts, sizes, strict=True)]
    return _Slots(
        np.concatenate([np.pad(part, (0, size - len(part))) for part, size in zip(parts, sizes, strict=True)]),
        np.concatenate(valid),
        np.repeat(np.arange(NUM_REGIONS, dtype=np.int32), sizes),
    )


def _cluster(slots: _Slots, vertices: jax.Array) -> _Clusters:
    """Sorts every region's vertices along a space-filling curve of the present pose and cuts them in 16s."""
    points = vertices[slots.vertex_ids]
    low = jnp.min(vertices, axis=0)
    extent = jnp.maximum(jnp.max(vertices, axis=0) - low, 1e-9)
    cells = jnp.clip((points - low[None]) / jnp.max(extent) * 1023.0, 0.0, 1023.0).astype(jnp.uint32)
    code = _spread(cells[:, 0]) | (_spread(cells[:, 1]) << 1) | (_spread(cells[:, 2]) << 2)
    code = jnp.where(slots.valid, code, jnp.uint32(2**31))  # empty slots go to the end of their region
    region, _, ids, valid = jax.lax.sort(
        (
            jnp.asarray(slots.region),
            code,
            jnp.asarray(slots.vertex_ids),
            jnp.asarray(slots.valid),
        ),
        num_keys=2,
    )
    ids, valid = ids.reshape(-1, CLUSTER), valid.reshape(-1, CLUSTER)
    ids = jnp.where(valid, ids, ids[:, :1])  # an empty slot repeats the cluster's first vertex
    points = vertices[ids]
    return _Clusters(
        vertex_ids=ids,
        points=points,
        low=jnp.min(points, axis=1),
        high=jnp.max(points, axis=1),
        region=region[::CLUSTER],
        valid=valid[:, 0],
    )


def _spread(values: jax.Array) -> jax.Array:
    """The ten low bits of each value, two zero bits between them (a Morton code's third)."""
    values = (values | (values << 16)) & 0x030000FF
    values = (values | (values << 8)) & 0x0300F00F
    values = (values | (values << 4)) & 0x030C30C3
    return (values | (values << 2)) & 0x09249249


@jax.jit
def _nearest(slots: _Slots, vertices_a: jax.Array, vertices_b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(75, 75, 2) vertex ids of nearest pairs, and (75, 75) bool whether both regions have vertices."""
    first, second = _cluster(slots, vertices_a), _cluster(slots, vertices_b)
    laid_out = first.region.shape[0]
    # Traced regions are laid out for the worst case, all as large as the largest. Lists that hardly overlap
    # fill no more clusters than this, and the work goes with the square.
    enough = vertices_a.shape[0] * 5 // (4 * CLUSTER) + NUM_REGIONS
    if laid_out <= enough:
        return _nearest_in_clusters(first, second)
    filled = jnp.argsort(~first.valid, stable=True)[:enough]  # both people have the same lists
    return jax.lax.cond(
        jnp.sum(first.valid) <= enough,
        lambda: _nearest_in_clusters(
            jax.tree.map(lambda leaf: leaf[filled], first), jax.tree.map(lambda leaf: leaf[filled], second)
        ),
        lambda: _nearest_in_clusters(first, second),
    )


def _nearest_in_clusters(first: _Clusters, second: _Clusters) -> tuple[jax.Array, jax.Array]:
    dtype = first.points.dtype
    num_second = second.region.shape[0]
    pair = (first.region[:, None] * NUM_REGIONS + second.region[None, :]).reshape(-1)  # (Ca Cb,)
    bounds = jnp.where(first.valid[:, None] & second.valid[None, :], _box_distances(first, second), _FAR).reshape(-1)

    # A first upper bound for every region pair: all vertices of the cluster pair whose boxes are nearest.
    nearest_boxes = jnp.full((_REGION_PAIRS,), _FAR, dtype).at[pair].min(bounds)
    candidate = jnp.arange(pair.shape[0], dtype=jnp.int32)
    start = jnp.zeros((_REGION_PAIRS,), jnp.int32).at[pair].max(jnp.where(bounds <= nearest_boxes[pair], candidate, 0))
    occupied = nearest_boxes < _FAR
    upper = jnp.where(occupied, _cluster_pair_distances(first, second, start, num_second), _FAR)

    # Every other cluster pair that could hold something nearer, in blocks. Slack covers rounding.
    open_pairs = (bounds <= upper[pair] * (1 + 1e-5) + 1e-12) & (bounds < _FAR)
    total = jnp.sum(open_pairs, dtype=jnp.int32)
    places = jnp.cumsum(open_pairs, dtype=jnp.int32) - 1
    size = -(-pair.shape[0] // _BLOCK) * _BLOCK
    queue = jnp.zeros((size,), jnp.int32).at[jnp.where(open_pairs, places, size)].set(candidate, mode="drop")

    def search(carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        block, best, winner = carry
        taken = jax.lax.dynamic_slice(queue, (block * _BLOCK,), (_BLOCK,))
        # Past the end of the queue stands 0: the first cluster pair again, a true distance and harmless.
        distances = _cluster_pair_distances(first, second, taken, num_second)
        distances = jnp.where(bounds[taken] < _FAR, distances, _FAR)
        best = best.at[pair[taken]].min(distances)
        improved = jnp.where((distances <= best[pair[taken]]) & (distances < _FAR), taken, -1)
        return block + 1, best, winner.at[pair[taken]].max(improved)

    # A later block only ever lowers `best`, and its candidates have larger numbers: the largest number that
    # matched is a cluster pair at the final minimum.
    _, _, winner = jax.lax.while_loop(
        lambda carry: carry[0] * _BLOCK < total,
        search,
        (jnp.int32(0), jnp.full((_REGION_PAIRS,), _FAR, dtype), jnp.full((_REGION_PAIRS,), -1, jnp.int32)),
    )
    winner = jnp.maximum(winner, 0)
    a, b = winner // num_second, winner % num_second
    squared = _squared_distances(first.points[a], second.points[b]).reshape(_REGION_PAIRS, -1)
    slot = jnp.argmin(squared, axis=-1)[:, None]
    ids_a = jnp.take_along_axis(first.vertex_ids[a], slot // CLUSTER, axis=1)
    ids_b = jnp.take_along_axis(second.vertex_ids[b], slot % CLUSTER, axis=1)
    ids = jnp.where(occupied[:, None], jnp.concatenate([ids_a, ids_b], axis=1), 0)
    return ids.reshape(NUM_REGIONS, NUM_REGIONS, 2), occupied.reshape(NUM_REGIONS, NUM_REGIONS)


def _box_distances(first: _Clusters, second: _Clusters) -> jax.Array:
    """(Ca, Cb) squared distances between clusters' boxes: never more than between their vertices."""
    total = jnp.zeros((first.low.shape[0], second.low.shape[0]), first.low.dtype)
    for axis in range(3):
        gap = jnp.maximum(
            second.low[None, :, axis] - first.high[:, None, axis],
            first.low[:, None, axis] - second.high[None, :, axis],
        )
        gap = jnp.maximum(gap, 0.0)
        total = total + gap * gap
    return total


def _cluster_pair_distances(first: _Clusters, second: _Clusters, pairs: jax.Array, num_second: int) -> jax.Array:
    """Smallest squared distance of each cluster pair, (B,)."""
    squared = _squared_distances(first.points[pairs // num_second], second.points[pairs % num_second])
    return jnp.min(squared, axis=(1, 2))


def _squared_distances(points_a: jax.Array, points_b: jax.Array) -> jax.Array:
    """(B, 16, 16) squared distances of (B, 16, 3) points, by differences, one axis at a time."""
    total = jnp.zeros((points_a.shape[0], CLUSTER, CLUSTER), points_a.dtype)
    for axis in range(3):
        difference = points_a[:, :, None, axis] - points_b[:, None, :, axis]
        total = total + difference * difference
    return total
