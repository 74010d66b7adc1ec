"""The scripts: their help, and what they compute from measurements."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import _common
import _ours
import answers_scaling
import fit_scenes
import fit_step
import jax
import memory
import numpy as np
import pytest
import smplx_forward
import solvers
from _enumerate import coupled_groups
from _official_body import write_official_body
from _scenes import _turn, packaged, repeated
from small_scenes import use_fewer_terms

from prosepose_jax.body import BodyModel, load_body
from prosepose_jax.contact.parse import parse_published
from prosepose_jax.fitting import Fitter, settings_from_config

SCRIPTS = (
    "smplx_forward",
    "fit_step",
    "fit_scenes",
    "answers_scaling",
    "solvers",
    "memory",
    "evaluate_fits",
    "step_profile",
    "scaling_container",
    "scaling_devices",
    "scaling_ray",
    "simulate_scaling",
    "check",
    "tables",
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_says_what_is_measured(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    file = _common.ROOT / "benchmarks" / f"{name}.py"
    monkeypatch.setattr(sys, "argv", [str(file), "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(file), run_name="__main__")
    shown = capsys.readouterr().out
    assert end.value.code == 0
    assert f"python benchmarks/{name}.py" in shown
    if name not in ("check", "tables"):
        assert "Metric" in shown and "--out" in shown and ("lower is better" in shown or "higher is better" in shown)


@pytest.fixture(scope="module", autouse=True)
def few_terms() -> Iterator[None]:
    """What the scripts do with stages is tested here, not the terms; they add the pull of one of them."""
    with pytest.MonkeyPatch.context() as patch:
        use_fewer_terms(patch, kept=("initial_pose",), others=("_ours",))
        yield


@pytest.fixture(scope="module")
def fitter(small_body: BodyModel) -> Fitter:
    return Fitter(small_body, _ours.never_stopping("two_person", {"stage1.steps": 4, "stage2.steps": 3}))


@pytest.fixture(scope="module")
def batch(fitter: Fitter) -> _ours.Batch:
    scenes, answers = packaged()
    chosen = [scene for scene in scenes if scene.key in ("handshake", "hand_on_head")]
    (made,) = _ours.make_batches(fitter, chosen, answers, 3)
    return made


def test_overrides_reach_into_sections() -> None:
    config = _ours.configured("two_person", {"stage1.steps": 7, "contact.search": "exact", "batch_size": 3})
    settings = settings_from_config(config)
    assert (settings.stages[0].steps, settings.search, settings.batch_size) == (7, "exact", 3)


def test_every_setting_is_a_valid_config() -> None:
    for name in fit_scenes.SETTINGS:
        settings = settings_from_config(fit_scenes.settings_of(name, 8, None))
        assert settings.batch_size == 8 and settings.stages[0].steps == 1000
    assert settings_from_config(fit_scenes.settings_of(fit_scenes.EXACT, 8, [5, 6])).stages[1].steps == 6


def test_batches_are_filled_and_remember_what_is_real(batch: _ours.Batch) -> None:
    assert set(batch.keys) == {"handshake", "hand_on_head"} and batch.size == 3
    assert batch.params.transl.shape == (3, 2, 3)
    np.testing.assert_array_equal(batch.params.transl[2], batch.params.transl[0])


@pytest.mark.heavy
def test_a_timed_stage_takes_all_its_steps_and_can_be_run_again(fitter: Fitter, batch: _ours.Batch) -> None:
    first = _ours.stage(fitter, batch, 0)
    again = _ours.stage(fitter, batch, 0)
    assert np.asarray(first.steps).tolist() == [4, 4, 4]
    np.testing.assert_array_equal(first.params.transl, again.params.transl)


@pytest.mark.heavy
def test_exact_energy_is_that_of_the_core(fitter: Fitter, batch: _ours.Batch) -> None:
    config = _ours.never_stopping("two_person", {"contact.search": "exact", "stage1.steps": 1})
    expected = np.asarray(_ours.stage(Fitter(fitter.model.body, config), batch, 0).losses)[:2, 0].sum(axis=1)
    found = _ours.exact_energy(fitter, batch, 0, batch.params, config)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.heavy
def test_exact_energy_pulls_to_the_initial_pose(fitter: Fitter, batch: _ours.Batch) -> None:
    config = _ours.never_stopping("two_person")
    moved = batch.params.replace(body_pose=batch.params.body_pose + 0.1)
    there = _ours.exact_energy(fitter, batch, 0, moved, config, start=moved)
    from_start = _ours.exact_energy(fitter, batch, 0, moved, config)
    pull = np.asarray(batch.arrays.weights["initial_pose"])[:2, 0] * 2 * 63 * 0.1**2
    np.testing.assert_allclose(from_start - there, pull, rtol=1e-3)


@pytest.mark.heavy
def test_final_energy_belongs_to_its_scene(small_body: BodyModel) -> None:
    scenes, answers = packaged()
    chosen = [scene for scene in scenes if scene.key in ("handshake", "hand_on_head")]
    still = Fitter(small_body, _ours.configured("two_person", {"stage1.steps": 0, "stage2.steps": 0}))
    fits, seconds = fit_scenes.fit_all(still, chosen, answers)
    assert seconds["fit"] > 0
    found = fit_scenes.final_energy(small_body, chosen, answers, fits)
    (turned,) = _ours.make_batches(still, chosen[::-1], answers, 2)
    expected = _ours.exact_energy(still, turned, 1, turned.params, _ours.configured("two_person"))
    assert found == pytest.approx(dict(zip(turned.keys, map(float, expected), strict=True)), rel=1e-4)
    assert found["handshake"] != pytest.approx(found["hand_on_head"], rel=1e-2)


def test_kept_fits_are_not_made_again(small_body: BodyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes, answers = packaged()
    chosen = [scene for scene in scenes if scene.key in ("handshake", "hand_on_head")]
    still = Fitter(small_body, _ours.configured("two_person", {"stage1.steps": 0, "stage2.steps": 0}))
    first = fit_scenes.fit_or_read(still, chosen[:1], answers, tmp_path)
    asked = []
    fit = still.fit
    monkeypatch.setattr(still, "fit", lambda todo, lookup: asked.extend(s.key for s in todo) or fit(todo, lookup))
    both = fit_scenes.fit_or_read(still, chosen, answers, tmp_path)
    assert asked == [chosen[1].key] and set(both) == {scene.key for scene in chosen}
    np.testing.assert_array_equal(both[chosen[0].key].vertices, first[chosen[0].key].vertices)


def test_kept_fits_belong_to_a_config(tmp_path: Path) -> None:
    configs = [fit_scenes.settings_of("default", 16, steps) for steps in (None, [5, 5])]
    folders = {fit_scenes.fits_folder_of("default", config) for config in configs}
    assert len(folders) == 2 and all(folder.is_relative_to(_common.CACHE) for folder in folders)


def test_generated_scenes_take_turns() -> None:
    scenes, _ = packaged()
    keys = ["hug_001", "hug_000", "dance_hold_000", "handshake_010"]
    renamed = [type(scenes[0])(**{**vars(scenes[0]), "key": key}) for key in keys]
    assert [s.key for s in sorted(renamed, key=_turn)] == ["dance_hold_000", "hug_000", "hug_001", "handshake_010"]


def test_repeated_scenes_have_keys_and_answers_of_their_own() -> None:
    scenes, answers = repeated(packaged(), 8)
    assert len({scene.key for scene in scenes}) == 8 == len(answers)
    np.testing.assert_array_equal(scenes[6].transl, scenes[0].transl)
    assert answers[scenes[6].key] == answers[scenes[0].key] != answers[scenes[1].key]


def test_time_to_reach_an_energy() -> None:
    path = [(0.0, 10.0), (1.0, 6.0), (3.0, 2.0), (4.0, 1.0)]
    assert solvers.time_to_reach(path, 4.0) == pytest.approx(2.0)
    assert solvers.time_to_reach(path, 10.0) == 0.0
    assert solvers.time_to_reach(path, 1.0) == pytest.approx(4.0)
    assert solvers.time_to_reach(path, 0.5) is None


def test_solvers_are_compared_scene_by_scene() -> None:
    adam = {"a": [(0.0, 10.0), (10.0, 1.0)], "b": [(0.0, 10.0), (10.0, 1.0)]}
    fast = {"a": [(0.0, 10.0), (1.0, 1.0)], "b": [(0.0, 10.0), (1.0, 5.0)]}
    rows = {row["solver"]: row for row in solvers.compare_solvers({"adam": adam, "fast": fast})}
    assert rows["fast"]["reached"] == rows["fast"]["within_a_fifth"] == 1
    assert rows["adam"]["median_share_of_adams_time"] == pytest.approx(1.0, abs=0.01)


def test_unknown_solvers_are_noticed() -> None:
    assert solvers.is_known("adam")
    assert not solvers.is_known("no such solver")


@pytest.mark.parametrize("rows", [2, 4, 8, 16])
def test_written_tables_are_coupled_and_readable(rows: int) -> None:
    parsed = parse_published(answers_scaling.coupled_table(rows), "two_person")
    assert len(parsed.rows) == rows and not parsed.rejected
    assert len(coupled_groups([tuple(row.options[0]) for row in parsed.rows])) == 1


def test_scaling_ratios_are_relative_to_the_fewest() -> None:
    rows = [{"vary": "answers", "count": n, "stage_1_ms": 1.0, "stage_2_ms": c} for n, c in ((1, 1.0), (20, 1.5))]
    (ratio,) = answers_scaling.make_ratios(rows)
    assert (ratio.name, ratio.value, ratio.goal) == ("answers: 20 / 1", 1.25, 1.3)


def test_step_means_are_weighted_by_scenes() -> None:
    def row(who: str, weight: int, *figures: float) -> dict:
        names = ("stage_1_ms", "stage_1_cpu_ms", "stage_2_ms", "stage_2_cpu_ms")
        return {"who": who, "weight": weight, **dict(zip(names, figures, strict=True))}

    rows = [
        row("ours", 3, 1.0, 2.0, 4.0, 8.0),
        row("ours", 1, 5.0, 2.0, 4.0, 8.0),
        row("baseline", 1, 300, 600, 1e4, 2e4),
    ]
    assert [row["stage_1_ms"] for row in fit_step.means(rows)] == [2.0, 300.0]
    faster, cpu, mine, theirs = fit_step.ratios_of(rows, 1, 20.0, 150.0)
    assert (faster.value, faster.goal, cpu.value, mine.value, theirs.value) == (150.0, 150.0, 300.0, 0.1, 15.0)
    assert fit_step.ratios_of(rows, 2, 20.0, 2500.0)[0].value == 2500.0


def test_whole_fits_of_the_baseline_are_extrapolated(tmp_path: Path) -> None:
    file = tmp_path / "fit_step.json"
    assert fit_scenes.baseline_seconds(file, [10, 2]) is None
    rows = [{"who": "baseline", "stage_1_ms": one, "stage_2_ms": 5000.0} for one in (100.0, 300.0)]
    file.write_text(json.dumps({"rows": rows}), encoding="utf-8")
    assert fit_scenes.baseline_seconds(file, [10, 2]) == pytest.approx(10 * 0.2 + 2 * 5.0)
    for rows in ([], [{"who": "baseline", "ms": 1.0}]):
        file.write_text(json.dumps({"rows": rows}), encoding="utf-8")
        assert fit_scenes.baseline_seconds(file, [10, 2]) is None


def test_quality_is_paired_with_the_reference() -> None:
    def figures(error: float) -> dict[str, dict[str, float]]:
        return {k: {"joint_pa_mpjpe_mm": error + i, "pcc": 90.0, "final_energy": 1.0} for i, k in enumerate("abc")}

    rows = {
        row["setting"]: row
        for row in fit_scenes.compare_quality({"default": figures(50.0), "all_steps": figures(48.0)})
    }
    assert rows["default"]["joint_pa_mpjpe_mm_difference"] == pytest.approx(2.0)
    assert rows["default"]["joint_pa_mpjpe_mm_interval"] == [pytest.approx(2.0)] * 2
    assert "pcc_difference" not in rows["all_steps"]


def test_body_ratios_carry_the_goals() -> None:
    rows = [
        {"pose_dirs": "zero", "batch": 32, "who": who, "what": "gradient", "ms": ms}
        for who, ms in ((smplx_forward.OURS, 2.0), (smplx_forward.SUBSET, 0.5), (smplx_forward.SMPLX, 10.0))
    ]
    ratios = {ratio.name: ratio for ratio in smplx_forward.make_ratios(rows)}
    full = ratios["ours against smplx (PyTorch), gradient, zero blend shapes, batch 32"]
    subset = ratios["ours, subset against smplx (PyTorch), gradient, zero blend shapes, batch 32"]
    assert (full.value, full.goal, subset.value, subset.goal) == (5.0, 2.5, 20.0, 15.0)


def test_memory_ratios() -> None:
    rows = [{"scenes": 64, "peak_mib": 1500.0, "compile_s": 10.0, "compile_cached_s": 1.0}]
    peak, cache = memory.make_ratios(rows)
    assert (peak.value, peak.goal, cache.value) == (1500.0, 2048, 0.1)
    assert memory.peak_mib() > 50


@pytest.mark.heavy
def test_official_file_is_the_embedded_body(tmp_path: Path, body: BodyModel) -> None:
    again = load_body(write_official_body(tmp_path))
    assert again.pose_dirs is None
    for name in ("v_template", "shape_dirs", "skin_weights", "keypoint_vertices"):
        np.testing.assert_allclose(getattr(again, name), getattr(body, name), atol=1e-6)
    with pytest.raises(ValueError, match="kind: expected one of"):
        write_official_body(tmp_path, "some")
    assert jax.tree.structure(again.regions) == jax.tree.structure(body.regions)
