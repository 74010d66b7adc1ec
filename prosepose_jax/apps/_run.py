"""A run: scenes and answers in, a folder of fits, metrics, pictures and a report out (docs/formats.md, "Results").

Everything is written under its final name only when it is whole, so a run that is stopped and started again
with the same folder goes on where it was.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from prosepose_jax import __version__
from prosepose_jax.apps._batches import PatientFitter, automatic_batch, free_bytes, with_batch
from prosepose_jax.apps._board import Board
from prosepose_jax.apps._compiling import say_compilations
from prosepose_jax.apps._inputs import forget_changed, lock_files
from prosepose_jax.apps._log import Log, RunLog
from prosepose_jax.apps._machine import machine_info
from prosepose_jax.apps._progress import Progress, is_quiet
from prosepose_jax.apps._usage import say_failures
from prosepose_jax.body import BodyModel, load_body
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import FitSettings, Fitter, settings_from_config
from prosepose_jax.fitting.compiled import Compilation, watch
from prosepose_jax.fitting.plausible import checked
from prosepose_jax.io import AnswerSet, SceneSet, fits_folder, has_fit, load_fits, save_fit, write_json
from prosepose_jax.io.claim import claimed, make_folder
from prosepose_jax.io.lock import read_known
from prosepose_jax.io.mesh import write_glb
from prosepose_jax.io.pictures import PICTURE_ERRORS
from prosepose_jax.metrics import evaluate, load_joint_set
from prosepose_jax.metrics.table import format_table
from prosepose_jax.scene import Fit, Scene
from prosepose_jax.terms import load_pose_prior
from prosepose_jax.untrusted import one_line, open_regular, shown

NO_ANSWERS = "no_answers"
_CHANGES_NO_FIT = {"batch_size", "scenes_per_call", "record", "log"}  # may differ from the folder's run
_FRAMES_OF_A_REPORT = 10  # of a recorded path
_FIT_MARK = "fit"  # the text of a render that holds the digest of its fit


@dataclasses.dataclass
class _Counts:
    """Time of a run, summed over its fitters."""

    compile_seconds: float = 0.0
    fit_seconds: float = 0.0
    fits: int = 0
    seconds_to_first_step: float | None = None


def run(
    configs: Sequence[ConfigDict],
    scenes: SceneSet,
    answers: AnswerSet | None,
    workdir: Path,
    pictures: bool = True,
    automatic_batch_size: bool = False,
) -> int:
    """Fits every scene with the config of its mode, then writes metrics, pictures and the report.

    Args:
      configs: one config, or one per mode; a scene goes to the first config whose mode takes its number of people.
      scenes: the scenes.
      answers: None: every scene takes the fallback.
      workdir: the folder of the run; what is finished there is kept.
      pictures: also write renders and meshes.
      automatic_batch_size: whether the free memory, and not the config, says how many scenes are worked on at a time.

    Returns:
      The exit status: 0, or 1 when some scenes failed.

    Raises:
      InputError: a config, the body, the prior or the folder cannot be used, or another process is at work in it.
    """
    make_folder(workdir, "the folder of a run")
    with claimed(workdir), RunLog(workdir) as log, say_compilations(), watch(functools.partial(_note_compiled, log)):
        begin = time.monotonic()
        seeds = [config.get("seed") for config in configs]
        log.add("start", version=__version__, scenes=len(scenes), unreadable=len(scenes.failures), seeds=seeds)
        status = _run(configs, scenes, answers, workdir, pictures, automatic_batch_size, log)
        log.add("end", status=status, seconds=round(time.monotonic() - begin, 3))
        return status


def _run(
    configs: Sequence[ConfigDict],
    scenes: SceneSet,
    answers: AnswerSet | None,
    workdir: Path,
    pictures: bool,
    automatic_batch_size: bool,
    log: RunLog,
) -> int:
    begin = time.monotonic()
    settings = [settings_from_config(config) for config in configs]
    with log.phase("load"):
        body, prior, regressor = load_files(configs[0])
    if automatic_batch_size:
        device = jax.local_devices()[0]
        size = automatic_batch(free_bytes(device), body.num_vertices, device.platform == "cpu")
        settings = [with_batch(one, size) for one in settings]
        _note(log, f"batch_size {size}, chosen from the free memory")
    _lock_config(workdir / "config.json", configs)
    lock_files(workdir, configs[0])
    for key, note in scenes.notes.items():
        _note(log, f"{key}: fitted without its photograph ({note})")
    for key, reason in scenes.failures.items():
        log.add("failed", key=key, reason=reason)
    counts = _Counts()
    tensorboard = bool(configs[0].get("log", {}).get("tensorboard"))
    for config, chosen, mine in zip(configs, settings, by_mode(scenes, settings), strict=True):
        if not mine:
            continue
        make = functools.partial(_fitter, body, prior)
        fitter = PatientFitter(make, chosen, functools.partial(_note, log))
        with log.phase("fit"):
            _fit_missing(fitter, mine, answers, workdir, "", counts, begin, log, tensorboard)
        if config.get("no_answers"):
            with log.phase("fit without answers"):
                _fit_missing(fitter, mine, None, workdir, NO_ANSWERS, counts, begin, log, tensorboard)
    # Without a readable scene no fit is there, and that is reported like any failed scene.
    fits = load_fits(workdir, keys=scenes.keys) if len(scenes) else {}
    beside = load_fits(workdir, NO_ANSWERS)
    with log.phase("metrics"):
        metrics = evaluate(
            body,
            scenes,
            fits,
            no_answers=beside,
            answers=answers,
            parser=settings[0].parser,
            joint_regressor=regressor,
        )
        write_json(workdir / "metrics.json", metrics)
    if pictures:
        with log.phase("pictures"):
            write_pictures(workdir, scenes, fits, body, log)
    info = _run_info(begin, counts, body)
    earlier = read_known(workdir / "run.json")
    if counts.fits == 0 and earlier.get("fits") and _is_sound(earlier):
        info = earlier  # nothing was fitted now: the times are those of the run that did it
    write_json(workdir / "run.json", info)
    with log.phase("report"):
        _write_report(workdir, scenes, fits, metrics, info, body)
    print(format_table(metrics))
    print(f"\nwritten: {workdir} (fits, metrics.json, run.json, report.html, log.jsonl)")
    return _report_failures(scenes, fits, metrics)


def _fitter(body: BodyModel, prior: Any, settings: FitSettings) -> Fitter:
    return Fitter(body, settings, prior)


def _tell(text: str) -> None:
    """A line on stderr, unless the command was asked to be quiet."""
    if not is_quiet():
        print(text, file=sys.stderr)


def _note(log: RunLog, text: str) -> None:
    _tell(f"note: {one_line(text)}")
    log.add("note", text=text)


def _note_compiled(log: RunLog, event: Compilation) -> None:
    if event.seconds is not None:
        log.add("compiled", program=event.program, seconds=round(event.seconds, 3), cached=event.cached)


def _is_sound(info: Mapping[str, Any]) -> bool:
    """Whether a run.json's numbers are numbers: the folder may be damaged, and they are calculated with."""
    names = ("wall_seconds", "seconds_to_first_step", "compile_seconds", "fit_seconds", "fits", "scenes_per_second")
    values = [info.get(name) for name in names]
    return all(value is None or (isinstance(value, int | float) and math.isfinite(value)) for value in values)


def load_files(config: ConfigDict) -> tuple[BodyModel, Any, Any]:
    """Body, pose prior and joint regressor of a config."""
    # A config of the user's own may leave these sections out.
    files = config.get("body", {})
    body = load_body(
        files.get("path") or None,
        files.get("regions") or None,
        keypoints=files.get("keypoints") or None,
        lowres=files.get("lowres") or None,
        kid_template=files.get("kid_template") or None,
        flat_hands=bool(files.get("flat_hands")),
    )
    regressor_file = files.get("joint_regressor")
    regressor = load_joint_set(regressor_file, body.num_vertices) if regressor_file else None
    return body, load_pose_prior(config.get("prior", {}).get("path")), regressor


def by_mode(scenes: Iterable[Scene], settings: Sequence[FitSettings]) -> list[list[Scene]]:
    """The scenes of each config; a scene that fits none goes to the first, which says why it fails."""
    groups: list[list[Scene]] = [[] for _ in settings]
    for scene in scenes:
        wanted = "self_contact" if scene.num_people == 1 else "two_person"
        modes = [s.mode for s in settings]
        groups[modes.index(wanted) if wanted in modes else 0].append(scene)
    return groups


def _plain(config: ConfigDict) -> dict[str, Any]:
    return json.loads(config.to_json())


def resolved_config(configs: Sequence[ConfigDict]) -> dict[str, Any]:
    """What config.json holds."""
    resolved = _plain(configs[0])
    if len(configs) > 1:
        resolved |= {"other_modes": [_plain(config) for config in configs[1:]]}
    return resolved


def check_config(before: Mapping[str, Any], resolved: Mapping[str, Any], file: object) -> None:
    """Raises InputError when a folder's config.json and that of a run are two runs'."""
    field = _first_difference(dict(before), dict(resolved))
    if field:
        raise InputError(
            f"{file}: this folder holds a run whose config differs in {field}; choose another --workdir or delete it"
        )


def _lock_config(file: Path, configs: Sequence[ConfigDict]) -> None:
    """Writes the resolved config, or checks that the folder's run had the same one."""
    resolved = resolved_config(configs)
    before = read_known(file)
    if not before:  # none yet, or a damaged one
        if file.exists():
            print(f"note: {file} could not be read and is written anew", file=sys.stderr)
        write_json(file, resolved)
        return
    check_config(before, resolved, file)


def _first_difference(before: Any, now: Any, name: str = "") -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted((set(before) | set(now)) - _CHANGES_NO_FIT):
            found = _first_difference(before.get(key), now.get(key), f"{name}.{key}" if name else key)
            if found:
                return found
        return ""
    return "" if before == now else f"{name} ({before!r} there, {now!r} now)"


def _fit_missing(
    fitter: PatientFitter,
    scenes: Sequence[Scene],
    answers: AnswerSet | None,
    workdir: Path,
    variant: str,
    counts: _Counts,
    begin: float,
    log: RunLog,
    tensorboard: bool,
) -> None:
    label = "fit without answers" if variant else "fit"
    lookup = answers.for_scene if answers is not None else (lambda key: [])
    for key in forget_changed(workdir, variant, [(scene, lookup(scene.key)) for scene in scenes]):
        _note(log, f"{key}: the scene or its answers changed, so it is fitted again")
    missing = [scene for scene in scenes if not has_fit(workdir, scene.key, variant)]
    if len(missing) < len(scenes):
        _tell(f"{label}: {len(scenes) - len(missing)} of {len(scenes)} scenes are done already")
    if not missing:
        return
    before = dataclasses.replace(fitter.timing)
    with Progress(len(missing), label) as progress, Board(workdir, tensorboard, label) as board:
        for number, fit in enumerate(map(checked, fitter.fit(missing, lookup, variant))):
            save_fit(workdir, fit)
            board.add_fit(number, fit)
            log.add("fit", key=fit.key, variant=fit.variant, status=fit.status, seconds=round(float(fit.seconds), 4))
            if answers is not None and fitter.settings.use_answers and fit.status == "fallback":
                text = f"{fit.key}: {why_fallback(fit)}; fitted without answers (status fallback)"
                progress.say(f"note: {text}")
                log.add("note", text=text)
            progress.step(fit.status if fit.ok else f"{fit.key} failed")
    counts.compile_seconds += fitter.timing.compile - before.compile
    counts.fit_seconds += fitter.timing.fit - before.fit
    counts.fits += fitter.timing.scenes - before.scenes
    if counts.seconds_to_first_step is None and fitter.timing.first_step is not None:
        counts.seconds_to_first_step = fitter.timing.first_step - begin


def why_fallback(fit: Fit) -> str:
    """Why a fit did without its answers, for people."""
    if not fit.answers:
        return "the answers file has no answer for it"
    if fit.answers_none == fit.answers:
        return f"all {fit.answers} answers say that nothing touches, which names no contact to fit"
    text = f"{fit.answers_usable} of {fit.answers} answers are usable, a table row of two known body parts is expected"
    if fit.answers_none:
        text += f"; {fit.answers_none} say that nothing touches"
    if fit.rejected:
        row, reason = fit.rejected[0]
        text += f" (of {len(fit.rejected)} rejected rows the first is {shown(row)!r}: {shown(reason)})"
    return text


def write_pictures(workdir: Path, scenes: Iterable[Scene], fits: Mapping[str, Fit], body: BodyModel, log: Log) -> None:
    """Draws `renders/<key>.png` and `meshes/<key>.glb` of fits that have none, or another's."""
    import numpy as np
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from prosepose_jax.io import atomic_file
    from prosepose_jax.report import PERSON_COLORS, render_scene_panel

    todo = [s for s in scenes if s.key in fits and not _has_pictures(workdir, s.key) and fits[s.key].ok]
    faces = np.asarray(body.faces)
    (workdir / "renders").mkdir(exist_ok=True)
    (workdir / "meshes").mkdir(exist_ok=True)
    with Progress(len(todo), "pictures") as progress:
        for scene in todo:
            fit = fits[scene.key]
            say = functools.partial(_say_left_out, progress, log, scene.key)
            panel = Image.fromarray(render_scene_panel(scene, fit, faces, on_problem=say))
            assert fit.vertices is not None
            people = [(v, faces, tuple(PERSON_COLORS[i % len(PERSON_COLORS)])) for i, v in enumerate(fit.vertices)]
            write_glb(workdir / "meshes" / f"{scene.key}.glb", people)
            # The picture comes last and says which fit both show.
            mark = PngInfo()
            mark.add_text(_FIT_MARK, _digest_of_fit(workdir, scene.key))
            with atomic_file(workdir / "renders" / f"{scene.key}.png") as file:
                panel.save(file, format="PNG", optimize=True, pnginfo=mark)
            progress.step()


def _say_left_out(progress: Progress, log: Log, key: str, problem: str) -> None:
    text = f"{key}: drawn without its photograph ({problem})"
    progress.say(f"note: {text}")
    log.add("note", text=text)


def _has_pictures(workdir: Path, key: str) -> bool:
    """Whether render and mesh are there and show this very fit; dates say nothing where clocks go back."""
    from PIL import Image

    render = workdir / "renders" / f"{key}.png"
    if not render.is_file() or not (workdir / "meshes" / f"{key}.glb").is_file():
        return False
    try:
        with Image.open(render, formats=["PNG"]) as opened:
            return opened.info.get(_FIT_MARK) == _digest_of_fit(workdir, key)
    except PICTURE_ERRORS:
        return False  # damaged: drawn again


def _digest_of_fit(workdir: Path, key: str) -> str:
    with open_regular(fits_folder(workdir) / f"{key}.npz") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:24]


def _write_report(
    workdir: Path,
    scenes: SceneSet,
    fits: Mapping[str, Fit],
    metrics: dict[str, Any],
    info: dict[str, Any],
    body: BodyModel,
) -> None:
    from prosepose_jax.apps._paths import path_vertices
    from prosepose_jax.report import write_report

    by_key = {scene.key: scene for scene in scenes}
    config = read_known(workdir / "config.json")
    with Progress(len(fits), "report") as progress:
        write_report(
            workdir, scenes, fits, metrics, info, config, body,
            paths=lambda key: path_vertices(body, by_key[key], fits[key], _FRAMES_OF_A_REPORT),
            on_scene=progress.step,
        )  # fmt: skip


def _run_info(begin: float, counts: _Counts, body: BodyModel) -> dict[str, Any]:
    rate = counts.fits / counts.fit_seconds if counts.fit_seconds > 0 else None
    return machine_info() | {
        "body": body.name,
        "wall_seconds": time.monotonic() - begin,
        "seconds_to_first_step": counts.seconds_to_first_step,
        "compile_seconds": counts.compile_seconds,
        "fit_seconds": counts.fit_seconds,
        "fits": counts.fits,
        "scenes_per_second": rate,
    }


def _report_failures(scenes: SceneSet, fits: Mapping[str, Fit], metrics: dict[str, Any]) -> int:
    failures = dict(scenes.failures)
    for scene in scenes:
        fit = fits.get(scene.key)
        if fit is None:
            failures[scene.key] = "no fit was written"
        elif not fit.ok:
            failures[scene.key] = fit.status.removeprefix("failed: ")
        elif "error" in metrics["scenes"][scene.key]:
            failures[scene.key] = metrics["scenes"][scene.key]["error"]
    say_failures(failures)
    return 1 if failures else 0
