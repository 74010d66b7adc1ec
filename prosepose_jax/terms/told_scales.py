"""What the values of the second table's questions stand for, and their votes as a normal distribution.

The votes of the N answers become one normal distribution a question: its mean and spread are those of the values,
weighed by their votes, with the rate at which a whole scene's answers are wrong. So few votes, votes that disagree and
wide values all count less (docs/beyond_touch.md). All numbers are stated; none was chosen by fits.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from prosepose_jax.language import QUESTIONS, question_place


@dataclasses.dataclass(frozen=True)
class Scale:
    """What the values of a question mean for one quantity.

    Attributes:
      question: its name in `language.vocabulary`.
      values: of one person, in order where there is one.
      centres: what each stands for.
      spreads: how widely, one standard deviation.
      slips: rate at which a scene's answers are off (assumed: docs/beyond_touch.md).
      in_order: answers are off by one value; False: any other value is as likely.
    """

    question: str
    values: tuple[str, ...]
    centres: tuple[float, ...]
    spreads: tuple[float, ...]
    slips: float
    in_order: bool = True

    @property
    def place(self) -> int:
        """Of the question."""
        return question_place(self.question)

    def normal(self, counts: np.ndarray) -> tuple[float, float]:
        """Mean and 1 / standard deviation of what is told by the votes for each value (K,); 0 for no votes."""
        votes = np.array([counts[QUESTIONS[self.place].index(value)] for value in self.values], float)
        if not votes.sum():
            return 0.0, 0.0
        known = (votes + DOUBT / len(votes)) / (votes.sum() + DOUBT)
        shares = known @ self._slipped()
        centres, spreads = np.array(self.centres), np.array(self.spreads)
        mean = float(shares @ centres)
        return mean, float((shares @ (spreads**2 + centres**2) - mean**2) ** -0.5)

    def _slipped(self) -> np.ndarray:
        """(K, K) row: the value told, column: how likely each is meant."""
        count = len(self.values)
        others = np.eye(count, k=1) + np.eye(count, k=-1) if self.in_order else 1.0 - np.eye(count)
        return (1 - self.slips) * np.eye(count) + self.slips * others / others.sum(axis=1, keepdims=True)


# Votes for no value in particular that the answers have to outweigh.
DOUBT = 2.0
# Log of the ratio of statures: "taller" from 3 %, "much taller" from 15 % on.
HEIGHT = Scale(
    "height",
    ("much shorter", "shorter", "same", "taller", "much taller"),
    (-0.25, -0.08, 0.0, 0.08, 0.25),
    (0.1, 0.035, 0.02, 0.035, 0.1),
    0.15,
)
# Difference in depth of the pelvises, m: "nearer" from 15 cm on. Both people touch, so it is not far.
DISTANCE = Scale("distance to the camera", ("nearer", "same", "farther"), (-0.35, 0.0, 0.35), (0.17, 0.09, 0.17), 0.15)
# Log of the stature in m. Children of 3 to 12 years: 0.95 to 1.5 m. Adults: women of 1.62 and men of 1.77 m, 0.07 each.
AGE = Scale("age", ("child", "adult"), (math.log(1.2), math.log(1.7)), (0.18, 0.06), 0.03)
# Cosine between where the chest looks and where the other is: mean and sd of angles that are spread evenly within 60
# degrees, 60 to 120, and beyond.
FACES = Scale(
    "faces", ("towards the other", "sideways", "away from the other"), (0.83, 0.0, -0.83), (0.15, 0.29, 0.15), 0.12
)
_POSTURES = ("standing", "crouching", "kneeling", "sitting", "lying")


def _posture(centres: tuple[float, ...], spreads: tuple[float, ...]) -> Scale:
    return Scale("posture", _POSTURES, centres, spreads, 0.08, in_order=False)


def _degrees(*values: float) -> tuple[float, ...]:
    return tuple(math.radians(value) for value in values)


# How far knees and hips are bent, rad, and how upright the trunk is in the picture: the cosine of its lean, which takes
# in how far the camera is tilted.
KNEES = _posture(_degrees(10, 100, 110, 80, 30), _degrees(15, 30, 30, 35, 35))
HIPS = _posture(_degrees(10, 80, 40, 90, 25), _degrees(20, 35, 40, 30, 35))
UPRIGHT = _posture((0.95, 0.85, 0.9, 0.9, 0.1), (0.12, 0.2, 0.15, 0.15, 0.35))
