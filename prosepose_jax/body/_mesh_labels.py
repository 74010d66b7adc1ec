"""Labels on a triangle mesh: neighbours, smooth normals, connected patches (inside of the regions; numpy only).

Nothing here depends on the order of vertices or triangles: sums run over sorted edges, ties are
broken by a caller's label order that is the same on both sides of the body.
"""

from __future__ import annotations

import numpy as np


def mesh_edges(faces: np.ndarray) -> np.ndarray:
    """(E, 2) undirected edges, each once, smaller vertex first."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.sort(edges, axis=1)
    edges = edges[edges[:, 0] != edges[:, 1]]
    return np.unique(edges, axis=0)


def neighbour_mean(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Mean of (V, D) values over each vertex and its neighbours."""
    first, second = edges.T
    ends, starts = np.concatenate([first, second]), np.concatenate([second, first])
    total = values + np.stack(
        [np.bincount(ends, weights=column[starts], minlength=len(values)) for column in values.T], axis=1
    )
    return total / (1.0 + np.bincount(ends, minlength=len(values)))[:, None]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) scaled to length one; zero stays zero."""
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(norm > 0, norm, 1.0)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) outward area-weighted unit normals; inward-wound meshes are turned round."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    centre = vertices[np.unique(faces)].mean(axis=0)
    if np.sum((a - centre) * cross) < 0:  # six times the signed volume
        cross = -cross
    normals = np.zeros_like(vertices)
    for k in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(faces[:, k], weights=cross[:, axis], minlength=len(vertices))
    return unit(normals)


def smooth_normals(normals: np.ndarray, edges: np.ndarray, rounds: int) -> np.ndarray:
    """Normals averaged over neighbours `rounds` times: noise between toes, fingers and in the ear fades."""
    for _ in range(rounds):
        normals = unit(neighbour_mean(normals, edges))
    return normals


def components(num_vertices: int, edges: np.ndarray) -> np.ndarray:
    """(V,) connected component of each vertex, named by its smallest vertex id."""
    root = np.arange(num_vertices)
    while True:
        lowest = np.minimum(root[edges[:, 0]], root[edges[:, 1]])
        hooked = root.copy()
        # Hook the roots of both ends onto the lower one, then flatten the chains.
        np.minimum.at(hooked, root[edges[:, 0]], lowest)
        np.minimum.at(hooked, root[edges[:, 1]], lowest)
        while True:
            flat = hooked[hooked]
            if np.array_equal(flat, hooked):
                break
            hooked = flat
        if np.array_equal(hooked, root):
            return root
        root = hooked


def _label_votes(labels: np.ndarray, edges: np.ndarray, groups: np.ndarray, num_labels: int) -> np.ndarray:
    """(G, num_labels) votes for each group (0..G-1) by its neighbours in other groups; labels < 0 don't vote."""
    ends = np.concatenate([edges[:, 0], edges[:, 1]])
    starts = np.concatenate([edges[:, 1], edges[:, 0]])
    keep = (groups[ends] != groups[starts]) & (labels[starts] >= 0)
    ends, starts = ends[keep], starts[keep]
    num_groups = int(groups.max()) + 1
    votes = np.bincount(groups[ends] * num_labels + labels[starts], minlength=num_groups * num_labels)
    return votes.reshape(num_groups, num_labels)


def majority_smooth(labels: np.ndarray, edges: np.ndarray, order: np.ndarray, rounds: int) -> np.ndarray:
    """Straighter borders: a vertex with most neighbours (more than half) in one other label joins it.

    Args:
      labels: (V,) int labels, -1 for vertices without one (they stay so).
      edges: (E, 2) undirected edges.
      order: (L,) preference of each label at a tie, lower first.
      rounds: how many sweeps, all vertices at once.
    """
    num_labels = len(order)
    ranked = np.argsort(order, kind="stable")
    alone = np.arange(len(labels))
    for _ in range(rounds):
        votes = _label_votes(labels, edges, alone, num_labels)
        best = ranked[np.argmax(votes[:, ranked], axis=1)]
        share = votes[alone, best] > 0.5 * votes.sum(axis=1)
        labels = np.where((labels >= 0) & share, best, labels)
    return labels


def absorb_islands(
    labels: np.ndarray, edges: np.ndarray, order: np.ndarray, smallest_share: np.ndarray, rounds: int = 4
) -> np.ndarray:
    """Small detached pieces of a label join the label around them.

    A piece is small when it has fewer than the label's `smallest_share` (L,) of the vertices of its
    label's largest piece. Pieces without neighbours of another label (separate components) are left alone.
    """
    num_labels = len(order)
    ranked = np.argsort(order, kind="stable")
    for _ in range(rounds):
        inside = edges[labels[edges[:, 0]] == labels[edges[:, 1]]]
        _, piece, size = np.unique(components(len(labels), inside), return_inverse=True, return_counts=True)
        label_of = np.full(len(size), -1)
        label_of[piece] = labels
        largest = np.zeros(num_labels)
        valid = label_of >= 0
        np.maximum.at(largest, label_of[valid], size[valid])
        small = valid & (size < (smallest_share * largest)[np.maximum(label_of, 0)])
        if not small.any():
            break
        votes = _label_votes(labels, edges, piece, num_labels)
        best = ranked[np.argmax(votes[:, ranked], axis=1)]
        change = small & (votes.sum(axis=1) > 0)
        if not change.any():
            break
        labels = np.where(change[piece], best[piece], labels)
    return labels


def nearest(points: np.ndarray, targets: np.ndarray, chunk: int = 512) -> np.ndarray:
    """(n,) index of the nearest target of each point, by differences, in bounded memory."""
    result = np.empty(len(points), dtype=np.int64)
    for start in range(0, len(points), chunk):
        part = points[start : start + chunk]
        squared = sum((part[:, None, k] - targets[None, :, k]) ** 2 for k in range(3))
        result[start : start + chunk] = np.argmin(squared, axis=1)
    return result
