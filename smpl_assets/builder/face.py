"""Expression components and the opened-up face the caps are fitted in."""

from __future__ import annotations

import numpy as np

from builder.source import Source

# Each component is a mix of the face-unit targets (CC0); one unit of expression is a third of it, so that
# expressions up to 3 stay within what the targets were sculpted for, and -2 still looks like a face.
EXPRESSIONS: dict[str, dict[str, float]] = {
    "smile": {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.6, "cheekSquintRight": 0.6},
    "corners_down": {"mouthFrownLeft": 1, "mouthFrownRight": 1, "mouthShrugLower": 0.4},
    "brows_up": {"browInnerUp": 1, "browOuterUpLeft": 1, "browOuterUpRight": 1},
    "brows_down": {"browDownLeft": 1, "browDownRight": 1},
    "lips_apart": {"mouthLowerDownLeft": 1, "mouthLowerDownRight": 1, "mouthUpperUpLeft": 1, "mouthUpperUpRight": 1},
    "pucker": {"mouthPucker": 1},
    "cheeks_out": {"cheekPuff": 1},
    "eyes_closed": {"eyeBlinkLeft": 0.9, "eyeBlinkRight": 0.9},
    "nose_wrinkled": {"noseSneerLeft": 1, "noseSneerRight": 1, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5},
    "mouth_aside": {"mouthLeft": 0.7, "mouthRight": -0.7},
}
_UNIT = 1 / 3


def expression_components(source: Source) -> tuple[list[str], np.ndarray]:
    """Names and offsets (10, V, 3) of the expression components, strongest first."""
    offsets = []
    for mix in EXPRESSIONS.values():
        total = np.zeros((source.num_vertices, 3))
        for action, amount in mix.items():
            total += amount * source.action_offsets({action: 1.0})
        offsets.append(_UNIT * total)
    order = np.argsort([-float((o**2).sum()) for o in offsets], kind="stable")
    names = list(EXPRESSIONS)
    return [names[k] for k in order], np.stack([offsets[k] for k in order])


def opened_face(source: Source) -> np.ndarray:
    """(V, 3) offsets that open mouth and eyes, so that the loops of the cavities have an area."""
    return source.action_offsets({"jawOpen": 0.7, "eyeWideLeft": 0.5, "eyeWideRight": 0.5})
