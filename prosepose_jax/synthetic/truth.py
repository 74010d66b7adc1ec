"""What is true of a scene, and what a camera, a regressor, a detector and a language model make of it.

A `Truth` is free of noise and does not depend on a noise level, so one set of truths serves every level;
`observe` adds the errors. Both are cheap beside making the truth (docs/synthetic.md).
"""

from __future__ import annotations

import dataclasses
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.body.model import BodyParams
from prosepose_jax.io._npz import FieldReader, read_npz
from prosepose_jax.io.atomic import write_npz
from prosepose_jax.io.scenes import check_key
from prosepose_jax.scene import Answer, Scene
from prosepose_jax.synthetic import noise as noise_room
from prosepose_jax.synthetic.answers import simulate_answers
from prosepose_jax.synthetic.camera_placement import View
from prosepose_jax.synthetic.facts import Facts, facts_about
from prosepose_jax.synthetic.families import noise_level
from prosepose_jax.synthetic.framing import (
    LIMBS,
    Window,
    at_the_edge,
    covered_limbs,
    outside,
    unseen_limbs,
    window_without_legs,
)
from prosepose_jax.synthetic.levels import Noise
from prosepose_jax.synthetic.measure import Checks, Contacts
from prosepose_jax.synthetic.people import with_stature

# Second words of the random streams of one scene; 1 is the camera's (generate.py).
_NOISE_STREAM, _ANSWER_STREAM = 2, 3
_FAMILY_STREAM = 4  # of what the three levels don't have: their draws stay what they are


@dataclasses.dataclass(frozen=True)
class Truth:
    """A scene without noise. Camera frame (m, radians) unless said otherwise; P people, B betas."""

    key: str
    template: str
    seed: tuple[int, ...]  # the seed of the set, and which try of the template this is
    global_orient: np.ndarray  # (P, 3)
    body_pose: np.ndarray  # (P, 21, 3)
    betas: np.ndarray  # (P, B)
    transl: np.ndarray  # (P, 3)
    left_hand_pose: np.ndarray  # (P, 15, 3)
    right_hand_pose: np.ndarray  # (P, 15, 3)
    pelvis: np.ndarray  # (P, 3) posed pelvis joint
    keypoints: np.ndarray  # (P, 25, 3) BODY_25
    hidden: np.ndarray  # (P, 25) bool: keypoints that something else covers
    pelvis_template: np.ndarray  # (3,) rest pelvis of the mean shape
    pelvis_shape_dirs: np.ndarray  # (3, B) how betas move it
    contacts: Contacts  # measured on the meshes
    intended: tuple[tuple[str, str], ...]  # measured part pairs that the interaction is about
    grounded: tuple[str, ...]  # parts, without side, that are meant to be on the floor
    view: View
    checks: Checks
    heights: np.ndarray  # (P,) m, standing height of each shape
    stature_shape_dirs: np.ndarray | None  # (B,) m of standing height per unit of beta; None: in files of old
    kid_scale: np.ndarray  # (P,) 0 adult, 1 the body's child template
    pelvis_kid_dir: np.ndarray  # (3,) how kid_scale moves the rest pelvis
    stature_kid_dir: np.ndarray | None  # () m of standing height per unit of kid_scale; None: in files of old

    @property
    def num_people(self) -> int:
        return len(self.global_orient)

    @property
    def floor(self) -> tuple[np.ndarray, np.ndarray]:
        """A point of the floor and its upward normal."""
        return self.view.to_camera(np.zeros(3)), self.view.rotation @ np.array([0.0, 1.0, 0.0])

    def facts(self) -> Facts:
        """What is true of the scene beyond touch."""
        return facts_about(self.keypoints, self.floor, self.heights, self.kid_scale, self.pelvis)

    def params(self) -> BodyParams:
        """The true people, for `pose_body`."""
        names = ("global_orient", "body_pose", "betas", "transl", "left_hand_pose", "right_hand_pose", "kid_scale")
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        return dataclasses.replace(BodyParams.zeros(self.num_people, self.betas.shape[1]), **given)


def observe(
    truth: Truth, noise: str | Noise = "middle", *, seed: int = 0, num_answers: int = 20
) -> tuple[Scene, list[Answer]]:
    """A scene as a fit gets it: noisy initial people, detected keypoints, simulated answers.

    Two noises that differ in size use the same random numbers for people and keypoints, so scenes can be compared one
    by one. What answers say at other rates is drawn anew. More answers begin with the same answers as fewer.

    Args:
      truth: the scene.
      noise: a level's name, or a `Noise` of one's own.
      seed: another seed gives other errors and answers about the same truth.
      num_answers: N.

    Raises:
      ValueError: an unknown level, or errors of size about a truth whose `stature_shape_dirs` (of a child:
        `stature_kid_dir`) are not known.
    """
    noise = noise_level(noise)
    regressor = noise.two_person if truth.num_people == 2 else noise.self_contact
    dirs = truth.stature_shape_dirs
    if dirs is None or (truth.stature_kid_dir is None and truth.kid_scale.any()):
        if regressor.stature_share or regressor.depth_follows_size:
            raise ValueError(f"{truth.key}: made before errors of size were known; make_truths adds what is missing")
        dirs = np.zeros(truth.betas.shape[1])
    kid_dir = 0.0 if truth.stature_kid_dir is None else float(truth.stature_kid_dir)
    base = [*truth.seed, zlib.crc32(truth.template.encode())]
    more = [seed] if seed else []
    rng_noise, rng_answers, rng_family = (
        np.random.default_rng([*base, k, *more]) for k in (_NOISE_STREAM, _ANSWER_STREAM, _FAMILY_STREAM)
    )
    rng_size, rng_cover, rng_mixed, rng_edge = rng_family.spawn(4)
    pixels = truth.view.project(truth.keypoints)
    window, away = _framed(truth, pixels, noise, rng_cover)
    unseen = unseen_limbs(truth.hidden | away)
    initial: dict[str, list[Any]] = {"orient": [], "pose": [], "betas": [], "transl": [], "kid_scale": []}
    for i in range(truth.num_people):
        true_betas = truth.betas[i].astype(np.float64)
        betas = noise_room.noisy_betas(true_betas, regressor, rng_noise)
        kid_scale = float(truth.kid_scale[i])
        off = regressor.stature_share * rng_size.normal() * float(truth.heights[i])
        if off and kid_scale > 0:
            # How large a child is, is the child scale's to say (BEV): that is what is estimated wrongly.
            kid_scale = min(max(kid_scale + off / kid_dir, 0.0), 1.0)
        elif off:
            betas = with_stature(betas, dirs, off)
        size = float(np.max(np.ptp(pixels[i], axis=0)))
        pelvis = noise_room.noisy_pelvis(
            truth.pelvis[i].astype(np.float64), size, truth.view.focal, regressor, rng_noise
        )
        if regressor.depth_follows_size:
            # A picture shows size over depth: along the line of sight, so that it stays where it is seen.
            larger = float(dirs @ (betas - true_betas)) + kid_dir * (kid_scale - float(truth.kid_scale[i]))
            taller = 1.0 + larger / float(truth.heights[i])
            pelvis = pelvis * taller**regressor.depth_follows_size
        orient = noise_room.noisy_orientation(truth.global_orient[i], regressor, rng_noise)
        if regressor.upright_share:
            orient = noise_room.nearer_upright(orient, regressor.upright_share)
        pose = noise_room.noisy_pose(truth.body_pose[i], _touching(truth, i), regressor, rng_noise, unseen[i])
        rest_pelvis = truth.pelvis_template + truth.pelvis_shape_dirs @ betas + truth.pelvis_kid_dir * kid_scale
        initial["orient"].append(orient)
        initial["pose"].append(pose)
        initial["betas"].append(betas)
        initial["transl"].append(pelvis - rest_pelvis)
        initial["kid_scale"].append(kid_scale)
    detected = noise_room.detect_keypoints(truth.keypoints, truth.hidden, truth.view, noise.keypoints, rng_noise)
    detected[away] = 0.0
    if noise.keypoints.mixed:
        detected = noise_room.mix_people(detected, noise.keypoints, rng_mixed)
    seen = detected[..., 2] > 0
    detected[seen & outside(detected[..., :2], window)] = 0.0
    detected[detected[..., 2] > 0, :2] -= window.origin
    if noise.framing.found_at_edge:
        guessed = at_the_edge(pixels, window, noise.framing.found_at_edge, rng_edge)
        detected = np.where(guessed[..., 2:] > 0, guessed, detected)
    scene = Scene(
        key=truth.key,
        global_orient=_f32(initial["orient"]),
        body_pose=_f32(initial["pose"]),
        betas=_f32(initial["betas"]),
        transl=_f32(initial["transl"]),
        keypoints=_f32(detected),
        focal_length=_f32([truth.view.focal, truth.view.focal]),
        principal_point=_f32(truth.view.principal - window.origin),
        image_size=np.array(window.size, np.int32),
        left_hand_pose=_f32(truth.left_hand_pose),
        right_hand_pose=_f32(truth.right_hand_pose),
        kid_scale=_f32(initial["kid_scale"]) if truth.kid_scale.any() else None,
        gt_global_orient=_f32(truth.global_orient),
        gt_body_pose=_f32(truth.body_pose),
        gt_betas=_f32(truth.betas),
        gt_transl=_f32(truth.transl),
        gt_kid_scale=_f32(truth.kid_scale) if truth.kid_scale.any() else None,
        gt_contacts=truth.contacts.parts,
        gt_region_pairs=truth.contacts.region_pairs,
    )
    texts = simulate_answers(
        truth.contacts,
        truth.num_people,
        rng_answers,
        count=num_answers,
        noise=noise.answers,
        name=truth.template,
        grounded=truth.grounded if truth.num_people == 1 else (),
        salient=set(truth.intended),
        facts=truth.facts() if noise.answers.second is not None else None,
    )
    order = noise.answers.order
    return scene, [Answer(text=t, sample=i, model="simulated", prompt="", order=order) for i, t in enumerate(texts)]


def _framed(truth: Truth, pixels: np.ndarray, noise: Noise, rng: np.random.Generator) -> tuple[Window, np.ndarray]:
    """The part of the picture that is shown, and which keypoints (P, 25) things or its edge take from sight."""
    away = np.zeros(pixels.shape[:2], bool)
    for i, names in enumerate(covered_limbs(truth.num_people, noise.framing, rng)):
        for name in names:
            away[i, list(LIMBS[name].keypoints)] = True
    whole = Window((0, 0), truth.view.size)
    if not noise.framing.legs_cut:
        return whole, away
    window = window_without_legs(pixels, truth.view.size, noise.framing.least_kept)
    return (whole, away) if window is None else (window, away | outside(pixels, window))


def _touching(truth: Truth, person: int) -> set[str]:
    """Part names of one person that touch something."""
    if truth.num_people == 2:
        return {pair[person] for pair in truth.contacts.parts}
    return {part for pair in truth.contacts.parts for part in pair}


def _f32(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)


# ---- files ---------------------------------------------------------------------------------------------------------

# Shapes of the numeric fields; P is the number of people, B of betas.
_SHAPES: dict[str, tuple[int | str, ...]] = {
    "global_orient": ("P", 3),
    "body_pose": ("P", 21, 3),
    "betas": ("P", "B"),
    "transl": ("P", 3),
    "left_hand_pose": ("P", 15, 3),
    "right_hand_pose": ("P", 15, 3),
    "pelvis": ("P", 3),
    "keypoints": ("P", 25, 3),
    "hidden": ("P", 25),
    "pelvis_template": (3,),
    "pelvis_shape_dirs": (3, "B"),
    "heights": ("P",),
    "stature_shape_dirs": ("B",),
    "kid_scale": ("P",),
    "pelvis_kid_dir": (3,),
    "stature_kid_dir": (),
}
_SINCE_FAMILIES = ("stature_shape_dirs", "kid_scale", "pelvis_kid_dir")  # files of before have none, and no children
_LATER = ("stature_kid_dir",)
_VIEW = {"rotation": (3, 3), "position": (3,), "focal": (), "size": (2,), "principal": (2,)}


def save_truth(folder: str | os.PathLike[str], truth: Truth) -> Path:
    """Writes `folder/<key>.npz` in one step.

    Raises:
      InputError: the key is no file name.
    """
    check_key(truth.key)
    path = Path(folder) / f"{truth.key}.npz"
    arrays: dict[str, Any] = {name: getattr(truth, name) for name in _SHAPES if getattr(truth, name) is not None}
    arrays |= {f"view_{name}": np.asarray(getattr(truth.view, name)) for name in _VIEW}
    arrays |= {f"check_{f.name}": np.asarray(getattr(truth.checks, f.name)) for f in dataclasses.fields(Checks)}
    parts = truth.contacts.parts
    arrays |= {
        "template": np.array(truth.template),
        "seed": np.array(truth.seed, np.int64),
        "region_pairs": truth.contacts.region_pairs,
        "parts": _names(parts),
        "strength": np.array([truth.contacts.strength[p] for p in parts], np.int32),
        "intended": _names(truth.intended),
        "grounded": np.array(truth.grounded, dtype=np.str_),
    }
    write_npz(path, arrays)
    return path


def load_truth(file: str | os.PathLike[str]) -> Truth:
    """Reads what `save_truth` wrote, also before there were families: all adults, `stature_shape_dirs` not known.

    Raises:
      InputError: the file is missing, damaged or no truth file; the message names the field.
    """
    file = Path(file)
    arrays = read_npz(file)
    reader = FieldReader(file, arrays)
    old = not any(name in arrays for name in _SINCE_FAMILIES)
    absent = {name for name in _LATER if name not in arrays} | (set(_SINCE_FAMILIES) if old else set())
    shapes = {name: shape for name, shape in _SHAPES.items() if name not in absent}
    wanted = {*shapes, *(f"view_{n}" for n in _VIEW), *(f"check_{f.name}" for f in dataclasses.fields(Checks))}
    for name in sorted(wanted | {"template", "seed", "region_pairs", "parts", "strength", "intended", "grounded"}):
        if name not in arrays:
            raise reader.fail(name, "is missing; expected a file of a noise-free scene (prosepose generate)")
    sizes: dict[int | str, int] = {}
    for name, shape in (*shapes.items(), *((f"view_{n}", s) for n, s in _VIEW.items())):
        found = arrays[name].shape
        want = tuple(sizes.setdefault(s, f) if isinstance(s, str) else s for s, f in zip(shape, found, strict=False))
        if len(found) != len(shape) or found != want:
            raise reader.fail(name, f"expected shape {shape}, found {found}")
    parts = _pairs(arrays["parts"])
    strength = {pair: int(n) for pair, n in zip(parts, arrays["strength"], strict=True)}
    view = {name: arrays[f"view_{name}"] for name in _VIEW}
    figures = {f.name: arrays[f"check_{f.name}"] for f in dataclasses.fields(Checks)}
    checks: dict[str, Any] = {k: tuple(v.tolist()) if v.ndim else float(v) for k, v in figures.items()}
    width, height = (int(n) for n in view["size"])
    if old:
        arrays |= {"kid_scale": np.zeros(sizes["P"], np.float32), "pelvis_kid_dir": np.zeros(3, np.float32)}
    fields: dict[str, Any] = {name: arrays.get(name) for name in _SHAPES}
    return Truth(
        key=file.stem,
        template=str(arrays["template"]),
        seed=tuple(int(n) for n in arrays["seed"]),
        **fields,
        contacts=Contacts(arrays["region_pairs"].reshape(-1, 2), parts, strength),
        intended=_pairs(arrays["intended"]),
        grounded=tuple(str(n) for n in arrays["grounded"]),
        view=View(view["rotation"], view["position"], float(view["focal"]), (width, height), view["principal"]),
        checks=Checks(**checks),
    )


def _names(pairs: tuple[tuple[str, str], ...]) -> np.ndarray:
    return np.array(pairs, dtype=np.str_).reshape(-1, 2)


def _pairs(array: np.ndarray) -> tuple[tuple[str, str], ...]:
    return tuple((str(a), str(b)) for a, b in array.reshape(-1, 2))
