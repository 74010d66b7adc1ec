"""Where two meshes meet: vertices inside and shared volumes against rays and solid angles, on pairs of every kind."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from closed_box import box
from test_penetration_metrics import every_triangle, winding

from prosepose_jax.metrics import crossing_numbers, penetration_and_volume, rays, shared_volume, surface_depths
from prosepose_jax.metrics.crossings import Crossings, Mesh, crossings_of, facing, windings
from prosepose_jax.metrics.kernels import kernels
from prosepose_jax.metrics.patches import Patches
from prosepose_jax.metrics.penetration import penetration_in

crossings_module = importlib.import_module("prosepose_jax.metrics.crossings")
penetration_module = importlib.import_module("prosepose_jax.metrics.penetration")


def bent(seed: int, stretch: float = 1.0, cuts: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Two bent bodies that meet, their triangles as obtuse as they are stretched."""
    rng = np.random.default_rng(seed)
    vertices, faces = box(size=1.0, cuts=cuts)
    turned = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turned *= np.linalg.det(turned)  # no reflection
    people = []
    for _ in range(2):
        waves = rng.normal(size=(3, 3)) * 2.5
        body = (vertices - 0.5) * [0.4, 0.4, stretch] + 0.1 * np.sin(vertices @ waves)
        people.append(body @ (turned if len(people) else np.eye(3)) + rng.normal(size=3) * 0.1)
    return np.stack(people), faces


def outward(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6.0)


def found_windings(mesh: Mesh, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    first, second = mesh.placed(a), mesh.placed(b)
    numbers = windings(first, crossings_of(first, second, facing(first, second)), second)
    assert numbers is not None
    found, whole = numbers
    return found if whole is None else found + crossing_numbers(a[[whole]], b, mesh.faces)


@pytest.mark.parametrize("seed", range(6))
def test_windings_of_vertices_equal_solid_angles(seed: int) -> None:
    people, faces = bent(seed, stretch=1.0 + 0.5 * seed)
    assert outward(people[0], faces) > 0 and outward(people[1], faces) > 0
    mesh, inside = Mesh(people[0], faces), 0
    for a, b in (people, people[::-1]):
        exact = winding(a, b, faces).round()
        np.testing.assert_array_equal(found_windings(mesh, a, b), exact)
        inside += int(exact.any())
    assert inside


def test_parts_that_hang_together_nowhere_are_told_as_well() -> None:
    vertices, faces = box(cuts=2)
    count = len(vertices)
    # A body, an eye beside it, and a vertex of no face; the other body holds the eye whole, but not the vertex.
    both = np.concatenate([vertices, 0.1 * vertices + [1.2, 0.4, 0.4], [[1.1, 3.0, 0.0]]])
    parts = np.concatenate([faces, faces + count])
    mesh = Mesh(both, parts, every=True)
    other = both + np.array([1.05, 0.01, 0.02])
    found, exact = found_windings(mesh, both, other), winding(both, other, parts).round()
    np.testing.assert_array_equal(found, exact)
    assert exact[count : 2 * count].all() and not exact[:count].any() and exact[-1] == 0


def _moved(vertices: np.ndarray, scale: float | list[float], shift: list[float]) -> np.ndarray:
    return (vertices - 0.5) * scale + 0.5 + np.array(shift)


# (how the second cube is scaled about its middle and shifted; vertices inside; shared volume)
PAIRS = {
    "far apart": (1.0, [5.0, 0.0, 0.0], 0, 0.0),
    "boxes overlap in two axes": (1.0, [0.4, 0.3, 1.5], 0, 0.0),
    "touching at a face": (1.0, [1.0, 0.0, 0.0], 0, 0.0),
    "touching at an edge": (1.0, [1.0, 1.0, 0.0], 0, 0.0),
    "touching at a corner": (1.0, [1.0, 1.0, 1.0], 0, 0.0),
    "the same place": (1.0, [0.0, 0.0, 0.0], 0, 1.0),
    "flat faces slide on each other": (1.0, [0.25, 0.0, 0.0], None, 0.75),
    "one inside the other": (0.5, [0.0, 0.0, 0.0], 152, 0.125),
    "one around the other": (2.0, [0.01, 0.02, 0.03], 152, 1.0),
    "crossed bars": ([0.2, 3.0, 0.4], [0.03, 0.0, 0.01], None, 0.2 * 0.4),
    "a corner in a corner": (1.0, [0.9, 0.91, 0.93], None, 0.1 * 0.09 * 0.07),
    "hair's breadth": (1.0, [1.0 - 1e-6, 0.01, 0.02], None, 1e-6 * 0.99 * 0.98),
}


@pytest.mark.parametrize("name", PAIRS)
def test_contrived_pairs(name: str) -> None:
    scale, shift, inside, volume = PAIRS[name]
    vertices, faces = box(cuts=5)
    people = np.stack([vertices, _moved(vertices, scale, shift)])
    for pair in (people, people[::-1]):
        depth, litres = penetration_and_volume(pair, faces)
        assert litres == pytest.approx(1000.0 * volume, rel=1e-6, abs=1e-5)
        assert inside is None or depth.inside == inside


def test_faces_without_area_change_nothing() -> None:
    people, faces = bent(1)
    # An edge is cut in two by a vertex on its middle, and once more by a needle of two equal corners.
    a, b = faces[0, 0], faces[0, 1]
    middle = 0.5 * (people[:, [a]] + people[:, [b]])
    more, new = np.concatenate([people, middle], axis=1), people.shape[1]
    flat = np.concatenate([faces, [[b, a, new], [a, b, new]], [[a, a, b], [b, a, a]]])
    plain, degenerate = penetration_and_volume(people, faces), penetration_and_volume(more, flat)
    assert degenerate[1] == pytest.approx(plain[1], rel=1e-6)
    assert degenerate[0].max_mm == pytest.approx(plain[0].max_mm)


@pytest.mark.parametrize("seed", range(6))
def test_volumes_equal_rays(seed: int) -> None:
    people, faces = bent(10 + seed, cuts=8)
    _, litres = penetration_and_volume(people, faces)
    assert litres == pytest.approx(1000.0 * shared_volume(people[0], people[1], faces), rel=5e-3, abs=1e-3)
    assert penetration_and_volume(people[::-1], faces)[1] == pytest.approx(litres, rel=1e-4, abs=1e-6)


def test_what_overlaps_itself_is_shared_once() -> None:
    vertices, faces = box(cuts=4)
    # Two arms of one body lie in each other; the other body reaches into both.
    body = np.concatenate([vertices, vertices + np.array([0.5, 0.13, 0.09])])
    other = np.concatenate([_moved(vertices, [0.9, 0.3, 0.3], [0.3, 0.05, 0.02]), vertices + np.array([9.0, 0.0, 0.0])])
    parts = np.concatenate([faces, faces + len(vertices)])
    _, litres = penetration_and_volume(np.stack([body, other]), parts)
    # Along x from 0.35 to 1.25 of 0 … 1.5, across in both: 0.3 · 0.3.
    assert litres == pytest.approx(1000.0 * 0.9 * 0.3 * 0.3, rel=2e-3)


def test_a_coarse_hull_tells_who_is_inside() -> None:
    people, faces = bent(3)
    fine, hull = np.concatenate([people, people + 0.0], axis=1), faces + people.shape[1]
    # The hull stands on vertices of its own, the skin on others: two meshes, the same figures.
    apart = penetration_in(Patches(fine[0], faces, hull), fine)
    one = penetration_in(Patches(people[0], faces), people)
    assert apart[0].max_mm == pytest.approx(one[0].max_mm) and apart[1] == pytest.approx(one[1], rel=1e-6)
    # The hull's own vertices are asked about too.
    assert apart[0].inside == 2 * one[0].inside


@pytest.mark.parametrize("compiled", [False, True])
def test_contradictions_are_left_to_rays(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    if compiled:
        pytest.importorskip("numba", reason="the extra `fast` is not installed")
    people, faces = bent(2, cuts=8)
    patches = Patches(people[0], faces, None, kernels(compiled))
    plain = penetration_in(patches, people)
    assert plain[0].inside > 10
    name = "crossings" if compiled else "crossings_of"
    whole = getattr(crossings_module, name)
    asked = []

    def one_lost(*given: Any) -> Crossings:
        return Crossings(*(part[1:] for part in whole(*given)))

    def turned(*given: Any) -> Crossings:
        found = whole(*given)
        return found._replace(jump=np.where(np.arange(len(found.jump)) % 5 == 0, -found.jump, found.jump))

    def volume_near(*given: Any) -> float:
        asked.append(given)
        return rays.volume_near(*given)

    monkeypatch.setattr(penetration_module, "volume_near", volume_near)
    for damaged in (one_lost, turned):
        monkeypatch.setattr(crossings_module, name, damaged)
        by_rays = penetration_in(patches, people)
        assert by_rays[0] == pytest.approx(plain[0])
        assert by_rays[1] == pytest.approx(plain[1], rel=5e-3)
    assert len(asked) == 2


@pytest.mark.parametrize("stretch", [1.0, 6.0, 30.0])
def test_depths_among_obtuse_triangles_are_exact(stretch: float) -> None:
    rng = np.random.default_rng(int(stretch))
    people, faces = bent(7, stretch, cuts=4)
    points = people[0][rng.integers(len(people[0]), size=60)] + rng.normal(size=(60, 3)) * 0.2
    np.testing.assert_allclose(
        surface_depths(points, people[1], faces), every_triangle(points, people[1], faces), atol=1e-9
    )
    # Open surfaces too.
    kept = faces[rng.random(len(faces)) < 0.5]
    np.testing.assert_allclose(
        surface_depths(points, people[1], kept), every_triangle(points, people[1], kept), atol=1e-9
    )


def test_what_overlaps_itself_is_found_behind_faces_without_a_corner_inside() -> None:
    vertices, faces = box(cuts=1)
    # A bar of two in each other runs through a plate: no corner of either lies in the other.
    bar = _moved(vertices, [0.3, 0.4, 3.0], [0.01, 0.02, 0.0])
    one = np.concatenate([bar, bar + 0.05, vertices + 9.0])
    plate = np.concatenate([_moved(vertices, [2.0, 2.0, 0.2], [0.0, 0.0, 0.0]), vertices + 20.0, vertices - 20.0])
    parts = np.concatenate([faces + k * len(vertices) for k in range(3)])
    for people in (np.stack([one, plate]), np.stack([plate, one])):
        depth, litres = penetration_and_volume(people, parts)
        assert depth.inside == 0
        assert litres == pytest.approx(1000.0 * (2 * 0.3 * 0.4 - 0.25 * 0.35) * 0.2, rel=5e-3)
