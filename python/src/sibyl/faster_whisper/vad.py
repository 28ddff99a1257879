"""Speech alone: where it is, the recording cut to it, and times in the cut recording as times in the whole one."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import importlib.machinery
import os
from typing import Any, Iterable, Iterator

import numpy as np

import sibyl

from ._results import Segment, VadOptions


@functools.lru_cache(maxsize=1)
def get_vad_model() -> sibyl.VoiceActivity:
    """Silero's model: $SIBYL_MODELS/silero_vad, or that of the package silero-vad."""
    if "silero_vad" in sibyl.available_models():
        return sibyl.load_model("silero_vad", "voice-activity")
    found = importlib.machinery.PathFinder.find_spec("silero_vad")
    path = os.path.join(os.path.dirname(found.origin), "data", "silero_vad.onnx") if found is not None and found.origin else ""
    if os.path.isfile(path):
        return sibyl.load_model(path, "voice-activity", threads=1)
    raise FileNotFoundError("vad_filter needs Silero's model: install silero-vad, or put it to $SIBYL_MODELS/silero_vad/silero_vad.onnx")


def get_speech_timestamps(audio: Any, vad_options: VadOptions | None = None, sampling_rate: int = 16000, **more: Any) -> list[dict[str, int]]:
    """[{"start", "end"}, ...] in samples."""
    if sampling_rate != 16000:
        raise NotImplementedError(f"get_speech_timestamps(sampling_rate={sampling_rate}) is not built: resample to 16000")
    options = dataclasses.asdict(vad_options or VadOptions(**more))
    given = {name: value for name, value in options.items() if value is not None and value != float("inf")}
    spans = get_vad_model().spans(audio, **given)
    return [{edge: round(span[edge] * sampling_rate) for edge in ("start", "end")} for span in spans]


def cut(audio: np.ndarray[Any, Any], chunks: list[dict[str, int]]) -> np.ndarray[Any, Any]:
    return np.concatenate([audio[:0], *(audio[chunk["start"] : chunk["end"]] for chunk in chunks)])


def parts_of(audio: np.ndarray[Any, Any], chunks: list[dict[str, int]], max_duration: float = float("inf")) -> list[tuple[Any, int]]:
    """Chunks put together to parts of up to max_duration seconds: their samples, and where they begin in the cut recording."""
    parts: list[tuple[Any, int]] = []
    group: list[dict[str, int]] = []
    begin = size = 0
    for chunk in [*chunks, None]:
        length = 0 if chunk is None else chunk["end"] - chunk["start"]
        if group and (chunk is None or size + length > max_duration * 16000):
            parts.append((cut(audio, group), begin))
            group, begin, size = [], begin + size, 0
        if chunk is not None:
            group.append(chunk)
            size += length
    return parts


class _Times:
    """Times of the cut recording as those of the whole one, to 10 ms."""

    def __init__(self, chunks: list[dict[str, int]], rate: int) -> None:
        self.rate = rate
        self.ends: list[int] = []  # of each chunk, in samples of the cut recording
        self.left_out: list[float] = []  # before each chunk, in seconds
        kept = 0
        for chunk in chunks:
            self.left_out.append((chunk["start"] - kept) / rate)
            kept += chunk["end"] - chunk["start"]
            self.ends.append(kept)

    def chunk_of(self, time: float, is_end: bool = False) -> int:
        sample = int(time * self.rate)
        found = (bisect.bisect_left if is_end else bisect.bisect_right)(self.ends, sample)
        return min(found, len(self.ends) - 1)

    def whole(self, time: float, chunk: int) -> float:
        return round(self.left_out[chunk] + time, 2)


def restore(segments: Iterable[Segment], chunks: list[dict[str, int]], rate: int) -> Iterator[Segment]:
    times = _Times(chunks, rate)
    for segment in segments:
        for word in segment.words or []:
            chunk = times.chunk_of((word.start + word.end) / 2)  # both edges lie in the chunk of the middle
            word.start, word.end = times.whole(word.start, chunk), times.whole(word.end, chunk)
        if segment.words:
            segment.start, segment.end = segment.words[0].start, segment.words[-1].end
        else:
            segment.start = times.whole(segment.start, times.chunk_of(segment.start))
            segment.end = times.whole(segment.end, times.chunk_of(segment.end, is_end=True))
        yield segment
