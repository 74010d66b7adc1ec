"""`prosepose render`: pictures for papers and films of a run's fits, without a display (docs/report.md).

  prosepose render DIR                                      stills: corner, front, side, top, back
  prosepose render DIR --views=side,top --size=2400x2400 --transparent --color=contact
  prosepose render DIR --views=overlay --scenes=SCENES      over the photograph, at its own resolution
  prosepose render DIR --kind=turntable --format=gif,mp4    once around the fit
  prosepose render DIR --kind=film --scenes=SCENES          from the initial estimate along the recorded path to the fit

Files go to DIR/stills, DIR/turntables or DIR/films. MP4 needs the extra `report`.
Exit status: 0 all drawn, 1 some failed (named on stderr), 2 bad usage or an unusable input.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from prosepose_jax.apps._run_body import (
    body_files,
    define_body_flag,
    define_scenes_flags,
    run_config,
    run_folder,
    scenes_of_run,
    with_folder_first,
)
from prosepose_jax.apps._usage import run_verb, say_failures
from prosepose_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from prosepose_jax.body import BodyModel
    from prosepose_jax.scene import Fit, Scene

KINDS = {"still": "stills", "turntable": "turntables", "film": "films"}
COLORS = ("people", "contact")
_VIEWS = ("corner", "front", "side", "top", "back")
_MOST_PX = 8192
_PAPER = (255, 255, 255)
_FPS, _TURN_FRAMES, _FILM_FRAMES, _REST_FRAMES = 20, 72, 50, 10

FLAGS = flags.FlagValues()
flags.DEFINE_string("fits", None, "the folder of the run; or its first argument", flag_values=FLAGS)
flags.DEFINE_enum("kind", "still", list(KINDS), "what to make", flag_values=FLAGS)
flags.DEFINE_list("views", list(_VIEWS), "of corner, front, side, top, back, overlay; a film takes the first",
                  flag_values=FLAGS)  # fmt: skip
flags.DEFINE_string("size", None, "WIDTHxHEIGHT in pixels; default 1200x1200, films 640x640", flag_values=FLAGS)
flags.DEFINE_bool("transparent", False, "stills without a background", flag_values=FLAGS)
flags.DEFINE_enum("color", "people", list(COLORS), "a pastel colour each, or how near the other is", flag_values=FLAGS)
flags.DEFINE_bool("before", False, "stills of the initial estimate too", flag_values=FLAGS)
flags.DEFINE_list("format", ["gif"], "of films: gif, mp4; several with commas", flag_values=FLAGS)
flags.DEFINE_list("keys", [], "scenes to draw; default: all", flag_values=FLAGS)
flags.DEFINE_string("out", None, "where the files go; default: in the run's folder", flag_values=FLAGS)
define_scenes_flags(FLAGS, "for overlays, and for films along a recorded path")
define_body_flag(FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    argv = with_folder_first(argv)
    return run_verb("render", __doc__, FLAGS, argv, _run)


def _run() -> int:
    # Late: --help and usage errors need no JAX.
    size = parse_size(FLAGS.size) if FLAGS.size else None
    unknown = [view for view in FLAGS.views if view not in (*_VIEWS, "overlay")]
    if unknown or not FLAGS.views:
        raise InputError(
            f"--views: expected some of {', '.join(_VIEWS)}, overlay; found {', '.join(unknown) or 'none'}"
        )
    if not FLAGS.fits:
        raise InputError("the folder of the run is missing: prosepose render DIR")
    if "overlay" in FLAGS.views and not FLAGS.scenes:
        raise InputError("--views=overlay: the scenes are missing, give --scenes=SCENES")
    from prosepose_jax.apps._progress import Progress
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.body import load_body
    from prosepose_jax.io import load_fits
    from prosepose_jax.report.films import FILMS

    wrong = [name for name in FLAGS.format if name not in FILMS]
    if wrong or not FLAGS.format:
        raise InputError(f"--format: expected some of {', '.join(FILMS)}, found {', '.join(wrong) or 'none'}")
    fits = load_fits(FLAGS.fits)
    keys = FLAGS.keys or list(fits)
    missing = [key for key in keys if key not in fits]
    if missing:
        raise InputError(f"--keys: the run has no scene {', '.join(missing)}")
    set_up_jax()
    folder = run_folder(FLAGS.fits)
    scenes = scenes_of_run(FLAGS)
    body = load_body(**body_files(run_config(folder), FLAGS.body))
    out = Path(FLAGS.out) if FLAGS.out else folder / KINDS[FLAGS.kind]
    out.mkdir(parents=True, exist_ok=True)
    failures: dict[str, str] = {}
    make: Callable[[Path, Fit, Scene | None, BodyModel, tuple[int, int] | None], None]
    make = {"still": _stills, "turntable": _turntable, "film": _film}[FLAGS.kind]
    with Progress(len(keys), "render") as progress:
        for key in keys:
            try:
                fit = fits[key]
                if fit.vertices is None:
                    raise InputError(f"nothing to draw, its status is {fit.status!r}")
                make(out, fit, scenes.get(key), body, size)
            except InputError as error:
                failures[key] = str(error).removeprefix(f"{key}: ")
            progress.step()
    print(f"{len(keys) - len(failures)} of {len(keys)} scenes drawn into {out}")
    say_failures(failures)
    return 1 if failures else 0


def parse_size(text: str) -> tuple[int, int]:
    """ "1200x800" as (1200, 800).

    Raises:
      InputError: it is no such pair, or too large or small.
    """
    found = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip())
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(16 <= side <= _MOST_PX for side in size):
        raise InputError(f"--size: expected WIDTHxHEIGHT of 16 to {_MOST_PX} pixels, found {text!r}")
    return size


def _colors(vertices: np.ndarray, body: BodyModel) -> Any:
    import numpy as np

    from prosepose_jax.report import contact_heat

    return contact_heat(vertices, np.asarray(body.v_template)) if FLAGS.color == "contact" else None


def _stills(out: Path, fit: Fit, scene: Scene | None, body: BodyModel, size: tuple[int, int] | None) -> None:
    import numpy as np
    from PIL import Image

    from prosepose_jax.io import atomic_file
    from prosepose_jax.report import eye_for, render_still

    assert fit.vertices is not None
    stages = {"": fit.vertices}
    if FLAGS.before and fit.initial_vertices is not None:
        stages["before_"] = fit.initial_vertices
    faces = np.asarray(body.faces)
    framed = np.concatenate([vertices.reshape(-1, 3) for vertices in stages.values()])
    for stage, vertices in stages.items():
        for view in FLAGS.views:
            if view == "overlay":
                picture = overlay(fit.key, vertices, scene, body, size)
            else:
                paper = None if FLAGS.transparent else _PAPER
                picture = render_still(
                    vertices, faces, eye_for(framed, view), size or (1200, 1200), _colors(vertices, body), paper=paper
                )
                picture = picture if FLAGS.transparent else picture[..., :3]
            with atomic_file(out / f"{fit.key}_{stage}{view}.png") as file:
                Image.fromarray(np.ascontiguousarray(picture)).save(file, format="PNG", optimize=True)


def overlay(
    key: str, vertices: np.ndarray, scene: Scene | None, body: BodyModel, size: tuple[int, int] | None
) -> np.ndarray:
    """Over the photograph, at its own resolution unless a size asks for a smaller one."""
    import numpy as np

    from prosepose_jax.io.pictures import picture_of_size
    from prosepose_jax.report import render_people
    from prosepose_jax.report.stills import PASTELS

    if scene is None:
        raise InputError(f"{key}: no overlay, its scene is not in --scenes")
    full = (float(scene.image_size[0]), float(scene.image_size[1]))
    most = max(size) if size else int(min(max(full), _MOST_PX))
    photograph = None
    if scene.image is not None:
        photograph = np.asarray(picture_of_size(scene.image, full, enough=most)[0])
    colors = _colors(vertices, body)
    if colors is None:
        colors = PASTELS[np.arange(len(vertices)) % len(PASTELS)]
    return render_people(
        vertices, np.asarray(body.faces), scene.focal_length, scene.principal_point, scene.image_size,
        background=photograph, colors=colors, max_side=most,
    )  # fmt: skip


def _turntable(out: Path, fit: Fit, scene: Scene | None, body: BodyModel, size: tuple[int, int] | None) -> None:
    import numpy as np

    from prosepose_jax.report import render_still, turntable

    vertices = fit.vertices
    assert vertices is not None
    colors, faces = _colors(vertices, body), np.asarray(body.faces)
    frames = [
        render_still(vertices, faces, eye, size or (640, 640), colors, paper=_PAPER)[..., :3]
        for eye in turntable(vertices, _TURN_FRAMES)
    ]
    _write(out, fit.key, frames)


def _film(out: Path, fit: Fit, scene: Scene | None, body: BodyModel, size: tuple[int, int] | None) -> None:
    import numpy as np

    from prosepose_jax.apps._paths import path_vertices
    from prosepose_jax.report import eye_for, film_frames, render_still

    assert fit.vertices is not None
    if fit.initial_vertices is None:
        raise InputError("no film, the fit does not hold its initial estimate")
    if fit.path is not None and scene is None:
        raise InputError("a film of a recorded path needs its scene (hands, face): give --scenes=SCENES")
    way = path_vertices(body, scene, fit, _FILM_FRAMES) if scene is not None else None
    stages = [fit.initial_vertices, *(way if way is not None else []), fit.vertices]
    points = np.concatenate([stage.reshape(-1, 3) for stage in (stages[0], stages[-1])])
    view = next((name for name in FLAGS.views if name != "overlay"), "corner")
    eye, ground_y, faces = eye_for(points, view), float(points[:, 1].max()), np.asarray(body.faces)
    frames = []
    last: np.ndarray | None = None
    for people in film_frames(stages, _FILM_FRAMES, _REST_FRAMES):
        if people is not last:  # resting frames are drawn once
            drawn = render_still(
                people, faces, eye, size or (640, 640), _colors(people, body), ground_y=ground_y, paper=_PAPER
            )[..., :3]
        last = people
        frames.append(drawn)
    _write(out, fit.key, frames)


def _write(out: Path, key: str, frames: Sequence[np.ndarray]) -> None:
    from prosepose_jax.report.films import write_film

    for name in FLAGS.format:
        write_film(out / f"{key}.{name}", frames, _FPS)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
