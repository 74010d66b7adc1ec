"""The growing file: what is there counts, what broke off goes, one program at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.io import load_answers
from prosepose_jax.lmm import AnswerLog, AskedFor, read_samples

HUG = AskedFor("hug", (0, 1), "m", "p@1", "abc")


def _line(sample: int, **more: object) -> dict[str, object]:
    return {"key": "hug", "sample": sample, "text": "| a | b |", "model": "m", "prompt": "p@1", "pair": [0, 1],
            "input": "abc"} | more  # fmt: skip


def test_answers_are_there_after_closing_and_opening(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.jsonl"
    log = AnswerLog(file)
    log.append([_line(0), _line(1, text="two\u2028lines \ud800")])
    # On file before it is closed: a killed program has lost nothing.
    assert len(file.read_bytes().splitlines()) == 2
    log.close()
    with pytest.raises(OSError, match="closed"):
        log.append([_line(2)])
    again = AnswerLog(file)
    assert again.samples == {HUG: {0, 1}} and not again.repaired
    again.close()
    assert [answer.sample for answer in load_answers(file)["hug"]] == [0, 1]


def test_other_questions_count_apart(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "a.jsonl")
    changes = ({"key": "b"}, {"pair": [1, 2]}, {"model": "n"}, {"prompt": "p@2"}, {"input": "d"})
    log.append([_line(0), *(_line(7, **change) for change in changes)])
    log.append([{"key": "hug", "text": "by hand"}])  # from elsewhere: answers nothing that we ask
    log.close()
    samples, _ = read_samples(tmp_path / "a.jsonl")
    assert len(samples) == 6 and samples[HUG] == {0}


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_line_that_broke_off_is_removed(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "a.jsonl"
    whole = json.dumps(_line(0)) + "\n"
    second = json.dumps(_line(1))
    file.write_text(whole + second[:cut])
    log = AnswerLog(file)
    assert log.samples == {HUG: {0}} and "broke off" in log.repaired
    log.append([_line(1)])
    log.close()
    assert file.read_text() == whole + second + "\n"


def test_a_whole_last_line_without_its_end_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(_line(0)))
    log = AnswerLog(file)
    log.append([_line(1)])
    log.close()
    assert read_samples(file) == ({HUG: {0, 1}}, None)


@pytest.mark.parametrize(
    ("line", "words"),
    [("nonsense", "line 2 is not JSON"), ("[]", "line 2: expected an answer"), ('{"key": 3, "text": ""}', "'key'"),
     ('{"key": "a"}', "'text'")],
)  # fmt: skip
def test_damaged_files_are_refused_untouched(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "a.jsonl"
    content = f"{json.dumps(_line(0))}\n{line}\n{json.dumps(_line(1))}\n"
    file.write_text(content)
    with pytest.raises(InputError, match=words):
        AnswerLog(file)
    assert file.read_text() == content


@pytest.mark.heavy
def test_a_second_program_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    code = f"from prosepose_jax.lmm import AnswerLog; AnswerLog({str(file)!r})"
    log = AnswerLog(file)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "another prosepose ask is writing to it" in done.stderr
    log.close()
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=".jsonl"):
        AnswerLog(tmp_path / "a.json")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        AnswerLog(tmp_path / "folder.jsonl")
    assert not (tmp_path / "a.json").exists()


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "a.jsonl")
    text = "x" * 5000

    def write(first: int) -> None:
        for sample in range(first, first + 50):
            log.append([_line(sample, text=text)])
            log.sync()

    threads = [threading.Thread(target=write, args=(100 * k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert len(read_samples(tmp_path / "a.jsonl")[0][HUG]) == 400


def test_a_full_disk_ends_the_writing_and_the_next_start_repairs(tmp_path: Path, monkeypatch) -> None:
    log = AnswerLog(tmp_path / "a.jsonl")
    log.append([_line(0)])
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:30]))
    with pytest.raises(OSError, match="No space left"):
        log.append([_line(1)])
    monkeypatch.undo()
    with pytest.raises(OSError, match="closed"):
        log.append([_line(2)])
    again = AnswerLog(tmp_path / "a.jsonl")
    assert again.samples == {HUG: {0}} and again.repaired
    again.close()
