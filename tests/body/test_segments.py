"""A body's segments: closed, in their places, foreign only to what lies far along the surface."""

from __future__ import annotations

import dataclasses

import numpy as np

from prosepose_jax.body import BodyModel
from prosepose_jax.body.segments import SEGMENT_JOINTS, Segments, make_segments


def _segments(body: BodyModel, **settings: float) -> Segments:
    arrays = (np.asarray(x) for x in (body.v_template, body.faces, body.skin_weights))
    return make_segments(*arrays, body.parents, **settings)


def test_every_segment_is_closed_and_has_a_body_of_its_own(small_body: BodyModel) -> None:
    segments = _segments(small_body)
    assert segments.names == tuple(SEGMENT_JOINTS)
    template = np.asarray(small_body.v_template, np.float64)
    for faces in segments.faces:
        directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        assert {tuple(e) for e in directed} == {tuple(e[::-1]) for e in directed}
        a, b, c = (template[faces[:, k]] for k in range(3))
        assert np.sum(a * np.cross(b, c)) / 6 > 1e-4  # outward, litres
    joints = np.asarray(small_body.joint_template)
    for name, joint in (("left forearm", 20), ("right shin", 8), ("head", 15)):
        skin = template[segments.of_vertex == segments.names.index(name)]
        assert np.linalg.norm(skin - joints[joint], axis=1).min() < 0.15


def test_neighbours_are_not_foreign_and_far_parts_are(small_body: BodyModel) -> None:
    segments = _segments(small_body)

    def foreign(skin: str, segment: str) -> np.ndarray:
        chosen = segments.of_vertex == segments.names.index(skin)
        return segments.foreign[chosen, segments.names.index(segment)]

    for k, name in enumerate(segments.names):
        assert not segments.foreign[segments.of_vertex == k, k].any()
        assert not foreign(name, name).any()
    for skin, segment in (("left forearm", "trunk"), ("right forearm", "left forearm"), ("left shin", "right shin")):
        assert foreign(skin, segment).all()
    for upper, lower in (("left upper arm", "left forearm"), ("right thigh", "right shin")):
        assert not foreign(upper, lower).any() and not foreign(lower, upper).any()
    # An upper arm's skin is foreign to the trunk at the elbow alone.
    assert 0 < foreign("left upper arm", "trunk").mean() < 0.5
    assert _segments(small_body, far_m=0.3).foreign.sum() < segments.foreign.sum()


def test_loose_parts_and_missing_segments(small_body: BodyModel) -> None:
    """An eyeball is inside the head and stays there; a body whose skin hangs on few joints has fewer segments."""
    template, faces = np.asarray(small_body.v_template), np.asarray(small_body.faces)
    weights = np.asarray(small_body.skin_weights)
    eye = np.concatenate([template.mean(0, keepdims=True) + 0.01 * np.eye(3), template.mean(0, keepdims=True)])
    ids = len(template) + np.array([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])
    head = np.zeros((4, weights.shape[1]))
    head[:, 15] = 1.0
    segments = make_segments(
        np.concatenate([template, eye]), np.concatenate([faces, ids]), np.concatenate([weights, head]),
        small_body.parents,
    )  # fmt: skip
    assert not segments.foreign[len(template) :].any()
    only_trunk = np.zeros_like(weights)
    only_trunk[:, 0] = 1.0
    one = make_segments(template, faces, only_trunk, small_body.parents)
    assert one.names == ("trunk",) and not one.foreign.any() and dataclasses.is_dataclass(one)
