"""Two people who embrace."""

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
    fold_arms,
    hang,
    kneel,
    rest_hands_on_thighs,
    sit_cross_legged,
    sit_knees_up,
    vary,
)

# Both people's arms around each other, chest to chest.
EMBRACE = (
    Touch(0, "right hand", 1, "upper back", 0.4),
    Touch(1, "right hand", 0, "upper back", 0.4),
    Touch(0, "left hand", 1, "back", 0.4),
    Touch(1, "left hand", 0, "back", 0.4),
    Touch(0, "chest", 1, "chest", 0.12),
)


def put_arms_around(f: Figure, other: Figure, place: str) -> None:
    """The right arm over the other's left shoulder, the left one around the right side to a place on the back."""
    # Elbow high and outward, hand flat on the upper back.
    f.reach(
        "right",
        other.spot("left upper back", 0.02),
        f.heading(up=0.5, left=-1, forward=0.2),
        palm=-other.spot_normal("left upper back"),
        fingers=f.heading(forward=0.25, up=-0.6, left=0.75),
    )
    f.reach(
        "left",
        other.spot(place, 0.03),
        f.heading(up=-0.5, left=1, forward=0.1),
        palm=-other.spot_normal("middle back"),
        fingers=f.heading(forward=0.1, up=0.15, left=-1),
    )


def hug(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Face to face, each right arm over the other's left shoulder, each left arm around the back."""
    gap = vary(rng, 0.29, 0.015)
    shift = vary(rng, 0.05, 0.015)
    a.place(x=-shift, z=-gap / 2, facing=0, pitch=vary(rng, 4, 2))
    b.place(x=shift, z=gap / 2, facing=180, pitch=vary(rng, 4, 2))
    stagger = vary(rng, 0.12, 0.05)
    for f in (a, b):
        f.spine(bend=vary(rng, 6, 4), side=vary(rng, -3, 2))
        f.head(nod=vary(rng, 4, 4), side=vary(rng, -14, 4), turn=vary(rng, 10, 8))
        # Each left foot forward and outward, so that the feet pass each other.
        f.step("left", stagger / 2, 0.03)
        f.step("right", -stagger / 2, 0.02)
    for f, other in ((a, b), (b, a)):
        put_arms_around(f, other, "right middle back" if rng.random() < 0.6 else "right lower back")
    return Intent(EMBRACE, both_feet(0, 1))


def arm_over_shoulder(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Side by side; one's left arm over the other's shoulders, the other's right arm around the waist."""
    width = vary(rng, 0.37, 0.02)
    a.place(x=0.0, z=0.0, facing=vary(rng, 3, 4), roll=vary(rng, 2, 2))
    b.place(x=width, z=vary(rng, 0.02, 0.03), facing=vary(rng, -6, 4), roll=vary(rng, -2, 2))
    for f in (a, b):
        f.spine(bend=vary(rng, 1, 4), side=vary(rng, 0, 3))
        f.head(nod=vary(rng, 2, 5), turn=vary(rng, 0, 16))
        f.stand(width=vary(rng, 0.0, 0.02), stride=vary(rng, 0, 0.06))
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
    return Intent(tuple(touches), both_feet(0, 1))


def hug_from_behind(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """The first person stands behind the second and folds the arms around the waist."""
    gap = vary(rng, 0.25, 0.015)
    a.place(x=vary(rng, 0.04, 0.02), z=-gap, facing=vary(rng, 0, 3), pitch=vary(rng, 6, 2))
    b.place(x=0.0, z=0.0, facing=0, pitch=vary(rng, 0, 2))
    a.spine(bend=vary(rng, 13, 3)).head(nod=vary(rng, 0, 4), side=vary(rng, 14, 4), turn=vary(rng, 6, 6))
    b.spine(bend=vary(rng, 0, 3)).head(nod=vary(rng, 4, 5), side=vary(rng, 4, 4), turn=vary(rng, -8, 8))
    a.stand(width=vary(rng, 0.08, 0.02), toe_out=14)
    b.stand(width=vary(rng, -0.04, 0.015), stride=vary(rng, 0, 0.05))
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
    return Intent(tuple(touches), both_feet(0, 1))


def kneeling_hug(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Both on their knees, face to face, arms around each other."""
    gap = vary(rng, 0.3, 0.015)
    shift = vary(rng, 0.06, 0.01)
    a.place(x=-shift, z=-gap / 2, facing=0)
    b.place(x=shift, z=gap / 2, facing=180)
    for f in (a, b):
        kneel(f, vary(rng, 4, 2))
        f.spine(bend=vary(rng, 6, 3), side=vary(rng, -3, 2))
        f.head(nod=vary(rng, 4, 4), side=vary(rng, -14, 4), turn=vary(rng, 10, 6))
    for f, other in ((a, b), (b, a)):
        put_arms_around(f, other, "right middle back")
    return Intent(EMBRACE, tuple((p, f"{s} {part}") for p in (0, 1) for s in SIDES for part in ("knee", "foot")))


def sitting_arm_around(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Side by side on the floor, one's arm around the other's shoulders."""
    width = vary(rng, 0.47, 0.02)
    a.place(x=0.0, facing=vary(rng, 6, 3))
    b.place(x=width, z=vary(rng, 0.0, 0.03), facing=vary(rng, -8, 3))
    for f in (a, b):
        sit_knees_up(f, vary(rng, 0.44, 0.04), lean=vary(rng, 2, 2))
        f.spine(bend=vary(rng, 14, 4))
        f.head(nod=vary(rng, 4, 5), turn=vary(rng, 0, 12))
    b.spine(bend=12, side=-4).head(nod=4, side=-10)
    a.spine(bend=12, side=6)
    a.reach(
        "left",
        b.spot("left shoulder") + b.heading(left=1) * 0.05 + b.heading(up=1) * 0.02,
        a.heading(up=0.2, forward=-1, left=0.1),
        palm=b.heading(left=-1, up=-0.4),
        fingers=b.heading(forward=0.45, left=0.15, up=-0.9),
    )
    for f, side, sign in ((a, "right", -1.0), (b, "left", 1.0), (b, "right", -1.0)):
        f.reach(
            side,
            f.spot(f"{side} lower thigh front", 0.03),
            f.heading(left=sign, up=-0.8, forward=-0.2),
            palm=f.heading(up=-1, forward=0.3),
            fingers=f.heading(forward=1, up=0.3, left=-sign * 0.2),
        )
    touches = (
        Touch(0, "left hand", 1, "left shoulder or arm", 0.4),
        Touch(0, "left forearm", 1, "upper back", 0.2, 0.7, required=False),
        Touch(0, "right hand", 0, "right leg", 0.3, 0.5, required=False),
        Touch(1, "left hand", 1, "left leg", 0.3, 0.5, required=False),
        Touch(1, "right hand", 1, "right leg", 0.3, 0.5, required=False),
    )
    return Intent(touches, tuple((p, spot) for p in (0, 1) for spot in ("butt", "left foot", "right foot")))


def slow_dance(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Face to face, one's hands on the other's waist, the other's arms on the first one's shoulders."""
    gap = vary(rng, 0.38, 0.02)
    a.place(x=0.0, z=-gap / 2, facing=0, pitch=vary(rng, 1, 2))
    b.place(x=vary(rng, 0.0, 0.03), z=gap / 2, facing=180, pitch=vary(rng, 1, 2))
    for f in (a, b):
        f.spine(bend=vary(rng, 2, 3))
        f.head(nod=vary(rng, 4, 5), turn=vary(rng, 0, 10), side=vary(rng, 0, 6))
        f.step("left", vary(rng, 0.06, 0.05), 0.03).step("right", vary(rng, -0.06, 0.05), 0.02)
    for side, sign, far in (("left", 1.0, "right"), ("right", -1.0, "left")):
        a.reach(
            side,
            b.spot(f"{far} lower back", 0.03) + b.heading(left=-sign, forward=0.9) * 0.07,
            a.heading(left=sign, up=-0.6),
            palm=a.heading(left=-sign, forward=-0.3),
            fingers=a.heading(forward=1, left=-sign * 0.3),
        )
        b.reach(
            side,
            a.spot(f"{far} shoulder back", 0.03) + a.heading(forward=0.02, up=0.03),
            b.heading(left=sign, up=-0.3),
            palm=b.heading(up=-1, forward=-0.4),
            fingers=b.heading(forward=1, left=-sign * 0.55, up=-0.1),
        )
    touches = tuple(
        touch
        for side, far in (("left", "right"), ("right", "left"))
        for touch in (
            Touch(0, f"{side} palm", 1, f"{far} back", 0.35),
            Touch(1, f"{side} hand or forearm", 0, f"{far} shoulder", 0.3),
        )
    )
    return Intent(touches, both_feet(0, 1))


def piggyback(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """The second rides on the first one's back, held under the thighs, arms over the shoulders."""
    a.place(x=0.0, z=0.0, facing=0, pitch=vary(rng, 16, 2))
    a.spine(bend=vary(rng, 14, 3)).head(nod=vary(rng, -16, 4), turn=vary(rng, 0, 6))
    a.step("left", vary(rng, 0.12, 0.04), 0.06).step("right", vary(rng, 0.0, 0.04), 0.06)
    seat = a.pelvis + np.array([0.0, vary(rng, 0.07, 0.015), -0.235])
    b.place(x=seat[0], z=seat[2], facing=0, height=seat[1], pitch=vary(rng, 26, 2))
    b.spine(bend=vary(rng, 26, 3)).head(nod=vary(rng, -22, 4), turn=vary(rng, 0, 4), side=vary(rng, 18, 4))
    for side, sign in SIGNS:
        b.leg(
            side,
            b.heading(forward=0.8, left=sign * 0.62, up=-0.12),
            b.heading(forward=0.2, left=-sign * 0.12, up=-1),
            toes=b.heading(forward=0.8, up=-0.6),
            sole=b.heading(up=-0.8, forward=-0.6),
        )
        b.reach(
            side,
            a.spot(f"{side} upper chest", 0.07) + a.heading(left=sign) * 0.015,
            b.heading(left=sign, up=-0.3, forward=0.3),
            palm=a.heading(forward=-1),
            fingers=a.heading(left=-sign, up=-0.6),
        )
        a.reach(
            side,
            b.spot(f"{side} thigh back", 0.03),
            a.heading(left=sign, up=-0.3, forward=-0.8),
            palm=a.heading(up=1, left=-sign * 0.3),
            fingers=a.heading(forward=0.3, left=-sign * 0.7),
        )
    touches = (
        Touch(0, "left hand or forearm", 1, "left thigh", 0.35),
        Touch(0, "right hand or forearm", 1, "right thigh", 0.35),
        Touch(1, "chest", 0, "upper back", 0.15),
        Touch(1, "left hand or forearm", 0, "left chest or shoulder", 0.2),
        Touch(1, "right hand or forearm", 0, "right chest or shoulder", 0.2),
    )
    return Intent(touches, both_feet(0))


def back_to_back(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Standing back to back, leaning on each other a little."""
    gap = vary(rng, 0.27, 0.01)
    lean = vary(rng, 4, 1.5)
    a.place(x=vary(rng, 0.0, 0.02), z=gap / 2, facing=0, pitch=-lean)
    b.place(x=0.0, z=-gap / 2, facing=180, pitch=-lean)
    for f in (a, b):
        f.spine(bend=vary(rng, -2, 2)).head(nod=vary(rng, 4, 5), turn=vary(rng, 0, 20))
        f.step("left", vary(rng, 0.12, 0.03), 0.01).step("right", vary(rng, 0.12, 0.03), 0.01)
    crossed = [rng.random() < 0.5 for _ in range(2)]
    touches = [Touch(0, "upper back", 1, "upper back", 0.3), Touch(0, "butt", 1, "butt", 0.1, required=False)]
    for index, f in enumerate((a, b)):
        if crossed[index]:
            touches += fold_arms(f, index)
        else:
            hang(f, "left", rng)
            hang(f, "right", rng)
    return Intent(tuple(touches), both_feet(0, 1))


def back_to_back_seated(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Cross-legged on the floor, back against back, hands on the knees."""
    gap = vary(rng, 0.26, 0.01)
    a.place(x=vary(rng, 0.0, 0.02), z=gap / 2, facing=0)
    b.place(x=0.0, z=-gap / 2, facing=180)
    for f in (a, b):
        sit_cross_legged(f, rng, lean=-3)
        f.spine(bend=vary(rng, 2, 2)).head(nod=vary(rng, 2, 5), turn=vary(rng, 0, 15))
        rest_hands_on_thighs(f)
    touches = [Touch(0, "back", 1, "back", 0.3)]
    touches += [Touch(p, f"{s} hand", p, f"{s} leg", 0.35, required=False) for p in (0, 1) for s in SIDES]
    return Intent(tuple(touches), tuple((p, spot) for p in (0, 1) for spot in SEATED_CROSSED))


def forehead_to_forehead(a: Figure, b: Figure, rng: np.random.Generator) -> Intent:
    """Foreheads together, one's hands on the other's shoulders, the other's at the waist."""
    gap = vary(rng, 0.56, 0.02)
    a.place(x=0.0, z=-gap / 2, facing=0, pitch=vary(rng, 6, 2))
    b.place(x=vary(rng, 0.0, 0.01), z=gap / 2, facing=180, pitch=vary(rng, 5, 2))
    for f in (a, b):
        f.spine(bend=vary(rng, 10, 3))
        f.head(nod=vary(rng, 14, 3))
        f.step("left", vary(rng, 0.02, 0.04), 0.02).step("right", vary(rng, -0.08, 0.04), 0.02)
    for side, sign, far in (("left", 1.0, "right"), ("right", -1.0, "left")):
        a.reach(
            side,
            b.spot(f"{far} shoulder", 0.035) + np.array([0.0, 0.03, 0.0]),
            a.heading(left=sign, up=-0.5),
            palm=a.heading(up=-0.8, left=-sign * 0.4),
            fingers=a.heading(forward=1, left=-sign * 0.2),
        )
        b.reach(
            side,
            a.spot(f"{far} lower back", 0.03) + a.heading(left=sign, forward=0.9) * 0.07,
            b.heading(left=sign, up=-0.7),
            palm=b.heading(left=-sign, forward=-0.3),
            fingers=b.heading(forward=1, left=-sign * 0.3),
        )
    touches = [Touch(0, "face", 1, "face", 0.06)]
    for side, far in (("left", "right"), ("right", "left")):
        touches.append(Touch(0, f"{side} palm", 1, f"{far} shoulder", 0.3))
        touches.append(Touch(1, f"{side} hand", 0, f"{far} flank", 0.3))
    return Intent(tuple(touches), both_feet(0, 1))


TEMPLATES: dict[str, Entry] = {
    "hug": Entry(hug, (70.0, -110.0, 120.0)),
    "arm_over_shoulder": Entry(arm_over_shoulder, (0.0, 10.0, 160.0), taller_first=True),
    "hug_from_behind": Entry(hug_from_behind, (15.0, -30.0, 45.0), taller_first=True),
    "kneeling_hug": Entry(kneeling_hug, (70.0, -110.0, 120.0)),
    "sitting_arm_around": Entry(sitting_arm_around, (0.0, 25.0, -25.0), taller_first=True),
    "slow_dance": Entry(slow_dance, (80.0, -80.0, 110.0), taller_first=True),
    "piggyback": Entry(piggyback, (40.0, -40.0, 75.0), taller_first=True),
    "back_to_back": Entry(back_to_back, (80.0, -80.0, 100.0)),
    "back_to_back_seated": Entry(back_to_back_seated, (80.0, -80.0, 60.0)),
    "forehead_to_forehead": Entry(forehead_to_forehead, (80.0, -80.0, 100.0)),
}
