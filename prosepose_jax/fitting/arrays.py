"""What a fit works on, as pytrees: the prepared body, and one scene (or a batch of scenes)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.blocks import Blocks, make_blocks
from prosepose_jax.body.cells import Cells, make_cells
from prosepose_jax.body.inside import FaceGroups, group_faces
from prosepose_jax.body.model import BodyModel, BodyParams
from prosepose_jax.contact.program import ProgramArrays
from prosepose_jax.contact.vocabulary import PART_REGION_IDS
from prosepose_jax.losses.pose_prior import PosePrior


@struct.dataclass
class FitModel:
    """A body with everything the searches precompute, and the pose prior."""

    body: BodyModel
    cells: Cells
    blocks: Blocks
    groups: FaceGroups
    prior: PosePrior


@struct.dataclass
class SceneArrays:
    """One scene of P people, or a batch of them with a leading axis on every leaf."""

    params: BodyParams  # initial estimate
    keypoints_px: jax.Array  # (P, 25, 2)
    confidence: jax.Array  # (P, 25), 0 = left out
    scale: jax.Array  # (P,)
    focal_px: jax.Array  # (2,)
    principal_px: jax.Array  # (2,)
    program: ProgramArrays
    entries: jax.Array  # (U, 3) int32 person pair, part, part: the distances that the program reads
    entry_mask: jax.Array  # (U,) bool
    fine_pairs: jax.Array  # (W, 3) int32 person pair, region, region: for the "sample" search
    weights: jax.Array  # (stages, 7) in the order of losses.TERMS
    seed: jax.Array  # () uint32 from the scene's key: draws do not depend on the batch


def make_fit_model(body: BodyModel, prior: PosePrior) -> FitModel:
    """Prepares a body for fitting (host, about a second)."""
    template = np.asarray(body.v_template)
    surface = np.asarray(body.lowres.vertex_ids)
    return FitModel(
        body=body,
        cells=make_cells(template, body.regions, PART_REGION_IDS),
        blocks=make_blocks(template),
        groups=group_faces(template[surface], np.asarray(body.lowres.faces)),
        prior=prior,
    )


@struct.dataclass
class Rows:
    """What posing M chosen vertices reads, gathered once."""

    base: jax.Array  # (M, 3) rest vertices without the terms below
    shape_dirs: jax.Array | None  # (M, 3, B); None when base holds the shape already
    pose_dirs: jax.Array | None  # (M, 3, 9 (J - 1)); None when absent or held in base
    skin_weights: jax.Array  # (M, J)


def gather_rows(body: BodyModel, params: BodyParams, vertex_ids: jax.Array) -> Rows:
    """Rows of one person's vertices that stay exact while pose and betas move."""
    base = body.v_template[vertex_ids] + body.kid_dir[vertex_ids] * params.kid_scale
    num_expressions = params.expression.shape[-1]
    if num_expressions:
        base = base + body.expression_dirs[vertex_ids][..., :num_expressions] @ params.expression
    return Rows(
        base=base,
        shape_dirs=body.shape_dirs[vertex_ids][..., : params.betas.shape[-1]],
        pose_dirs=None if body.pose_dirs is None else body.pose_dirs[vertex_ids],
        skin_weights=body.skin_weights[vertex_ids],
    )


def pose_rows(rows: Rows, transforms: jax.Array, betas: jax.Array, rotations: jax.Array) -> jax.Array:
    """Posed vertices (M, 3) of one person.

    Args:
      rows: gathered rows.
      transforms: (J, 3, 4) skinning transforms.
      betas: (B,).
      rotations: (J, 3, 3) local rotations.
    """
    vertices = rows.base
    if rows.shape_dirs is not None:
        vertices = vertices + rows.shape_dirs @ betas
    if rows.pose_dirs is not None:
        feature = (rotations[1:] - jnp.eye(3, dtype=rotations.dtype)[None]).reshape(-1)
        vertices = vertices + rows.pose_dirs @ feature
    blended = (rows.skin_weights @ transforms.reshape(transforms.shape[0], 12)).reshape(-1, 3, 4)
    return jnp.sum(blended[..., :3] * vertices[:, None, :], axis=-1) + blended[..., 3]
