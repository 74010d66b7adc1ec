"""Help of every verb: a screenful, and true."""

from __future__ import annotations

import io
import re
import sys

import pytest

from prosepose_jax import __version__
from prosepose_jax.apps import (
    ablate,
    ask,
    demo,
    doctor,
    evaluate,
    export,
    fit,
    generate,
    import_,
    main,
    merge,
    pack,
    render,
    status,
    table,
    train_prior,
    unpack,
    view,
)
from prosepose_jax.apps._progress import Progress, be_quiet, end_quiet
from prosepose_jax.apps._usage import take_quiet

_VERBS = {
    "demo": demo._flags(),
    "fit": fit._flags(),
    "import": import_.FLAGS,
    "ask": ask.FLAGS,
    "evaluate": evaluate.FLAGS,
    "ablate": ablate._flags(),
    "generate": generate.FLAGS,
    "doctor": doctor.FLAGS,
    "export": export.FLAGS,
    "render": render.FLAGS,
    "view": view.FLAGS,
    "table": table.FLAGS,
    "train-prior": train_prior.FLAGS,
    "merge": merge.FLAGS,
    "pack": pack.FLAGS,
    "status": status.FLAGS,
    "unpack": unpack.FLAGS,
}


def test_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(_VERBS) == set(main.VERBS)
    assert main.main(["prosepose", "--help"]) == 0
    overview = capsys.readouterr().out
    for verb in main.VERBS:
        assert f"prosepose {verb} " in overview
    assert main.main(["prosepose"]) == 2 and capsys.readouterr().out == overview
    assert main.main(["prosepose", "--version"]) == 0 and capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("verb", sorted(_VERBS))
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_a_screenful_and_true(verb: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["prosepose", verb, flag]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert len(lines) <= 43 and max(map(len, lines)) <= 120 and captured.err == ""
    assert f"prosepose {verb} " in captured.out
    assert re.search(r"Exit status: 0 all \w+", captured.out) and "2 bad usage" in captured.out
    assert "undefok" not in captured.out and "flagfile" not in captured.out
    listed = set(re.findall(r"^  --(?:\[no\])?(\w+):", captured.out, re.MULTILINE))
    own = {name for name in _VERBS[verb] if name not in ("help", "h", "flagfile", "undefok", "body_path")}
    assert listed == own | {"quiet"} | ({"config"} if verb in ("fit", "ablate") else set())
    # What the text mentions exists.
    mentioned = set(re.findall(r"--([a-z_]+)", captured.out)) - {
        "flag",
        "help",
        "workdir",  # of prosepose fit, where evaluate looks
        "root",  # of datasets, whose import has a help of its own
        "split",
    }
    assert mentioned <= listed | {"config"}


def test_fit_help_names_the_packaged_configs(capsys: pytest.CaptureFixture[str]) -> None:
    from prosepose_jax.resources import configs_dir

    fit.main(["prosepose fit", "--help"])
    shown = capsys.readouterr().out
    listed = set(re.split(r",\s*", re.search(r"packaged config: ([\w,\s]+)\.", shown)[1]))
    packaged = {file.stem for file in configs_dir().glob("*.py")}
    assert listed == {name for name in packaged if not name.startswith("ablation_")}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _progress(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, scenes: int = 3) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress(scenes, "fit") as progress:
        for index in range(scenes):
            progress.say(f"note {index}")
            progress.step("ok")
    return stream.getvalue()


def test_progress_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _progress(monkeypatch, _Terminal())
    assert "\r" in shown and "3/3" in shown and "scene" in shown and "note 2\n" in shown


def test_plain_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _progress(monkeypatch, io.StringIO())
    lines = shown.splitlines()
    # A fast run says one line at its end.
    assert lines[:3] == ["note 0", "note 1", "note 2"] and len(lines) == 4
    assert re.fullmatch(r"fit: 3 of 3 scenes, [\d.]+/s, 0 s left", lines[3]) and "\r" not in shown


def test_plain_lines_come_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("prosepose_jax.apps._progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress(100, "fit") as progress:
        for _ in range(100):
            now[0] += 1.0
            progress.step()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10 and lines[0] == "fit: 10 of 100 scenes, 1.00/s, 90 s left"


def test_quiet_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert take_quiet(["prosepose fit", "--quiet", "--scenes=x"]) == (["prosepose fit", "--scenes=x"], True)
    assert take_quiet(["prosepose fit", "--scenes=x"]) == (["prosepose fit", "--scenes=x"], False)
    token = be_quiet(True)
    try:
        for stream in (io.StringIO(), _Terminal()):
            assert _progress(monkeypatch, stream) == ""
    finally:
        end_quiet(token)
    assert _progress(monkeypatch, io.StringIO()) != ""


def test_stopping_by_hand_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(argv: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "main", stop)
    assert main.main(["prosepose", "demo", "--workdir=x"]) == 130
    assert "the same command goes on where it was" in capsys.readouterr().err
