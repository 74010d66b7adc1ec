"""Who lives and who has a block: one owner at a time, the dead are found, the slow are not robbed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prosepose_jax.scale.crew import CLAIMS, WORKERS, Claims, Crew, Heartbeat, make_worker_name
from prosepose_jax.scale.shard import Shard
from prosepose_jax.storage import LocalStore


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def says(store: LocalStore, worker: str, beat: int, **fields: object) -> None:
    known = {"worker": worker, "shard": 0, "count": 2, "state": "working", "beat": beat, "time": time.time()}
    store.write_json(f"{WORKERS}/{worker}.json", known | fields)


def test_a_worker_lives_as_long_as_its_beat_changes(tmp_path: Path) -> None:
    store, clock = LocalStore(tmp_path), Clock()
    crew = Crew(store, 60.0, clock)
    says(store, "00000-w", 1)
    crew.look()
    assert crew.is_alive("00000-w") and not crew.is_alive("stranger")
    clock.now = 59.0
    crew.look()
    assert crew.is_alive("00000-w")
    says(store, "00000-w", 2)
    crew.look()
    assert crew.is_alive("00000-w")
    clock.now = 118.0
    assert crew.is_alive("00000-w")
    clock.now = 120.0
    crew.look()
    assert not crew.is_alive("00000-w") and crew.shard_is_dead(0, 2)
    says(store, "00000-w", 3)  # it was only slow
    crew.look()
    assert crew.is_alive("00000-w") and not crew.shard_is_dead(0, 2)


def test_clocks_count_only_when_far_apart(tmp_path: Path) -> None:
    store, clock = LocalStore(tmp_path), Clock()
    crew = Crew(store, 60.0, clock)
    says(store, "hasty", 1, time=time.time() - 120.0)
    says(store, "old", 1, time=time.time() - 3600.0)
    says(store, "ahead", 1, time=time.time() + 3600.0)
    crew.look()
    assert crew.is_alive("hasty") and crew.is_alive("ahead") and not crew.is_alive("old")


@pytest.mark.parametrize("state", ["ended", "stopped"])
def test_who_said_goodbye_is_gone(tmp_path: Path, state: str) -> None:
    store = LocalStore(tmp_path)
    says(store, "00000-w", 1, state=state)
    crew = Crew(store, 60.0, Clock())
    crew.look()
    assert not crew.is_alive("00000-w")


def test_a_shard_that_has_not_begun_is_not_dead(tmp_path: Path) -> None:
    crew = Crew(LocalStore(tmp_path))
    crew.look()
    assert not crew.shard_is_dead(1, 2)


@pytest.mark.heavy
def test_a_killed_process_of_this_machine_is_dead_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from prosepose_jax.scale.crew import Heartbeat; from prosepose_jax.scale.shard import Shard\n"
        "from prosepose_jax.storage import LocalStore\n"
        "store = LocalStore(Path(sys.argv[1]))\n"
        "with Heartbeat(store, '00000-w', Shard(0, 2), 60.0, dict): print('up', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    crew = Crew(LocalStore(tmp_path))
    crew.look()
    assert crew.is_alive("00000-w")
    process.kill()
    process.wait()
    process.stdout.close()
    assert crew.is_alive("00000-w") == (not Path("/proc/sys/kernel/random/boot_id").exists())


def test_a_heartbeat_tells_and_ends(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with Heartbeat(store, "w", Shard(1, 3), 0.06, lambda: {"scenes": 7}):
        first = store.read_json(f"{WORKERS}/w.json")
        while store.read_json(f"{WORKERS}/w.json")["beat"] == first["beat"]:
            time.sleep(0.005)
    last = store.read_json(f"{WORKERS}/w.json")
    assert (first["state"], last["state"], first["scenes"], first["shard"], first["count"]) == (
        "working", "ended", 7, 1, 3,
    )  # fmt: skip
    assert first["pid"] == os.getpid()
    with pytest.raises(KeyboardInterrupt), Heartbeat(store, "v", Shard(0, 1), 1.0, dict):
        raise KeyboardInterrupt
    assert store.read_json(f"{WORKERS}/v.json")["state"] == "stopped"


def test_a_claim_has_one_owner(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first, second = Claims(store, "one"), Claims(store, "two")
    assert first.owner("000007") == "" and first.take("000007") and not second.take("000007")
    second.look()
    assert second.owner("000007") == "one" and second.number("000007") == 1
    # The dead one's block is taken over once, and the first owner sees it.
    third = Claims(store, "three")
    third.look()
    assert second.take("000007") and not third.take("000007")
    first.look()
    assert first.owner("000007") == "two" and first.number("000007") == 2
    assert sorted(store.list(CLAIMS)) == [f"{CLAIMS}/000007.1", f"{CLAIMS}/000007.2"]


def test_a_damaged_claim_is_nobodys(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write(f"{CLAIMS}/000001.1", b"{torn")
    claims = Claims(store, "w")
    claims.look()
    assert claims.owner("000001") == "" and claims.take("000001") and claims.number("000001") == 2


def test_a_worker_reads_of_few_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand workers that all read of each other would be a million reads."""
    store = LocalStore(tmp_path)
    for number in range(20):
        says(store, f"{number:05d}-w", 1, shard=number, count=20)
    crew, reads = Crew(store, 60.0, Clock()), []
    original = LocalStore.read
    monkeypatch.setattr(LocalStore, "read", lambda self, *a: (reads.append(a), original(self, *a))[1])
    crew.look()
    for _ in range(3):
        assert crew.is_alive("00007-w") and not crew.shard_is_dead(7, 20) and not crew.shard_is_dead(7, 5)
    assert len(reads) == 1
    crew.look()
    assert crew.is_alive("00007-w") and len(reads) == 2


def test_names_of_workers_differ() -> None:
    names = {make_worker_name(Shard(3, 4)) for _ in range(20)}
    assert len(names) == 20 and all(name.startswith("00003-") and "/" not in name for name in names)
