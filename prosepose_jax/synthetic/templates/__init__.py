"""The library of interactions: how two people (or one) are posed, and what touches.

A template poses its figures roughly with `Figure`'s anatomical helpers, varied by a random generator, and
names the contacts it intends; `refine` closes the gaps. World frame: x to the side, y up, floor at y = 0.
"""

from __future__ import annotations

from prosepose_jax.synthetic.templates import care, embraces, everyday, meeting_hands, yoga
from prosepose_jax.synthetic.templates.base import Entry, Intent, Template

_FIRST = ("hug", "handshake", "arm_over_shoulder", "hug_from_behind", "dance_hold", "hand_on_head")
PACKAGED = (*_FIRST, "tree", "cobbler", "seated_fold", "childs_pose")
"""Templates of the packaged scenes; they are the first of their kinds, in this order."""

_PAIRS = embraces.TEMPLATES | meeting_hands.TEMPLATES | care.TEMPLATES
_ALONE = yoga.TEMPLATES | everyday.TEMPLATES
_ENTRIES: dict[str, Entry] = {name: _PAIRS[name] for name in _FIRST} | _PAIRS | _ALONE

TWO_PERSON: dict[str, Template] = {name: _ENTRIES[name].pose for name in _ENTRIES if name in _PAIRS}
SELF_CONTACT: dict[str, Template] = {name: entry.pose for name, entry in _ALONE.items()}
AZIMUTHS: dict[str, tuple[float, ...]] = {name: entry.azimuths for name, entry in _ENTRIES.items()}
TALLER_FIRST = frozenset(name for name, entry in _ENTRIES.items() if entry.taller_first)

__all__ = ["AZIMUTHS", "PACKAGED", "SELF_CONTACT", "TALLER_FIRST", "TWO_PERSON", "Entry", "Intent", "Template"]
