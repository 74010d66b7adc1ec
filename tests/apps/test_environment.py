"""JAX's variables in the environment: the command works with the same result, or says in one line why not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from prosepose_jax._environment import _FIXED, is_command, settle

# A stand-in for a verb: what JAX makes of the settings, without fitting anything.
PROBE = (
    "import sys; sys.argv[0] = '/bin/prosepose'\n"
    "import prosepose_jax, jax, jax.numpy as jnp\n"
    "from prosepose_jax.apps._runtime import set_up_jax\n"
    "from prosepose_jax.errors import InputError\n"
    "try:\n"
    "    set_up_jax()\n"
    "except InputError as error:\n"
    "    print(f'prosepose: {error}', file=sys.stderr)\n"
    "    sys.exit(2)\n"
    "nan = jax.jit(lambda x: jnp.log(x))(jnp.full((2, 2), -1.0) + jnp.ones(2, jnp.float16))\n"
    "print(nan.dtype, jax.random.normal(jax.random.PRNGKey(0), (3,)).tolist(), jnp.arange(3).dtype)\n"
)


def _run(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_"))}
    environment = clean | {"JAX_COMPILATION_CACHE_DIR": "", "JAX_PLATFORMS": "cpu"} | variables
    return subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.heavy
def test_settings_of_other_programs_change_nothing() -> None:
    plain = _run({})
    assert plain.returncode == 0 and not plain.stderr, plain.stderr
    turned = {
        "JAX_ENABLE_X64": "1", "JAX_DEBUG_NANS": "True", "JAX_NUMPY_RANK_PROMOTION": "raise",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict", "JAX_THREEFRY_PARTITIONABLE": "0", "JAX_DEFAULT_PRNG_IMPL": "rbg",
        "JAX_TRANSFER_GUARD": "disallow", "JAX_ENABLE_CUSTOM_PRNG": "1", "JAX_DISABLE_JIT": "1",
        "JAX_LOG_COMPILES": "0", "JAX_DEFAULT_MATMUL_PRECISION": "highest",
    }  # fmt: skip
    done = _run(turned)
    assert done.returncode == 0, done.stderr
    assert done.stdout == plain.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("note: not followed") and "JAX_ENABLE_X64" in line and "MATMUL" not in line


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"JAX_PLATFORMS": "tpu"}, ("no device", "JAX_PLATFORMS=tpu")),
        ({"JAX_PLATFORMS": "frog"}, ("no device", "frog")),
        ({"XLA_FLAGS": "--xla_no_such_flag=1"}, ("XLA_FLAGS=--xla_no_such_flag=1", "Unknown flag")),
        ({"JAX_DEFAULT_MATMUL_PRECISION": "best"}, ("best", "jax_default_matmul_precision")),
    ],
)
def test_what_cannot_work_is_one_line(variables: dict[str, str], words: tuple[str, ...]) -> None:
    done = _run(variables)
    assert done.returncode == 2 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("prosepose: ") and all(word in line for word in words), line


@pytest.mark.heavy
def test_a_folder_that_cannot_be_written_is_noted() -> None:
    done = _run({"JAX_COMPILATION_CACHE_DIR": "/dev/null/cache"})
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("note: compiled programs are not kept, /dev/null/cache")


def test_settle_leaves_what_says_the_same() -> None:
    environment = {"JAX_ENABLE_X64": "False", "JAX_THREEFRY_PARTITIONABLE": "true", "JAX_PLATFORMS": "cpu", "HOME": "x"}
    assert settle(environment) == []
    assert environment["JAX_PLATFORMS"] == "cpu" and environment["JAX_ENABLE_X64"] == "0"
    junk = dict.fromkeys(_FIXED, "maybe")
    assert settle(junk) == list(_FIXED) and junk == _FIXED


@pytest.mark.parametrize(
    ("arguments", "original", "expected"),
    [
        (["/usr/bin/prosepose", "fit"], ["python", "/usr/bin/prosepose", "fit"], True),
        (["C:/x/prosepose.exe"], ["C:/x/prosepose.exe"], True),
        (["-m", "fit"], ["python", "-m", "prosepose_jax", "fit"], True),
        (["train.py"], ["python", "train.py"], False),
        (["/usr/bin/pytest", "prosepose"], ["python", "-m", "pytest", "prosepose"], False),
        ([], [], False),
    ],
)
def test_only_the_command_is_settled(arguments: list[str], original: list[str], expected: bool) -> None:
    assert is_command(arguments, original) is expected
