"""Reading what others wrote: regular files, JSON and archives, each within a budget (docs/security.md)."""

from prosepose_jax.untrusted.edge import as_input_error, one_line, open_regular, printable, read_bytes, shown
from prosepose_jax.untrusted.json_file import parse_json, read_json
from prosepose_jax.untrusted.npz_file import read_members, read_npy

__all__ = [
    "as_input_error",
    "one_line",
    "open_regular",
    "parse_json",
    "printable",
    "read_bytes",
    "read_json",
    "read_members",
    "read_npy",
    "shown",
]
