"""The same servers through the official package `openai` (pip install 'prosepose_jax[openai]').

For what the package adds over the plain protocol, such as a gateway's own authentication. `openai_http.py` is
the faster one.
"""

from __future__ import annotations

from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients import _openai_protocol as protocol
from prosepose_jax.lmm.clients._http import retry_after
from prosepose_jax.lmm.clients._transports import HttpxTransport, sender_error
from prosepose_jax.lmm.clients.base import ModelSettings, Request, Response, TryAgain
from prosepose_jax.untrusted import budgets, parse_json
from prosepose_jax.untrusted.json_file import NotJson


class OpenAIPackageClient:
    """Chat completions through `openai.OpenAI`."""

    sees = True

    def __init__(
        self, model: str, settings: ModelSettings, key: str | None, base_url: str | None = None, candidates: int = 8
    ) -> None:
        """See `OpenAIClient`.

        Raises:
          InputError: the package is not installed.
        """
        try:
            import openai
        except ImportError as error:
            raise InputError(
                "--client=openai_package needs the package openai: pip install 'prosepose_jax[openai]'; "
                "--client=openai needs none"
            ) from error
        self._openai = openai
        self.model, self.candidates = model, candidates
        self.secrets: tuple[str, ...] = (key,) if key else ()
        self._settings = settings
        transport: Any = HttpxTransport(settings.timeout_s)
        self._client = openai.OpenAI(
            # The package insists on a key; servers that want none ignore it.
            api_key=key or "none",
            base_url=base_url or protocol.DEFAULT_URL,
            timeout=settings.timeout_s,
            max_retries=0,  # the sampler retries
            http_client=openai.DefaultHttpxClient(transport=transport, trust_env=False),
        )
        self._tokens_field = protocol.TokensField()

    def ask(self, request: Request, count: int) -> Response:
        """See `Client`."""
        return self._tokens_field.ask(lambda field: self._ask(request, count, field))

    def _ask(self, request: Request, count: int, tokens_field: str) -> Response:
        fields = protocol.with_picture(protocol.body(request, self.model, count, self._settings, tokens_field), request)

        try:
            raw = self._client.chat.completions.with_raw_response.create(**fields)
            # The text, not the package's own objects: its classes lack fields that other servers send.
            text = raw.text if isinstance(raw.text, str) else raw.text()
            content = parse_json(text, "the response", budgets.REPLY_VALUES)
        except self._openai.APIStatusError as error:
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            content = error.body if error.body is not None else str(error)
            return protocol.failed(error.status_code, content, retry_after(headers), count)
        except self._openai.APIConnectionError as error:
            found = sender_error(error)
            if found is not None:
                raise found from None
            raise TryAgain(f"connection: {error.__cause__ or error}") from error
        except NotJson as error:
            raise TryAgain("the response is not whole JSON") from error
        except InputError as error:
            raise TryAgain(str(error)) from error
        except (self._openai.APIError, OSError) as error:
            raise TryAgain(f"{type(error).__name__}: {error}") from error
        return protocol.read_response(content, count)

    def close(self) -> None:
        """See `Client`."""
        self._client.close()
