"""Finds a server's own words in an error response, whatever they are wrapped in."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# Characters: far more than are shown, as half a key is no longer found. Who cuts takes keys out first (_discreet.py).
_MAX_REASON = 20_000
_MAX_DEPTH = 6
_MAX_ITEMS = 10  # of a list

# Fields that hold the words, or what holds them; compared without case and underlines, the most telling first.
_FIELDS = (
    "error", "errors", "detail", "details", "message", "msg", "errormessage", "errordescription", "description",
    "reason", "title", "statusmessage", "fault", "faultstring", "exception", "cause", "innererror", "raw", "metadata",
    "info",
)  # fmt: skip
_PLACE_FIELDS = ("loc", "param", "field", "path")
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^<>]*>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^<>]*>([^<>]+)</title", re.IGNORECASE)


def server_reason(content: Any) -> str:
    """What an error response says, on one line: its message, with the field it is about; else how it begins.

    Args:
      content: the response's JSON value, or its text.
    """
    words = "; ".join(dict.fromkeys(_words(content, 0)))
    if not words and content not in (None, "", {}, []):
        words = content if isinstance(content, str) else _written(content)
    return " ".join(words.split())[:_MAX_REASON] or "no reason given"


def _written(content: Any) -> str:
    try:
        return json.dumps(content, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return "a response nested too deeply to be shown"


def _words(content: Any, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH or content is None:
        return
    if isinstance(content, str):
        text = _plain_text(content, depth)
        if text:
            yield text
    elif isinstance(content, list | tuple):
        for item in content[:_MAX_ITEMS]:
            yield from _words(item, depth + 1)
    elif isinstance(content, Mapping):
        yield from _words_of_fields(content, depth)


def _words_of_fields(content: Mapping[str, Any], depth: int) -> Iterator[str]:
    fields = {str(name).lower().replace("_", "").replace("-", ""): value for name, value in content.items()}
    found: list[str] = []
    for name in _FIELDS:
        # A name alone ("error": true, "reason": "badRequest") says less than a sentence beside it.
        for words in _words(fields.get(name), depth + 1):
            if words not in found and not any(words in other for other in found):
                found.append(words)
    if not found and depth and not any(name in fields for name in ("code", "status", "type")):
        # {"errors": {"messages": ["too long"]}}: the names are the places.
        found = [
            f"{name}: {words}"
            for name, value in list(content.items())[:_MAX_ITEMS]
            for words in _words(value, depth + 1)
        ]
    place = next((_place(fields[name]) for name in _PLACE_FIELDS if fields.get(name)), "")
    # The name of an error is worth its place only where no sentence says more.
    sentences = [words for words in found if " " in words] or found
    for words in sentences:
        yield f"{place}: {words}" if place and place not in words else words


def _place(value: Any) -> str:
    return ".".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _plain_text(text: str, depth: int) -> str:
    text = text.strip()
    if text[:1] in ("{", "[") and len(text) < 100_000:  # gateways pass on another server's response as text
        try:
            inner = "; ".join(dict.fromkeys(_words(json.loads(text), depth + 1)))
        except (ValueError, RecursionError):
            inner = ""
        return inner or text[:_MAX_REASON]
    if text[:1] == "<" and ">" in text:  # a page of a proxy
        title = _TITLE.search(text)
        text = html.unescape(title.group(1) if title else _MARKUP.sub(" ", text[:100_000])).strip()
    return text[:_MAX_REASON]
