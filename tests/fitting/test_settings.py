"""Settings by where they act: reading, structure, numbers; and what makes two fits the same problem."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_scenes import answer

from prosepose_jax.ablation.problems import digest_problem
from prosepose_jax.config import load_config
from prosepose_jax.contact.aggregation import AggregationSettings
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import FitSettings, settings_from_config
from prosepose_jax.fitting.prepare import prepare_scene
from prosepose_jax.terms import OPTIONAL_TERMS, TERMS

DEFAULT = FitSettings()


def _changed(**stage) -> FitSettings:
    return dataclasses.replace(DEFAULT, stages=(dataclasses.replace(DEFAULT.stages[0], **stage), DEFAULT.stages[1]))


def test_the_defaults_are_those_of_the_packaged_config() -> None:
    packaged = settings_from_config(load_config("two_person"))
    for fallback in (False, True):
        found, expected = (s.weights(fallback) for s in (DEFAULT, packaged))
        assert found.keys() == expected.keys()
        for name, weights in expected.items():
            np.testing.assert_array_equal(found[name], weights, err_msg=name)
    without = [dataclasses.replace(s, stages=()) for s in (DEFAULT, packaged)]
    assert without[0] == without[1]
    assert DEFAULT.served_together() == packaged.served_together()


NUMBERS = [
    dataclasses.replace(DEFAULT, scales={**DEFAULT.scales, "contact": 0.1}),
    dataclasses.replace(DEFAULT, lm=dataclasses.replace(DEFAULT.lm, tolerance=2e-3, damping=0.5)),
    _changed(move_betas=False),
    _changed(steps=7),
    _changed(tolerance=0.1),
    _changed(weights={"contact": 5.0}),
]
STRUCTURES = [
    dataclasses.replace(DEFAULT, solver="adam"),
    dataclasses.replace(DEFAULT, search="exact"),
    dataclasses.replace(DEFAULT, inside_slots=64),
    dataclasses.replace(DEFAULT, terms=DEFAULT.terms[:3]),
    dataclasses.replace(DEFAULT, batch_size=5),
    dataclasses.replace(DEFAULT, aggregation=AggregationSettings("median")),
]


@pytest.mark.parametrize("other", NUMBERS)
def test_numbers_ask_for_no_other_compilation(other: FitSettings) -> None:
    assert other != DEFAULT and other.structure == DEFAULT.structure


@pytest.mark.parametrize(
    "config, expected",
    [
        ("two_person", (3e-3, 1e-3)),
        ("self_contact", (3e-3, 1e-4)),
        ("parity_two_person", (1e-4, 1e-4)),
        ("parity_self_contact", (1e-4, 1e-4)),
    ],
)
def test_a_stage_may_have_a_tolerance_of_its_own(config: str, expected: tuple[float, float]) -> None:
    settings = settings_from_config(load_config(config))
    settings = dataclasses.replace(settings, solver="lm")
    assert [float(settings.numbers(k)["tolerance"]) for k in range(2)] == pytest.approx(expected)
    # Levenberg–Marquardt's alone.
    others = dataclasses.replace(settings, solver="lbfgs")
    assert [float(others.numbers(k)["tolerance"]) for k in range(2)] == pytest.approx([1e-4, 1e-4])


@pytest.mark.parametrize("search", ["cells", "exact", "sample"])
def test_the_search_of_a_config_arrives(search: str) -> None:
    config = load_config("two_person")
    config.contact.search, config.contact.sample_size = search, 17
    settings = settings_from_config(config)
    assert (settings.search, settings.sample_size) == (search, 17)
    # Only one of them draws samples: for the others another number is no other compilation.
    assert (settings.structure.search, settings.structure.sample_size) == (search, 17 if search == "sample" else 0)


@pytest.mark.parametrize("value", [-1.0, "little", float("nan")])
def test_a_tolerance_that_is_none_is_named(value: object) -> None:
    config = load_config("two_person")
    with config.unlocked():
        del config.stage1["tolerance"]
        config.stage1.tolerance = value
    with pytest.raises(InputError, match=r"stage1\.tolerance"):
        settings_from_config(config)


@pytest.mark.parametrize("other", STRUCTURES)
def test_structures_do(other: FitSettings) -> None:
    assert other.structure != DEFAULT.structure and other.served_together() != DEFAULT.served_together()


def _digest(settings: FitSettings, make_scene) -> str:
    return digest_problem(prepare_scene(make_scene(0), [answer(("hand", "hand"))], settings), "scene", "body")


@pytest.mark.parametrize("other", [*NUMBERS, *STRUCTURES[:4], dataclasses.replace(DEFAULT, seed=3)])
def test_whatever_changes_a_fit_changes_its_digest(other: FitSettings, make_scene) -> None:
    assert _digest(other, make_scene) != _digest(DEFAULT, make_scene)


TABLE = "\n| Question | Person 1 | Person 2 |\n|---|---|---|\n"


def test_what_is_told_beside_touch_changes_the_digest_where_a_term_reads_it(make_scene) -> None:
    def weighing(**weights: float) -> FitSettings:
        stages = (dataclasses.replace(stage, weights={**stage.weights, **weights}) for stage in DEFAULT.stages)
        return dataclasses.replace(DEFAULT, stages=tuple(stages))

    said = answer(("hand", "hand"))
    rows = ("", f"{TABLE}| height | taller | shorter |\n", f"{TABLE}| height | shorter | taller |\n")

    def digests(settings: FitSettings) -> int:
        told = [dataclasses.replace(said, text=said.text + row) for row in rows]
        return len({digest_problem(prepare_scene(make_scene(0), [one], settings), "scene", "body") for one in told})

    assert digests(DEFAULT) == 3 and digests(weighing(told=0.0, floor=0.0)) == 1
    assert digests(weighing(told=0.0)) == 3  # the floor reads them too


def test_what_is_on_the_ground_changes_the_digest_where_a_floor_reads_it(make_scene) -> None:
    no_floor = dataclasses.replace(DEFAULT, terms=tuple(term for term in TERMS if term.name != "floor"))
    rows = ((("hand", "hand"),), (("hand", "hand"), ("foot", "ground")))

    def digests(settings: FitSettings) -> int:
        said = [dataclasses.replace(answer(*some), order="given") for some in rows]
        return len({digest_problem(prepare_scene(make_scene(0), [one], settings), "scene", "body") for one in said})

    assert digests(DEFAULT) == 2 and digests(no_floor) == 1


@pytest.mark.parametrize("speed", [{"batch_size": 3}, {"scenes_per_call": 7}])
def test_speed_alone_does_not(speed: dict, make_scene) -> None:
    assert _digest(dataclasses.replace(DEFAULT, **speed), make_scene) == _digest(DEFAULT, make_scene)


def test_a_field_that_nobody_declared_counts(make_scene) -> None:
    """At the top, and inside a stage or a solver's settings."""

    @dataclasses.dataclass(frozen=True)
    class More(FitSettings):
        courage: float = 0.5

    @dataclasses.dataclass(frozen=True)
    class MoreLM(type(DEFAULT.lm)):  # type: ignore[misc]
        courage: float = 0.5

    more = More(**{f.name: getattr(DEFAULT, f.name) for f in dataclasses.fields(DEFAULT)})
    assert _digest(more, make_scene) != _digest(dataclasses.replace(more, courage=0.6), make_scene)
    few, many = (dataclasses.replace(DEFAULT, lm=MoreLM(courage=c)) for c in (0.5, 0.6))
    assert _digest(few, make_scene) != _digest(many, make_scene)


@pytest.mark.parametrize("kind", ["weights", "fallback_weights"])
def test_optional_terms_join_where_they_weigh_something(kind: str) -> None:
    config = load_config("two_person")
    assert settings_from_config(config).terms == TERMS
    config.stage2[kind].told_age = 0.5
    settings = settings_from_config(config)
    assert [term.name for term in settings.terms[len(TERMS) :]] == ["told_age"]
    assert settings.weights(kind == "fallback_weights")["told_age"].tolist() == [0.0, 0.5]


@pytest.mark.parametrize("name", ["self_contact", "parity_two_person", "parity_self_contact"])
def test_who_gives_the_floor_no_weight_has_none(name: str) -> None:
    assert "floor" not in [term.name for term in settings_from_config(load_config(name)).terms]
    assert all(term.if_weighed for term in OPTIONAL_TERMS)


def test_a_weight_of_a_term_that_is_left_out_is_named() -> None:
    config = load_config("two_person")
    config.stage1.weights.told_age = 0.5
    with pytest.raises(InputError, match=r"field stage1\.weights\.told_age is unknown"):
        settings_from_config(config, terms=TERMS)


def test_configs_of_before_know_no_strain() -> None:
    config = load_config("two_person")
    del config.contact["restart_strain"], config.contact["restart_depth_m"]
    settings = settings_from_config(config)
    assert settings.restart_strain == 0.0 and settings.restart_depth_m == DEFAULT.restart_depth_m
    config = load_config("two_person")
    config.contact.restart_strain = -1.0
    with pytest.raises(
        InputError, match=r"field contact\.restart_strain is -1\.0, expected a finite number at least 0"
    ):
        settings_from_config(config)
