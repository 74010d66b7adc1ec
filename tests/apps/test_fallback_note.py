"""What the fit says about a scene whose answers it does not use."""

from __future__ import annotations

from prosepose_jax.apps._run import why_fallback
from prosepose_jax.scene import Fit


def test_an_honest_none_is_said():
    said = why_fallback(Fit("a", "fallback", answers=3, answers_none=3))
    assert "all 3 answers say that nothing touches" in said and "expected" not in said


def test_a_none_among_others_is_counted():
    said = why_fallback(Fit("a", "fallback", answers=3, answers_none=2, rows_rejected=1, rejected=(("x", "y"),)))
    assert "2 say that nothing touches" in said and "first is 'x'" in said
    assert "nothing touches" not in why_fallback(Fit("a", "fallback", answers=3))
