"""Measures the free prior's samples, its targets and its cost in a fit, and writes them into docs/buddi.md.

    python docs/measure_prior.py --pairs=out/prior/pairs.npz --cache=out/prior/scenes --count=128
    python docs/measure_prior.py … --parts=costs --configs=two_person_prior --fits=24

Samples stand beside the pairs that the prior was trained on, and beside random pairs: people of different pairs, put
where the people of a third stand. Fits per second are those of generated scenes, made in the cache, once compiled.
"""

from __future__ import annotations

import dataclasses
import re
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from prosepose_jax.body import BodyModel, BodyParams, axis_angle_to_matrix, load_body, pose_body
from prosepose_jax.config import load_config
from prosepose_jax.contact.distance import region_distances
from prosepose_jax.diffusion import (
    Pair,
    cosine_schedule,
    denoiser,
    distillation_target,
    from_params,
    load_buddi,
    sample_pairs,
    to_params,
)
from prosepose_jax.fitting import fit_scenes
from prosepose_jax.io._npz import FieldReader, read_npz
from prosepose_jax.io.atomic import write_text
from prosepose_jax.metrics.patches import Patches
from prosepose_jax.metrics.penetration import penetration_in
from prosepose_jax.synthetic import make_truths, observe

_DOCUMENT = Path(__file__).resolve().parent / "buddi.md"
_TOUCHING_M, _DEEP_MM = 0.02, 20.0
_FIT_SEED, _REPEATS = 2001, 2
_LEVELS, _DRAWS = (20, 100, 200), 8
_QUICK = {"solver": "lm", "contact.search": "cells", "buddi.draws": _DRAWS}
_PAIRS = flags.DEFINE_string("pairs", None, "pairs of the training (make_pairs)", required=True)
_CACHE = flags.DEFINE_string("cache", None, "folder of the scenes that are fitted", required=True)
_PRIOR = flags.DEFINE_string("prior", "free", "the prior")
_COUNT = flags.DEFINE_integer("count", 256, "pairs of each kind", 2)
_PARTS = flags.DEFINE_list("parts", ["samples", "targets", "costs"], "what is measured")
_CONFIGS = flags.DEFINE_list("configs", ["two_person_prior", "buddi_answers"], "whose costs are measured")
_FITS = flags.DEFINE_integer("fits", 64, "scenes that are fitted", 1)


def training_pairs(file: Path) -> Pair:
    """One pair of each two people of a file of `make_pairs`."""
    reader = FieldReader(file, read_npz(file))
    source = np.asarray(reader.raw("source"))
    first = np.unique(source, return_index=True)[1]
    names = ("global_orient", "body_pose", "betas", "transl", "kid_scale")
    arrays: dict[str, Any] = {name: jnp.asarray(reader.raw(name)[first], jnp.float32) for name in names}
    return from_params(dataclasses.replace(BodyParams.zeros(2), **arrays))


def random_pairs(pairs: Pair, count: int, rng: np.random.Generator) -> Pair:
    """Person 0 of one pair and person 1 of another, where those of a third stand."""
    first, second, place = (rng.permutation(len(pairs.transl))[:count] for _ in range(3))

    def put(x: jax.Array) -> jax.Array:
        return jnp.stack([x[first, 0], x[second, 1]], axis=1)

    mixed = jax.tree.map(put, pairs)
    return dataclasses.replace(mixed, transl=pairs.transl[place])


def measure_pairs(body: BodyModel, pairs: Pair) -> list[str]:
    """Cells of a table: distance, share of those that touch, deepest penetration; hands are flat."""
    like = jax.tree.map(jnp.asarray, BodyParams.zeros(2))
    pose = jax.jit(lambda pair: pose_body(body, to_params(pair, like)).vertices)
    apart = jax.jit(lambda v: jnp.min(region_distances(body.regions, v[0], v[1])))
    patches = Patches(np.asarray(body.v_template), np.asarray(body.faces))
    depths, gaps = [], []
    for number in range(len(pairs.transl)):
        vertices = pose(jax.tree.map(lambda x, number=number: x[number], pairs))
        depths.append(penetration_in(patches, np.asarray(vertices), volume=False)[0].max_mm)
        gaps.append(float(apart(vertices)))
    deep, far = np.array(depths), np.array(gaps)
    touching = far < _TOUCHING_M
    return [
        f"{1000 * far.mean():.1f}", f"{100 * touching.mean():.0f}", f"{deep.mean():.1f}",
        f"{deep[touching].mean():.1f}", f"{np.median(deep[touching]):.1f}",
        f"{100 * np.mean(touching & (deep <= _DEEP_MM)):.0f}",
    ]  # fmt: skip


def samples_table(body: BodyModel, file: Path, prior: str, count: int) -> str:
    """Samples of the prior beside training pairs and random ones."""
    pairs = training_pairs(file)
    rng = np.random.default_rng(0)
    network, weights, _ = load_buddi(prior, conditional=False)
    drawn = sample_pairs(network, weights, cosine_schedule(), jax.random.key(0), count)
    some = rng.permutation(len(pairs.transl))[:count]
    kinds = {
        "pairs of the training": jax.tree.map(lambda x: x[some], pairs),
        "samples of the prior": drawn,
        "random pairs": random_pairs(pairs, count, rng),
    }
    lines = [
        "| | smallest distance, mean (mm) | touching (2 cm), % | deepest penetration, mean (mm) | of those that touch, "
        "mean | median | touching and not deeper than 20 mm, % |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, kind in kinds.items():
        cells = measure_pairs(body, kind)
        print(name, cells, flush=True)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return f"{count} of each.\n\n" + "\n".join(lines) + "\n"


def targets_table(body: BodyModel, cache: Path, prior: str, count: int) -> str:
    """How far from the truth estimates are, and what the prior makes of them."""
    truths = make_truths(body, "two_person", count, _FIT_SEED, cache)
    scenes = [observe(truth, "middle", num_answers=1)[0] for truth in truths]
    network, weights, _ = load_buddi(prior, conditional=False)
    denoise, schedule, like = denoiser(network, weights), cosine_schedule(), BodyParams.zeros(2)

    def people(prefix: str) -> BodyParams:
        names = ("global_orient", "body_pose", "betas", "transl")
        fields: dict[str, Any] = {
            name: jnp.stack([jnp.asarray(getattr(scene, prefix + name)) for scene in scenes]) for name in names
        }
        every = jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (count, *np.shape(x))), like)
        return dataclasses.replace(every, **fields)

    @jax.jit
    def targets(current: BodyParams, timestep: jax.Array) -> BodyParams:
        def drawn(current: BodyParams, key: jax.Array) -> BodyParams:
            return distillation_target(denoise, schedule, key, current, timestep)

        keys = jax.random.split(jax.random.key(0), _DRAWS)
        found = jax.vmap(lambda one: jax.vmap(lambda key: drawn(one, key))(keys))(current)
        return jax.tree.map(lambda x: jnp.mean(x, axis=1), found)

    def cells(found: BodyParams) -> str:
        way = (found.transl[:, 1] - found.transl[:, 0]) - (true.transl[:, 1] - true.transl[:, 0])
        turn = jnp.swapaxes(axis_angle_to_matrix(found.body_pose), -1, -2) @ axis_angle_to_matrix(true.body_pose)
        angle = jnp.arccos(jnp.clip((jnp.trace(turn, axis1=-2, axis2=-1) - 1.0) / 2.0, -1.0, 1.0))
        return f"{np.degrees(float(angle.mean())):.1f} | {1000 * float(jnp.linalg.norm(way, axis=-1).mean()):.0f} |"

    true, estimate = people("gt_"), people("")
    lines = ["| | error of a joint's rotation (°) | of the way from person to person (mm) |", "|---|---|---|"]
    lines.append(f"| estimate | {cells(estimate)}")
    lines += [f"| what the prior makes of it, level {t} | {cells(targets(estimate, jnp.int32(t)))}" for t in _LEVELS]
    print("\n".join(lines), flush=True)
    return f"{count} scenes, seed {_FIT_SEED}, mean of {_DRAWS} draws.\n\n" + "\n".join(lines) + "\n"


def costs_table(body: BodyModel, cache: Path, prior: str, count: int) -> str:
    """Fits per second with the prior and without."""
    truths = make_truths(body, "two_person", count, _FIT_SEED, cache)
    seen = [observe(truth, "middle") for truth in truths]
    answers = {scene.key: texts for scene, texts in seen}
    scenes = [scene for scene, _ in seen]
    lines = ["| config | fits a second | the same without the prior |", "|---|---|---|"]
    for name in _CONFIGS.value:
        fields = (
            {} if name == "two_person_prior" else {"solver": "lm", "contact.search": "cells", "buddi.draws": _DRAWS}
        )
        speeds = []
        for without in (False, True):
            config = load_config(name)
            config.update_from_flattened_dict({**fields, "buddi.checkpoint": prior})
            if without:
                with config.unlocked():
                    for stage in (config.stage1, config.stage2):
                        del stage.weights.buddi, stage.fallback_weights.buddi
                    del config.buddi
            seconds = []
            for _ in range(_REPEATS + 1):
                start = time.perf_counter()
                fit_scenes(body, scenes, answers, config)
                seconds.append(time.perf_counter() - start)
            speeds.append(count / statistics.median(seconds[1:]))
        print(name, speeds, flush=True)
        lines.append(f"| `{name}`{' by Levenberg–Marquardt' if fields else ''} | {speeds[0]:.2f} | {speeds[1]:.2f} |")
    where = f"{count} scenes, seed {_FIT_SEED}, {jax.devices()[0].platform}, median of {_REPEATS} runs after the first."
    return f"{where}\n\n" + "\n".join(lines) + "\n"


def main(argv: Sequence[str]) -> None:
    del argv
    body = load_body()
    blocks = {}
    if "samples" in _PARTS.value:
        blocks["prior samples"] = samples_table(body, Path(_PAIRS.value), _PRIOR.value, _COUNT.value)
    if "targets" in _PARTS.value:
        blocks["prior targets"] = targets_table(body, Path(_CACHE.value), _PRIOR.value, _FITS.value)
    if "costs" in _PARTS.value:
        blocks["prior costs"] = costs_table(body, Path(_CACHE.value), _PRIOR.value, _FITS.value)
    text = _DOCUMENT.read_text(encoding="utf-8")
    for name, table in blocks.items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = block.sub(lambda m, table=table: f"{m[1]}\n{table}\n{m[2]}", text)
    write_text(_DOCUMENT, text)


if __name__ == "__main__":
    app.run(main)
