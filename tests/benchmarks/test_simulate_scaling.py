"""The simulation of a divided run: every block once, and its limits are what arithmetic says."""

from __future__ import annotations

import math

import pytest
from simulate_scaling import Setting, known, simulate

BASE = {
    "scenes": 6400, "block": 64, "workers": 4, "per_second": 2.0, "first_start": 0.0, "start": 0.0, "life": math.inf,
    "again": 60.0, "spread": 0.0,
}  # fmt: skip


def setting(**fields: float) -> Setting:
    return Setting(**(BASE | fields))


@pytest.mark.parametrize("workers", [1, 2, 4, 25, 100])
def test_without_loss_and_starts_it_is_the_ideal(workers: int) -> None:
    out = simulate(setting(workers=workers))
    assert out.seconds == pytest.approx(6400 / 2.0 / workers)
    assert out.useful == pytest.approx(3200.0) and (out.lost, out.deaths, out.stolen) == (0.0, 0, 0)


def test_more_workers_than_blocks_are_no_help() -> None:
    assert simulate(setting(workers=500)).seconds == pytest.approx(32.0)
    assert simulate(setting(first_start=100.0)).seconds == pytest.approx(100.0 + 800.0)


@pytest.mark.parametrize("seed", range(5))
def test_lost_work_is_done_again(seed: int) -> None:
    out = simulate(setting(workers=10, life=400.0, start=5.0), seed)
    assert out.deaths > 0 and out.lost > 0.0
    assert out.useful == pytest.approx(3200.0)  # every block counts once
    assert out.seconds > 320.0
    assert out.lost <= out.deaths * 32.0  # no more than the block in work


def test_shards_that_are_done_take_over() -> None:
    alone = [simulate(setting(workers=8, life=300.0, again=10_000.0), seed) for seed in range(8)]
    assert any(out.stolen for out in alone)


def test_smaller_blocks_lose_less() -> None:
    lost = {block: sum(simulate(setting(block=block, workers=10, life=400.0), s).lost for s in range(10))
            for block in (16, 64)}  # fmt: skip
    assert lost[16] < 0.6 * lost[64]


def test_figures_come_from_the_committed_results() -> None:
    found = known()
    assert found["per_second"] > 0.5 and found["first_start"] > found["start"] > 0
