"""`prosepose VERB`: finds the verb's app and runs it.

  prosepose demo --workdir=DIR          the main job on packaged scenes, no network, no licensed file
  prosepose import --source=bev …       other tools' outputs to scene files
  prosepose ask --scenes=… --client=…   photographs to a language model's answers
  prosepose fit --config=… --scenes=…   scenes and answers to fits, metrics, pictures, a report
  prosepose evaluate --scenes=… --fits=…  fits and ground truth to metrics
  prosepose ablate --config=… --workdir=DIR  a named table of runs to tables and plots
  prosepose export DIR --format=glb,obj,…  fits to Blender, game engines, viewers
  prosepose render DIR                  pictures for papers, turntables, films of the optimisation
  prosepose view DIR                    a live viewer of a run (extra `view`)
  prosepose generate --kind=… --out=…   scenes with known truth, noisy estimates, simulated answers
  prosepose table --dataset=… --workdir=DIR  the papers' table of a dataset, in five formats
  prosepose train-prior --scenes=… --workdir=DIR  a diffusion prior over two people from known ones
  prosepose pack --scenes=… --out=…     scene files to tars (WebDataset); prosepose unpack DIR --out=… and back
  prosepose merge DIR                   shards of a run to one metrics.json, report and run.json
  prosepose status DIR                  how far a run is, from anywhere
  prosepose doctor                      what this machine has, what is wrong, what to do

`prosepose VERB --help` explains a verb. `python -m prosepose_jax VERB` does the same.
Exit status: 0 all done, 1 some scenes failed (named on stderr), 2 bad usage or unusable input, 3 the system refused
(a full disk, a folder that is gone, no memory); stopped by Ctrl-C 130, SIGTERM 143, SIGHUP 129: the same command goes
on where it was.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence

VERBS = {
    "demo": "prosepose_jax.apps.demo",
    "import": "prosepose_jax.apps.import_",
    "ask": "prosepose_jax.apps.ask",
    "fit": "prosepose_jax.apps.fit",
    "evaluate": "prosepose_jax.apps.evaluate",
    "ablate": "prosepose_jax.apps.ablate",
    "generate": "prosepose_jax.apps.generate",
    "table": "prosepose_jax.apps.table",
    "doctor": "prosepose_jax.apps.doctor",
    "export": "prosepose_jax.apps.export",
    "render": "prosepose_jax.apps.render",
    "view": "prosepose_jax.apps.view",
    "train-prior": "prosepose_jax.apps.train_prior",
    "pack": "prosepose_jax.apps.pack",
    "unpack": "prosepose_jax.apps.unpack",
    "merge": "prosepose_jax.apps.merge",
    "status": "prosepose_jax.apps.status",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `argv[1]` with the arguments after it; returns the exit status."""
    argv = list(sys.argv if argv is None else argv)
    if len(argv) < 2 or argv[1] in ("--help", "-h", "help"):
        print(__doc__)
        return 0 if len(argv) > 1 else 2
    verb = argv[1]
    if verb in ("--version", "version"):
        from prosepose_jax import __version__

        print(__version__)
        return 0
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        print(f"prosepose: unknown verb {verb!r}, expected one of {', '.join(VERBS)}{hint}", file=sys.stderr)
        return 2
    from prosepose_jax.apps._stops import interrupted, refused, signals_as_interrupts

    try:
        with signals_as_interrupts():
            status: int = importlib.import_module(VERBS[verb]).main([f"prosepose {verb}", *argv[2:]])
    except KeyboardInterrupt as error:
        return interrupted(verb, error)
    except BrokenPipeError:
        # Whoever read the output (head, less) has seen enough; nothing may be written when Python ends either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, MemoryError) as error:
        return refused(verb, error)
    return status


if __name__ == "__main__":
    sys.exit(main())
