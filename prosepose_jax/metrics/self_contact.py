"""Where one person touches herself or himself: near in space, far along the surface (docs/method.md, "Metrics")."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from prosepose_jax.body.model import NUM_REGIONS, Regions
from prosepose_jax.metrics.geodesic import SurfaceDistances
from prosepose_jax.metrics.regions import region_members

SELF_TOUCH_M = 0.02
"""Vertices of one person touch when they are nearer than this and apart along the surface."""

_VOXEL_M = 0.045  # vertices of one voxel of the rest pose share the distances of one of them
_CHUNK = 64


class SelfContact:
    """Which fine regions of one person touch, for many poses of one body.

    Two vertices touch when they are nearer than 2 cm and at least `surface.radius_m` apart along the rest surface.
    Distances along the surface are exact on its graph: shared distances and the triangle inequality decide nearly all
    pairs, the others get their own.

    Args:
      surface: the body's surface distances.
      template: (V, 3) rest vertices, m.
      regions: the body's.
    """

    def __init__(self, surface: SurfaceDistances, template: np.ndarray, regions: Regions) -> None:
        self._radius = surface.radius_m
        self._rest = np.asarray(template, np.float64)
        self._graph = _graph(surface)
        self._owners = _owners(regions, len(self._rest))
        self._shared: tuple[np.ndarray, np.ndarray] | None = None

    def touching(self, vertices: np.ndarray, limit_m: float = SELF_TOUCH_M) -> np.ndarray:
        """(75, 75) bool, symmetric, which different regions of a posed body (V, 3) touch."""
        pairs = cKDTree(vertices).query_pairs(limit_m, output_type="ndarray")
        strictly = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1) < limit_m
        pairs = pairs[strictly]
        pairs = pairs[self.apart(pairs)]
        found = np.zeros((NUM_REGIONS, NUM_REGIONS), bool)
        # A vertex may belong to several regions.
        first, second = self._owners[pairs[:, 0]], self._owners[pairs[:, 1]]
        found |= (first.T @ second).toarray() > 0
        found |= found.T
        np.fill_diagonal(found, False)
        return found

    def apart(self, pairs: np.ndarray) -> np.ndarray:
        """(n,) bool: which vertex pairs (n, 2) are at least the radius apart along the surface."""
        # No way along the surface is shorter than the straight line.
        far = np.linalg.norm(self._rest[pairs[:, 0]] - self._rest[pairs[:, 1]], axis=1) >= self._radius
        open_pairs = np.flatnonzero(~far)
        if not len(open_pairs):
            return far
        centre, reach = self._shared_distances()
        own = centre[pairs[open_pairs, 0]]
        to_first, to_second = reach[own, pairs[open_pairs, 0]], reach[own, pairs[open_pairs, 1]]
        surely_near = to_first + to_second < self._radius
        # In one voxel may be vertices that are far apart along the surface: then nothing is known of them.
        known = np.isfinite(to_first)
        surely_far = known & (to_second - np.where(known, to_first, 0.0) >= self._radius)
        far[open_pairs[surely_far & ~surely_near]] = True
        for source in np.unique(pairs[open_pairs[~surely_near & ~surely_far], 0]):
            mine = open_pairs[~surely_near & ~surely_far & (pairs[open_pairs, 0] == source)]
            far[mine] = self._from(np.array([source]))[0, pairs[mine, 1]] >= self._radius
        return far

    def _from(self, sources: np.ndarray) -> np.ndarray:
        """(n, V) distances along the surface, infinite beyond what is needed."""
        return dijkstra(self._graph, directed=False, indices=sources, limit=self._radius + 4 * _VOXEL_M)

    def _shared_distances(self) -> tuple[np.ndarray, np.ndarray]:
        """(V,) the row of each vertex's shared source, and (n, V) distances from the sources, made when first asked."""
        if self._shared is None:
            voxels = np.floor(self._rest / _VOXEL_M).astype(np.int64)
            _, sources, row = np.unique(voxels, axis=0, return_index=True, return_inverse=True)
            parts = [self._from(sources[i : i + _CHUNK]).astype(np.float32) for i in range(0, len(sources), _CHUNK)]
            self._shared = row.reshape(-1), np.concatenate(parts)
        return self._shared


def _graph(surface: SurfaceDistances) -> csr_matrix:
    neighbours = surface.ways
    tails = np.repeat(np.arange(len(neighbours)), [len(ways) for ways in neighbours])
    heads = np.array([head for ways in neighbours for head, _ in ways], np.int64)
    lengths = np.array([length for ways in neighbours for _, length in ways], np.float64)
    # An entry given twice would be added up: of two ways between the same vertices the shorter counts.
    order = np.lexsort((lengths, heads, tails))
    first = np.ones(len(order), bool)
    first[1:] = (tails[order[1:]] != tails[order[:-1]]) | (heads[order[1:]] != heads[order[:-1]])
    kept = order[first]
    size = (len(neighbours), len(neighbours))
    return csr_matrix((np.maximum(lengths[kept], 1e-12), (tails[kept], heads[kept])), shape=size)


def _owners(regions: Regions, count: int) -> csr_matrix:
    """(V, 75) which regions each vertex belongs to."""
    members = [np.unique(ids) for ids in region_members(regions)]
    rows = np.concatenate(members)
    columns = np.repeat(np.arange(NUM_REGIONS), [len(ids) for ids in members])
    return csr_matrix((np.ones(len(rows), np.int64), (rows, columns)), shape=(count, NUM_REGIONS))
