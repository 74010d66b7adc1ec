"""Batches shrink when memory runs out, and are chosen from the memory that is free."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import jax
import pytest

from prosepose_jax.apps._batches import PatientFitter, automatic_batch, free_bytes, is_out_of_memory, with_batch
from prosepose_jax.apps._usage import take_auto
from prosepose_jax.config import load_config
from prosepose_jax.fitting import FitSettings, settings_from_config
from prosepose_jax.scene import Fit

SETTINGS = settings_from_config(load_config("two_person"))


@dataclasses.dataclass
class _Scene:
    key: str
    size: int = 1


class _Allocator:
    """Fitters whose device holds so many scenes; a scene of its own size may be too large alone."""

    def __init__(self, room: int) -> None:
        self.room, self.batches, self.fitted = room, [], []

    def __call__(self, settings: FitSettings) -> _Allocator:
        self.batch = settings.batch_size
        self.per_call = settings.scenes_per_call
        self.batches.append(self.batch)
        return self

    def fit(self, scenes, answers, variant) -> Iterator[Fit]:
        for first in range(0, len(scenes), self.per_call):
            call = scenes[first : first + self.per_call]
            if sum(sorted(scene.size for scene in call)[-self.batch :]) > self.room:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.")
            for scene in call:
                self.fitted.append(scene.key)
                yield Fit(scene.key, "ok", variant=variant)


def _fit(room: int, scenes: list[_Scene], batch: int = 8) -> tuple[dict[str, Fit], _Allocator, list[str]]:
    allocator, said = _Allocator(room), []
    fitter = PatientFitter(allocator, with_batch(SETTINGS, batch), said.append)  # type: ignore[arg-type]
    return {fit.key: fit for fit in fitter.fit(scenes, lambda key: [], "")}, allocator, said


def test_every_scene_is_fitted_once_with_smaller_batches() -> None:
    found, allocator, said = _fit(3, [_Scene(str(k)) for k in range(20)])
    assert len(found) == 20 and all(fit.ok for fit in found.values())
    assert len(allocator.fitted) == 20 and allocator.batches == [8, 4, 2]
    assert len(said) == 2 and "batch_size 8" in said[0] and "going on with 4" in said[0]


def test_what_is_done_is_not_done_again() -> None:
    scenes = [_Scene("a"), _Scene("b"), *[_Scene(f"c{k}", 2) for k in range(6)]]
    found, allocator, _ = _fit(4, scenes, batch=2)
    assert len(found) == 8 and len(allocator.fitted) == 8


def test_a_scene_too_large_alone_fails_by_name_and_no_other() -> None:
    found, _, _ = _fit(3, [_Scene("a"), _Scene("huge", 9), _Scene("b"), _Scene("c")])
    assert {key for key, fit in found.items() if fit.ok} == {"a", "b", "c"}
    assert found["huge"].status == "failed: the device has not enough memory for this scene alone"


def test_other_errors_pass() -> None:
    def make(settings: FitSettings) -> object:
        raise jax.errors.JaxRuntimeError("INTERNAL: the driver has gone")

    with pytest.raises(jax.errors.JaxRuntimeError):
        list(PatientFitter(make, SETTINGS, print).fit([_Scene("a")], lambda key: [], ""))  # type: ignore[arg-type]
    assert is_out_of_memory(MemoryError()) and not is_out_of_memory(ValueError("out of memory"))


def test_the_batch_follows_the_memory() -> None:
    sizes = [automatic_batch(gib << 30, 10475, on_cpu=False) for gib in (1, 4, 5, 8, 16, 80, 141)]
    assert sizes == sorted(sizes) and sizes[0] == 1 and sizes[-1] == 256
    assert automatic_batch(100 << 30, 10475, on_cpu=True) == 16 == automatic_batch(None, 10475, on_cpu=False)
    assert automatic_batch(8 << 30, 100_000, on_cpu=False) < automatic_batch(8 << 30, 10_000, on_cpu=False)
    free = free_bytes(jax.devices("cpu")[0])
    assert free is None or free > 0


@pytest.mark.parametrize(
    ("given", "left", "automatic"),
    [
        (["--config.batch_size=auto"], [], True), (["--config.batch_size=4"], ["--config.batch_size=4"], False),
        (["--config.batch_size=4", "--config.batch_size=auto"], [], True),
        (["--config.batch_size=auto", "-config.batch_size=4"], ["-config.batch_size=4"], False),
        (["--scenes=auto"], ["--scenes=auto"], False),
    ],
)  # fmt: skip
def test_auto_is_taken_out_of_the_arguments(given: list[str], left: list[str], automatic: bool) -> None:
    assert take_auto(["fit", *given]) == (["fit", *left], automatic)
