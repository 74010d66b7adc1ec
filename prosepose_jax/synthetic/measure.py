"""What really touches in a finished scene, and whether the scene is fit to be shown.

Contact labels come from the final meshes, never from the template: two fine regions touch when two of
their vertices are within 2 cm (docs/method.md, "Metrics"); on one person only vertices more than 30 cm
apart along the surface count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import jax
import numpy as np

from prosepose_jax.body.model import BodyModel
from prosepose_jax.contact.distance import region_distances
from prosepose_jax.metrics.geodesic import SurfaceDistances
from prosepose_jax.metrics.patches import Patches
from prosepose_jax.metrics.penetration import penetration_in
from prosepose_jax.metrics.rays import crossing_numbers
from prosepose_jax.synthetic.balance import imbalance
from prosepose_jax.synthetic.joint_limits import limit_excesses
from prosepose_jax.synthetic.refine import Surface, Touch, body_joint_of_vertices, rest_normals

TOUCH_DISTANCE_M = 0.02
SELF_GEODESIC_M = 0.30
INTENDED_GAP_M = 0.0025  # half a millimetre under the promised 3 mm
PENETRATION_LIMIT_M = 0.010
SELF_PENETRATION_LIMIT_M = 0.020
FLOOR_LIMIT_M = 0.02
BEND_LIMIT = 0.1  # radians past a hinge's limits
RANGE_LIMIT = 0.05  # radians past a joint's range
BALANCE_LIMIT_M = 0.03
_SELF_REACH_M = 0.06

# The most specific name of every fine region, for part-level labels.
PART_OF_REGION: dict[int, str] = {}
for _name, _ids in {
    "left hand": (3, 33, 72, 17), "right hand": (23, 26, 27, 40), "left arm": (5, 11, 34, 49, 57, 69),
    "right arm": (6, 8, 24, 32, 37, 44), "left foot": (1, 67), "right foot": (42, 65),
    "left leg": (15, 20, 21, 25, 30, 45, 53, 56, 60, 64), "right leg": (12, 16, 18, 19, 22, 28, 36, 46, 55, 62),
    "back": (13, 35, 38, 41, 63, 70), "head": (39, 51, 52, 66), "neck": (14, 43, 47, 54), "butt": (9, 71),
    "waist (back)": (10, 48), "waist (front)": (50, 68, 74), "stomach": (0, 4), "chest": (7, 58, 59, 61),
    "left shoulder (front)": (73,), "left shoulder (back)": (2,), "right shoulder (front)": (31,),
    "right shoulder (back)": (29,),
}.items():  # fmt: skip
    PART_OF_REGION.update(dict.fromkeys(_ids, _name))


@dataclasses.dataclass(frozen=True)
class Contacts:
    """The touching regions of a scene."""

    region_pairs: np.ndarray  # (C, 2) fine regions, column 0 on person 0; one person: smaller id first
    parts: tuple[tuple[str, str], ...]  # unique part names, same columns
    strength: dict[tuple[str, str], int]  # how many fine pairs stand behind each part pair


@dataclasses.dataclass(frozen=True)
class Checks:
    """Figures that decide whether a scene is kept, metres."""

    gaps: tuple[float, ...]  # smallest vertex distance of each required touch
    penetration: float  # deepest vertex of one person inside the other
    self_penetration: float  # deepest vertex inside another part of the same person
    floor: float  # largest distance between the lowest vertex and the floor; who is carried may be above it
    bend: float  # largest excess over a hinge's limits, radians
    limits: float  # largest excess over a joint's range, radians (joint_limits.py)
    balance: float  # how far people are from standing safely (balance.py)

    @property
    def stands(self) -> bool:
        """Whether the people touch, keep within their joints' ranges and would not fall."""
        return (
            max(self.gaps, default=0.0) <= INTENDED_GAP_M
            and self.floor <= FLOOR_LIMIT_M
            and self.bend <= BEND_LIMIT
            and self.limits <= RANGE_LIMIT
            and self.balance <= BALANCE_LIMIT_M
        )

    @property
    def passed(self) -> bool:
        """Whether the scene is kept. Depths that were not measured (NaN) don't pass."""
        return (
            self.stands
            and self.penetration <= PENETRATION_LIMIT_M
            and self.self_penetration <= SELF_PENETRATION_LIMIT_M
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        """Names of the checks that failed, depths only if they were measured."""
        failed = {
            "gap": max(self.gaps, default=0.0) > INTENDED_GAP_M,
            "floor": self.floor > FLOOR_LIMIT_M,
            "bend": self.bend > BEND_LIMIT,
            "limits": self.limits > RANGE_LIMIT,
            "balance": self.balance > BALANCE_LIMIT_M,
            "penetration": self.penetration > PENETRATION_LIMIT_M,
            "self-penetration": self.self_penetration > SELF_PENETRATION_LIMIT_M,
        }
        return tuple(name for name, wrong in failed.items() if wrong)


class Yardstick:
    """Measures scenes of one body; keeps what can be reused between scenes."""

    def __init__(self, body: BodyModel, surface: Surface):
        self.body = body
        self.faces = np.asarray(body.faces, np.int64)
        self._table = jax.jit(lambda a, b: region_distances(body.regions, a, b))
        template = np.asarray(body.v_template, np.float64)
        self._template = template
        self._patches = Patches(template, self.faces)
        self._geodesic = SurfaceDistances(template, self.faces, SELF_GEODESIC_M)
        ids, mask = np.asarray(body.regions.vertex_ids), np.asarray(body.regions.mask)
        # Region of each vertex; lists that overlap give a vertex several.
        self._regions_of: list[list[int]] = [[] for _ in range(len(template))]
        for region in range(len(ids)):
            for vertex in ids[region][mask[region]]:
                self._regions_of[int(vertex)].append(region)
        owner = body_joint_of_vertices(body)
        self._near_sample = _nearest(template, template[np.asarray(surface.ids)])
        self._sample_ids = np.asarray(surface.ids)
        # How far a vertex may be from its sample, posed: at rest, and a little more where skin stretches.
        self._sample_radius = 1.3 * float(
            np.linalg.norm(template - template[self._sample_ids[self._near_sample]], axis=1).max()
        )
        self._far_samples = np.asarray(surface.self_pairs)
        # Armpits and the crotch fold into themselves in any linear blend skinning.
        self._folds = np.isin(owner, (0, 1, 2, 3, 6, 9, 12, 13, 14, 16, 17))
        self._head = owner == 15

    def contacts(self, vertices: np.ndarray) -> Contacts:
        """Touching fine regions and parts of (P, V, 3) posed people, P 1 or 2."""
        if len(vertices) == 1:
            pairs = self._self_pairs(np.asarray(vertices[0], np.float64))
        else:
            table = np.asarray(self._table(vertices[0], vertices[1]))
            pairs = np.argwhere(table < TOUCH_DISTANCE_M)
        names: dict[tuple[str, str], int] = {}
        for a, b in pairs:
            name = (PART_OF_REGION[int(a)], PART_OF_REGION[int(b)])
            if len(vertices) == 1:
                if name[0] == name[1]:
                    continue
                name = (min(name), max(name))
            names[name] = names.get(name, 0) + 1
        ordered = tuple(sorted(names, key=lambda n: (-names[n], n)))
        return Contacts(np.asarray(pairs, np.int32).reshape(-1, 2), ordered, names)

    def _self_pairs(self, vertices: np.ndarray) -> np.ndarray:
        pairs: set[tuple[int, int]] = set()
        near_a, near_b = close_pairs(vertices, TOUCH_DISTANCE_M)
        apart = np.linalg.norm(self._template[near_a] - self._template[near_b], axis=1)
        # Farther in space than the limit at rest: surely farther along the surface. Others are looked up.
        surely = apart > SELF_GEODESIC_M
        for a, b in zip(near_a[surely], near_b[surely], strict=True):
            self._note(pairs, int(a), int(b))
        a, b = near_a[~surely], near_b[~surely]
        far = self._far_samples[self._near_sample[a], self._near_sample[b]]  # leaves true neighbours out
        for vertex in np.unique(a[far]):
            others = b[far & (a == vertex)]
            ways = self._geodesic.from_vertex(int(vertex))[others]
            for other in others[ways > SELF_GEODESIC_M]:
                self._note(pairs, int(vertex), int(other))
        return np.array(sorted(pairs), np.int64).reshape(-1, 2)

    def _note(self, pairs: set[tuple[int, int]], a: int, b: int) -> None:
        for r in self._regions_of[a]:
            for s in self._regions_of[b]:
                if r != s:
                    pairs.add((min(r, s), max(r, s)))

    def check(
        self,
        vertices: np.ndarray,
        body_pose: np.ndarray,
        touches: tuple[Touch, ...],
        grounded: Collection[int],
        spots: dict[str, np.ndarray],
        bend: float,
        thorough: bool = True,
    ) -> Checks:
        """The figures of a refined scene, world frame (floor at y = 0).

        Args:
          vertices: (P, V, 3).
          body_pose: (P, 21, 3).
          touches: the intended contacts.
          grounded: the people who stand, sit or kneel on the floor; others are carried.
          spots: vertex ids of each spot.
          bend: excess over the hinges' limits.
          thorough: measure depths (the costly part) of a scene that fails for another reason too.
        """
        gaps = []
        for touch in touches:
            if not touch.required:
                continue
            a = vertices[touch.person_a][spots[touch.spot_a]]
            b = vertices[touch.person_b][spots[touch.spot_b]]
            gaps.append(float(_smallest(a, b)))
        lowest = vertices[..., 1].min(axis=1)
        floor = max(abs(float(y)) if i in grounded else max(-float(y), 0.0) for i, y in enumerate(lowest))
        excess = float(limit_excesses(body_pose).max())
        balance = imbalance(vertices, self.faces)
        checks = Checks(tuple(gaps), np.nan, np.nan, floor, bend, excess, balance)
        if not thorough and not checks.stands:
            return checks
        between = penetration_in(self._patches, vertices, volume=False)[0].max_mm / 1000.0
        checks = dataclasses.replace(checks, penetration=between)
        if not thorough and between > PENETRATION_LIMIT_M:
            return checks
        return dataclasses.replace(checks, self_penetration=max(self.self_penetration(v) for v in vertices))

    def self_penetration(self, vertices: np.ndarray) -> float:
        """Deepest vertex (m) inside a far part of the same person; armpits and crotch left out."""
        vertices = np.asarray(vertices, np.float64)
        normals = rest_normals(vertices, self.faces)
        # Only what has a far part near it can be inside one; samples stand for the vertices around them.
        samples = vertices[self._sample_ids]
        squared = np.sum(samples**2, 1)[:, None] + np.sum(samples**2, 1)[None] - 2 * samples @ samples.T
        reach = _SELF_REACH_M + 2 * self._sample_radius
        near = np.any(self._far_samples & (squared < reach**2), axis=1)
        candidates = np.flatnonzero(~self._head & near[self._near_sample])
        if not len(candidates):
            return 0.0
        # (The face folds over itself at lids and lips; what touches the head is found from the other side.)
        # A vertex a little below its own surface is inside once; inside a second part, twice.
        numbers = crossing_numbers(vertices[candidates] - 0.002 * normals[candidates], vertices, self.faces)
        doubled = candidates[numbers >= 2]
        if not len(doubled):
            return 0.0
        depth = 0.0
        for start in range(0, len(doubled), 256):
            part = doubled[start : start + 256]
            squared = (
                np.sum(vertices[part] ** 2, 1)[:, None] + np.sum(vertices**2, 1)[None] - 2 * vertices[part] @ vertices.T
            )
            far = self._far_samples[self._near_sample[part]][:, self._near_sample]
            far &= ~(self._folds[part][:, None] & self._folds[None])
            squared = np.where(far, squared, np.inf)
            nearest = squared.argmin(axis=1)
            way = vertices[part] - vertices[nearest]
            below = -np.sum(way * normals[nearest], axis=1)
            # Vertices doubled for another reason (folds of the face) have no far part near them.
            real = (squared.min(axis=1) < _SELF_REACH_M**2) & (below > 0)
            depth = max(depth, float(np.max(np.where(real, below, 0.0))))
        return depth


def close_pairs(vertices: np.ndarray, distance: float, chunk: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Ids (a, b), a < b, of all vertex pairs within a distance, (n,) each."""
    order = np.argsort(vertices[:, 1], kind="stable")  # sweep over height: only a thin slab can be near
    sorted_vertices = vertices[order]
    heights = sorted_vertices[:, 1]
    firsts, seconds = [], []
    for start in range(0, len(order), chunk):
        part = sorted_vertices[start : start + chunk]
        stop = int(np.searchsorted(heights, part[-1, 1] + distance, side="right"))
        rest = sorted_vertices[start:stop]
        squared = sum((part[:, None, k] - rest[None, :, k]) ** 2 for k in range(3))
        i, j = np.nonzero(squared < distance * distance)
        keep = j > i
        firsts.append(order[start + i[keep]])
        seconds.append(order[start + j[keep]])
    a, b = np.concatenate(firsts), np.concatenate(seconds)
    return np.minimum(a, b), np.maximum(a, b)


def _smallest(a: np.ndarray, b: np.ndarray) -> float:
    squared = sum((a[:, None, k].astype(np.float64) - b[None, :, k]) ** 2 for k in range(3))
    return float(np.sqrt(squared.min()))


def _nearest(points: np.ndarray, samples: np.ndarray) -> np.ndarray:
    squared = np.sum(points**2, 1)[:, None] + np.sum(samples**2, 1)[None] - 2 * points @ samples.T
    return squared.argmin(axis=1)
