"""Two people whose hands meet: greetings and dances."""

from __future__ import annotations

import numpy as np

from prosepose_jax.synthetic.figure import SIDES, SPINE3, Figure
from prosepose_jax.synthetic.refine import Touch
from prosepose_jax.synthetic.templates.base import (
    Entry,
    Intent,
    between,
    both_feet,
    hang,
    sit_knees_up,
    sit_long,
    vary,
)


def handshake(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Right hands clasped between two people who face each other."""
    reach = 0.5 * (a.shape.arm_length + b.shape.arm_length)
    gap = reach * vary(rng, 1.42, 0.1)
    for f in (a, b):
        f.hand("right", curl=vary(rng, 16, 4), thumb=vary(rng, 42, 4))
    a.place(x=vary(rng, 0.1, 0.04), z=-gap / 2, facing=vary(rng, -6, 8))
    b.place(x=-vary(rng, 0.1, 0.04), z=gap / 2, facing=180 + vary(rng, -6, 8))
    for f in (a, b):
        f.spine(bend=vary(rng, 4, 4), turn=vary(rng, 8, 4))
        f.head(nod=vary(rng, 4, 4), turn=vary(rng, -4, 6))
        f.stand(width=vary(rng, 0.02, 0.02), stride=vary(rng, -0.12, 0.1))
        hang(f, "left", rng)
    place = (a.joint(SPINE3) + b.joint(SPINE3)) / 2 + np.array([0.0, vary(rng, -0.17, 0.04), 0.0])
    for f in (a, b):
        f.reach(
            "right",
            place + 0.018 * f.heading(left=-1) + 0.004 * f.heading(forward=1),
            f.heading(up=-1, left=-0.45),
            palm=f.heading(left=1),
            fingers=f.heading(forward=1, up=-0.15, left=0.1),
        )
    touches = (Touch(0, "right palm", 1, "right hand", 0.5), Touch(1, "right palm", 0, "right hand", 0.5))
    return Intent(touches, both_feet(0, 1))


def dance_hold(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Closed dance position: hands joined at shoulder height, hand on the back, hand on the shoulder."""
    gap = vary(rng, 0.33, 0.02)
    shift = vary(rng, 0.06, 0.02)
    a.place(x=-shift, z=-gap / 2, facing=0)
    b.place(x=shift, z=gap / 2, facing=180)
    for f, turn in ((a, 12), (b, -16)):
        f.spine(bend=vary(rng, -3, 3)).head(nod=vary(rng, 2, 4), turn=vary(rng, turn, 8))
    stride = vary(rng, 0.0, 0.16)
    a.step("left", stride, 0.02).step("right", -0.05, 0.02)
    b.step("left", 0.05, 0.02).step("right", -stride, 0.02)
    # The leader's left and the follower's right hand, out to the side.
    out = 0.62 * min(a.shape.arm_length, b.shape.arm_length)
    middle = (a.joint(16) + b.joint(17)) / 2
    place = middle + np.array([out, vary(rng, -0.02, 0.06), 0.0])
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
    return Intent(touches, both_feet(0, 1))


def high_five(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Right palms meet above the shoulders."""
    reach = 0.5 * (a.shape.arm_length + b.shape.arm_length)
    gap = reach * vary(rng, 1.5, 0.1)
    for f in (a, b):
        f.hand("right", curl=vary(rng, 1, 2), thumb=50.0)
    a.place(x=0.12, z=-gap / 2, facing=vary(rng, -4, 6))
    b.place(x=-0.12, z=gap / 2, facing=180 + vary(rng, -4, 6))
    for f in (a, b):
        f.spine(bend=vary(rng, 2, 4), turn=vary(rng, 8, 4))
        f.head(nod=vary(rng, -6, 5), turn=vary(rng, -4, 6))
        f.stand(width=0.02, stride=vary(rng, -0.14, 0.1))
        hang(f, "left", rng)
    place = between(a.joint(15), b.joint(15)) + np.array([0.0, vary(rng, 0.06, 0.1), 0.0])
    for f in (a, b):
        f.reach(
            "right",
            place - 0.02 * f.heading(forward=1),
            f.heading(up=-0.8, left=-0.7),
            palm=f.heading(forward=1),
            fingers=f.heading(up=1, forward=0.1),
        )
    return Intent((Touch(0, "right palm", 1, "right palm", 0.6),), both_feet(0, 1))


def fist_bump(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Right fists meet at chest height."""
    reach = 0.5 * (a.shape.arm_length + b.shape.arm_length)
    gap = reach * vary(rng, 1.75, 0.1)
    for f in (a, b):
        f.hand("right", curl=75.0, thumb=20.0)
    a.place(x=0.1, z=-gap / 2, facing=vary(rng, -6, 6))
    b.place(x=-0.1, z=gap / 2, facing=180 + vary(rng, -6, 6))
    for f in (a, b):
        f.spine(bend=vary(rng, 3, 4), turn=vary(rng, 8, 4))
        f.head(nod=vary(rng, 6, 4))
        f.stand(width=0.02, stride=vary(rng, -0.12, 0.1))
        hang(f, "left", rng)
    place = between(a.joint(SPINE3), b.joint(SPINE3)) + np.array([0.0, vary(rng, 0.0, 0.06), 0.0])
    for f in (a, b):
        f.reach(
            "right",
            place - 0.045 * f.heading(forward=1),
            f.heading(up=-1, left=-0.6),
            palm=f.heading(up=-1, left=0.3),
            fingers=f.heading(forward=1),
        )
    return Intent((Touch(0, "right hand", 1, "right hand", 0.2),), both_feet(0, 1))


def holding_hands(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Side by side, hand in hand."""
    width = vary(rng, 0.62, 0.04)
    a.place(x=0.0, z=0.0, facing=vary(rng, 4, 5))
    b.place(x=width, z=vary(rng, 0.0, 0.05), facing=vary(rng, -4, 5))
    for f in (a, b):
        f.spine(bend=vary(rng, 1, 3))
        f.head(nod=vary(rng, 2, 5), turn=vary(rng, 0, 18))
        f.stand(width=vary(rng, 0.0, 0.02), stride=vary(rng, 0.0, 0.22))
    a.hand("left", curl=vary(rng, 7, 4), thumb=55.0)
    b.hand("right", curl=vary(rng, 7, 4), thumb=55.0)
    hang(a, "right", rng)
    hang(b, "left", rng)
    drop = vary(rng, 0.84, 0.02) * min(a.shape.arm_length, b.shape.arm_length)
    place = between(a.joint(16), b.joint(17)) + np.array([0.0, -drop - 0.06, vary(rng, 0.08, 0.05)])
    a.reach(
        "left",
        place + np.array([-0.004, 0.0, 0.028]),
        a.heading(forward=-1, left=-0.2),
        palm=a.heading(forward=-1),
        fingers=a.heading(up=-1, left=0.35),
    )
    b.reach(
        "right",
        place - np.array([-0.004, 0.0, 0.028]),
        b.heading(forward=-1, left=0.2),
        palm=b.heading(forward=1),
        fingers=b.heading(up=-1, left=-0.35),
    )
    touches = (Touch(0, "left palm", 1, "right palm", 0.4),)
    return Intent(touches, both_feet(0, 1))


def both_hands_held(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Face to face, both pairs of hands held low between the two."""
    reach = 0.5 * (a.shape.arm_length + b.shape.arm_length)
    gap = reach * vary(rng, 1.3, 0.08)
    a.place(x=0.0, z=-gap / 2, facing=vary(rng, 0, 4))
    b.place(x=0.0, z=gap / 2, facing=180 + vary(rng, 0, 4))
    for f in (a, b):
        f.spine(bend=vary(rng, 2, 3))
        f.head(nod=vary(rng, 5, 5), turn=vary(rng, 0, 6))
        f.stand(width=0.0, stride=vary(rng, 0.0, 0.08))
        for side in SIDES:
            f.hand(side, curl=vary(rng, 6, 4), thumb=55.0)
    middle = between(a.joint(SPINE3), b.joint(SPINE3)) + np.array([0.0, vary(rng, -0.25, 0.04), 0.0])
    for side, sign, far in (("left", 1.0, "right"), ("right", -1.0, "left")):
        place = middle + a.heading(left=sign) * vary(rng, 0.2, 0.03)
        a.reach(
            side,
            place + np.array([0.0, 0.03, 0.0]),
            a.heading(up=-1, left=sign * 0.5),
            palm=a.heading(up=-1),
            fingers=a.heading(forward=1, up=-0.2),
        )
        b.reach(
            far,
            place - np.array([0.0, 0.03, 0.0]),
            b.heading(up=-1, left=-sign * 0.5),
            palm=b.heading(up=1, left=sign * 0.2),
            fingers=b.heading(forward=1, up=-0.2),
        )
    touches = tuple(
        Touch(0, f"{side} palm", 1, f"{far} palm", 0.4) for side, far in (("left", "right"), ("right", "left"))
    )
    return Intent(touches, both_feet(0, 1))


def promenade(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """A dance side by side: one hand joined before the two, the other arm around the partner's back."""
    width = vary(rng, 0.4, 0.02)
    a.place(x=0.0, z=0.0, facing=vary(rng, 14, 4))
    b.place(x=width, z=vary(rng, 0.02, 0.02), facing=vary(rng, -10, 4))
    for f in (a, b):
        f.spine(bend=vary(rng, 0, 3))
        f.head(nod=vary(rng, 0, 4), turn=vary(rng, 0, 10))
        f.step("left", vary(rng, 0.1, 0.06), 0.01).step("right", vary(rng, -0.06, 0.05), 0.01)
    a.reach(
        "left",
        b.spot("left middle back", 0.03),
        a.heading(left=0.4, forward=-1, up=-0.4),
        palm=b.heading(forward=1),
        fingers=b.heading(left=1, up=0.1),
    )
    hang(b, "left", rng)
    ahead = 0.55 * min(a.shape.arm_length, b.shape.arm_length)
    place = between(a.joint(17), b.joint(17)) + np.array([0.02, vary(rng, -0.12, 0.04), ahead + 0.05])
    a.reach(
        "right",
        place - np.array([0.024, 0.0, 0.0]),
        a.heading(up=-1, left=-0.6),
        palm=a.heading(left=1),
        fingers=a.heading(forward=1, up=0.5),
    )
    b.reach(
        "right",
        place + np.array([0.024, 0.0, 0.0]),
        b.heading(up=-1, left=-0.3),
        palm=b.heading(left=-1),
        fingers=b.heading(forward=1, up=0.5),
    )
    touches = (
        Touch(0, "right palm", 1, "right hand", 0.4),
        Touch(0, "left hand", 1, "back", 0.35),
    )
    return Intent(touches, both_feet(0, 1))


def helping_up(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """One stands and pulls the other, who sits on the floor, by the hand."""
    gap = vary(rng, 1.02, 0.03)
    a.place(x=0.08, z=-gap / 2, facing=0, pitch=vary(rng, 24, 3), height=0.93 * a.shape.leg_length + a.shape.sole_drop)
    a.spine(bend=vary(rng, 22, 4), turn=8).head(nod=vary(rng, -8, 5))
    a.step("left", vary(rng, 0.12, 0.03), 0.05).step("right", vary(rng, -0.2, 0.03), 0.05)
    b.place(x=-0.06, z=gap / 2, facing=180)
    sit_knees_up(b, vary(rng, 0.42, 0.03), lean=vary(rng, -8, 2))
    b.spine(bend=vary(rng, 12, 3), turn=8).head(nod=vary(rng, -12, 4))
    for f in (a, b):
        f.hand("right", curl=vary(rng, 20, 4), thumb=42.0)
    place = between(a.joint(17), b.joint(17)) + np.array([0.0, vary(rng, 0.0, 0.03), 0.0])
    for f, up in ((a, -0.5), (b, 0.5)):
        f.reach(
            "right",
            place + 0.018 * f.heading(left=-1) + 0.02 * f.heading(forward=1),
            f.heading(up=-1, left=-0.6),
            palm=f.heading(left=1),
            fingers=f.heading(forward=1, up=up),
        )
    hang(a, "left", rng)
    b.reach(
        "left",
        b.pelvis + b.heading(left=0.3) * 0.28 + b.heading(forward=-1) * 0.2 - np.array([0, b.pelvis[1] - 0.03, 0]),
        b.heading(left=1, forward=-1),
        palm=b.heading(up=-1),
        fingers=b.heading(left=0.6, forward=-1),
    )
    touches = (Touch(0, "right palm", 1, "right hand", 0.45), Touch(1, "right palm", 0, "right hand", 0.45))
    return Intent(touches, (*both_feet(0, 1), (1, "butt"), (1, "left palm")))


def counterbalance(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Toes near toes, holding both hands, leaning back with bent knees: each is the other's balance."""
    scale = 0.5 * (a.shape.leg_length + b.shape.leg_length) / 0.9
    gap = vary(rng, 1.05, 0.03) * scale
    for f, sign, facing in ((a, -1.0, 0.0), (b, 1.0, 180.0)):
        f.place(z=sign * gap / 2, facing=facing, height=vary(rng, 0.66, 0.04) * f.shape.leg_length, pitch=-6)
        f.spine(bend=vary(rng, 8, 3)).head(nod=vary(rng, 4, 4))
        for side in SIDES:
            f.step(side, gap / 2 - 0.2 * scale, 0.04, toe_out=6)
            f.hand(side, curl=12.0, thumb=42.0)
    middle = between(a.joint(SPINE3), b.joint(SPINE3)) + np.array([0.0, -0.08, 0.0])
    for side, sign, far in (("left", 1.0, "right"), ("right", -1.0, "left")):
        place = middle + a.heading(left=sign) * 0.17
        a.reach(
            side,
            place + np.array([0.0, 0.022, 0.0]) + 0.02 * a.heading(forward=1),
            a.heading(up=-1, left=sign * 0.4),
            palm=a.heading(up=-1),
            fingers=a.heading(forward=1),
        )
        b.reach(
            far,
            place - np.array([0.0, 0.022, 0.0]) + 0.02 * b.heading(forward=1),
            b.heading(up=-1, left=-sign * 0.4),
            palm=b.heading(up=1),
            fingers=b.heading(forward=1),
        )
    touches = tuple(
        Touch(0, f"{side} palm", 1, f"{far} hand", 0.45) for side, far in (("left", "right"), ("right", "left"))
    )
    return Intent(touches, both_feet(0, 1))


def seated_pull(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Partner stretch: both seated with straight legs, soles against soles, holding hands."""
    legs = 0.5 * (a.shape.leg_length + b.shape.leg_length) + a.shape.sole_drop + 0.03
    gap = 2 * legs - 0.06
    for f, sign, facing in ((a, -1.0, 0.0), (b, 1.0, 180.0)):
        f.place(z=sign * gap / 2, facing=facing)
        sit_long(f, lean=vary(rng, 20, 3), apart=0.06)
        f.spine(bend=vary(rng, 34, 4)).head(nod=vary(rng, -8, 6))
        for side in SIDES:
            f.hand(side, curl=6.0, thumb=42.0)
    middle = between(a.joint(SPINE3), b.joint(SPINE3))
    middle[1] = between(a.joint(7), b.joint(7))[1] + vary(rng, 0.2, 0.02)
    for side, sign, far in (("left", 1.0, "right"), ("right", -1.0, "left")):
        place = middle + a.heading(left=sign) * 0.1
        a.reach(
            side,
            place + np.array([0.0, 0.03, 0.0]),
            a.heading(up=0.1, left=sign),
            palm=a.heading(up=-1),
            fingers=a.heading(forward=1, up=-0.1),
        )
        b.reach(
            far,
            place - np.array([0.0, 0.03, 0.0]),
            b.heading(up=-0.2, left=-sign),
            palm=b.heading(up=1),
            fingers=b.heading(forward=1, up=-0.1),
        )
    touches = [Touch(0, f"{side} hand", 1, f"{far} hand", 0.4) for side, far in (("left", "right"), ("right", "left"))]
    touches += [Touch(0, f"{side} sole", 1, f"{far} sole", 0.4) for side, far in (("left", "right"), ("right", "left"))]
    return Intent(tuple(touches), tuple((p, s) for p in (0, 1) for s in ("butt", "left foot", "right foot")))


TEMPLATES: dict[str, Entry] = {
    "handshake": Entry(handshake, (90.0, -90.0, 70.0)),
    "dance_hold": Entry(dance_hold, (75.0, 105.0, -75.0), taller_first=True),
    "high_five": Entry(high_five, (90.0, -90.0, 70.0)),
    "fist_bump": Entry(fist_bump, (90.0, -90.0, 70.0)),
    "holding_hands": Entry(holding_hands, (0.0, 15.0, -15.0)),
    "both_hands_held": Entry(both_hands_held, (90.0, -90.0, 65.0)),
    "promenade": Entry(promenade, (0.0, 20.0, -20.0), taller_first=True),
    "helping_up": Entry(helping_up, (80.0, -80.0, 100.0)),
    "counterbalance": Entry(counterbalance, (85.0, -85.0, 70.0)),
    "seated_pull": Entry(seated_pull, (80.0, -80.0, 60.0)),
}
