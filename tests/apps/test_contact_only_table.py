"""A photograph with annotated contact and no 3D truth, as FlickrCI3D's: the table of what needs none."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from prosepose_jax.apps.main import main
from prosepose_jax.body import BodyModel
from prosepose_jax.io import save_fit, save_scene
from prosepose_jax.metrics import records
from prosepose_jax.metrics._people import initial_people
from prosepose_jax.scene import Fit


def test_rows_without_truth(
    small_body: BodyModel, small_body_file: Path, make_scene: Callable[..., Any], tmp_path: Path, capsys
) -> None:
    """PCC and penetration of every row, the answers' contact F1, and not one error in millimetres of joints."""
    truth = {f"gt_{name}": None for name in ("global_orient", "body_pose", "betas", "transl", "kid_scale", "contacts")}
    pairs = np.array([[0, 0], [10, 31], [74, 40]])
    scene = dataclasses.replace(make_scene("photo", 1), **truth, gt_region_pairs=pairs)
    save_scene(tmp_path / "scenes", scene)
    vertices, joints = initial_people(small_body, scene)
    away = np.array([3.0, 0.0, 0.0], np.float32)  # m
    moved = [np.stack([people[0], people[1] + away]) for people in (vertices, joints)]
    save_fit(tmp_path / "run", Fit(
        "photo", "ok", scene.global_orient, scene.body_pose, scene.betas, scene.transl, vertices=moved[0],
        joints=moved[1], initial_vertices=vertices, initial_joints=joints, answers=1, answers_usable=1,
    ))  # fmt: skip
    assert main(["prosepose", "evaluate", f"--scenes={tmp_path / 'scenes'}", f"--fits={tmp_path / 'run'}",
                 f"--body={small_body_file}"]) == 0, capsys.readouterr().err  # fmt: skip
    assert main(["prosepose", "table", f"--scenes={tmp_path / 'scenes'}", f"--workdir={tmp_path / 'table'}",
                 f"--runs=default={tmp_path / 'run'}", "--rows=regressor,default",
                 f"--set=body.path={small_body_file}"]) == 0, capsys.readouterr().err  # fmt: skip
    content = json.loads((tmp_path / "table" / "table.json").read_text())
    rows = {row["name"]: row for row in content["rows"]}
    assert list(rows) == ["regressor", "default"]
    needing = {name for name, record in records.METRICS.items() if records.TRUTH in record.needs}
    for row in rows.values():
        assert {"pcc", "penetration_max_mm"} <= set(row["figures"]) and not needing & set(row["figures"])
    assert rows["default"]["figures"]["pcc"]["mean"] == 0.0 < rows["regressor"]["figures"]["pcc"]["mean"]
    text = (tmp_path / "table" / "table.txt").read_text()
    assert "PCC" in text and "MPJPE" not in text.split("\n\n")[0]
