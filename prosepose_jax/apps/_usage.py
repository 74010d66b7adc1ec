"""Command lines: the help of a verb in a screenful, and a --config flag whose every mistake is named."""

from __future__ import annotations

import difflib
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from prosepose_jax.apps._progress import be_quiet, end_quiet
from prosepose_jax.config import load_config
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import one_line

# absl's own, and what the help itself is.
_NOT_SHOWN = frozenset({"flagfile", "undefok", "help", "h"})
_QUIET_HELP = "no progress and no notes on stderr; results and failures stay"
_BATCH_FLAG = "--config.batch_size="
_ENDLESS_NAME = "an unknown flag with an endless name"
_OVERRIDE = re.compile(r"--?(?:no)?config\.([^=]+)")


def help_text(doc: str | None, values: flags.FlagValues, more: Mapping[str, str] | None = None) -> str:
    """A verb's docstring and its flags, in the order of their definition.

    Args:
      doc: the docstring of the verb's module.
      values: the verb's flags.
      more: further flags and what they do, listed first.
    """
    lines = [(doc or "").strip(), "", "flags:"]
    width = min(120, shutil.get_terminal_size((100, 24)).columns)
    described = [(f"--{name}", text) for name, text in ({"quiet": _QUIET_HELP} | dict(more or {})).items()]
    for name in values:
        flag = values[name]
        if name in _NOT_SHOWN or name == flag.short_name or (flag.help or "").startswith("Alias for"):
            continue
        shown = f"--[no]{name}" if flag.boolean else f"--{name}"
        default = "" if flag.default in (None, "", []) else f" (default: {str(flag.default_as_str).strip(chr(39))})"
        described.append((shown, f"{flag.help}{default}"))
    for shown, text in described:
        lines.append(textwrap.fill(f"  {shown}: {text}", width, subsequent_indent="      "))
    return "\n".join(lines)


def run_verb(verb: str, doc: str | None, values: flags.FlagValues, argv: Sequence[str], run: Callable[[], int]) -> int:
    """Parses a verb's flags into `values`, then runs it; help and usage errors are dealt with here.

    Args:
      verb: name of the verb, for error messages.
      doc: the docstring of the verb's module.
      values: the verb's flags, made anew by this call.
      argv: the arguments, program name first.
      run: does the work and returns the exit status.
    """
    values.unparse_flags()
    for name in values:
        values[name].unparse()
    argv, quiet = take_quiet(argv)
    token = be_quiet(quiet)
    try:
        try:
            rest = values(list(argv))[1:]
        except RecursionError:  # absl looks for names like the unknown one
            raise InputError(_ENDLESS_NAME) from None
        if values["help"].value:
            print(help_text(doc, values))
            return 0
        _refuse(rest)
        return run()
    except (InputError, flags.Error) as error:
        print(f"prosepose {verb}: {one_line(error)}", file=sys.stderr)
        return 2
    finally:
        end_quiet(token)


def run_verb_with_config(
    verb: str,
    doc: str | None,
    values: flags.FlagValues,
    argv: Sequence[str],
    run: Callable[[ConfigDict], int],
    *,
    default: str,
    about: str,
) -> int:
    """`run_verb` for a verb with `--config`.

    Args:
      verb: name of the verb, for error messages.
      doc: the docstring of the verb's module.
      values: the verb's other flags, not parsed yet.
      argv: the arguments, program name first.
      run: does the work with the config and returns the exit status.
      default: name of the packaged config that is taken when --config is not given.
      about: what --config names, for the help.
    """
    if any(a in ("--help", "-h", "-help", "--helpfull", "--helpshort") for a in argv[1:]):
        print(help_text(doc, values, {"config": f"{about} (default: {default})"}))
        return 0
    argv, quiet = take_quiet(argv)
    token = be_quiet(quiet)
    try:
        config, rest = parse_with_config(argv, values, default)
        _refuse(rest)
        return run(config)
    except InputError as error:
        print(f"prosepose {verb}: {one_line(error)}", file=sys.stderr)
        return 2
    finally:
        end_quiet(token)


def say_failures(failures: Mapping[str, str]) -> None:
    """A line on stderr for each scene that failed; what strangers wrote is shown as text."""
    for key in sorted(failures):
        print(f"FAILED {one_line(key)}: {one_line(failures[key])}", file=sys.stderr)


def take_quiet(argv: Sequence[str]) -> tuple[list[str], bool]:
    """The arguments without `--quiet`, and whether it was there; every verb takes it."""
    rest = [argument for argument in argv if argument != "--quiet"]
    return rest, len(rest) < len(argv)


def take_auto(argv: Sequence[str]) -> tuple[list[str], bool]:
    """The arguments without `--config.batch_size=auto`, and whether it holds: the last setting counts."""
    given = [argument for argument in argv if argument.startswith((_BATCH_FLAG, _BATCH_FLAG[1:]))]
    automatic = bool(given) and given[-1].partition("=")[2] == "auto"
    rest = [a for a in argv if not (a in given and (automatic or a.partition("=")[2] == "auto"))]
    return rest, automatic


def _refuse(rest: Sequence[str]) -> None:
    """Raises InputError for an argument that is no flag."""
    if rest:
        raise InputError(f"unexpected argument {rest[0]!r}: values are given as --flag=value")


def parse_with_config(argv: Sequence[str], values: flags.FlagValues, default: str) -> tuple[ConfigDict, list[str]]:
    """Parses flags with `--config=FILE or NAME` and `--config.a.b=value` among them.

    Args:
      argv: the arguments, program name first.
      values: the verb's other flags.
      default: name of the packaged config that is taken when --config is not given.

    Returns:
      The config and the arguments that are no flags.

    Raises:
      InputError: an unusable config, an unknown flag or config field (the nearest valid name is given), or a
        value of a wrong type.
    """
    # Late: ml_collections' flags read sys.argv when they are defined.
    from ml_collections import config_flags

    name, argv = _take_config_name(argv)
    config = load_config(name or default)
    for argument in argv[1:]:
        if argument == "--":
            break
        found = _OVERRIDE.match(argument)
        if found:
            _check_field(config, found[1])
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=list(argv))
        rest = values(list(argv))[1:]
    except RecursionError:
        raise InputError(_ENDLESS_NAME) from None
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(str(error.args[0]) if error.args else str(error)) from None
    return values["config"].value, rest


def _take_config_name(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The value of --config (the last one counts) and the arguments without it."""
    name, rest = None, list(argv[:1])
    arguments = iter(argv[1:])
    for argument in arguments:
        if argument == "--":
            rest += [argument, *arguments]
        elif argument in ("--config", "-config"):
            name = next(arguments, None)
            if name is None:
                raise InputError("--config is missing its value, expected a config file or the name of a packaged one")
        elif argument.startswith(("--config=", "-config=")):
            name = argument.partition("=")[2]
        else:
            rest.append(argument)
    return name, rest


def _check_field(config: ConfigDict, path: str) -> None:
    section: Any = config
    names = path.split(".")
    for depth, name in enumerate(names):
        inside = isinstance(section, ConfigDict)
        if not inside or name not in section:
            known = _fields(config)
            wanted = path if inside else ".".join(names[:depth])
            near = difflib.get_close_matches(wanted, known, 1, 0.0) or known[:1]
            raise InputError(f"--config.{path}: the config has no field {path}; the nearest is {near[0]}")
        section = section[name]
    if isinstance(section, ConfigDict):
        raise InputError(f"--config.{path}: is a section, expected one of its fields: {', '.join(sorted(section))}")


def _fields(config: ConfigDict, above: str = "") -> list[str]:
    """Dotted names of all fields."""
    names = []
    for name in config:
        value = config[name]
        names += _fields(value, f"{above}{name}.") if isinstance(value, ConfigDict) else [f"{above}{name}"]
    return names
