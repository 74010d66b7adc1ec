"""What every verb that computes sets up once: JAX's compilation cache and how its notices reach a person."""

from __future__ import annotations

import os

from prosepose_jax.body import cache_dir


def set_up_jax() -> None:
    """Keeps compiled programs between runs, unless $JAX_COMPILATION_CACHE_DIR says where or "" says not to."""
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
