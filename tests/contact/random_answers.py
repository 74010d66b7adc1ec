"""Random answer texts for the tests: tables with the habits and faults of real ones."""

from __future__ import annotations

import numpy as np

SIDED = ["hand", "arm", "foot", "leg", "shoulder", "shoulder (front)", "shoulder (back)"]
UNSIDED = ["back", "head", "neck", "butt", "waist", "waist (back)", "waist (front)", "chest", "stomach"]
PLURAL = {"hand": "hands", "arm": "arms", "foot": "feet", "leg": "legs", "shoulder": "shoulders",
          "shoulder (front)": "shoulders (front)", "shoulder (back)": "shoulders (back)"}  # fmt: skip
JUNK = ["head, neck", "elbow", "heads", "left hands", "part (x)", "", "hip", "n/a"]
HEADER = "| Person 1 Body Part | Person 2 Body Part |\n|---|---|"


def two_person_text(rng: np.random.Generator, max_occurrences: int) -> tuple[str, bool]:
    """A random answer, and whether it repeats ambiguous parts on both people."""
    coupled = rng.random() < 0.6
    # A small pool of names makes repeats, and repeats couple rows.
    pools = [
        list(rng.choice(SIDED, 1 + rng.integers(2), replace=False)) + ([] if coupled else [str(rng.choice(UNSIDED))])
        for _ in range(2)
    ]
    lines, left = [], max_occurrences
    counts: list[dict[str, int]] = [{}, {}]
    for _ in range(1 + rng.integers(6)):
        names = []
        for person in range(2):
            kind = rng.random()
            if kind < 0.7:
                names.append(str(rng.choice(pools[person])))
            elif kind < 0.8:
                names.append(str(rng.choice(UNSIDED)))
            elif kind < 0.9:
                names.append(f"{rng.choice(['left', 'right'])} {rng.choice(SIDED)}")
            else:
                names.append(str(rng.choice(JUNK if rng.random() < 0.4 else SIDED)))
        cells = list(names)
        which = int(rng.integers(2))
        times = 1
        if rng.random() < 0.15 and names[which] in PLURAL:
            cells[which] = PLURAL[names[which]]
            times = 2
        elif rng.random() < 0.1:
            extra = str(rng.choice(SIDED + UNSIDED))
            cells[which] = f"{names[which]}/{extra}" if rng.random() < 0.5 else f"{names[which]} / {extra}"
            names[which] = extra if extra in SIDED and names[which] not in SIDED else names[which]
            times = 2 if extra in SIDED or names[1 - which] in SIDED else 1
        cost = 2 * times
        if cost > left:
            break
        left -= cost
        for person in range(2):
            if names[person] in SIDED:
                counts[person][names[person]] = counts[person].get(names[person], 0) + times
        if rng.random() < 0.1:
            cells = [cell.upper() for cell in cells]
        lines.append("| " + " | ".join(cells) + (" |" if rng.random() < 0.9 else " | sure |"))
    if rng.random() < 0.05:
        lines.append("hand | back |")  # no leading pipe: not read
    if rng.random() < 0.3:
        lines.insert(0, HEADER)
    if rng.random() < 0.2:
        lines = ["They hug. I think | so.", "", *lines]
    repeats = all(any(count > 1 for count in person.values()) for person in counts)
    return "\n".join(lines), repeats


def self_contact_texts(rng: np.random.Generator, num_answers: int) -> list[str]:
    """Answers of one pose that mostly agree."""
    names = SIDED + UNSIDED + ["hands", "feet", "left hand", "right foot", "ground", "left leg", "hand/arm"]
    likely = [tuple(rng.choice(names, 2)) for _ in range(4)]
    texts = []
    for _ in range(num_answers):
        rows = [pair if rng.random() < 0.5 else pair[::-1] for pair in likely if rng.random() < 0.6]
        rows += [tuple(rng.choice(names, 2)) for _ in range(rng.integers(3))]
        texts.append("\n".join(["| Body Part 1 | Body Part 2 |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]))
    return texts
