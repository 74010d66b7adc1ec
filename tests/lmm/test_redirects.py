"""No client follows a redirect: key and picture stay with the host that was named."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

import pytest
from asking import ask
from test_clients_online import every_client, pytestmark  # noqa: F401  (the marks hold for this module too)


def _serve(handler: type) -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    # Whoever shuts it down waits for the rest of a turn.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@every_client
def test_nothing_reaches_the_address_of_a_redirect(client: str, status: int, scenes, tmp_path: Path, keys_set) -> None:
    reached: list[str] = []

    class Other(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reached.append(self.path)
            self.send_error(500)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    other = _serve(Other)

    class Redirecting(Other):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Location", f"http://127.0.0.1:{other.server_port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    named = _serve(Redirecting)
    try:
        url = f"http://127.0.0.1:{named.server_port}"
        assert ask(scenes(1), tmp_path / "a.jsonl", url, client, "--attempts=1", num_answers=1) in (1, 2)
    finally:
        for server in (named, other):
            server.shutdown()
            server.server_close()
    assert reached == []
