"""`prosepose view`: what it shows, that it serves, and that Ctrl-C ends it."""

from __future__ import annotations

import dataclasses
import importlib.util
import signal
import subprocess
import sys
import urllib.request
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fabricated_run import made_fit, made_scene

from prosepose_jax.apps import view
from prosepose_jax.apps._viewer import Viewer, image_plane, way_of
from prosepose_jax.camera import project
from prosepose_jax.errors import InputError
from prosepose_jax.io import save_fit
from prosepose_jax.scene import Fit


class Handle(SimpleNamespace):
    """A control or a thing in the scene: remembers its handlers."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(handlers=[], removed=False, **fields)

    def on_update(self, handler: Any) -> None:
        self.handlers.append(handler)

    on_click = on_update

    def set(self, value: Any) -> None:
        self.value = value
        for handler in self.handlers:
            handler(SimpleNamespace(target=self, client=None))

    def remove(self) -> None:
        self.removed = True

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Server:
    """As much of viser's server as the viewer uses."""

    def __init__(self) -> None:
        self.gui = self.scene = self
        self.controls: dict[str, Handle] = {}
        self.meshes: list[Handle] = []
        self.images: list[Any] = []

    def _control(self, label: str, value: Any = None) -> Handle:
        return self.controls.setdefault(label, Handle(value=value))

    def add_dropdown(self, label: str, options: list[str], initial_value: str) -> Handle:
        return self._control(label, initial_value)

    def add_slider(self, label: str, low: float, high: float, step: float, value: float) -> Handle:
        return self._control(label, value)

    def add_checkbox(self, label: str, value: bool) -> Handle:
        return self._control(label, value)

    def add_markdown(self, content: str) -> Handle:
        return self._control("about")

    def add_button(self, label: str) -> Handle:
        return self._control(label)

    def add_folder(self, label: str, **_: Any) -> Handle:
        return Handle()

    def add_mesh_simple(self, name: str, vertices: np.ndarray, faces: np.ndarray, **_: Any) -> Handle:
        self.meshes.append(Handle(vertices=vertices))
        return self.meshes[-1]

    def add_image(self, name: str, picture: np.ndarray, width: float, height: float, **_: Any) -> None:
        self.images.append((width, height))

    def set_up_direction(self, direction: str) -> None:
        assert direction == "-y"

    def remove_by_name(self, name: str) -> None:
        self.images.clear()

    def on_client_connect(self, handler: Any) -> None:
        self.connect = handler


def test_slider_and_scenes(small_body) -> None:
    fits = {key: made_fit(small_body, key, apart_m=apart) for key, apart in (("a", 0.5), ("b", 0.8))}
    server = Server()
    Viewer(server, small_body, fits, {}, ["a", "b"])
    shown = server.meshes[-2:]
    np.testing.assert_allclose([mesh.vertices for mesh in shown], fits["a"].vertices, atol=1e-6)
    server.controls["before → fit"].set(0.0)
    np.testing.assert_allclose([mesh.vertices for mesh in shown], fits["a"].initial_vertices, atol=1e-6)
    assert "before" in server.controls["about"].content
    server.controls["scene"].set("b")
    assert all(mesh.removed for mesh in shown)
    np.testing.assert_allclose([mesh.vertices for mesh in server.meshes[-2:]], fits["b"].vertices, atol=1e-6)
    client = SimpleNamespace(camera=SimpleNamespace())
    server.connect(client)
    assert client.camera.up_direction == (0.0, -1.0, 0.0)


def test_pose_and_shape_move_one_person(small_body) -> None:
    fits = {"a": made_fit(small_body, "a")}
    server = Server()
    Viewer(server, small_body, fits, {}, ["a"])
    server.controls["shape 1"].set(0.0)  # poses both anew: the fit's parameters are the rest pose at the origin
    first, second = (np.array(mesh.vertices) for mesh in server.meshes)
    server.controls["turn z"].set(1.0)
    assert np.abs(server.meshes[0].vertices - first).max() > 0.1
    np.testing.assert_allclose(server.meshes[1].vertices, second, atol=1e-6)
    server.controls["as fitted"].set(None)
    assert server.controls["turn z"].value == 0.0


def test_way_and_picture(small_body) -> None:
    fit, scene = made_fit(small_body, "a"), made_scene("a")
    way = way_of(small_body, None, fit)
    assert way.names == ("before", "fit") and way.name(0.9) == "fit"
    np.testing.assert_allclose(way.at(0.5), 0.5 * (fit.vertices + fit.initial_vertices), atol=1e-6)
    assert len(way_of(small_body, None, dataclasses.replace(fit, initial_vertices=None)).vertices) == 1
    with pytest.raises(InputError, match="why"):
        way_of(small_body, None, Fit("a", "failed: why"))
    # The corners of the picture lie where the camera sees its corners.
    scene = dataclasses.replace(scene, principal_point=np.array([300.0, 260.0]))
    width, height, center = image_plane(scene, 3.0)
    corners = np.array(center) + np.array([[x * width / 2, y * height / 2, 0.0] for x in (-1, 1) for y in (-1, 1)])
    seen = np.asarray(project(corners.astype(np.float32), scene.focal_length, scene.principal_point))
    np.testing.assert_allclose(seen, [[0, 0], [0, 480], [640, 0], [640, 480]], atol=1e-2)


def test_what_cannot_be_viewed(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    assert view.main(["prosepose view", str(tmp_path)]) == 2
    assert "prosepose_jax[view]" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "viser", SimpleNamespace())
    save_fit(tmp_path, Fit("a", "failed: why"))
    assert view.main(["prosepose view", str(tmp_path)]) == 2
    assert "all failed" in capsys.readouterr().err


@pytest.mark.slow
def test_it_serves_and_ends_on_ctrl_c(tmp_path, small_body, small_body_file) -> None:
    if importlib.util.find_spec("viser") is None:
        pytest.skip("viser is not installed (extra view)")
    save_fit(tmp_path, made_fit(small_body, "a"))
    command = [sys.executable, "-m", "prosepose_jax", "view", str(tmp_path), f"--body={small_body_file}", "--port=8765"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        address = next(line.split()[1] for line in running.stdout if line.startswith("open http"))
        with urllib.request.urlopen(address, timeout=30) as page:
            assert page.status == 200 and b"<html" in page.read().lower()
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
        assert "the viewer has ended" in running.stdout.read()
    finally:
        running.kill()
        running.wait()
        running.stdout.close()
