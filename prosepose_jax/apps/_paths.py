"""Bodies along a fit's recorded path, for films, the report and the viewer."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from prosepose_jax.body import BodyModel, BodyParams, pose_body
from prosepose_jax.fitting.prepare import initial_params
from prosepose_jax.scene import Fit, Scene

_pose_frames = jax.jit(jax.vmap(pose_body, in_axes=(None, 0)))
_FRAMES_A_CALL = 8  # one shape for paths of any length


def path_frames(fit: Fit, most: int) -> np.ndarray:
    """Which frames of a recorded path stand for all of it: at most so many, evenly spread, the last among them."""
    count = 0 if fit.path is None else len(fit.path.step)
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int)) if count else np.zeros(0, int)


def path_vertices(body: BodyModel, scene: Scene, fit: Fit, most: int) -> np.ndarray | None:
    """(F, P, V, 3) m, camera frame, along the recorded path; None when nothing was recorded.

    Args:
      body: of the run.
      scene: of the fit; hands, face and the child's scale are its own.
      fit: the fit.
      most: frames; of more, some are left out evenly.
    """
    chosen = path_frames(fit, most)
    if fit.path is None or not len(chosen):
        return None
    path = fit.path
    return posed_frames(
        body, scene, fit, path.global_orient[chosen], path.body_pose[chosen], path.betas[chosen], path.transl[chosen]
    )


def posed_frames(
    body: BodyModel,
    scene: Scene | None,
    fit: Fit,
    global_orient: np.ndarray,
    body_pose: np.ndarray,
    betas: np.ndarray,
    transl: np.ndarray,
) -> np.ndarray:
    """(F, P, V, 3) m of the given parameters (F, P, …); all else is the scene's, or at rest without one."""
    num_frames, num_people = transl.shape[:2]
    if scene is None:
        base = BodyParams.zeros(num_people, betas.shape[-1], min(10, body.num_expressions))
    else:
        base = initial_params(body, scene)
    if fit.kid_scale is not None:
        base = dataclasses.replace(base, kid_scale=jnp.asarray(fit.kid_scale, jnp.float32))
    moving = {"global_orient": global_orient, "body_pose": body_pose, "betas": betas, "transl": transl}
    out = []
    for first in range(0, num_frames, _FRAMES_A_CALL):
        part = slice(first, first + _FRAMES_A_CALL)
        rows = {name: jnp.asarray(_filled(value[part]), jnp.float32) for name, value in moving.items()}
        full = jax.tree.map(lambda x: jnp.broadcast_to(x, (_FRAMES_A_CALL, *np.shape(x))), base)
        posed = _pose_frames(body, dataclasses.replace(full, **rows))
        out.append(np.asarray(posed.vertices)[: num_frames - first])
    return np.concatenate(out)


def _filled(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows, np.repeat(rows[-1:], _FRAMES_A_CALL - len(rows), axis=0)])
