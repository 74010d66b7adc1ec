"""The rooms of a run measured one scene at a time are those of all at once, and parts of the run take them."""

from __future__ import annotations

import json

import pytest
from small_scenes import answer, small_scene

from prosepose_jax.body import BodyModel
from prosepose_jax.fitting.prepare import PreparedScene, group_key, prepare_scene, rooms
from prosepose_jax.fitting.rooms import PLAIN, RoomMeter, RunRooms, with_known
from prosepose_jax.fitting.settings import FitSettings

PARTS = ("hand", "back", "head", "left arm", "foot", "shoulder", "waist", "chest")


@pytest.fixture(scope="module")
def prepared(small_body: BodyModel) -> list[PreparedScene]:
    """Few and many rows, few and many answers, none, three people."""
    settings = FitSettings()
    items = []
    for number in range(40):
        scene = small_scene(small_body, number % 5, people=3 if number % 9 == 8 else 2)
        rows = [(PARTS[(number + k) % 8], PARTS[(3 * number + k) % 8]) for k in range(1 + number % 7)]
        answers = [answer(*rows) for _ in range(number % 5)]
        items.append(prepare_scene(scene, answers, settings))
    return items


@pytest.mark.parametrize("count", [1, 5, 32, 40])
def test_measured_singly_as_together(prepared: list[PreparedScene], count: int) -> None:
    settings = FitSettings()
    meter = RoomMeter(settings)
    for item in prepared[:count]:
        meter.add(item)
    assert meter.rooms() == rooms(prepared[:count], settings)


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
