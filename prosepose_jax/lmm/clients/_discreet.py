"""Keeps keys out of everything that comes from a client: answers, reasons, errors. The one place that does.

A server may repeat the key that it was sent, in an answer or in an error. What passes through here is written to
files and printed afterwards, and nothing else is.
"""

from __future__ import annotations

import base64
import functools
import html
import re
import urllib.parse
from collections.abc import Sequence

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients.base import Client, Rejected, Reply, Request, Response, TryAgain, Unusable
from prosepose_jax.untrusted import one_line

MARK = "[key]"
_SHORTEST = 4
_MOST_SHOWN = 500  # characters of a reason
# Of keys that are no words: so many characters may stand apart, and so many of the beginning may end a text.
_LONG = 12
_LEAST_OF_BEGINNING = 6
# What servers that want no key are given; as words they occur in answers.
_NO_KEYS = frozenset({"none", "empty", "dummy", "test", "token", "fake"})
_KEY_IN_URL = re.compile(r"\b(key|api_key|apikey|token|access_token)=[^&\s\"'<>]+", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(https?://)[^/\s@\"'<>]+@", re.IGNORECASE)


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """A text with every secret in it replaced.

    Also where it is escaped for a URL or a page, in base64 or in hexadecimal, alone or among other characters, broken
    over lines, or where the text ends in the middle of it.
    """
    for secret in secrets:
        if len(secret) < _SHORTEST or secret.lower() in _NO_KEYS:
            continue
        text = _forms(secret).sub(MARK, text)
        text = _without_beginning(text, secret)
    return text


@functools.cache
def _forms(secret: str) -> re.Pattern[str]:
    """What a secret looks like; characters of a long one may stand apart, as lines are broken."""
    raw = secret.encode("utf-8", "surrogateescape")
    found = {secret, urllib.parse.quote(secret, safe=""), html.escape(secret), raw.hex()}
    found |= {part for offset in range(3) for part in _in_base64(raw, offset)}
    between = r"[\s\\]*" if len(secret) >= _LONG else ""
    forms = [between.join(map(re.escape, form)) for form in sorted(found, key=len, reverse=True)]
    return re.compile("|".join(forms), re.IGNORECASE)


def _in_base64(raw: bytes, offset: int) -> set[str]:
    """The base64 characters that are the secret's alone where it stands `offset` bytes into a group of three."""
    start = (4 * offset + 2) // 3  # the first that no earlier byte has a part in
    length = 8 * (offset + len(raw)) // 6  # and the last that no later one has
    standard = base64.b64encode(b"\0" * offset + raw)[start:length].decode("ascii")
    return {standard, standard.translate(str.maketrans("+/", "-_"))} if len(standard) >= _SHORTEST else set()


def _without_beginning(text: str, secret: str) -> str:
    """A text that was cut off in the middle of a long secret, without what is left of it."""
    if len(secret) < _LONG:
        return text
    for length in range(len(secret) - 1, _LEAST_OF_BEGINNING - 1, -1):
        if text.rstrip().lower().endswith(secret[:length].lower()):
            return text.rstrip()[:-length] + MARK
    return text


def redact(text: str, secrets: Sequence[str]) -> str:
    """A message without keys and passwords, on one line, escapes shown as text; cut last, so that no key is in two."""
    text = _PASSWORD_IN_URL.sub(rf"\1{MARK}@", _KEY_IN_URL.sub(rf"\1={MARK}", without_secrets(text, secrets)))
    return one_line(" ".join(text.split()))[:_MOST_SHOWN]


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
