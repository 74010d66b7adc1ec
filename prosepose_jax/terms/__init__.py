"""The terms of the objective, one file each, and the lists of them (docs/extending.md)."""

from prosepose_jax.terms.base import (
    Camera,
    Context,
    Elements,
    End,
    Lookup,
    OnBody,
    OnPeople,
    OnPoints,
    SceneReading,
    Term,
    at_vertices,
)
from prosepose_jax.terms.closest_meshes import ClosestMeshes
from prosepose_jax.terms.configured import configured_terms
from prosepose_jax.terms.contact import Contact
from prosepose_jax.terms.estimate_place import EstimatePlace
from prosepose_jax.terms.estimate_pose import EstimatePose
from prosepose_jax.terms.estimate_shape import EstimateShape, PopulationShape
from prosepose_jax.terms.floor import Floor
from prosepose_jax.terms.initial_pose import InitialPose
from prosepose_jax.terms.keypoints import Keypoints
from prosepose_jax.terms.mixture import PosePrior, make_pose_prior
from prosepose_jax.terms.penetration import Penetration
from prosepose_jax.terms.pose_prior import PosePriorTerm
from prosepose_jax.terms.prior_file import load_pose_prior
from prosepose_jax.terms.self_penetration import SelfPenetration
from prosepose_jax.terms.shape_prior import ShapePrior
from prosepose_jax.terms.surface import Surface, make_surface
from prosepose_jax.terms.told import Told
from prosepose_jax.terms.told_people import ToldAge, ToldFaces, ToldPosture

# Of the default objectives, in the order of the records.
TERMS: tuple[Term, ...] = (
    Keypoints(),
    Contact(),
    InitialPose(),
    PosePriorTerm(),
    ShapePrior(),
    Penetration(),
    ClosestMeshes(),
    EstimatePose(),
    EstimateShape(),
    PopulationShape(),
    EstimatePlace(),
    Told(),
    SelfPenetration(),
    Floor(),
)
# Of no weight by default; they come after those.
OPTIONAL_TERMS: tuple[Term, ...] = (ToldAge(), ToldFaces(), ToldPosture())

__all__ = [
    "OPTIONAL_TERMS",
    "TERMS",
    "Camera",
    "ClosestMeshes",
    "Contact",
    "Context",
    "Elements",
    "End",
    "EstimatePlace",
    "EstimatePose",
    "EstimateShape",
    "Floor",
    "InitialPose",
    "Keypoints",
    "Lookup",
    "OnBody",
    "OnPeople",
    "OnPoints",
    "Penetration",
    "PopulationShape",
    "PosePrior",
    "PosePriorTerm",
    "SceneReading",
    "SelfPenetration",
    "ShapePrior",
    "Surface",
    "Term",
    "Told",
    "ToldAge",
    "ToldFaces",
    "ToldPosture",
    "at_vertices",
    "configured_terms",
    "load_pose_prior",
    "make_pose_prior",
    "make_surface",
]
