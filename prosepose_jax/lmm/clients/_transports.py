"""The official packages' requests, sent by `HttpSender` instead of the packages' own connections.

`requests` and `httpx` follow redirects, unpack without bound, and limit the time of a single read only. So that
nothing of it has to be mended in each, both get a transport that hands the request to the one sender.
"""

from __future__ import annotations

import importlib
import json
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients._http import HttpResponse, HttpSender
from prosepose_jax.lmm.clients._reason import server_reason
from prosepose_jax.lmm.clients.base import Unusable
from prosepose_jax.untrusted import budgets, parse_json

# The sender's own affair, as is who unpacks the reply.
_NOT_PASSED_ON = frozenset({"accept-encoding", "connection", "content-length", "host", "transfer-encoding"})


class _OneServer:
    """The sender to the first server that a package turns to, and to no other."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._origin = ""
        self._sender: HttpSender | None = None

    def carry(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpResponse:
        parts = urllib.parse.urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            if self._sender is None:
                self._origin, self._sender = origin, HttpSender(origin, self._timeout_s)
        if origin != self._origin:
            raise Unusable("the package turns to another host than the one that was named")
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        passed = {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}
        return self._sender.send(method, path, passed, body)

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close()


class HttpxTransport:
    """What `httpx.Client(transport=…)` takes."""

    def __init__(self, timeout_s: float) -> None:
        self._server = _OneServer(timeout_s)

    def handle_request(self, request: Any) -> Any:
        """An `httpx.Response`, read whole."""
        reply = self._server.carry(request.method, str(request.url), request.headers, request.read())
        # Of the very package that made the request: there are several of the kind.
        package = importlib.import_module(type(request).__module__.partition(".")[0])
        # The packages read an error's words as UTF-8, whatever they are.
        body = reply.body if reply.status < 400 else reply.body.decode("utf-8", "replace").encode()
        return package.Response(reply.status, headers=dict(reply.headers), content=body)

    def close(self) -> None:
        """Gives the connections up."""
        self._server.close()

    def __enter__(self) -> HttpxTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RequestsAdapter:
    """What `requests.Session.mount` takes."""

    def __init__(self, timeout_s: float) -> None:
        self._server = _OneServer(timeout_s)

    def send(self, request: Any, **_: Any) -> Any:
        """A `requests.Response`, read whole."""
        requests = importlib.import_module("requests")
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        reply = self._server.carry(request.method, request.url, request.headers, body)
        response = requests.Response()
        response.status_code, response.url, response.request = reply.status, request.url, request
        response.headers.update(reply.headers)
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response._content = reply.body if reply.status < 400 else _error_object(reply.body)
        return response

    def close(self) -> None:
        """Gives the connections up."""
        self._server.close()


def _error_object(body: bytes) -> bytes:
    """An error as Google's package expects one: of anything else (a list, a page of a gateway) it makes a TypeError."""
    try:
        value = parse_json(body, "the response", budgets.REPLY_VALUES)
    except InputError:
        value = body[: budgets.ERROR_BYTES].decode("utf-8", "replace")
    if isinstance(value, list) and len(value) == 1:  # as its streaming interface sends them
        value = value[0]
    error = value.get("error") if isinstance(value, dict) else None
    details = error.get("details", []) if isinstance(error, dict) else None
    if isinstance(details, list) and all(isinstance(one, dict) for one in details):
        return json.dumps(value).encode()
    return json.dumps({"error": {"message": server_reason(value)}}).encode()


def sender_error(error: BaseException) -> BaseException | None:
    """The sender's own error among the causes of one that a package made of it."""
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None or type(seen).__module__.startswith("prosepose_jax."):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
