"""faster-whisper's Python API on Sibyl:

    from sibyl.faster_whisper import WhisperModel
    segments, info = WhisperModel("tiny").transcribe("speech.mp3", beam_size=5)

and for programs and packages that say `import faster_whisper`, unchanged: sibyl.faster_whisper.install() before they are
imported, or python -m sibyl.faster_whisper program.py ... What is equal and what differs: docs/moving-from-whisper.md.
"""

from .. import _programs
from ..whisper import available_models
from ..whisper.utils import format_timestamp
from . import audio, feature_extractor, transcribe, vad
from .audio import decode_audio
from .batched import BatchedInferencePipeline
from .transcribe import WhisperModel

__all__ = ["BatchedInferencePipeline", "WhisperModel", "audio", "available_models", "decode_audio", "feature_extractor",
           "format_timestamp", "install", "transcribe", "vad", "__version__"]  # fmt: skip

# The version of faster-whisper whose API this is.
__version__ = "1.2.1"


def install() -> None:
    """From here on `import faster_whisper`, in this process, gives this module. A RuntimeError where faster-whisper is imported already."""
    _programs.install(__name__, "faster_whisper")
