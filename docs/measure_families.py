"""Measures what the noise families come to and writes it into docs/synthetic.md, between its markers.

    python docs/measure_families.py --cache=out/families

Makes the scenes of two people that it needs in the cache: 32 of each kind of people and cameras,
seen with eight noise seeds each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

from prosepose_jax.body import load_body
from prosepose_jax.io.atomic import write_text
from prosepose_jax.synthetic import make_truths, observe
from prosepose_jax.synthetic.error_statistics import Errors, measure_errors
from prosepose_jax.synthetic.families import NAMES, family_of

_DOCUMENT = Path(__file__).resolve().parent / "synthetic.md"
_BLOCK = re.compile(r"(<!-- families -->\n).*?(<!-- end -->)", re.DOTALL)
_COUNT, _SEED, _NOISE_SEEDS, _ANSWERS = 32, 7001, 8, 10
_CACHE = flags.DEFINE_string("cache", None, "folder of the true scenes", required=True)
_HEAD = (
    "", "statures, %", "stature error, %", "depth error, %", "its own part, %", "with size", "betas kept, %",
    "orientation, °", "lean kept, %", "limbs unseen", "legs cut, %", "limbs mixed up, %", "answers' F1",
    "contacts told, %", "rows right, %",
)  # fmt: skip


def _row(name: str, errors: Errors) -> list[str]:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.1f}"

    return [
        f"`{name}`", share(errors.stature_spread), share(errors.stature_sd), share(errors.depth_sd),
        share(errors.depth_own_sd), f"{errors.depth_with_size:.2f}", share(errors.shape_kept),
        f"{errors.orient_degrees:.1f}", share(errors.lean_kept), f"{errors.covered_limbs:.2f}",
        share(errors.legs_gone), share(errors.mixed_limbs), f"{errors.contact_f1:.2f}", share(errors.contacts_told),
        share(errors.rows_right),
    ]  # fmt: skip


def main(argv: Sequence[str]) -> None:
    del argv
    body, truths, rows = load_body(), {}, []
    children = ""
    for name in NAMES:
        family = family_of(name)
        label = family.set_label or "own"
        if label not in truths:
            folder = Path(_CACHE.value) / label
            truths[label] = make_truths(
                body, "two_person", _COUNT, _SEED, folder, people=family.people, cameras=family.cameras
            )
        repeated = truths[label] * _NOISE_SEEDS
        seen = [
            observe(truth, family.noise, seed=index // _COUNT, num_answers=_ANSWERS)
            for index, truth in enumerate(repeated)
        ]
        errors = measure_errors(repeated, [scene for scene, _ in seen], [answers for _, answers in seen])
        if errors.child_stature is not None:
            children = f" A child has {100 * errors.child_stature:.0f} % of the adults' mean stature on average."
        rows.append(_row(name, errors))
        print(name, errors, flush=True)
    lines = [_HEAD, ["---"] * len(_HEAD), *rows]
    table = "".join(f"| {' | '.join(row)} |\n" for row in lines)
    where = (
        f"{_COUNT} scenes of two people of each kind of people and cameras, seed {_SEED}, embedded body, "
        f"{_NOISE_SEEDS} noise seeds each, {_ANSWERS} answers a scene.{children}"
    )
    text = _DOCUMENT.read_text(encoding="utf-8")
    write_text(_DOCUMENT, _BLOCK.sub(lambda m: f"{m[1]}\n{where}\n\n{table}\n{m[2]}", text))


if __name__ == "__main__":
    app.run(main)
