"""The one way to a server, for every client: what it may take, and where it may lead (docs/security.md).

The standard library's client, one connection a thread that stays open. Its time-outs hold for a single read, so a
server that sends a byte now and then could keep a thread for ever: a watchdog cuts the connection at the request's
deadline. No redirect is followed, a reply is read up to a budget, and a compressed one is unpacked up to it.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import dataclasses
import email.utils
import http.client
import importlib
import ipaddress
import os
import select
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Mapping

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients.base import TryAgain, Unusable
from prosepose_jax.untrusted import budgets, shown

_IDLE_LIMIT_S = 4.0  # servers drop idle connections after 5 s and more
_WATCH_EVERY_S = 0.1


@dataclasses.dataclass(frozen=True)
class HttpResponse:
    """Status, headers (lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TooMuch(Exception):
    """A reply is beyond the budget."""


def check_base_url(url: str) -> urllib.parse.SplitResult:
    """The parts of a server's URL.

    Raises:
      InputError: no http(s) URL, or one with a password or a query, which would end up in messages; not repeated.
    """
    wanted = "--base_url: expected a URL as http://localhost:8000/v1"
    try:
        parts = urllib.parse.urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise InputError(f"{wanted}, found one that cannot be read") from None
    if "@" in url:
        raise InputError(f"{wanted}, found one with a user name or password; a key belongs into --api_key_file")
    if parts.query or parts.fragment:
        raise InputError(f"{wanted}, found one with a query; a key belongs into --api_key_file")
    if parts.scheme not in ("http", "https") or not host or port == 0 or not url.isprintable() or " " in url:
        raise InputError(f"{wanted}, found {shown(url)!r}")
    return parts


def is_this_machine(host: str) -> bool:
    """Whether a host's name means this machine: what is sent there meets no network."""
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


class HttpSender:
    """Sends requests to one server; every thread has its own connection."""

    def __init__(self, base_url: str, timeout_s: float) -> None:
        """
        Args:
          base_url: http:// or https://, with a path that requests are relative to.
          timeout_s: longest time from connecting to the last byte of a response.

        Raises:
          InputError: not such a URL.
        """
        url = check_base_url(base_url)
        self._url, self._timeout_s = url, timeout_s
        self._host, self._port = str(url.hostname), url.port
        self._path = url.path.rstrip("/")
        self._tls = _tls_context() if url.scheme == "https" else None
        self._proxy = self._find_proxy()
        self._local = threading.local()
        self._opened: list[http.client.HTTPConnection] = []
        self._watchdog = _Watchdog()

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> HttpResponse:
        """`send` with the method POST."""
        return self.send("POST", path, headers, body)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> HttpResponse:
        """Sends one request.

        Raises:
          TryAgain: no connection, broken off, no whole response in time, or one beyond the budget.
          Unusable: the server redirects. To follow would hand key and picture to a host that nobody named.
        """
        connection = self._connection()
        target = self._path + path
        if self._proxy and self._url.scheme == "http":
            target = f"http://{self._url.netloc}{target}"
        watch = self._watchdog.watch(connection, time.monotonic() + self._timeout_s)
        response: http.client.HTTPResponse | None = None
        try:
            connection.request(method, target, body=body, headers=dict(headers) | self._proxy_headers(secure=False))
            response = connection.getresponse()
            if 300 <= response.status < 400:
                raise Unusable(
                    f"HTTP {response.status}: the server redirects to another address; give that one as --base_url"
                )
            content = response.read(budgets.REPLY_BYTES + 1)
            if len(content) > budgets.REPLY_BYTES:
                raise TooMuch
            if response.length:  # a body shorter than announced is not an error of http.client's sized reads
                raise http.client.IncompleteRead(content, response.length)
            received = {k.lower(): v for k, v in response.getheaders()}
            content = _unpacked(content, received.pop("content-encoding", "")).removeprefix(codecs.BOM_UTF8)
        except Unusable:
            _drop(connection, response)
            raise
        except (TooMuch, zlib.error) as error:
            _drop(connection, response)
            if isinstance(error, TooMuch):
                raise TryAgain(f"the response exceeds the budget of {budgets.REPLY_BYTES >> 20} MiB") from None
            raise TryAgain("the response cannot be unpacked") from error
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # ValueError and AttributeError: what http.client and ssl say when the watchdog cut their connection.
            _drop(connection, response)
            if watch.expired or isinstance(error, TimeoutError):
                raise TryAgain(f"no whole response within {self._timeout_s:g} s") from error
            raise TryAgain(f"connection to {self._url.netloc}: {_describe(error)}") from error
        finally:
            self._watchdog.done(watch)
        if watch.expired:
            _drop(connection, response)
            raise TryAgain(f"no whole response within {self._timeout_s:g} s")
        if response.will_close:
            connection.close()
        self._local.used = time.monotonic()
        return HttpResponse(response.status, received, content)

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
        elif connection.sock is not None and (
            time.monotonic() - self._local.used > _IDLE_LIMIT_S or _was_closed(connection.sock)
        ):
            connection.close()  # opened again by the next request
        self._local.used = time.monotonic()
        return connection

    def _new_connection(self) -> http.client.HTTPConnection:
        secure = self._url.scheme == "https"
        host, port = (self._proxy.hostname or "", self._proxy.port or 80) if self._proxy else (self._host, self._port)
        if not secure:
            return http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        connection = http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=self._tls)
        if self._proxy:
            connection.set_tunnel(self._host, self._port, self._proxy_headers(secure=True))
        return connection

    def _proxy_headers(self, *, secure: bool) -> dict[str, str]:
        """The proxy's password: with the tunnel when there is one, else with each request."""
        if self._proxy is None or self._proxy.username is None or secure != (self._url.scheme == "https"):
            return {}
        name, password = (urllib.parse.unquote(part or "") for part in (self._proxy.username, self._proxy.password))
        return {"Proxy-Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode("ascii")}

    def _find_proxy(self) -> urllib.parse.SplitResult | None:
        """The proxy that the environment (HTTPS_PROXY, NO_PROXY, …) names for this server."""
        if urllib.request.proxy_bypass(self._host):
            return None
        named = urllib.request.getproxies().get(self._url.scheme)
        proxy = urllib.parse.urlsplit(named if "://" in named else f"http://{named}") if named else None
        return proxy if proxy and proxy.hostname else None


def _was_closed(sock: socket.socket) -> bool:
    """Whether the server has closed a connection that waits for its next request, as some do without a word."""
    try:
        return bool(select.select([sock], [], [], 0.0)[0])
    except (OSError, ValueError):  # closed here, or a number that select cannot take
        return True


def _drop(connection: http.client.HTTPConnection, response: http.client.HTTPResponse | None) -> None:
    """Closes both: a response that was not read to its end holds the socket by itself."""
    if response is not None:
        response.close()
    connection.close()


def _tls_context() -> ssl.SSLContext:
    """Who is trusted: the system's authorities, those of $SSL_CERT_FILE, and certifi's where it is installed."""
    context = ssl.create_default_context()
    if "SSL_CERT_FILE" not in os.environ:
        with contextlib.suppress(ImportError, OSError, ssl.SSLError):
            context.load_verify_locations(importlib.import_module("certifi").where())
    bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    if bundle:
        with contextlib.suppress(OSError, ssl.SSLError):
            context.load_verify_locations(bundle)
    return context


def _unpacked(content: bytes, encoding: str) -> bytes:
    """A body that a server compressed, though nobody asked it to, unpacked up to the budget."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return content
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise zlib.error(f"unknown encoding {shown(encoding)}")
    unpacker = zlib.decompressobj(wbits=47 if "gzip" in encoding else 15)
    found = unpacker.decompress(content, budgets.REPLY_BYTES + 1)
    if len(found) > budgets.REPLY_BYTES:
        raise TooMuch
    if not unpacker.eof:
        raise zlib.error("broken off")
    return found


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks to wait, None when it does not say."""
    with contextlib.suppress(ValueError):
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000.0)
    value = headers.get("retry-after", "").strip()
    with contextlib.suppress(ValueError):
        return max(0.0, float(value))
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _describe(error: Exception) -> str:
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed without a response"
    if isinstance(error, http.client.IncompleteRead):
        return "broke off in the middle of the response"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return shown(error) or type(error).__name__


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
                late = [watch for watch in self._watched if watch.deadline < now]
            for watch in late:  # again and again until it is done: it may have been connecting
                watch.expired = True
                sock = watch.connection.sock
                if sock is not None:
                    with contextlib.suppress(OSError):
                        # Not sock.shutdown: a TLS socket's own would take its state from under the reading thread.
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)
