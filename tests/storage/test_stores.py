"""Stores keep the same promises, whatever they are made of: whole objects, one creator, one listing."""

from __future__ import annotations

import importlib.util
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.storage import LocalStore, Store, is_url, local_path, open_store, split_name

KINDS = ["folder", "memory"]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        yield open_store(str(tmp_path / "absent" / "run"))
        return
    pytest.importorskip("fsspec")
    place = f"memory://test-{uuid.uuid4().hex}/run"
    yield open_store(place)
    import fsspec

    kept = fsspec.filesystem("memory").store
    for name in [name for name in kept if name.startswith(place.removeprefix("memory:/"))]:
        del kept[name]


def test_what_is_written_is_read(store: Store) -> None:
    store.write("a/b.bin", b"0123456789")
    assert store.read("a/b.bin") == b"0123456789" and store.read("a/b.bin", 2, 3) == b"234"
    assert store.read("a/b.bin", 8) == b"89" and store.read("a/b.bin", 0, 0) == b""
    store.write("a/b.bin", b"new")
    assert store.read("a/b.bin") == b"new"
    with store.open("a/b.bin") as file:
        file.seek(1)
        assert file.read() == b"ew"


def test_what_is_not_there(store: Store) -> None:
    store.write("there", b"")
    assert store.exists("there") and not store.exists("absent")
    with pytest.raises(FileNotFoundError):
        store.read("absent")
    with pytest.raises(FileNotFoundError):
        store.read("absent", 0, 0)
    assert store.list("absent") == {} and store.known_json("absent") == {}
    store.remove("absent")
    store.remove("there")
    assert not store.exists("there")


def test_a_listing_has_names_sizes_and_marks(store: Store) -> None:
    assert store.list() == {}
    for name, data in (
        ("x", b"1"),
        ("d/y", b"22"),
        ("d/e/z", b"333"),
        ("dd/w", b"4"),
        ("d/.hidden", b""),
        (".h/v", b""),
    ):
        store.write(name, data)
    assert {name: entry.size for name, entry in store.list().items()} == {"x": 1, "d/y": 2, "d/e/z": 3, "dd/w": 1}
    below = store.list("d")
    assert {name: entry.size for name, entry in below.items()} == {"d/y": 2, "d/e/z": 3}
    store.write("d/y", b"2b")
    assert store.list("d")["d/y"].mark != below["d/y"].mark and store.list("d")["d/e/z"] == below["d/e/z"]


def test_names_are_no_patterns(store: Store) -> None:
    for name in ("a*b", "a?b", "a[1]b", "ä ö", "a%2Eb"):
        store.write(f"f/{name}", name.encode())
    assert len(store.list("f")) == 5
    assert all(store.read(f"f/{name}") == name.encode() for name in ("a*b", "a?b", "a[1]b", "ä ö", "a%2Eb"))


def test_only_one_creates(store: Store) -> None:
    won = []
    start = threading.Barrier(8)

    def create(number: int) -> None:
        start.wait()
        if store.create("claims/1", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and store.read("claims/1") == str(won[0]).encode()
    assert not store.create("claims/1", b"late")


def test_json(store: Store) -> None:
    store.write_json("a.json", {"x": [1, "é"]})
    assert store.read_json("a.json") == {"x": [1, "é"]}
    assert not store.create_json("a.json", {}) and store.create_json("b.json", {})
    store.write("torn.json", b'{"x": ')
    assert store.known_json("torn.json") == {}
    with pytest.raises(InputError, match="torn.json"):
        store.read_json("torn.json")
    with pytest.raises(ValueError):
        store.write_json("a.json", {"x": float("nan")})
    assert store.read_json("a.json") == {"x": [1, "é"]}


def test_a_file_is_published_whole(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "made"
    file.write_bytes(b"x" * 100_000)
    store.publish("deep/down", file)
    assert store.read("deep/down") == b"x" * 100_000


def test_a_folder_leaves_no_temporary_file(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.create("a", b"1")
    store.create("a", b"2")
    store.write("b", b"3")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize(
    ("place", "url", "path", "split"),
    [
        ("dir/x.tar", False, "dir/x.tar", ("dir", "x.tar")),
        ("/a/b", False, "/a/b", ("/a", "b")),
        ("file:///a/b%20c/d.tar", True, "/a/b c/d.tar", ("/a/b c", "d.tar")),
        ("s3://bucket/a/b.tar", True, None, ("s3://bucket/a", "b.tar")),
        ("C:folder", False, "C:folder", (".", "C:folder")),
    ],
)
def test_places(place: str, url: bool, path: str | None, split: tuple[str, str]) -> None:
    assert is_url(place) == url and split_name(place) == split
    assert local_path(place) == (None if path is None else Path(path))


def test_unknown_kinds_of_urls_are_refused() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match="nosuch://"):
        open_store("nosuch://bucket/x")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(InputError, match=r"pip install 'prosepose_jax\[cloud\]'"):
        open_store("s3://bucket/x")


def test_the_extra_names_what_the_tests_use() -> None:
    setup = (Path(__file__).resolve().parents[2] / "setup.py").read_text(encoding="utf-8")
    assert '"cloud": [' in setup and all(f'"{name}>=' in setup for name in ("fsspec", "s3fs", "gcsfs"))
    assert importlib.util.find_spec("fsspec") is not None
