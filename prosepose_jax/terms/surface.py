"""What searches over a body's surface read, prepared once and shared by all terms."""

from __future__ import annotations

import numpy as np
from flax import struct

from prosepose_jax.body.blocks import Blocks, make_blocks
from prosepose_jax.body.cells import Cells, make_cells
from prosepose_jax.body.inside import FaceGroups, group_faces
from prosepose_jax.body.model import BodyModel
from prosepose_jax.contact.vocabulary import PART_REGION_IDS


@struct.dataclass
class Surface:
    """A body's surface in pieces, for searches from coarse to fine."""

    cells: Cells  # of regions and parts
    blocks: Blocks  # of vertices
    groups: FaceGroups  # of the closed low-resolution surface


def make_surface(body: BodyModel) -> Surface:
    """Cuts a body's surface into pieces (host, about a second)."""
    template = np.asarray(body.v_template)
    low = np.asarray(body.lowres.vertex_ids)
    return Surface(
        cells=make_cells(template, body.regions, PART_REGION_IDS),
        blocks=make_blocks(template),
        groups=group_faces(template[low], np.asarray(body.lowres.faces)),
    )
