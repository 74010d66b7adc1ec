"""The ways in which people who are inside each other can be drawn apart, on boxes whose ways are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from prosepose_jax.fitting.ways_out import DIRECTIONS, ways_out

# Corners 0 to 7 by (x, y, z) as bits, counter-clockwise seen from outside.
SIDES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


def _box(
    size: tuple[float, float, float], at: tuple[float, float, float], cuts: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) and faces of a closed box about a point, each side cut so often that vertices lie all over it."""
    vertices: list[np.ndarray] = []
    faces: list[tuple[int, int, int]] = []
    corners = np.array(list(itertools.product((-0.5, 0.5), repeat=3))) * size + np.array(at)
    steps = np.linspace(0.0, 1.0, cuts + 1)
    for a, b, c, d in SIDES:
        first = len(vertices)
        for s, t in itertools.product(steps, repeat=2):
            along = (
                (1 - s) * (1 - t) * corners[a]
                + s * (1 - t) * corners[b]
                + s * t * corners[c]
                + (1 - s) * t * corners[d]
            )
            vertices.append(along)
        for i, j in itertools.product(range(cuts), repeat=2):
            k = first + i * (cuts + 1) + j
            faces += [(k, k + cuts + 1, k + cuts + 2), (k, k + cuts + 2, k + 1)]
    return np.array(vertices), np.array(faces)


def _volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    return float(np.sum(a * np.cross(b, c))) / 6.0


def test_the_boxes_are_turned_outwards() -> None:
    assert _volume(*_box((0.2, 0.3, 0.4), (1.0, -2.0, 3.0))) == pytest.approx(0.024)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("axis", range(3))
def test_the_shortest_way_leads_out_where_a_box_came_in(axis: int, sign: float) -> None:
    at = [0.01, 0.013, 0.017]
    at[axis] = sign * 0.23
    first, faces = _box((0.3, 0.3, 0.3), tuple(at))
    second, _ = _box((0.31, 0.32, 0.33), (0.0, 0.0, 0.0))
    depth = 0.15 + 0.5 * (0.31, 0.32, 0.33)[axis] - 0.23
    way = ways_out(first, second, faces)[0]
    np.testing.assert_allclose(way.direction, sign * np.eye(3)[axis])
    assert way.distance_m == pytest.approx(depth, abs=1e-6)
    back = ways_out(second, first, faces)[0]
    np.testing.assert_allclose(back.direction, -way.direction)
    assert back.distance_m == pytest.approx(depth, abs=1e-6)


def test_a_rod_through_a_plate_can_go_to_either_side_of_it() -> None:
    """As an arm that went halfway through a trunk: not along itself but across, the shorter way first."""
    rod, faces = _box((0.06, 1.6, 0.06), (0.03, 0.0, 0.0))
    plate, _ = _box((0.3, 0.5, 0.9), (0.0, 0.0, 0.0))
    ways = ways_out(rod, plate, faces)
    assert [way.direction.tolist() for way in ways[:2]] == [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]
    np.testing.assert_allclose([way.distance_m for way in ways[:2]], [0.15, 0.21], atol=1e-6)
    assert len(ways) == 2


def test_ways_differ_and_none_is_too_long() -> None:
    first, faces = _box((0.3, 0.3, 0.3), (0.1, 0.02, 0.03))
    second, _ = _box((2.0, 0.6, 2.0), (0.0, 0.0, 0.0))
    ways = ways_out(first, second, faces)
    assert [way.direction.tolist() for way in ways] == [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]
    np.testing.assert_allclose([way.distance_m for way in ways], [0.43, 0.47], atol=1e-6)
    deep, _ = _box((0.3, 0.3, 0.3), (0.0, 0.0, 0.0))
    huge, _ = _box((2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    assert ways_out(deep, huge, faces) == []


def test_no_way_of_people_beside_each_other() -> None:
    first, faces = _box((0.3, 0.3, 0.3), (0.0, 0.0, 0.0))
    assert ways_out(first, _box((0.3, 0.3, 0.3), (0.4, 0.0, 0.0))[0], faces) == []
    # Boxes around them overlap, they themselves don't.
    assert ways_out(first, _box((0.02, 0.02, 0.5), (0.17, 0.17, 0.0))[0], faces) == []


def test_directions_leave_no_gap() -> None:
    np.testing.assert_allclose(np.linalg.norm(DIRECTIONS, axis=1), 1.0)
    looked = np.random.default_rng(0).normal(size=(2000, 3))
    looked /= np.linalg.norm(looked, axis=1, keepdims=True)
    assert np.degrees(np.arccos((looked @ DIRECTIONS.T).max(axis=1))).max() < 28.0
