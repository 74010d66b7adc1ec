"""One person who touches another: gestures of care and guidance."""

from __future__ import annotations

import numpy as np

from prosepose_jax.synthetic.figure import SIDES, Figure
from prosepose_jax.synthetic.refine import Touch
from prosepose_jax.synthetic.templates.base import (
    SEATED_CROSSED,
    SIGNS,
    Entry,
    Intent,
    both_feet,
    hang,
    kneel,
    rest_hands_on_thighs,
    sit_cross_legged,
    sit_long,
    vary,
)


def hand_on_head(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """A standing person lays a hand on the head of a kneeling one."""
    gap = vary(rng, 0.52, 0.05)
    a.place(x=vary(rng, 0.12, 0.05), z=-gap / 2, facing=vary(rng, 0, 8))
    b.place(x=0.0, z=gap / 2, facing=180 + vary(rng, 0, 12))
    kneel(b, vary(rng, 3, 3))
    a.spine(bend=vary(rng, 8, 5)).head(nod=vary(rng, 22, 6), turn=vary(rng, -6, 6))
    b.spine(bend=vary(rng, 3, 4)).head(nod=vary(rng, -4, 12), turn=vary(rng, 0, 10))
    a.stand(width=0.02, stride=vary(rng, -0.14, 0.06))
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
    grounded = both_feet(0) + tuple((1, f"{s} {p}") for s in SIDES for p in ("knee", "foot"))
    return Intent(tuple(touches), grounded)


def hands_on_shoulders(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Face to face at arm's length: one's hands on the other's shoulders, hers on his elbows or hanging."""
    reach = 0.5 * (a.shape.arm_length + b.shape.arm_length)
    gap = reach * vary(rng, 1.05, 0.04)
    a.place(x=0.0, z=-gap / 2, facing=vary(rng, 0, 5))
    b.place(x=0.0, z=gap / 2, facing=180 + vary(rng, 0, 5))
    for f in (a, b):
        f.spine(bend=vary(rng, 2, 3))
        f.head(nod=vary(rng, 2, 5), turn=vary(rng, 0, 6))
        f.stand(width=vary(rng, 0.01, 0.02), stride=vary(rng, 0.0, 0.1))
    for side, sign, far in (("left", 1.0, "right"), ("right", -1.0, "left")):
        a.reach(
            side,
            b.spot(f"{far} shoulder", 0.03) + np.array([0.0, 0.04, 0.0]) - 0.02 * a.heading(forward=1),
            a.heading(up=-1, left=sign * 0.6),
            palm=a.heading(up=-1, forward=0.2),
            fingers=a.heading(forward=1, up=0.1),
        )
    answered = rng.random() < 0.6
    for side, sign, far in (("left", 1.0, "right"), ("right", -1.0, "left")):
        if answered:
            b.reach(
                side,
                a.joint(19 if far == "right" else 18) + b.heading(left=sign) * 0.05,
                b.heading(left=sign, up=-1),
                palm=b.heading(left=-sign, up=0.3),
                fingers=b.heading(forward=1, up=0.5),
            )
        else:
            hang(b, side, rng)
    touches = [Touch(0, f"{s} palm", 1, f"{far} shoulder", 0.35) for s, far in (("left", "right"), ("right", "left"))]
    if answered:
        touches += [
            Touch(1, f"{s} hand", 0, f"{far} elbow or arm", 0.3) for s, far in (("left", "right"), ("right", "left"))
        ]
    return Intent(tuple(touches), both_feet(0, 1))


def arm_in_arm(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Walking side by side: one's hand lies on the other's bent forearm."""
    width = vary(rng, 0.44, 0.015)
    a.place(x=0.0, z=0.0, facing=vary(rng, 3, 3))
    b.place(x=width, z=vary(rng, 0.0, 0.02), facing=vary(rng, -3, 3))
    stride = vary(rng, 0.0, 0.28)
    for f in (a, b):
        f.spine(bend=vary(rng, 1, 3))
        f.head(nod=vary(rng, 2, 5), turn=vary(rng, 0, 15))
        f.stand(width=0.0, stride=stride)
    hang(a, "right", rng)
    hang(b, "left", rng)
    b.arm(
        "right",
        b.heading(up=-1, left=-0.22, forward=0.05),
        b.heading(forward=0.8, left=0.45, up=0.15),
        palm=b.heading(left=1, up=-0.4),
        fingers=b.heading(forward=0.6, left=0.7),
    )
    a.reach(
        "left",
        b.spot("right forearm", 0.0) + np.array([0.0, 0.065, 0.0]),
        a.heading(left=0.3, up=-1, forward=-0.3),
        palm=a.heading(up=-1),
        fingers=a.heading(left=0.9, forward=0.5),
    )
    touches = [Touch(0, "left palm", 1, "right forearm", 0.4)]
    touches.append(Touch(0, "left forearm", 1, "right upper arm", 0.2, 0.6, required=False))
    return Intent(tuple(touches), both_feet(0, 1))


def hand_on_chest(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Face to face, a palm flat on the other's chest, sometimes held there by the other's hand."""
    gap = vary(rng, 0.5, 0.03)
    a.place(x=vary(rng, 0.06, 0.03), z=-gap / 2, facing=vary(rng, 0, 5))
    b.place(x=0.0, z=gap / 2, facing=180 + vary(rng, 0, 5))
    for f in (a, b):
        f.spine(bend=vary(rng, 2, 3))
        f.head(nod=vary(rng, 3, 5), turn=vary(rng, 0, 6))
        f.stand(width=0.01, stride=vary(rng, 0.0, 0.1))
    a.reach(
        "right",
        b.spot("left upper chest", 0.03),
        a.heading(left=-1, up=-0.7),
        palm=a.heading(forward=1),
        fingers=a.heading(up=0.8, left=0.5),
    )
    hang(a, "left", rng)
    held = rng.random() < 0.5
    if held:
        b.reach(
            "right",
            a.spot("right hand back", 0.03),
            b.heading(left=-1, up=-0.7),
            palm=b.heading(forward=-1, left=0.2),
            fingers=b.heading(left=0.9, up=0.3),
        )
    else:
        hang(b, "right", rng)
    hang(b, "left", rng)
    touches = [Touch(0, "right palm", 1, "chest", 0.45)]
    if held:
        touches.append(Touch(1, "right palm", 0, "right hand", 0.3))
    return Intent(tuple(touches), both_feet(0, 1))


def shoulder_massage(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """One kneels behind the other, who sits cross-legged, and kneads the shoulders."""
    gap = vary(rng, 0.4, 0.03)
    b.place(x=0.0, z=0.0, facing=0)
    sit_cross_legged(b, rng, vary(rng, 4, 2))
    b.spine(bend=vary(rng, 8, 3)).head(nod=vary(rng, 14, 6))
    rest_hands_on_thighs(b)
    a.place(x=vary(rng, 0.0, 0.02), z=-gap, facing=0)
    kneel(a, vary(rng, 6, 2))
    a.spine(bend=vary(rng, 12, 3)).head(nod=vary(rng, 16, 5))
    for side, sign in SIGNS:
        a.reach(
            side,
            b.spot(f"{side} shoulder", 0.03) + np.array([0.0, 0.05, 0.0]) - b.heading(left=sign) * 0.02,
            a.heading(left=sign, up=-0.3),
            palm=a.heading(up=-1, forward=0.2),
            fingers=a.heading(forward=1, up=-0.3),
        )
    touches = [Touch(0, f"{s} palm", 1, f"{s} shoulder or back", 0.4) for s in SIDES]
    touches += [Touch(1, f"{s} hand", 1, f"{s} leg", 0.3, 0.5, required=False) for s in SIDES]
    grounded = tuple((0, f"{s} {p}") for s in SIDES for p in ("knee", "foot"))
    return Intent(tuple(touches), grounded + tuple((1, spot) for spot in SEATED_CROSSED))


def conga(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """One behind the other, hands on the shoulders of the one in front, both walking."""
    reach = a.shape.arm_length
    a.place(x=vary(rng, 0.0, 0.02), z=-reach * vary(rng, 1.02, 0.05), facing=vary(rng, 0, 4))
    b.place(x=0.0, z=0.0, facing=vary(rng, 0, 4))
    stride = vary(rng, 0.0, 0.3)
    for f in (a, b):
        f.spine(bend=vary(rng, 3, 3))
        f.head(nod=vary(rng, 0, 5), turn=vary(rng, 0, 12))
        f.stand(width=0.0, stride=stride)
    hang(b, "left", rng)
    hang(b, "right", rng)
    for side, sign in SIGNS:
        a.reach(
            side,
            b.spot(f"{side} shoulder", 0.03) + np.array([0.0, 0.045, 0.0]) - a.heading(forward=1) * 0.03,
            a.heading(left=sign, up=-1),
            palm=a.heading(up=-1),
            fingers=a.heading(forward=1),
        )
    return Intent(tuple(Touch(0, f"{s} palm", 1, f"{s} shoulder", 0.4) for s in SIDES), both_feet(0, 1))


def push_on_back(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """One pushes the other from behind, both palms on the back, in a wide stride."""
    a.place(
        x=vary(rng, 0.0, 0.02),
        z=-a.shape.arm_length * vary(rng, 1.2, 0.04),
        facing=0,
        pitch=vary(rng, 18, 4),
        height=0.92 * a.shape.leg_length + a.shape.sole_drop,
    )
    b.place(x=0.0, z=0.0, facing=vary(rng, 0, 5), pitch=vary(rng, -3, 2))
    a.spine(bend=vary(rng, 6, 3)).head(nod=vary(rng, -10, 6))
    b.spine(bend=vary(rng, -3, 3)).head(nod=vary(rng, 0, 6), turn=vary(rng, 0, 20))
    a.step("left", vary(rng, 0.3, 0.05), 0.02).step("right", vary(rng, -0.3, 0.05), 0.02)
    b.step("left", vary(rng, -0.1, 0.05), 0.02).step("right", vary(rng, 0.2, 0.05), 0.02)
    hang(b, "left", rng)
    hang(b, "right", rng)
    for side, sign in SIGNS:
        a.reach(
            side,
            b.spot(f"{side} upper back", 0.03),
            a.heading(left=sign, up=-0.8),
            palm=-b.spot_normal(f"{side} upper back"),
            fingers=a.heading(up=1, left=-sign * 0.2),
        )
    return Intent(tuple(Touch(0, f"{s} palm", 1, "back", 0.45) for s in SIDES), both_feet(0, 1))


def cheek_kiss(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Greeting: cheek against cheek, a hand on the other's upper arm."""
    gap = vary(rng, 0.36, 0.015)
    shift = vary(rng, 0.065, 0.01)
    a.place(x=-shift, z=-gap / 2, facing=0, pitch=vary(rng, 6, 2))
    b.place(x=shift, z=gap / 2, facing=180, pitch=vary(rng, 6, 2))
    for f in (a, b):
        f.spine(bend=vary(rng, 9, 3))
        f.head(nod=vary(rng, 0, 4), turn=vary(rng, -6, 4), side=vary(rng, -4, 3))
        f.step("left", vary(rng, 0.03, 0.03), 0.02).step("right", vary(rng, -0.08, 0.03), 0.02)
    for f, other in ((a, b), (b, a)):
        f.reach(
            "right",
            other.spot("left upper arm", 0.03),
            f.heading(left=-1, up=-1),
            palm=f.heading(left=0.8, forward=0.4),
            fingers=f.heading(forward=0.8, up=0.5),
        )
        hang(f, "left", rng)
    touches = (
        Touch(0, "face", 1, "face", 0.08),
        Touch(0, "right hand", 1, "left upper arm", 0.3),
        Touch(1, "right hand", 0, "left upper arm", 0.3),
    )
    return Intent(touches, both_feet(0, 1))


def face_touching(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """One holds the other's face in both hands."""
    reach = 0.5 * (a.shape.arm_length + b.shape.arm_length)
    gap = reach * vary(rng, 0.86, 0.05)
    a.place(x=0.0, z=-gap / 2, facing=vary(rng, 0, 3))
    b.place(x=0.0, z=gap / 2, facing=180 + vary(rng, 0, 3))
    for f in (a, b):
        f.spine(bend=vary(rng, 4, 3))
        f.head(nod=vary(rng, 4, 4))
        f.stand(width=0.01, stride=vary(rng, 0.0, 0.1))
        for side in SIDES:
            hang(f, side, rng)
    for side, sign in SIGNS:
        a.reach(
            side,
            b.joint(15) + a.heading(left=sign) * 0.1 + np.array([0.0, 0.04, 0.0]) - a.heading(forward=1) * 0.05,
            a.heading(up=-1, left=sign * 0.7),
            palm=a.heading(left=-sign, forward=0.3),
            fingers=a.heading(up=0.8, forward=0.7),
        )
    touches = tuple(Touch(0, f"{s} palm", 1, "head", 0.35) for s in SIDES)
    return Intent(touches, both_feet(0, 1))


def belly_pat(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """A hand on the other's belly, the other arm around the back: parents to be."""
    a.place(x=vary(rng, -0.4, 0.02), z=vary(rng, 0.0, 0.03), facing=vary(rng, 40, 5))
    b.place(x=0.0, z=0.0, facing=vary(rng, 0, 4))
    a.spine(bend=vary(rng, 8, 3)).head(nod=vary(rng, 14, 5), turn=vary(rng, 5, 5))
    b.spine(bend=vary(rng, -2, 2)).head(nod=vary(rng, 16, 5), turn=vary(rng, -8, 6))
    for f in (a, b):
        f.stand(width=0.01, stride=vary(rng, 0.0, 0.08))
    a.reach(
        "right",
        b.spot("belly", 0.03),
        a.heading(left=-1, up=-0.6),
        palm=b.heading(forward=-1),
        fingers=b.heading(left=1, up=0.1),
    )
    a.reach(
        "left",
        b.spot("left middle back", 0.03),
        a.heading(left=1, forward=-0.6, up=-0.3),
        palm=b.heading(forward=1),
        fingers=b.heading(left=1),
    )
    hang(b, "left", rng)
    hang(b, "right", rng)
    touches = (Touch(0, "right palm", 1, "belly", 0.45), Touch(0, "left hand", 1, "back", 0.35))
    return Intent(touches, both_feet(0, 1))


def elbow_guidance(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """One leads the other by the elbow and the hand, a step behind at the side."""
    a.place(x=vary(rng, -0.44, 0.02), z=vary(rng, -0.12, 0.03), facing=vary(rng, 16, 4))
    b.place(x=0.0, z=0.0, facing=vary(rng, 0, 4), pitch=vary(rng, 4, 2))
    a.spine(bend=vary(rng, 4, 3)).head(nod=vary(rng, 8, 5), turn=vary(rng, 14, 6))
    b.spine(bend=vary(rng, 10, 4)).head(nod=vary(rng, 6, 5))
    stride = vary(rng, 0.0, 0.24)
    for f in (a, b):
        f.stand(width=0.0, stride=stride)
    b.arm(
        "right",
        b.heading(up=-1, left=-0.3, forward=0.1),
        b.heading(forward=1, left=-0.1, up=0.1),
        palm=b.heading(up=-1, left=0.3),
        fingers=b.heading(forward=1),
    )
    hang(b, "left", rng)
    a.reach(
        "left",
        b.joint(19) - np.array([0.02, 0.04, 0.0]),
        a.heading(left=0.2, up=-1, forward=-0.4),
        palm=a.heading(up=1, left=0.8),
        fingers=a.heading(left=0.5, forward=0.9),
    )
    a.reach(
        "right",
        b.joint(21) + b.heading(forward=0.6) * 0.08 - np.array([0.0, 0.045, 0.0]),
        a.heading(left=-1, up=-0.8),
        palm=a.heading(up=1, left=0.2),
        fingers=a.heading(left=1, forward=0.4),
    )
    touches = (
        Touch(0, "left palm", 1, "right elbow or arm", 0.35),
        Touch(0, "right palm", 1, "right hand", 0.4),
    )
    return Intent(touches, both_feet(0, 1))


def legs_across_lap(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Both on the floor: one's legs lie across the other's thighs, whose hands rest on them."""
    a.place(x=0.0, z=0.0, facing=0)
    sit_long(a, lean=vary(rng, -6, 2), apart=0.03)
    a.spine(bend=vary(rng, 10, 3)).head(nod=vary(rng, 8, 4), turn=vary(rng, 18, 6))
    far = 0.62 * b.shape.leg_length
    b.place(x=far, z=vary(rng, 0.23, 0.02), facing=-90)
    sit_long(b, lean=vary(rng, -10, 2), apart=0.02)
    for side, sign in SIGNS:
        b.leg(
            side,
            b.heading(forward=1, up=0.42),
            b.heading(forward=1, up=-0.42),
            knee=b.heading(up=1),
            toes=b.heading(up=0.8, forward=0.7),
            sole=b.heading(forward=0.8, up=-0.7),
        )
        behind = b.pelvis + b.heading(forward=-1) * 0.26 + b.heading(left=sign) * 0.22
        behind[1] = 0.03
        b.reach(
            side,
            behind,
            b.heading(forward=-1, left=sign),
            palm=b.heading(up=-1),
            fingers=b.heading(forward=-1, left=sign),
        )
    b.spine(bend=vary(rng, 4, 3)).head(nod=vary(rng, 4, 4))
    for side, spot in (("left", "left shin"), ("right", "right shin")):
        a.reach(
            side,
            b.spot(spot, 0.0) + np.array([0.0, 0.07, 0.0]),
            a.heading(left=1.0 if side == "left" else -1.0, up=-0.2),
            palm=a.heading(up=-1),
            fingers=a.heading(forward=1, up=-0.2),
        )
    touches = (
        Touch(1, "left lower leg back", 0, "left leg", 0.3),
        Touch(1, "right lower leg back", 0, "left leg", 0.3),
        Touch(0, "left hand", 1, "left leg", 0.35),
        Touch(0, "right hand", 1, "right leg", 0.35),
    )
    grounded = ((0, "butt"), (0, "left foot"), (0, "right foot"), (1, "butt"), (1, "left palm"), (1, "right palm"))
    return Intent(touches, grounded)


TEMPLATES: dict[str, Entry] = {
    "hand_on_head": Entry(hand_on_head, (90.0, 60.0, -70.0)),
    "hands_on_shoulders": Entry(hands_on_shoulders, (85.0, -85.0, 65.0)),
    "arm_in_arm": Entry(arm_in_arm, (0.0, 15.0, -15.0)),
    "hand_on_chest": Entry(hand_on_chest, (90.0, -90.0, 70.0)),
    "shoulder_massage": Entry(shoulder_massage, (50.0, -50.0, 80.0)),
    "conga": Entry(conga, (60.0, -60.0, 85.0)),
    "push_on_back": Entry(push_on_back, (70.0, -70.0, 90.0)),
    "cheek_kiss": Entry(cheek_kiss, (85.0, -85.0, 105.0)),
    "face_touching": Entry(face_touching, (85.0, -85.0, 65.0)),
    "belly_pat": Entry(belly_pat, (0.0, 25.0, -20.0)),
    "elbow_guidance": Entry(elbow_guidance, (-10.0, 15.0, -35.0)),
    "legs_across_lap": Entry(legs_across_lap, (20.0, -20.0, 0.0)),
}
