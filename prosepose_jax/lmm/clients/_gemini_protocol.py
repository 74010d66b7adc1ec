"""What the two Gemini packages have in common: how the server says that it refuses, is busy, or cannot."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from prosepose_jax.lmm.clients._http import retry_after
from prosepose_jax.lmm.clients._reason import server_reason
from prosepose_jax.lmm.clients.base import Rejected, Reply, Response, TryAgain, Unusable

MAX_CANDIDATES = 8
"""The API allows no more in one request."""

_REFUSING_FINISHES = frozenset(
    {"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "MODEL_ARMOR"}
)
_NO_FINISH = ("", "0", "FINISH_REASON_UNSPECIFIED")
# 400s that every request would meet.
_HOPELESS = ("api_key_invalid", "api key not valid", "api key expired", "location is not supported")


def reply(texts: list[str], finish: Any) -> Reply:
    """One candidate.

    Args:
      texts: of its parts.
      finish: its finish reason: an enum member, a name, or a number that the package does not know.

    Raises:
      TryAgain: it has neither text nor a reason for having none: no answer.
    """
    name = str(getattr(finish, "name", finish) or "")
    text = "".join(texts)
    if not text and name in _NO_FINISH:
        raise TryAgain("a candidate of the response holds nothing")
    return Reply(text, name, name if name in _REFUSING_FINISHES else "")


def blocked(reason: Any, count: int) -> Response:
    """The refusals of a prompt that was blocked as a whole."""
    name = str(getattr(reason, "name", reason))
    return Response(tuple(Reply("", "BLOCKED", f"prompt blocked: {name}") for _ in range(count)))


def fail(status: int, message: str, content: Any, headers: Mapping[str, str]) -> None:
    """Raises what an error status means.

    Args:
      status: the HTTP status.
      message: the server's.
      content: the response's JSON value, if any.
      headers: of the response.
    """
    reason = f"HTTP {status}: {server_reason(content if content else message)}"
    if status in (408, 409, 429) or status >= 500:
        wait = retry_after({name.lower(): value for name, value in headers.items()})
        raise TryAgain(reason, wait if wait is not None else _retry_delay(content), busy=status in (429, 503))
    if status in (401, 403, 404) or any(words in f"{message} {content}".lower() for words in _HOPELESS):
        raise Unusable(reason)
    raise Rejected(reason)


def _retry_delay(content: Any) -> float | None:
    """The RetryInfo among an error's details: {"retryDelay": "37s"}."""
    with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
        for detail in content["error"]["details"]:
            if "retryDelay" in detail:
                return max(0.0, float(str(detail["retryDelay"]).removesuffix("s")))
    return None
