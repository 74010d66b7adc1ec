"""Posing against values computed with the PyTorch `smplx` package (see make_goldens.py)."""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import standins

from prosepose_jax.body import BodyModel, BodyParams, PosedBody, load_body, pose_body

GOLDENS = Path(__file__).resolve().parents[1] / "data" / "goldens_smplx.npz"
SOURCES = {"embedded": standins.EMBEDDED, "small": standins.SMALL}


@pytest.fixture(scope="module", params=["small", pytest.param("embedded", marks=pytest.mark.heavy)])
def golden(request, tmp_path_factory) -> tuple[BodyModel, dict[str, np.ndarray]]:
    """A body read from a file with dense pose blend shapes, and what smplx makes of it."""
    with np.load(GOLDENS, allow_pickle=False) as stored:
        prefix = request.param + "/"
        values = {k.removeprefix(prefix): stored[k] for k in stored.files if k.startswith(prefix)}
    seed = int(values["seed"])
    fields = standins.dense_fields(SOURCES[request.param], seed)
    np.testing.assert_allclose(
        standins.fingerprint(fields),
        values["source_sum"],
        rtol=1e-6,
        err_msg="the body changed since the goldens were made: run python tests/body/make_goldens.py",
    )
    folder = tmp_path_factory.mktemp(request.param)
    np.savez(folder / "dense.npz", **fields)
    np.save(folder / "kid.npy", standins.kid_template(fields, seed + 3))
    # Given, so that no time goes into deriving what these tests do not read.
    low = {"vertex_ids": np.arange(4), "faces": np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])}
    np.savez(folder / "dense_lowres.npz", **low)
    return load_body(folder / "dense.npz", kid_template=folder / "kid.npy"), values


def _params(values: dict[str, np.ndarray]) -> BodyParams:
    return BodyParams(**{k.removeprefix("in_"): jnp.asarray(v) for k, v in values.items() if k.startswith("in_")})


def test_vertices_joints_and_gradients_equal_smplx(golden) -> None:
    body, values = golden
    ids = jnp.asarray(values["vertex_ids"])

    def weighted(params: BodyParams) -> tuple[jax.Array, PosedBody]:
        posed = pose_body(body, params, ids)
        return jnp.sum(posed.vertices * values["vertex_weights"]), posed

    gradients, posed = jax.jit(jax.grad(weighted, has_aux=True))(_params(values))
    np.testing.assert_allclose(posed.vertices, values["vertices"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(posed.joints, values["joints"], rtol=0, atol=1e-5)
    checked = 0
    for name in (k for k in values if k.startswith("grad_")):
        found, expected = np.asarray(getattr(gradients, name.removeprefix("grad_"))), values[name]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max(), err_msg=name)
        checked += 1
    assert checked == 11  # every parameter smplx knows


def test_all_vertices_hold_the_sampled_ones(golden) -> None:
    body, values = golden
    posed = jax.jit(pose_body)(body, _params(values))
    assert posed.vertices.shape == (2, body.num_vertices, 3)
    np.testing.assert_allclose(posed.vertices[:, values["vertex_ids"]], values["vertices"], rtol=0, atol=1e-5)
