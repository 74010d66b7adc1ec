"""What every client has in common: a request, the replies to it, and the three ways in which it can fail."""

from __future__ import annotations

import dataclasses
import functools
from base64 import b64encode
from typing import Protocol


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """An image as it is sent. The requests about one image share it, and with it the encoding."""

    data: bytes  # JPEG
    width: int  # pixels
    height: int
    mime_type: str = "image/jpeg"

    @functools.cached_property
    def base64(self) -> bytes:
        return b64encode(self.data)


@dataclasses.dataclass(frozen=True)
class Request:
    """One question about one image (or caption), asked for several samples at once where the server can."""

    key: str
    pair: tuple[int, int]
    samples: tuple[int, ...]
    system: str
    user: str
    picture: Picture | None = None


@dataclasses.dataclass(frozen=True)
class Reply:
    """One answer. A refused one has the server's reason and usually no text."""

    text: str
    finish: str = ""  # why the model stopped, in the server's words
    refused: str = ""


@dataclasses.dataclass(frozen=True)
class Response:
    """The replies to one request, and the tokens it took where the server says so."""

    replies: tuple[Reply, ...]
    tokens_in: int = 0
    tokens_out: int = 0


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """What is sent with every request."""

    temperature: float | None = 0.7  # None: the server's own
    max_tokens: int = 500  # of one answer
    timeout_s: float = 120.0  # from sending a request to the end of its response


class TryAgain(Exception):
    """The request failed in a way that may pass: busy, broken off, timed out, unreadable.

    Attributes:
      wait_s: how long the server asks to wait, None when it does not say.
      busy: whether the server has enough of all requests, not only of this one.
    """

    def __init__(self, reason: str, wait_s: float | None = None, busy: bool = False) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        self.busy = busy


class Rejected(Exception):
    """The server will never answer this request; others may fare better."""


class Unreadable(Rejected):
    """The picture of the request cannot be taken; it says nothing about the server."""


class Unusable(Exception):
    """No request can succeed: a wrong key, an unknown model, a spent quota."""


class Client(Protocol):
    """A source of answers. `ask` is called from several threads at once.

    Attributes:
      model: the model's name, recorded with every answer.
      candidates: how many answers one request may ask for.
      sees: whether it is sent the image or caption; one that is not needs none.
      secrets: texts that must not show up in any message.
    """

    model: str
    candidates: int
    sees: bool
    secrets: tuple[str, ...]

    def ask(self, request: Request, count: int) -> Response:
        """Asks for `count` answers; fewer may come.

        Raises:
          TryAgain, Rejected, Unusable: nothing came.
        """

    def close(self) -> None:
        """Gives up what it holds."""
