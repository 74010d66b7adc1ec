"""The culled inside test against solid angles, and the nearest vertices against brute force."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_scenes import pose_at_once

from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.body.blocks import make_blocks
from prosepose_jax.body.inside import crossing_numbers, group_faces, winding_numbers
from prosepose_jax.errors import InputError
from prosepose_jax.terms.inside_search import inside_masks, inside_sets

_winding, _crossing = jax.jit(winding_numbers), jax.jit(crossing_numbers)
_inside_sets = jax.jit(inside_sets, static_argnums=4)


def _overlapping(body: BodyModel, seed: int, apart: float) -> jax.Array:
    rng = np.random.default_rng(seed)
    params = BodyParams.zeros(2, 10).replace(
        body_pose=jnp.asarray(rng.normal(0.0, 0.3, (2, 21, 3)), jnp.float32),
        global_orient=jnp.asarray(rng.normal(0.0, 0.5, (2, 3)), jnp.float32),
        transl=jnp.asarray([[0.0, 0.0, 0.0], [apart, 0.03, 0.05]], jnp.float32),
    )
    return pose_at_once(body, params).vertices


@pytest.mark.heavy
def test_crossings_equal_solid_angles(small_body: BodyModel) -> None:
    surface_ids, faces = small_body.lowres.vertex_ids, small_body.lowres.faces
    rest = np.asarray(small_body.v_template)[np.asarray(surface_ids)]
    vertices = _overlapping(small_body, 0, 0.2)[0][surface_ids]
    rng = np.random.default_rng(1)
    low, high = np.asarray(vertices.min(0)), np.asarray(vertices.max(0))
    points = jnp.asarray(rng.uniform(low, high, (3000, 3)), jnp.float32)
    exact = _winding(points, vertices, faces)
    fast = _crossing(group_faces(rest, np.asarray(faces)), vertices, points)
    assert 50 < int(jnp.sum(exact > 0.5)) < 2950
    np.testing.assert_allclose(np.asarray(fast), np.asarray(exact), atol=1e-4)


@pytest.mark.parametrize(("seed", "apart"), [(0, 0.0), (1, 0.15), (2, 0.3), (3, 1.0)])
def test_inside_sets_are_exact(small_body: BodyModel, seed: int, apart: float) -> None:
    vertices = _overlapping(small_body, seed, apart)
    template = np.asarray(small_body.v_template)
    surface_ids, faces = small_body.lowres.vertex_ids, small_body.lowres.faces
    blocks = make_blocks(template)
    groups = group_faces(template[np.asarray(surface_ids)], np.asarray(faces))
    both = jnp.stack([vertices, vertices[::-1]])
    masks = jax.jit(inside_masks)(blocks, groups, both[:, 0], both[:, 1][:, surface_ids])
    for direction in range(2):
        winding = _winding(both[direction, 0], both[direction, 1][surface_ids], faces)
        np.testing.assert_array_equal(np.asarray(masks[direction]), np.asarray(winding) > 0.99)
    found = _inside_sets(blocks, masks, both[:, 0], both[:, 1], 512)
    for direction in range(2):
        used = np.asarray(found.weight[direction]) > 0
        assert used.sum() == int(masks[direction].sum()) == int(found.count[direction])
        ids = np.asarray(found.inside_ids[direction])[used]
        assert set(ids) == set(np.flatnonzero(np.asarray(masks[direction])))
        points, other = np.asarray(both[direction, 0])[ids], np.asarray(both[direction, 1])
        squared = ((points[:, None] - other[None]) ** 2).sum(-1)
        chosen = squared[np.arange(len(ids)), np.asarray(found.nearest_ids[direction])[used]]
        np.testing.assert_allclose(chosen, squared.min(1, initial=np.inf), rtol=1e-4, atol=1e-9)


def test_too_many_inside_vertices_are_spread_and_weighted(small_body: BodyModel) -> None:
    vertices = _overlapping(small_body, 0, 0.0)
    blocks = make_blocks(np.asarray(small_body.v_template))
    inside = jnp.ones((1, small_body.num_vertices), bool)
    found = _inside_sets(blocks, inside, vertices[:1], vertices[1:], 64)
    ids = np.asarray(found.inside_ids[0])
    assert len(set(ids)) == 64 and ids.min() < 50 and ids.max() > small_body.num_vertices - 50
    assert float(found.weight.sum()) == pytest.approx(small_body.num_vertices, rel=1e-5)


def test_open_surface_is_refused(small_body: BodyModel) -> None:
    rest = np.asarray(small_body.v_template)[np.asarray(small_body.lowres.vertex_ids)]
    with pytest.raises(InputError, match="open or inconsistently oriented"):
        group_faces(rest, np.asarray(small_body.lowres.faces)[1:])
