"""Gemini through `google-generativeai` (pip install 'prosepose_jax[gemini]').

Google has ended the support of this package; `google_genai.py` uses its successor. It has no working async over
REST, so requests run in the sampler's threads.
"""

from __future__ import annotations

import warnings
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients import _gemini_protocol as protocol
from prosepose_jax.lmm.clients._transports import RequestsAdapter, sender_error
from prosepose_jax.lmm.clients.base import ModelSettings, Request, Response, TryAgain


class GeminiClient:
    """`google.generativeai.GenerativeModel`, over REST."""

    sees = True

    def __init__(
        self, model: str, settings: ModelSettings, key: str | None, base_url: str | None = None, candidates: int = 8
    ) -> None:
        """
        Args:
          model: the model's name.
          settings: temperature, token limit, time-out.
          key: the API key.
          base_url: of another server, as http://127.0.0.1:8000; None for Google's.
          candidates: most answers of one request; the API allows 8.

        Raises:
          InputError: the package is not installed, or there is no key.
        """
        with warnings.catch_warnings():
            # Notices of ended support, for the Python version and for the package, on every import.
            warnings.simplefilter("ignore", FutureWarning)
            try:
                import google.generativeai as genai
                from google.api_core import exceptions
                from google.generativeai import client as connections
                from google.protobuf.json_format import ParseError
            except ImportError as error:
                raise InputError(
                    "--client=gemini needs the package google-generativeai: pip install 'prosepose_jax[gemini]', or "
                    "'prosepose_jax[google-genai]' for its successor"
                ) from error
        if not key:
            raise InputError("no key for Gemini: set GEMINI_API_KEY or GOOGLE_API_KEY, or give --api_key_file")
        self._genai, self._exceptions, self._parse_error = genai, exceptions, ParseError
        self.model, self.candidates = model, min(candidates, protocol.MAX_CANDIDATES)
        self.secrets: tuple[str, ...] = (key,)
        self._settings = settings
        options = {"api_endpoint": base_url.rstrip("/")} if base_url else None
        genai.configure(api_key=key, transport="rest", client_options=options)
        transport: Any = connections.get_default_generative_client()._transport
        self._adapter = RequestsAdapter(settings.timeout_s)
        for scheme in ("https://", "http://"):
            transport._session.mount(scheme, self._adapter)

    def ask(self, request: Request, count: int) -> Response:
        """See `Client`."""
        model = self._genai.GenerativeModel(self.model, system_instruction=request.system or None)
        config: Any = {"candidate_count": count, "max_output_tokens": self._settings.max_tokens}
        if self._settings.temperature is not None:
            config["temperature"] = self._settings.temperature
        parts: list[Any] = [request.user]
        if request.picture is not None:
            parts.insert(0, {"mime_type": request.picture.mime_type, "data": request.picture.data})
        # One content, and not a list of parts: of those the package prints the whole image into an error message,
        # which it then drops, at 12 ms a request.
        contents: Any = {"role": "user", "parts": parts}
        # No retries of its own: the sampler's know about Retry-After and the rate limit.
        options: Any = {"timeout": self._settings.timeout_s, "retry": None}

        try:
            response = model.generate_content(contents, generation_config=config, request_options=options)
        except self._exceptions.GoogleAPICallError as error:
            return self._failed(error)
        except (self._parse_error, ValueError) as error:
            raise TryAgain("the response is not whole JSON") from error
        except (OSError, self._exceptions.GoogleAPIError) as error:  # requests' errors are OSErrors
            found = sender_error(error)
            if found is not None:
                raise found from None
            raise TryAgain(f"connection: {type(error).__name__}: {error}") from error
        if not response.candidates and response.prompt_feedback.block_reason:
            return protocol.blocked(response.prompt_feedback.block_reason, count)
        usage = response.usage_metadata
        return Response(
            tuple(
                protocol.reply([part.text for part in candidate.content.parts], candidate.finish_reason)
                for candidate in response.candidates
            ),
            usage.prompt_token_count,
            usage.candidates_token_count,
        )

    def _failed(self, error: Any) -> Response:
        response = getattr(error, "response", None)
        try:
            content = response.json() if response is not None else None
        except ValueError:
            content = None
        content = content if isinstance(content, dict) else {}
        # The package's own message begins with the URL.
        told = content["error"].get("message") if isinstance(content.get("error"), dict) else None
        headers = dict(getattr(response, "headers", None) or {})
        protocol.fail(int(error.code or 500), str(told or error.message), content, headers)
        raise AssertionError("protocol.fail returned")

    def close(self) -> None:
        """See `Client`."""
        self._adapter.close()
