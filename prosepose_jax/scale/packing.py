"""Scene files to tars and back."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.io import AnswerSet, write_bytes
from prosepose_jax.io._npz import read_npz
from prosepose_jax.io.image_paths import ImageRule, image_path
from prosepose_jax.io.scenes import scene_files
from prosepose_jax.scale import tars
from prosepose_jax.scene import Answer
from prosepose_jax.storage import LocalStore, Store
from prosepose_jax.untrusted import read_bytes, shown

_MOST_PICTURE_BYTES = 256 << 20
_OF_RUN = {tars.FIT: "fits/{}.npz", tars.FIT_WITHOUT: "no_answers/{}.npz", "render.png": "renders/{}.png",
           "mesh.glb": "meshes/{}.glb"}  # fmt: skip


def pack(
    scenes: Path, out: Store, answers: AnswerSet | None, pictures: bool, images: ImageRule, scenes_per_tar: int
) -> Iterator[tuple[str, str]]:
    """Writes `scenes-000000.tar`, … with the scene files of a folder; memory holds one scene at a time.

    A scene's file is copied as it is. Where its picture comes too, it stands beside as `KEY.jpg`, and the field
    `image` names it so; a picture that is missing or must not be taken is left out.

    Args:
      scenes: the folder.
      out: where the tars go.
      answers: go beside their scenes; None: none.
      pictures: whether they come too.
      images: where pictures may lie.
      scenes_per_tar: at most.

    Yields:
      (key, "" or why the scene was left out).

    Raises:
      InputError: no scenes.
    """
    files = scene_files(scenes)
    for number, first in enumerate(range(0, len(files), scenes_per_tar)):
        name = f"scenes-{number:06d}{tars.TAR}"
        with tempfile.TemporaryDirectory(prefix="prosepose-") as temporary:
            path = Path(temporary) / name
            with open(path, "wb") as file:
                writer = tars.TarWriter(file)
                for scene in files[first : first + scenes_per_tar]:
                    try:
                        writer.add(scene.stem, _sample(scene, answers, pictures, images))
                        yield scene.stem, ""
                    except InputError as error:
                        yield scene.stem, str(error)
                size = writer.finish()
            out.publish(name, path)
            out.write_json(name + tars.INDEX, tars.index_of(writer.places, size))


def _sample(file: Path, answers: AnswerSet | None, pictures: bool, images: ImageRule) -> dict[str, bytes]:
    data = read_bytes(file)
    sample = {tars.SCENE: data}
    found = answers.for_scene(file.stem) if answers is not None else []
    if found:
        sample[tars.ANSWERS] = json.dumps([_stored(one) for one in found], ensure_ascii=False).encode()
    name = read_npz(file, ["image"]).get("image") if pictures else None
    if name is None or name.dtype.kind != "U" or name.size != 1:
        return sample
    try:
        picture = image_path(file, str(name.reshape(-1)[0]), images)
        kind = picture.suffix.lower().lstrip(".")
        if kind in tars.PICTURES and picture.is_file():
            sample[kind] = read_bytes(picture, _MOST_PICTURE_BYTES)
            sample[tars.SCENE] = _with_image(file, f"{file.stem}.{kind}")
    except InputError:
        return sample
    return sample


def _with_image(file: Path, name: str) -> bytes:
    arrays: dict[str, Any] = {**read_npz(file), "image": np.array(name)}
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def _stored(answer: Answer) -> dict[str, Any]:
    known = {"table_response": answer.text, "pair": list(answer.pair), "order": answer.order}
    also = {name: getattr(answer, name) for name in ("model", "prompt") if getattr(answer, name)}
    return dict(answer.extra) | known | also


def unpack_scenes(store: Store, names: Mapping[str, int], out: Path) -> Iterator[str]:
    """Writes the scenes of tars as files: `KEY.npz`, its picture beside, and all answers in `answers.json`.

    Args:
      store: that holds the tars.
      names: of the tars, with their sizes.
      out: a folder.

    Yields:
      Each key.

    Raises:
      InputError: a tar cannot be read, or a key stands twice.
    """
    answers: dict[str, Any] = {}
    seen: set[str] = set()
    for name, size in names.items():
        places = tars.read_index(store, name, size)
        for key in places:
            if key in seen:
                raise InputError(f"{store.where(name)}: scene {shown(key)!r} is in another tar too")
            seen.add(key)
            tars.check_sample_key(key, store.where(name))
            ((_, files),) = tars.read_samples(store, name, places, [key])
            for kind, data in files.items():
                if kind == tars.SCENE:
                    write_bytes(out / f"{key}.npz", data)
                elif kind in tars.PICTURES:
                    write_bytes(out / f"{key}.{kind}", data)
                elif kind == tars.ANSWERS:
                    answers[key] = json.loads(data)
            if tars.SCENE in files:
                yield key
    if answers:
        write_bytes(out / "answers.json", json.dumps(answers, ensure_ascii=False).encode())


def unpack_run(store: Store, out: Path) -> Iterator[str]:
    """Writes the fits of a run's tars, their renders and meshes as files of a run's folder.

    Args:
      store: of the run.
      out: the folder, also the run's own.

    Yields:
      Each key.
    """
    target = LocalStore(out)
    listing = store.list("fits")
    for name in sorted(name for name in listing if name.endswith(tars.TAR)):  # a later try of a block comes later
        places = tars.read_index(store, name, listing[name].size)
        for key in places:
            tars.check_sample_key(key, store.where(name))
            ((_, files),) = tars.read_samples(store, name, places, [key])
            for kind, data in files.items():
                if kind in _OF_RUN:
                    target.write(_OF_RUN[kind].format(key), data)
            yield key
    for name in ("config.json", "metrics.json", "run.json", "report.html"):
        if store.exists(name) and not target.exists(name):
            target.write(name, store.read(name))
