"""A closed low-resolution surface on a body's own vertices, for inside tests.

The full mesh is made closed (holes capped on their own rim, loose parts without
volume dropped), then simplified by half-edge collapses in the order of their
quadric error (Garland and Heckbert 1997). A half-edge collapse moves a vertex onto
a neighbour, so the vertices left are vertices of the full mesh and follow its
posing for free (docs/method.md, "Other terms").
"""

from __future__ import annotations

import heapq

import numpy as np

from prosepose_jax.body._cache import content_key, load_cached, store_cached
from prosepose_jax.errors import InputError

TARGET_VERTICES = 1000
_ALGORITHM = 1  # part of the cache key: raise it when the result changes
# A part of the mesh counts as body when it has this share of the largest part's volume (eyeballs do not).
_MIN_VOLUME_SHARE = 0.01
# Pull towards short edges (weight of squared length times area), decides where the surface is flat.
_LENGTH_WEIGHT = 1e-3


def lowres_mesh(
    vertices: np.ndarray, faces: np.ndarray, source: str = "body", target: int = TARGET_VERTICES
) -> tuple[np.ndarray, np.ndarray]:
    """`derive_lowres`, kept in the user's cache folder under the mesh's content hash."""
    vertices = np.asarray(vertices, np.float64)
    faces = np.asarray(faces, np.int64)
    name = "lowres-" + content_key("lowres", _ALGORITHM, target, vertices.astype(np.float32), faces.astype(np.int32))
    stored = load_cached(name)
    if stored is not None and {"vertex_ids", "faces"} <= stored.keys():
        return stored["vertex_ids"], stored["faces"]
    ids, low_faces = derive_lowres(vertices, faces, source, target)
    store_cached(name, {"vertex_ids": ids, "faces": low_faces})
    return ids, low_faces


def derive_lowres(
    vertices: np.ndarray, faces: np.ndarray, source: str = "body", target: int = TARGET_VERTICES
) -> tuple[np.ndarray, np.ndarray]:
    """A closed surface of about `target` vertices, all of them vertices of the mesh.

    Args:
      vertices: (V, 3) rest vertices, metres.
      faces: (F, 3) triangles; holes, several parts and stray faces are allowed.
      source: name of the body, for messages.
      target: vertices wanted; a few more stay when no collapse keeps the surface sound.

    Returns:
      vertex_ids (n,) int64, sorted, and faces (m, 3) int64 into them, turned outwards. Every
      edge has exactly two faces.

    Raises:
      InputError: the mesh encloses no volume.
    """
    vertices = np.asarray(vertices, np.float64)
    closed = close_surface(vertices, np.asarray(faces, np.int64))
    if len(closed) == 0:
        raise InputError(f"{source}: field 'f': the faces enclose no volume; give a closed surface as a lowres file")
    simplified = _collapse(vertices, closed, target)
    ids = np.unique(simplified)
    return ids, np.searchsorted(ids, simplified)


def close_surface(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Closed, consistently turned faces: stray faces and parts without volume dropped, holes capped."""
    faces = _sound_faces(faces)
    if len(faces) == 0:
        return faces
    parts = []
    labels = _part_labels(faces)
    for label in np.unique(labels):
        part = faces[labels == label]
        part = np.concatenate([part, _caps(vertices, part)])
        volume = _volume(vertices, part)
        parts.append((abs(volume), part if volume >= 0 else part[:, ::-1]))
    largest = max(volume for volume, _ in parts)
    if largest <= 0:
        return faces[:0]
    return np.concatenate([part for volume, part in parts if volume >= _MIN_VOLUME_SHARE * largest])


def _volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] - vertices[faces[0, 0]] for k in range(3))
    return float(np.sum(a * np.cross(b, c)) / 6)


def _sound_faces(faces: np.ndarray) -> np.ndarray:
    """Without degenerate faces and without those that would use a directed edge a second time."""
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    faces = faces[distinct]
    if len(faces) == 0:
        return faces
    top = int(faces.max()) + 1
    while True:
        edges = faces * top + np.roll(faces, -1, axis=1)
        _, first = np.unique(edges.ravel(), return_index=True)
        is_first = np.zeros(edges.size, bool)
        is_first[first] = True
        bad = ~is_first.reshape(-1, 3).all(axis=1)
        if not bad.any():
            return faces
        # Dropping one offender may clear others, so the first one goes alone when they are few.
        drop = np.flatnonzero(bad)
        faces = np.delete(faces, drop if len(drop) > 200 else drop[:1], axis=0)


def _part_labels(faces: np.ndarray) -> np.ndarray:
    """Connected part of each face."""
    label = np.arange(int(faces.max()) + 1)
    while True:
        lowest = label[faces].min(axis=1)
        new = label.copy()
        np.minimum.at(new, faces.ravel(), np.repeat(lowest, 3))
        new = new[new]
        if np.array_equal(new, label):
            return label[faces[:, 0]]
        label = new


def _caps(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces that close every hole of one part, on the holes' own rims."""
    top = int(faces.max()) + 1
    a, b = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    open_edge = ~np.isin(a * top + b, b * top + a)
    following: dict[int, list[int]] = {}
    for start, end in zip(b[open_edge].tolist(), a[open_edge].tolist(), strict=True):
        following.setdefault(start, []).append(end)
    used = {(min(i, j), max(i, j)) for i, j in zip(a.tolist(), b.tolist(), strict=True)}
    caps: list[tuple[int, int, int]] = []
    while following:
        walk = [next(iter(following))]
        place = {walk[0]: 0}
        while True:
            ends = following[walk[-1]]
            step = ends.pop()
            if not ends:
                del following[walk[-1]]
            if step not in place:
                place[step] = len(walk)
                walk.append(step)
                continue
            # The walk met itself: cut off the loop and go on with what came before it.
            loop = walk[place[step] :]
            caps += _fill_loop(vertices, loop, used)
            for vertex in loop[1:]:
                del place[vertex]
            walk = walk[: place[step] + 1]
            if walk[-1] not in following:
                break
    return np.array(caps, np.int64).reshape(-1, 3)


def _fill_loop(vertices: np.ndarray, loop: list[int], used: set[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Triangles over a rim by clipping, again and again, the ear with the shortest new edge."""
    loop = list(loop)
    filled = []
    while len(loop) > 3:
        n = len(loop)
        before, after = np.roll(loop, 1), np.roll(loop, -1)
        length = np.linalg.norm(vertices[before] - vertices[after], axis=1)
        order = np.argsort(length, kind="stable").tolist()
        ear = next(
            (
                k
                for k in order
                if (min(loop[k - 1], loop[(k + 1) % n]), max(loop[k - 1], loop[(k + 1) % n])) not in used
            ),
            order[0],
        )
        i, j, k = loop[ear - 1], loop[ear], loop[(ear + 1) % n]
        filled.append((i, j, k))
        used.add((min(i, k), max(i, k)))
        del loop[ear]
    if len(loop) == 3:
        filled.append((loop[0], loop[1], loop[2]))
    return filled


def _face_quadrics(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 10) upper triangles of area-weighted plane quadrics."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    doubled = np.linalg.norm(cross, axis=1)
    normal = cross / np.maximum(doubled, 1e-20)[:, None]
    plane = np.concatenate([normal, -np.sum(normal * a, axis=1, keepdims=True)], axis=1)
    i, j = np.triu_indices(4)
    return plane[:, i] * plane[:, j] * (doubled / 2)[:, None]


def _collapse(vertices: np.ndarray, faces: np.ndarray, target: int) -> np.ndarray:
    """Faces left after half-edge collapses down to `target` vertices."""
    ids = np.unique(faces)
    faces = np.searchsorted(ids, faces)
    points = vertices[ids]
    alive = len(ids)
    if alive <= target:
        return ids[faces]
    quadric_array = np.zeros((alive, 10))
    face_quadrics = _face_quadrics(points, faces)
    for corner in range(3):
        np.add.at(quadric_array, faces[:, corner], face_quadrics)
    # Plain Python numbers from here on: thousands of tiny steps, where numpy calls would dominate.
    quadrics: list[list[float]] = quadric_array.tolist()
    xyz: list[list[float]] = points.tolist()
    del quadric_array
    triangles: list[tuple[int, int, int] | None] = [tuple(face) for face in faces.tolist()]
    around: list[set[int]] = [set() for _ in range(alive)]
    for index, (i, j, k) in enumerate(faces.tolist()):
        around[i].add(index)
        around[j].add(index)
        around[k].add(index)
    version = [0] * alive

    def neighbours(vertex: int) -> set[int]:
        found: set[int] = set()
        for index in around[vertex]:
            found.update(triangles[index])  # type: ignore[arg-type]
        found.discard(vertex)
        return found

    def cost(gone: int, kept: int) -> float:
        q, r = quadrics[gone], quadrics[kept]
        x, y, z = xyz[kept]
        u, v, w = xyz[gone]
        error = (
            (q[0] + r[0]) * x * x + (q[4] + r[4]) * y * y + (q[7] + r[7]) * z * z + q[9] + r[9]
            + 2 * ((q[1] + r[1]) * x * y + (q[2] + r[2]) * x * z + (q[5] + r[5]) * y * z)
            + 2 * ((q[3] + r[3]) * x + (q[6] + r[6]) * y + (q[8] + r[8]) * z)
        )  # fmt: skip
        # Trace of the normal part = area around the vertex.
        spread = (q[0] + q[4] + q[7]) * ((x - u) ** 2 + (y - v) ** 2 + (z - w) ** 2)
        return error + _LENGTH_WEIGHT * spread

    def keeps_surface_sound(gone: int, kept: int) -> bool:
        shared = around[gone] & around[kept]
        if len(shared) != 2:
            return False
        near_gone, near_kept = neighbours(gone), neighbours(kept)
        # Link condition: exactly the two vertices opposite the edge are neighbours of both.
        if len(near_gone & near_kept) != 2 or len(near_gone | near_kept) < 5:
            return False
        px, py, pz = xyz[kept]
        gx, gy, gz = xyz[gone]
        for index in around[gone]:
            if index in shared:
                continue
            i, j, k = triangles[index]  # type: ignore[misc]
            first, second = (j, k) if i == gone else (k, i) if j == gone else (i, j)
            ax, ay, az = xyz[first]
            ex, ey, ez = xyz[second]
            ex, ey, ez = ex - ax, ey - ay, ez - az
            ux, uy, uz = gx - ax, gy - ay, gz - az
            vx, vy, vz = px - ax, py - ay, pz - az
            ox, oy, oz = ey * uz - ez * uy, ez * ux - ex * uz, ex * uy - ey * ux
            nx, ny, nz = ey * vz - ez * vy, ez * vx - ex * vz, ex * vy - ey * vx
            dot = ox * nx + oy * ny + oz * nz
            old, new = ox * ox + oy * oy + oz * oz, nx * nx + ny * ny + nz * nz
            # No face may turn by more than about 75 degrees or become a needle.
            longest = max(ex * ex + ey * ey + ez * ez, vx * vx + vy * vy + vz * vz)
            if dot <= 0.0 or dot * dot < 0.06 * old * new or new < 1e-3 * longest * longest:
                return False
        return True

    def candidates() -> list[tuple[float, int, int, int, int]]:
        heap = []
        for vertex in range(alive_total):
            if around[vertex]:
                for other in neighbours(vertex):
                    heap.append((cost(vertex, other), vertex, other, version[vertex], version[other]))
        heapq.heapify(heap)
        return heap

    alive_total = alive
    heap = candidates()
    progressed = False
    while alive > target:
        if not heap:
            if not progressed:
                break
            heap, progressed = candidates(), False
            continue
        _, gone, kept, gone_version, kept_version = heapq.heappop(heap)
        if version[gone] != gone_version or version[kept] != kept_version:
            continue
        if not keeps_surface_sound(gone, kept):
            continue
        for index in list(around[gone]):
            triangle = triangles[index]
            assert triangle is not None
            if kept in triangle:
                triangles[index] = None
                for corner in triangle:
                    around[corner].discard(index)
            else:
                triangles[index] = tuple(kept if corner == gone else corner for corner in triangle)  # type: ignore[assignment]
                around[kept].add(index)
        around[gone] = set()
        quadrics[kept] = [a + b for a, b in zip(quadrics[kept], quadrics[gone], strict=True)]
        version[gone] += 1
        version[kept] += 1
        alive -= 1
        progressed = True
        for other in neighbours(kept):
            heapq.heappush(heap, (cost(kept, other), kept, other, version[kept], version[other]))
            heapq.heappush(heap, (cost(other, kept), other, kept, version[other], version[kept]))
    return ids[np.array([triangle for triangle in triangles if triangle is not None], np.int64)]
