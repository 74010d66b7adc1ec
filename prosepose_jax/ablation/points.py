"""A sweep's config becomes its points: named runs, each with scenes, a config and what happens to the answers."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from prosepose_jax.ablation.answers import AnswerChange
from prosepose_jax.ablation.scene_sets import KINDS, SceneSpec, noise_of
from prosepose_jax.config import load_config
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import settings_from_config

INITIAL = "initial"
_POINT_FIELDS = ("name", "group", "x", "base", "config", "answers", "scenes")
_SWEEP_FIELDS = (
    "title", "base", "config", "scenes", "points", "reference", "x_label", "log_x", "seed",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Point:
    """One named run of a sweep; equal to itself alone."""

    name: str
    group: str  # points of a group are compared with one another
    x: float | None  # place on the plot's axis
    scenes: SceneSpec
    answers: AnswerChange
    config: ConfigDict | None  # of the fit; None: the initial estimates, not fitted
    files: Mapping[str, Any]  # the config's sections body and prior, also of the initial estimates

    @property
    def folder(self) -> str:
        """Name of the point's folder."""
        whole = f"{self.group} {self.name}" if self.group else self.name
        return re.sub(r"[^\w.=+-]+", "_", whole).strip("_")


@dataclasses.dataclass(frozen=True)
class Sweep:
    """All points of a config, in its order; each group begins with its initial estimates."""

    title: str
    points: tuple[Point, ...]
    reference: str  # name of the point of each group that the others are compared with
    x_label: str
    log_x: bool
    seed: int  # of the bootstrap


def expand(config: Mapping[str, Any]) -> Sweep:
    """The points of a sweep's config (docs/ablate.md, "A sweep's config").

    Raises:
      InputError: a field is missing, unknown or of a wrong kind; the message names it.
    """
    _no_others(config, _SWEEP_FIELDS, "config")
    for name, kind in (("title", str), ("base", str), ("points", Sequence), ("reference", str)):
        if not isinstance(config.get(name), kind):
            raise InputError(f"config: field {name}: expected {_KIND_NAMES[kind]}, found {config.get(name)!r}")
    points: list[Point] = []
    for index, entry in enumerate(config["points"]):
        where = f"config: points[{index}]"
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str) or not entry["name"]:
            raise InputError(f"{where}: expected a dict with a field 'name', found {entry!r}")
        _no_others(entry, _POINT_FIELDS, where)
        point = _point(config, entry, where)
        if all(other.group != point.group for other in points):
            points.append(dataclasses.replace(point, name=INITIAL, config=None, x=None, answers=AnswerChange()))
        if not point.folder.strip("."):
            raise InputError(f"{where}: name: expected letters or digits, found {point.name!r}")
        if any(other.folder == point.folder for other in points):
            raise InputError(f"{where}: name {point.name!r} is given twice (in group {point.group!r})")
        points.append(point)
    if not points:
        raise InputError("config: field points: expected at least one point, found none")
    reference = config["reference"]
    for group in dict.fromkeys(point.group for point in points):
        if all(point.name != reference for point in points if point.group == group):
            raise InputError(f"config: field reference: no point of group {group!r} has the name {reference!r}")
    seed, log_x = config.get("seed", 0), bool(config.get("log_x", False))
    if type(seed) is not int or seed < 0:
        raise InputError(f"config: field seed: expected a whole number of at least 0, found {seed!r}")
    for point in points:
        if log_x and point.x is not None and point.x <= 0:
            raise InputError(f"config: field log_x: point {point.name!r} has x = {point.x:g}, expected more than 0")
    return Sweep(config["title"], tuple(points), reference, str(config.get("x_label", "")), log_x, seed)


_KIND_NAMES = {str: "a text", Sequence: "a list"}


def _no_others(section: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in section:
        if name not in known:
            raise InputError(f"{where}: field {name} is unknown, expected one of {', '.join(known)}")


def _point(config: Mapping[str, Any], entry: Mapping[str, Any], where: str) -> Point:
    x = entry.get("x")
    if x is not None and (isinstance(x, bool) or not isinstance(x, int | float) or not math.isfinite(x)):
        raise InputError(f"{where}: field x: expected a number, found {x!r}")
    base = entry.get("base", config["base"])
    if not isinstance(base, str):
        raise InputError(f"{where}: field base: expected a text, found {base!r}")
    scenes = _scene_spec({**_section(config, "scenes", "config"), **_section(entry, "scenes", where)}, where)
    fit = load_config(base)
    if "mode" not in fit:
        raise InputError(f"{where}: field base: {base!r} is not the config of a fit")
    for overrides in (_section(config, "config", "config"), _section(entry, "config", where)):
        for path, value in _flat(overrides):
            _override(fit, path, value, f"{where}: config")
    # The scenes are made with the body that is fitted, whichever of the two names it.
    files = fit.get("body", ConfigDict()).to_dict()
    if files.get("path") and scenes.body and files["path"] != scenes.body:
        raise InputError(
            f"{where}: scenes: body: {scenes.body!r}, but the fit's config has body.path {files['path']!r}"
        )
    if scenes.body:
        with fit.unlocked():
            fit.body = ConfigDict(files | {"path": scenes.body})
    elif files.get("path"):
        scenes = dataclasses.replace(scenes, body=files["path"])
    if scenes.kind != fit.mode:
        raise InputError(f"{where}: scenes of kind {scenes.kind} need a base config of that mode, found {fit.mode}")
    answers = _fields(AnswerChange, _section(entry, "answers", where), f"{where}: answers")
    most = scenes.num_answers
    if not scenes.folder and answers.first > most:
        raise InputError(
            f"{where}: answers: first: expected at most scenes.num_answers = {most}, found {answers.first}"
        )
    try:
        settings_from_config(fit)
        noise_of(scenes)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return Point(
        name=entry["name"],
        group=str(entry.get("group", "")),
        x=None if x is None else float(x),
        scenes=scenes,
        answers=answers,
        config=fit,
        files={name: fit.get(name, ConfigDict()).to_dict() for name in ("body", "prior")},
    )


def _section(entry: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    found = entry.get(name) or {}
    if not isinstance(found, Mapping | ConfigDict):
        raise InputError(f"{where}: field {name}: expected a dict, found {found!r}")
    return dict(found)


def _scene_spec(section: Mapping[str, Any], where: str) -> SceneSpec:
    plain = {name: value.to_dict() if isinstance(value, ConfigDict) else value for name, value in section.items()}
    # As tuples, for a spec is a key and lists cannot be part of one.
    noise_changes = _section(plain, "noise_changes", f"{where}: scenes")
    plain.pop("noise_changes", None)
    changes = {path: tuple(value) if isinstance(value, list) else value for path, value in _flat(noise_changes)}
    spec = _fields(SceneSpec, plain, f"{where}: scenes")
    if spec.kind not in KINDS:
        raise InputError(f"{where}: scenes: kind: expected one of {', '.join(KINDS)}, found {spec.kind!r}")
    if spec.count < 1:
        raise InputError(f"{where}: scenes: count: expected at least 1, found {spec.count}")
    for name in ("seed", "noise_seed"):
        if getattr(spec, name) < 0:
            raise InputError(f"{where}: scenes: {name}: expected at least 0, found {getattr(spec, name)}")
    if bool(spec.folder) != bool(spec.answers) and spec.answers:
        raise InputError(f"{where}: scenes: answers are given without the folder of their scenes")
    return dataclasses.replace(spec, noise_changes=tuple(sorted(changes.items())))


def _fields(kind: Any, section: Mapping[str, Any], where: str) -> Any:
    """A dataclass of plain values from a mapping, checked against the defaults' types."""
    known = {field.name: field.default for field in dataclasses.fields(kind)}
    for name, value in section.items():
        if name not in known:
            raise InputError(f"{where}: field {name} is unknown, expected one of {', '.join(known)}")
        if type(value) is not type(known[name]):
            raise InputError(f"{where}: {name}: expected {type(known[name]).__name__}, found {value!r}")
    return kind(**dict(section))


def _flat(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of nested mappings, whose names may be dotted themselves."""
    for name, value in section.items():
        if isinstance(value, Mapping | ConfigDict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _override(config: ConfigDict, path: str, value: Any, where: str) -> None:
    section: Any = config
    *parents, last = path.split(".")
    for name in parents:
        section = section[name] if isinstance(section, ConfigDict) and name in section else None
    if not isinstance(section, ConfigDict) or last not in section or isinstance(section[last], ConfigDict):
        raise InputError(f"{where}: the fit's config has no field {path}")
    try:
        section[last] = value
    except TypeError as error:
        raise InputError(f"{where}: {path}: {error}") from None
