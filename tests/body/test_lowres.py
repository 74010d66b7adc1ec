"""The derived closed surface: closed, on the mesh's own vertices, near the surface it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.body._cache import cache_dir
from prosepose_jax.body.lowres import close_surface, derive_lowres, lowres_mesh
from prosepose_jax.body.model import BodyModel
from prosepose_jax.errors import InputError


def _sphere(rings: int = 20, sectors: int = 30, radius: float = 1.0, centre: float = 0.0):
    """A closed triangulated sphere, faces turned outwards."""
    polar = np.linspace(0, np.pi, rings + 1)[1:-1]
    around = np.linspace(0, 2 * np.pi, sectors, endpoint=False)
    ring = np.stack([np.cos(around), np.sin(around), np.zeros(sectors)], 1)
    points = [ring * [np.sin(t), np.sin(t), 0] + [0, 0, np.cos(t)] for t in polar]
    vertices = np.concatenate([*points, [[0, 0, 1], [0, 0, -1]]]) * radius + [centre, 0, 0]
    north, south = len(vertices) - 2, len(vertices) - 1
    faces = []
    for s in range(sectors):
        n = (s + 1) % sectors
        faces.append([north, s, n])
        last = (rings - 2) * sectors
        faces.append([south, last + n, last + s])
        for r in range(rings - 2):
            a, b, c, d = r * sectors + s, r * sectors + n, (r + 1) * sectors + s, (r + 1) * sectors + n
            faces += [[a, c, b], [b, c, d]]
    return vertices, np.array(faces)


def _volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.sum(a * np.cross(b, c)) / 6)


def _is_closed_manifold(faces: np.ndarray) -> bool:
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()
    there = {tuple(e) for e in edges}
    return len(there) == len(edges) and all((b, a) in there for a, b in there)


def test_sphere_keeps_its_volume_and_vertices() -> None:
    vertices, faces = _sphere()
    ids, low = derive_lowres(vertices, faces, target=120)
    assert len(ids) == 120 and np.all(np.diff(ids) > 0)
    assert _is_closed_manifold(low)
    assert set(low.ravel()) == set(range(120))
    assert 0.9 * _volume(vertices, faces) < _volume(vertices[ids], low) <= _volume(vertices, faces) + 1e-9


def test_small_meshes_are_only_closed() -> None:
    vertices, faces = _sphere(6, 8)
    ids, low = derive_lowres(vertices, faces)
    assert len(ids) == len(vertices)
    np.testing.assert_array_equal(np.sort(ids[low].ravel()), np.sort(faces.ravel()))


def test_holes_are_capped_and_small_parts_dropped() -> None:
    vertices, faces = _sphere()
    holed = faces[~np.any(np.isin(faces, [7, 210, 211, 240]), axis=1)]
    eye, eye_faces = _sphere(6, 8, radius=0.1)
    everything = np.concatenate([vertices, eye])
    closed = close_surface(everything, np.concatenate([holed, eye_faces + len(vertices)]))
    assert _is_closed_manifold(closed)
    assert closed.max() < len(vertices)
    assert _volume(vertices, closed) == pytest.approx(_volume(vertices, faces), rel=0.02)


def test_two_large_parts_stay() -> None:
    first, faces = _sphere()
    second, more = _sphere(centre=3.0)
    vertices, faces = np.concatenate([first, second]), np.concatenate([faces, more + len(first)])
    ids, low = derive_lowres(vertices, faces, target=200)
    assert _is_closed_manifold(low)
    assert np.any(ids < len(first)) and np.any(ids >= len(first))


def test_inward_faces_are_turned_and_stray_faces_dropped() -> None:
    vertices, faces = _sphere()
    stray = np.concatenate([faces[:, ::-1], faces[:1, ::-1], [[4, 4, 9]]])
    closed = close_surface(vertices, stray)
    assert _is_closed_manifold(closed) and _volume(vertices, closed) > 0


def test_open_and_flat_meshes_are_refused() -> None:
    flat = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    with pytest.raises(InputError, match="enclose no volume"):
        derive_lowres(flat, np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="enclose no volume"):
        derive_lowres(flat, np.zeros((0, 3), int))


@pytest.mark.heavy
def test_body(body: BodyModel) -> None:
    """The embedded body's own mesh, simplified here, agrees with itself about volume and extent."""
    vertices, faces = np.asarray(body.v_template, np.float64), np.asarray(body.faces)
    closed = close_surface(vertices, faces)
    ids, low = derive_lowres(vertices, faces)
    assert _is_closed_manifold(low) and 950 < len(ids) < 1100
    assert _volume(vertices[ids], low) == pytest.approx(_volume(vertices, closed), rel=0.05)
    for extreme in (np.min, np.max):
        np.testing.assert_allclose(extreme(vertices[ids], axis=0), extreme(vertices, axis=0), atol=0.02)


def test_result_is_cached_by_content_and_survives_a_damaged_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    vertices, faces = _sphere()
    _ids, low = lowres_mesh(vertices, faces, target=120)
    (stored,) = cache_dir().glob("lowres-*.npz")
    marked = {"vertex_ids": np.array([1]), "faces": np.array([[0, 0, 0]])}
    np.savez(stored, **marked)
    np.testing.assert_array_equal(lowres_mesh(vertices, faces, target=120)[0], [1])  # read, not computed
    lowres_mesh(vertices * 1.1, faces, target=120)
    assert len(list(cache_dir().glob("lowres-*.npz"))) == 2
    stored.write_bytes(b"PK broken")
    np.testing.assert_array_equal(lowres_mesh(vertices, faces, target=120)[1], low)
    assert not list(cache_dir().glob("*.tmp"))


def test_unwritable_cache_only_costs_time(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    vertices, faces = _sphere(6, 8)
    assert len(lowres_mesh(vertices, faces)[0]) == len(vertices)
