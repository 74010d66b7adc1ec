"""What the report's 3D view shows of a scene, as numbers small enough to travel inside the page (docs/report.md).

A view is a list of frames (the initial estimate, the recorded path where there is one, the fit), the contacts with
their closest vertices, and the vertices inside another person. Positions are whole numbers of steps of at least
0.1 mm; a frame is stored as the difference to the one before it, and everything is deflated.
"""

from __future__ import annotations

import base64
import dataclasses
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from prosepose_jax.body import BodyModel
from prosepose_jax.errors import InputError
from prosepose_jax.metrics.boxes import is_closed
from prosepose_jax.metrics.contact import name_regions
from prosepose_jax.metrics.penetration import is_measurable
from prosepose_jax.metrics.rays import crossing_numbers
from prosepose_jax.scene import Fit, Scene

MOST_FRAMES = 12  # of a recorded path, the two ends among them
MOST_CONTACTS = 24
_STEP_M = 1e-4
_MOST_STEPS = 65_535
_NEIGHBOURS_M = 0.15  # one person: vertices nearer than this at rest are neighbours, not touching


@dataclasses.dataclass(frozen=True)
class ViewBody:
    """The surface that all scenes of a report share."""

    faces: np.ndarray  # (F, 3) int
    template: np.ndarray  # (V, 3) m, at rest
    members: tuple[np.ndarray, ...]  # vertex ids of each fine region
    closed_ids: np.ndarray  # (n,) int vertices of a closed surface, for inside tests
    closed_faces: np.ndarray  # (f, 3) int into closed_ids

    @classmethod
    def of(cls, body: BodyModel) -> ViewBody:
        """What a view needs of a body model."""
        faces = np.asarray(body.faces, np.int64)
        ids, mask = np.asarray(body.regions.vertex_ids), np.asarray(body.regions.mask)
        if is_closed(faces):
            closed_ids, closed_faces = np.arange(body.num_vertices), faces
        else:
            closed_ids, closed_faces = np.asarray(body.lowres.vertex_ids), np.asarray(body.lowres.faces, np.int64)
        return cls(
            faces=faces,
            template=np.asarray(body.v_template, np.float64),
            members=tuple(np.unique(row[keep]) for row, keep in zip(ids, mask, strict=True)),
            closed_ids=closed_ids,
            closed_faces=closed_faces,
        )

    @property
    def num_vertices(self) -> int:
        return len(self.template)

    def vertices_of(self, name: str) -> np.ndarray:
        """Vertex ids of a named part; none for a name outside the vocabulary."""
        try:
            regions = sorted(name_regions(name))
        except InputError:
            return np.zeros(0, np.int64)
        return np.unique(np.concatenate([self.members[region] for region in regions]))

    def packed(self) -> dict[str, Any]:
        """For the page: faces and the fine region of every vertex."""
        labels = np.full(self.num_vertices, 255, np.uint8)
        for region, members in enumerate(self.members):
            labels[members] = region
        faces = self.faces.astype("<u4").reshape(-1)
        return {
            "vertices": self.num_vertices,
            "faces": _pack(np.diff(faces, prepend=np.uint32(0)).astype("<u4").tobytes()),
            "labels": _pack(labels.tobytes()),
        }


@dataclasses.dataclass(frozen=True)
class ContactLine:
    """A contact of the answers where it is nearest in the fit."""

    place: int  # in the fit's constraints
    people: tuple[int, int]
    regions: tuple[tuple[int, ...], tuple[int, ...]]  # fine regions lit on the two people
    vertices: tuple[int, int]  # the closest two
    before_m: float | None  # between the same regions in the initial estimate
    after_m: float


@dataclasses.dataclass(frozen=True)
class SceneView:
    """A scene's 3D view."""

    contacts: tuple[ContactLine, ...]
    inside: tuple[int, int]  # vertices inside another person, before and after
    packed: dict[str, Any]  # for the page


def make_view(scene: Scene, fit: Fit, body: ViewBody, path: np.ndarray | None = None) -> SceneView | None:
    """The view of a fit; None when there is nothing that can be shown.

    Args:
      scene: the fit's scene.
      fit: its vertices (P, V, 3) are of `body`.
      body: of the run.
      path: (F, P, V, 3) m, what the optimisation went through between the initial estimate and the fit.
    """
    if fit.vertices is None or np.shape(fit.vertices)[1:] != body.template.shape or not is_measurable(fit.vertices):
        return None
    after = np.asarray(fit.vertices, np.float64)
    before = fit.initial_vertices
    before = None if before is None or np.shape(before) != after.shape or not is_measurable(before) else before
    frames = [after] if before is None else [np.asarray(before, np.float64), after]
    if path is not None and before is not None and path.shape[1:] == after.shape and is_measurable(after):
        chosen = np.unique(np.linspace(0, len(path) - 1, min(MOST_FRAMES - 2, len(path))).round().astype(int))
        steps = [np.asarray(path[i], np.float64) for i in chosen if is_measurable(path[i])]
        frames = [frames[0], *steps, after]
    contacts = contact_lines(fit, body, after, frames[0] if before is not None else None)
    marks = [inside_others(frames[0], body), inside_others(after, body)] if len(frames) > 1 else []
    marks = marks or [inside_others(after, body)]
    return SceneView(
        contacts=contacts,
        inside=(int(marks[0].sum()), int(marks[-1].sum())),
        packed=_packed_view(scene, frames, contacts, marks),
    )


def contact_lines(fit: Fit, body: ViewBody, after: np.ndarray, before: np.ndarray | None) -> tuple[ContactLine, ...]:
    """The most frequent contacts of a fit, each between the people and sides where it is nearest.

    A row leaves open who is who and often which side; what the fit brought together is what it meant.
    """
    lines = []
    for place, (first, second, _) in enumerate(fit.constraints[:MOST_CONTACTS]):
        ids = body.vertices_of(first), body.vertices_of(second)
        found = _closest(body, after, ids)
        if found is None:
            continue
        people, vertices, distance = found
        names = (first, second) if not _is_turned(ids, people, vertices) else (second, first)
        regions = tuple(tuple(sorted(_near_regions(body, name, v))) for name, v in zip(names, vertices, strict=True))
        old = None if before is None else _closest(body, before, tuple(_members(body, r) for r in regions), people)
        lines.append(
            ContactLine(
                place=place,
                people=people,
                regions=(regions[0], regions[1]),
                vertices=vertices,
                before_m=None if old is None else old[2],
                after_m=distance,
            )
        )
    return tuple(lines)


def inside_others(people: np.ndarray, body: ViewBody) -> np.ndarray:
    """(P, V) bool: the vertices of each person that are inside another one."""
    marks = np.zeros(people.shape[:2], bool)
    for i, points in enumerate(people):
        for j, other in enumerate(people):
            if i != j:
                marks[i] |= crossing_numbers(points, other[body.closed_ids], body.closed_faces) > 0
    return marks


def _members(body: ViewBody, regions: Sequence[int]) -> np.ndarray:
    return np.unique(np.concatenate([body.members[region] for region in regions]))


def _near_regions(body: ViewBody, name: str, vertex: int) -> frozenset[int]:
    """The fine regions of the part that a name means: of a name for both sides, the side that holds the vertex."""
    for side in ("left ", "right "):
        try:
            regions = name_regions(side + name)
        except InputError:
            continue
        if vertex in _members(body, sorted(regions)):
            return regions
    return name_regions(name)


def _is_turned(ids: tuple[np.ndarray, np.ndarray], people: tuple[int, int], vertices: tuple[int, int]) -> bool:
    return not (vertices[0] in ids[0] and vertices[1] in ids[1])


def _closest(
    body: ViewBody,
    people: np.ndarray,
    ids: tuple[np.ndarray, ...],
    only: tuple[int, int] | None = None,
) -> tuple[tuple[int, int], tuple[int, int], float] | None:
    """Between whom two sets of vertices are nearest: (people), (vertices), metres; None without such a pair."""
    first, second = ids
    if not (len(first) and len(second)):
        return None
    best: tuple[tuple[int, int], tuple[int, int], float] | None = None
    pairs = [only] if only else [(i, j) for i in range(len(people)) for j in range(len(people)) if i < j]
    for i, j in pairs or [(0, 0)]:
        if i == j:
            found = _closest_on_one(body, people[i], first, second)
            options = [found] if found else []
        else:
            options = [_nearest(people[i], people[j], first, second)]
            if only is None:
                options.append(_nearest(people[i], people[j], second, first))
        for a, b, distance in options:
            if best is None or distance < best[2]:
                best = (i, j), (a, b), distance
    return best


def _nearest(a: np.ndarray, b: np.ndarray, ids_a: np.ndarray, ids_b: np.ndarray) -> tuple[int, int, float]:
    distances, places = cKDTree(b[ids_b]).query(a[ids_a])
    row = int(np.argmin(distances))
    return int(ids_a[row]), int(ids_b[places[row]]), float(distances[row])


def _closest_on_one(
    body: ViewBody, vertices: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[int, int, float] | None:
    """As `_nearest` on one person, among vertices that are apart at rest."""
    best = None
    for some in np.array_split(first, -(-len(first) // 256)):
        squared = ((vertices[some][:, None] - vertices[second][None]) ** 2).sum(axis=-1)
        rest = ((body.template[some][:, None] - body.template[second][None]) ** 2).sum(axis=-1)
        squared[rest < _NEIGHBOURS_M**2] = np.inf
        row, column = np.unravel_index(np.argmin(squared), squared.shape)
        distance = float(np.sqrt(squared[row, column]))
        if np.isfinite(distance) and (best is None or distance < best[2]):
            best = int(some[row]), int(second[column]), distance
    return best


def _pack(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 6)).decode("ascii")


def _packed_view(
    scene: Scene, frames: Sequence[np.ndarray], contacts: Sequence[ContactLine], marks: Sequence[np.ndarray]
) -> dict[str, Any]:
    points = np.stack(frames)
    low = points.min(axis=(0, 1, 2))
    step = max(_STEP_M, float((points.max(axis=(0, 1, 2)) - low).max()) / _MOST_STEPS)
    whole = np.rint((points - low) / step).astype(np.int64)
    # The first frame vertex by vertex, the others against the frame before; the difference wraps around.
    first = np.diff(whole[0], axis=1, prepend=0)
    others = np.diff(whole, axis=0)
    steps = np.concatenate([first[None], others]).astype(np.uint16)
    # All low bytes, then all high bytes: the high ones are nearly all equal.
    split = np.stack([steps & 255, steps >> 8]).astype(np.uint8)
    bits = np.packbits(np.stack(marks).reshape(len(marks), -1), axis=1, bitorder="little")
    return {
        "people": int(points.shape[1]),
        "frames": len(frames),
        "low": [round(float(x), 6) for x in low],
        "step": step,
        "marks": len(marks),
        "focal": [float(x) for x in np.broadcast_to(scene.focal_length, (2,))],
        "principal": [float(x) for x in scene.principal_point],
        "size": [float(x) for x in scene.image_size],
        "contacts": [
            {
                "place": line.place,
                "people": list(line.people),
                "regions": [list(ids) for ids in line.regions],
                "vertices": list(line.vertices),
            }
            for line in contacts
        ],
        "data": _pack(split.tobytes() + bits.tobytes()),
    }
