"""Where a block's fits go: a file each, or one tar for the block; and how they are read again."""

from __future__ import annotations

import abc
import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from prosepose_jax.errors import InputError
from prosepose_jax.io import encode_fit, has_fit, load_fit, save_fit
from prosepose_jax.io.fits import FITS_FOLDER
from prosepose_jax.scale import tars
from prosepose_jax.scene import Fit
from prosepose_jax.storage import LocalStore, Store

FILES, TAR = "files", "tar"
CONTAINERS = (FILES, TAR)


class Results(abc.ABC):
    """Takes the fits of one block."""

    @abc.abstractmethod
    def add(self, fit: Fit) -> None:
        """A fit, whole."""

    @abc.abstractmethod
    def finish(self) -> str:
        """Publishes what is not published yet. Returns the name of the tar, "" for single files."""


class FileResults(Results):
    """`fits/<key>.npz`, as a run of one machine writes them; each published as it comes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, fit: Fit) -> None:
        if isinstance(self._store, LocalStore):
            save_fit(self._store.folder, fit)
        else:
            self._store.write(f"{fit.variant or FITS_FOLDER}/{fit.key}.npz", encode_fit(fit))

    def finish(self) -> str:
        return ""


class TarResults(Results):
    """`fits/<block>.tar` with its index, published when the block is done. A later try writes a tar of its own."""

    def __init__(self, store: Store, block: str, number: int) -> None:
        """`number`: of the try, from 1; it is in the name."""
        self._store, self._name = store, f"{FITS_FOLDER}/{block}.{number}{tars.TAR}"
        self._samples: dict[str, dict[str, bytes]] = {}

    def add(self, fit: Fit) -> None:
        kind = tars.FIT_WITHOUT if fit.variant else tars.FIT
        self._samples.setdefault(fit.key, {})[kind] = encode_fit(fit)

    def add_file(self, key: str, kind: str, data: bytes) -> None:
        """A further file of a sample, such as its picture."""
        self._samples.setdefault(key, {})[kind] = data

    def finish(self) -> str:
        if not self._samples:
            return ""
        packed = tars.pack_samples(sorted(self._samples.items()))
        self._store.write(self._name, packed.data)
        self._store.write_json(self._name + tars.INDEX, packed.index)
        return self._name


def has_result(store: Store, key: str, tar: str) -> bool:
    """Whether a fit that a record tells of is there; elsewhere than in a folder of this machine it is believed."""
    if not isinstance(store, LocalStore):
        return True
    if tar:
        return (store.folder / tar).is_file()
    return has_fit(store.folder, key)


def read_results(store: Store, tar: str, keys: Iterable[str], variant: str = "") -> Iterator[tuple[str, Fit]]:
    """Fits by key; one that cannot be read comes as a failed one that says so. Missing ones are left out.

    Args:
      store: of the run.
      tar: that holds them, "" for single files.
      keys: wanted.
      variant: of the fits.
    """
    if not tar:
        for key in keys:
            yield from _read_file(store, f"{variant or FITS_FOLDER}/{key}.npz", key, variant)
        return
    kind = tars.FIT_WITHOUT if variant else tars.FIT
    try:
        places = tars.read_index(store, tar)
    except FileNotFoundError:
        return
    wanted = [key for key in keys if kind in places.get(key, {})]
    for key, files in tars.read_samples(store, tar, places, wanted, [kind]):
        yield key, _decode(files[kind], key, variant)


def _read_file(store: Store, name: str, key: str, variant: str) -> Iterator[tuple[str, Fit]]:
    with contextlib.suppress(FileNotFoundError):
        yield key, _decode(store.read(name), key, variant)


def _decode(data: bytes, key: str, variant: str) -> Fit:
    with tempfile.TemporaryDirectory(prefix="prosepose-") as folder:
        file = Path(folder) / "fit.npz"
        file.write_bytes(data)
        try:
            return load_fit(file)
        except InputError as error:
            return Fit(key=key, status=f"failed: unreadable fit file: {error}", variant=variant)


def results_for(store: Store, container: str, block: str, number: int) -> Results:
    """Where a block's fits go.

    Args:
      store: of the run.
      container: of `CONTAINERS`.
      block: its id.
      number: of the try.
    """
    return FileResults(store) if container == FILES else TarResults(store, block, number)
