"""POSTs over connections that stay open, with a limit on the whole time a response may take.

The standard library's client, one connection a thread. Its time-outs hold for a single read, so a server that
sends a byte now and then could keep a thread for ever: a watchdog cuts the connection at the request's deadline.
"""

from __future__ import annotations

import contextlib
import dataclasses
import email.utils
import http.client
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients.base import TryAgain

_MAX_RESPONSE = 32 << 20  # bytes
_IDLE_LIMIT_S = 4.0  # servers drop idle connections after 5 s and more
_WATCH_EVERY_S = 0.1


@dataclasses.dataclass(frozen=True)
class HttpResponse:
    """Status, headers (lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpSender:
    """Sends POSTs to one server; every thread has its own connection."""

    def __init__(self, base_url: str, timeout_s: float) -> None:
        """
        Args:
          base_url: http:// or https://, with a path that requests are relative to.
          timeout_s: longest time from connecting to the last byte of a response.

        Raises:
          InputError: not such a URL.
        """
        url = urllib.parse.urlsplit(base_url)
        try:
            port = url.port
        except ValueError:
            port = -1
        if url.scheme not in ("http", "https") or not url.hostname or port == -1:
            raise InputError(f"--base_url: expected a URL as http://localhost:8000/v1, found {base_url!r}")
        self._url, self._timeout_s = url, timeout_s
        self._host, self._port = url.hostname, port
        self._path = url.path.rstrip("/")
        self._proxy = self._find_proxy()
        self._local = threading.local()
        self._opened: list[http.client.HTTPConnection] = []
        self._watchdog = _Watchdog()

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> HttpResponse:
        """Sends one request.

        Raises:
          TryAgain: no connection, broken off, or no whole response in time.
        """
        connection = self._connection()
        target = self._path + path
        if self._proxy and self._url.scheme == "http":
            target = f"http://{self._url.netloc}{target}"
        watch = self._watchdog.watch(connection, time.monotonic() + self._timeout_s)
        try:
            connection.request("POST", target, body=body, headers=dict(headers))
            response = connection.getresponse()
            content = response.read(_MAX_RESPONSE + 1)
            if response.length:  # a body shorter than announced is not an error of http.client's sized reads
                raise http.client.IncompleteRead(content, response.length)
            if len(content) > _MAX_RESPONSE:
                raise http.client.HTTPException(f"a response of more than {_MAX_RESPONSE >> 20} MiB")
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # ValueError and AttributeError: what http.client and ssl say when the watchdog cut their connection.
            connection.close()
            if watch.expired or isinstance(error, TimeoutError):
                raise TryAgain(f"no whole response within {self._timeout_s:g} s") from error
            raise TryAgain(f"connection to {self._url.netloc}: {_describe(error)}") from error
        finally:
            self._watchdog.done(watch)
        if watch.expired:
            connection.close()
            raise TryAgain(f"no whole response within {self._timeout_s:g} s")
        if response.will_close:
            connection.close()
        self._local.used = time.monotonic()
        return HttpResponse(response.status, {k.lower(): v for k, v in response.getheaders()}, content)

    def close(self) -> None:
        """Stops the watchdog and closes the connections of all threads."""
        self._watchdog.stop()
        for connection in self._opened:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._new_connection()
            self._opened.append(connection)
        elif connection.sock is not None and time.monotonic() - self._local.used > _IDLE_LIMIT_S:
            connection.close()  # opened again by the next request
        self._local.used = time.monotonic()
        return connection

    def _new_connection(self) -> http.client.HTTPConnection:
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        if not self._proxy:
            return kind(self._host, self._port, timeout=self._timeout_s)
        connection = kind(self._proxy[0], self._proxy[1], timeout=self._timeout_s)
        if secure:
            connection.set_tunnel(self._host, self._port)
        return connection

    def _find_proxy(self) -> tuple[str, int] | None:
        """The proxy that the environment (HTTPS_PROXY, NO_PROXY, …) names for this server."""
        if urllib.request.proxy_bypass(self._host):
            return None
        named = urllib.request.getproxies().get(self._url.scheme)
        proxy = urllib.parse.urlsplit(named if "://" in named else f"http://{named}") if named else None
        return (proxy.hostname, proxy.port or 80) if proxy and proxy.hostname else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks to wait, None when it does not say."""
    with contextlib.suppress(ValueError):
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000.0)
    value = headers.get("retry-after", "").strip()
    with contextlib.suppress(ValueError):
        return max(0.0, float(value))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _describe(error: Exception) -> str:
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed without a response"
    if isinstance(error, http.client.IncompleteRead):
        return "broke off in the middle of the response"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


@dataclasses.dataclass(eq=False)
class _Watch:
    connection: http.client.HTTPConnection
    deadline: float
    expired: bool = False


class _Watchdog:
    """Cuts connections whose deadline has passed."""

    def __init__(self) -> None:
        self._watched: set[_Watch] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
        self._thread.start()

    def watch(self, connection: http.client.HTTPConnection, deadline: float) -> _Watch:
        watch = _Watch(connection, deadline)
        with self._lock:
            self._watched.add(watch)
        return watch

    def done(self, watch: _Watch) -> None:
        with self._lock:
            self._watched.discard(watch)

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(_WATCH_EVERY_S):
            now = time.monotonic()
            with self._lock:
                late = [watch for watch in self._watched if watch.deadline < now and not watch.expired]
            for watch in late:
                watch.expired = True
                sock = watch.connection.sock
                if sock is not None:
                    with contextlib.suppress(OSError):
                        # Not sock.shutdown: a TLS socket's own would take its state from under the reading thread.
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)
