"""Means over more scenes than memory holds: entries go in one at a time, `summarise`'s layout comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.metrics.evaluate import BODY_METRICS, JOINT_SET, MEANS_ALSO, NO_ANSWERS


class _Mean:
    """A mean whose rounding does not grow with the number of values (Neumaier's sum)."""

    def __init__(self) -> None:
        self._sum, self._lost, self._count = 0.0, 0.0, 0

    def add(self, value: float) -> None:
        total = self._sum + value
        larger, smaller = (self._sum, value) if abs(self._sum) >= abs(value) else (value, self._sum)
        self._lost += (larger - total) + smaller
        self._sum, self._count = total, self._count + 1

    def value(self) -> float:
        return (self._sum + self._lost) / self._count


class _Figures:
    """Means of some figures by name; a figure may be a curve, {radius: value}."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._means: dict[str, _Mean | dict[str, _Mean]] = {}

    def add(self, entry: Mapping[str, Any]) -> None:
        for name in self._names:
            value = entry.get(name)
            if isinstance(value, Mapping):
                curve = self._means.setdefault(name, {radius: _Mean() for radius in value})
                assert isinstance(curve, dict)
                for radius, one in value.items():
                    curve[radius].add(one)
            elif name in entry:
                mean = self._means.setdefault(name, _Mean())
                assert isinstance(mean, _Mean)
                mean.add(entry[name])

    def value(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self._names:
            mean = self._means.get(name)
            if isinstance(mean, _Mean):
                found[name] = mean.value()
            elif mean is not None:
                found[name] = {radius: one.value() for radius, one in mean.items()}
        return found


class _Group:
    """Means over some scenes, with those of their initial estimates and of their fits without answers."""

    def __init__(self) -> None:
        self.count = 0
        self._own = _Figures((*BODY_METRICS, *MEANS_ALSO))
        self._parts: dict[str, _Figures] = {}
        self._sets: set[str] = set()

    def add(self, entry: Mapping[str, Any]) -> None:
        self.count += 1
        self._own.add(entry)
        if JOINT_SET in entry:
            self._sets.add(entry[JOINT_SET])
        for part in ("initial", NO_ANSWERS):
            if part in entry:
                self._parts.setdefault(part, _Figures(BODY_METRICS)).add(entry[part])

    def value(self) -> dict[str, Any]:
        if len(self._sets) > 1:
            raise InputError(
                f"one mean over errors on different joints ({', '.join(sorted(self._sets))}) means nothing"
            )
        found = self._own.value()
        if self._sets:
            found[JOINT_SET] = next(iter(self._sets))
        for part in ("initial", NO_ANSWERS):
            if part in self._parts:
                found[part] = self._parts[part].value()
        return found


class StreamedMeans:
    """`summarise` for entries that come one after the other; memory does not grow with them."""

    def __init__(self) -> None:
        self._scenes, self._fitted, self._used = 0, _Group(), _Group()

    def add(self, entry: Mapping[str, Any]) -> None:
        """An entry of metrics.json."""
        self._scenes += 1
        if entry["status"].startswith("failed") or "error" in entry:
            return
        self._fitted.add(entry)
        if entry["status"] == "ok":
            self._used.add(entry)

    def any(self) -> bool:
        """Whether there was an entry."""
        return self._scenes > 0

    def value(self) -> dict[str, Any]:
        """The means so far.

        Raises:
          InputError: entries were measured on different joints.
        """
        fitted, used = self._fitted.count, self._used.count
        mean: dict[str, Any] = {
            "scenes": self._scenes,
            "fitted": fitted,
            "fallback": fitted - used,
            "failed": self._scenes - fitted,
            "coverage": used / self._scenes,
        }
        mean |= self._fitted.value()
        if used and used < fitted:
            mean["without_fallback"] = {"scenes": used} | self._used.value()
        return mean
