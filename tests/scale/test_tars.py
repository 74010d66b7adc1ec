"""The container: read by WebDataset's rules, exact to the byte, and never believed beyond its budget."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosepose_jax.errors import InputError
from prosepose_jax.scale import tars
from prosepose_jax.storage import LocalStore


def samples(count: int = 5) -> dict[str, dict[str, bytes]]:
    return {f"img.{n}%é": {"scene.npz": bytes([n]) * (n * 700 + 1), "jpg": b"", "answers.json": b"[]"}
            for n in range(count)}  # fmt: skip


def write(folder: Path, name: str, content: dict[str, dict[str, bytes]], index: bool = True) -> LocalStore:
    store = LocalStore(folder)
    packed = tars.pack_samples(content.items())
    store.write(name, packed.data)
    if index:
        store.write_json(name + tars.INDEX, packed.index)
    return store


@given(st.text(max_size=12))
def test_keys_survive(key: str) -> None:
    assert tars.unescaped(tars.escaped(key)) == key and "." not in tars.escaped(key)


def test_what_is_packed_is_read(tmp_path: Path) -> None:
    content = samples()
    store = write(tmp_path, "a.tar", content)
    places = tars.read_index(store, "a.tar", (tmp_path / "a.tar").stat().st_size)
    assert places == tars.scan(io.BytesIO(store.read("a.tar")), "a.tar")
    assert dict(tars.read_samples(store, "a.tar", places, content)) == content
    some = list(content)[1:3]
    found = dict(tars.read_samples(store, "a.tar", places, some, ["scene.npz"]))
    assert found == {key: {"scene.npz": content[key]["scene.npz"]} for key in some}


def test_a_plain_tar_reader_finds_samples_by_webdatasets_rule(tmp_path: Path) -> None:
    """A key ends at the first dot of a file's name; files of a sample follow one another."""
    content = samples()
    write(tmp_path, "a.tar", content)
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = [member.name for member in tar]
        bases = [name.partition(".")[0] for name in names]
        assert [base for i, base in enumerate(bases) if i == 0 or base != bases[i - 1]] == [
            tars.escaped(key) for key in content
        ]
        assert tar.extractfile(names[0]).read() == content["img.0%é"]["scene.npz"]


def test_the_same_samples_give_the_same_bytes() -> None:
    assert tars.pack_samples(samples().items()).data == tars.pack_samples(samples().items()).data


@pytest.mark.parametrize("index", [None, b"{", b"[]", b'{"bytes": 1, "samples": {}}', b'{"samples": {}}'])
def test_without_a_right_index_the_tar_is_read(tmp_path: Path, index: bytes | None) -> None:
    store = write(tmp_path, "a.tar", samples(), index=False)
    if index is not None:
        store.write("a.tar" + tars.INDEX, index)
    assert set(tars.read_index(store, "a.tar", (tmp_path / "a.tar").stat().st_size)) == set(samples())


def test_an_index_that_points_outside_is_not_believed(tmp_path: Path) -> None:
    store = write(tmp_path, "a.tar", samples())
    size = (tmp_path / "a.tar").stat().st_size
    for place in ([size, 1], [-1, 2], [0, 10**30], ["0", 1], [0], None):
        store.write_json("a.tar" + tars.INDEX, {"bytes": size, "samples": {"k": {"scene.npz": place}}})
        assert set(tars.read_index(store, "a.tar", size)) == set(samples())


def test_a_torn_tar_is_named(tmp_path: Path) -> None:
    store = write(tmp_path, "a.tar", samples())
    places = tars.read_index(store, "a.tar")
    (tmp_path / "a.tar").write_bytes(store.read("a.tar")[:1500])
    with pytest.raises(InputError, match=r"a\.tar: ends before byte"):
        list(tars.read_samples(store, "a.tar", places, samples()))
    (tmp_path / "b.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(InputError, match=r"b\.tar: not a readable tar"):
        tars.read_index(store, "b.tar")


def test_no_file_beyond_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = write(tmp_path, "a.tar", samples())
    monkeypatch.setattr(tars, "MOST_MEMBER_BYTES", 1000)
    with pytest.raises(InputError, match="larger than the budget"):
        list(tars.read_samples(store, "a.tar", tars.read_index(store, "a.tar"), samples()))


def test_links_and_folders_of_a_foreign_tar_are_left_out() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, kind in (("d", tarfile.DIRTYPE), ("l.scene.npz", tarfile.SYMTYPE), ("p.scene.npz", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        info = tarfile.TarInfo("folder/good.scene.npz")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    file.seek(0)
    assert {key: list(files) for key, files in tars.scan(file, "x").items()} == {"good": ["scene.npz"]}


@pytest.mark.parametrize("key", ["", "../x", "a/b", ".hidden", "a\nb"])
def test_no_key_leads_elsewhere(key: str) -> None:
    with pytest.raises(InputError, match="scene key"):
        tars.pack_samples([(key, {"scene.npz": b""})])


def test_no_key_twice() -> None:
    with pytest.raises(InputError, match="twice"):
        tars.pack_samples([("a", {}), ("a", {})])
