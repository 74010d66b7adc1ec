"""`prosepose train-prior`: a diffusion prior over two people, learnt from scenes whose people are known.

  prosepose train-prior --scenes=SCENES[,SCENES] --workdir=DIR [--steps=20000]
  prosepose train-prior --pairs=FILE[,FILE] --workdir=DIR

Learns from the true people of all scenes of two, or from pairs that `python -m prosepose_jax.synthetic.make_pairs`
made; a tenth of them is held out, of pairs a tenth of the people. Writes DIR/prior.npz, which
`prosepose fit --config=buddi --config.buddi.checkpoint=DIR/prior.npz` reads, DIR/state.msgpack, from which the same
command goes on where it was stopped (a larger --steps goes further), and DIR/losses.jsonl. All devices share a batch.
Exit status: 0 all steps done, 2 bad usage or unusable input.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from prosepose_jax.apps._usage import run_verb
from prosepose_jax.errors import InputError

if TYPE_CHECKING:
    from prosepose_jax.diffusion import PairSet, TrainState
    from prosepose_jax.scene import Scene

FLAGS = flags.FlagValues()
flags.DEFINE_list("scenes", [], "folders of scenes with known people", flag_values=FLAGS)
flags.DEFINE_list("pairs", [], "files of pairs, of prosepose_jax.synthetic.make_pairs", flag_values=FLAGS)
flags.DEFINE_string("workdir", None, "folder to write to", flag_values=FLAGS)
flags.DEFINE_integer("steps", 20_000, "in all", 1, flag_values=FLAGS)
flags.DEFINE_integer("batch", 256, "pairs a step", 1, flag_values=FLAGS)
flags.DEFINE_float("learning_rate", 1e-4, "of Adam", 0.0, flag_values=FLAGS)
flags.DEFINE_integer("warmup", 0, "steps in which the rate rises from 0", 0, flag_values=FLAGS)
flags.DEFINE_float("transl", 200.0, "weight of the way from person to person", 0.0, flag_values=FLAGS)
flags.DEFINE_bool("conditional", False, "guided by the scenes' initial estimates", flag_values=FLAGS)
flags.DEFINE_integer("width", 96, "of a token (published: 152)", 8, flag_values=FLAGS)
flags.DEFINE_integer("layers", 4, "of the network (published: 6)", 1, flag_values=FLAGS)
flags.DEFINE_integer("heads", 8, "of attention", 1, flag_values=FLAGS)
flags.DEFINE_integer("hidden", 256, "width of the feed-forward part (published: 500)", 1, flag_values=FLAGS)
flags.DEFINE_float("dropout", 0.1, "share, in training alone", 0.0, 0.9, flag_values=FLAGS)
flags.DEFINE_integer("save_every", 500, "steps between two states on disk", 1, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "of everything random", 0, flag_values=FLAGS)
flags.DEFINE_bool("tensorboard", False, "also write DIR/tensorboard (extra tensorboard)", flag_values=FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)

_HELD_OUT = 0.1
_FEWEST = 10  # pairs
# What a run that goes on must have in common with the one before; --steps, --save_every and --tensorboard may differ.
_SAME = (
    "batch", "learning_rate", "warmup", "transl", "conditional", "width", "layers", "heads", "hidden", "dropout",
    "seed",
)  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    return run_verb("train-prior", __doc__, FLAGS, argv, _run)


def _run() -> int:
    if not FLAGS.scenes and not FLAGS.pairs:
        raise InputError("--scenes is missing: folders of scenes with known people (or --pairs: files of pairs)")
    if not FLAGS.workdir:
        raise InputError("--workdir is missing: the folder to write to")
    if FLAGS.pairs and FLAGS.conditional:
        raise InputError("--pairs: files of pairs have no estimates to guide a --conditional network; use --scenes")
    if FLAGS.width % (2 * FLAGS.heads):
        raise InputError(f"--width={FLAGS.width}: expected a multiple of twice --heads={FLAGS.heads}")
    from prosepose_jax.apps._runtime import set_up_jax

    set_up_jax()
    import jax

    from prosepose_jax.diffusion import Buddi, Trainer, Training
    from prosepose_jax.io.claim import claimed, make_folder

    if FLAGS.batch % jax.local_device_count():
        raise InputError(f"--batch={FLAGS.batch}: expected a multiple of the {jax.local_device_count()} devices")
    learnt, held_out, mark = _pairs()
    network = Buddi(
        conditional=FLAGS.conditional, width=FLAGS.width, layers=FLAGS.layers, heads=FLAGS.heads, hidden=FLAGS.hidden,
        dropout=FLAGS.dropout,
    )  # fmt: skip
    training = Training(batch=FLAGS.batch, learning_rate=FLAGS.learning_rate, warmup=FLAGS.warmup, transl=FLAGS.transl)
    trainer = Trainer(network, learnt, training)
    workdir = Path(FLAGS.workdir)
    make_folder(workdir, "the folder of the training")
    with claimed(workdir):
        _lock(workdir / "training.json", {name: FLAGS[name].value for name in _SAME} | {"pairs": mark})
        state = _restored(workdir / "state.msgpack", trainer.begin(FLAGS.seed))
        if not 0 <= int(state.step) <= FLAGS.steps:
            print(f"note: {int(state.step)} steps are done already", file=sys.stderr)
        state, last = _train(trainer, state, held_out, workdir)
    print(f"{int(state.step)} steps on {learnt.size} pairs, held-out loss {last:.4g} on {held_out.size}")
    print(f"written: {workdir / 'prior.npz'} ({(workdir / 'prior.npz').stat().st_size / 1e6:.1f} MB)")
    return 0


def _train(trainer: Any, state: TrainState, held_out: PairSet, workdir: Path) -> tuple[TrainState, float]:
    """Trains to --steps, saving on the way; the state and the last held-out loss."""
    import jax
    from flax import serialization

    from prosepose_jax.apps._board import Scalars
    from prosepose_jax.apps._progress import Progress
    from prosepose_jax.diffusion import held_out_loss, save_prior
    from prosepose_jax.io.atomic import write_bytes

    @jax.jit
    def judge(weights: Any) -> jax.Array:
        key = jax.random.key(FLAGS.seed)
        return held_out_loss(trainer.network, weights, trainer.schedule, held_out, key, trainer.training)

    last = float(judge(state.average))
    with (
        Progress(max(FLAGS.steps - int(state.step), 0), "train", "step", notes=True) as progress,
        Scalars(workdir, FLAGS.tensorboard, "train") as board,
        open(workdir / "losses.jsonl", "a", encoding="utf-8") as log,
    ):
        while int(state.step) < FLAGS.steps:
            count = min(FLAGS.save_every, FLAGS.steps - int(state.step))
            state, found = trainer.run(state, count)
            last = found["held_out"] = float(judge(state.average))
            step = int(state.step)
            write_bytes(workdir / "state.msgpack", serialization.to_bytes(jax.device_get(state)))
            save_prior(workdir / "prior.npz", trainer.network, jax.device_get(state.average))
            log.write(json.dumps({"step": step} | found) + "\n")
            log.flush()
            board.add(step, found)
            progress.step(f"loss {found['loss']:.4g}, held out {last:.4g}", count)
    if not (workdir / "prior.npz").is_file():  # stopped between the two files
        save_prior(workdir / "prior.npz", trainer.network, jax.device_get(state.average))
    return state, last


def _pairs() -> tuple[PairSet, PairSet, str]:
    """Pairs to learn from, pairs held out, and a mark of them all."""
    import numpy as np

    from prosepose_jax.io import load_scenes

    people: list[tuple[Any, ...]] = []
    source: list[tuple[str, int]] = []  # pairs of one source show the same people: all are learnt from, or none
    for folder in FLAGS.scenes:
        scenes = load_scenes(folder)
        for key, reason in scenes.failures.items():
            print(f"note: {key}: {reason}", file=sys.stderr)
        people += _known(scenes)
        source += [("", number) for number in range(len(source), len(people))]
    for file in FLAGS.pairs:
        made, sources = _made(Path(file))
        people += made
        source += [(file, number) for number in sources]
    groups = list(dict.fromkeys(source))
    if len(groups) < _FEWEST:
        raise InputError(
            f"--scenes={','.join(FLAGS.scenes)}: expected {_FEWEST} scenes or more of two people with ground truth "
            f"(gt_global_orient, gt_body_pose, gt_betas, gt_transl), found {len(groups)}"
        )
    away = held_out_of(groups, FLAGS.seed)
    mark = hashlib.sha256()
    for pair in people:
        for values in pair:
            mark.update(np.ascontiguousarray(values, np.float32).tobytes())
    return (
        _pair_set([pair for pair, mine in zip(people, source, strict=True) if mine not in away]),
        _pair_set([pair for pair, mine in zip(people, source, strict=True) if mine in away]),
        mark.hexdigest()[:16],
    )


def held_out_of(groups: Sequence[Any], seed: int) -> set[Any]:
    """A tenth of them, one at least."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(groups))
    return {groups[i] for i in order[: max(1, round(_HELD_OUT * len(groups)))]}


def _made(file: Path) -> tuple[list[tuple[Any, ...]], list[int]]:
    """The pairs of a file of `prosepose_jax.synthetic.make_pairs`, as `_known` has them, and whose people they show."""
    import numpy as np

    from prosepose_jax.io._npz import FieldReader, read_npz

    reader = FieldReader(file, read_npz(file))
    shapes: dict[str, tuple[int | str, ...]] = {
        "global_orient": ("N", 2, 3), "body_pose": ("N", 2, 21, 3), "betas": ("N", 2, "B"), "kid_scale": ("N", 2),
        "transl": ("N", 2, 3),
    }  # fmt: skip
    columns = [reader.floats(name, shape) for name, shape in shapes.items()]
    source = np.asarray(reader.floats("source", ("N",)), np.int64)
    for name, column in zip(shapes, columns, strict=True):
        if len(column) != len(source):
            raise reader.fail(name, f"expected one entry for each of {len(source)} sources, found {len(column)}")
    return [tuple(column[i] for column in columns) for i in range(len(source))], source.tolist()


def _known(scenes: Sequence[Scene]) -> Iterator[tuple[Any, ...]]:
    """Orientation, pose, betas, child scale and place of the true people, then of the estimate."""
    import numpy as np

    for scene in scenes:
        if scene.num_people != 2:
            continue
        true = (scene.gt_global_orient, scene.gt_body_pose, scene.gt_betas, scene.gt_transl)
        if any(values is None for values in true):
            continue
        kid = np.zeros(2) if scene.kid_scale is None else scene.kid_scale
        of_truth = kid if scene.gt_kid_scale is None else scene.gt_kid_scale
        guess = (scene.global_orient, scene.body_pose, scene.betas, kid, scene.transl)
        yield (*true[:3], of_truth, true[3], *guess)


def _pair_set(people: Sequence[tuple[Any, ...]]) -> PairSet:
    import jax.numpy as jnp
    import numpy as np

    from prosepose_jax.body import BodyParams
    from prosepose_jax.diffusion import PairSet, from_params

    def pair(columns: Sequence[Sequence[Any]]) -> Any:
        orient, pose, betas, kid, transl = columns
        most = max(np.shape(one)[1] for one in betas)
        wide = [np.pad(one, ((0, 0), (0, most - np.shape(one)[1]))) for one in betas]
        stacked = {
            "global_orient": orient, "body_pose": [np.reshape(one, (2, 21, 3)) for one in pose], "betas": wide,
            "kid_scale": kid, "transl": transl,
        }  # fmt: skip
        arrays: dict[str, Any] = {name: jnp.asarray(np.stack(values), jnp.float32) for name, values in stacked.items()}
        return from_params(dataclasses.replace(BodyParams.zeros(2), **arrays))

    guidance = pair(list(zip(*(one[5:] for one in people), strict=True))) if FLAGS.conditional else None
    return PairSet(pair(list(zip(*(one[:5] for one in people), strict=True))), guidance)


def _lock(file: Path, this: dict[str, Any]) -> None:
    """Refuses to go on with other settings or pairs than those of the folder."""
    from prosepose_jax.io import write_json
    from prosepose_jax.io.lock import read_lock

    if not file.is_file():
        write_json(file, this)
        return
    known = read_lock(file, "a training's settings")
    differ = [name for name in this if not isinstance(known, dict) or known.get(name) != this[name]]
    if differ:
        raise InputError(f"{file}: this folder's training has another {', '.join(differ)}; use another --workdir")


def _restored(file: Path, fresh: TrainState) -> TrainState:
    """The state on disk, or a fresh one where there is none."""
    if not file.is_file():
        return fresh
    from flax import serialization

    from prosepose_jax.untrusted import read_bytes

    try:
        state: TrainState = serialization.from_bytes(fresh, read_bytes(file, 1 << 30))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: not a training's state ({error}); remove it to begin anew") from None
    return state


if __name__ == "__main__":
    sys.exit(main(sys.argv))
