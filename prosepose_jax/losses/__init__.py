"""The energy's terms as pure functions, and the module that adds them up (docs/method.md, "Other terms")."""

from prosepose_jax.losses.contact import robust_distance
from prosepose_jax.losses.keypoints import keypoint_loss, keypoint_scale
from prosepose_jax.losses.penetration import penetration_loss
from prosepose_jax.losses.pose_prior import PosePrior, make_pose_prior, pose_prior_loss
from prosepose_jax.losses.prior_file import load_pose_prior
from prosepose_jax.losses.total import TERMS, Weights, weighted_total

__all__ = [
    "TERMS",
    "PosePrior",
    "Weights",
    "keypoint_loss",
    "keypoint_scale",
    "load_pose_prior",
    "make_pose_prior",
    "penetration_loss",
    "pose_prior_loss",
    "robust_distance",
    "weighted_total",
]
