"""transformers' feature extractor of Whisper, on Sibyl's features:

    from sibyl.transformers import WhisperFeatureExtractor      # was: from transformers import WhisperFeatureExtractor
    extractor = WhisperFeatureExtractor.from_pretrained("whisper-tiny/")
    inputs = extractor(samples, sampling_rate=16000, return_tensors="pt")

It is a subclass, which transformers' pipelines, processors and files take for their own. What is equal and what differs:
docs/moving-from-whisper.md.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import transformers

from .features import LogMel

__all__ = ["WhisperFeatureExtractor", "install"]

# What transformers computes features by, with torch and without.
_METHODS = ("_torch_extract_fbank_features", "_np_extract_fbank_features")
for _method in _METHODS:
    if not hasattr(transformers.WhisperFeatureExtractor, _method):
        raise ImportError(f"sibyl.transformers needs transformers 5, whose WhisperFeatureExtractor has {_method}; found {transformers.__version__}")


@functools.lru_cache(maxsize=8)
def _front_end(n_mels: int, sample_rate: int, n_fft: int, hop_length: int) -> LogMel:
    return LogMel("whisper", n_mels=n_mels, sample_rate=sample_rate, n_fft=n_fft, win_length=n_fft, hop_length=hop_length, f_max=8000.0)


class WhisperFeatureExtractor(transformers.WhisperFeatureExtractor):  # type: ignore[misc]
    """As transformers' in all but the computation of the features, which is Sibyl's, on the processor whatever `device` says."""

    def _features(self, waveforms: Any, device: str = "cpu") -> np.ndarray[Any, Any]:
        """(batch, feature_size, frames), float32, of samples (batch, n)."""
        samples = np.ascontiguousarray(waveforms, np.float32)
        if self.dither:
            samples = samples + self.dither * _noise(samples.shape)
        found: np.ndarray[Any, Any] = _front_end(self.feature_size, self.sampling_rate, self.n_fft, self.hop_length)(samples)
        return found

    _torch_extract_fbank_features = _np_extract_fbank_features = _features


def _noise(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """From torch's generator, as transformers', where torch is installed."""
    if not transformers.utils.is_torch_available():
        return np.random.standard_normal(shape).astype(np.float32)
    import torch

    drawn: np.ndarray[Any, Any] = torch.randn(shape).numpy()
    return drawn


def install() -> None:
    """From here on transformers' own WhisperFeatureExtractor, in this process, computes with Sibyl: processors and pipelines too."""
    for method in _METHODS:
        setattr(transformers.WhisperFeatureExtractor, method, WhisperFeatureExtractor._features)
