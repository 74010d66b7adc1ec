"""metrics.json written as its entries come, a scene a line: it may be larger than memory."""

from __future__ import annotations

import json
from typing import IO, Any


class EntryWriter:
    """Writes `{"scenes": {key: entry, …}, …}`.

    Args:
      out: an open file.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self._between = out, "\n"
        self._write('{"scenes": {')

    def add(self, key: str, entry: Any) -> None:
        """A scene's entry; a key comes once.

        Raises:
          ValueError: the entry holds what JSON cannot (NaN).
        """
        self._write(f"{self._between}{_json(key)}: {_json(entry)}")
        self._between = ",\n"

    def finish(self, **parts: Any) -> None:
        """The end, with further parts beside the scenes."""
        self._write("\n}" + "".join(f', "{name}": {_json(part, indent=2)}' for name, part in parts.items()) + "}\n")

    def _write(self, text: str) -> None:
        self._out.write(text.encode("utf-8", errors="replace"))


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
