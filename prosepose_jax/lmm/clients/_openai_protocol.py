"""The chat-completions protocol of OpenAI, which vLLM, Ollama, llama.cpp and others speak too."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from prosepose_jax.lmm.clients._reason import server_reason
from prosepose_jax.lmm.clients.base import ModelSettings, Rejected, Reply, Request, Response, TryAgain, Unusable

DEFAULT_URL = "https://api.openai.com/v1"
# Stands for the image until the body is put together: as bytes, without going through JSON.
_IMAGE_MARK = "\0image\0"
_REFUSING_FINISHES = ("content_filter",)
# A choice that ended so was given up by the server, whatever text it holds.
_FAILED_FINISHES = frozenset({
    "error", "failed", "failure", "abort", "aborted", "cancelled", "canceled", "interrupted", "timeout", "timed_out",
    "network_error", "server_error", "internal_error", "engine_error", "insufficient_system_resource", "model_error",
})  # fmt: skip
_REFUSING_ERRORS = ("content_filter", "content_policy", "moderation")
# A status that a later try may not see: time-out, conflict, too early, too many.
_PASSING_STATUSES = frozenset({408, 409, 425, 429})
_MOST_TOKENS = 10**12  # of one reply, far beyond all models'


def body(request: Request, model: str, count: int, settings: ModelSettings, tokens_field: str) -> dict[str, Any]:
    """The request without its image: a picture's place is taken by a mark (`with_picture`)."""
    content: Any = request.user
    if request.picture is not None:
        content = [
            {"type": "image_url", "image_url": {"url": f"data:{request.picture.mime_type};base64,{_IMAGE_MARK}"}},
            {"type": "text", "text": request.user},
        ]
    messages = [{"role": "system", "content": request.system}, {"role": "user", "content": content}]
    fields: dict[str, Any] = {"model": model, "messages": messages, tokens_field: settings.max_tokens}
    if settings.temperature is not None:
        fields["temperature"] = settings.temperature
    if count > 1:
        fields["n"] = count
    return fields


def encoded(fields: Mapping[str, Any], request: Request) -> bytes:
    """The request's bytes, the picture's base64 text copied in."""
    text = json.dumps(fields)
    if request.picture is None:
        return text.encode()
    before, _, after = text.partition(json.dumps(_IMAGE_MARK)[1:-1])
    return b"".join((before.encode(), request.picture.base64, after.encode()))


def with_picture(fields: dict[str, Any], request: Request) -> dict[str, Any]:
    """The request as plain values, for the official package."""
    if request.picture is not None:
        part = fields["messages"][1]["content"][0]["image_url"]
        part["url"] = part["url"].replace(_IMAGE_MARK, request.picture.base64.decode())
    return fields


def read_response(data: Any, count: int) -> Response:
    """The replies of a response's JSON value; `count` answers were asked for.

    Raises:
      TryAgain: it holds no choices, or is no such response.
      Rejected, Unusable: it is an error in disguise.
    """
    choices = data.get("choices") if isinstance(data, dict) else None
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(choices, list) or (error and not choices):
        if error:  # gateways pass on another server's error with status 200
            return failed(_status(error), data, None, count)
        raise TryAgain("the response holds no list 'choices'")
    usage = data["usage"] if isinstance(data.get("usage"), dict) else {}
    return Response(
        _replies(choices),
        _tokens(usage.get("prompt_tokens")),
        _tokens(usage.get("completion_tokens")),
    )


def _tokens(value: Any) -> int:
    """A number of tokens; of anything else 0: the answers beside it are paid for."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS
    return int(value) if number else 0


def _replies(choices: list[Any]) -> tuple[Reply, ...]:
    """The answers among the choices; those that failed while they were made are asked for again."""
    replies: list[Reply] = []
    failures: list[TryAgain | Rejected | Unusable] = []
    for choice in choices:
        error = _failure(choice)
        if not error:
            replies.append(_reply(choice))
            continue
        try:
            replies += failed(_status(error), {"error": error}, None, 1).replies  # a refusal
        except (TryAgain, Rejected, Unusable) as failure:
            failures.append(failure)
    if failures and not replies:
        raise failures[0]
    return tuple(replies)


def _failure(choice: Any) -> Any:
    """What a choice says about why it is no answer; nothing for an answer."""
    if not isinstance(choice, dict):
        return None
    message = choice.get("message")
    error = choice.get("error") or (message.get("error") if isinstance(message, dict) else None)
    finish = str(choice.get("finish_reason") or "").lower()
    return error or (f"the answer ended with finish_reason {finish!r}" if finish in _FAILED_FINISHES else None)


def _status(error: Any) -> int:
    """The HTTP status that an error names; 502 where it names none."""
    for name in ("code", "status", "status_code") if isinstance(error, dict) else ():
        value = error.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return 502


def _reply(choice: Any) -> Reply:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise TryAgain("a choice of the response has no message")
    content = message.get("content") or ""
    if isinstance(content, list):  # some servers answer in parts
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    finish = str(choice.get("finish_reason") or "")
    refusal = message.get("refusal")
    refused = str(refusal) if refusal else finish if finish in _REFUSING_FINISHES else ""
    return Reply(str(content), finish, refused)


def failed(status: int, content: Any, wait_s: float | None, count: int) -> Response:
    """What a response with an error status means.

    Args:
      status: the HTTP status.
      content: the response's JSON value or text.
      wait_s: what it says about when to try again.
      count: answers that were asked for.

    Returns:
      Refusals, when the server refuses the content.

    Raises:
      TryAgain, Rejected, Unusable: everything else.
    """
    outer = content[0] if isinstance(content, list) and content else content
    error = outer.get("error", outer) if isinstance(outer, dict) else outer
    details: Mapping[str, Any] = error if isinstance(error, dict) else {}
    message = server_reason(content)
    reason = f"HTTP {status}: {message}"
    code = f"{details.get('code') or ''} {details.get('type') or ''}"
    if status in (400, 403) and any(words in f"{code} {message.lower()}" for words in _REFUSING_ERRORS):
        return Response(tuple(Reply("", "content_filter", message) for _ in range(count)))
    if status == 429 and "insufficient_quota" in code:
        raise Unusable(reason)
    if status in _PASSING_STATUSES or status >= 500:
        raise TryAgain(reason, wait_s, busy=status in (429, 503, 529))
    if status in (401, 402, 403, 404) or 300 <= status < 400:
        raise Unusable(reason)
    raise Rejected(reason)


class TokensField:
    """The name a server has for the limit of tokens, found out by the first request that it rejects for it.

    Newer models of OpenAI want another name than older servers, which know only the old one.
    """

    def __init__(self) -> None:
        self._name = "max_tokens"
        self._lock = threading.Lock()

    def ask(self, call: Callable[[str], Response]) -> Response:
        """Calls with the name that is known to work, and once more with the other one when it is asked for."""
        used = self._name
        try:
            return call(used)
        except Rejected as error:
            other = other_tokens_field(error, used)
            if other is None:
                raise
            response = call(other)
            with self._lock:
                self._name = other
            return response


def other_tokens_field(error: Rejected, used: str) -> str | None:
    """The name a server wants for the limit of tokens when it rejects the other one."""
    wanted = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[used]
    return wanted if wanted in str(error) else None
