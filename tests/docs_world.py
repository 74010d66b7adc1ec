"""A user's folder as the documentation supposes it: photographs, files of other tools, scenes, answers, datasets.

For `test_docs_commands.py`, which puts the helpers of other rooms on the path. Everything is of the
tests' small body, which also stands for the embedded one, and configs take a few steps.
"""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from asking import make_picture
from detector_files import BODY_25, COCO_17, alphapose_open, mmpose
from foreign_containers import write_torch
from foreign_files import (
    SIZE,
    People,
    bev_results,
    box_of,
    make_people,
    sign,
    write_annotations,
    write_bev,
    write_openpose,
)
from foreign_tools import hmr2
from miniatures import make_chi3d, make_flickrci3d, make_hi4d, make_moyo
from small_scenes import small_scene

from prosepose_jax import resources
from prosepose_jax.body import BodyModel, BodyParams, load_body, pose_body
from prosepose_jax.diffusion import Buddi, Loaded, Pair
from prosepose_jax.io import save_scene

TABLE = "| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n| left hand | back |\n"
_SMALL = Path(__file__).resolve().parent / "data"


def small_assets(folder: Path) -> Path:
    """A folder like smpl_assets/ with the small body as the embedded one."""
    folder.mkdir()
    for file in _SMALL.glob("small_body*"):
        shutil.copy(file, folder / file.name.replace("small_body", "body"))
    shutil.copy(resources.smpl_assets_dir() / "pose_prior.npz", folder)
    return folder


def quick_configs(folder: Path) -> Path:
    """The packaged configs, each with few steps and two slots."""
    folder.mkdir()
    for file in resources.configs_dir().glob("*.py"):
        (folder / file.name).write_text(
            "import runpy\n"
            f"_original = runpy.run_path({str(file)!r})\n\n\n"
            "def get_config(*variant):\n"
            "    config = _original['get_config'](*variant)\n"
            "    if 'stage1' in config:\n"
            "        config.stage1.steps, config.stage2.steps, config.lm.steps, config.batch_size = 2, 1, 2, 2\n"
            "        config.contact.sample_size, config.penetration.slots = 4, 16\n"
            "    return config\n"
        )
    return folder


def _coco(people: People) -> np.ndarray:
    return people.detections(list(range(len(people.joints))))[:, [BODY_25.index(name) for name in COCO_17]]


def _licensed_files(folder: Path, body: BodyModel) -> None:
    """Files named as those of SMPL-X; the pelvis lies as far from the origin as SMPL-X's."""
    fields = dict(np.load(_SMALL / "small_body.npz"))
    fields["v_template"] = fields["v_template"] + np.array([0.003, -0.351, 0.012], np.float32)
    np.savez(folder / "SMPLX_NEUTRAL.npz", **fields)
    shutil.copy(_SMALL / "small_body_kid_template.npy", folder / "smplx_kid_template.npy")
    regions = {k: np.asarray(ids)[np.asarray(mask)].tolist() for k, (ids, mask) in enumerate(
        zip(body.regions.vertex_ids, body.regions.mask, strict=True))}  # fmt: skip
    (folder / "flickrci3ds_r75_rid_to_smplx_vid.pkl").write_bytes(pickle.dumps(regions))
    prior = dict(np.load(resources.smpl_assets_dir() / "pose_prior.npz"))
    (folder / "gmm_08.pkl").write_bytes(pickle.dumps({name: prior[name] for name in ("means", "covars", "weights")}))


def _files_of_tools(folder: Path, body: BodyModel) -> None:
    """What BEV, 4D-Humans and detectors wrote of photo.jpg."""
    pair = make_people(body, [(-0.6, 4.0), (-0.3, 4.2)], [0.0, 0.0])
    make_picture(folder / "photo.jpg", size=SIZE)
    write_bev(folder / "bev.npz", bev_results(pair))
    for name in ("vitpose", "openpose"):
        write_openpose(folder / f"{name}.json", pair.detections([0, 1]))
    mmpose(folder / "mmpose.json", _coco(pair))
    (folder / "predictions").mkdir()
    mmpose(folder / "predictions" / "photo.json", _coco(pair))
    alphapose_open(folder / "alphapose-results.json", pair.detections([0, 1])[:, :18])
    write_torch(folder / "out.pt", hmr2(pair, True))
    boxes = [box_of(pair, k) for k in (0, 1)]
    write_annotations(folder / "interaction_contact_signature.json", "photo", boxes, [sign([0, 1], [[51, 33]])])
    inside = folder / "images" / "photo"
    inside.mkdir(parents=True)
    for name, where in (("photo.jpg", "image.jpg"), ("bev.npz", "bev.npz"), ("vitpose.json", "vitpose.json")):
        shutil.copy(folder / name, inside / where)


def make_world(folder: Path, body: BodyModel) -> Path:
    """Makes the folder."""
    folder.mkdir()
    _licensed_files(folder, body)
    _files_of_tools(folder, body)
    texts = {}
    for seed, key in enumerate(("photo_0", "street")):
        image = make_picture(folder / "scenes" / "images" / f"{key}.jpg", seed, (640, 640))
        scene = dataclasses.replace(
            small_scene(body, seed), key=key, image=image, image_size=np.array([640, 640]),
            gt_contacts=(("left hand", "back"),), gt_region_pairs=None,
        )  # fmt: skip
        save_scene(folder / "scenes", scene)
        texts[key] = [TABLE, "I can't tell.", TABLE]
    for seed in range(10):
        save_scene(folder / "many", small_scene(body, seed))
    lines = [{"key": key, "sample": k, "text": text} for key, some in texts.items() for k, text in enumerate(some)]
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "tiny.pt").write_bytes(b"in the place of a checkpoint")
    licensed = load_body(folder / "SMPLX_NEUTRAL.npz")
    make_hi4d(folder / "hi4d", licensed)
    make_chi3d(folder / "chi3d", licensed)
    make_flickrci3d(folder / "flickrci3d", licensed)
    make_moyo(folder / "moyo", licensed)
    return folder


def tiny_buddi(*_: Any, **__: Any) -> Loaded:
    """A small random network in the place of the released one."""
    network = Buddi(width=8, layers=1, heads=2, hidden=8)
    weights = jax.jit(network.init)(jax.random.key(0), Pair.zeros(), np.int32(0), None)["params"]
    return Loaded(network, weights, ())


def names_for_python(world: Path, body: BodyModel) -> dict[str, Callable[[], Any]]:
    """What Python blocks take for granted, made when a block names it."""
    import prosepose_jax as pj

    params = BodyParams.zeros(2).replace(transl=jnp.array([[0.0, 0.0, 3.0], [0.5, 0.0, 3.0]]))

    def run() -> tuple[Any, ...]:
        scenes = list(pj.load_scenes(world / "scenes"))
        fits = dict(pj.io.load_fits(world / "run"))
        return scenes, fits

    def metrics() -> Any:
        return json.loads((world / "run" / "metrics.json").read_text())

    photo = np.zeros((480, 640, 3), np.uint8)
    return {
        "body": lambda: body, "params": lambda: params, "posed": lambda: jax.jit(pose_body)(body, params),
        "text": lambda: TABLE, "texts": lambda: [TABLE], "answers": lambda: pj.load_answers(world / "answers.jsonl"),
        "betas": lambda: np.zeros(10), "folder": lambda: world / "scenes", "file": lambda: world / "answers.jsonl",
        "scenes": lambda: run()[0], "scene": lambda: run()[0][0], "fits": lambda: run()[1], "without": lambda: {},
        "fit": lambda: run()[1][run()[0][0].key], "config": lambda: pj.load_config("two_person"),
        "one": metrics, "other": metrics, "metrics": metrics, "run_info": lambda: json.loads(
            (world / "run" / "run.json").read_text()),
        "orient": lambda: np.zeros((2, 3)), "pose": lambda: np.zeros((2, 21, 3)), "place": lambda: np.ones((2, 3)),
        "keypoints": lambda: np.ones((2, 25, 3)),
        "vertices": lambda: np.asarray(jax.jit(pose_body)(body, params).vertices),
        "faces": lambda: np.asarray(body.faces), "focal": lambda: np.array([500.0, 500.0]),
        "principal": lambda: np.array([320.0, 240.0]), "image_size": lambda: np.array([640, 480]),
        "photo": lambda: photo, "workdir": lambda: world / "report",
    }  # fmt: skip
