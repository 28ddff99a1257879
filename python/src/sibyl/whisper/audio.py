"""openai-whisper's audio functions, on Sibyl's."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

import sibyl
from sibyl import CHUNK_LENGTH, HOP_LENGTH, N_FFT, N_FRAMES, N_SAMPLES, SAMPLE_RATE, SibylError, pad_or_trim

from .._arrays import is_tensor
from ._tensors import tensor

__all__ = ["CHUNK_LENGTH", "FRAMES_PER_SECOND", "HOP_LENGTH", "N_FFT", "N_FRAMES", "N_SAMPLES", "N_SAMPLES_PER_TOKEN",
           "SAMPLE_RATE", "TOKENS_PER_SECOND", "load_audio", "log_mel_spectrogram", "mel_filters", "pad_or_trim"]  # fmt: skip

N_SAMPLES_PER_TOKEN = HOP_LENGTH * 2
FRAMES_PER_SECOND = SAMPLE_RATE // HOP_LENGTH
TOKENS_PER_SECOND = SAMPLE_RATE // N_SAMPLES_PER_TOKEN


def load_audio(file: str | os.PathLike[Any], sr: int = SAMPLE_RATE) -> Any:
    """Mono samples (n,), float32, of any file that FFmpeg reads. A RuntimeError where it cannot be read."""
    try:
        return sibyl.load_audio(file, sr).copy()
    except (OSError, SibylError) as error:
        raise RuntimeError(f"the recording cannot be read: {error}") from error


def log_mel_spectrogram(audio: Any, n_mels: int = 80, padding: int = 0, device: Any = None) -> Any:
    """(n_mels, frames) of a file, an array or a tensor of samples at 16 kHz, as a tensor."""
    if isinstance(audio, (str, os.PathLike)):
        audio = load_audio(audio)
    if is_tensor(audio):
        return sibyl.log_mel_spectrogram(audio, n_mels, padding, device)
    features = tensor(sibyl.log_mel_spectrogram(np.asarray(audio), n_mels, padding))
    return features if device is None else features.to(device)


def mel_filters(device: Any, n_mels: int) -> Any:
    """The band matrix (n_mels, 201)."""
    return tensor(sibyl.mel_filters(n_mels)).to(device)
