"""The body model and its parameters as frozen pytrees.

A BodyModel holds everything a SMPL-X format file says about a body, prepared for
fast evaluation (docs/method.md, "Body model"). Nothing here reads files.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

NUM_REGIONS = 75


@struct.dataclass
class Regions:
    """The fine surface regions of a body: lists of vertex ids, padded to one length."""

    vertex_ids: jax.Array  # (75, M) int32, padded with the region's first vertex
    mask: jax.Array  # (75, M) bool, False on padding


@struct.dataclass
class LowResolution:
    """A closed low-resolution surface on the full mesh's own vertices, for inside tests."""

    vertex_ids: jax.Array  # (n,) int32 into the full mesh
    faces: jax.Array  # (m, 3) int32 into vertex_ids


@struct.dataclass
class BodyModel:
    """A SMPL-X format body, ready for posing. J joints, V vertices, B betas, E expressions."""

    v_template: jax.Array  # (V, 3) m
    shape_dirs: jax.Array  # (V, 3, B) m per unit beta
    expression_dirs: jax.Array  # (V, 3, E)
    kid_dir: jax.Array  # (V, 3) child template minus adult template
    pose_dirs: jax.Array | None  # (V, 3, 9 (J-1)), None when the file's are all zero
    joint_template: jax.Array  # (J, 3) joints of the template
    joint_shape_dirs: jax.Array  # (J, 3, B)
    joint_expression_dirs: jax.Array  # (J, 3, E)
    joint_kid_dir: jax.Array  # (J, 3)
    joint_regressor: jax.Array  # (J, V)
    skin_weights: jax.Array  # (V, J)
    left_hand_mean: jax.Array  # (15, 3) axis-angle, zeros when flat
    right_hand_mean: jax.Array  # (15, 3)
    left_hand_components: jax.Array  # (45, 45) PCA rows over the flattened hand pose
    right_hand_components: jax.Array  # (45, 45)
    faces: jax.Array  # (F, 3) int32
    keypoint_vertices: jax.Array  # (11,) int32, order of body.keypoints.KEYPOINT_VERTEX_NAMES
    regions: Regions
    lowres: LowResolution
    parents: tuple[int, ...] = struct.field(pytree_node=False)  # parents[0] == -1
    name: str = struct.field(pytree_node=False, default="")

    @property
    def num_joints(self) -> int:
        return len(self.parents)

    @property
    def num_vertices(self) -> int:
        return self.v_template.shape[0]

    @property
    def num_betas(self) -> int:
        return self.shape_dirs.shape[-1]

    @property
    def num_expressions(self) -> int:
        return self.expression_dirs.shape[-1]


@struct.dataclass
class BodyParams:
    """SMPL-X parameters of P people (any further leading axes by vmap). Angles in radians, metres."""

    global_orient: jax.Array  # (P, 3) axis-angle, body to camera
    body_pose: jax.Array  # (P, 21, 3) axis-angle
    betas: jax.Array  # (P, B)
    transl: jax.Array  # (P, 3) m
    left_hand_pose: jax.Array  # (P, 15, 3), added to the mean hand
    right_hand_pose: jax.Array  # (P, 15, 3)
    jaw_pose: jax.Array  # (P, 3)
    leye_pose: jax.Array  # (P, 3)
    reye_pose: jax.Array  # (P, 3)
    expression: jax.Array  # (P, E)
    kid_scale: jax.Array  # (P,) 0 adult, 1 the child template

    @classmethod
    def zeros(cls, num_people: int = 2, num_betas: int = 10, num_expressions: int = 10) -> BodyParams:
        """Parameters of the rest pose, mean shape, at the origin."""
        p = num_people
        return cls(
            global_orient=jnp.zeros((p, 3)),
            body_pose=jnp.zeros((p, 21, 3)),
            betas=jnp.zeros((p, num_betas)),
            transl=jnp.zeros((p, 3)),
            left_hand_pose=jnp.zeros((p, 15, 3)),
            right_hand_pose=jnp.zeros((p, 15, 3)),
            jaw_pose=jnp.zeros((p, 3)),
            leye_pose=jnp.zeros((p, 3)),
            reye_pose=jnp.zeros((p, 3)),
            expression=jnp.zeros((p, num_expressions)),
            kid_scale=jnp.zeros((p,)),
        )


@struct.dataclass
class PosedBody:
    """Vertices and joints of P posed people in the camera frame."""

    vertices: jax.Array  # (P, V, 3) m, or (P, M, 3) for a subset
    joints: jax.Array  # (P, J, 3) m
