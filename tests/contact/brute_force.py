"""The contact loss by enumeration, from the text of docs/method.md alone.

Shares no code with the package: its own vocabulary, its own reading of the tables, every
left/right choice of every occurrence and both person orders listed one by one.
"""

from __future__ import annotations

import itertools
import math

# docs/method.md, "Regions": coarse parts and their fine regions, as written there.
COARSE = (
    "left hand 3 33 72 17 · right hand 23 26 27 40 · left arm 5 11 34 49 57 69 · right arm 6 8 24 32 37 44 · "
    "left foot 1 67 · right foot 42 65 · left leg 15 20 21 25 30 45 53 56 60 64 · "
    "right leg 12 16 18 19 22 28 36 46 55 62 · back 13 35 38 41 63 70 2 29 10 48 14 43 · head 39 51 52 66 · "
    "neck 14 43 47 54 · butt 9 71 · waist 10 48 50 68 74 · waist (back) 10 48 · waist (front) 50 68 74 · "
    "left shoulder (front) 73 · left shoulder (back) 2 · right shoulder (front) 31 · right shoulder (back) 29 · "
    "left shoulder 2 73 · right shoulder 29 31 · chest 7 58 59 61 · stomach 0 4 68 74"
)


def coarse_parts() -> dict[str, list[int]]:
    """{part: fine region ids}."""
    parts = {}
    for entry in COARSE.split(" · "):
        words = entry.split()
        ids = [int(word) for word in words if word.isdigit()]
        parts[" ".join(word for word in words if not word.isdigit())] = ids
    return parts


PARTS = coarse_parts()
SIDED = sorted({name[5:] for name in PARTS if name.startswith("left ")})
PLURALS = {
    "hands": "hand", "arms": "arm", "feet": "foot", "legs": "leg", "shoulders": "shoulder",
    "shoulders (front)": "shoulder (front)", "shoulders (back)": "shoulder (back)",
}  # fmt: skip


def sides_of(name: str) -> list[str]:
    return ["left " + name, "right " + name] if name in SIDED else [name]


def two_person_rows(text: str) -> list[tuple[str, str]]:
    """Rows of one answer as pairs of names, repeated as often as they count."""
    rows = []
    for line in text.split("\n"):
        if line.count("|") < 2:
            continue
        cells = line.lower().split("|")[1:3]
        for a in cells[0].split("/"):
            for b in cells[1].split("/"):
                a_name, b_name = a.strip(), b.strip()
                times = 1
                if a_name in PLURALS:
                    a_name, times = PLURALS[a_name], 2
                if b_name in PLURALS:
                    b_name, times = PLURALS[b_name], 2
                known = [name in PARTS or name in SIDED for name in (a_name, b_name)]
                if all(known):
                    rows += [(a_name, b_name)] * times
    return rows


def two_person_answer(text: str, distance, order: str = "free") -> float:
    """One answer's loss; distance(a, b) in metres from part a of the first mesh to part b of the second."""
    rows = two_person_rows(text)
    if not rows:
        return 0.0
    best = math.inf
    for swapped in (False, True) if order == "free" else (False,):
        for sides in itertools.product(*[sides_of(name) for row in rows for name in row]):
            if not both_sides_used(rows, sides):
                continue
            total = 0.0
            for k in range(len(rows)):
                a, b = sides[2 * k], sides[2 * k + 1]
                total += distance(b, a) if swapped else distance(a, b)
            best = min(best, total)
    return best


def both_sides_used(rows: list[tuple[str, str]], sides: tuple[str, ...]) -> bool:
    for person in (0, 1):
        names = [row[person] for row in rows]
        for name in SIDED:
            chosen = {sides[2 * k + person] for k in range(len(rows)) if names[k] == name}
            if names.count(name) >= 2 and len(chosen) < 2:
                return False
    return True


def two_person_loss(texts: list[str], distance, order: str = "free") -> float:
    return sum(two_person_answer(text, distance, order) for text in texts) / len(texts)


def self_contact_loss(texts: list[str], distance, min_count: int | None = None) -> float:
    """distance symmetric: between two parts of the same person."""
    singular = {**PLURALS, "heads": "head", "necks": "neck", "backs": "back", "chests": "chest", "butts": "butt",
                "stomachs": "stomach", "waists": "waist", "waists (front)": "waist (front)",
                "waists (back)": "waist (back)"}  # fmt: skip
    for plural, name in PLURALS.items():
        for side in ("left", "right"):
            singular[f"{side} {plural}"] = f"{side} {name}"
    answers = []
    for text in texts:
        answers.append([])
        for line in text.split("\n"):
            if line.count("|") < 2:
                continue
            names = [cell.strip() for cell in line.lower().split("|")[1:3]]
            names = [singular.get(name, name) for name in names]
            if all(name in PARTS or name in SIDED for name in names):
                answers[-1].append(tuple(sorted(names)))
    everything = [row for rows in answers for row in rows]
    needed = math.ceil(len(texts) / 2) if min_count is None else min_count
    total = 0.0
    for rows in answers:
        for a, b in rows:
            if everything.count((a, b)) < needed:
                continue
            choices = [(x, y) for x in sides_of(a) for y in sides_of(b) if x != y]
            if not choices or any(set(PARTS[x]) & set(PARTS[y]) for x, y in choices):
                continue  # the same unsided part, or parts that share surface
            total += min(distance(x, y) for x, y in choices)
    return total / len(texts)
