"""A local HTTP server that speaks OpenAI's and Gemini's protocols, well and badly.

Each request may meet a fault (`FAULTS`); which, says a function of its number. Answers carry a serial number, so that
a test sees which were lost or stored twice. Run as a program it serves benchmarks: no faults, nothing recorded.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import dataclasses
import itertools
import json
import re
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

_DIGITS = re.compile(rb"\s*(\d+)")
_STANDARD_BASE64 = str.maketrans("-_", "+/")
TABLE = "| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n| hand | back |"

FAULTS = (
    "429", "500", "503 html", "reset", "time-out", "truncated", "short", "no candidates", "drip", "drip headers",
)  # fmt: skip
"""What passes when the request is made again."""

REFUSALS = ("blocked", "refused")
"""The whole prompt, or one answer."""

FINAL_FAULTS = ("400", "401", "404", "429 quota")
"""What does not pass."""


@dataclasses.dataclass
class Received:
    """One request as the server read it, whichever protocol it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    fault: str
    serials: list[int] = dataclasses.field(default_factory=list)

    @property
    def is_gemini(self) -> bool:
        return ":generateContent" in self.path

    @property
    def count(self) -> int:
        if self.is_gemini:
            return int(self.body.get("generationConfig", {}).get("candidateCount", 1))
        return int(self.body.get("n", 1))

    @property
    def system(self) -> str:
        if self.is_gemini:
            return "".join(part["text"] for part in self.body["systemInstruction"]["parts"])
        (message,) = (m for m in self.body["messages"] if m["role"] == "system")
        return message["content"]

    @property
    def image(self) -> bytes | None:
        if self.is_gemini:
            found = [p["inlineData"] for c in self.body["contents"] for p in c["parts"] if "inlineData" in p]
            # Both forms of a name are protobuf's JSON, and both alphabets of base64.
            assert all(part.get("mimeType", part.get("mime_type")) == "image/jpeg" for part in found)
            return base64.b64decode(found[0]["data"].translate(_STANDARD_BASE64), validate=True) if found else None
        content = self.body["messages"][-1]["content"]
        if isinstance(content, str):
            return None
        (url,) = (part["image_url"]["url"] for part in content if part["type"] == "image_url")
        head, _, data = url.partition(",")
        assert head == "data:image/jpeg;base64"
        return base64.b64decode(data)

    @property
    def user(self) -> str:
        if self.is_gemini:
            return "".join(p["text"] for c in self.body["contents"] for p in c["parts"] if "text" in p)
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else "".join(p["text"] for p in content if p["type"] == "text")

    @property
    def temperature(self) -> float | None:
        return (
            self.body.get("generationConfig", {}).get("temperature") if self.is_gemini else self.body.get("temperature")
        )

    @property
    def max_tokens(self) -> int | None:
        if self.is_gemini:
            return self.body["generationConfig"].get("maxOutputTokens")
        return self.body.get("max_tokens")


class FakeServer:
    """Serves from a thread of its own; use as a context manager.

    Attributes:
      url: where it listens.
      received: the requests, in the order of their arrival.
      most_at_once: the largest number of requests that were open at the same time.
    """

    def __init__(
        self,
        fault: Callable[[int], str] = lambda number: "",
        *,
        ignore_count: bool = False,
        reject: Callable[[Received], str] = lambda received: "",
        retry_after: str = "0.05",
        delay_s: float = 0.0,
        text: Callable[[int], str] | None = None,
        record: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """
        Args:
          fault: the fault that request number n meets, "" for none.
          ignore_count: give one answer whatever is asked for.
          reject: a message with which a request is answered by 400, "" to answer it.
          retry_after: what a 429 says.
          delay_s: before every response.
          text: the answer with a serial number.
          record: keep requests and read their bodies.
          tls: serve https with it.
        """
        self.fault, self.ignore_count, self.reject = fault, ignore_count, reject
        self.retry_after, self.delay_s, self.record = retry_after, delay_s, record
        self.text = text or (lambda serial: f"Answer {serial}.\n\n{TABLE}")
        self.received: list[Received] = []
        self.numbers, self.serials = itertools.count(), itertools.count()
        self.open = self.most_at_once = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.tls = tls
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.socket.getsockname()[1]}"

    def __enter__(self) -> FakeServer:
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)

    def _run(self, started: threading.Event) -> None:
        self.loop = asyncio.new_event_loop()
        server = self.loop.run_until_complete(
            self.loop.create_server(lambda: _Connection(self), sock=self.socket, ssl=self.tls)
        )
        connections = _Connection.alive
        started.set()
        try:
            self.loop.run_forever()
        finally:
            server.close()
            for connection in list(connections):
                if connection.server is self:
                    connection.transport.abort()
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(asyncio.sleep(0.01))
            self.loop.close()

    def serve_forever(self) -> None:
        """In this thread, until the process ends."""
        self._run(threading.Event())

    def answered(self) -> list[int]:
        """Serial numbers of the answers that were sent whole."""
        return [serial for received in self.received for serial in received.serials]


class _Connection(asyncio.Protocol):
    alive: ClassVar[set[_Connection]] = set()

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.buffer = bytearray()
        self.head_end = -1
        self.length = 0
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.alive.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.alive.discard(self)
        if self.task is not None:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.head_end < 0:
            self.head_end = self.buffer.find(b"\r\n\r\n")
            if self.head_end < 0:
                return
            head = bytes(self.buffer[: self.head_end]).lower()
            start = head.find(b"\r\ncontent-length:")
            self.length = int(head[start + 17 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        end = self.head_end + 4 + self.length
        if len(self.buffer) < end:
            return
        head, body = bytes(self.buffer[: self.head_end]), bytes(self.buffer[self.head_end + 4 : end])
        del self.buffer[:end]
        self.head_end = -1
        if not self.server.record:
            self._answer_fast(head, body)
            return
        self.task = asyncio.get_running_loop().create_task(self._handle(head, body))

    def _answer_fast(self, head: bytes, body: bytes) -> None:
        """For benchmarks: as many answers as the body asks for, without reading it as JSON."""
        marker = b'"candidateCount":' if b":generateContent" in head[:200] else b'"n":'
        at = body.rfind(marker)
        count = int(_DIGITS.match(body, at + len(marker))[1]) if at >= 0 else 1
        received = Received(head.split(b" ", 2)[1].decode(), {}, {}, "")
        self._send(self._ok(received, [next(self.server.serials) for _ in range(count)], {}))

    async def _handle(self, head: bytes, body: bytes) -> None:
        server = self.server
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        received = Received(lines[0].split(" ")[1], headers, json.loads(body), server.fault(next(server.numbers)))
        server.received.append(received)
        server.open += 1
        server.most_at_once = max(server.most_at_once, server.open)
        try:
            if server.delay_s:
                await asyncio.sleep(server.delay_s)
            message = server.reject(received)
            await (self._reject(received, 400, message) if message else self._respond(received))
        finally:
            server.open -= 1

    async def _respond(self, received: Received) -> None:
        fault, server = received.fault, self.server
        if fault == "429":
            return await self._reject(received, 429, "slow down", {"Retry-After": server.retry_after})
        if fault == "429 quota":
            return await self._reject(received, 429, "no money left", code="insufficient_quota")
        if fault in ("400", "401", "404", "500"):
            return await self._reject(received, int(fault), f"planned fault {fault}")
        if fault == "503 html":
            return self._send(b"<html>overloaded</html>", 503, "text/html")
        if fault == "reset":
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return self.transport.abort()
        if fault == "time-out":
            await asyncio.sleep(3600)
        serials = [next(server.serials) for _ in range(1 if server.ignore_count else received.count)]
        content = self._ok(received, serials, {"fault": fault})
        if fault == "truncated":
            return self._send(content[: len(content) // 2])
        if fault == "short":
            self._send(content[: len(content) // 2], length=len(content))
            return self.transport.close()
        if fault.startswith("drip"):
            whole = self._head(200, "application/json", len(content)) + content
            sent = 0 if fault == "drip headers" else whole.index(b"\r\n\r\n") + 4
            self.transport.write(whole[:sent])
            while True:
                self.transport.write(whole[sent : sent + 1])
                sent += 1
                await asyncio.sleep(0.05)
        self._send(content)
        if fault != "no candidates":
            received.serials += serials

    def _ok(self, received: Received, serials: list[int], more: dict[str, str]) -> bytes:
        fault = more.get("fault", "")
        texts = [self.server.text(serial) for serial in serials]
        if received.is_gemini:
            if fault == "blocked":
                return json.dumps({"promptFeedback": {"blockReason": "SAFETY"}}).encode()
            candidates = [
                {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": index}
                for index, text in enumerate(texts)
            ]
            if fault == "refused":
                candidates[0] = {"finishReason": "SAFETY", "index": 0}
            if fault == "no candidates":
                candidates = []
            usage = {"promptTokenCount": 900, "candidatesTokenCount": 50 * len(texts), "totalTokenCount": 950}
            return json.dumps({"candidates": candidates, "usageMetadata": usage}).encode()
        choices = [
            {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            for index, text in enumerate(texts)
        ]
        if fault == "refused":
            choices[0]["message"] = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
        if fault == "no candidates":
            choices = []
        usage = {"prompt_tokens": 900, "completion_tokens": 50 * len(texts), "total_tokens": 950}
        return json.dumps(
            {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "fake", "choices": choices,
             "usage": usage}
        ).encode()  # fmt: skip

    async def _reject(
        self, received: Received, status: int, message: str, headers: dict[str, str] | None = None, code: str = ""
    ) -> None:
        if received.is_gemini:
            error: dict[str, Any] = {"code": status, "message": message, "status": "UNKNOWN"}
        else:
            error = {"message": message, "type": "fault", "code": code or None}
        self._send(json.dumps({"error": error}).encode(), status, headers=headers)

    def _head(self, status: int, kind: str, length: int, headers: dict[str, str] | None = None) -> bytes:
        lines = [f"HTTP/1.1 {status} Planned", f"Content-Type: {kind}", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _send(
        self, content: bytes, status: int = 200, kind: str = "application/json", *, length: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        with contextlib.suppress(OSError):
            self.transport.write(
                self._head(status, kind, len(content) if length is None else length, headers) + content
            )


def first_requests(faults: list[str]) -> Callable[[int], str]:
    """The first requests meet these faults, the others none."""
    return lambda number: faults[number] if number < len(faults) else ""


@contextlib.contextmanager
def serving(*args: Any, **options: Any) -> Iterator[FakeServer]:
    """A server for the length of a block."""
    with FakeServer(*args, **options) as server:
        yield server


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--words", type=int, default=60, help="of an answer, before its table")
    options = parser.parse_args()
    filler = " ".join(["word"] * options.words)
    program = FakeServer(record=False, text=lambda serial: f"Answer {serial}. {filler}\n\n{TABLE}")
    print(program.url, flush=True)
    program.serve_forever()
    sys.exit(0)
