"""One damaged scene of every kind among sixteen good ones: sixteen results, status 1, every bad one named."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from damaged_scenes import ABSURD, UNREADABLE, as_printed, named_failures, write_damaged

from prosepose_jax.apps.main import main
from prosepose_jax.io import load_fits, save_scene
from prosepose_jax.scene import Scene

from .conftest import Case

pytestmark = [pytest.mark.heavy, pytest.mark.skipif(sys.platform != "linux", reason="names and links of Linux")]
GOOD = [f"good{number:02d}" for number in range(16)]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, small_body_file: Path, make_scene: Callable[..., Scene]) -> Case:
    """The folder of scenes."""
    case = Case(tmp_path_factory.mktemp("mixed"), small_body_file)
    for seed, key in enumerate(GOOD):
        save_scene(case.scenes, make_scene(key, seed))
    good = (case.scenes / f"{GOOD[0]}.npz").read_bytes()
    write_damaged(case.scenes, good, UNREADABLE | ABSURD)
    return case


@pytest.fixture(scope="module")
def fitted(mixed: Case) -> tuple[int, str]:
    """Exit status and stderr of the run."""
    import contextlib
    import io

    errors = io.StringIO()
    # With all terms: an absurd scene could spoil the batch in each of them.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        status = mixed.fit("--nopictures", steps=(2, 1))
    return status, errors.getvalue()


def _all_named(status: int, errors: str, kinds: Iterable[str]) -> None:
    assert status == 1 and "Traceback" not in errors
    named = named_failures(errors)
    assert {as_printed(kind) for kind in kinds} <= {key.rstrip("…") for key in named}
    assert all(len(reason) > 10 for reason in named.values())


def test_fit(mixed: Case, fitted: tuple[int, str]) -> None:
    _all_named(*fitted, [*UNREADABLE, *ABSURD])
    assert [key for key, fit in load_fits(mixed.workdir).items() if fit.ok] == GOOD
    scenes = json.loads((mixed.workdir / "metrics.json").read_text())["scenes"]
    assert [key for key in scenes if "error" not in scenes[key] and scenes[key]["status"] == "fallback"] == GOOD
    assert (mixed.workdir / "report.html").stat().st_size > 1000


def test_evaluate(mixed: Case, fitted: tuple[int, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "metrics.json"
    status = main(["prosepose", "evaluate", f"--scenes={mixed.scenes}", f"--fits={mixed.workdir}", f"--out={out}"])
    _all_named(status, capsys.readouterr().err, [*UNREADABLE, *ABSURD])
    scenes = json.loads(out.read_text())["scenes"]
    assert [key for key, entry in scenes.items() if "joint_pa_mpjpe_mm" in entry] == GOOD


def test_evaluate_with_damaged_fits(
    mixed: Case, fitted: tuple[int, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same kinds of damage in the run's own folder."""
    run, scenes = tmp_path / "run", tmp_path / "scenes"
    shutil.copytree(mixed.workdir, run)
    scenes.mkdir()
    printable = [kind for kind in UNREADABLE if kind.isidentifier() and len(kind) < 200]
    good = (run / "fits" / f"{GOOD[0]}.npz").read_bytes()
    for key in (*GOOD, *printable):
        shutil.copy(mixed.scenes / f"{GOOD[0]}.npz", scenes / f"{key}.npz")
    kinds = {}
    for kind in printable:
        try:
            UNREADABLE[kind](run / "fits" / f"{kind}.npz", good)
        except (KeyError, ValueError):  # of a field that fits lack
            continue
        kinds[kind] = kind
    status = main(["prosepose", "evaluate", f"--scenes={scenes}", f"--fits={run}", f"--out={tmp_path}/m.json"])
    errors = capsys.readouterr().err
    assert status == 1 and "Traceback" not in errors
    assert set(named_failures(errors)) <= set(printable)
    entries = json.loads((tmp_path / "m.json").read_text())["scenes"]
    assert [key for key, entry in entries.items() if key in GOOD and "joint_pa_mpjpe_mm" in entry] == GOOD


@pytest.mark.slow  # a sweep's fits are compiled for it alone
def test_ablate(mixed: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(
        ["prosepose", "ablate", "--config=ablation_answers:smoke", f"--workdir={tmp_path}/sweep",
         f"--config.scenes.folder={mixed.scenes}", "--config.scenes.count=64", f"--config.scenes.body={mixed.body}"]
    )  # fmt: skip
    errors = capsys.readouterr().err
    _all_named(status, errors.replace("FAILED N_=_1: ", "FAILED "), [*UNREADABLE, *ABSURD])
    lines = (tmp_path / "sweep" / "points" / "N_=_1" / "scenes.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert sorted(r["key"] for r in records if not r["status"].startswith("failed")) == GOOD
