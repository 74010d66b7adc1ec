"""Figures in double precision, whatever the rest of the program computes in.

Bodies stand some metres from the camera and figures are read to a tenth of a millimetre or finer, so a figure should
not depend on whether JAX was told to use 64 bits. The functions of this package are pure: inside `jit` or `vmap` they
follow the type of what they are given. Called on plain arrays they are compiled once a shape, computed in float64 and
handed back as numpy arrays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def in_double(*static: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a pure function on arrays: outside of a trace it computes in float64 and returns numpy arrays.

    Args:
      *static: names of arguments that are no arrays; they are given by name.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        compiled = jax.jit(function, static_argnames=static)

        @functools.wraps(function)
        def call(*arrays: Any, **named: Any) -> Any:
            fixed = {name: named.pop(name) for name in static if name in named}
            if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((arrays, named))):
                return function(*arrays, **named, **fixed)
            with jax.enable_x64(True):
                arrays, named = jax.tree.map(_wide, (arrays, named))
                return jax.tree.map(_plain, jax.device_get(compiled(*arrays, **named, **fixed)))

        return call

    return decorate


def _wide(leaf: Any) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _plain(leaf: np.ndarray) -> np.ndarray | np.generic:
    """A number where there is one."""
    return leaf if leaf.ndim else leaf[()]
