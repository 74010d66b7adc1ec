"""Clients that ask nobody: recorded answers, or answers made up from ground truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prosepose_jax.lmm.clients.base import Rejected, Reply, Request, Response


class ScriptedClient:
    """Answers a request for sample k with text k of its scene."""

    sees = False
    secrets: tuple[str, ...] = ()

    def __init__(self, model: str, texts: Callable[[str, tuple[int, int]], Sequence[str]], candidates: int = 8) -> None:
        """
        Args:
          model: what answers record as their model.
          texts: the texts about a scene's pair of people, by key and pair; called from several threads.
          candidates: most answers of one request.
        """
        self.model, self.candidates = model, candidates
        self._texts = texts

    def ask(self, request: Request, count: int) -> Response:
        """See `Client`."""
        texts = self._texts(request.key, request.pair)
        replies = tuple(Reply(texts[sample], "recorded") for sample in request.samples[:count] if sample < len(texts))
        if not replies:
            raise Rejected(f"there are only {len(texts)} answers, sample {request.samples[0]} is not among them")
        return Response(replies)

    def close(self) -> None:
        """See `Client`."""
