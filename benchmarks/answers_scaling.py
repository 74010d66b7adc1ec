"""What more answers and more rows per answer cost.

    python benchmarks/answers_scaling.py [--counts=1,5,20,100,500] [--rows=1,2,4,8,16]

Metric: milliseconds per scene-step (both stages) and to compile the answers on the host, per scene;
lower is better. Answers: simulated ones of the same generated scenes, the first N of 500. Rows: tables written here,
in which every row leaves both sides open and names the same part of Person 1, so that all of an answer's rows are
coupled: the published enumeration has up to 4^rows choices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from _common import Ratio, machine, make_parser, measure, numbers, print_row, write_result
from _ours import make_batches, never_stopping, stage
from _scenes import generated

from prosepose_jax.apps._runtime import set_up_jax
from prosepose_jax.body import load_body
from prosepose_jax.contact import compile_answers
from prosepose_jax.fitting import Fitter
from prosepose_jax.scene import Answer, Scene

MOST_ANSWERS = 500
GOALS = {20: 1.3, 500: 3.0}
# Parts of Person 2 in turn; each leaves its side open, and comes back in tables of more than six rows.
_SECOND = ("arm", "leg", "shoulder", "foot", "hand", "shoulder (back)")


def coupled_table(rows: int) -> str:
    """An answer of so many rows, all coupled: each names the hand of Person 1, which must use both sides."""
    lines = ["| Person 1 Body Part | Person 2 Body Part |", "|---|---|"]
    lines += [f"| hand | {_SECOND[i % len(_SECOND)]} |" for i in range(rows)]
    return "\n".join(lines)


def time_steps(
    fitter: Fitter, scenes: Sequence[Scene], answers: Mapping[str, Sequence[Answer]], repeats: int
) -> dict[str, float]:
    """Milliseconds per scene-step of both stages, and per scene to compile the answers on the host."""
    batches = make_batches(fitter, scenes, answers, len(scenes))
    seconds = [0.0, 0.0]
    for batch in batches:
        params = None  # stage 2 starts where stage 1 ended: far fewer vertices are inside there
        for index in range(2):
            ends: list[Any] = []
            laps = measure(lambda b=batch, i=index, p=params, e=ends: e.append(stage(fitter, b, i, p)), 0.0, repeats)
            seconds[index] += laps.median * len(batch.keys) / batch.size
            params = ends[-1].params
    figures = {
        f"stage_{index + 1}_ms": 1e3 * seconds[index] / (len(scenes) * settings.steps)
        for index, settings in enumerate(fitter.settings.stages)
    }
    texts = [list(answers[scene.key]) for scene in scenes]
    host = measure(lambda: [compile_answers(one, parser=fitter.settings.parser) for one in texts], 0.0, repeats)
    figures["host_ms"] = 1e3 * host.median / len(scenes)
    return figures


def main() -> None:
    """Measures, prints the tables, writes the result file."""
    parser = make_parser(__doc__, "answers_scaling")
    parser.add_argument("--counts", type=numbers, default=[1, 5, 20, 100, 500], help="answers a scene, at most 500")
    parser.add_argument(
        "--rows", type=numbers, default=[1, 2, 4, 8, 16], help="rows an answer, all coupled; 20 answers"
    )
    parser.add_argument("--scenes", type=int, default=16, help="scenes, fitted at once")
    parser.add_argument("--steps", type=numbers, default=[200, 100], help="steps of stages 1 and 2")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each, after a first one")
    arguments = parser.parse_args()
    if len(arguments.steps) != 2:
        parser.error("--steps: expected two numbers, for stage 1 and stage 2")
    if max(arguments.counts) > MOST_ANSWERS:
        parser.error(f"--counts: expected at most {MOST_ANSWERS}")
    set_up_jax()
    started = machine()
    body = load_body()
    scenes, answers = generated(body, arguments.scenes, MOST_ANSWERS)
    overrides = {"stage1.steps": arguments.steps[0], "stage2.steps": arguments.steps[1]}
    fitter = Fitter(body, never_stopping("two_person", overrides))
    rows: list[dict[str, Any]] = []
    for count in arguments.counts:
        some = {key: values[:count] for key, values in answers.items()}
        rows.append({"vary": "answers", "count": count, **time_steps(fitter, scenes, some, arguments.repeats)})
        print_row(rows[-1])
    for count in arguments.rows:
        texts = [Answer(text=coupled_table(count), sample=i) for i in range(20)]
        some = {scene.key: texts for scene in scenes}
        rows.append({"vary": "rows", "count": count, **time_steps(fitter, scenes, some, arguments.repeats)})
        print_row(rows[-1])
    settings = {name: getattr(arguments, name) for name in ("counts", "rows", "scenes", "steps")}
    write_result(
        arguments.out, "answers_scaling", metric="time per scene-step", unit="ms", better="lower",
        rows=rows, ratios=make_ratios(rows), settings=settings, started=started,
    )  # fmt: skip


def make_ratios(rows: Sequence[Mapping[str, Any]]) -> list[Ratio]:
    """The cost of every count relative to the smallest, for a whole fit of as many steps in both stages."""
    ratios = []
    for vary in ("answers", "rows"):
        cost = {r["count"]: r["stage_1_ms"] + r["stage_2_ms"] for r in rows if r["vary"] == vary}
        least = min(cost, default=0)
        for count, value in cost.items():
            if count != least:
                goal = GOALS.get(count) if vary == "answers" and least == 1 else None
                ratios.append(Ratio(f"{vary}: {count} / {least}", value / cost[least], "lower", goal))
    return ratios


if __name__ == "__main__":
    main()
