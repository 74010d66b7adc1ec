"""The ways in which people who are inside each other can be drawn apart, on boxes whose ways are known."""

from __future__ import annotations

import numpy as np
import pytest
from closed_box import box

from prosepose_jax.fitting.ways_out import DIRECTIONS, ways_out

Triple = tuple[float, float, float]


def _box(size: Triple, at: Triple) -> tuple[np.ndarray, np.ndarray]:
    """A closed box about a point, with vertices all over its sides."""
    vertices, faces = box(cuts=4)
    return (vertices - 0.5) * size + np.array(at), faces


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
