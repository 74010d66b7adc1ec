"""What the packaged sweeps are built with (configs/ablation_*.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from prosepose_jax.ablation.scene_sets import DEMO

# Scenes of sweeps whose curves must separate, and of the others (docs/ablate.md).
MANY, FEW = 300, 64
# Neither the packaged scenes' seed (0), nor those with which settings were chosen (101), nor the benchmarks' (31).
SEED = 2001


def sweep(
    title: str,
    points: Iterable[Mapping[str, Any]],
    reference: str,
    *,
    base: str = "two_person",
    scenes: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    x_label: str = "",
    log_x: bool = False,
) -> ConfigDict:
    """The config of a sweep with every field present, so that all can be set on the command line.

    Args:
      title: above table and plots.
      points: dicts with the fields of docs/ablate.md, "A sweep's config".
      reference: name of the point that the others of a group are compared with.
      base: config of the fits.
      scenes: fields that differ from FEW two-person scenes of SEED at the middle noise.
      config: overrides of the base for all points, nested ({"lm": {"steps": 20}}).
      x_label: of the plots, when points have an x.
      log_x: logarithmic.
    """
    every = {
        "kind": "two_person", "count": FEW, "seed": SEED, "noise": "middle", "noise_changes": {}, "noise_seed": 0,
        "num_answers": 20, "body": "", "folder": "", "answers": "",
    }  # fmt: skip
    return ConfigDict(
        {
            "title": title,
            "base": base,
            "config": ConfigDict(dict(config or {})),
            "scenes": every | dict(scenes or {}),
            "points": [dict(point) for point in points],
            "reference": reference,
            "x_label": x_label,
            "log_x": log_x,
            "seed": 0,
        }
    )


def grid(groups: Mapping[str, Mapping[str, Any]], points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every point in every group; a group's own fields ("scenes", "base", …) add to the point's."""
    crossed = []
    for group, fields in groups.items():
        for point in points:
            merged: dict[str, Any] = {"group": group, **point}
            for name, value in fields.items():
                merged[name] = {**value, **point.get(name, {})} if isinstance(value, Mapping) else value
            crossed.append(merged)
    return crossed


def terms_of(base: Any) -> tuple[str, ...]:
    """Terms to which either stage of a config gives a weight, in the config's order."""
    stages = (base["stage1"]["weights"], base["stage2"]["weights"])
    return tuple(name for name in stages[0] if any(weights[name] > 0 for weights in stages))


_WEIGHTS = [(stage, kind) for stage in ("stage1", "stage2") for kind in ("weights", "fallback_weights")]


def weighing(weight: float, *terms: str) -> dict[str, float]:
    """Overrides that give terms a weight in both stages, with answers and without; 0 takes them out."""
    return {f"{stage}.{kind}.{term}": weight for stage, kind in _WEIGHTS for term in terms}


def scaling(base: Any, factor: float, term: str) -> dict[str, float]:
    """Overrides that multiply a term's weights in a config, in both stages, with answers and without."""
    return {f"{stage}.{kind}.{term}": factor * base[stage][kind][term] for stage, kind in _WEIGHTS}


def variant(config: ConfigDict, name: str | None, keep: int = 3) -> ConfigDict:
    """The sweep itself, or its small variant "smoke": packaged scenes, one group, few points, a few steps.

    Args:
      config: the sweep.
      name: None or "smoke".
      keep: points of the small variant; the reference is among them.

    Raises:
      ValueError: another name.
    """
    if name is None:
        return config
    if name != "smoke":
        raise ValueError(f"expected no variant or smoke, found {name!r}")
    group = config.points[0].get("group", "")
    points = [point for point in config.points if point.get("group", "") == group]
    first = [point for point in points if point["name"] == config.reference]
    rest = [point for point in points if point["name"] != config.reference]
    config.points = [_small(point) for point in (first + rest)[:keep]]
    config.scenes.folder, config.scenes.answers, config.scenes.count = DEMO, DEMO, 2
    # Read from a folder, scenes are what they are.
    few = {"stage1": {"steps": 3}, "stage2": {"steps": 0}, "lm": {"steps": 3}, "lbfgs": {"steps": 3}, "batch_size": 2}
    config.config = ConfigDict(config.config.to_dict() | few)
    return config


def _small(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point on the scenes and with the steps of the small variant."""
    kept = {name: value for name, value in point.items() if name != "scenes"}
    if "config" in kept:
        kept["config"] = {path: value for path, value in kept["config"].items() if not path.endswith(".steps")}
    return kept
