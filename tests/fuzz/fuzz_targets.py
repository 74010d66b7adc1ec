"""The readers that are fed damaged inputs: each with a good input to begin with."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import pickle
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from absl.flags import FlagValues
from ml_collections import ConfigDict
from PIL import Image

from prosepose_jax.ablation.store import read_records
from prosepose_jax.apps._inputs import _noted
from prosepose_jax.apps._usage import parse_with_config
from prosepose_jax.apps.table import _entries
from prosepose_jax.body._files import read_array, read_fields, read_mapping
from prosepose_jax.body._region_files import load_regions
from prosepose_jax.body.assets import _read_keypoints, _read_lowres, load_body
from prosepose_jax.body.keypoints import KEYPOINT_VERTEX_NAMES
from prosepose_jax.config import load_config
from prosepose_jax.contact import compile_answers
from prosepose_jax.errors import InputError
from prosepose_jax.fitting import settings_from_config
from prosepose_jax.importing.keypoints import read_keypoints
from prosepose_jax.io import load_answers
from prosepose_jax.io.fits import load_fit, save_fit
from prosepose_jax.io.lock import read_known
from prosepose_jax.io.pictures import open_picture, read_header
from prosepose_jax.io.scenes import load_scene
from prosepose_jax.io.torch_file import load_torch_file
from prosepose_jax.language import QUESTIONS, parse_second_table
from prosepose_jax.lmm import format_inspection, inspect_answers
from prosepose_jax.lmm.answer_log import read_samples
from prosepose_jax.lmm.clients import _openai_protocol
from prosepose_jax.lmm.clients._discreet import redact
from prosepose_jax.lmm.clients._http import check_base_url
from prosepose_jax.lmm.clients.base import Rejected, TryAgain, Unusable
from prosepose_jax.lmm.estimate import load_prices
from prosepose_jax.lmm.prompts import parse_prompt
from prosepose_jax.metrics.pose import load_joint_regressor
from prosepose_jax.scene import Fit
from prosepose_jax.tables import FORMATS, make_table
from prosepose_jax.terms import load_pose_prior
from prosepose_jax.untrusted import parse_json

DATA = Path(__file__).resolve().parents[1] / "data"
DEMO = Path(__file__).resolve().parents[2] / "prosepose_jax" / "demo"
TABLE = "| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n| left hand, arm or foot | back and waist |\n"


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
      name: of its files.
      read: what is tried.
      good: an input that it reads.
      share: how often it comes, of 100 for a reader that takes about a millisecond.
      seconds: of the processor that an input may take.
    """

    name: str
    read: Callable[[Path], object]
    good: Callable[[], bytes]
    share: float = 100.0
    seconds: float = 2.0


@functools.cache
def _scene() -> bytes:
    return (DEMO / "scenes" / "hug.npz").read_bytes()


@functools.cache
def _fit() -> bytes:
    rng = np.random.default_rng(0)
    people = {name: rng.normal(size=(2, *shape)).astype(np.float32)
              for name, shape in (("global_orient", (3,)), ("body_pose", (21, 3)), ("betas", (10,)), ("transl", (3,)),
                                  ("vertices", (40, 3)), ("joints", (22, 3)))}  # fmt: skip
    fit = Fit("a", "ok", **people, losses=np.ones((2, 3, 4), np.float32), loss_terms=("a", "b", "c", "d"))
    with tempfile.TemporaryDirectory() as folder:
        return save_fit(folder, fit).read_bytes()


def _npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _picture(kind: str) -> bytes:
    file = io.BytesIO()
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(file, kind)
    return file.getvalue()


def _answers_lines() -> bytes:
    entries = [{"key": "a", "sample": k, "text": TABLE, "pair": [0, 1], "model": "m", "prompt": "p"} for k in range(4)]
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


def _reply(file: Path) -> object:
    try:
        return _openai_protocol.read_response(parse_json(file.read_bytes(), "reply"), 2)
    except (TryAgain, Rejected, Unusable) as error:
        return redact(str(error), ["sk-key"])


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "replace")


def _url(file: Path) -> object:
    return check_base_url(_text(file))


def _open(file: Path) -> object:
    read_header(file)
    return open_picture(file)


def _compiled(parser: str, people: int, file: Path) -> object:
    return compile_answers(_text(file).split("\f")[:20], num_people=people, parser=parser)


def _settings(file: Path) -> object:
    values = parse_json(file.read_bytes(), file)
    if not isinstance(values, dict):
        raise InputError("no object")
    try:
        config = ConfigDict(load_config("two_person").to_dict() | values)
    except (AttributeError, TypeError, ValueError) as error:  # no such ConfigDict
        raise InputError("no config") from error
    return settings_from_config(config)


def _all(fields: Any) -> object:
    return [fields[name] for name in fields]


def _list(read: Callable[[Path], Any]) -> Callable[[Path], object]:
    return lambda file: _all(read(file))


def _records(file: Path) -> object:
    folder = file.parent / "records"
    folder.mkdir(exist_ok=True)
    (folder / "scenes.jsonl").write_bytes(file.read_bytes())
    return read_records(folder)


def _folder_notes(file: Path) -> object:
    return _noted(read_known(file), "fits")


def _inspected(file: Path) -> object:
    return format_inspection(list(inspect_answers(load_answers(file))))


def _flags(file: Path) -> object:
    """What stands after `prosepose fit`, with the settings that come of it."""
    config, rest = parse_with_config(["prosepose", *_text(file).split("\n")], FlagValues(), "two_person")
    return settings_from_config(config), rest


def _figures(file: Path) -> object:
    """A run's metrics as `prosepose table` reads them."""
    shutil.copy(file, file.parent / "metrics.json")
    table = make_table({"ours": _entries(file.parent)}, "two_person", title="a table", seed=0)
    return [writer(table) for _, writer in FORMATS.values()]


def _torch(file: Path) -> object:
    def numbers(value: Any, depth: int = 0) -> None:
        if hasattr(value, "numpy"):
            value.numpy()
        elif isinstance(value, dict):
            for part in value.values():
                numbers(part, depth + 1)

    numbers(load_torch_file(file))
    return None


def _openpose() -> bytes:
    return json.dumps({"people": [{"pose_keypoints_2d": [1.5, 2.5, 0.9] * 25}] * 2}).encode()


def own_targets() -> tuple[Target, ...]:
    """The readers of this project's own files, and of texts."""
    found = (
        Target("scene.npz", load_scene, _scene, share=50),
        Target("fit.npz", load_fit, _fit, share=50),
        Target("answers.json", load_answers, lambda: json.dumps({"a": [{"table_response": TABLE}] * 3}).encode()),
        Target("answers.jsonl", load_answers, _answers_lines),
        Target("samples.jsonl", read_samples, _answers_lines),
        Target("body.pkl", _list(read_fields), lambda: pickle.dumps({"a": np.eye(3), "b": [1, "x", None]}, 2)),
        Target("tree.pkl", read_mapping, lambda: pickle.dumps({"a": {"b": (np.ones(2), {1, 2})}}, 4)),
        Target("fields.npz", read_mapping, lambda: _npz(a=np.eye(3), b=np.array([{"x": 1}], object))),
        Target("body.npz", load_body, _body, share=2),
        Target("array.npy", read_array, lambda: _npy(np.arange(12.0).reshape(3, 4))),
        Target("regressor.npy", lambda f: load_joint_regressor(f, 20), lambda: _npy(np.ones((14, 20)))),
        Target(
            "regions.json",
            lambda f: load_regions(f, 100),
            lambda: json.dumps({str(k): [k] for k in range(75)}).encode(),
        ),
        Target("body_keypoints.json", lambda f: _read_keypoints(f, 100), _body_keypoints),
        Target("body_lowres.npz", lambda f: _read_lowres(f, 4), _tetrahedron),
        Target("prior.npz", load_pose_prior, _prior, share=20),
        Target("keypoints.json", read_keypoints, _openpose),
        Target("weights.pt", _torch, lambda: (DATA / "torch_zip.pt").read_bytes(), share=40),
        Target("old_weights.pt", _torch, lambda: (DATA / "torch_stream.pt").read_bytes()),
        Target("photo.png", _open, lambda: _picture("PNG"), share=40),
        Target("photo.jpg", _open, lambda: _picture("JPEG"), share=40),
        Target("photo.tif", _open, lambda: _picture("TIFF"), share=40),
        Target("photo.webp", _open, lambda: _picture("WEBP"), share=40),
        Target("photo.gif", _open, lambda: _picture("GIF"), share=40),
        Target("published.txt", functools.partial(_compiled, "published", 2), lambda: (TABLE * 2).encode()),
        Target(
            "extended.txt",
            functools.partial(_compiled, "extended", 2),
            lambda: (TABLE + "\f" + TABLE).encode(),
            share=40,
        ),
        Target("alone.txt", functools.partial(_compiled, "extended", 1), lambda: (TABLE + "\f" + TABLE).encode()),
        Target("prompt.txt", lambda f: parse_prompt(_text(f), "prompt"), _prompt),
        Target("prices.json", lambda f: load_prices(str(f), "gpt-4.1"), _prices),
        Target("settings.json", _settings, lambda: b'{"batch_size": 4, "seed": 0}'),
        Target("reply.json", _reply, lambda: json.dumps({"choices": [{"message": {"content": "x"}}]}).encode()),
        Target("url.txt", _url, lambda: b"http://localhost:8000/v1"),
        Target("inputs.json", _folder_notes, lambda: b'{"fits": {"a": "0123"}, "files": {}}'),
        Target("records.jsonl", _records, lambda: b'{"key": "a", "status": "ok", "problem": "x"}\n' * 3),
        Target("known.json", read_known, lambda: b'{"batch_size": 4, "stage1": {"steps": 3}}'),
        Target("inspected.jsonl", _inspected, _answers_lines, share=30),
        Target("second_table.txt", lambda f: parse_second_table(_text(f)), _second_table),
        Target("flags.txt", _flags, lambda: b"--config.stage1.steps=3\n--config.contact.search=cells", share=10),
        Target("figures.json", _figures, _metrics, share=10),
    )
    return tuple(dataclasses.replace(target, good=functools.cache(target.good)) for target in found)


def _two_texts() -> bytes:
    return (TABLE + "\f" + TABLE).encode()


def _second_table() -> bytes:
    rows = "".join(f"| {question.name} | {question.values[0]} | {question.values[-1]} |\n" for question in QUESTIONS)
    return f"| Question | Person 1 | Person 2 |\n|---|---|---|\n{rows}".encode()


def _metrics() -> bytes:
    curve = {"0.05": 0.7, "0.10": 0.8, "0.15": 0.9, "0.20": 1.0}
    figures = {"joint_pa_mpjpe_mm": 40.5, "pcc": 0.8, "pcc_at": curve, "initial": {"joint_pa_mpjpe_mm": 50.0}}
    return json.dumps({"scenes": {key: {"status": "ok", **figures} for key in ("a", "b", "c")}}).encode()


def _body() -> bytes:
    return (DATA / "small_body.npz").read_bytes()


def _body_keypoints() -> bytes:
    return json.dumps({name: number for number, name in enumerate(KEYPOINT_VERTEX_NAMES)}).encode()


def _tetrahedron() -> bytes:
    return _npz(vertex_ids=np.arange(4), faces=np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]]))


def _prior() -> bytes:
    return (DATA.parents[1] / "smpl_assets" / "pose_prior.npz").read_bytes()


def _package_file(*parts: str) -> bytes:
    return DEMO.parent.joinpath(*parts).read_bytes()


def _prompt() -> bytes:
    return _package_file("lmm", "prompts", "two_people.txt")


def _prices() -> bytes:
    return _package_file("lmm", "prices.json")
