"""The computed regions lie where their names say, on bodies of any shape, topology and order."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path

import numpy as np
import pytest

from prosepose_jax.body import load_body
from prosepose_jax.body import regions as regions_module
from prosepose_jax.body.keypoints import KEYPOINT_VERTEX_NAMES
from prosepose_jax.body.region_table import (
    LEFT_REGIONS,
    MIRROR_PAIRS,
    MIRROR_REGION,
    NUM_REGIONS,
    REGION_NAMES,
    RIGHT_REGIONS,
    Region,
)
from prosepose_jax.body.regions import compute_keypoint_vertices, compute_regions, region_labels
from prosepose_jax.errors import InputError

SMALL_BODY = Path(__file__).resolve().parents[1] / "data" / "small_body.npz"

COARSE_VERTICES = 2000


@dataclasses.dataclass(frozen=True)
class Rest:
    """What `compute_regions` reads."""

    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    joints: np.ndarray
    parents: tuple[int, ...]

    @property
    def arguments(self):
        return self.vertices, self.faces, self.weights, self.joints, self.parents

    def regions(self):
        return compute_regions(*self.arguments)

    def labels(self):
        return region_labels(self.regions(), len(self.vertices))

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)


def rest_of(body, kid: float = 0.0, betas: dict[int, float] | None = None) -> Rest:
    vertices = np.asarray(body.v_template + kid * body.kid_dir, np.float64)
    joints = np.asarray(body.joint_template + kid * body.joint_kid_dir, np.float64)
    for k, beta in (betas or {}).items():
        vertices = vertices + beta * np.asarray(body.shape_dirs[..., k], np.float64)
        joints = joints + beta * np.asarray(body.joint_shape_dirs[..., k], np.float64)
    return Rest(vertices, np.asarray(body.faces), np.asarray(body.skin_weights, np.float64), joints, body.parents)


def clustered(rest: Rest, cell: float) -> Rest:
    """The body on a coarse mesh of other topology: one vertex for each occupied cube of side `cell`."""
    _, cluster = np.unique(np.floor(rest.vertices / cell).astype(int), axis=0, return_inverse=True)
    cluster = cluster.reshape(-1)
    # The member nearest to the cluster's centre stands for it, so vertices stay on the skin.
    count = np.bincount(cluster)
    centre = np.stack([np.bincount(cluster, x) / count for x in rest.vertices.T], axis=1)
    order = np.lexsort((np.linalg.norm(rest.vertices - centre[cluster], axis=1), cluster))
    keep = order[np.r_[True, np.diff(cluster[order]) > 0]]
    faces = cluster[rest.faces]
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    return rest.replace(vertices=rest.vertices[keep], weights=rest.weights[keep], faces=np.unique(faces, axis=0))


def with_joints(rest: Rest, number: int) -> Rest:
    """The same body with the joints of SMPL-H (52) or SMPL (24)."""
    assert len(rest.parents) == 55
    weights = rest.weights.copy()
    weights[:, 15] += weights[:, 22:25].sum(axis=1)
    if number == 52:
        keep = [*range(22), *range(25, 55)]
        parents = tuple(p if p < 22 else p - 3 for p in np.array(rest.parents)[keep])
        return rest.replace(weights=weights[:, keep], joints=rest.joints[keep], parents=parents)
    hands = np.stack([weights[:, 25:40].sum(axis=1), weights[:, 40:].sum(axis=1)], axis=1)
    return rest.replace(
        weights=np.concatenate([weights[:, :22], hands], axis=1),
        joints=np.concatenate([rest.joints[:22], rest.joints[[28, 43]]]),
        parents=(*rest.parents[:22], 20, 21),
    )


@pytest.fixture(scope="module")
def embedded():
    return load_body()


@pytest.fixture(scope="module")
def adult(embedded):
    return rest_of(embedded)


def _variant(name: str, embedded, adult: Rest) -> Rest:
    if name == "adult":
        return adult
    if name == "child":
        return rest_of(embedded, kid=1.0)
    if name == "stout":
        return rest_of(embedded, betas={1: 2.5, 2: -2.0})
    if name == "thin":
        return rest_of(embedded, betas={0: 2.5, 1: -2.0})
    if name == "small":
        return rest_of(load_body(SMALL_BODY))
    if name == "smplh":
        return with_joints(adult, 52)
    if name == "smpl":
        return with_joints(adult, 24)
    return clustered(adult, {"coarse": 0.022, "coarsest": 0.11}[name])


FINE = ("adult", "child", "stout", "thin", "smplh", "smpl")
ALL = (*FINE, "small", "coarse", "coarsest")


@pytest.fixture(scope="module")
def case(request, embedded, adult):
    rest = _variant(request.param, embedded, adult)
    return rest, rest.regions()


every = pytest.mark.parametrize("case", ALL, indirect=True)
shaped = pytest.mark.parametrize("case", (*FINE, "small", "coarse"), indirect=True)
fine = pytest.mark.parametrize("case", FINE, indirect=True)


# The table.


def test_table_is_the_published_numbering():
    assert len(REGION_NAMES) == len(set(REGION_NAMES)) == NUM_REGIONS == 75
    assert REGION_NAMES[50] == "front pelvis"
    assert REGION_NAMES[0] == "left upper belly" and REGION_NAMES[69] == "back left forearm"
    assert (Region.LEFT_PALM, Region.RIGHT_PALM) == (72, 23)
    assert (Region.LEFT_BACK_OF_HAND, Region.RIGHT_BACK_OF_HAND) == (17, 27)
    assert (Region.LEFT_FINGERS_PALM_SIDE, Region.RIGHT_FINGERS_BACK_SIDE) == (33, 40)
    assert (Region.LEFT_SOLE, Region.RIGHT_FOOT_UPPER_SIDE) == (67, 42)


def test_mirror_table():
    np.testing.assert_array_equal(MIRROR_REGION[MIRROR_REGION], np.arange(75))
    assert np.flatnonzero(np.arange(75) == MIRROR_REGION).tolist() == [50]
    assert sorted([*LEFT_REGIONS, *RIGHT_REGIONS, 50]) == list(range(75))
    for left, right in MIRROR_PAIRS:
        assert re.sub("left", "right", REGION_NAMES[left]) == REGION_NAMES[right]


# Cover and pieces.


@every
def test_regions_part_the_surface(case):
    rest, regions = case
    assert len(regions) == 75
    assert min(len(ids) for ids in regions) > 0
    for ids in regions:
        assert np.issubdtype(ids.dtype, np.integer) and (np.diff(ids) > 0).all()
    np.testing.assert_array_equal(np.sort(np.concatenate(regions)), np.unique(rest.faces))


def _pieces(rest: Rest, ids: np.ndarray) -> list[int]:
    """Sizes of the connected pieces of a region, by flooding (no code shared with the program's)."""
    inside = set(ids.tolist())
    neighbours: dict[int, set[int]] = {i: set() for i in inside}
    for a, b, c in rest.faces[np.isin(rest.faces, ids).sum(axis=1) >= 2].tolist():
        for i, j in ((a, b), (b, c), (c, a)):
            if i in inside and j in inside:
                neighbours[i].add(j)
                neighbours[j].add(i)
    sizes = []
    while inside:
        front, size = [inside.pop()], 1
        while front:
            new = neighbours[front.pop()] & inside
            inside -= new
            size += len(new)
            front.extend(new)
        sizes.append(size)
    return sorted(sizes, reverse=True)


@pytest.mark.heavy
@fine
def test_regions_are_single_patches(case):
    rest, regions = case
    fingers = {3, 33, 26, 40}
    faces_of_skull = {66, 51}
    for region, ids in enumerate(regions):
        if region in faces_of_skull:
            ids = ids[np.isin(ids, _largest_component(rest))]
        assert len(_pieces(rest, ids)) <= (5 if region in fingers else 1), REGION_NAMES[region]


def _largest_component(rest: Rest) -> np.ndarray:
    """Vertices of the skin: everything reachable from the first vertex that follows the pelvis."""
    every_vertex = np.unique(rest.faces)
    inside = np.zeros(len(rest.vertices), bool)
    inside[every_vertex[np.argmax(rest.weights[every_vertex, 0])]] = True
    while True:
        touched = inside[rest.faces].any(axis=1)
        grown = inside.copy()
        grown[rest.faces[touched]] = True
        if grown.sum() == inside.sum():
            return np.flatnonzero(inside)
        inside = grown


def test_fill_of_coarse_meshes_is_near_its_place(adult, monkeypatch):
    """Regions that the rules leave empty get a vertex close to where they are on the fine mesh."""
    coarse = clustered(adult, 0.11)
    assert len(np.unique(coarse.faces)) < 300
    filled = coarse.regions()
    monkeypatch.setattr(regions_module, "_fill_empty", lambda labels, vertices, seeds: labels)
    empty = [region for region, ids in enumerate(coarse.regions()) if not len(ids)]
    assert empty, "the mesh is meant to be too coarse for some regions"
    for region, ids in zip(range(75), adult.regions(), strict=True):
        if region in empty:
            gap = np.linalg.norm(coarse.vertices[filled[region]][:, None] - adult.vertices[ids], axis=2).min()
            assert gap < 0.08, REGION_NAMES[region]


# Left and right.


@shaped
def test_left_is_left(case):
    rest, regions = case
    for left in LEFT_REGIONS:
        assert rest.vertices[regions[left], 0].mean() > 0.01, REGION_NAMES[left]
        assert rest.vertices[regions[left], 0].min() > -0.02, REGION_NAMES[left]
    for right in RIGHT_REGIONS:
        assert rest.vertices[regions[right], 0].mean() < -0.01, REGION_NAMES[right]
    assert abs(rest.vertices[regions[50], 0].mean()) < 0.01


def test_sides_mirror_each_other(adult):
    labels = adult.labels()
    off_middle = np.flatnonzero((np.abs(adult.vertices[:, 0]) > 1e-3) & (labels >= 0))
    sample = np.random.default_rng(0).choice(off_middle, 2000, replace=False)
    twin = np.array([np.argmin(((adult.vertices[i] * [-1, 1, 1] - adult.vertices) ** 2).sum(axis=1)) for i in sample])
    assert (MIRROR_REGION[labels[sample]] == labels[twin]).mean() >= 0.99
    sizes = np.bincount(labels[off_middle], minlength=75)
    np.testing.assert_allclose(sizes, sizes[MIRROR_REGION], rtol=0.02, atol=2)


# Front and back, upper and lower, inside and outside of the limbs.

FRONT_BACK = (
    (54, 14), (66, 39), (73, 2), (49, 57), (34, 11), (5, 69), (59, 41), (61, 70), (0, 35), (74, 48), (50, 71),
    (45, 15), (20, 53), (64, 30), (60, 21), (25, 56),
)  # fmt: skip
ABOVE = (
    (66, 54), (39, 14), (54, 59), (14, 41), (59, 61), (61, 0), (0, 74), (74, 50), (50, 45), (45, 20), (20, 64),
    (64, 60), (60, 25), (25, 1), (1, 67), (41, 70), (70, 35), (35, 48), (48, 71), (71, 15), (15, 53), (53, 30),
    (30, 21), (21, 56), (56, 67), (17, 72), (3, 33), (73, 61), (2, 70),
)  # fmt: skip
# From the middle plane outwards.
OUTWARDS = ((59, 73, 49, 34, 5, 72, 33), (41, 2, 57, 11, 69, 17, 3))


def _both_sides(*left_ids):
    return (left_ids, tuple(int(MIRROR_REGION[i]) for i in left_ids))


@shaped
def test_front_lies_before_back(case):
    rest, regions = case
    depth = [rest.vertices[ids, 2].mean() for ids in regions]
    for pair in FRONT_BACK:
        for front, back in _both_sides(*pair):
            assert depth[front] > depth[back] + 0.01, (REGION_NAMES[front], REGION_NAMES[back])


@shaped
def test_upper_lies_above_lower(case):
    rest, regions = case
    height = [rest.vertices[ids, 1].mean() for ids in regions]
    # A finger of a coarse mesh has a vertex or two a side: only their order is certain.
    margin = 0.004 if len(rest.vertices) > COARSE_VERTICES else 0.001
    for pair in ABOVE:
        for upper, lower in _both_sides(*pair):
            assert height[upper] > height[lower] + margin, (REGION_NAMES[upper], REGION_NAMES[lower])


@shaped
def test_arm_goes_outwards(case):
    rest, regions = case
    for chain in OUTWARDS:
        for ids in _both_sides(*chain):
            across = [abs(rest.vertices[regions[i], 0].mean()) for i in ids]
            assert (np.diff(across) > 0.01).all(), [REGION_NAMES[i] for i in ids]


def _normals(rest: Rest) -> np.ndarray:
    corners = rest.vertices[rest.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(rest.vertices)
    for k in range(3):
        np.add.at(normals, rest.faces[:, k], cross)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


@fine
def test_surfaces_face_the_way_they_are_named(case):
    rest, regions = case
    normals = _normals(rest)
    for pair in FRONT_BACK:
        if pair == (66, 39):  # a plane cuts the head, so that the ears stay whole
            continue
        for front, back in _both_sides(*pair):
            assert (normals[regions[front], 2] > -0.05).mean() > 0.8, REGION_NAMES[front]
            assert (normals[regions[back], 2] < 0.05).mean() > 0.8, REGION_NAMES[back]
    # T-pose: palms and soles face down, also in a curled hand for most of the skin.
    for down, up in ((72, 17), (33, 3), (67, 1)):
        for under, upper in _both_sides(down, up):
            assert normals[regions[under], 1].mean() < -0.4, REGION_NAMES[under]
            assert normals[regions[upper], 1].mean() > 0.15, REGION_NAMES[upper]


@fine
def test_joint_bands_and_half_bones(case):
    rest, regions = case
    for side in (0, 1):
        hip, knee, ankle = (rest.joints[k + side, 1] for k in (1, 4, 7))
        elbow, shoulder, wrist = (abs(rest.joints[k + side, 0]) for k in (18, 16, 20))

        def of(left_id, axis, side=side):
            ids = regions[left_id if side == 0 else MIRROR_REGION[left_id]]
            return np.abs(rest.vertices[ids, axis]) if axis == 0 else rest.vertices[ids, axis]

        edge = 0.035  # one edge of the mesh and the tilt of the bones
        for front_or_back in ((45, 20, 64, 60, 25), (15, 53, 30, 21, 56)):
            upper, lower, band, calf, shin = (of(i, 1) for i in front_or_back)
            assert abs(upper.min() - 0.5 * (hip + knee)) < edge and abs(lower.max() - 0.5 * (hip + knee)) < edge
            assert band.min() < knee < band.max()
            assert 0.07 < np.ptp(band) / (hip - ankle) < 0.22
            assert abs(calf.min() - 0.5 * (knee + ankle)) < edge and abs(shin.max() - 0.5 * (knee + ankle)) < edge
            assert abs(shin.min() - ankle) < edge
        for band, fore in ((of(34, 0), of(5, 0)), (of(11, 0), of(69, 0))):
            assert band.min() < elbow < band.max()
            assert 0.1 < np.ptp(band) / (wrist - shoulder) < 0.25
            assert abs(fore.max() - wrist) < 0.025


@fine
def test_trunk_is_in_proportion(case):
    """Landmarks in units of the trunk, hip joints 0 to shoulder joints 1."""
    rest, regions = case
    hips, shoulders = rest.joints[[1, 2], 1].mean(), rest.joints[[16, 17], 1].mean()
    height = (rest.vertices[:, 1] - hips) / (shoulders - hips)
    assert 0.5 < np.median(height[regions[61]]) < 0.85  # lower chest
    assert 0.3 < np.median(height[regions[0]]) < 0.65  # upper belly
    assert 0.05 < np.median(height[regions[74]]) < 0.4  # lower belly
    assert height[regions[50]].max() < 0.25
    assert height[regions[71]].max() < 0.25 and height[regions[71]].min() > -0.4
    assert height[regions[54]].min() > 0.9 and height[regions[14]].min() > 1.0


def test_joints_lie_inside_their_regions(adult):
    """The vertices around a joint belong to the regions named after it."""
    labels = adult.labels()
    for joint, expected in (
        (4, {64, 30}), (5, {16, 12}), (18, {34, 11}), (19, {44, 24}), (28, {3, 33, 17, 72}), (43, {40, 26, 27, 23}),
        (10, {1, 67}), (11, {42, 65}), (29, {3, 33}), (44, {40, 26}),
    ):  # fmt: skip
        near = np.argsort(np.linalg.norm(adult.vertices - adult.joints[joint], axis=1))[:12]
        assert set(labels[near]) <= expected, joint


def test_thumb_nail_is_back_and_pad_is_palm_side(adult):
    """Each finger has both sides; together they ring it."""
    labels = adult.labels()
    for first, palm_side, back_side in ((25, 33, 3), (40, 26, 40)):
        for finger in range(5):
            last = first + 3 * finger + 2
            mine = np.flatnonzero(adult.weights.argmax(axis=1) == last)
            share = (labels[mine] == palm_side).mean()
            assert 0.2 < share < 0.8, last
            assert ((labels[mine] == palm_side) | (labels[mine] == back_side)).all()


# Order, winding, loose parts, speed.


@pytest.fixture(scope="module")
def coarse(adult):
    return clustered(adult, 0.016)


def test_order_of_vertices_and_triangles_does_not_matter(coarse):
    rng = np.random.default_rng(0)
    old_of_new = rng.permutation(len(coarse.vertices))
    new_of_old = np.argsort(old_of_new)
    faces = new_of_old[coarse.faces][rng.permutation(len(coarse.faces))]
    faces = np.stack([np.roll(face, k) for face, k in zip(faces, rng.integers(0, 3, len(faces)), strict=True)])
    shuffled = coarse.replace(vertices=coarse.vertices[old_of_new], weights=coarse.weights[old_of_new], faces=faces)
    np.testing.assert_array_equal(shuffled.labels(), coarse.labels()[old_of_new])


def test_winding_does_not_matter(adult):
    np.testing.assert_array_equal(adult.replace(faces=adult.faces[:, ::-1]).labels(), adult.labels())


def test_place_and_scale_do_not_matter(adult):
    moved = adult.replace(vertices=1.7 * adult.vertices + [0.4, -1, 2], joints=1.7 * adult.joints + [0.4, -1, 2])
    assert (moved.labels() == adult.labels()).mean() > 0.999


def test_loose_parts_take_the_region_behind_them(adult):
    labels = adult.labels()
    number = len(adult.vertices)
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], float) * 0.002
    solid = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    places = [regions_centre(adult, labels, r) for r in (0, 53, 72)]
    loose = np.concatenate([p + corners for p in places])
    # Their weights follow the root: only their place can tell.
    weights = np.zeros((len(loose), adult.weights.shape[1]))
    weights[:, 0] = 1
    unused = np.zeros((3, 3))
    dressed = adult.replace(
        vertices=np.concatenate([adult.vertices, loose, unused]),
        weights=np.concatenate([adult.weights, weights, np.zeros((3, adult.weights.shape[1]))]),
        faces=np.concatenate([adult.faces, *(number + 4 * k + solid for k in range(3))]),
    )
    found = dressed.labels()
    np.testing.assert_array_equal(found[number:], np.r_[np.repeat([0, 53, 72], 4), [-1] * 3])
    np.testing.assert_array_equal(found[:number], labels)


def regions_centre(rest: Rest, labels: np.ndarray, region: int) -> np.ndarray:
    points = rest.vertices[labels == region]
    return points[np.argmin(np.linalg.norm(points - points.mean(axis=0), axis=1))]


def test_eyes_and_mouth_are_face(adult):
    """Nothing inside the head belongs to its back."""
    labels = adult.labels()
    face = adult.weights[:, 22:25].sum(axis=1) > 0.9
    assert face.any()
    assert np.isin(labels[face], [66, 51]).mean() > 0.9


@fine
def test_ears_are_whole(case):
    """Folded skin with normals every way: all of the outer ear is on one side of the head's border."""
    rest, regions = case
    keypoints = dict(zip(KEYPOINT_VERTEX_NAMES, compute_keypoint_vertices(*rest.arguments), strict=True))
    labels = region_labels(regions, len(rest.vertices))
    unit = np.ptp(rest.vertices[:, 1]) / 1.75
    for side, back in (("left", 39), ("right", 52)):
        tip = rest.vertices[keypoints[f"{side}_ear"]]
        ear = (np.linalg.norm(rest.vertices - tip, axis=1) < 0.025 * unit) & (labels >= 0)
        assert ear.sum() > 20
        assert (labels[ear] == back).mean() > 0.97


def test_full_body_takes_under_two_seconds(adult):
    start = time.perf_counter()
    adult.regions()
    assert time.perf_counter() - start < 2.0


# Keypoint vertices.


@shaped
def test_keypoint_vertices(case):
    rest, regions = case
    ids = compute_keypoint_vertices(*rest.arguments)
    assert ids.shape == (11,) and np.issubdtype(ids.dtype, np.integer)
    at = dict(zip(KEYPOINT_VERTEX_NAMES, rest.vertices[ids], strict=True))
    unit = np.ptp(rest.vertices[:, 1]) / 1.75
    left, up, forward = 0, 1, 2
    head = rest.vertices[np.concatenate([regions[r] for r in (66, 51, 39, 52)])]
    assert at["nose"][forward] > head[:, forward].max() - 0.01 * unit and abs(at["nose"][left]) < 0.015 * unit
    for side, sign in (("left", 1), ("right", -1)):
        eye, ear = at[f"{side}_eye"], at[f"{side}_ear"]
        # The nearest vertex of a coarse mesh may lie a few millimetres from the eye.
        nearest = 0.018 if len(rest.vertices) > COARSE_VERTICES else 0.015
        assert nearest * unit < sign * eye[left] < 0.055 * unit
        assert 0.01 * unit < eye[up] - at["nose"][up] < 0.08 * unit
        assert eye[forward] > head[:, forward].max() - 0.07 * unit
        assert sign * ear[left] > np.abs(head[:, left]).max() - 0.012 * unit
        assert abs(ear[up] - 0.5 * (eye[up] + at["nose"][up])) < 0.05 * unit
        big, small, heel = at[f"{side}_big_toe"], at[f"{side}_small_toe"], at[f"{side}_heel"]
        foot = rest.vertices[np.concatenate([regions[r if sign > 0 else MIRROR_REGION[r]] for r in (1, 67)])]
        assert big[forward] > foot[:, forward].max() - 0.02 * unit
        assert sign * (small[left] - big[left]) > 0.03 * unit
        assert big[forward] - heel[forward] > 0.7 * np.ptp(foot[:, forward])
        assert small[forward] > big[forward] - 0.09 * unit
        assert heel[forward] < foot[:, forward].min() + 0.01 * unit
        for point in (big, small, heel):
            assert point[up] < foot[:, up].min() + 0.07 * unit


def test_longer_second_toe_is_not_the_big_toe(adult):
    before = compute_keypoint_vertices(*adult.arguments)
    big = adult.vertices[before[KEYPOINT_VERTEX_NAMES.index("left_big_toe")]]
    aside, ahead = adult.vertices[:, 0] - big[0], adult.vertices[:, 2] - big[2]
    second = (adult.vertices[:, 1] < big[1] + 0.05) & (aside > 0.02) & (aside < 0.045) & (ahead > -0.04)
    assert second.any()
    longer = adult.replace(vertices=adult.vertices + 0.015 * second[:, None] * [0, 0, 1])
    np.testing.assert_array_equal(compute_keypoint_vertices(*longer.arguments), before)


# Bad input.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.replace(weights=r.weights[:, :54]), "55 columns"),
        (lambda r: r.replace(weights=r.weights[:-1]), "weights: expected shape"),
        (lambda r: r.replace(vertices=r.vertices[:, :2]), "v_template: expected shape"),
        (lambda r: r.replace(faces=r.faces[:, :2]), "faces: expected shape"),
        (lambda r: r.replace(faces=r.faces + len(r.vertices)), "faces: expected vertex ids"),
        (lambda r: r.replace(vertices=r.vertices * np.nan), "finite"),
        (lambda r: r.replace(faces=r.faces[:10]), "at least 75 vertices"),
        (lambda r: r.replace(joints=r.joints[:30], parents=r.parents[:30]), "SMPL-X"),
        (lambda r: r.replace(joints=r.joints[:, [1, 1, 1]]), "upright"),
        (lambda r: r.replace(parents=r.parents[:-1]), "parents"),
    ],
)
def test_bad_bodies_are_named(coarse, change, message):
    with pytest.raises(InputError, match=message):
        change(coarse).regions()
