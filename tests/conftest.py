"""Fixtures and settings of all tests: strict rank promotion, no display, the two bodies of the repository."""

from __future__ import annotations

import functools
import gc
import importlib.util
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kept_programs import begin, end, kept_folder

# Before anything imports JAX or VTK: tests run on the CPU and without a display.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("PYVISTA_OFF_SCREEN", "true")
os.environ.setdefault("MPLBACKEND", "Agg")


def _xla_knows(flag: str) -> bool:
    """Whether the installed XLA has a flag; one that it does not know would end the process."""
    found = importlib.util.find_spec("jaxlib")
    assert found is not None and found.origin is not None
    for library in Path(found.origin).parent.glob("*.so"):
        with open(library, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data.find(flag.encode()) >= 0:
                return True
    return False


def _cheap_compilation() -> str:
    # The fusion emitters make fast kernels and take two thirds of the compile time of a stage; dividing a program for
    # several threads takes a sixth of the processor time of what is left, which the other worker needs.
    wanted = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": "false",
              "xla_cpu_parallel_codegen_split_count": 1}  # fmt: skip
    return " ".join(f"--{flag}={value}" for flag, value in wanted.items() if _xla_knows(flag))


# Tests compile many small programs and run each a few times: cheap compilation, and equal programs once for all workers
# and the processes that tests start (which inherit these variables), and for later sessions.
if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = _cheap_compilation()
_PROGRAMS: tuple[Path, Path] | None = None  # the session's, and those that are kept
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # a worker has that of its session
    _kept = kept_folder(Path(__file__).resolve().parents[1])
    _PROGRAMS = begin(_kept), _kept
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(_PROGRAMS[0])
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Caches of GPU compilers: their folder would be part of every entry's name.
os.environ.setdefault("JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES", "none")

import jax
import pytest
from small_scenes import small_scene

from prosepose_jax.apps import _runtime
from prosepose_jax.body import BodyModel, load_body
from prosepose_jax.fitting.compiled import forget_compiled, share_of_maps
from prosepose_jax.scene import Scene

jax.config.update("jax_numpy_rank_promotion", "raise")

DATA = Path(__file__).resolve().parent / "data"
SMALL_BODY_FILE = DATA / "small_body.npz"


@pytest.fixture(scope="session")
def body() -> BodyModel:
    """The embedded body."""
    return load_body()


@pytest.fixture(scope="session")
def small_body_file() -> Path:
    """The file of `small_body`; its keypoints, low-resolution mesh and child template lie beside it."""
    return SMALL_BODY_FILE


@pytest.fixture(scope="session")
def small_body() -> BodyModel:
    """A closed body of about 1,000 vertices with pose blend shapes and curled mean hands, for fast tests."""
    return load_body(SMALL_BODY_FILE)


@pytest.fixture(scope="session")
def make_scene(small_body: BodyModel) -> Callable[..., Scene]:
    """Scenes of people side by side on the small body: `small_scenes.small_scene`."""
    return functools.partial(small_scene, small_body)


# Fixtures that fit something: who asks for them is heavy.
_HEAVY_FIXTURES = {"finished", "copied"}


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with heavy tests first: with several workers a long one at the end would keep one of them alone."""
    for item in items:
        if _HEAVY_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.heavy)
    heavy = {item.path for item in items if item.get_closest_marker("heavy")}
    items.sort(key=lambda item: item.path not in heavy)


def pytest_collection_finish() -> None:
    """What thousands of collected tests consist of stays: the collector need not look at it again and again.

    Nor so often at what JAX keeps of every program.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)


def pytest_unconfigure() -> None:
    """Keeps the session's compiled programs for the next one; in the process that began it, after all workers."""
    if _PROGRAMS is not None:
        end(*_PROGRAMS)


@pytest.fixture(scope="session", autouse=True)
def _keep_small_programs() -> Iterator[None]:
    """Commands called in this process keep small programs, too: a user's cache is spared them."""
    plain = _runtime._set_up_cache

    def keep_all() -> None:
        plain()
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_runtime, "_set_up_cache", keep_all)
        yield


_MOST_SHARE, _MOST_SHARE_BETWEEN_FILES = 0.3, 0.2
_loaded = 0  # programs since the maps were last counted, which takes 10 ms


def _count_programs(event: str, *_: Any, **__: Any) -> None:
    global _loaded
    _loaded += event == "/jax/core/compile/backend_compile_duration"  # also of those from the cache


jax.monitoring.register_event_duration_secs_listener(_count_programs)


@pytest.fixture(autouse=True)
def _forget_compiled_programs() -> Iterator[None]:
    """Lets go of compiled programs when they hold many of the process's memory maps (`fitting.compiled`).

    Tests compile much besides fits. What a later one needs again comes from the session's compilation cache.
    """
    global _loaded
    yield
    if _loaded:
        _loaded = 0
        if share_of_maps() > _MOST_SHARE:
            _forget()


@pytest.fixture(scope="module", autouse=True)
def _put_earlier_files_aside() -> None:
    """Programs are let go of earlier between files, which share few, than within one, which would trace its own again.

    What is left is out of the garbage collector's sight: to look at all that JAX keeps takes a second, every time.
    """
    if share_of_maps() > _MOST_SHARE_BETWEEN_FILES:
        _forget()
    gc.freeze()


def _forget() -> None:
    gc.unfreeze()
    forget_compiled()
    gc.freeze()
