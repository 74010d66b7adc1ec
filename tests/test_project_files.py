"""The files around the code: one version number, templates and workflows that name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prosepose_jax import __version__

ROOT = Path(__file__).resolve().parents[1]


def test_one_version_number() -> None:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert "version=VERSION" in setup and not re.search(r'version="\d', setup)
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == __version__


def test_the_package_is_typed() -> None:
    assert (ROOT / "prosepose_jax" / "py.typed").is_file()
    assert '"py.typed"' in (ROOT / "setup.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "file", [*ROOT.glob(".github/workflows/*.yml"), ROOT / "CONTRIBUTING.md"], ids=lambda f: f.name
)
def test_targets_of_make_exist(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"\bmake ((?:[a-z-]+ ?)+)(?=`|$)", file.read_text(encoding="utf-8"), re.MULTILINE)
    asked = {target for words in named for target in words.split()}
    assert asked and asked <= targets
