"""Which region a vertex belongs to: the anatomical rules (docs/regions.md; numpy only).

Skinning weights say which limb a vertex belongs to, planes through the joints cut the limb into
stretches, smoothed rest-pose normals tell front from back. The fractions below are anatomical
landmarks in units of the body's own bones.
"""

from __future__ import annotations

import numpy as np

from prosepose_jax.body import _landmarks as lm
from prosepose_jax.body._landmarks import LEFT, RIGHT, Hand, Skeleton, read_hand
from prosepose_jax.body._mesh_labels import unit
from prosepose_jax.body.region_table import MIRROR_REGION, Region

# Half-width of the bands around the joints, in units of the mean length of the two bones that meet there.
ELBOW_BAND, KNEE_BAND = 0.16, 0.13
# Trunk heights: 0 at the hip joints, 1 at the shoulder joints.
PELVIS_TOP = 0.13  # the line between the hip bones
BELLY_SPLIT = 0.36  # above the navel
CHEST_BOTTOM = 0.60  # end of the breastbone
CHEST_SPLIT = 0.80  # nipples
BUTT_TOP = 0.15
BACK_SPLITS = (0.38, 0.60, 0.80)  # lower | middle | upper below | upper
BUTT_FOLD = 0.18  # share of the thigh bone: where the back of the thigh begins
# The neck's base: trunk height of the plane at the middle of the neck, and how much it rises towards the
# back (the pit of the throat lies lower than the last vertebra of the neck).
NECK_BASE, NECK_RISE = 1.12, 0.5
# The shoulder: deltoid (share of the upper arm) and the outer collar bone.
DELTOID = 0.30
COLLAR_SHARE = 0.60  # of the way from the middle plane to the shoulder joint
ARMPIT = 0.84  # trunk height above which the outer trunk is shoulder
FACE_CUT = 0.54  # of the way from the back of the head to the tip of the nose
SOLE_SLANT = 0.4  # smoothed normal at least this far down


def label_vertices(
    vertices: np.ndarray, normals: np.ndarray, broad_normals: np.ndarray, weights: np.ndarray, skeleton: Skeleton
) -> np.ndarray:
    """(V,) region of each vertex by the rules alone, before smoothing.

    Args:
      vertices: (V, 3) rest vertices.
      normals: (V, 3) slightly smoothed unit normals.
      broad_normals: (V, 3) strongly smoothed unit normals.
      weights: (V, J) skinning weights.
      skeleton: the body's skeleton.
    """

    def share(joint: int) -> np.ndarray:
        return weights[:, skeleton.subtree(joint)].sum(axis=1)

    across = skeleton.across(vertices)
    tolerance = 1e-4 * abs(skeleton.joints[lm.NECK] @ skeleton.up - skeleton.joints[lm.ANKLE[0]] @ skeleton.up)
    left_half = across >= -tolerance  # vertices on the middle plane count as left
    labels = _trunk(vertices, broad_normals, skeleton)
    labels = np.where(left_half, labels, MIRROR_REGION[labels])

    skull = share(lm.HEAD) >= 0.5
    neck = _above_neck_base(vertices, skeleton) & ~skull
    labels[neck] = _sided(_neck(broad_normals[neck], skeleton), left_half[neck])
    labels[skull] = _sided(_skull(vertices[skull], skeleton), left_half[skull])
    trunk_or_limb = ~(neck | skull)
    for side in (LEFT, RIGHT):
        on_left = np.full(len(vertices), side == LEFT)
        leg = (share(lm.HIP[side]) >= 0.5) & trunk_or_limb
        own = _leg(vertices[leg], normals[leg], skeleton, side)
        labels[leg] = _sided(own, on_left[leg])
        arm = (share(lm.SHOULDER[side]) >= 0.5) & trunk_or_limb
        labels[arm] = _sided(_arm(vertices[arm], normals[arm], weights[arm], skeleton, side), on_left[arm])
    return labels


def _sided(left_labels: np.ndarray, is_left: np.ndarray) -> np.ndarray:
    """Left ids where left, their mirror regions elsewhere."""
    return np.where(is_left, left_labels, MIRROR_REGION[left_labels])


def _stack(values: np.ndarray, bounds: tuple[float, ...], regions: tuple[int, ...]) -> np.ndarray:
    """regions[k] for values between bounds[k-1] and bounds[k]."""
    return np.asarray(regions)[np.searchsorted(np.asarray(bounds), values, side="right")]


def _trunk(vertices: np.ndarray, normals: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Left ids of trunk vertices (those of the right half too)."""
    height = skeleton.height(vertices)
    is_front = normals @ skeleton.forward >= 0
    front = _stack(
        height,
        (PELVIS_TOP, BELLY_SPLIT, CHEST_BOTTOM, CHEST_SPLIT),
        (
            Region.FRONT_PELVIS,
            Region.LEFT_LOWER_BELLY,
            Region.LEFT_UPPER_BELLY,
            Region.LEFT_LOWER_CHEST,
            Region.LEFT_UPPER_CHEST,
        ),
    )
    back = _stack(
        height,
        (BUTT_TOP, *BACK_SPLITS),
        (
            Region.LEFT_BUTT,
            Region.LEFT_LOWER_BACK,
            Region.LEFT_MIDDLE_BACK,
            Region.LEFT_UPPER_BACK_BELOW,
            Region.LEFT_UPPER_BACK,
        ),
    )
    labels = np.where(is_front, front, back)
    reach = np.abs(skeleton.across(skeleton.joints[list(lm.SHOULDER)])).mean()
    shoulder = (np.abs(skeleton.across(vertices)) >= COLLAR_SHARE * reach) & (height >= ARMPIT)
    return np.where(shoulder, np.where(is_front, Region.FRONT_LEFT_SHOULDER, Region.BACK_LEFT_SHOULDER), labels)


def _above_neck_base(vertices: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Past the tilted plane between the pit of the throat and the seventh vertebra."""
    hips, shoulders = (skeleton.joints[list(pair)].mean(axis=0) @ skeleton.up for pair in (lm.HIP, lm.SHOULDER))
    base = hips + NECK_BASE * (shoulders - hips)
    middle = skeleton.joints[[lm.NECK, lm.HEAD]].mean(axis=0) @ skeleton.forward
    return vertices @ skeleton.up >= base - NECK_RISE * (vertices @ skeleton.forward - middle)


def _neck(normals: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    return np.where(normals @ skeleton.forward >= 0, Region.FRONT_LEFT_NECK, Region.BACK_LEFT_NECK)


def _skull(vertices: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Face and forehead against the back of the head.

    The ear's own normals point every way, so the head is cut by a plane: it passes where the crown's normals
    turn, in front of the ears.
    """
    if not len(vertices):
        return np.zeros(0, dtype=np.int64)
    depth = vertices @ skeleton.forward
    cut = depth.min() + FACE_CUT * (depth.max() - depth.min())
    return np.where(depth >= cut, Region.FRONT_LEFT_SKULL, Region.BACK_LEFT_SKULL)


def _joint_planes(
    points: np.ndarray, start: np.ndarray, middle: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of the first and of the second bone reached (0 to 1), and signed distance past the middle joint."""
    first, second = middle - start, end - middle
    bisector = unit(unit(first) + unit(second))
    on_first = (points - start) @ first / (first @ first)
    on_second = (points - middle) @ second / (second @ second)
    return on_first, on_second, (points - middle) @ bisector


def _leg(vertices: np.ndarray, normals: np.ndarray, skeleton: Skeleton, side: int) -> np.ndarray:
    hip, knee, ankle = (skeleton.joints[pair[side]] for pair in (lm.HIP, lm.KNEE, lm.ANKLE))
    on_thigh, on_calf, past_knee = _joint_planes(vertices, hip, knee, ankle)
    band = KNEE_BAND * 0.5 * (np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))
    is_front = normals @ skeleton.forward >= 0
    thigh = np.where(
        on_thigh < 0.5,
        np.where(is_front, Region.FRONT_LEFT_UPPER_THIGH, Region.BACK_LEFT_UPPER_THIGH),
        np.where(is_front, Region.FRONT_LEFT_LOWER_THIGH, Region.BACK_LEFT_LOWER_THIGH),
    )
    calf = np.where(
        on_calf < 0.5,
        np.where(is_front, Region.FRONT_LEFT_LOWER_LEG, Region.BACK_LEFT_LOWER_LEG),
        np.where(is_front, Region.FRONT_LEFT_SHIN, Region.BACK_LEFT_SHIN),
    )
    labels = np.where(past_knee < 0, thigh, calf)
    knee_label = np.where(is_front, Region.FRONT_LEFT_KNEE, Region.BACK_LEFT_KNEE)
    labels = np.where(np.abs(past_knee) <= band, knee_label, labels)
    buttock = ~is_front & (on_thigh < BUTT_FOLD)
    labels = np.where(buttock, Region.LEFT_BUTT, labels)
    foot = (vertices - ankle) @ skeleton.up < 0
    sole = normals @ skeleton.up < -SOLE_SLANT
    return np.where(foot, np.where(sole, Region.LEFT_SOLE, Region.LEFT_FOOT_UPPER_SIDE), labels)


def _arm(vertices: np.ndarray, normals: np.ndarray, weights: np.ndarray, skeleton: Skeleton, side: int) -> np.ndarray:
    shoulder, elbow, wrist = (skeleton.joints[pair[side]] for pair in (lm.SHOULDER, lm.ELBOW, lm.WRIST))
    on_upper, on_fore, past_elbow = _joint_planes(vertices, shoulder, elbow, wrist)
    band = ELBOW_BAND * 0.5 * (np.linalg.norm(elbow - shoulder) + np.linalg.norm(wrist - elbow))
    is_front = normals @ skeleton.forward >= 0
    labels = np.where(
        past_elbow < 0,
        np.where(is_front, Region.FRONT_LEFT_UPPER_ARM, Region.BACK_LEFT_UPPER_ARM),
        np.where(is_front, Region.FRONT_LEFT_FOREARM, Region.BACK_LEFT_FOREARM),
    )
    elbow_label = np.where(is_front, Region.FRONT_LEFT_ELBOW, Region.BACK_LEFT_ELBOW)
    labels = np.where(np.abs(past_elbow) <= band, elbow_label, labels)
    shoulder_label = np.where(is_front, Region.FRONT_LEFT_SHOULDER, Region.BACK_LEFT_SHOULDER)
    labels = np.where(on_upper < DELTOID, shoulder_label, labels)
    in_hand = on_fore >= 1.0
    if in_hand.any():
        hand = read_hand(skeleton, side, vertices[in_hand])
        labels[in_hand] = _hand(vertices[in_hand], normals[in_hand], weights[in_hand], skeleton, side, hand)
    return labels


def _hand(
    vertices: np.ndarray, normals: np.ndarray, weights: np.ndarray, skeleton: Skeleton, side: int, hand: Hand
) -> np.ndarray:
    palm_direction = np.broadcast_to(hand.palm, vertices.shape).copy()
    if skeleton.has_fingers:
        is_finger = np.zeros(len(vertices), dtype=bool)
        for name in lm.FINGERS:
            chain = skeleton.finger(side, name)
            # The thumb's first bone lies in the ball of the thumb, which is palm.
            free = chain[1:] if name == "thumb" else chain
            is_finger |= weights[:, free].sum(axis=1) >= 0.5
            facing = hand.palm - (hand.to_thumb if name == "thumb" else 0.0)
            tip = skeleton.joints[chain[2]] + (skeleton.joints[chain[2]] - skeleton.joints[chain[1]])
            heads, tails = skeleton.joints[chain], np.vstack([skeleton.joints[chain[1:]], tip])
            # A curled finger's palm side turns with its bones.
            for head, tail, joint in zip(heads, tails, chain, strict=True):
                bone = unit(tail - head)
                mine = weights.argmax(axis=1) == joint
                palm_direction[mine] = unit(facing - (facing @ bone) * bone)
    else:
        is_finger = _fingers_by_shape(vertices, skeleton, side, hand)
    to_palm = np.sum(normals * palm_direction, axis=1) >= 0
    return np.where(
        is_finger,
        np.where(to_palm, Region.LEFT_FINGERS_PALM_SIDE, Region.LEFT_FINGERS_BACK_SIDE),
        np.where(to_palm, Region.LEFT_PALM, Region.LEFT_BACK_OF_HAND),
    )


def _fingers_by_shape(vertices: np.ndarray, skeleton: Skeleton, side: int, hand: Hand) -> np.ndarray:
    """Fingers of a hand without finger joints (SMPL): past the knuckles, and the thumb beside the palm."""
    wrist, knuckle = skeleton.joints[lm.WRIST[side]], skeleton.joints[22 + side]
    reach = (vertices - wrist) @ hand.along / np.linalg.norm(knuckle - wrist)
    sideways = (vertices - knuckle) @ hand.to_thumb
    past = reach >= 1.0
    knuckles = np.abs(reach - 1.0) < 0.25
    # The palm's half-width, taken on the little-finger side where no thumb disturbs it.
    half_width = -sideways[knuckles].min() if knuckles.any() else np.inf
    return past | ((sideways > half_width) & (reach > 0.35))


def seed_points(vertices: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(75, 3) a point near the middle of each region, for meshes too coarse to have a vertex there.

    Args:
      vertices: (n, 3) the body's surface vertices.
      skeleton: the body's skeleton.
    """
    joints, up, forward = skeleton.joints, skeleton.up, skeleton.forward
    hips, shoulders = (joints[list(pair)].mean(axis=0) for pair in (lm.HIP, lm.SHOULDER))
    trunk = (shoulders - hips) @ up
    seeds = np.zeros((len(MIRROR_REGION), 3))
    for side in (LEFT, RIGHT):
        out = skeleton.outward(side)

        def put(region: int, point: np.ndarray, side: int = side) -> None:
            seeds[region if side == LEFT else MIRROR_REGION[region]] = point

        def both(front: int, back: int, point: np.ndarray, depth: float) -> None:
            put(front, point + depth * forward)
            put(back, point - depth * forward)

        def trunk_point(height: float, across: float = 0.12, out: np.ndarray = out) -> np.ndarray:
            return hips + (height * up + across * out) * trunk

        depth = 0.2 * trunk
        for region, height in (
            (Region.LEFT_LOWER_BELLY, 0.25), (Region.LEFT_UPPER_BELLY, 0.48),
            (Region.LEFT_LOWER_CHEST, 0.70), (Region.LEFT_UPPER_CHEST, 0.90),
        ):  # fmt: skip
            put(region, trunk_point(height) + depth * forward)
        for region, height in (
            (Region.LEFT_BUTT, 0.0), (Region.LEFT_LOWER_BACK, 0.26), (Region.LEFT_MIDDLE_BACK, 0.49),
            (Region.LEFT_UPPER_BACK_BELOW, 0.70), (Region.LEFT_UPPER_BACK, 0.92),
        ):  # fmt: skip
            put(region, trunk_point(height) - depth * forward)
        put(Region.FRONT_PELVIS, trunk_point(0.0, 0.0) + depth * forward)

        neck, head = joints[lm.NECK], joints[lm.HEAD]
        both(Region.FRONT_LEFT_NECK, Region.BACK_LEFT_NECK, 0.5 * (neck + head) + 0.06 * trunk * out, 0.1 * trunk)
        crown = head + 0.5 * ((vertices @ up).max() - head @ up) * up
        both(Region.FRONT_LEFT_SKULL, Region.BACK_LEFT_SKULL, crown + 0.1 * trunk * out, 0.18 * trunk)

        shoulder, elbow, wrist = (joints[pair[side]] for pair in (lm.SHOULDER, lm.ELBOW, lm.WRIST))
        arm = float(0.15 * np.linalg.norm(elbow - shoulder))
        both(Region.FRONT_LEFT_SHOULDER, Region.BACK_LEFT_SHOULDER, shoulder, 2 * arm)
        both(Region.FRONT_LEFT_UPPER_ARM, Region.BACK_LEFT_UPPER_ARM, 0.45 * shoulder + 0.55 * elbow, arm)
        both(Region.FRONT_LEFT_ELBOW, Region.BACK_LEFT_ELBOW, elbow, arm)
        both(Region.FRONT_LEFT_FOREARM, Region.BACK_LEFT_FOREARM, 0.45 * elbow + 0.55 * wrist, arm)
        beyond = (vertices - wrist) @ unit(wrist - elbow) > 0
        near = np.linalg.norm(vertices - wrist, axis=1) < np.linalg.norm(wrist - elbow)
        hand = read_hand(skeleton, side, vertices[beyond & near])
        if skeleton.has_fingers:
            knuckle = joints[skeleton.finger(side, "middle")[0]]
        else:
            knuckle = joints[22 + side]
        length = np.linalg.norm(knuckle - wrist)
        for palm_side, back_side, reach in (
            (Region.LEFT_PALM, Region.LEFT_BACK_OF_HAND, 0.6),
            (Region.LEFT_FINGERS_PALM_SIDE, Region.LEFT_FINGERS_BACK_SIDE, 1.5),
        ):
            put(palm_side, wrist + length * (reach * hand.along + 0.2 * hand.palm))
            put(back_side, wrist + length * (reach * hand.along - 0.2 * hand.palm))

        hip, knee, ankle, foot = (joints[pair[side]] for pair in (lm.HIP, lm.KNEE, lm.ANKLE, lm.FOOT))
        leg = float(0.15 * np.linalg.norm(knee - hip))
        for front, back, point in (
            (Region.FRONT_LEFT_UPPER_THIGH, Region.BACK_LEFT_UPPER_THIGH, 0.7 * hip + 0.3 * knee),
            (Region.FRONT_LEFT_LOWER_THIGH, Region.BACK_LEFT_LOWER_THIGH, 0.3 * hip + 0.7 * knee),
            (Region.FRONT_LEFT_KNEE, Region.BACK_LEFT_KNEE, knee),
            (Region.FRONT_LEFT_LOWER_LEG, Region.BACK_LEFT_LOWER_LEG, 0.7 * knee + 0.3 * ankle),
            (Region.FRONT_LEFT_SHIN, Region.BACK_LEFT_SHIN, 0.25 * knee + 0.75 * ankle),
        ):
            both(front, back, point, leg)
        instep = 0.5 * (ankle + foot)
        put(Region.LEFT_FOOT_UPPER_SIDE, instep + 0.5 * leg * up)
        put(Region.LEFT_SOLE, instep - leg * up)
    return seeds
