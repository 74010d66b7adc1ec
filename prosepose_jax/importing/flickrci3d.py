"""Contact annotations of FlickrCI3D Signatures (`interaction_contact_signature.json`)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing._foreign import float_array, read_json
from prosepose_jax.io.scenes import NUM_REGIONS


@dataclasses.dataclass(frozen=True)
class AnnotatedPair:
    """Two people of an image and the fine regions that touch, column 0 on the first of them."""

    boxes: np.ndarray  # (2, 4) x0, y0, x1, y1 in pixels
    region_pairs: np.ndarray  # (C, 2) fine region ids


def read_annotations(path: str | Path) -> dict[str, tuple[AnnotatedPair, ...]]:
    """Annotated pairs by image key, in the file's order.

    Each entry of `ci_sign` names two boxes of `bbxes` by `person_ids`; `smplx.region_id` lists its touching regions
    with columns in the order of `person_ids`.

    Raises:
      InputError: names the file, the image, the field and what was expected.
    """
    path = Path(path)
    data = read_json(path)
    if not isinstance(data, dict) or not all(isinstance(entry, dict) for entry in data.values()):
        raise InputError(f"{path}: expected an object {{image key: {{bbxes, ci_sign}}}}")
    return {key: _pairs(path, key, entry) for key, entry in data.items()}


def _pairs(path: Path, key: str, entry: dict[str, Any]) -> tuple[AnnotatedPair, ...]:
    signs = entry.get("ci_sign", [])
    if not isinstance(signs, list):
        raise InputError(f"{path}: image {key!r}, field 'ci_sign': expected a list of annotated pairs")
    if not signs:
        return ()
    boxes = float_array(path, f"{key}.bbxes", entry.get("bbxes"), ("n", 4))
    pairs = []
    for index, sign in enumerate(signs):
        where = f"{key}.ci_sign[{index}]"
        ids = sign.get("person_ids") if isinstance(sign, dict) else None
        if (
            not isinstance(ids, list)
            or len(ids) != 2
            or ids[0] == ids[1]
            or not all(isinstance(i, int) and 0 <= i < len(boxes) for i in ids)
        ):
            raise InputError(
                f"{path}: field '{where}.person_ids': expected two different indices of the {len(boxes)} boxes, "
                f"found {ids!r}"
            )
        regions = sign.get("smplx", {}).get("region_id") if isinstance(sign.get("smplx", {}), dict) else None
        if not isinstance(regions, list):
            raise InputError(f"{path}: field '{where}.smplx.region_id': expected a list of pairs of fine regions")
        table = float_array(path, f"{where}.smplx.region_id", regions or np.zeros((0, 2)), ("C", 2))
        if (table != np.round(table)).any() or (table < 0).any() or (table >= NUM_REGIONS).any():
            raise InputError(f"{path}: field '{where}.smplx.region_id': expected ids from 0 to {NUM_REGIONS - 1}")
        pairs.append(AnnotatedPair(boxes=boxes[ids], region_pairs=table.astype(np.int32)))
    return tuple(pairs)
