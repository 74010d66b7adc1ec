"""What fsspec reaches (`s3://`, `gs://`, `memory://`, …) as a store (extra `cloud`)."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import IO, Any, cast

from prosepose_jax.errors import InputError
from prosepose_jax.storage.base import Entry, Store

# Of a listing's entry: what changes with the content, the surest first.
_MARKS = ("ETag", "etag", "md5Hash", "generation", "crc32c", "LastModified", "mtime", "updated", "created")


class ObjectStore(Store):
    """Objects below a URL. `create` is a conditional write where the store knows one (S3, Google, memory)."""

    def __init__(self, url: str, **options: Any) -> None:
        """
        Args:
          url: of the root.
          options: for fsspec's file system; credentials and endpoints come from the environment by themselves.

        Raises:
          InputError: fsspec or the package of this kind of URL is not installed, or knows no such URL.
        """
        scheme = url.partition("://")[0]
        try:
            import fsspec

            self._fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
        except ImportError as error:
            raise InputError(f"{url}: needs fsspec: pip install 'prosepose_jax[cloud]' ({error})") from None
        except ValueError as error:
            raise InputError(f"{url}: fsspec knows no place {scheme}:// ({error})") from None
        self._root = root.rstrip("/")
        self.root = url.rstrip("/")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        end = None if size is None else offset + size
        if size == 0:
            self._fs.info(self._path(name))  # an empty range is not asked for
            return b""
        return bytes(self._fs.cat_file(self._path(name), start=offset or None, end=end))

    def open(self, name: str) -> IO[bytes]:
        return cast(IO[bytes], self._fs.open(self._path(name), "rb"))

    def publish(self, name: str, file: Path) -> None:
        self._fs.put_file(str(file), self._path(name))

    def write(self, name: str, data: bytes) -> None:
        self._fs.pipe_file(self._path(name), data)

    def create(self, name: str, data: bytes) -> bool:
        try:
            self._fs.pipe_file(self._path(name), data, mode="create")
        except FileExistsError:
            return False
        except OSError:
            if self.exists(name):  # stores name the refusal differently
                return False
            raise
        # A store that does not know the condition wrote over the other's: the last one has it then.
        return self.read(name) == data

    def list(self, prefix: str = "") -> dict[str, Entry]:
        root = self._path(prefix)
        try:
            found = self._fs.find(root, detail=True)
        except FileNotFoundError:
            return {}
        before = f"{prefix}/" if prefix else ""
        return {
            before + name: Entry(int(entry.get("size") or 0), _mark(entry))
            for name, entry in ((_below(path, root), entry) for path, entry in found.items())
            if name and not any(part.startswith(".") for part in name.split("/"))
        }

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    def exists(self, name: str) -> bool:
        return bool(self._fs.exists(self._path(name)))


def _below(path: str, root: str) -> str:
    """The name below `root`; "" for the root itself or what is not below it."""
    start = root.strip("/") + "/"
    path = path.lstrip("/")
    return path[len(start) :] if path.startswith(start) else ""


def _mark(entry: dict[str, Any]) -> str:
    return next((str(entry[name]) for name in _MARKS if entry.get(name)), "")
