"""Where the packaged data lies: inside an installed wheel, or in the source checkout."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _find(packaged: str, checkout: str) -> Path:
    inside = _PACKAGE / packaged
    return inside if inside.is_dir() else _PACKAGE.parent / checkout


def smpl_assets_dir() -> Path:
    """The folder of the embedded body and the pose prior."""
    return _find("_smpl_assets", "smpl_assets")


def configs_dir() -> Path:
    """The folder of the packaged configs."""
    return _find("_configs", "configs")


def demo_dir() -> Path:
    """The folder of the packaged scenes and recorded answers."""
    return _PACKAGE / "demo"


FREE_PRIOR = "free"
"""Stands for the packaged prior of two people wherever a checkpoint of one is named."""


def checkpoint_file(name: str | os.PathLike[str]) -> Path:
    """The file of a prior of two people (docs/buddi.md); `FREE_PRIOR` is the packaged one."""
    return smpl_assets_dir() / "pair_prior.npz" if str(name) == FREE_PRIOR else Path(name)
