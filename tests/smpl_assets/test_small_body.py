"""The derived small body of the tests: another topology, closed, with everything a body file can hold."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from prosepose_jax.body import BodyModel
from prosepose_jax.resources import smpl_assets_dir

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "smpl_assets"))

from builder import decimate, surface


@pytest.fixture(scope="module")
def fields(small_body_file: Path) -> dict[str, np.ndarray]:
    with np.load(small_body_file, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def test_file_is_small_and_complete(small_body_file: Path, fields: dict[str, np.ndarray]) -> None:
    assert small_body_file.stat().st_size < 600_000
    v = len(fields["v_template"])
    assert 700 <= v <= 1200
    assert fields["posedirs"].shape == (v, 3, 486)
    assert 0.0005 < np.abs(fields["posedirs"]).max() < 0.02, "small pose blend shapes, but some"
    assert np.abs(fields["hands_meanl"]).max() > 0.1, "curled mean hands"
    assert (fields["weights"].astype(np.float64).sum(1) == 1.0).all()
    np.testing.assert_allclose(fields["J_regressor"].sum(1), 1.0, atol=1e-4)


def test_surface_is_closed_and_looks_outwards(fields: dict[str, np.ndarray]) -> None:
    assert surface.is_closed(fields["f"].astype(np.int64))
    assert 0.04 < surface.volume(fields["v_template"], fields["f"]) < 0.12


def test_joints_stay_on_the_shape_space(fields: dict[str, np.ndarray]) -> None:
    """The embedded body's joints, shape by shape, although the regressors share no vertex ids."""
    with np.load(smpl_assets_dir() / "body.npz") as file:
        regressor, dirs = file["J_regressor"].astype(np.float64), file["shapedirs"].astype(np.float64)
    here = np.einsum("jv,vdk->jdk", fields["J_regressor"].astype(np.float64), fields["shapedirs"].astype(np.float64))
    there = np.einsum("jv,vdk->jdk", regressor, dirs)
    np.testing.assert_allclose(here[..., :10], there[..., :10], atol=1e-3)


def test_loads_with_all_regions(small_body: BodyModel) -> None:
    counts = np.asarray(small_body.regions.mask).sum(1)
    assert counts.shape == (75,) and counts.min() >= 1
    assert small_body.pose_dirs is not None
    assert small_body.lowres.vertex_ids.shape[0] < small_body.num_vertices


def bumpy_ball(rings: int = 30, around: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """An uneven ball: rings of vertices between two poles."""
    polar, azimuth = np.meshgrid(
        np.pi * np.arange(1, rings) / rings, 2 * np.pi * np.arange(around) / around, indexing="ij"
    )
    grid = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], -1)
    points = np.concatenate([grid.reshape(-1, 3), [[0, 0, 1], [0, 0, -1]]])
    north, south = len(points) - 2, len(points) - 1
    faces = []
    for j in range(around):
        k = (j + 1) % around
        faces += [(north, j, k), (south, (rings - 2) * around + k, (rings - 2) * around + j)]
        for i in range(rings - 2):
            a, b, c, d = i * around + j, i * around + k, (i + 1) * around + j, (i + 1) * around + k
            faces += [(a, c, b), (b, c, d)]
    return points * (1 + 0.1 * np.sin(3 * points[:, :1])), np.array(faces)


@pytest.mark.heavy
def test_collapse_keeps_a_closed_surface_on_its_own_vertices() -> None:
    """A bumpy ball, decimated: fewer vertices of its own, still closed, nearly the same volume."""
    vertices, faces = bumpy_ball()
    coarse = decimate.collapse(vertices, faces, 200)
    assert len(np.unique(coarse)) == 200
    assert surface.is_closed(coarse)
    assert abs(surface.volume(vertices, coarse) / surface.volume(vertices, faces) - 1) < 0.05
    kept = np.arange(0, 400, 10)
    assert np.isin(kept, decimate.collapse(vertices, faces, 200, keep=kept)).all()
