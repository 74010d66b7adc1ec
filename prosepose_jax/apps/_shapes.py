"""The array shapes of a divided run: measured once, by its first worker, and the same for all (`fitting.rooms`)."""

from __future__ import annotations

from collections.abc import Sequence

from ml_collections import ConfigDict

from prosepose_jax.apps._run import NO_ANSWERS, by_mode
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import FitSettings
from prosepose_jax.fitting.prepare import prepare_scene
from prosepose_jax.fitting.rooms import RunRooms
from prosepose_jax.fitting.run_meter import RunMeter
from prosepose_jax.io import AnswerSet
from prosepose_jax.scale.plan import FOLDER, Block
from prosepose_jax.scale.sources import SceneSource
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.storage import Store

SHAPES = f"{FOLDER}/shapes.json"
MOST_MEASURED = 20_000
"""Scenes that are looked at; of more, blocks are left out evenly, and a scene that needs more room gets it later."""


class _Meter:
    """The rooms of one config's scenes."""

    def __init__(self, settings: FitSettings, beside: bool, num_betas: int) -> None:
        """`beside`: whether the scenes are fitted without their answers too."""
        self._settings, self._beside, self._num_betas = settings, beside, num_betas
        self._meter = RunMeter(settings)

    def add(self, scene: Scene, answers: Sequence[Answer]) -> None:
        """A scene; one that cannot be fitted takes no room."""
        try:
            self._meter.add(prepare_scene(scene, answers, self._settings, self._num_betas))
            if self._beside:
                self._meter.add(prepare_scene(scene, [], self._settings, self._num_betas), NO_ANSWERS)
        except InputError:
            return

    def rooms(self) -> RunRooms:
        return self._meter.rooms()


def run_rooms(
    store: Store, source: SceneSource, blocks: Sequence[Block], answers: AnswerSet | None,
    configs: Sequence[ConfigDict], settings: Sequence[FitSettings], num_betas: int,
) -> list[RunRooms]:  # fmt: skip
    """The rooms of a run for each of its configs: those that are noted there, else measured and noted.

    Args:
      store: of the run.
      source: its scenes.
      blocks: all of them.
      answers: of all scenes; None: those beside the scenes.
      configs: of the run.
      settings: of each config.
      num_betas: shape coefficients of the body.

    Raises:
      InputError: what is noted there is damaged.
    """
    try:
        return _read(store, len(configs))
    except FileNotFoundError:
        pass
    meters = [
        _Meter(one, bool(config.get("no_answers")), num_betas) for config, one in zip(configs, settings, strict=True)
    ]
    every = -(-source.num_scenes // MOST_MEASURED)
    for block in blocks[::every]:
        with source.load(block, pictures=False) as loaded:
            found = answers if answers is not None else loaded.answers
            for meter, mine in zip(meters, by_mode(loaded.scenes, settings), strict=True):
                for scene in mine:
                    meter.add(scene, [] if found is None else found.for_scene(scene.key))
    noted = {"format": 1, "configs": [meter.rooms().to_json() for meter in meters]}
    # Of several workers that measured, all take what the first one noted.
    store.create_json(SHAPES, noted)
    return _read(store, len(configs))


def _read(store: Store, count: int) -> list[RunRooms]:
    noted = store.read_json(SHAPES)
    try:
        found = [RunRooms.from_json(rows) for rows in noted["configs"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{store.where(SHAPES)}: expected the shapes of a run ({error!r}); delete it") from None
    if len(found) != count:
        raise InputError(f"{store.where(SHAPES)}: expected the shapes of {count} configs, found {len(found)}")
    return found
