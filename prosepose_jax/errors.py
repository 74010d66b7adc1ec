"""Errors a user can mend."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used. The message names the file, the field and what was expected."""
