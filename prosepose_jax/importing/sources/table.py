"""Which tool wrote the files: one table of readers and the fields that tell them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from prosepose_jax.errors import InputError
from prosepose_jax.importing.containers import read_tree
from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources import tools
from prosepose_jax.importing.sources.bev import read_bev_tree
from prosepose_jax.importing.sources.common import SourceInput
from prosepose_jax.importing.sources.smpl import read_smpl_tree

_WRAPPERS = frozenset({"arr_0", "outputs", "output", "out", "humans", "people", "predictions", "pred"})
_RATES = ("mocap_frame_rate", "mocap_framerate", "fps")


def _has(tree: Any, *names: str) -> bool:
    return isinstance(tree, Mapping) and all(name in tree for name in names)


def _deep(tree: Any, *names: str) -> bool:
    return isinstance(tree, Mapping) and _has(tools.flat(tree), *names)


def _values(tree: Any, *names: str) -> bool:
    return isinstance(tree, Mapping) and bool(tree) and all(_has(v, *names) for v in tree.values())


def _each(tree: Any, *names: str) -> bool:
    return isinstance(tree, list) and bool(tree) and all(_has(v, *names) for v in tree)


def _bev(source: SourceInput) -> bool:
    tree = source.trees[0]
    inner = tree.get("results") if isinstance(tree, Mapping) else None
    inner = inner[0] if isinstance(inner, list) and len(inner) == 1 else inner
    return _has(tree, "smpl_thetas", "cam_trans") or _has(inner, "smpl_thetas") or _values(inner, "smpl_thetas")


def _smplerx(source: SourceInput) -> bool:
    path = source.paths[0]
    return _has(source.trees[0], "global_orient", "transl") and (path.parent.parent / "meta" / f"{path.stem}.json").is_file()


def _motion(source: SourceInput) -> bool:
    tree = source.trees[0]
    return _has(tree, "poses") and any(rate in tree for rate in _RATES)


def _skel(source: SourceInput) -> bool:
    tree = source.trees[0]
    tree = tree[0] if isinstance(tree, list) and tree else tree
    return _has(tree, "patch_cam_t") or (_has(tree, "poses") and np.shape(tree["poses"])[-1:] == (46,))


def _refuse(problem: str) -> Callable[[SourceInput], NoReturn]:
    def read(source: SourceInput) -> NoReturn:
        raise source.fail(problem)

    return read


@dataclasses.dataclass(frozen=True)
class Source:
    """A tool: how its files are told and read."""

    title: str
    recognises: Callable[[SourceInput], bool]
    read: Callable[[SourceInput], ImageEstimates]


# In order: the first that recognises the files reads them.
SOURCES: dict[str, Source] = {
    "bev": Source("BEV or ROMP", _bev, read_bev_tree),
    "phalp": Source("PHALP tracks", lambda s: _values(s.trees[0], "smpl", "camera"), tools.read_phalp),
    "prompthmr_video": Source("PromptHMR (video)", lambda s: _has(s.trees[0], "people", "camera") and isinstance(s.trees[0]["people"], Mapping) and _values(s.trees[0]["people"], "smplx_cam", "frames"), tools.read_prompthmr_video),
    "prompthmr": Source("PromptHMR", lambda s: _has(s.trees[0], "rotmat", "transl", "cam_int"), tools.read_prompthmr),
    "multihmr": Source("Multi-HMR", lambda s: _each(s.trees[0], "rotvec"), tools.read_multihmr),
    "nlf": Source("NLF", lambda s: _has(s.trees[0], "pose", "trans", "joints3d") and any(n in s.trees[0] for n in ("joint_uncertainties", "joints3d_nonparam", "vertices3d", "boxes")), tools.read_nlf),
    "sam3dbody": Source("SAM 3D Body", lambda s: _each(s.trees[0], "pred_keypoints_3d", "mhr_model_params"), _refuse("a SAM 3D Body result: the MHR body has no SMPL rotations; convert it to SMPL-X with the MHR tools")),
    "smplerx": Source("SMPLer-X", _smplerx, tools.read_smplerx),
    "osx": Source("OSX", lambda s: _has(s.trees[0], "smplx_param", "cam_param"), tools.read_osx),
    "aios": Source("AiOS", lambda s: _has(s.trees[0], "params") and _has(s.trees[0]["params"], "transl", "body_pose"), tools.read_aios),
    "pymafx": Source("PyMAF-X", lambda s: _has(s.trees[0], "orig_cam_t", "pose"), tools.read_pymafx),
    "wham": Source("WHAM", lambda s: _values(s.trees[0], "pose", "trans", "frame_ids"), tools.read_wham),
    "gvhmr": Source("GVHMR", lambda s: _has(s.trees[0], "smpl_params_incam") and _has(s.trees[0], "K_fullimg"), tools.read_gvhmr),
    "tram": Source("TRAM", lambda s: any(_has(t, "pred_rotmat", "pred_trans", "frame") for t in s.trees), tools.read_tram),
    "smplifyx": Source("SMPLify-X", lambda s: _has(s.trees[0], "camera_translation", "body_pose"), tools.read_smplifyx),
    "hsmr": Source("HSMR", _skel, _refuse("an HSMR result: SKEL's joint angles cannot be converted without the SKEL model")),
    "motion": Source("a motion (AMASS, SMPL-X add-on)", _motion, _refuse("a motion (AMASS or the SMPL-X Blender animation add-on): its rows are frames, not people, and it has no camera; a photograph's estimates are needed")),
    "easymocap": Source("EasyMocap", lambda s: _each(s.trees[0], "Rh", "Th", "poses"), tools.read_easymocap),
    "camerahmr": Source("CameraHMR", lambda s: _deep(s.trees[0], "cam_int", "box_center", "global_orient", "body_pose") and any(_deep(s.trees[0], n) for n in ("output_cam_trans", "out_cam", "pred_cam")), tools.read_camerahmr),
    "hmr2": Source("4D-Humans or TokenHMR", lambda s: _deep(s.trees[0], "global_orient", "body_pose") and (_deep(s.trees[0], "pred_cam_t_full") or _deep(s.trees[0], "pred_cam", "pred_cam_t")), tools.read_hmr2),
    "smpl": Source("SMPL or SMPL-X parameters", lambda s: True, read_smpl_tree),
}  # fmt: skip


def read_estimates(
    paths: Sequence[Path], image: Path | None, source: str = "auto", frame: str | None = None, focal: float | None = None
) -> ImageEstimates:
    """The people that a tool's files hold.

    Args:
      paths: the files of one image, or one folder of them.
      image: the photograph.
      source: a name of `SOURCES`; "auto" (and "smpl") recognises the tool by its fields.
      frame: which frame of a video's file.
      focal: focal length in pixels where the file has none.

    Raises:
      InputError: nothing in the files can be used; the message says what they are.
    """
    files = [f for path in paths for f in (_inside(path) if path.is_dir() else [path])]
    given = SourceInput(tuple(files), tuple(_unwrap(read_tree(f)) for f in files), image, frame, focal)
    name = source
    if source in ("auto", "smpl"):
        name = next(n for n, s in SOURCES.items() if s.recognises(given))
    tool = SOURCES[name]
    try:
        found = tool.read(given)
    except InputError:
        raise
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, OverflowError, ZeroDivisionError) as error:
        raise InputError(f"{files[0]}: looks like {tool.title}, but cannot be read as such ({error})") from error
    return dataclasses.replace(found, tool=tool.title)


def _inside(folder: Path) -> list[Path]:
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    if not files:
        raise InputError(f"{folder}: expected files of estimates, found none")
    return files


def _unwrap(tree: Any) -> Any:
    if isinstance(tree, Mapping) and len(tree) == 1:
        name, value = next(iter(tree.items()))
        if name in _WRAPPERS and isinstance(value, (Mapping, list)):
            return _unwrap(value)
    if isinstance(tree, list) and len(tree) == 1 and isinstance(tree[0], (Mapping, list)):
        return _unwrap(tree[0]) if not _each(tree, "rotvec") and not _each(tree, "Rh") else tree
    return tree
