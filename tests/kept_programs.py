"""Compiled programs of the tests, kept between sessions in pytest's cache folder.

A session works on a folder of its own that begins with links to what is kept, or copies, so sessions do not meet. JAX
writes its entries in place and a test may kill the process that does: only those that can be read to their end are
kept. An entry is named after the whole program, the compiler's options and versions: code that has changed finds none.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import time
import zlib
from pathlib import Path

MOST_BYTES = 3 * 2**30
_ABANDONED_S = 86_400.0
_ZSTANDARD = b"\x28\xb5\x2f\xfd"


def kept_folder(root: Path) -> Path:
    """Where this machine's programs are kept: in the repository's `.pytest_cache`, or else among temporary files."""
    if not os.access(root, os.W_OK):
        root = _private(Path(tempfile.gettempdir()) / f"prosepose-tests-{os.getuid()}")
    # They are machine code for its processor.
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    # Not under `d`, which `pytest --cache-clear` removes after the session has begun.
    return root / ".pytest_cache" / f"programs-{hashlib.sha256(features.encode()).hexdigest()[:12]}"


def _private(folder: Path) -> Path:
    """The folder if it is this user's alone, or else one that lasts as long as this process.

    Others can guess its name and make it first; what it holds is loaded and run.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return folder
    fresh = tempfile.mkdtemp(prefix="prosepose-tests-")
    atexit.register(shutil.rmtree, fresh, ignore_errors=True)
    return Path(fresh)


def begin(kept: Path) -> Path:
    """A new folder for a session, with all that is kept."""
    kept.mkdir(parents=True, exist_ok=True)
    for folder in kept.parent.glob("session-*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)
    session = Path(tempfile.mkdtemp(prefix="session-", dir=kept.parent))
    for file in kept.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another session has just dropped it
            _link_or_copy(file, session / file.name)
    return session


def end(session: Path, kept: Path, most_bytes: int = MOST_BYTES) -> None:
    """Keeps the session's whole new entries, drops those longest unused beyond a size, and removes the folder."""
    if not session.is_dir():  # somebody has emptied the cache folder
        return
    kept.mkdir(parents=True, exist_ok=True)
    for file in session.iterdir():
        if not (kept / file.name).exists() and _is_whole(file):
            os.replace(file, kept / file.name)  # in one step: other sessions see it whole or not at all
    shutil.rmtree(session, ignore_errors=True)
    found = []
    for file in kept.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another session has just dropped it
            found.append((file, file.stat()))
    total = 0
    for file, status in sorted(found, key=lambda pair: -_last_use(pair[1])):
        total += status.st_size
        if total > most_bytes:
            file.unlink(missing_ok=True)


def _link_or_copy(file: Path, to: Path) -> None:
    try:
        os.link(file, to)
    except OSError:  # some mounts have no hard links
        shutil.copy2(file, to)


def _last_use(status: os.stat_result) -> float:
    return max(status.st_atime, status.st_mtime)


def _is_whole(file: Path) -> bool:
    """Whether an entry, which JAX compresses with zstandard where it is installed, can be read to its end."""
    data = file.read_bytes()
    if data.startswith(_ZSTANDARD):
        import zstandard

        try:
            return bool(zstandard.ZstdDecompressor().decompress(data))
        except zstandard.ZstdError:
            return False
    try:
        return bool(zlib.decompress(data))
    except zlib.error:
        return False
