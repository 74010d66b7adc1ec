"""4D-Humans' tracking (PHALP): {frame path: lists over people}.

Focal length 5000 px on a square of 256 px that holds the padded image; `camera` is SMPL's translation, `size` is
(height, width). Entries with `tracked_time` > 0 are carried over from earlier frames and no detections.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import (
    Source,
    SourceInput,
    all_have,
    body_rotations,
    estimates,
    from_body25,
    values,
)

_FOCAL_PER_SIDE = 5000.0 / 256.0


def _recognises(source: SourceInput) -> bool:
    frames = values(source.trees[0])
    return all_have(frames, "smpl", "camera") and all(isinstance(f["smpl"], list) for f in frames)


def _read(source: SourceInput) -> ImageEstimates:
    tree = source.trees[0]
    names = list(tree)
    name = names[source.pick(names)]
    frame = tree[name]
    times = [float(np.ravel(t)[0]) if np.size(t) else 0.0 for t in frame.get("tracked_time", [0] * len(frame["smpl"]))]
    # Lists of detections end before those of carried-over people.
    shortest = min(len(frame["smpl"]), len(frame["camera"]))
    seen = [i for i, time in enumerate(times[:shortest]) if time == 0]
    if not seen:
        raise source.fail(f"nobody was detected in the frame {name!r}")
    size = source.image_size(_size(source, frame, seen[0]))
    pose = np.concatenate([body_rotations(source, frame["smpl"][i]) for i in seen])
    camera = [source.array({"camera": frame["camera"][i]}, "camera", (3,)) for i in seen]
    transl = np.stack(camera)
    points = None
    joints = frame.get("3d_joints", [])
    if isinstance(joints, list) and len(joints) > max(seen):
        known = [source.array({"3d_joints": joints[i]}, "3d_joints", (-1, 3))[:25] for i in seen]
        points = from_body25(np.stack(known)) + transl[:, None]
    return estimates(
        source,
        pose,
        size,
        np.full(2, source.focal or _FOCAL_PER_SIDE * float(size.max())),
        transl=transl,
        points=points,
        root=None if points is None else points[:, 0],
    )


def _size(source: SourceInput, frame: Mapping[str, Any], index: int) -> np.ndarray | None:
    sizes = frame.get("size")
    if not isinstance(sizes, (list, np.ndarray)) or len(sizes) <= index:
        return None
    return source.array({"size": sizes[index]}, "size", (-1,))[1::-1]


PHALP = Source("PHALP tracks", _recognises, _read, lambda source: list(source.trees[0]), many=False)
