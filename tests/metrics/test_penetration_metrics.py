"""Inside tests and depths on boxes and balls, against the solid-angle winding number."""

from __future__ import annotations

import numpy as np
import pytest
from closed_box import box

from prosepose_jax.metrics import (
    crossing_numbers,
    penetration,
    penetration_and_volume,
    shared_volume,
    surface_depths,
)
from prosepose_jax.metrics.boxes import is_closed
from prosepose_jax.metrics.patches import Patches
from prosepose_jax.metrics.penetration import penetration_in


def winding(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Winding numbers as sums of solid angles (Van Oosterom and Strackee): shares nothing with ray crossings."""
    a, b, c = (vertices[faces[:, k]][None] - points[:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(x, axis=-1) for x in (a, b, c))
    triple = np.sum(a * np.cross(b, c), axis=-1)
    below = la * lb * lc + np.sum(a * b, -1) * lc + np.sum(b * c, -1) * la + np.sum(c * a, -1) * lb
    return 2.0 * np.arctan2(triple, below).sum(axis=1) / (4.0 * np.pi)


def test_box_is_closed_and_outward():
    vertices, faces = box()
    assert is_closed(faces)
    assert not is_closed(faces[1:])
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    assert np.einsum("fi,fi->", a, np.cross(b, c)) / 6.0 == pytest.approx(1.0)


def test_crossings_equal_solid_angles():
    rng = np.random.default_rng(0)
    vertices, faces = box()
    dented = vertices + 0.15 * np.sin(9.0 * vertices[:, [1, 2, 0]])
    points = rng.uniform(-0.2, 1.2, size=(400, 3))
    exact = winding(points, dented, faces)
    found = crossing_numbers(points, dented, faces)
    assert 100 < found.sum() < 300
    np.testing.assert_array_equal(found, np.rint(exact))
    np.testing.assert_allclose(exact, np.rint(exact), atol=1e-9)


def test_rays_through_vertices_and_edges_are_counted_once():
    vertices, faces = box()
    # Every ray of this lattice runs straight through vertices, edges or diagonals of the cube.
    ticks = np.arange(1, 12) / 12.0
    points = np.stack(np.meshgrid(ticks, ticks, [0.3, 0.51]), axis=-1).reshape(-1, 3)
    np.testing.assert_array_equal(crossing_numbers(points, vertices, faces), 1)
    np.testing.assert_array_equal(crossing_numbers(points + np.array([0.0, 0.0, 1.0]), vertices, faces), 0)
    np.testing.assert_array_equal(crossing_numbers(points - np.array([0.0, 0.0, 1.0]), vertices, faces), 0)


def test_depths_are_exact():
    rng = np.random.default_rng(1)
    vertices, faces = box()
    points = rng.uniform(0.02, 0.98, size=(300, 3))
    expected = np.minimum(points, 1.0 - points).min(axis=1)
    np.testing.assert_allclose(surface_depths(points, vertices, faces), expected, atol=1e-12)
    outside = np.array([[1.5, 0.5, 0.5], [2.0, 2.0, 0.5], [-1.0, -1.0, -1.0]])
    np.testing.assert_allclose(surface_depths(outside, vertices, faces), [0.5, np.sqrt(2.0), np.sqrt(3.0)])


def test_two_boxes():
    vertices, faces = box(cuts=5)
    apart = np.stack([vertices, vertices + np.array([2.0, 0.0, 0.0])])
    assert penetration(apart, faces) == (0.0, 0.0, 0)
    # A second box of half the size is pushed 0.07 m into the first's side: the 6 × 6 vertices of one of its sides
    # are inside the first, and of the first's vertices the four at y, z = 0.4 or 0.6 inside the second.
    pushed = np.stack([vertices, 0.5 * vertices + np.array([0.93, 0.21, 0.22])])
    depth = penetration(pushed, faces)
    assert depth.inside == 40
    assert depth.max_mm == pytest.approx(70.0)
    assert depth.mean_mm == pytest.approx(70.0)
    # The other way round gives the same: both directions are taken.
    assert penetration(pushed[::-1], faces) == pytest.approx(depth)
    # With a coarse closed mesh for the inside test (here: the same one).
    assert penetration(pushed, faces, np.arange(len(vertices)), faces) == pytest.approx(depth)
    assert penetration(vertices[None], faces) == (0.0, 0.0, 0)


def _tubes(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two bent bodies that run through each other, themselves included."""
    rng = np.random.default_rng(seed)
    vertices, faces = box(size=1.0, cuts=6)
    people = []
    for shift in (0.0, 0.1):
        waves = rng.normal(size=(3, 3)) * 4.0
        people.append(vertices * [0.3, 0.3, 1.2] + 0.25 * np.sin(vertices @ waves + rng.normal(size=3)) + shift)
    return np.stack(people), faces


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(2))
def test_looking_at_near_patches_alone_changes_nothing(seed: int) -> None:
    people, faces = _tubes(seed)
    inside = [people[i][winding(people[i], people[1 - i], faces).round() >= 1] for i in (0, 1)]
    depths = [1000.0 * every_triangle(points, people[1 - i], faces) for i, points in enumerate(inside)]
    pooled = np.concatenate(depths)
    assert len(pooled) > 10
    # The patches of another pose than this one serve as well.
    rest = box(size=1.0, cuts=6)[0]
    for found, litres in (penetration_and_volume(people, faces), penetration_in(Patches(rest, faces), people)):
        assert found.inside == len(pooled)
        assert (found.max_mm, found.mean_mm) == pytest.approx((pooled.max(), pooled.mean()), abs=1e-6)
        assert litres == pytest.approx(1000.0 * shared_volume(people[0], people[1], faces), rel=1e-3)  # by other rays


def every_triangle(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(n,) distances to a surface over all triangles, corners and edges sampled by projection one by one."""
    best = np.full(len(points), np.inf)
    for a, b, c in vertices[faces]:
        # Quadratic programme of the barycentric weights, solved on every face of its simplex.
        for corners in ((a, b, c), (a, b), (b, c), (c, a), (a,), (b,), (c,)):
            sides = np.array([corner - corners[0] for corner in corners[1:]]).reshape(-1, 3)
            weights = (points - corners[0]) @ np.linalg.pinv(sides) if len(sides) else np.zeros((len(points), 0))
            allowed = (weights >= 0).all(axis=1) & (weights.sum(axis=1) <= 1)
            distance = np.linalg.norm(points - corners[0] - weights @ sides, axis=1)
            best = np.where(allowed, np.minimum(best, distance), best)
    return best


def test_depths_of_needles_and_of_huge_triangles() -> None:
    vertices = np.array(
        [[0, 0, 0], [5, 0, 0], [0, 5, 0], [0.5, 0.5, 0.2], [0.5001, 0.5, 0.2], [0.5, 3, 0.2], [9, 9, 9]]
    )
    faces = np.array([[0, 1, 2], [3, 4, 5], [6, 6, 6]])
    points = np.random.default_rng(3).uniform(-1, 6, size=(200, 3))
    found = surface_depths(points, vertices.astype(float), faces)
    np.testing.assert_allclose(found, every_triangle(points, vertices, faces), atol=1e-9)
