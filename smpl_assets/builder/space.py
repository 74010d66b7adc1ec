"""The linear shape space and the joint regressor."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from builder.skeleton import JOINT_NAMES, mirror_joints


def principal_shapes(vertices: np.ndarray, count: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (V, 3), components (count, V, 3) for one standard deviation, and the share of variance each explains.

    Components come by falling variance, each signed so that positive makes the body taller.
    """
    mean = vertices.mean(0)
    flat = (vertices - mean).reshape(len(vertices), -1)
    # The Gram matrix is small; its eigenvectors give the components.
    values, vectors = np.linalg.eigh(flat @ flat.T)
    order = np.argsort(-values)[:count]
    components = vectors[:, order].T @ flat
    norms = np.linalg.norm(components, axis=1, keepdims=True)
    components = components / norms * np.sqrt(values[order] / (len(vertices) - 1))[:, None]
    components = components.reshape(count, -1, 3)
    for k in range(count):
        if np.ptp((mean + components[k])[:, 1]) < np.ptp((mean - components[k])[:, 1]):
            components[k] *= -1
    return mean, components, values[order] / values.sum()


def fit_joint_regressor(
    vertices: np.ndarray,
    joints: np.ndarray,
    still: np.ndarray,
    mirror: np.ndarray,
    count: int = 900,
    ridge: float = 5e-10,
) -> np.ndarray:
    """Sparse joint regressor (55, V): ridge regression on each joint's nearest vertices, rows summing to one.

    Args:
      vertices: (N, V, 3) training shapes in T-pose.
      joints: (N, 55, 3) their true joints.
      still: (E, V, 3) vertex offsets that must not move any joint (expressions).
      mirror: (V,) each vertex's mirror image; the regressor comes out symmetric.
      count: vertices per joint.
      ridge: weight of the pull towards equal weights, relative to the data.
    """
    mean_vertices, mean_joints = vertices.mean(0), joints.mean(0)
    tree = cKDTree(mean_vertices)
    mirrored = mirror_joints()
    regressor = np.zeros((len(JOINT_NAMES), vertices.shape[1]))
    for j, name in enumerate(JOINT_NAMES):
        if name.startswith("right_"):
            continue
        ids = tree.query(mean_joints[j], k=count)[1]
        if mirrored[j] == j:
            ids = np.union1d(ids, mirror[ids])
        weights = ridge_weights(vertices[:, ids], joints[:, j], still[:, ids], ridge)
        regressor[j, ids] = weights
        if mirrored[j] == j:
            regressor[j] = 0.5 * (regressor[j] + regressor[j][mirror])
        else:
            regressor[mirrored[j]] = regressor[j][mirror]
    return regressor


def ridge_weights(vertices: np.ndarray, target: np.ndarray, still: np.ndarray, ridge: float) -> np.ndarray:
    """Weights w with sum 1 minimising |A w - target|² + ridge |w - equal|²."""
    n = vertices.shape[1]
    # Relative to the target the sum-to-one rule turns into a plain least-squares problem around equal weights.
    a = np.concatenate([
        (vertices - target[:, None]).transpose(0, 2, 1).reshape(-1, n),
        still.transpose(0, 2, 1).reshape(-1, n),
    ])  # fmt: skip
    equal = np.full(n, 1.0 / n)
    null = np.eye(n) - 1.0 / n
    projected = a @ null
    gram = projected.T @ projected
    scale = ridge * np.trace(gram)
    step = np.linalg.solve(gram + scale * np.eye(n), -(projected.T @ (a @ equal)))
    weights = equal + null @ step
    return weights / weights.sum()
