"""What an answer takes back, denies, strikes through or only thinks is no contact; who is who is read as written."""

from __future__ import annotations

import json

import numpy as np
import pytest
import random_answers

from prosepose_jax.contact import compile_answers
from prosepose_jax.contact.parse_extended import parse_extended

HEAD = "| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n"
DRAFT = HEAD + "| head | butt |\n"
NONE = HEAD + "| none | none |\n"
FINAL = HEAD + "| hand | shoulder |\n"


def _rows(text: str, mode: str = "two_person") -> list[tuple[str, str]]:
    return [tuple(option) for row in parse_extended(text, mode).rows for option in row.options]


def _reasons(text: str) -> list[str]:
    return [reason for _, reason in parse_extended(text).rejected]


# A later "none" ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "last",
    [
        NONE,
        "Corrected table:\n\n" + HEAD + "| N/A | N/A |",
        "Final table:\n" + HEAD + "| - | - |",
        HEAD + "| None detected | None detected |",
        "| # | Person 1 | Person 2 |\n|---|---|---|\n| 1 | none | none |",
        "<table><tr><th>Person 1</th><th>Person 2</th></tr><tr><td>none</td><td>none</td></tr></table>",
        '```json\n[{"person_1": "none", "person_2": "none"}]\n```',
        '```json\n{"contacts": []}\n```',
        "```json\n[]\n```",
        '{"contact": false, "pairs": []}',
        "Final answer: none",
        "**Final answer:** No contact.",
        "None.",
        "On reflection, they do not touch.",
        "Looking again, the two people are clearly apart.",
        "So there is no contact between them.",
        "Correction: there is no physical contact at all.",
        "Final answer:\n\nNo contact is visible.",
        "Person 1 and Person 2 are not touching each other.",
        "Please disregard the table above.",
        "I retract the above list.",
        "The table above is wrong.",
    ],
)
def test_a_later_none_is_the_last_word(last):
    assert _rows(DRAFT) == [("head", "butt")]
    assert _rows(f"{DRAFT}\nOn reflection that is wrong, they stand apart. {last}") == []
    assert _rows(f"{DRAFT}\n\n{last}\n") == []


@pytest.mark.parametrize(
    "more",
    [
        "No other body parts are in contact.",
        "There is no contact between their legs.",
        "Their heads do not touch.",
        "They do not touch with their feet.",
        "Uncertain contacts:\n\n" + NONE,
        "### Other contacts\n" + NONE,
        "Self-contact: none",
        "Uncertain contacts: none.",
        "Ruled out:\nNone.",
        "Do not ignore the table above.",
        "None of the other parts touch.",
        '{"uncertain": []}',
        "- [ ] verified",
        "| Person | Bag |\n|---|---|\n| Person 1 | none |\n| Person 2 | none |",
        "There is no contact with the ground.",
        "I left out the previous row of people.",
        "The second person's hand is not visible.",
    ],
)
def test_remarks_about_something_else_take_nothing_back(more):
    assert _rows(f"{FINAL}\n{more}\n") == [("hand", "shoulder")]


def test_the_last_table_with_rows_still_counts():
    assert _rows(f"{NONE}\nLooking again:\n\n{FINAL}") == [("hand", "shoulder")]
    assert _rows(f"{DRAFT}\nThis is wrong. Corrected:\n\n{FINAL}") == [("hand", "shoulder")]


# Retractions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "back",
    [
        "On reflection, the head and the butt do not touch.",
        "Correction: the head is not touching the butt.",
        "There is no contact between the head and the butt.",
        "Remove the second row.",
        "Row 2 is wrong.",
        "The last row should be removed.",
        "| Person 1 Body Part | Person 2 Body Part | Check |\n|---|---|---|\n| head | butt | not touching |",
        "Ruled out:\n\n" + DRAFT,
    ],
)
def test_a_row_taken_back_is_named(back):
    text = HEAD + "| hand | shoulder |\n| head | butt |\n\n" + back
    assert _rows(text) == [("hand", "shoulder")]
    assert any("taken back" in reason for reason in _reasons(text))


# Thoughts ---------------------------------------------------------------------------------------

WRAPPINGS = [
    "<think>\n{}\n</think>\n\n",
    "{}\n</think>\n\n",
    "<thinking>{}</thinking>",
    "[THINK]{}[/THINK]",
    "◁think▷{}◁/think▷",
    "<seed:think>{}</seed:think>",
    "<|begin_of_thought|>{}<|end_of_thought|>",
    "<THINK >{}</THINK>",
    "<think>a <think>{}</think> b</think>",
    '<details type="reasoning" done="true"><summary>x</summary>{}</details>',
    "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>",
    "analysis {} assistantfinal",
    "<reasoning>\n{}\n</reasoning>\n",
]


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_thoughts_are_no_answer(wrapping):
    thought = wrapping.format(f"\nA first guess:\n\n{DRAFT}\nBut the arm is behind.\n")
    assert _rows(f"{thought}\n{FINAL}") == [("hand", "shoulder")]
    assert _rows(f"{thought}\nNo contact is visible.\n\n{NONE}") == []
    assert _rows(f"{thought}\nThey stand apart.") == []
    assert any("thoughts" in reason for reason in _reasons(f"{thought}\nThey stand apart."))


def test_thoughts_that_never_end_and_marked_answers():
    assert _rows(f"<think>\n{DRAFT}") == []
    assert _rows(f"{FINAL}\n<think>\n{DRAFT}\n</think>") == [("hand", "shoulder")]
    assert _rows(f"<think>\n{DRAFT}\n<answer>\n{FINAL}\n</answer>") == [("hand", "shoulder")]
    assert _rows(f"<answer>\n{FINAL}\n</answer>\nFor comparison:\n{DRAFT}") == [("hand", "shoulder")]
    assert _rows(f"[Analysis]\nThey hug.\n\n{FINAL}") == [("hand", "shoulder")]
    assert _rows(f"The distance is < thought and > 3.\n\n{FINAL}") == [("hand", "shoulder")]


# Ruled out, struck, denied ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "title",
    [
        "Ruled out:",
        "### Ruled out",
        "**Not in contact**",
        "Pairs that do not touch:",
        "Considered but rejected:",
        "### No contact\nThese only look close.\n",
        "Non-contacts",
        "Excluded pairs:",
        "The following are not touching:",
        "<h3>False positives</h3>",
    ],
)
def test_tables_under_ruled_out_are_no_contacts(title):
    text = f"Contacts:\n\n{FINAL}\n{title}\n\n{DRAFT}"
    assert _rows(text) == [("hand", "shoulder")]
    assert "the answer rules it out" in _reasons(text)
    assert _rows(f"{title}\n\n{DRAFT}\nFinal table:\n\n{FINAL}") == [("hand", "shoulder")]
    assert _rows(f"{title}\n\n{DRAFT}") == []


@pytest.mark.parametrize(
    "title",
    [
        "Contacts that cannot be ruled out:",
        "Final table without the ruled-out rows:",
        "I ruled out the legs.\n\nContacts:",
        "Their heads do not touch.\n\nHere is the table.",
        "### Ruled out\n- head and head\n\nThe final table",
    ],
)
def test_titles_that_only_sound_like_it(title):
    assert _rows(f"{title}\n\n{FINAL}") == [("hand", "shoulder")]


def test_json_fields_that_are_ruled_out():
    pair = {"person_1": "hand", "person_2": "shoulder"}
    other = {"person_1": "head", "person_2": "butt"}
    for name in ("ruled_out", "not_touching", "rejected", "non_contacts", "no_contact"):
        assert _rows(json.dumps({"contacts": [pair, pair], name: [other, other]})) == [("hand", "shoulder")] * 2


@pytest.mark.parametrize(
    "row",
    [
        "| ~~head~~ | ~~butt~~ |",
        "| ~~head | butt~~ |",
        "~~| head | butt |~~",
        "| <s>head</s> | <s>butt</s> |",
        "| <del>head</del> | butt |",
        "| h\u0336e\u0336a\u0336d\u0336 | b\u0336u\u0336t\u0336t\u0336 |",
        "| ~head~ | ~butt~ |",
        "| <strike>head | butt</strike> |",
    ],
)
def test_struck_rows_are_no_contacts(row):
    text = FINAL + row
    assert _rows(text) == [("hand", "shoulder")]
    assert "struck through in the answer" in _reasons(text)


def test_struck_words_that_were_replaced():
    assert _rows(HEAD + "| ~~head~~ arm | back |") == [("arm", "back")]
    assert _rows("| Person 1 | Person 2 | Gap |\n|---|---|---|\n| hand | back | ~~1 cm |") == [("hand", "back")]
    html = (
        "<tr><td>hand</td><td>back</td></tr><tr style='text-decoration: line-through'><td>head</td><td>butt</td></tr>"
    )
    assert _rows(f"<table>{html}</table>") == [("hand", "back")]


@pytest.mark.parametrize(
    ("heading", "note"),
    [
        ("Status", "no contact"),
        ("Interaction", "no contact, gap visible"),
        ("Evidence", "gap visible, not touching"),
        ("Notes", "Not touching."),
        ("Remarks", "they are not in contact"),
        ("Contact", "No"),
        ("Touching?", "❌"),
        ("Verdict", "Rejected"),
        ("Valid", "false"),
        ("Confidence", "0 %"),
        ("Gap visible", "yes"),
        ("Not touching", "yes"),
        ("", "no contact"),
        ("Kommentar", "doesn't touch the butt"),
        ("Decision", "ruled out"),
        ("Status", "**no contact**"),
        ("Result", "✗"),
        ("Check", "no physical contact between them"),
    ],
)
def test_a_verdict_under_any_heading_denies_its_row(heading, note):
    text = f"| Person 1 | Person 2 | {heading} |\n|---|---|---|\n| hand | shoulder | ok |\n| head | butt | {note} |"
    assert _rows(text) == [("hand", "shoulder")]
    assert _reasons(text) == ["the answer says that there is no contact"]


@pytest.mark.parametrize(
    ("heading", "note"),
    [
        ("Status", "contact"),
        ("Notes", "resting, not touching the neck"),
        ("Notes", "no contact with the ground"),
        ("Evidence", "the other hand does not touch"),
        ("Occluded", "no"),
        ("Gap", "no"),
        ("Notes", "none"),
        ("Contact type", "no gap"),
        ("Contact", "not only touching but pressing"),
        ("Confidence", "no doubt"),
        ("Status", "cannot be ruled out"),
        ("Notes", "no contact elsewhere"),
        ("Not touching", "no"),
        ("Certain", "✓ yes"),
    ],
)
def test_notes_about_something_else_deny_nothing(heading, note):
    text = f"| Person 1 | Person 2 | {heading} |\n|---|---|---|\n| hand | shoulder | {note} |"
    assert _rows(text) == [("hand", "shoulder")]


# People in columns ------------------------------------------------------------------------------

WANTED = [("arm", "shoulder"), ("back", "hand")]
PEOPLE = [("Person 1", "arm", "Person 2", "shoulder"), ("Person 2", "hand", "Person 1", "back")]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 3, 2), (0, 2, 1, 3), (1, 3, 0, 2), (1, 0, 2, 3), (0, 1, 3, 2)])
@pytest.mark.parametrize(
    "names",
    [
        ("Person 1", "Person 2"),
        ("P1", "P2"),
        ("1", "2"),
        ("A", "B"),
        ("Left person", "Right person"),
        ("**Person 1**", "Person 2 (man)"),
        ("First person", "Second person"),
    ],
)
def test_people_in_columns_of_their_own(order, names):
    heads = ("Person", "Body Part", "Person", "Body Part")
    rows = [
        [cell.replace("Person 1", "\0").replace("Person 2", names[1]).replace("\0", names[0]) for cell in row]
        for row in PEOPLE
    ]
    lines = ["| " + " | ".join(cells[k] for k in order) + " |" for cells in (heads, *rows)]
    assert _rows("\n".join([lines[0], "|---|---|---|---|", *lines[1:]])) == WANTED


@pytest.mark.parametrize(
    "fields",
    [
        ("person_a", "part_a", "person_b", "part_b"),
        ("who", "part", "whom", "touched part"),
        ("from", "from_part", "to", "to_part"),
        ("person1", "part1", "person2", "part2"),
    ],
)
def test_people_in_fields_of_json(fields):
    rows = [dict(zip(fields, row, strict=True)) for row in PEOPLE]
    assert _rows(json.dumps(rows)) == WANTED
    turned = [{name: row[name] for name in (fields[2], fields[0], fields[1], fields[3])} for row in rows]
    if fields[0] in ("person_a", "from", "person1"):  # their names say what belongs together
        assert _rows(json.dumps(turned)) == WANTED


def test_one_column_of_people():
    head = "| Person | Body Part | Touches |\n|---|---|---|\n"
    assert _rows(head + "| Person 1 | arm | shoulder |\n| Person 2 | hand | back |") == WANTED
    assert (
        _rows(head + "| Person 2 | hand | Person 1's back |\n| Person 1 | arm | Person 2's shoulder |") == WANTED[::-1]
    )
    numbered = "| # | Person 1 | Person 2 |\n|---|---|---|\n| 1 | arm | shoulder |\n| 2 | back | hand |"
    assert _rows(numbered) == WANTED
    third = head.replace("Touches", "Touches | Body Part").replace("---|\n", "---|---|\n")
    text = third + "| Person 1 | arm | Person 3 | back |\n| Person 1 | arm | Person 2 | shoulder |"
    assert _rows(text) == WANTED[:1] and _reasons(text) == ["about a third person"]


# Line breaks ------------------------------------------------------------------------------------


def _ways(text: str) -> dict[str, str]:
    lines = text.split("\n")
    return {
        "spaces": " ".join(lines),
        "nothing": "".join(lines),
        "escaped": text.replace("\n", "\\n"),
        "escaped twice": text.replace("\n", "\\\\n"),
        "carriage returns": text.replace("\n", "\r"),
        "windows": text.replace("\n", "\\r\\n"),
        "json string": json.dumps(text),
        "line separators": text.replace("\n", "\u2028"),
        "tags": text.replace("|\n|", "|<br>|"),
        "entities": text.replace("\n", "&#10;"),
    }


@pytest.mark.parametrize("way", _ways(""))
def test_tables_without_line_breaks_read_the_same(way):
    rng = np.random.default_rng(7)
    compared = 0
    for _ in range(150):
        rows = [line for line in random_answers.two_person_text(rng, 12)[0].split("\n") if line.startswith("| ")]
        rows = [line for line in rows if line.count("|") == 3 and "Person 1" not in line and "|  |" not in line]
        text = "The contacts are:\n" + HEAD + "\n".join(rows)
        wanted = parse_extended(text)
        if not wanted.rows:
            continue
        compared += 1
        found = parse_extended(_ways(text)[way])
        assert [row.options for row in found.rows] == [row.options for row in wanted.rows], _ways(text)[way]
        assert len(found.rejected) == len(wanted.rejected)
    assert compared > 50


def test_several_tables_and_prose_on_one_line():
    line = " ".join((DRAFT + "That is wrong. Corrected table:\n" + FINAL + "\n| arm | back |\nThat is all.").split())
    assert _rows(line) == [("hand", "shoulder"), ("arm", "back")]
    assert _rows(" ".join((FINAL + "\nCorrected:\n" + NONE).split())) == []
    assert _rows("| Person 1 | Person 2 | | hand | shoulder | | arm | back |") == [
        ("hand", "shoulder"),
        ("arm", "back"),
    ]
    assert _rows("+-----+-----+ | Person 1 | Person 2 | +-----+-----+ | hand | back | +-----+-----+") == [
        ("hand", "back")
    ]


def test_rows_with_empty_cells_are_no_tables_on_one_line():
    head = "| # | Person 1 | Person 2 | Note | More |\n|---|---|---|---|---|\n"
    assert _rows(head + "| 1 | hand | back | - | - |\n| 2 | arm | chest | -- | -- |") == [
        ("hand", "back"),
        ("arm", "chest"),
    ]
    assert _rows("| Person 1 | Person 2 |\n|---|---|\n| $\\neq$ hand | back |\n| arm | chest |") == [("arm", "chest")]


RULE = "| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n"


@pytest.mark.parametrize(
    "text",
    [
        RULE + "| None | None |",
        RULE + "| - | - |",
        RULE + "| No contact | No contact |",
        RULE + "| no body part | no body part |",
        RULE + "| hand | arm |\n\nFinal table:\n\n" + RULE + "| **No contact** | **No contact** |",
        RULE + "| hand | arm (no contact) |",
        RULE + "| ~~hand~~ | ~~arm~~ |",
        RULE + "| hand | arm |\n\nActually, there is no contact between them.",
        "| P1 | P2 | Verdict |\n|---|---|---|\n| hand | arm | no |\n| head | head | not touching |",
        "<think>The hand may touch the arm.</think>No body parts are touching.",
        "Based on the image, no parts of the two people are in contact.",
        "They are not touching each other.",
        '{"contacts": []}',
    ],
)
def test_an_honest_none_is_told_from_an_answer_without_a_row(text):
    parsed = parse_extended(text)
    assert parsed.says_none and not parsed.rows
    assert compile_answers([text, RULE + "| hand | arm |"], parser="extended").num_none == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot see the image.",
        RULE,
        RULE + "| hand | flibber |",
        RULE + "| hand | arm |",
        RULE + "| hand | arm |\n\nThe table above is wrong.",
        RULE + "| hand | flibber |\n| head | head (no contact) |",
        "Possible contacts: none.",
    ],
)
def test_answers_that_do_not_say_none(text):
    assert not parse_extended(text).says_none


@pytest.mark.parametrize(
    "prose",
    [
        "On second thought, the head and the butt do not touch.",
        "Correction: row 2 should be removed.",
        "Looking closer, the head and the butt are not in contact.",
    ],
)
def test_a_pair_is_taken_back_whatever_the_sentence_begins_with(prose):
    assert _rows(RULE + "| hand | arm |\n| head | butt |\n\n" + prose) == [("hand", "arm")]


@pytest.mark.parametrize(
    "prose",
    [
        "Final answer: none of the body parts are touching.",
        "None of these pairs touch.",
        "None of them are actually in contact.",
        "Looking closer, there is visible space between them, so nothing touches.",
        "The people stand side by side; therefore there is no contact.",
    ],
)
def test_a_none_in_other_words(prose):
    parsed = parse_extended(RULE + "| head | butt |\n\n" + prose)
    assert parsed.says_none and not parsed.rows


@pytest.mark.parametrize(
    ("note", "denied"),
    [
        ("there is a gap between them", True),
        ("a small space is visible between the two", True),
        ("clearly apart", True),
        ("gap visible", True),
        ("no gap between them", False),
        ("without a gap between them", False),
        ("touching, there is not a gap between them", False),
        ("seen in the space between the two heads", False),
        ("fits the gap", False),
    ],
)
def test_gaps_in_a_column_of_notes(note, denied):
    text = f"| Person 1 | Person 2 | Evidence |\n|---|---|---|\n| hand | arm | visible |\n| hand | back | {note} |"
    assert (("hand", "back") in _rows(text)) is not denied


# Tables drawn otherwise ---------------------------------------------------------------------------

_DRAWN = {
    "box": "┌─────┬─────┐\n│ Person 1 │ Person 2 │\n├─────┼─────┤\n│ hand │ shoulder │\n├─────┼─────┤\n"
    "│ left foot │ shin │\n└─────┴─────┘",
    "double box": "╔════╦════╗\n║ Person 1 ║ Person 2 ║\n╠════╬════╣\n║ hand ║ shoulder ║\n║ left foot ║ shin ║\n"
    "╚════╩════╝",
    "wide pipes": "｜Person 1｜Person 2｜\n｜---｜---｜\n｜hand｜shoulder｜\n｜left foot｜shin｜",
    "tabs": "Person 1 Body Part\tPerson 2 Body Part\nhand\tshoulder\nleft foot\tshin\n\nThat is all.",
    "commas": "Here it is:\nPerson 1 Body Part,Person 2 Body Part\nhand,shoulder\nleft foot,shin\n",
    "quoted": 'Person 1 Body Part, Person 2 Body Part\n"hand", "shoulder"\n"left foot", "shin"\n',
    "semicolons": "person1_part;person 2 part\nhand;shoulder\nleft foot;shin".replace("person1_part", "person 1 part"),
    "fenced": "```csv\nPerson 1 Body Part,Person 2 Body Part\nhand,shoulder\nleft foot,shin\n```",
    "LaTeX": "\\begin{tabular}{|p{3cm}|l|}\n\\hline\n\\textbf{Person 1} & \\textbf{Person 2} \\\\ \\hline\n"
    "hand & shoulder \\\\\nleft foot & shin \\\\\n\\hline\n\\end{tabular}",
}


@pytest.mark.parametrize("way", list(_DRAWN))
def test_tables_that_are_drawn_otherwise(way):
    wanted = _rows(HEAD + "| hand | shoulder |\n| left foot | shin |\n")
    assert len(wanted) == 2 and _rows(_DRAWN[way]) == wanted
    assert _rows(f"{_DRAWN[way]}\n\nOn reflection, they do not touch.") == []


@pytest.mark.parametrize("prose", [
    "Person 1 raises a hand, Person 2 leans back,\nand the hand, the shoulder and the back are near.",
    "Person 1, Person 2\nstand, far apart", "\\begin{tabular}{cc}\n\\end{tabular}", "\\begin{itemize}\\item hand",
    '"Person 1,"Person 2\n"', "│", "Person 1\tPerson 2",
])  # fmt: skip
def test_prose_with_commas_is_no_table(prose):
    assert _rows(prose) == []


# What is only possible ----------------------------------------------------------------------------


@pytest.mark.parametrize("title", ["Possible but uncertain:", "### Less certain", "**Potential contacts**",
                                   "Low-confidence pairs:", "Not sure about these:"])  # fmt: skip
def test_a_later_list_of_possible_contacts_does_not_take_the_place_of_the_contacts(title):
    text = f"{FINAL}\n{title}\n\n{DRAFT}"
    assert _rows(text) == [("hand", "shoulder")]
    assert any("only possible" in reason for reason in _reasons(text))
    assert _rows(f"{title}\n\n{DRAFT}") == [("head", "butt")]  # all there is
    assert _rows(f"{title}\n\n{DRAFT}\nFinal table:\n\n{FINAL}") == [("hand", "shoulder")]
    assert _rows(f"Contacts:\n\n{NONE}\n{title}\n\n{DRAFT}") == []


@pytest.mark.parametrize("title", ["Final table:", "All possible contacts, corrected:", "Remaining contacts:"])
def test_other_later_tables_are_the_last_word(title):
    assert _rows(f"{DRAFT}\n{title}\n\n{FINAL}") == [("hand", "shoulder")]


@pytest.mark.parametrize("opening", ["Correction: after closer inspection, ", "Upon closer inspection, ",
                                     "After a second look, ", "On further review, "])  # fmt: skip
def test_openings_of_a_retraction(opening):
    assert _rows(f"{DRAFT}\n{opening}there is no contact between the two people.") == []
