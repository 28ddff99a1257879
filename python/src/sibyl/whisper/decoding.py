"""One window at a time: openai-whisper's decode and detect_language."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Iterable, Unpack

import numpy as np

from ..options import DecodeOptions
from ..voice import _speech_options
from ._tensors import array, tensor
from .tokenizer import LANGUAGES, Tokenizer

if TYPE_CHECKING:
    from .model import Whisper


@dataclasses.dataclass(frozen=True)
class DecodingOptions:
    task: str = "transcribe"  # "transcribe", "translate" or "lang_id"
    language: str | None = None  # None: detected
    temperature: float = 0.0
    sample_len: int | None = None
    best_of: int | None = None  # above temperature 0
    beam_size: int | None = None  # at temperature 0
    patience: float | None = None
    length_penalty: float | None = None
    prompt: str | list[int] | None = None
    prefix: str | list[int] | None = None
    suppress_tokens: str | Iterable[int] | None = "-1"
    suppress_blank: bool = True
    without_timestamps: bool = False
    max_initial_timestamp: float | None = 1.0
    fp16: bool = True  # taken, without a meaning here


class _Later:
    """A field whose value is made when it is read first."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"_{name}"

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            raise AttributeError(self.name)
        value = instance.__dict__[self.name]
        if callable(value):
            value = instance.__dict__[self.name] = value()
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.name] = value


@dataclasses.dataclass(frozen=True)
class DecodingResult:
    audio_features: Any = _Later()
    language: str = dataclasses.field(kw_only=True)
    language_probs: dict[str, float] | None = None
    tokens: list[int] = dataclasses.field(default_factory=list)
    text: str = ""
    avg_logprob: float = math.nan
    no_speech_prob: float = math.nan
    temperature: float = math.nan
    compression_ratio: float = math.nan


def check(options: DecodingOptions) -> None:
    """The ValueErrors of openai-whisper."""
    if options.beam_size is not None and options.best_of is not None:
        raise ValueError("beam_size and best_of exclude each other: give one of them")
    if options.temperature == 0 and options.best_of is not None:
        raise ValueError("best_of needs a temperature above 0")
    if options.patience is not None and options.beam_size is None:
        raise ValueError("patience needs beam_size")
    if options.length_penalty is not None and not 0 <= options.length_penalty <= 1:
        raise ValueError(f"length_penalty is {options.length_penalty}, expected 0 to 1")
    if options.task not in ("transcribe", "translate", "lang_id"):
        raise ValueError(f"task is {options.task!r}, expected 'transcribe', 'translate' or 'lang_id'")
    if options.prefix is not None and not isinstance(options.prefix, str):
        raise NotImplementedError("DecodingOptions.prefix as ids is not built: give the text")


def windows(model: Whisper, mel: Any) -> tuple[list[np.ndarray[Any, Any]], bool]:
    """The windows of mel (bands, frames) or (n, bands, frames), and whether it was one."""
    features = array(mel, "mel")
    dims = model.dims
    if features.shape[-2:] == (dims.n_audio_ctx, dims.n_audio_state):
        raise NotImplementedError("decoding from embed_audio's features is not built: the decoder reads keys and values that are made "
                                  "with them; give the spectrogram")  # fmt: skip
    if features.ndim not in (2, 3) or features.shape[-2:] != (dims.n_mels, 2 * dims.n_audio_ctx):
        raise AssertionError(f"mel has the shape {features.shape}, expected ({dims.n_mels}, {2 * dims.n_audio_ctx}): pad_or_trim the recording")
    return list(features.reshape(-1, *features.shape[-2:])), features.ndim == 2


_DETECTED = ("language", "language_probabilities")


def _language_probs(model: Whisper, found: Any) -> dict[str, float]:
    """Of the languages that the model has, in their order."""
    return dict(list(zip(LANGUAGES, found))[: model.num_languages])


def detect_language(model: Whisper, mel: Any, tokenizer: Tokenizer | None = None) -> tuple[Any, Any]:
    """The token of the most probable language, and the probabilities of all; of several windows lists."""
    if not model.is_multilingual or (tokenizer is not None and tokenizer.language is None):
        raise ValueError("the model or the tokenizer has no languages to choose from")
    parts, single = windows(model, mel)
    tokens, probs = [], []
    for part in parts:
        found = model._window(part, {"sample_len": 1}, _DETECTED)
        tokens.append(model._tokens.find(f"<|{found['language']}|>") or 0)
        probs.append(_language_probs(model, found["language_probabilities"]))
    return (tensor(np.int64(tokens[0])), probs[0]) if single else (tensor(np.array(tokens, np.int64)), probs)


def _decode_one(model: Whisper, mel: Any, options: DecodingOptions) -> DecodingResult:
    features = lambda: model.embed_audio(mel)  # noqa: E731
    if options.task == "lang_id":
        if not model.is_multilingual:
            detect_language(model, mel)
        found = model._window(mel, {"sample_len": 1}, _DETECTED)
        spoken = options.language or found["language"]
        return DecodingResult(features, language=spoken, language_probs=_language_probs(model, found["language_probabilities"]))
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    prompt, temperature = given.pop("prompt"), given.pop("temperature")
    inputs = _speech_options(given)
    if isinstance(prompt, str):
        prompt = model._tokens.encode(" " + prompt.strip()) if prompt else None
    found = model._window(mel, {**inputs, "previous": prompt, "decode_temperature": float(temperature)})
    del found["language_probabilities"]
    found["language"] = options.language or found["language"]  # as it was given
    return DecodingResult(features, temperature=temperature, **found)


def decode(model: Whisper, mel: Any, options: DecodingOptions = DecodingOptions(), **more: Unpack[DecodeOptions]) -> Any:
    """A DecodingResult of mel (bands, frames), or a list of those of mel (n, bands, frames)."""
    options = dataclasses.replace(options, **more)
    check(options)
    parts, single = windows(model, mel)
    results = [_decode_one(model, part, options) for part in parts]
    return results[0] if single else results
