"""Whisper's log-mel features in fixed point: integer arithmetic throughout, the same bits on every processor."""

from __future__ import annotations

import operator
import os
from typing import Any

import numpy as np

from . import _sibyl
from ._arrays import PCM16_SCALE, as_samples, is_tensor
from ._threads import pool
from .audio import load_audio
from .features import _check_padding
from .spec import ENUMS

CLAMPS = ("whole", "running", "none")


def pcm16(audio: Any) -> np.ndarray[Any, Any]:
    """Samples (n,) as int16, full scale 32,768: a file, int16 itself without a copy, or floats, which are rounded.

    Raises ValueError: more than one dimension, samples that are NaN or beyond 1.0.
    """
    if isinstance(audio, (str, bytes, os.PathLike)):
        audio = load_audio(audio)
    if is_tensor(audio):
        audio = audio.detach().cpu().contiguous()
        audio = audio.numpy() if str(audio.dtype) == "torch.int16" else as_samples(audio).numpy()
    if not isinstance(audio, np.ndarray) or audio.dtype != np.int16:
        scaled = np.rint(as_samples(audio) * np.float32(PCM16_SCALE))
        if not np.all(np.abs(scaled) <= PCM16_SCALE):
            raise ValueError("audio has samples that are NaN or beyond 1.0, which 16 bits cannot hold")
        audio = np.minimum(scaled, 32767).astype(np.int16)
    if audio.ndim != 1:
        raise ValueError(f"audio has {audio.ndim} dimensions, expected (n,)")
    return np.ascontiguousarray(audio)


def log_mel_fixed(
    audio: Any,
    n_mels: int = 80,
    dtype: str = "int16",
    *,
    clamp: str = "whole",
    smooth: str = "none",
    padding: int = 0,
    threads: int = 1,
) -> np.ndarray[Any, Any]:
    """Features (n_mels, (n + padding) // 160) of a recording at 16 kHz, as `sibyl features --fixed` gives them.

    audio: a file, or samples (n,): int16 is read where it is, floats are rounded to 16 bits. n_mels: 80 or 128.
    dtype: "int16", where 16,384 is 1.0, or "int8", where 64 is; values are (log10(energy) + 4) / 4. clamp: smaller values
    are raised to the maximum less 2.0 (80 dB): of the recording ("whole", as Whisper's), of the frames so far ("running",
    which can be computed while audio arrives), or not ("none"). smooth: "same" or "valid" averages 3 x 3; "valid" leaves
    two bands and two frames out. padding: zeros counted on to the end. threads: 0 for one per processor; the bits do not
    depend on it.

    Raises ValueError: a name or number that is not among these, a recording of 200 samples or fewer.
    """
    if dtype not in ("int16", "int8"):
        raise ValueError(f"dtype is {dtype!r}, expected 'int16' or 'int8'")
    if clamp not in CLAMPS:
        raise ValueError(f"clamp is {clamp!r}, expected one of {', '.join(map(repr, CLAMPS))}")
    if smooth not in ENUMS["smooth"]:
        raise ValueError(f"smooth is {smooth!r}, expected one of {', '.join(map(repr, ENUMS['smooth']))}")
    samples, n_mels, padding = pcm16(audio), operator.index(n_mels), _check_padding(padding)
    frames = _sibyl.fixed_shape(n_mels, len(samples) + padding)
    features = np.empty((n_mels, frames), dtype)
    _sibyl.fixed_compute(n_mels, CLAMPS.index(clamp), pool(threads), samples, padding, features)
    if smooth == "none":
        return features
    _sibyl.fixed_smooth(ENUMS["smooth"].index(smooth), features)
    return features[:-2, :-2] if smooth == "valid" else features
