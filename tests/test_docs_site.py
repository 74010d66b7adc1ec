"""The documentation: links that lead somewhere, commands and flags that exist, a site that builds without a warning."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from prosepose_jax.apps import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def anchors_of(page: Path) -> set[str]:
    """As Python-Markdown names them."""
    found: set[str] = set()
    for title in re.findall(r"^#+ (.+)$", without_code(re.sub(r"`", "", text_of(page))), re.MULTILINE):
        slug = re.sub(r"[^\w\s-]", "", title.encode("ascii", "ignore").decode()).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", slug))
    return found


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text_of(page))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors_of(file), f"{page.name}: {target}"


def test_the_site_has_every_page() -> None:
    nav = set(re.findall(r"^\s+- .*?: (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    assert nav == {page.name for page in PAGES}


def _commands(text: str) -> list[str]:
    """Command lines of fenced blocks and of code spans."""
    blocks = re.findall(r"^ *```(?:bash|sh)?\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in [*lines, *re.findall(r"`(prosepose [^`\n]+)`", text)] if line.startswith("prosepose ")]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_verbs_exist(page: Path) -> None:
    for command in _commands(text_of(page)):
        verb = command.split()[1]
        assert verb in (*main.VERBS, "VERB", "--help", "--version"), f"{page.name}: {command}"


def _flags_of(verb: str) -> set[str]:
    module = importlib.import_module(main.VERBS[verb])
    values = module.FLAGS if hasattr(module, "FLAGS") else module._flags()
    return set(values) | {f"no{name}" for name in values if values[name].boolean}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_flags_exist(page: Path) -> None:
    for command in _commands(text_of(page)):
        verb, *rest = command.split("|")[0].split(" #")[0].split()[1:]
        if verb not in main.VERBS:
            continue
        own = _flags_of(verb)
        if verb == "import":
            own |= set(importlib.import_module("prosepose_jax.apps._dataset").FLAGS)
        for flag in re.findall(r"--([a-z_]+)", " ".join(rest)):
            assert flag in own | {"quiet", "config", "help"}, f"{page.name}: {command}: --{flag}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_python_blocks_are_python(page: Path) -> None:
    for block in re.findall(r"^( *)```python\n(.*?)^ *```", text_of(page), re.DOTALL | re.MULTILINE):
        compile(textwrap.dedent(block[1]), f"{page.name}", "exec")


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip("mkdocs-material and mkdocstrings are not installed (extra docs)")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "api" / "index.html").read_text(encoding="utf-8").count("fit_scenes") > 1
