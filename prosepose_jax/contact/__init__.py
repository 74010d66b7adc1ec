"""From words to a loss: vocabulary, parsers, contact programs, region distances (docs/contact.md)."""

from prosepose_jax.contact.aggregation import AGGREGATIONS, Aggregation, AggregationSettings
from prosepose_jax.contact.compile import compile_answers
from prosepose_jax.contact.distance import nearest_region_pairs, part_distances, region_distances
from prosepose_jax.contact.ground import Grounded, grounded_parts
from prosepose_jax.contact.loss import contact_loss, pair_part_distances
from prosepose_jax.contact.program import (
    ContactProgram,
    ProgramArrays,
    ProgramShape,
    bucket,
    pad_arrays,
    program_loss,
    program_losses,
    program_shape,
    program_weights,
    stack_arrays,
    takes_fallback,
    used_entries,
)
from prosepose_jax.contact.vocabulary import PART_REGIONS, PARTS

__all__ = [
    "AGGREGATIONS",
    "PARTS",
    "PART_REGIONS",
    "Aggregation",
    "AggregationSettings",
    "ContactProgram",
    "Grounded",
    "ProgramArrays",
    "ProgramShape",
    "bucket",
    "compile_answers",
    "contact_loss",
    "grounded_parts",
    "nearest_region_pairs",
    "pad_arrays",
    "pair_part_distances",
    "part_distances",
    "program_loss",
    "program_losses",
    "program_shape",
    "program_weights",
    "region_distances",
    "stack_arrays",
    "takes_fallback",
    "used_entries",
]
