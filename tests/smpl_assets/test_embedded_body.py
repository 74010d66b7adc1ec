"""The embedded body's files: layout, surface, skeleton, shapes, keypoints, low-resolution mesh."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from prosepose_jax.body import KEYPOINT_VERTEX_NAMES
from prosepose_jax.resources import smpl_assets_dir

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "smpl_assets"))

from builder import posing, surface
from builder.skeleton import JOINT, JOINT_NAMES, PARENTS, mirror_joints

FOLDER = smpl_assets_dir()
FILES = ("body.npz", "body_keypoints.json", "body_lowres.npz", "body_kid_template.npy", "pose_prior.npz")
FINGERS = ("index", "middle", "pinky", "ring", "thumb")


@pytest.fixture(scope="module")
def fields() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "body.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def template(fields: dict[str, np.ndarray]) -> np.ndarray:
    return fields["v_template"].astype(np.float64)


@pytest.fixture(scope="module")
def joints(fields: dict[str, np.ndarray], template: np.ndarray) -> np.ndarray:
    return fields["J_regressor"].astype(np.float64) @ template


@pytest.fixture(scope="module")
def parts(fields: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Faces of each connected component, largest first."""
    faces = fields["f"].astype(np.int64)
    label = surface.components(faces, len(fields["v_template"]))[faces[:, 0]]
    return sorted((faces[label == k] for k in np.unique(label)), key=len, reverse=True)


@pytest.fixture(scope="module")
def mirror(template: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    distance, ids = cKDTree(template * np.array([-1.0, 1.0, 1.0])).query(template)
    assert distance.max() < 1e-6
    return ids


@pytest.fixture(scope="module")
def keypoints() -> dict[str, int]:
    return json.loads((FOLDER / "body_keypoints.json").read_text())


@pytest.fixture(scope="module")
def lowres() -> tuple[np.ndarray, np.ndarray]:
    with np.load(FOLDER / "body_lowres.npz") as file:
        return file["vertex_ids"].astype(np.int64), file["faces"].astype(np.int64)


def test_all_files_together_are_small_enough() -> None:
    assert sum((FOLDER / name).stat().st_size for name in FILES) <= 5_000_000


def test_fields_have_smplx_layout(fields: dict[str, np.ndarray]) -> None:
    v = len(fields["v_template"])
    assert fields["v_template"].shape == (v, 3)
    assert fields["shapedirs"].shape == (v, 3, 20)
    assert fields["posedirs"].shape == (v, 3, 486) and not fields["posedirs"].any()
    assert fields["weights"].shape == (v, 55)
    assert fields["J_regressor"].shape == (55, v)
    assert fields["kintree_table"].shape == (2, 55)
    assert (fields["kintree_table"][0, 1:] == PARENTS[1:]).all()
    assert fields["f"].shape[1] == 3 and fields["f"].min() == 0 and fields["f"].max() == v - 1
    for side in "lr":
        assert fields[f"hands_mean{side}"].shape == (45,) and not fields[f"hands_mean{side}"].any()
        components = fields[f"hands_components{side}"].astype(np.float64)
        np.testing.assert_allclose(components @ components.T, np.eye(45), atol=1e-5)
    assert all(np.isfinite(a).all() for a in fields.values() if a.dtype.kind == "f")


def test_body_and_eyeballs_are_closed_and_look_outwards(template: np.ndarray, parts: list[np.ndarray]) -> None:
    assert len(parts) == 3
    assert len(parts[0]) > 20_000
    for faces in parts:
        assert surface.is_closed(faces)
        assert surface.volume(template, faces) > 0
        # Sphere-like: no tunnels that a decimation or an inside test could trip over.
        assert len(np.unique(faces)) - len(faces) // 2 == 2
    assert 0.05 < surface.volume(template, parts[0]) < 0.1


def test_inside_and_outside_have_the_right_winding_number(
    template: np.ndarray, joints: np.ndarray, parts: list[np.ndarray]
) -> None:
    inside = joints[[JOINT[n] for n in ("pelvis", "spine2", "left_knee", "right_elbow", "left_index2", "head")]]
    # The mouth is closed: 3 cm behind the lips is inside the head.
    mouth = template[parts[0]].reshape(-1, 3)
    lips = mouth[(np.abs(mouth[:, 0]) < 0.005) & (np.abs(mouth[:, 1] - joints[JOINT["jaw"], 1] + 0.03) < 0.03)]
    inside = np.concatenate([inside, [[0.0, lips[:, 1].mean(), lips[:, 2].max() - 0.04]]])
    outside = np.array([[0.0, 0.0, 0.5], [0.3, 0.0, 0.0], [0.0, -0.6, 0.0], [0.0, 0.9, 0.0], [0.5, 0.2, 0.0]])
    every = np.concatenate(parts)
    np.testing.assert_allclose(surface.winding_numbers(inside, template, every), 1.0, atol=1e-6)
    np.testing.assert_allclose(surface.winding_numbers(outside, template, every), 0.0, atol=1e-6)


def test_weights_are_few_and_sum_to_one(fields: dict[str, np.ndarray]) -> None:
    weights = fields["weights"].astype(np.float64)
    assert (weights >= 0).all()
    assert (weights.sum(1) == 1.0).all()
    assert (weights > 0).sum(1).max() <= 8
    assert (weights.max(0) > 0.4).all(), "every joint moves something"


def test_jaw_moves_chin_and_lower_lip_only(
    fields: dict[str, np.ndarray], template: np.ndarray, joints: np.ndarray
) -> None:
    weights = fields["weights"].astype(np.float64)
    opened = posing.pose_vertices(template, joints, weights, posing.pose_of(jaw=(15, 0, 0)))
    moved = np.linalg.norm(opened - template, axis=1)
    chin = (np.abs(template[:, 0]) < 0.01) & (weights[:, JOINT["jaw"]] > 0.8)
    assert chin.sum() > 10
    assert (opened - template)[chin, 1].mean() < -0.01
    assert moved[template[:, 1] > joints[JOINT["left_eye_smplhf"], 1]].max() < 0.004
    assert moved[weights[:, JOINT["spine3"]] > 0.5].max() < 0.004, "only the throat's skin gives a little"
    # Smooth: no edge tears open, apart from the membrane behind the lips.
    edges = np.concatenate([fields["f"][:, [0, 1]], fields["f"][:, [1, 2]]]).astype(int)
    stretch = np.linalg.norm((opened - template)[edges[:, 0]] - (opened - template)[edges[:, 1]], axis=1)
    assert np.mean(stretch > 0.012) < 0.002


def test_regressor_rows_are_sparse_and_sum_to_one(fields: dict[str, np.ndarray]) -> None:
    regressor = fields["J_regressor"].astype(np.float64)
    np.testing.assert_allclose(regressor.sum(1), 1.0, atol=1e-5)
    assert (regressor != 0).sum(1).max() <= 2_000


def test_recorded_regressor_error_is_within_three_millimetres() -> None:
    figures = json.loads((FOLDER / "build_figures.json").read_text())
    assert 0 < figures["regressor_held_out_mm"]["adults_max"] <= 3.0
    assert 0 < figures["regressor_held_out_mm"]["children_max"] <= 3.0
    assert figures["bytes"]["body.npz"] == (FOLDER / "body.npz").stat().st_size, "figures are of this file"


def test_skeleton_is_a_t_pose_with_the_pelvis_at_the_origin(template: np.ndarray, joints: np.ndarray) -> None:
    assert np.abs(joints[0]).max() < 0.005
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm = joints[[JOINT[f"{side}_{n}"] for n in ("shoulder", "elbow", "wrist", "middle1")]]
        direction = np.diff(arm, axis=0)
        cosine = sign * direction[:, 0] / np.linalg.norm(direction, axis=1)
        assert cosine.min() > np.cos(np.radians(3)), "the arm lies along x"
        leg = joints[[JOINT[f"{side}_{n}"] for n in ("hip", "knee", "ankle")]]
        down = np.diff(leg, axis=0)
        assert (-down[:, 1] / np.linalg.norm(down, axis=1)).min() > np.cos(np.radians(12))
        assert joints[JOINT[f"{side}_foot"], 2] > joints[JOINT[f"{side}_ankle"], 2] + 0.08, "feet point to +z"
        knuckles = joints[JOINT[f"{side}_index1"]] - joints[JOINT[f"{side}_pinky1"]]
        assert knuckles[2] > 0.04 and abs(knuckles[1]) < 0.008, "the palm is level, index finger in front"
        assert joints[JOINT[f"{side}_thumb3"], 1] < joints[JOINT[f"{side}_index1"], 1], "the palm looks down"
    heights = joints[[JOINT[n] for n in ("pelvis", "spine1", "spine2", "spine3", "neck", "head")], 1]
    assert (np.diff(heights) > 0.03).all()
    assert 1.6 < np.ptp(template[:, 1]) < 1.85
    assert template[template[:, 1].argmax(), 1] > 0.7 > -0.7 > template[:, 1].min()


def test_fingers_are_straight(fields: dict[str, np.ndarray], template: np.ndarray, joints: np.ndarray) -> None:
    weights = fields["weights"].astype(np.float64)
    for side in ("left", "right"):
        for finger in FINGERS:
            chain = [JOINT[f"{side}_{finger}{k}"] for k in (1, 2, 3)]
            last = template[weights[:, chain[2]] > 0.8]
            along = joints[chain[2]] - joints[chain[0]]
            along /= np.linalg.norm(along)
            first = joints[chain[1]] - joints[chain[0]]
            assert first @ along / np.linalg.norm(first) > np.cos(np.radians(3))
            # The tip's flesh goes on in the same direction.
            tip = last[np.argsort(last @ along)[-8:]].mean(0) - joints[chain[2]]
            assert tip @ along / np.linalg.norm(tip) > np.cos(np.radians(20))
            if finger != "thumb":
                assert abs(along[1]) < 0.05 and abs(along[0]) > 0.9, "along the hand, in the palm's plane"


def test_left_and_right_mirror_each_other(
    fields: dict[str, np.ndarray], joints: np.ndarray, mirror: np.ndarray
) -> None:
    flip = np.array([-1.0, 1.0, 1.0])
    swapped = mirror_joints()
    np.testing.assert_allclose(joints[swapped] * flip, joints, atol=1e-4)
    np.testing.assert_allclose(fields["weights"][mirror][:, swapped].astype(float), fields["weights"], atol=0.01)
    betas = fields["shapedirs"][..., :10].astype(float)
    np.testing.assert_allclose(betas[mirror] * flip[:, None], betas, atol=1e-4)


def test_shape_components_are_ordered_and_the_first_is_height(
    fields: dict[str, np.ndarray], template: np.ndarray
) -> None:
    betas = fields["shapedirs"][..., :10].astype(np.float64)
    size = (betas**2).sum((0, 1))
    assert (np.diff(size) < 0).all()
    assert (np.sqrt(size / len(template)) > 0.001).all(), "every component does something"

    def height(k: int, amount: float) -> float:
        return float(np.ptp((template + amount * betas[..., k])[:, 1]))

    assert height(0, 1.0) - height(0, 0.0) > 0.05
    assert 1.3 < height(0, -2.0) < height(0, 2.0) < 2.1
    gram = betas.reshape(-1, 10).T @ betas.reshape(-1, 10)
    cosine = gram / np.sqrt(np.outer(size, size))
    np.testing.assert_allclose(cosine, np.eye(10), atol=1e-2)


def test_expressions_move_the_face_and_leave_the_joints(fields: dict[str, np.ndarray], template: np.ndarray) -> None:
    expressions = fields["shapedirs"][..., 10:].astype(np.float64)
    moved = np.linalg.norm(expressions, axis=1)
    assert (moved.max(0) > 0.001).all() and (moved.max(0) < 0.03).all()
    weights = fields["weights"].astype(np.float64)
    assert moved[weights[:, : JOINT["neck"]].sum(1) > 0.5].max() == 0.0, "nothing below the neck moves"
    shift = np.einsum("jv,vde->jde", fields["J_regressor"].astype(np.float64), expressions)
    assert np.abs(shift).max() < 0.001


@pytest.mark.parametrize("betas", [(2.0, 0.0, 0.0), (-2.0, 0.0, 0.0), (0.0, 2.0, -2.0), (0.0, -2.0, 2.0)])
def test_shapes_stay_right_way_out(
    fields: dict[str, np.ndarray], template: np.ndarray, parts: list[np.ndarray], betas: tuple[float, ...]
) -> None:
    shaped = template + fields["shapedirs"][..., :3].astype(np.float64) @ np.array(betas)
    normal, shaped_normal = (surface.vertex_normals(v, parts[0]) for v in (template, shaped))
    used = np.unique(parts[0])
    assert ((normal * shaped_normal).sum(1)[used] > 0).mean() > 0.995
    assert 0.02 < surface.volume(shaped, parts[0]) < 0.2


def test_kid_template_is_a_child_on_the_same_mesh(fields: dict[str, np.ndarray], template: np.ndarray) -> None:
    kid = np.load(FOLDER / "body_kid_template.npy").astype(np.float64)
    assert kid.shape == template.shape
    np.testing.assert_allclose(kid.mean(0), 0.0, atol=1e-5)
    assert 0.8 < np.ptp(kid[:, 1]) < 1.0
    joints = fields["J_regressor"].astype(np.float64) @ kid

    def head_share(vertices: np.ndarray, places: np.ndarray) -> float:
        return float((vertices[:, 1].max() - places[JOINT["neck"], 1]) / np.ptp(vertices[:, 1]))

    adult = fields["J_regressor"].astype(np.float64) @ template
    assert head_share(kid, joints) > 1.15 * head_share(template, adult)
    arm = joints[JOINT["left_wrist"]] - joints[JOINT["left_shoulder"]]
    assert arm[0] / np.linalg.norm(arm) > np.cos(np.radians(4)), "T-pose too"


def test_keypoints_are_where_their_names_say(
    template: np.ndarray, joints: np.ndarray, keypoints: dict[str, int], mirror: np.ndarray
) -> None:
    assert tuple(keypoints) == KEYPOINT_VERTEX_NAMES
    place = {name: template[v] for name, v in keypoints.items()}
    head = joints[JOINT["head"]]
    assert abs(place["nose"][0]) < 0.003 and place["nose"][2] == template[template[:, 1] > head[1], 2].max()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        eye = place[f"{side}_eye"] - joints[JOINT[f"{side}_eye_smplhf"]]
        assert np.linalg.norm(eye) < 0.02 and eye[2] > 0.008, "front of the eyeball"
        ear = place[f"{side}_ear"]
        assert 0.06 < sign * ear[0] < 0.11 and place["nose"][2] - ear[2] > 0.07
        assert abs(ear[1] - place["nose"][1]) < 0.05
        big, small, heel = (place[f"{side}_{n}"] for n in ("big_toe", "small_toe", "heel"))
        ankle, foot = joints[JOINT[f"{side}_ankle"]], joints[JOINT[f"{side}_foot"]]
        assert big[2] > small[2] > foot[2] > ankle[2] > heel[2]
        assert sign * small[0] > sign * big[0] + 0.04, "the small toe is outside"
        floor = template[:, 1].min()
        assert max(big[1], small[1], heel[1]) < floor + 0.06
    for name, vertex in keypoints.items():
        if name.startswith("left_"):
            assert np.linalg.norm(template[mirror[vertex]] - place["right_" + name[5:]]) < 0.005


@pytest.mark.heavy
@pytest.mark.parametrize("bent", [False, True])
def test_lowres_is_a_closed_stand_in_for_the_full_surface(
    fields: dict[str, np.ndarray], template: np.ndarray, joints: np.ndarray, parts: list[np.ndarray],
    lowres: tuple[np.ndarray, np.ndarray], bent: bool,
) -> None:  # fmt: skip
    ids, faces = lowres
    assert 900 <= len(ids) <= 1200 and len(np.unique(ids)) == len(ids)
    assert np.isin(ids, parts[0]).all()
    assert (np.unique(faces) == np.arange(len(ids))).all()
    assert surface.is_closed(faces)
    assert len(ids) - len(faces) // 2 == 2, "one piece without tunnels"
    pose = posing.BENT_POSE if bent else np.zeros((55, 3))
    full = posing.pose_vertices(template, joints, fields["weights"].astype(np.float64), pose)
    low = full[ids]
    ratio = surface.volume(low, faces) / surface.volume(full, parts[0])
    assert abs(ratio - 1) < 0.03
    rng = np.random.default_rng(0)
    # Close to the true surface: 12 mm off it, inside and outside agree almost everywhere.
    corners = full[parts[0]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    chosen = rng.choice(len(area), 120, replace=False, p=area / area.sum())
    centres, normals = corners[chosen].mean(1), normals[chosen] / area[chosen, None]
    for offset, sense in ((-0.012, 1.0), (0.012, 0.0)):
        points = centres + offset * normals
        truth = surface.winding_numbers(points, full, parts[0])
        clear = np.abs(truth - sense) < 0.01  # thin parts and folds aside
        assert clear.mean() > 0.85
        found = surface.winding_numbers(points[clear], low, faces)
        assert (np.abs(found - sense) < 0.01).mean() > 0.97
        # No number beyond 0 and 1: the surface does not run through itself.
        assert found.min() > -0.01 and found.max() < 1.01


def test_joint_names_match_the_tree() -> None:
    assert len(JOINT_NAMES) == len(PARENTS) == 55
    assert PARENTS[JOINT["jaw"]] == JOINT["head"]
    for side in ("left", "right"):
        assert PARENTS[JOINT[f"{side}_index1"]] == JOINT[f"{side}_wrist"]
        assert PARENTS[JOINT[f"{side}_thumb3"]] == JOINT[f"{side}_thumb2"]
