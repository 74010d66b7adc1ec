"""The volume that people share, against the boolean intersection of their meshes (needs `pip install manifold3d`).

    python benchmarks/shared_volume.py [--pairs=24]

Metric: difference in percent of the intersection's volume, lower is better. Pairs are the packaged two-person scenes'
true people, moved a little. Where a mesh overlaps itself the two do not mean the same: ours counts the place once.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from _common import machine, make_parser, print_row, write_result

from prosepose_jax.apps._runtime import set_up_jax
from prosepose_jax.body import load_body
from prosepose_jax.io import load_scenes
from prosepose_jax.metrics import Evaluator
from prosepose_jax.metrics.penetration import penetration_in
from prosepose_jax.resources import demo_dir


def main() -> None:
    """Measures, prints the table, writes the result file."""
    parser = make_parser(__doc__, "shared_volume")
    parser.add_argument("--pairs", type=int, default=24)
    flags = parser.parse_args()
    import manifold3d

    started = machine()
    set_up_jax()
    evaluator = Evaluator(load_body())
    ids, local = np.unique(evaluator.patches.hull.faces, return_inverse=True)
    faces = local.reshape(-1, 3).astype(np.uint32)

    def solid(vertices: np.ndarray) -> manifold3d.Manifold:
        return manifold3d.Manifold(manifold3d.Mesh(np.asarray(vertices[ids], np.float32), faces))

    rng, rows = np.random.default_rng(0), []
    bases = [scene for scene in load_scenes(demo_dir() / "scenes") if scene.num_people == 2]
    for number in range(flags.pairs):
        base = bases[number % len(bases)]
        assert base.gt_body_pose is not None and base.gt_transl is not None
        scene = dataclasses.replace(
            base,
            gt_body_pose=base.gt_body_pose + 0.03 * rng.normal(size=base.gt_body_pose.shape).astype(np.float32),
            gt_transl=base.gt_transl + 0.02 * rng.normal(size=base.gt_transl.shape).astype(np.float32),
        )
        people = evaluator.truth(scene)
        assert people is not None
        litres = penetration_in(evaluator.patches, people[0])[1]
        exact = 1000.0 * (solid(people[0][0]) ^ solid(people[0][1])).volume()
        off = 100.0 * (litres - exact) / exact if exact else 0.0
        rows.append({"scene": base.key, "litres": litres, "intersection": exact, "off_percent": off})
        print_row(rows[-1])
    write_result(
        flags.out, "shared_volume", metric="difference to the intersection", unit="%", better="lower", rows=rows,
        ratios=[], settings={"pairs": flags.pairs}, started=started,
    )  # fmt: skip


if __name__ == "__main__":
    main()
