"""Gemini through `google-genai`, the maintained package (pip install 'prosepose_jax[google-genai]')."""

from __future__ import annotations

from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients import _gemini_protocol as protocol
from prosepose_jax.lmm.clients._transports import HttpxTransport, sender_error
from prosepose_jax.lmm.clients.base import ModelSettings, Request, Response, TryAgain


class GoogleGenaiClient:
    """`google.genai.Client`."""

    sees = True

    def __init__(
        self, model: str, settings: ModelSettings, key: str | None, base_url: str | None = None, candidates: int = 8
    ) -> None:
        """See `GeminiClient`."""
        try:
            from google import genai
            from google.genai import errors, types
        except ImportError as error:
            raise InputError(
                "--client=google_genai needs the package google-genai: pip install 'prosepose_jax[google-genai]'"
            ) from error
        if not key:
            raise InputError("no key for Gemini: set GEMINI_API_KEY or GOOGLE_API_KEY, or give --api_key_file")
        self._errors, self._types = errors, types
        self.model, self.candidates = model, min(candidates, protocol.MAX_CANDIDATES)
        self.secrets: tuple[str, ...] = (key,)
        self._settings = settings
        self._client = genai.Client(
            api_key=key,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=base_url,
                timeout=round(settings.timeout_s * 1000),
                client_args={"transport": HttpxTransport(settings.timeout_s), "trust_env": False},
                retry_options=types.HttpRetryOptions(attempts=1),  # the sampler retries
            ),
        )

    def ask(self, request: Request, count: int) -> Response:
        """See `Client`."""
        types = self._types
        contents: list[Any] = [request.user]
        if request.picture is not None:
            contents.insert(0, types.Part.from_bytes(data=request.picture.data, mime_type=request.picture.mime_type))
        config = types.GenerateContentConfig(
            system_instruction=request.system or None,
            temperature=self._settings.temperature,
            max_output_tokens=self._settings.max_tokens,
            candidate_count=count,
        )

        try:
            response = self._client.models.generate_content(model=self.model, contents=contents, config=config)
        except self._errors.APIError as error:
            headers = dict(getattr(error.response, "headers", None) or {})
            protocol.fail(int(error.code or 500), str(error.message or error), error.details, headers)
            raise AssertionError("protocol.fail returned") from None
        except (ValueError, RecursionError) as error:  # JSON and the package's own models
            raise TryAgain("the response is not whole JSON") from error
        except Exception as error:
            # The package lets through the errors of whichever HTTP library it uses.
            found = sender_error(error)
            if found is not None:
                raise found from None
            raise TryAgain(f"connection: {type(error).__name__}: {error}") from error
        feedback = response.prompt_feedback
        if not response.candidates and feedback is not None and feedback.block_reason:
            return protocol.blocked(feedback.block_reason, count)
        usage = response.usage_metadata
        return Response(
            tuple(
                protocol.reply(_texts(candidate), candidate.finish_reason) for candidate in response.candidates or ()
            ),
            (usage.prompt_token_count or 0) if usage else 0,
            (usage.candidates_token_count or 0) if usage else 0,
        )

    def close(self) -> None:
        """See `Client`."""
        self._client.close()


def _texts(candidate: Any) -> list[str]:
    """The parts of an answer; what the model only thought is not among them."""
    parts = (candidate.content.parts or ()) if candidate.content else ()
    return [part.text for part in parts if part.text and not getattr(part, "thought", None)]
