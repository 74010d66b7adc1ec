"""A Gaussian mixture over SMPL body pose from a synthetic source: written-down joint ranges and postures.

No recorded motion is used. The source is general anatomical knowledge: the ranges of motion below, and a
set of everyday postures given by joint angles. Samples are postures with correlated random variation,
clipped to the ranges; the mixture is fitted to them by expectation maximisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

# Ranges of motion in degrees, (least, most), by anatomical name. Flexion is positive forward/bending,
# abduction away from the body, rotation inward positive.
RANGES: dict[str, tuple[float, float]] = {
    "hip_flexion": (-20, 125), "hip_abduction": (-20, 55), "hip_rotation": (-45, 45),
    "knee_flexion": (0, 145), "knee_rotation": (-10, 10),
    "ankle_dorsiflexion": (-45, 25), "ankle_inversion": (-20, 20), "toe_extension": (-20, 50),
    "trunk_flexion": (-30, 85), "trunk_side": (-35, 35), "trunk_twist": (-45, 45),
    "neck_flexion": (-50, 50), "neck_side": (-35, 35), "neck_twist": (-70, 70),
    "collar_elevation": (-10, 30), "collar_protraction": (-15, 25),
    # Upper arm: elevation from hanging (0) over level (90) to upright (180); plane from the side (0) to the front (90).
    "arm_elevation": (5, 175), "arm_plane": (-45, 120), "arm_twist": (-80, 80),
    "elbow_flexion": (0, 148), "forearm_twist": (-75, 75),
    "wrist_flexion": (-60, 65), "wrist_deviation": (-20, 30),
}  # fmt: skip

_SPREAD = {
    "hip_flexion": 12, "hip_abduction": 6, "hip_rotation": 10, "knee_flexion": 14, "knee_rotation": 3,
    "ankle_dorsiflexion": 8, "ankle_inversion": 5, "toe_extension": 5, "trunk_flexion": 10, "trunk_side": 6,
    "trunk_twist": 9, "neck_flexion": 13, "neck_side": 7, "neck_twist": 18, "collar_elevation": 4,
    "collar_protraction": 5, "arm_elevation": 18, "arm_plane": 22, "arm_twist": 22, "elbow_flexion": 24,
    "forearm_twist": 22, "wrist_flexion": 13, "wrist_deviation": 7,
}  # fmt: skip

_SIDED = tuple(n for n in RANGES if not n.startswith(("trunk", "neck")))


@dataclass(frozen=True)
class Posture:
    """Joint angles in degrees by anatomical name; a pair gives (left, right); missing ones take the standing value."""

    angles: dict[str, float | tuple[float, float]]
    share: float = 1.0


_STAND: dict[str, float] = {
    "hip_abduction": 1, "knee_flexion": 5, "arm_elevation": 14, "arm_plane": 15, "elbow_flexion": 18,
    "wrist_flexion": 5, "collar_elevation": 2,
}  # fmt: skip

POSTURES: dict[str, Posture] = {
    "standing": Posture({}, 3.0),
    "standing_wide": Posture({"hip_abduction": 12, "arm_elevation": 30, "elbow_flexion": 45}),
    "one_leg_bent": Posture({"hip_flexion": (18, -3), "knee_flexion": (35, 3), "trunk_side": 5}),
    "step_left": Posture({"hip_flexion": (28, -12), "knee_flexion": (12, 25), "ankle_dorsiflexion": (0, -12),
                          "arm_plane": (-25, 70), "arm_elevation": (20, 28), "elbow_flexion": (20, 40),
                          "trunk_twist": 6}, 1.5),
    "swing_left": Posture({"hip_flexion": (32, -8), "knee_flexion": (60, 8), "arm_plane": (-20, 60),
                           "arm_elevation": 22, "elbow_flexion": 35}),
    "running": Posture({"hip_flexion": (60, -12), "knee_flexion": (85, 40), "ankle_dorsiflexion": (5, -25),
                        "trunk_flexion": 15, "arm_plane": (-30, 65), "arm_elevation": 38, "elbow_flexion": 88}),
    "sitting": Posture({"hip_flexion": 85, "knee_flexion": 85, "hip_abduction": 9, "trunk_flexion": 12,
                        "arm_elevation": 28, "arm_plane": 65, "elbow_flexion": 60}, 2.0),
    "sitting_leaning": Posture({"hip_flexion": 100, "knee_flexion": 90, "trunk_flexion": 35, "arm_elevation": 45,
                                "arm_plane": 70, "elbow_flexion": 75, "neck_flexion": -10}),
    "crouching": Posture({"hip_flexion": 110, "knee_flexion": 125, "hip_abduction": 16, "ankle_dorsiflexion": 20,
                          "trunk_flexion": 28, "arm_elevation": 55, "arm_plane": 75, "elbow_flexion": 45}),
    "kneeling": Posture({"hip_flexion": 15, "knee_flexion": 105, "ankle_dorsiflexion": -35, "arm_plane": 40,
                         "arm_elevation": 25, "elbow_flexion": 40}),
    "lunge": Posture({"hip_flexion": (75, -15), "knee_flexion": (80, 40), "ankle_dorsiflexion": (10, -5),
                      "arm_elevation": 50, "elbow_flexion": 40}),
    "bending": Posture({"trunk_flexion": 62, "hip_flexion": 50, "knee_flexion": 15, "arm_elevation": 75,
                        "arm_plane": 85, "elbow_flexion": 15, "neck_flexion": -15}, 1.5),
    "reaching_forward": Posture({"arm_elevation": 82, "arm_plane": 80, "elbow_flexion": 20,
                                 "collar_protraction": 10, "trunk_flexion": 10}, 2.0),
    "reach_one_hand": Posture({"arm_elevation": (85, 20), "arm_plane": (75, 20), "elbow_flexion": (25, 30),
                               "trunk_twist": -10, "collar_protraction": (10, 0)}, 2.0),
    "reaching_up": Posture({"arm_elevation": 150, "arm_plane": 40, "elbow_flexion": 30, "collar_elevation": 18,
                            "neck_flexion": -12}),
    "wave": Posture({"arm_elevation": (110, 15), "arm_plane": (20, 15), "elbow_flexion": (90, 20),
                     "arm_twist": (-55, 0), "collar_elevation": (12, 2)}),
    "arms_out": Posture({"arm_elevation": 85, "arm_plane": 10, "elbow_flexion": 12, "collar_elevation": 8}),
    "arms_before_body": Posture({"arm_elevation": 35, "arm_plane": 70, "elbow_flexion": 95, "arm_twist": 30}, 2.0),
    "hands_on_hips": Posture({"arm_elevation": 42, "arm_plane": -15, "elbow_flexion": 95, "arm_twist": 45}),
    "hand_to_head": Posture({"arm_elevation": (80, 18), "arm_plane": (60, 15), "elbow_flexion": (130, 25),
                             "arm_twist": (-30, 0), "neck_flexion": 8}),
}  # fmt: skip


def _sample_angles(rng: np.random.Generator, posture: Posture, samples: int) -> dict[str, np.ndarray]:
    """Angle samples, degrees: (n,) for the trunk, (n, 2) for left and right."""
    out = {}
    # Slack is shared: a person who moves much does so everywhere; the sides of a pair move partly together.
    slack = rng.uniform(0.6, 1.4, (samples, 1))
    for name, (least, most) in RANGES.items():
        centre = posture.angles.get(name, _STAND.get(name, 0.0))
        own = rng.normal(0, 1, (samples, 2))
        shared = rng.normal(0, 1, (samples, 1))
        noise = _SPREAD[name] * slack * (np.sqrt(0.65) * own + np.sqrt(0.35) * shared)
        value = np.clip(np.asarray(centre, float) + noise, least, most)
        out[name] = value if name in _SIDED else value[:, 0]
    # Deep knee bends come with bent hips and dorsiflexed ankles.
    knee_excess = out["knee_flexion"] - np.asarray(posture.angles.get("knee_flexion", _STAND["knee_flexion"]), float)
    out["hip_flexion"] = np.clip(out["hip_flexion"] + 0.4 * knee_excess, *RANGES["hip_flexion"])
    out["ankle_dorsiflexion"] = np.clip(out["ankle_dorsiflexion"] + 0.15 * knee_excess, *RANGES["ankle_dorsiflexion"])
    return out


def _axis_angle(*turns: tuple[str, np.ndarray]) -> np.ndarray:
    """Axis-angle of a product of turns about body axes, first turn outermost; degrees in, radians out."""
    total = Rotation.identity(len(turns[0][1]))
    for axis, degrees in turns:
        total = total * Rotation.from_rotvec(np.radians(degrees)[:, None] * np.eye(3)["xyz".index(axis)])
    return total.as_rotvec()


def angles_to_body_pose(angles: dict[str, np.ndarray]) -> np.ndarray:
    """(n, 23, 3) SMPL body pose (joints 1–23) of anatomical angles; see RANGES for their signs."""
    n = len(angles["trunk_flexion"])
    pose = np.zeros((n, 24, 3))
    for s, sign in ((0, 1.0), (1, -1.0)):  # sign mirrors turns about y and z
        hip, knee, ankle, foot = 1 + s, 4 + s, 7 + s, 10 + s
        collar, shoulder, elbow, wrist = 13 + s, 16 + s, 18 + s, 20 + s
        a = {k: v[:, s] for k, v in angles.items() if k in _SIDED}
        pose[:, hip] = _axis_angle(
            ("x", -a["hip_flexion"]), ("z", sign * a["hip_abduction"]), ("y", -sign * a["hip_rotation"])
        )
        pose[:, knee] = _axis_angle(("x", a["knee_flexion"]), ("y", -sign * a["knee_rotation"]))
        pose[:, ankle] = _axis_angle(("x", -a["ankle_dorsiflexion"]), ("z", sign * a["ankle_inversion"]))
        pose[:, foot] = _axis_angle(("x", -a["toe_extension"]))
        pose[:, collar] = _axis_angle(("z", sign * a["collar_elevation"]), ("y", -sign * a["collar_protraction"]))
        # The arm rests level at the side (T-pose): first twist, then raise or lower, then swing to the front.
        pose[:, shoulder] = _axis_angle(
            ("y", -sign * a["arm_plane"]), ("z", sign * (a["arm_elevation"] - 90)),
            ("x", a["arm_twist"] + 0.5 * np.maximum(0, 60 - a["arm_elevation"])),
        )  # fmt: skip
        pose[:, elbow] = _axis_angle(("y", -sign * a["elbow_flexion"]), ("x", a["forearm_twist"]))
        pose[:, wrist] = _axis_angle(("z", -sign * a["wrist_flexion"]), ("y", -sign * a["wrist_deviation"]))
    for joint, share in ((3, 0.35), (6, 0.35), (9, 0.3)):
        pose[:, joint] = _axis_angle(
            ("x", share * angles["trunk_flexion"]),
            ("z", share * angles["trunk_side"]),
            ("y", share * angles["trunk_twist"]),
        )
    for joint in (12, 15):
        pose[:, joint] = 0.5 * _axis_angle(
            ("x", angles["neck_flexion"]), ("z", angles["neck_side"]), ("y", angles["neck_twist"])
        )
    return pose[:, 1:]


def mirror_body_pose(pose: np.ndarray) -> np.ndarray:
    """The mirror image of body poses (..., 23, 3)."""
    swap = np.array([2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]) - 1
    return pose[..., swap, :] * np.array([1.0, -1.0, -1.0])


def sample_body_poses(rng: np.random.Generator, samples: int) -> np.ndarray:
    """(≈ 2 × samples, 69) synthetic body poses, each with its mirror image."""
    total = sum(p.share for p in POSTURES.values())
    poses = []
    for posture in POSTURES.values():
        n = round(samples * posture.share / total)
        poses.append(angles_to_body_pose(_sample_angles(rng, posture, n)))
    pose = np.concatenate(poses)
    # What a detector calls straight is rarely exact; SMPL's hand joints only carry such noise.
    noise = np.full((23, 3), 0.07)
    noise[21:] = 0.2
    pose = np.concatenate([pose, mirror_body_pose(pose)])
    return (pose + rng.normal(0, 1, pose.shape) * noise).reshape(len(pose), 69)


def fit_mixture(
    samples: np.ndarray, rng: np.random.Generator, components: int = 8, steps: int = 40, floor: float = 0.05
) -> dict[str, np.ndarray]:
    """Gaussian mixture by k-means, then expectation maximisation.

    Args:
      samples: (n, D).
      rng: for the k-means start.
      components: number of Gaussians.
      steps: EM steps.
      floor: standard deviation (radians) added to every direction, which keeps covariances well-conditioned.

    Returns:
      means (K, D), covars (K, D, D), weights (K,), heaviest first.
    """
    n, dim = samples.shape
    centres = samples[rng.choice(n, 1)]
    while len(centres) < components:  # k-means++
        nearest = ((samples[:, None] - centres[None]) ** 2).sum(-1).min(1)
        centres = np.concatenate([centres, samples[rng.choice(n, 1, p=nearest / nearest.sum())]])
    for _ in range(20):
        label = ((centres**2).sum(-1) - 2 * samples @ centres.T).argmin(1)
        centres = np.stack([samples[label == k].mean(0) for k in range(components)])
    responsibility = np.eye(components)[label]
    for _ in range(steps):
        count = responsibility.sum(0)
        means = (responsibility.T @ samples) / count[:, None]
        covars = np.stack([
            (responsibility[:, k, None] * (d := samples - means[k])).T @ d / count[k] + floor**2 * np.eye(dim)
            for k in range(components)
        ])  # fmt: skip
        weights = count / n
        log_density = log_densities(samples, means, covars) + np.log(weights)
        log_density -= log_density.max(1, keepdims=True)
        responsibility = np.exp(log_density)
        responsibility /= responsibility.sum(1, keepdims=True)
    order = np.argsort(-weights)
    return {"means": means[order], "covars": covars[order], "weights": weights[order]}


def log_densities(samples: np.ndarray, means: np.ndarray, covars: np.ndarray) -> np.ndarray:
    """(n, K) log density of samples under each Gaussian."""
    out = np.empty((len(samples), len(means)))
    for k in range(len(means)):
        factor = np.linalg.cholesky(covars[k])
        z = (samples - means[k]) @ np.linalg.inv(factor).T
        out[:, k] = -0.5 * (z**2).sum(1) - np.log(np.diag(factor)).sum() - 0.5 * len(factor) * np.log(2 * np.pi)
    return out


def build_pose_prior(seed: int = 0, samples: int = 4000) -> dict[str, np.ndarray]:
    """The embedded pose prior: fields means (8, 69), covars (8, 69, 69), weights (8,), float32."""
    rng = np.random.default_rng(seed)
    mixture = fit_mixture(sample_body_poses(rng, samples), rng)
    return {k: v.astype(np.float32) for k, v in mixture.items()}
