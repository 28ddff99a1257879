"""Whole recordings: openai-whisper's transcribe."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, Unpack

from ..options import WindowOptions
from .audio import N_SAMPLES, load_audio, log_mel_spectrogram, pad_or_trim
from .decoding import DecodingOptions, check
from .tokenizer import LANGUAGES

if TYPE_CHECKING:
    from .model import Whisper

# What DecodingOptions has, and what Sibyl has besides.
_OPTIONS = {field.name for field in dataclasses.fields(DecodingOptions)} | {"hotwords", "seed", "vad"}


class _DecodeOptions(WindowOptions, total=False):
    prompt: str | list[int] | None
    hotwords: str | None
    seed: int
    vad: Any


def _announce_language(model: Whisper, audio: Any, verbose: bool) -> str:
    """Says what language is heard, before anything else is said."""
    if verbose:
        print("Detecting the language in the first 30 seconds; language= names it")
    mel = log_mel_spectrogram(audio, model.dims.n_mels, padding=N_SAMPLES)
    _, probs = model.detect_language(pad_or_trim(mel, 2 * model.dims.n_audio_ctx))
    language = max(probs, key=probs.get)
    print(f"Detected language: {LANGUAGES[language].title()}")
    return str(language)


def transcribe(
    model: Whisper,
    audio: Any,
    *,
    verbose: bool | None = None,
    temperature: float | tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    compression_ratio_threshold: float | None = 2.4,
    logprob_threshold: float | None = -1.0,
    no_speech_threshold: float | None = 0.6,
    condition_on_previous_text: bool = True,
    initial_prompt: str | None = None,
    carry_initial_prompt: bool = False,
    word_timestamps: bool = False,
    prepend_punctuations: str = "\"'“¿([{-",
    append_punctuations: str = "\"'.。,，!！?？:：”)]}、",
    clip_timestamps: str | list[float] = "0",
    hallucination_silence_threshold: float | None = None,
    **decode_options: Unpack[_DecodeOptions],
) -> dict[str, Any]:
    """{"text", "segments", "language"} of a recording: a path, or samples (n,) at 16 kHz.

    decode_options: those of DecodingOptions; the language is detected where none is given. Sibyl's own: hotwords, seed, vad.
    """
    for name in decode_options:
        if name not in _OPTIONS:
            raise TypeError(f"DecodingOptions.__init__() got an unexpected keyword argument '{name}'")
    if decode_options.get("prefix") is not None:
        check(DecodingOptions(prefix=decode_options["prefix"]))
    options: dict[str, Any] = {name: value for name, value in decode_options.items() if value is not None or name in ("suppress_tokens", "max_initial_timestamp")}
    options.pop("prompt", None)  # openai-whisper puts the text so far in its place
    if isinstance(audio, (str, os.PathLike)):
        audio = load_audio(audio)
    if options.get("language") is None and verbose is not None and model.is_multilingual:
        options["language"] = _announce_language(model, audio, verbose)
    found = model._hearer.transcribe(
        audio,
        verbose=verbose,
        temperature=temperature,
        compression_ratio_threshold=compression_ratio_threshold,
        logprob_threshold=logprob_threshold,
        no_speech_threshold=no_speech_threshold,
        condition_on_previous_text=condition_on_previous_text,
        initial_prompt=initial_prompt,
        carry_initial_prompt=carry_initial_prompt,
        word_timestamps=word_timestamps,
        prepend_punctuations=prepend_punctuations,
        append_punctuations=append_punctuations,
        clip_timestamps=clip_timestamps,
        hallucination_silence_threshold=hallucination_silence_threshold,
        **options,
    )
    return {**found, "language": options.get("language") or found["language"]}  # as it was given
