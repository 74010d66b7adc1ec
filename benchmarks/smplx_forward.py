"""Body model speed: posed vertices and gradient, against `smplx` (PyTorch) and `body-models` (JAX).

    python benchmarks/smplx_forward.py [--batches=1,32,128,1024]

Metric: milliseconds a call, median over repeats, lower is better; the first call, which compiles, is listed apart.
The gradient is that of a weighted sum over the vertices with respect to body pose, betas, translation and global
orientation. "subset" poses the vertices that the constraints of a typical scene read (about 1,500: hands, arms,
shoulders, back). Two bodies: the embedded one (no pose blend shapes) and the same with dense random ones, as licensed
files have. Rivals that are not installed are left out of the table (`make .venv/.bench` installs them); so are
batches for which memory is too small.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _common import Ratio, machine, make_parser, measure, names, numbers, print_row, usable_cpus, write_result
from _official_body import POSE_BLEND_SHAPES, write_official_body

from prosepose_jax.body import BodyModel, BodyParams, load_body, pose_body

SUBSET_REGIONS = (3, 33, 72, 17, 23, 26, 27, 40, 5, 69, 32, 8, 73, 2, 31, 29, 41, 38, 70, 63)
SUBSET_SIZE = 1500
OURS, SUBSET, SMPLX, BODY_MODELS = "ours", "ours, subset", "smplx (PyTorch)", "body-models (JAX)"
# (who, rival, what): at least so many times as fast on the full mesh at batches of 32 and more, and for the subset.
GOALS = {
    (OURS, SMPLX, "forward"): 2.0,
    (OURS, SMPLX, "gradient"): 2.5,
    (OURS, BODY_MODELS, "forward"): 2.0,
    (OURS, BODY_MODELS, "gradient"): 2.0,
    (SUBSET, SMPLX, "gradient"): 15.0,
}
# Batch 1024 takes about 16 GiB with the rivals.
GIB_PER_SCENE = 16 / 1024

Calls = dict[str, Callable[[], Any]]


def inputs(batch: int) -> dict[str, np.ndarray]:
    """Random parameters, the same for every contender."""
    rng = np.random.default_rng(batch)
    shapes = {"global_orient": (3,), "body_pose": (21, 3), "betas": (10,), "transl": (3,)}
    return {name: rng.normal(0, 0.4, (batch, *shape)).astype(np.float32) for name, shape in shapes.items()}


def ours(body: BodyModel, batch: int, subset: jax.Array | None) -> Calls:
    """Our forward and gradient on one body."""
    values = {k: jnp.asarray(v) for k, v in inputs(batch).items()}
    rest = BodyParams.zeros(batch)
    count = body.num_vertices if subset is None else len(subset)
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(batch, count, 3)).astype(np.float32))
    forward = jax.jit(lambda b, v, ids: pose_body(b, rest.replace(**v), ids).vertices)

    def loss(v: dict[str, jax.Array], b: BodyModel, w: jax.Array, ids: jax.Array | None) -> jax.Array:
        return jnp.sum(pose_body(b, rest.replace(**v), ids).vertices * w)

    gradient = jax.jit(jax.grad(loss))
    return {
        "forward": lambda: jax.block_until_ready(forward(body, values, subset)),
        "gradient": lambda: jax.block_until_ready(gradient(values, body, weights, subset)),
    }


def smplx_torch(path: Path, batch: int) -> Calls:
    """The PyTorch package on the same file; nothing when it is not installed."""
    try:
        import smplx
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(usable_cpus())
    with contextlib.redirect_stdout(io.StringIO()):
        model = smplx.SMPLX(str(path), ext="npz", batch_size=batch, use_pca=False, flat_hand_mean=True)
    values = {k: torch.tensor(v.reshape(batch, -1), requires_grad=True) for k, v in inputs(batch).items()}
    weights = torch.tensor(np.random.default_rng(0).normal(size=(batch, len(model.v_template), 3)).astype(np.float32))

    def forward() -> Any:
        with torch.no_grad():
            return model(**values, return_shaped=False).vertices

    def gradient() -> Any:
        vertices = model(**values, return_shaped=False).vertices
        return torch.autograd.grad((vertices * weights).sum(), list(values.values()))

    return {"forward": forward, "gradient": gradient}


def body_models_jax(path: Path, batch: int) -> Calls:
    """The JAX package `body-models` on the same file; nothing when it is not installed."""
    try:
        from body_models.smplx.jax import SMPLX as Model
    except ImportError:
        return {}
    model = Model(model_path=path, flat_hand_mean=True)
    values = {k: jnp.asarray(v) for k, v in inputs(batch).items()}
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(batch, model.num_vertices, 3)).astype(np.float32))

    def vertices(v: dict[str, jax.Array]) -> jax.Array:
        return model.forward_vertices(
            shape=v["betas"],
            body_pose=v["body_pose"],
            hand_pose=jnp.zeros((batch, 30, 3)),
            head_pose=jnp.zeros((batch, 3, 3)),
            expression=jnp.zeros((batch, 10)),
            global_rotation=v["global_orient"],
            global_translation=v["transl"],
        )

    forward = jax.jit(vertices)
    gradient = jax.jit(jax.grad(lambda v, w: jnp.sum(vertices(v) * w)))
    return {
        "forward": lambda: jax.block_until_ready(forward(values)),
        "gradient": lambda: jax.block_until_ready(gradient(values, weights)),
    }


def memory_gib() -> float:
    """Memory that is free for a benchmark; plenty where the system does not say."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) / (1 << 20)
    return float("inf")


def make_ratios(rows: list[dict[str, Any]]) -> list[Ratio]:
    """How many times as fast ours is as each rival, by blend shapes and batch."""
    times = {(row["pose_dirs"], row["batch"], row["who"], row["what"]): row["ms"] for row in rows}
    ratios = []
    for kind, batch, rival, what in times:
        for mine in (OURS, SUBSET):
            if rival in (SMPLX, BODY_MODELS) and (kind, batch, mine, what) in times:
                goal = GOALS.get((mine, rival, what)) if batch >= 32 else None
                name = f"{mine} against {rival}, {what}, {kind} blend shapes, batch {batch}"
                value = times[kind, batch, rival, what] / times[kind, batch, mine, what]
                ratios.append(Ratio(name, value, "higher", goal))
    return ratios


def main() -> None:
    """Measures, prints the tables, writes the result file."""
    parser = make_parser(__doc__, "smplx_forward")
    parser.add_argument("--batches", type=numbers, default=[1, 32, 128], help="batch sizes (1024: 16 GiB of memory)")
    parser.add_argument("--seconds", type=float, default=3.0, help="time spent on each measurement")
    parser.add_argument("--bodies", type=names(POSE_BLEND_SHAPES), default=list(POSE_BLEND_SHAPES), help="blend shapes")
    arguments = parser.parse_args()
    started = machine()
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    fitting = [batch for batch in arguments.batches if batch * GIB_PER_SCENE <= memory_gib()]
    if fitting != arguments.batches:
        notes.append(f"left out for want of memory: batches {sorted(set(arguments.batches) - set(fitting))}")
    with tempfile.TemporaryDirectory() as folder:
        for kind in arguments.bodies:
            path = write_official_body(Path(folder), kind)
            body = load_body(path, flat_hands=True)
            ids = np.unique(np.concatenate([np.asarray(body.regions.vertex_ids[r]) for r in SUBSET_REGIONS]))
            subset = jnp.asarray(ids[:: max(1, len(ids) // SUBSET_SIZE)][:SUBSET_SIZE])
            for batch in fitting:
                contenders = {
                    OURS: ours(body, batch, None),
                    SUBSET: ours(body, batch, subset),
                    SMPLX: smplx_torch(path, batch),
                    BODY_MODELS: body_models_jax(path, batch),
                }
                for who, calls in contenders.items():
                    for what, call in calls.items():
                        laps = measure(call, arguments.seconds, repeats=3)
                        row = {"pose_dirs": kind, "batch": batch, "who": who, "what": what, "ms": 1e3 * laps.median}
                        rows.append({**row, "cpu_ms": 1e3 * laps.median_cpu, "first_call_ms": 1e3 * laps.first})
                        print_row(rows[-1])
    settings = {name: getattr(arguments, name) for name in ("batches", "seconds", "bodies")}
    write_result(
        arguments.out, "smplx_forward", metric="posed vertices, and their gradient", unit="ms", better="lower",
        rows=rows, ratios=make_ratios(rows), settings=settings, notes=notes, started=started,
    )  # fmt: skip


if __name__ == "__main__":
    main()
