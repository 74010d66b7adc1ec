"""Readers of other tools' files: estimates of every tool, keypoints of every detector, Gemini's and OpenAI's replies.

The files are the miniatures of tests/importing. That folder has fuzzers of its own, which change contents and not only
bytes; here its readers stand beside all others, under one count and the same limits.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz_targets import DATA, TABLE, Target

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "importing"))

from detector_files import SIZE
from foreign_files import make_people, write_image
from foreign_tools import MINIATURES, Case, make
from keypoint_mutations import written_files

from prosepose_jax.body import load_body
from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints import read_keypoints
from prosepose_jax.importing.sources.table import open_estimates
from prosepose_jax.lmm.clients import ModelSettings
from prosepose_jax.lmm.clients._http import HttpResponse, HttpSender
from prosepose_jax.lmm.clients.base import Client, Rejected, Request, TryAgain, Unusable

_SETTINGS = ModelSettings(timeout_s=5.0)
_REQUEST = Request("a", (0, 1), (0, 1), "system", "user")


def foreign_targets() -> tuple[Target, ...]:
    """One for every tool, detector and client."""
    found = (*_estimates(), *_keypoints(), *_replies())
    return tuple(dataclasses.replace(target, good=functools.cache(target.good)) for target in found)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="prosepose-fuzz-")  # goes with the process


@functools.cache
def _people() -> Any:
    return make_people(load_body(DATA / "small_body.npz"), [(-0.3, 3.4), (0.3, 3.7)], [0.0, 0.0])


@functools.cache
def _miniature(tool: str) -> Case:
    return make(tool, _people(), Path(_folder().name) / tool.replace(" ", "_"))


def _estimates() -> list[Target]:
    found = []
    for tool in MINIATURES:
        if tool == "smplerx":  # of a folder
            continue
        name = f"{tool.replace(' ', '_')}.dat"
        read = functools.partial(_read_estimates, tool)
        found.append(Target(name, read, lambda tool=tool: _miniature(tool).paths[0].read_bytes(), share=10))
    return found


def _read_estimates(tool: str, file: Path) -> object:
    case = _miniature(tool)
    image = Path(_folder().name) / "a.png"
    if not image.exists():
        write_image(image)
    opened = open_estimates([file, *case.paths[1:]], image, frame=case.frame, focal=case.given_focal)
    opened.frames()
    return opened.read()


def _keypoints() -> list[Target]:
    with tempfile.TemporaryDirectory() as folder:
        files = written_files(Path(folder))
    read = functools.partial(read_keypoints, names=("photo.jpg",), image_size=SIZE)
    return [Target(f"keypoints_{name}", read, lambda data=data: data, share=15) for name, data in files.items()]


def _replies() -> list[Target]:
    gemini = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": TABLE}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14},
    }
    choice = {"index": 0, "message": {"role": "assistant", "content": TABLE}, "finish_reason": "stop"}
    openai = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice],
              "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}}  # fmt: skip
    error = {"error": {"code": 400, "message": "no", "status": "X", "details": [{"retryDelay": "3s"}]}}
    found = []
    for name, good, share in (("gemini", gemini, 8), ("google_genai", gemini, 8),
                              ("openai", openai, 50), ("openai_package", openai, 8)):  # fmt: skip
        for status, content in ((200, good), (400, error), (429, error)):
            read = functools.partial(_read_reply, name, status)
            data = json.dumps(content).encode()
            found.append(Target(f"reply_{name}_{status}.json", read, lambda data=data: data, share=share))
    return found


@functools.cache
def _client(name: str) -> Client:
    from prosepose_jax.lmm.clients.gemini import GeminiClient
    from prosepose_jax.lmm.clients.google_genai import GoogleGenaiClient
    from prosepose_jax.lmm.clients.openai_http import OpenAIClient
    from prosepose_jax.lmm.clients.openai_package import OpenAIPackageClient

    kinds: dict[str, Callable[..., Client]] = {
        "gemini": GeminiClient, "google_genai": GoogleGenaiClient, "openai": OpenAIClient,
        "openai_package": OpenAIPackageClient,
    }  # fmt: skip
    return kinds[name]("m", _SETTINGS, "a-key-of-fuzz", "http://127.0.0.1:9", 2)


def _read_reply(name: str, status: int, file: Path) -> object:
    """A client's reading of a reply that never was on a wire."""
    client = _client(name)
    reply = HttpResponse(status, {"content-type": "application/json"}, file.read_bytes())

    def send(*_: object, **__: object) -> HttpResponse:
        return reply

    before = HttpSender.send
    HttpSender.send = send  # type: ignore[method-assign]
    try:
        return client.ask(_REQUEST, 2)
    except (TryAgain, Rejected, Unusable) as error:
        raise InputError(str(error)) from error
    finally:
        HttpSender.send = before  # type: ignore[method-assign]
