"""Sibyl hears: any recording to exact log-mel features, fast.

    import sibyl
    mel = sibyl.log_mel_spectrogram("speech.flac")                  # (80, frames), as OpenAI Whisper's
    mel = sibyl.LogMel("kaldi", precise=True)(samples)              # other front ends by description

Where torch is imported, before or after, its operators torch.ops.sibyl.log_mel_spectrogram and
torch.ops.sibyl.conv1d are registered too.
"""

from . import _sibyl, _torch_hook
from .audio import (
    CHUNK_LENGTH,
    HOP_LENGTH,
    N_FFT,
    N_FRAMES,
    N_SAMPLES,
    SAMPLE_RATE,
    load_audio,
    pad_or_trim,
)
from .conv import conv1d
from .errors import SibylError
from .features import LogMel, LogMelStream, log_mel_spectrogram, mel_filters, smooth3x3
from .spec import MelSpec

__version__: str = _sibyl.version

__all__ = [
    "CHUNK_LENGTH",
    "HOP_LENGTH",
    "N_FFT",
    "N_FRAMES",
    "N_SAMPLES",
    "SAMPLE_RATE",
    "LogMel",
    "LogMelStream",
    "MelSpec",
    "SibylError",
    "__version__",
    "conv1d",
    "load_audio",
    "log_mel_spectrogram",
    "mel_filters",
    "pad_or_trim",
    "smooth3x3",
]

_torch_hook.install()
