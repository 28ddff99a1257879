"""Recordings: decoding, padding, level, chunks and the sizes that Whisper works with."""

from __future__ import annotations

import dataclasses
import operator
import os
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import _html, _sibyl
from ._arrays import as_samples, is_tensor
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


# ---- Level ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class AudioLevel(_html.Fields):
    """Of a recording. Sums are in double, over finite samples."""

    samples: int
    peak: float  # max |x|
    rms: float  # sqrt(mean x^2)
    dc_offset: float  # mean x
    nan: int
    infinite: int
    first_bad: int | None  # index of the first NaN or infinite sample
    clipped_samples: int  # with |x| >= 32767/32768 in runs of two or more equal ones
    longest_silence: int  # longest run of samples with |x| <= 1/32768
    silent: bool  # no sample above 1/32768
    clipped: bool
    dc: bool  # |dc_offset| > 0.01


def _one_recording(audio: Any, name: str = "audio") -> Any:
    samples = as_samples(audio, name)
    if samples.ndim != 1:
        raise ValueError(f"{name} has {samples.ndim} dimensions, expected (n,)")
    return samples


def level(audio: Any) -> AudioLevel:
    """Peak, RMS, offset and faults of samples (n,), as `sibyl features` warns of them; float32 is read where it is."""
    return AudioLevel(*_sibyl.audio_inspect(_one_recording(audio)))


_TARGETS = {"peak": 1.0, "rms": 0.1}  # as the command has them


def normalize(audio: AnyArray, level: str = "peak", target: float | None = None, *, in_place: bool = False) -> AnyArray:
    """Samples (n,) scaled by one factor so that their peak or their RMS becomes `target` (1.0, or 0.1 of the RMS).

    float32, of the kind that was given. in_place: changes `audio` itself, which must be contiguous float32, and returns
    it. A silent recording is not changed.

    Raises ValueError: a level that is neither, a target that is not positive, samples that are NaN or infinite.
    """
    if level not in _TARGETS:
        raise ValueError(f"level is {level!r}, expected 'peak' or 'rms'")
    given: Any = audio
    samples = _one_recording(given)
    if in_place and samples is not given and not (is_tensor(given) and samples.data_ptr() == given.data_ptr()):
        raise TypeError("audio is not contiguous float32, which can be changed in place")
    if not in_place:
        samples = samples.clone() if is_tensor(samples) else samples.copy()
    _sibyl.audio_normalize(samples, list(_TARGETS).index(level), _TARGETS[level] if target is None else float(target))
    made: AnyArray = given if in_place else samples
    return made


def chunk(audio: AnyArray, seconds: float = CHUNK_LENGTH, overlap: float = 0.0, *, sr: int = SAMPLE_RATE) -> list[AnyArray]:
    """Views of samples (..., n) in chunks of `seconds`, each beginning `overlap` seconds before the one before ends.

    Both are rounded to the nearest sample. The last one may be shorter (pad_or_trim); none holds only samples of the one
    before; an empty recording has none. Raises ValueError: seconds not positive, an overlap that is not below them.
    """
    if not (is_tensor(audio) or isinstance(audio, np.ndarray)) or audio.ndim == 0:
        raise TypeError(f"audio must be an array or a tensor (..., n), not {type(audio).__name__}")
    places = _sibyl.chunks_make(audio.shape[-1], operator.index(sr), float(seconds), float(overlap))
    return [audio[..., start : start + length] for start, length in places]
