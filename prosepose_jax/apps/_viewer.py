"""The live viewer of `prosepose view`: viser's page over a run's fits (docs/report.md)."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from prosepose_jax.apps._paths import path_vertices, posed_frames
from prosepose_jax.body import BodyModel
from prosepose_jax.errors import InputError
from prosepose_jax.io.pictures import picture_of_size
from prosepose_jax.report import PERSON_COLORS
from prosepose_jax.scene import Fit, Scene

_MOST_FRAMES = 40  # of a recorded path
_BETAS = 10
_MOST_RADIANS = 3.14
_PICTURE_PX = 1200
_BEHIND_M = 0.4  # the photograph stands so far behind the people
JOINTS = (
    "left hip", "right hip", "spine 1", "left knee", "right knee", "spine 2", "left ankle", "right ankle", "spine 3",
    "left foot", "right foot", "neck", "left collar", "right collar", "head", "left shoulder", "right shoulder",
    "left elbow", "right elbow", "left wrist", "right wrist",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Way:
    """What the slider of a scene leads through."""

    names: tuple[str, ...]  # of the frames
    vertices: np.ndarray  # (F, P, V, 3) m

    def at(self, place: float) -> np.ndarray:
        """(P, V, 3) between two frames."""
        if len(self.vertices) == 1:
            return np.asarray(self.vertices[0])
        first = int(np.clip(np.floor(place), 0, len(self.vertices) - 2))
        share = float(np.clip(place - first, 0.0, 1.0))
        return np.asarray((1.0 - share) * self.vertices[first] + share * self.vertices[first + 1])

    def name(self, place: float) -> str:
        """Of the nearest frame."""
        return self.names[int(np.clip(round(place), 0, len(self.names) - 1))]


def way_of(body: BodyModel, scene: Scene | None, fit: Fit) -> Way:
    """The initial estimate, the recorded path (with the scene alone), the fit.

    Raises:
      InputError: the fit failed.
    """
    if fit.vertices is None:
        raise InputError(f"{fit.key}: nothing to show, its status is {fit.status!r}")
    names: list[str] = []
    frames: list[np.ndarray] = []
    if fit.initial_vertices is not None:
        names, frames = ["before"], [fit.initial_vertices]
        found = path_vertices(body, scene, fit, _MOST_FRAMES) if scene is not None else None
        if found is not None:
            names += [f"on the way, {number + 1} of {len(found)}" for number in range(len(found))]
            frames += list(found)
    return Way((*names, "fit"), np.stack([*frames, fit.vertices]))


def image_plane(scene: Scene, depth_m: float) -> tuple[float, float, tuple[float, float, float]]:
    """Width, height and centre, in metres, of the photograph at a depth before the camera, so that rays meet it."""
    size = np.asarray(scene.image_size, float).reshape(2)
    focal = np.broadcast_to(np.asarray(scene.focal_length, float), (2,))
    metres = size / focal * depth_m
    center = (size / 2.0 - np.asarray(scene.principal_point, float)) / focal * depth_m
    return float(metres[0]), float(metres[1]), (float(center[0]), float(center[1]), depth_m)


class Viewer:
    """The page of a run. Handlers come from viser's threads; one lock keeps them in order."""

    def __init__(
        self, server: Any, body: BodyModel, fits: Mapping[str, Fit], scenes: Mapping[str, Scene], keys: list[str]
    ):
        """
        Args:
          server: a viser.ViserServer.
          body: of the run.
          fits: of the run.
          scenes: by key, those that there are.
          keys: to choose from, each with a fit that has vertices.
        """
        self._server, self._body, self._fits, self._scenes = server, body, fits, scenes
        self._faces = np.asarray(body.faces)
        self._lock = threading.RLock()
        self._meshes: list[Any] = []
        self._sliders: dict[tuple[str, int], Any] = {}
        self._setting = False
        self._build(keys)
        self.show(keys[0])

    def _build(self, keys: list[str]) -> None:
        gui, scene = self._server.gui, self._server.scene
        scene.set_up_direction("-y")
        self.scene_choice = gui.add_dropdown("scene", keys, initial_value=keys[0])
        self.scene_choice.on_update(lambda _: self.show(self.scene_choice.value))
        self.place = gui.add_slider("before → fit", 0.0, 1.0, 0.01, 1.0)
        self.place.on_update(lambda _: self._moved())
        self.about = gui.add_markdown("")
        self.photograph = gui.add_checkbox("photograph", True)
        self.photograph.on_update(lambda _: self._picture())
        gui.add_button("look as the camera").on_click(lambda event: self._look(event.client))
        self._server.on_client_connect(self._look)
        with gui.add_folder("shape and pose", expand_by_default=False):
            self.person = gui.add_dropdown("person", ["1"], initial_value="1")
            self.person.on_update(lambda _: self._read_sliders())
            self.joint = gui.add_dropdown("joint", list(JOINTS), initial_value=JOINTS[15])
            self.joint.on_update(lambda _: self._read_sliders())
            for axis, name in enumerate("xyz"):
                slider = gui.add_slider(f"turn {name}", -_MOST_RADIANS, _MOST_RADIANS, 0.01, 0.0)
                slider.on_update(lambda _, axis=axis: self._turned(axis))
                self._sliders["pose", axis] = slider
            for number in range(_BETAS):
                slider = gui.add_slider(f"shape {number + 1}", -5.0, 5.0, 0.05, 0.0)
                slider.on_update(lambda _, number=number: self._shaped(number))
                self._sliders["betas", number] = slider
            gui.add_button("as fitted").on_click(lambda _: self.show(self.scene_choice.value))

    def show(self, key: str) -> None:
        """Shows another scene, as it was fitted."""
        with self._lock:
            fit = self._fits[key]
            self._fit, self._scene = fit, self._scenes.get(key)
            self._way = way_of(self._body, self._scene, fit)
            self._changed = {
                name: np.array(getattr(fit, name), np.float32)
                for name in ("global_orient", "body_pose", "betas", "transl")
            }
            for mesh in self._meshes:
                mesh.remove()
            self._meshes = []
            for index, vertices in enumerate(self._way.at(len(self._way.names) - 1)):
                color = tuple(int(255 * part) for part in PERSON_COLORS[index % len(PERSON_COLORS)])
                self._meshes.append(
                    self._server.scene.add_mesh_simple(
                        f"/people/{index + 1}", vertices.astype(np.float32), self._faces, color=color
                    )
                )
            self._setting = True
            self.person.options = [str(index + 1) for index in range(len(self._meshes))]
            last = max(1, len(self._way.names) - 1)
            self.place.max = float(last)
            self.place.value = float(last)
            self._setting = False
            self._read_sliders()
            self._picture()
            self._tell(self._way.name(last))

    def _look(self, client: Any) -> None:
        """The visitor's eye takes the place of the photograph's camera, a little behind it."""
        with self._lock:
            people = self._way.vertices[-1]
            center = 0.5 * (people.min(axis=(0, 1)) + people.max(axis=(0, 1)))
            scene = self._scene
            if scene is not None:
                focal = float(np.broadcast_to(scene.focal_length, (2,))[1])
                client.camera.fov = 2.0 * math.atan(0.5 * float(scene.image_size[1]) / focal)
            client.camera.up_direction = (0.0, -1.0, 0.0)
            client.camera.position = (0.0, 0.0, 0.0) if scene is not None else (0.0, 0.0, float(center[2]) - 4.0)
            client.camera.look_at = (0.0, 0.0, float(center[2]))

    def _tell(self, frame: str) -> None:
        fit = self._fit
        self.about.content = f"{frame} · {fit.answers_usable} of {fit.answers} answers usable"

    def _moved(self) -> None:
        with self._lock:
            if self._setting:
                return
            place = float(self.place.value)
            self._put(self._way.at(place))
            self._tell(self._way.name(place))

    def _put(self, people: np.ndarray) -> None:
        for mesh, vertices in zip(self._meshes, people, strict=True):
            mesh.vertices = np.asarray(vertices, np.float32)

    def _person(self) -> int:
        return min(int(self.person.value), len(self._meshes)) - 1

    def _read_sliders(self) -> None:
        """The sliders of the chosen person and joint take the current parameters."""
        with self._lock:
            self._setting = True
            turn = self._changed["body_pose"][self._person(), JOINTS.index(self.joint.value)]
            for axis in range(3):
                self._sliders["pose", axis].value = float(np.clip(turn[axis], -_MOST_RADIANS, _MOST_RADIANS))
            betas = self._changed["betas"][self._person()]
            for number in range(min(_BETAS, len(betas))):
                self._sliders["betas", number].value = float(np.clip(betas[number], -5.0, 5.0))
            self._setting = False

    def _turned(self, axis: int) -> None:
        with self._lock:
            if not self._setting:
                turn = self._changed["body_pose"][self._person(), JOINTS.index(self.joint.value)]
                turn[axis] = float(self._sliders["pose", axis].value)
                self._pose()

    def _shaped(self, number: int) -> None:
        with self._lock:
            betas = self._changed["betas"][self._person()]
            if not self._setting and number < len(betas):
                betas[number] = float(self._sliders["betas", number].value)
                self._pose()

    def _pose(self) -> None:
        frames = {name: value[None] for name, value in self._changed.items()}
        self._put(posed_frames(self._body, self._scene, self._fit, **frames)[0])
        self._tell("changed by hand")

    def _picture(self) -> None:
        """The photograph behind the people, and the camera that took it."""
        with self._lock:
            scene = self._scene
            self._server.scene.remove_by_name("/photograph")
            if scene is None or scene.image is None or not self.photograph.value:
                return
            size = (float(scene.image_size[0]), float(scene.image_size[1]))
            try:
                picture = np.asarray(picture_of_size(scene.image, size, enough=_PICTURE_PX)[0])
            except InputError as error:
                self.about.content = f"no photograph: {error}"
                return
            depth = float(self._way.vertices[..., 2].max()) + _BEHIND_M
            width, height, center = image_plane(scene, depth)
            self._server.scene.add_image("/photograph", picture, width, height, position=center)


def showable(fits: Mapping[str, Fit]) -> list[str]:
    """The keys of the fits that have vertices."""
    return [key for key in fits if fits[key].ok]
