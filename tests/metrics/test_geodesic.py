"""Distances along the surface, against shapes whose answer is known and against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.metrics import SurfaceDistances, closest_apart, smallest_distance


def grid(rows: int, columns: int, step: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """A flat rectangle of squares cut into triangles."""
    y, x = np.meshgrid(np.arange(rows) * step, np.arange(columns) * step, indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(rows * columns)], axis=1)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    square = np.stack([corner, corner + 1, corner + columns, corner + columns + 1], axis=1)
    return vertices, np.concatenate([square[:, [0, 1, 2]], square[:, [1, 3, 2]]])


def fold(vertices: np.ndarray, gap: float = 0.01) -> np.ndarray:
    """The rectangle folded over its middle column: its two halves lie `gap` apart."""
    folded = vertices.copy()
    middle = vertices[:, 0].max() / 2.0
    far = vertices[:, 0] > middle + 1e-9
    folded[far, 0] = 2.0 * middle - folded[far, 0]
    folded[far, 2] = gap
    return folded


def test_flat_distances_are_nearly_straight():
    vertices, faces = grid(21, 21)
    surface = SurfaceDistances(vertices, faces, radius_m=0.8)
    found = surface.from_vertex(10 * 21 + 10)
    straight = np.linalg.norm(vertices - vertices[10 * 21 + 10], axis=1)
    near = straight < 0.7
    assert np.all(found[near] >= straight[near] - 1e-9)
    assert np.all(found[near] <= 1.09 * straight[near] + 1e-9)
    assert np.all(np.isinf(found[straight > 0.9]))
    # Along rows, columns and both diagonals the graph is exact: the second diagonal is an unfolded one.
    exact = (vertices[:, 0] == vertices[220, 0]) | np.isclose(abs(vertices[:, 0] - 0.5), abs(vertices[:, 1] - 0.5))
    np.testing.assert_allclose(found[near & exact], straight[near & exact], atol=1e-9)


def test_from_set_is_the_least_of_its_vertices():
    vertices, faces = grid(9, 30)
    surface = SurfaceDistances(vertices, faces, radius_m=0.5)
    sources = [3, 100, 200]
    each = np.stack([surface.from_vertex(v) for v in sources]).min(axis=0)
    found = surface.from_set(sources)
    inside = each < 0.5
    np.testing.assert_allclose(found[inside], each[inside])
    assert np.all(np.isinf(found[~inside]))


def test_neighbours_do_not_touch_but_folded_halves_do():
    vertices, faces = grid(5, 41)  # 2 m long
    surface = SurfaceDistances(vertices, faces, radius_m=0.3)
    folded = fold(vertices)
    column = lambda c: np.arange(5) * 41 + c  # noqa: E731
    # Columns 0 and 40 lie on each other, 2 m apart along the surface.
    assert closest_apart(surface, folded, column(0), column(40)) == pytest.approx(0.01)
    # Columns 18 and 22 lie on each other too, but only 0.2 m apart along the surface: straight across nothing
    # counts, and no vertex of one is 0.3 m from one of the other.
    assert smallest_distance(folded[column(18)], folded[column(22)]) == pytest.approx(0.01)
    assert np.isinf(closest_apart(surface, folded, column(18), column(22)))
    # 17 and 23 are exactly 0.3 m apart: not closer than 30 cm, so they count.
    assert closest_apart(surface, folded, column(17), column(23)) == pytest.approx(0.01, abs=1e-6)


@pytest.mark.heavy
def test_equals_brute_force():
    vertices, faces = grid(12, 25, step=0.03)
    surface = SurfaceDistances(vertices, faces, radius_m=0.3)
    every = np.stack([surface.from_vertex(v) for v in range(len(vertices))])
    rng = np.random.default_rng(0)
    undecided = 0
    for trial in range(80):
        # Folded, or scattered so that any pair may be the closest in space.
        posed = fold(vertices) + rng.normal(size=vertices.shape) * (0.02 if trial % 4 else 0.5)
        # Patches that overlap, adjoin or lie far from each other.
        a = np.flatnonzero(np.linalg.norm(vertices - vertices[rng.integers(300)], axis=1) < rng.uniform(0.03, 0.2))
        b = np.flatnonzero(np.linalg.norm(vertices - vertices[rng.integers(300)], axis=1) < rng.uniform(0.03, 0.2))
        between = np.linalg.norm(posed[a][:, None] - posed[b][None], axis=-1)
        far = every[np.ix_(a, b)] >= 0.3
        expected = between[far].min() if far.any() else np.inf
        undecided += bool(far.any() and not far.all())
        fresh = SurfaceDistances(vertices, faces, radius_m=0.3) if trial % 2 else surface
        assert closest_apart(fresh, posed, a, b) == pytest.approx(expected)
    assert undecided >= 20


def test_a_loose_piece_is_near_the_surface_it_lies_in():
    vertices, faces = grid(5, 9)
    ball = vertices[22] + np.array([[0, 0, 0.01], [0.01, 0, 0.01], [0, 0.01, 0.01], [0, 0, 0.02]])
    everything = np.concatenate([vertices, ball])
    loose = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]) + len(vertices)
    surface = SurfaceDistances(everything, np.concatenate([faces, loose]), radius_m=0.3)
    assert surface.from_vertex(22)[len(vertices)] == pytest.approx(0.01)
    assert np.isinf(closest_apart(surface, everything, np.array([22]), np.arange(4) + len(vertices)))


def test_empty_sets_never_touch():
    vertices, faces = grid(3, 3)
    surface = SurfaceDistances(vertices, faces, radius_m=0.3)
    assert np.isinf(closest_apart(surface, vertices, np.array([], int), np.array([1])))
