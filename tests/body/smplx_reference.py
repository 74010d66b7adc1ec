"""The PyTorch `smplx` package run on a file: the reference of goldens and of the live comparison."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import smplx
import torch

CLASSES = {55: smplx.SMPLX, 52: smplx.SMPLH, 24: smplx.SMPL}


def reference_model(
    path: Path, *, joints: int = 55, flat_hands: bool = False, pca: int | None = None, kid: Path | None = None
) -> Any:
    """A smplx model of a file, in float32."""
    options: dict[str, Any] = {"ext": path.suffix[1:], "batch_size": 1, "num_betas": 10}
    if joints >= 52:
        options.update(flat_hand_mean=flat_hands, use_pca=pca is not None)
        if pca is not None:
            options["num_pca_comps"] = pca
    if joints == 55:
        options["num_expression_coeffs"] = 10
    if kid is not None:
        options.update(age="kid", kid_template_path=str(kid))
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a remark about 10 shape components
        model = CLASSES[joints](model_path=str(path), **options)
    # Extra joints picked by the ids of the official mesh mean nothing here and may not exist.
    model.vertex_joint_selector.extra_joints_idxs.zero_()
    return model


def reference_run(
    model: Any, parameters: dict[str, np.ndarray], vertex_weights: np.ndarray | None = None, kid: bool = False
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Vertices (P, V, 3), joints (P, J, 3) and gradients of sum(vertices · vertex_weights) by parameter.

    Hands (P, 15, 3) are full poses; (P, C) are PCA coefficients.
    """
    people = len(parameters["transl"])
    joints = model.J_regressor.shape[0]
    tensors = {k: torch.tensor(v, requires_grad=True) for k, v in parameters.items()}
    call = {k: t.reshape(people, -1) for k, t in tensors.items() if k != "kid_scale"}
    if kid:
        call["betas"] = torch.cat([call["betas"], tensors["kid_scale"][:, None]], dim=1)
    if joints == 24:
        call["body_pose"] = torch.cat([call["body_pose"], torch.zeros(people, 6)], dim=1)
        call = {k: call[k] for k in ("global_orient", "body_pose", "betas", "transl")}
    if joints == 55:
        # smplx repeats its landmark table batch_size times.
        model.batch_size = people
    output = model(**call)
    gradients: dict[str, np.ndarray] = {}
    if vertex_weights is not None:
        (output.vertices * torch.tensor(vertex_weights)).sum().backward()
        gradients = {k: t.grad.numpy() for k, t in tensors.items() if t.grad is not None}
    return output.vertices.detach().numpy(), output.joints[:, :joints].detach().numpy(), gradients
