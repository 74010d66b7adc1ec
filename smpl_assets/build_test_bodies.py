"""Builds other bodies in SMPL-X file format from the embedded one: other topology, vertex order and proportions.

    python smpl_assets/build_test_bodies.py                    the small body of the tests, into tests/data/
    python smpl_assets/build_test_bodies.py --second OUT.npz   a second full body, for evaluation

Needs build_body.py's files, but not anny. Closed surfaces by edge collapse (builder/decimate.py), so skinning
weights and shape components carry over exactly; the joint regressor is fitted anew. Seeded.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE))

from builder import decimate, posing, space, surface  # noqa: E402
from builder.skeleton import JOINT_NAMES  # noqa: E402


@dataclass(frozen=True)
class Recipe:
    """What sets a derived body apart from the embedded one."""

    vertices: int  # of the body's surface
    eyeballs: bool
    lowres: int
    betas: tuple[float, ...]  # shape of the new template
    stretch: tuple[float, float, float]  # of the template's x, y and z
    regular: float  # evenness of the triangles against closeness to the surface
    regressor_vertices: int
    pose_blend_m: float  # amplitude of the random pose blend shapes, 0 for none
    relaxed_hands: bool  # mean hands at rest instead of flat
    seed: int


SMALL = Recipe(1000, False, 420, (0.4, -0.5, 0.6), (1.0, 1.0, 1.0), 2e-3, 60, 0.002, True, 11)
SECOND = Recipe(6500, True, 900, (-0.7, 0.9, -0.8, 0.5), (1.02, 0.97, 1.05), 2e-2, 400, 0.0, False, 12)


def derive(recipe: Recipe, out: Path) -> dict:
    """Writes OUT.npz, OUT_keypoints.json, OUT_lowres.npz and OUT_kid_template.npy; returns measured figures."""
    rng = np.random.default_rng(recipe.seed)
    with np.load(_HERE / "body.npz") as file:
        full = {k: file[k] for k in file.files if k != "posedirs"}
    keypoints = json.loads((_HERE / "body_keypoints.json").read_text())
    kid = np.load(_HERE / "body_kid_template.npy").astype(np.float64)
    template = full["v_template"].astype(np.float64)
    dirs = full["shapedirs"].astype(np.float64)
    weights = full["weights"].astype(np.float64)
    joints_of = full["J_regressor"].astype(np.float64)
    faces = full["f"].astype(np.int64)

    stretch = np.array(recipe.stretch)
    template = (template + dirs[..., : len(recipe.betas)] @ np.array(recipe.betas)) * stretch
    dirs = dirs * stretch[:, None]
    template -= joints_of[0] @ template

    # The largest component is the body, the others are the eyeballs.
    label = surface.components(faces, len(template))
    is_body = (label == np.bincount(label).argmax())[faces[:, 0]]
    bent = posing.pose_vertices(template, joints_of @ template, weights, posing.BENT_POSE)
    coarse = decimate.collapse(
        np.stack([template, bent]),
        faces[is_body],
        recipe.vertices,
        keep=list(keypoints.values()),
        regular=recipe.regular,
    )
    kept_faces = np.concatenate([coarse, faces[~is_body]]) if recipe.eyeballs else coarse
    if not recipe.eyeballs:  # the eyes' keypoints move to the lids
        for side in ("left", "right"):
            body_ids = np.unique(coarse)
            distance = np.linalg.norm(template[body_ids] - template[keypoints[f"{side}_eye"]], axis=1)
            keypoints[f"{side}_eye"] = int(body_ids[distance.argmin()])
    ids = rng.permutation(np.unique(kept_faces))
    index = np.full(len(template), -1)
    index[ids] = np.arange(len(ids))
    new_faces = rng.permutation(index[kept_faces])
    keypoints = {name: int(index[v]) for name, v in keypoints.items()}

    template_new, dirs_new, weights_new = template[ids], dirs[ids], weights[ids]
    kid_new = kid[ids] * stretch
    regressor = _regressor(template, dirs, kid * stretch, joints_of, ids, recipe.regressor_vertices, rng)
    target = joints_of @ template
    joint_error = float(np.linalg.norm(regressor @ template_new - target, axis=-1).max() * 1e3)

    low = decimate.collapse(np.stack([template, bent]), coarse, recipe.lowres)
    low_ids = np.unique(low)
    body = dict(full) | {
        "v_template": template_new.astype(np.float32),
        "f": new_faces.astype(np.int32),
        "shapedirs": dirs_new.astype(np.float16),
        "J_regressor": regressor.astype(np.float32),
        "weights": weights_new.astype(np.float16),
        "posedirs": _pose_blend_shapes(weights_new, recipe.pose_blend_m, rng),
        "lmk_faces_idx": np.full(51, int(np.flatnonzero((new_faces == keypoints["nose"]).any(1))[0]), np.int64),
    }
    if recipe.relaxed_hands:
        body["hands_meanl"], body["hands_meanr"] = full["hands_relaxedl"], full["hands_relaxedr"]
    stem = out.with_suffix("")
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, **body)
    Path(f"{stem}_keypoints.json").write_text(json.dumps(keypoints, indent=1) + "\n")
    np.save(f"{stem}_kid_template.npy", (kid_new - kid_new.mean(0)).astype(np.float32))
    np.savez_compressed(
        f"{stem}_lowres.npz", vertex_ids=index[low_ids].astype(np.int32),
        faces=np.searchsorted(low_ids, low).astype(np.int32),
    )  # fmt: skip
    volume = surface.volume(template, faces[is_body])
    return {
        "vertices": len(ids),
        "closed": surface.is_closed(coarse),
        "volume_ratio": surface.volume(template, coarse) / volume,
        "lowres": {"vertices": len(low_ids), "volume_ratio": surface.volume(template, low) / volume},
        "joint_error_mm": joint_error,
        "bytes": out.stat().st_size,
    }


def _regressor(
    template: np.ndarray, dirs: np.ndarray, kid: np.ndarray, joints_of: np.ndarray, ids: np.ndarray, count: int,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """(55, len(ids)) regressor that gives the full body's joints over its shapes, expressions and the child."""
    from scipy.spatial import cKDTree

    num = dirs.shape[-1]
    coefficients = rng.normal(size=(80, num)) * np.where(np.arange(num) < 10, 1.5, 1.0)
    shapes = template + np.einsum("vdk,nk->nvd", dirs, coefficients)
    shapes[:30] += rng.uniform(0, 1, (30, 1, 1)) * (kid - template)
    joints = np.einsum("jv,nvd->njd", joints_of, shapes)
    shapes = shapes[:, ids]
    tree = cKDTree(template[ids])
    out = np.zeros((len(JOINT_NAMES), len(ids)))
    for j, place in enumerate(joints_of @ template):
        near = tree.query(place, k=count)[1]
        out[j, near] = space.ridge_weights(shapes[:, near], joints[:, j], np.zeros((0, count, 3)), 1e-9)
    return out


def _pose_blend_shapes(weights: np.ndarray, amplitude: float, rng: np.random.Generator) -> np.ndarray:
    """(V, 3, 486) random pose blend shapes; a vertex answers only to joints that move it, so the file stays small."""
    if amplitude == 0.0:
        return np.zeros((len(weights), 3, 486), np.float16)
    step = 1.0 / 4096
    moved_by = np.repeat(weights[:, 1:] > 0.02, 9, axis=1)
    noise = np.round(rng.normal(0, amplitude / step, (len(weights), 3, 486))) * step
    return (noise * moved_by[:, None, :]).astype(np.float16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--second", type=Path, metavar="OUT.npz", help="write the second full body there instead")
    parser.add_argument("--small", type=Path, metavar="OUT.npz", default=_HERE.parent / "tests/data/small_body.npz")
    args = parser.parse_args()
    figures = derive(SECOND, args.second) if args.second else derive(SMALL, args.small)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
