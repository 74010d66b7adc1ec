"""The numbers of the 3D views: positions, contacts, vertices inside another person."""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib

import numpy as np
import pytest
from fabricated_run import made_fit, made_scene

from prosepose_jax.report.view_data import MOST_FRAMES, ViewBody, inside_others, make_view


@pytest.fixture(scope="module")
def surface(small_body):
    return ViewBody.of(small_body)


def unpacked(packed, count):
    """As view3d.js reads it, written apart: frames (F, P, V, 3) in metres, marks (M, P, V)."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    shape = (packed["frames"], packed["people"], count, 3)
    total = int(np.prod(shape))
    steps = data[:total].astype(np.uint16) | (data[total : 2 * total].astype(np.uint16) << 8)
    steps = steps.reshape(shape)
    whole = np.concatenate([np.cumsum(steps[:1], axis=2, dtype=np.uint16), steps[1:]])
    whole = np.cumsum(whole, axis=0, dtype=np.uint16)
    rest = data[2 * total :].reshape(packed["marks"], -1)
    marks = np.unpackbits(rest, axis=1, bitorder="little")[:, : packed["people"] * count]
    return np.array(packed["low"]) + whole * packed["step"], marks.reshape(-1, packed["people"], count).astype(bool)


def test_positions_survive_within_a_tenth_of_a_millimetre(small_body, surface):
    fit = made_fit(small_body, "a")
    view = make_view(made_scene("a"), fit, surface)
    frames, marks = unpacked(view.packed, surface.num_vertices)
    np.testing.assert_allclose(frames, np.stack([fit.initial_vertices, fit.vertices]), atol=1e-4)
    np.testing.assert_array_equal(marks[1], inside_others(np.asarray(fit.vertices), surface))
    json.dumps(view.packed, allow_nan=False)


def test_people_far_apart_are_stored_more_coarsely_but_whole(small_body, surface):
    fit = made_fit(small_body, "a", apart_m=20.0)
    frames, _ = unpacked(make_view(made_scene("a"), fit, surface).packed, surface.num_vertices)
    np.testing.assert_allclose(frames[1], fit.vertices, atol=41.0 / 65_535)


def test_a_path_is_thinned_and_keeps_its_ends(small_body, surface):
    fit = made_fit(small_body, "a")
    shares = np.linspace(0.0, 1.0, 40)[:, None, None, None]
    path = fit.initial_vertices + shares * (fit.vertices - fit.initial_vertices)
    frames, marks = unpacked(make_view(made_scene("a"), fit, surface, path).packed, surface.num_vertices)
    assert len(frames) == MOST_FRAMES and len(marks) == 2
    np.testing.assert_allclose(frames[[0, -1]], np.stack([fit.initial_vertices, fit.vertices]), atol=1e-4)
    middle = frames[:, 1, :, 0].mean(axis=1)
    assert (np.diff(middle) <= 1e-4).all() and middle[0] - middle[5] > 0.1


def test_contacts_lie_where_the_named_parts_are_nearest(small_body, surface):
    fit = made_fit(small_body, "a", constraints=(("hand", "back", 13), ("head", "left foot", 2), ("sofa", "lamp", 1)))
    lines = make_view(made_scene("a"), fit, surface).contacts
    assert [line.place for line in lines] == [0, 1]  # words that name no part have no line
    for line, (first, second, _) in zip(lines, fit.constraints, strict=False):
        found = [
            np.linalg.norm(fit.vertices[0][a][:, None] - fit.vertices[1][b][None], axis=-1).min()
            for a, b in (
                (surface.vertices_of(first), surface.vertices_of(second)),
                (surface.vertices_of(second), surface.vertices_of(first)),
            )
        ]
        assert line.after_m == pytest.approx(min(found), abs=1e-6)
        i, j = line.vertices
        assert np.linalg.norm(fit.vertices[0][i] - fit.vertices[1][j]) == pytest.approx(line.after_m, abs=1e-6)
        for person in (0, 1):
            lit = np.concatenate([surface.members[region] for region in line.regions[person]])
            assert line.vertices[person] in lit
        before = fit.initial_vertices[:, :, None]
        both = [np.concatenate([surface.members[region] for region in ids]) for ids in line.regions]
        apart = np.linalg.norm(before[0][both[0]] - before[1][both[1]].transpose(1, 0, 2), axis=-1)
        assert line.before_m == pytest.approx(apart.min(), abs=1e-6)
    # Of "hand" only the side that is nearest is lit.
    hand = next(ids for ids in lines[0].regions if len(ids) < 12)
    assert len(np.concatenate([surface.members[r] for r in hand])) < len(surface.vertices_of("hand"))


def test_one_person_touches_what_is_apart_at_rest(small_body, surface):
    fit = made_fit(small_body, "a", num_people=1, constraints=(("left hand", "left forearm", 3), ("hand", "head", 3)))
    lines = make_view(made_scene("a", 1), fit, surface).contacts
    assert all(line.people == (0, 0) for line in lines)
    assert all(line.after_m > 0.05 for line in lines)


def test_inside_is_counted_on_both(small_body, surface):
    apart = make_view(made_scene("a"), made_fit(small_body, "a", apart_m=2.5), surface)
    assert apart.inside == (0, 0)
    into = make_view(made_scene("a"), made_fit(small_body, "a", apart_m=0.05), surface)
    assert into.inside[1] > into.inside[0] > 0


def test_what_cannot_be_shown_has_no_view(small_body, surface):
    fit, scene = made_fit(small_body, "a"), made_scene("a")
    assert make_view(scene, dataclasses.replace(fit, vertices=fit.vertices[:, :50]), surface) is None
    assert make_view(scene, dataclasses.replace(fit, vertices=fit.vertices * np.nan), surface) is None
    without = make_view(scene, dataclasses.replace(fit, initial_vertices=None), surface)
    assert without.packed["frames"] == 1 and all(line.before_m is None for line in without.contacts)
