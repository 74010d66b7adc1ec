"""JSON within budgets of bytes, values, depth and digits."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import budgets
from prosepose_jax.untrusted.edge import as_input_error, read_bytes


class NotJson(InputError):
    """The text is no JSON.

    Attributes:
      reason: what is wrong with it, and where.
    """

    def __init__(self, source: object, reason: str) -> None:
        super().__init__(f"{source}: not JSON: {reason}")
        self.reason = reason


def read_json(path: str | os.PathLike[str]) -> Any:
    """The value in a JSON file, with or without a byte order mark.

    Raises:
      InputError: missing, no UTF-8, not JSON, or beyond a budget; names the file and the budget.
    """
    return parse_json(read_bytes(path, budgets.JSON_BYTES), os.fspath(path))


def parse_json(text: str | bytes, source: object, most: int = budgets.JSON_VALUES) -> Any:
    """The value of a JSON text.

    Args:
      text: the text, or its UTF-8 bytes.
      source: of the text, for messages.
      most: values in it.

    Raises:
      NotJson: it is none.
      InputError: no UTF-8, or beyond a budget.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{source}: expected UTF-8 text, found bytes that are none ({error.reason})") from error
    # Every value but the first follows a comma, a bracket or a brace: counted before anything is built.
    # Commas within texts are counted too, so a text of as many commas is refused: none has them.
    if sum(map(text.count, ",[{")) > most:
        raise InputError(f"{source}: holds more than the budget of {most:,} values")

    def whole(digits: str) -> int:
        if len(digits) > budgets.JSON_DIGITS:
            raise InputError(
                f"{source}: holds a whole number of {len(digits)} digits, the budget is {budgets.JSON_DIGITS}"
            )
        return int(digits)

    try:
        with as_input_error(source):
            value = json.loads(text, parse_int=whole)
    except InputError as error:
        if isinstance(error.__cause__, json.JSONDecodeError):
            bad = error.__cause__
            raise NotJson(source, f"{bad.msg} at line {bad.lineno}, column {bad.colno}") from bad
        raise
    _check_depth(value, source)
    return value


def _check_depth(value: Any, source: object) -> None:
    level = [value]
    for _ in range(budgets.JSON_DEPTH + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise InputError(f"{source}: is nested deeper than the budget of {budgets.JSON_DEPTH} levels")


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
