"""Where models are: openai-whisper's names and files, and what is made of checkpoints."""

from __future__ import annotations

import os

import sibyl

from .tokenizer import RANKS, cache_folder, package_assets

# openai-whisper's names of models, and of their files where those are others.
MODELS = ("tiny.en", "tiny", "base.en", "base", "small.en", "small", "medium.en", "medium", "large-v1", "large-v2", "large-v3", "large",
          "large-v3-turbo", "turbo")  # fmt: skip
_FILES = {"large": "large-v3", "turbo": "large-v3-turbo"}


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


def _tokenizer_of_package(checkpoint: str) -> str | None:
    """The folder of ranks of the package openai-whisper, for OpenAI's files, which are without tokenizers, where none is nearer."""
    stem, kind = os.path.splitext(checkpoint)
    folder, assets = os.path.dirname(os.path.abspath(checkpoint)), package_assets()
    near = [f"{stem}.tiktoken", *(os.path.join(folder, name) for name in ("tokenizer.json", *RANKS)), *(os.path.join(cache_folder(), name) for name in RANKS)]
    return None if kind != ".pt" or os.path.isdir(checkpoint) or any(map(os.path.isfile, near)) else assets


def imported(checkpoint: str, tokenizer: str | None) -> str:
    """The ONNX model made of a checkpoint, now or before: see sibyl.import_cached."""
    return sibyl.import_cached(checkpoint, tokenizer=tokenizer or _tokenizer_of_package(checkpoint))
