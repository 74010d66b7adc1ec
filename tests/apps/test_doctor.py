"""What `prosepose doctor` says, and what it keeps to itself."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from prosepose_jax.apps import doctor
from prosepose_jax.apps.main import main


def _report(capsys, *arguments: str) -> tuple[int, str]:
    status = main(["prosepose", "doctor", *arguments])
    return status, capsys.readouterr().out


def test_the_report_names_what_a_bug_report_needs(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.npz").write_bytes(b"x")
    _, out = _report(capsys, f"--workdir={tmp_path}", f"--body={tmp_path / 'own.npz'}")
    for word in (
        "prosepose_jax",
        "jaxlib",
        "device 0",
        "free memory",
        "body.npz",
        "sha256",
        "locks",
        "clock",
        "openai",
    ):
        assert word in out
    assert "secret" not in out and str(tmp_path) not in out and "~" in out, out
    assert "own.npz" in out and "do not attach" in out
    assert list(tmp_path.glob(".doctor-*")) == []


def test_what_names_the_user_or_a_password_stays_here(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(doctor.getpass, "getuser", lambda: "jane")
    monkeypatch.setenv("HOME", str(tmp_path / "jane"))
    folders = tmp_path / "jane", tmp_path / "jane2", tmp_path / "scratch" / "jane"
    for folder in folders:
        folder.mkdir(parents=True)
    monkeypatch.setenv("XLA_FLAGS", f"--xla_dump_to={folders[2]}/dump --x={folders[1]}")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "https://jane:pw@host/cache?token=abc")
    _, out = _report(capsys, f"--workdir={folders[2]}", f"--body={folders[0] / 'none.npz'}")
    assert "scratch/USER/dump" in out and "jane2" in out and "~/none.npz" in out
    assert "jane/" not in out and "pw" not in out and "abc" not in out
    monkeypatch.setenv("HOME", "/")  # as in some containers
    _, out = _report(capsys, f"--workdir={folders[1]}")
    assert str(folders[1]) in out


def test_what_is_wrong_has_advice_and_a_status(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(doctor, "_LITTLE_DISK", 1 << 80)
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    status, out = _report(capsys, f"--workdir={tmp_path}", f"--body={tmp_path / 'none.npz'}")
    assert status == 1 and out.count("→") == 3 and "make room" in out and "none.npz" in out
    assert not any("JAX_ENABLE_X64" in line for line in out.splitlines() if line.startswith("!"))


def test_every_extra_that_users_install_is_named(tmp_path: Path, capsys) -> None:
    _, out = _report(capsys, f"--workdir={tmp_path}")
    for extra in ("gemini", "google-genai", "openai", "heic", "export", "fast", "report", "smplx", "cuda", "tpu"):
        assert re.search(rf"^  {extra} ", out, re.MULTILINE)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch, capsys) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(doctor.tempfile, "mkstemp", refuse)
    status, out = _report(capsys, f"--workdir={tmp_path}")
    assert status == 1 and "impossible (read-only file system)" in out
    assert main(["prosepose", "doctor", f"--workdir={tmp_path / 'absent'}"]) == 2
