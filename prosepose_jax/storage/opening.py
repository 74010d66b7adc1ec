"""From what a user writes to a store: a path, or a URL."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from prosepose_jax.storage.base import Store
from prosepose_jax.storage.local import LocalStore
from prosepose_jax.storage.objects import ObjectStore

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_url(place: str) -> bool:
    """Whether the place is a URL and not a path (`file://` is one too)."""
    return bool(_URL.match(place))


def local_path(place: str) -> Path | None:
    """The path of a place on this machine's file system; None for what lies elsewhere."""
    if not is_url(place):
        return Path(place)
    if place.lower().startswith("file://"):
        return Path(unquote(urlsplit(place).path))
    return None


def open_store(place: str) -> Store:
    """The store at a path or URL; nothing is made or looked up yet.

    Raises:
      InputError: a package for this kind of URL is missing.
    """
    path = local_path(place)
    return ObjectStore(place) if path is None else LocalStore(path)


def split_name(place: str) -> tuple[str, str]:
    """A place that names one object, as its folder and its name."""
    path = local_path(place)
    if path is not None:
        return str(path.parent), path.name
    head, _, name = place.rstrip("/").rpartition("/")
    return head, name
