"""Where the time of a step goes, and how far each part is from what the machine could do.

    python benchmarks/step_profile.py [--batch=16] [--steps=8]

Metric: milliseconds per scene of one call of each part, each compiled by itself, at the parameters that the default
solver has reached after some steps of the stage; lower is better. A round of Levenberg–Marquardt is one search, one
set of normal equations (with the energy) and one damped solve; a step of Adam is one energy with gradient, and a
search every tenth step. Beside each time stand the floating-point operations and bytes that the part has to move
at least, counted from the sizes of the problem by the formulas in `demands`, and the shortest time that the machine
needs for them: the larger of operations over its best matrix product and bytes over its best copy, both measured here.
Searches depend on the data: how many pairs of cells stay open is not counted, so they have no such time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from _common import Ratio, machine, make_parser, measure, print_row, write_result
from _ours import Batch, configured, make_batches, stage
from _scenes import mixed

from prosepose_jax.apps._runtime import set_up_jax
from prosepose_jax.body import BodyParams, load_body
from prosepose_jax.contact.cell_search import search_cells
from prosepose_jax.contact.program import program_weights
from prosepose_jax.contact.vocabulary import NUM_PARTS
from prosepose_jax.fitting import Fitter
from prosepose_jax.fitting.arrays import Numbers
from prosepose_jax.fitting.problem import Problem, stage_problem, take_moving
from prosepose_jax.fitting.search import Held, active_terms, pose_meshes, search_batch
from prosepose_jax.fitting.solvers.lm import solve_damped
from prosepose_jax.terms.inside_search import inside_masks, inside_sets
from prosepose_jax.terms.penetration import ordered_pairs

_FLOAT = 4  # bytes


def machine_limits() -> tuple[float, float]:
    """The best floating-point rate (1/s) and memory rate (bytes/s) that a matrix product and a copy reach here."""
    matrix = jnp.ones((2048, 2048), jnp.float32)
    product = jax.jit(lambda x: x @ x)
    rate = 2 * 2048**3 / min(measure(lambda: jax.block_until_ready(product(matrix)), 0.5, 5).wall)
    large = jnp.ones(1 << 26, jnp.float32)  # 256 MiB: no cache holds it
    copy = jax.jit(lambda x: x + 1.0)
    flow = 2 * large.nbytes / min(measure(lambda: jax.block_until_ready(copy(large)), 0.5, 5).wall)
    return rate, flow


def demands(fitter: Fitter, batch: Batch, index: int, freedom: int) -> dict[str, tuple[float, float]]:
    """Least operations and bytes per scene of the parts whose work is known beforehand.

    Args:
      fitter: the body and settings.
      batch: the scenes.
      index: the stage.
      freedom: numbers per scene that the stage moves.
    """
    body = fitter.model.body
    people, betas = batch.params.betas.shape[1:]
    vertices, joints = body.v_template.shape[0], body.skin_weights.shape[1]
    entries = float(jnp.sum(batch.arrays.terms["contact"].entry_mask)) / batch.size
    # Rest vertices from betas (and pose correctives), blending four bones of 12 numbers, and the product with them.
    correctives = 0 if body.pose_dirs is None else body.pose_dirs.shape[-1]
    per_vertex = 2 * 3 * (betas + correctives) + 2 * 4 * 12 + 18
    # One pass over the results and the model's rows; the model is read once for the batch and stays in the cache.
    per_mesh = vertices * 3 * _FLOAT * 2
    read = vertices * (3 * (betas + correctives) + joints) * _FLOAT / batch.size
    # Rows that terms read: both ends of the entries in use (at most one per row of an answer), and the keypoints.
    rows = 2 * min(entries, 40.0) + 25 * people
    slots = 2 * fitter.settings.inside_slots * len(ordered_pairs(people)) if index == 1 else 0
    return {
        "pose the meshes": (people * vertices * per_vertex, people * per_mesh + read),
        "energy": ((rows + slots) * per_vertex, (rows + slots) * 60 * _FLOAT),
        # A row of three numbers for every vertex, D wide, and its outer product with itself.
        "normal equations": (
            (rows + slots) * 3 * (freedom // people) * (2 + freedom // people),
            (rows + slots) * 3 * (freedom // people) * _FLOAT + freedom**2 * _FLOAT,
        ),
        "damped solve": (freedom**3 / 3 + 2 * freedom**2, freedom**2 * _FLOAT),
    }


def profile_stage(
    fitter: Fitter, batch: Batch, index: int, steps: int, limits: tuple[float, float], repeats: int
) -> list[dict[str, Any]]:
    """One row per part of a stage."""
    model, settings, arrays = fitter.model, fitter.settings, batch.arrays
    body, surface, structure = model.body, model.surface, settings.structure
    numbers = jax.tree.map(jnp.asarray, Numbers(**settings.numbers(index)))
    start = batch.params
    if index == 1:
        start = stage(fitter, batch, 0).params
    reached = jax.tree.map(jnp.copy, stage(fitter, batch, index, start, shortened(settings, steps)).params)
    zero = jnp.zeros(batch.size, jnp.int32)
    active = active_terms(structure, arrays, jnp.int32(index))

    def search(arrays: Any, params: BodyParams) -> Held:
        return search_batch(model, arrays, params, structure, active, jnp.int32(index), zero)

    def problems(call: Callable[[Problem, Any], Any]) -> Callable[..., Any]:
        def one(arrays: Any, start: BodyParams, params: BodyParams, held: Held) -> Any:
            problem = stage_problem(model, arrays, start, held, active, numbers, index, structure)
            return call(problem, take_moving(params))

        return jax.vmap(one)

    held = jax.jit(search)(arrays, reached)
    _, vertices = jax.jit(lambda p: pose_meshes(body, p))(reached)
    words = arrays.terms["contact"]
    table = jnp.ones((batch.size, words.program.pairs.shape[1], NUM_PARTS, NUM_PARTS))
    normal = problems(lambda problem, moving: problem.linearised(moving))
    model_there = jax.jit(normal)(arrays, start, reached, held)
    freedom = model_there.gradient[0].size
    gradient = model_there.gradient.reshape(batch.size, freedom)
    curvature = model_there.curvature.reshape(batch.size, freedom, freedom)
    parts: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "search (all terms)": (search, (arrays, reached)),
        "pose the meshes": (lambda p: pose_meshes(body, p), (reached,)),
        "closest vertices": (
            lambda v, a: search_cells(surface.cells, v, a.program.pairs, a.entries, a.entry_mask),
            (vertices, words),
        ),
        "choices of the answers": (lambda a, t: jax.vmap(program_weights)(a.program, t), (words, table)),
    }
    if index == 1:
        pairs = ordered_pairs(vertices.shape[1])
        first = vertices[:, jnp.array([a for a, _ in pairs])].reshape(-1, *vertices.shape[2:])
        second = vertices[:, jnp.array([b for _, b in pairs])].reshape(-1, *vertices.shape[2:])
        surfaces = second[:, body.lowres.vertex_ids]
        masks = jax.jit(lambda a, b: inside_masks(surface.blocks, surface.groups, a, b))(first, surfaces)
        parts["inside or not"] = (lambda a, b: inside_masks(surface.blocks, surface.groups, a, b), (first, surfaces))
        parts["nearest vertices of inside ones"] = (
            lambda m, a, b: inside_sets(surface.blocks, m, a, b, settings.inside_slots),
            (masks, first, second),
        )
    common = (arrays, start, reached, held)
    parts["energy"] = (problems(lambda problem, moving: problem.energy(moving)), common)
    parts["energy with gradient (Adam)"] = (
        problems(lambda problem, moving: jax.value_and_grad(problem.energy, has_aux=True)(moving)),
        common,
    )
    parts["normal equations"] = (normal, common)
    parts["damped solve"] = (
        lambda g, h: jax.vmap(lambda g, h: solve_damped(h, g, jnp.float32(0.01)))(g, h),
        (gradient, curvature),
    )
    least = demands(fitter, batch, index, freedom)
    rows = []
    for name, (function, arguments) in parts.items():
        compiled = jax.jit(function)
        laps = measure(lambda f=compiled, a=arguments: jax.block_until_ready(f(*a)), 0.5, repeats)
        milliseconds = 1e3 * laps.median / batch.size
        row: dict[str, Any] = {"stage": index + 1, "part": name, "ms": milliseconds}
        if name in least:
            operations, size = least[name]
            bound = 1e3 * max(operations / limits[0], size / limits[1])
            row |= {
                "mflop": operations / 1e6,
                "mib": size / 2**20,
                "bound_ms": bound,
                "times_bound": milliseconds / bound,
            }
        rows.append(row)
        print_row(row)
    return rows


def shortened(settings: Any, steps: int) -> Any:
    """The same settings with few steps in a stage."""
    return dataclasses.replace(settings, lm=dataclasses.replace(settings.lm, steps=steps))


def main() -> None:
    """Measures, prints the table, writes the result file."""
    parser = make_parser(__doc__, "step_profile")
    parser.add_argument("--batch", type=int, default=16, help="scenes at once")
    parser.add_argument("--steps", type=int, default=8, help="steps of the stage before it is profiled")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each part, after a first one")
    arguments = parser.parse_args()
    set_up_jax()
    started = machine()
    fitter = Fitter(load_body(), configured("two_person"))
    batch = max(
        make_batches(fitter, *mixed(fitter.model.body, arguments.batch), arguments.batch), key=lambda b: len(b.keys)
    )
    limits = machine_limits()
    rows = []
    for index in range(2):
        rows += profile_stage(fitter, batch, index, arguments.steps, limits, arguments.repeats)
    notes = [
        f"the machine: {limits[0] / 1e9:.0f} GFLOP/s in a matrix product, {limits[1] / 1e9:.1f} GB/s in a copy",
        f"{len(batch.keys)} different scenes in the batch of {batch.size}",
    ]
    settings = {name: getattr(arguments, name) for name in ("batch", "steps")}
    write_result(
        arguments.out, "step_profile", metric="time of a part", unit="ms per scene", better="lower",
        rows=rows, ratios=make_ratios(rows), settings=settings, notes=notes, started=started,
    )  # fmt: skip


def make_ratios(rows: list[dict[str, Any]]) -> list[Ratio]:
    """Shares of the search in a round, and distances from the bound."""
    ratios = []
    for number in (1, 2):
        time = {row["part"]: row["ms"] for row in rows if row["stage"] == number}
        search = time["search (all terms)"]
        whole = search + time["energy"] + time["normal equations"] + time["damped solve"]
        ratios.append(Ratio(f"stage {number}: share of the searches in a round", search / whole, "lower"))
    ratios += [
        Ratio(f"stage {row['stage']}: {row['part']}, times the bound", row["times_bound"], "lower")
        for row in rows
        if "times_bound" in row
    ]
    return ratios


if __name__ == "__main__":
    main()
