"""What a run needs of the place it is kept in, and no more.

Nothing is renamed and nothing is appended to: an object is written once, whole, under its final name. That is what
object stores promise and folders can do too, so a run is the same in both.
"""

from __future__ import annotations

import abc
import dataclasses
import json
from pathlib import Path
from typing import IO, Any

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import parse_json


@dataclasses.dataclass(frozen=True)
class Entry:
    """An object of a listing.

    Attributes:
      size: bytes.
      mark: changes when the content does (an ETag, a time of writing).
    """

    size: int
    mark: str = ""


class Store(abc.ABC):
    """Named objects below one root; names are relative, with `/` between their parts.

    Attributes:
      root: as it is shown to people.
    """

    root: str

    def where(self, name: str) -> str:
        """The object's full name, for messages."""
        return f"{self.root}/{name}" if name else self.root

    @abc.abstractmethod
    def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        """The content, or `size` bytes of it from `offset` on.

        Raises:
          FileNotFoundError: there is no such object.
        """

    @abc.abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """The content as a file to read and seek in.

        Raises:
          FileNotFoundError: there is no such object.
        """

    @abc.abstractmethod
    def publish(self, name: str, file: Path) -> None:
        """`write` with the content of a file of this machine, of any size; the file may be moved away."""

    @abc.abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Publishes the content whole; a reader sees the older object or this one, never a part."""

    @abc.abstractmethod
    def create(self, name: str, data: bytes) -> bool:
        """`write` if there is no such object yet; of several writers one succeeds. Returns whether it did."""

    @abc.abstractmethod
    def list(self, prefix: str = "") -> dict[str, Entry]:
        """The objects below `prefix/` by name, in one listing; empty when there is nothing.

        Names that begin with a dot, in any part, are left out: they are unfinished or the system's.
        """

    @abc.abstractmethod
    def remove(self, name: str) -> None:
        """Removes an object; nothing happens when it is not there."""

    def exists(self, name: str) -> bool:
        """Whether there is such an object."""
        try:
            self.read(name, 0, 0)
        except FileNotFoundError:
            return False
        return True

    def read_json(self, name: str) -> Any:
        """An object's JSON.

        Raises:
          FileNotFoundError: there is no such object.
          InputError: it is no JSON.
        """
        return parse_json(self.read(name), self.where(name))

    def known_json(self, name: str) -> dict[str, Any]:
        """An object's JSON; empty when it is not there, damaged, or something else."""
        try:
            value = self.read_json(name)
        except (FileNotFoundError, InputError):
            return {}
        return value if isinstance(value, dict) else {}

    def write_json(self, name: str, value: Any) -> None:
        """Publishes strict JSON."""
        self.write(name, json_bytes(value))

    def create_json(self, name: str, value: Any) -> bool:
        """`create` with strict JSON."""
        return self.create(name, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """Strict JSON on one line (a NaN is an error: it would not be JSON)."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
