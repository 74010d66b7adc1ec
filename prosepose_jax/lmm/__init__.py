"""Asking language models: prompts, pictures, clients, answers on file (docs/ask.md)."""

from prosepose_jax.lmm.answer_log import AnswerLog, AskedFor, read_samples
from prosepose_jax.lmm.crops import View, crop_box, take_picture
from prosepose_jax.lmm.estimate import Estimate, ImageTokens, Price, estimate, load_prices
from prosepose_jax.lmm.inspection import Inspected, format_inspection, inspect_answers
from prosepose_jax.lmm.pace import Pace
from prosepose_jax.lmm.prompts import Prompt, load_prompt, parse_prompt, prompt_names
from prosepose_jax.lmm.questions import Question, Questions, make_questions
from prosepose_jax.lmm.sampling import Failure, Sampler, Tally, Work, missing_work

__all__ = [
    "AnswerLog",
    "AskedFor",
    "Estimate",
    "Failure",
    "ImageTokens",
    "Inspected",
    "Pace",
    "Price",
    "Prompt",
    "Question",
    "Questions",
    "Sampler",
    "Tally",
    "View",
    "Work",
    "crop_box",
    "estimate",
    "format_inspection",
    "inspect_answers",
    "load_prices",
    "load_prompt",
    "make_questions",
    "missing_work",
    "parse_prompt",
    "prompt_names",
    "read_samples",
    "take_picture",
]
