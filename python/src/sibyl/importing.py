"""Checkpoints of other programs made models."""

from __future__ import annotations

import os
from typing import Any, Sequence

from . import _sibyl

_DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "int8": "int8", "keep": "keep"}

Path = str | os.PathLike[Any]


def import_cached(checkpoint: Path, *, tokenizer: Path | None = None) -> str:
    """The ONNX model that a checkpoint, a file or a folder, makes: imported now, or before from the same bytes.

    It is kept in ~/.cache/sibyl/models ($XDG_CACHE_HOME), from which the models not used for longest go where they take more
    than $SIBYL_CACHE_MB megabytes (20000). tokenizer: a file, or a folder with OpenAI's multilingual.tiktoken and
    gpt2.tiktoken; None: the checkpoint's own, or what is beside it. An OSError where there is none, with what to fetch.
    """
    beside = None if tokenizer is None else os.fsencode(tokenizer)
    return _sibyl.import_cached(os.fsencode(checkpoint), beside)


def is_checkpoint(path: Path) -> bool:
    """Whether a file, by its first bytes, or a folder holds weights of another program, which import_model reads."""
    return _sibyl.import_takes(os.fsencode(path))


def import_model(
    checkpoint: Path | Sequence[Path],
    out: Path,
    *,
    dtype: str = "f32",
    opset: int = 23,
    recipe: str | None = None,
    check: bool = False,
    tokenizer: Path | None = None,
    audio_context: int = 0,
    lora: Path | None = None,
    vocoder: Path | None = None,
) -> dict[str, Any]:
    """Writes the model that a checkpoint's weights ask for to `out`, and its weights beside it to `out`.data.

    Its tokenizer, where there is one, goes beside it too, and so does its job, the document STEM.job.json, which load_model
    finds there and which may be changed.

    checkpoint: a file (safetensors, PyTorch, whisper.cpp, rwkv.cpp, GGUF), several that belong together, or a folder;
    nothing in them is ever executed. dtype: of matrices and embeddings, "f32", "f16", "bf16" or "int8", or
    "keep": as the checkpoint has them, blocks of few bits too (GGUF), which Sibyl alone runs. opset: 20 to 23; before 23
    attention, RMS norms and rotary positions stand in smaller operators. recipe: what model it is, where that is not to
    be found out. check: statistics of every weight; NaN and infinities are refused. tokenizer: a file;
    None takes the checkpoint's own, or a tokenizer.json beside it.
    audio_context: of Whisper, frames of 20 ms that its windows have; 0 takes the checkpoint's (1500). Shorter windows make
    encoding cheaper; recordings are cut into more of them. lora: the folder of a LoRA adapter in PEFT's layout
    (adapter_config.json, adapter_model.safetensors), which is merged into the weights: W + scale * B A. vocoder: of
    SpeechT5, the folder of the model that makes samples; None takes that beside the checkpoint.
    Returns what was found: recipe, format, tokenizer (its kind, or None), job (the document, or None), parameters, weights,
    problems.
    """
    if dtype not in _DTYPES:
        raise ValueError(f"dtype is one of {', '.join(_DTYPES)}, not {dtype!r}")
    paths = [checkpoint] if isinstance(checkpoint, (str, os.PathLike)) else list(checkpoint)
    beside = None if tokenizer is None else os.fsencode(tokenizer)
    names = [os.fsencode(path) for path in paths]
    return _sibyl.import_model(names, os.fsencode(out), recipe, _DTYPES[dtype], opset, check, beside, audio_context, None if lora is None else os.fsencode(lora), None if vocoder is None else os.fsencode(vocoder))
