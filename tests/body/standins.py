"""Stand-in body files for tests: real formats, random contents where the free body has none.

Also used by tests/parity and by make_goldens.py, so that goldens, live comparison and unit
tests speak of the same bodies.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prosepose_jax.body._files import read_fields
from prosepose_jax.resources import smpl_assets_dir

EMBEDDED = smpl_assets_dir() / "body.npz"
SMALL = Path(__file__).resolve().parents[1] / "data" / "small_body.npz"

_NUMERIC = ("v_template", "f", "shapedirs", "J_regressor", "weights", "kintree_table")


def dense_fields(source: Path, seed: int) -> dict[str, np.ndarray]:
    """A SMPL-X format body's fields with dense random pose blend shapes, mean hands and hand PCA."""
    stored = read_fields(source)
    fields = {name: np.asarray(stored[name]) for name in _NUMERIC}
    rng = np.random.default_rng(seed)
    vertices, joints = len(fields["v_template"]), fields["kintree_table"].shape[1]
    for name in ("v_template", "shapedirs", "J_regressor", "weights"):
        fields[name] = fields[name].astype(np.float32)
    # Official files: 300 shape components, then 100 expressions. Here 10 and 10.
    fields["shapedirs"] = fields["shapedirs"][:, :, :20]
    fields["posedirs"] = 2e-3 * rng.standard_normal((vertices, 3, 9 * (joints - 1)), dtype=np.float32)
    for side in "lr":
        fields[f"hands_mean{side}"] = rng.normal(0, 0.3, 45).astype(np.float32)
        basis, _ = np.linalg.qr(rng.normal(size=(45, 45)))
        fields[f"hands_components{side}"] = basis.astype(np.float32)
    fields["lmk_faces_idx"] = np.arange(51, dtype=np.int64)
    fields["lmk_bary_coords"] = np.full((51, 3), 1 / 3, np.float32)
    return fields


def fingerprint(fields: dict[str, np.ndarray]) -> np.ndarray:
    """Sums that tell whether goldens were made from these fields."""
    names = ("v_template", "shapedirs", "J_regressor", "weights", "posedirs", "hands_meanl")
    return np.array([np.sum(np.abs(fields[name].astype(np.float64))) for name in names])


def kid_template(fields: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """A made-up child template, not centred, as `smplx_kid_template.npy` would be handed over."""
    rng = np.random.default_rng(seed)
    return (0.45 * fields["v_template"] + rng.normal(0, 5e-3, fields["v_template"].shape) + 0.2).astype(np.float32)


def fewer_joints(fields: dict[str, np.ndarray], joints: int, num_betas: int = 10) -> dict[str, np.ndarray]:
    """A SMPL-H (52) or SMPL (24) body from a SMPL-X one; dropped joints' weights go to their parents."""
    parents = fields["kintree_table"][0].astype(np.int64)
    kept = [*range(22), *range(25, 55)] if joints == 52 else [*range(22), 25, 40]
    place = {joint: i for i, joint in enumerate(kept)}
    if joints == 24:  # all of a hand's fingers are its one joint
        place.update({joint: 22 if joint < 40 else 23 for joint in range(25, 55)})
    place.update(dict.fromkeys((22, 23, 24), place[15]))
    weights = np.zeros((len(fields["weights"]), joints), np.float32)
    for joint in range(55):
        weights[:, place[joint]] += fields["weights"][:, joint]
    rng = np.random.default_rng(joints)
    shape_dirs = fields["shapedirs"][:, :, :10]
    extra = rng.normal(0, 1e-3, (*shape_dirs.shape[:2], num_betas - 10)).astype(np.float32)
    new_parents = np.array([2**32 - 1] + [place[parents[j]] for j in kept[1:]], np.int64)
    out = {
        "v_template": fields["v_template"],
        "f": fields["f"],
        "shapedirs": np.concatenate([shape_dirs, extra], axis=2),
        "J_regressor": fields["J_regressor"][kept],
        "weights": weights,
        "kintree_table": np.stack([new_parents, np.arange(joints)]),
        "posedirs": fields["posedirs"][:, :, : 9 * (joints - 1)],
    }
    if joints == 52:
        out.update({name: fields[name] for name in fields if name.startswith("hands_")})
    return out


def random_parameters(seed: int, people: int, scale: float = 0.5) -> dict[str, np.ndarray]:
    """Parameters of every kind, float32, SMPL-X names, with a leading people axis."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int, by: float = scale) -> np.ndarray:
        return rng.normal(0, by, (people, *shape)).astype(np.float32)

    return {
        "global_orient": draw(3, by=1.5),
        "body_pose": draw(21, 3),
        "betas": draw(10, by=1.5),
        "transl": draw(3, by=2.0),
        "left_hand_pose": draw(15, 3),
        "right_hand_pose": draw(15, 3),
        "jaw_pose": draw(3, by=0.2),
        "leye_pose": draw(3, by=0.2),
        "reye_pose": draw(3, by=0.2),
        "expression": draw(10, by=1.0),
        "kid_scale": rng.uniform(0, 1, people).astype(np.float32),
    }
