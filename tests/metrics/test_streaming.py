"""Streamed means are those of `summarise`, whatever entries lack, and take no more memory for more entries."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.metrics.evaluate import JOINT_SET, NO_ANSWERS, summarise
from prosepose_jax.metrics.finite import finite_entry
from prosepose_jax.metrics.streaming import StreamedMeans


def entry(rng: random.Random) -> dict[str, Any]:
    def figures() -> dict[str, Any]:
        found: dict[str, Any] = {"reprojection_px": rng.uniform(0.0, 50.0)}
        if rng.random() < 0.7:
            found |= {"pcc": rng.uniform(0.0, 100.0), "pcc_at": {"0.05": rng.random(), "0.10": rng.random()}}
        if rng.random() < 0.8:
            found |= {"pa_mpjpe_mm": rng.lognormvariate(4.0, 1.0), JOINT_SET: "smplx"}
        return found

    status = rng.choice(["ok", "ok", "fallback", "failed: no answer"])
    found = {"status": status, "answers": 20, "initial": figures()}
    if not status.startswith("failed"):
        found |= figures() | {"seconds": rng.random()}
        found |= {"error": "odd"} if rng.random() < 0.1 else {}
    return found | ({NO_ANSWERS: figures()} if rng.random() < 0.5 else {})


def close(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(close(found[name], wanted[name]) for name in wanted)
    return found == wanted if not isinstance(wanted, float) else found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_as_summarise(seed: int) -> None:
    rng = random.Random(seed)
    entries = [entry(rng) for _ in range(rng.choice([1, 2, 7, 60]))]
    means = StreamedMeans()
    assert not means.any()
    for one in entries:
        means.add(one)
    assert means.any() and close(means.value(), summarise(entries))


def test_different_joints_have_no_mean() -> None:
    means = StreamedMeans()
    for name in ("smplx", "h36m"):
        means.add({"status": "ok", "pa_mpjpe_mm": 1.0, JOINT_SET: name})
    with pytest.raises(InputError, match="h36m, smplx"):
        means.value()


def test_rounding_does_not_grow() -> None:
    means = StreamedMeans()
    for value in (1e16, 1.0, 1.0, -1e16):
        means.add({"status": "ok", "reprojection_px": value})
    assert means.value()["reprojection_px"] == 0.5


def test_memory_does_not_grow() -> None:
    rng, means = random.Random(0), StreamedMeans()
    for _ in range(200):
        means.add(entry(rng))
    tracemalloc.start()
    for _ in range(2000):
        means.add(entry(rng))
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < 20_000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("pve_mm", lambda value: {"pve_mm": value}),
        ("initial/pcc_at/0.05", lambda value: {"initial": {"pcc_at": {"0.00": 1.0, "0.05": value}}}),
        ("steps", lambda value: {"steps": [3, value]}),
    ],
)
def test_entries_hold_finite_numbers_only(value: float, name: str, wrap: Callable[[float], dict[str, Any]]) -> None:
    found = finite_entry("k", {"status": "ok"} | wrap(value))
    assert found == {"status": "ok", "error": f"scene k: figure {name} is no finite number"}
    fine = {"status": "fallback"} | wrap(1.0)
    assert finite_entry("k", fine) is fine
