"""Entries of metrics.json hold finite numbers only: JSON has no others, and one would spoil every mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any


def finite_entry(key: str, entry: dict[str, Any]) -> dict[str, Any]:
    """A scene's entry; where one of its figures is no finite number, one with an "error" that names it and no figures.

    Args:
      key: of the scene.
      entry: of metrics.json.
    """
    for name in _not_finite(entry):
        return {"status": entry["status"], "error": f"scene {key}: figure {name} is no finite number"}
    return entry


def _not_finite(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for below, one in value.items():
            yield from _not_finite(one, f"{name}/{below}" if name else str(below))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _not_finite(one, name)
    elif isinstance(value, float) and not math.isfinite(value):
        yield name
