"""faster-whisper's features, on Sibyl's."""

from __future__ import annotations

from typing import Any

import numpy as np

import sibyl


class FeatureExtractor:
    """Whisper's log-mel spectrograms by faster-whisper's class: windows of 25 ms each 10 ms at 16 kHz."""

    def __init__(self, feature_size: int = 80, sampling_rate: int = 16000, hop_length: int = 160, chunk_length: int = 30, n_fft: int = 400) -> None:
        for name, given, only in (("sampling_rate", sampling_rate, 16000), ("hop_length", hop_length, 160), ("n_fft", n_fft, 400)):
            if given != only:
                raise NotImplementedError(f"FeatureExtractor({name}={given}) is not built: Whisper's models have {only}; sibyl.LogMel has others")
        self.n_fft, self.hop_length, self.sampling_rate = n_fft, hop_length, sampling_rate
        self.time_per_frame = hop_length / sampling_rate
        self.mel_filters = sibyl.mel_filters(feature_size)
        self._set_length(chunk_length)
        self.chunk_length = chunk_length

    def _set_length(self, chunk_length: int) -> None:
        self.n_samples = chunk_length * self.sampling_rate
        self.nb_max_frames = self.n_samples // self.hop_length

    def __call__(self, waveform: np.ndarray[Any, Any], padding: int = 160, chunk_length: int | None = None) -> np.ndarray[Any, Any]:
        """(feature_size, frames), float32, of samples (n,) with as many zeros behind them as padding says."""
        if chunk_length is not None:
            self._set_length(chunk_length)
        return sibyl.log_mel_spectrogram(np.asarray(waveform, np.float32), len(self.mel_filters), padding)
