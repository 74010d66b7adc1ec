"""BVH: one person's skeleton and its pose as a motion of one frame; metres, degrees, y up."""

from __future__ import annotations

import numpy as np

from prosepose_jax.exporting.people import TO_Y_UP, PosedPerson

_END_M = 0.05  # length of the bones after the last joints, which have none of their own


def bvh_text(person: PosedPerson) -> str:
    """Joint offsets are those of the shaped body at rest; rotations are applied as Z, then Y, then X (R = Rz Ry Rx)."""
    children: dict[int, list[int]] = {joint: [] for joint in range(len(person.parents))}
    for joint, parent in enumerate(person.parents):
        if parent >= 0:
            children[parent].append(joint)
    lines, order = ["HIERARCHY"], []

    def write(joint: int, depth: int) -> None:
        order.append(joint)
        tab = "  " * depth
        root = person.parents[joint] < 0
        offset = np.zeros(3) if root else person.joints_rest[joint] - person.joints_rest[person.parents[joint]]
        channels = ("6 Xposition Yposition Zposition" if root else "3") + " Zrotation Yrotation Xrotation"
        lines.extend([f"{tab}{'ROOT' if root else 'JOINT'} {person.joint_names[joint]}", f"{tab}{{"])
        lines.extend([f"{tab}  OFFSET {_numbers(offset)}", f"{tab}  CHANNELS {channels}"])
        for child in children[joint]:
            write(child, depth + 1)
        if not children[joint]:
            length = float(np.linalg.norm(offset))
            end = offset * (_END_M / length) if length > 1e-9 else np.array([0.0, _END_M, 0.0])
            lines.extend([f"{tab}  End Site", f"{tab}  {{", f"{tab}    OFFSET {_numbers(end)}", f"{tab}  }}"])
        lines.append(f"{tab}}}")

    write(person.parents.index(-1), 0)
    root = order[0]
    rotations = person.rotations.copy()
    rotations[root] = TO_Y_UP @ rotations[root]
    place = TO_Y_UP @ (person.transl + person.joints_rest[root])
    values = [*place, *(angle for joint in order for angle in _zyx_degrees(rotations[joint]))]
    lines += ["MOTION", "Frames: 1", "Frame Time: 0.0333333", _numbers(values)]
    return "\n".join(lines) + "\n"


def _zyx_degrees(rotation: np.ndarray) -> tuple[float, float, float]:
    """Angles about z, y and x with rotation = Rz Ry Rx."""
    y = np.arcsin(np.clip(-rotation[2, 0], -1.0, 1.0))
    if abs(rotation[2, 0]) < 1.0 - 1e-9:
        z = np.arctan2(rotation[1, 0], rotation[0, 0])
        x = np.arctan2(rotation[2, 1], rotation[2, 2])
    else:  # z and x turn about the same axis
        z, x = np.arctan2(-rotation[0, 1], rotation[1, 1]), 0.0
    return float(np.degrees(z)), float(np.degrees(y)), float(np.degrees(x))


def _numbers(values: object) -> str:
    return " ".join(f"{value:.6f}" for value in np.asarray(values, float))
