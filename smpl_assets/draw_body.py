"""Draws the pictures of the embedded body in docs/img/ (needs the report extra; no display).

python smpl_assets/draw_body.py [--out docs/img]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pyvista as pv
from PIL import Image, ImageDraw, ImageFont

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE))

from builder import posing  # noqa: E402
from builder.skeleton import JOINT  # noqa: E402

pv.OFF_SCREEN = True
_SKIN, _COARSE = "#c9a27e", "#7ea2c9"
Panel = tuple[Image.Image, str]


class Body:
    """The built files, posed with plain numpy."""

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "body.npz") as file:
            fields = {k: file[k] for k in file.files if k != "posedirs"}
        self.faces = fields["f"]
        self.template = fields["v_template"].astype(np.float64)
        self.dirs = fields["shapedirs"].astype(np.float64)
        self.regressor = fields["J_regressor"].astype(np.float64)
        self.weights = fields["weights"].astype(np.float64)
        self.relaxed = (fields["hands_relaxedl"], fields["hands_relaxedr"])
        self.hand_components = fields["hands_componentsl"]
        self.kid = np.load(folder / "body_kid_template.npy").astype(np.float64)
        with np.load(folder / "body_lowres.npz") as low:
            self.low_ids, self.low_faces = low["vertex_ids"], low["faces"]
        self.keypoints = json.loads((folder / "body_keypoints.json").read_text())
        with np.load(folder / "pose_prior.npz") as file:
            self.prior_means, self.prior_weights = file["means"], file["weights"]
        self.joints = self.regressor @ self.template

    def shape(self, betas=(), expression=(), kid_scale: float = 0.0) -> np.ndarray:
        """Shaped template (V, 3)."""
        vertices = self.template + self.dirs[..., : len(betas)] @ np.asarray(betas, float)
        vertices = vertices + self.dirs[..., 10 : 10 + len(expression)] @ np.asarray(expression, float)
        return vertices + kid_scale * (self.kid - self.template)

    def posed(self, pose: np.ndarray, **shape) -> np.ndarray:
        """Posed vertices (V, 3) of a (55, 3) pose."""
        vertices = self.shape(**shape)
        return posing.pose_vertices(vertices, self.regressor @ vertices, self.weights, pose)

    def hands(self, left: np.ndarray) -> np.ndarray:
        """(55, 3) pose with this left hand."""
        pose = np.zeros((55, 3))
        pose[25:40] = np.reshape(left, (15, 3))
        return pose


def _picture(
    surfaces: list[tuple[np.ndarray, np.ndarray, str]], focus, direction, scale: float, *, up=(0, 1, 0),
    size: tuple[int, int] = (300, 400), edges: bool = False, points: np.ndarray | None = None,
) -> Image.Image:  # fmt: skip
    """Parallel projection along -direction; scale is half the picture's height in metres."""
    plotter = pv.Plotter(off_screen=True, window_size=[2 * s for s in size])
    plotter.set_background("white")
    for vertices, faces, colour in surfaces:
        mesh = pv.PolyData(vertices, np.hstack([np.full((len(faces), 1), 3), faces]))
        plotter.add_mesh(
            mesh, color=colour, smooth_shading=not edges, show_edges=edges, edge_color="#404040", line_width=1
        )
    if points is not None:
        plotter.add_points(points, color="red", point_size=24, render_points_as_spheres=True)
    focus, direction = np.asarray(focus, float), np.asarray(direction, float)
    plotter.camera.position = tuple(focus + 5 * direction / np.linalg.norm(direction))
    plotter.camera.focal_point = tuple(focus)
    plotter.camera.up = up
    plotter.camera.parallel_projection = True
    plotter.camera.parallel_scale = scale
    image = Image.fromarray(plotter.screenshot(None, return_img=True))
    plotter.close()
    return image.resize(size, Image.Resampling.LANCZOS)


def _sheet(panels: list[Panel], columns: int, path: Path) -> None:
    """Panels with captions in a grid, as a PNG of few colours."""
    width, height = panels[0][0].size
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (columns * width, rows * (height + 20)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for i, (image, caption) in enumerate(panels):
        x, y = i % columns * width, i // columns * (height + 20)
        sheet.paste(image, (x, y + 20))
        draw.text((x + 6, y + 3), caption, fill="black", font=font)
    sheet.quantize(200).save(path, optimize=True)


def draw(folder: Path, out: Path) -> None:
    """Writes all pictures of the body found in `folder`."""
    body = Body(folder)
    out.mkdir(parents=True, exist_ok=True)
    front, side = (0, 0, 1), (1, 0, 0)
    middle = (0, -0.08, 0)

    def whole(vertices: np.ndarray, direction=front, **options) -> Image.Image:
        return _picture([(vertices, body.faces, _SKIN)], middle, direction, 0.95, **options)

    large = (400, 400)
    marks = body.template[list(body.keypoints.values())]
    skin = [(body.template, body.faces, _SKIN)]
    head = body.joints[JOINT["head"]] + np.array([0.0, 0.04, 0.05])
    foot = body.joints[JOINT["left_ankle"]] + np.array([0.0, -0.03, 0.08])
    toes = body.joints[JOINT["left_foot"]]

    def close_up(focus, direction, scale: float, nearer: tuple[float, float, float]) -> Image.Image:
        # Marks are drawn a little nearer to the eye, so that the skin does not hide them.
        points = marks + np.array(nearer)
        return _picture(skin, focus, direction, scale, size=large, points=points)

    _sheet(
        [
            (whole(body.template, size=large), "front, T-pose"),
            (whole(body.template, side, size=large), "left side"),
            (whole(body.template, (0, 0, -1), size=large), "back"),
            (close_up(head, front, 0.16, (0, 0, 0.1)), "keypoints: face"),
            (close_up(foot, side, 0.16, (0.3, 0, 0)), "keypoints: left foot"),
            (close_up(toes, (0, 0.8, 1), 0.12, (0, 0.08, 0.1)), "keypoints: toes"),
        ],
        3,
        out / "body_front_side.png",
    )

    def standing(**shape) -> Image.Image:
        pose = posing.pose_of(left_shoulder=(0, 0, -65), right_shoulder=(0, 0, 65))
        vertices = body.posed(pose, **shape)
        ground = np.array([0.0, -0.93 - vertices[:, 1].min(), 0.0])
        surfaces = [(vertices + ground, body.faces, _SKIN)]
        return _picture(surfaces, (0, 0.03, 0), (0.35, 0, 1), 1.02, size=(180, 330))

    panels = []
    for sign in (-2.0, 2.0):
        for k in range(5):
            betas = np.zeros(10)
            betas[k] = sign
            panels.append((standing(betas=betas), f"beta {k} = {sign:+.0f}"))
    panels += [(standing(kid_scale=s), f"kid_scale {s}") for s in (0.0, 0.5, 1.0)]
    _sheet(panels, 5, out / "body_shapes.png")

    hand = body.joints[JOINT["left_middle1"]] - np.array([0.02, 0.02, 0.0])
    poses = {
        "straight (hand pose 0)": np.zeros(45),
        "relaxed": body.relaxed[0],
        "component 0, +3": 3 * body.hand_components[0],
    }
    panels = []
    for name, pose in poses.items():
        surfaces = [(body.posed(body.hands(pose)), body.faces, _SKIN)]
        panels.append((_picture(surfaces, hand, (0, -1, 0), 0.125, up=(0, 0, 1), size=(300, 260)), f"{name}: palm"))
        panels.append((_picture(surfaces, hand, (0, 0.3, 1), 0.125, size=(300, 260)), f"{name}: front"))
    face = body.joints[JOINT["head"]] + np.array([0.0, 0.04, 0.05])
    for name, angle in (("jaw closed", 0.0), ("jaw 10°", 10.0), ("jaw 20°", 20.0)):
        surfaces = [(body.posed(posing.pose_of(jaw=(angle, 0, 0))), body.faces, _SKIN)]
        panels.append((_picture(surfaces, face, front, 0.15, size=(300, 260)), name))
        panels.append((_picture(surfaces, face, (1, 0, 0.6), 0.15, size=(300, 260)), f"{name}: side"))
    _sheet(panels, 4, out / "body_hands_jaw.png")

    names = json.loads((folder / "build_figures.json").read_text())["expressions"]
    panels = []
    for k, name in enumerate(names):
        for sign in (2.0, -2.0):
            expression = np.zeros(10)
            expression[k] = sign
            surfaces = [(body.shape(expression=expression), body.faces, _SKIN)]
            panels.append((_picture(surfaces, face, (0.25, 0, 1), 0.13, size=(170, 200)), f"{name} {sign:+.0f}"))
    _sheet(panels, 5, out / "body_expressions.png")

    panels = []
    for name, pose, direction in (
        ("T-pose", np.zeros((55, 3)), front), ("bent", posing.BENT_POSE, (1, 0.2, 0.8)),
    ):  # fmt: skip
        vertices = body.posed(pose)
        low = [(vertices[body.low_ids], body.low_faces, _COARSE)]
        panels.append((_picture(low, middle, direction, 0.95, size=large, edges=True), f"low resolution, {name}"))
        both = [*low, (vertices, body.faces, _SKIN)]
        panels.append((_picture(both, middle, direction, 0.95, size=large), f"{name}: stands out where blue"))
    _sheet(panels, 2, out / "body_lowres.png")

    panels = []
    for weight, mean in zip(body.prior_weights, body.prior_means, strict=True):
        pose = np.zeros((55, 3))
        pose[1:22] = mean[:63].reshape(21, 3)
        panels.append((whole(body.posed(pose), (0.5, 0.1, 1), size=(230, 260)), f"prior mean, weight {weight:.2f}"))
    _sheet(panels, 4, out / "body_pose_prior.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, default=_HERE, help="folder of the built files")
    parser.add_argument("--out", type=Path, default=_HERE.parent / "docs" / "img", help="folder for the pictures")
    args = parser.parse_args()
    draw(args.assets, args.out)


if __name__ == "__main__":
    main()
