"""The papers' tables: rows, published figures, intervals, differences, and their files (docs/table.md)."""

from prosepose_jax.tables.rows import ROWS, RowSpec, annotated_answer
from prosepose_jax.tables.table import Table, initial_entries, make_table
from prosepose_jax.tables.writing import FORMATS, to_csv, to_json, to_latex, to_markdown, to_text

__all__ = [
    "FORMATS",
    "ROWS",
    "RowSpec",
    "Table",
    "annotated_answer",
    "initial_entries",
    "make_table",
    "to_csv",
    "to_json",
    "to_latex",
    "to_markdown",
    "to_text",
]
