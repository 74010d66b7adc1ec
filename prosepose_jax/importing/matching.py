"""Who is who: people of a regressor, of keypoint detectors and of annotation boxes matched to each other.

Every matching is an optimal assignment (the sum of costs is smallest) with a limit beyond which two are strangers.
"""

from __future__ import annotations

import itertools

import numpy as np

from prosepose_jax.body.keypoints import Body25
from prosepose_jax.importing.detections import Detections

# Share of a person's size by which matched people may differ on average. Detectors agree closely, a regressor may be
# off by a limb's width, also with left and right swapped.
DETECTOR_LIMIT = 0.2
ESTIMATE_LIMIT = 0.5
BOX_LIMIT = 1.2
_MIN_COMMON = 3
# Two people form a pair when their boxes share this part of the smaller one.
_OVERLAP = 0.05
_SURE = 0.2  # confidence from which a keypoint counts for boxes and sizes

# Squared pixel distance up to which two detectors' ankles are the same ankle (method, keypoints).
_ANKLE_AGREEMENT_PX2 = 5.0
_FEET = (
    (Body25.LEFT_ANKLE, (Body25.LEFT_BIG_TOE, Body25.LEFT_SMALL_TOE, Body25.LEFT_HEEL)),
    (Body25.RIGHT_ANKLE, (Body25.RIGHT_BIG_TOE, Body25.RIGHT_SMALL_TOE, Body25.RIGHT_HEEL)),
)


def assign(cost: np.ndarray, limit: float = np.inf) -> list[tuple[int, int]]:
    """The assignment of rows to columns with the smallest total cost (Hungarian method with potentials).

    As many pairs as possible with a cost up to `limit` are made; pairs beyond it are strangers.

    Args:
      cost: (n, m) costs; infinite where a pair is impossible.
      limit: largest cost of a pair.

    Returns:
      Pairs (row, column), sorted by row.
    """
    cost = np.asarray(cost, dtype=np.float64)
    rows, columns = cost.shape
    if rows == 0 or columns == 0:
        return []
    if rows > columns:
        return sorted((i, j) for j, i in assign(cost.T, limit))
    possible = np.isfinite(cost) & (cost <= limit)
    top = float(np.abs(cost[possible]).max()) if possible.any() else 0.0
    # Dearer than any sum of possible costs, so an impossible pair is taken only where nothing else is left.
    table = np.where(possible, cost, (top + 1.0) * (rows + 1) * 2)

    row_potential, column_potential = np.zeros(rows + 1), np.zeros(columns + 1)
    row_of = np.zeros(columns + 1, dtype=int)  # 1-based row that holds each column; 0 = free
    for row in range(1, rows + 1):
        row_of[0] = row
        column = 0
        shortest = np.full(columns + 1, np.inf)
        came_from = np.zeros(columns + 1, dtype=int)
        done = np.zeros(columns + 1, dtype=bool)
        while row_of[column] != 0:
            done[column] = True
            current = row_of[column]
            reduced = table[current - 1] - row_potential[current] - column_potential[1:]
            better = ~done[1:] & (reduced < shortest[1:])
            shortest[1:][better] = reduced[better]
            came_from[1:][better] = column
            following = int(np.argmin(np.where(done, np.inf, shortest)))
            step = shortest[following]
            row_potential[row_of[done]] += step
            column_potential[done] -= step
            shortest[~done] -= step
            column = following
        while column != 0:  # flip the augmenting path
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    pairs = ((int(row_of[j]) - 1, j - 1) for j in range(1, columns + 1) if row_of[j] != 0)
    return sorted((i, j) for i, j in pairs if possible[i, j])


def keypoint_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of two people's common keypoints, as a share of the second one's size; inf with under 3.

    Args:
      a: (25, 3) keypoints, px and confidence.
      b: (25, 3) keypoints; their box gives the size.
    """
    weight = np.minimum(a[:, 2], b[:, 2]) * ((a[:, 2] > 0) & (b[:, 2] > 0))
    if (weight > 0).sum() < _MIN_COMMON:
        return float("inf")
    distance = np.linalg.norm(a[:, :2] - b[:, :2], axis=1)
    return float((weight * distance).sum() / weight.sum() / person_size(b))


def person_box(keypoints: np.ndarray) -> np.ndarray:
    """Box (4,) x0, y0, x1, y1 around a person's sure keypoints (around all visible ones when none is sure)."""
    sure = keypoints[:, 2] >= _SURE
    points = keypoints[sure if sure.any() else keypoints[:, 2] > 0, :2]
    if len(points) == 0:
        return np.zeros(4, np.float32)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def person_size(keypoints: np.ndarray) -> float:
    """The longer side of a person's box in pixels, at least 1."""
    box = person_box(keypoints)
    return float(max(box[2] - box[0], box[3] - box[1], 1.0))


def box_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1)."""
    shared = box_intersection(a, b)
    union = _area(a) + _area(b) - shared
    return shared / union if union > 0 else 0.0


def box_intersection(a: np.ndarray, b: np.ndarray) -> float:
    """Area two boxes share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return float(max(width, 0.0) * max(height, 0.0))


def whole_box(keypoints: np.ndarray) -> np.ndarray:
    """Box (4,) around a person's sure keypoints, with a margin for the flesh around them."""
    box = person_box(keypoints)
    margin = 0.05 * float(max(box[2] - box[0], box[3] - box[1]))
    return box + np.array([-margin, -margin, margin, margin], box.dtype)


def boxes_overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two people, (n, 3) keypoints each, are near enough in the image to be asked about as a pair."""
    boxes = [whole_box(one), whole_box(other)]
    smaller = min(float(np.prod(box[2:] - box[:2])) for box in boxes)
    return smaller > 0 and box_intersection(*boxes) >= _OVERLAP * smaller


def _area(box: np.ndarray) -> float:
    return float(max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0))


def match_people(first: np.ndarray, second: np.ndarray, limit: float) -> list[tuple[int, int]]:
    """Pairs (i, j) of the same person among (n, 25, 3) and (m, 25, 3) keypoints."""
    cost = np.array([[keypoint_distance(a, b) for b in second] for a in first]).reshape(len(first), len(second))
    return assign(cost, limit)


def match_boxes(boxes: np.ndarray, people: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (box, person) of boxes (n, 4) and keypoints (m, 25, 3).

    The cost is one minus the overlap plus the share of sure keypoints outside the box: of two people who stand in
    each other's arms the boxes are nearly the same, and a foot or an elbow outside tells them apart.
    """
    cost = np.full((len(boxes), len(people)), np.inf)
    for i, j in itertools.product(range(len(boxes)), range(len(people))):
        box, keypoints = boxes[i], people[j]
        overlap = box_iou(box, person_box(keypoints))
        if overlap > 0:
            margin = 0.02 * max(box[2] - box[0], box[3] - box[1])
            inside = ((keypoints[:, :2] >= box[:2] - margin) & (keypoints[:, :2] <= box[2:] + margin)).all(axis=1)
            weight = np.where(keypoints[:, 2] >= _SURE, keypoints[:, 2], 0.0)
            outside = float((weight * ~inside).sum() / weight.sum()) if weight.sum() > 0 else 0.0
            cost[i, j] = 1.0 - overlap + outside
    return assign(cost, BOX_LIMIT)


def merge_detections(detections: list[Detections]) -> Detections:
    """One list of people from several detectors, the first preferred (docs/method.md, "Import").

    A person only a later detector saw is added. The later detector's toes and heel are taken where both agree on the
    ankle (squared distance up to 5 px²) and it is surer of them, and its hands where the earlier has none.

    Args:
      detections: what each detector saw, the most trusted first.

    Returns:
      The merged people; nobody is without a visible keypoint.
    """
    merged = np.zeros((0, 25, 3), np.float32)
    merged_hands = np.zeros((0, 2, 21, 3), np.float32)
    for one in detections:
        seen = (one.keypoints[..., 2] > 0).any(axis=1)
        people = one.keypoints[seen]
        hands = np.zeros((len(people), 2, 21, 3), np.float32) if one.hands is None else one.hands[seen]
        pairs = match_people(people, merged, DETECTOR_LIMIT)
        for later, earlier in pairs:
            merged[earlier] = with_feet(merged[earlier], people[later])
            if not (merged_hands[earlier, ..., 2] > 0).any():
                merged_hands[earlier] = hands[later]
        known = {later for later, _ in pairs}
        new = [index for index in range(len(people)) if index not in known]
        merged = np.concatenate([merged, people[new]]).astype(np.float32)
        merged_hands = np.concatenate([merged_hands, hands[new]]).astype(np.float32)
    return Detections(
        merged,
        merged_hands if (merged_hands[..., 2] > 0).any() else None,
        notes=tuple(note for one in detections for note in one.notes),
    )


def with_feet(keypoints: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A person's keypoints (25, 3) with the toes and heels of a later detector, where both agree on the ankle."""
    keypoints = keypoints.copy()
    for ankle, foot in _FEET:
        both_seen = keypoints[ankle, 2] > 0 and other[ankle, 2] > 0
        if both_seen and float(((keypoints[ankle, :2] - other[ankle, :2]) ** 2).sum()) <= _ANKLE_AGREEMENT_PX2:
            for point in foot:
                if other[point, 2] > keypoints[point, 2]:
                    keypoints[point] = other[point]
    return keypoints
