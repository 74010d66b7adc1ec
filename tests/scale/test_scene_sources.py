"""Scenes from folders, tars and URLs are the same scenes, and bad ones are named alike."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prosepose_jax.errors import InputError
from prosepose_jax.io import load_answers, load_scenes, save_scene
from prosepose_jax.io.image_paths import ANYWHERE, INSIDE
from prosepose_jax.scale.packing import pack, unpack_scenes
from prosepose_jax.scale.plan import Block, load_plan
from prosepose_jax.scale.sources import SceneSource, answers_at, holds_tars, is_elsewhere
from prosepose_jax.scene import Scene
from prosepose_jax.storage import LocalStore, Store, open_store

KEYS = ("a.1", "b%", "c", "d é")


@pytest.fixture(scope="module")
def scene_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fabricated_run import made_scene

    folder = tmp_path_factory.mktemp("scenes")
    Image.new("RGB", (8, 6), "red").save(folder / "photo.png")
    for number, key in enumerate(KEYS):
        scene = made_scene(key, image=folder / "photo.png" if key == "c" else None)
        scene.keypoints[..., 2] = 1.0
        scene.transl[..., 2] = 3.0 + number
        save_scene(folder, scene)
    (folder / "broken.npz").write_bytes(b"no archive")
    answers = {key: [{"table_response": f"text {key}", "pair": [1, 0], "order": "given"}] for key in KEYS[:2]}
    (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
    return folder


def packed(folder: Path, out: Store, pictures: bool = True, scenes_per_tar: int = 3) -> dict[str, str]:
    answers = load_answers(folder / "answers.json")
    return dict(pack(folder, out, answers, pictures, INSIDE, scenes_per_tar))


def copied(folder: Path) -> str:
    pytest.importorskip("fsspec")
    place = f"memory://scenes-{uuid.uuid4().hex}"
    store = open_store(place)
    for file in folder.iterdir():
        store.write(file.name, file.read_bytes())
    return place


def everything(source: SceneSource, tmp_path: Path, size: int = 2) -> tuple[dict[str, Scene], dict[str, str]]:
    scenes, failures = {}, {}
    for block in load_plan(LocalStore(tmp_path), source.parts, size):
        with source.load(block) as loaded:
            scenes |= {scene.key: scene for scene in loaded.scenes}
            failures |= loaded.scenes.failures
            assert all(scene.image is None or scene.image.is_file() for scene in loaded.scenes)
    return scenes, failures


def assert_same(found: dict[str, Scene], folder: Path) -> None:
    wanted = {scene.key: scene for scene in load_scenes(folder)}
    assert sorted(found) == sorted(wanted)
    for key, scene in wanted.items():
        for name, value in vars(scene).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(getattr(found[key], name), value)
        assert (found[key].image is None) == (scene.image is None)


@pytest.mark.parametrize("kind", ["folder", "url", "tars", "tars at a url", "one tar"])
def test_the_same_scenes_from_everywhere(kind: str, scene_folder: Path, tmp_path: Path) -> None:
    place = str(scene_folder)
    if kind == "url":
        place = copied(scene_folder)
    if "tar" in kind:
        pytest.importorskip("fsspec")
        url = f"memory://tars-{uuid.uuid4().hex}"
        place = str(tmp_path / "tars") if kind != "tars at a url" else url
        failures = packed(scene_folder, open_store(place), scenes_per_tar=10 if kind == "one tar" else 3)
        assert list(failures) == ["a.1", "b%", "broken", "c", "d é"]
        assert {key for key, problem in failures.items() if problem} == {"broken"}
        place += "/scenes-000000.tar" if kind == "one tar" else ""
    source = SceneSource(place)
    scenes, failures = everything(source, tmp_path / "run")
    assert_same(scenes, scene_folder)
    assert source.packed == ("tar" in kind)
    if not source.packed:
        assert list(failures) == ["broken"] and "broken.npz" in failures["broken"]
        assert str(Path(failures["broken"]).parent) != "/tmp" and source.num_scenes == 5


def test_answers_lie_beside_packed_scenes(scene_folder: Path, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "tars")
    packed(scene_folder, store, scenes_per_tar=10)
    source = SceneSource(str(store.folder / "scenes-000000.tar"))
    (block,) = load_plan(LocalStore(tmp_path / "run"), source.parts, 10)
    with source.load(block) as loaded:
        assert loaded.answers is not None and sorted(loaded.answers) == ["a.1", "b%"]
        (answer,) = loaded.answers["a.1"]
        assert (answer.text, answer.pair, answer.order) == ("text a.1", (1, 0), "given")
    with source.load(block, keys=["c"]) as loaded:
        assert loaded.answers is None and loaded.scenes.keys == ("c",)


def test_packed_and_unpacked_again(scene_folder: Path, tmp_path: Path) -> None:
    store, out = LocalStore(tmp_path / "tars"), tmp_path / "out"
    packed(scene_folder, store)
    names = {name: entry.size for name, entry in store.list().items() if name.endswith(".tar")}
    assert sorted(unpack_scenes(store, names, out)) == sorted(KEYS)
    assert_same({scene.key: scene for scene in load_scenes(out)}, scene_folder)
    # A scene without its picture is the same file.
    assert (out / "a.1.npz").read_bytes() == (scene_folder / "a.1.npz").read_bytes()
    again, first = load_answers(out / "answers.json"), load_answers(scene_folder / "answers.json")
    assert {key: again[key] for key in again} == {key: first[key] for key in first}


def test_pictures_are_left_out_when_asked_or_outside(
    scene_folder: Path, tmp_path: Path, make_outside: Callable[[Path], Path]
) -> None:
    def kinds(folder: Path, key: str) -> set[str]:
        return {kind for places in SceneSource(str(folder))._places.values() for kind in places.get(key, {})}

    for pictures in (True, False):
        folder = tmp_path / str(pictures)
        packed(scene_folder, LocalStore(folder), pictures)
        assert ("png" in kinds(folder, "c")) == pictures
    outside = make_outside(tmp_path)
    for rule, taken in ((INSIDE, False), (ANYWHERE, True)):
        folder = tmp_path / f"tars {taken}"
        assert dict(pack(outside, LocalStore(folder), None, True, rule, 9)) == {"x": ""}
        assert ("png" in kinds(folder, "x")) == taken


@pytest.fixture
def make_outside() -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        from fabricated_run import made_scene

        (root / "elsewhere").mkdir()
        Image.new("RGB", (4, 4)).save(root / "elsewhere" / "p.png")
        scene = made_scene("x", image=root / "elsewhere" / "p.png")
        scene.keypoints[..., 2] = 1.0
        save_scene(root / "scenes_of_another", scene)
        return root / "scenes_of_another"

    return make


def test_a_key_in_two_parts_is_refused(scene_folder: Path, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    packed(scene_folder, store)
    store.write("twice.tar", store.read("scenes-000000.tar"))
    with pytest.raises(InputError, match="in another part too"):
        SceneSource(str(tmp_path))


@pytest.mark.parametrize("place", ["absent", "empty", "absent.tar", "memory://nothing-there/scenes"])
def test_no_scenes(place: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    if place.startswith("memory"):
        pytest.importorskip("fsspec")
    with pytest.raises(InputError, match="expected"):
        SceneSource(place if "://" in place else str(tmp_path / place))


def test_an_object_that_changes_has_another_mark(scene_folder: Path) -> None:
    place = copied(scene_folder)
    before = SceneSource(place)
    store = open_store(place)
    store.write("c.npz", store.read("a.1.npz"))
    after = SceneSource(place)
    assert after.mark("", "c") != before.mark("", "c") and after.mark("", "a.1") == before.mark("", "a.1")


def test_answers_from_a_url(scene_folder: Path) -> None:
    place = copied(scene_folder)
    found = answers_at(f"{place}/answers.json")
    assert found is not None and sorted(found) == ["a.1", "b%"] and answers_at(None) is None
    with pytest.raises(InputError, match=r"absent\.json: no such object"):
        answers_at(f"{place}/absent.json")


def test_which_places_need_blocks(scene_folder: Path, tmp_path: Path) -> None:
    packed(scene_folder, LocalStore(tmp_path))
    assert holds_tars(tmp_path) and not holds_tars(scene_folder) and not holds_tars(tmp_path / "absent")
    assert is_elsewhere("s3://b/x") and is_elsewhere("x/y.tar") and not is_elsewhere("x/y")


def test_a_block_of_a_tar_is_one_read(scene_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(scene_folder, LocalStore(tmp_path))
    source = SceneSource(str(tmp_path))
    reads = []
    original = LocalStore.read
    monkeypatch.setattr(LocalStore, "read", lambda self, *a: (reads.append(a), original(self, *a))[1])
    with source.load(Block(0, "scenes-000000.tar", ("a.1", "b%"))) as loaded:
        assert loaded.scenes.keys == ("a.1", "b%")
    assert len(reads) == 1
