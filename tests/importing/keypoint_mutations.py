"""Damages keypoint files at random and reads them: keypoint_mutations.py [COUNT] [SEED]. Prints what the readers said.

Nothing but an InputError may come out, and none may take more than two seconds.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from detector_files import (
    COCO_17,
    FILES,
    ORDERS,
    SIZE,
    alphapose_open,
    coco_annotations,
    expected_body25,
    mediapipe,
    openpose,
    points,
)

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints import read_keypoints

MAX_SECONDS = 2.0
_ODD: tuple[Any, ...] = (
    None, True, "", "abc", "785", "\x00", 0, -1, 3.5, 1e308, -1e308, 10**30, 2**63, float("nan"), float("inf"), [], {},
    [[]], [[1, 2], [3]], [None], {"0": 1}, [1, 2, 3], {"__ndarray__": [1, 2]}, {"__ndarray__": "b64"}, {"people": []},
    [[[[1]]]], {"keypoints": []}, {"landmark": [{}]}, ["nose"], 1e-300, [[0.0] * 3] * 17, [0.0] * 51,
)  # fmt: skip
_KEYS = (
    "people", "bodies", "keypoints", "keypoint_scores", "scores", "labels", "annotations", "images", "image_id", "x",
    "pose_landmarks", "pose_world_landmarks", "instances", "instance_info", "skeleton", "meta_info", "pred_keypoints",
    "hand_left_keypoints_2d", "categories", "frame_id", "arr_0", "0",
)  # fmt: skip


def written_files(folder: Path) -> dict[str, bytes]:
    """{name: contents} of a file of every detector."""
    found = {}
    for name, (file, write, layout, _) in FILES.items():
        found[f"{name}{Path(file).suffix}"] = write(folder / file, points(ORDERS[layout])).read_bytes()
    more: dict[str, Callable[[Path], Path]] = {
        "alphapose_open.json": lambda p: alphapose_open(p, points(ORDERS["coco18"])),
        "alphapose_cmu.json": lambda p: alphapose_open(p, points(ORDERS["coco18"]), "cmu", None),
        "annotations.json": lambda p: coco_annotations(p, points(COCO_17), COCO_17),
        "mediapipe_legacy.json": lambda p: mediapipe(p, points(ORDERS["mediapipe33"]), legacy=True),
        "openpose_hands.json": lambda p: openpose(p, points(ORDERS["body25"]), np.ones((2, 2, 21, 3))),
    }
    return found | {name: write(folder / name).read_bytes() for name, write in more.items()}


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The contents with one to four things changed: nodes of the tree where it is JSON, else bytes."""
    if data[:1] in b"[{" and rng.random() < 0.75:
        tree = json.loads(data)
        for _ in range(rng.integers(1, 5)):
            tree = _changed(copy.deepcopy(tree), rng)
        return json.dumps(tree).encode()
    changed = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, max(len(changed), 1)))
        kind = rng.integers(0, 5)
        if kind == 0:
            changed = changed[:at]
        elif kind == 1:
            changed[at:at] = rng.bytes(int(rng.integers(1, 9)))
        elif kind == 2:
            del changed[at : at + int(rng.integers(1, 64))]
        elif kind == 3:
            changed[at:at] = changed[at : at + 200] * int(rng.integers(1, 20))
        elif changed:
            changed[min(at, len(changed) - 1)] = int(rng.integers(0, 256))
    return bytes(changed)


def _changed(tree: Any, rng: np.random.Generator) -> Any:
    """One node replaced, left out, doubled or renamed; walks down at random."""
    parent, key, node = None, None, tree
    while isinstance(node, (dict, list)) and node and rng.random() < 0.8:
        parent = node
        key = rng.choice(list(node)) if isinstance(node, dict) else int(rng.integers(len(node)))
        node = node[key]
    odd = copy.deepcopy(_ODD[int(rng.integers(len(_ODD)))])
    if parent is None:
        return odd if rng.random() < 0.3 else tree
    kind = rng.integers(0, 5)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(node) if rng.random() < 0.5 else odd)
    elif kind == 2 and isinstance(parent, dict):
        parent[str(rng.choice(_KEYS))] = parent.pop(key) if rng.random() < 0.5 else odd
    elif kind == 3 and isinstance(parent, list):
        del parent[int(rng.integers(len(parent))) :]
    else:
        parent[key] = odd
    return tree


def run(folder: Path, count: int, seed: int) -> tuple[Counter[str], float]:
    """Reads `count` damaged files; returns how many were read and refused, and the longest time.

    Raises:
      AssertionError: a file was too slow or what was read is out of range; any other error is the reader's own.
    """
    rng = np.random.default_rng(seed)
    files = sorted(written_files(folder).items())
    said: Counter[str] = Counter()
    slowest = 0.0
    for index in range(count):
        name, data = files[index % len(files)]
        path = folder / f"damaged{Path(name).suffix}"
        path.write_bytes(damaged(data, rng))
        choices: dict[str, Any] = {"names": ("photo.jpg",), "image_size": SIZE}
        choices |= {"frame": rng.choice([None, "0", "1"]), "image_id": rng.choice([None, "auto", "785", "8"])}
        choices |= {"people_px": expected_body25(COCO_17), "layout": rng.choice([None, None, "coco17"])}
        start = time.perf_counter()
        try:
            found = read_keypoints(path, **choices)
        except InputError as error:
            assert path.name in str(error) or "--keypoint_layout" in str(error), f"{name}: {error}"
            said["refused"] += 1
        else:
            said["read"] += 1
            assert found.keypoints.shape[1:] == (25, 3) and np.isfinite(found.keypoints).all(), name
            assert found.keypoints[..., 2].min(initial=0) >= 0 and found.keypoints[..., 2].max(initial=0) <= 1, name
        took = time.perf_counter() - start
        assert took < MAX_SECONDS, f"{name}: {took:.1f} s"
        slowest = max(slowest, took)
    return said, slowest


def main() -> None:
    count, seed = (int(word) for word in (sys.argv[1:] + ["20000", "0"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        said, slowest = run(Path(folder), count, seed)
    print(f"{count} damaged files: {said['read']} read, {said['refused']} refused, slowest {slowest:.2f} s")


if __name__ == "__main__":
    main()
