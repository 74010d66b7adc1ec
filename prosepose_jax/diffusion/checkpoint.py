"""BUDDI's released PyTorch checkpoints as Flax parameters; nothing in the file is executed, PyTorch isn't needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from prosepose_jax.diffusion.network import NAMES, PEOPLE, Buddi
from prosepose_jax.diffusion.pairs import PARTS, SIZES
from prosepose_jax.errors import InputError
from prosepose_jax.io.torch_file import TorchTensor, load_torch_file

_TOP = "model"


class Entry(NamedTuple):
    """One tensor: its key in the checkpoint, its place among the Flax parameters, its PyTorch shape."""

    key: str
    place: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def is_kernel(self) -> bool:
        """Linear weights are stored (out, in) by PyTorch and (in, out) by Flax."""
        return self.place[-1] == "kernel"


class Loaded(NamedTuple):
    """A network, its parameters, and the keys of the file that it has no use for."""

    network: Buddi
    weights: dict[str, Any]
    unused: tuple[str, ...]


def entries(network: Buddi) -> Iterator[Entry]:
    """Every tensor that the network reads, with its key in a released checkpoint."""
    width = network.width

    def linear(key: str, place: tuple[str, ...], out: int, into: int, weight: str = ".weight", bias: str = ".bias"):
        yield Entry(key + weight, (*place, "kernel"), (out, into))
        yield Entry(key + bias, (*place, "bias"), (out,))

    def embedder(key: str, place: str, into: int, hidden: int, out: int):
        yield from linear(f"{key}.embed.0", (place, "first"), hidden, into)
        yield from linear(f"{key}.embed.2", (place, "second"), out, hidden)

    for number in range(network.layers):
        key, place = f"transformer_encoder.layers.{number}", f"layer_{number}"
        yield from linear(
            f"{key}.self_attn.in_proj", (place, "in_proj"), 3 * width, width, weight="_weight", bias="_bias"
        )
        yield from linear(f"{key}.self_attn.out_proj", (place, "out_proj"), width, width)
        yield from linear(f"{key}.linear1", (place, "linear1"), network.hidden, width)
        yield from linear(f"{key}.linear2", (place, "linear2"), width, network.hidden)
        for norm in ("norm1", "norm2"):
            yield Entry(f"{key}.{norm}.weight", (place, norm, "scale"), (width,))
            yield Entry(f"{key}.{norm}.bias", (place, norm, "bias"), (width,))
    yield from embedder("embed_timestep", "embed_timestep", width, width, width)
    for part, person in NAMES:
        size, who = SIZES[part], PEOPLE[person]
        name = f"embed_input_{part}_{who}"
        yield from embedder(name, name, size, width, width)
        name = f"unembed_input_{part}_{who}"
        yield from embedder(name, name, width, size, size)
        if network.conditional:
            # Beside these the file has embed_guidance_{part}_{who}, which the released model never reads.
            key = f"embed_guidance_{part}_bev_{who}"
            yield from embedder(key, f"embed_guidance_{part}_{who}", size, width, width)
    for name in (*(f"human_embedding_{who}" for who in PEOPLE), *(f"param_embedding_{part}" for part in PARTS)):
        yield Entry(name, (name,), (width,))


def from_state_dict(network: Buddi, state: Mapping[str, np.ndarray | TorchTensor], source: str) -> Loaded:
    """The Flax parameters of a PyTorch state dict.

    Args:
      network: what to load into.
      state: {key: tensor} as documented in docs/buddi.md; entries that the network doesn't read may be missing.
      source: name of the file, for messages.

    Raises:
      InputError: tensors are missing, or have other shapes than the network's, or hold non-finite numbers.
    """
    wanted = list(entries(network))
    missing = [entry.key for entry in wanted if entry.key not in state]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(f"{source}: the checkpoint lacks {', '.join(missing[:3])}{more}")
    weights: dict[str, Any] = {}
    for entry in wanted:
        tensor = state[entry.key]
        if tuple(getattr(tensor, "shape", ())) != entry.shape:
            found = tuple(getattr(tensor, "shape", ()))
            raise InputError(f"{source}: field {entry.key}: expected shape {entry.shape}, found {found}")
        numbers = np.asarray(tensor.numpy() if isinstance(tensor, TorchTensor) else tensor, np.float32)
        if not np.isfinite(numbers).all():
            raise InputError(f"{source}: field {entry.key}: expected finite numbers")
        folder = weights
        for name in entry.place[:-1]:
            folder = folder.setdefault(name, {})
        folder[entry.place[-1]] = np.ascontiguousarray(numbers.T) if entry.is_kernel else numbers
    read = {entry.key for entry in wanted}
    return Loaded(network, weights, tuple(sorted(key for key in state if key not in read)))


def load_checkpoint(path: str | os.PathLike[str], *, conditional: bool) -> Loaded:
    """A released checkpoint (`buddi_unconditional.pt`, `buddi_cond_bev.pt`).

    Args:
      path: a file of `torch.save`: a dictionary whose "model" is the state dict, or the state dict itself.
      conditional: the model with guidance. Both files hold the guidance embedders, so the file can't tell.

    Raises:
      InputError: not such a file, or not this network.
    """
    path = Path(path)
    content = load_torch_file(path)
    state = content.get(_TOP, content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise InputError(f"{path}: expected a dictionary with the state dict under {_TOP!r}")
    # Training on several devices puts this before every key.
    prefix = "module."
    state = {key.removeprefix(prefix): value for key, value in state.items()}
    return from_state_dict(Buddi(conditional=conditional), state, str(path))
