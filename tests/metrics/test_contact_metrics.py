"""PCC and contact F1 on constructed cases."""

from __future__ import annotations

import numpy as np
import pytest

from prosepose_jax.body.region_table import MIRROR_REGION
from prosepose_jax.errors import InputError
from prosepose_jax.metrics import ContactPair, annotated_pairs, contact_f1, pair_distances, pcc, pcc_at
from prosepose_jax.metrics.contact import PCC_RADII_M, name_regions
from prosepose_jax.scene import Answer


def _pair(first, second):
    return ContactPair(frozenset(first), frozenset(second))


def _table(*rows):
    lines = ["| Person 1 Body Part | Person 2 Body Part |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]
    return Answer("\n".join(lines))


def test_radii_and_the_strict_limit():
    np.testing.assert_allclose(PCC_RADII_M, np.linspace(0.0, 0.95, 20))
    # Touching counts from 0.05 on, never at 0: the average can't exceed 95.
    assert pcc(np.zeros(3)) == pytest.approx(95.0)
    # 0.10 itself is not below 0.10: radii 0.15 … 0.95 count, 17 of 20.
    assert pcc(np.array([0.10])) == pytest.approx(100.0 * 17 / 20)
    assert pcc(np.array([np.inf])) == 0.0
    shares = pcc_at(np.array([0.02, 0.07, 0.3, np.inf]))
    np.testing.assert_allclose(shares[[0, 1, 2, 6, 7, 19]], [0, 25, 50, 50, 75, 75])


def test_distances_between_two_people(block_body):
    # Region r stands at (0.1 (r % 10), 0.1 (r // 10), 0) and reaches 1 cm in x, y and z from there.
    vertices = np.stack([np.asarray(block_body.v_template)] * 2)
    vertices[1] += [0.5, 0.0, 0.0]
    pairs = [_pair([0], [0]), _pair([5], [0]), _pair([0, 4], [0]), _pair([12], [34])]
    found = pair_distances(pairs, vertices, block_body.regions)
    # (12) spans x 0.20–0.21, y 0.10; (34) of person 1 stands at x 0.9, y 0.3: from (0.21, 0.10) or (0.20, 0.11).
    last = min(np.hypot(0.69, 0.20), np.hypot(0.70, 0.19))
    np.testing.assert_allclose(found, [0.49, 0.0, 0.09, last], atol=1e-6)


def test_padding_of_regions_is_not_a_vertex(block_body):
    padded = block_body.regions.replace(
        vertex_ids=block_body.regions.vertex_ids.at[0, 1:].set(40), mask=block_body.regions.mask.at[0, 1:].set(False)
    )
    vertices = np.stack([np.asarray(block_body.v_template)] * 2)
    vertices[1] += [0.0, 0.0, 1.0]
    # Vertex 40 belongs to region 10, 0.1 m below; only vertex 0 is left of region 0.
    np.testing.assert_allclose(pair_distances([_pair([0], [10])], vertices, padded), [np.hypot(0.1, 1.0)], atol=1e-6)


def test_annotated_pairs(make_scene):
    scene = make_scene(gt_contacts=(("left hand", "back"),))
    assert annotated_pairs(scene) == (_pair([3, 33, 72, 17], name_regions("back")),)
    both = make_scene(gt_contacts=(("left hand", "back"),), gt_region_pairs=np.array([[1, 2], [1, 2], [2, 1]]))
    assert annotated_pairs(both) == (_pair([1], [2]), _pair([2], [1]))
    alone = make_scene(1, gt_region_pairs=np.array([[1, 2], [2, 1], [1, 1]]))
    assert annotated_pairs(alone) == (_pair([1], [2]), _pair([1], [1]))
    assert annotated_pairs(make_scene()) is None
    assert name_regions("hand") == name_regions("left hand") | name_regions("right hand")
    with pytest.raises(InputError, match="tail"):
        name_regions("tail")


def test_f1_by_hand():
    truth = [_pair([3], [35]), _pair([39], [71])]  # left fingers on the back, head on butt
    right = _table(("hand", "back"), ("head", "butt"))
    half = _table(("hand", "back"), ("foot", "foot"))
    assert contact_f1([right], truth) == pytest.approx(1.0)
    assert contact_f1([half], truth) == pytest.approx(0.5)
    # One of two found, nothing wrong: precision 1, recall 1/2.
    assert contact_f1([_table(("hand", "back"))], truth) == pytest.approx(2 / 3)
    assert contact_f1([right, half], truth) == pytest.approx(0.75)
    assert contact_f1([Answer("They do not touch.")], truth) == 0.0
    assert contact_f1([Answer("They do not touch.")], []) == 1.0
    assert contact_f1([right], []) == 0.0
    assert contact_f1([], truth) is None


def test_f1_takes_the_better_person_order_for_the_whole_answer():
    truth = [_pair([3], [35]), _pair([39], [71])]
    turned = _table(("back", "hand"), ("butt", "head"))
    mixed = _table(("back", "hand"), ("head", "butt"))
    assert contact_f1([turned], truth) == pytest.approx(1.0)
    assert contact_f1([mixed], truth) == pytest.approx(0.5)
    given = Answer(turned.text, order="given")
    assert contact_f1([given], truth) == 0.0
    assert contact_f1([Answer(turned.text, pair=(1, 0), order="given")], truth) == pytest.approx(1.0)
    assert contact_f1([Answer(turned.text, pair=(1, 2))], truth) is None


def test_f1_sides():
    truth = [_pair([3], [35])]
    wrong_side = _table(("right hand", "back"))
    assert contact_f1([wrong_side], truth) == 0.0
    assert contact_f1([wrong_side], truth, ignore_sides=True) == 1.0
    assert MIRROR_REGION[3] == 40


def test_f1_counts_a_repeated_row_once():
    truth = [_pair([3], [35])]
    assert contact_f1([_table(("hand", "back"), ("hand", "back"), ("foot", "foot"))], truth) == pytest.approx(2 / 3)


def test_f1_of_one_person_is_unordered():
    truth = [_pair([3], [64])]  # left fingers on the left knee
    assert contact_f1([_table(("leg", "hand"))], truth, alone=True) == 1.0
    assert contact_f1([_table(("leg", "hand"), ("hand", "leg"))], truth, alone=True) == 1.0
