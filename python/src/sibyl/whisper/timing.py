"""Times of words by dynamic time warping over the decoder's attention to the audio: openai-whisper's functions, on Sibyl's model."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

from .._arrays import is_tensor
from ._tensors import tensor
from .audio import HOP_LENGTH, SAMPLE_RATE, TOKENS_PER_SECOND

if TYPE_CHECKING:
    from .model import Whisper
    from .tokenizer import Tokenizer

Array = np.ndarray[Any, Any]

_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"
_SENTENCE_ENDS = ".。!！?？"
_LONGEST_MEDIAN = 0.7  # s


def median_filter(x: Any, filter_width: int) -> Any:
    """Medians along the last axis, of windows of an odd width, mirrored at the ends; x itself where it is no longer than half of one."""
    half = filter_width // 2
    if x.shape[-1] <= half:
        return x
    if filter_width < 1 or filter_width % 2 == 0:
        raise AssertionError(f"filter_width is {filter_width}, expected an odd number")
    values = np.asarray(x.detach().cpu() if is_tensor(x) else x)
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(half, half)], mode="reflect")
    found = np.partition(np.lib.stride_tricks.sliding_window_view(padded, filter_width, axis=-1), half, axis=-1)[..., half]
    return tensor(found) if is_tensor(x) else found


# Where a cell's cheapest path comes from.
_DIAGONAL, _UP, _LEFT = range(3)


def _came_from(x: Array) -> Array:
    """(rows + 1, columns + 1) of _DIAGONAL, _UP, _LEFT. Cells of an antidiagonal do not need one another: each is one step."""
    rows, columns = x.shape
    cost = np.full((rows + 1, columns + 1), np.inf, np.float32)
    cost[0, 0] = 0
    came = np.full(cost.shape, _LEFT, np.int8)
    came[1:, 0] = _UP
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        both, up, left = cost[i - 1, j - 1], cost[i - 1, j], cost[i, j - 1]
        is_both, is_up = (both < up) & (both < left), (up < both) & (up < left)
        came[i, j] = np.where(is_both, _DIAGONAL, np.where(is_up, _UP, _LEFT))
        cost[i, j] = x[i - 1, j - 1] + np.where(is_both, both, np.where(is_up, up, left))
    return came


def dtw(x: Any) -> Array:
    """(2, n): rows and columns of the cheapest path through costs (rows, columns), from the first cell to the last."""
    came = _came_from(np.asarray(x.detach().cpu() if is_tensor(x) else x, np.float64))
    i, j = came.shape[0] - 1, came.shape[1] - 1
    path = []
    while i > 0 or j > 0:
        path.append((i - 1, j - 1))
        where = came[i, j]
        i, j = i - (where != _LEFT), j - (where != _UP)
    return np.array(path[::-1]).T


@dataclasses.dataclass
class WordTiming:
    word: str
    tokens: list[int]
    start: float  # s in the window
    end: float
    probability: float


def _softmax(x: Array) -> Array:
    powers: Array = np.exp(x - x.max(axis=-1, keepdims=True))
    sums: Array = powers.sum(axis=-1, keepdims=True)
    return powers / sums


def find_alignment(
    model: Whisper,
    tokenizer: Tokenizer,
    text_tokens: list[int],
    mel: Any,
    num_frames: int,
    *,
    medfilt_width: int = 7,
    qk_scale: float = 1.0,
) -> list[WordTiming]:
    """The words of a window's text with their times. mel: (n_mels, frames) of the window, of which num_frames are audio."""
    if len(text_tokens) == 0:
        return []
    begin = len(tokenizer.sot_sequence)
    scores, logits = model._attention(mel, [*tokenizer.sot_sequence, tokenizer.no_timestamps, *text_tokens, tokenizer.eot])
    probabilities = _softmax(logits[begin : begin + len(text_tokens), : tokenizer.eot].astype(np.float64))
    chosen = probabilities[np.arange(len(text_tokens)), text_tokens]
    weights = _softmax(scores[:, :, : num_frames // 2].astype(np.float64) * qk_scale)
    weights = (weights - weights.mean(axis=-2, keepdims=True)) / weights.std(axis=-2, keepdims=True)
    text, time = dtw(-median_filter(weights, medfilt_width).mean(axis=0)[begin:-1])
    words, parts = tokenizer.split_to_word_tokens([*text_tokens, tokenizer.eot])
    if len(parts) <= 1:
        return []
    first = np.flatnonzero(np.diff(text, prepend=-1))  # steps of the path that begin a token
    times = (time[first] / TOKENS_PER_SECOND).tolist()
    edges = [0, *itertools.accumulate(len(part) for part in parts[:-1])]
    return [WordTiming(word, list(part), times[a], times[b], float(chosen[a:b].mean()))
            for word, part, a, b in zip(words, parts, edges, edges[1:])]  # fmt: skip


def merge_punctuations(alignment: list[WordTiming], prepended: str, appended: str) -> None:
    """Joins punctuation with the word behind it or before it, in place; what was joined stays, empty."""
    last = len(alignment) - 1
    for i in range(last - 1, -1, -1):
        mark, word = alignment[i], alignment[last]
        if mark.word.startswith(" ") and mark.word.strip() in prepended:
            word.word, word.tokens = mark.word + word.word, mark.tokens + word.tokens
            mark.word, mark.tokens = "", []
        else:
            last = i
    last = 0
    for i in range(1, len(alignment)):
        word, mark = alignment[last], alignment[i]
        if not word.word.endswith(" ") and mark.word in appended:
            word.word, word.tokens = word.word + mark.word, word.tokens + mark.tokens
            mark.word, mark.tokens = "", []
        else:
            last = i


def _shorten_at_sentences(alignment: Sequence[WordTiming], longest: float) -> None:
    for before, word in zip(alignment, alignment[1:]):
        if word.end - word.start > longest:
            if word.word in _SENTENCE_ENDS:
                word.end = word.start + longest
            elif before.word in _SENTENCE_ENDS:
                word.start = word.end - longest


def _shorten_after_pause(words: list[dict[str, Any]], pause_begin: float, median: float) -> None:
    """The first two words after a pause take no longer than twice the median each."""
    first, longest = words[0], 2 * median
    is_long = first["end"] - first["start"] > longest or (len(words) > 1 and words[1]["end"] - first["start"] > 2 * longest)
    if first["end"] - pause_begin <= 4 * median or not is_long:
        return
    if len(words) > 1 and words[1]["end"] - words[1]["start"] > longest:
        first["end"] = words[1]["start"] = max(words[1]["end"] / 2, words[1]["end"] - longest)
    first["start"] = max(0, first["end"] - longest)


def _fit_segment(segment: dict[str, Any], words: list[dict[str, Any]], median: float) -> None:
    """The segment gets its words' times, unless a word of its ends is half a second longer than the segment says."""
    first, last = words[0], words[-1]
    if first["start"] + 0.5 < segment["start"] < first["end"]:
        first["start"] = max(0, min(first["end"] - median, segment["start"]))
    else:
        segment["start"] = first["start"]
    if last["start"] < segment["end"] < last["end"] - 0.5:
        last["end"] = max(last["start"] + median, segment["end"])
    else:
        segment["end"] = last["end"]


def add_word_timestamps(
    *,
    segments: list[dict[str, Any]],
    model: Whisper,
    tokenizer: Tokenizer,
    mel: Any,
    num_frames: int,
    prepend_punctuations: str = _PREPENDED,
    append_punctuations: str = _APPENDED,
    last_speech_timestamp: float,
    medfilt_width: int = 7,
    qk_scale: float = 1.0,
) -> None:
    """Gives each segment of a window its "words", and the segments their words' times, in place."""
    if not segments:
        return
    texts = [[token for token in segment["tokens"] if token < tokenizer.eot] for segment in segments]
    alignment = find_alignment(model, tokenizer, sum(texts, []), mel, num_frames, medfilt_width=medfilt_width, qk_scale=qk_scale)
    durations = [word.end - word.start for word in alignment if word.end != word.start]
    median = min(_LONGEST_MEDIAN, float(np.median(durations))) if durations else 0.0
    if durations:
        _shorten_at_sentences(alignment, 2 * median)
    merge_punctuations(alignment, prepend_punctuations, append_punctuations)
    offset, waiting = segments[0]["seek"] * HOP_LENGTH / SAMPLE_RATE, iter(alignment)
    for segment, text in zip(segments, texts):
        taken: list[WordTiming] = []
        while sum(len(word.tokens) for word in taken) < len(text) and (word := next(waiting, None)) is not None:
            taken.append(word)
        words = [{"word": word.word, "start": round(offset + word.start, 2), "end": round(offset + word.end, 2), "probability": word.probability}
                 for word in taken if word.word]  # fmt: skip
        if words:
            _shorten_after_pause(words, last_speech_timestamp, median)
            _fit_segment(segment, words, median)
            last_speech_timestamp = segment["end"]
        segment["words"] = words
