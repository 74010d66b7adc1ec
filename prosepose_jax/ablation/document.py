"""Writes the tables of finished sweeps into a document, between its markers, and copies their plots.

    python -m prosepose_jax.ablation.document --sweeps=out/ablations --document=docs/results.md [--check]

A marker pair is `<!-- sweep: NAME -->` … `<!-- end -->`; what stands between them is replaced by the table of
SWEEPS/NAME, where it comes from, and its plots, which are copied to img/ beside the document. `<!-- sweep by group:
NAME -->` takes a table a figure, a row a group, and no plots: for sweeps of many groups of few points. --check changes
nothing and exits with status 1 when the document is not what it would write.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prosepose_jax.ablation.by_group import tables_by_group
from prosepose_jax.errors import InputError
from prosepose_jax.io import write_bytes, write_text
from prosepose_jax.untrusted import as_input_error, read_bytes, read_json

_BLOCK = re.compile(r"(<!-- sweep( by group)?: ([\w.-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_ABSENT = "\n*Not run yet.*\n\n"


def fill(text: str, sweeps: Path, images: str = "img") -> str:
    """The document with every marked block filled; one whose sweep is not there stays, and an empty one says so.

    Args:
      text: the document.
      sweeps: folder with a folder per sweep.
      images: where the plots lie, relative to the document.
    """

    def block(match: re.Match[str]) -> str:
        head, by_group, name, before, end = match.groups()
        folder = sweeps / name
        if (folder / "run.json").is_file():
            return f"{head}\n{_describe(folder, images, bool(by_group))}\n{end}"
        return f"{head}{before if before.strip() else _ABSENT}{end}"

    return _BLOCK.sub(block, text)


def plots_of(text: str, sweeps: Path) -> dict[str, Path]:
    """{file name beside the document: plot} of the sweeps that a document has blocks for."""
    found = {}
    for _, by_group, name, *_ in _BLOCK.findall(text):
        for file in () if by_group else sorted((sweeps / name / "plots").glob("*.png")):
            found[f"{name}_{file.name}"] = file
    return found


def _describe(folder: Path, images: str, by_group: bool) -> str:
    with as_input_error(folder, "not the folder of a finished sweep"):
        return _described(folder, images, by_group)


def _described(folder: Path, images: str, by_group: bool) -> str:
    info = read_json(folder / "run.json")
    command = re.sub(r"--workdir=\S+", f"--workdir=DIR/{folder.name}", info["command"])
    command = re.sub(r"--scenes=/\S+", "--scenes=DIR/scenes", command)  # whose machine it was is nobody's business
    if by_group:
        table, plots = tables_by_group(read_bytes(folder / "table.csv").decode("utf-8")), []
    else:
        table = read_bytes(folder / "table.md").decode("utf-8").strip()
        files = sorted((folder / "plots").glob("*.png"))
        plots = [f"![{info['title']}]({images}/{folder.name}_{file.name})" for file in files]
    return "\n\n".join([f"```\n{command}\n```", _where(info), table, *(["\n".join(plots)] if plots else [])]) + "\n"


def _where(info: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {info['versions'][name]}" for name in ("jax", "numpy") if name in info["versions"])
    revisions = info.get("git_revisions") or [info.get("git_revision")]
    revision = ", ".join(str(name or "unknown")[:10] for name in revisions)
    seeds = ", ".join(map(str, info["scene_seeds"]))
    minutes = info["seconds"]["wall"] / 60
    return (
        f"{info['device']}, Python {info['python']}, {versions}; revision {revision}; scenes of seed {seeds}; "
        f"{info['fits']} fits in {minutes:.0f} min. Intervals are 95 %, by bootstrap (seed {info['seed']}); Δ is the "
        "paired difference to the reference."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrites the document or checks it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=Path, required=True, help="folder with a folder per finished sweep")
    parser.add_argument("--document", type=Path, required=True, help="the document")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    arguments = parser.parse_args(argv)
    with as_input_error(arguments.document):
        text = read_bytes(arguments.document).decode("utf-8")
    filled = fill(text, arguments.sweeps)
    if arguments.check:
        print("up to date" if filled == text else f"{arguments.document.name} is not up to date")
        return 0 if filled == text else 1
    for name, file in plots_of(text, arguments.sweeps).items():
        write_bytes(arguments.document.parent / "img" / name, file.read_bytes())
    write_text(arguments.document, filled)
    print(f"written: {arguments.document.name}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
