"""Fixtures and settings of all tests: strict rank promotion, no display, the two bodies of the repository."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# Before anything imports JAX or VTK: tests run on the CPU and without a display.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("PYVISTA_OFF_SCREEN", "true")
os.environ.setdefault("MPLBACKEND", "Agg")

# Tests compile many small programs and run each a few times: cheap compilation, and equal programs once a session.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
_CACHE = tempfile.TemporaryDirectory(prefix="prosepose-tests-")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _CACHE.name)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax
import pytest
from small_scenes import small_scene

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


_MOST_SHARE = 0.2


@pytest.fixture(autouse=True)
def _forget_compiled_programs() -> Iterator[None]:
    """Lets go of compiled programs when they hold many of the process's memory maps (`fitting.compiled`).

    Tests compile much besides fits. What a later one needs again comes from the session's compilation cache.
    """
    yield
    if share_of_maps() > _MOST_SHARE:
        forget_compiled()
