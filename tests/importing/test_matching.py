from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prosepose_jax.body import Body25
from prosepose_jax.importing.detections import Detections
from prosepose_jax.importing.matching import (
    assign,
    box_iou,
    keypoint_distance,
    match_boxes,
    match_people,
    merge_detections,
    person_box,
)


def brute_force(cost: np.ndarray, limit: float) -> tuple[int, float]:
    """Most pairs, then the smallest sum, over every partial assignment."""
    rows, columns = cost.shape
    best = (0, 0.0)
    for count in range(1, min(rows, columns) + 1):
        for chosen in itertools.combinations(range(rows), count):
            for taken in itertools.permutations(range(columns), count):
                values = cost[list(chosen), list(taken)]
                if (values <= limit).all() and (count, -values.sum()) > (best[0], -best[1] if best[0] else -np.inf):
                    best = (count, float(values.sum()))
    return best


@pytest.mark.heavy
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_assignment_is_optimal(data):
    rows, columns = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    values = st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0, 2.0, np.inf]) | st.floats(0, 2)
    cost = np.array([[data.draw(values) for _ in range(columns)] for _ in range(rows)])
    limit = data.draw(st.sampled_from([0.2, 1.0, np.inf]))
    finite = np.where(np.isfinite(cost), cost, 1e30)
    pairs = assign(cost, limit)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs) and pairs == sorted(pairs)
    count, total = brute_force(finite, min(limit, 1e20))
    assert len(pairs) == count
    np.testing.assert_allclose(sum(cost[i, j] for i, j in pairs), total, atol=1e-9)


def test_assignment_of_nobody():
    assert assign(np.zeros((0, 3))) == [] and assign(np.zeros((3, 0))) == []
    assert assign(np.full((2, 2), np.inf)) == []


def person(x: float, size: float = 100.0, confidence: float = 0.9, seed: int = 0) -> np.ndarray:
    """Keypoints scattered in a box of the given height; the same scatter for the same seed."""
    points = np.random.default_rng(seed).uniform(0, 1, (25, 2)) * [size / 3, size] + [x, 50]
    return np.concatenate([points, np.full((25, 1), confidence)], axis=1).astype(np.float32)


def test_people_are_matched_by_their_keypoints_not_by_order():
    first = np.stack([person(0, seed=1), person(20, seed=2), person(300, seed=3)])
    second = first[[2, 0, 1]] + np.array([4, -3, 0], np.float32)
    assert match_people(first, second, 0.2) == [(0, 1), (1, 2), (2, 0)]
    assert match_people(first[2:], second[1:2], 0.2) == []  # strangers


def test_too_few_common_keypoints_say_nothing():
    a, b = person(0), person(0)
    a[3:, 2] = 0
    assert keypoint_distance(a, b) == 0
    a[2, 2] = 0
    assert keypoint_distance(a, b) == np.inf


def test_merging_detectors():
    known, only_second = person(0, seed=1), person(300, seed=2)
    first = known.copy()
    feet = slice(Body25.LEFT_BIG_TOE, Body25.RIGHT_HEEL + 1)
    first[feet] = 0
    second = known.copy()
    second[:, 2] = 0.5
    second[Body25.LEFT_ANKLE, :2] += [2, 1]  # squared distance 5: the same ankle
    second[Body25.RIGHT_ANKLE, :2] += [2, 1.1]  # just beyond
    merged = merge_detections([Detections(first[None]), Detections(np.stack([only_second, second]))]).keypoints
    assert merged.shape == (2, 25, 3)
    np.testing.assert_array_equal(merged[0, :19], first[:19])  # the first detector is preferred
    left = [Body25.LEFT_BIG_TOE, Body25.LEFT_SMALL_TOE, Body25.LEFT_HEEL]
    right = [Body25.RIGHT_BIG_TOE, Body25.RIGHT_SMALL_TOE, Body25.RIGHT_HEEL]
    np.testing.assert_array_equal(merged[0, left], second[left])
    assert not merged[0, right].any()
    np.testing.assert_array_equal(merged[1], only_second)  # a person the first detector missed
    np.testing.assert_array_equal(first[feet], 0)  # inputs are left alone


def test_surer_feet_of_the_first_detector_stay():
    first, second = person(0, confidence=0.9), person(0, confidence=0.5)
    second[Body25.LEFT_BIG_TOE, :2] += 1
    merged = merge_detections([Detections(first[None]), Detections(second[None])])
    np.testing.assert_array_equal(merged.keypoints[0], first)


def test_invisible_detections_are_no_people():
    ghost = person(0)
    ghost[:, 2] = 0
    assert merge_detections([Detections(np.stack([ghost, person(50)]))]).keypoints.shape == (1, 25, 3)
    assert merge_detections([Detections(np.zeros((0, 25, 3), np.float32))]).keypoints.shape == (0, 25, 3)


def test_hands_go_with_their_person():
    a, b, ghost = person(0, seed=1), person(300, seed=2), np.zeros((25, 3), np.float32)
    hands = np.stack([np.full((2, 21, 3), value, np.float32) for value in (0.5, 0.7, 0.9)])
    first = Detections(np.stack([a]), notes=("one",))
    second = Detections(np.stack([ghost, b, a]), hands, notes=("two",))
    merged = merge_detections([first, second])
    assert merged.notes == ("one", "two")
    np.testing.assert_array_equal(merged.keypoints, [a, b])
    np.testing.assert_array_equal(merged.hands, hands[[2, 1]])  # the first detector has none
    other = Detections(np.stack([a]), np.full((1, 2, 21, 3), 0.1, np.float32))
    np.testing.assert_array_equal(merge_detections([other, second]).hands[0], other.hands[0])
    assert merge_detections([first]).hands is None


def within(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """25 keypoints that fill a box, two of them its corners."""
    points = np.random.default_rng(0).uniform((x0, y0), (x1, y1), (25, 2))
    points[:2] = (x0, y0), (x1, y1)
    return np.concatenate([points, np.ones((25, 1))], axis=1).astype(np.float32)


def test_nearly_equal_boxes_are_told_apart_by_what_sticks_out():
    # One person's legs leave the other's box; by overlap alone the boxes would go to the wrong people.
    a, b = within(10, 20, 40, 90), within(5, 20, 45, 90)
    a[10:16, 1] = 100
    b[10, 0], b[11, 0] = 0, 48
    box_a, box_b = np.array([0, 0, 50, 160]), np.array([5, 15, 45, 92])
    people = np.stack([a, b])
    overlap = np.array([[box_iou(box, person_box(p)) for p in people] for box in (box_a, box_b)])
    assert overlap[0, 1] + overlap[1, 0] > overlap[0, 0] + overlap[1, 1]
    assert match_boxes(np.stack([box_b, box_a]), people) == [(0, 1), (1, 0)]
    assert match_boxes(np.array([[500, 50, 540, 150]]), people) == []


def test_box_overlap():
    a, b = np.array([0, 0, 2, 2]), np.array([1, 1, 3, 3])
    assert box_iou(a, b) == 1 / 7 and box_iou(a, a) == 1 and box_iou(a, a + 5) == 0
    assert box_iou(np.zeros(4), np.zeros(4)) == 0
