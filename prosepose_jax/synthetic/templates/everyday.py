"""One person who touches the own body: gestures of every day."""

from __future__ import annotations

import numpy as np

from prosepose_jax.synthetic.figure import SIDES, Figure
from prosepose_jax.synthetic.refine import Touch
from prosepose_jax.synthetic.templates.base import (
    SIGNS,
    Entry,
    Intent,
    both_feet,
    fold_arms,
    hang,
    vary,
)


def _stand_easy(f: Figure, rng: np.random.Generator) -> None:
    f.place(facing=0).spine(bend=vary(rng, 2, 4), turn=vary(rng, 0, 5))
    f.head(nod=vary(rng, 3, 6), turn=vary(rng, 0, 10))
    f.stand(width=vary(rng, 0.02, 0.03), stride=vary(rng, 0.0, 0.12))


def arms_crossed(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, arms crossed before the chest."""
    _stand_easy(f, rng)
    return Intent(tuple(fold_arms(f, 0)), both_feet(0))


def hands_on_hips(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, both hands on the hips, elbows out."""
    _stand_easy(f, rng)
    for side, sign in SIGNS:
        f.reach(
            side,
            f.spot("pelvis front") + f.heading(left=sign) * 0.17 + np.array([0.0, 0.1, -0.06]),
            f.heading(left=sign, forward=-0.4, up=-0.1),
            palm=f.heading(left=-sign, up=-0.2),
            fingers=f.heading(forward=0.8, left=-sign * 0.3, up=-0.45),
        )
    touches = tuple(Touch(0, f"{s} hand", 0, f"{s} flank", 0.3) for s in SIDES)
    return Intent(touches, both_feet(0))


def thinking(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, a hand at the chin, its elbow in the other hand."""
    _stand_easy(f, rng)
    f.head(nod=vary(rng, 8, 4), turn=vary(rng, -4, 5))
    f.hand("right", curl=vary(rng, 35, 8), thumb=30.0)
    f.reach(
        "right",
        f.joint(15) + f.heading(forward=1) * 0.09 + np.array([0.0, -0.075, 0.0]),
        f.heading(up=-1, forward=0.35, left=-0.15),
        palm=f.heading(forward=-0.5, left=0.8, up=0.2),
        fingers=f.heading(up=0.9, left=0.5),
    )
    f.reach(
        "left",
        f.joint(19) + np.array([0.0, -0.035, 0.02]),
        f.heading(left=1, up=-1),
        palm=f.heading(up=1, forward=-0.3),
        fingers=f.heading(left=-1, forward=0.1),
    )
    touches = (Touch(0, "right hand", 0, "face", 0.2), Touch(0, "left hand", 0, "right elbow or arm", 0.35))
    return Intent(touches, both_feet(0))


def hands_behind_head(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, both hands at the back of the head, elbows wide."""
    _stand_easy(f, rng)
    f.head(nod=vary(rng, 2, 4))
    for side, sign in SIGNS:
        f.reach(
            side,
            f.joint(15) + f.heading(forward=-1) * 0.12 + f.heading(left=sign) * 0.035 + np.array([0.0, 0.05, 0.0]),
            f.heading(left=sign, forward=0.3, up=0.3),
            palm=f.heading(forward=1),
            fingers=f.heading(left=-sign, up=0.35),
        )
    touches = tuple(Touch(0, f"{s} hand", 0, "skull back", 0.3) for s in SIDES)
    return Intent(touches, both_feet(0))


def hands_on_head(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, both hands on top of the head."""
    _stand_easy(f, rng)
    f.head(nod=vary(rng, 4, 4))
    for side, sign in SIGNS:
        f.reach(
            side,
            f.joint(15) + f.heading(left=sign) * 0.065 + np.array([0.0, 0.205, 0.0]),
            f.heading(left=sign, forward=0.15, up=0.2),
            palm=f.heading(up=-1, left=-sign * 0.3),
            fingers=f.heading(left=-sign, forward=0.1, up=0.1),
        )
    touches = tuple(Touch(0, f"{s} hand", 0, "head", 0.3) for s in SIDES)
    return Intent(touches, both_feet(0))


def hand_on_heart(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, the right palm on the left side of the chest."""
    _stand_easy(f, rng)
    f.reach(
        "right",
        f.spot("left upper chest", 0.03) - f.heading(left=1) * 0.02,
        f.heading(left=-1, up=-0.8, forward=0.15),
        palm=f.heading(forward=-1),
        fingers=f.heading(left=1, up=0.35),
    )
    hang(f, "left", rng)
    return Intent((Touch(0, "right palm", 0, "chest", 0.45),), both_feet(0))


def face_palm(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, the face laid into the right palm."""
    _stand_easy(f, rng)
    f.spine(bend=vary(rng, 8, 4)).head(nod=vary(rng, 22, 5))
    f.reach(
        "right",
        f.spot("face") + f.direction(forward=1, frame=15) * 0.05,
        f.heading(up=-1, left=-0.4, forward=0.3),
        palm=-f.direction(forward=1, frame=15),
        fingers=f.heading(up=1, left=0.35),
    )
    hang(f, "left", rng)
    return Intent((Touch(0, "right palm", 0, "face", 0.4),), both_feet(0))


def hands_on_belly(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, both palms on the belly."""
    _stand_easy(f, rng)
    f.head(nod=vary(rng, 14, 6))
    for side, sign, lift in (("left", 1.0, 0.03), ("right", -1.0, -0.03)):
        f.reach(
            side,
            f.spot("belly", 0.035) + f.heading(left=sign) * 0.05 + np.array([0.0, lift, 0.0]),
            f.heading(left=sign, up=-0.7, forward=-0.1),
            palm=f.heading(forward=-1),
            fingers=f.heading(left=-sign, up=-0.1),
        )
    return Intent(tuple(Touch(0, f"{s} palm", 0, "belly", 0.4) for s in SIDES), both_feet(0))


def hands_on_knees(f: Figure, rng: np.random.Generator) -> Intent:
    """Out of breath: bent forward, hands on the knees."""
    f.place(facing=0, pitch=vary(rng, 46, 4), height=0.9 * f.shape.leg_length + f.shape.sole_drop)
    f.pelvis[2] -= 0.12
    f.spine(bend=vary(rng, 16, 4)).head(nod=vary(rng, -14, 8))
    for side in SIDES:
        f.step(side, 0.1, 0.07, toe_out=12)
    for side, sign in SIGNS:
        f.reach(
            side,
            f.spot(f"{side} lower thigh front", 0.035),
            f.heading(left=sign, up=0.1),
            palm=-f.spot_normal(f"{side} lower thigh front"),
            fingers=f.heading(up=-0.8, forward=0.5, left=-sign * 0.4),
        )
    touches = tuple(Touch(0, f"{s} palm", 0, f"{s} knee or thigh", 0.4) for s in SIDES)
    return Intent(touches, both_feet(0))


def knee_to_chest(f: Figure, rng: np.random.Generator) -> Intent:
    """On the right leg, the left knee drawn up and held with both hands."""
    f.place(facing=0, pitch=vary(rng, -4, 2)).spine(bend=vary(rng, 10, 3)).head(nod=vary(rng, 4, 5))
    f.pelvis[0] -= 0.05
    f.step("right", 0.0, -f.shape.joints[1, 0] * 0.75, toe_out=4)
    f.leg(
        "left",
        f.heading(forward=1, up=vary(rng, 0.42, 0.08)),
        f.heading(up=-1, forward=-0.12),
        toes=f.heading(forward=1, up=-0.5),
        sole=f.heading(up=-1, forward=-0.5),
    )
    for side, sign in SIGNS:
        f.reach(
            side,
            f.spot("left lower leg front", 0.04) + f.heading(left=sign) * 0.035 + np.array([0.0, 0.04 * sign, 0.0]),
            f.heading(left=sign, up=-0.6),
            palm=f.heading(forward=-1, left=-sign * 0.3),
            fingers=f.heading(left=-sign, forward=0.25),
        )
    touches = (Touch(0, "left hand", 0, "left knee or shin", 0.3), Touch(0, "right hand", 0, "left knee or shin", 0.3))
    return Intent(touches, ((0, "right foot"),))


def hands_behind_back(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing at ease: one hand holds the other's wrist behind the back."""
    _stand_easy(f, rng)
    place = f.spot("butt", 0.05) + np.array([0.0, 0.1, 0.0])
    for side, sign, out in (("left", 1.0, 0.0), ("right", -1.0, 0.03)):
        f.reach(
            side,
            place + f.heading(left=-sign) * 0.03 + f.heading(forward=-1) * out,
            f.heading(left=sign, forward=-0.9),
            palm=f.heading(forward=-1.0 if side == "left" else 1.0),
            fingers=f.heading(left=-sign, up=-0.3),
        )
    touches = (
        Touch(0, "right hand", 0, "left hand or forearm", 0.35),
        Touch(0, "left hand or forearm", 0, "seat or back", 0.15),
    )
    return Intent(touches, both_feet(0))


def hand_on_neck(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, a hand at the side of a stiff neck, the head tilted."""
    _stand_easy(f, rng)
    f.head(nod=vary(rng, 8, 4), side=vary(rng, 12, 4))
    f.reach(
        "right",
        f.joint(12) + f.heading(left=-1, forward=-0.5) * 0.1 + np.array([0.0, 0.03, 0.0]),
        f.heading(left=-1, up=-0.1, forward=0.5),
        palm=f.heading(left=1, forward=0.3),
        fingers=f.heading(left=0.5, forward=-1, up=0.1),
    )
    hang(f, "left", rng)
    return Intent((Touch(0, "right hand", 0, "neck", 0.3),), both_feet(0))


def shy_arm(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, one hand holds the other, hanging arm at the elbow."""
    _stand_easy(f, rng)
    f.head(nod=vary(rng, 10, 5), turn=vary(rng, 0, 12))
    hang(f, "left", rng)
    f.reach(
        "right",
        f.joint(18) + np.array([0.0, 0.03, 0.055]),
        f.heading(left=-1, up=-1, forward=0.2),
        palm=f.heading(forward=-0.6, left=0.6),
        fingers=f.heading(left=1, up=0.1),
    )
    return Intent((Touch(0, "right hand", 0, "left elbow or arm", 0.4),), both_feet(0))


TEMPLATES: dict[str, Entry] = {
    "arms_crossed": Entry(arms_crossed, (0.0, 25.0, -25.0)),
    "hands_on_hips": Entry(hands_on_hips, (0.0, 25.0, -25.0)),
    "thinking": Entry(thinking, (0.0, -25.0, 20.0)),
    "hands_behind_head": Entry(hands_behind_head, (20.0, -20.0, 150.0)),
    "hands_on_head": Entry(hands_on_head, (0.0, 20.0, -20.0)),
    "hand_on_heart": Entry(hand_on_heart, (0.0, -25.0, 20.0)),
    "face_palm": Entry(face_palm, (0.0, -35.0, 20.0)),
    "hands_on_belly": Entry(hands_on_belly, (0.0, 30.0, -30.0)),
    "hands_on_knees": Entry(hands_on_knees, (30.0, -30.0, 60.0)),
    "knee_to_chest": Entry(knee_to_chest, (35.0, 60.0, 10.0)),
    "hands_behind_back": Entry(hands_behind_back, (150.0, 180.0, -150.0)),
    "hand_on_neck": Entry(hand_on_neck, (0.0, -30.0, -60.0)),
    "shy_arm": Entry(shy_arm, (0.0, 25.0, -20.0)),
}
