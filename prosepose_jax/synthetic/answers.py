"""Simulated answers of a large multimodal model, in the prompt's table format.

The texts are invented from the measured contacts: no model was asked. What a model gets wrong is drawn in
two steps, because real models repeat their mistakes over the N answers to one picture: first the scene's
*beliefs* (which contacts are seen at all, which are taken for a neighbouring part, which are imagined, whose
left is taken for right), then each answer's rows from these. Rates are those of `AnswerNoise`. More answers
of one scene begin with the same answers as fewer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np

from prosepose_jax.contact.vocabulary import without_side
from prosepose_jax.synthetic.facts import Facts
from prosepose_jax.synthetic.measure import Contacts
from prosepose_jax.synthetic.second_table import TableNoise, TableWriter

ORDERS = ("free", "given")
# Shares among the rates, each between 0 and 1.
_SHARES = (
    "blind", "confused", "slip", "random_row", "plural", "alternative", "empty", "prose", "swapped", "generic",
    "clear_blind", "clear_confused", "sides", "side_error", "order_error",
)  # fmt: skip
_BLIND_RATE = 0.04  # how often an overlooked contact is named all the same
# Repeated mistakes: a scene's own rate comes from a Beta of this size, mostly near 0 or near 1.
_PERSISTENCE = 1.0


@dataclasses.dataclass(frozen=True)
class AnswerNoise:
    """Rates of the simulated model's behaviour."""

    blind: float = 0.15  # a contact that the model misses in (nearly) all answers
    clear_seen: tuple[float, float] = (9.0, 2.0)  # Beta of how often what the interaction is about is named
    seen: tuple[float, float] = (5.0, 3.0)  # the same for other contacts
    weak_seen: tuple[float, float] = (2.0, 5.0)  # and for contacts of few region pairs
    confused: float = 0.15  # a contact that is mostly told as one of a neighbouring part
    slip: float = 0.06  # a single row of a single answer that names a neighbouring part
    imagined: float = 1.2  # mean number of contacts imagined per scene (Poisson)
    imagined_seen: tuple[float, float] = (1.5, 5.0)  # Beta of how often an imagined contact is named
    random_row: float = 0.04  # an answer with one row out of nowhere
    plural: float = 0.5  # both sides touch the same part: told as one plural row
    alternative: float = 0.05  # a cell that names two parts, "hand/arm"
    empty: float = 0.03  # an answer without a row
    prose: float = 0.03  # an answer without a table
    swapped: float = 0.5  # the model's Person 1 is person 1 of the scene, not 0
    generic: float = 0.35  # "shoulder" for "shoulder (back)", "waist" for "waist (front)"
    clear_blind: float = 0.3  # what an interaction is about is overlooked this much more rarely
    clear_confused: float = 0.3  # and confused this much more rarely
    sides: float = 0.0  # answers that say left and right
    side_error: float = 0.1  # parts told with the wrong side; mistakes repeat over a scene's answers
    order: str = "free"  # "free": the model chooses who is Person 1; "given": it was told, person 0 of the scene
    order_error: float = 0.05  # with "given": answers that mix the people up; mistakes repeat
    second: TableNoise | None = None  # of the table about what goes beyond touch; None: answers have none

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"order: expected one of {ORDERS}, found {self.order!r}")
        for name in _SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}: expected a share between 0 and 1, found {getattr(self, name)}")

    def missing(self, rate: float) -> AnswerNoise:
        """The same model, but every true contact is left out of an answer with this probability.

        One rate for all contacts, main ones and slight ones. About half of what is missed is missed in (nearly)
        all answers of a scene, the rest by a rate of the contact's own, as concentrated as `seen`.

        Args:
          rate: 0 to 0.95.
        """
        if not 0.0 <= rate <= 0.95:
            raise ValueError(f"rate: expected a share between 0 and 0.95, found {rate}")
        blind = rate / 2
        missed = (rate - blind * (1 - _BLIND_RATE)) / (1 - blind)  # of what is not overlooked altogether
        size = sum(self.seen)
        told = (max(size * (1 - missed), 1e-9), max(size * missed, 1e-9))
        return dataclasses.replace(self, blind=blind, clear_seen=told, seen=told, weak_seen=told, clear_blind=1.0)


LOW = AnswerNoise(
    blind=0.06, confused=0.06, slip=0.03, imagined=0.5, random_row=0.02, alternative=0.03, empty=0.01, prose=0.01
)
MIDDLE = AnswerNoise()
HIGH = AnswerNoise(
    blind=0.3,
    clear_seen=(5.0, 3.0),
    seen=(3.0, 4.0),
    confused=0.3,
    slip=0.12,
    imagined=2.5,
    imagined_seen=(2.0, 4.0),
    random_row=0.1,
    alternative=0.08,
    empty=0.06,
    prose=0.06,
)

# Rates that make a contact F1 of 0.5 on generated scenes of two people (docs/synthetic.md has the measured figures):
# a confused contact is half told, as its neighbour's regions often meet the annotated ones.
HALF = dataclasses.replace(
    MIDDLE.missing(0.3), confused=0.45, clear_confused=1.0, imagined=2.5, imagined_seen=(2.0, 4.0)
)

_NEIGHBOURS: dict[str, tuple[str, ...]] = {
    "hand": ("arm",),
    "arm": ("hand", "shoulder (front)"),
    "shoulder (front)": ("chest", "arm"),
    "shoulder (back)": ("back", "neck"),
    "back": ("shoulder (back)", "waist (back)"),
    "waist (back)": ("back", "butt"),
    "waist (front)": ("stomach", "leg"),
    "stomach": ("waist (front)", "chest"),
    "chest": ("stomach", "shoulder (front)"),
    "head": ("neck",),
    "neck": ("head", "shoulder (back)"),
    "butt": ("waist (back)", "leg"),
    "leg": ("foot", "butt"),
    "foot": ("leg",),
}
_PLAUSIBLE = (
    ("hand", "back"), ("hand", "arm"), ("hand", "shoulder (back)"), ("hand", "waist (back)"), ("arm", "back"),
    ("chest", "chest"), ("head", "head"), ("arm", "arm"), ("hand", "hand"), ("leg", "leg"),
    ("shoulder (front)", "shoulder (front)"), ("hand", "neck"),
)  # fmt: skip
_PLAUSIBLE_ALONE = (
    ("hand", "leg"), ("hand", "foot"), ("hand", "hand"), ("arm", "leg"), ("foot", "leg"), ("leg", "chest"),
    ("hand", "head"), ("foot", "foot"),
)  # fmt: skip
_GENERIC = {
    "shoulder (front)": "shoulder",
    "shoulder (back)": "shoulder",
    "waist (front)": "waist",
    "waist (back)": "waist",
}
_PLURAL = {
    "hand": "hands", "arm": "arms", "leg": "legs", "foot": "feet", "shoulder": "shoulders",
    "shoulder (front)": "shoulders (front)", "shoulder (back)": "shoulders (back)",
}  # fmt: skip
_SINGULAR = {plural: part for part, plural in _PLURAL.items()}
_OTHER_SIDE = {"left": "right", "right": "left", "": ""}
_WEAK = 2  # contacts of at most this many fine region pairs are easily overlooked

_OPENINGS = (
    "The two people stand close together{what}. I look at every place where their bodies meet.",
    "This looks like {name}. Going through the picture from top to bottom, the touching parts are listed below.",
    "Person 1 is the one {where}. They are in physical contact{what}.",
    "From the position of the arms and hands I can tell which parts touch; some of it is hidden.",
    "They are touching each other. The clearest contact comes first.",
)
_OPENINGS_ALONE = (
    "The person is in a yoga pose ({name}). I list the parts that touch each other.",
    "One person on a mat. Looking at the hands first, then at the legs and the ground:",
    "The pose is balanced and the limbs are folded; the contacts I can see are these.",
    "The body touches itself in a few places, some of them seen only from the side.",
)
_PROSE = (
    "The two people appear to be close to each other, but I cannot say with confidence which parts touch.",
    "I'm sorry, the contact is hidden from this view, so I would rather not list any parts.",
)


@dataclasses.dataclass(frozen=True)
class _Belief:
    first: str  # names without side; first belongs to person 0
    second: str
    rate: float  # share of answers that name it
    twice_first: bool  # both sides of person 0's part touch
    twice_second: bool
    told_first: str
    told_second: str
    sides: tuple[tuple[str, str], ...]  # "left", "right" or "" of the touching pairs, in the same columns
    wrong_sides: tuple[float, float] = (0.0, 0.0)  # share of the answers that exchange left and right, per column


def simulate_answers(
    contacts: Contacts,
    num_people: int,
    rng: np.random.Generator,
    *,
    count: int = 20,
    noise: AnswerNoise = MIDDLE,
    name: str = "",
    grounded: Sequence[str] = (),
    salient: Collection[tuple[str, str]] = (),
    facts: Facts | None = None,
) -> list[str]:
    """N simulated answers about one scene.

    Args:
      contacts: the measured contacts.
      num_people: 2, or 1 for self-contact (then "ground" rows appear too).
      rng: random generator; the scene's beliefs and the answers come from it.
      count: N.
      noise: rates.
      name: what the interaction is called, for the sentence above the table.
      grounded: parts (without side) that touch the ground, one person only.
      salient: part pairs of `contacts` that the interaction is about; a model seldom overlooks them.
      facts: of the scene, for the second table; it changes nothing in the first.

    Returns:
      N texts: a sentence, then a Markdown table. With `noise.order` "given" they are answers of that order.
    """
    beliefs = _beliefs(contacts, num_people, noise, rng, salient)
    side_rng, order_rng = rng.spawn(2)
    mixed = _persistent(noise.order_error, order_rng)
    title = name.replace("_", " ")
    table = None
    if noise.second is not None and facts is not None:
        table = TableWriter(facts, noise.second, rng.spawn(1)[0])
    texts = []
    for _ in range(count):
        mixed_up = order_rng.random() < mixed
        text, swapped = _answer(beliefs, num_people, noise, rng, side_rng, mixed_up, title, grounded)
        texts.append(text if table is None else text + table.write(swapped))
    return texts


def _side(part: str) -> str:
    return part.split()[0] if part.startswith(("left ", "right ")) else ""


def _ordered(first: str, second: str, num_people: int) -> tuple[str, str]:
    return (second, first) if num_people == 1 and first > second else (first, second)


def _beliefs(
    contacts: Contacts,
    num_people: int,
    noise: AnswerNoise,
    rng: np.random.Generator,
    salient: Collection[tuple[str, str]],
) -> list[_Belief]:
    # Of its own: what is told about sides and order changes nothing else.
    side_rng = rng.spawn(1)[0]
    sides: dict[tuple[str, str], tuple[set[str], set[str], int]] = {}
    exact: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for (a, b), strength in contacts.strength.items():
        first, second = without_side(a), without_side(b)
        if num_people == 1 and first > second:
            first, second, a, b = second, first, b, a
        seen = sides.setdefault((first, second), (set(), set(), 0))
        seen[0].add(a)
        seen[1].add(b)
        exact.setdefault((first, second), []).append((_side(a), _side(b)))
        sides[first, second] = (seen[0], seen[1], max(seen[2], strength))
    beliefs = []
    clear = {_ordered(without_side(a), without_side(b), num_people) for a, b in salient}
    for (first, second), (sides_a, sides_b, strength) in sorted(sides.items()):
        main = (first, second) in clear
        rate = float(rng.beta(*(noise.clear_seen if main else noise.weak_seen if strength <= _WEAK else noise.seen)))
        if rng.random() < noise.blind * (noise.clear_blind if main else 1.0):
            rate = _BLIND_RATE
        told = [first, second]
        if rng.random() < noise.confused * (noise.clear_confused if main else 1.0):
            k = int(rng.integers(2))
            told[k] = str(rng.choice(_NEIGHBOURS[told[k]]))
        twice = len(sides_a) > 1, len(sides_b) > 1
        pairs = tuple(sorted(exact[first, second]))
        wrong = _persistent(noise.side_error, side_rng), _persistent(noise.side_error, side_rng)
        beliefs.append(_Belief(first, second, rate, *twice, told[0], told[1], pairs, wrong))
    pool = _PLAUSIBLE_ALONE if num_people == 1 else _PLAUSIBLE
    for _ in range(int(rng.poisson(noise.imagined))):
        first, second = pool[int(rng.integers(len(pool)))]
        if num_people == 2 and rng.random() < 0.5:
            first, second = second, first
        if _ordered(first, second, num_people) not in sides:  # no true contact
            rate = float(rng.beta(*noise.imagined_seen))
            side_a, side_b = (str(side_rng.choice(("left", "right"))) for _ in range(2))
            beliefs.append(_Belief(first, second, rate, False, False, first, second, ((side_a, side_b),)))
    return beliefs


def _persistent(rate: float, rng: np.random.Generator) -> float:
    """A scene's own rate of a mistake that is made at this rate over all scenes."""
    if rate <= 0.0 or rate >= 1.0:
        return float(rate)
    return float(rng.beta(_PERSISTENCE * rate, _PERSISTENCE * (1 - rate)))


def _answer(
    beliefs: list[_Belief],
    num_people: int,
    noise: AnswerNoise,
    rng: np.random.Generator,
    side_rng: np.random.Generator,
    mixed_up: bool,
    name: str,
    grounded: Sequence[str],
) -> tuple[str, bool]:
    """The text, and whether its Person 1 is person 1 of the scene."""
    says_sides = side_rng.random() < noise.sides
    if rng.random() < noise.prose:
        return str(rng.choice(_PROSE)), False
    # Of each thing said its rows, several where sides are told: what is drawn from `rng` must not depend on those.
    said: list[list[tuple[str, str]]] = []
    if rng.random() >= noise.empty:
        for belief in beliefs:
            if rng.random() >= belief.rate:
                continue
            # A confused contact is told wrongly in most answers, now and then rightly.
            right = rng.random() < 0.2
            cells = [belief.first, belief.second] if right else [belief.told_first, belief.told_second]
            told = _rows(cells, (belief.twice_first, belief.twice_second), noise, rng)
            if says_sides:
                said += [_with_sides(told[0], belief, side_rng), *([] for _ in told[1:])]
            else:
                said += [[row] for row in told]
        if rng.random() < noise.random_row:
            names = tuple(_NEIGHBOURS)
            said.append([(str(rng.choice(names)), str(rng.choice(names)))])
        if num_people == 1:
            for part in grounded:
                if rng.random() < 0.55:
                    said.append([(part, "ground")])
    swap = num_people == 2 and rng.random() < noise.swapped
    if num_people == 2 and noise.order == "given":
        swap = mixed_up
    if swap:
        said = [_turned(rows) for rows in said]
    if num_people == 1:
        said = [_turned(rows) if rng.random() < 0.3 else rows for rows in said]
    order = rng.permutation(len(said)) if rng.random() < 0.5 else np.arange(len(said))
    rows = [row for i in order for row in said[i]]
    rows = list(dict.fromkeys(rows)) if rng.random() < 0.7 else rows
    openings = _OPENINGS_ALONE if num_people == 1 else _OPENINGS
    opening = str(rng.choice(openings)).format(
        name=name or "an interaction",
        what=f" in {name}" if name else "",
        where=("on the right" if swap else "on the left"),
    )
    columns = ("Body Part 1", "Body Part 2") if num_people == 1 else ("Person 1 Body Part", "Person 2 Body Part")
    lines = [opening, "", f"| {columns[0]} | {columns[1]} |", "|---|---|"]
    lines += [f"| {a} | {b} |" for a, b in rows]
    return "\n".join(lines), swap


def _turned(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(b, a) for a, b in rows]


def _rows(
    cells: list[str], twice: tuple[bool, bool], noise: AnswerNoise, rng: np.random.Generator
) -> list[tuple[str, str]]:
    """The rows of one contact in one answer."""
    told = list(cells)
    repeat = False
    for k in range(2):
        if rng.random() < noise.slip:
            told[k] = str(rng.choice(_NEIGHBOURS[told[k]]))
        if told[k] in _GENERIC and rng.random() < noise.generic:
            told[k] = _GENERIC[told[k]]
        if twice[k] and told[k] in _PLURAL:
            if rng.random() < noise.plural:
                told[k] = _PLURAL[told[k]]
            elif rng.random() < 0.5:
                repeat = True
        elif rng.random() < noise.alternative and told[k] in _NEIGHBOURS:
            told[k] = f"{told[k]}/{rng.choice(_NEIGHBOURS[told[k]])}"
    row = (told[0], told[1])
    return [row, row] if repeat else [row]


def _with_sides(row: tuple[str, str], belief: _Belief, rng: np.random.Generator) -> list[tuple[str, str]]:
    """One row for every touching pair of sides, with the sides as the model sees them."""
    wrong = [rng.random() < rate for rate in belief.wrong_sides]
    rows = []
    for pair in belief.sides:
        sides = [_OTHER_SIDE[s] if w else s for s, w in zip(pair, wrong, strict=True)]
        rows.append((_sided(row[0], sides[0]), _sided(row[1], sides[1])))
    return rows


def _sided(cell: str, side: str) -> str:
    """The cell with a side before every part that has two; "hands" becomes "left hand"."""
    if not side:
        return cell
    parts = [_SINGULAR.get(part, part) for part in cell.split("/")]
    return "/".join(f"{side} {part}" if part in _PLURAL else part for part in parts)
