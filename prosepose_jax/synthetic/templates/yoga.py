"""One person in a yoga pose."""

from __future__ import annotations

import numpy as np

from prosepose_jax.synthetic.figure import SIDES, SPINE3, Figure
from prosepose_jax.synthetic.refine import Touch
from prosepose_jax.synthetic.templates.base import (
    SEATED_CROSSED,
    SIGNS,
    Entry,
    Intent,
    both_feet,
    hang,
    rest_hands_on_thighs,
    sit_cross_legged,
    vary,
)


def tree(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing on the right leg, left sole against the right thigh, palms joined before the chest or above the head."""
    for side in SIDES:
        f.hand(side, curl=0.0, thumb=55.0)
    f.place(facing=0).spine(bend=vary(rng, 0, 2)).head(nod=vary(rng, 2, 4))
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
    f.place(height=seat + 0.02, pitch=vary(rng, 4, 4)).spine(bend=vary(rng, 16, 6)).head(nod=vary(rng, 8, 8))
    reach = vary(rng, 0.33, 0.025) * f.shape.leg_length / 0.9
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
    f.place(height=0.115, pitch=vary(rng, 22, 4)).spine(bend=vary(rng, 48, 6)).head(nod=vary(rng, 18, 10))
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
    f.place(height=0.25 * scale, pitch=62).spine(bend=vary(rng, 42, 4)).head(nod=vary(rng, -4, 5))
    apart = vary(rng, 0.12, 0.06)
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


def prayer(f: Figure, rng: np.random.Generator) -> Intent:
    """Mountain pose, palms joined before the chest."""
    f.place(facing=0).spine(bend=vary(rng, 0, 3)).head(nod=vary(rng, 8, 8))
    f.stand(width=vary(rng, -0.02, 0.02))
    return Intent(join_palms(f, rng), both_feet(0))


def join_palms(f: Figure, rng: np.random.Generator, ahead: float = 0.2) -> tuple[Touch, ...]:
    """Palms together before the chest."""
    place = f.joint(SPINE3) + f.direction(forward=1, up=0.1, frame=SPINE3) * vary(rng, ahead, 0.02)
    return palms_at(f, place + np.array([0.0, vary(rng, 0.01, 0.03), 0.0]))


def palms_at(f: Figure, place: np.ndarray, elbows_up: float = -0.35, forward: float = 0.2) -> tuple[Touch, ...]:
    """Palms together at a place, fingers up and somewhat forward."""
    for side, sign in SIGNS:
        f.hand(side, curl=0.0, thumb=55.0)
        f.reach(
            side,
            place + f.heading(left=sign) * 0.012,
            f.heading(left=sign, up=elbows_up),
            palm=f.heading(left=-sign),
            fingers=f.heading(up=1, forward=forward),
        )
    return (Touch(0, "left palm", 0, "right palm", 0.6),)


def warrior_prayer(f: Figure, rng: np.random.Generator) -> Intent:
    """Lunge with the left knee bent, the right leg straight behind, palms joined before the chest."""
    f.place(facing=0, height=vary(rng, 0.74, 0.04) * f.shape.leg_length)
    f.spine(bend=vary(rng, 2, 4)).head(nod=vary(rng, 2, 6))
    f.step("left", 0.42 * f.shape.leg_length, 0.0, toe_out=2)
    f.step("right", -0.66 * f.shape.leg_length, 0.02, toe_out=28)
    return Intent(join_palms(f, rng), both_feet(0))


def easy_pose(f: Figure, rng: np.random.Generator) -> Intent:
    """Cross-legged, hands on the knees."""
    sit_cross_legged(f, rng, vary(rng, 2, 2))
    f.spine(bend=vary(rng, 2, 3)).head(nod=vary(rng, 2, 6))
    rest_hands_on_thighs(f)
    touches = (
        Touch(0, "left hand", 0, "left leg", 0.4),
        Touch(0, "right hand", 0, "right leg", 0.4),
        Touch(0, "left lower leg", 0, "right lower leg", 0.1, required=False),
    )
    return Intent(touches, tuple((0, spot) for spot in SEATED_CROSSED))


def seated_prayer(f: Figure, rng: np.random.Generator) -> Intent:
    """Cross-legged, palms joined before the chest."""
    sit_cross_legged(f, rng, vary(rng, 2, 2))
    f.spine(bend=vary(rng, 2, 3)).head(nod=vary(rng, 6, 6))
    touches = (*join_palms(f, rng), Touch(0, "left lower leg", 0, "right lower leg", 0.1, required=False))
    return Intent(touches, tuple((0, spot) for spot in SEATED_CROSSED))


def half_twist(f: Figure, rng: np.random.Generator) -> Intent:
    """Cross-legged, turned to the left, the right hand on the left knee, the left hand on the floor behind."""
    sit_cross_legged(f, rng, vary(rng, 2, 2))
    f.spine(bend=vary(rng, 2, 2), turn=vary(rng, 38, 6)).head(turn=vary(rng, 30, 8))
    f.reach(
        "right",
        f.spot("left knee front", 0.03),
        f.heading(forward=0.8, up=-0.6),
        palm=f.heading(up=-0.6, left=0.6),
        fingers=f.heading(left=0.9, up=-0.2, forward=0.2),
    )
    behind = f.pelvis + f.heading(forward=-1, left=0.45) * 0.33
    behind[1] = 0.02
    f.reach(
        "left", behind, f.heading(forward=-1, left=0.6), palm=f.heading(up=-1), fingers=f.heading(forward=-1, left=0.5)
    )
    touches = (Touch(0, "right hand", 0, "left leg", 0.4),)
    return Intent(touches, (*((0, spot) for spot in SEATED_CROSSED), (0, "left palm")))


def standing_fold(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, folded at the hips, hands on the shins or feet."""
    f.place(facing=0, pitch=vary(rng, 84, 4), height=0.97 * f.shape.leg_length + f.shape.sole_drop)
    f.pelvis[2] -= 0.14 * f.shape.leg_length
    f.spine(bend=vary(rng, 44, 4)).head(nod=vary(rng, 10, 6))
    for side in SIDES:
        hip = f.joint(1 if side == "left" else 2)
        f.step(side, vary(rng, 0.12, 0.0) * f.shape.leg_length, 0.0, toe_out=4)
        del hip
    where = "foot top" if rng.random() < 0.5 else "shin"
    for side, sign in SIGNS:
        f.reach(
            side,
            f.spot(f"{side} {where}", 0.035) + f.heading(left=sign) * 0.02,
            f.heading(left=sign, forward=0.3),
            palm=f.heading(forward=-1, left=-sign * 0.3),
            fingers=f.heading(up=-1, left=-sign * 0.1),
        )
    spot = "foot" if where == "foot top" else "shin"
    touches = (
        Touch(0, "left hand", 0, f"left {spot}", 0.35),
        Touch(0, "right hand", 0, f"right {spot}", 0.35),
    )
    return Intent(touches, both_feet(0))


def eagle_arms(f: Figure, rng: np.random.Generator) -> Intent:
    """Standing, the forearms wound upright before the face, elbow over elbow."""
    f.place(facing=0).spine(bend=vary(rng, 4, 3)).head(nod=vary(rng, 4, 5))
    f.stand(width=vary(rng, 0.0, 0.02))
    for side, sign, low, turn in (("left", 1.0, 0.0, 0.02), ("right", -1.0, -0.14, -0.02)):
        f.hand(side, curl=2.0, thumb=50.0)
        f.arm(
            side,
            f.heading(forward=1, left=-sign * 0.5, up=-0.16 + low),
            f.heading(up=1, forward=0.22 + 0.1 * (side == "right"), left=sign * 0.2),
            palm=f.heading(left=-sign, forward=turn),
            fingers=f.heading(up=1, forward=0.1),
        )
    touches = (
        Touch(0, "left elbow or arm", 0, "right elbow or arm", 0.2),
        Touch(0, "left forearm", 0, "right forearm", 0.2),
    )
    return Intent(touches, both_feet(0))


def quad_stretch(f: Figure, rng: np.random.Generator) -> Intent:
    """On the right leg, the left foot held behind by the left hand."""
    f.place(facing=0, pitch=vary(rng, 8, 3)).spine(bend=vary(rng, -2, 3)).head(nod=vary(rng, 2, 5))
    f.pelvis[0] -= 0.05
    f.step("right", 0.02, -f.shape.joints[1, 0] * 0.75, toe_out=4)
    f.leg(
        "left",
        f.heading(up=-1, forward=vary(rng, -0.02, 0.06)),
        f.heading(forward=-0.75, up=0.75),
        toes=f.heading(forward=-1, up=0.15),
        sole=f.heading(up=1, forward=-0.15),
    )
    f.reach(
        "left",
        f.spot("left foot top", 0.03),
        f.heading(forward=-1, left=0.5),
        palm=-f.spot_normal("left foot top"),
        fingers=f.heading(left=-0.8, up=-0.5),
    )
    if rng.random() < 0.5:
        hang(f, "right", rng)
    else:
        f.arm("right", f.heading(up=1, forward=0.25, left=-0.15), f.heading(up=1, forward=0.1), palm=f.heading(left=1))
    return Intent((Touch(0, "left hand", 0, "left foot", 0.4),), ((0, "right foot"),))


def garland(f: Figure, rng: np.random.Generator) -> Intent:
    """Deep squat, elbows inside the knees, palms joined."""
    leg = f.shape.leg_length
    f.place(facing=0, height=0.34 * leg, pitch=vary(rng, 16, 3))
    f.spine(bend=vary(rng, 14, 4)).head(nod=vary(rng, -14, 5))
    for side, sign in SIGNS:
        ankle = f.pelvis + f.heading(forward=1) * 0.16 * leg + f.heading(left=sign) * 0.27 * leg
        ankle[1] = f.shape.sole_drop
        f.plant(side, ankle, f.heading(forward=0.8, left=sign * 0.5), f.heading(forward=1, left=sign * 0.85, up=0.5))
    touches = (
        *palms_at(f, f.joint(SPINE3) + f.heading(forward=1) * 0.25, elbows_up=-0.25, forward=0.3),
        Touch(0, "left elbow or arm", 0, "left knee or thigh", 0.12),
        Touch(0, "right elbow or arm", 0, "right knee or thigh", 0.12),
    )
    return Intent(touches, both_feet(0))


TEMPLATES: dict[str, Entry] = {
    "tree": Entry(tree, (0.0, 20.0, -20.0)),
    "cobbler": Entry(cobbler, (0.0, 25.0, -25.0)),
    "seated_fold": Entry(seated_fold, (70.0, -70.0, 50.0)),
    "childs_pose": Entry(childs_pose, (80.0, -80.0, 60.0)),
    "prayer": Entry(prayer, (0.0, 35.0, -35.0)),
    "warrior_prayer": Entry(warrior_prayer, (60.0, 40.0, 80.0)),
    "easy_pose": Entry(easy_pose, (0.0, 30.0, -30.0)),
    "seated_prayer": Entry(seated_prayer, (0.0, 35.0, -35.0)),
    "half_twist": Entry(half_twist, (0.0, 30.0, -20.0)),
    "standing_fold": Entry(standing_fold, (75.0, -75.0, 55.0)),
    "eagle_arms": Entry(eagle_arms, (0.0, 25.0, -25.0)),
    "quad_stretch": Entry(quad_stretch, (60.0, 80.0, 110.0)),
    "garland": Entry(garland, (0.0, 25.0, -25.0)),
}
