"""A folder as a store."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import IO

from prosepose_jax.io.atomic import atomic_file, write_bytes
from prosepose_jax.storage.base import Entry, Store
from prosepose_jax.untrusted import open_regular

_CHUNK = 1 << 20


class LocalStore(Store):
    """The regular files of a folder.

    Attributes:
      folder: the folder; it may not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, str(folder)

    def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        with open_regular(self.folder / name) as file:
            file.seek(offset)
            return file.read() if size is None else file.read(size)

    def open(self, name: str) -> IO[bytes]:
        return open_regular(self.folder / name)

    def publish(self, name: str, file: Path) -> None:
        with atomic_file(self.folder / name) as target, open_regular(file) as source:
            shutil.copyfileobj(source, target, _CHUNK)

    def write(self, name: str, data: bytes) -> None:
        write_bytes(self.folder / name, data)

    def create(self, name: str, data: bytes) -> bool:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written whole elsewhere and linked: on NFS, too, a link succeeds for one process only.
        whole = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        try:
            whole.write_bytes(data)
            try:
                os.link(whole, path)
            except FileExistsError:
                return False
            except OSError:  # no links here: exclusive creation is what remains
                with open(path, "xb") as file:
                    file.write(data)
        except FileExistsError:
            return False
        finally:
            whole.unlink(missing_ok=True)
        return True

    def list(self, prefix: str = "") -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        self._scan(self.folder / prefix, f"{prefix}/" if prefix else "", found)
        return found

    def _scan(self, folder: Path, before: str, found: dict[str, Entry]) -> None:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile
                        if entry.is_dir():
                            self._scan(folder / entry.name, f"{before}{entry.name}/", found)
                        else:
                            told = entry.stat()
                            found[before + entry.name] = Entry(told.st_size, str(told.st_mtime_ns))
        except (FileNotFoundError, NotADirectoryError):
            return

    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        return (self.folder / name).is_file()
