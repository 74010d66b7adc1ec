"""The embedded body in the layout of the official SMPL-X file, for packages that read nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prosepose_jax import resources
from prosepose_jax.body._files import read_fields

POSE_BLEND_SHAPES = ("zero", "dense")
_BESIDE = ("keypoints.json", "lowres.npz", "kid_template.npy")
# Size of the random pose blend shapes, metres per unit of (R - I): about that of the licensed files' larger ones.
_DENSE_SCALE_M = np.float32(2e-3)


def write_official_body(folder: Path, kind: str = "zero") -> Path:
    """Writes SMPLX_<kind>.npz and the files beside it; returns its path.

    Args:
      folder: where to.
      kind: "zero" pose blend shapes, as the embedded body has, or "dense" random ones, as licensed files have
        by number.

    Raises:
      ValueError: an unknown kind.
    """
    if kind not in POSE_BLEND_SHAPES:
        raise ValueError(f"kind: expected one of {POSE_BLEND_SHAPES}, found {kind!r}")
    stored = read_fields(resources.smpl_assets_dir() / "body.npz")
    fields = {name: np.asarray(value) for name, value in stored.items() if np.asarray(value).dtype.kind in "fiu"}
    fields = {name: v.astype(np.float32) if v.dtype.kind == "f" else v for name, v in fields.items()}
    count = len(fields["v_template"])
    # The official layout: 300 shape, then 100 expression components, and the joints' names.
    wide = np.zeros((count, 3, 400), np.float32)
    wide[:, :, :10], wide[:, :, 300:310] = fields["shapedirs"][:, :, :10], fields["shapedirs"][:, :, 10:20]
    fields["shapedirs"] = wide
    fields["joint2num"] = np.array({f"joint{i}": i for i in range(55)}, dtype=object)
    fields["lmk_faces_idx"] = np.zeros(51, np.int64)
    fields["lmk_bary_coords"] = np.full((51, 3), 1 / 3, np.float32)
    fields["posedirs"] = np.zeros((count, 3, 486), np.float32)
    if kind == "dense":
        noise = np.random.default_rng(1).standard_normal(fields["posedirs"].shape, dtype=np.float32)
        fields["posedirs"] = noise * _DENSE_SCALE_M
    path = folder / f"SMPLX_{kind}.npz"
    np.savez(path, **fields)
    for beside in _BESIDE:
        (folder / f"SMPLX_{kind}_{beside}").write_bytes((resources.smpl_assets_dir() / f"body_{beside}").read_bytes())
    return path
