"""Draws docs/img/regions.png and docs/img/coarse_parts.png (needs the extra `report`).

    python docs/draw_regions.py [--body=FILE] [--out=docs/img]

Every vertex colours its own cell of the surface (up to the midpoints of its edges), so the borders in the
picture are the borders the program uses.
"""

from __future__ import annotations

import argparse
import colorsys
from pathlib import Path

import numpy as np
import pyvista as pv
from PIL import Image, ImageDraw, ImageFont

from prosepose_jax.body import load_body
from prosepose_jax.body._mesh_labels import vertex_normals
from prosepose_jax.body.region_table import LEFT_REGIONS, MIRROR_REGION, NUM_REGIONS
from prosepose_jax.body.regions import region_labels
from prosepose_jax.contact.vocabulary import NAME_PARTS, PART_REGION_IDS, PROMPT_NAMES

UP, FRONT, LEFT = np.array([0.0, 1, 0]), np.array([0.0, 0, 1]), np.array([1.0, 0, 0])
LEFT_COLOUR, RIGHT_COLOUR, BOTH_COLOUR, REST = (0.85, 0.33, 0.10), (0.10, 0.45, 0.75), (0.35, 0.60, 0.20), (0.82,) * 3


class Figure:
    """A body's surface, cut into one cell a vertex and corner."""

    def __init__(self, path: str | None) -> None:
        body = load_body(path)
        self.vertices = np.asarray(body.v_template, dtype=np.float64)
        self.joints = np.asarray(body.joint_template, dtype=np.float64)
        self.has_fingers = body.num_joints >= 52
        faces = np.asarray(body.faces)
        ids, mask = np.asarray(body.regions.vertex_ids), np.asarray(body.regions.mask)
        self.lists = [i[m] for i, m in zip(ids, mask, strict=True)]
        self.labels = region_labels(self.lists, len(self.vertices))
        corners = self.vertices[faces]
        middles, centres = 0.5 * (corners + np.roll(corners, -1, axis=1)), corners.mean(axis=1)
        count = len(faces)
        points = np.concatenate([corners, middles, centres[:, None]], axis=1).reshape(-1, 3)
        first = 7 * np.arange(count)[:, None]
        quads = np.concatenate(
            [np.concatenate([first + k, first + 3 + k, first + 6, first + 3 + (k + 2) % 3], axis=1) for k in range(3)]
        )
        self.cells = pv.PolyData(points, np.c_[np.full(3 * count, 4), quads].ravel())
        self.cell_labels = np.concatenate([self.labels[faces[:, k]] for k in range(3)])
        normals = self.normals = vertex_normals(self.vertices, faces.astype(np.int64))
        blend = np.concatenate([normals[faces], normals[faces], normals[faces].mean(axis=1)[:, None]], axis=1)
        blend[:, 3:6] = 0.5 * (normals[faces] + np.roll(normals[faces], -1, axis=1))
        self.cells.point_data["Normals"] = blend.reshape(-1, 3)
        self.cells.point_data.active_normals_name = "Normals"
        self.size = np.ptp(self.vertices[:, 1]) / 1.75

    def shot(
        self,
        colours: np.ndarray,
        centre: np.ndarray,
        towards: np.ndarray,
        up: np.ndarray,
        half_height: float,
        pixels: tuple[int, int],
        numbers: bool = False,
        keep: np.ndarray | None = None,
    ) -> Image.Image:
        """One view; colours (75, 3) by region, `keep` (75,) bool shows only some regions."""
        towards = towards / np.linalg.norm(towards)
        cells = self.cells.copy(deep=False)
        cells.cell_data["colour"] = (255 * colours[self.cell_labels]).astype(np.uint8)
        if keep is not None:
            cells = cells.extract_cells(np.flatnonzero(keep[self.cell_labels])).extract_surface(algorithm=None)
            # Extraction drops the active normals: without them the cells would be shaded one by one.
            cells.point_data.active_normals_name = "Normals"
        plotter = pv.Plotter(off_screen=True, window_size=pixels)
        plotter.set_background("white")
        plotter.add_mesh(cells, scalars="colour", rgb=True, ambient=0.5, diffuse=0.5, culling="back")
        camera = plotter.camera
        camera.position, camera.focal_point, camera.up = centre + 4 * towards, centre, up
        camera.parallel_projection, camera.parallel_scale = True, half_height
        camera.clipping_range = (0.1, 10)
        image = Image.fromarray(plotter.screenshot(return_img=True))
        depth = plotter.get_image_depth(fill_value=-10)
        plotter.close()
        if numbers:
            self._write_numbers(image, depth, centre, towards, up, half_height, keep)
        return image

    def _write_numbers(self, image, depth, centre, towards, up, half_height, keep) -> None:
        draw, font = ImageDraw.Draw(image), ImageFont.load_default(13)
        right = np.cross(up, towards)
        right /= np.linalg.norm(right)
        top = np.cross(towards, right)
        scale = image.height / (2 * half_height)
        for region, ids in enumerate(self.lists):
            if keep is not None and not keep[region]:
                continue
            seen = ids[self.normals[ids] @ towards > 0.35]
            offsets = self.vertices[seen] - centre
            x = image.width / 2 + offsets @ right * scale
            y = image.height / 2 - offsets @ top * scale
            inside = (x > 8) & (x < image.width - 8) & (y > 8) & (y < image.height - 8)
            seen, offsets, x, y = seen[inside], offsets[inside], x[inside], y[inside]
            shown = np.abs(-depth[y.astype(int), x.astype(int)] - (4 - offsets @ towards)) < 0.004
            if shown.sum() < 6:
                continue
            x, y = x[shown], y[shown]
            k = np.argmin((x - x.mean()) ** 2 + (y - y.mean()) ** 2)
            draw.text((x[k], y[k]), str(region), "black", font, anchor="mm", stroke_width=2, stroke_fill="white")


def palette(figure: Figure) -> np.ndarray:
    """(75, 3) distinct colours, neighbours far apart; right sides are darker than their left mirror."""
    pairs = np.minimum(np.arange(NUM_REGIONS), MIRROR_REGION)
    tones = ((0.9, 0.95), (0.5, 1.0), (0.75, 0.7), (0.3, 0.85))
    wheel = np.array([colorsys.hsv_to_rgb(hue / 24, s, v) for hue in range(24) for s, v in tones])
    perceived = (wheel**0.8) * np.array([1.2, 1.6, 0.9])  # roughly how different two colours look
    place = np.array([figure.vertices[ids].mean(axis=0) * [0, 1, 1] for ids in figure.lists])
    place += np.array([np.abs(figure.vertices[ids][:, 0]).mean() for ids in figure.lists])[:, None] * LEFT
    order = sorted([50, *LEFT_REGIONS], key=lambda r: -place[r, 1])
    taken: dict[int, int] = {}
    for region in order:
        free = [k for k in range(len(wheel)) if k not in taken.values()]
        if not taken:
            taken[region] = free[0]
            continue
        used = np.array(list(taken.values()))
        away = np.linalg.norm(place[list(taken)] - place[region], axis=1)
        gaps = np.linalg.norm(perceived[free][:, None] - perceived[used][None], axis=2)
        # Colours of distant regions may be alike, those of near ones not.
        taken[region] = free[int(np.argmax((gaps * (1 + (away / 0.25) ** 2)).min(axis=1)))]
    colours = np.zeros((NUM_REGIONS, 3))
    for region, k in taken.items():
        colours[region] = wheel[k]
        if MIRROR_REGION[region] != region:
            colours[MIRROR_REGION[region]] = 0.78 * wheel[k]
    assert len(np.unique(colours.round(4), axis=0)) == len(pairs)
    return colours


def beside(images: list[Image.Image]) -> Image.Image:
    """Pictures of one height in a row."""
    sheet = Image.new("RGB", (sum(i.width for i in images), images[0].height), "white")
    x = 0
    for image in images:
        sheet.paste(image, (x, 0))
        x += image.width
    return sheet


def stacked(rows: list[Image.Image]) -> Image.Image:
    """Rows of pictures, one under the other."""
    sheet = Image.new("RGB", (max(r.width for r in rows), sum(r.height for r in rows)), "white")
    y = 0
    for row in rows:
        sheet.paste(row, (0, y))
        y += row.height
    return sheet


def titled(image: Image.Image, title: str) -> Image.Image:
    font = ImageFont.load_default(15)
    ImageDraw.Draw(image).text(
        (image.width // 2, 4), title, "black", font, anchor="ma", stroke_width=2, stroke_fill="white"
    )
    return image


def save(image: Image.Image, path: Path) -> None:
    # 256 colours keep the file small; clustering keeps the shading free of blotches.
    image.quantize(256, kmeans=3, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path, path.stat().st_size // 1024, "kB")


def draw_fine(figure: Figure) -> Image.Image:
    """All 75 regions: the body from four sides, then head, hand and foot close up."""
    colours, size, joints = palette(figure), figure.size, figure.joints
    middle = 0.5 * (figure.vertices.min(axis=0) + figure.vertices.max(axis=0))
    tall = 0.53 * np.ptp(figure.vertices[:, 1])
    wide = (880, 860)
    body = beside(
        [
            titled(figure.shot(colours, middle, FRONT, UP, tall, wide, True), "front"),
            titled(figure.shot(colours, middle, -FRONT, UP, tall, wide, True), "back"),
        ]
    )
    trunk = np.ones(NUM_REGIONS, dtype=bool)
    for name in ("arm", "hand"):
        for part in NAME_PARTS[name]:
            trunk[list(PART_REGION_IDS[part])] = False
    sides = [
        titled(figure.shot(colours, middle, d, UP, tall, (220, 860), True, trunk), t)
        for d, t in ((LEFT, "left, no arm"), (-LEFT, "right, no arm"))
    ]
    body = beside([body, *sides])
    cell = (275, 270)
    head = joints[15] + 0.05 * size * UP
    wrist = joints[20]
    knuckle = joints[28] if figure.has_fingers else joints[22]
    hand = wrist + 1.1 * (knuckle - wrist)
    reach = 1.25 * np.linalg.norm(knuckle - wrist)
    foot = 0.5 * (joints[7] + joints[10]) - 0.02 * size * UP
    only_hand = np.zeros(NUM_REGIONS, dtype=bool)
    only_hand[[3, 33, 72, 17]] = True
    only_foot = np.zeros(NUM_REGIONS, dtype=bool)
    only_foot[[1, 67, 25, 56]] = True
    only_head = np.zeros(NUM_REGIONS, dtype=bool)
    only_head[[39, 52, 66, 51, 14, 43, 54, 47, 41, 38, 59, 58, 2, 29, 73, 31]] = True

    def close(title, centre, towards, up, half, keep) -> Image.Image:
        return titled(figure.shot(colours, centre, towards, up, half, cell, True, keep), title)

    r = 0.17 * size
    row = [
        close("head, front", head, FRONT, UP, r, only_head),
        close("head, left", head, LEFT, UP, r, only_head),
        close("head, back", head, -FRONT, UP, r, only_head),
        close("head, above", head, UP + 0.02 * FRONT, FRONT, r, only_head),
        close("left hand, back", hand, UP, FRONT, reach, only_hand),
        close("left hand, palm", hand, -UP, FRONT, reach, only_hand),
        close("left hand, thumb side", hand, FRONT, UP, reach, only_hand),
        close("left hand, from the tips", hand, LEFT - 0.2 * UP, UP, reach, only_hand),
    ]
    f = 0.17 * size
    row2 = [
        close("left foot, above", foot, UP, FRONT, f, only_foot),
        close("left foot, sole", foot, -UP, FRONT, f, only_foot),
        close("left foot, outside", foot, LEFT, UP, f, only_foot),
        close("left foot, inside", foot, -LEFT, UP, f, only_foot),
    ]
    shoulder, hips, knee = joints[16] + [-0.03, 0, 0], joints[0], joints[4]
    leg = np.zeros(NUM_REGIONS, dtype=bool)
    leg[[45, 20, 15, 53, 64, 30, 60, 21, 25, 56, 71, 50, 74, 48, 9, 68, 10]] = True
    row2 += [
        close("left shoulder, front", shoulder, FRONT, UP, 1.1 * r, None),
        close("left shoulder, above", shoulder, UP, FRONT, 1.1 * r, ~only_head | trunk),
        close("hips, below and behind", hips - 0.1 * size * UP, -FRONT - 0.7 * UP, UP, 1.3 * r, leg),
        close("left knee, inside", knee, -LEFT, UP, 1.3 * r, np.isin(np.arange(75), [20, 53, 64, 30, 60, 21])),
    ]
    return stacked([body, beside(row), beside(row2)])


def draw_parts(figure: Figure) -> Image.Image:
    """Every name of the vocabulary: left orange, right blue, unsided green."""
    middle = 0.5 * (figure.vertices.min(axis=0) + figure.vertices.max(axis=0))
    tall = 0.53 * np.ptp(figure.vertices[:, 1])
    panels = []
    for name in PROMPT_NAMES:
        colours = np.tile(np.array(REST), (NUM_REGIONS, 1))
        parts = NAME_PARTS[name]
        for part, colour in zip(parts, (LEFT_COLOUR, RIGHT_COLOUR) if len(parts) == 2 else (BOTH_COLOUR,), strict=True):
            colours[list(PART_REGION_IDS[part])] = colour
        views = [figure.shot(colours, middle, d, UP, tall, (250, 250)) for d in (FRONT, -FRONT)]
        panels.append(titled(beside(views), name))
    return stacked([beside(panels[k : k + 4]) for k in range(0, len(panels), 4)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--body", default=None, help="SMPL-X format file (default: the embedded body)")
    parser.add_argument("--out", default=str(Path(__file__).resolve().parent / "img"))
    args = parser.parse_args()
    figure, out = Figure(args.body), Path(args.out)
    save(draw_fine(figure), out / "regions.png")
    save(draw_parts(figure), out / "coarse_parts.png")


if __name__ == "__main__":
    main()
