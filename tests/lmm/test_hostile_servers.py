"""Servers that repeat the key, never end, trickle or explode: nothing leaves, and nothing is taken for an answer."""

from __future__ import annotations

import base64
import contextlib
import functools
import gc
import gzip
import http.server
import itertools
import json
import resource
import socket
import struct
import sys
import threading
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asking import ask, lines
from test_clients_online import every_client, pytestmark  # noqa: F401  (the marks hold for this module too)

from prosepose_jax.lmm.clients import ModelSettings, open_client
from prosepose_jax.lmm.clients._discreet import MARK, redact, without_secrets
from prosepose_jax.untrusted import budgets

MOST_BYTES = 200 << 20
Answer = Callable[[http.server.BaseHTTPRequestHandler, dict], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """`serve(answer)` starts a server; `answer` is called with the handler and the request's JSON."""
    servers = []

    def start(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with contextlib.suppress(OSError):  # the client has had enough
                    answer(self, body)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _reply(handler: http.server.BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def _answer_json(path: str, text: str) -> dict:
    if "generateContent" in path:
        return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}]}
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


def _echoed(handler: http.server.BaseHTTPRequestHandler) -> str:
    return " ".join(f"{name}: {value}" for name, value in handler.headers.items()) + handler.path


@pytest.fixture
def little_memory(client: str, keys_set: str) -> Iterator[None]:
    """The test takes at most 200 MiB above its start, the server's part included."""
    open_client(client, "m", ModelSettings(), "http://127.0.0.1:9").close()  # loads the client's package
    gc.collect()
    gc.freeze()  # the clients' packages need not be looked at again before every test
    start = _peak_bytes(reset=True)
    yield
    grown = _peak_bytes() - start
    assert grown < MOST_BYTES, f"took {grown >> 20} MiB"


def _peak_bytes(reset: bool = False) -> int:
    """Largest resident memory since the last reset; only Linux resets it, elsewhere nothing is compared."""
    if sys.platform != "linux":
        return 0
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@every_client
@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_a_server_that_repeats_the_key(status, client, serve, scenes, tmp_path: Path, keys_set, capsys) -> None:
    def answer(handler, body) -> None:
        told = _echoed(handler)
        assert keys_set in told
        content = _answer_json(handler.path, told) if status == 200 else {"error": {"code": status, "message": told}}
        _reply(handler, json.dumps(content).encode(), status)

    ask(scenes(1), tmp_path / "a.jsonl", serve(answer), client, "--attempts=1", "--candidates=1", num_answers=1)
    written = "".join(p.read_text() for p in tmp_path.glob("*.jsonl"))
    printed = capsys.readouterr()
    assert keys_set.lower() not in (written + printed.out + printed.err).lower()
    assert status != 200 or "[key]" in lines(tmp_path / "a.jsonl")[0]["text"]


def _endless(handler, body) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"10000\r\n" + b"[" * 0x10000 + b"\r\n")


@functools.cache
def _packed(mebibytes: int, wbits: int = 31) -> bytes:
    """So many MiB of blanks in a thousandth of it, flushed so that the end can be repeated for ever."""
    packer = zlib.compressobj(wbits=wbits)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(mebibytes)) + packer.flush(zlib.Z_FULL_FLUSH)


def _bomb(handler, body) -> None:
    _reply(handler, _packed(256), Content_Encoding="gzip")


def _endless_bomb(handler, body) -> None:
    handler.send_response(200)
    for name, value in (("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")):
        handler.send_header(name, value)
    handler.end_headers()
    for part in itertools.chain([_packed(1)], itertools.repeat(_packed(16, -15))):
        handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")


def _endless_header(handler, body) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-More: " + b"y" * 8000 + b"\r\n")


def _endless_line(handler, body) -> None:
    handler.wfile.write(b"HTTP/1.1 200 ")
    while True:
        handler.wfile.write(b"y" * 0x10000)


def _endless_error(handler, body) -> None:
    handler.send_response(500)
    handler.end_headers()
    while True:
        handler.wfile.write(b"<html>" * 10000)


def _many_values(handler, body) -> None:
    _reply(handler, b"[" + b"[]," * 1_000_000 + b"[]]")


def _deep(handler, body) -> None:
    _reply(handler, b'{"choices": ' + b"[" * 50_000 + b"]" * 50_000 + b"}")


def _long_number(handler, body) -> None:
    _reply(handler, b'{"choices": [], "n": ' + b"9" * 5000 + b"}")


_BEYOND = [_endless, _bomb, _endless_bomb, _endless_header, _endless_line, _endless_error, _many_values, _deep,
           _long_number]  # fmt: skip


@every_client
@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("answer", _BEYOND)
def test_replies_beyond_the_budget_fail_by_name(answer, client, serve, scenes, tmp_path, keys_set, capsys) -> None:
    begin = time.process_time()  # of client and server: a busy machine is no fault of theirs
    more = ("--attempts=1", "--candidates=1", "--timeout=60")
    assert ask(scenes(1), tmp_path / "a.jsonl", serve(answer), client, *more, num_answers=1) == 1
    assert time.process_time() - begin < 10
    told = capsys.readouterr().err
    assert "FAILED scene0: 1 answer" in told and "Traceback" not in told
    assert (tmp_path / "a.jsonl").read_text() == ""
    if answer in (_endless, _bomb, _endless_bomb, _endless_error):
        assert f"exceeds the budget of {budgets.REPLY_BYTES >> 20} MiB" in told


@every_client
@pytest.mark.parametrize("status", [400, 429])
@pytest.mark.parametrize(
    "body",
    [b'[{"error": {"code": 400, "message": "too odd"}}]', b"[]", b'"too odd"', b'{"error": "too odd"}', b"null",
     b'{"error": {"message": "too odd", "details": "x"}}', b'{"error": {"details": [1]}}', b"<p>too odd</p>", b"\xff"],
)  # fmt: skip
def test_errors_of_any_form_are_passed_on(body, status, client, serve, scenes, tmp_path, keys_set, capsys) -> None:
    def answer(handler, _) -> None:
        _reply(handler, body, status)

    more = ("--attempts=1", "--candidates=1")
    assert ask(scenes(1), tmp_path / "a.jsonl", serve(answer), client, *more, num_answers=1) == 1
    told = capsys.readouterr().err
    assert f"FAILED scene0: 1 answer: HTTP {status}: " in told and "Error:" not in told, told
    assert (b"too odd" in body) == ("too odd" in told)


@every_client
@pytest.mark.usefixtures("little_memory")
def test_a_trickle_ends_in_time_and_the_connection_with_it(client, serve, scenes, tmp_path, keys_set, capsys) -> None:
    ended = threading.Event()

    def answer(handler, body) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" ")
                time.sleep(0.02)
        except OSError:
            ended.set()

    more = ("--attempts=1", "--candidates=1", "--timeout=0.5")
    assert ask(scenes(1), tmp_path / "a.jsonl", serve(answer), client, *more, num_answers=1) == 1
    assert "no whole response within 0.5 s" in capsys.readouterr().err
    assert ended.wait(5), "the request that was given up goes on"


def _raw(*parts: bytes, pause_s: float = 0.0, reset: bool = False) -> Answer:
    """Writes the bytes as they are."""

    def answer(handler, body) -> None:
        for part in parts:
            handler.wfile.write(part)
            time.sleep(pause_s)
        if reset:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()

    return answer


def _endlessly(part: bytes, first: bytes = b"") -> Answer:
    def answer(handler, body) -> None:
        handler.wfile.write(first)
        while True:
            handler.wfile.write(part)

    return answer


def _as(body: bytes, kind: str) -> Answer:
    return lambda handler, _: _reply(handler, body, Content_Type=kind)


_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_ODD = {
    "header that comes a byte at a time": _raw(*[b"HTTP/1.1 200 OK\r\n"[k : k + 1] for k in range(17)], pause_s=0.1),
    "hundreds for ever": _endlessly(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "no HTTP": _raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "HTTP of another age": _raw(b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "a status that is none": _raw(b"HTTP/1.1 99999 What\r\nContent-Length: 2\r\n\r\n{}"),
    "nothing": _raw(),
    "reset at once": _raw(reset=True),
    "reset in the body": _raw(_OK + b"Content-Length: 1000\r\n\r\n{\"choices\"", reset=True),
    "longer than it says": _raw(_OK + b"Content-Length: 4\r\n\r\n" + b"{" * 100),
    "shorter than it says": _raw(_OK + b"Content-Length: 4000\r\n\r\n{}"),
    "length of another kind": _raw(_OK + b"Content-Length: many\r\n\r\n<p>no</p>"),
    "negative length": _raw(_OK + b"Content-Length: -5\r\n\r\n<p>no</p>"),
    "chunk of a negative size": _raw(_OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n"),
    "chunk of all sizes": _raw(_OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}"),
    "chunk size that never ends": _raw(_OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1" * 65536] * 20),
    "trailers that never end": _endlessly(b"X: y\r\n" * 1000, _OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"),
    "thousands of cookies": _raw(_OK + b"Set-Cookie: a=b\r\n" * 5000 + b"Content-Length: 2\r\n\r\n{}"),
    "packed twice": lambda handler, body: _reply(handler, gzip.compress(gzip.compress(b"{}")), Content_Encoding="gzip"),
    "packed by another": lambda handler, body: _reply(handler, b"\x1b\x03\0", Content_Encoding="br"),
    "no body": _raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "a page": _as(b"<html><title>Sign in</title></html>", "text/html"),
    "other letters": _as("{}".encode("utf-16"), "application/json; charset=utf-16"),
    "a charset that is none": _as(b"\xff\xfe{", "application/json; charset=\xffx"),
    "zeros": lambda handler, body: _reply(handler, b"\0" * 1000),
    "events": _as(b"data: {}\n\ndata: [DONE]\n\n", "text/event-stream"),
    "choices of another kind": lambda handler, body: _reply(handler, b'{"choices": {"0": 1}, "candidates": {"0": 1}}'),
    "choices of nothing": lambda handler, body: _reply(handler, b'{"choices": [null, 3, []], "candidates": [null, 3]}'),
}  # fmt: skip


@pytest.mark.heavy
@every_client
@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("kind", list(_ODD))
def test_odd_replies_fail_the_request_by_name(kind, client, serve, scenes, tmp_path, keys_set, capsys) -> None:
    more = ("--attempts=1", "--candidates=1", "--timeout=0.5")
    begin = time.process_time()
    assert ask(scenes(1), tmp_path / "a.jsonl", serve(_ODD[kind]), client, *more, num_answers=1) == 1
    told = capsys.readouterr().err
    assert "FAILED scene0: 1 answer: " in told and "Traceback" not in told and "\0" not in told
    assert time.process_time() - begin < 5
    assert (tmp_path / "a.jsonl").read_text() == ""


@every_client
def test_a_mark_before_the_reply_is_read_over(client, serve, scenes, tmp_path, keys_set) -> None:
    def answer(handler, body) -> None:
        _reply(handler, b"\xef\xbb\xbf" + json.dumps(_answer_json(handler.path, "hand | back")).encode())

    assert ask(scenes(1), tmp_path / "a.jsonl", serve(answer), client, "--candidates=1", num_answers=1) == 0
    assert lines(tmp_path / "a.jsonl")[0]["text"] == "hand | back"


@every_client
@pytest.mark.parametrize(
    "asked",
    [
        "31536000",
        "1e999",
        "nan",
        "-5",
        "soon",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 +1400",
        "Fri, 99 Foo 99999 99:99:99 GMT",
        "9" * 5000,
    ],
)
def test_servers_that_ask_to_wait_oddly(asked, client, serve, scenes, tmp_path, keys_set, capsys) -> None:
    """For longer than anyone waits: the request fails and says so; what is no time is no request to wait."""

    def answer(handler, body) -> None:
        _reply(handler, b'{"error": {"message": "busy"}}', 429, Retry_After=asked)

    begin = time.monotonic()
    more = ("--attempts=2", "--candidates=1")
    assert ask(scenes(1), tmp_path / "a.jsonl", serve(answer), client, *more, num_answers=1) == 1
    told = capsys.readouterr().err
    assert "FAILED scene0: 1 answer: HTTP 429: busy" in told and "Traceback" not in told
    assert ("the server asks to wait" in told) == (asked in ("31536000", "1e999", "9" * 5000) or "9999 23" in asked)
    assert time.monotonic() - begin < 30


@every_client
def test_https_to_a_server_that_speaks_none(client, serve, scenes, tmp_path, keys_set, capsys) -> None:
    url = serve(_raw(b"no")).replace("http:", "https:")
    assert ask(scenes(1), tmp_path / "a.jsonl", url, client, "--attempts=1", "--candidates=1", num_answers=1) == 1
    told = capsys.readouterr().err
    assert "FAILED scene0: 1 answer: connection to 127.0.0.1" in told and "Traceback" not in told


@every_client
def test_compressed_replies_are_read(client, serve, scenes, tmp_path, keys_set) -> None:
    def answer(handler, body) -> None:
        _reply(handler, gzip.compress(json.dumps(_answer_json(handler.path, "hand | back")).encode()),
               Content_Encoding="gzip")  # fmt: skip

    assert ask(scenes(1), tmp_path / "a.jsonl", serve(answer), client, "--candidates=1", num_answers=1) == 0
    assert lines(tmp_path / "a.jsonl")[0]["text"] == "hand | back"


@every_client
@pytest.mark.parametrize(
    "url",
    ["http://me:swordfish@127.0.0.1:9", "http://127.0.0.1:9/v1?key=swordfish", "http://swordfish@h/",
     "ftp://swordfish@h", "http://h:swordfish/", "me:swordfish@h"],
)  # fmt: skip
def test_urls_that_hold_a_password_are_refused_and_not_repeated(
    url, client, scenes, tmp_path, keys_set, capsys, monkeypatch
) -> None:
    assert ask(scenes(1), tmp_path / "a.jsonl", url, client) == 2
    printed = capsys.readouterr()
    assert "--base_url" in printed.err and "swordfish" not in printed.err + printed.out
    assert ask(scenes(1), tmp_path / "a.jsonl", url, client, "--dry_run") == 2
    assert "swordfish" not in "".join(capsys.readouterr())


@every_client
def test_plain_http_to_another_host_is_warned_about(client, scenes, tmp_path, keys_set, capsys, monkeypatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "create_connection", nowhere)
    more = ("--attempts=1", "--candidates=1")
    for host, warned in (("model.example", True), ("127.0.0.1", False), ("localhost", False), ("[::1]", False)):
        ask(scenes(1), tmp_path / "a.jsonl", f"http://{host}:9", client, *more, num_answers=1)
        assert ("warning: the key and the pictures go unencrypted" in capsys.readouterr().err) == warned
    ask(scenes(1), tmp_path / "a.jsonl", "https://model.example", client, *more, num_answers=1)
    assert "warning" not in capsys.readouterr().err


def test_escapes_of_servers_are_shown_as_text(serve, scenes, tmp_path, keys_set, capsys) -> None:
    def answer(handler, body) -> None:
        _reply(
            handler, json.dumps({"error": {"message": "\x1b[2J\x1b]0;owned\x07\nFAILED other: made up"}}).encode(), 400
        )

    assert ask(scenes(1), tmp_path / "a.jsonl", serve(answer), "openai", "--candidates=1", num_answers=1) == 1
    told = capsys.readouterr().err
    assert "\x1b" not in told and "\\x1b[2J" in told and "\nFAILED other" not in told


def test_keys_of_the_environment_that_cannot_be_sent_are_not_shown(scenes, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sword\nfish")
    assert ask(scenes(1), tmp_path / "a.jsonl", "http://127.0.0.1:9", "openai") == 2
    told = capsys.readouterr().err
    assert "$OPENAI_API_KEY" in told and "sword" not in told


@pytest.mark.parametrize("form", ["k/e+y=42", "K/E+Y=42", "k%2Fe%2By%3D42", "ay9lK3k9NDI=", "Bearer k/e+y=42."])
def test_every_form_of_a_key_is_replaced(form: str) -> None:
    assert "42" not in without_secrets(f"said {form} twice {form}", ["k/e+y=42"]).replace("[key]", "")
    assert "NDI" not in redact(f"said {form}", ["k/e+y=42"])


_KEY = "sk-proj-A1b2C3d4/+E5f6"


def _spoken(key: str) -> dict[str, str]:
    """Ways in which a server may repeat a key."""
    wrapped = "\n".join(key[at : at + 5] for at in range(0, len(key), 5))
    found = {f"base64 after {n}": base64.b64encode(b"x" * n + key.encode() + b"yz").decode() for n in range(4)}
    return found | {
        "as it is": key, "upper": key.upper(), "url": urllib.parse.quote(key, safe=""), "wrapped": wrapped,
        "urlsafe": base64.urlsafe_b64encode(f"Bearer {key}".encode()).decode(), "hex": key.encode().hex(),
        "escaped": key.replace("/", "\\/"), "spaced": " ".join(key), "base64 in lines": "\n".join(
            base64.b64encode(f"Authorization: Bearer {key}".encode()).decode()[at : at + 20] for at in (0, 20, 40, 60)),
    }  # fmt: skip


@pytest.mark.parametrize("way", list(_spoken(_KEY)))
def test_keys_are_found_in_every_dress(way: str) -> None:
    told = _spoken(_KEY)[way]
    for found in (without_secrets(f"said: {told}; and more", [_KEY]), redact(f"said: {told}; and more", [_KEY])):
        assert MARK in found and found.startswith("said: ") and found.endswith("; and more")
        left = found.removeprefix("said: ").removesuffix("; and more").replace(MARK, "")
        assert len("".join(left.split())) <= 32  # "Authorization: Bearer " in base64


@pytest.mark.parametrize("length", [6, 10, len(_KEY) - 1])
def test_a_text_that_ends_in_the_middle_of_a_key(length: int) -> None:
    assert without_secrets("said " + _KEY[:length], [_KEY]) == f"said {MARK}"
    assert redact("said " + _KEY[:length] + " ", [_KEY]) == f"said {MARK}"
    assert without_secrets("said sk-pr", [_KEY]) == "said sk-pr"


@every_client
@pytest.mark.parametrize("dressed", [str, lambda key: key.encode().hex()], ids=["plain", "hex"])
def test_a_reason_that_is_cut_in_the_middle_of_the_key(
    dressed, client, serve, scenes, tmp_path, keys_set, capsys
) -> None:
    """Long reasons are shortened; what is left of the key at the end has to go too."""

    def answer(handler, body) -> None:
        told = "x" * (500 - len(dressed(keys_set)) + 2) + dressed(keys_set) + " and so on"
        _reply(handler, json.dumps({"error": {"code": 400, "message": told}}).encode(), 400)

    ask(scenes(1), tmp_path / "a.jsonl", serve(answer), client, "--attempts=1", "--candidates=1", num_answers=1)
    written = "".join(p.read_text() for p in tmp_path.glob("*.jsonl"))
    printed = capsys.readouterr()
    assert dressed(keys_set)[:8] not in written + printed.out + printed.err and "xxx" in written


def test_stand_ins_for_keys_are_words() -> None:
    assert without_secrets("EMPTY hands, none", ["EMPTY", "none", "abc"]) == "EMPTY hands, none"
    assert redact("GET http://me:pw@h/?key=abc&x=1", []) == "GET http://[key]@h/?key=[key]&x=1"
