"""From configs to points: what is merged, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ml_collections import ConfigDict

from prosepose_jax.ablation import INITIAL, expand
from prosepose_jax.ablation.building import grid, sweep
from prosepose_jax.ablation.charts import NAME_LETTERS
from prosepose_jax.ablation.scene_sets import noise_of
from prosepose_jax.config import load_config
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import settings_from_config
from prosepose_jax.resources import configs_dir
from prosepose_jax.synthetic.families import NAMES

SWEEPS = sorted(file.stem for file in configs_dir().glob("ablation_*.py"))


def test_a_point_is_the_base_with_the_sweeps_and_its_own_changes(make_sweep: Callable[..., ConfigDict]) -> None:
    points = [
        {"name": "plain"},
        {"name": "own", "x": 2, "config": {"contact.aggregation": "median", "lm.steps": 7}, "answers": {"first": 2}},
    ]
    sweep = expand(make_sweep(points, "plain"))
    assert [point.name for point in sweep.points] == [INITIAL, "plain", "own"]
    initial, plain, own = sweep.points
    assert initial.config is None and plain.config is not None and own.config is not None
    assert (plain.config.lm.steps, own.config.lm.steps) == (4, 7)
    assert (plain.config.contact.aggregation, own.config.contact.aggregation) == ("mean", "median")
    assert own.answers.first == 2 and own.x == 2.0 and plain.x is None
    assert plain.config.body.path == plain.scenes.body != ""
    settings_from_config(own.config)


def test_groups_have_their_own_scenes_and_initial_estimates(make_sweep: Callable[..., ConfigDict]) -> None:
    groups = {"near": {"scenes": {"count": 1}}, "far": {"scenes": {"count": 2}}}
    sweep = expand(make_sweep(grid(groups, [{"name": "a"}, {"name": "b", "scenes": {"num_answers": 3}}]), "a"))
    found = [(point.group, point.name, point.scenes.count, point.scenes.num_answers) for point in sweep.points]
    assert found == [
        ("near", INITIAL, 1, 20), ("near", "a", 1, 20), ("near", "b", 1, 3),
        ("far", INITIAL, 2, 20), ("far", "a", 2, 20), ("far", "b", 2, 3),
    ]  # fmt: skip
    assert len({point.folder for point in sweep.points}) == 6


@pytest.mark.parametrize(
    ("points", "reference", "words"),
    [
        ([{"name": "a", "config": {"contact.agregation": "mean"}}], "a", "no field contact.agregation"),
        ([{"name": "a", "config": {"contact": "mean"}}], "a", "no field contact"),
        ([{"name": "a", "config": {"lm.steps": "many"}}], "a", "points\\[0\\]: config: lm.steps"),
        ([{"name": "a", "answers": {"last": 3}}], "a", "answers: field last is unknown, expected one of oracle, first"),
        ([{"name": "a", "answers": {"first": "three"}}], "a", "first: expected int, found 'three'"),
        ([{"name": "a", "answers": {"oracle": "perfect"}}], "a", "oracle: expected one of"),
        ([{"name": "a", "scenes": {"kind": "three"}}], "a", "kind: expected one of two_person, self_contact"),
        ([{"name": "a", "scenes": {"kind": "self_contact"}}], "a", "need a base config of that mode"),
        ([{"name": "a", "scenes": {"count": 0}}], "a", "count: expected at least 1"),
        ([{"name": "a", "scenes": {"seed": -1}}], "a", "points\\[0\\]: scenes: seed: expected at least 0"),
        ([{"name": "a", "scenes": {"noise": "hihg"}}], "a", "points\\[0\\]: scenes: noise: level: expected one of"),
        ([{"name": "a", "scenes": {"noise_changes": "misses"}}], "a", "scenes: field noise_changes: expected a dict"),
        ([{"name": "a", "scenes": "high"}], "a", "points\\[0\\]: field scenes: expected a dict"),
        ([{"name": "a", "config": ["lm.steps", 20]}], "a", "points\\[0\\]: field config: expected a dict"),
        ([{"name": "a", "answers": "oracle"}], "a", "points\\[0\\]: field answers: expected a dict"),
        ([{"name": "a", "base": 5}], "a", "points\\[0\\]: field base: expected a text"),
        ([{"name": "a"}, {"name": "b", "config": {"contact.min_share": 7.0}}], "a", "points\\[1\\]: .*min_share"),
        ([{"name": "a", "config": {"body.path": "other.npz"}}], "a", "scenes: body: .* has body.path 'other.npz'"),
        ([{"name": "a", "x": float("nan")}], "a", "x: expected a number, found nan"),
        ([{"name": ".."}], "..", "points\\[0\\]: name: expected letters or digits"),
        ([{"name": "a", "place": 3}], "a", "points\\[0\\]: field place is unknown"),
        ([{"name": "a", "x": "left"}], "a", "x: expected a number, found 'left'"),
        ([{"name": "a"}, {"name": "a"}], "a", "points\\[1\\]: name 'a' is given twice"),
        ([{"name": "a"}], "b", "reference: no point of group '' has the name 'b'"),
        ([{"title": "a"}], "a", "points\\[0\\]: expected a dict with a field 'name'"),
        ([], "a", "expected at least one point"),
    ],
)
def test_mistakes_are_named(make_sweep: Callable[..., ConfigDict], points: list, reference: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        expand(make_sweep(points, reference))


def test_the_scenes_body_is_the_one_that_is_fitted() -> None:
    """Whichever names it; the initial estimates stand on it too."""
    points = [{"name": "a", "config": {"body.path": "one.npz", "body.flat_hands": True}}]
    initial, a = expand(sweep("Bodies", points, "a")).points
    assert initial.scenes.body == a.scenes.body == "one.npz"
    assert initial.files["body"]["path"] == "one.npz" and initial.files["body"]["flat_hands"]


def test_places_and_answers_that_cannot_be(make_sweep: Callable[..., ConfigDict]) -> None:
    with pytest.raises(InputError, match="log_x: point 'a' has x = 0, expected more than 0"):
        expand(make_sweep([{"name": "a", "x": 0}], "a", log_x=True))
    generated = sweep("Few", [{"name": "a", "answers": {"first": 40}}], "a", scenes={"num_answers": 20})
    with pytest.raises(InputError, match="first: expected at most scenes.num_answers = 20, found 40"):
        expand(generated)
    generated = sweep("Few", [{"name": "a"}], "a")
    generated.seed = -1
    with pytest.raises(InputError, match="field seed: expected a whole number of at least 0"):
        expand(generated)


def test_names_in_any_script_have_folders_of_their_own(make_sweep: Callable[..., ConfigDict]) -> None:
    found = expand(make_sweep([{"name": "½"}, {"name": "¼"}, {"name": "半分"}], "½")).points
    assert len({point.folder for point in found}) == 4


def test_an_unknown_field_of_a_sweep_is_named(make_sweep: Callable[..., ConfigDict]) -> None:
    config = make_sweep([{"name": "a"}], "a")
    with config.unlocked():
        config.colour = "red"
    with pytest.raises(InputError, match="field colour is unknown"):
        expand(config)


def test_all_promised_sweeps_are_packaged() -> None:
    wanted = {"answers", "threshold", "losses", "fallback", "weights", "aggregation", "order_sides", "noise", "oracle",
              "keypoints", "solvers"}  # fmt: skip
    assert {f"ablation_{name}" for name in wanted} <= set(SWEEPS)


def test_the_sweep_of_questions_gives_each_prior_a_weight_of_its_own() -> None:
    points = {point.name: point for point in expand(load_config("ablation_told:questions")).points}
    names = ("told", "told_age", "told_faces", "told_posture")
    on = {
        name: {term for term in names if point.config.stage2.weights[term]}
        for name, point in points.items()
        if point.config is not None
    }
    assert on == {
        "touch alone": {"told"}, "second table": {"told"}, "+ age": {"told", "told_age"}, "all": set(names),
        "+ faces": {"told", "told_faces"}, "+ posture": {"told", "told_posture"},
    }  # fmt: skip
    tables = {name: bool(point.scenes.noise_changes) for name, point in points.items() if point.config is not None}
    assert tables == {name: name != "touch alone" for name in on}


def test_a_term_is_taken_out_of_scenes_without_answers_too() -> None:
    points = {point.name: point for point in expand(load_config("ablation_losses")).points}
    kinds = [(stage, kind) for stage in ("stage1", "stage2") for kind in ("weights", "fallback_weights")]
    for term in ("floor", "told", "keypoints", "penetration"):
        weights = [[points[name].config[s][k][term] for s, k in kinds] for name in ("full", f"no {term}")]
        assert any(weights[0]) and not any(weights[1])


def test_the_sweep_of_limits_has_a_table_without_errors_and_other_weights() -> None:
    points = [point for point in expand(load_config("ablation_told:limits")).points if point.config is not None]
    found = {}
    for point in points:
        weights = {float(stage.weights.told) for stage in (point.config.stage1, point.config.stage2)}
        found[point.group, point.name] = (dict(point.scenes.noise_changes).get("second_table"), weights)
    expected = {
        "touch alone": (None, {0.5}), "second table": (1.0, {0.5}), "no errors": (0.0, {0.5}),
        "weight 1": (1.0, {1.0}), "weight 2": (1.0, {2.0}),
    }  # fmt: skip
    assert found == {(g, n): e for g in ("wide_statures", "independent_depth") for n, e in expected.items()}


def test_the_sweep_of_many_scenes_has_two_families_at_the_stated_error_rates() -> None:
    points = [point for point in expand(load_config("ablation_told:many")).points if point.config is not None]
    found = {(point.group, point.name, dict(point.scenes.noise_changes).get("second_table")) for point in points}
    told = (("touch alone", None), ("second table", 1.0))
    assert found == {(g, *one) for g in ("wide_statures", "independent_depth") for one in told}
    assert {point.scenes.count for point in points} == {1000}


@pytest.mark.parametrize(
    ("variant", "kind"),
    [
        ("", "two_person"),
        (":lm", "two_person"),
        (":self_contact", "self_contact"),
        (":self_contact_lm", "self_contact"),
    ],
)
def test_the_sweep_of_families_has_every_level_and_family(variant: str, kind: str) -> None:
    points = expand(load_config(f"ablation_families{variant}")).points
    assert {point.scenes.kind for point in points} == {kind}
    missing = set(NAMES) - {point.group for point in points}
    assert missing == (set() if kind == "two_person" else {"mixed_keypoints", "steep_cameras"})
    assert all(point.scenes.noise == point.group for point in points)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.heavy) if name == "ablation_prior" else name for name in SWEEPS]
)
def test_packaged_sweeps_can_be_used(name: str) -> None:
    """Every point's config is one of a fit, and the small variant is small."""
    sweep = expand(load_config(name))
    fitted = [point for point in sweep.points if point.config is not None]
    assert len(fitted) >= 3
    for point in fitted:
        assert len(point.name) <= NAME_LETTERS
        settings_from_config(point.config)
        assert point.scenes.count in (300, 128, 64) and not point.scenes.folder
        # What the small variant, read from a folder, does without: noise that can be made, of a spec that is a key.
        noise_of(point.scenes)
        hash(point.scenes)
    small = expand(load_config(f"{name}:smoke"))
    assert 2 <= len(small.points) <= 4
    assert all(point.scenes.count <= 4 for point in small.points)
    assert all(point.config is None or settings_from_config(point.config).lm.steps <= 5 for point in small.points)
