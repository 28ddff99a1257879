"""openai-whisper's Python API on Sibyl:

    import sibyl.whisper as whisper
    model = whisper.load_model("tiny")
    print(model.transcribe("speech.mp3")["text"])

and for programs and packages that say `import whisper`, unchanged:

    import sibyl.whisper; sibyl.whisper.install()          # before they are imported
    python -m sibyl.whisper program.py ...                 # or: -m package ...

What is equal, what differs and what is refused: docs/moving-from-whisper.md.
"""

from __future__ import annotations

import os
from typing import Any

from .. import _programs
from . import audio, decoding, model, normalizers, timing, tokenizer, utils
from ._importing import MODELS, checkpoint_of, imported
from .audio import load_audio, log_mel_spectrogram, pad_or_trim
from .decoding import DecodingOptions, DecodingResult, decode, detect_language
from .model import ModelDimensions, Whisper
from .transcribe import transcribe

__all__ = ["DecodingOptions", "DecodingResult", "ModelDimensions", "Whisper", "audio", "available_models", "decode", "decoding",
           "detect_language", "install", "load_audio", "load_model", "log_mel_spectrogram", "model", "normalizers", "pad_or_trim",
           "timing", "tokenizer", "transcribe", "utils", "__version__"]  # fmt: skip

# The version of openai-whisper whose API this is.
__version__ = "20250625"


def available_models() -> list[str]:
    """OpenAI's names."""
    return list(MODELS)


def load_model(
    name: str | os.PathLike[Any],
    device: Any = None,
    download_root: str | None = None,
    in_memory: bool = False,
    *,
    tokenizer: str | os.PathLike[Any] | None = None,
    threads: int = 0,
) -> Whisper:
    """A Whisper by OpenAI's name, whose file is in download_root (~/.cache/whisper): nothing is downloaded. Or by a path: OpenAI's
    checkpoint, a Hugging Face folder, a ggml file, an ONNX model that Sibyl made, a job's document or a folder with one.

    Of a checkpoint a model is made once, in ~/.cache/sibyl/models (sibyl.import_cached). tokenizer: a file, or a folder with OpenAI's;
    None is the checkpoint's own, the file of its name with .tiktoken, or OpenAI's, where it is found. device: a backend of Sibyl's; None, "cpu": the processor. in_memory is taken.
    """
    path = checkpoint_of(os.fspath(name), download_root)
    ranks = None if tokenizer is None else os.fspath(tokenizer)
    document = os.path.join(path, "job.json")
    if os.path.isfile(document):
        path = document
    elif not path.endswith((".onnx", ".json")):
        path, ranks = imported(path, ranks), None
    kind = None if device is None else str(device).split(":")[0]
    return Whisper(path, ranks, None if kind in (None, "cpu") else [kind], threads)


def install() -> None:
    """From here on `import whisper`, in this process, gives this module. A RuntimeError where openai-whisper is imported already."""
    _programs.install(__name__, "whisper")
