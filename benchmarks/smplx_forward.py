"""Body model speed: posed vertices and gradient, against `smplx` (PyTorch) and `body-models` (JAX).

    python benchmarks/smplx_forward.py [--batches=1,32,128] [--threads=2] [--json=FILE]

Metric: milliseconds a call, median over repeats, lower is better; compile time is listed
apart. The gradient is that of a weighted sum over the vertices with respect to body pose,
betas, translation and global orientation. "subset" poses the vertices that the constraints
of a typical scene read (about 1,500: hands, arms, shoulders, back). Two bodies: the embedded
one (no pose blend shapes) and the same with dense random ones, as licensed files have.
Rivals that are not installed are left out of the table.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--batches", default="1,32,128", help="batch sizes, comma separated (1024 needs 16 GB)")
parser.add_argument("--threads", type=int, default=2, help="CPU threads of PyTorch")
parser.add_argument("--seconds", type=float, default=4.0, help="time spent on each measurement")
parser.add_argument("--bodies", default="zero,dense", help="which pose blend shapes")
parser.add_argument("--json", type=Path, help="where to write the figures")
ARGUMENTS = parser.parse_args()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from prosepose_jax import resources  # noqa: E402
from prosepose_jax.body import BodyModel, BodyParams, load_body, pose_body  # noqa: E402
from prosepose_jax.body._files import read_fields  # noqa: E402

SUBSET_REGIONS = (3, 33, 72, 17, 23, 26, 27, 40, 5, 69, 32, 8, 73, 2, 31, 29, 41, 38, 70, 63)
FREE = ("global_orient", "body_pose", "betas", "transl")


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """(first call, median of the later calls) in milliseconds."""
    start = time.perf_counter()
    call()
    first = time.perf_counter() - start
    call()
    laps: list[float] = []
    begun = time.perf_counter()
    while len(laps) < 5 or (time.perf_counter() - begun < ARGUMENTS.seconds and len(laps) < 200):
        start = time.perf_counter()
        call()
        laps.append(time.perf_counter() - start)
    return 1e3 * first, 1e3 * statistics.median(laps)


def inputs(batch: int) -> dict[str, np.ndarray]:
    """Random parameters, the same for every contender."""
    rng = np.random.default_rng(batch)
    shapes = {"global_orient": (3,), "body_pose": (21, 3), "betas": (10,), "transl": (3,)}
    return {name: rng.normal(0, 0.4, (batch, *shape)).astype(np.float32) for name, shape in shapes.items()}


def ours(body: BodyModel, batch: int, subset: jax.Array | None) -> dict[str, Callable[[], Any]]:
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


def smplx_torch(path: Path, batch: int) -> dict[str, Callable[[], Any]] | None:
    """The PyTorch package on the same file."""
    try:
        import smplx
        import torch
    except ImportError:
        return None
    torch.set_num_threads(ARGUMENTS.threads)
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


def body_models_jax(path: Path, batch: int) -> dict[str, Callable[[], Any]] | None:
    """The JAX package `body-models` on the same file, when it is installed."""
    try:
        from body_models.smplx.jax import SMPLX
    except ImportError:
        return None
    model = SMPLX(model_path=path, flat_hand_mean=True)
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


def body_files(folder: Path) -> dict[str, Path]:
    """The embedded body in full SMPL-X layout, with zero and with dense random pose blend shapes."""
    stored = read_fields(resources.smpl_assets_dir() / "body.npz")
    names = [n for n in stored if np.asarray(stored[n]).dtype.kind in "fiu"]
    fields = {n: np.asarray(stored[n]) for n in names}
    fields = {n: v.astype(np.float32) if v.dtype.kind == "f" else v for n, v in fields.items()}
    count = len(fields["v_template"])
    # The official layout: 300 shape, then 100 expression components, and the joints' names.
    wide = np.zeros((count, 3, 400), np.float32)
    wide[:, :, :10], wide[:, :, 300:310] = fields["shapedirs"][:, :, :10], fields["shapedirs"][:, :, 10:20]
    fields["shapedirs"] = wide
    fields["joint2num"] = np.array({f"joint{i}": i for i in range(55)}, dtype=object)
    fields["lmk_faces_idx"] = np.zeros(51, np.int64)
    fields["lmk_bary_coords"] = np.full((51, 3), 1 / 3, np.float32)
    paths = {}
    for kind in ARGUMENTS.bodies.split(","):
        noise = np.random.default_rng(1).standard_normal((count, 3, 486), dtype=np.float32)
        fields["posedirs"] = noise * np.float32(2e-3 if kind == "dense" else 0.0)
        paths[kind] = folder / f"SMPLX_{kind}.npz"
        np.savez(paths[kind], **fields)
        for beside in ("keypoints.json", "lowres.npz", "kid_template.npy"):
            file = resources.smpl_assets_dir() / f"body_{beside}"
            (folder / f"SMPLX_{kind}_{beside}").write_bytes(file.read_bytes())
    return paths


def main() -> None:
    """Prints the table and the ratios, writes JSON when asked to."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in body_files(Path(folder)).items():
            body = load_body(path, flat_hands=True)
            ids = np.unique(np.concatenate([np.asarray(body.regions.vertex_ids[r]) for r in SUBSET_REGIONS]))
            step = max(1, len(ids) // 1500)
            subset = jnp.asarray(ids[::step][:1500])
            for batch in (int(b) for b in ARGUMENTS.batches.split(",")):
                contenders = {
                    "ours": ours(body, batch, None),
                    f"ours, {len(subset)} vertices": ours(body, batch, subset),
                    "smplx (PyTorch)": smplx_torch(path, batch),
                    "body-models (JAX)": body_models_jax(path, batch),
                }
                for name, calls in contenders.items():
                    for what, call in (calls or {}).items():
                        first, steady = timed(call)
                        row = {"pose_dirs": kind, "batch": batch, "who": name, "what": what}
                        rows.append({**row, "ms": round(steady, 3), "first_call_ms": round(first, 1)})
                        print(f"{kind:6} {batch:5} {name:22} {what:9} {steady:10.2f} ms  (first {first:8.0f} ms)")
    ratios = _ratios(rows)
    print("\nratio, pose blend shapes, batch: times as fast")
    for entry in ratios:
        print(f"{entry['what']:44} {entry['pose_dirs']:6} {entry['batch']:5} {entry['ratio']:8.2f} x")
    packages = ("jax", "jaxlib", "numpy", "torch", "smplx", "body-models")
    versions = {}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    device = {"device": str(jax.devices()[0]), "cpus": os.cpu_count(), "machine": platform.processor() or "unknown"}
    result = {"benchmark": "smplx_forward", "unit": "ms", "better": "lower", **device, "versions": versions}
    text = json.dumps({**result, "rows": rows, "ratios": ratios}, indent=1)
    if ARGUMENTS.json:
        ARGUMENTS.json.parent.mkdir(parents=True, exist_ok=True)
        ARGUMENTS.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


def _ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times = {(r["pose_dirs"], r["batch"], r["who"].split(",")[0] + (", subset" * ("," in r["who"])), r["what"]): r["ms"]
             for r in rows}  # fmt: skip
    out = []
    for kind, batch in sorted({key[:2] for key in times}, key=lambda k: (k[0] != "zero", k[1])):
        for rival in ("smplx (PyTorch)", "body-models (JAX)"):
            for mine in ("ours", "ours, subset"):
                for what in ("forward", "gradient"):
                    ratio_of = times.get((kind, batch, rival, what))
                    if ratio_of is not None:
                        ratio = round(ratio_of / times[kind, batch, mine, what], 2)
                        name = f"{mine} against {rival}, {what}"
                        out.append({"what": name, "pose_dirs": kind, "batch": batch, "ratio": ratio})
    return out


if __name__ == "__main__":
    main()
