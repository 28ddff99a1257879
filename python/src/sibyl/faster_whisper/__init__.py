"""faster-whisper's Python API on Sibyl:

    from sibyl.faster_whisper import WhisperModel
    segments, info = WhisperModel("tiny").transcribe("speech.mp3", beam_size=5)

and for programs and packages that say `import faster_whisper`, unchanged: sibyl.faster_whisper.install() before they are
imported, or python -m sibyl.faster_whisper program.py ... What is equal and what differs: docs/moving-from-whisper.md.
"""

from .. import _programs
from ..whisper import available_models
from ..whisper._importing import checkpoint_of
from ..whisper.utils import format_timestamp
from . import audio, feature_extractor, transcribe, vad
from .audio import decode_audio
from .batched import BatchedInferencePipeline
from .transcribe import WhisperModel

__all__ = ["BatchedInferencePipeline", "WhisperModel", "audio", "available_models", "decode_audio", "download_model", "feature_extractor",
           "format_timestamp", "install", "transcribe", "vad", "__version__"]  # fmt: skip

# The version of faster-whisper whose API this is.
__version__ = "1.2.1"


def download_model(
    size_or_id: str, output_dir: str | None = None, local_files_only: bool = False, cache_dir: str | None = None, revision: str | None = None,
    use_auth_token: bool | str | None = None,
) -> str:  # fmt: skip
    """The path of a model's file, which WhisperModel takes, by OpenAI's name: in output_dir, cache_dir or ~/.cache/whisper. Nothing is
    downloaded: a RuntimeError where it is not there."""
    return checkpoint_of(size_or_id, output_dir or cache_dir)


def install() -> None:
    """From here on `import faster_whisper`, in this process, gives this module. A RuntimeError where faster-whisper is imported already."""
    _programs.install(__name__, "faster_whisper")
