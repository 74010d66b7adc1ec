"""Finds and loads configs: Python files with a `get_config`, packaged or the user's own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from ml_collections import ConfigDict

from prosepose_jax.errors import InputError
from prosepose_jax.resources import configs_dir


def find_config(name: str) -> tuple[Path, str | None]:
    """The file and the variant of a config name.

    Args:
      name: a path, or the name of a packaged config with or without folder and ".py"; ":VARIANT" may follow.

    Raises:
      InputError: no such file; the message lists the packaged configs.
    """
    base, _, variant = name.partition(":")
    packaged = configs_dir() / f"{Path(base).stem}.py"
    for file in (Path(base), packaged):
        if base and file.suffix == ".py" and file.is_file():
            return file, variant or None
    known = ", ".join(sorted(p.stem for p in configs_dir().glob("*.py")))
    raise InputError(f"config {base!r}: no such file and no packaged config; expected a path or one of {known}")


def _load_module(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"prosepose_config_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise InputError(f"{file}: cannot be loaded as a config")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{file}: cannot be loaded as a config: {type(error).__name__}: {error}") from error
    return module


def load_config(name: str = "two_person") -> ConfigDict:
    """Loads a config by path or packaged name, for example "two_person" (docs/fit.md).

    Raises:
      InputError: the config is not found, its file cannot be run, or has no get_config that returns a ConfigDict.
    """
    file, variant = find_config(name)
    module = _load_module(file)
    if not hasattr(module, "get_config"):
        raise InputError(f"{file}: has no function get_config()")
    try:
        config = module.get_config(variant) if variant else module.get_config()
    except Exception as error:
        called = f"get_config({variant!r})" if variant else "get_config()"
        raise InputError(f"{file}: {called} failed: {type(error).__name__}: {error}") from error
    if not isinstance(config, ConfigDict):
        raise InputError(f"{file}: get_config() returned {type(config).__name__}, expected a ml_collections ConfigDict")
    return config
