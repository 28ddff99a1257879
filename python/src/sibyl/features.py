"""Log-mel features: Whisper's function, front ends by description, and streams."""

from __future__ import annotations

import dataclasses
import functools
import operator
import os
from collections import deque
from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np

from . import _html, _sibyl
from ._arrays import as_device_samples, as_samples, empty_like, is_tensor, without_gradient
from ._threads import pool
from .audio import load_audio
from .errors import SibylOSError, with_path
from .spec import ENUMS, MelChanges, MelSpec

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


@functools.lru_cache(maxsize=16)
def _tables(spec: MelSpec, precise: bool) -> Any:
    return _sibyl.mel_create(spec.to_native(), precise)


def _check_padding(padding: int) -> int:
    padding = operator.index(padding)
    if not 0 <= padding < 2**62:
        raise ValueError(f"padding is {padding}, expected at least 0")
    return padding


def _compute(mel: Any, samples: Any, padding: int, threads: int, joint: bool) -> Any:
    """Features (..., bands, frames) of samples (..., n), dense float32, as the same kind of array.

    joint: the clamp is to the maximum of all recordings together, not of each.
    """
    padding = _check_padding(padding)
    features = empty_like(samples, (*samples.shape[:-1], *_sibyl.mel_shape(mel, samples.shape[-1] + padding)), np.float32)
    _sibyl.mel_compute(mel, pool(threads), samples, features, padding, joint)
    return features


def _is_path(audio: Any) -> bool:
    return isinstance(audio, (str, bytes, os.PathLike))


def whisper_features(samples: Any, n_mels: int, padding: int, threads: int, smooth: str = "none") -> Any:
    """log_mel_spectrogram of an array or CPU tensor, without the ways in and out."""
    samples = as_samples(samples)
    spec = MelSpec.preset("whisper", n_mels)
    if smooth == "none" or samples.ndim == 1:
        return _compute(_tables(dataclasses.replace(spec, smooth=smooth), False), samples, padding, threads, True)
    # several recordings share a maximum, which is known once all of them are computed
    features = _compute(_tables(spec, False), samples, padding, threads, True)
    cut = 2 if smooth == "valid" else 0
    out = empty_like(features, (*features.shape[:-2], features.shape[-2] - cut, features.shape[-1] - cut))
    for index in np.ndindex(*features.shape[:-2]):
        _sibyl.smooth3x3(ENUMS["smooth"].index(smooth), features[index], out[index])
    return out


@functools.lru_cache(maxsize=16)
def _device_tables(spec: MelSpec, device: str) -> Any:
    return _sibyl.mel_device_create(_tables(spec, False), device)


def _cuda_features(audio: Any, n_mels: int, padding: int, smooth: str) -> Any:
    """log_mel_spectrogram of a CUDA tensor, where it is and on torch's current stream; the host waits for nothing."""
    import torch

    samples = as_device_samples(audio)
    spec = dataclasses.replace(MelSpec.preset("whisper", n_mels), smooth=smooth)
    shape = _sibyl.mel_shape(_tables(spec, False), samples.shape[-1] + padding)
    features = torch.empty((*samples.shape[:-1], *shape), dtype=torch.float32, device=samples.device)
    stream = torch.cuda.current_stream(samples.device).cuda_stream
    recordings = samples[..., 0].numel()
    if recordings:
        try:
            tables = _device_tables(spec, f"cuda:{samples.device.index}")
            _sibyl.mel_compute_device(
                tables, samples.data_ptr(), features.data_ptr(), recordings, samples.shape[-1], padding, True, stream
            )
        except Exception:
            _device_tables.cache_clear()  # a device that failed is opened anew
            raise
    return features


@overload
def log_mel_spectrogram(
    audio: str | bytes | os.PathLike[Any] | NDArray[Any],
    n_mels: int = 80,
    padding: int = 0,
    device: None = None,
    *,
    smooth: str = "none",
    threads: int | None = None,
) -> NDArray[np.float32]: ...
@overload
def log_mel_spectrogram(
    audio: torch.Tensor,
    n_mels: int = 80,
    padding: int = 0,
    device: str | torch.device | None = None,
    *,
    smooth: str = "none",
    threads: int | None = None,
) -> torch.Tensor: ...
@overload
def log_mel_spectrogram(
    audio: str | bytes | os.PathLike[Any] | NDArray[Any],
    n_mels: int = 80,
    padding: int = 0,
    *,
    device: str | torch.device,
    smooth: str = "none",
    threads: int | None = None,
) -> torch.Tensor: ...
def log_mel_spectrogram(
    audio: Any,
    n_mels: int = 80,
    padding: int = 0,
    device: Any = None,
    *,
    smooth: str = "none",
    threads: int | None = None,
) -> Any:
    """Whisper's log-mel spectrogram of a recording at 16 kHz, with the meaning of openai-whisper's function.

    audio: a file (decoded by load_audio), or samples (n,) or (..., n) as a NumPy array or a torch tensor.
    float32 that is contiguous is read where it is; other floats are converted, int16 is taken as PCM and divided
    by 32,768. n_mels: bands, 80 or 128 for Whisper's models. padding: zeros counted on to the end.

    Returns (..., n_mels, (n + padding) // 160), float32: NumPy for files and NumPy arrays, a tensor on the same
    device for tensors. With `device` the result is a torch tensor there. The work is done on the CPU, that for a CUDA
    tensor on its device and torch's current stream, without copies to the host; tensors of other devices are a
    ValueError. There samples that are not finite are no error: nobody looks. As in
    openai-whisper the values of several recordings are clamped to 8 below the maximum of them all (LogMel clamps
    each by itself). There is no gradient: a backward pass through it is a RuntimeError.

    smooth: "same" or "valid" averages the result 3 x 3 over bands and frames, in place of it; "valid" leaves two of each
    out. threads: 0 means one per processor; None means 1, and torch's own number for tensors. The result's bits do not
    depend on it.
    """
    if smooth not in ENUMS["smooth"]:
        raise ValueError(f"smooth is {smooth!r}, expected one of {', '.join(map(repr, ENUMS['smooth']))}")
    if _is_path(audio):
        audio = load_audio(audio)
    n_mels, padding = operator.index(n_mels), _check_padding(padding)
    if is_tensor(audio) or device is not None:
        return _torch_spectrogram(audio, n_mels, padding, device, smooth, threads)
    return whisper_features(audio, n_mels, padding, 1 if threads is None else threads, smooth)


def _torch_spectrogram(audio: Any, n_mels: int, padding: int, device: Any, smooth: str, threads: int | None) -> Any:
    import torch

    from . import torch_ops  # noqa: F401  (registers torch.ops.sibyl)

    if not is_tensor(audio):
        audio = torch.from_numpy(as_samples(audio))
    target = audio.device if device is None else torch.device(device)
    if audio.device.type not in ("cpu", "meta", "cuda"):
        raise ValueError(f"audio is on {audio.device}, expected the CPU or a CUDA device")
    if audio.device.type == "cuda":
        features = _cuda_features(audio, n_mels, padding, smooth)
        features = without_gradient("sibyl.log_mel_spectrogram", [audio], [features])[0]
    elif threads is None:
        features = torch.ops.sibyl.log_mel_spectrogram(audio, n_mels, padding, smooth)
    else:
        features = whisper_features(audio, n_mels, padding, threads, smooth)
        features = without_gradient("sibyl.log_mel_spectrogram", [audio], [features])[0]
    return features.to(target)


def mel_filters(n_mels: int = 80) -> NDArray[np.float32]:
    """Whisper's band matrix (n_mels, 201), made in double and rounded once."""
    return LogMel("whisper", n_mels=n_mels).weights.astype(np.float32)


def _remake(spec: MelSpec, precise: bool, threads: int) -> LogMel:
    return LogMel(spec, precise=precise, threads=threads)


class LogMel:
    """A front end made from a description. Immutable; may be used from many threads at once, copied and pickled.

    spec: "whisper", "librosa", "kaldi" or a MelSpec. n_mels, smooth ("none", "same", "valid") and `changes` replace
    fields of it. precise: compute in double, round once at the end. threads: 0 means one per processor.
    """

    def __init__(
        self,
        spec: str | MelSpec = "whisper",
        *,
        n_mels: int | None = None,
        precise: bool = False,
        threads: int = 1,
        smooth: str | None = None,
        **changes: Unpack[MelChanges],
    ) -> None:
        if isinstance(spec, str):
            spec = MelSpec.preset(spec)
        elif not isinstance(spec, MelSpec):
            raise TypeError(f"spec must be the name of a preset or a MelSpec, not {type(spec).__name__}")
        fields: dict[str, Any] = {**changes}
        if n_mels is not None:
            fields["n_mels"] = operator.index(n_mels)
        if smooth is not None:
            fields["smooth"] = smooth
        self._spec = dataclasses.replace(spec, **fields)
        self._precise = bool(precise)
        self._threads = operator.index(threads)
        self._mel = _tables(self._spec, self._precise)
        pool(self._threads)

    @property
    def spec(self) -> MelSpec:
        """The description."""
        return self._spec

    @property
    def precise(self) -> bool:
        return self._precise

    @property
    def threads(self) -> int:
        return self._threads

    def __reduce__(self) -> Any:
        return _remake, (self._spec, self._precise, self._threads)

    def __repr__(self) -> str:
        return f"LogMel({self._spec!r}, precise={self._precise}, threads={self._threads})"

    def _repr_html_(self) -> str:
        fields = [(field.name.replace("_", " "), getattr(self._spec, field.name)) for field in dataclasses.fields(self._spec)]
        bands = _html.heat_map(self.weights, upward=True)
        return _html.block("sibyl.LogMel", "precise" if self._precise else "", _html.pairs(fields), bands)

    def shape(self, n_samples: int) -> tuple[int, int]:
        """(bands, frames) of the features of n_samples samples."""
        return _sibyl.mel_shape(self._mel, _check_padding(n_samples))

    @property
    def weights(self) -> NDArray[np.float64]:
        """The band matrix (n_mels, n_fft / 2 + 1)."""
        weights = np.empty((self._spec.n_mels, self._spec.n_fft // 2 + 1))
        _sibyl.mel_weights(self._mel, weights)
        return weights

    def __call__(self, audio: Any, padding: int = 0) -> Any:
        """Features (..., bands, frames), float32, of a file or of samples (..., n), as NumPy or torch as they came.

        Each recording of a batch is taken by itself, the clamp to the maximum included.
        """
        if _is_path(audio):
            audio = load_audio(audio, self._spec.sample_rate)
        features = _compute(self._mel, as_samples(audio), padding, self._threads, False)
        if is_tensor(audio):
            return without_gradient("sibyl.LogMel", [audio], [features.to(audio.device)])[0]
        return features

    def stream(self, *, finished: bool = False, maximum: float | None = None) -> LogMelStream:
        """A stream: samples in as they come, frames out as they are done.

        finished: frames are clamped and smoothed as the description says, by the maximum of the recording where it is
        known before, else by that of the frames so far.
        """
        return LogMelStream(self, finished=finished, maximum=maximum)

    def finish(self, frames: NDArray[np.float32], maximum: float) -> NDArray[np.float32]:
        """Clamps frames (n_mels, n) of a stream in place to `maximum` less the dynamic range; returns them.

        With the maximum of the whole recording the bits are those of the whole-file result without smoothing.
        """
        if not isinstance(frames, np.ndarray) or frames.dtype != np.float32 or not frames.flags.c_contiguous:
            raise TypeError("frames must be a contiguous float32 NumPy array")
        _sibyl.mel_finish(self._mel, maximum, frames)
        return frames

    def save_png(self, features: Any, path: str | bytes | os.PathLike[Any], title: str | None = None) -> None:
        """Writes features (bands, frames) as a labelled picture."""
        name = os.fsencode(path)
        try:
            _sibyl.mel_write_png(self._mel, as_samples(features, "features"), title, name)
        except SibylOSError as error:
            raise with_path(error, name, os.path.dirname(name) or b".") from None


class LogMelStream:
    """Features of a recording that is still coming in, in memory that does not grow with it.

    Frames hold what the whole-file result holds before the clamp to the maximum and before smoothing; `finish`
    of the LogMel clamps them. With `finished` they are clamped and smoothed (LogMel.stream). One thread at a time.
    """

    _BLOCK = 4096  # frames asked for at once

    def __init__(self, front_end: LogMel, *, finished: bool = False, maximum: float | None = None) -> None:
        self._front_end = front_end
        self._stream = _sibyl.stream_create(front_end._mel)
        self._maximum = (float("nan") if maximum is None else float(maximum)) if finished else None
        bands = front_end.spec.n_mels - (2 if finished and front_end.spec.smooth == "valid" else 0)
        self._room = np.empty((bands, self._BLOCK), np.float32)
        self._waiting: deque[NDArray[np.float32]] = deque()

    @property
    def maximum(self) -> float:
        """Largest value pulled so far; -inf before the first."""
        return _sibyl.stream_maximum(self._stream)

    def push(self, samples: Any) -> None:
        """Takes samples (n,), all of them. Frames wait in memory until they are pulled."""
        samples = as_samples(samples, "samples")
        if samples.ndim != 1:
            raise ValueError(f"samples has {samples.ndim} dimensions, expected (n,)")
        start = _sibyl.stream_push(self._stream, samples, 0)
        while start < samples.shape[0]:
            block = self._next(self._BLOCK)
            if block.shape[1]:
                self._waiting.append(block)
            start += _sibyl.stream_push(self._stream, samples, start)

    def end(self) -> None:
        """Says that no more samples come; the frames at the end can then be pulled."""
        _sibyl.stream_end(self._stream)

    def pull(self, max_frames: int | None = None) -> NDArray[np.float32]:
        """The next frames (n_mels, n) that are done, at most max_frames; n is 0 where none is."""
        left = float("inf") if max_frames is None else operator.index(max_frames)
        if left < 0:
            raise ValueError(f"max_frames is {max_frames}, expected at least 0")
        blocks = [self._room[:, :0]]
        while left > 0:
            block = self._waiting.popleft() if self._waiting else self._next(int(min(left, self._BLOCK)))
            if block.shape[1] == 0:
                break
            if block.shape[1] > left:
                self._waiting.appendleft(block[:, int(left) :])
                block = block[:, : int(left)]
            blocks.append(block)
            left -= block.shape[1]
        return np.concatenate(blocks, axis=1)

    def _next(self, frames: int) -> NDArray[np.float32]:
        room = self._room if frames == self._BLOCK else np.empty((self._room.shape[0], frames), np.float32)
        return room[:, : _sibyl.stream_pull(self._stream, room, self._maximum)].copy()


def smooth3x3(features: Any, mode: str = "same") -> Any:
    """3 x 3 average over (row, column): "same" averages over what exists at the edges, "valid" leaves them out."""
    if mode not in ENUMS["smooth"]:
        raise ValueError(f"mode is {mode!r}, expected one of {', '.join(map(repr, ENUMS['smooth']))}")
    values = as_samples(features, "features")
    if values.ndim != 2:
        raise ValueError(f"features has {values.ndim} dimensions, expected (rows, columns)")
    cut = 2 if mode == "valid" else 0
    if min(values.shape) <= cut:
        raise ValueError(f"features of shape {tuple(values.shape)} leave nothing to average")
    out = empty_like(values, (values.shape[0] - cut, values.shape[1] - cut))
    _sibyl.smooth3x3(ENUMS["smooth"].index(mode), values, out)
    return without_gradient("sibyl.smooth3x3", [features], [out])[0]
