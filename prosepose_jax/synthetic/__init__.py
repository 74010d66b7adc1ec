"""Scenes with known truth: posed people who touch, noisy estimates of them, simulated answers (docs/demo_scenes.md)."""

from __future__ import annotations

from prosepose_jax.synthetic.answers import AnswerNoise, simulate_answers
from prosepose_jax.synthetic.generate import GeneratedScene, SceneMaker, generate_scenes
from prosepose_jax.synthetic.measure import Checks, Contacts
from prosepose_jax.synthetic.noise import KeypointNoise, NoiseLevel, RegressorNoise
from prosepose_jax.synthetic.templates import SELF_CONTACT, TWO_PERSON

__all__ = [
    "SELF_CONTACT",
    "TWO_PERSON",
    "AnswerNoise",
    "Checks",
    "Contacts",
    "GeneratedScene",
    "KeypointNoise",
    "NoiseLevel",
    "RegressorNoise",
    "SceneMaker",
    "generate_scenes",
    "simulate_answers",
]
