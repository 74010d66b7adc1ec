"""The folder of a finished run and its body: as its config says, unless the user names another."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from prosepose_jax.errors import InputError
from prosepose_jax.io.lock import read_lock

if TYPE_CHECKING:
    from prosepose_jax.scene import Scene


def run_config(folder: Path) -> dict[str, Any]:
    """The run's config.json, empty when there is none.

    Raises:
      InputError: it cannot be read or is no JSON object.
    """
    file = folder / "config.json"
    if not file.is_file():
        return {}
    config = read_lock(file, "a run's config")
    if not isinstance(config, dict):
        raise InputError(f"{file}: expected a JSON object, found {type(config).__name__}")
    return config


def section(config: dict[str, Any], name: str) -> dict[str, Any]:
    """A section of a run's config, empty when there is none."""
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def body_files(config: dict[str, Any], path: str | None = None, regions: str | None = None) -> dict[str, Any]:
    """What `load_body` is to be called with.

    Args:
      config: of the run.
      path: the body file in the place of the run's. It is the same body moved, or one like it: what else the run's
        config says of the body (flat hands, regions, keypoints, …) stays.
      regions: the regions file in the place of the run's.
    """
    of_run = section(config, "body")
    names = ("path", "regions", "keypoints", "lowres", "kid_template")
    files: dict[str, Any] = {name: of_run.get(name) or None for name in names}
    files["flat_hands"] = bool(of_run.get("flat_hands", False))
    return files | {name: value for name, value in (("path", path), ("regions", regions)) if value}


def define_body_flag(values: flags.FlagValues) -> None:
    """`--body` of verbs that read a run."""
    flags.DEFINE_string(
        "body", None, "where the file of the run's body is now; default: as the run says, else the embedded body",
        flag_values=values,
    )  # fmt: skip


def define_scenes_flags(values: flags.FlagValues, what_for: str) -> None:
    """`--scenes` of verbs that show a run, and where the scenes' photographs may lie, as in `prosepose fit`."""
    flags.DEFINE_string("scenes", None, f"the run's scenes: {what_for}", flag_values=values)
    flags.DEFINE_string("image_root", None, "folder that may hold images besides the scenes' own", flag_values=values)
    flags.DEFINE_bool("allow_outside_images", False, "show images from anywhere", flag_values=values)


def scenes_of_run(values: flags.FlagValues) -> dict[str, Scene]:
    """The scenes by key; which cannot be read, and which photographs may not be shown, is said on stderr."""
    from prosepose_jax.io import load_scenes
    from prosepose_jax.io.image_paths import image_rule
    from prosepose_jax.untrusted import shown

    if not values.scenes:
        return {}
    found = load_scenes(values.scenes, image_rule(values.image_root, values.allow_outside_images))
    for key, reason in found.notes.items():
        print(f"{shown(key)}: shown without its photograph ({reason})", file=sys.stderr)
    for key, reason in found.failures.items():
        print(f"{shown(key)}: shown without its scene ({reason})", file=sys.stderr)
    return {scene.key: scene for scene in found}


def with_folder_first(argv: Sequence[str], flag: str = "fits") -> list[str]:
    """The arguments of a verb whose first one may be the folder of the run, in place of a flag."""
    found = list(argv)
    if len(found) > 1 and not found[1].startswith("-"):
        found[1] = f"--{flag}={found[1]}"
    return found


def run_folder(fits: str) -> Path:
    """The folder of a run, given itself or its `fits`."""
    folder = Path(fits)
    return folder.parent if folder.name == "fits" else folder
