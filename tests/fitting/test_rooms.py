"""The rooms of a run measured one scene at a time are those of all at once, and parts of the run take them."""

from __future__ import annotations

import json

import pytest
from small_scenes import answer, small_scene

from prosepose_jax.body import BodyModel
from prosepose_jax.fitting.prepare import (
    PreparedScene,
    group_key,
    group_scenes,
    group_shape,
    prepare_scene,
)
from prosepose_jax.fitting.rooms import FEW_SCENES, PLAIN, RunRooms, rooms, sharing, with_known
from prosepose_jax.fitting.settings import FitSettings

PARTS = ("hand", "back", "head", "left arm", "foot", "shoulder", "waist", "chest")


@pytest.fixture(scope="module")
def prepared(small_body: BodyModel) -> list[PreparedScene]:
    """Few and many rows, few and many answers, none, three people; programs of several classes."""
    settings = FitSettings()
    items = []
    for number in range(40):
        scene = small_scene(small_body, number % 5, people=3 if number % 9 == 8 else 2)
        rows = [(PARTS[(number + k) % 8], PARTS[(3 * number + k) % 8]) for k in range(1 + number % 7)]
        answers = [answer(*rows) for _ in range(number % 5)]
        if number % 4 == 3:
            answers = [
                answer(
                    *((PARTS[(k + j) % 8], PARTS[(k * j + number) % 8]) for j in range(8)), (PARTS[k % 8], PARTS[k % 5])
                )
                for k in range(48)
            ]
        items.append(prepare_scene(scene, answers, settings))
    return items


@pytest.mark.parametrize("count", [1, 5, 32, 40])
def test_rooms_hold_their_scenes_and_no_more(prepared: list[PreparedScene], count: int) -> None:
    settings = FitSettings()
    found = rooms(prepared[:count], settings)
    assert found.keys() == {group_key(item) for item in prepared[:count]}
    for group in group_scenes(prepared[:count], found):
        room = found[group_key(group[0])]
        assert room == (len(group), group_shape(group, settings))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({0: 42, 1: 18, 2: 4}, [[2, 1], [0]]),
        ({0: 3, 4: 1}, [[4, 0]]),
        ({0: FEW_SCENES, 1: 1}, [[1], [0]]),
        ({0: 10, 1: 10, 2: 30}, [[2], [1, 0]]),
        ({2: 100}, [[2]]),
    ],
)
def test_small_groups_share_a_room(counts: dict[int, int], expected: list[list[int]]) -> None:
    keys = {size: (2, 1, (0, 1), size) for size in counts}
    others = {(3, 3, None, 0): 1}  # other people never share
    found = sharing({keys[size]: number for size, number in counts.items()} | others)
    assert found == [[keys[size] for size in some] for some in expected] + [list(others)]


def test_a_part_takes_the_rooms_of_the_run(prepared: list[PreparedScene]) -> None:
    settings = FitSettings()
    whole = rooms(prepared, settings)
    run = RunRooms.from_json(json.loads(json.dumps(RunRooms({("", PLAIN): whole}).to_json())))
    for part in (prepared[:1], prepared[3:9], prepared[::-2]):
        found = run.of("", PLAIN, part, settings)
        assert found == {group_key(item): whole[group_key(item)] for item in part}


def test_scenes_that_the_run_did_not_know(prepared: list[PreparedScene]) -> None:
    settings = FitSettings()
    small = [item for item in prepared if item.fallback and item.scene.num_people == 2]
    run = RunRooms({("", PLAIN): rooms(small, settings)})
    found = run.of("", PLAIN, prepared, settings)
    for item in prepared:
        # Large enough for the scene, and no smaller than the run's.
        own = rooms([item], settings)[group_key(item)].shape
        assert all(a >= b for a, b in zip(found[group_key(item)].shape.program, own.program, strict=True))
        assert found[group_key(item)].shape.entries >= own.entries
    assert run.of("no_answers", PLAIN, small, settings).keys() == {group_key(item) for item in small}


def test_few_scenes_take_what_is_compiled(prepared: list[PreparedScene]) -> None:
    settings = FitSettings()
    known: dict = {}
    large = with_known(rooms(prepared[:30], settings), known)
    few = with_known(rooms(prepared[:2], settings), known)
    assert set(few.values()) <= set(large.values())


def test_small_rooms_of_one_call_stay_apart(prepared: list[PreparedScene]) -> None:
    """They are known to each other only afterwards: how many share one is decided by `sharing` alone."""
    settings = FitSettings()
    found = rooms(prepared, settings)
    assert with_known(found, {}) == found


def test_a_few_large_programs_share_their_room_with_smaller_ones(prepared: list[PreparedScene]) -> None:
    """Of more scenes than share a room without more ado."""
    two = [item for item in prepared if item.scene.num_people == 2]
    large = [item for item in two if group_key(item)[-1] > 0]
    small = [item for item in two if group_key(item)[-1] == 0]
    assert 0 < len(large) < FEW_SCENES < len(small) + len(large)
    found = rooms(two + small, FitSettings())
    assert {found[group_key(item)].scenes for item in small} == {2 * len(small)}
    assert len({found[group_key(item)] for item in large}) == 1
