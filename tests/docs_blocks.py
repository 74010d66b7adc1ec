"""Fenced blocks of the documentation, how each is marked, and how it is run.

A block with commands or Python has a comment on the line before it, which readers of the page don't see:

    <!-- run -->                          its commands, or its code, are run as they stand
    <!-- run: DIR:=out/run "a b:=c" -->   the same after these replacements, for what stands for a user's own names
    <!-- not run: WHY -->                 why not; its commands must name what exists all the same
    <!-- not run on this page: WHY -->    anywhere on a page: the same for all its blocks without a comment of their own
"""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import shlex
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"(?:^ *<!-- (?P<mark>(?:not )?run(?: *|:[^\n]*?)) -->\n+)?^(?P<indent> *)```(?P<language>\w*)\n"
                    r"(?P<text>.*?)^ *```$", re.DOTALL | re.MULTILINE)  # fmt: skip
OTHER_PROGRAMS = ("vllm", "ollama", "llama-server")
"""Named by the documentation, none of ours."""
_SHELL = ("prosepose", "python", "pip", "export", "make", *OTHER_PROGRAMS)

# What a command needs that the tests' environment may lack: then the command is left out, and the test says so.
_NEEDS = {"gif,mp4": "imageio_ffmpeg", "prosepose view": "viser", "--format=usd": "pxr"}


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
      page: its page.
      line: number of its first line.
      language: what stands behind the fence.
      text: without indentation.
      mark: what the comment before it says; None: there is none.
    """

    page: Path
    line: int
    language: str
    text: str
    mark: str | None

    @property
    def is_python(self) -> bool:
        return self.language == "python"

    @property
    def is_shell(self) -> bool:
        first = [line.split()[0] for line in self.text.splitlines() if line.split()]
        return self.language in ("", "bash", "sh") and any(word in _SHELL for word in first)

    @property
    def is_run(self) -> bool:
        return self.mark is not None and self.mark.startswith("run")

    @property
    def replaced(self) -> str:
        """The text after the mark's replacements."""
        text = self.text
        for pair in shlex.split((self.mark or "").partition(":")[2]) if self.is_run else ():
            old, sign, new = pair.partition(":=")
            assert sign and old in text, f"{self}: nothing to replace: {pair}"
            text = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)" if old.isalnum() else re.escape(old), lambda _: new, text)  # noqa: B023
        return text

    def commands(self) -> list[list[str]]:
        """The words of each command, in order; comments are left out."""
        lines = self.replaced.replace("\\\n", " ").splitlines()
        parts = [part for line in lines for part in line.split("&&")]
        return [words for part in parts if (words := shlex.split(part, comments=True))]

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    whole = re.search(r"^<!-- not run on this page(: .+) -->$", text, re.MULTILINE)
    default = f"not run{whole[1]}" if whole else None
    return [
        Block(page, text[: found.start("indent")].count("\n") + 1, found["language"],
              textwrap.dedent(found["text"]), found["mark"] or default)
        for found in _FENCE.finditer(text)
    ]  # fmt: skip


def missing_package(words: list[str]) -> str | None:
    """The package that a command needs and that isn't installed."""
    line = " ".join(words)
    for part, package in _NEEDS.items():
        if part in line and importlib.util.find_spec(package) is None:
            return package
    return None
