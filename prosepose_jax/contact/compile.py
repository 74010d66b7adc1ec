"""Answers (text) to a ContactProgram (arrays). docs/method.md, "Answers and rows"."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from prosepose_jax.contact import _trellis
from prosepose_jax.contact.aggregation import (
    AGGREGATIONS,
    AggregationSettings,
    Reading,
    WeightedRow,
    check_aggregation,
)
from prosepose_jax.contact.parse import MODES, parse_published
from prosepose_jax.contact.parse_extended import parse_extended
from prosepose_jax.contact.program import ContactProgram, ProgramArrays
from prosepose_jax.contact.rows import Pair, ParsedAnswer, RejectedRow, Row
from prosepose_jax.contact.vocabulary import NUM_PARTS, choices_on_one_person, names_overlap
from prosepose_jax.errors import InputError
from prosepose_jax.scene import Answer

PARSERS: dict[str, Callable[[str, str], ParsedAnswer]] = {
    "published": parse_published,
    "extended": parse_extended,
    "extended_without_synonyms": lambda text, mode: parse_extended(text, mode, synonyms=False),
}
ORDERS = ("free", "given")

_MAX_STEPS = 1_000_000  # of building the graphs of one program's answers: a few seconds
_MAX_EDGES = 8_000_000  # elements of a program's padded graphs


def compile_answers(
    texts: Sequence[str | Answer],
    num_people: int = 2,
    mode: str | None = None,
    parser: str = "published",
    order: str = "free",
    min_count: int | None = None,
    min_share: float = 0.0,
    pairs: Sequence[Sequence[int]] | Sequence[int] | None = None,
    aggregation: AggregationSettings | str = "mean",
) -> ContactProgram:
    """Compiles the answers about one scene; `contact_loss` evaluates the result.

    Args:
      texts: the N answers, as texts or as records with their own pair and order. N may be 0.
      num_people: people in the scene.
      mode: "two_person" or "self_contact"; None for the one that fits `num_people`.
      parser: "published" (the release's semantics exactly) or "extended".
      order: "free" (the model chose who is Person 1) or "given"; for plain texts.
      min_count: for self-contact, how many rows over a person's answers must name a pair for it to
        be kept; None for half the number of answers, rounded up (10 of 20).
      min_share: for two people, the share of the answers that must name a contact for it to be kept; 0
        (published) keeps every row.
      pairs: the people (i, j) that plain texts are about, one pair for all or one per text; None
        for (0, 1), or (0, 0) for self-contact.
      aggregation: how the answers become one loss, by name or with its numbers; "mean" is the published one.

    Returns:
      The program. An answer's weight is one over the number of answers about the same people, so the
      loss is the sum over pairs of the mean over answers (or what the aggregation makes of them).

    Raises:
      InputError: one text instead of a list, an unknown mode, parser, order or aggregation, or a pair that names
        people the scene lacks.
    """
    mode = mode or ("self_contact" if num_people == 1 else "two_person")
    for what, value, known in (("mode", mode, MODES), ("parser", parser, tuple(PARSERS)), ("order", order, ORDERS)):
        if value not in known:
            raise InputError(f"{what}: expected one of {', '.join(known)}, found {value!r}")
    aggregation = check_aggregation(AggregationSettings(aggregation) if isinstance(aggregation, str) else aggregation)
    if isinstance(texts, str | bytes | Answer):  # a text is a sequence too: of its letters
        raise InputError(f"texts: expected a list of texts, found one {type(texts).__name__}")
    answers = _as_answers(texts, num_people, mode, order, pairs)
    parsed = [PARSERS[parser](answer.text, mode) for answer in answers]
    rejected = [RejectedRow(k, *record) for k, one in enumerate(parsed) for record in one.rejected]
    rows = [list(one.rows) for one in parsed]
    if mode == "self_contact":
        rows = _agreed_rows(rows, [answer.pair for answer in answers], min_count, rejected)
    elif min_share > 0:
        rows = _shared_rows(rows, [answer.pair for answer in answers], min_share, rejected)
    return ContactProgram(
        arrays=_arrays(answers, rows, mode, aggregation),
        mode=mode,
        aggregation=aggregation,
        usable_answers=tuple(bool(one) for one in rows),
        none_answers=tuple(one.says_none for one in parsed),
        rejected=tuple(sorted(rejected, key=lambda record: record.answer)),
        constraints=_constraint_counts(answers, rows, mode),
    )


def _as_answers(
    texts: Sequence[str | Answer],
    num_people: int,
    mode: str,
    order: str,
    pairs: Sequence[Sequence[int]] | Sequence[int] | None,
) -> list[Answer]:
    """Every answer as a record whose pair and order are checked."""
    alone = mode == "self_contact"
    default = (0, 0) if alone else (0, 1)
    if pairs is None:
        given: list[tuple[int, ...]] = [default] * len(texts)
    elif len(pairs) == 2 and all(isinstance(person, int | np.integer) for person in pairs):
        given = [tuple(int(person) for person in pairs)] * len(texts)  # type: ignore[arg-type]
    else:
        given = [tuple(int(person) for person in pair) for pair in pairs]  # type: ignore[union-attr]
        if len(given) != len(texts):
            raise InputError(f"pairs: expected one pair for each of {len(texts)} answers, found {len(given)}")
    answers = []
    for index, (text, pair) in enumerate(zip(texts, given, strict=True)):
        if isinstance(text, Answer):
            # A record's default pair (0, 1) means person 0 where there is only one.
            own = default if alone and tuple(text.pair) == (0, 1) else tuple(text.pair)
            answer = dataclasses.replace(text, pair=own)  # type: ignore[arg-type]
        elif isinstance(text, str):
            answer = Answer(text=text, pair=pair, order=order)  # type: ignore[arg-type]
        else:
            raise InputError(f"answer {index}: expected a text, found {type(text).__name__}")
        people = answer.pair
        if len(people) != 2 or not all(0 <= person < num_people for person in people):
            raise InputError(f"answer {index}: pair {list(people)} names people that a scene of {num_people} lacks")
        if (people[0] == people[1]) != alone:
            wanted = "the same person twice" if alone else "two different people"
            raise InputError(f"answer {index}: pair: expected {wanted} for {mode}, found {list(people)}")
        if answer.order not in ORDERS:
            raise InputError(f"answer {index}: order: expected 'free' or 'given', found {answer.order!r}")
        answers.append(answer)
    return answers


def _agreed_rows(
    rows: list[list[Row]], people: Sequence[tuple[int, int]], min_count: int | None, rejected: list[RejectedRow]
) -> list[list[Row]]:
    """Self-contact: drops pairs that cannot mean anything, then pairs that too few rows name."""
    totals = collections.Counter(people)
    possible: list[list[Row]] = []
    votes: collections.Counter[tuple[tuple[int, int], Pair]] = collections.Counter()
    for k, answer_rows in enumerate(rows):
        possible.append([])
        for row in answer_rows:
            options, reason = [], ""
            for option in row.options:
                problem = _impossible(option)
                reason = reason or problem
                if not problem:
                    options.append(_unordered(option))
            if options:
                possible[k].append(Row(tuple(dict.fromkeys(options)), row.text))
                votes.update((people[k], option) for option in set(options))
            else:
                rejected.append(RejectedRow(k, row.text, reason))
    needed = {pair: math.ceil(total / 2) if min_count is None else min_count for pair, total in totals.items()}
    return _named_often(possible, people, votes, needed, rejected)


def _shared_rows(
    rows: list[list[Row]], people: Sequence[tuple[int, int]], min_share: float, rejected: list[RejectedRow]
) -> list[list[Row]]:
    """Two people: drops contacts that too small a share of the answers names, whoever is Person 1."""
    votes: collections.Counter[tuple[tuple[int, int], Pair]] = collections.Counter()
    for pair, answer_rows in zip(people, rows, strict=True):
        votes.update((pair, option) for option in {_unordered(o) for row in answer_rows for o in row.options})
    needed = {pair: math.ceil(min_share * total) for pair, total in collections.Counter(people).items()}
    return _named_often(rows, people, votes, needed, rejected)


def _named_often(
    rows: list[list[Row]],
    people: Sequence[tuple[int, int]],
    votes: collections.Counter[tuple[tuple[int, int], Pair]],
    needed: dict[tuple[int, int], int],
    rejected: list[RejectedRow],
) -> list[list[Row]]:
    """The rows whose (unordered) pair has enough votes; the others are rejected with their count."""
    totals = collections.Counter(people)
    kept: list[list[Row]] = []
    for k, answer_rows in enumerate(rows):
        pair = people[k]
        kept.append([])
        for row in answer_rows:
            options = tuple(option for option in row.options if votes[pair, _unordered(option)] >= needed[pair])
            if options:
                kept[k].append(Row(options, row.text))
            else:
                most = max(votes[pair, _unordered(option)] for option in row.options)
                reason = f"named {most} times in {totals[pair]} answers, {needed[pair]} needed"
                rejected.append(RejectedRow(k, row.text, reason))
    return kept


def _impossible(pair: Pair) -> str:
    """Why two names cannot touch on one person, or nothing."""
    if not choices_on_one_person(*pair):
        return "the same part twice"
    if names_overlap(*pair):
        return "parts that overlap are always at distance 0"
    return ""


def _unordered(pair: Pair) -> Pair:
    return Pair(*sorted(pair))


class _TooLarge(Exception):
    """The graphs of all answers together take too long or too much memory."""


class _Tables:
    """Collects the row minima and coupled groups that the answers share."""

    def __init__(self, steps_an_answer: int) -> None:
        self.minima: dict[tuple[tuple[int, ...], float], int] = {((), 1.0): 0}  # entries and weight
        self.groups: dict[tuple[int, tuple[_trellis.Weighted, ...], bool], int] = {}
        self.trellises: list[tuple[int, _trellis.Trellis]] = []  # (pair index, graph)
        self._limit, self._steps = steps_an_answer, 0

    def minimum(self, table: int, part_pairs: Sequence[tuple[int, int]], weight: float) -> int:
        entries = tuple(1 + (table * NUM_PARTS + a) * NUM_PARTS + b for a, b in part_pairs)
        return self.minima.setdefault((entries, weight), len(self.minima))

    def answer(self, table: int, rows: Sequence[_trellis.Weighted]) -> tuple[list[int], list[int]]:
        """The uncoupled rows (indices of minima) and coupled groups (1-based) of one answer in one order.

        Exact where that takes no more than the limit of steps. Else the parts of alternatives go free, then parts
        that occur very often.

        Raises:
          _TooLarge: all answers together take too many steps.
        """
        if any(len(row.options) > 1 for row in rows):
            with contextlib.suppress(_trellis.TooManyStates):
                return self._answer(table, rows, True, frozenset(), min(self._limit, _MAX_STEPS // 8))
        return self._answer(table, rows, False, _trellis.parts_to_free(rows, self._limit), self._limit)

    def _answer(
        self,
        table: int,
        rows: Sequence[_trellis.Weighted],
        hedges_count: bool,
        free: frozenset[tuple[int, str]],
        limit: int,
    ) -> tuple[list[int], list[int]]:
        singles: list[int] = []
        coupled: list[int] = []
        work = _trellis.Work(limit)
        try:
            for classes, group in _trellis.couple(rows, hedges_count, free):
                if not classes:
                    singles.extend(self.minimum(table, _trellis.row_entries(row.options), row.weight) for row in group)
                    continue
                key = (table, tuple(sorted(group)), hedges_count)
                if key not in self.groups:
                    graph = _trellis.build_trellis(classes, key[1], hedges_count, work)
                    self.trellises.append((table, graph))
                    self.groups[key] = len(self.trellises)
                coupled.append(self.groups[key])
        finally:
            self._steps += work.done
            if self._steps > _MAX_STEPS:
                raise _TooLarge
        return singles, coupled


def _arrays(
    answers: Sequence[Answer], rows: Sequence[Sequence[Row]], mode: str, aggregation: AggregationSettings
) -> ProgramArrays:
    alone = mode == "self_contact"
    people = _readings(answers, rows, alone)
    gather = AGGREGATIONS[aggregation.name].gather
    compiled = [(q, one) for q, found in enumerate(people.values()) for one in gather(found, aggregation)]
    compiled.sort(key=lambda item: item[1].answer)  # as the answers came
    tables, references, graphs = _compiled_within_limits(compiled, alone)
    sources, steps = graphs
    return ProgramArrays(
        pairs=np.array(list(people) or [(0, 0) if alone else (0, 1)], np.int32),
        minima=_ragged([list(entries) for entries, _ in tables.minima]),
        scales=np.array([weight for _, weight in tables.minima], np.float32),
        sources=sources,
        steps=steps,
        singles=_references([[order[0] for order in one] for one in references]),
        coupled=_references([[order[1] for order in one] for one in references]),
        weights=np.array([reading.weight for _, reading in compiled], np.float32),
        pair_of=np.array([table for table, _ in compiled], np.int32),
    )


_References = list[list[tuple[list[int], list[int]]]]  # answer, order: its minima and groups


def _compiled_within_limits(
    compiled: Sequence[tuple[int, Reading]], alone: bool
) -> tuple[_Tables, _References, tuple[np.ndarray, np.ndarray]]:
    """The answers in tables and graphs: exact unless all together are too many for that."""
    fair_share = _MAX_STEPS // (4 * max(1, len(compiled)))
    expected = 0 if alone else sum({rows: _trellis.most_steps(rows) for rows in map(_options, compiled)}.values())
    for limit in (_MAX_STEPS, fair_share, fair_share // 16):
        if limit > fair_share and expected > _MAX_STEPS:
            continue
        try:
            tables = _Tables(limit)
            references = _referenced(tables, compiled, alone)
            return tables, references, _layers(tables)
        except _TooLarge:
            continue
    tables = _Tables(0)  # every row by itself
    return tables, _referenced(tables, compiled, alone), _layers(tables)


def _referenced(tables: _Tables, compiled: Sequence[tuple[int, Reading]], alone: bool) -> _References:
    references: _References = []
    for table, reading in compiled:
        options = _options((table, reading))
        if alone:
            singles = [tables.minimum(table, _self_entries(one.options), one.weight) for one in options]
            references.append([(singles, [])] * 2)
            continue
        orders = [options, tuple(map(_turned, options))] if reading.free else [options]
        found = [tables.answer(table, one) for one in orders]
        references.append([found[0], found[-1]])
    return references


def _options(compiled: tuple[int, Reading]) -> tuple[_trellis.Weighted, ...]:
    return tuple(_trellis.Weighted(tuple(sorted(set(one.row.options))), one.weight) for one in compiled[1].rows)


def _readings(
    answers: Sequence[Answer], rows: Sequence[Sequence[Row]], alone: bool
) -> dict[tuple[int, int], list[Reading]]:
    """What the answers say about each pair of people, all seen from the pair's first person."""
    people: dict[tuple[int, int], list[Reading]] = {}
    for index, (answer, answer_rows) in enumerate(zip(answers, rows, strict=True)):
        i, j = answer.pair
        turned = (i, j) not in people and (j, i) in people
        found = people[j, i] if turned else people.setdefault((i, j), [])
        seen = (Row(tuple(Pair(b, a) for a, b in row.options), row.text) if turned else row for row in answer_rows)
        weighted = tuple(WeightedRow(row, 1.0) for row in seen)
        found.append(Reading(weighted, answer.order == "free" and not alone, 1.0, index))
    return {pair: [one._replace(weight=1.0 / len(found)) for one in found] for pair, found in people.items()}


def _turned(row: _trellis.Weighted) -> _trellis.Weighted:
    return _trellis.Weighted(tuple(sorted(Pair(b, a) for a, b in row.options)), row.weight)


def _self_entries(options: _trellis.Options) -> list[tuple[int, int]]:
    """A self-contact row's part pairs; a choice that shares surface would always be at distance 0."""
    pairs = {tuple(sorted(pair)) for option in options for pair in choices_on_one_person(*option)}
    return sorted((a, b) for a, b in pairs)


def _layers(tables: _Tables) -> tuple[np.ndarray, np.ndarray]:
    """All groups' graphs side by side, each ending on the last level: (T, W, K) sources and steps.

    Raises:
      _TooLarge: of more than `_MAX_EDGES` elements.
    """
    depth = max((len(trellis) for _, trellis in tables.trellises), default=0)
    ways: list[list[list[tuple[int, int]]]] = [[] for _ in range(depth)]  # level, node, (source, step)
    for table, trellis in tables.trellises:
        above = 0
        for level, nodes in zip(range(depth - len(trellis), depth), trellis, strict=True):
            here = len(ways[level]) + 1  # node 0 of every level is the start
            for node in nodes:
                ways[level].append(
                    [
                        (
                            0 if source == _trellis.SOURCE else above + source,
                            tables.minimum(table, part_pairs, node.weight),
                        )
                        for source, part_pairs in node.edges
                    ]
                )
            above = here
    width = max(map(len, ways), default=0)
    fan_in = max((len(edges) for level_ways in ways for edges in level_ways), default=1)
    if depth * width * fan_in > _MAX_EDGES:
        raise _TooLarge
    arrays = np.zeros((2, depth, width, fan_in), np.int32)
    for level, level_ways in enumerate(ways):
        for position, edges in enumerate(level_ways):
            arrays[:, level, position, : len(edges)] = np.array(edges, np.int32).T
    return arrays[0], arrays[1]


def _ragged(rows: Sequence[Sequence[int]]) -> np.ndarray:
    array = np.zeros((len(rows), max(1, max(map(len, rows)))), np.int32)
    for index, row in enumerate(rows):
        array[index, : len(row)] = row
    return array


def _references(answers: Sequence[Sequence[Sequence[int]]]) -> np.ndarray:
    """(N, 2, G) from lists of N × 2 lists."""
    longest = max((len(order) for one in answers for order in one), default=0)
    array = np.zeros((len(answers), 2, longest), np.int32)
    for n, one in enumerate(answers):
        for k, order in enumerate(one):
            array[n, k, : len(order)] = order
    return array


def _constraint_counts(
    answers: Sequence[Answer], rows: Sequence[Sequence[Row]], mode: str
) -> tuple[tuple[str, str, int], ...]:
    """(part, part, answers that name the two), most frequent first; sides of the pair kept when order is given."""
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for answer, answer_rows in zip(answers, rows, strict=True):
        unordered = mode == "self_contact" or answer.order == "free"
        counts.update({_label(row, unordered) for row in answer_rows})
    return tuple((a, b, n) for (a, b), n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _label(row: Row, unordered: bool) -> tuple[str, str]:
    first, second = (" / ".join(dict.fromkeys(option[k] for option in row.options)) for k in (0, 1))
    return (second, first) if unordered and second < first else (first, second)
