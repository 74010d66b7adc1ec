"""The second tables of N answers as arrays: who said what, and how many agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from flax import struct

from prosepose_jax.language.parse import parse_second_table
from prosepose_jax.language.vocabulary import MOST_VALUES, QUESTIONS
from prosepose_jax.scene import Answer


@struct.dataclass
class Votes:
    """What N answers say about P people to the Q questions of `QUESTIONS`, values padded to K = MOST_VALUES."""

    said: np.ndarray  # (N, P, Q, K) bool
    free: np.ndarray  # (N,) bool: the answer chose who is Person 1, so its people may be exchanged

    @property
    def answered(self) -> np.ndarray:
        """(N, P, Q) bool: whether an answer says anything."""
        return np.asarray(self.said.any(-1))

    @property
    def order_is_open(self) -> bool:
        """Whether no answer that says anything knows who is Person 1."""
        return bool(np.all(self.free | ~self.answered.any((1, 2))))


def compile_votes(answers: Sequence[Answer], num_people: int) -> Votes:
    """The votes of the answers about persons 0 and 1, or about the only person; others are left out.

    Args:
      answers: with or without a second table; those without vote for nothing.
      num_people: of the scene; of three people and more the first two are meant.
    """
    people = min(num_people, 2)
    relevant = [answer for answer in answers if people == 1 or sorted(answer.pair) == [0, 1]]
    said = np.zeros((len(relevant), people, len(QUESTIONS), MOST_VALUES), bool)
    free = np.zeros(len(relevant), bool)
    for n, answer in enumerate(relevant):
        turned = people == 2 and answer.order != "free" and tuple(answer.pair) == (1, 0)
        free[n] = people == 2 and answer.order == "free"
        for row in parse_second_table(answer.text, people).rows:
            for person, value in enumerate(row.values):
                if value is not None:
                    said[n, 1 - person if turned else person, row.question, value] = True
    return Votes(said, free)


def aligned(votes: Votes) -> Votes:
    """The same with the people of every free answer exchanged where it then agrees better with those before it.

    Whose order the first informative answer has stays open when all are free: exchange them all or none.
    """
    if votes.said.shape[1] != 2:
        return votes
    said = votes.said.copy()
    # Answers whose order is known come first.
    counts = said[~votes.free].sum(axis=0).astype(float)
    for n in np.flatnonzero(votes.free):
        turned = said[n, ::-1]
        if (counts * turned).sum() > (counts * said[n]).sum():
            said[n] = turned
        counts += said[n]
    return dataclasses.replace(votes, said=said)


def count_votes(votes: Votes) -> tuple[np.ndarray, np.ndarray]:
    """How many answers name each value (P, Q, K), and how many say anything to each question (P, Q)."""
    return votes.said.sum(axis=0), votes.answered.sum(axis=0)
