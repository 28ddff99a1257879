"""What faster-whisper's transcribe gives."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any, Sequence


class _AsDict:
    """What faster-whisper's classes have from when they were tuples."""

    def _asdict(self) -> dict[str, Any]:
        kind = type(self).__name__
        warnings.warn(f"{kind}._asdict() method is deprecated, use dataclasses.asdict({kind}) instead", DeprecationWarning, 2)
        return dataclasses.asdict(self)  # type: ignore[call-overload,no-any-return]


@dataclasses.dataclass
class Word(_AsDict):
    start: float
    end: float
    word: str
    probability: float


@dataclasses.dataclass
class Segment(_AsDict):
    id: int  # from 1
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: list[Word] | None
    temperature: float | None


@dataclasses.dataclass
class TranscriptionOptions:
    beam_size: int
    best_of: int
    patience: float
    length_penalty: float
    repetition_penalty: float
    no_repeat_ngram_size: int
    log_prob_threshold: float | None
    no_speech_threshold: float | None
    compression_ratio_threshold: float | None
    condition_on_previous_text: bool
    prompt_reset_on_temperature: float
    temperatures: list[float]
    initial_prompt: str | None
    prefix: str | None
    suppress_blank: bool
    suppress_tokens: list[int] | None
    without_timestamps: bool
    max_initial_timestamp: float
    word_timestamps: bool
    prepend_punctuations: str
    append_punctuations: str
    multilingual: bool
    max_new_tokens: int | None
    clip_timestamps: str | list[float] | list[dict[str, int]]
    hallucination_silence_threshold: float | None
    hotwords: str | None


@dataclasses.dataclass
class VadOptions:
    threshold: float = 0.5
    neg_threshold: float | None = None
    min_speech_duration_ms: int = 0
    max_speech_duration_s: float = float("inf")
    min_silence_duration_ms: int = 2000
    speech_pad_ms: int = 400


def temperatures_of(given: float | Sequence[float]) -> list[float]:
    return list(given) if isinstance(given, Sequence) else [given]


@dataclasses.dataclass
class TranscriptionInfo:
    language: str
    language_probability: float
    duration: float
    duration_after_vad: float
    all_language_probs: list[tuple[str, float]] | None
    transcription_options: TranscriptionOptions
    vad_options: Any
