"""Scenes prepared with settings of their own in one call, and the vote over one fit per answer."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_scenes import answer, fewer_terms

from prosepose_jax.body import BodyModel
from prosepose_jax.config import load_config
from prosepose_jax.contact.aggregation import AggregationSettings
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import FitSettings, Fitter, settings_from_config
from prosepose_jax.fitting.prepare import prepare_scene
from prosepose_jax.fitting.rooms import rooms
from prosepose_jax.fitting.vote import candidates_of, takes_a_vote, total_energies
from prosepose_jax.scene import Fit

ANSWERS = [
    answer(("hand", "hand")),
    answer(("back", "back"), ("leg", "arm")),
    answer(("hand", "hand")),
    answer(("head", "foot")),
    answer(),
]


@pytest.fixture(scope="module")
def config():
    config = load_config("two_person")
    config.stage1.steps, config.stage2.steps, config.lm.steps = 6, 4, 6
    config.batch_size = 3
    return config


@pytest.fixture(scope="module")
def settings(config) -> FitSettings:
    # Second attempts are of scenes with one candidate alone: without them a vote is the best of plain fits.
    return dataclasses.replace(fewer_terms(settings_from_config(config)), restart_above=0.0, restart_strain=0.0)


@pytest.fixture(scope="module")
def fitter(small_body: BodyModel, settings: FitSettings) -> Fitter:
    return Fitter(small_body, settings)


def _alone(fitter: Fitter, settings: FitSettings, scene, answers) -> Fit:
    """The fit of one scene by a fitter of its own."""
    return next(Fitter(fitter.model.body, settings).fit([scene], lambda key: answers))


@pytest.fixture(scope="module")
def first_stage(settings: FitSettings) -> FitSettings:
    """Stage 1 alone, with plain squared distances."""
    none = dataclasses.replace(settings.stages[1], steps=0)
    scales = {**settings.scales, "contact": 0.0}
    return dataclasses.replace(settings, stages=(settings.stages[0], none), scales=scales)


@pytest.fixture(scope="module")
def contact_alone(first_stage: FitSettings) -> FitSettings:
    """With two terms only, for each aggregation is a compilation."""
    few = tuple(term for term in first_stage.terms if term.name in ("contact", "initial_pose"))
    return dataclasses.replace(first_stage, terms=few)


def _first_contact(fitter: Fitter, settings: FitSettings, scene) -> float:
    """The contact term at the initial estimate, as a fit records it."""
    fit = _alone(fitter, settings, scene, ANSWERS)
    return float(fit.losses[0, 0, fit.loss_terms.index("contact")])


@pytest.mark.heavy
def test_one_call_serves_settings_that_differ_on_the_host(
    small_body: BodyModel, first_stage: FitSettings, make_scene
) -> None:
    """Fewer answers, a consensus, other weights and the fallback side by side, each as if alone."""
    scene, settings, fitter = make_scene(1), first_stage, Fitter(small_body, first_stage)
    # Not all weights alike: that would be the same problem.
    heavier = tuple(
        dataclasses.replace(s, weights={**s.weights, "contact": 20.0 * s.weights["contact"]}) for s in settings.stages
    )
    variants = [
        settings,
        dataclasses.replace(settings, aggregation=AggregationSettings("frequency", power=2.0)),
        dataclasses.replace(settings, stages=heavier),
        dataclasses.replace(settings, use_answers=False),
        dataclasses.replace(settings, min_share=0.5, lost_ankle="initial"),
    ]
    prepared = [prepare_scene(scene, ANSWERS, one) for one in variants]
    fits = dict(fitter.fit_prepared(prepared))
    assert sorted(fits) == list(range(5))
    assert [fits[k].status for k in range(5)] == ["ok", "ok", "ok", "fallback", "fallback"]
    poses = [fits[k].body_pose for k in range(4)]
    assert all(np.abs(a - b).max() > 1e-3 for i, a in enumerate(poses) for b in poses[:i])
    # Alone, but padded alike: other shapes are other compilations. One is padded as it would be alone.
    shared = rooms(prepared, settings)
    own = rooms(prepared[1:2], settings)
    assert [room.shape.program for room in own.values()] != [room.shape.program for room in shared.values()]
    for k, one in enumerate(variants):
        if k == 1:
            expected = _alone(fitter, one, scene, ANSWERS)
        else:
            ((_, expected),) = Fitter(small_body, one).fit_plain(prepared[k : k + 1], shared=shared)
        np.testing.assert_allclose(fits[k].vertices, expected.vertices, atol=2e-3, err_msg=str(k))
    other = dataclasses.replace(settings, scales={**settings.scales, "contact": 0.1})
    with pytest.raises(ValueError, match="settings that this fitter cannot serve"):
        list(fitter.fit_prepared([prepare_scene(scene, ANSWERS, other)]))


def test_a_fitter_without_a_term_refuses_scenes_that_have_it(small_body: BodyModel, settings, make_scene) -> None:
    few = dataclasses.replace(settings, terms=settings.terms[:5])
    with pytest.raises(ValueError, match="cannot serve"):
        list(Fitter(small_body, few).fit_prepared([prepare_scene(make_scene(1), ANSWERS, settings)]))


@pytest.mark.heavy
@pytest.mark.parametrize(
    "name", ["median", *(pytest.param(name, marks=pytest.mark.variants) for name in ("soft", "nearest", "trimmed"))]
)
def test_a_fit_follows_its_aggregation(fitter: Fitter, contact_alone: FitSettings, make_scene, name: str) -> None:
    """The contact term that a fit records is the aggregation of its answers, not their mean."""
    other = dataclasses.replace(contact_alone, aggregation=AggregationSettings(name))
    mean, found = (_first_contact(fitter, one, make_scene(2)) for one in (contact_alone, other))
    assert found != pytest.approx(mean, rel=1e-2)


@pytest.mark.heavy
def test_soft_choices_reach_the_fit(fitter: Fitter, contact_alone: FitSettings, make_scene) -> None:
    soft = dataclasses.replace(contact_alone, aggregation=AggregationSettings(choice_m=0.2))
    hard, found = (_first_contact(fitter, one, make_scene(2)) for one in (contact_alone, soft))
    # Weighed over all choices the parts are farther apart than the nearest choice is.
    assert found > hard * 1.01


@pytest.mark.heavy
def test_the_vote_keeps_the_fit_that_all_answers_like_best(
    settings: FitSettings, fitter: Fitter, make_scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In two portions, which are to share their compilations: each is given room for all candidates.
    monkeypatch.setattr("prosepose_jax.fitting.vote._AT_ONCE", 3)
    plain, told = Fitter.fit_plain, []
    monkeypatch.setattr(Fitter, "fit_plain", lambda *args: told.append(args) or plain(*args))
    voting = dataclasses.replace(settings, aggregation=AggregationSettings("vote"))
    scenes = [make_scene(seed) for seed in (1, 2)]
    prepared = [prepare_scene(scene, ANSWERS, voting) for scene in scenes]
    candidates = candidates_of(prepared[0])
    assert len(candidates) == 3  # five answers: one empty, two equal
    fits = dict(fitter.fit_prepared(prepared))
    asked = [(len(args[1]), sum(room.scenes for room in args[3].values())) for args in told if len(args) == 4]
    assert asked == [(3, 6), (3, 6)]
    single = [prepare_scene(scene, [ANSWERS[n]], settings) for scene in scenes for n in (0, 1, 3)]
    of_one_answer = dict(plain(fitter, single, shared=told[0][3]))  # padded alike: the same program
    for k in range(2):
        alone = [of_one_answer[3 * k + n] for n in range(3)]
        energies = total_energies(fitter, [prepared[k]] * 3, alone)
        assert np.ptp(energies) > 0.1  # the candidates do differ
        best = alone[int(np.argmin(energies))]
        np.testing.assert_allclose(fits[k].vertices, best.vertices, atol=2e-3)
        assert (fits[k].answers, fits[k].answers_usable, fits[k].status) == (5, 4, "ok")


@pytest.mark.heavy
def test_the_votes_energy_is_the_one_a_fit_records(settings: FitSettings, fitter: Fitter, make_scene) -> None:
    """Of a fit that takes no second step, at its end: the sum of its recorded terms, moved to the vote's weights."""
    scene = make_scene(3, apart=1.5)
    # Stage 1 as stage 2; people this far apart have no penetration.
    first, last = settings.stages
    first = dataclasses.replace(first, weights=last.weights, scales=last.scales)
    settings = dataclasses.replace(settings, stages=(first, last))
    fitter = Fitter(fitter.model.body, settings)
    item = prepare_scene(scene, ANSWERS, settings)
    (_, fit), *_ = fitter.fit_prepared([item])
    still = dataclasses.replace(
        fit, global_orient=scene.global_orient, body_pose=scene.body_pose, betas=scene.betas, transl=scene.transl
    )
    (energy,) = total_energies(fitter, [item], [still])
    assert energy == pytest.approx(float(fit.losses[0, 0].sum()), rel=1e-3)


def test_vote_falls_back_like_any_fit(small_body: BodyModel, settings: FitSettings, make_scene) -> None:
    still = tuple(dataclasses.replace(stage, steps=0) for stage in settings.stages)
    voting = dataclasses.replace(settings, aggregation=AggregationSettings("vote"), stages=still)
    ((_, fit),) = Fitter(small_body, voting).fit_prepared([prepare_scene(make_scene(1), [answer()], voting)])
    assert fit.status == "fallback"


@pytest.mark.parametrize(
    "name", ["two_person", "self_contact", "parity_two_person", "parity_self_contact", "heuristic"]
)
def test_packaged_settings_of_the_aggregation(name: str) -> None:
    """The parity configs are the published mean whatever the defaults become."""
    settings = settings_from_config(load_config(name))
    if name.startswith("parity"):
        assert settings.aggregation == AggregationSettings("mean", choice_m=0.0)
        assert settings.min_share == 0.0 and settings.min_count is None


@pytest.mark.parametrize(
    ("name", "published"),
    [
        (
            "parity_two_person",
            {"keypoints": (0.04, 0.1), "contact": (1000, 1000), "initial_pose": (200, 200), "pose_prior": (4, 4),
             "shape_prior": (40, 0), "penetration": (0, 1000)},
        ),
        (
            "parity_self_contact",
            {"keypoints": (0.04, 0.1), "contact": (10000, 10000), "initial_pose": (400, 400), "pose_prior": (0, 0),
             "shape_prior": (40, 0)},
        ),
    ],
)  # fmt: skip
def test_parity_weights_are_the_published_ones(name: str, published: dict[str, tuple[float, float]]) -> None:
    """Whatever the defaults, from which the parity configs start, become (docs/method.md, "Weights")."""
    config = load_config(name)
    for term, weights in published.items():
        assert (config.stage1.weights[term], config.stage2.weights[term]) == weights


def test_a_wrong_aggregation_is_named() -> None:
    config = load_config("two_person")
    config.contact.aggregation = "average"
    with pytest.raises(InputError, match="config: section contact: aggregation: expected one of mean"):
        settings_from_config(config)


@pytest.mark.heavy
def test_several_starts_keep_the_lowest_energy(settings: FitSettings, fitter: Fitter, make_scene) -> None:
    """Each start is a fit with another contact weight in stage 1; the last stage is the same for all."""
    factors = (1.0, 0.1, 10.0)
    several = dataclasses.replace(settings, starts=factors)
    scenes = [make_scene(seed) for seed in (1, 2, 3)]
    prepared = [prepare_scene(scene, ANSWERS, several) for scene in scenes]
    fits = dict(fitter.fit_prepared(prepared))
    single = []
    for factor in factors:
        weights = {**settings.stages[0].weights, "contact": settings.stages[0].weights["contact"] * factor}
        first = dataclasses.replace(settings.stages[0], weights=weights)
        single.append(dataclasses.replace(settings, stages=(first, settings.stages[1])))
    one_by_one = dict(fitter.fit_prepared([prepare_scene(scene, ANSWERS, one) for scene in scenes for one in single]))
    winners = set()
    for k in range(3):
        alone = [one_by_one[3 * k + n] for n in range(3)]
        energies = total_energies(fitter, [prepared[k]] * 3, alone)
        winners.add(int(np.argmin(energies)))
        np.testing.assert_allclose(fits[k].vertices, alone[int(np.argmin(energies))].vertices, atol=2e-3)
    assert winners != {0}


def test_a_single_start_is_not_passed_over(settings: FitSettings, make_scene) -> None:
    item = prepare_scene(make_scene(1), ANSWERS, dataclasses.replace(settings, starts=(0.3,)))
    assert takes_a_vote(item) and not takes_a_vote(prepare_scene(make_scene(1), ANSWERS, settings))
    (start,) = candidates_of(item)
    np.testing.assert_allclose(start.weights["contact"], item.weights["contact"] * [0.3, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("starts", "words"),
    [((), "expected a list of factors"), (0.5, "expected a list of factors"), (("a",), "expected float"),
     ((1.0, -1.0), "expected a finite number at least 0")],
)  # fmt: skip
def test_unusable_starts_are_named(starts, words: str) -> None:
    config = load_config("two_person")
    with config.ignore_type():
        config.contact.starts = starts
    with pytest.raises(InputError, match=words):
        settings_from_config(config)
