"""`prosepose fit`: scenes and answers become fits, metrics, pictures and a report.

  prosepose fit --config=configs/two_person.py --scenes=SCENES --answers=ANSWERS --workdir=DIR

--config takes a path or the name of a packaged config: two_person, self_contact, heuristic,
parity_two_person, parity_self_contact. Any field is set with --config.a.b=value, for example
--config.body.path=SMPLX_NEUTRAL.npz or --config.stage1.steps=200. Without --answers every scene takes
the fallback. A stopped run goes on where it was when started again with the same --workdir.
docs/fit.md explains every field. Exit status: 0 all scenes done, 1 some failed (named on stderr),
2 bad usage or an unusable body, config or answers file.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from prosepose_jax.config import find_config
from prosepose_jax.errors import InputError


def _with_packaged_config(argv: Sequence[str]) -> list[str]:
    """The arguments with a packaged config's name replaced by its path."""
    fixed = list(argv)
    for i, argument in enumerate(fixed):
        for prefix in ("--config=", "-config="):
            if argument.startswith(prefix):
                file, variant = find_config(argument.removeprefix(prefix))
                fixed[i] = f"{prefix}{file}" + (f":{variant}" if variant else "")
        if argument in ("--config", "-config") and i + 1 < len(fixed):
            file, variant = find_config(fixed[i + 1])
            fixed[i + 1] = str(file) + (f":{variant}" if variant else "")
    return fixed


def parse_with_config(argv: Sequence[str], values: flags.FlagValues, default: str) -> tuple[Any, list[str]]:
    """Parses flags with a --config flag of ml_collections among them.

    Args:
      argv: the arguments, program name first.
      values: the verb's other flags.
      default: name of the packaged config that is taken when --config is not given.

    Returns:
      The config and the arguments that are no flags.

    Raises:
      InputError: an unknown flag or config field (the nearest valid name is given), or a value of a wrong type.
    """
    from ml_collections import config_flags

    argv = _with_packaged_config(argv)
    file, _ = find_config(default)
    config_flags.DEFINE_config_file(
        "config", str(file), "config file or packaged name", flag_values=values, sys_argv=list(argv)
    )
    try:
        rest = values(list(argv))[1:]
        return values["config"].value, rest
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        text = str(error.args[0]) if error.args else str(error)
        raise InputError(text) from None


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_string("scenes", None, "folder of scene files (<key>.npz)", flag_values=values)
    flags.DEFINE_string("answers", None, "answers, .json or .jsonl; none: every scene falls back", flag_values=values)
    flags.DEFINE_string("workdir", None, "folder of the run", flag_values=values)
    flags.DEFINE_bool("pictures", True, "write renders and meshes", flag_values=values)
    flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    values = _flags()
    if any(a in ("--help", "-h", "-help", "--helpfull") for a in argv[1:]):
        print(__doc__)
        print(values.get_help())
        return 0
    try:
        config, rest = parse_with_config(argv, values, "two_person")
        if rest:
            raise InputError(f"unexpected argument {rest[0]!r}: values are given as --flag=value")
        for name, what in (("scenes", "a folder of scene files"), ("workdir", "a folder for the run")):
            if not values[name].value:
                raise InputError(f"--{name} is missing, expected {what}")
        # Late: usage errors need no JAX.
        from prosepose_jax.apps._runtime import set_up_jax

        set_up_jax()
        from prosepose_jax.apps._run import run
        from prosepose_jax.io import load_answers, load_scenes

        answers = load_answers(values.answers) if values.answers else None
        return run([config], load_scenes(values.scenes), answers, Path(values.workdir), values.pictures)
    except InputError as error:
        print(f"prosepose fit: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
