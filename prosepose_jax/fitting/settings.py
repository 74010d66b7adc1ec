"""Settings of a fit as frozen dataclasses, made once from a config at the edge."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from prosepose_jax.contact.aggregation import AGGREGATIONS, AggregationSettings, check_aggregation, mean
from prosepose_jax.contact.compile import PARSERS
from prosepose_jax.errors import InputError
from prosepose_jax.terms import OPTIONAL_TERMS, TERMS, Term, configured_terms
from prosepose_jax.terms.defaults import ERRORS, FALLBACK_WEIGHTS, SCALES, STAGE_SCALES, STAGE_WEIGHTS

MODES = ("two_person", "self_contact")
SEARCHES = ("cells", "exact", "sample")
KEYPOINT_BOXES = ("whole", "visible")
LOST_ANKLES = ("leave_out", "initial")
SOLVERS = ("lm", "adam", "lbfgs")


# How a field acts (its metadata "acts"): "speed" alone; by "reading", through the arrays that scenes and answers are
# read into; any other field makes another problem (`FitSettings.problem`).
def _speed(default: Any) -> Any:
    return dataclasses.field(default=default, metadata={"acts": "speed"})


def _reading(default: Any) -> Any:
    return dataclasses.field(default=default, metadata={"acts": "reading"})


def _weights_field() -> Any:
    return dataclasses.field(default_factory=dict, metadata={"acts": "reading"})


@dataclasses.dataclass(frozen=True)
class StageSettings:
    """One optimisation stage (docs/method.md, "Optimisation")."""

    steps: int = 1000
    learning_rate: float = 0.01
    move_betas: bool = True
    move_global_orient: bool = True
    weights: Mapping[str, float] = _weights_field()  # by term; absent: the term's own weight
    fallback_weights: Mapping[str, float] = _weights_field()  # for scenes whose answers cannot be used
    scales: Mapping[str, float] = dataclasses.field(default_factory=dict)  # of kernels, where not those of the fit
    tolerance: float | None = None  # of Levenberg–Marquardt; None: that of all stages

    def weight(self, term: Term, fallback: bool = False) -> float:
        """The weight of a term in this stage."""
        return float((self.fallback_weights if fallback else self.weights).get(term.name, term.weight))


@dataclasses.dataclass(frozen=True)
class StopSettings:
    """When a stage of Adam ends early."""

    window: int = 20  # losses looked at
    slope: float = 1e-4  # stop when the least-squares slope lies in [-slope, slope)
    relative: bool = False  # slope in units of the mean loss of the window instead of absolute


@dataclasses.dataclass(frozen=True)
class LMSettings:
    """Levenberg–Marquardt (docs/method.md, "Levenberg–Marquardt")."""

    steps: int = 60  # most steps of a stage; the stage's own limit holds too
    damping: float = 0.01  # at the first step, as a share of the curvature's diagonal
    tolerance: float = 1e-3  # a smaller relative gain is too little
    patience: int = 3  # done after so many steps in a row with too little gain


@dataclasses.dataclass(frozen=True)
class LBFGSSettings:
    """L-BFGS with a zoom line search."""

    steps: int = 300
    refresh_every: int = 10
    tolerance: float = 1e-4
    memory: int = 10  # gradient pairs remembered
    linesearch_steps: int = 10


@dataclasses.dataclass(frozen=True)
class Structure:
    """What decides a compilation, and nothing else: two fits that differ in numbers alone share a program."""

    terms: tuple[Term, ...]
    num_stages: int
    search: str
    sample_size: int
    inside_slots: int
    aggregation: AggregationSettings
    solver: str
    most_steps: int  # of any stage
    refresh_every: int
    patience: int
    lbfgs: LBFGSSettings
    stop_window: int
    stop_relative: bool
    batch_size: int
    seed: int
    record: bool = False


_STAGES = (
    StageSettings(
        weights=STAGE_WEIGHTS[0], fallback_weights=FALLBACK_WEIGHTS[0], scales=STAGE_SCALES[0], tolerance=3e-3
    ),
    StageSettings(
        learning_rate=0.001,
        weights=STAGE_WEIGHTS[1],
        fallback_weights=FALLBACK_WEIGHTS[1],
        scales=STAGE_SCALES[1],
    ),
)


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """Everything the fit needs to know besides bodies, scenes and answers; the defaults are those of two_person."""

    mode: str = _reading("two_person")  # "two_person" | "self_contact"
    use_answers: bool = _reading(True)  # False: every scene takes the fallback
    parser: str = _reading("extended")  # "published" | "extended"
    min_count: int | None = _reading(None)  # f; None: half of the answers, rounded up
    min_share: float = _reading(0.0)  # two people: share of the answers that must name a contact
    fallback_empty_answers: int | None = _reading(None)  # t; None: all of them
    aggregation: AggregationSettings = dataclasses.field(
        default_factory=AggregationSettings
    )  # how the answers become one loss
    starts: tuple[float, ...] = (1.0,)  # factors of the answers' weight before the last stage; the best fit is kept
    search: str = "cells"  # "cells" | "exact" | "sample"
    sample_size: int = 80  # vertices per fine region of the "sample" search
    lost_ankle: str = "leave_out"  # "leave_out" | "initial"
    keypoint_box: str = "whole"  # whose larger side counts as 512 px: of the "whole" person | of its "visible" points
    edge_share: float = 0.02  # so near to the image's edge, as a share of the box, a keypoint may lie beyond it
    exchange_swapped: bool = True  # detections whose left and right look swapped are exchanged back
    scales: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(SCALES))  # of each term's kernel
    # Stated standard deviations by name (`terms.defaults.ERRORS`).
    errors: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(ERRORS))
    # Energy of penetration above which the last stage is done again from people drawn so far apart; 0: never.
    restart_above: float = 20.0
    restart_gap_m: float = 0.02
    # Energy of penetration and estimate_shape above which both stages are done again with depths so much nearer and
    # farther; 0: never.
    restart_strain: float = 16.0
    restart_depth_m: float = 0.2
    inside_slots: int = 256  # inside vertices kept per direction
    refresh_every: int = 10  # Adam: steps between two searches
    stages: tuple[StageSettings, ...] = _STAGES
    stop: StopSettings = StopSettings()
    solver: str = "lm"  # one of SOLVERS
    lm: LMSettings = LMSettings()
    lbfgs: LBFGSSettings = LBFGSSettings()
    batch_size: int = _speed(8)  # slots: scenes worked on at a time, on each device
    # Scenes handed to the devices at once; finished ones make room for waiting ones.
    scenes_per_call: int = _speed(64)
    seed: int = 0
    record: bool = _speed(False)  # keep the parameters at every accepted step
    terms: tuple[Term, ...] = TERMS  # of the objective, in the order of the records

    def weights(self, fallback: bool) -> dict[str, np.ndarray]:
        """(stages,) weights of every term."""
        return {
            term.name: np.array([stage.weight(term, fallback) for stage in self.stages], np.float32)
            for term in self.terms
        }

    @property
    def max_steps(self) -> tuple[int, ...]:
        """Most steps of each stage, the solver's own limit included."""
        limit = {"lm": self.lm.steps, "lbfgs": self.lbfgs.steps}.get(self.solver)
        return tuple(stage.steps if limit is None else min(stage.steps, limit) for stage in self.stages)

    @property
    def structure(self) -> Structure:
        """What the compiled stages depend on."""
        found = self.aggregation
        if AGGREGATIONS[found.name].combine is mean:  # rows are chosen and weighed on the host
            found = AggregationSettings(choice_m=found.choice_m)
        return Structure(
            terms=self.terms,
            num_stages=len(self.stages),
            search=self.search,
            sample_size=self.sample_size if self.search == "sample" else 0,
            inside_slots=self.inside_slots,
            aggregation=found,
            solver=self.solver,
            most_steps=max(self.max_steps),
            refresh_every={"lm": 1, "lbfgs": self.lbfgs.refresh_every}.get(self.solver, self.refresh_every),
            patience=self.lm.patience,
            lbfgs=self.lbfgs,
            stop_window=self.stop.window,
            stop_relative=self.stop.relative,
            batch_size=self.batch_size,
            seed=self.seed,
            record=self.record,
        )

    def numbers(self, index: int) -> dict[str, Any]:
        """The numbers of a stage, as the leaves of fitting.arrays.Numbers."""
        stage = self.stages[index]
        return {
            "scales": {
                term.name: np.float32(stage.scales.get(term.name, self.scales.get(term.name, 0.0)))
                for term in self.terms
            },
            "moves": {
                "transl": np.float32(1.0),
                "body_pose": np.float32(1.0),
                "betas": np.float32(stage.move_betas),
                "global_orient": np.float32(stage.move_global_orient),
            },
            "steps": np.int32(self.max_steps[index]),
            "learning_rate": np.float32(stage.learning_rate),
            "damping": np.float32(self.lm.damping),
            "tolerance": np.float32(self._tolerance(stage)),
            "stop_slope": np.float32(self.stop.slope),
        }

    def _tolerance(self, stage: StageSettings) -> float:
        if self.solver != "lm":
            return self.lbfgs.tolerance
        return self.lm.tolerance if stage.tolerance is None else stage.tolerance

    def served_together(self) -> Hashable:
        """Equal for settings whose scenes one call can fit: they differ in readings and weights alone."""
        numbers = [tuple(np.ravel(leaf).tolist()) for k in range(len(self.stages)) for leaf in _leaves(self.numbers(k))]
        return (self.structure, tuple(numbers))

    def problem(self) -> str:
        """A text of all that makes another problem of a scene besides what it and its answers are read into.

        Fields that are not declared to act by speed or by reading alone count, so that a new one is never forgotten.
        """
        # The order of records and the host's part of an aggregation change no figure.
        found = dataclasses.replace(self, aggregation=self.structure.aggregation, starts=())
        return repr(_problem_fields(found))


def _leaves(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [leaf for name in sorted(tree) for leaf in _leaves(tree[name])]
    return [tree]


def _problem_fields(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = (f.name for f in dataclasses.fields(value) if f.metadata.get("acts") not in ("speed", "reading"))
        return (type(value).__name__, *((name, _problem_fields(getattr(value, name))) for name in kept))
    if isinstance(value, Mapping):
        return sorted((key, _problem_fields(x)) for key, x in value.items())
    if isinstance(value, tuple):
        return tuple(_problem_fields(x) for x in value)
    return value


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


def _weights(section: Mapping[str, Any], where: str, terms: Sequence[Term]) -> dict[str, float]:
    names = [term.name for term in terms]
    optional = (term.name for term in (*TERMS, *OPTIONAL_TERMS) if term.if_weighed)
    left_out = [name for name in optional if name not in names and not section.get(name)]
    unknown = sorted(set(section) - set(names) - set(left_out))
    if unknown:
        raise InputError(f"config: field {where}{unknown[0]} is unknown, expected one of {', '.join(names)}")
    values = {name: float(_take(section, name, float, where)) for name in names if name in section}
    if any(not 0 <= v < float("inf") for v in values.values()):
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


def _optional(section: Mapping[str, Any], field: str, absent: float, where: str, low: float = 0.0) -> float:
    """A number of at least so much that configs of before do not have."""
    return _within(_take(section, field, float, where), f"{where}{field}", low) if field in section else absent


def _stage(config: Mapping[str, Any], name: str, terms: Sequence[Term]) -> StageSettings:
    section, where = config[name], f"{name}."
    steps = _take(section, "steps", int, where)
    if steps < 0:
        raise InputError(f"config: field {where}steps is {steps}, expected at least 0")
    return StageSettings(
        steps=steps,
        learning_rate=_within(_take(section, "learning_rate", float, where), f"{where}learning_rate", 0.0),
        move_betas=_take(section, "move_betas", bool, where),
        move_global_orient=_take(section, "move_global_orient", bool, where),
        weights=_weights(section["weights"], f"{where}weights.", terms),
        fallback_weights=_weights(section["fallback_weights"], f"{where}fallback_weights.", terms),
        scales=_weights(section.get("scales", {}), f"{where}scales.", terms),
        tolerance=(
            _within(_take(section, "tolerance", float, where), f"{where}tolerance", 0.0)
            if "tolerance" in section
            else None
        ),
    )


def _refresh(config: Mapping[str, Any], stages: Sequence[StageSettings], terms: Sequence[Term]) -> int:
    """Steps between two searches: the fewest that a term asks for whose weight is not 0 throughout."""
    found = []
    for term in terms:
        section, _, field = term.refresh_field.partition(".")
        if not field or section not in config:
            continue
        steps = _positive(_take(config[section], field, int, f"{section}."), term.refresh_field)
        if any(stage.weight(term) or stage.weight(term, fallback=True) for stage in stages):
            found.append(steps)
    return min(found, default=10)


def _scales(config: Mapping[str, Any], terms: Sequence[Term]) -> dict[str, float]:
    """Where each term's kernel begins to count less."""
    found = {}
    for term in terms:
        section, _, field = term.scale_field.partition(".")
        if field and section in config:
            value = _take(config[section], field, float, f"{section}.")
            found[term.name] = _within(value, term.scale_field, 0.0)
    return found


def _errors(config: Mapping[str, Any]) -> dict[str, float]:
    """Stated standard deviations, those of the package where the config names none."""
    section = config.get("errors", {})
    unknown = sorted(set(section) - set(ERRORS))
    if unknown:
        raise InputError(f"config: field errors.{unknown[0]} is unknown, expected one of {', '.join(ERRORS)}")
    given = {name: _take(section, name, float, "errors.") for name in section}
    for name, value in given.items():
        _within(value, f"errors.{name}", 1e-6)
    return ERRORS | given


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


def settings_from_config(config: Mapping[str, Any] | FitSettings, terms: Sequence[Term] | None = None) -> FitSettings:
    """Checks a config (ml_collections ConfigDict or dict, layout of configs/two_person.py) and freezes it.

    Args:
      config: the config, or settings, which are returned as they are.
      terms: of the objective; None: those of the settings, or `prosepose_jax.terms.configured_terms` of the config.

    Raises:
      InputError: naming the field that is missing or wrong, and what was expected.
    """
    if isinstance(config, FitSettings):
        return config if terms is None else dataclasses.replace(config, terms=tuple(terms))
    terms = configured_terms(config, (*TERMS, *OPTIONAL_TERMS)) if terms is None else tuple(terms)
    for section in ("contact", "penetration", "keypoints", "stop", "lm", "lbfgs", "stage1", "stage2"):
        if section not in config:
            raise InputError(f"config: section {section} is missing")
    contact, stop = config["contact"], config["stop"]
    min_count = _take(contact, "min_count", int, "contact.")
    empty = _take(contact, "fallback_empty_answers", int, "contact.")
    for name, value in (("min_count", min_count), ("fallback_empty_answers", empty)):
        _within(value, f"contact.{name}", 0)
    mode = _choice(config, "mode", MODES, "")
    stages = (_stage(config, "stage1", terms), _stage(config, "stage2", terms))
    for term in terms:
        used = any(stage.weight(term) or stage.weight(term, fallback=True) for stage in stages)
        if mode == "self_contact" and term.fewest_people > 1 and used:
            raise InputError(f"config: a {term.name} weight above 0 has no effect on one person, expected 0")
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
        keypoint_box=_choice(config["keypoints"], "box", KEYPOINT_BOXES, "keypoints."),
        edge_share=_within(
            _take(config["keypoints"], "edge_share", float, "keypoints."), "keypoints.edge_share", 0.0, 1.0
        ),
        exchange_swapped=_take(config["keypoints"], "exchange_swapped", bool, "keypoints."),
        scales=_scales(config, terms),
        errors=_errors(config),
        refresh_every=_refresh(config, stages, terms),
        restart_above=_within(
            _take(config["penetration"], "restart_above", float, "penetration."), "penetration.restart_above", 0.0
        ),
        restart_gap_m=_within(
            _take(config["penetration"], "restart_gap_m", float, "penetration."), "penetration.restart_gap_m", 0.0
        ),
        restart_strain=_optional(contact, "restart_strain", 0.0, "contact."),
        restart_depth_m=_optional(contact, "restart_depth_m", 0.2, "contact.", low=1e-3),
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
        record=_take(config, "record", bool, "") if "record" in config else False,
        terms=terms,
    )
