"""The reviewed answers: hand-written texts in the styles of different models, and what they mean.

Run as a program it prints the precision and recall of each parser.
"""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from prosepose_jax.contact.rows import ParsedAnswer

PATH = Path(__file__).parent / "data" / "reviewed_answers.json"

RowKey = frozenset[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class ReviewedAnswer:
    """A text and the rows a careful reader takes from it ("hand/arm | back": either)."""

    style: str
    mode: str
    text: str
    rows: tuple[str, ...]

    def intended(self) -> collections.Counter[RowKey]:
        counts: collections.Counter[RowKey] = collections.Counter()
        for row in self.rows:
            first, second = (cell.strip().split("/") for cell in row.split(" | "))
            counts[self._key((a, b) for a in first for b in second)] += 1
        return counts

    def found(self, parse: Callable[[str, str], ParsedAnswer]) -> collections.Counter[RowKey]:
        return collections.Counter(self._key(row.options) for row in parse(self.text, self.mode).rows)

    def _key(self, pairs) -> RowKey:
        unordered = self.mode == "self_contact"
        return frozenset(tuple(sorted(pair)) if unordered else tuple(pair) for pair in pairs)


def load() -> list[ReviewedAnswer]:
    records = json.loads(PATH.read_text(encoding="utf-8"))
    return [
        ReviewedAnswer(record["style"], record["mode"], "\n".join(record["text"]), tuple(record["rows"]))
        for record in records
    ]


def precision_recall(parse: Callable[[str, str], ParsedAnswer], answers: list[ReviewedAnswer]) -> tuple[float, float]:
    """Row precision and recall over all answers together."""
    right = found = wanted = 0
    for answer in answers:
        have, want = answer.found(parse), answer.intended()
        right += (have & want).total()
        found += have.total()
        wanted += want.total()
    return right / max(1, found), right / max(1, wanted)


if __name__ == "__main__":
    from prosepose_jax.contact.compile import PARSERS

    all_answers = load()
    print(f"{len(all_answers)} answers, {sum(len(answer.rows) for answer in all_answers)} intended rows")
    for name, parser in PARSERS.items():
        precision, recall = precision_recall(parser, all_answers)
        print(f"{name:26} row precision {100 * precision:5.1f} %, row recall {100 * recall:5.1f} %")
