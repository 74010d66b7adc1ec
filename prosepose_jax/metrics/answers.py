"""Are the answers right? Contact F1 of texts against annotated pairs, without any fit (docs/method.md, "Metrics")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prosepose_jax.body.region_table import MIRROR_REGION
from prosepose_jax.contact.compile import PARSERS
from prosepose_jax.metrics.contact import ContactPair, name_regions
from prosepose_jax.scene import Answer


def contact_f1(
    answers: Sequence[Answer],
    pairs: Sequence[ContactPair],
    *,
    alone: bool = False,
    parser: str = "published",
    ignore_sides: bool = False,
) -> float | None:
    """F1 of the answers' contacts against annotated pairs, without any fitting, as a mean over answers.

    A contact of an answer is right when its two parts share a region with the two parts of an annotated pair,
    an annotated pair is found when some contact of the answer is right about it; precision and recall are the
    shares of each. An answer without contacts against no annotated pairs counts as 1. When the answer left open
    who is Person 1, the better of the two orders counts.

    Args:
      answers: the answers about persons 0 and 1 (or about the only person); others are left out.
      pairs: annotated pairs.
      alone: one person; pairs are unordered.
      parser: "published" or "extended", see docs/contact.md.
      ignore_sides: a left part also meets a right one.

    Returns:
      The mean in [0, 1], None without answers.
    """
    # A record's default pair (0, 1) means person 0 where there is only one.
    relevant = [answer for answer in answers if alone or sorted(answer.pair) == [0, 1]]
    if not relevant:
        return None
    truth = [_widened(pair, ignore_sides) for pair in pairs]
    scores = []
    for answer in relevant:
        said = [
            [_widened(ContactPair(name_regions(a), name_regions(b)), ignore_sides) for a, b in options]
            for options in _answer_contacts(answer, parser, alone)
        ]
        turned = [[ContactPair(pair.second, pair.first) for pair in options] for options in said]
        if alone:
            orders = [[one + two for one, two in zip(said, turned, strict=True)]]
        elif answer.order == "free":
            orders = [said, turned]
        else:
            orders = [said if tuple(answer.pair) == (0, 1) else turned]
        scores.append(max(_f1(contacts, truth) for contacts in orders))
    return float(np.mean(scores))


def _answer_contacts(answer: Answer, parser: str, alone: bool) -> list[tuple[tuple[str, str], ...]]:
    """The distinct rows of an answer, each as its alternatives."""
    parsed = PARSERS[parser](answer.text, "self_contact" if alone else "two_person")
    return list(dict.fromkeys(tuple((a, b) for a, b in row.options) for row in parsed.rows))


def _widened(pair: ContactPair, ignore_sides: bool) -> ContactPair:
    if not ignore_sides:
        return pair
    return ContactPair(*(regions | {int(MIRROR_REGION[r]) for r in regions} for regions in pair))


def _f1(contacts: list[list[ContactPair]], truth: Sequence[ContactPair]) -> float:
    if not contacts or not truth:
        return float(not contacts and not truth)
    meets = np.array([[any(a & x and b & y for a, b in options) for x, y in truth] for options in contacts], dtype=bool)
    precision, recall = float(meets.any(axis=1).mean()), float(meets.any(axis=0).mean())
    return 2.0 * precision * recall / (precision + recall) if precision + recall > 0.0 else 0.0
