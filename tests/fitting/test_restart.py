"""Scenes whose fit is stuck are fitted again from other starts, and the better fit is kept."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from small_scenes import fewer_terms

from prosepose_jax.body import pose_body
from prosepose_jax.body.measurements import ShapeMeasures, shape_measures
from prosepose_jax.body.model import BodyModel
from prosepose_jax.fitting import Fitter
from prosepose_jax.fitting.other_starts import drawn_apart, other_depths
from prosepose_jax.fitting.prepare import group_key, initial_params, prepare_scene, starting_batch
from prosepose_jax.fitting.restart import fit_again, in_portions, is_inside, is_strained, is_stuck
from prosepose_jax.fitting.settings import FitSettings, LMSettings
from prosepose_jax.fitting.ways_out import ways_out
from prosepose_jax.scene import Fit, FitPath
from prosepose_jax.terms.points import MOVABLE

TERMS = ("contact", "penetration")
STRAINED = ("estimate_shape", "penetration")
ROOMS: dict = {}


def _fit(key: str, left: float, status: str = "ok", seconds: float = 1.0) -> Fit:
    """A fit whose last stage ended with so much penetration."""
    losses = np.full((2, 4, 2), np.nan, np.float32)
    losses[1, :3] = ((0.0, 900.0), (0.0, 500.0 if left < 500.0 else 900.0), (0.0, left))
    return Fit(key=key, status=status, loss_terms=TERMS, losses=losses, steps=np.array([4, 3]), seconds=seconds)


def _strained(key: str, left: float, **fields) -> Fit:
    """A fit whose last stage ended with so much of the shapes' energy, and nothing of penetration."""
    fit = _fit(key, left, **fields)
    return dataclasses.replace(fit, losses=fit.losses[..., ::-1].copy(), loss_terms=STRAINED)


@pytest.fixture
def item(small_body: BodyModel, make_scene):
    """Of a scene that only penetration makes worth another attempt."""
    settings = FitSettings(use_answers=False, restart_strain=0.0)
    return prepare_scene(make_scene(seed=0), [], settings, small_body.num_betas)


@pytest.fixture
def strainable(item):
    return dataclasses.replace(item, settings=dataclasses.replace(item.settings, restart_strain=6.0))


def test_what_is_left_at_the_end_decides(item) -> None:
    assert is_inside(item, _fit("a", 21.0)) and is_inside(item, _fit("a", 21.0, "fallback"))
    assert not is_inside(item, _fit("a", 19.0))
    assert not is_inside(item, _fit("a", 31.0, "failed: no"))
    assert not is_inside(dataclasses.replace(item, settings=FitSettings(restart_above=0.0)), _fit("a", 1e9))
    assert not is_inside(item, dataclasses.replace(_fit("a", 31.0), loss_terms=("contact", "told")))


def test_strained_bodies_decide_too(item, strainable, make_scene, small_body: BodyModel) -> None:
    strained = _strained("a", 7.0)
    assert is_strained(strainable, strained) and is_stuck(strainable, strained) and not is_inside(strainable, strained)
    assert not is_strained(strainable, _strained("a", 5.0)) and not is_stuck(strainable, _strained("a", 5.0))
    assert not is_strained(item, _strained("a", 1e9))  # unless asked for
    # Every person adds to it: the limit is of two.
    three = prepare_scene(make_scene(people=3, seed=0), [], strainable.settings, small_body.num_betas)
    assert not is_strained(three, _strained("a", 8.5)) and is_strained(three, _strained("a", 9.5))
    one = prepare_scene(
        make_scene(people=1, seed=0),
        [],
        FitSettings(mode="self_contact", use_answers=False, restart_strain=6.0),
        small_body.num_betas,
    )
    assert not is_strained(one, strained)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (("penetration", "estimate_shape"), True),
        (("estimate_shape", "penetration"), True),
        (("contact", "penetration"), False),
        (("estimate_shape", "contact"), False),
        (("keypoints", "floor"), False),
    ],
)
def test_penetration_and_shapes_add_up(strainable, terms: tuple[str, str], expected: bool) -> None:
    losses = np.full((2, 4, 2), np.nan, np.float32)
    losses[1, :2] = ((50.0, 50.0), (4.0, 4.0))  # each alone is below the limit
    fit = dataclasses.replace(_fit("a", 0.0), losses=losses, loss_terms=terms)
    assert is_strained(strainable, fit) == expected


@pytest.fixture
def inside(small_body: BodyModel, item) -> Fit:
    """A fit of two people on one spot but for a hand's breadth."""
    params = initial_params(small_body, item.scene)
    params = dataclasses.replace(params, body_pose=np.zeros_like(params.body_pose), betas=np.zeros_like(params.betas),
                                 global_orient=np.zeros_like(params.global_orient))  # fmt: skip
    params.transl[:] = [[0.0, 0.0, 3.0], [0.08, 0.0, 3.02]]
    moving = {name: np.asarray(getattr(params, name)) for name in MOVABLE}
    vertices = np.asarray(pose_body(small_body, params).vertices)
    return dataclasses.replace(_fit("a", 99.0), **moving, vertices=vertices)


def test_people_are_drawn_apart_until_they_only_touch(small_body: BodyModel, item, inside: Fit) -> None:
    starts = drawn_apart(small_body, inside, 0.02)
    assert len(starts) == 2
    shifts = [np.diff(start["transl"], axis=0)[0] - np.diff(inside.transl, axis=0)[0] for start in starts]
    assert len({tuple(np.round(shift, 4)) for shift in shifts}) == len(starts)
    low, faces = np.asarray(small_body.lowres.vertex_ids), np.asarray(small_body.lowres.faces)
    for start in starts:
        # Both go halfway, nothing else moves.
        np.testing.assert_allclose(start["transl"].mean(axis=0), inside.transl.mean(axis=0), atol=1e-6)
        for name in set(MOVABLE) - {"transl"}:
            np.testing.assert_array_equal(start[name], getattr(inside, name))
    moved = inside.vertices + (starts[0]["transl"] - inside.transl)[:, None]
    assert ways_out(*moved[:, low].astype(np.float64), faces) == []
    np.testing.assert_array_equal(inside.transl, [[0.0, 0.0, 3.0], [np.float32(0.08), 0.0, np.float32(3.02)]])


def test_of_three_people_the_two_deepest_are_drawn_apart(small_body: BodyModel, inside: Fit) -> None:
    far = np.array([5.0, 0.0, 0.0], np.float32)
    moving = {name: getattr(inside, name)[[0, 0, 1]] for name in MOVABLE} | {
        "transl": np.stack([inside.transl[0] + far, inside.transl[0], inside.transl[1]])
    }
    vertices = np.stack([inside.vertices[0] + far, inside.vertices[0], inside.vertices[1]])
    starts = drawn_apart(small_body, dataclasses.replace(inside, **moving, vertices=vertices), 0.02)
    assert starts
    for start in starts:
        np.testing.assert_array_equal(start["transl"][0], moving["transl"][0])
        assert (start["transl"][1:] != moving["transl"][1:]).any()


def test_nobody_is_put_behind_the_camera(small_body: BodyModel, inside: Fit) -> None:
    near = np.array([0.0, 0.0, -2.999], np.float32)
    close = dataclasses.replace(inside, transl=inside.transl + near, vertices=inside.vertices + near)
    assert all(start["transl"][:, 2].min() > 0 for start in drawn_apart(small_body, close, 0.02))


@pytest.fixture
def together(small_body: BodyModel, item) -> Fit:
    """A fit of the estimated people, the second one with another shape."""
    params = initial_params(small_body, item.scene)
    params.betas[1] += 0.5
    posed = pose_body(small_body, params)
    moving = {name: np.asarray(getattr(params, name)) for name in MOVABLE}
    arrays = {"vertices": np.asarray(posed.vertices), "joints": np.asarray(posed.joints)}
    return dataclasses.replace(_strained("a", 9.0), **moving, **arrays, kid_scale=np.asarray(params.kid_scale))


def _measures(body: BodyModel) -> ShapeMeasures:
    return shape_measures(body, min(10, body.num_betas))


def test_depths_change_and_the_picture_does_not(small_body: BodyModel, item, together: Fit) -> None:
    starts = other_depths(
        small_body, _measures(small_body), together, np.asarray(initial_params(small_body, item.scene).betas), 0.2
    )
    measures = _measures(small_body)
    farther = []
    for start in starts:
        np.testing.assert_array_equal(start["body_pose"], together.body_pose)
        np.testing.assert_array_equal(start["global_orient"], together.global_orient)
        params = dataclasses.replace(initial_params(small_body, item.scene), **start)
        pelvises = np.asarray(pose_body(small_body, params).joints)[:, 0]
        before = together.joints[:, 0]
        growth = pelvises[:, 2] / before[:, 2]
        # Along the rays, and as much taller as farther.
        np.testing.assert_allclose(pelvises, before * growth[:, None], atol=1e-5)
        statures = [float(measures.of(b, k)[0]) for b, k in zip(start["betas"], together.kid_scale, strict=True)]
        first = [float(measures.of(b, k)[0]) for b, k in zip(together.betas, together.kid_scale, strict=True)]
        np.testing.assert_allclose(np.divide(statures, first), growth, atol=1e-5)
        farther.append(np.diff(pelvises[:, 2] - before[:, 2])[0])
    # The second person's shape is the one that left its estimate.
    np.testing.assert_allclose(farther, [0.2, -0.2], atol=1e-5)


def test_of_three_people_the_one_of_another_shape_goes_alone(small_body: BodyModel, together: Fit) -> None:
    names = (*MOVABLE, "joints", "vertices", "kid_scale")
    three = dataclasses.replace(together, **{name: getattr(together, name)[[0, 1, 0]] for name in names})
    (start, _) = other_depths(small_body, _measures(small_body), three, np.asarray(together.betas)[[0, 0, 0]], 0.2)
    assert np.sign(start["transl"][:, 2] - three.transl[:, 2]).tolist() == [-1, 1, -1]


def test_nobody_grows_behind_the_camera(small_body: BodyModel, together: Fit) -> None:
    at = -together.joints[:, :1] + np.array([0.0, 0.0, 0.05], np.float32)
    near = dataclasses.replace(together, transl=together.transl + at[:, 0], joints=together.joints + at)
    starts = other_depths(small_body, _measures(small_body), near, np.asarray(together.betas), 0.4)
    assert all(start["transl"][:, 2].min() > 0 for start in starts)


def test_a_start_changes_no_estimate(small_body: BodyModel, item, inside: Fit) -> None:
    (start, *_) = drawn_apart(small_body, inside, 0.02)
    begun, plain = (
        starting_batch(small_body, [dataclasses.replace(item, start=start)]),
        starting_batch(small_body, [item]),
    )
    for name in MOVABLE:
        np.testing.assert_array_equal(getattr(begun, name)[0], start[name])
    np.testing.assert_array_equal(begun.left_hand_pose, plain.left_hand_pose)
    np.testing.assert_array_equal(plain.transl[0], item.scene.transl)


def test_portions_hold_back_only_who_is_stuck(item) -> None:
    prepared = [item] * 5
    found = iter([(0, _fit("a", 1.0)), (1, _fit("b", 99.0)), (2, _fit("c", 99.0)), (3, _fit("d", 1.0)),
                  (4, _fit("e", 99.0))])  # fmt: skip
    portions = [([place for place, _ in some], inside) for some, inside in in_portions(found, prepared, 2)]
    assert portions == [([0], False), ([1, 2], True), ([3], False), ([4], True)]


def test_a_fitter_hands_over_half_a_call_of_stuck_scenes_at_once(
    small_body: BodyModel, item, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of which two attempts each fill a call."""
    fitter = Fitter(small_body, dataclasses.replace(item.settings, scenes_per_call=4))
    ends = [99.0, 1.0, 99.0, 99.0, 1.0]
    handed: list[int] = []

    def fit_plain(prepared, variant, shared):
        assert shared.keys() == {group_key(item)}
        return iter([(place, _fit(str(place), left)) for place, left in enumerate(ends)])

    def again(fitter, items, fits, variant, shared):
        handed.append(len(items))
        return [dataclasses.replace(fit, key=f"{fit.key} again") for fit in fits]

    monkeypatch.setattr(fitter, "fit_plain", fit_plain)
    monkeypatch.setattr("prosepose_jax.fitting.fit.fit_again", again)
    found = [(place, fit.key) for place, fit in fitter.fit_prepared([item] * 5)]
    assert found == [(1, "1"), (0, "0 again"), (2, "2 again"), (4, "4"), (3, "3 again")]
    assert handed == [2, 1]


class _Fitter:
    """Stands for the fitter: hands out the given further attempts, last first, and keeps what it was asked."""

    def __init__(self, body: BodyModel, *fits: Fit) -> None:
        self.model, self.fits, self.asked = SimpleNamespace(body=body), fits, []
        self.settings = FitSettings()

    def fit_plain(self, prepared, variant, shared, first_stage):
        assert shared is ROOMS  # the run's: nothing is compiled again
        self.asked += [(first_stage, item) for item in prepared]
        return reversed([(place, self.fits[place % len(self.fits)]) for place in range(len(prepared))])


def _left(fits: list[Fit]) -> list[float]:
    return [round(float(fit.losses[1, 2, 1]), 3) for fit in fits]


def _ended(inside: Fit, fit: Fit) -> Fit:
    """A fit with the people of another one."""
    return dataclasses.replace(fit, vertices=inside.vertices, **{name: getattr(inside, name) for name in MOVABLE})


def test_the_lowest_energy_is_kept_and_time_added_up(small_body: BodyModel, item, inside: Fit) -> None:
    fitter = _Fitter(small_body, _fit("a", 11.0), _fit("a", 0.1, "failed: not finite"))
    (best,) = fit_again(fitter, [item], [inside], "", ROOMS)
    assert len(fitter.asked) == 2 and _left([best]) == [11.0] and best.seconds == 3.0
    assert len({tuple(asked.start["transl"].ravel()) for _, asked in fitter.asked}) == 2
    assert all(stage == 1 and asked.settings is item.settings for stage, asked in fitter.asked)


def test_attempts_go_back_to_their_scenes(small_body: BodyModel, item, inside: Fit) -> None:
    fitter = _Fitter(small_body, *[_fit("a", 50.0)] * 2, *[_fit("b", left) for left in (40.0, 30.0)])
    best = fit_again(fitter, [item, item], [inside, _ended(inside, _fit("b", 60.0))], "", ROOMS)
    assert [fit.key for fit in best] == ["a", "b"] and _left(best) == [50.0, 30.0]


def test_a_fit_that_no_attempt_betters_stays(small_body: BodyModel, item, inside: Fit) -> None:
    fitter = _Fitter(small_body, _fit("a", 99.5), _fit("a", 170.0, "failed: no"))
    (best,) = fit_again(fitter, [item], [inside], "", ROOMS)
    assert _left([best]) == [99.0] and best.losses is inside.losses


def test_depths_are_tried_first_and_from_the_first_stage_on(small_body: BodyModel, strainable, together: Fit) -> None:
    better = _ended(together, _strained("a", 3.0))
    fitter = _Fitter(small_body, better, _strained("a", 8.0))
    (best,) = fit_again(fitter, [strainable], [together], "", ROOMS)
    assert [stage for stage, _ in fitter.asked] == [0, 0]
    # It is another fit from its beginning, so that its record is its own.
    assert best.losses is better.losses and best.seconds == 3.0


def test_who_is_inside_after_it_is_drawn_out(small_body: BodyModel, strainable, together: Fit, inside: Fit) -> None:
    deep = _ended(inside, dataclasses.replace(_fit("a", 40.0), loss_terms=STRAINED))
    fitter = _Fitter(small_body, deep)
    strained = dataclasses.replace(together, losses=together.losses + 100.0)
    (best,) = fit_again(fitter, [strainable], [strained], "", ROOMS)
    assert [stage for stage, _ in fitter.asked] == [0, 0, 1, 1] and best.losses is deep.losses


def test_without_a_way_out_nothing_is_tried(small_body: BodyModel, item, inside: Fit) -> None:
    beside = dataclasses.replace(inside, vertices=inside.vertices + np.array([[[0.0]], [[9.0]]], np.float32))
    fitter = _Fitter(small_body)
    (best,) = fit_again(fitter, [item], [beside], "", ROOMS)
    assert best is beside and not fitter.asked


def test_the_energy_is_that_of_the_best_step(small_body: BodyModel, item, inside: Fit) -> None:
    """A stage ends with the best of its steps, which may not be the last that was recorded."""
    jumped = _fit("a", 5.0)
    jumped.losses[1, :3, 0] = (0.0, 0.0, 990.0)  # at 500 in all before
    first = _ended(inside, _fit("a", 520.0))
    (best,) = fit_again(_Fitter(small_body, jumped, _fit("a", 501.0)), [item], [first], "", ROOMS)
    np.testing.assert_array_equal(best.losses[1], jumped.losses[1])


def test_an_attempt_goes_on_from_the_stages_before(small_body: BodyModel, item, inside: Fit) -> None:
    def path(stages: list[int], value: float) -> FitPath:
        rows = len(stages)
        leaves = {"global_orient": (3,), "body_pose": (21, 3), "betas": (10,), "transl": (3,)}
        return FitPath(
            np.array(stages), np.arange(rows), **{n: np.full((rows, 2, *s), value) for n, s in leaves.items()}
        )

    attempt = dataclasses.replace(_fit("a", 3.0), steps=np.array([0, 2]), path=path([1, 1], 7.0))
    attempt.losses[0] = np.nan  # it had no first stage
    first = dataclasses.replace(inside, path=path([0, 0, 1], 5.0))
    (best,) = fit_again(_Fitter(small_body, attempt), [item], [first], "", ROOMS)
    np.testing.assert_array_equal(best.losses, [first.losses[0], attempt.losses[1]])
    assert best.steps.tolist() == [4, 2] and best.path is not None
    assert best.path.stage.tolist() == [0, 0, 1, 1] and best.path.transl[:, 0, 0].tolist() == [5.0, 5.0, 7.0, 7.0]


@pytest.mark.heavy
def test_strained_scenes_are_fitted_again(small_body: BodyModel, make_scene) -> None:
    """Through the fitter: with a limit that every scene is above."""
    few = fewer_terms(FitSettings(use_answers=False, lm=LMSettings(steps=4), restart_above=0.0))
    scenes = [make_scene(seed=seed) for seed in range(2)]

    def fitted(limit: float) -> list[Fit]:
        settings = dataclasses.replace(few, restart_strain=limit)
        return sorted(Fitter(small_body, settings).fit(scenes, lambda key: []), key=lambda fit: fit.key)

    def energy(fit: Fit) -> float:
        return float(np.nansum(fit.losses[-1][: fit.steps[-1]], axis=-1).min())

    once, again = fitted(0.0), fitted(1e-9)
    assert [fit.key for fit in again] == [scene.key for scene in scenes]
    for first, best in zip(once, again, strict=True):
        assert energy(best) <= energy(first)
    assert any(energy(best) < energy(first) for first, best in zip(once, again, strict=True))
