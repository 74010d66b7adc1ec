"""What answers say beyond touch: a second table with a fixed vocabulary, as arrays of votes (docs/beyond_touch.md)."""

from __future__ import annotations

from prosepose_jax.language.parse import ParsedTable, TableRow, parse_second_table
from prosepose_jax.language.vocabulary import QUESTIONS, Question, question_names, question_place
from prosepose_jax.language.votes import Votes, aligned, compile_votes, count_votes

__all__ = [
    "QUESTIONS",
    "ParsedTable",
    "Question",
    "TableRow",
    "Votes",
    "aligned",
    "compile_votes",
    "count_votes",
    "parse_second_table",
    "question_names",
    "question_place",
]
