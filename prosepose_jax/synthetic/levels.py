"""Noise levels: what the regressor, the keypoint detector and the language model get wrong, in one record.

The numbers of the three levels were fixed before any method was run on the scenes (docs/synthetic.md). What a
study varies, it varies by the methods of `Noise`, so that everything else stays that of the level.
"""

from __future__ import annotations

import dataclasses

from prosepose_jax.synthetic import answers as answers_room
from prosepose_jax.synthetic.answers import AnswerNoise
from prosepose_jax.synthetic.framing import ALL_IN_SIGHT, Framing
from prosepose_jax.synthetic.noise import KeypointNoise, RegressorNoise
from prosepose_jax.synthetic.second_table import TableNoise


@dataclasses.dataclass(frozen=True)
class Noise:
    """Everything that stands between the truth of a scene and what a fit gets to see of it."""

    two_person: RegressorNoise  # of scenes of two people
    self_contact: RegressorNoise  # of scenes of one person
    keypoints: KeypointNoise
    answers: AnswerNoise
    framing: Framing = ALL_IN_SIGHT

    def with_initial_error(self, factor: float) -> Noise:
        """The regressor's errors so many times as large; 0: the estimate is the truth."""
        if not factor >= 0:
            raise ValueError(f"factor: expected a number of at least 0, found {factor}")
        return dataclasses.replace(
            self, two_person=self.two_person.scaled(factor), self_contact=self.self_contact.scaled(factor)
        )

    def with_answers(self, name: str) -> Noise:
        """The answers of a level ("low", "middle", "high"), or "half": contact F1 0.5."""
        if name not in ANSWER_LEVELS:
            raise ValueError(f"answers: expected one of {tuple(ANSWER_LEVELS)}, found {name!r}")
        return dataclasses.replace(self, answers=ANSWER_LEVELS[name])

    def with_misses(self, rate: float) -> Noise:
        """Every true contact is left out of an answer with this probability (`AnswerNoise.missing`)."""
        return dataclasses.replace(self, answers=self.answers.missing(rate))

    def with_imagined(self, mean: float) -> Noise:
        """So many imagined contacts a scene on average, each told in some of its answers."""
        if not mean >= 0:
            raise ValueError(f"mean: expected a number of at least 0, found {mean}")
        return dataclasses.replace(self, answers=dataclasses.replace(self.answers, imagined=float(mean)))

    def with_sides(self, share: float, error: float = 0.1) -> Noise:
        """This share of the answers says left and right, wrongly for this share of the named parts."""
        return dataclasses.replace(self, answers=dataclasses.replace(self.answers, sides=share, side_error=error))

    def with_order(self, order: str, error: float = 0.05) -> Noise:
        """Person order "given" (told to the model, which mixes it up at the rate `error`) or "free"."""
        return dataclasses.replace(self, answers=dataclasses.replace(self.answers, order=order, order_error=error))

    def with_second_table(self, factor: float = 1.0) -> Noise:
        """Answers have a second table (docs/beyond_touch.md), wrong so many times as often as assumed."""
        if not factor >= 0:
            raise ValueError(f"factor: expected a number of at least 0, found {factor}")
        answers = dataclasses.replace(self.answers, second=TableNoise().scaled(factor))
        return dataclasses.replace(self, answers=answers)


ANSWER_LEVELS: dict[str, AnswerNoise] = {
    "low": answers_room.LOW,
    "middle": answers_room.MIDDLE,
    "high": answers_room.HIGH,
    "half": answers_room.HALF,
}

LEVELS: dict[str, Noise] = {
    "low": Noise(
        RegressorNoise(joint_degrees=5.5, orient_degrees=4.0, depth_share=0.02),
        RegressorNoise(joint_degrees=3.8, orient_degrees=4.0, depth_share=0.025),
        KeypointNoise(pixel_share=0.006, missing=0.01, occluded_missing=0.2, swap=0.01, outlier=0.0),
        answers_room.LOW,
    ),
    "middle": Noise(
        RegressorNoise(joint_degrees=8.5),
        RegressorNoise(joint_degrees=4.8),
        KeypointNoise(),
        answers_room.MIDDLE,
    ),
    "high": Noise(
        RegressorNoise(joint_degrees=12.0, orient_degrees=9.0, depth_share=0.05),
        RegressorNoise(joint_degrees=7.5, orient_degrees=9.0, depth_share=0.07),
        KeypointNoise(pixel_share=0.016, missing=0.05, occluded_missing=0.5, swap=0.06, outlier=0.02),
        answers_room.HIGH,
    ),
}
