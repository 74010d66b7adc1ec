"""From the world of the templates into the frame of a camera that looks at the people."""

from __future__ import annotations

import dataclasses

import numpy as np

from prosepose_jax.synthetic.figure import X, Y, Z, rotation, to_axis_angle


@dataclasses.dataclass(frozen=True)
class Cameras:
    """Where the cameras of a set of scenes may be; by default about where people hold one."""

    elevation_degrees: tuple[float, float] = (-4.0, 20.0)  # how far they look down, uniform between these
    roll_degrees: float = 0.0  # how far they are turned about their axis, uniform up to this either way

    @property
    def label(self) -> str:
        """Distinguishes sets of scenes in file names; empty for the usual cameras."""
        if self == Cameras():
            return ""
        turned = f"_turned{self.roll_degrees:g}" if self.roll_degrees else ""
        return "down{:g}-{:g}".format(*self.elevation_degrees) + turned


USUAL_CAMERAS = Cameras()


@dataclasses.dataclass(frozen=True)
class View:
    """A camera: world points w go to rotation @ (w - position), x right, y down, z forward."""

    rotation: np.ndarray  # (3, 3)
    position: np.ndarray  # (3,) m
    focal: float  # px
    size: tuple[int, int]  # width, height
    principal: np.ndarray  # (2,) px

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        return (np.asarray(points, np.float64) - self.position) @ self.rotation.T

    def project(self, points_cam: np.ndarray) -> np.ndarray:
        return self.focal * points_cam[..., :2] / points_cam[..., 2:] + self.principal


def choose_view(
    vertices: np.ndarray,
    azimuth: float,
    rng: np.random.Generator,
    long_side: int = 640,
    spread: float = 35.0,
    cameras: Cameras = USUAL_CAMERAS,
) -> View:
    """A camera around the people (P, V, 3), world frame.

    The azimuth is the template's best one (degrees; 0 looks along -z, at people who face +z), moved by up to
    `spread` to either side; elevation and roll are those of `cameras`; the people fill two thirds to five sixths of the
    picture; 60 degrees across the longer side, as the method assumes.
    """
    points = np.asarray(vertices, np.float64).reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    turn = np.radians(azimuth + spread * rng.uniform(-1, 1))
    tilt = np.radians(rng.uniform(*cameras.elevation_degrees))
    # Camera axes in the world: first looking along -z from +z, turned about that, then tilted down, then around y.
    looking = rotation(Y, turn) @ rotation(X, -tilt)
    if cameras.roll_degrees:  # drawn only where there is some: usual cameras stay as they were
        looking = looking @ rotation(Z, np.radians(rng.uniform(-cameras.roll_degrees, cameras.roll_degrees)))
    right, up, back = looking[:, 0], looking[:, 1], looking[:, 2]
    matrix = np.stack([right, -up, -back])
    seen = (points - middle) @ matrix.T
    extent = np.ptp(seen[:, :2], axis=0)
    size = (long_side, int(long_side * 0.75)) if extent[0] > extent[1] else (int(long_side * 0.75), long_side)
    focal = long_side / 2 / np.tan(np.radians(30.0))
    fill = rng.uniform(0.68, 0.84)
    distance = 3.0
    for _ in range(20):
        depth = seen[:, 2] + distance
        box = focal * seen[:, :2] / depth[:, None]
        share = float(np.max(np.ptp(box, axis=0) / np.array(size)))
        distance *= share / fill
        distance = max(distance, float(-seen[:, 2].min() + 0.6))
    box = focal * seen[:, :2] / (seen[:, 2] + distance)[:, None]
    offset = -(box.max(axis=0) + box.min(axis=0)) / 2  # centres the people
    margin = np.array(size) * (1 - np.ptp(box, axis=0) / np.array(size)) / 2
    offset = offset + margin * rng.uniform(-0.4, 0.4, size=2)
    # The principal point stays at the image centre: the camera moves sideways instead.
    shift = offset * distance / focal
    position = middle + back * distance - right * shift[0] + up * shift[1]
    return View(matrix, position, float(focal), size, np.array(size) / 2.0)


def orientation_in_camera(view: View, global_orient: np.ndarray) -> np.ndarray:
    """(P, 3) global orientations from the world into the camera frame."""
    result = []
    for vector in np.asarray(global_orient, np.float64):
        angle = float(np.linalg.norm(vector))
        matrix = rotation(vector / max(angle, 1e-12), angle)
        result.append(to_axis_angle(view.rotation @ matrix))
    return np.array(result)


def translation_in_camera(view: View, transl: np.ndarray, root: np.ndarray) -> np.ndarray:
    """(P, 3) SMPL-X translations from the world into the camera frame; root (P, 3) rest pelvis."""
    return view.to_camera(np.asarray(transl) + root) - root
