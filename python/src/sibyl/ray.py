"""Sibyl on data sets of any size, in the actors of Ray Data:

    import ray
    import sibyl.ray

    speech = ray.data.read_binary_files("speech", include_paths=True)          # or read_parquet, read_webdataset, from_items, ...
    actors = ray.data.ActorPoolStrategy(size=8)
    made = speech.map_batches(sibyl.ray.Features, fn_constructor_kwargs={"n_mels": 128}, batch_size=16, compute=actors)
    made.write_parquet("features")

An actor works on one thread unless it says otherwise, so that as many fit on a machine as Ray has processors; models are mapped from their
files, which the actors of a machine share. What cannot be worked on has its error in the column "error", which is "" elsewhere; rows
are never lost. This module needs no Ray of its own: the actors are classes that Ray makes and calls.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _arrays
from .audio import load_audio
from .features import LogMel
from .session import InferenceSession, SessionOptions
from .voice import load_model

Batch = dict[str, Any]  # columns: arrays (n, ...), or of objects (n)


def _column(values: list[Any]) -> np.ndarray[Any, Any]:
    """Values of different shapes as one column."""
    made = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        made[i] = value
    return made


def _samples(item: Any, rate: int) -> Any:
    """Samples (n) at `rate`: of a file's name or bytes, of samples at that rate, or of the dict that Hugging Face's datasets hold."""
    if isinstance(item, Mapping):
        if item.get("array") is not None:
            if item.get("sampling_rate", rate) != rate:
                raise ValueError(f"the samples are at {item['sampling_rate']} Hz, expected {rate}: give the file's bytes, which are resampled")
            return np.asarray(item["array"], np.float32)
        item = item.get("bytes") or item.get("path")
    if isinstance(item, str):
        return load_audio(item, rate)
    if isinstance(item, (bytes, bytearray, memoryview)):
        with tempfile.NamedTemporaryFile(prefix="sibyl-") as file:
            file.write(item)
            file.flush()
            return load_audio(file.name, rate)
    if isinstance(item, np.ndarray):
        return _arrays.as_samples(item)
    raise TypeError(f"a recording is {type(item).__name__}, expected a file's name or bytes, samples, or a dict of these")


class _Actor:
    """One batch after another: each row by itself, with what failed in the column "error"."""

    def _of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def _nothing(self) -> dict[str, Any]:
        """The columns of a row that failed."""
        raise NotImplementedError

    def _leave_out(self) -> tuple[str, ...]:
        return ()

    def __call__(self, batch: Batch) -> Batch:
        rows, n = [], len(next(iter(batch.values())))
        for i in range(n):
            try:
                rows.append({**self._of({name: column[i] for name, column in batch.items()}), "error": ""})
            except Exception as error:  # of whatever kind: it is the row's
                rows.append({**self._nothing(), "error": f"{type(error).__name__}: {error}"})
        kept = {name: column for name, column in batch.items() if name not in self._leave_out()}
        return {**kept, **{name: _column([row[name] for row in rows]) for name in {**self._nothing(), "error": ""}}}


class _OfRecordings(_Actor):
    def __init__(self, column: str | None, keep: bool) -> None:
        self.column, self.keep = column, keep

    def _item(self, row: Mapping[str, Any]) -> Any:
        for name in (self.column,) if self.column else ("bytes", "audio", "wav", "flac", "mp3", "path", "audio_filepath"):
            if name in row:
                return row[name]
        raise KeyError(f"no column with recordings in {', '.join(row)}: name it by column=")

    def _leave_out(self) -> tuple[str, ...]:
        return () if self.keep else (self.column,) if self.column else ("bytes", "audio", "wav", "flac", "mp3")


class Features(_OfRecordings):
    """The column "features", arrays (bands, frames) of float32, in the place of the recordings.

    front_end: as LogMel takes it, with its further options (n_mels, precise, smooth, ...). column: that of the recordings, as names or bytes
    of files, samples, or the dicts of Hugging Face's datasets; by default "bytes", "audio", "wav", "flac", "mp3", "path" or
    "audio_filepath". keep: leave it in the batch.
    """

    def __init__(self, front_end: Any = "whisper", *, column: str | None = None, keep: bool = False, threads: int = 1, **options: Any) -> None:
        super().__init__(column, keep)
        self.front_end = LogMel(front_end, threads=threads, **options)

    def _of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {"features": self.front_end(_samples(self._item(row), self.front_end.spec.sample_rate))}

    def _nothing(self) -> dict[str, Any]:
        return {"features": np.zeros((self.front_end.spec.n_mels, 0), np.float32)}


class Transcribe(_OfRecordings):
    """The columns "text" and "language". model: as load_model takes it; options: those of SpeechToText.transcribe."""

    def __init__(self, model: str = "digits", *, column: str | None = None, keep: bool = False, threads: int = 1, **options: Any) -> None:
        super().__init__(column, keep)
        self.model, self.options = load_model(model, "speech-to-text", threads=threads), options

    def _of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        found = self.model.transcribe(_samples(self._item(row), 16000), **self.options)
        return {"text": found["text"], "language": found["language"]}

    def _nothing(self) -> dict[str, Any]:
        return {"text": "", "language": ""}


class Run(_Actor):
    """The outputs of an ONNX model, which is run once for each row. inputs: columns by the names of inputs, by default equal. outputs: columns
    by the names of outputs, by default all by their names. Columns that are inputs are left out of the batch unless keep says so."""

    def __init__(
        self,
        model: str,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        *,
        keep: bool = False,
        threads: int = 1,
    ) -> None:
        self.session = InferenceSession(model, SessionOptions(intra_op_num_threads=threads))
        self.inputs = dict(inputs or {i.name: i.name for i in self.session.get_inputs()})
        self.outputs = dict(outputs or {o.name: o.name for o in self.session.get_outputs()})
        self.keep = keep

    def _of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        found = self.session.run(list(self.outputs), {name: np.asarray(row[column]) for name, column in self.inputs.items()})
        return dict(zip(self.outputs.values(), found, strict=True))

    def _nothing(self) -> dict[str, Any]:
        return {column: np.zeros(0, np.float32) for column in self.outputs.values()}

    def _leave_out(self) -> tuple[str, ...]:
        return () if self.keep else tuple(self.inputs.values())
