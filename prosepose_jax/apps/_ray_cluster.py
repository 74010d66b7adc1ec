"""A Ray cluster for the time of a command, and what an actor takes of it."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

from absl import flags

from prosepose_jax.apps._progress import is_quiet
from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import one_line

_PASSED_ON = ("JAX_COMPILATION_CACHE_DIR",)  # to the nodes of a cluster; a local one inherits everything


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Which cluster.

    Attributes:
      address: of the cluster; "": a local one is started.
      actors: at most; 0: as many as the cluster has devices for now.
    """

    address: str = ""
    actors: int = 0


def define_ray_flags(values: flags.FlagValues) -> None:
    """--runner, --ray_address and --ray_actors."""
    flags.DEFINE_enum("runner", "local", ["local", "ray"], "this process, or a Ray cluster",
                      flag_values=values)  # fmt: skip
    flags.DEFINE_string("ray_address", "", "of the cluster; default: a local one is started", flag_values=values)
    flags.DEFINE_integer("ray_actors", None, "workers on Ray; default: one a device", flag_values=values)


def cluster_from_flags(values: flags.FlagValues) -> Cluster | None:
    """The cluster that the flags name; None: the command runs in this process."""
    if values["runner"].value != "ray":
        return None
    return Cluster(str(values["ray_address"].value), values["ray_actors"].value or 0)


@contextlib.contextmanager
def joined(cluster: Cluster) -> Iterator[Any]:
    """The module `ray`, joined to the cluster until the context ends.

    Raises:
      InputError: Ray is not installed, or the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError(f"--runner=ray needs Ray: pip install 'prosepose_jax[ray]' ({error})") from None
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    where: dict[str, Any] = (
        {"address": cluster.address, "runtime_env": {"env_vars": environment}}
        if cluster.address
        else {"num_cpus": max(cluster.actors, os.cpu_count() or 1), "include_dashboard": False}
    )
    try:
        with warnings.catch_warnings():
            # JAX warns of forks; what Ray forks becomes another program at once.
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            ray.init(log_to_driver=not is_quiet(), logging_level=logging.ERROR, **where)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"--ray_address={cluster.address}: no cluster there ({one_line(error)})") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def leave_devices_alone() -> None:
    """Keeps this process on the CPU: a driver leaves the devices to its actors."""
    import jax

    jax.config.update("jax_platforms", "cpu")


def enter(folder: str) -> None:
    """Makes the driver's folder that of an actor, where its machine has it: so relative paths mean the same."""
    with contextlib.suppress(OSError):
        os.chdir(folder)


def actor_resources(cluster: dict[str, float]) -> dict[str, Any]:
    """What an actor that fits asks of the cluster: one GPU, the TPU chips of one host, or one core."""
    if cluster.get("GPU", 0) >= 1:
        return {"num_gpus": 1, "num_cpus": 1}
    if cluster.get("TPU", 0) >= 1:
        return {"resources": {"TPU": min(4, int(cluster["TPU"]))}, "num_cpus": 1}
    return {"num_cpus": 1}


def how_many(cluster: dict[str, float], wanted: dict[str, Any]) -> int:
    """For how many actors the cluster has room now, at least one."""
    if "num_gpus" in wanted:
        return max(1, int(cluster["GPU"]))
    if "resources" in wanted:
        return max(1, int(cluster["TPU"]) // wanted["resources"]["TPU"])
    return max(1, int(cluster.get("CPU", 1)))
