"""Folders of small scenes with pictures, and keys in the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asking import make_picture, make_scene

from prosepose_jax.io import save_scene


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come a tenth as late as for a user."""
    monkeypatch.setattr("prosepose_jax.lmm.pace.FIRST_WAIT_S", 0.05)


@pytest.fixture
def scenes(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of scenes with pictures: `scenes(3)`, `scenes("a", "b", people=1)`."""

    def write(*names: int | str, people: int = 2, **fields: Any) -> Path:
        keys = [f"scene{k}" for k in range(names[0])] if isinstance(names[0], int) else names
        folder = tmp_path / "scenes"
        for seed, key in enumerate(keys):
            picture = make_picture(tmp_path / "scenes" / f"{key}.jpg", seed)
            save_scene(folder, make_scene(str(key), picture, people, **fields))
        return folder

    return write


@pytest.fixture
def keys_set(monkeypatch: pytest.MonkeyPatch) -> str:
    """The same key for every provider, and no proxy or other server from the environment of the tests."""
    key = "sk-secret-0123456789"
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, key)
    for name in ("GOOGLE_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return key
