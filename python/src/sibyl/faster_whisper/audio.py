"""Recordings as faster-whisper takes them: paths, file objects, samples."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import sibyl


def decode_audio(input_file: Any, sampling_rate: int = 16000, split_stereo: bool = False) -> Any:
    """Mono samples (n,), float32, of a path or a file object."""
    if split_stereo:
        raise NotImplementedError("decode_audio(split_stereo=True) is not built: split the file's channels before")
    if isinstance(input_file, (str, bytes, os.PathLike)):
        return sibyl.load_audio(input_file, sampling_rate).copy()
    with tempfile.NamedTemporaryFile(prefix="sibyl-") as file:
        while block := input_file.read(1 << 20):
            file.write(block)
        file.flush()
        return sibyl.load_audio(file.name, sampling_rate).copy()
