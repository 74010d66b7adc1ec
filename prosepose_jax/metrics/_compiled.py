"""Loops over the faces of posed meshes, compiled by Numba: what `metrics.kernels` hands out where Numba is installed.

A mesh is given as its posed vertices (V, 3), faces (F, 3), leaves (L, w) of neighbouring faces, the corners (L, m) of
those, both filled up with -1, and nodes (2 L, 6): low and high corners of boxes around the leaves in a full binary
tree, node n above 2 n and 2 n + 1, leaf k at L + k. All numbers are float64 and int64, no multiplication is fused with
an addition and no sum is reordered: what NumPy decides is decided alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from prosepose_jax.metrics._kept_loops import Kept

_Function = TypeVar("_Function", bound=Callable[..., Any])
_FIRST = 1024  # crossings there is room for at first
_DEEP = 256  # nodes that wait at most: two trees of 64 levels, of which each leaves one a level


def _compiled(function: _Function) -> _Function:
    """Compiled when first called, and kept in the user's cache where that can be written to."""
    loop: Any = numba.njit(error_model="numpy")(function)
    kept = Kept.of(function, __file__)
    if kept is not None:
        loop._cache = kept
    return cast(_Function, loop)


@_compiled
def refit(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Nodes around a posed mesh."""
    count = len(corners)
    nodes = np.empty((2 * count, 6))
    nodes[0] = 0.0
    for leaf in range(count):
        x0 = y0 = z0 = np.inf
        x1 = y1 = z1 = -np.inf
        for place in range(corners.shape[1]):
            vertex = corners[leaf, place]
            if vertex < 0:
                break
            x, y, z = points[vertex, 0], points[vertex, 1], points[vertex, 2]
            x0, y0, z0 = min(x0, x), min(y0, y), min(z0, z)
            x1, y1, z1 = max(x1, x), max(y1, y), max(z1, z)
        node = nodes[count + leaf]
        node[0], node[1], node[2], node[3], node[4], node[5] = x0, y0, z0, x1, y1, z1
    for place in range(count - 1, 0, -1):
        node, first, other = nodes[place], nodes[2 * place], nodes[2 * place + 1]
        for axis in range(3):
            node[axis] = min(first[axis], other[axis])
            node[axis + 3] = max(first[axis + 3], other[axis + 3])
    return nodes


@_compiled
def _meet(a: np.ndarray, i: int, b: np.ndarray, j: int) -> bool:
    return (
        a[i, 0] <= b[j, 3] and a[i, 3] >= b[j, 0] and a[i, 1] <= b[j, 4] and a[i, 4] >= b[j, 1]
        and a[i, 2] <= b[j, 5] and a[i, 5] >= b[j, 2]
    )  # fmt: skip


@_compiled
def _size(nodes: np.ndarray, n: int) -> float:
    return nodes[n, 3] - nodes[n, 0] + nodes[n, 4] - nodes[n, 1] + nodes[n, 5] - nodes[n, 2]


@_compiled
def _triple(ux: float, uy: float, uz: float, vx: float, vy: float, vz: float, wx: float, wy: float, wz: float) -> float:
    """u · (v × w), whose sign alone changes, bit by bit, when v and w change places."""
    return ux * (vy * wz - vz * wy) + uy * (vz * wx - vx * wz) + uz * (vx * wy - vy * wx)


@_compiled
def crossings(
    points: np.ndarray, faces: np.ndarray, leaves: np.ndarray, nodes: np.ndarray, owned: np.ndarray,
    edges: np.ndarray, others: np.ndarray, other_faces: np.ndarray, other_leaves: np.ndarray, other_nodes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Edges (n,) of a mesh that run through faces (n,) of another, the jumps (n,) there, and where (n,) they do.

    `metrics.crossings.Crossings` describes them; owned (F, 3) are the edges that are looked up with each face.
    """
    edge_found, face_found = np.empty(_FIRST, np.int64), np.empty(_FIRST, np.int64)
    jump_found, at_found = np.empty(_FIRST, np.int64), np.empty(_FIRST)
    count = 0
    half, other_half = len(leaves), len(other_leaves)
    waiting = np.empty((_DEEP, 2), np.int64)
    boxes = np.empty((leaves.shape[1], 6))  # of the faces of one leaf
    boxed = -1
    waiting[0, 0], waiting[0, 1] = 1, 1
    left = 1
    while left:
        left -= 1
        i, j = waiting[left, 0], waiting[left, 1]
        if not _meet(nodes, i, other_nodes, j):
            continue
        if i < half and (j >= other_half or _size(nodes, i) >= _size(other_nodes, j)):
            waiting[left, 0], waiting[left, 1] = 2 * i, j
            waiting[left + 1, 0], waiting[left + 1, 1] = 2 * i + 1, j
            left += 2
            continue
        if j < other_half:
            waiting[left, 0], waiting[left, 1] = i, 2 * j
            waiting[left + 1, 0], waiting[left + 1, 1] = i, 2 * j + 1
            left += 2
            continue
        if boxed != i:
            boxed = i
            for at in range(leaves.shape[1]):
                own = leaves[i - half, at]
                if own < 0:
                    break
                for axis in range(3):
                    p, q, r = points[faces[own, 0], axis], points[faces[own, 1], axis], points[faces[own, 2], axis]
                    boxes[at, axis], boxes[at, axis + 3] = min(p, q, r), max(p, q, r)
        for place in range(other_leaves.shape[1]):
            face = other_leaves[j - other_half, place]
            if face < 0:
                break
            a, b, c = other_faces[face, 0], other_faces[face, 1], other_faces[face, 2]
            ax, ay, az = others[a, 0], others[a, 1], others[a, 2]
            bx, by, bz = others[b, 0], others[b, 1], others[b, 2]
            cx, cy, cz = others[c, 0], others[c, 1], others[c, 2]
            x0, x1 = min(ax, bx, cx), max(ax, bx, cx)
            y0, y1 = min(ay, by, cy), max(ay, by, cy)
            z0, z1 = min(az, bz, cz), max(az, bz, cz)
            if (
                x0 > nodes[i, 3] or x1 < nodes[i, 0] or y0 > nodes[i, 4] or y1 < nodes[i, 1]
                or z0 > nodes[i, 5] or z1 < nodes[i, 2]
            ):  # fmt: skip
                continue
            ux, uy, uz = bx - ax, by - ay, bz - az
            vx, vy, vz = cx - ax, cy - ay, cz - az
            nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            height = nx * ax + ny * ay + nz * az
            for at in range(leaves.shape[1]):
                own = leaves[i - half, at]
                if own < 0:
                    break
                if (
                    x0 > boxes[at, 3] or x1 < boxes[at, 0] or y0 > boxes[at, 4] or y1 < boxes[at, 1]
                    or z0 > boxes[at, 5] or z1 < boxes[at, 2]
                ):  # fmt: skip
                    continue
                for side in range(3):
                    edge = owned[own, side]
                    if edge < 0:
                        continue
                    p, q = edges[edge, 0], edges[edge, 1]
                    px, py, pz = points[p, 0], points[p, 1], points[p, 2]
                    qx, qy, qz = points[q, 0], points[q, 1], points[q, 2]
                    before = nx * px + ny * py + nz * pz - height
                    after = nx * qx + ny * qy + nz * qz - height
                    if (before > 0.0) == (after > 0.0):
                        continue
                    if (
                        max(px, qx) < x0 or min(px, qx) > x1 or max(py, qy) < y0 or min(py, qy) > y1
                        or max(pz, qz) < z0 or min(pz, qz) > z1
                    ):  # fmt: skip
                        continue
                    lx, ly, lz = qx - px, qy - py, qz - pz
                    first = _triple(lx, ly, lz, ax - px, ay - py, az - pz, bx - px, by - py, bz - pz)
                    second = _triple(lx, ly, lz, bx - px, by - py, bz - pz, cx - px, cy - py, cz - pz)
                    third = _triple(lx, ly, lz, cx - px, cy - py, cz - pz, ax - px, ay - py, az - pz)
                    if not (
                        (first > 0.0 and second > 0.0 and third > 0.0) or (first < 0.0 and second < 0.0 and third < 0.0)
                    ):
                        continue
                    if count == len(edge_found):
                        edge_found = np.concatenate((edge_found, np.empty_like(edge_found)))
                        face_found = np.concatenate((face_found, np.empty_like(face_found)))
                        jump_found = np.concatenate((jump_found, np.empty_like(jump_found)))
                        at_found = np.concatenate((at_found, np.empty_like(at_found)))
                    edge_found[count], face_found[count] = edge, face
                    jump_found[count] = -1 if after > 0.0 else 1
                    at_found[count] = before / (before - after)
                    count += 1
    return edge_found[:count], face_found[:count], jump_found[:count], at_found[:count]


@_compiled
def _to_side2(wx: float, wy: float, wz: float, ex: float, ey: float, ez: float) -> float:
    """Squared distance of a point from a side, both seen from where the side begins."""
    length2 = ex * ex + ey * ey + ez * ez
    ahead = wx * ex + wy * ey + wz * ez
    if ahead > 0.0 and length2 > 0.0:
        share = ahead / length2 if ahead < length2 else 1.0
        wx, wy, wz = wx - share * ex, wy - share * ey, wz - share * ez
    return wx * wx + wy * wy + wz * wz


@_compiled
def _to_face2(x: float, y: float, z: float, points: np.ndarray, faces: np.ndarray, face: int) -> float:
    """Squared distance of a point from a face."""
    a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
    wx, wy, wz = x - points[a, 0], y - points[a, 1], z - points[a, 2]
    ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
    vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
    uu, vv, uv = ux * ux + uy * uy + uz * uz, vx * vx + vy * vy + vz * vz, ux * vx + uy * vy + uz * vz
    uw, vw = ux * wx + uy * wy + uz * wz, vx * wx + vy * wy + vz * wz
    area2 = uu * vv - uv * uv
    s, t = vv * uw - uv * vw, uu * vw - uv * uw
    if area2 > 0.0 and s >= 0.0 and t >= 0.0 and s + t <= area2:
        s, t = s / area2, t / area2
        fx, fy, fz = wx - s * ux - t * vx, wy - s * uy - t * vy, wz - s * uz - t * vz
        return fx * fx + fy * fy + fz * fz
    return min(
        _to_side2(wx, wy, wz, ux, uy, uz),
        _to_side2(wx, wy, wz, vx, vy, vz),
        _to_side2(wx - ux, wy - uy, wz - uz, vx - ux, vy - uy, vz - uz),
    )


@_compiled
def _to_face_box2(x: float, y: float, z: float, points: np.ndarray, faces: np.ndarray, face: int) -> float:
    """Squared distance of a point from the box around a face."""
    a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
    px, qx, rx = points[a, 0], points[b, 0], points[c, 0]
    py, qy, ry = points[a, 1], points[b, 1], points[c, 1]
    pz, qz, rz = points[a, 2], points[b, 2], points[c, 2]
    dx = max(min(px, qx, rx) - x, x - max(px, qx, rx), 0.0)
    dy = max(min(py, qy, ry) - y, y - max(py, qy, ry), 0.0)
    dz = max(min(pz, qz, rz) - z, z - max(pz, qz, rz), 0.0)
    return dx * dx + dy * dy + dz * dz


@_compiled
def _to_box2(x: float, y: float, z: float, nodes: np.ndarray, n: int) -> float:
    """Squared distance of a point from a node's box."""
    dx = max(nodes[n, 0] - x, x - nodes[n, 3], 0.0)
    dy = max(nodes[n, 1] - y, y - nodes[n, 4], 0.0)
    dz = max(nodes[n, 2] - z, z - nodes[n, 5], 0.0)
    return dx * dx + dy * dy + dz * dz


@_compiled
def _nearest2(
    x: float, y: float, z: float, points: np.ndarray, faces: np.ndarray, own: int, leaves: np.ndarray,
    nodes: np.ndarray, guess: int, enough: float, waiting: np.ndarray, bounds: np.ndarray,
) -> tuple[float, int]:  # fmt: skip
    """Squared distance of a point from the nearest of the first `own` faces, and which it is.

    Where something no farther than `enough` is found, any such distance will do. `guess` is looked at first.
    """
    half = len(leaves)
    best, nearest = np.inf, guess
    if guess >= 0:
        best = _to_face2(x, y, z, points, faces, guess)
    waiting[0], bounds[0] = 1, _to_box2(x, y, z, nodes, 1)
    left = 1
    while left and best > enough:
        left -= 1
        node = waiting[left]
        if bounds[left] >= best:
            continue
        while node < half:
            first, other = 2 * node, 2 * node + 1
            near, far = _to_box2(x, y, z, nodes, first), _to_box2(x, y, z, nodes, other)
            if far < near:
                first, other, near, far = other, first, far, near
            if near >= best:
                break
            if far < best:
                waiting[left], bounds[left] = other, far
                left += 1
            node = first
        if node < half:
            continue
        for place in range(leaves.shape[1]):
            face = leaves[node - half, place]
            if face < 0:
                break
            if face < own and face != guess and _to_face_box2(x, y, z, points, faces, face) < best:
                squared = _to_face2(x, y, z, points, faces, face)
                if squared < best:
                    best, nearest = squared, face
    return best, nearest


@_compiled
def distances(
    asked: np.ndarray, points: np.ndarray, faces: np.ndarray, own: int, leaves: np.ndarray, nodes: np.ndarray
) -> np.ndarray:
    """(n,) distances of points (n, 3) from the nearest of the first `own` faces of a mesh."""
    found = np.empty(len(asked))
    waiting, bounds = np.empty(_DEEP, np.int64), np.empty(_DEEP)
    guess = -1
    for i in range(len(asked)):
        squared, guess = _nearest2(
            asked[i, 0], asked[i, 1], asked[i, 2], points, faces, own, leaves, nodes, guess, -1.0, waiting, bounds
        )
        found[i] = np.sqrt(squared)
    return found


@_compiled
def _crossed(
    x: float, y: float, points: np.ndarray, faces: np.ndarray, face: int, first: int, second: int, third: int
) -> tuple[int, float]:
    """`metrics.rays.ray_crossings` of one line along an axis, the axes given: the sign, and the height."""
    a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
    ax, ay = points[a, first] - x, points[a, second] - y
    bx, by = points[b, first] - x, points[b, second] - y
    cx, cy = points[c, first] - x, points[c, second] - y
    if min(ax, bx, cx) > 0.0 or max(ax, bx, cx) < 0.0 or min(ay, by, cy) > 0.0 or max(ay, by, cy) < 0.0:
        return 0, 0.0
    wc, wa, wb = ax * by - ay * bx, bx * cy - by * cx, cx * ay - cy * ax
    if wa > 0.0 and wb > 0.0 and wc > 0.0:
        sign = 1
    elif wa < 0.0 and wb < 0.0 and wc < 0.0:
        sign = -1
    else:
        return 0, 0.0
    height = (wa * points[a, third] + wb * points[b, third] + wc * points[c, third]) / (wa + wb + wc)
    return sign, height


@_compiled
def deepest(
    vertices: np.ndarray, sets: np.ndarray, set_boxes: np.ndarray, asked: np.ndarray,
    hull: np.ndarray, hull_leaves: np.ndarray, hull_corners: np.ndarray,
    skin: np.ndarray, skin_leaves: np.ndarray, skin_corners: np.ndarray, shift: np.ndarray, least: float,
) -> float:  # fmt: skip
    """How deep the deepest vertex lies inside a closed part of its own body, or `least` if more.

    Args:
      vertices: (V, 3) posed.
      sets: (n, w) neighbours, a vertex any number of times, with boxes (n, 6) around them.
      asked: (V,) bool, which vertices are asked about.
      hull: (H, 3) faces of the closed part, with their leaves and corners.
      skin: (S, 3) those that depths are measured to, with theirs.
      shift: (2,) how far rays start beside their points.
      least: m.
    """
    nodes = refit(vertices, hull_corners)
    skin_nodes = nodes[:0]
    half = len(hull_leaves)
    waiting, bounds = np.empty(_DEEP, np.int64), np.empty(_DEEP)
    guess = -1
    for place in range(len(sets)):
        if not _meet(set_boxes, place, nodes, 1):
            continue
        for vertex in sets[place]:
            if not asked[vertex]:
                continue
            x, y, z = vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2]
            if not (
                nodes[1, 0] <= x <= nodes[1, 3] and nodes[1, 1] <= y <= nodes[1, 4] and nodes[1, 2] <= z <= nodes[1, 5]
            ):
                continue
            rx, ry = x + shift[0], y + shift[1]
            winding = 0
            waiting[0] = 1
            left = 1
            while left:
                left -= 1
                node = waiting[left]
                if (
                    rx < nodes[node, 0] or rx > nodes[node, 3] or ry < nodes[node, 1] or ry > nodes[node, 4]
                    or z >= nodes[node, 5]
                ):  # fmt: skip
                    continue
                if node < half:
                    waiting[left], waiting[left + 1] = 2 * node, 2 * node + 1
                    left += 2
                    continue
                for at in range(hull_leaves.shape[1]):
                    face = hull_leaves[node - half, at]
                    if face < 0:
                        break
                    sign, height = _crossed(rx, ry, vertices, hull, face, 0, 1, 2)
                    if sign != 0 and height > z:
                        winding += sign
            if winding < 1:
                continue
            if not len(skin_nodes):
                skin_nodes = refit(vertices, skin_corners)
            squared, guess = _nearest2(
                x, y, z, vertices, skin, len(skin), skin_leaves, skin_nodes, guess, least * least, waiting, bounds
            )
            least = max(least, np.sqrt(squared))
    return least


@_compiled
def _events(
    x: float, y: float, points: np.ndarray, faces: np.ndarray, leaves: np.ndarray, nodes: np.ndarray,
    axes: np.ndarray, sign: int, top: float, mesh: int, heights: np.ndarray, steps: np.ndarray, count: int,
    waiting: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, int]:  # fmt: skip
    """Adds where a line meets a mesh: heights, and steps (n, 2) of the winding numbers of the first and second mesh."""
    half = len(leaves)
    first, second, third = axes[0], axes[1], axes[2]
    waiting[0] = 1
    left = 1
    while left:
        left -= 1
        node = waiting[left]
        if (
            x < nodes[node, first] or x > nodes[node, first + 3] or y < nodes[node, second]
            or y > nodes[node, second + 3]
            or (nodes[node, third] if sign > 0 else -nodes[node, third + 3]) > top
        ):  # fmt: skip
            continue
        if node < half:
            waiting[left], waiting[left + 1] = 2 * node, 2 * node + 1
            left += 2
            continue
        for place in range(leaves.shape[1]):
            face = leaves[node - half, place]
            if face < 0:
                break
            met, height = _crossed(x, y, points, faces, face, first, second, third)
            if met == 0:
                continue
            if count == len(heights):
                heights = np.concatenate((heights, np.empty_like(heights)))
                steps = np.concatenate((steps, np.empty_like(steps)))
            heights[count] = height * sign
            steps[count, mesh], steps[count, 1 - mesh] = -met, 0
            count += 1
    return heights, steps, count


@_compiled
def surplus(
    rays: np.ndarray, points: np.ndarray, faces: np.ndarray, leaves: np.ndarray, nodes: np.ndarray,
    others: np.ndarray, other_faces: np.ndarray, other_leaves: np.ndarray, other_nodes: np.ndarray,
    axes: np.ndarray, sign: int, top: float,
) -> float:  # fmt: skip
    """What is too much of the length of rays (n, 2) inside both meshes when it counts as often as both wind around it.

    Args:
      rays: where they stand.
      points: and the following: the first mesh, then the second.
      axes: (3,) along the first two rays stand, along the third they run;
      sign: in its direction, or against it (-1),
      top: up to this height: what begins behind is not looked at.
    """
    total = 0.0
    heights, steps = np.empty(64), np.empty((64, 2), np.int64)
    waiting = np.empty(_DEEP, np.int64)
    for ray in range(len(rays)):
        x, y = rays[ray, 0], rays[ray, 1]
        heights, steps, own = _events(
            x, y, points, faces, leaves, nodes, axes, sign, top, 0, heights, steps, 0, waiting
        )  # fmt: skip
        if own == 0:
            continue
        heights, steps, count = _events(
            x, y, others, other_faces, other_leaves, other_nodes, axes, sign, top, 1, heights, steps, own, waiting
        )
        if count == own:
            continue
        order = np.argsort(heights[:count])
        first = second = 0
        for place in range(count - 1):
            event = order[place]
            first += steps[event, 0]
            second += steps[event, 1]
            both = first * second
            if both != 0 and not (first == 1 and second == 1):
                once = 1 if first >= 1 and second >= 1 else 0
                total += (heights[order[place + 1]] - heights[event]) * (both - once)
    return total


@_compiled
def windings(
    edges: np.ndarray, start: int, order: np.ndarray, parent: np.ndarray, link: np.ndarray, crossed: np.ndarray,
    jumps: np.ndarray,
) -> tuple[bool, np.ndarray]:  # fmt: skip
    """Sums (V,) of the jumps along a tree of edges, 0 at `start`, and whether all other edges say the same.

    Args:
      edges: (E, 2).
      start: a vertex of the tree.
      order: (n,) the vertices of the tree, each behind its parent.
      parent: (V,) and the edge `link` (V,) that leads there.
      crossed: (c,) edges with jumps (c,) from their first vertex to the other.
    """
    change = np.zeros(len(edges), np.int64)
    for place in range(len(crossed)):
        change[crossed[place]] += jumps[place]
    found = np.zeros(len(parent), np.int64)
    for place in range(1, len(order)):
        vertex = order[place]
        edge = link[vertex]
        step = change[edge]
        found[vertex] = found[parent[vertex]] + (step if edges[edge, 1] == vertex else -step)
    for edge in range(len(edges)):
        if found[edges[edge, 1]] - found[edges[edge, 0]] != change[edge]:
            return False, found
    known = found[start]
    for place in range(len(order)):
        found[order[place]] -= known
    return True, found


@_compiled
def first_outside(points: np.ndarray, order: np.ndarray, box: np.ndarray) -> int:
    """The first place in an order (n,) whose vertex lies outside a box (6,); -1: none does."""
    for place in range(len(order)):
        vertex = order[place]
        for axis in range(3):
            if not box[axis] <= points[vertex, axis] <= box[axis + 3]:
                return place
    return -1


@_compiled
def extent(
    points: np.ndarray, edges: np.ndarray, own: int, sides: np.ndarray, starts: np.ndarray, winding: np.ndarray,
    crossed: np.ndarray, at: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """(6,) the box around the vertices inside another mesh, and where edges of a face run through its faces."""
    box = np.array([np.inf, np.inf, np.inf, -np.inf, -np.inf, -np.inf])
    for vertex in range(len(winding)):
        if winding[vertex] != 0:
            for axis in range(3):
                box[axis] = min(box[axis], points[vertex, axis])
                box[axis + 3] = max(box[axis + 3], points[vertex, axis])
    for place in range(len(crossed)):
        edge = crossed[place]
        if sides[starts[edge] : starts[edge + 1]].min() >= 3 * own:
            continue
        for axis in range(3):
            start, end = points[edges[edge, 0], axis], points[edges[edge, 1], axis]
            value = start + at[place] * (end - start)
            box[axis], box[axis + 3] = min(box[axis], value), max(box[axis + 3], value)
    return box


@_compiled
def touched(
    faces: np.ndarray, own: int, sides: np.ndarray, starts: np.ndarray, winding: np.ndarray, crossed: np.ndarray
) -> np.ndarray:
    """(F,) bool: which of the first `own` faces have a corner inside another mesh, or an edge that runs through it."""
    found = np.zeros(len(faces), np.bool_)
    for face in range(own):
        found[face] = winding[faces[face, 0]] != 0 or winding[faces[face, 1]] != 0 or winding[faces[face, 2]] != 0
    for edge in crossed:
        for place in range(starts[edge], starts[edge + 1]):
            if sides[place] < 3 * own:
                found[sides[place] // 3] = True
    return found


@_compiled
def _cross(u: np.ndarray, v: np.ndarray, out: np.ndarray) -> None:
    out[0], out[1], out[2] = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


@_compiled
def _dot(u: np.ndarray, v: np.ndarray) -> float:
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]


@_compiled
def _unit(u: np.ndarray) -> None:
    """Brought to length 1; zeros stay."""
    length = np.sqrt(_dot(u, u))
    if length > 0.0:
        u[0], u[1], u[2] = u[0] / length, u[1] / length, u[2] / length


@_compiled
def _normal(points: np.ndarray, faces: np.ndarray, face: int, out: np.ndarray) -> None:
    """Of a face, of length 1."""
    a, b, c = points[faces[face, 0]], points[faces[face, 1]], points[faces[face, 2]]
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    out[0], out[1], out[2] = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    _unit(out)


@_compiled
def volume_sums(
    points: np.ndarray, faces: np.ndarray, own: int, edges: np.ndarray, face_edges: np.ndarray, along: np.ndarray,
    sides: np.ndarray, starts: np.ndarray, winding: np.ndarray,
    crossed: np.ndarray, pierced: np.ndarray, jumps: np.ndarray, at: np.ndarray, touched: np.ndarray,
    others: np.ndarray, other_faces: np.ndarray, origin: np.ndarray,
) -> tuple[float, np.ndarray, np.ndarray]:  # fmt: skip
    """Six times what a mesh adds to the volume that it shares with another (`metrics.overlap`).

    Returns:
      the sum; and (n,) which pair of faces, own · (other's faces) + other's, each end of a cut is of, with (n,) ±1.
    """
    total = 0.0
    later = np.zeros(len(edges))
    for place in range(len(crossed)):
        later[crossed[place]] += jumps[place] * (1.0 - at[place])
    normal, facing, way, level, point = np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    corners, product = np.empty((3, 3)), np.empty(3)
    for face in range(own):
        if not touched[face]:
            continue
        _normal(points, faces, face, normal)
        for corner in range(3):
            for axis in range(3):
                corners[corner, axis] = points[faces[face, corner], axis] - origin[axis]
        turned = 0.0
        for corner in range(3):
            edge = face_edges[face, corner]
            _cross(corners[corner], corners[(corner + 1) % 3], product)
            turned += (winding[edges[edge, 0]] + later[edge]) * _dot(product, normal)
        total += _dot(normal, corners[0]) * turned
    count = 0
    for edge in crossed:
        for place in range(starts[edge], starts[edge + 1]):
            if sides[place] < 3 * own:
                count += 1
    pairs, signs = np.empty(count, np.int64), np.empty(count, np.int64)
    count = 0
    for crossing in range(len(crossed)):
        edge, against = crossed[crossing], pierced[crossing]
        for axis in range(3):
            start, end = points[edges[edge, 0], axis], points[edges[edge, 1], axis]
            point[axis] = start + at[crossing] * (end - start) - origin[axis]
        _normal(others, other_faces, against, facing)
        for place in range(starts[edge], starts[edge + 1]):
            face, corner = sides[place] // 3, sides[place] % 3
            if face >= own:
                continue
            sign = along[face, corner] * jumps[crossing]
            _normal(points, faces, face, normal)
            _cross(normal, facing, way)
            _unit(way)
            cosine = _dot(normal, facing)
            for axis in range(3):
                level[axis] = facing[axis] - cosine * normal[axis]
            _unit(level)
            mine = _dot(point, normal) * _dot(point, level)
            for axis in range(3):
                level[axis] = normal[axis] - cosine * facing[axis]
            _unit(level)
            theirs = _dot(point, facing) * _dot(point, level)
            total += sign * _dot(point, way) * (mine + theirs)
            pairs[count], signs[count] = face * len(other_faces) + against, sign
            count += 1
    return total, pairs, signs


@_compiled
def moments(points: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Of points (n, 3) and where they belong: both means (3,), (3, 3) the centred truth's products with the points, and
    the sum of the centred points' squares."""
    mean, true_mean = np.zeros(3), np.zeros(3)
    for i in range(len(points)):
        for axis in range(3):
            mean[axis] += points[i, axis]
            true_mean[axis] += truth[i, axis]
    mean /= len(points)
    true_mean /= len(points)
    products, spread = np.zeros((3, 3)), 0.0
    for i in range(len(points)):
        x, y, z = points[i, 0] - mean[0], points[i, 1] - mean[1], points[i, 2] - mean[2]
        spread += x * x + y * y + z * z
        for axis in range(3):
            wanted = truth[i, axis] - true_mean[axis]
            products[axis, 0] += wanted * x
            products[axis, 1] += wanted * y
            products[axis, 2] += wanted * z
    return mean, true_mean, products, spread


@_compiled
def mean_error(points: np.ndarray, truth: np.ndarray, turn: np.ndarray, shift: np.ndarray) -> float:
    """Mean distance of points (n, 3), turned (3, 3) and shifted (3,), from where they belong."""
    total = 0.0
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        squared = 0.0
        for axis in range(3):
            off = turn[axis, 0] * x + turn[axis, 1] * y + turn[axis, 2] * z + shift[axis] - truth[i, axis]
            squared += off * off
        total += np.sqrt(squared)
    return total / len(points)


@_compiled
def tile_boxes(points: np.ndarray, tiles: np.ndarray) -> np.ndarray:
    """(T, 6) boxes around tiles (T, 8) of vertices."""
    boxes = np.empty((len(tiles), 6))
    for tile in range(len(tiles)):
        for axis in range(3):
            low = high = points[tiles[tile, 0], axis]
            for place in range(1, tiles.shape[1]):
                value = points[tiles[tile, place], axis]
                low, high = min(low, value), max(high, value)
            boxes[tile, axis], boxes[tile, axis + 3] = low, high
    return boxes


@_compiled
def _gap2(a: np.ndarray, i: int, b: np.ndarray, j: int) -> float:
    """Squared distance between two boxes."""
    total = 0.0
    for axis in range(3):
        gap = max(a[i, axis] - b[j, axis + 3], b[j, axis] - a[i, axis + 3], 0.0)
        total += gap * gap
    return total


@_compiled
def _tiles_apart2(
    points: np.ndarray, tiles: np.ndarray, i: int, others: np.ndarray, j: int, box: np.ndarray, best: float
) -> float:
    """The smallest squared distance between the vertices of two tiles where it is below `best`, else that."""
    width = tiles.shape[1]
    for m in range(width):
        p = tiles[i, m]
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        if _to_box2(x, y, z, box, j) >= best:
            continue
        for n in range(width):
            q = tiles[j, n]
            dx, dy, dz = x - others[q, 0], y - others[q, 1], z - others[q, 2]
            squared = dx * dx + dy * dy + dz * dz
            # Written so that what is no number changes nothing.
            if squared < best:
                best = squared
    return best


@_compiled
def region_distances(
    points: np.ndarray, others: np.ndarray, tiles: np.ndarray, boxes: np.ndarray, other_boxes: np.ndarray,
    starts: np.ndarray, firsts: np.ndarray, seconds: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """(C,) distances between sets of regions of two bodies, infinite where one has no vertices.

    Args:
      points: (V, 3) the first body; `others`: the second.
      tiles: (T, 8) vertices, by region; `boxes` and `other_boxes` (T, 6) around them on both bodies.
      starts: (R + 1,) where each region's tiles begin.
      firsts: (C, n) regions on the first body, filled up with -1; `seconds` on the second.
    """
    found = np.empty(len(firsts))
    for pair in range(len(firsts)):
        best = np.inf
        nearest = np.inf
        # The nearest boxes first: their vertices leave few others to look at.
        at_i = at_j = -1
        for a in firsts[pair]:
            if a < 0:
                break
            for b in seconds[pair]:
                if b < 0:
                    break
                for i in range(starts[a], starts[a + 1]):
                    for j in range(starts[b], starts[b + 1]):
                        gap = _gap2(boxes, i, other_boxes, j)
                        if gap < nearest:
                            nearest, at_i, at_j = gap, i, j
        if at_i >= 0:
            best = _tiles_apart2(points, tiles, at_i, others, at_j, other_boxes, best)
        for a in firsts[pair]:
            if a < 0:
                break
            for b in seconds[pair]:
                if b < 0:
                    break
                for i in range(starts[a], starts[a + 1]):
                    for j in range(starts[b], starts[b + 1]):
                        if _gap2(boxes, i, other_boxes, j) < best:
                            best = _tiles_apart2(points, tiles, i, others, j, other_boxes, best)
        found[pair] = np.sqrt(best)
    return found


@_compiled
def regions_touching(
    points: np.ndarray, others: np.ndarray, tiles: np.ndarray, boxes: np.ndarray, other_boxes: np.ndarray,
    starts: np.ndarray, limit: float,
) -> np.ndarray:  # fmt: skip
    """(R, R) bool: which regions of the first body are nearer than a limit to which of the second.

    Arguments as of `region_distances`.
    """
    count = len(starts) - 1
    touching = np.zeros((count, count), np.bool_)
    whole, other_whole = np.empty((count, 6)), np.empty((count, 6))
    for region in range(count):
        for axis in range(3):
            whole[region, axis] = other_whole[region, axis] = np.inf
            whole[region, axis + 3] = other_whole[region, axis + 3] = -np.inf
            for tile in range(starts[region], starts[region + 1]):
                whole[region, axis] = min(whole[region, axis], boxes[tile, axis])
                whole[region, axis + 3] = max(whole[region, axis + 3], boxes[tile, axis + 3])
                other_whole[region, axis] = min(other_whole[region, axis], other_boxes[tile, axis])
                other_whole[region, axis + 3] = max(other_whole[region, axis + 3], other_boxes[tile, axis + 3])
    squared = limit * limit
    for a in range(count):
        for b in range(count):
            if not _gap2(whole, a, other_whole, b) < squared:
                continue
            for i in range(starts[a], starts[a + 1]):
                if touching[a, b]:
                    break
                if not _gap2(boxes, i, other_whole, b) < squared:
                    continue
                for j in range(starts[b], starts[b + 1]):
                    if (
                        _gap2(boxes, i, other_boxes, j) < squared
                        and _tiles_apart2(points, tiles, i, others, j, other_boxes, squared) < squared
                    ):
                        touching[a, b] = True
                        break
    return touching
