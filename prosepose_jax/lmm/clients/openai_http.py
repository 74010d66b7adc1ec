"""Any OpenAI-compatible server, spoken to directly: nothing to install, and as fast as the connection.

The image is encoded once and shared by its requests; the official package (`openai_package.py`) builds and
checks every request anew, which takes several times as long.
"""

from __future__ import annotations

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients import _openai_protocol as protocol
from prosepose_jax.lmm.clients._http import HttpSender, retry_after
from prosepose_jax.lmm.clients.base import ModelSettings, Request, Response, TryAgain
from prosepose_jax.untrusted import budgets, parse_json
from prosepose_jax.untrusted.json_file import NotJson


class OpenAIClient:
    """Chat completions of a server that speaks OpenAI's protocol."""

    sees = True

    def __init__(
        self, model: str, settings: ModelSettings, key: str | None, base_url: str | None = None, candidates: int = 8
    ) -> None:
        """
        Args:
          model: the model's name.
          settings: temperature, token limit, time-out.
          key: sent as a bearer token; None for servers that want none.
          base_url: such as http://localhost:8000/v1; None for OpenAI's own.
          candidates: most answers of one request (the field n).
        """
        self.model, self.candidates = model, candidates
        self.secrets: tuple[str, ...] = (key,) if key else ()
        self._settings = settings
        self._sender = HttpSender(base_url or protocol.DEFAULT_URL, settings.timeout_s)
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._tokens_field = protocol.TokensField()

    def ask(self, request: Request, count: int) -> Response:
        """See `Client`."""
        return self._tokens_field.ask(lambda field: self._ask(request, count, field))

    def _ask(self, request: Request, count: int, tokens_field: str) -> Response:
        fields = protocol.body(request, self.model, count, self._settings, tokens_field)
        response = self._sender.post("/chat/completions", self._headers, protocol.encoded(fields, request))
        try:
            content = parse_json(response.body, "the response", budgets.REPLY_VALUES)
        except InputError as error:
            if response.status == 200:
                raise TryAgain(
                    "the response is not whole JSON" if isinstance(error, NotJson) else str(error)
                ) from error
            content = response.body[: budgets.ERROR_BYTES].decode("utf-8", "replace")
        if response.status != 200:
            return protocol.failed(response.status, content, retry_after(response.headers), count)
        return protocol.read_response(content, count)

    def close(self) -> None:
        """See `Client`."""
        self._sender.close()
