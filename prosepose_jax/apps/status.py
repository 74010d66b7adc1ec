"""`prosepose status DIR`: how far a run is, dead or alive, here or on any machine that sees the place.

  prosepose status DIR            a divided run or one without shards; DIR may be s3://…, gs://…
  prosepose status DIR --json     the same for programs

Says scenes done, failed by reason and left, the rate, and each worker's last word. It writes nothing.
Exit status: 0 all scenes are done, 1 some failed or are left, 2 bad usage or no run there.
"""

from __future__ import annotations

import collections
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from prosepose_jax.apps._run_body import with_folder_first
from prosepose_jax.apps._usage import run_verb
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import one_line

FLAGS = flags.FlagValues()
flags.DEFINE_string("run", None, "the run's folder or URL; or its first argument", flag_values=FLAGS)
flags.DEFINE_bool("json", False, "print one JSON object", flag_values=FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)

_MOST_REASONS = 10


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    return run_verb("status", __doc__, FLAGS, with_folder_first(argv, "run"), _run)


def _run() -> int:
    from prosepose_jax.scale.plan import FOLDER
    from prosepose_jax.storage import open_store

    if not FLAGS.run:
        raise InputError("the run is missing: prosepose status DIR")
    store = open_store(FLAGS.run)
    if store.known_json(f"{FOLDER}/run.json"):
        found = _divided(store)
    elif store.exists("config.json"):
        found = _undivided(store)
    else:
        raise InputError(f"{store.root}: no run there; expected config.json, as `prosepose fit` writes it")
    if FLAGS.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _print(found)
    return 0 if found["finished"] and not found["failed"] else 1


def _divided(store: Any) -> dict[str, Any]:
    from prosepose_jax.scale.progress import kind_of_failure, look_at

    state = look_at(store)
    merged = state.merged
    reasons = collections.Counter(map(kind_of_failure, merged.failures.values()))
    return {
        "run": store.root,
        "finished": state.finished,
        "scenes_done": merged.fitted,
        "by_status": dict(sorted(merged.statuses.items())),
        "failed": merged.failed,
        "failures": dict(reasons.most_common(_MOST_REASONS)),
        "scenes_left": state.scenes_left,
        "blocks": state.blocks,
        "blocks_done": state.blocks_done,
        "scenes_per_second": state.per_second,
        "seconds_left": _seconds_left(state.scenes_left, state.per_second),
        "workers": [
            {
                "worker": one.name, "state": one.state, "silent_s": round(one.silent_s, 1),
                "scenes_per_second": one.scenes_per_second,
            } | {name: one.said.get(name) for name in _OF_WORKER}
            for one in state.workers
        ],
    }  # fmt: skip


_OF_WORKER = (
    "shard", "count", "host", "device", "block", "scenes", "failed", "blocks", "fit_seconds", "compile_seconds",
    "memory_mib", "device_memory_mib",
)  # fmt: skip


def _undivided(store: Any) -> dict[str, Any]:
    """A run without shards, from its log: the last `start` and what followed."""
    from prosepose_jax.scale.progress import kind_of_failure

    statuses: dict[str, str] = {}
    reasons: dict[str, str] = {}
    scenes, ended, last = 0, False, None
    try:
        lines = store.read("log.jsonl").decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # a killed run's last line
            continue
        if not isinstance(event, dict):
            continue
        last = event.get("time", last)
        if event.get("event") == "start":
            ended = False
            scenes = int(event.get("scenes", 0)) + int(event.get("unreadable", 0))
        elif event.get("event") == "failed":
            reasons[str(event.get("key"))] = str(event.get("reason"))
        elif event.get("event") == "fit" and not event.get("variant"):
            key, status = str(event.get("key")), str(event.get("status"))
            statuses[key] = status.partition(":")[0]
            reasons.pop(key, None)
            if status.startswith("failed"):
                reasons[key] = status.removeprefix("failed: ")
        elif event.get("event") == "end":
            ended = "status" in event
    by_status = collections.Counter(statuses.values())
    done = sum(number for status, number in by_status.items() if status != "failed")
    left = max(0, scenes - done - len(reasons))
    return {
        "run": store.root,
        "finished": ended and not left,
        "scenes_done": done,
        "by_status": dict(sorted(by_status.items())),
        "failed": len(reasons),
        "failures": dict(collections.Counter(map(kind_of_failure, reasons.values())).most_common(_MOST_REASONS)),
        "scenes_left": left,
        "scenes_per_second": None,
        "seconds_left": None,
        "last_event": last,
        "workers": [],
    }


def _seconds_left(scenes: int | None, rate: float | None) -> float | None:
    return round(scenes / rate, 1) if scenes is not None and rate else None


def _print(found: Mapping[str, Any]) -> None:
    left = "?" if found["scenes_left"] is None else str(found["scenes_left"])
    print(f"{one_line(found['run'])}: {'finished' if found['finished'] else 'not finished'}")
    counts = (
        ", ".join(f"{number} {status}" for status, number in found["by_status"].items() if status != "failed") or "none"
    )
    print(f"scenes: {found['scenes_done']} done ({counts}), {found['failed']} failed, {left} left")
    if "blocks" in found:
        rate, seconds = found["scenes_per_second"], found["seconds_left"]
        pace = "" if not rate else f", {rate:.2f} scenes/s" + (f", {seconds:.0f} s left" if seconds else "")
        print(f"blocks: {found['blocks_done']} of {found['blocks']}{pace}")
    for reason, number in found["failures"].items():
        print(f"  failed {number} times: {one_line(reason)}")
    for one in found["workers"]:
        rate = one["scenes_per_second"]
        parts = [
            one["state"],
            f"last word {one['silent_s']:.0f} s ago",
            f"shard {one['shard']} of {one['count']}",
            f"{one['scenes']} scenes",
        ]
        parts += [f"{rate:.2f} scenes/s"] if rate is not None else []
        parts += [f"{one['failed']} failed"] if one["failed"] else []
        parts += [f"at block {one['block']}"] if one["block"] and one["state"] == "working" else []
        print(f"  {one_line(one['worker'])}: {', '.join(parts)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
