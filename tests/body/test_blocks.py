"""Vertices that stand for others."""

from __future__ import annotations

import numpy as np

from prosepose_jax.body.blocks import stand_ins


def test_stand_ins_keep_to_their_kind() -> None:
    points = np.random.default_rng(0).normal(size=(101, 3))
    kinds = np.arange(101) % 3 - 1
    chosen = stand_ins(points, kinds, 20)
    assert np.all(chosen[kinds == -1] == 0) and chosen.max() <= 6
    for kind in (0, 1):
        assert chosen[kinds == kind].sum() == np.count_nonzero(kinds == kind)
    np.testing.assert_array_equal(stand_ins(points, np.zeros(101, int), 101), 1)
