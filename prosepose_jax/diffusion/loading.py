"""A prior by the name of its file: a released checkpoint, or one of one's own."""

from __future__ import annotations

import os

from prosepose_jax.diffusion.checkpoint import Loaded, load_checkpoint
from prosepose_jax.diffusion.prior_file import load_prior
from prosepose_jax.resources import checkpoint_file


def load_buddi(path: str | os.PathLike[str], *, conditional: bool) -> Loaded:
    """`load_prior` of an `.npz` (from `prosepose train-prior`), else `load_checkpoint` (BUDDI's releases).

    Args:
      path: the file; "free": the packaged prior.
      conditional: the model with guidance.

    Raises:
      InputError: the file can't be read as either, or is of the other kind.
    """
    file = checkpoint_file(path)
    return (load_prior if file.suffix == ".npz" else load_checkpoint)(file, conditional=conditional)
