"""Scenes with known truth: posed people who touch, noisy estimates of them, simulated answers (docs/synthetic.md)."""

from __future__ import annotations

from prosepose_jax.synthetic.answers import AnswerNoise, simulate_answers
from prosepose_jax.synthetic.camera_placement import Cameras
from prosepose_jax.synthetic.dataset import make_dataset, make_truths
from prosepose_jax.synthetic.families import FAMILIES, Family
from prosepose_jax.synthetic.framing import Framing
from prosepose_jax.synthetic.generate import GeneratedScene, SceneMaker, generate_scenes
from prosepose_jax.synthetic.levels import LEVELS, Noise
from prosepose_jax.synthetic.measure import Checks, Contacts
from prosepose_jax.synthetic.noise import KeypointNoise, RegressorNoise
from prosepose_jax.synthetic.people import People
from prosepose_jax.synthetic.templates import SELF_CONTACT, TWO_PERSON
from prosepose_jax.synthetic.truth import Truth, load_truth, observe, save_truth

__all__ = [
    "FAMILIES",
    "LEVELS",
    "SELF_CONTACT",
    "TWO_PERSON",
    "AnswerNoise",
    "Cameras",
    "Checks",
    "Contacts",
    "Family",
    "Framing",
    "GeneratedScene",
    "KeypointNoise",
    "Noise",
    "People",
    "RegressorNoise",
    "SceneMaker",
    "Truth",
    "generate_scenes",
    "load_truth",
    "make_dataset",
    "make_truths",
    "observe",
    "save_truth",
    "simulate_answers",
]
