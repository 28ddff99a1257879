"""What runs of a job share: what they have read, and who guesses what comes next."""

from __future__ import annotations

from typing import Any

from . import _sibyl
from .session import _number


class PrefixCache:
    """What runs of a job have read of their prompts, which later runs that begin alike do not read again.

    model: a TextGeneration or a Job, whose runs use it as prefix_cache. max_entries: texts that it keeps, 1 to 256; those used
    longest ago are dropped. Several threads may use one. What a run gives is what it gives without, within float rounding.
    """

    def __init__(self, model: Any, max_entries: int = 1) -> None:
        self._handle = _sibyl.prefix_cache_create(_job(model)._handle, _number(max_entries, "max_entries", 32))

    @property
    def entries(self) -> int:
        """Texts that are kept; those that a run goes on with are not among them."""
        return _sibyl.prefix_cache_info(self._handle)[0]

    @property
    def tokens(self) -> int:
        """Of these texts."""
        return _sibyl.prefix_cache_info(self._handle)[1]

    @property
    def reused(self) -> int:
        """So far: tokens that runs did not read again."""
        return _sibyl.prefix_cache_info(self._handle)[2]


class Speculation:
    """Speculative decoding: a step of the model reads guessed tokens as well, and its logits say which were right.

    model: a TextGeneration or a Job, whose runs use it as speculation; its caches must be those of the operator Attention, as
    imports of Llama's and GPT-2's families have them. draft: a smaller one with the same tokens, which guesses; None: what followed
    where the text was the same before. max_guesses: tokens a step, 1 to 64. The text is the one without, for
    every sampler, within float rounding of logits. Several threads may use one.
    """

    def __init__(self, model: Any, draft: Any = None, max_guesses: int = 8) -> None:
        guesses = _number(max_guesses, "max_guesses", 32)
        if not guesses:
            raise ValueError("max_guesses is 0, expected 1 to 64")
        self._handle = _sibyl.speculation_create(_job(model)._handle, guesses, None if draft is None else _job(draft)._handle)

    @property
    def steps(self) -> int:
        """So far: steps of the model."""
        return _sibyl.speculation_info(self._handle)[0]

    @property
    def guessed(self) -> int:
        """Tokens read on a guess."""
        return _sibyl.speculation_info(self._handle)[1]

    @property
    def accepted(self) -> int:
        """Of these, those that were chosen: steps that were saved."""
        return _sibyl.speculation_info(self._handle)[2]


def _job(model: Any) -> Any:
    job = getattr(model, "job", model)
    if not hasattr(job, "_handle"):
        raise TypeError(f"expected a model of text generation or a job, not {type(model).__name__}")
    return job
