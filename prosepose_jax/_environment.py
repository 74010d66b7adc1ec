"""What other JAX programs' settings in the environment mean for the `prosepose` command.

People set JAX's variables in their shell or container for other programs. JAX reads them once, when it is first
imported, so this module comes before it. It acts for the command only: a program that imports this package keeps
what it has set.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

# Settings that would change the results, break what is compiled, or run it step by step; with what the command uses.
_FIXED = {
    "JAX_ENABLE_X64": "0",
    "JAX_DEFAULT_DTYPE_BITS": "64",  # of what a program asks for; float32 all the same without the one above
    "JAX_NUMPY_RANK_PROMOTION": "allow",
    "JAX_NUMPY_DTYPE_PROMOTION": "standard",
    "JAX_THREEFRY_PARTITIONABLE": "1",
    "JAX_DEFAULT_PRNG_IMPL": "threefry2x32",
    "JAX_ENABLE_CUSTOM_PRNG": "0",
    "JAX_DEBUG_NANS": "0",  # a failed scene is reported as such, beside the others
    "JAX_DEBUG_INFS": "0",
    "JAX_DEBUG_KEY_REUSE": "0",
    "JAX_DISABLE_JIT": "0",
    "JAX_NO_TRACING": "0",
    "JAX_CHECK_TRACER_LEAKS": "0",
    "JAX_ENABLE_CHECKS": "0",
    "JAX_TRANSFER_GUARD": "allow",
    "JAX_TRANSFER_GUARD_HOST_TO_DEVICE": "allow",
    "JAX_TRANSFER_GUARD_DEVICE_TO_DEVICE": "allow",
    "JAX_TRANSFER_GUARD_DEVICE_TO_HOST": "allow",
    "JAX_RAISE_PERSISTENT_CACHE_ERRORS": "0",
}
_OFF = frozenset({"", "0", "n", "no", "f", "false", "off"})
_ON = frozenset({"1", "y", "yes", "t", "true", "on"})


def settle(environment: MutableMapping[str, str]) -> list[str]:
    """Sets the variables that the command does not follow to its own values; returns their names."""
    changed = []
    for name, value in _FIXED.items():
        given = environment.get(name)
        if given is None:
            continue
        if _normal(given) != _normal(value):
            changed.append(name)
        environment[name] = value
    return changed


def _normal(value: str) -> str:
    value = value.strip().lower()
    return "0" if value in _OFF else "1" if value in _ON else value


def is_command(arguments: Sequence[str], original: Sequence[str]) -> bool:
    """Whether this process runs `prosepose` or `python -m prosepose_jax`.

    Args:
      arguments: `sys.argv`.
      original: `sys.orig_argv`.
    """
    if arguments and Path(arguments[0]).stem == "prosepose":
        return True
    return any(
        flag == "-m" and module.split(".")[0] == "prosepose_jax" for flag, module in itertools.pairwise(original)
    )


def prepare_command() -> None:
    """Settles the environment if this is the command, and ends it with one line where JAX cannot be imported."""
    if "jax" in sys.modules or not is_command(sys.argv, sys.orig_argv):
        return
    changed = settle(os.environ)
    if changed:
        print(f"note: not followed, so that results stay the same: {', '.join(changed)}", file=sys.stderr)
    try:
        import jax  # noqa: F401
    except (ValueError, TypeError) as error:  # a value that JAX does not know
        print(f"prosepose: JAX does not start with what the environment says: {error}", file=sys.stderr)
        sys.exit(2)
