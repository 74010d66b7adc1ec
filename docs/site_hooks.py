"""What the documentation site needs beyond its pages: the repository's README is its front page."""

from __future__ import annotations

from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to the README lead to the page that stands for it."""
    return markdown.replace("](../README.md", "](index.md")
