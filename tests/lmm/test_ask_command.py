"""`prosepose ask` as a user runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from asking import ask, lines, make_picture, make_scene
from fake_server import FakeServer

import prosepose_jax as pj
from prosepose_jax.apps.main import main
from prosepose_jax.io import save_scene
from prosepose_jax.lmm import AnswerLog, load_prompt
from prosepose_jax.resources import demo_dir

NOWHERE = "http://127.0.0.1:9"  # discard: nothing listens

pytestmark = pytest.mark.usefixtures("keys_set")


def _refused(arguments: list[str], capsys) -> str:
    assert main(["prosepose", "ask", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("prosepose ask: ") and printed.err.count("\n") == 1
    return printed.err


def test_simulated_answers_of_the_packaged_scenes(tmp_path: Path, capsys) -> None:
    def run(name: str, *more: str) -> list[dict]:
        out = tmp_path / name
        command = ["prosepose", "ask", f"--scenes={demo_dir() / 'scenes'}", f"--out={out}", "--client=simulated", *more]
        assert main(command) == 0
        return lines(out)

    first = run("a.jsonl")
    assert len(first) == 200 and "200 answers written" in capsys.readouterr().out
    prompts = {answer["key"]: answer["prompt"].split("@")[0] for answer in first}
    assert (list(prompts.values()).count("two_people"), list(prompts.values()).count("yoga")) == (6, 4)
    texts = {(answer["key"], answer["sample"]): answer["text"] for answer in first}
    assert {(a["key"], a["sample"]): a["text"] for a in run("b.jsonl")} == texts
    assert {(a["key"], a["sample"]): a["text"] for a in run("c.jsonl", "--seed=1")} != texts
    answers = pj.load_answers(tmp_path / "a.jsonl")
    for scene in pj.load_scenes(demo_dir() / "scenes"):
        program = pj.compile_answers(answers.for_scene(scene.key), scene.num_people, parser="extended")
        assert program.num_answers == 20 and program.num_usable >= 8
    # Nothing is left to ask.
    before = (tmp_path / "a.jsonl").read_bytes()
    assert len(run("a.jsonl")) == 200 and (tmp_path / "a.jsonl").read_bytes() == before
    assert "all 200 answers are there" in capsys.readouterr().out


def test_shards_ask_for_every_scene_once(tmp_path: Path, capsys) -> None:
    """Each writes a file of its own; one after the other they are the file of a single process."""
    command = ["prosepose", "ask", f"--scenes={demo_dir() / 'scenes'}", "--client=simulated", "--num_answers=2"]
    assert main([*command, f"--out={tmp_path / 'one.jsonl'}"]) == 0
    for index in range(3):
        assert main([*command, f"--out={tmp_path / 'a.jsonl'}", f"--shard_index={index}", "--shard_count=3"]) == 0
    assert "shard 2 of 3, by --shard_index" in capsys.readouterr().err
    parts = [lines(tmp_path / f"a-0000{index}-of-00003.jsonl") for index in range(3)]
    said = [(a["key"], a["sample"], a["text"]) for part in parts for a in part]
    assert sorted(said) == sorted((a["key"], a["sample"], a["text"]) for a in lines(tmp_path / "one.jsonl"))
    assert len(said) == len(set(said)) == 20 and sum(map(bool, parts)) > 1


def test_published_answers_are_replayed_and_inspected(scenes, tmp_path: Path, capsys) -> None:
    folder, recorded = scenes("a_0", "b"), tmp_path / "published.json"
    table = "| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n| hand | back |"
    recorded.write_text(json.dumps({"a": [{"table_response": f"{k}\n{table}"} for k in range(3)], "b": []}))
    out = tmp_path / "a.jsonl"
    command = ["prosepose", "ask", f"--scenes={folder}", f"--out={out}", "--client=replay", f"--recorded={recorded}"]
    assert main([*command, "--num_answers=3"]) == 1
    printed = capsys.readouterr()
    assert "FAILED b: 3 answers: there are only 0 answers, sample 0 is not among them" in printed.err
    assert [(a["key"], a["text"][0]) for a in lines(out)] == [("a_0", "0"), ("a_0", "1"), ("a_0", "2")]
    assert main(["prosepose", "ask", "--inspect", str(recorded)]) == 0
    shown = capsys.readouterr().out
    assert "back – hand (3 of 3)" in shown and "coverage: 1 of 1 scenes" in shown


def test_only_what_is_missing_is_asked_for(scenes, tmp_path: Path, capsys) -> None:
    folder, out = scenes(3), tmp_path / "a.jsonl"

    def asked(*more: str, num_answers: int) -> list[int]:
        with FakeServer() as server:
            assert ask(folder, out, server.url, "openai", *more, num_answers=num_answers) == 0
        return sorted(received.count for received in server.received)

    assert asked(num_answers=2) == [2, 2, 2]
    assert asked(num_answers=5) == [3, 3, 3]
    assert asked(num_answers=4) == []
    capsys.readouterr()
    # Another prompt is another question; the file then holds both, and the user is told.
    assert asked("--prompt=two_people_sides", num_answers=2) == [2, 2, 2]
    assert "holds 15 answers of other models or prompts" in capsys.readouterr().err
    # So is another picture, whose answers take the place of the old ones.
    make_picture(tmp_path / "scenes" / "scene1.jpg", seed=77)
    assert asked(num_answers=5) == [5]
    answers = pj.load_answers(out)
    assert {key: len(some) for key, some in answers.items()} == {f"scene{k}": 7 for k in range(3)}
    newest = [answer["text"] for answer in lines(out) if answer["key"] == "scene1"][-5:]
    assert set(newest) <= {answer.text for answer in answers["scene1"]}


def test_scenes_of_three_people_are_asked_about_in_pairs(tmp_path: Path) -> None:
    folder, out = tmp_path / "scenes", tmp_path / "a.jsonl"
    save_scene(folder, make_scene("three", make_picture(folder / "a.jpg"), people=3, spread=75.0))
    with FakeServer() as server:
        assert ask(folder, out, server.url, "openai") == 0
    wanted = [(pair, sample) for pair in ((0, 1), (1, 2)) for sample in range(4)]
    assert sorted((tuple(answer["pair"]), answer["sample"]) for answer in lines(out)) == wanted
    assert len({received.image for received in server.received}) == 2
    program = pj.compile_answers(pj.load_answers(out)["three"], num_people=3)
    assert sorted(program.arrays.pairs.tolist()) == [[0, 1], [1, 2]] and program.num_usable == 8
    # The loss of a scene is the sum over its pairs of the mean over their answers.
    assert program.arrays.weights.tolist() == [0.25] * 8


def test_marked_people(scenes, tmp_path: Path) -> None:
    folder, out = scenes(1), tmp_path / "a.jsonl"
    with FakeServer() as server:
        assert ask(folder, out, server.url, "openai") == 0
        assert ask(folder, out, server.url, "openai", "--mark_people") == 0
    free, given = server.received
    assert "red box" in given.system and "red box" not in free.system and given.image != free.image
    answers = pj.load_answers(out)["scene0"]
    assert [answer.order for answer in answers] == ["free"] * 4 + ["given"] * 4


def test_the_caption_route(scenes, tmp_path: Path) -> None:
    folder, captions, out = scenes(2), tmp_path / "captions.jsonl", tmp_path / "a.jsonl"
    with FakeServer(text=lambda serial: f"caption {serial}") as server:
        assert ask(folder, captions, server.url, "openai", "--prompt=describe", num_answers=2) == 0
        assert all(received.image for received in server.received)
    with FakeServer() as server:
        more = ("--prompt=caption", f"--captions={captions}")
        assert ask(folder, out, server.url, "openai", *more, num_answers=4) == 0
    assert all(received.image is None for received in server.received)
    users = [received.user for received in server.received]
    texts = {answer["text"] for answer in lines(captions)}
    assert len(texts) == 4 and all(sum(text in user for user in users) == 1 for text in texts)
    assert len(lines(out)) == 8


def test_dry_run_sends_nothing_and_says_what_it_would(scenes, tmp_path: Path, capsys) -> None:
    folder, out = scenes(3), tmp_path / "a.jsonl"
    with FakeServer() as server:
        assert ask(folder, out, server.url, "openai", num_answers=2) == 0
    before = out.read_bytes()
    capsys.readouterr()
    command = [f"--scenes={folder}", "--client=openai", "--model=fake-model", f"--base_url={NOWHERE}", "--dry_run"]
    assert main(["prosepose", "ask", *command, f"--out={out}", "--num_answers=10"]) == 0
    shown = capsys.readouterr().out
    assert "30 wanted, 6 there, 24 to ask for" in shown and "requests  3 of up to 8 answers" in shown
    assert "leaves    3 images" in shown and "no model fake-model" in shown
    assert load_prompt("two_people").told(False).system in shown
    assert out.read_bytes() == before
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"currency": "EUR", "models": {"fake-model": {"input": 0, "output": 1e6}}}))
    assert main(["prosepose", "ask", *command, f"--prices={prices}", "--requests_per_minute=2"]) == 0
    shown = capsys.readouterr().out
    # 60 answers of 250 tokens (at most 500) at one EUR a token.
    assert "about 15,000.00 EUR, at most 30,000.00" in shown and "at least 4 minutes" in shown
    assert not list(tmp_path.glob("*.tmp")) and len(list(tmp_path.glob("*.jsonl"))) == 1


def test_dry_run_needs_no_key(scenes, monkeypatch, capsys) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert main(["prosepose", "ask", f"--scenes={scenes(1)}", "--client=openai", "--model=gpt-4o", "--dry_run"]) == 0
    assert "USD" in capsys.readouterr().out


def test_bad_scenes_are_named_and_the_others_asked_about(scenes, tmp_path: Path, capsys) -> None:
    folder = scenes(2)
    save_scene(folder, make_scene("no_image"))
    save_scene(folder, make_scene("gone", folder / "gone.jpg"))
    (folder / "text.jpg").write_text("text")
    save_scene(folder, make_scene("no_picture", folder / "text.jpg"))
    (folder / "broken.npz").write_bytes(b"PK")
    with FakeServer() as server:
        assert ask(folder, tmp_path / "a.jsonl", server.url, "openai") == 1
    failed = re.findall(r"^FAILED (\w+): (.*)$", capsys.readouterr().err, re.MULTILINE)
    assert sorted(key for key, _ in failed) == ["broken", "gone", "no_image", "no_picture"]
    reasons = dict(failed)
    assert "field 'image' is missing" in reasons["no_image"] and "gone.jpg" in reasons["gone"]
    assert "not a readable image" in reasons["no_picture"]
    assert len(lines(tmp_path / "a.jsonl")) == 8


def test_key_files_and_missing_keys(scenes, tmp_path: Path, monkeypatch, capsys) -> None:
    folder, file = scenes(1), tmp_path / "key.txt"
    file.write_text("sk-from-file\n\n")
    with FakeServer() as server:
        assert ask(folder, tmp_path / "a.jsonl", server.url, "openai", f"--api_key_file={file}") == 0
    assert server.received[0].headers["authorization"] == "Bearer sk-from-file"
    capsys.readouterr()
    base = [f"--scenes={folder}", f"--out={tmp_path / 'b.jsonl'}", "--model=m"]
    for content in ("", "two words\n", "k\u00e9y\n"):
        file.write_text(content, encoding="utf-8")
        assert "expected the key alone on the first line" in _refused(
            [*base, "--client=openai", f"--api_key_file={file}"], capsys
        )
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name)
    assert "set OPENAI_API_KEY" in _refused([*base, "--client=openai"], capsys)
    with FakeServer() as server:  # a server of one's own needs no key, and is sent none
        assert ask(folder, tmp_path / "c.jsonl", server.url, "openai") == 0
    assert "authorization" not in server.received[0].headers


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scenes": None}, "--scenes is missing"),
        ({"out": None}, "--out is missing"),
        ({"client": None}, "--client is missing: one of gemini"),
        ({"client": "bard"}, "--client"),
        ({"model": None}, "--model is missing"),
        ({"out": "a.json"}, "ends in .jsonl"),
        ({"scenes": "nowhere"}, "expected a folder of scene files"),
        ({"prompt": "three_people"}, "packaged prompts"),
        ({"prompt": "caption"}, "--captions is missing"),
        ({"captions": "x.json"}, "--prompt=caption takes captions"),
        ({"captions": "x.json", "prompt": "two_people"}, "two_people takes the image"),
        ({"base_url": "localhost:8000"}, "expected a URL"),
        ({"base_url": "http://host:port/v1"}, "expected a URL"),
        ({"num_answers": "0"}, "num_answers"),
        ({"concurrency": "0"}, "concurrency"),
        ({"timeout": "0"}, "timeout"),
        ({"client": "replay"}, "--recorded is missing"),
        ({"prices": "nowhere.json"}, "table of prices"),
        ({"api_key_file": "nowhere.txt"}, "cannot be read"),
    ],
)
def test_bad_usage_is_named(change: dict, words: str, scenes, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"scenes": str(scenes(1)), "out": "a.jsonl", "client": "openai", "model": "m", "base_url": NOWHERE} | change
    arguments = [f"--{name}={value}" for name, value in given.items() if value is not None]
    message = _refused(arguments, capsys)
    assert words in message
    assert not (tmp_path / "a.jsonl").exists() or (tmp_path / "a.jsonl").read_bytes() == b""


def test_two_programs_never_write_to_one_file(scenes, tmp_path: Path, capsys) -> None:
    out = tmp_path / "a.jsonl"
    log = AnswerLog(out)
    base = [f"--scenes={scenes(1)}", f"--out={out}", "--client=openai", "--model=m", f"--base_url={NOWHERE}"]
    assert "another prosepose ask is writing to it" in _refused(base, capsys)
    log.close()


def test_empty_answers_of_a_thinking_model_get_a_hint(scenes, tmp_path: Path, monkeypatch, capsys) -> None:
    from prosepose_jax.lmm.clients import Reply, Response
    from prosepose_jax.lmm.clients.openai_http import OpenAIClient

    cut = Response((Reply("", "length"),) * 4)
    monkeypatch.setattr(OpenAIClient, "ask", lambda self, request, count: cut)
    assert ask(scenes(1), tmp_path / "a.jsonl", NOWHERE, "openai") == 0
    assert "4 answers hold no text" in capsys.readouterr().err


@pytest.mark.heavy
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """`prosepose ask --inspect=… | head -1`, with more to say than a pipe holds."""
    answers = tmp_path / "a.json"
    answers.write_text(json.dumps({f"scene{k}": [{"table_response": "| hand | back |"}] for k in range(5000)}))
    command = f"{sys.executable} -m prosepose_jax ask --inspect={answers} | head -1"
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120, env=environment)
    assert done.stdout == "scene0: two people, 1 answer, 1 usable\n" and done.stderr == ""


def test_the_environment_names_proxy_and_server(scenes, tmp_path: Path, monkeypatch) -> None:
    with FakeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        command = [f"--scenes={scenes(1)}", f"--out={tmp_path / 'a.jsonl'}", "--client=openai", "--model=m"]
        assert main(["prosepose", "ask", *command]) == 0
        # As a proxy the server is asked for the whole address.
        monkeypatch.setenv("http_proxy", server.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("OPENAI_BASE_URL", "http://models.invalid/v1")
        assert main(["prosepose", "ask", *command, "--num_answers=30"]) == 0
    paths = [received.path for received in server.received]
    assert paths[0] == "/v1/chat/completions" and paths[-1] == "http://models.invalid/v1/chat/completions"


def test_the_documentation_is_true() -> None:
    """docs/ask.md names every flag, client and prompt, and its example of a prompt is one."""
    from prosepose_jax.apps.ask import FLAGS
    from prosepose_jax.lmm import parse_prompt, prompt_names

    text = (Path(__file__).resolve().parents[2] / "docs" / "ask.md").read_text(encoding="utf-8")
    for name in FLAGS:
        if name not in ("help", "h", "flagfile", "undefok", "seed"):
            assert f"--{name}" in text, name
    for client in FLAGS["client"].parser.enum_values:
        assert f"| `{client}` |" in text
    assert all(f"`{name}`" in text for name in prompt_names()) and "docs/ask.md" in FLAGS["prompt"].help
    example = re.search(r"```\n(# A comment\..*?)```", text, re.DOTALL)[1]
    assert parse_prompt(example, "docs/ask.md").told(False).parts == load_prompt("two_people").parts


def test_failures_of_one_reason_are_one_line_and_long_readings_show(
    scenes, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr("prosepose_jax.apps.ask._MANY_SCENES", 2)
    with FakeServer(reject=lambda received: "no") as server:
        assert ask(scenes(2), tmp_path / "a.jsonl", server.url, "openai", "--candidates=1", num_answers=3) == 1
    printed = capsys.readouterr()
    assert "read: 2 of 2 scenes" in printed.err and len(lines(tmp_path / "a.failed.jsonl")) == 6
    failed = [line for line in printed.err.splitlines() if line.startswith("FAILED")]
    assert sorted(failed) == [f"FAILED scene{k}: 3 answers: HTTP 400: no" for k in range(2)]
