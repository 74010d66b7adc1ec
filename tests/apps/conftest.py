"""A folder of scene files and answers as users have them, and the command line run in-process on it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from small_scenes import seen

from prosepose_jax.apps.main import main
from prosepose_jax.body import BodyModel, BodyParams
from prosepose_jax.camera import focal_from_image_size
from prosepose_jax.io import save_scene
from prosepose_jax.scene import Scene

WIDTH, HEIGHT = 160, 200
STEPS = (40, 6)
TABLE = (
    "They hold on to each other.\n\n| Person 1 Body Part | Person 2 Body Part |\n|---|---|\n"
    "| hand | back |\n| left hand | waist (front) |\n"
)
PROSE = "Two people hug in a warm embrace. I cannot say which parts touch."


@pytest.fixture(scope="package", autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Derived files are kept for these tests only, not in the user's folders; compiled programs for the session.

    The loops of the figures, which take 15 s to compile, stay where the figures' own tests have them.
    """
    if importlib.util.find_spec("numba") is not None:
        importlib.import_module("prosepose_jax.metrics._compiled")  # finds its folder now
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def make_scene(small_body: BodyModel) -> Callable[..., Scene]:
    """Scenes of people side by side with ground truth and a disturbed initial estimate."""

    def make(key: str, seed: int = 0, people: int = 2) -> Scene:
        rng = np.random.default_rng(seed)
        orient = np.tile(np.array([[np.pi, 0.0, 0.0]], np.float32), (people, 1))
        pose = rng.normal(0.0, 0.1, (people, 21, 3)).astype(np.float32)
        transl = np.stack([[0.35 * (p - (people - 1) / 2), 0.2, 3.0] for p in range(people)]).astype(np.float32)
        truth = BodyParams.zeros(people, 10).replace(
            global_orient=jnp.asarray(orient), body_pose=jnp.asarray(pose), transl=jnp.asarray(transl)
        )
        focal = np.full(2, focal_from_image_size(WIDTH, HEIGHT), np.float32)
        centre = np.array([WIDTH / 2, HEIGHT / 2], np.float32)
        pixels = np.asarray(seen(small_body, truth, focal, centre))
        return Scene(
            key=key,
            global_orient=orient,
            body_pose=pose + rng.normal(0.0, 0.1, pose.shape).astype(np.float32),
            betas=np.zeros((people, 10), np.float32),
            transl=transl + rng.normal(0.0, 0.04, transl.shape).astype(np.float32),
            keypoints=np.concatenate([pixels, np.ones((people, 25, 1))], axis=-1).astype(np.float32),
            focal_length=focal,
            principal_point=centre,
            image_size=np.array([WIDTH, HEIGHT]),
            gt_global_orient=orient,
            gt_body_pose=pose,
            gt_betas=np.zeros((people, 10), np.float32),
            gt_transl=transl,
            gt_contacts=(("left hand", "back"),) if people > 1 else (("left hand", "right hand"),),
        )

    return make


@dataclasses.dataclass(frozen=True)
class Case:
    """Input files of one command and the folder that it writes to."""

    root: Path
    body: Path

    @property
    def scenes(self) -> Path:
        return self.root / "scenes"

    @property
    def workdir(self) -> Path:
        return self.root / "run"

    def answers(self, texts: dict[str, list[str]], name: str = "answers.json") -> Path:
        """Writes the answers in the layout that the file name's ending asks for."""
        file = self.root / name
        if file.suffix == ".json":
            file.write_text(json.dumps({key: [{"table_response": t} for t in ts] for key, ts in texts.items()}))
        else:
            lines = [{"key": k, "sample": i, "text": t} for k, ts in texts.items() for i, t in enumerate(ts)]
            file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return file

    def arguments(self, *more: str, steps: tuple[int, int] = STEPS) -> list[str]:
        """The arguments of `prosepose fit`; later ones (`more`) win."""
        return [
            "prosepose",
            "fit",
            f"--scenes={self.scenes}",
            f"--workdir={self.workdir}",
            f"--config.body.path={self.body}",
            f"--config.stage1.steps={steps[0]}",
            f"--config.stage2.steps={steps[1]}",
            "--config.batch_size=2",
            "--config.scenes_per_call=2",  # tests fit two scenes or four: one compiled program for all
            *more,
        ]

    def fit(self, *more: str, steps: tuple[int, int] = STEPS) -> int:
        """Runs `prosepose fit` in this process."""
        return main(self.arguments(*more, steps=steps))


@pytest.fixture
def case(tmp_path: Path, small_body_file: Path) -> Case:
    """An empty case for one test."""
    return Case(tmp_path, small_body_file)


@pytest.fixture(scope="package")
def finished(
    tmp_path_factory: pytest.TempPathFactory, small_body_file: Path, make_scene: Callable[..., Scene]
) -> tuple[Case, int, str, str]:
    """One whole run that several tests look at: the case, exit status, stdout and stderr. Not to be changed."""
    case = Case(tmp_path_factory.mktemp("finished"), small_body_file)
    photo = case.scenes / "images" / "photo.jpg"  # elsewhere no command would take it
    photo.parent.mkdir(parents=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(photo)
    # The three ways a key finds its answers: itself, with _0 added, with _0 removed; one finds none.
    save_scene(case.scenes, dataclasses.replace(make_scene("exact", 1), image=photo))
    save_scene(case.scenes, make_scene("added", 2))
    save_scene(case.scenes, make_scene("removed_0", 3))
    save_scene(case.scenes, make_scene("silent", 4))
    answers = case.answers({"exact": [TABLE, PROSE], "added_0": [TABLE], "removed": [TABLE, TABLE]})
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = case.fit(f"--answers={answers}")
    return case, status, out.getvalue(), err.getvalue()


@pytest.fixture
def copied(finished: tuple[Case, int, str, str], tmp_path: Path) -> Case:
    """A copy of the finished run that a test may change."""
    case = finished[0]
    shutil.copytree(case.root, tmp_path / "copy")
    return Case(tmp_path / "copy", case.body)
