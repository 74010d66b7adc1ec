"""`prosepose ablate` as it is called: the packaged small variant, and usage errors."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from small_scenes import use_fewer_terms

from prosepose_jax.apps.main import main
from prosepose_jax.io.claim import claimed


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["prosepose", "ablate", *arguments])
    return status, *capsys.readouterr()


@pytest.mark.heavy
def test_the_small_variant_of_a_packaged_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fewer_terms(monkeypatch)
    workdir = tmp_path / "sweep"
    status, out, err = _run(capsys, "--config=configs/ablation_answers.py:smoke", f"--workdir={workdir}")
    assert status == 0, err
    files = {str(f.relative_to(workdir)) for f in workdir.rglob("*") if f.is_file()}
    plots = {f"plots/two_person_{name}.{kind}" for name in ("joint_pa_mpjpe_mm", "pcc") for kind in ("png", "svg")}
    points = {f"points/{name}/scenes.jsonl" for name in ("initial", "N_=_1", "N_=_2", "N_=_3")}
    assert files == plots | points | {"table.csv", "table.md", "table.tex", "run.json", ".running"}
    assert "N = 1 (reference)" in (workdir / "table.md").read_text(encoding="utf-8")
    assert (workdir / "table.md").read_text(encoding="utf-8") in out
    with Image.open(workdir / "plots/two_person_pcc.png") as picture:
        assert picture.size[0] > 1000
    info = json.loads((workdir / "run.json").read_text(encoding="utf-8"))
    assert {"versions", "device", "seed", "command", "seconds", "config", "git_revision"} <= set(info)
    assert info["command"].startswith("prosepose ablate --config=configs/ablation_answers.py:smoke")
    assert info["fits"] == 6 and info["seconds"]["fit"] > 0 and info["git_revisions"] == [info["git_revision"]]
    with claimed(workdir):
        status, _, err = _run(capsys, "--config=ablation_answers:smoke", f"--workdir={workdir}")
    assert status == 2 and "another prosepose is writing to this folder" in err
    status, out, _ = _run(capsys, "--config=ablation_answers:smoke", f"--workdir={workdir}")
    assert status == 0 and "0 fits, 0 shared, 8 kept from before" in out
    again = json.loads((workdir / "run.json").read_text(encoding="utf-8"))
    assert (again["fits"], again["git_revisions"]) == (info["fits"], info["git_revisions"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config=ablation_answers:smoke"], "--workdir is missing"),
        (["--config=two_person", "--workdir=x"], "expected the config of a sweep with a field points"),
        (["--config=ablation_anwsers", "--workdir=x"], "no such file and no packaged config"),
        (["--config=ablation_answers:tiny", "--workdir=x"], "expected no variant or smoke, found 'tiny'"),
        (["--config=ablation_answers", "--config.scenes.seeds=3", "--workdir=x"], "the nearest is scenes.seed"),
        (["--config=ablation_answers", "--config.scenes.count=0", "--workdir=x"], "count: expected at least 1"),
        (["--config=ablation_answers", "--workdir=x", "more"], "unexpected argument 'more'"),
    ],
)
def test_usage_errors(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = _run(capsys, *arguments)
    assert status == 2 and words in err
    assert not list(tmp_path.iterdir())


def test_folders_that_cannot_be_used_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_text("")
    sweep = "--config=ablation_answers:smoke"
    for arguments in ([f"--workdir={file}/a"], [f"--workdir={tmp_path}/b", f"--scenes={file}"]):
        status, _, err = _run(capsys, sweep, *arguments)
        assert status == 2 and f"{file}" in err and "cannot be a folder of a sweep" in err
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "points").write_text("")
    status, _, err = _run(capsys, sweep, f"--workdir={tmp_path}/c")
    assert status == 2 and f"{tmp_path}/c/points" in err


@pytest.mark.heavy
def test_a_full_disk_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("prosepose_jax.ablation.run.append_records", full)
    status, _, err = _run(capsys, "--config=ablation_answers:smoke", f"--workdir={tmp_path}/a")
    assert status == 3 and "no space left on device" in err and "is kept" in err and "Traceback" not in err


def test_help_names_the_flags(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = _run(capsys, "--help")
    assert status == 0 and "--workdir" in out and "--config" in out and ":smoke" in out
