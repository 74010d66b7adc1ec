"""The published algorithm in PyTorch, one scene at a time: what the benchmarks compare with.

Not the authors' code and none of it: written from the description in docs/method.md ("Quirks of the release"), in
vectorised PyTorch without needless slowness. Per step:

- `smplx` poses all vertices of both people (embedded body in the official file layout);
- at most 80 vertices of each fine region are drawn anew; every distinct pair of parts is one `torch.cdist`;
- every left/right choice of coupled rows is summed, for both person orders, and the smallest taken (choices that
  add the same distances are summed once);
- in stage 2 the winding numbers of all vertices against the other's low-resolution mesh, both ways, and the quartic
  penalty on the distance to the nearest vertex of the other full mesh;
- autograd, Adam, and the published early stop.

    python benchmarks/torch_baseline.py     # times its steps on the packaged scenes

The release needs 69 ms (few rows) to 158 ms (many repeated parts) for a stage-1 step and 3.9 to 7 s for a stage-2
step on 2 idle cores and a body of 13–14 thousand vertices; the baseline must land near that to be a fair one.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _common  # before PyTorch: it says how threads wait
import numpy as np
import smplx
import torch
from _common import numbers, print_table, stopwatch, usable_cpus
from _enumerate import Choices, enumerate_choices
from _official_body import write_official_body
from _scenes import packaged
from ml_collections import ConfigDict
from torch import Tensor

from prosepose_jax import resources
from prosepose_jax.body import BODY25_SOURCE, BodyModel, BodyParams, load_body
from prosepose_jax.config import load_config
from prosepose_jax.contact.vocabulary import PART_REGION_IDS
from prosepose_jax.fitting.prepare import initial_params
from prosepose_jax.scene import Answer, Scene

PARAMS = (
    "global_orient", "body_pose", "betas", "transl", "left_hand_pose", "right_hand_pose",
    "jaw_pose", "leye_pose", "reye_pose", "expression",
)  # fmt: skip
MOVED = (("transl", "body_pose", "betas"), ("transl", "body_pose"))  # in stage 1 and 2
INSIDE = 0.99  # winding number from which a vertex is inside
PERSON_BOX_PX = 512.0
# Left and right ankle with the foot's keypoints, BODY_25.
_FEET = ((14, 19, 20, 21), (11, 22, 23, 24))
_LOST, _STAND_IN = 0.2, 0.5
# Vertices whose winding number is taken at once: the fastest on 2 cores (all at once takes almost three times as long).
_WINDING_CHUNK = 256
_EXACT = "donot_use_mm_for_euclid_dist"


@dataclasses.dataclass
class TorchScene:
    """One scene as tensors."""

    params: dict[str, Tensor]  # (P, …) initial estimate
    keypoints: Tensor  # (P, 25, 3)
    scale: Tensor  # (P,)
    focal: Tensor  # (2,)
    principal: Tensor  # (2,)
    choices: Choices
    members: Tensor
    term: Tensor
    term_answer: Tensor


@dataclasses.dataclass
class Fitted:
    """A scene after a stage."""

    params: dict[str, Tensor]
    losses: list[float]  # total before each step


class TorchBaseline:
    """The body, the prior and the weights of the published method.

    Args:
      body: the embedded body.
      config: weights, steps and learning rates, layout of configs/parity_two_person.py.
      sample_size: vertices drawn from each fine region at every step; None takes all of them.
      exact_distances: distances by differences instead of the matrix product that `torch.cdist` prefers.
      seed: of the draws.
    """

    def __init__(
        self,
        body: BodyModel,
        config: ConfigDict,
        sample_size: int | None = 80,
        exact_distances: bool = False,
        seed: int = 0,
    ) -> None:
        self.config = config
        self.sample_size = sample_size
        self.compute_mode = _EXACT if exact_distances else "use_mm_for_euclid_dist_if_necessary"
        self.generator = torch.Generator().manual_seed(seed)
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            self.model = smplx.SMPLX(
                str(write_official_body(Path(folder))), ext="npz", batch_size=2, use_pca=False, flat_hand_mean=False
            )
        # Extra joints picked by the ids of the official mesh mean nothing on this one.
        self.model.vertex_joint_selector.extra_joints_idxs.zero_()
        self.model.requires_grad_(False)
        mask, ids = np.asarray(body.regions.mask), np.asarray(body.regions.vertex_ids)
        self.regions = [torch.tensor(i[m].astype(np.int64)) for i, m in zip(ids, mask, strict=True)]
        self.keypoint_vertices = torch.tensor(np.asarray(body.keypoint_vertices, np.int64))
        source = np.asarray(BODY25_SOURCE)
        self.keypoint_ids = torch.tensor(np.where(source >= 0, source, 21 - source).astype(np.int64))
        self.surface = torch.tensor(np.asarray(body.lowres.vertex_ids, np.int64))
        self.surface_faces = torch.tensor(np.asarray(body.lowres.faces, np.int64))
        self.prior = _read_prior()
        self.body = body

    # ---- one scene ---------------------------------------------------------------------------------------------

    def scene(self, scene: Scene, answers: Sequence[Answer]) -> TorchScene:
        """A two-person scene and its answers as tensors.

        Raises:
          ValueError: another number of people.
          TooManyChoices: an answer couples too many rows to be enumerated.
        """
        if scene.num_people != 2:
            raise ValueError(f"scene {scene.key}: expected 2 people, found {scene.num_people}")
        if scene.kid_scale is not None and np.any(scene.kid_scale):
            raise ValueError(f"scene {scene.key}: the baseline knows adults only, found a kid_scale above 0")
        choices = enumerate_choices([answer.text for answer in answers])
        made = TorchScene(
            params=self.params(initial_params(self.body, scene)),
            keypoints=torch.tensor(np.asarray(scene.keypoints, np.float32)),
            scale=torch.tensor([_person_scale(person) for person in scene.keypoints], dtype=torch.float32),
            focal=torch.tensor(np.broadcast_to(scene.focal_length, 2).astype(np.float32)),
            principal=torch.tensor(np.asarray(scene.principal_point, np.float32)),
            choices=choices,
            members=torch.tensor(choices.members),
            term=torch.tensor(choices.term),
            term_answer=torch.tensor(choices.term_answer),
        )
        self._stand_in_for_lost_feet(made)
        return made

    def _stand_in_for_lost_feet(self, scene: TorchScene) -> None:
        """The release's rule: the initial estimate's projection takes the place of a lost ankle and its foot."""
        with torch.no_grad():
            projected = self.project(scene, *self.pose(scene.params))
        for person in range(2):
            for foot in _FEET:
                if scene.keypoints[person, foot[0], 2] < _LOST:
                    ids = list(foot)
                    scene.keypoints[person, ids, :2] = projected[person, ids]
                    scene.keypoints[person, ids, 2] = _STAND_IN

    def params(self, values: BodyParams) -> dict[str, Tensor]:
        """One scene's parameters (P, …) in our layout as tensors."""
        return {name: torch.tensor(np.asarray(getattr(values, name), np.float32).reshape(2, -1)) for name in PARAMS}

    def pose(self, params: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Vertices (2, V, 3) and joints (2, 55, 3) in the camera frame, by `smplx`."""
        output = self.model(**params)
        return output.vertices, output.joints[:, :55]

    def project(self, scene: TorchScene, vertices: Tensor, joints: Tensor) -> Tensor:
        """BODY_25 keypoints (2, 25, 2) in the image."""
        points = torch.cat([joints[:, :22], vertices[:, self.keypoint_vertices]], dim=1)[:, self.keypoint_ids]
        return points[..., :2] / points[..., 2:].clamp(min=0.05) * scene.focal + scene.principal

    # ---- the terms ---------------------------------------------------------------------------------------------

    def terms(self, scene: TorchScene, params: dict[str, Tensor], start_pose: Tensor, stage: int) -> dict[str, Tensor]:
        """Unweighted terms of the energy; those of weight 0 are left out."""
        vertices, joints = self.pose(params)
        weights = self.config[f"stage{stage + 1}"].weights
        pose = params["body_pose"]
        values = {
            "keypoints": self._keypoints(scene, vertices, joints),
            "contact": self._contact(scene, vertices),
            "initial_pose": ((pose - start_pose) ** 2).sum(),
            "pose_prior": self._pose_prior(pose),
        }
        if weights.shape_prior:
            values["shape_prior"] = (params["betas"] ** 2).sum()
        if weights.penetration:
            values["penetration"] = self._penetration(vertices)
        return values

    def energy(self, scene: TorchScene, params: dict[str, Tensor], start_pose: Tensor, stage: int) -> Tensor:
        """Weighted sum of the terms."""
        weights = self.config[f"stage{stage + 1}"].weights
        return sum(weights[name] * value for name, value in self.terms(scene, params, start_pose, stage).items())

    def _keypoints(self, scene: TorchScene, vertices: Tensor, joints: Tensor) -> Tensor:
        difference = (self.project(scene, vertices, joints) - scene.keypoints[..., :2]) * scene.scale[:, None, None]
        # A missing keypoint may be NaN in the file; confidence 0 must not turn that into a NaN sum.
        difference = torch.where(scene.keypoints[..., 2:] > 0, difference, torch.zeros(()))
        return (scene.keypoints[..., 2] * (difference**2).sum(-1)).sum()

    def _draw(self) -> list[Tensor]:
        """Vertex ids of every fine region for this step."""
        if self.sample_size is None:
            return self.regions
        return [ids[torch.randperm(len(ids), generator=self.generator)[: self.sample_size]] for ids in self.regions]

    def _contact(self, scene: TorchScene, vertices: Tensor) -> Tensor:
        drawn = self._draw()
        points = [
            {
                part: vertices[person, torch.cat([drawn[region] for region in PART_REGION_IDS[part]])]
                for part in np.unique(scene.choices.pairs[:, person]).tolist()
            }
            for person in range(2)
        ]
        distances = [
            torch.cdist(points[0][a], points[1][b], compute_mode=self.compute_mode).min()
            for a, b in scene.choices.pairs.tolist()
        ]
        # The entry behind the last one is 0: where a choice has fewer rows than the longest.
        table = torch.stack([*distances, torch.zeros(())])
        costs = table[scene.members].sum(dim=1)
        count = len(scene.term_answer)
        smallest = torch.zeros(count).scatter_reduce(0, scene.term, costs, "amin", include_self=False)
        by_order = torch.zeros(2 * scene.choices.num_answers).index_add(0, scene.term_answer, smallest)
        return by_order.reshape(-1, 2).min(dim=1).values.mean()

    def _pose_prior(self, pose: Tensor) -> Tensor:
        means, precisions, offsets = self.prior
        apart = pose[:, None] - means
        return (0.5 * torch.einsum("pki,kij,pkj->pk", apart, precisions, apart) + offsets).min(dim=1).values.sum()

    def inside(self, points: Tensor, other: Tensor) -> Tensor:
        """Which points (n, 3) lie inside the low-resolution surface of the posed mesh `other` (V, 3)."""
        with torch.no_grad():
            return winding_numbers(points, other[self.surface][self.surface_faces]) >= INSIDE

    def _penetration(self, vertices: Tensor) -> Tensor:
        first, second = vertices
        inside = self.inside(first, second), self.inside(second, first)
        if not (inside[0].any() and inside[1].any()):
            return torch.zeros(())
        total = torch.zeros(())
        for chosen, one, other in ((inside[0], first, second), (inside[1], second, first)):
            distance = torch.cdist(one[chosen], other, compute_mode=self.compute_mode).min(dim=1).values
            total = total + ((100.0 * distance**2) ** 2).sum()
        return total

    # ---- the optimisation --------------------------------------------------------------------------------------

    def run_stage(
        self, scene: TorchScene, stage: int, params: dict[str, Tensor] | None = None, steps: int | None = None
    ) -> Fitted:
        """One stage from `params` (None: the initial estimate).

        Args:
          scene: the scene.
          stage: 0 or 1.
          params: where it starts.
          steps: exactly so many, without the early stop; None: the config's, with it.
        """
        section = self.config[f"stage{stage + 1}"]
        current = {name: value.detach().clone() for name, value in (params or scene.params).items()}
        start_pose = current["body_pose"].clone()
        moved = [current[name].requires_grad_() for name in MOVED[stage]]
        optimiser = torch.optim.Adam(moved, lr=section.learning_rate)
        losses: list[float] = []
        for _ in range(section.steps if steps is None else steps):
            optimiser.zero_grad()
            total = self.energy(scene, current, start_pose, stage)
            total.backward()
            optimiser.step()
            losses.append(float(total.detach()))
            if steps is None and has_settled(losses, self.config.stop.window, self.config.stop.slope):
                break
        return Fitted({name: value.detach() for name, value in current.items()}, losses)


def winding_numbers(points: Tensor, triangles: Tensor, chunk: int = _WINDING_CHUNK) -> Tensor:
    """Generalised winding numbers (n,) of triangles (f, 3, 3) around points (n, 3), by solid angles."""
    parts = []
    for some in points.split(chunk):
        apart = triangles[None] - some[:, None, None]
        length = apart.norm(dim=-1)
        a, b, c = apart.unbind(dim=2)
        volume = (a * torch.linalg.cross(b, c)).sum(-1)
        base = length.prod(-1)
        base = base + (a * b).sum(-1) * length[..., 2]
        base = base + (b * c).sum(-1) * length[..., 0] + (c * a).sum(-1) * length[..., 1]
        parts.append(torch.atan2(volume, base).sum(-1))
    return torch.cat(parts) / (2.0 * math.pi)


def has_settled(losses: Sequence[float], window: int, slope: float) -> bool:
    """The published early stop: the line through the last losses is flat."""
    if len(losses) <= window:
        return False
    fitted = np.polyfit(np.arange(window), np.asarray(losses[-window:]), 1)[0]
    return bool(-slope <= fitted < slope)


def _person_scale(keypoints: np.ndarray) -> float:
    seen = keypoints[keypoints[:, 2] > 0, :2]
    return PERSON_BOX_PX / float(np.max(np.ptp(seen, axis=0)))


def _read_prior() -> tuple[Tensor, Tensor, Tensor]:
    """Means (K, 63), precisions (K, 63, 63) and offsets (K,) of the packaged mixture."""
    with np.load(resources.smpl_assets_dir() / "pose_prior.npz", allow_pickle=False) as stored:
        means, covars, weights = (np.asarray(stored[n], np.float64) for n in ("means", "covars", "weights"))
    half_logdet = 0.5 * np.linalg.slogdet(covars)[1]
    log_normaliser = 34.5 * math.log(2 * math.pi) + half_logdet - half_logdet.min()
    precisions = np.linalg.inv(covars[:, :63, :63])
    values: list[Any] = [means[:, :63], precisions, log_normaliser - np.log(weights)]
    return tuple(torch.tensor(value, dtype=torch.float32) for value in values)  # type: ignore[return-value]


def body_unit(baseline: TorchBaseline) -> Callable[[], Any]:
    """A call of `smplx` forward and gradient for two people: the unit that step times are compared with."""
    shapes = {"global_orient": 3, "body_pose": 63, "betas": 10, "transl": 3}
    params = {name: torch.zeros(2, size, requires_grad=True) for name, size in shapes.items()}
    return lambda: torch.autograd.grad(baseline.model(**params).vertices.sum(), list(params.values()))


def main() -> None:
    """Times some steps of both stages on the packaged scenes and prints them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=numbers, default=[10, 1], help="timed steps of stage 1 and of stage 2")
    arguments = parser.parse_args()
    if len(arguments.steps) != 2:
        parser.error("--steps: expected two numbers, for stage 1 and stage 2")
    torch.set_num_threads(usable_cpus())
    body = load_body()
    baseline = TorchBaseline(body, load_config("parity_two_person"))
    print(f"smplx forward and gradient, two people: {1e3 * _common.measure(body_unit(baseline), 1.0).median:.1f} ms")
    rows = []
    for scene, answers in zip(*_lists(packaged()), strict=True):
        made = baseline.scene(scene, answers)
        row: dict[str, Any] = {
            "scene": scene.key, "distances": len(made.choices.pairs), "choices": len(made.choices.members)
        }  # fmt: skip
        for index, count in enumerate(arguments.steps):
            baseline.run_stage(made, 0, steps=2)  # warm
            with stopwatch() as spent:
                baseline.run_stage(made, index, steps=count)
            row |= {
                f"stage {index + 1} ms": 1e3 * spent["wall"] / count,
                f"cpu {index + 1}": 1e3 * spent["cpu"] / count,
            }
        rows.append(row)
    print_table(rows)


def _lists(sets: Any) -> tuple[list[Scene], list[list[Answer]]]:
    scenes, answers = sets
    return scenes, [answers[scene.key] for scene in scenes]


if __name__ == "__main__":
    main()
