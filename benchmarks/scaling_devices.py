"""One process on 1, 2, 4, 8 simulated devices of a CPU: the same fits, and what more devices cost where none is real.

    python benchmarks/scaling_devices.py [--devices=1,2,8] [--scenes=64]

Metric: processor seconds a scene of the fits, lower is better. Simulated devices (XLA's
--xla_force_host_platform_device_count) share the cores, so no time is won: what is real is that every device gets its
part, that the fits are those of one device (a difference ends the script), and that each device of a CPU compiles for
itself. `spread` is how many devices had calls. The small body of the tests, two steps a stage, moved copies of a
packaged scene, which fall back.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from _common import CACHE, ROOT, Ratio, machine, make_parser, numbers, print_row, write_result

SMALL_BODY = ROOT / "tests" / "data" / "small_body.npz"
STEPS, SCENES_PER_CALL, BATCH = 2, 16, 8


def run_on(devices: int, scenes: Path, out: Path) -> dict[str, Any]:
    """Fits the scenes in this process, twice, the second time with compiled programs; the figures of the second."""
    import jax

    from prosepose_jax.body import load_body
    from prosepose_jax.config import load_config
    from prosepose_jax.fitting import Fitter
    from prosepose_jax.io import load_scenes, save_fit

    assert jax.local_device_count() == devices, jax.local_device_count()
    config = load_config("two_person")
    config.stage1.steps = config.stage2.steps = STEPS
    config.batch_size, config.scenes_per_call = BATCH, SCENES_PER_CALL
    fitter = Fitter(load_body(SMALL_BODY), config)
    called: set[Any] = set()
    real = fitter.call

    def call(device: Any, *args: Any, **static: Any) -> Any:
        called.add(device)
        return real(device, *args, **static)

    fitter.call = call  # type: ignore[method-assign]
    loaded = list(load_scenes(scenes))
    for _ in range(2):
        begin, cpu = time.perf_counter(), time.process_time()
        fits = list(fitter.fit(loaded, lambda key: []))
        seconds, used = time.perf_counter() - begin, time.process_time() - cpu
    for fit in fits:
        save_fit(out, fit)
    return {"devices": devices, "spread": len(called), "scenes": len(fits), "seconds": seconds, "cpu_s": used,
            "cpu_s_a_scene": used / len(fits), "compile_s": fitter.timing.compile}  # fmt: skip


def main() -> int:
    """Prints a line a number of devices; writes the result file."""
    parser = make_parser(__doc__ or "", "scaling_devices")
    parser.add_argument("--devices", type=numbers, default=[1, 2, 8])
    parser.add_argument("--scenes", type=int, default=64)
    parser.add_argument("--folder", type=Path, default=CACHE / "scaling_devices", help="for scenes and fits; removed")
    parser.add_argument("--here", type=int, default=0, help="so many devices in this process (used by the script)")
    options = parser.parse_args()
    scenes = options.folder / "scenes"
    if options.here:
        print(json.dumps(run_on(options.here, scenes, options.folder / str(options.here))))
        return 0
    from many_scenes import write_scenes
    from scaling_ray import differences

    from prosepose_jax.io import load_fits

    shutil.rmtree(options.folder, ignore_errors=True)
    write_scenes(scenes, options.scenes)
    started, rows = machine(), []
    for count in options.devices:
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
        command = [sys.executable, __file__, f"--here={count}", f"--folder={options.folder}"]
        done = subprocess.run(
            command, env={**os.environ, "XLA_FLAGS": flags}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 1
        first = load_fits(options.folder / str(options.devices[0]))
        found = differences(load_fits(options.folder / str(count)), first)
        rows.append({**json.loads(done.stdout), "load": os.getloadavg()[0], "differences": len(found)})
        print_row(rows[-1])
        if found or len(first) != options.scenes:
            raise SystemExit(f"{count} devices: {len(found)} differences: {found[:5]}")
    shutil.rmtree(options.folder)
    least, most = rows[0], rows[-1]
    what = f"processor seconds a scene on {most['devices']} devices / on {least['devices']}"
    ratio = Ratio(what, most["cpu_s_a_scene"] / least["cpu_s_a_scene"], "lower")
    write_result(
        options.out, "scaling_devices", metric="fits on simulated devices", unit="seconds", better="lower", rows=rows,
        ratios=[ratio], started=started,
        settings={"devices": options.devices, "scenes": options.scenes, "steps": STEPS,
                  "scenes_per_call": SCENES_PER_CALL, "batch_size": BATCH},
        notes=["simulated devices share the machine's cores: the table shows equality and overhead, no speed-up"],
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
