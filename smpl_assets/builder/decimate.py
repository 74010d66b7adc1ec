"""Half-edge collapse: coarser closed surfaces whose vertices are vertices of the fine one."""

from __future__ import annotations

import heapq

import numpy as np

_MIN_NORMAL_COSINE = 0.15
_MIN_QUALITY = 0.02


class _Mesh:
    """A closed triangle mesh under edge collapse."""

    def __init__(self, faces: np.ndarray) -> None:
        self.faces = [tuple(int(i) for i in f) for f in faces]
        self.alive = [True] * len(self.faces)
        self.of_vertex: dict[int, set[int]] = {}
        for k, face in enumerate(self.faces):
            for i in face:
                self.of_vertex.setdefault(i, set()).add(k)

    def neighbours(self, v: int) -> set[int]:
        out = {i for k in self.of_vertex[v] for i in self.faces[k]}
        out.discard(v)
        return out


def collapse(
    vertices: np.ndarray, faces: np.ndarray, target: int, *, keep: np.ndarray | None = None, regular: float = 0.0
) -> np.ndarray:
    """Collapses edges onto one of their ends until `target` vertices are left.

    Cheapest first by quadric error (Garland & Heckbert 1997), summed over the poses given. Every collapse keeps
    the surface a closed, oriented 2-manifold (link condition) and turns no face over in any pose.

    Args:
      vertices: (V, 3), or (K, V, 3) for several poses of one mesh.
      faces: (F, 3) of a closed manifold surface.
      target: number of vertices to keep.
      keep: ids of vertices that must stay.
      regular: weight of the edge length to the fourth (as the error, in m⁴), which keeps faces even in size.

    Returns:
      (F', 3) faces on the original vertex numbering.
    """
    poses = np.asarray(vertices, np.float64)
    poses = poses[None] if poses.ndim == 2 else poses
    num = poses.shape[1]
    fixed = np.zeros(num, bool)
    fixed[[] if keep is None else keep] = True
    quadrics = _quadrics(poses, faces)
    mesh = _Mesh(faces)
    stamp = np.zeros(num, int)

    def cost(u: int, v: int) -> float:
        error = 0.0
        for k in range(len(poses)):
            p = poses[k, v]
            q = quadrics[k, u] + quadrics[k, v]
            error += p @ q[:3, :3] @ p + 2 * q[:3, 3] @ p + q[3, 3]
        length = float(((poses[0, u] - poses[0, v]) ** 2).sum())
        return max(error, 0.0) / len(poses) + regular * length * length + 1e-12 * length

    def allowed(u: int, v: int) -> bool:
        around_u, around_v = mesh.neighbours(u), mesh.neighbours(v)
        if len(around_u & around_v) != 2 or (len(around_u) <= 3 and len(around_v) <= 3):
            return False
        keep = [k for k in mesh.of_vertex[u] if v not in mesh.faces[k]]
        old = np.array([mesh.faces[k] for k in keep])
        new = np.where(old == u, v, old)
        for p in poses:
            n_old, n_new = _normals(p, old), _normals(p, new)
            len_old, len_new = np.linalg.norm(n_old, axis=1), np.linalg.norm(n_new, axis=1)
            if ((n_old * n_new).sum(1) < _MIN_NORMAL_COSINE * len_old * len_new).any():
                return False
            sides = sum(((p[new[:, a]] - p[new[:, b]]) ** 2).sum(1) for a, b in ((0, 1), (1, 2), (2, 0)))
            if (len_new < _MIN_QUALITY * sides).any():
                return False
        return True

    heap: list[tuple[float, int, int, int, int]] = []

    def push(u: int, v: int) -> None:
        if fixed[u]:
            return
        heapq.heappush(heap, (cost(u, v), u, v, int(stamp[u]), int(stamp[v])))

    for u in mesh.of_vertex:
        for v in mesh.neighbours(u):
            push(u, v)
    left = len(mesh.of_vertex)
    blocked: dict[int, set[int]] = {}  # collapses that were not allowed, by the vertex that would go
    while left > target and heap:
        _, u, v, su, sv = heapq.heappop(heap)
        if u not in mesh.of_vertex or v not in mesh.of_vertex or stamp[u] != su or stamp[v] != sv:
            continue
        if not allowed(u, v):
            blocked.setdefault(u, set()).add(v)
            continue
        for k in list(mesh.of_vertex[u]):
            face = mesh.faces[k]
            if v in face:
                mesh.alive[k] = False
                for i in face:
                    mesh.of_vertex[i].discard(k)
            else:
                mesh.faces[k] = tuple(v if i == u else i for i in face)
                mesh.of_vertex[v].add(k)
        del mesh.of_vertex[u]
        quadrics[:, v] += quadrics[:, u]
        left -= 1
        stamp[v] += 1
        for w in mesh.neighbours(v):
            push(v, w)
            push(w, v)
            # What was not allowed around here may be so now.
            for x in blocked.pop(w, ()):
                if x in mesh.of_vertex and x in mesh.neighbours(w):
                    push(w, x)
        blocked.pop(v, None)
    return np.array([f for f, ok in zip(mesh.faces, mesh.alive, strict=True) if ok], dtype=np.int64)


def _normals(p: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = p[faces[:, 0]], p[faces[:, 1]], p[faces[:, 2]]
    return np.cross(b - a, c - a)


def _quadrics(poses: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(K, V, 4, 4) area-weighted plane quadrics."""
    out = np.zeros((*poses.shape[:2], 4, 4))
    for k, p in enumerate(poses):
        normals = _normals(p, faces)
        area = np.linalg.norm(normals, axis=1, keepdims=True)
        normals = normals / np.maximum(area, 1e-15)
        planes = np.concatenate([normals, -(normals * p[faces[:, 0]]).sum(1, keepdims=True)], axis=1)
        q = planes[:, :, None] * planes[:, None, :] * (0.5 * area[:, :, None])
        for corner in range(3):
            np.add.at(out[k], faces[:, corner], q)
    return out
