"""Simulated second tables: facts of a scene told with errors (docs/beyond_touch.md).

What a model gets wrong repeats over the answers to one picture, as in `answers.py`: each scene draws, question by
question, how often its answers err and what they then say.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from prosepose_jax.language.vocabulary import QUESTIONS, Question
from prosepose_jax.synthetic.facts import Facts

_PERSISTENCE = 1.0  # size of the Beta of a scene's own rate, as of the wrong sides in `answers.py`


@dataclasses.dataclass(frozen=True)
class TableNoise:
    """Rates of what goes wrong in a second table. All are assumed: no model was asked."""

    absent: float = 0.05  # answers without the table
    unclear: float = 0.08  # cells left open
    age: float = 0.03  # rows that say something else than what is true
    height: float = 0.15
    distance: float = 0.15
    rests: float = 0.08
    carried: float = 0.05
    faces: float = 0.12
    posture: float = 0.08

    def __post_init__(self) -> None:
        for name, rate in dataclasses.asdict(self).items():
            if not 0.0 <= rate <= 1.0:
                raise ValueError(f"{name}: expected a rate between 0 and 1, found {rate}")

    def scaled(self, factor: float) -> TableNoise:
        """All rates so many times as large, at most 1."""
        return TableNoise(**{name: min(rate * factor, 1.0) for name, rate in dataclasses.asdict(self).items()})

    def wrong(self, question: str) -> float:
        """How often a row about a question is wrong."""
        return float(getattr(self, question.split()[0]))


@dataclasses.dataclass(frozen=True)
class _Belief:
    question: Question
    true: tuple[str, ...]
    mistaken: tuple[str, ...]
    rate: float  # share of the answers that tell the mistake


class TableWriter:
    """The second tables of one scene's answers.

    Args:
      facts: of the scene (`facts_about`).
      noise: rates.
      rng: of its own; the scene's beliefs come from it at once, an answer's rows when it is written.
    """

    def __init__(self, facts: Facts, noise: TableNoise, rng: np.random.Generator):
        self._noise, self._rng = noise, rng
        self._beliefs = []
        for question in QUESTIONS:
            if question.name in facts:
                true = facts[question.name]
                rate = noise.wrong(question.name)
                own = float(rng.beta(_PERSISTENCE * rate, _PERSISTENCE * (1 - rate))) if 0 < rate < 1 else rate
                self._beliefs.append(_Belief(question, true, _mistaken(question, true, rng), own))

    def write(self, swapped: bool) -> str:
        """One table, or nothing; `swapped`: the answer's Person 1 is person 1 of the scene, not 0."""
        rng = self._rng
        people = len(self._beliefs[0].true)
        lines = []
        absent = rng.random() < self._noise.absent
        for belief in self._beliefs:
            said = belief.mistaken if rng.random() < belief.rate else belief.true
            open_cells = rng.random(people) < self._noise.unclear
            cells = ["unclear" if left or not cell else cell for cell, left in zip(said, open_cells, strict=True)]
            lines.append(f"| {' | '.join([belief.question.name, *(cells[::-1] if swapped else cells)])} |")
        if absent:
            return ""
        heading = ["Question", *(["Person"] if people == 1 else ["Person 1", "Person 2"])]
        return "\n".join(["", "", f"| {' | '.join(heading)} |", "|---" * len(heading) + "|", *lines])


def _mistaken(question: Question, true: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    """What is said in the place of the truth: of a relation a neighbouring value, else any other of one person's."""
    values = question.values
    if question.opposites is not None:
        place = values.index(true[0])
        near = [k for k in (place - 1, place + 1) if 0 <= k < len(values)]
        first = values[int(rng.choice(near))]
        return first, question.opposites[first]
    who = int(rng.integers(len(true)))
    others = [value for value in values if value != true[who]]
    return tuple(str(rng.choice(others)) if k == who else value for k, value in enumerate(true))
