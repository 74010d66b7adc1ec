"""Figures of merit: joint errors, contact, penetration, reprojection (docs/evaluate.md; docs/method.md, "Metrics")."""

from prosepose_jax.metrics.alignment import Similarity, align, fit_similarity
from prosepose_jax.metrics.bootstrap import Interval, compare, paired_bootstrap
from prosepose_jax.metrics.contact import (
    PCC_RADII_M,
    SELF_CONTACT_GEODESIC_M,
    ContactPair,
    annotated_pairs,
    contact_f1,
    pair_distances,
    pcc,
    pcc_at,
)
from prosepose_jax.metrics.evaluate import BODY_METRICS, Evaluator, evaluate, summarise
from prosepose_jax.metrics.geodesic import SurfaceDistances, closest_apart, smallest_distance
from prosepose_jax.metrics.penetration import Penetration, crossing_numbers, penetration, surface_depths
from prosepose_jax.metrics.pose import (
    LSP_JOINTS,
    evaluation_joints,
    joint_pa_mpjpe_mm,
    load_joint_regressor,
    mpjpe_mm,
    pa_mpjpe_mm,
)
from prosepose_jax.metrics.reprojection import reprojection_px

__all__ = [
    "BODY_METRICS",
    "LSP_JOINTS",
    "PCC_RADII_M",
    "SELF_CONTACT_GEODESIC_M",
    "ContactPair",
    "Evaluator",
    "Interval",
    "Penetration",
    "Similarity",
    "SurfaceDistances",
    "align",
    "annotated_pairs",
    "closest_apart",
    "compare",
    "contact_f1",
    "crossing_numbers",
    "evaluate",
    "evaluation_joints",
    "fit_similarity",
    "joint_pa_mpjpe_mm",
    "load_joint_regressor",
    "mpjpe_mm",
    "pa_mpjpe_mm",
    "pair_distances",
    "paired_bootstrap",
    "pcc",
    "pcc_at",
    "penetration",
    "reprojection_px",
    "smallest_distance",
    "summarise",
    "surface_depths",
]
