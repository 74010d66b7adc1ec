"""The vertices that stand for the face and foot keypoints of BODY_25."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from builder.skeleton import JOINT

if TYPE_CHECKING:
    from builder.source import Source


def keypoint_vertices(source: Source, vertices: np.ndarray, ids: np.ndarray, body_faces: np.ndarray) -> dict[str, int]:
    """Vertex of each keypoint of docs/formats.md, in T-pose (x to the body's left, y up, z forward).

    Args:
      source: the source model, for its toe and eye bones.
      vertices: (V, 3) the finished template.
      ids: (V,) the template's vertices in the source.
      body_faces: (F, 3) faces of the body without eyeballs.
    """
    x, y, z = vertices.T
    body = np.zeros(len(vertices), bool)
    body[np.unique(body_faces)] = True
    weights = source.weights[ids]
    head = body & (weights[:, [JOINT["head"], JOINT["jaw"]]].sum(1) > 0.9)
    found = {"nose": _best(z, head & (np.abs(x) < 0.012))}
    for side, sign, suffix in (("right", -1.0, "R"), ("left", 1.0, "L")):
        eye = ~body & (weights[:, JOINT[f"{side}_eye_smplhf"]] > 0.5)
        found[f"{side}_eye"] = _best(z, eye)
        # The ear stands out sideways from the head: the vertex in the middle of what does.
        lateral = sign * x
        ear = head & (lateral > 0.88 * lateral[head].max())
        found[f"{side}_ear"] = _best(-np.linalg.norm(vertices - vertices[ear].mean(0), axis=1), ear)
        for name, bone in (("big", "toe1-2"), ("small", "toe5-3")):
            toe = source.bone_weights[f"{bone}.{suffix}"][ids] > 0.5
            found[f"{side}_{name}_toe"] = _best(z, toe)
        foot = weights[:, JOINT[f"{side}_ankle"]] > 0.5
        floor = y[foot].min()
        found[f"{side}_heel"] = _best(-z, foot & (y > floor + 0.01) & (y < floor + 0.05))
    order = ("nose", "right_eye", "left_eye", "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel",
             "right_big_toe", "right_small_toe", "right_heel")  # fmt: skip
    return {name: int(found[name]) for name in order}


def _best(score: np.ndarray, allowed: np.ndarray) -> int:
    ids = np.flatnonzero(allowed)
    return int(ids[np.argmax(score[ids])])
