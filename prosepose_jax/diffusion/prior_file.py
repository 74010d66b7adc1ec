"""A prior of one's own as a file: `.npz`, readable with `allow_pickle=False` (docs/buddi.md, "Training")."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from prosepose_jax.diffusion.checkpoint import Loaded
from prosepose_jax.diffusion.network import Buddi
from prosepose_jax.diffusion.pairs import Pair
from prosepose_jax.errors import InputError
from prosepose_jax.io._npz import FieldReader, read_npz
from prosepose_jax.io.atomic import write_npz
from prosepose_jax.untrusted import as_input_error

_SIZES = ("width", "layers", "heads", "hidden")
_MOST = {"width": 4096, "layers": 64, "heads": 64, "hidden": 16384}
_WEIGHT = "weights/"


def save_prior(path: str | os.PathLike[str], network: Buddi, weights: Mapping[str, Any]) -> Path:
    """Writes a network with its weights in one step."""
    path = Path(path)
    flat = {
        _WEIGHT + "/".join(str(key.key) for key in place): np.asarray(leaf, np.float32)
        for place, leaf in jax.tree_util.tree_leaves_with_path(dict(weights))
    }
    sizes = {name: np.int32(getattr(network, name)) for name in _SIZES}
    write_npz(path, {**sizes, "conditional": np.bool_(network.conditional), **flat})
    return path


def load_prior(path: str | os.PathLike[str], *, conditional: bool) -> Loaded:
    """Reads what `save_prior` wrote.

    Raises:
      InputError: no such file, of the other kind, or not of the sizes that it names.
    """
    path = Path(path)
    with as_input_error(path, "not a readable prior"):
        return _load(path, FieldReader(path, read_npz(path)), conditional)


def _load(path: Path, reader: FieldReader, conditional: bool) -> Loaded:
    sizes: dict[str, Any] = {}
    for name in _SIZES:
        value = float(reader.floats(name, ()))
        if value != int(value) or not 1 <= value <= _MOST[name]:
            raise reader.fail(name, f"expected a whole number from 1 to {_MOST[name]}, found {value:g}")
        sizes[name] = int(value)
    if sizes["width"] % sizes["heads"]:
        raise reader.fail("heads", f"expected a divisor of the width {sizes['width']}, found {sizes['heads']}")
    if bool(np.asarray(reader.raw("conditional")).all()) != conditional:
        kind = "without guidance" if conditional else "with guidance"
        raise InputError(f"{path}: a network {kind}; say so: --config.buddi.conditional={str(not conditional).lower()}")
    network = Buddi(conditional=conditional, **sizes)
    guidance = Pair.zeros() if conditional else None
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), Pair.zeros(), np.int32(0), guidance)["params"])
    weights: dict[str, Any] = {}
    read = set()
    for place, leaf in jax.tree_util.tree_leaves_with_path(shapes):
        names = [str(key.key) for key in place]
        field = _WEIGHT + "/".join(names)
        read.add(field)
        folder = weights
        for name in names[:-1]:
            folder = folder.setdefault(name, {})
        folder[names[-1]] = reader.floats(field, leaf.shape)
    unused = tuple(sorted(name for name in reader.arrays if name.startswith(_WEIGHT) and name not in read))
    return Loaded(network, weights, unused)
