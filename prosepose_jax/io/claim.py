"""Folders and files that a command writes to: made, and held against other processes.

A lock of the operating system is given up when its process dies, however it dies. File systems without locks (some
network ones) get a lease instead: a file beside the claimed one whose owner touches it every few seconds. A lease that
nobody has touched for a while is void.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.io._processes import process_is_gone
from prosepose_jax.io.atomic import remove_temporaries
from prosepose_jax.untrusted import parse_json, read_bytes, shown

try:
    import fcntl
except ImportError:  # pragma: no cover - not on Windows
    fcntl = None  # type: ignore[assignment]

CLAIM_FILE = ".running"
HEARTBEAT_S = 10.0
VOID_AFTER_S = 60.0
"""Without a heartbeat. Clocks of machines may differ: the ages that are compared are the file server's."""

# What a path that cannot hold a folder says; everything else is the system's refusal.
_WRONG_PATH = frozenset({errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP})
_MOST_LEASE_BYTES = 4096


def make_folder(folder: Path, what: str) -> None:
    """Makes a folder where there is none.

    Args:
      folder: may be there already.
      what: it is to be, for the error message.

    Raises:
      InputError: the path cannot be a folder.
      OSError: the system refuses (a full or read-only disk, no permission).
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{folder!s}: cannot be {what} ({error})") from None
    except OSError as error:
        if error.errno in _WRONG_PATH:
            raise InputError(f"{folder}: cannot be {what} ({error.strerror})") from None
        raise


class Claim:
    """An open file held for this process until `close`; tells whether the claim succeeded.

    Attributes:
      held: False when another process has it.
      by: who has it, where that is known.
    """

    def __init__(self, descriptor: int, file: Path) -> None:
        self.held, self.by = True, ""
        self._lease: Lease | None = None
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                self.held = False
                return
            except OSError:
                pass  # a file system without locks
        lease = Lease(file.with_name(f".{file.name.lstrip('.')}.lease"))
        self.by = lease.take()
        self.held = not self.by
        self._lease = lease if self.held else None

    def close(self) -> None:
        """Gives up a lease; a lock goes with the descriptor."""
        if self._lease is not None:
            self._lease.give_up()
            self._lease = None

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Lease:
    """A file that says who works here, touched every `HEARTBEAT_S` seconds for as long as its owner lives."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._token = secrets.token_hex(8)
        self._ended = threading.Event()

    def take(self) -> str:
        """Takes the lease; returns "" or who has it."""
        for _ in range(3):  # a void one is moved out of the way, and another process may be doing the same
            if self._create():
                threading.Thread(target=self._beat, name="lease", daemon=True).start()
                return ""
            owner = self._owner()
            if owner is None:
                continue  # given up in between
            age = self._age()
            if not _is_dead(owner) and age < VOID_AFTER_S:
                who = shown(f"process {owner.get('pid', '?')} on {owner.get('host', '?')}")
                return (
                    f"{who}, last seen {max(0.0, age):.0f} s ago; a lease is void {VOID_AFTER_S:.0f} s after its last "
                    "sign of life"
                )
            self._move_away(owner)
        return "another process that took it at the same moment"

    def give_up(self) -> None:
        """Removes the file when it is still this process's."""
        self._ended.set()
        owner = self._owner()
        if owner is not None and owner.get("token") == self._token:
            with contextlib.suppress(OSError):
                self.file.unlink()

    def _create(self) -> bool:
        text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "token": self._token})
        # Written whole elsewhere and linked: on NFS a link is what succeeds for one process only.
        whole = self.file.with_name(f"{self.file.name}.{self._token}")
        whole.write_text(text, encoding="ascii")
        try:
            os.link(whole, self.file)
            return True
        except FileExistsError:
            return False
        except OSError:  # no links here either: exclusive creation is what remains
            try:
                with open(self.file, "x", encoding="ascii") as file:
                    file.write(text)
                return True
            except FileExistsError:
                return False
        finally:
            whole.unlink(missing_ok=True)

    def _owner(self) -> dict[str, Any] | None:
        try:
            value = parse_json(read_bytes(self.file, _MOST_LEASE_BYTES), self.file)
        except InputError:
            return {} if self.file.exists() else None
        return value if isinstance(value, dict) else {}

    def _age(self) -> float:
        """Seconds since the last heartbeat, both by the clock of the file server."""
        probe = self.file.with_name(f"{self.file.name}.{self._token}.now")
        try:
            probe.write_bytes(b"")
            return probe.stat().st_mtime - self.file.stat().st_mtime
        except FileNotFoundError:
            return VOID_AFTER_S
        finally:
            probe.unlink(missing_ok=True)

    def _move_away(self, owner: dict[str, Any]) -> None:
        aside = self.file.with_name(f"{self.file.name}.{self._token}.void")
        with contextlib.suppress(OSError):
            os.rename(self.file, aside)
            moved = parse_json(read_bytes(aside, _MOST_LEASE_BYTES), aside) if owner else owner
            if moved != owner:  # somebody was faster, and this is their new one: give it back
                os.rename(aside, self.file)
            else:
                aside.unlink()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            with contextlib.suppress(OSError):
                os.utime(self.file)


def _is_dead(owner: dict[str, Any]) -> bool:
    """Whether the owner was a process of this machine that is gone."""
    return owner.get("host") == socket.gethostname() and process_is_gone(owner.get("pid"))


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Holds a folder that is there against other processes. A process that dies, also by `kill -9`, gives it up.

    Temporary files that a killed process left in it are removed: nobody else writes here now.

    Raises:
      InputError: another process holds it.
      OSError: it cannot be written to.
    """
    file = folder / CLAIM_FILE
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with Claim(descriptor, file) as claim:
            if not claim.held:
                by = f" ({claim.by})" if claim.by else ""
                raise InputError(f"{folder}: another prosepose is writing to this folder{by}; give each run its own")
            remove_temporaries(folder)
            yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Holds a folder together with other workers of the same run: `claimed` is refused meanwhile, `shared` is not.

    On a file system without locks nothing is held.

    Raises:
      InputError: another process has it for itself.
      OSError: it cannot be written to.
    """
    descriptor = os.open(folder / CLAIM_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"{folder}: another prosepose has this folder for itself (a run without shards, or merge)"
                ) from None
            except OSError:
                pass
        yield
    finally:
        os.close(descriptor)
