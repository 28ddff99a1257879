"""Options and results of models with their types. Of options any may be left out: then what the job says holds."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, NotRequired, Sequence, TypedDict


class WindowOptions(TypedDict, total=False):
    """openai-whisper's options of windows, of which None means what the job has; fp16 means nothing."""

    task: str
    language: str | None
    sample_len: int | None
    best_of: int | None
    beam_size: int | None
    patience: float | None
    length_penalty: float | None
    prefix: str | None
    suppress_tokens: str | Iterable[int] | None
    suppress_blank: bool
    without_timestamps: bool
    max_initial_timestamp: float | None
    fp16: bool


class DecodeOptions(WindowOptions, total=False):
    """openai-whisper's options of a single window."""

    temperature: float
    prompt: str | list[int] | None


class SpeechOptions(WindowOptions, total=False):
    """openai-whisper's options of a recording, and Sibyl's: hotwords, seed, arithmetic."""

    temperature: float | Sequence[float]
    compression_ratio_threshold: float | None
    logprob_threshold: float | None
    no_speech_threshold: float | None
    condition_on_previous_text: bool
    initial_prompt: str | None
    carry_initial_prompt: bool
    word_timestamps: bool
    prepend_punctuations: str
    append_punctuations: str
    clip_timestamps: str | Sequence[float]
    hallucination_silence_threshold: float | None
    hotwords: str | None
    seed: int
    arithmetic: str


class TextOptions(TypedDict, total=False):
    """Options of text generation."""

    max_tokens: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    typical_p: float
    xtc_probability: float
    xtc_threshold: float
    mirostat: int
    mirostat_tau: float
    mirostat_eta: float
    samplers: str
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    penalty_last_n: int
    dry_multiplier: float
    dry_base: float
    dry_allowed_length: int
    dry_last_n: int
    dry_breakers: str | Sequence[str]
    bias_tokens: Sequence[int]
    biases: float | Sequence[float]
    seed: int
    stop: str | bytes | Sequence[str | bytes]
    stop_tokens: Sequence[int]
    begin_tokens: Sequence[int]
    context: int
    stride: int
    json_schema: str | bool | Mapping[str, Any]
    grammar: str


class VoiceActivityOptions(TypedDict, total=False):
    """Silero's options."""

    threshold: float
    neg_threshold: float
    min_speech_duration_ms: float
    min_silence_duration_ms: float
    max_speech_duration_s: float
    speech_pad_ms: float


class SpeakOptions(TypedDict, total=False):
    """Options of text to speech."""

    seed: int
    speed: float
    speaker: int
    noise_scale: float
    duration_noise_scale: float
    phonemes: bool
    noise: Any
    duration_noise: Any


class Spoken(TypedDict):
    """A text as it is spoken: float32 (n,) samples of one channel, and how many there are in a second."""

    samples: Any
    sample_rate: int


class SpokenWord(TypedDict):
    """A word with its times in seconds."""

    word: str
    start: float
    end: float
    probability: float


class SpokenSegment(TypedDict):
    """A segment of a transcript, with openai-whisper's keys; times in seconds, words where they were asked for."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: NotRequired[list[SpokenWord]]


class Transcript(TypedDict):
    """What is said in a recording."""

    text: str
    segments: list[SpokenSegment]
    language: str


class GeneratedText(TypedDict):
    """A text, its tokens and the logarithms of their probabilities."""

    text: str
    tokens: list[int]
    logprobs: list[float]


class SpeechSpan(TypedDict):
    """Where speech is, in seconds."""

    start: float
    end: float
