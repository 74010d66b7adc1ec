"""Reading the user's region file (inside of `body.regions`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body._unpickle import safe_load
from prosepose_jax.body.region_table import NUM_REGIONS, REGION_NAMES
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import as_input_error, read_json, read_members


def load_regions(file: str | os.PathLike[str], num_vertices: int) -> list[np.ndarray]:
    """Reads {region id: vertex ids} (docs/method.md, "Regions").

    A `.pkl` or `.json` file holds the mapping itself (ids as integers or decimal strings), a `.npz` file
    one integer array a region, named by its id ("0" to "74"). Pickles are read without running code.

    Args:
      file: path of the file.
      num_vertices: V of the body in use; every vertex id must be below it.

    Returns:
      75 sorted int arrays without repeats. Regions may overlap and need not cover the body.

    Raises:
      InputError: naming the file and the region: unreadable file, missing, unknown or empty region, ids that
        are not integers or not vertices of the body.
    """
    path = Path(file)
    mapping = _read_mapping(path)
    found: dict[int, Any] = {}
    for key, value in mapping.items():
        region = _region_id(key)
        if region is None:
            raise InputError(f"{path}: unknown region {key!r}, expected ids 0 to {NUM_REGIONS - 1}")
        found[region] = value
    missing = [region for region in range(NUM_REGIONS) if region not in found]
    if missing:
        names = ", ".join(f"{region} ({REGION_NAMES[region]})" for region in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise InputError(f"{path}: expected all {NUM_REGIONS} regions, missing {names}{more}")
    return [_vertex_ids(path, region, found[region], num_vertices) for region in range(NUM_REGIONS)]


def _read_mapping(path: Path) -> Mapping[Any, Any]:
    suffix = path.suffix.lower()
    if suffix not in (".pkl", ".json", ".npz"):
        raise InputError(f"{path}: expected a region file ending in .pkl, .json or .npz, found {suffix or 'no ending'}")
    if not path.is_file():
        raise InputError(f"{path}: no such region file")
    with as_input_error(path, "not a readable region file"):
        if suffix == ".json":
            data = read_json(path)
        elif suffix == ".npz":
            data = read_members(path)
        else:
            data = safe_load(path)
    if not isinstance(data, Mapping):
        raise InputError(f"{path}: expected {{region id: vertex ids}}, found {type(data).__name__}")
    return data


def _region_id(key: Any) -> int | None:
    try:
        region = int(key)
    except (TypeError, ValueError):
        return None
    return region if 0 <= region < NUM_REGIONS and str(key).strip().lstrip("0") in (str(region), "") else None


def _vertex_ids(path: Path, region: int, value: Any, num_vertices: int) -> np.ndarray:
    where = f"{path}: region {region} ({REGION_NAMES[region]})"
    try:
        # Sets are common in such files.
        ids = np.asarray(sorted(value) if isinstance(value, (set, frozenset)) else value).reshape(-1)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: expected a list of vertex ids") from error
    if not ids.size:
        raise InputError(f"{where}: expected at least one vertex, found none")
    if ids.dtype.kind == "f" and (np.abs(ids) < 2**31).all() and (ids == np.round(ids)).all():
        ids = ids.astype(np.int64)
    if ids.dtype.kind not in "iu":
        raise InputError(f"{where}: expected integer vertex ids, found {ids.dtype}")
    if ids.min() < 0 or ids.max() >= num_vertices:
        raise InputError(
            f"{where}: expected vertex ids in 0..{num_vertices - 1} (the body's vertices), "
            f"found {ids.min()}..{ids.max()}"
        )
    return np.unique(ids.astype(np.int64))
