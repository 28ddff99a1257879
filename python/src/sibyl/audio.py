"""Recordings: decoding, padding and the sizes that Whisper works with."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import _sibyl
from ._arrays import is_tensor
from .errors import SibylOSError, with_path

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    AnyArray = TypeVar("AnyArray", NDArray[Any], torch.Tensor)

SAMPLE_RATE = 16000
N_FFT = 400
HOP_LENGTH = 160
CHUNK_LENGTH = 30  # seconds
N_SAMPLES = CHUNK_LENGTH * SAMPLE_RATE  # 480,000 samples in a chunk
N_FRAMES = N_SAMPLES // HOP_LENGTH  # 3,000 frames in a chunk


def load_audio(
    file: str | bytes | os.PathLike[Any],
    sr: int = SAMPLE_RATE,
    *,
    keep_float: bool = False,
    allow_truncated: bool = False,
    max_seconds: float = 86400,
) -> NDArray[np.float32]:
    """Decodes any file that FFmpeg reads to mono samples (n,) at `sr` Hz.

    The samples equal those of OpenAI Whisper's load_audio, which rounds to 16 bits and divides by 32,768;
    keep_float skips the rounding. allow_truncated takes what a truncated file still holds. A recording longer
    than max_seconds is refused. "-" reads raw mono 16-bit PCM from standard input.

    Raises FileNotFoundError, OSError or SibylError, each naming the file.
    """
    path = os.fsencode(file)
    sr = operator.index(sr)
    if not 1 <= sr <= 2**31 - 1:
        raise ValueError(f"sr is {sr}, expected a sample rate in Hz")
    try:
        samples = _sibyl.audio_load(path, sr, keep_float, allow_truncated, max_seconds)
    except SibylOSError as error:
        raise (error if path == b"-" else with_path(error, path, path)) from None
    return np.frombuffer(samples, dtype=np.float32)


def pad_or_trim(array: AnyArray, length: int = N_SAMPLES, *, axis: int = -1) -> AnyArray:
    """The first `length` elements along `axis`, zeros after the last; the array itself where it fits already.

    Takes NumPy arrays and torch tensors of any type and rank above 0.
    """
    if not (is_tensor(array) or isinstance(array, np.ndarray)):
        raise TypeError(f"array must be a NumPy array or a torch tensor, not {type(array).__name__}")
    length, axis = operator.index(length), operator.index(axis)
    if length < 0:
        raise ValueError(f"length is {length}, expected at least 0")
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"axis is {axis}, but the array has {array.ndim} dimensions")
    source: Any = array
    here = source.shape[axis]
    if here == length:
        return array
    shape = list(source.shape)
    shape[axis] = length
    kept = [slice(None)] * array.ndim
    kept[axis] = slice(0, min(here, length))
    out: Any = source.new_zeros(shape) if is_tensor(source) else np.zeros(shape, source.dtype)
    out[tuple(kept)] = source[tuple(kept)]
    return out
