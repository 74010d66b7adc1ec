"""Opens a client by its name, with its key from the environment or a file and nowhere else."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients._http import check_base_url, is_this_machine
from prosepose_jax.lmm.clients.base import Client, ModelSettings
from prosepose_jax.untrusted import read_bytes

_MOST_KEY_BYTES = 1 << 16

CLIENTS = ("gemini", "google_genai", "openai", "openai_package")
"""The clients that talk to a server."""

KEY_VARIABLES: dict[str, tuple[str, ...]] = {
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "google_genai": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "openai": ("OPENAI_API_KEY",),
    "openai_package": ("OPENAI_API_KEY",),
}


def find_key(client: str, file: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The key for a client: the first line of `file` if given, else from the environment.

    Raises:
      InputError: the file cannot be read, or holds no key; its content is never part of the message.
    """
    if not file:
        name = next((name for name in KEY_VARIABLES[client] if environment.get(name, "").strip()), None)
        key = environment[name].strip() if name else None
        if key is not None and not _can_be_sent(key):
            raise InputError(f"${name}: expected a key, one word of ASCII characters")
        return key
    try:
        lines = read_bytes(file, _MOST_KEY_BYTES).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"--api_key_file={file}: cannot be read (not UTF-8 text)") from None
    except InputError as error:
        reason = str(error).removeprefix(f"{file}: ")
        raise InputError(f"--api_key_file={file}: cannot be read ({reason})") from None
    key = lines[0].strip()
    if not key or not _can_be_sent(key):
        raise InputError(f"--api_key_file={file}: expected the key alone on the first line")
    return key


def _can_be_sent(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key


def plain_http_warning(url: str | None, client: Client) -> str:
    """A word of warning when a key goes in clear through a network; else empty."""
    parts = check_base_url(url) if url else None
    if parts is None or parts.scheme != "http" or not client.secrets or is_this_machine(parts.hostname or ""):
        return ""
    return f"the key and the pictures go unencrypted to {parts.hostname} (plain http): anyone on the way can read them"


def open_client(
    name: str,
    model: str,
    settings: ModelSettings,
    base_url: str | None = None,
    key_file: str | None = None,
    candidates: int = 8,
    key: str | None = None,
) -> Client:
    """A client that talks to a server.

    Args:
      name: one of CLIENTS. "gemini" is `google-generativeai` where it is installed, else `google-genai`.
      model: the model's name.
      settings: what is sent with every request.
      base_url: of the server; None for the provider's own, or $OPENAI_BASE_URL.
      key_file: file with the key; None: from the environment.
      candidates: most answers of one request.
      key: the key itself, found before; None: as `key_file` says.

    Raises:
      InputError: a package or the key is missing, or the URL is none.
    """
    key = key or find_key(name, key_file)
    base_url = named_url(name, base_url)
    if name.startswith("openai"):
        if not key and not base_url:
            raise InputError(
                "no key for OpenAI: set OPENAI_API_KEY, or give --api_key_file; a server of your own needs --base_url"
            )
        if name == "openai":
            from prosepose_jax.lmm.clients.openai_http import OpenAIClient

            return OpenAIClient(model, settings, key, base_url, candidates)
        from prosepose_jax.lmm.clients.openai_package import OpenAIPackageClient

        return OpenAIPackageClient(model, settings, key, base_url, candidates)
    if name == "google_genai" or (not _installed("google.generativeai") and _installed("google.genai")):
        from prosepose_jax.lmm.clients.google_genai import GoogleGenaiClient

        return GoogleGenaiClient(model, settings, key, base_url, candidates)
    from prosepose_jax.lmm.clients.gemini import GeminiClient

    return GeminiClient(model, settings, key, base_url, candidates)


def named_url(name: str, base_url: str | None) -> str | None:
    """The server that was named for a client, by flag or $OPENAI_BASE_URL; None: the provider's own.

    Raises:
      InputError: no URL, or one that holds a password.
    """
    url = base_url or (os.environ.get("OPENAI_BASE_URL") if name.startswith("openai") else None) or None
    if url is not None:
        check_base_url(url)
    return url


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it is missing
        return False
