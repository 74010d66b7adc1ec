"""Mutated files of every reader of estimates: nothing but InputError, nothing executed, no hang, bounded memory.

    python tests/importing/fuzz_estimates.py [--count=20000] [--seed=0]

Half of the mutations change bytes of a right file, half change its contents (a field is dropped, or becomes something
else) and write it again. Prints what went wrong and exits 1, or one line of figures.
"""

from __future__ import annotations

import argparse
import copy
import os
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from foreign_containers import write_joblib, write_npz, write_pickle, write_pickle_with_tensors, write_torch
from foreign_tools import MINIATURES, Case, make

from prosepose_jax.errors import InputError
from prosepose_jax.importing.containers import read_tree
from prosepose_jax.importing.sources.table import open_estimates

SECONDS = 2.0
MEMORY_KIB = 1 << 20
_WRITERS = (write_pickle, write_joblib, write_torch, write_pickle_with_tensors, write_npz)
_CALL = b"cos\nmkdir\n(S'%s'\ntR."


def mutate_bytes(rng: np.random.Generator, data: bytes, trap: str) -> bytes:
    """One to a few changes of a file's bytes."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at, length = int(rng.integers(0, len(out) + 1)), int(rng.integers(1, 9))
        kind = rng.integers(0, 8)
        if kind == 0 and out:
            out[min(at, len(out) - 1)] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            out[at : at + length] = rng.bytes(length)
        elif kind == 2:
            del out[at : at + length]
        elif kind == 3:
            out[at:at] = rng.bytes(length)
        elif kind == 4:
            del out[at:]
        elif kind == 5:
            out[at : at + 4] = b"\xff\xff\xff\x3f"
        elif kind == 6:
            out[at:at] = out[: int(rng.integers(0, 200))]
        else:
            out[at : at + 1] = _CALL % trap.encode()
    return bytes(out)


_SHAPES = ((), (0,), (1,), (2,), (3, 3), (2, 0), (2, 72), (1, 24, 3, 3), (2, 3), (5, 1, 2))


def other_value(rng: np.random.Generator, value: Any) -> Any:
    """Something else in a field's place."""
    kind = rng.integers(0, 12)
    array = np.array(value, copy=True) if isinstance(value, (np.ndarray, np.generic, float, int)) else np.ones((2, 3))
    if array.dtype.kind not in "fiub":
        array = np.ones((2, 3))
    if kind < 4 and array.dtype.kind in "fiu" and array.size:
        changed = array.astype(np.float64)
        changed.reshape(-1)[int(rng.integers(0, array.size))] = (np.nan, np.inf, 1e30, -1e30)[kind]
        return changed
    with np.errstate(all="ignore"):
        million = array * 1e6
    choices = (
        None, "text", b"bytes", True, -1, 1e308, [], {}, {"a": 1}, [[1, 2], [3]], [{}],
        np.zeros_like(array), array * -1.0, million, array.reshape(-1)[:-1], array[None], np.array(["x"]), [value],
        [value, value], rng.normal(size=_SHAPES[int(rng.integers(0, len(_SHAPES)))]), np.zeros(3, complex), 10**30,
        {1: value},
    )  # fmt: skip
    return choices[int(rng.integers(0, len(choices)))]


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every entry of nested containers: the container and the key."""
    found: list[tuple[Any, Any]] = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += [(tree, key), *places(value)]
    return found


def mutate_tree(rng: np.random.Generator, tree: Any) -> Any:
    """One to a few fields dropped, changed or exchanged."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.integers(1, 4)):
        entries = places(tree)
        if not entries:
            return tree
        container, key = entries[int(rng.integers(0, len(entries)))]
        kind = rng.integers(0, 6)
        if kind == 0:
            del container[key]
        elif kind == 1:
            other, name = entries[int(rng.integers(0, len(entries)))]
            container[key] = copy.deepcopy(other[name])
        elif kind == 2 and isinstance(container, dict):
            container[str(rng.choice(["transl", "poses", "K", "img_size", "fps", "frame_ids"]))] = container.pop(key)
        else:
            container[key] = other_value(rng, container[key])
    return tree


def attempt(rng: np.random.Generator, case: Case, tree: Any, folder: Path, image: Path, trap: str) -> str | None:
    """Reads one mutated miniature; what went wrong, or None."""
    path = folder / "mutated.pkl"
    if tree is not None and rng.random() < 0.5:
        changed = mutate_tree(rng, tree)
        writer = _WRITERS[int(rng.integers(0, len(_WRITERS)))]
        if writer is write_npz and not isinstance(changed, dict):
            writer = write_pickle
        try:
            writer(path, changed)
        except (KeyError, TypeError, ValueError, AttributeError):  # numpy and torch know no such thing
            write_pickle(path, changed)
    else:
        path.write_bytes(mutate_bytes(rng, case.paths[0].read_bytes(), trap))
    start = time.process_time()
    try:
        opened = open_estimates(
            [path, *case.paths[1:]], image if rng.random() < 0.7 else None, frame=case.frame, focal=case.given_focal
        )
        opened.frames()
        opened.read()
    except InputError as error:
        if "mutated.pkl" not in str(error) and all(str(p) not in str(error) for p in (*case.paths, image)):
            return f"a message without the file's name: {error}"
    except Exception:
        return traceback.format_exc()
    if os.path.exists(trap):
        return "something was executed"
    seconds = time.process_time() - start
    return f"took {seconds:.1f} s" if seconds > SECONDS else None


def run(people: Any, folder: Path, image: Path, count: int, seed: int) -> list[tuple[str, int, str]]:
    """Mutates so many files; (miniature, number, what went wrong) of each that was not read or refused as it should."""
    names = [name for name in MINIATURES if name != "smplerx"]  # of a folder
    cases = {name: make(name, people, folder / name.replace(" ", "_")) for name in names}
    trees = {name: read_tree(case.paths[0]) for name, case in cases.items()}
    trap, wrong = str(folder / "trap"), []
    for number in range(count):
        name = names[number % len(names)]
        problem = attempt(np.random.default_rng([seed, number]), cases[name], trees[name], folder, image, trap)
        if problem is not None:
            wrong.append((name, number, problem))
    return wrong


def main() -> int:
    from foreign_files import make_people, write_image

    from prosepose_jax.body import load_body

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        people = make_people(load_body(), [(-0.3, 3.4), (0.3, 3.7)], [0.0, 0.0])
        start = time.monotonic()
        image = write_image(Path(name) / "a.png")
        wrong = run(people, Path(name), image, flags.count, flags.seed)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for case, number, problem in wrong[:20]:
        print(f"--- {case}, number {number}\n{problem}")
    seconds = time.monotonic() - start
    print(f"{flags.count} files in {seconds:.0f} s: {len(wrong)} wrong, at most {memory / 1024:.0f} MiB")
    return int(bool(wrong) or memory > MEMORY_KIB)


if __name__ == "__main__":
    sys.exit(main())
