"""What templates share: what a template says, and postures that several begin with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from prosepose_jax.synthetic.figure import SIDES, Figure, unit
from prosepose_jax.synthetic.refine import Touch

FEET = ("left foot", "right foot")
SIGNS = (("left", 1.0), ("right", -1.0))


@dataclasses.dataclass(frozen=True)
class Intent:
    """What a template wants of its posed figures."""

    touches: tuple[Touch, ...]
    grounded: tuple[tuple[int, str], ...]  # (person, spot) that should reach the floor


Template = Callable[..., Intent]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A template and how to show it."""

    pose: Template
    azimuths: tuple[float, ...]  # good sides to look from, degrees (0: from the front of one who faces +z)
    taller_first: bool = False  # whether the first person is the taller one


def both_feet(*people: int) -> tuple[tuple[int, str], ...]:
    """Both feet of these people on the floor."""
    return tuple((p, foot) for p in people for foot in FEET)


# Templates in which the first person is the taller one.
TALLER_FIRST = ("arm_over_shoulder", "hug_from_behind", "dance_hold")


def vary(rng: np.random.Generator, value: float, spread: float) -> float:
    """value ± spread, uniformly."""
    return float(value + spread * rng.uniform(-1, 1))


def hang(f: Figure, side: str, rng: np.random.Generator) -> None:
    """Lets an arm hang, a little bent and off the thigh."""
    sign = 1.0 if side == "left" else -1.0
    out = vary(rng, 0.3, 0.05)
    f.arm(
        side,
        f.heading(up=-1, left=sign * out, forward=vary(rng, -0.02, 0.08)),
        f.heading(up=-1, left=sign * 0.14, forward=vary(rng, 0.24, 0.08)),
        palm=f.heading(left=-sign, forward=-0.25),
    )


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


def sit_cross_legged(f: Figure, rng: np.random.Generator, lean: float = 4.0) -> None:
    """Sits on the floor where the figure is, shins crossed before it."""
    scale = f.shape.leg_length / 0.9
    f.place(f.pelvis[0], f.pelvis[2], f.facing, height=0.115 * scale, pitch=lean)
    front = "left" if rng.random() < 0.5 else "right"
    for side, sign in SIGNS:
        ahead = 0.32 if side == front else 0.02
        f.leg(
            side,
            f.heading(forward=0.72, left=sign * 0.72, up=0.12),
            f.heading(forward=ahead, left=-sign, up=-0.16),
            toes=f.heading(left=-sign, forward=0.35, up=-0.1),
            sole=f.heading(up=-0.5, left=-sign * 0.3, forward=-0.6),
        )


SEATED_CROSSED = ("butt", "left foot", "right foot")


def sit_long(f: Figure, lean: float = 2.0, apart: float = 0.0) -> None:
    """Sits on the floor with straight legs; `apart` spreads them."""
    f.place(f.pelvis[0], f.pelvis[2], f.facing, height=0.115, pitch=lean)
    for side, sign in SIGNS:
        f.leg(
            side,
            f.heading(forward=1, up=-0.02, left=sign * apart),
            f.heading(forward=1, up=-0.07, left=sign * apart),
            knee=f.heading(up=1),
            toes=f.heading(up=1, forward=0.25),
            sole=f.heading(forward=1, up=-0.25),
        )


def sit_knees_up(f: Figure, reach: float = 0.42, lean: float = 0.0, apart: float = 0.02) -> None:
    """Sits on the floor, feet flat ahead, knees up; `reach` is how far ahead the ankles stand, m."""
    scale = f.shape.leg_length / 0.9
    f.place(f.pelvis[0], f.pelvis[2], f.facing, height=0.115 * scale, pitch=lean)
    for side, sign in SIGNS:
        hip = f.joint(1 if side == "left" else 2)
        ankle = hip + f.heading(forward=1) * reach * scale + f.heading(left=sign) * apart
        ankle[1] = f.shape.sole_drop
        f.plant(side, ankle, f.heading(forward=1, left=sign * 0.08), f.heading(up=1, forward=0.3, left=sign * 0.05))


def rest_hands_on_thighs(f: Figure) -> None:
    """Both palms on the own thighs or knees."""
    for side, sign in SIGNS:
        f.reach(
            side,
            f.spot(f"{side} lower thigh front", 0.03),
            f.heading(left=sign, up=-0.4, forward=-0.5),
            palm=-f.spot_normal(f"{side} lower thigh front"),
            fingers=f.heading(forward=1, up=-0.25, left=-sign * 0.15),
        )


def between(*points: np.ndarray) -> np.ndarray:
    """The middle of some points."""
    return np.mean(points, axis=0)


def towards(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Unit direction from one point to another."""
    return unit(np.asarray(b) - np.asarray(a))


def fold_arms(f: Figure, person: int) -> list[Touch]:
    """Arms crossed before the chest; the touches that make it so."""
    for side, sign, lift in (("left", 1.0, 0.035), ("right", -1.0, -0.025)):
        f.arm(
            side,
            f.heading(up=-1, left=sign * 0.35, forward=0.3),
            f.heading(left=-sign, forward=0.22 if side == "left" else 0.12, up=0.12 + lift),
            palm=f.heading(forward=-1, up=-0.3),
            fingers=f.heading(left=-sign, forward=-0.25),
        )
    return [
        Touch(person, "left hand", person, "right elbow or arm", 0.3),
        Touch(person, "right hand", person, "left elbow or arm", 0.25, required=False),
        Touch(person, "left forearm", person, "right hand or forearm", 0.3),
    ]
