"""Live comparison with the PyTorch `smplx` package (`make parity`); docs/body.md states the bounds."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `smplx`", exc_type=ImportError)
pytest.importorskip("smplx", reason="needs the extra `smplx`", exc_type=ImportError)
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "body"))

import scipy.sparse
import standins
from smplx_reference import reference_model, reference_run

from prosepose_jax.body import BodyModel, BodyParams, PosedBody, hands_from_pca, load_body, pose_body

pytestmark = pytest.mark.parity
VERTEX_BOUND_M = 1e-5
GRADIENT_BOUND = 1e-4
BODIES = {"embedded": standins.EMBEDDED, "small": standins.SMALL}


@pytest.fixture(scope="module", params=list(BODIES))
def files(request, tmp_path_factory) -> tuple[Path, Path]:
    """A body file with dense random pose blend shapes and mean hands, and a child template beside it."""
    folder = tmp_path_factory.mktemp(request.param)
    fields = standins.dense_fields(BODIES[request.param], seed=1)
    np.savez(folder / "dense.npz", **fields)
    np.save(folder / "child.npy", standins.kid_template(fields, seed=2))
    return folder / "dense.npz", folder / "child.npy"


@jax.jit
def _ours(body: BodyModel, params: BodyParams, vertex_weights: jax.Array) -> tuple[PosedBody, BodyParams]:
    def weighted(p: BodyParams) -> tuple[jax.Array, PosedBody]:
        posed = pose_body(body, p)
        return jnp.sum(posed.vertices * vertex_weights), posed

    gradients, posed = jax.grad(weighted, has_aux=True)(params)
    return posed, gradients


def _compare(body: BodyModel, model, seed: int, *, kid: bool = False, pca: int | None = None) -> None:
    parameters = standins.random_parameters(seed, people=2)
    if not kid:
        parameters["kid_scale"] = np.zeros(2, np.float32)
    theirs = dict(parameters)
    if pca is not None:
        rng = np.random.default_rng(seed)
        coefficients = rng.normal(0, 0.7, (2, 2, pca)).astype(np.float32)
        theirs["left_hand_pose"], theirs["right_hand_pose"] = coefficients
        hands = hands_from_pca(body, jnp.asarray(coefficients[0]), jnp.asarray(coefficients[1]))
        parameters["left_hand_pose"], parameters["right_hand_pose"] = map(np.asarray, hands)
    rng = np.random.default_rng(seed + 100)
    vertex_weights = rng.normal(size=(2, body.num_vertices, 3)).astype(np.float32)
    vertices, joints, expected = reference_run(model, theirs, vertex_weights, kid=kid)
    params = BodyParams(**{k: jnp.asarray(v) for k, v in parameters.items()})
    posed, gradients = _ours(body, params, jnp.asarray(vertex_weights))
    assert np.abs(np.asarray(posed.vertices) - vertices).max() < VERTEX_BOUND_M
    assert np.abs(np.asarray(posed.joints) - joints).max() < VERTEX_BOUND_M
    names = ["global_orient", "body_pose", "betas", "transl"]
    if body.num_joints == 55:
        names += ["expression", "jaw_pose", "leye_pose", "reye_pose"]
    if body.num_joints >= 52 and pca is None:
        names += ["left_hand_pose", "right_hand_pose"]
    names += ["kid_scale"] if kid else []
    for name in names:
        found = np.asarray(getattr(gradients, name))
        error = np.abs(found - expected[name]).max() / np.abs(expected[name]).max()
        assert error < GRADIENT_BOUND, f"{name}: relative gradient error {error:.2e}"


@pytest.mark.parametrize("flat", [False, True], ids=["mean hands", "flat hands"])
def test_smplx(files, flat: bool) -> None:
    body = load_body(files[0], flat_hands=flat)
    model = reference_model(files[0], flat_hands=flat)
    for seed in (10, 11, 12):
        _compare(body, model, seed)
    model = reference_model(files[0], flat_hands=flat, pca=12)
    _compare(body, model, 13, pca=12)


def test_smplx_child(files) -> None:
    body = load_body(files[0], kid_template=files[1])
    model = reference_model(files[0], kid=files[1])
    for seed in (20, 21):
        _compare(body, model, seed, kid=True)


@pytest.mark.parametrize("joints", [52, 24], ids=["SMPL-H", "SMPL"])
def test_smaller_formats(files, joints: int, tmp_path: Path) -> None:
    from prosepose_jax.body._files import read_fields

    fields = standins.fewer_joints({**read_fields(files[0])}, joints, num_betas=16 if joints == 52 else 10)
    content: dict = {**fields, "J_regressor": scipy.sparse.csc_matrix(fields["J_regressor"])}
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(content, protocol=2))
    body = load_body(path)
    assert body.num_joints == joints
    assert body.num_betas == (16 if joints == 52 else 10)
    _compare(body, reference_model(path, joints=joints), seed=30)
