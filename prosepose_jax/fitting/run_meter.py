"""Measures the array shapes of a run from its prepared scenes, for those who fit it in parts (`fitting.rooms`)."""

from __future__ import annotations

from prosepose_jax.fitting.prepare import PreparedScene
from prosepose_jax.fitting.rooms import CANDIDATES, PLAIN, VOTING, RoomMeter, RunRooms, Table, with_known
from prosepose_jax.fitting.settings import FitSettings
from prosepose_jax.fitting.vote import candidates_of, takes_a_vote


class RunMeter:
    """The rooms of scenes that are seen one after the other."""

    def __init__(self, settings: FitSettings) -> None:
        self._settings = settings
        self._meters: dict[tuple[str, str], RoomMeter] = {}

    def add(self, item: PreparedScene, variant: str = "") -> None:
        """A scene, and the candidates that it is fitted by; `variant`: of its fit."""
        if not takes_a_vote(item):
            self._meter(variant, PLAIN).add(item)
            return
        self._meter(variant, VOTING).add(item)
        for candidate in candidates_of(item):
            self._meter(variant, CANDIDATES).add(candidate)

    def _meter(self, variant: str, kind: str) -> RoomMeter:
        return self._meters.setdefault((variant, kind), RoomMeter(self._settings))

    def rooms(self) -> RunRooms:
        """Of all scenes so far, as one fitter would take them."""
        known: dict[object, list] = {}
        tables: dict[tuple[str, str], Table] = {}
        for (variant, kind), meter in sorted(self._meters.items()):  # with answers first, as they are fitted
            tables[variant, kind] = with_known(meter.rooms(), known) if kind == PLAIN else meter.rooms()
        return RunRooms(tables)
