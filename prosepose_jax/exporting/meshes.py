"""OBJ and PLY: the fitted meshes, y up, metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prosepose_jax.exporting.people import TO_Y_UP, PosedPerson

_COLORS = np.array([[92, 161, 237], [250, 163, 69], [56, 189, 163], [224, 140, 191], [237, 219, 107]], np.uint8)


def obj_text(people: Sequence[PosedPerson]) -> str:
    """One object a person; ids count on through the file, as the format wants it."""
    lines = ["# prosepose_jax: metres, y up"]
    first = 1
    for person in people:
        lines.append(f"o {person.name.replace(' ', '_')}")
        lines += [f"v {x:.7f} {y:.7f} {z:.7f}" for x, y, z in person.vertices_cam @ TO_Y_UP]
        lines += [f"f {a} {b} {c}" for a, b, c in person.faces + first]
        first += len(person.vertices_cam)
    return "\n".join(lines) + "\n"


def ply_bytes(people: Sequence[PosedPerson]) -> bytes:
    """Binary, all people in one mesh: a colour and the person's number at every vertex."""
    counts = [len(person.vertices_cam) for person in people]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int)
    vertices = np.zeros(sum(counts), [("xyz", "<f4", 3), ("rgb", "u1", 3), ("person", "u1")])
    vertices["xyz"] = np.concatenate([person.vertices_cam @ TO_Y_UP for person in people])
    vertices["rgb"] = np.repeat(_COLORS[np.arange(len(people)) % len(_COLORS)], counts, axis=0)
    vertices["person"] = np.repeat(np.arange(len(people)), counts)
    ids = np.concatenate([person.faces + start for person, start in zip(people, starts, strict=True)])
    faces = np.zeros(len(ids), [("count", "u1"), ("ids", "<i4", 3)])
    faces["count"], faces["ids"] = 3, ids
    properties = [
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {c}" for c in ("red", "green", "blue")),
    ]
    header = [
        "ply", "format binary_little_endian 1.0", "comment prosepose_jax: metres, y up",
        f"element vertex {len(vertices)}", *properties, "property uchar person",
        f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header",
    ]  # fmt: skip
    return "\n".join(header).encode() + b"\n" + vertices.tobytes() + faces.tobytes()
