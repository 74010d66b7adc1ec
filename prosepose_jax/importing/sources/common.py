"""What the readers of sources share: their input, and people and camera in the form of `ImageEstimates`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body.keypoints import BODY25_SOURCE
from prosepose_jax.camera import focal_from_image_size
from prosepose_jax.errors import InputError
from prosepose_jax.importing.estimates import NUM_TREE_JOINTS, Estimate, ImageEstimates, image_dimensions

# Rest pelvis of the mean SMPL and SMPL-X bodies (m).
REST_PELVIS = {
    "smpl": np.array([-0.002, -0.223, 0.028], np.float32),
    "smplx": np.array([0.003, -0.351, 0.012], np.float32),
}


@dataclasses.dataclass(frozen=True)
class SourceInput:
    """The files of one image and what the user said about them."""

    paths: tuple[Path, ...]
    trees: tuple[Any, ...]  # their contents, in order
    image: Path | None = None
    frame: str | None = None
    focal: float | None = None

    def fail(self, problem: str) -> InputError:
        return InputError(f"{self.paths[0]}: {problem}")

    def array(self, fields: Mapping[str, Any], name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """A field as finite float32, reshaped to `shape` (-1 once)."""
        if name not in fields:
            raise self.fail(f"field {name!r} is missing; found {', '.join(sorted(map(str, fields)))[:300]}")
        try:
            array = np.asarray(fields[name], dtype=np.float32)
            array = array if shape is None else array.reshape(shape)
        except (TypeError, ValueError) as error:
            found = np.shape(fields[name]) if isinstance(fields[name], np.ndarray) else type(fields[name]).__name__
            raise self.fail(f"field {name!r}: expected numbers of shape {shape}, found {found}") from error
        if not np.isfinite(array).all():
            raise self.fail(f"field {name!r}: expected finite numbers, found NaN or infinite values")
        if array.size == 0:
            raise self.fail(f"field {name!r}: expected at least one number, found none")
        return array

    def image_size(self, stored: Any = None) -> np.ndarray:
        """(2,) width and height: of the photograph, else as the file has it.

        Raises:
          InputError: neither is there, or the file's size is no size.
        """
        if self.image is not None:
            return np.array(image_dimensions(self.image), np.float32)
        if stored is None:
            raise self.fail("the image's size is not in the file; give the photograph (--image)")
        size = np.asarray(stored, np.float32).reshape(-1)[:2]
        if size.shape != (2,) or not (np.isfinite(size).all() and (size > 0).all()):
            raise self.fail(f"the image's size: expected positive width and height, found {size.tolist()}")
        return size

    def assumed_focal(self, size: np.ndarray, usual: float, how: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """The user's focal length, else the tool's usual one with a note that it is assumed."""
        if self.focal is not None:
            return np.full(2, self.focal, np.float32), ()
        note = f"{self.paths[0].name}: no focal length in the file; {usual:.0f} px assumed ({how}; --focal sets it)"
        return np.full(2, usual, np.float32), (note,)

    def pick(self, names: Sequence[Any], what: str = "frame") -> int:
        """Index of the frame the user asked for; the only one when there is one.

        Raises:
          InputError: several frames and none named, or no such frame.
        """
        texts = [str(n) for n in names]
        if not texts:
            raise self.fail(f"no {what} in the file")
        if self.frame is None:
            if len(texts) == 1:
                return 0
            shown = ", ".join(texts[:8]) + (", …" if len(texts) > 8 else "")
            raise self.fail(f"holds {len(texts)} {what}s ({shown}); choose one with --frame")
        if self.frame in texts:
            return texts.index(self.frame)
        stems = [i for i, t in enumerate(texts) if Path(t).name == self.frame or Path(t).stem == self.frame]
        if len(stems) == 1:
            return stems[0]
        numbered = all(t.lstrip("-").isdigit() for t in texts)
        if not numbered and self.frame.isdigit() and int(self.frame) < len(texts):
            return int(self.frame)
        shown = ", ".join(texts[:8]) + (", …" if len(texts) > 8 else "")
        raise self.fail(f"no {what} {self.frame!r}; found {shown}")


def axis_angle(matrices: np.ndarray) -> np.ndarray:
    """(..., 3) axis-angle of rotation matrices (..., 3, 3), through quaternions (stable up to half a turn)."""
    m = np.asarray(matrices, np.float64)
    t = np.stack([m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2], m[..., 0, 0] - m[..., 1, 1] - m[..., 2, 2],
                  m[..., 1, 1] - m[..., 0, 0] - m[..., 2, 2], m[..., 2, 2] - m[..., 0, 0] - m[..., 1, 1]], -1)  # fmt: skip
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    x, y, z = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    rows = np.stack([np.stack([1 + t[..., 0], x, y, z], -1), np.stack([x, 1 + t[..., 1], xy, xz], -1),
                     np.stack([y, xy, 1 + t[..., 2], yz], -1), np.stack([z, xz, yz, 1 + t[..., 3]], -1)], -2)  # fmt: skip
    q = np.take_along_axis(rows, np.argmax(t, -1)[..., None, None], -2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    q = np.where(q[..., :1] < 0, -q, q)
    length = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(length, q[..., :1])
    return (q[..., 1:] * np.where(length > 1e-12, angle / np.maximum(length, 1e-12), 2.0)).astype(np.float32)


def matrix(rotvec: np.ndarray) -> np.ndarray:
    """(3, 3) rotation matrix of one axis-angle vector."""
    v = np.asarray(rotvec, np.float64).reshape(3)
    angle = float(np.linalg.norm(v))
    if angle < 1e-12:
        return np.eye(3)
    k = v / angle
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def rotations(source: SourceInput, fields: Mapping[str, Any], name: str, count: int, joints: int) -> np.ndarray:
    """(count, joints, 3) axis-angle of a field with at least so many joints, matrices or axis-angle."""
    array = source.array(fields, name)
    if array.shape[-2:] == (3, 3) and array.size % (count * 9) == 0 and array.size >= count * joints * 9:
        return axis_angle(array.reshape(count, -1, 3, 3)[:, :joints])
    if array.size % (count * 3) == 0 and array.size >= count * joints * 3:
        return array.reshape(count, -1, 3)[:, :joints]
    raise source.fail(
        f"field {name!r}: expected rotations of {joints} joints of {count} people (axis-angle or 3×3), "
        f"found shape {array.shape}"
    )


def from_body25(points: np.ndarray) -> np.ndarray:
    """(n, 33, 3) tree joints and landmarks, NaN where unknown, from points that begin with BODY_25, (n, 25+, 3)."""
    out = np.full((len(points), NUM_TREE_JOINTS + 11, 3), np.nan, np.float32)
    tree = BODY25_SOURCE >= 0
    out[:, BODY25_SOURCE[tree]] = points[:, :25][:, tree]
    out[:, NUM_TREE_JOINTS - 1 - BODY25_SOURCE[~tree]] = points[:, :25][:, ~tree]
    return out


def estimates(
    source: SourceInput,
    pose: np.ndarray,
    size: np.ndarray,
    focal: np.ndarray,
    *,
    root: np.ndarray | None = None,
    transl: np.ndarray | None = None,
    model: str = "smpl",
    principal: np.ndarray | None = None,
    points: np.ndarray | None = None,
    betas: np.ndarray | None = None,
    hands: tuple[np.ndarray, np.ndarray] | None = None,
    notes: tuple[str, ...] = (),
) -> ImageEstimates:
    """People in the camera frame and their camera.

    Args:
      source: for messages.
      pose: (n, 22, 3) axis-angle.
      size: (2,) image width and height.
      focal: (2,) px.
      root: (n, 3) pelvis; else `transl` and the mean rest pelvis of `model`.
      principal: (2,) px; the image's centre by default.
      points: (n, 33, 3) joints and landmarks in the camera frame, NaN where unknown.
    """
    if root is None:
        if transl is None:
            raise source.fail("no translation of the people")
        root = transl + REST_PELVIS[model]
    principal = size / 2 if principal is None else principal
    people = []
    for i in range(len(pose)):
        if not root[i, 2] > 0:
            raise source.fail(f"person {i}: expected a place in front of the camera, found a depth of {root[i, 2]:.2f} m")
        px = None
        if points is not None:
            px = points[i, :NUM_TREE_JOINTS, :2] / np.maximum(points[i, :NUM_TREE_JOINTS, 2:], 0.05) * focal + principal
        people.append(Estimate(
            pose=pose[i].astype(np.float32), root=root[i].astype(np.float32),
            joints=None if points is None else points[i, :NUM_TREE_JOINTS],
            landmarks=None if points is None else points[i, NUM_TREE_JOINTS:],
            joints_px=px, betas=None if betas is None else betas[i],
            transl=(root[i] - REST_PELVIS[model]) if transl is None else transl[i],
            left_hand_pose=None if hands is None else hands[0][i], right_hand_pose=None if hands is None else hands[1][i],
        ))  # fmt: skip
    return ImageEstimates(
        people=tuple(people), focal_length=np.asarray(focal, np.float32),
        principal_point=np.asarray(principal, np.float32), image_size=np.asarray(size, np.float32),
        image=source.image, notes=notes,
    )  # fmt: skip


def sixty_degrees(size: np.ndarray) -> float:
    return float(focal_from_image_size(float(size[0]), float(size[1])))


def diagonal(size: np.ndarray) -> float:
    return float(np.hypot(*size))
