"""A sweep's config becomes its points: named runs, each with scenes, a config and what happens to the answers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from prosepose_jax.ablation.answers import AnswerChange
from prosepose_jax.ablation.scene_sets import KINDS, SceneSpec
from prosepose_jax.config import load_config
from prosepose_jax.errors import InputError

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

    @property
    def folder(self) -> str:
        """Name of the point's folder."""
        whole = f"{self.group} {self.name}" if self.group else self.name
        return re.sub(r"[^A-Za-z0-9.=+-]+", "_", whole).strip("_")


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
        if any(other.folder == point.folder for other in points):
            raise InputError(f"{where}: name {point.name!r} is given twice (in group {point.group!r})")
        points.append(point)
    if not points:
        raise InputError("config: field points: expected at least one point, found none")
    reference = config["reference"]
    for group in dict.fromkeys(point.group for point in points):
        if all(point.name != reference for point in points if point.group == group):
            raise InputError(f"config: field reference: no point of group {group!r} has the name {reference!r}")
    return Sweep(
        title=config["title"],
        points=tuple(points),
        reference=reference,
        x_label=str(config.get("x_label", "")),
        log_x=bool(config.get("log_x", False)),
        seed=int(config.get("seed", 0)),
    )


_KIND_NAMES = {str: "a text", Sequence: "a list"}


def _no_others(section: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in section:
        if name not in known:
            raise InputError(f"{where}: field {name} is unknown, expected one of {', '.join(known)}")


def _point(config: Mapping[str, Any], entry: Mapping[str, Any], where: str) -> Point:
    x = entry.get("x")
    if x is not None and (isinstance(x, bool) or not isinstance(x, int | float)):
        raise InputError(f"{where}: field x: expected a number, found {x!r}")
    scenes = _scene_spec({**dict(config.get("scenes") or {}), **dict(entry.get("scenes") or {})}, where)
    fit = load_config(entry.get("base", config["base"]))
    if "mode" not in fit:
        raise InputError(f"{where}: field base: {entry.get('base', config['base'])!r} is not the config of a fit")
    for overrides in (config.get("config") or {}, entry.get("config") or {}):
        for path, value in _flat(overrides):
            _override(fit, path, value, f"{where}: config")
    if scenes.body:
        fit.body.path = scenes.body
    if scenes.kind != fit.mode:
        raise InputError(f"{where}: scenes of kind {scenes.kind} need a base config of that mode, found {fit.mode}")
    return Point(
        name=entry["name"],
        group=str(entry.get("group", "")),
        x=None if x is None else float(x),
        scenes=scenes,
        answers=_fields(AnswerChange, entry.get("answers") or {}, f"{where}: answers"),
        config=fit,
    )


def _scene_spec(section: Mapping[str, Any], where: str) -> SceneSpec:
    plain = {name: value.to_dict() if isinstance(value, ConfigDict) else value for name, value in section.items()}
    # As tuples, for a spec is a key and lists cannot be part of one.
    changes = {
        path: tuple(value) if isinstance(value, list) else value
        for path, value in _flat(plain.pop("noise_changes", None) or {})
    }
    spec = _fields(SceneSpec, plain, f"{where}: scenes")
    if spec.kind not in KINDS:
        raise InputError(f"{where}: scenes: kind: expected one of {', '.join(KINDS)}, found {spec.kind!r}")
    if spec.count < 1:
        raise InputError(f"{where}: scenes: count: expected at least 1, found {spec.count}")
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
