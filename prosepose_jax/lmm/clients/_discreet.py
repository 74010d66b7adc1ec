"""Keeps keys out of everything that comes from a client: answers, reasons, errors. The one place that does.

A server may repeat the key that it was sent, in an answer or in an error. What passes through here is written to
files and printed afterwards, and nothing else is.
"""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Sequence

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients.base import Client, Rejected, Reply, Request, Response, TryAgain, Unusable
from prosepose_jax.untrusted import one_line

MARK = "[key]"
_SHORTEST = 4
# What servers that want no key are given; as words they occur in answers.
_NO_KEYS = frozenset({"none", "empty", "dummy", "test", "token", "fake"})
_KEY_IN_URL = re.compile(r"\b(key|api_key|apikey|token|access_token)=[^&\s\"'<>]+", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(https?://)[^/\s@\"'<>]+@", re.IGNORECASE)


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """A text with every secret in it replaced, also where it is escaped for a URL or in base64."""
    for secret in secrets:
        if len(secret) < _SHORTEST or secret.lower() in _NO_KEYS:
            continue
        forms = {secret, urllib.parse.quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("=")}
        for form in sorted(forms, key=len, reverse=True):
            text = re.sub(re.escape(form), MARK, text, flags=re.IGNORECASE)
    return text


def redact(text: str, secrets: Sequence[str]) -> str:
    """A message without keys and passwords, on one line, escapes shown as text."""
    text = _PASSWORD_IN_URL.sub(rf"\1{MARK}@", _KEY_IN_URL.sub(rf"\1={MARK}", without_secrets(text, secrets)))
    return one_line(" ".join(text.split()))


class DiscreetClient:
    """A client whose replies and errors hold no key."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.model, self.sees, self.secrets = client.model, client.sees, client.secrets

    @property
    def candidates(self) -> int:
        """See `Client`."""
        return self._client.candidates

    @candidates.setter
    def candidates(self, number: int) -> None:
        self._client.candidates = number

    def ask(self, request: Request, count: int) -> Response:
        """See `Client`; an error of no known kind is a `Rejected`: the request is lost, not the run."""
        try:
            response = self._client.ask(request, count)
        except TryAgain as error:
            raise TryAgain(redact(str(error), self.secrets), error.wait_s, error.busy) from None
        except (Rejected, Unusable) as error:
            raise type(error)(redact(str(error), self.secrets)) from None
        except InputError as error:
            raise Rejected(redact(str(error), self.secrets)) from None
        except Exception as error:
            # A client's package may fail in ways that nobody has seen yet.
            raise Rejected(redact(f"{type(error).__name__}: {error}", self.secrets)) from None
        replies = tuple(
            Reply(
                without_secrets(reply.text, self.secrets),
                redact(reply.finish, self.secrets),
                redact(reply.refused, self.secrets),
            )
            for reply in response.replies
        )
        return Response(replies, response.tokens_in, response.tokens_out)

    def close(self) -> None:
        """See `Client`."""
        self._client.close()
