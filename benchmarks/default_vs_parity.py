"""The default setting against the release's quirks (parity), on the same generated scenes and answers.

    python benchmarks/default_vs_parity.py --workdir=out/default_vs_parity

Makes 36 two-person scenes with the embedded body and 12 with a second body of other topology (built by
`python smpl_assets/build_test_bodies.py --second=FILE`, given as --second_body), fits both settings, and prints
joint PA-MPJPE (mm, lower is better) and average PCC (%, higher is better) with paired bootstrap intervals.
A stopped run goes on where it was; the parity setting takes most of the time (about an hour on 2 cores).
Writes DIR/result.json.
"""

from __future__ import annotations

import json
from pathlib import Path

from absl import app, flags

from prosepose_jax.apps._run import run
from prosepose_jax.apps._runtime import set_up_jax
from prosepose_jax.body import load_body
from prosepose_jax.config import load_config
from prosepose_jax.io import load_answers, load_scenes, save_scene, write_json
from prosepose_jax.metrics import compare
from prosepose_jax.synthetic import generate_scenes

_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the benchmark", required=True)
_SECOND = flags.DEFINE_string("second_body", "", "a second body file; empty: the embedded body only")
_SCENES = flags.DEFINE_integer("scenes", 36, "scenes with the embedded body; 0 leaves it out")
_SECOND_SCENES = flags.DEFINE_integer("second_scenes", 12, "scenes with the second body; 0 leaves it out")
_SEED = flags.DEFINE_integer("seed", 7, "seed of the scenes; the packaged ones use 0")

METRICS = ("joint_pa_mpjpe_mm", "pcc")
SETTINGS = {"default": "two_person", "parity": "parity_two_person", "heuristic": "heuristic"}


def make_scenes(folder: Path, body_file: str, count: int) -> None:
    """Writes scenes and answers, unless they are there."""
    if (folder / "answers.json").is_file():
        return
    made = generate_scenes(load_body(body_file or None), "two_person", count, _SEED.value, progress=print)
    for one in made:
        save_scene(folder / "scenes", one.scene)
    answers = {one.scene.key: [{"table_response": a.text} for a in one.answers] for one in made}
    write_json(folder / "answers.json", answers)


def fit(folder: Path, name: str, body_file: str) -> dict:
    """Fits the folder's scenes with one setting; returns its metrics.json."""
    config = load_config(SETTINGS[name])
    config.body.path = body_file
    run([config], load_scenes(folder / "scenes"), load_answers(folder / "answers.json"), folder / name, pictures=False)
    return json.loads((folder / name / "metrics.json").read_text(encoding="utf-8"))


def main(argv: list[str]) -> None:
    del argv
    set_up_jax()
    file = Path(_WORKDIR.value) / "result.json"
    result = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    bodies = [("embedded", "", _SCENES.value)]
    if _SECOND.value:
        bodies.append(("second", _SECOND.value, _SECOND_SCENES.value))
    for label, body_file, count in bodies:
        if count == 0:
            continue
        folder = Path(_WORKDIR.value) / label
        make_scenes(folder, body_file, count)
        tables = {name: fit(folder, name, body_file) for name in SETTINGS}
        result[label] = {"scenes": len(tables["default"]["scenes"]), "seed": _SEED.value}
        for metric in METRICS:
            means = {name: table["mean"]["two_person"].get(metric) for name, table in tables.items()}
            means["initial"] = tables["default"]["mean"]["two_person"]["initial"].get(metric)
            interval = compare(tables["parity"]["scenes"], tables["default"]["scenes"], metric)
            result[label][metric] = means | {
                "default_minus_parity": interval.mean,
                "interval_95": [interval.low, interval.high],
            }
            print(f"{label:9s} {metric:18s} {means}  default - parity {interval}")
        for name in SETTINGS:
            info = json.loads((folder / name / "run.json").read_text(encoding="utf-8"))
            kept = ("scenes_per_second", "fit_seconds", "fits", "compile_seconds", "device", "versions", "git_revision")
            result[label][f"run_{name}"] = {key: info.get(key) for key in kept}
        write_json(file, result)


if __name__ == "__main__":
    app.run(main)
