"""Tables of finished sweeps between a document's markers."""

from __future__ import annotations

from pathlib import Path

from prosepose_jax.ablation.document import fill, main
from prosepose_jax.io import write_bytes, write_json, write_text

TEXT = "# Results\n\n<!-- sweep: answers -->\nold\n<!-- end -->\n\nText.\n\n<!-- sweep: later -->\n<!-- end -->\n"


def _finished(sweeps: Path) -> None:
    write_text(sweeps / "answers" / "table.md", "| point |\n|---|\n| N = 1 |\n")
    write_bytes(sweeps / "answers" / "plots" / "two_person_pcc.png", b"picture")
    command = "prosepose ablate --config=a --scenes=/somewhere/scenes --workdir=/somewhere/answers"
    info = {"title": "Answers", "command": command, "fits": 12,
            "device": "cpu", "python": "3.11", "versions": {"jax": "0.7", "numpy": "2.0"}, "git_revision": "abc",
            "scene_seeds": [7], "seed": 0, "seconds": {"wall": 180.0}}  # fmt: skip
    write_json(sweeps / "answers" / "run.json", info)


def test_a_table_a_figure_with_groups_in_rows(tmp_path: Path) -> None:
    _finished(tmp_path)
    head = "group,point,x,kind,scenes,fallback,failed,figure,mean,low,high,difference,difference_low,difference_high\n"
    rows = [
        "low,default,,two_person,64,0,0,joint_pa_mpjpe_mm,38.04,1,2,,,",
        "low,default,,two_person,64,0,0,pcc,94.1,1,2,,,",
        "low,none,,two_person,63,0,1,joint_pa_mpjpe_mm,45.5,1,2,7.51,3.1,12",
        "high,default,,two_person,64,0,0,joint_pa_mpjpe_mm,72,1,2,,,",
        "high,none,,two_person,64,0,64,,,,,,,",
    ]
    write_text(tmp_path / "answers" / "table.csv", head + "\n".join(rows) + "\n")
    text = fill("<!-- sweep by group: answers -->\n<!-- end -->\n", tmp_path)
    assert "| joint PA-MPJPE (mm) | scenes | default | none |" in text
    assert "| low | 63–64 | 38.0 | 45.5, +7.5 (+3.1, +12.0) |" in text
    assert "| high | 64 | 72.0 |  |" in text and "| mean of all |  | 55.0 |  |" in text
    assert "| low | 64 | 94.1 |  |" in text and "img/" not in text
    assert fill(text, tmp_path) == text


def test_blocks_are_filled_and_checked(tmp_path: Path) -> None:
    sweeps, document = tmp_path / "sweeps", tmp_path / "docs" / "results.md"
    _finished(sweeps)
    write_text(document, TEXT)
    arguments = [f"--sweeps={sweeps}", f"--document={document}"]
    assert main([*arguments, "--check"]) == 1
    assert main(arguments) == 0
    text = document.read_text(encoding="utf-8")
    assert "| N = 1 |" in text and "old" not in text and "Text." in text and "*Not run yet.*" in text
    assert "--workdir=DIR/answers" in text and "/somewhere" not in text
    assert "12 fits in 3 min" in text and "scenes of seed 7" in text
    assert "(img/answers_two_person_pcc.png)" in text
    assert (document.parent / "img" / "answers_two_person_pcc.png").read_bytes() == b"picture"
    assert main([*arguments, "--check"]) == 0
    assert fill(text, sweeps) == text
    # A sweep that is not there (any more) leaves its table as it was.
    assert fill(text, tmp_path / "elsewhere") == text
