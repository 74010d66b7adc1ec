"""Writes tests/data/goldens_smplx.npz from the PyTorch `smplx` package.

Run after a change of the embedded or the small body (needs the extra `smplx`):

    python tests/body/make_goldens.py
"""

from __future__ import annotations

import importlib.metadata
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import standins
from smplx_reference import reference_model, reference_run

OUT = Path(__file__).resolve().parents[1] / "data" / "goldens_smplx.npz"
BODIES = {"embedded": standins.EMBEDDED, "small": standins.SMALL}
SAMPLED_VERTICES = 250


def goldens_of(source: Path, seed: int) -> dict[str, np.ndarray]:
    """Inputs and smplx's outputs for one body with random dense pose blend shapes and a child template."""
    fields = standins.dense_fields(source, seed)
    parameters = standins.random_parameters(seed + 1, people=2)
    rng = np.random.default_rng(seed + 2)
    count = len(fields["v_template"])
    ids = np.sort(rng.choice(count, SAMPLED_VERTICES, replace=False))
    weights = rng.normal(size=(2, SAMPLED_VERTICES, 3)).astype(np.float32)
    all_weights = np.zeros((2, count, 3), np.float32)
    all_weights[:, ids] = weights
    with tempfile.TemporaryDirectory() as folder:
        path, kid = Path(folder) / "body.npz", Path(folder) / "kid.npy"
        np.savez(path, **fields)
        np.save(kid, standins.kid_template(fields, seed + 3))
        model = reference_model(path, kid=kid)
        vertices, joints, gradients = reference_run(model, parameters, all_weights, kid=True)
    out = {
        "seed": np.array(seed),
        "source_sum": standins.fingerprint(fields),
        "vertex_ids": ids,
        "vertex_weights": weights,
        "vertices": vertices[:, ids],
        "joints": joints,
    }
    out.update({f"in_{k}": v for k, v in parameters.items()})
    out.update({f"grad_{k}": v for k, v in gradients.items()})
    return out


def main() -> None:
    """Writes the file."""
    content: dict[str, np.ndarray] = {}
    for number, (name, source) in enumerate(BODIES.items()):
        content.update({f"{name}/{k}": v for k, v in goldens_of(source, seed=100 * (number + 1)).items()})
    versions = {name: importlib.metadata.version(name) for name in ("smplx", "torch", "numpy")}
    content["versions"] = np.array(", ".join(f"{name} {version}" for name, version in versions.items()))
    np.savez_compressed(OUT, **content)
    print(f"{OUT}: {OUT.stat().st_size / 1000:.0f} kB, {content['versions']}")


if __name__ == "__main__":
    main()
