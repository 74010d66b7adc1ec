"""`prosepose doctor`: what this machine has for the work, what is wrong, and what to do about it.

  prosepose doctor [--workdir=DIR] [--body=FILE,FILE]

Prints versions, devices, extras, the body's files with checksums and kind of licence, cache, disk, locks and clock.
Nothing is sent anywhere. Its output belongs into bug reports: it holds no keys; your home and your name in paths are
written as ~ and USER.
Exit status: 0 all well, 1 something to mend (lines that begin with "!"), 2 bad usage.
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from absl import flags

from prosepose_jax.apps._usage import run_verb
from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients._discreet import redact
from prosepose_jax.untrusted import open_regular

_PACKAGES = ("jax", "jaxlib", "optax", "flax", "numpy", "ml-collections", "absl-py", "pillow", "tqdm")
_EXTRAS = {
    "gemini": "google-generativeai", "google-genai": "google-genai", "openai": "openai", "heic": "pillow-heif",
    "export": "pygltflib", "fast": "numba", "report": "pyvista", "smplx": "smplx", "cuda": "jax-cuda12-plugin",
    "tpu": "libtpu",
}  # fmt: skip
_VARIABLES = ("JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES", "XLA_FLAGS", "XLA_PYTHON_CLIENT_MEM_FRACTION",
              "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_X64")  # fmt: skip
_SECRET_VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTPS_PROXY")
_LITTLE_DISK = 2 << 30
_LITTLE_MEMORY = 3 << 30
_CLOCK_SLACK_S = 5.0

FLAGS = flags.FlagValues()
flags.DEFINE_string("workdir", ".", "folder that runs are written to", flag_values=FLAGS)
flags.DEFINE_list("body", [], "body files of your own to name with their checksums", flag_values=FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    found: str
    advice: str = ""  # what to do; empty when all is well


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    return run_verb("doctor", __doc__, FLAGS, argv, _run)


def _run() -> int:
    workdir = Path(FLAGS.workdir)
    if not workdir.is_dir():
        raise InputError(f"--workdir={workdir}: no such folder")
    sections: tuple[tuple[str, Callable[[], Iterable[Finding]]], ...] = (
        ("versions", _versions), ("devices", _devices), ("extras", _extras),
        ("body files", lambda: _body_files([Path(name) for name in FLAGS.body])),
        ("folders", lambda: _folders(workdir)), ("environment", _environment),
    )  # fmt: skip
    mend = 0
    for title, find in sections:
        print(title)
        for one in find():
            mend += bool(one.advice)
            print(f"{'!' if one.advice else ' '} {one.name:<22} {_nameless(one.found)}")
            if one.advice:
                print(f"  {'':<22} → {_nameless(one.advice)}")
    print(f"\n{mend} to mend" if mend else "\nall well")
    return 1 if mend else 0


def _nameless(text: str) -> str:
    """A text as it may be sent to strangers: without home, without the user's name in paths, without passwords."""
    found = redact(text, [])
    for folder, short in ((str(Path.home()), "~"), (str(Path.home().resolve()), "~")):
        if folder.count("/") > 1 or len(folder) > 4:  # in containers it may be "/"
            found = re.sub(rf"{re.escape(folder)}(?=[/\\\s:,;)'\"]|$)", short, found)
    with contextlib.suppress(KeyError, OSError):  # nobody has this number
        name = getpass.getuser()
        if name != "root":
            found = re.sub(rf"(?<=[/\\]){re.escape(name)}(?=[/\\\s,;)'\"]|$)", "USER", found)
    return found


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _versions() -> Iterator[Finding]:
    from prosepose_jax import __version__

    yield Finding("prosepose_jax", __version__)
    advice = "Python 3.11 or newer is needed" if sys.version_info < (3, 11) else ""
    yield Finding("python", f"{platform.python_version()} on {platform.platform()}", advice)
    for package in _PACKAGES:
        version = _version(package)
        yield Finding(package, version or "missing", "" if version else f"pip install {package}")
    if _version("jax") != _version("jaxlib"):
        yield Finding("jax and jaxlib", "differ", "pip install -U jax jaxlib, both of one version")


def _devices() -> Iterator[Finding]:
    try:
        import jax

        devices = jax.devices()
    except (RuntimeError, ImportError) as error:
        yield Finding("jax", f"finds no device: {error}", "unset JAX_PLATFORMS, or install the driver that it asks for")
        return
    for device in devices:
        stats = device.memory_stats() if device.platform != "cpu" else None
        memory = f", {stats['bytes_limit'] / 2**30:.1f} GiB" if stats and "bytes_limit" in stats else ""
        yield Finding(f"device {device.id}", f"{device.platform}: {device.device_kind}{memory}")
    if devices[0].platform == "cpu" and shutil.which("nvidia-smi"):
        yield Finding("GPU", "there is one, JAX does not use it", "pip install 'prosepose_jax[cuda]'")
    from prosepose_jax.apps._batches import free_bytes

    free = free_bytes(devices[0])
    if free is not None:
        advice = "close other programs, or use --config.batch_size=auto" if free < _LITTLE_MEMORY else ""
        yield Finding("free memory", f"{free / 2**30:.1f} GiB", advice)
    yield Finding("processors", str(os.cpu_count()))


def _extras() -> Iterator[Finding]:
    for extra, package in _EXTRAS.items():
        version = _version(package)
        told = (
            f"{package} {version}" if version else f"not installed (pip install 'prosepose_jax[{extra}]' where needed)"
        )
        yield Finding(extra, told)


def _body_files(own: Sequence[Path]) -> Iterator[Finding]:
    from prosepose_jax.resources import smpl_assets_dir

    folder = smpl_assets_dir()
    for name in ("body.npz", "pose_prior.npz"):
        yield _described(folder / name, "embedded, free licence: may be passed on")
    for file in own:
        yield _described(file, "your own: if it is a licensed model, do not attach it to a report")


def _described(file: Path, licence: str) -> Finding:
    try:
        with open_regular(file) as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except (OSError, InputError) as error:
        return Finding(file.name, f"cannot be read ({error})", "install the package again, or name another file")
    return Finding(file.name, f"{file.stat().st_size / 2**20:.1f} MiB, sha256 {digest[:16]}, {licence}")


def _folders(workdir: Path) -> Iterator[Finding]:
    from prosepose_jax.body import cache_dir

    for name, folder in (("work folder", workdir), ("cache", cache_dir())):
        there = next((p for p in (folder, *folder.resolve().parents) if p.is_dir()), folder)
        free = shutil.disk_usage(there).free
        advice = "make room: a run that meets a full disk stops with status 3" if free < _LITTLE_DISK else ""
        yield Finding(name, f"{folder}, {free / 2**30:.1f} GiB free", advice)
    yield from _file_system(workdir)


def _file_system(workdir: Path) -> Iterator[Finding]:
    """Whether the work folder can be written to, locked, linked in, and has a clock like this machine's."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=".doctor-", dir=workdir)
    except OSError as error:
        yield Finding("writing", f"impossible ({(error.strerror or str(error)).lower()})", "choose another --workdir")
        return
    file = Path(name)
    try:
        yield Finding("writing", "works")
        try:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Finding("locks", "work")
        except (ImportError, OSError):
            yield Finding("locks", "are unknown here: runs take a lease file instead, void after a minute of silence")
        os.utime(file)
        skew = file.stat().st_mtime - time.time()
        advice = "set the clock (NTP)" if abs(skew) > _CLOCK_SLACK_S or time.gmtime().tm_year < 2025 else ""
        yield Finding(
            "clock", f"{time.strftime('%Y-%m-%d %H:%M')} UTC{time.strftime('%z')}, disk {skew:+.1f} s", advice
        )
    finally:
        os.close(descriptor)
        file.unlink(missing_ok=True)


def _environment() -> Iterator[Finding]:
    for name in _VARIABLES:
        if name in os.environ:
            # No advice on JAX_ENABLE_X64: the command settles it before it starts (_environment.py).
            yield Finding(name, os.environ[name])
    for name in _SECRET_VARIABLES:
        yield Finding(name, "set" if os.environ.get(name) or os.environ.get(name.lower()) else "not set")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
