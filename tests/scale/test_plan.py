"""The cut of a run: every scene in one block and one shard, the same for all workers, and stable as scenes come."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prosepose_jax.errors import InputError
from prosepose_jax.scale.plan import PLANS, blocks_of, cut, load_plan, planned_blocks
from prosepose_jax.scale.shard import Shard
from prosepose_jax.storage import LocalStore

KEYS = st.sets(st.text("ab_0é.", min_size=1, max_size=4), min_size=1, max_size=40)


@settings(deadline=None, max_examples=40)
@given(keys=KEYS, size=st.integers(1, 9), count=st.integers(1, 6), more=KEYS)
def test_every_scene_is_in_one_block_of_one_shard(
    keys: set[str], size: int, count: int, more: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = LocalStore(tmp_path_factory.mktemp("run"))
    blocks = load_plan(store, {"": sorted(keys)}, size)
    assert [key for block in blocks for key in block.keys] == sorted(keys)
    assert all(len(block.keys) <= size for block in blocks)
    shards = [blocks_of(blocks, Shard(index, count)) for index in range(count)]
    assert sorted(block.number for some in shards for block in some) == list(range(len(blocks)))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    # Whoever comes later, with whatever size and order of the listing, cuts alike.
    assert load_plan(store, {"": sorted(keys, reverse=True)}, size + 1) == blocks
    # A scene that is added changes the block that it falls into, and no scene changes its block.
    grown = load_plan(store, {"": sorted(keys | more)}, size)
    place = {key: block.id for block in grown for key in block.keys}
    assert set(place) == keys | more and all(place[key] == block.id for block in blocks for key in block.keys)


def test_new_parts_get_blocks_of_their_own(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first = load_plan(store, {"a.tar": ["k1", "k2", "k3"]}, 2)
    assert [(b.id, b.part, b.keys) for b in first] == [("000000", "a.tar", ("k1", "k2")), ("000001", "a.tar", ("k3",))]
    both = load_plan(store, {"a.tar": ["k1", "k2", "k3"], "b.tar": ["k0", "k9"]}, 2)
    assert both[:2] == first and [(b.id, b.part, b.keys) for b in both[2:]] == [("000002", "b.tar", ("k0", "k9"))]
    # A part that is gone leaves empty blocks, not other numbers.
    assert [b.keys for b in load_plan(store, {"b.tar": ["k0", "k9"]}, 2)] == [(), (), ("k0", "k9")]
    assert planned_blocks(store) == ["000000", "000001", "000002"]


def test_of_two_planners_one_counts(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.create_json(f"{PLANS}/0000.json", {"format": 1, "begins": [["", "a"], ["", "c"]]})
    assert [block.keys for block in load_plan(store, {"": ["a", "b", "c", "d"]}, 1)] == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize("plan", [[], {}, {"begins": 1}, {"begins": [["a"]]}, {"begins": [[1, 2]]}])
def test_a_damaged_plan_is_named(tmp_path: Path, plan: object) -> None:
    store = LocalStore(tmp_path)
    store.write_json(f"{PLANS}/0000.json", plan)
    with pytest.raises(InputError, match=r"0000\.json"):
        load_plan(store, {"": ["a"]}, 1)


def test_sizes_of_blocks() -> None:
    assert cut(["c", "a", "b"], 2) == ["a", "c"] and cut([], 2) == []
    with pytest.raises(InputError, match="--block_scenes=0"):
        load_plan(LocalStore(Path("absent")), {"": ["a"]}, 0)
