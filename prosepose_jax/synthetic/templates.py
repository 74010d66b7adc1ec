"""The library of interactions: how two people (or one, in yoga) stand, and what touches.

A template poses its figures roughly with `Figure`'s anatomical helpers, varied by a random generator, and
names the contacts it intends; `refine` closes the gaps. World frame: x to the side, y up, floor at y = 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from prosepose_jax.synthetic.figure import SIDES, SPINE3, Figure
from prosepose_jax.synthetic.refine import Touch

FEET = ("left foot", "right foot")


@dataclasses.dataclass(frozen=True)
class Intent:
    """What a template wants of its posed figures."""

    touches: tuple[Touch, ...]
    grounded: tuple[tuple[int, str], ...]


# Good sides to look from, degrees around the people (0: from the front of one who faces +z).
AZIMUTHS: dict[str, tuple[float, ...]] = {
    "hug": (70.0, -110.0, 120.0),
    "handshake": (90.0, -90.0, 70.0),
    "arm_over_shoulder": (0.0, 10.0, 160.0),
    "hug_from_behind": (15.0, -30.0, 45.0),
    "dance_hold": (75.0, 105.0, -75.0),
    "hand_on_head": (90.0, 60.0, -70.0),
    "tree": (0.0, 20.0, -20.0),
    "cobbler": (0.0, 25.0, -25.0),
    "seated_fold": (70.0, -70.0, 50.0),
    "childs_pose": (80.0, -80.0, 60.0),
}

Template = Callable[..., Intent]


def _both_feet(*people: int) -> tuple[tuple[int, str], ...]:
    return tuple((p, foot) for p in people for foot in FEET)


# Templates in which the first person is the taller one.
TALLER_FIRST = ("arm_over_shoulder", "hug_from_behind", "dance_hold")


def _vary(rng: np.random.Generator, value: float, spread: float) -> float:
    """value ± spread, uniformly."""
    return float(value + spread * rng.uniform(-1, 1))


def hang(f: Figure, side: str, rng: np.random.Generator) -> None:
    """Lets an arm hang, a little bent and off the thigh."""
    sign = 1.0 if side == "left" else -1.0
    out = _vary(rng, 0.3, 0.05)
    f.arm(
        side,
        f.heading(up=-1, left=sign * out, forward=_vary(rng, -0.02, 0.08)),
        f.heading(up=-1, left=sign * 0.14, forward=_vary(rng, 0.24, 0.08)),
        palm=f.heading(left=-sign, forward=-0.25),
    )


def hug(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Face to face, each right arm over the other's left shoulder, each left arm around the back."""
    gap = _vary(rng, 0.29, 0.015)
    shift = _vary(rng, 0.05, 0.015)
    a.place(x=-shift, z=-gap / 2, facing=0, pitch=_vary(rng, 4, 2))
    b.place(x=shift, z=gap / 2, facing=180, pitch=_vary(rng, 4, 2))
    stagger = _vary(rng, 0.12, 0.05)
    for f in (a, b):
        f.spine(bend=_vary(rng, 6, 4), side=_vary(rng, -3, 2))
        f.head(nod=_vary(rng, 4, 4), side=_vary(rng, -14, 4), turn=_vary(rng, 10, 8))
        # Each left foot forward and outward, so that the feet pass each other.
        f.step("left", stagger / 2, 0.03)
        f.step("right", -stagger / 2, 0.02)
    for f, other in ((a, b), (b, a)):
        # Over the other's left shoulder: elbow high and outward, hand flat on the upper back.
        f.reach(
            "right",
            other.spot("left upper back", 0.02),
            f.heading(up=0.5, left=-1, forward=0.2),
            palm=-other.spot_normal("left upper back"),
            fingers=f.heading(forward=0.25, up=-0.6, left=0.75),
        )
        # Around the other's right side, on the lower or middle back.
        place = "right middle back" if rng.random() < 0.6 else "right lower back"
        f.reach(
            "left",
            other.spot(place, 0.03),
            f.heading(up=-0.5, left=1, forward=0.1),
            palm=-other.spot_normal("middle back"),
            fingers=f.heading(forward=0.1, up=0.15, left=-1),
        )
    touches = (
        Touch(0, "right hand", 1, "upper back", 0.4),
        Touch(1, "right hand", 0, "upper back", 0.4),
        Touch(0, "left hand", 1, "back", 0.4),
        Touch(1, "left hand", 0, "back", 0.4),
        Touch(0, "chest", 1, "chest", 0.12),
    )
    return Intent(touches, _both_feet(0, 1))


def handshake(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Right hands clasped between two people who face each other."""
    reach = 0.5 * (a.shape.arm_length + b.shape.arm_length)
    gap = reach * _vary(rng, 1.42, 0.1)
    for f in (a, b):
        f.hand("right", curl=_vary(rng, 16, 4), thumb=_vary(rng, 42, 4))
    a.place(x=_vary(rng, 0.1, 0.04), z=-gap / 2, facing=_vary(rng, -6, 8))
    b.place(x=-_vary(rng, 0.1, 0.04), z=gap / 2, facing=180 + _vary(rng, -6, 8))
    for f in (a, b):
        f.spine(bend=_vary(rng, 4, 4), turn=_vary(rng, 8, 4))
        f.head(nod=_vary(rng, 4, 4), turn=_vary(rng, -4, 6))
        f.stand(width=_vary(rng, 0.02, 0.02), stride=_vary(rng, -0.12, 0.1))
        hang(f, "left", rng)
    place = (a.joint(SPINE3) + b.joint(SPINE3)) / 2 + np.array([0.0, _vary(rng, -0.17, 0.04), 0.0])
    for f in (a, b):
        f.reach(
            "right",
            place + 0.018 * f.heading(left=-1) + 0.004 * f.heading(forward=1),
            f.heading(up=-1, left=-0.45),
            palm=f.heading(left=1),
            fingers=f.heading(forward=1, up=-0.15, left=0.1),
        )
    touches = (Touch(0, "right palm", 1, "right hand", 0.5), Touch(1, "right palm", 0, "right hand", 0.5))
    return Intent(touches, _both_feet(0, 1))


def arm_over_shoulder(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Side by side; one's left arm over the other's shoulders, the other's right arm around the waist."""
    width = _vary(rng, 0.37, 0.02)
    a.place(x=0.0, z=0.0, facing=_vary(rng, 3, 4), roll=_vary(rng, 2, 2))
    b.place(x=width, z=_vary(rng, 0.02, 0.03), facing=_vary(rng, -6, 4), roll=_vary(rng, -2, 2))
    for f in (a, b):
        f.spine(bend=_vary(rng, 1, 4), side=_vary(rng, 0, 3))
        f.head(nod=_vary(rng, 2, 5), turn=_vary(rng, 0, 16))
        f.stand(width=_vary(rng, 0.0, 0.02), stride=_vary(rng, 0, 0.06))
    a.reach(
        "left",
        b.spot("left shoulder") + b.heading(left=1) * 0.05 + b.heading(up=1) * 0.02,
        a.heading(up=0.2, forward=-1, left=0.1),
        palm=b.heading(left=-1, up=-0.4),
        fingers=b.heading(forward=0.45, left=0.15, up=-0.9),
    )
    embrace = rng.random() < 0.65
    if embrace:
        b.reach(
            "right",
            a.spot("right lower back", 0.035),
            b.heading(up=-0.8, left=-0.2, forward=-0.5),
            palm=a.heading(forward=1, left=0.3),
            fingers=a.heading(left=-1, up=-0.1),
        )
    else:
        hang(b, "right", rng)
    hang(a, "right", rng)
    hang(b, "left", rng)
    touches = [
        Touch(0, "left hand", 1, "left shoulder or arm", 0.4),
        Touch(0, "left forearm", 1, "upper back", 0.2, 0.7, required=False),
    ]
    if embrace:
        touches.append(Touch(1, "right hand", 0, "back", 0.4))
    return Intent(tuple(touches), _both_feet(0, 1))


def hug_from_behind(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """The first person stands behind the second and folds the arms around the waist."""
    gap = _vary(rng, 0.25, 0.015)
    a.place(x=_vary(rng, 0.04, 0.02), z=-gap, facing=_vary(rng, 0, 3), pitch=_vary(rng, 6, 2))
    b.place(x=0.0, z=0.0, facing=0, pitch=_vary(rng, 0, 2))
    a.spine(bend=_vary(rng, 13, 3)).head(nod=_vary(rng, 0, 4), side=_vary(rng, 14, 4), turn=_vary(rng, 6, 6))
    b.spine(bend=_vary(rng, 0, 3)).head(nod=_vary(rng, 4, 5), side=_vary(rng, 4, 4), turn=_vary(rng, -8, 8))
    a.stand(width=_vary(rng, 0.08, 0.02), toe_out=14)
    b.stand(width=_vary(rng, -0.04, 0.015), stride=_vary(rng, 0, 0.05))
    goal = b.spot("belly", 0.03)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        a.reach(
            side,
            goal + b.heading(left=sign) * 0.065 + b.heading(forward=1) * 0.02,
            a.heading(left=sign * 0.6, up=-0.9, forward=-0.3),
            palm=b.heading(forward=-1),
            fingers=b.heading(left=-sign, up=-0.1, forward=0.1),
        )
    hold = rng.random() < 0.6
    for side, sign in (("left", 1.0), ("right", -1.0)):
        if hold:
            b.reach(
                side,
                a.joint(20 if side == "left" else 21) + b.heading(forward=1, up=0.5) * 0.05,
                b.heading(left=sign, up=-0.6, forward=-0.1),
                palm=b.heading(forward=-0.8, up=-0.5),
                fingers=b.heading(left=-sign, up=-0.25, forward=0.15),
            )
        else:
            f = b
            f.arm(
                side,
                f.heading(up=-1, left=sign * 0.55, forward=0.1),
                f.heading(up=-1, left=sign * 0.2, forward=0.3),
                palm=f.heading(left=-sign, forward=-0.25),
            )
    touches = [
        Touch(0, "right palm", 1, "waist front", 0.5),
        Touch(0, "left palm", 1, "waist front", 0.5),
        Touch(0, "chest", 1, "back", 0.15),
    ]
    if hold:
        touches += [
            Touch(1, "left palm", 0, "left hand or forearm", 0.35),
            Touch(1, "right palm", 0, "right hand or forearm", 0.35),
        ]
    return Intent(tuple(touches), _both_feet(0, 1))


def dance_hold(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Closed dance position: hands joined at shoulder height, hand on the back, hand on the shoulder."""
    gap = _vary(rng, 0.33, 0.02)
    shift = _vary(rng, 0.06, 0.02)
    a.place(x=-shift, z=-gap / 2, facing=0)
    b.place(x=shift, z=gap / 2, facing=180)
    for f, turn in ((a, 12), (b, -16)):
        f.spine(bend=_vary(rng, -3, 3)).head(nod=_vary(rng, 2, 4), turn=_vary(rng, turn, 8))
    stride = _vary(rng, 0.0, 0.16)
    a.step("left", stride, 0.02).step("right", -0.05, 0.02)
    b.step("left", 0.05, 0.02).step("right", -stride, 0.02)
    # The leader's left and the follower's right hand, out to the side.
    out = 0.62 * min(a.shape.arm_length, b.shape.arm_length)
    middle = (a.joint(16) + b.joint(17)) / 2
    place = middle + np.array([out, _vary(rng, -0.02, 0.06), 0.0])
    away = np.array([1.0, 0.0, 0.0])
    a.reach(
        "left",
        place - 0.016 * a.heading(forward=1),
        a.heading(up=-1, left=0.5),
        palm=a.heading(forward=1, up=0.1),
        fingers=0.75 * np.array([0.0, 1.0, 0.0]) + 0.5 * away,
    )
    b.reach(
        "right",
        place - 0.016 * b.heading(forward=1),
        b.heading(up=-1, left=-0.5),
        palm=b.heading(forward=1, up=0.1),
        fingers=0.75 * np.array([0.0, 1.0, 0.0]) + 0.5 * away,
    )
    a.reach(
        "right",
        b.spot("left middle back", 0.03),
        a.heading(left=-1, up=-1),
        palm=-b.spot_normal("left upper back"),
        fingers=a.heading(forward=0.45, left=0.9, up=0.1),
    )
    b.reach(
        "left",
        a.spot("right shoulder") + np.array([0.0, 0.05, 0.0]),
        b.heading(left=1, up=0.35),
        palm=-a.spot_normal("right shoulder") + np.array([0.0, -0.8, 0.0]),
        fingers=b.heading(forward=1, up=0.1, left=-0.2),
    )
    touches = (
        Touch(0, "left palm", 1, "right palm", 0.4),
        Touch(0, "right hand", 1, "back", 0.4),
        Touch(1, "left hand", 0, "right shoulder or arm", 0.35),
    )
    return Intent(touches, _both_feet(0, 1))


def kneel(f: Figure, lean: float = 4.0) -> None:
    """Upright on both knees, shins back along the floor."""
    rest = f.shape.joints
    thigh = float(np.linalg.norm(rest[4] - rest[1]))
    f.place(f.pelvis[0], f.pelvis[2], f.facing, height=thigh + 0.045 + 0.017, pitch=lean)
    for side in SIDES:
        sign = 1.0 if side == "left" else -1.0
        f.leg(
            side,
            f.heading(up=-1, left=sign * 0.06, forward=-0.02),
            f.heading(forward=-1, up=0.02, left=sign * 0.02),
            toes=f.heading(forward=-1, up=-0.35),
            sole=f.heading(up=1, forward=-0.35),
        )


def hand_on_head(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """A standing person lays a hand on the head of a kneeling one."""
    gap = _vary(rng, 0.52, 0.05)
    a.place(x=_vary(rng, 0.12, 0.05), z=-gap / 2, facing=_vary(rng, 0, 8))
    b.place(x=0.0, z=gap / 2, facing=180 + _vary(rng, 0, 12))
    kneel(b, _vary(rng, 3, 3))
    a.spine(bend=_vary(rng, 8, 5)).head(nod=_vary(rng, 22, 6), turn=_vary(rng, -6, 6))
    b.spine(bend=_vary(rng, 3, 4)).head(nod=_vary(rng, -4, 12), turn=_vary(rng, 0, 10))
    a.stand(width=0.02, stride=_vary(rng, -0.14, 0.06))
    a.reach(
        "right",
        b.spot("head", 0.0) + np.array([0.0, 0.125, 0.0]) + 0.02 * a.heading(forward=1),
        a.heading(left=-1, up=-0.5),
        palm=a.heading(up=-1, forward=0.1),
        fingers=a.heading(forward=1, up=-0.1, left=0.15),
    )
    shoulder = rng.random() < 0.45
    if shoulder:
        a.reach(
            "left",
            b.spot("right shoulder", 0.04),
            a.heading(left=1, up=-0.3),
            palm=a.heading(up=-1, left=-0.4),
            fingers=a.heading(forward=1, up=-0.45),
        )
    else:
        hang(a, "left", rng)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        b.reach(
            side,
            b.spot(f"{side} upper thigh front", 0.03),
            b.heading(left=sign, up=-0.4, forward=-0.5),
            palm=b.heading(forward=-1, left=-sign * 0.2),
            fingers=b.heading(up=-1, forward=0.15, left=-sign * 0.3),
        )
    touches = [Touch(0, "right palm", 1, "head", 0.45)]
    if shoulder:
        touches.append(Touch(0, "left palm", 1, "right shoulder", 0.35))
    for side in SIDES:
        touches.append(Touch(1, f"{side} palm", 1, f"{side} thigh front", 0.3, 0.5, required=False))
    grounded = _both_feet(0) + tuple((1, f"{s} {p}") for s in SIDES for p in ("knee", "foot"))
    return Intent(tuple(touches), grounded)


# ---- one person: yoga ------------------------------------------------------------------------------------------


def tree(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing on the right leg, left sole against the right thigh, palms joined before the chest or above the head."""
    for side in SIDES:
        f.hand(side, curl=0.0, thumb=55.0)
    f.place(facing=0).spine(bend=_vary(rng, 0, 2)).head(nod=_vary(rng, 2, 4))
    f.pelvis[0] -= 0.04
    f.step("right", 0.0, -f.shape.joints[1, 0] * 0.75, toe_out=4)
    _, positions = f.frames()
    inner = positions[5] * 0.55 + positions[2] * 0.45 + np.array([0.075 + f.shape.sole_drop, 0.0, 0.03])
    f.plant(
        "left",
        inner + np.array([0.0, 0.05, 0.0]),
        f.heading(up=-1, forward=0.15),
        f.heading(left=1, up=-0.3, forward=0.35),
        sole=f.heading(left=-1),
    )
    above = rng.random() < 0.4
    place = f.joint(SPINE3) + (
        np.array([0.0, 0.95 * f.shape.arm_length + 0.1, 0.04]) if above else np.array([0.0, 0.07, 0.2])
    )
    for side, sign in (("left", 1.0), ("right", -1.0)):
        f.reach(
            side,
            place + f.heading(left=sign) * 0.012,
            f.heading(left=sign, up=-0.35 if not above else 0.0),
            palm=f.heading(left=-sign),
            fingers=f.heading(up=1, forward=0.0 if above else 0.15),
        )
    touches = (
        Touch(0, "left sole", 0, "right thigh", 0.35),
        Touch(0, "left palm", 0, "right palm", 0.6),
    )
    return Intent(touches, ((0, "right foot"),))


def cobbler(f: Figure, rng: np.random.Generator) -> Intent:
    """Seated, soles together, knees out, hands on the feet."""
    seat = 0.105 * f.shape.leg_length / 0.9
    f.place(height=seat + 0.02, pitch=_vary(rng, 4, 4)).spine(bend=_vary(rng, 16, 6)).head(nod=_vary(rng, 8, 8))
    reach = _vary(rng, 0.33, 0.025) * f.shape.leg_length / 0.9
    for side, sign in (("left", 1.0), ("right", -1.0)):
        ankle = f.pelvis + f.heading(forward=1) * reach + f.heading(left=sign) * (f.shape.sole_drop + 0.005)
        ankle[1] = 0.055
        f.plant(
            side,
            ankle,
            f.heading(forward=1, left=-sign * 0.05),
            f.heading(left=sign, up=0.3),
            sole=f.heading(left=-sign, up=0.25),
        )
    for side, sign in (("left", 1.0), ("right", -1.0)):
        goal = f.spot(f"{side} foot top", 0.045) + np.array([0.0, 0.02, 0.0])
        f.reach(
            side,
            goal,
            f.heading(left=sign, up=-0.2, forward=-0.5),
            palm=f.heading(left=-sign * 0.85, up=-0.5),
            fingers=f.heading(forward=0.95, up=-0.35, left=-sign * 0.1),
        )
    touches = (
        Touch(0, "left sole", 0, "right sole", 0.5),
        Touch(0, "left hand", 0, "left foot", 0.35),
        Touch(0, "right hand", 0, "right foot", 0.35),
    )
    return Intent(touches, ((0, "butt"), (0, "left foot"), (0, "right foot")))


def seated_fold(f: Figure, rng: np.random.Generator) -> Intent:
    """Seated with straight legs, folded forward, hands on the feet or the shins."""
    f.place(height=0.115, pitch=_vary(rng, 22, 4)).spine(bend=_vary(rng, 48, 6)).head(nod=_vary(rng, 18, 10))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        f.leg(
            side,
            f.heading(forward=1, up=-0.02, left=sign * -0.02),
            f.heading(forward=1, up=-0.07, left=-sign * 0.02),
            knee=f.heading(up=1),
            toes=f.heading(up=1, forward=0.25),
            sole=f.heading(forward=1, up=-0.25),
        )
    feet = rng.random() < 0.6
    for side, sign in (("left", 1.0), ("right", -1.0)):
        goal = f.spot(f"{side} foot top", 0.03) if feet else f.spot(f"{side} shin", 0.03)
        f.reach(
            side,
            goal + f.heading(left=sign) * 0.03,
            f.heading(left=sign, up=0.35),
            palm=f.heading(left=-sign * 0.4, up=-0.8),
            fingers=f.heading(forward=1, up=-0.1, left=-sign * 0.15),
        )
    where = "foot" if feet else "shin"
    touches = (
        Touch(0, "left hand", 0, f"left {where}", 0.35),
        Touch(0, "right hand", 0, f"right {where}", 0.35),
    )
    return Intent(touches, ((0, "butt"), (0, "left calf"), (0, "right calf"), (0, "left foot"), (0, "right foot")))


def childs_pose(f: Figure, rng: np.random.Generator) -> Intent:
    """Kneeling, sitting on the heels, trunk on the thighs, arms stretched ahead or back by the feet."""
    scale = f.shape.leg_length / 0.9
    f.place(height=0.25 * scale, pitch=62).spine(bend=_vary(rng, 42, 4)).head(nod=_vary(rng, -4, 5))
    apart = _vary(rng, 0.12, 0.06)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        f.leg(
            side,
            f.heading(forward=1, up=-0.42, left=sign * apart),
            f.heading(forward=-1, up=-0.06, left=-sign * apart * 0.6),
            toes=f.heading(forward=-1, up=-0.12),
            sole=f.heading(up=1, forward=-0.12),
        )
    ahead = rng.random() < 0.6
    for side, sign in (("left", 1.0), ("right", -1.0)):
        if ahead:
            f.arm(
                side,
                f.heading(forward=1, up=-0.12, left=sign * 0.2),
                f.heading(forward=1, up=-0.3, left=-sign * 0.02),
                palm=f.heading(up=-1),
                fingers=f.heading(forward=1),
            )
        else:
            f.arm(
                side,
                f.heading(forward=-1, up=-0.35, left=sign * 0.5),
                f.heading(forward=-1, up=-0.12, left=sign * 0.0),
                palm=f.heading(up=1),
                fingers=f.heading(forward=-1),
            )
    touches = (
        Touch(0, "left chest", 0, "left thigh front", 0.15),
        Touch(0, "right chest", 0, "right thigh front", 0.15),
        Touch(0, "left butt", 0, "left foot", 0.1, required=False),
        Touch(0, "right butt", 0, "right foot", 0.1, required=False),
    )
    grounded = tuple((0, f"{s} {p}") for s in SIDES for p in ("knee", "foot", "hand"))
    grounded += ((0, "face"),)
    return Intent(touches, grounded)


TWO_PERSON: dict[str, Template] = {
    "hug": hug,
    "handshake": handshake,
    "arm_over_shoulder": arm_over_shoulder,
    "hug_from_behind": hug_from_behind,
    "dance_hold": dance_hold,
    "hand_on_head": hand_on_head,
}
SELF_CONTACT: dict[str, Template] = {
    "tree": tree,
    "cobbler": cobbler,
    "seated_fold": seated_fold,
    "childs_pose": childs_pose,
}
