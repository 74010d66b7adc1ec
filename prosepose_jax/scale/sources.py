"""Scenes of a run, wherever they lie: files of a folder, tars of a folder, here or behind a URL.

What lies elsewhere is brought to a temporary folder, a block at a time, and read there as every scene is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from prosepose_jax.errors import InputError
from prosepose_jax.io import AnswerSet, SceneSet, load_answers, load_scene
from prosepose_jax.io._npz import read_npz
from prosepose_jax.io.image_paths import INSIDE, ImageRefused, ImageRule
from prosepose_jax.io.scenes import check_key
from prosepose_jax.scale import tars
from prosepose_jax.scale.plan import Block
from prosepose_jax.scene import Scene
from prosepose_jax.storage import Entry, LocalStore, Store, is_url, local_path, open_store, split_name
from prosepose_jax.untrusted import shown

NPZ = ".npz"


@dataclasses.dataclass
class Loaded:
    """The scenes of a block.

    Attributes:
      scenes: readable ones, and why others are not.
      answers: those that lie beside the scenes in a tar; None: there are none.
    """

    scenes: SceneSet
    answers: AnswerSet | None = None


class SceneSource:
    """The scenes at a place, by one listing.

    Attributes:
      place: as the user named it.
      parts: {name of a tar, "" for single files: keys in order}.
    """

    def __init__(self, place: str, images: ImageRule = INSIDE) -> None:
        """
        Args:
          place: a folder or URL of `<key>.npz` or of `.tar` files, or one tar.
          images: where the pictures of a local folder's scenes may lie.

        Raises:
          InputError: there is nothing of that kind.
        """
        self.place, self._images = place, images
        single = ""
        if place.endswith(tars.TAR):
            place, single = split_name(place)
        self._store = open_store(place)
        self._listing = {
            name: entry for name, entry in _listing(self._store, single).items()
            if "/" not in name and (not single or name in (single, single + tars.INDEX))
        }  # fmt: skip
        self._places: dict[str, tars.Places] = {}
        self.parts = self._read_parts()
        if not any(self.parts.values()):
            raise InputError(f"{self.place}: no scenes; expected <key>.npz files or .tar files of them")

    def _read_parts(self) -> dict[str, tuple[str, ...]]:
        single = [name.removesuffix(NPZ) for name in self._listing if name.endswith(NPZ)]
        found = {"": tuple(sorted(single))} if single else {}
        seen = set(single)
        for name in sorted(name for name in self._listing if name.endswith(tars.TAR)):
            places = tars.read_index(self._store, name, self._listing[name].size)
            keys = sorted(key for key, files in places.items() if tars.SCENE in files)
            twice = next((key for key in keys if key in seen), None)
            if twice is not None:
                raise InputError(f"{self._store.where(name)}: scene {shown(twice)!r} is in another part too")
            seen.update(keys)
            self._places[name], found[name] = places, tuple(keys)
        return found

    @property
    def packed(self) -> bool:
        """Whether scenes lie in tars."""
        return bool(self._places)

    @property
    def num_scenes(self) -> int:
        return sum(map(len, self.parts.values()))

    def mark(self, part: str, key: str) -> str:
        """Changes when the scene's file or its tar does."""
        entry = self._listing.get(part or key + NPZ, Entry(0))
        return f"{entry.size}:{entry.mark}"

    @contextlib.contextmanager
    def load(self, block: Block, pictures: bool = True, keys: Sequence[str] | None = None) -> Iterator[Loaded]:
        """The scenes of a block; files that were brought here are gone when the context ends.

        Args:
          block: the block.
          pictures: whether their pictures are wanted.
          keys: some of the block's; None: all.
        """
        keys = block.keys if keys is None else keys
        if not block.part and isinstance(self._store, LocalStore):
            yield Loaded(_read(self._store.folder, keys, self._images, None))
            return
        with tempfile.TemporaryDirectory(prefix="prosepose-") as name:
            folder = Path(name)
            answers = self._unpack(block.part, keys, folder, pictures) if block.part else None
            if not block.part:
                self._fetch(keys, folder, pictures)
            yield Loaded(_read(folder, keys, INSIDE, self._store.where(block.part)), answers)

    def _unpack(self, part: str, keys: Sequence[str], folder: Path, pictures: bool) -> AnswerSet | None:
        kinds = [tars.SCENE, tars.ANSWERS, *(tars.PICTURES if pictures else ())]
        answers: dict[str, object] = {}
        for key, files in tars.read_samples(self._store, part, self._places[part], keys, kinds):
            if not _is_key(key):
                continue
            for kind, data in files.items():
                if kind == tars.ANSWERS:
                    with contextlib.suppress(ValueError):  # told when it is read as a whole below
                        answers[key] = json.loads(data)
                else:
                    (folder / f"{key}.{'npz' if kind == tars.SCENE else kind}").write_bytes(data)
        if not answers:
            return None
        file = folder / "answers.json"
        file.write_text(json.dumps(answers), encoding="utf-8")
        return load_answers(file)

    def _fetch(self, keys: Sequence[str], folder: Path, pictures: bool) -> None:
        for key in filter(_is_key, keys):
            with contextlib.suppress(FileNotFoundError):
                (folder / f"{key}{NPZ}").write_bytes(self._store.read(key + NPZ))
            if pictures:
                self._fetch_picture(folder / f"{key}{NPZ}", folder)

    def _fetch_picture(self, file: Path, folder: Path) -> None:
        """A scene without its picture is fitted all the same, so nothing here is an error."""
        with contextlib.suppress(InputError, OSError, ValueError):
            stored = read_npz(file, ["image"]).get("image") if file.is_file() else None
            name = str(stored.reshape(-1)[0]) if stored is not None and stored.size == 1 else ""
            target = (folder / name).resolve()
            if name and target.is_relative_to(folder.resolve()) and not target.exists():
                data = self._store.read(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)


def _listing(store: Store, single: str) -> dict[str, Entry]:
    found = store.list()
    if not found and isinstance(store, LocalStore) and not single and not store.folder.is_dir():
        raise InputError(f"{store.root}: expected a folder of scene files (<key>.npz) or tars, found no folder")
    return found


def _is_key(key: str) -> bool:
    try:
        check_key(key)
    except InputError:
        return False
    return True


def _read(folder: Path, keys: Iterable[str], images: ImageRule, told_as: str | None) -> SceneSet:
    scenes: list[Scene] = []
    failures: dict[str, str] = {}
    notes: dict[str, str] = {}

    def tell(error: InputError) -> str:
        return str(error) if told_as is None else str(error).replace(str(folder), told_as)

    for key in keys:
        file = folder / f"{key}{NPZ}"
        try:
            check_key(key)
            try:
                scenes.append(load_scene(file, images))
            except ImageRefused as error:
                scenes.append(load_scene(file, None))
                notes[key] = tell(error)
        except InputError as error:
            failures[shown(key)] = tell(error)
    return SceneSet(scenes, failures, notes)


def answers_at(place: str | None) -> AnswerSet | None:
    """The answers file at a path or URL; None: none was named.

    Raises:
      InputError: it cannot be read.
    """
    if not place:
        return None
    path = local_path(place)
    if path is not None:
        return load_answers(path)
    with fetched(place) as file:
        return load_answers(file)


@contextlib.contextmanager
def fetched(place: str) -> Iterator[Path]:
    """A file of this machine with the content of the object at a URL.

    Raises:
      InputError: there is no such object.
    """
    folder, name = split_name(place)
    with tempfile.TemporaryDirectory(prefix="prosepose-") as temporary:
        file = Path(temporary) / name
        try:
            file.write_bytes(open_store(folder).read(name))
        except FileNotFoundError:
            raise InputError(f"{place}: no such object") from None
        yield file


def is_elsewhere(place: str) -> bool:
    """Whether a place is read otherwise than a folder of files of this machine."""
    return is_url(place) or place.endswith(tars.TAR)


def holds_tars(folder: Path) -> bool:
    """Whether a folder of this machine holds scenes in tars."""
    return folder.is_dir() and any(not file.name.startswith(".") for file in folder.glob(f"*{tars.TAR}"))
