"""Where models are: openai-whisper's names and files, and what was made of checkpoints before."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from typing import Any

import sibyl

from .tokenizer import cache_folder, cache_home, find_ranks

# openai-whisper's names of models, and of their files where those are others.
MODELS = ("tiny.en", "tiny", "base.en", "base", "small.en", "small", "medium.en", "medium", "large-v1", "large-v2", "large-v3", "large",
          "large-v3-turbo", "turbo")  # fmt: skip
_FILES = {"large": "large-v3", "turbo": "large-v3-turbo"}
_N_VOCAB_MULTILINGUAL = 51865


def checkpoint_of(name: str, download_root: str | None) -> str:
    """The file of a model by its name, or the path that was given. A RuntimeError where there is neither."""
    if name in MODELS:
        path = os.path.join(download_root or cache_folder(), f"{_FILES.get(name, name)}.pt")
        if not os.path.isfile(path):
            raise RuntimeError(f"Model {name} is not at {path}, and nothing is downloaded: put openai-whisper's file there, or give its path")
        return path
    if os.path.exists(name):
        return name
    raise RuntimeError(f"{name} is no file, and none of the models {', '.join(MODELS)}")


def _stamp(path: str | None) -> str:
    """What changes when a file or a file of a folder does."""
    if path is None:
        return "-"
    names = [os.path.join(path, name) for name in sorted(os.listdir(path))] if os.path.isdir(path) else [path]
    stats = [(name, os.stat(name)) for name in map(os.path.realpath, names)]
    return "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)


def _tokenizer_beside(checkpoint: str) -> str | None:
    """The ranks for a checkpoint, None for a folder, which has its own."""
    if os.path.isdir(checkpoint):
        return None
    own = os.path.splitext(checkpoint)[0] + ".tiktoken"
    return own if os.path.isfile(own) else None


def _make(checkpoint: str, tokenizer: str | None, folder: str, name: str) -> None:
    out = os.path.join(folder, f"{name}.onnx")
    found: dict[str, Any] = sibyl.import_model(checkpoint, out, tokenizer=tokenizer)
    if found["recipe"] != "whisper":
        raise RuntimeError(f"{checkpoint} is a model of kind {found['recipe']}, not a Whisper")
    if found["job"] is None:  # OpenAI's files are without tokenizers
        metadata = sibyl.inspect(out)["metadata"]
        ranks = find_ranks(int(metadata["n_vocab"]) >= _N_VOCAB_MULTILINGUAL, [os.path.dirname(os.path.abspath(checkpoint))])
        sibyl.import_model(checkpoint, out, tokenizer=ranks)


def imported(checkpoint: str, tokenizer: str | None) -> str:
    """The ONNX model made of a checkpoint, in ~/.cache/sibyl/whisper, made there before or now."""
    tokenizer = tokenizer or _tokenizer_beside(checkpoint)
    parent = os.path.join(cache_home(), "sibyl", "whisper")
    name = os.path.splitext(os.path.basename(os.path.normpath(checkpoint)))[0]
    key = hashlib.sha256("\n".join([sibyl.__version__, _stamp(checkpoint), _stamp(tokenizer)]).encode()).hexdigest()[:16]
    folder = os.path.join(parent, f"{name}-{key}")
    if not os.path.isdir(folder):
        os.makedirs(parent, exist_ok=True)
        made = tempfile.mkdtemp(prefix=f"{name}-", dir=parent)
        try:
            _make(checkpoint, tokenizer, made, name)
            os.chmod(made, 0o755)
            os.rename(made, folder)
        except OSError:
            if not os.path.isdir(folder):  # else another process was first
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return os.path.join(folder, f"{name}.onnx")
