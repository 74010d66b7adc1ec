"""What the tests' sessions keep of compiled programs: whole entries, none twice, not without end."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import pytest
from kept_programs import begin, end, kept_folder


def test_whole_entries_are_kept_and_torn_ones_are_not(tmp_path: Path) -> None:
    kept = kept_folder(tmp_path)
    session = begin(kept)
    whole = zlib.compress(os.urandom(5000))
    (session / "a-cache").write_bytes(whole)
    (session / "torn-cache").write_bytes(whole[:3000])
    (session / "empty-cache").write_bytes(b"")
    end(session, kept)
    assert not session.exists() and [file.name for file in kept.iterdir()] == ["a-cache"]
    first, second = begin(kept), begin(kept)  # of two sessions at a time each has its own
    assert first != second and (second / "a-cache").read_bytes() == whole
    for folder in (first, second):
        (folder / "b-cache").write_bytes(whole)
        end(folder, kept)
    assert {file.name for file in kept.iterdir()} == {"a-cache", "b-cache"}


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    kept = kept_folder(tmp_path)
    session = begin(kept)
    for name in "abc":
        (session / name).write_bytes(zlib.compress(os.urandom(1000)))
    end(session, kept)
    for age, name in enumerate("abc"):
        os.utime(kept / name, (1e9 - age, 1e9 - age))
    end(begin(kept), kept, most_bytes=2500)
    assert {file.name for file in kept.iterdir()} == {"a", "b"}


def test_file_systems_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: Path) -> None:
        raise OSError(errno.EOPNOTSUPP, "no hard links")

    monkeypatch.setattr(os, "link", refuse)
    kept, whole = kept_folder(tmp_path), zlib.compress(b"program")
    for name in "ab":
        session = begin(kept)
        assert {file.name for file in session.iterdir()} == {file.name for file in kept.iterdir()}
        (session / name).write_bytes(whole)
        end(session, kept)
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == {"a": whole, "b": whole}


def test_what_another_session_drops_meanwhile_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, gone = kept_folder(tmp_path), kept_folder(tmp_path) / "gone"
    session = begin(kept)
    (session / "a").write_bytes(zlib.compress(b"program"))
    plain = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: [*plain(folder), *([gone] if folder == kept else [])])
    end(session, kept)
    session = begin(kept)
    assert [file.name for file in session.iterdir()] == ["a"]
    end(session, kept)


def test_programs_among_temporary_files_are_this_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine code is loaded from there: whatever somebody else may have made first is left alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # a repository that cannot be written to
    user = os.getuid()
    own = tmp_path / f"prosepose-tests-{user}"

    def found() -> Path:
        folder = tmp_path / kept_folder(tmp_path / "repository").relative_to(tmp_path).parts[0]
        assert stat.S_ISDIR(folder.lstat().st_mode) and not folder.lstat().st_mode & 0o077
        return folder

    assert found() == own and found() == own  # made, and found again
    own.chmod(0o777)
    assert found() not in (own, found())
    shutil.rmtree(own)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    own.symlink_to(tmp_path / "elsewhere")
    assert found() != own
    another = tmp_path / f"prosepose-tests-{user + 1}"
    another.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    assert found() != another


def test_a_cleared_cache_folder_ends_no_session_in_an_error(tmp_path: Path) -> None:
    kept = kept_folder(tmp_path)
    session = begin(kept)
    shutil.rmtree(kept.parent)
    end(session, kept)
    session = begin(kept)
    (session / "a-cache").write_bytes(zlib.compress(b"program"))
    shutil.rmtree(kept)
    end(session, kept)
    assert [file.name for file in kept.iterdir()] == ["a-cache"]


def test_pytests_own_clearing_leaves_programs(tmp_path: Path) -> None:
    """`pytest --cache-clear` clears after conftest.py has begun a session."""
    (tmp_path / "conftest.py").write_text(
        "from pathlib import Path\n"
        "from kept_programs import begin, end, kept_folder\n"
        "KEPT = kept_folder(Path(__file__).parent)\n"
        "SESSION = begin(KEPT)\n"
        "def pytest_unconfigure():\n"
        "    end(SESSION, KEPT)\n"
    )
    (tmp_path / "test_one.py").write_text("from conftest import SESSION\ndef test(): assert SESSION.is_dir()\n")
    session = begin(kept_folder(tmp_path))
    (session / "a-cache").write_bytes(zlib.compress(b"program"))
    end(session, kept_folder(tmp_path))
    (tmp_path / ".pytest_cache" / "d").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--cache-clear", f"--rootdir={tmp_path}", str(tmp_path)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent),
                           "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / ".pytest_cache" / "d").exists()
    assert [file.name for file in kept_folder(tmp_path).iterdir()] == ["a-cache"]
