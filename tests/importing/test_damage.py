"""No silent wrong import: right files of many tools, damaged as users and scripts damage them, are refused or noted."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from foreign_containers import write_pickle
from foreign_files import FOCAL, SIZE, bev_results, make_people, write_image, write_openpose
from foreign_tools import buddi, camerahmr, hmr2, multihmr, nlf, prompthmr, smplx_pose, transl, wham

from prosepose_jax.errors import InputError
from prosepose_jax.importing.images import ImageInputs, ImportResult, import_image


@dataclasses.dataclass(frozen=True)
class Tool:
    """A tool's layout and where its parameters are in it (field names on the way down; * = every entry)."""

    make: Callable[[Any], Any]
    places: tuple[tuple[str, ...], ...]  # in metres or millimetres, the first of them decides
    rotations: tuple[str, ...]
    focal: tuple[str, ...] | None = None
    frame: str | None = None
    per_person: bool = False  # an entry a person


def plain(people) -> dict:
    return smplx_pose(people) | {
        "transl": transl(people, FOCAL, "smplx"),
        "focal_length": np.float32(FOCAL),
        "img_size": np.array(SIZE),
    }


TOOLS = {
    "bev": Tool(lambda p: {"results": bev_results(p)}, (("results", "joints"), ("results", "cam_trans")),
                ("results", "smpl_thetas")),
    "4D-Humans": Tool(lambda p: hmr2(p, True), (("pred_cam_t_full",),), ("pred_smpl_params", "body_pose"),
                      ("scaled_focal_length",)),
    "CameraHMR": Tool(lambda p: camerahmr(p, False), (("output_cam_trans",),), ("body_pose",), ("cam_int",)),
    "PromptHMR": Tool(prompthmr, (("transl",),), ("rotmat",), ("cam_int",)),
    "Multi-HMR": Tool(multihmr, (("*", "transl_pelvis"),), ("*", "rotvec"), per_person=True),
    "NLF": Tool(lambda p: nlf(p, True), (("joints3d",), ("trans",)), ("pose",), ("focal_length",)),
    "WHAM": Tool(wham, (("*", "trans"),), ("*", "pose"), frame="8", per_person=True),
    "BUDDI": Tool(buddi, (("humans", "transl"),), ("humans", "body_pose"), ("cam", "fl")),
    "parameters": Tool(plain, (("transl",),), ("body_pose",), ("focal_length",)),
}  # fmt: skip


def holders(tree: Any, path: tuple[str, ...]) -> list[tuple[Any, Any]]:
    """The containers of a field and its key in each."""
    if len(path) == 1:
        return [(tree, path[0])]
    inner = tree.values() if isinstance(tree, dict) else tree
    return [h for one in (inner if path[0] == "*" else [tree[path[0]]]) for h in holders(one, path[1:])]


def change(tree: Any, path: tuple[str, ...], by: Callable[[np.ndarray], Any]) -> None:
    for container, key in holders(tree, path):
        container[key] = by(np.asarray(container[key]))


def exchange(tree: Any, tool: Tool) -> None:
    """The people's places exchanged, their poses left."""
    for path in tool.places:
        if tool.per_person:
            (one, key), (other, _) = holders(tree, path)
            one[key], other[key] = other[key], one[key]
        else:
            change(tree, path, lambda a: a[::-1].copy())


def shuffle(array: np.ndarray) -> np.ndarray:
    """The rotations of the body's joints in another order."""
    joints = array.shape[-1] // 3 if array.shape[-1] > 3 else None
    if joints is None and array.shape[-2:] == (3, 3):
        moved = array.copy()
        moved[..., 1:, :, :] = array[..., :0:-1, :, :]
        return moved
    flat = array.reshape(*array.shape[:-1], joints, 3) if joints else array
    moved = flat.copy()
    moved[..., 1:, :] = flat[..., :0:-1, :]
    return moved.reshape(array.shape)


def crop(tree: Any, tool: Tool) -> None:
    """Every person in the middle, as the camera of its crop sees it; joints about the body stay."""
    for path in tool.places:
        if "results" not in path or path[-1] == "cam_trans":
            change(tree, path, to_the_middle)


def to_the_middle(places: np.ndarray) -> np.ndarray:
    """Joints (n, J, 3) by their first, translations (n, 3) and (3,) alike."""
    first = places[:, :1] if places.ndim == 3 else places
    return (places - first * np.array([0.95, 0.95, 0.0])).astype(places.dtype)


def scaled_camera(array: np.ndarray, by: float) -> np.ndarray:
    if array.shape[-2:] != (3, 3):
        return array * by
    return (array * np.array([[by, 1, 1], [1, by, 1], [1, 1, 1]])).astype(array.dtype)


DAMAGES = {
    "units": lambda tree, tool: [change(tree, path, lambda a: a * 1000) for path in tool.places],
    "people exchanged": exchange,
    "order of joints": lambda tree, tool: change(tree, tool.rotations, shuffle),
    "y up": lambda tree, tool: [
        change(tree, path, lambda a: (a * np.array([1, -1, 1])).astype(a.dtype)) for path in tool.places
    ],
    "crop camera": crop,
    "focal length": lambda tree, tool: change(tree, tool.focal, lambda a: scaled_camera(a, 2.0)),
}


@pytest.fixture(scope="module")
def people(small_body):
    return make_people(small_body, [(-0.35, 3.4), (0.35, 3.8)], [0.0, 0.0], seed=11, spread=0.45, down=0.3)


@pytest.fixture
def attempt(tmp_path, small_body, people):
    """Imports a tree with detections, both as given; the result, or the error."""

    def run(tree: Any, tool: Tool, detections: np.ndarray, size=SIZE, focal=None) -> ImportResult | InputError:
        inputs = ImageInputs(
            "a",
            write_pickle(tmp_path / "a.pkl", tree),
            (write_openpose(tmp_path / "k.json", detections),),
            write_image(tmp_path / "a.png", size),
            frame=tool.frame,
            focal=focal,
        )
        try:
            return import_image(small_body, inputs)
        except InputError as error:
            return error

    return run


def is_silent(result: ImportResult | InputError) -> bool:
    """Scenes, and nothing said about them but what is said about right files."""
    if isinstance(result, InputError) or result.failures or not result.scenes:
        return False
    return all(any(word in note for word in ("read as", "assumed", "converted")) for note in result.notes)


@pytest.mark.parametrize("name", TOOLS)
def test_right_files_are_imported(attempt, people, name):
    tool = TOOLS[name]
    result = attempt(tool.make(people), tool, people.detections([1, 0]))
    assert not isinstance(result, InputError), result
    assert len(result.scenes) == 1 and not result.failures
    assert result.scenes[0].scene.agreement.max() < 0.08
    assert is_silent(result)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", TOOLS)
def test_damaged_files_are_refused_or_noted(attempt, people, name, damage):
    tool = TOOLS[name]
    tree = copy.deepcopy(tool.make(people))
    focal = None
    if damage == "focal length" and tool.focal is None:
        focal = 2 * FOCAL
    else:
        DAMAGES[damage](tree, tool)
    result = attempt(tree, tool, people.detections([1, 0]), focal=focal)
    assert not is_silent(result), result.scenes[0].scene.agreement


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_keypoints_of_another_size_are_refused_or_noted(attempt, people, name, scale):
    tool, detections = TOOLS[name], people.detections([1, 0])
    detections[..., :2] *= scale
    assert not is_silent(attempt(tool.make(people), tool, detections))


@pytest.mark.parametrize("name", TOOLS)
def test_height_before_width_is_refused_or_noted(attempt, people, name):
    tool = TOOLS[name]
    result = attempt(tool.make(people), tool, people.detections([1, 0]), size=SIZE[::-1])
    assert not is_silent(result)
