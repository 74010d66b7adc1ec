"""Triangle surfaces: edges, loops, caps, volume and winding numbers."""

from __future__ import annotations

import numpy as np


def edge_counts(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directed edges (E, 2) that occur, and how often each."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return np.unique(directed, axis=0, return_counts=True)


def is_closed(faces: np.ndarray) -> bool:
    """True when every directed edge occurs once and its reverse once: closed, manifold edges, oriented."""
    edges, counts = edge_counts(faces)
    if (counts != 1).any():
        return False
    forward = {(int(a), int(b)) for a, b in edges}
    return all((b, a) in forward for a, b in forward)


def boundary_loops(faces: np.ndarray) -> list[list[int]]:
    """Vertex loops that bound the surface's holes, in the direction that a filling face has."""
    edges, _ = edge_counts(faces)
    forward = {(int(a), int(b)) for a, b in edges}
    # A filling face runs along the reverse of the border edge.
    following = {b: a for a, b in forward if (b, a) not in forward}
    loops = []
    while following:
        start = min(following)
        loop, at = [], start
        while True:
            loop.append(at)
            at = following.pop(at)
            if at == start:
                break
        loops.append(loop)
    return loops


def fill_loop(loop: list[int], vertices: np.ndarray) -> np.ndarray:
    """Faces of least total area across a loop (dynamic programme over sub-loops).

    Args:
      loop: n vertex ids in face direction.
      vertices: (V, 3) positions in which the loop is open, so that areas mean something.
    """
    n = len(loop)
    p = vertices[loop]
    cost = np.zeros((n, n))
    split = np.zeros((n, n), int)
    for gap in range(2, n):
        for i in range(n - gap):
            k = i + gap
            mids = np.arange(i + 1, k)
            area = 0.5 * np.linalg.norm(np.cross(p[mids] - p[i], p[k] - p[i]), axis=-1)
            longest = np.maximum(np.linalg.norm(p[mids] - p[i], axis=-1), np.linalg.norm(p[mids] - p[k], axis=-1))
            total = cost[i, mids] + cost[mids, k] + area + 0.05 * longest**2
            best = int(np.argmin(total))
            cost[i, k], split[i, k] = total[best], mids[best]
    faces, stack = [], [(0, n - 1)]
    while stack:
        i, k = stack.pop()
        if k - i < 2:
            continue
        m = split[i, k]
        faces.append((loop[i], loop[m], loop[k]))
        stack += [(i, m), (m, k)]
    return np.array(faces, dtype=np.int64)


def rings_from(faces: np.ndarray, seeds: np.ndarray, num_vertices: int) -> np.ndarray:
    """(V,) number of edges from the nearest seed vertex (num_vertices where unreachable)."""
    distance = np.full(num_vertices, num_vertices)
    distance[seeds] = 0
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    for step in range(num_vertices):
        reached = edges[distance[edges[:, 0]] == step, 1]
        new = reached[distance[reached] == num_vertices]
        if len(new) == 0:
            break
        distance[new] = step + 1
    return distance


def components(faces: np.ndarray, num_vertices: int) -> np.ndarray:
    """(V,) label of each vertex's connected component; unused vertices get their own."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(num_vertices, num_vertices))
    return connected_components(graph, directed=False)[1]


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Signed volume; positive when faces look outwards."""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    return float(np.einsum("ni,ni->", a, np.cross(b, c)) / 6.0)


def winding_numbers(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray, chunk: int = 64) -> np.ndarray:
    """(n,) generalised winding number of each point: about 1 inside, 0 outside."""
    triangles = vertices[faces].astype(np.float64)
    out = np.empty(len(points))
    for start in range(0, len(points), chunk):
        a, b, c = (triangles[None, :, k] - points[start : start + chunk, None].astype(np.float64) for k in range(3))
        la, lb, lc = (np.linalg.norm(x, axis=-1) for x in (a, b, c))
        top = np.einsum("pfi,pfi->pf", a, np.cross(b, c))
        bottom = (
            la * lb * lc
            + np.einsum("pfi,pfi->pf", a, b) * lc
            + np.einsum("pfi,pfi->pf", b, c) * la
            + np.einsum("pfi,pfi->pf", c, a) * lb
        )
        out[start : start + chunk] = np.arctan2(top, bottom).sum(-1) / (2 * np.pi)
    return out


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) area-weighted unit normals."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], face_normals)
    return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
