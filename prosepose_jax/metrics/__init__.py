"""Figures of merit: joint errors, contact, penetration, reprojection (docs/evaluate.md; docs/method.md, "Metrics")."""

from prosepose_jax.metrics.alignment import (
    Similarity,
    align,
    align_scale_translation,
    align_translation,
    fit_similarity,
)
from prosepose_jax.metrics.answers import contact_f1
from prosepose_jax.metrics.bootstrap import Interval, bootstrap, compare, paired_bootstrap
from prosepose_jax.metrics.contact import (
    PCC_RADII_M,
    SELF_CONTACT_GEODESIC_M,
    ContactPair,
    annotated_pairs,
    pair_distances,
    pcc,
    pcc_at,
    region_contact,
    set_scores,
    shares_below,
)
from prosepose_jax.metrics.depths import surface_depths
from prosepose_jax.metrics.evaluate import BODY_METRICS, Evaluator, evaluate, summarise
from prosepose_jax.metrics.geodesic import SurfaceDistances, closest_apart, smallest_distance
from prosepose_jax.metrics.joint_sets import (
    LSP_JOINTS,
    JointSet,
    evaluation_joints,
    load_joint_regressor,
    load_joint_set,
)
from prosepose_jax.metrics.patches import Patches
from prosepose_jax.metrics.penetration import Penetration, penetration, penetration_and_volume, penetration_in
from prosepose_jax.metrics.pose import (
    absolute_mpjpe_mm,
    acceleration_error_mm,
    acceleration_mm,
    accelerations,
    joint_pa_mpjpe_mm,
    joint_pa_mpjpe_swapped_mm,
    mpjpe_mm,
    pa_mpjpe_mm,
    pve_mm,
    scale_translation_mpjpe_mm,
    translation_mpjpe_mm,
)
from prosepose_jax.metrics.rays import crossing_numbers, shared_volume
from prosepose_jax.metrics.records import METRICS, Metric
from prosepose_jax.metrics.regions import RegionTiles, five_vertices
from prosepose_jax.metrics.reprojection import reprojection_errors_px, reprojection_px
from prosepose_jax.metrics.self_contact import SelfContact

__all__ = [
    "BODY_METRICS",
    "LSP_JOINTS",
    "METRICS",
    "PCC_RADII_M",
    "SELF_CONTACT_GEODESIC_M",
    "ContactPair",
    "Evaluator",
    "Interval",
    "JointSet",
    "Metric",
    "Patches",
    "Penetration",
    "RegionTiles",
    "SelfContact",
    "Similarity",
    "SurfaceDistances",
    "absolute_mpjpe_mm",
    "acceleration_error_mm",
    "acceleration_mm",
    "accelerations",
    "align",
    "align_scale_translation",
    "align_translation",
    "annotated_pairs",
    "bootstrap",
    "closest_apart",
    "compare",
    "contact_f1",
    "crossing_numbers",
    "evaluate",
    "evaluation_joints",
    "fit_similarity",
    "five_vertices",
    "joint_pa_mpjpe_mm",
    "joint_pa_mpjpe_swapped_mm",
    "load_joint_regressor",
    "load_joint_set",
    "mpjpe_mm",
    "pa_mpjpe_mm",
    "pair_distances",
    "paired_bootstrap",
    "pcc",
    "pcc_at",
    "penetration",
    "penetration_and_volume",
    "penetration_in",
    "pve_mm",
    "region_contact",
    "reprojection_errors_px",
    "reprojection_px",
    "scale_translation_mpjpe_mm",
    "set_scores",
    "shared_volume",
    "shares_below",
    "smallest_distance",
    "summarise",
    "surface_depths",
    "translation_mpjpe_mm",
]
