"""What a run will take: requests, tokens, money. Estimates, from an editable table of prices (docs/ask.md, "Cost")."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosepose_jax.errors import InputError
from prosepose_jax.lmm.clients.base import Request
from prosepose_jax.untrusted import read_json

if TYPE_CHECKING:
    from prosepose_jax.lmm.sampling import Work

PRICES_FILE = Path(__file__).resolve().parent / "prices.json"
ANSWER_TOKENS = 250
"""Of an answer as the packaged prompts ask for it: a few sentences and a table."""

_CHARACTERS_PER_TOKEN = 4.0  # of English, by the usual rule of thumb
_KINDS = {
    "fixed": ("tokens",),
    "tiles": ("base", "tile", "side", "fit", "short"),
    "crops": ("tile", "small"),
    "patches": ("side", "most", "factor"),
}


@dataclasses.dataclass(frozen=True)
class ImageTokens:
    """How a model counts an image.

    "fixed": `tokens`, whatever its size. "tiles": fitted into a square of `fit` pixels, the shorter side reduced to
    `short`, then `base` + `tile` for each square of `side`. "crops": one `tile` when no side exceeds `small`, else
    squares of two thirds of the shorter side. "patches": `factor` for each square of `side` pixels, at most `most`.
    """

    kind: str
    numbers: Mapping[str, float]

    def __call__(self, width: int, height: int) -> float:
        """Tokens of an image of so many pixels."""
        n = self.numbers
        if self.kind == "fixed":
            return n["tokens"]
        if self.kind == "crops":
            if max(width, height) <= n["small"]:
                return n["tile"]
            unit = max(1, math.floor(min(width, height) / 1.5))
            return n["tile"] * math.ceil(width / unit) * math.ceil(height / unit)
        if self.kind == "patches":
            return n["factor"] * min(n["most"], math.ceil(width / n["side"]) * math.ceil(height / n["side"]))
        scale = min(1.0, n["fit"] / max(width, height))
        scale *= min(1.0, n["short"] / (min(width, height) * scale))
        return n["base"] + n["tile"] * math.ceil(width * scale / n["side"]) * math.ceil(height * scale / n["side"])


# Open models that cut an image into patches of 14 pixels and merge four.
_UNKNOWN = ImageTokens("patches", {"side": 28.0, "most": 16384.0, "factor": 1.0})


@dataclasses.dataclass(frozen=True)
class Price:
    """Of a model, per million tokens."""

    model: str
    input: float
    output: float
    currency: str
    noted: str  # when the table was written


def load_prices(file: str | None, model: str) -> tuple[Price | None, ImageTokens]:
    """A model's price and the way it counts images.

    Args:
      file: a table in the form of prices.json; None: the packaged one.
      model: the model's name; a dated version finds the entry of its family.

    Returns:
      The price, None for a model that the table lacks; and the count of image tokens.

    Raises:
      InputError: a fault in the table, named by file and field.
    """
    path = Path(file) if file else PRICES_FILE
    try:
        table = read_json(path)
    except InputError as error:
        raise InputError(f"{path}: expected a table of prices in JSON; {error}") from error
    models = table.get("models") if isinstance(table, dict) else None
    if not isinstance(models, dict):
        raise InputError(f"{path}: expected an object with a field 'models'")
    name = max((known for known in models if _is_version(model, known)), key=len, default=None)
    if name is None:
        return None, _UNKNOWN
    where = f"{path}: model {name}"
    entry = models[name]
    if not isinstance(entry, dict):
        raise InputError(f"{where}: expected an object, found {entry!r}")
    price = Price(
        name, _number(entry, "input", where), _number(entry, "output", where), str(table.get("currency", "")),
        str(table.get("noted", "")),
    )  # fmt: skip
    return price, _image_tokens(entry["image"], where) if "image" in entry else _UNKNOWN


def _is_version(model: str, known: str) -> bool:
    model = model.removeprefix("models/")
    return model == known or model.startswith((f"{known}-", f"{known}:", f"{known}@"))


def _image_tokens(entry: Any, where: str) -> ImageTokens:
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(f"{where}: field 'image': expected a kind of {', '.join(_KINDS)}, found {kind!r}")
    numbers = {name: _number(entry, name, f"{where}: image") for name in _KINDS[kind]}
    for name in ("side", "fit", "short"):
        if numbers.get(name, 1.0) <= 0:
            raise InputError(f"{where}: image: field {name!r}: expected a positive number, found {numbers[name]:g}")
    return ImageTokens(kind, numbers)


def _number(entry: Mapping[str, Any], name: str, where: str) -> float:
    value = entry.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise InputError(f"{where}: field {name!r}: expected a number ≥ 0, found {value!r}")
    return float(value)


def text_tokens(text: str) -> float:
    """Roughly, for English."""
    return len(text) / _CHARACTERS_PER_TOKEN


def request_tokens(request: Request, count: int, image_tokens: ImageTokens | None) -> float:
    """Tokens in and out of one request, before it is made."""
    picture = request.picture
    seen = (image_tokens or _UNKNOWN)(picture.width, picture.height) if picture is not None else 0.0
    return text_tokens(request.system + request.user) + seen + count * ANSWER_TOKENS


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Of a whole run. Tokens out: as answers usually are, and at most."""

    questions: int
    answers: int
    requests: int
    tokens_in: float
    tokens_out: float
    most_tokens_out: float

    def cost(self, price: Price, most: bool = False) -> float:
        """In the price's currency."""
        out = self.most_tokens_out if most else self.tokens_out
        return (self.tokens_in * price.input + out * price.output) / 1e6


def estimate(work: Iterable[Work], candidates: int, max_tokens: int, image_tokens: ImageTokens) -> Estimate:
    """What asking for all of `work` takes, should every request succeed at once."""
    questions = answers = requests = 0
    tokens_in = 0.0
    for one in work:
        question = one.question
        number = math.ceil(len(one.samples) / candidates)
        seen = image_tokens(*question.view.size) if question.view is not None else text_tokens(question.caption(0))
        tokens_in += number * (text_tokens(question.prompt.system + question.prompt.user) + seen)
        questions, answers, requests = questions + 1, answers + len(one.samples), requests + number
    return Estimate(
        questions,
        answers,
        requests,
        tokens_in,
        answers * float(min(ANSWER_TOKENS, max_tokens)),
        float(answers * max_tokens),
    )
