from __future__ import annotations

import json

import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.io import load_answers, write_text


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def lines(*entries):
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def test_release_layout(tmp_path):
    data = {"img_0": [{"table_response": "| a | b |", "seed": 3}, {"table_response": "prose"}], "none": []}
    answers = load_answers(write(tmp_path / "a.json", json.dumps(data)))
    assert [a.text for a in answers["img_0"]] == ["| a | b |", "prose"]
    assert [a.sample for a in answers["img_0"]] == [0, 1]
    assert answers["img_0"][0].extra == {"seed": 3}
    assert answers["img_0"][0].pair == (0, 1) and answers["img_0"][0].order == "free"
    assert answers["none"] == [] and list(answers) == ["img_0", "none"]


def test_scene_keys_with_and_without_suffix(tmp_path):
    data = {key: [{"table_response": key}] for key in ("a_0", "b", "c", "c_0")}
    answers = load_answers(write(tmp_path / "a.json", json.dumps(data)))
    found = {key: [a.text for a in answers.for_scene(key)] for key in ("a", "a_0", "b", "b_0", "c", "c_0", "b_1", "d")}
    assert found == {
        "a": ["a_0"], "a_0": ["a_0"], "b": ["b"], "b_0": ["b"], "c": ["c"], "c_0": ["c_0"], "b_1": [], "d": [],
    }  # fmt: skip


def test_lines(tmp_path):
    text = lines(
        {"key": "a", "sample": 0, "text": "old", "model": "m", "prompt": "p", "time": 12.5},
        {"key": "a", "sample": 1, "text": "one", "pair": [1, 2], "order": "given"},
        {"key": "a", "sample": 1, "text": "other pair"},
        {"key": "a", "sample": 0, "text": "new", "model": "m", "prompt": "p", "time": 13.5},
        {"key": "b", "text": "x\u2028y"},
        {"key": "b", "text": "second"},
    )
    answers = load_answers(write(tmp_path / "a.jsonl", text + "\n"))
    assert [a.text for a in answers["a"]] == ["new", "one", "other pair"]
    assert answers["a"][0].extra == {"time": 13.5} and answers["a"][0].model == "m" and answers["a"][0].prompt == "p"
    assert answers["a"][1].pair == (1, 2) and answers["a"][1].order == "given"
    assert [(a.text, a.sample) for a in answers["b"]] == [("x\u2028y", 0), ("second", 1)]
    assert answers.notes == ()


def test_json_entries_are_never_merged(tmp_path):
    entries = [{"table_response": text, "sample": 0, "pair": None} for text in ("x", "y", "x")]
    answers = load_answers(write(tmp_path / "a.json", json.dumps({"a": entries})))["a"]
    assert [(a.text, a.sample, a.pair) for a in answers] == [("x", 0, (0, 1)), ("y", 1, (0, 1)), ("x", 2, (0, 1))]


def test_lines_of_other_models_and_prompts_stay(tmp_path):
    base = {"key": "a", "sample": 0, "model": "m", "prompt": "p", "pair": None}
    text = lines(*(base | {"text": str(i)} | more for i, more in enumerate([{}, {"model": "n"}, {"prompt": "q"}, {}])))
    answers = load_answers(write(tmp_path / "a.jsonl", text))["a"]
    assert [(a.text, a.model, a.prompt) for a in answers] == [("3", "m", "p"), ("1", "n", "p"), ("2", "m", "q")]


@pytest.mark.parametrize("ending", [".json", ".jsonl"])
def test_lone_surrogates_are_replaced(tmp_path, ending):
    entry = {"key": "k\ud800", "text": "a\ud800b", "model": "m\udfff", "no\ud800te": ["\ud800", {"n": 1}]}
    text = json.dumps(entry) + "\n" if ending == ".jsonl" else json.dumps({entry["key"]: [entry]})
    (answer,) = load_answers(write(tmp_path / f"a{ending}", text))["k?"]
    assert (answer.text, answer.model, answer.extra["no?te"]) == ("a?b", "m?", ["?", {"n": 1}])


def test_text_files_take_lone_surrogates(tmp_path):
    write_text(tmp_path / "a.txt", "é\ud800")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "é?"


def test_torn_last_line_is_left_out(tmp_path):
    whole = lines({"key": "a", "text": "kept"}, {"key": "a", "text": "torn away"})
    answers = load_answers(write(tmp_path / "a.jsonl", whole[:-8]))
    assert [a.text for a in answers["a"]] == ["kept"]
    assert len(answers.notes) == 1 and "line 2" in answers.notes[0]


def test_empty_lines_file_has_no_answers(tmp_path):
    assert len(load_answers(write(tmp_path / "a.jsonl", ""))) == 0


BAD = {
    "not json": (".json", "{'a': 1}", ["not JSON", "line 1"]),
    "list": (".json", "[]", ["expected an object", "a list"]),
    "entries": (".json", '{"k": {"table_response": "x"}}', ["'k'", "list"]),
    "no text": (".json", '{"k": [{"response": "x"}]}', ["'k'", "answer 0", "table_response", "nothing"]),
    "null text": (".json", '{"k": [{"table_response": null}]}', ["table_response", "null"]),
    "middle line": (".jsonl", '{"key": "a", "te\n{"key": "a", "text": "x"}\n', ["line 1", "not JSON"]),
    "broken line with its newline": (".jsonl", '{"key": "a", "te\n', ["line 1", "not JSON"]),
    "no key": (".jsonl", '{"text": "x"}\n', ["line 1", "'key'"]),
    "line no object": (".jsonl", "3\n", ["line 1", "object"]),
    "sample": (".jsonl", '{"key": "a", "text": "x", "sample": "0"}\n', ["sample", "'0'"]),
    "pair": (".jsonl", '{"key": "a", "text": "x", "pair": [0]}\n', ["pair", "[0]"]),
    "negative pair": (".jsonl", '{"key": "a", "text": "x", "pair": [0, -1]}\n', ["pair", "-1"]),
    "order": (".jsonl", '{"key": "a", "text": "x", "order": "fixed"}\n', ["order", "free, given", "'fixed'"]),
    "deep": (".json", '{"k": ' + "[" * 100_000, ["nested"]),
    "deep line": (".jsonl", '{"k": ' + "[" * 100_000 + "\n", ["nested"]),
    "ending": (".txt", "", [".jsonl"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_named(tmp_path, name):
    ending, text, words = BAD[name]
    path = write(tmp_path / f"answers{ending}", text)
    with pytest.raises(InputError) as error:
        load_answers(path)
    for word in [str(path), *words]:
        assert word in str(error.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(InputError, match="no such answers file"):
        load_answers(tmp_path / "none.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        load_answers(tmp_path / "b.json")
