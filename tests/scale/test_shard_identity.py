"""Which shard a process is: flags before schedulers, and every scheduler's own way to count."""

from __future__ import annotations

import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.scale.shard import Shard, find_shard


def slurm(task: int, low: int, high: int, step: int = 1, count: int | None = None) -> dict[str, str]:
    count = (high - low) // step + 1 if count is None else count
    return {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_MIN": str(low), "SLURM_ARRAY_TASK_MAX": str(high),
            "SLURM_ARRAY_TASK_STEP": str(step), "SLURM_ARRAY_TASK_COUNT": str(count)}  # fmt: skip


@pytest.mark.parametrize(
    ("index", "count", "environ", "process", "expected"),
    [
        (None, None, {}, None, None),
        (None, None, {"SLURM_ARRAY_TASK_ID": ""}, None, None),
        (2, 4, {}, None, (2, 4)),
        (0, 4, slurm(3, 0, 7), (5, 6), (0, 4)),  # what is said on the command line counts
        (None, 1, slurm(3, 0, 7), (5, 6), (0, 1)),  # and 1 turns the rest off
        (None, None, slurm(3, 0, 7), None, (3, 8)),
        (None, 8, slurm(3, 0, 7), None, (3, 8)),
        (None, None, slurm(1, 1, 4), None, (0, 4)),
        (None, None, slurm(30, 10, 40, 10), None, (2, 4)),
        (None, 5, {"SLURM_ARRAY_TASK_ID": "4"}, None, (4, 5)),
        (None, 6, {"JOB_COMPLETION_INDEX": "5"}, None, (5, 6)),
        (None, None, {"JOB_COMPLETION_INDEX": "5"}, (1, 2), (1, 2)),
        (None, None, {}, (0, 1), (0, 1)),
    ],
)
def test_who_it_is(
    index: int | None, count: int | None, environ: dict[str, str], process: tuple[int, int] | None,
    expected: tuple[int, int] | None,
) -> None:  # fmt: skip
    found = find_shard(index, count, environ, process)
    assert (None if found is None else (found.index, found.count)) == expected


@pytest.mark.parametrize(
    ("index", "count", "environ", "told"),
    [
        (1, None, {}, "--shard_index needs --shard_count"),
        (None, 4, {}, "--shard_count=4 needs --shard_index"),
        (4, 4, {}, "expected 0 to 3"),
        (-1, 4, {}, "expected 0 to 3"),
        (0, 0, {}, "expected 1 or more"),
        (None, None, {"JOB_COMPLETION_INDEX": "0"}, "--shard_count"),
        (None, 4, {"JOB_COMPLETION_INDEX": "9"}, "expected 0 to 3"),
        (None, 4, {"JOB_COMPLETION_INDEX": "x"}, "JOB_COMPLETION_INDEX=x: expected a whole number"),
        (None, None, {"SLURM_ARRAY_TASK_ID": "3"}, "SLURM_ARRAY_TASK_COUNT"),
        (None, 4, slurm(3, 0, 7), "SLURM_ARRAY_TASK_ID says 8"),
        (None, None, slurm(7, 1, 7, 1, count=3), "gaps"),  # --array=1,5,7
    ],
)
def test_what_does_not_fit_together(index: int | None, count: int | None, environ: dict[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told.replace("(", r"\(")):
        find_shard(index, count, environ)


def test_a_shard_says_who_told() -> None:
    assert find_shard(None, None, slurm(0, 0, 1)).told_by == "SLURM_ARRAY_TASK_ID"
    assert find_shard(None, 2, {"JOB_COMPLETION_INDEX": "1"}) == Shard(1, 2, "JOB_COMPLETION_INDEX")
