"""The generator: same seed same scene, contacts closed, labels measured, on a body of another topology too."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from prosepose_jax.body import BodyParams
from prosepose_jax.synthetic.figure import Figure
from prosepose_jax.synthetic.generate import SceneMaker, generate_scenes
from prosepose_jax.synthetic.joint_limits import limit_excesses
from prosepose_jax.synthetic.measure import close_pairs
from prosepose_jax.synthetic.refine import Touch, farthest_points, start_params, surface_geodesics
from prosepose_jax.synthetic.spots import SPOTS, mirrored, spot_vertices
from prosepose_jax.synthetic.templates import AZIMUTHS, SELF_CONTACT, TWO_PERSON


@pytest.fixture(scope="module")
def maker(small_body):
    return SceneMaker(small_body, samples=600, steps=160)  # coarse and short: the machinery, not the looks


@pytest.fixture(scope="module")
def refined(maker):
    candidates = [maker.author("handshake", (0, 0)), maker.author("hug", (0, 0))]
    return candidates, maker.refine(candidates)


def _gap(maker, candidate, start, touch) -> float:
    vertices = np.asarray(maker._pose(start_params(start)).vertices)
    a = vertices[touch.person_a][maker.wardrobe.spots[touch.spot_a]]
    b = vertices[touch.person_b][maker.wardrobe.spots[touch.spot_b]]
    return float(np.linalg.norm(a[:, None] - b[None], axis=-1).min())


@pytest.mark.heavy
def test_refining_closes_the_gaps_and_keeps_people_apart(maker, refined):
    candidates, starts = refined
    for candidate, start in zip(candidates, starts, strict=True):
        checks = maker.check(candidate, start)
        assert max(checks.gaps) < 0.006, candidate.key  # 1,000 vertices are coarse
        assert checks.penetration < 0.02, candidate.key
        assert checks.floor < 0.02, candidate.key
        assert np.abs(start.body_pose - candidate.start.body_pose).max() < 0.6, candidate.key


@pytest.mark.heavy
def test_refining_pushes_overlapping_people_apart(maker, refined):
    """A hug authored 6 cm too near: the overlap goes, though the chests still touch."""
    candidate = refined[0][1]
    nearer = np.array(candidate.start.transl)
    nearer[1, 2] -= 0.06
    close = dataclasses.replace(candidate, start=candidate.start.replace(transl=nearer))
    before = maker.check(close, close.start)
    after = maker.check(close, maker.refine([close], padded=2)[0])
    assert before.penetration > 0.04
    assert after.penetration < 0.4 * before.penetration


def test_authoring_depends_on_seed_and_template_alone(maker):
    first, again, other = (maker.author("tree", (3, k)) for k in (1, 1, 2))
    jax.tree.map(np.testing.assert_array_equal, first.start, again.start)
    assert np.abs(first.start.body_pose - other.start.body_pose).max() > 0.01
    assert np.abs(first.start.betas - other.start.betas).max() > 0.1


@pytest.mark.heavy
def test_finished_scenes_are_the_same_for_the_same_seed(maker, refined):
    candidate, start = refined[0][0], refined[1][0]
    checks = maker.check(candidate, start)
    first, again = (maker.observed(maker.finish(candidate, start, checks, "a"), "middle", 5) for _ in range(2))
    np.testing.assert_array_equal(first.scene.body_pose, again.scene.body_pose)
    np.testing.assert_array_equal(first.scene.keypoints, again.scene.keypoints)
    assert [a.text for a in first.answers] == [a.text for a in again.answers]
    assert ("right hand", "right hand") in first.contacts.parts
    # The truth of the scene is the refined pair of people, seen by the camera.
    camera = first.view.to_camera(np.asarray(maker._pose(start_params(start)).vertices))
    np.testing.assert_allclose(first.vertices, camera, atol=2e-4)
    scene = first.scene
    params = BodyParams.zeros(2, scene.gt_betas.shape[1]).replace(
        global_orient=scene.gt_global_orient, body_pose=scene.gt_body_pose, betas=scene.gt_betas,
        transl=scene.gt_transl, left_hand_pose=scene.left_hand_pose, right_hand_pose=scene.right_hand_pose,
    )  # fmt: skip
    np.testing.assert_allclose(np.asarray(maker._pose(params).vertices), first.vertices, atol=1e-5)


def test_self_contact_labels_leave_neighbours_out(maker, small_body):
    """In the T-pose nothing touches; a hand laid on the other arm does."""
    rest = np.asarray(small_body.v_template)[None]
    assert len(maker.yardstick.contacts(rest).region_pairs) == 0
    moved = rest.copy()
    hand, arm = spot_vertices(small_body, "left palm"), spot_vertices(small_body, "right forearm front")
    moved[0, hand] += rest[0, arm].mean(axis=0) - rest[0, hand].mean(axis=0)
    contacts = maker.yardstick.contacts(moved)
    assert ("left hand", "right arm") in contacts.parts
    assert all(a != b for a, b in contacts.region_pairs)


def test_self_penetration_is_found(maker, small_body):
    rest = np.asarray(small_body.v_template, np.float64)
    assert maker.yardstick.self_penetration(rest) < 0.005
    figure = Figure(maker.wardrobe.shape(np.zeros(10))).place()
    figure.arm("left", figure.heading(up=-1, forward=0.05), figure.heading(left=-1, forward=-0.1))  # through the belly
    _, pose, _ = figure.parameters()
    params = BodyParams.zeros(1).replace(body_pose=np.float32(pose[None]))
    assert maker.yardstick.self_penetration(np.asarray(maker._pose(params).vertices)[0]) > 0.02


def test_spots_exist_on_the_body_and_mirror(small_body):
    for name in SPOTS:
        assert len(spot_vertices(small_body, name)), name
        assert mirrored(name) in SPOTS and mirrored(mirrored(name)) == name
    assert set(AZIMUTHS) == set(TWO_PERSON) | set(SELF_CONTACT)


def test_every_template_names_known_spots(maker):
    for name in (*TWO_PERSON, *SELF_CONTACT):
        intent = maker.author(name, (0, 0)).intent
        people = 2 if name in TWO_PERSON else 1
        for touch in intent.touches:
            assert isinstance(touch, Touch) and touch.spot_a in SPOTS and touch.spot_b in SPOTS
            assert max(touch.person_a, touch.person_b) < people
        assert all(spot in SPOTS and p < people for p, spot in intent.grounded)


def test_close_pairs_equal_brute_force():
    points = np.random.default_rng(0).uniform(size=(300, 3))
    a, b = close_pairs(points, 0.1, chunk=64)
    far = np.linalg.norm(points[:, None] - points[None], axis=-1)
    i, j = np.nonzero(np.triu(far < 0.1, 1))
    assert set(zip(a.tolist(), b.tolist(), strict=True)) == set(zip(i.tolist(), j.tolist(), strict=True))


def test_surface_geodesics_follow_a_bent_strip():
    angle = np.linspace(0, 1.9 * np.pi, 80)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], 1) * 0.3
    paths = surface_geodesics(ring, neighbours=4, reach=0.07)
    assert abs(paths[0, -1] - 0.3 * 1.9 * np.pi) < 0.02
    assert len(np.unique(farthest_points(ring, 20))) == 20


@pytest.mark.parametrize("wrong", [{"kind": "three"}, {"level": "none"}, {"templates": ["nothing"]}])
def test_unknown_choices_are_named(small_body, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        generate_scenes(small_body, **wrong)


def test_the_library_is_large_and_its_names_are_distinct():
    assert len(TWO_PERSON) >= 20 and len(SELF_CONTACT) >= 15
    assert not set(TWO_PERSON) & set(SELF_CONTACT)
    assert len({t.__name__ for t in (*TWO_PERSON.values(), *SELF_CONTACT.values())}) == len(AZIMUTHS)


@pytest.mark.parametrize("name", [*TWO_PERSON, *SELF_CONTACT])
def test_authored_people_are_near_what_is_possible(maker, name):
    """Before refining: joints near their ranges, feet and seats near the floor, touches within reach."""
    for k in range(2):
        candidate = maker.author(name, (11, k))
        assert np.degrees(limit_excesses(candidate.start.body_pose)).max() < 15, name
        vertices = np.asarray(maker._pose(start_params(candidate.start)).vertices)
        for person in {p for p, _ in candidate.intent.grounded}:
            assert abs(vertices[person, :, 1].min()) < 0.15, name
        for touch in candidate.intent.touches:
            if touch.required:
                assert _gap(maker, candidate, candidate.start, touch) < 0.5, (name, touch)


@pytest.mark.heavy
def test_self_penetration_looks_only_where_something_can_be(maker, refined, monkeypatch):
    """The preselection by samples changes nothing."""
    vertices = [np.asarray(maker._pose(start_params(start)).vertices)[0] for start in refined[1]]
    figure = Figure(maker.wardrobe.shape(np.zeros(10))).place()
    figure.arm("right", figure.heading(up=-1), figure.heading(left=1, forward=0.1))  # through the belly
    params = BodyParams.zeros(1).replace(body_pose=np.float32(figure.parameters()[1][None]))
    vertices.append(np.asarray(maker._pose(params).vertices)[0])
    quick = [maker.yardstick.self_penetration(v) for v in vertices]
    monkeypatch.setattr(maker.yardstick, "_sample_radius", 1e3)
    assert quick == [maker.yardstick.self_penetration(v) for v in vertices]
    assert quick[-1] > 0.02
