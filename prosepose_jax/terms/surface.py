"""What searches over a body's surface read, prepared once and shared by all terms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.blocks import Blocks, make_blocks, stand_ins
from prosepose_jax.body.cells import Cells, make_cells
from prosepose_jax.body.inside import FaceGroups, group_faces
from prosepose_jax.body.model import BodyModel
from prosepose_jax.contact.vocabulary import PART_REGION_IDS

# Vertices, about, that are tested for being inside something: of a finer mesh one stands for its neighbours.
MOST_TESTED = 3000


@struct.dataclass
class Surface:
    """A body's surface in pieces, for searches from coarse to fine."""

    cells: Cells  # of regions and parts
    blocks: Blocks  # of vertices
    groups: FaceGroups  # of the closed low-resolution surface
    tested: Blocks  # of the vertices that stand for all in inside tests
    stands_for: jax.Array  # (V,) float32 how many vertices one of these stands for; 0 for the others


def make_surface(body: BodyModel) -> Surface:
    """Cuts a body's surface into pieces (host, about a second)."""
    template = np.asarray(body.v_template)
    low = np.asarray(body.lowres.vertex_ids)
    stands_for = stand_ins(template, np.zeros(len(template), np.int64), MOST_TESTED)
    return Surface(
        cells=make_cells(template, body.regions, PART_REGION_IDS),
        blocks=make_blocks(template),
        groups=group_faces(template[low], np.asarray(body.lowres.faces)),
        tested=make_blocks(template, ids=np.flatnonzero(stands_for)),
        stands_for=jnp.asarray(stands_for, jnp.float32),
    )
