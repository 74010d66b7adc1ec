"""Whether estimates and keypoints speak of the same people: the distance at the limbs, and what would explain it.

The measure is the mean distance of projected and detected limb keypoints as a share of the person's size. Right imports
of photographs have 3 to 12 %, wrong cameras and joint orders 24 to 50 %.
"""

from __future__ import annotations

import numpy as np

from prosepose_jax.importing.matching import assign, person_size

NOTE_SHARE = 0.08  # from here a person is noted
REFUSE_SHARE = 0.20  # two people above it are refused
_SURE = 0.2  # confidence from which a keypoint is compared
_LEAST_MOVED = 6  # limbs that another order must move
_CURED = 1.0 / 3.0  # a cause is named where it would leave less than this part
# Rotations that go with the joints change by some degrees on another body.
TURNED_DEG = 20.0
DEPTH_M = (0.3, 200.0)
HEIGHT_M = (0.4, 2.3)
# Shoulders, elbows, wrists, hips, knees, ankles of BODY_25.
LIMBS = np.array([2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14])
_MIRROR = np.array([0, 1, 5, 6, 7, 2, 3, 4, 8, 12, 13, 14, 9, 10, 11, 16, 15, 18, 17, 22, 23, 24, 19, 20, 21])


def limb_share(projected: np.ndarray, detected: np.ndarray) -> float:
    """Mean limb distance of (25, 2+) projected and (25, 3) detected keypoints over the person's size; NaN under 3."""
    seen = LIMBS[detected[LIMBS, 2] > _SURE]
    if len(seen) < 3:
        return float("nan")
    distance = np.linalg.norm(projected[seen, :2] - detected[seen, :2], axis=1)
    return float(distance.mean() / person_size(detected))


def named_cause(projected: np.ndarray, detected: np.ndarray, principal: np.ndarray, size: np.ndarray) -> str | None:
    """The single cause that would bring the worst person from above the note's share to below a third of it.

    Args:
      projected: (n, 25, 2+) BODY_25 of the estimates, px.
      detected: (n, 25, 3) their keypoints.
      principal: (2,) principal point, px.
      size: (2,) image width and height.
    """
    now = np.array([limb_share(p, d) for p, d in zip(projected, detected, strict=True)])
    bad = np.flatnonzero(now > NOTE_SHARE)
    if len(bad) == 0:
        return None
    points = projected[..., :2]
    centred = points - principal
    causes: list[tuple[str, np.ndarray]] = [
        ("the y axis points up in the estimates", centred * [1, -1] + principal),
        ("image size given as (height, width) for (width, height)", centred + size[::-1] / 2),
        ("image size given as (height, width) for (width, height)", centred + principal[::-1]),
        ("the estimates' camera is mirrored", centred * [-1, 1] + principal),
        ("x and y of the keypoints exchanged", points[..., ::-1]),
        ("x and y of the keypoints exchanged", points[..., ::-1] * (size / size[::-1])),  # that are in [0, 1]
    ]
    scale = _focal_scale(centred[bad], detected[bad], principal)
    if scale is not None and abs(np.log(scale)) > 0.05:
        causes.append((f"the focal length ({scale:.2f} times as long would fit)", centred * scale + principal))
    crop = _own_window(points, detected, principal)
    if crop is not None:
        causes.append(("the camera of a crop taken for the image's", crop))
    causes.append(("the camera of an image of another size, or of a padded one", _one_window(points, detected)))
    if len(points) > 1:
        order = assign(np.array([[_or_inf(limb_share(p, d)) for d in detected] for p in points]))
        if [j for _, j in order] != list(range(len(points))) and len(order) == len(points):
            exchanged = points.copy()
            for i, j in order:
                exchanged[j] = points[i]
            causes.append(("people exchanged", exchanged))
    causes.append(("another joint order", _reordered(points, detected)))
    cured: list[tuple[float, str]] = []
    for name, changed in causes:
        then = np.array([limb_share(p, d) for p, d in zip(changed, detected, strict=True)])
        if (then[bad] < _CURED * now[bad]).any() and not (then > np.maximum(now, NOTE_SHARE) + 0.02).any():
            cured.append((float(np.nanmax(then)), name))
    # The likelier causes stand first: a later one must explain clearly more.
    best = min((share for share, _ in cured), default=0.0)
    return next((name for share, name in cured if share <= 1.5 * best + 0.01), None)


def _or_inf(value: float) -> float:
    return value if np.isfinite(value) else np.inf


def _focal_scale(centred: np.ndarray, detected: np.ndarray, principal: np.ndarray) -> float | None:
    """The factor on the focal length that fits best, least squares over the limbs."""
    weight = (detected[:, LIMBS, 2:] > _SURE).astype(float)
    a, b = centred[:, LIMBS] * weight, (detected[:, LIMBS, :2] - principal) * weight
    square = float((a * a).sum())
    scale = float((a * b).sum()) / square if square > 0 else 0.0
    return scale if scale > 0 else None


def _own_window(points: np.ndarray, detected: np.ndarray, principal: np.ndarray) -> np.ndarray | None:
    """Each person moved and scaled by itself onto its keypoints; None where nothing speaks for cameras of crops.

    The camera of a crop sees its person in the middle: people stand there one upon the other, and their keypoints
    do not.
    """
    seen = detected[:, LIMBS, 2] > _SURE
    if (seen.sum(axis=1) < 3).any():
        return None
    middles = np.stack([p[LIMBS][s].mean(axis=0) for p, s in zip(points, seen, strict=True)])
    wanted = np.stack([d[LIMBS, :2][s].mean(axis=0) for d, s in zip(detected, seen, strict=True)])
    sizes = np.array([np.ptp(p[LIMBS][s], axis=0).max() for p, s in zip(points, seen, strict=True)])
    if (np.linalg.norm(middles - principal, axis=1) > 0.5 * sizes).any():
        return None
    if len(points) > 1:
        apart, wanted_apart = (float(np.linalg.norm(m - m.mean(axis=0), axis=1).max()) for m in (middles, wanted))
        if apart > 0.5 * wanted_apart:
            return None
    elif float(np.linalg.norm(wanted - principal)) < 0.25 * person_size(detected[0]):
        return None
    moved = [_similar(p, p[LIMBS][s], d[LIMBS, :2][s]) for p, d, s in zip(points, detected, seen, strict=True)]
    return np.stack(moved)


def _one_window(points: np.ndarray, detected: np.ndarray) -> np.ndarray:
    """All people moved and scaled alike, as best fits their keypoints."""
    seen = detected[:, LIMBS, 2] > _SURE
    if seen.sum() < 6:
        return points
    return _similar(points, points[:, LIMBS][seen], detected[:, LIMBS, :2][seen])


def _similar(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Points scaled and moved as best takes a (n, 2) to b (n, 2)."""
    centred = a - a.mean(axis=0)
    scale = float((centred * (b - b.mean(axis=0))).sum() / max(float((centred * centred).sum()), 1e-9))
    return (points - a.mean(axis=0)) * max(scale, 0.0) + b.mean(axis=0)


def _reordered(points: np.ndarray, detected: np.ndarray) -> np.ndarray:
    """The points in the one order that is nearest to all people's keypoints.

    Unchanged where few would move, or only left and right would change places: that is an error of a detector.
    """
    seen = LIMBS[(detected[:, LIMBS, 2] > _SURE).all(axis=0)]
    if len(seen) < _LEAST_MOVED:
        return points
    sizes = np.array([person_size(d) for d in detected])[:, None, None]
    distance = np.linalg.norm(points[:, :, None] - detected[:, None, seen, :2], axis=3) / sizes
    order = {int(seen[j]): i for i, j in assign(distance.sum(axis=0))}
    moved = [target for target, origin in order.items() if origin not in (target, int(_MIRROR[target]))]
    if len(moved) < _LEAST_MOVED:
        return points
    out = points.copy()
    for target, origin in order.items():
        out[:, target] = points[:, origin]
    return out
