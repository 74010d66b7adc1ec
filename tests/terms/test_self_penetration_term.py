"""The self-penetration term against brute force on poses whose limbs stand in the trunk, and where none do."""

from __future__ import annotations

import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_scenes import pose_at_once

from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.body.segments import make_segments
from prosepose_jax.fitting.objective import elements_energy
from prosepose_jax.terms import Elements
from prosepose_jax.terms.inside_search import Targets, inside_sets
from prosepose_jax.terms.penetration import depth_kernel, squared_depth
from prosepose_jax.terms.self_penetration import (
    SegmentSurfaces,
    SelfPenetration,
    inside_own_segments,
    segment_surfaces,
)

# fmt: off
# Rotations (axis-angle) of joints by their place in body_pose: bodies rest with their arms out to the sides.
POSES = {
    "rest": {},
    "arms down": {15: (0.0, 0.0, -1.2), 16: (0.0, 0.0, 1.2)},
    "forearm in the belly": {15: (0.0, 0.0, -1.3), 17: (0.0, 0.0, -1.5)},
    "shins crossed": {0: (0.0, 0.0, -0.35), 1: (0.0, 0.0, 0.35)},
    "forearms through each other": {
        15: (0.0, -1.4, 0.0), 16: (0.0, 1.4, 0.0), 17: (0.0, -1.2, 0.0), 18: (0.0, 1.2, 0.0),
    },
}
# fmt: on


found_inside = jax.jit(inside_own_segments)


@pytest.fixture(scope="module")
def surfaces(small_body: BodyModel) -> SegmentSurfaces:
    return segment_surfaces(small_body)


def _pose(body: BodyModel, name: str) -> jax.Array:
    """(1, V, 3), turned a little so that no ray runs along the body."""
    pose = np.zeros((1, 21, 3), np.float32)
    for joint, rotation in POSES[name].items():
        pose[0, joint] = rotation
    turned = jnp.asarray([[0.4, 0.3, -0.2]], jnp.float32)
    return pose_at_once(
        body, BodyParams.zeros(1, 10).replace(body_pose=jnp.asarray(pose), global_orient=turned)
    ).vertices


def _exact(body: BodyModel, vertices: jax.Array) -> np.ndarray:
    """(V, K) which vertices are inside segments foreign to them, by solid angles."""
    low = np.asarray(body.lowres.vertex_ids)
    segments = make_segments(
        np.asarray(body.v_template), np.asarray(body.faces), np.asarray(body.skin_weights), body.parents,
        low[np.asarray(body.lowres.faces)],
    )  # fmt: skip
    posed = np.asarray(vertices, np.float64)
    return (np.stack([_winding(posed, faces) for faces in segments.faces], axis=1) > 0.5) & segments.foreign


def _winding(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V,) winding numbers of a surface around its own body's vertices."""
    a, b, c = (points[faces[:, k]][None] - points[:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(x, axis=-1) for x in (a, b, c))
    det = np.sum(a * np.cross(b, c), axis=-1)
    dots = np.sum(a * b, -1) * lc + np.sum(b * c, -1) * la + np.sum(c * a, -1) * lb
    return np.sum(np.arctan2(det, la * lb * lc + dots), axis=1) / (2.0 * np.pi)


@pytest.mark.parametrize("name", POSES)
def test_own_inside_vertices_are_exact(small_body: BodyModel, surfaces: SegmentSurfaces, name: str) -> None:
    vertices = _pose(small_body, name)
    inside, which = found_inside(surfaces, vertices, jnp.ones(1, bool))
    exact = _exact(small_body, vertices[0])
    np.testing.assert_array_equal(np.asarray(inside[0]), exact.any(axis=1))
    assert exact.any() == (name not in ("rest", "arms down"))
    ids = np.flatnonzero(exact.any(axis=1))
    assert exact[ids, np.asarray(which[0])[ids]].all()
    nobody, _ = found_inside(surfaces, vertices, jnp.zeros(1, bool))
    assert not nobody.any()


def test_the_nearest_vertex_is_of_the_segment_that_one_is_inside(
    small_body: BodyModel, surfaces: SegmentSurfaces
) -> None:
    vertices = _pose(small_body, "forearm in the belly")
    inside, which = found_inside(surfaces, vertices, jnp.ones(1, bool))
    found = jax.jit(inside_sets, static_argnums=4)(
        surfaces.blocks, inside, vertices, vertices, 512, Targets(surfaces.of_group, which)
    )
    used = np.asarray(found.weight[0]) > 0
    ids, nearest = np.asarray(found.inside_ids[0])[used], np.asarray(found.nearest_ids[0])[used]
    posed, segment = np.asarray(vertices[0]), _segment_of(surfaces, small_body.num_vertices)
    assert len(ids) == int(inside.sum()) > 10
    for vertex, other in zip(ids, nearest, strict=True):
        wanted = np.asarray(which[0])[vertex]
        squared = np.where(segment == wanted, np.sum((posed - posed[vertex]) ** 2, axis=1), np.inf)
        assert segment[other] == wanted != segment[vertex]
        assert squared[other] == pytest.approx(squared.min(), rel=1e-4)


@pytest.mark.parametrize("most", [250, 100])
def test_few_vertices_stand_for_all(small_body: BodyModel, surfaces: SegmentSurfaces, most: int) -> None:
    few = segment_surfaces(small_body, most)
    assert np.asarray(surfaces.stands_for).max() == 1.0
    assert np.sum(few.stands_for) == np.sum(surfaces.stands_for)
    assert np.count_nonzero(few.stands_for) < 0.5 * np.count_nonzero(surfaces.stands_for)
    for name in ("forearm in the belly", "forearms through each other"):
        vertices = _pose(small_body, name)
        every, _ = found_inside(surfaces, vertices, jnp.ones(1, bool))
        inside, which = found_inside(few, vertices, jnp.ones(1, bool))
        tested = np.asarray(few.stands_for) > 0
        np.testing.assert_array_equal(np.asarray(inside[0])[tested], np.asarray(every[0])[tested])
        assert not np.asarray(inside[0])[~tested].any()
        ids = np.flatnonzero(inside[0])
        assert _exact(small_body, vertices[0])[ids, np.asarray(which[0])[ids]].all()
        if (count := int(every.sum())) > 20:  # of fewer, chance decides how many are found
            told = float(np.sum(np.asarray(inside[0]) * np.asarray(few.stands_for)))
            assert told == pytest.approx(count, rel=0.5)


def test_a_vertex_counts_as_often_as_it_stands_for_others(small_body: BodyModel) -> None:
    few = segment_surfaces(small_body, 250)
    vertices = _pose(small_body, "forearm in the belly")
    inside, _ = found_inside(few, vertices, jnp.ones(1, bool))

    @jax.jit
    def look_up(few: SegmentSurfaces, body: BodyModel, vertices: jax.Array) -> Any:
        lookup = types.SimpleNamespace(mine=few, body=body, vertices=vertices, rest=vertices, busy=jnp.ones(1, bool))
        return SelfPenetration(slots=64).look_up(lookup)  # type: ignore[arg-type]

    held = look_up(few, small_body, vertices[None])
    assert 0 < int(inside.sum()) <= 64
    assert sorted(np.asarray(held.weight)[0, 0])[-int(inside.sum()) :] == sorted(
        np.asarray(few.stands_for)[np.asarray(inside[0])]
    )
    assert float(held.weight.sum()) == float(np.sum(np.asarray(inside[0]) * np.asarray(few.stands_for)))


def _segment_of(surfaces: SegmentSurfaces, num_vertices: int) -> np.ndarray:
    segment = np.full(num_vertices, -1)
    for blocks, owner in zip(np.asarray(surfaces.blocks.of_group), np.asarray(surfaces.of_group), strict=True):
        segment[np.asarray(surfaces.blocks.vertex_ids)[blocks]] = owner
    return segment


def test_self_penetration_by_hand() -> None:
    """10 cm cost 1; the second vertex stands for three, the third is padding."""
    points = jnp.zeros((1, 3, 2, 3)).at[0, :, 0, 2].set(jnp.array([0.1, 0.05, 4.0]))
    part = Elements((), jnp.array([[1.0, 3.0, 0.0]]), residual=squared_depth, kernel=depth_kernel)
    assert float(elements_energy(part, points, jnp.float32(0.0))) == pytest.approx(1.0 + 3.0 / 16.0, rel=1e-5)
