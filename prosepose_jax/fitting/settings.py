"""Settings of a fit as frozen dataclasses, made once from a config at the edge."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from prosepose_jax.contact.aggregation import AGGREGATIONS, AggregationSettings, check_aggregation, mean
from prosepose_jax.contact.compile import PARSERS
from prosepose_jax.errors import InputError
from prosepose_jax.losses.total import TERMS

MODES = ("two_person", "self_contact")
SEARCHES = ("cells", "exact", "sample")
LOST_ANKLES = ("leave_out", "initial")
SOLVERS = ("lm", "adam", "lbfgs")


@dataclasses.dataclass(frozen=True)
class StageSettings:
    """One optimisation stage (docs/method.md, "Optimisation")."""

    steps: int
    learning_rate: float
    move_betas: bool
    move_global_orient: bool
    weights: tuple[float, ...]  # order of losses.TERMS
    fallback_weights: tuple[float, ...]  # for scenes whose answers cannot be used
    contact_refresh: int  # steps for which the closest vertices are kept
    inside_refresh: int  # steps for which the set of inside vertices is kept

    @property
    def round_steps(self) -> int:
        """Steps between two searches."""
        return min(self.contact_refresh, self.inside_refresh) if self.has_penetration else self.contact_refresh

    @property
    def has_penetration(self) -> bool:
        return self._has("penetration")

    @property
    def has_heuristic(self) -> bool:
        return self._has("heuristic")

    def _has(self, term: str) -> bool:
        index = TERMS.index(term)
        return self.weights[index] > 0 or self.fallback_weights[index] > 0


@dataclasses.dataclass(frozen=True)
class StopSettings:
    """When a stage ends early."""

    window: int  # losses looked at
    slope: float  # stop when the least-squares slope lies in [-slope, slope)
    relative: bool  # slope in units of the mean loss of the window instead of absolute


@dataclasses.dataclass(frozen=True)
class RobustSettings:
    """From where on errors count less than published; 0: as published (docs/method.md, "Robust terms")."""

    keypoints_px: float = 0.0  # in the 512-px person box
    contact_m: float = 0.0
    penetration_m: float = 0.0


@dataclasses.dataclass(frozen=True)
class LMSettings:
    """Levenberg–Marquardt (docs/method.md, "Levenberg–Marquardt")."""

    steps: int  # most steps of a stage; the stage's own limit holds too
    damping: float  # at the first step, as a share of the curvature's diagonal
    tolerance: float  # a smaller relative gain is too little
    patience: int  # done after so many steps in a row with too little gain


@dataclasses.dataclass(frozen=True)
class LBFGSSettings:
    """L-BFGS with a zoom line search."""

    steps: int
    refresh_every: int
    tolerance: float
    memory: int  # gradient pairs remembered
    linesearch_steps: int


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """Everything the fit needs to know besides bodies, scenes and answers."""

    mode: str  # "two_person" | "self_contact"
    use_answers: bool  # False: every scene takes the fallback
    parser: str  # "published" | "extended"
    min_count: int | None  # f; None: half of the answers, rounded up
    min_share: float  # two people: share of the answers that must name a contact
    fallback_empty_answers: int | None  # t; None: all of them
    aggregation: AggregationSettings  # how the answers become one loss
    starts: tuple[float, ...]  # factors of the contact weight before the last stage; several: the best fit is kept
    search: str  # "cells" | "exact" | "sample"
    sample_size: int  # vertices per fine region of the "sample" search
    lost_ankle: str  # "leave_out" | "initial"
    exchange_swapped: bool  # detections whose left and right look swapped are exchanged back
    robust: RobustSettings
    inside_slots: int  # inside vertices kept per direction
    stages: tuple[StageSettings, ...]
    stop: StopSettings
    solver: str  # one of SOLVERS
    lm: LMSettings
    lbfgs: LBFGSSettings
    batch_size: int  # slots: scenes worked on at a time, on each device
    scenes_per_call: int  # scenes handed to the devices at once; finished ones make room for waiting ones
    seed: int

    def without_weights(self) -> FitSettings:
        """What the compiled stages depend on: which terms count, not how much (scenes carry the weights)."""

        def flags(weights: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(float(w > 0) for w in weights)

        stages = tuple(
            dataclasses.replace(s, weights=flags(s.weights), fallback_weights=flags(s.fallback_weights))
            for s in self.stages
        )
        return dataclasses.replace(self, stages=stages)

    def on_device(self) -> FitSettings:
        """What the compiled stages depend on, the weights apart: settings that differ on the host alone are equal here.

        A Fitter can fit scenes prepared with other settings than its own as long as these agree.
        """
        found = self.aggregation
        if AGGREGATIONS[found.name].combine is mean:
            found = AggregationSettings(choice_m=found.choice_m)
        none = (0.0,) * len(TERMS)
        return dataclasses.replace(
            self,
            use_answers=True,
            parser="",
            min_count=None,
            min_share=0.0,
            fallback_empty_answers=None,
            aggregation=found,
            starts=(),
            lost_ankle="",
            exchange_swapped=False,
            scenes_per_call=0,
            stages=tuple(dataclasses.replace(s, weights=none, fallback_weights=none) for s in self.stages),
        )


def _take(section: Mapping[str, Any], field: str, kind: type, where: str) -> Any:
    if field not in section:
        raise InputError(f"config: field {where}{field} is missing")
    value = section[field]
    try:
        if kind is float and not isinstance(value, bool):
            return float(value)
        if kind is int and not isinstance(value, bool) and float(value) == int(value):
            return int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    if not isinstance(value, kind):
        raise InputError(f"config: field {where}{field} is {value!r}, expected {kind.__name__}")
    return value


def _choice(section: Mapping[str, Any], field: str, choices: tuple[str, ...], where: str) -> str:
    value = _take(section, field, str, where)
    if value not in choices:
        raise InputError(f"config: field {where}{field} is {value!r}, expected one of {', '.join(choices)}")
    return str(value)


def _weights(section: Mapping[str, Any], where: str) -> tuple[float, ...]:
    unknown = sorted(set(section) - set(TERMS))
    if unknown:
        raise InputError(f"config: field {where}{unknown[0]} is unknown, expected one of {', '.join(TERMS)}")
    values = tuple(float(_take(section, t, float, where)) if t in section else 0.0 for t in TERMS)
    if any(not 0 <= v < float("inf") for v in values):
        raise InputError(f"config: weights in {where[:-1]} must be finite and at least 0")
    return values


def _positive(value: int, name: str) -> int:
    if value < 1:
        raise InputError(f"config: field {name} is {value}, expected at least 1")
    return value


def _within(value: float, name: str, low: float, high: float = math.inf) -> float:
    if not low <= value <= high or math.isinf(value):
        bounds = f"at least {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
        raise InputError(f"config: field {name} is {value}, expected a finite number {bounds}")
    return value


def _stage(config: Mapping[str, Any], name: str) -> StageSettings:
    section, where = config[name], f"{name}."
    steps = _take(section, "steps", int, where)
    if steps < 0:
        raise InputError(f"config: field {where}steps is {steps}, expected at least 0")
    contact, penetration = config["contact"], config["penetration"]
    return StageSettings(
        steps=steps,
        learning_rate=_within(_take(section, "learning_rate", float, where), f"{where}learning_rate", 0.0),
        move_betas=_take(section, "move_betas", bool, where),
        move_global_orient=_take(section, "move_global_orient", bool, where),
        weights=_weights(section["weights"], f"{where}weights."),
        fallback_weights=_weights(section["fallback_weights"], f"{where}fallback_weights."),
        contact_refresh=_positive(_take(contact, "refresh_every", int, "contact."), "contact.refresh_every"),
        inside_refresh=_positive(_take(penetration, "refresh_every", int, "penetration."), "penetration.refresh_every"),
    )


def _scale(config: Mapping[str, Any], section: str, field: str) -> float:
    return _within(_take(config[section], field, float, f"{section}."), f"{section}.{field}", 0.0)


def _limits(section: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What the second-order solvers have in common."""
    return {
        "steps": _positive(_take(section, "steps", int, where), f"{where}steps"),
        "tolerance": _within(_take(section, "tolerance", float, where), f"{where}tolerance", 0.0),
    }


def _starts(contact: Mapping[str, Any]) -> tuple[float, ...]:
    found = contact.get("starts", (1.0,))
    if not isinstance(found, tuple | list) or not found:
        raise InputError(f"config: field contact.starts is {found!r}, expected a list of factors")
    factors = tuple(_take({"starts": factor}, "starts", float, "contact.") for factor in found)
    return tuple(_within(factor, "contact.starts", 0.0) for factor in factors)


def _aggregation(contact: Mapping[str, Any]) -> AggregationSettings:
    settings = AggregationSettings(
        name=_take(contact, "aggregation", str, "contact."),
        power=_take(contact, "aggregation_power", float, "contact."),
        trim=_take(contact, "aggregation_trim", float, "contact."),
        answer_m=_take(contact, "aggregation_m", float, "contact."),
        choice_m=_take(contact, "choice_m", float, "contact."),
    )
    try:
        return check_aggregation(settings)
    except InputError as error:
        raise InputError(f"config: section contact: {error}") from None


def settings_from_config(config: Mapping[str, Any] | FitSettings) -> FitSettings:
    """Checks a config (ml_collections ConfigDict or dict, layout of configs/two_person.py) and freezes it.

    Raises:
      InputError: naming the field that is missing or wrong, and what was expected.
    """
    if isinstance(config, FitSettings):
        return config
    for section in ("contact", "penetration", "keypoints", "stop", "lm", "lbfgs", "stage1", "stage2"):
        if section not in config:
            raise InputError(f"config: section {section} is missing")
    contact, stop = config["contact"], config["stop"]
    min_count = _take(contact, "min_count", int, "contact.")
    empty = _take(contact, "fallback_empty_answers", int, "contact.")
    for name, value in (("min_count", min_count), ("fallback_empty_answers", empty)):
        _within(value, f"contact.{name}", 0)
    mode = _choice(config, "mode", MODES, "")
    stages = (_stage(config, "stage1"), _stage(config, "stage2"))
    if mode == "self_contact" and any(stage.has_penetration for stage in stages):
        raise InputError("config: a penetration weight above 0 has no effect on one person, expected 0")
    return FitSettings(
        mode=mode,
        use_answers=_take(contact, "use_answers", bool, "contact."),
        parser=_choice(contact, "parser", tuple(PARSERS), "contact."),
        min_count=min_count or None,
        min_share=_within(_take(contact, "min_share", float, "contact."), "contact.min_share", 0.0, 1.0),
        fallback_empty_answers=empty or None,
        aggregation=_aggregation(contact),
        starts=_starts(contact),
        search=_choice(contact, "search", SEARCHES, "contact."),
        sample_size=_positive(_take(contact, "sample_size", int, "contact."), "contact.sample_size"),
        lost_ankle=_choice(config["keypoints"], "lost_ankle", LOST_ANKLES, "keypoints."),
        exchange_swapped=_take(config["keypoints"], "exchange_swapped", bool, "keypoints."),
        robust=RobustSettings(
            keypoints_px=_scale(config, "keypoints", "robust_px"),
            contact_m=_scale(config, "contact", "robust_m"),
            penetration_m=_scale(config, "penetration", "robust_m"),
        ),
        inside_slots=_positive(_take(config["penetration"], "slots", int, "penetration."), "penetration.slots"),
        stages=stages,
        stop=StopSettings(
            window=_positive(_take(stop, "window", int, "stop."), "stop.window"),
            slope=_within(_take(stop, "slope", float, "stop."), "stop.slope", 0.0),
            relative=_take(stop, "relative", bool, "stop."),
        ),
        solver=_choice(config, "solver", SOLVERS, ""),
        lm=LMSettings(
            patience=_positive(_take(config["lm"], "patience", int, "lm."), "lm.patience"),
            damping=_within(_take(config["lm"], "damping", float, "lm."), "lm.damping", 1e-6, 1e4),
            **_limits(config["lm"], "lm."),
        ),
        lbfgs=LBFGSSettings(
            refresh_every=_positive(_take(config["lbfgs"], "refresh_every", int, "lbfgs."), "lbfgs.refresh_every"),
            memory=_positive(_take(config["lbfgs"], "memory", int, "lbfgs."), "lbfgs.memory"),
            linesearch_steps=_positive(
                _take(config["lbfgs"], "linesearch_steps", int, "lbfgs."), "lbfgs.linesearch_steps"
            ),
            **_limits(config["lbfgs"], "lbfgs."),
        ),
        batch_size=_positive(_take(config, "batch_size", int, ""), "batch_size"),
        scenes_per_call=_positive(_take(config, "scenes_per_call", int, ""), "scenes_per_call"),
        seed=_take(config, "seed", int, ""),
    )
