"""`prosepose view DIR`: a live viewer of a run's fits (docs/report.md; extra `view`).

  prosepose view DIR
  prosepose view DIR --scenes=SCENES    with photographs, hands and recorded paths

Prints the address of a page with the run's scenes, a slider from the initial estimate to the fit, sliders for shape and
pose. Serves this machine alone unless --host says otherwise. Ctrl-C ends it.
Exit status: 0 all done, 2 bad usage or an unusable input.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence

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
from prosepose_jax.apps._stops import Stopped
from prosepose_jax.apps._usage import run_verb
from prosepose_jax.errors import InputError

FLAGS = flags.FlagValues()
flags.DEFINE_string("fits", None, "the folder of the run; or its first argument", flag_values=FLAGS)
define_scenes_flags(FLAGS, "photographs, hands, recorded paths")
define_body_flag(FLAGS)
flags.DEFINE_string("host", "127.0.0.1", "address to serve; 0.0.0.0: the whole network", flag_values=FLAGS)
flags.DEFINE_integer("port", 8080, "port to serve; a taken one gives way to the next", 1, 65535, flag_values=FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    argv = with_folder_first(argv)
    return run_verb("view", __doc__, FLAGS, argv, _run)


def _run() -> int:
    if not FLAGS.fits:
        raise InputError("the folder of the run is missing: prosepose view DIR")
    try:
        viser = importlib.import_module("viser")
    except ImportError:
        raise InputError("the viewer needs viser: pip install 'prosepose_jax[view]'") from None
    # Late: --help and usage errors need no JAX.
    from prosepose_jax.apps._runtime import set_up_jax
    from prosepose_jax.apps._viewer import Viewer, showable
    from prosepose_jax.body import load_body
    from prosepose_jax.io import load_fits

    fits = load_fits(FLAGS.fits)
    keys = showable(fits)
    if not keys:
        raise InputError(f"{FLAGS.fits}: no fit to show, all failed")
    set_up_jax()
    folder = run_folder(FLAGS.fits)
    scenes = scenes_of_run(FLAGS)
    body = load_body(**body_files(run_config(folder), FLAGS.body))
    server = viser.ViserServer(host=FLAGS.host, port=FLAGS.port, label="prosepose", verbose=False)
    try:
        Viewer(server, body, fits, scenes, keys)
        shown = "127.0.0.1" if FLAGS.host == "0.0.0.0" else FLAGS.host
        print(f"open http://{shown}:{server.get_port()} (Ctrl-C ends the viewer)", flush=True)
        while True:
            time.sleep(0.5)
    except Stopped:
        raise
    except KeyboardInterrupt:
        print("the viewer has ended")
        return 0
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
