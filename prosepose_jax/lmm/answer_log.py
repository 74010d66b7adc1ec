"""The growing answers file: one line an answer, written at once, never torn, by one program at a time.

A line is with the operating system before its request counts as answered, so a killed program loses nothing that
it does not ask for again; it is on the disk within about a second (`sync`). What breaks off in the middle (a full
disk, a lost machine) is cut off by the next start.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from prosepose_jax.errors import InputError
from prosepose_jax.io.claim import Claim, make_folder
from prosepose_jax.untrusted import open_regular, parse_json
from prosepose_jax.untrusted.json_file import NotJson

# On Windows a file is text, and its lines end otherwise, unless O_BINARY says that it is not.
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NOT_THE_PATH = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})


class AskedFor(NamedTuple):
    """What makes two answers samples of the same question."""

    key: str
    pair: tuple[int, int]
    model: str
    prompt: str
    input_hash: str


class AnswerLog:
    """An answers `.jsonl`, open for appending."""

    def __init__(self, file: str | os.PathLike[str]) -> None:
        """Opens or makes the file, locks it, repairs its end and reads what is there.

        Raises:
          InputError: no `.jsonl`, not writable, not answers, or in use by another program.
        """
        self.file = Path(file)
        if self.file.suffix != ".jsonl":
            raise InputError(f"--out={file}: expected an answers file that ends in .jsonl")
        self._lock = threading.Lock()
        self._dirty = False
        make_folder(self.file.parent, "the folder of --out")
        try:
            self._descriptor = os.open(self.file, _OPEN, 0o666)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _NOT_THE_PATH:
                raise
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise InputError(f"--out={file}: cannot be written ({reason})") from error
        claim = None
        try:
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                raise InputError(f"--out={self.file}: expected a regular file, found a device, pipe or socket")
            claim = Claim(self._descriptor, self.file)
            if not claim.held:
                by = f" ({claim.by})" if claim.by else ""
                raise InputError(
                    f"--out={self.file}: another prosepose ask is writing to it{by}; give each its own file"
                )
            self.samples, self.repaired = self._read()
        except BaseException:
            if claim is not None:
                claim.close()
            os.close(self._descriptor)
            raise
        self._claim = claim

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Writes lines in one go.

        Raises:
          OSError: they could not be written whole (a full disk); nothing more can be.
        """
        # ASCII only: no reader of lines stumbles over a separator that a text may contain.
        data = "".join(json.dumps(record, allow_nan=False) + "\n" for record in records).encode("ascii")
        with self._lock:
            if self._descriptor < 0:
                raise OSError("the answers file is closed")
            try:
                written = os.write(self._descriptor, data)
            except OSError as error:
                self._close()
                raise OSError(error.errno, error.strerror, str(self.file)) from None
            if written != len(data):
                # The system says why only to a second attempt; the next start cuts the torn line off.
                self._close()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.file))
            self._dirty = True

    def sync(self) -> None:
        """Brings what was written onto the disk."""
        with self._lock:
            if not self._dirty or self._descriptor < 0:
                return
            self._dirty = False
            descriptor = os.dup(self._descriptor)
        # Outside the lock: writers need not wait for the disk.
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Syncs and gives the file up; what is appended later raises."""
        self.sync()
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            self._claim.close()
            os.close(self._descriptor)
        self._descriptor = -1

    def _read(self) -> tuple[dict[AskedFor, set[int]], str]:
        """Samples by what they answer, and what was mended."""
        samples, repaired = read_samples(self.file)
        if repaired is None:
            return samples, ""
        end, whole = repaired
        if whole:  # only the newline is missing
            os.write(self._descriptor, b"\n")
            return samples, ""
        os.ftruncate(self._descriptor, end)
        return samples, f"{self.file}: the last line broke off in the middle and was removed"


def read_samples(file: Path) -> tuple[dict[AskedFor, set[int]], tuple[int, bool] | None]:
    """What a file of answers holds, without touching it.

    Returns:
      Samples by what they answer; and, when the file does not end with a newline, where its last line begins and
      whether that line is whole.

    Raises:
      InputError: a line is no answer; names the file, the line and the field.
    """
    samples: dict[AskedFor, set[int]] = {}
    start = 0
    try:
        with open_regular(file) as lines:
            for number, line in enumerate(lines, start=1):
                ended = line.endswith(b"\n")
                if line.strip():
                    try:
                        entry = parse_json(line, f"{file}: line {number}")
                    except NotJson as error:
                        if not ended:
                            return samples, (start, False)
                        raise InputError(f"{file}: line {number} is not JSON ({error.reason})") from error
                    except InputError:
                        if not ended:  # cut inside a character
                            return samples, (start, False)
                        raise
                    _note(samples, entry, f"{file}: line {number}")
                if not ended:
                    return samples, (start, True)
                start += len(line)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({(error.strerror or str(error)).lower()})") from error
    return samples, None


def _note(samples: dict[AskedFor, set[int]], entry: Any, where: str) -> None:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in ("key", "text")):
        raise InputError(f"{where}: expected an answer, an object with the texts 'key' and 'text'")
    sample, pair = entry.get("sample"), entry.get("pair") or [0, 1]
    if not isinstance(sample, int) or not isinstance(pair, list) or [type(i) for i in pair] != [int, int]:
        return  # an answer from elsewhere, which answers none of our questions
    asked = AskedFor(
        entry["key"], (pair[0], pair[1]), str(entry.get("model") or ""), str(entry.get("prompt") or ""),
        str(entry.get("input") or ""),
    )  # fmt: skip
    samples.setdefault(asked, set()).add(sample)
