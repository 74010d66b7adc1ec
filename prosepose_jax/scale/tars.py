"""Scenes and fits by the thousand in one file: WebDataset's tar shards, with an index beside each.

A sample's files stand together and share the name before the first dot: `KEY.scene.npz`, `KEY.answers.json`,
`KEY.jpg`; `KEY.fit.npz` in a run's containers. WebDataset ends a key at its first dot, so dots of our keys (and `%`)
are written as `%2E` (`%25`). The index `NAME.tar.index.json` says where each file begins, so that one block of scenes
is one read, and what a tar holds is known without reading it. It can be made again from the tar.
"""

from __future__ import annotations

import dataclasses
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from prosepose_jax.errors import InputError
from prosepose_jax.io.scenes import check_key
from prosepose_jax.storage import Store
from prosepose_jax.untrusted import as_input_error, shown

TAR, INDEX = ".tar", ".index.json"
SCENE, ANSWERS, FIT, FIT_WITHOUT = "scene.npz", "answers.json", "fit.npz", "no_answers.fit.npz"
PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "heic", "heif", "avif", "gif")
MOST_MEMBER_BYTES = 512 << 20
_BLOCK = 512

Place = tuple[int, int]  # offset of the content, bytes
Places = dict[str, dict[str, Place]]  # key: kind of file: where


def escaped(key: str) -> str:
    """A key as it stands in the names of a tar."""
    return key.replace("%", "%25").replace(".", "%2E")


def unescaped(name: str) -> str:
    """The key of a name of a tar."""
    return name.replace("%2E", ".").replace("%25", "%")


class TarWriter:
    """Writes samples one after the other and keeps the index. The same samples give the same bytes.

    Attributes:
      places: where each file stands.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """`file` is written to from its present position, which must be 0."""
        self.places: Places = {}
        self._file = file
        # GNU names: long ones are told in a record of their own, which every reader knows.
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115

    def add(self, key: str, files: Mapping[str, bytes]) -> None:
        """A sample: its files by kind (`scene.npz`, `jpg`, …).

        Raises:
          InputError: the key is none, or was written already.
        """
        check_key(key)
        if key in self.places:
            raise InputError(f"scene {shown(key)!r} is there twice")
        self.places[key] = {}
        for kind, data in files.items():
            info = tarfile.TarInfo(f"{escaped(key)}.{kind}")
            info.size, info.mode = len(data), 0o644
            self._tar.addfile(info, io.BytesIO(data))
            # Content is filled up to whole blocks of 512 bytes.
            filled = -(-len(data) // _BLOCK) * _BLOCK
            self.places[key][kind] = (self._tar.offset - filled, len(data))

    def finish(self) -> int:
        """Ends the tar; returns its bytes."""
        self._tar.close()
        return self._file.tell()


def index_of(places: Places, size: int) -> dict[str, Any]:
    """The JSON of an index.

    Args:
      places: from the writer.
      size: of the tar.
    """
    return {"format": 1, "bytes": size, "samples": places}


def read_index(store: Store, name: str, size: int | None = None) -> Places:
    """Where the files of a tar stand, by its index; made from the tar where there is none that belongs to it.

    Args:
      store: that holds it.
      name: of the tar.
      size: of the tar, where a listing told; the index must be of such a tar.

    Raises:
      FileNotFoundError: there is no such tar.
      InputError: it cannot be read.
    """
    places = _places_from(store.known_json(name + INDEX), size)
    if places is not None:
        return places
    with store.open(name) as file:
        return scan(file, store.where(name))


def _places_from(index: Mapping[str, Any], size: int | None) -> Places | None:
    """The index's places; None when it is another tar's or damaged."""
    samples = index.get("samples")
    told = index.get("bytes")
    if not isinstance(samples, dict) or type(told) is not int or (size is not None and told != size):
        return None
    found: Places = {}
    for key, files in samples.items():
        if not isinstance(files, dict):
            return None
        for kind, place in files.items():
            good = isinstance(place, list) and len(place) == 2 and all(type(n) is int and n >= 0 for n in place)
            if not good or sum(place) > told:
                return None
            found.setdefault(key, {})[kind] = (place[0], place[1])
    return found


def scan(file: IO[bytes], source: str) -> Places:
    """The places of a tar's files, read from the tar itself; what is no regular file is left out.

    Raises:
      InputError: it is no tar, or torn.
    """
    found: Places = {}
    with as_input_error(source, "not a readable tar"), tarfile.open(fileobj=file, mode="r:") as tar:
        for info in tar:
            head, _, kind = info.name.rpartition("/")[2].partition(".")
            if info.isreg() and head and kind:
                found.setdefault(unescaped(head), {})[kind] = (info.offset_data, info.size)
    return found


def read_samples(
    store: Store, name: str, places: Places, keys: Iterable[str], kinds: Iterable[str] | None = None
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The files of some samples, in one read from the first to the last of them.

    Args:
      store: that holds the tar.
      name: of the tar.
      places: its index.
      keys: of the samples, neighbours best.
      kinds: of their files; None: all.

    Raises:
      InputError: a file is larger than the budget, or the tar ends before it.
    """
    wanted = None if kinds is None else set(kinds)
    chosen = {key: {k: p for k, p in places[key].items() if wanted is None or k in wanted} for key in keys}
    every = [place for files in chosen.values() for place in files.values()]
    if not every:
        yield from ((key, {}) for key in chosen)
        return
    for key, files in chosen.items():
        for kind, (_, size) in files.items():
            if size > MOST_MEMBER_BYTES:
                raise InputError(
                    f"{store.where(name)}: {shown(key)}.{shown(kind)} is larger than the budget of "
                    f"{MOST_MEMBER_BYTES >> 20} MiB"
                )
    first = min(offset for offset, _ in every)
    last = max(offset + size for offset, size in every)
    data = store.read(name, first, last - first)
    if len(data) < last - first:
        raise InputError(f"{store.where(name)}: ends before byte {last}; the copy is not whole")
    for key, files in chosen.items():
        yield key, {kind: data[at - first : at - first + size] for kind, (at, size) in files.items()}


def check_sample_key(key: str, source: str) -> None:
    """Raises InputError, with the tar's name, when a sample's key is no name of a file."""
    try:
        check_key(key)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


@dataclasses.dataclass(frozen=True)
class Packed:
    """A finished tar and its index, not published yet."""

    data: bytes
    index: dict[str, Any]


def pack_samples(samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> Packed:
    """A tar of some samples in memory: for the fits of one block."""
    file = io.BytesIO()
    writer = TarWriter(file)
    for key, files in samples:
        writer.add(key, files)
    size = writer.finish()
    return Packed(file.getvalue(), index_of(writer.places, size))
