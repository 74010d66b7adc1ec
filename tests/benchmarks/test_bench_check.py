"""The regression check: which ratios count as worse, what it prints, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import check
import pytest


def write(folder: Path, name: str, **ratios: tuple[float | None, str]) -> None:
    folder.mkdir(exist_ok=True)
    entries = [{"name": key, "value": value, "better": better} for key, (value, better) in ratios.items()]
    (folder / f"{name}.json").write_text(json.dumps({"ratios": entries}), encoding="utf-8")


def verdicts(old: Path, new: Path, tolerance: float = 0.25) -> dict[str, str]:
    entries = check.compare_results(check.read_folder(old), check.read_folder(new), tolerance)
    return {entry["ratio"]: entry["verdict"] for entry in entries}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return tmp_path / "old"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return tmp_path / "new"


def test_direction_decides_what_is_worse(old: Path, new: Path) -> None:
    write(
        old, "fit", up=(100.0, "higher"), down=(1.0, "lower"), up_better=(100.0, "higher"), down_better=(1.0, "lower")
    )
    write(new, "fit", up=(70.0, "higher"), down=(1.3, "lower"), up_better=(130.0, "higher"), down_better=(0.7, "lower"))
    assert verdicts(old, new) == {
        "up": "regressed", "down": "regressed", "up_better": "improved", "down_better": "improved"
    }  # fmt: skip


def test_tolerance_is_a_share_of_the_old_value(old: Path, new: Path) -> None:
    write(old, "fit", up=(100.0, "higher"), down=(-10.0, "lower"))
    write(new, "fit", up=(80.0, "higher"), down=(-8.0, "lower"))
    assert verdicts(old, new, 0.25) == {"up": "same", "down": "same"}
    assert verdicts(old, new, 0.15) == {"up": "regressed", "down": "regressed"}


def test_ratios_of_one_side_are_listed(old: Path, new: Path) -> None:
    write(old, "fit", gone=(1.0, "higher"), lost=(1.0, "higher"))
    write(new, "fit", added=(1.0, "higher"), lost=(None, "higher"))
    write(new, "other", also=(1.0, "lower"))
    assert verdicts(old, new) == {"gone": "gone", "lost": "gone", "added": "new", "also": "new"}


def test_from_zero_any_worsening_counts(old: Path, new: Path) -> None:
    write(old, "fit", a=(0.0, "lower"), b=(0.0, "lower"))
    write(new, "fit", a=(0.1, "lower"), b=(0.0, "lower"))
    assert verdicts(old, new) == {"a": "regressed", "b": "same"}


def test_exit_status_and_names(old: Path, new: Path, capsys: pytest.CaptureFixture) -> None:
    write(old, "fit", gain=(150.0, "higher"), kept=(1.0, "lower"))
    write(new, "fit", gain=(100.0, "higher"), kept=(1.0, "lower"))
    arguments = [f"--results={new}", f"--against={old}"]
    assert check.main(arguments) == 1
    shown = capsys.readouterr().out
    assert "1 of 2 ratios regressed by more than 25 %" in shown
    assert "REGRESSED fit: gain: 150 before, 100 now" in shown
    assert check.main([*arguments, "--tolerance=0.4"]) == 0


def test_nothing_to_compare_is_a_usage_error(old: Path, new: Path, capsys: pytest.CaptureFixture) -> None:
    write(old, "fit", gain=(1.0, "higher"))
    new.mkdir()
    assert check.main([f"--results={new}", f"--against={old}"]) == 2
    assert "--results: the folder holds no result files" in capsys.readouterr().err
    assert check.main([f"--results={old}", f"--against={new}"]) == 2
    assert check.main([f"--results={old}", "--against=no-such-revision"]) == 2
    assert "neither a folder nor a revision" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"ratios": [{"name": "a"}]}', '{"ratios": [{"name": "a", "value": 1, "better": "more"}]}'],
)
def test_a_damaged_file_is_named(old: Path, new: Path, text: str, capsys: pytest.CaptureFixture) -> None:
    write(old, "fit", gain=(1.0, "higher"))
    new.mkdir()
    (new / "broken.json").write_text(text, encoding="utf-8")
    assert check.main([f"--results={new}", f"--against={old}"]) == 2
    error = capsys.readouterr().err
    assert "broken.json" in error and "ratios" in error
