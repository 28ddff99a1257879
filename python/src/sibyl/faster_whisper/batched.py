"""faster-whisper's BatchedInferencePipeline: the recording is cut where nobody speaks, and its parts are heard side by side."""

from __future__ import annotations

import concurrent.futures
import math
import os
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Sequence

import numpy as np

from ..whisper.timing import add_word_timestamps
from ..whisper.utils import compression_ratio
from ._results import Segment, TranscriptionInfo, TranscriptionOptions, VadOptions, Word, temperatures_of
from .audio import decode_audio
from .vad import parts_of, get_speech_timestamps, restore

if TYPE_CHECKING:
    from .transcribe import WhisperModel

_RATE = 16000
_FRAME = 0.02  # s, from one token of time to the next
# What faster-whisper takes here and does not use either.
_FIXED = {
    "repetition_penalty": (1, "there is no such penalty in Whisper's procedure"),
    "no_repeat_ngram_size": (0, "there is no such rule in Whisper's procedure"),
    "length_penalty": (1, "hypotheses are ranked by their mean log probability"),
}


def _split(tokens: Sequence[int], first_time: int, duration: float) -> Iterator[tuple[float, float, list[int]]]:
    """Segments of a window as (begin, end, tokens): they end where two tokens of time stand side by side."""
    times = [token >= first_time for token in tokens]
    cuts = [i for i in range(1, len(tokens)) if times[i] and times[i - 1]]
    if not cuts:
        said = [token for token, is_time in zip(tokens, times) if is_time]
        yield 0.0, (said[-1] - first_time) * _FRAME if said and said[-1] != first_time else duration, list(tokens)
        return
    if len(tokens) >= 2 and times[-1] and not times[-2]:
        cuts.append(len(tokens))
    for begin, end in zip([0, *cuts], cuts):
        yield (tokens[begin] - first_time) * _FRAME, (tokens[end - 1] - first_time) * _FRAME, list(tokens[begin:end])


class BatchedInferencePipeline:
    """Hears a recording in parts of up to chunk_length seconds, batch_size of them side by side in threads."""

    def __init__(self, model: WhisperModel) -> None:
        self.model = model
        self.last_speech_timestamp = 0.0

    def transcribe(
        self,
        audio: Any,
        language: str | None = None,
        task: str = "transcribe",
        log_progress: bool = False,
        beam_size: int = 5,
        best_of: int = 5,
        patience: float = 1,
        length_penalty: float = 1,
        repetition_penalty: float = 1,
        no_repeat_ngram_size: int = 0,
        temperature: float | Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        compression_ratio_threshold: float | None = 2.4,
        log_prob_threshold: float | None = -1.0,
        no_speech_threshold: float | None = 0.6,
        condition_on_previous_text: bool = True,
        prompt_reset_on_temperature: float = 0.5,
        initial_prompt: str | Iterable[int] | None = None,
        prefix: str | None = None,
        suppress_blank: bool = True,
        suppress_tokens: list[int] | None = [-1],
        without_timestamps: bool = True,
        max_initial_timestamp: float = 1.0,
        word_timestamps: bool = False,
        prepend_punctuations: str = "\"'“¿([{-",
        append_punctuations: str = "\"'.。,，!！?？:：”)]}、",
        multilingual: bool = False,
        vad_filter: bool = True,
        vad_parameters: VadOptions | dict[str, Any] | None = None,
        max_new_tokens: int | None = None,
        chunk_length: int | None = None,
        clip_timestamps: list[dict[str, float]] | None = None,
        hallucination_silence_threshold: float | None = None,
        batch_size: int = 8,
        hotwords: str | None = None,
        language_detection_threshold: float | None = 0.5,
        language_detection_segments: int = 1,
    ) -> tuple[Iterable[Segment], TranscriptionInfo]:
        """Segments, which are made batch by batch as they are asked for, and what is known of the recording.

        clip_timestamps: [{"start", "end"}, ...] in seconds, parts in place of those that vad_filter finds. Of temperatures
        the first is used. As in faster-whisper, thresholds, condition_on_previous_text, prompt_reset_on_temperature, prefix, best_of,
        max_initial_timestamp and hallucination_silence_threshold have no meaning here.
        """
        given = dict(locals())
        self.model._check("BatchedInferencePipeline", given, _FIXED)
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, expected at least 1")
        samples = audio if isinstance(audio, np.ndarray) else decode_audio(audio, _RATE)
        length = min(chunk_length or 30, 30)
        if clip_timestamps:
            spans = [{edge: int(time * _RATE) for edge, time in clip.items()} for clip in clip_timestamps]
            parts = [(samples[span["start"] : span["end"]], span["start"]) for span in spans]
        else:
            spans, vad_parameters = self._speech(samples, vad_filter, vad_parameters, length)
            parts = parts_of(samples, spans, length)
        heard = sum(span["end"] - span["start"] for span in spans) / _RATE
        features = [self.model.feature_extractor(part)[..., :-1] for part, _ in parts] if heard else []
        of_all = np.concatenate([*features, np.full((self.model.whisper.dims.n_mels, 1), -1.5, np.float32)], axis=1)
        language, probability, probs = self.model._language(language, of_all, language_detection_segments, language_detection_threshold)
        multilingual = given["multilingual"] = self.model._multilingual(multilingual)
        temperatures = temperatures_of(temperature)[:1]
        options = self._options(given, None if multilingual else language, float(temperatures[0]))
        fixed: dict[str, Any] = {"temperatures": temperatures, "clip_timestamps": spans, "hallucination_silence_threshold": None, "condition_on_previous_text": False,
                 "prompt_reset_on_temperature": 0.5, "max_initial_timestamp": 0.0}  # fmt: skip
        kept: dict[str, Any] = {name: given.get(name) for name in TranscriptionOptions.__dataclass_fields__}
        said = TranscriptionOptions(**(kept | fixed))
        windows = [(mel, offset / _RATE, len(part) / _RATE) for mel, (part, offset) in zip(features, parts)]
        tokenizer = self.model.whisper._tokenizer(language, task)
        marks = {"prepend_punctuations": prepend_punctuations, "append_punctuations": append_punctuations}
        segments: Iterable[Segment] = self._segments(windows, options, batch_size, {"tokenizer": tokenizer, **marks} if word_timestamps else None)
        if not clip_timestamps and spans:
            segments = restore(segments, spans, _RATE)
        return segments, TranscriptionInfo(language, probability, len(samples) / _RATE, heard, probs, said, vad_parameters)

    def _speech(self, samples: Any, vad_filter: bool, given: Any, length: int) -> tuple[list[dict[str, int]], Any]:
        """Where speech is, in samples, no part longer than `length` seconds, and the options that it was found with."""
        if not vad_filter:
            if len(samples) / _RATE >= length:
                raise RuntimeError(f"the recording is longer than {length} s: give clip_timestamps, or vad_filter=True")
            return [{"start": 0, "end": len(samples)}], given
        if given is None:
            given = VadOptions(max_speech_duration_s=length, min_silence_duration_ms=160)
        elif isinstance(given, dict):
            given = VadOptions(**given | {"max_speech_duration_s": length})
        return get_speech_timestamps(samples, given), given

    def _options(self, given: dict[str, Any], language: str | None, temperature: float) -> dict[str, Any]:
        """Inputs of a window's job."""
        tokens, prompt = self.model.whisper._tokens, given["initial_prompt"] or ""
        previous = tokens.encode(" " + given["hotwords"].strip()) if given["hotwords"] else []
        previous += tokens.encode(prompt) if isinstance(prompt, str) else list(prompt)
        suppressed = given["suppress_tokens"]
        options = {name: given[name] for name in ("task", "suppress_blank", "without_timestamps")}
        options |= {"suppress_tokens": ",".join(map(str, suppressed or [])), "language": language, "previous": previous or None}
        options |= {"beam_size": given["beam_size"], "patience": given["patience"]} if given["beam_size"] > 1 and temperature == 0 else {}
        options |= {} if given["max_new_tokens"] is None else {"sample_len": given["max_new_tokens"]}
        return options | {"decode_temperature": temperature}

    def _segments(
        self, windows: list[tuple[Any, float, float]], options: dict[str, Any], batch_size: int, words: dict[str, Any] | None
    ) -> Iterator[Segment]:
        number, workers = 0, min(batch_size, os.cpu_count() or 1)
        self.last_speech_timestamp = 0.0
        with concurrent.futures.ThreadPoolExecutor(workers) as threads:
            for at in range(0, len(windows), batch_size):
                batch = windows[at : at + batch_size]
                for (mel, offset, duration), found in zip(batch, threads.map(lambda window: self._hear(window[0], options), batch)):
                    segments = list(self._cut(found, offset, duration, options["decode_temperature"]))
                    if words is not None:
                        self._add_words(segments, mel, math.ceil(duration) * self.model.frames_per_second, words)
                    for segment in segments:
                        number += 1
                        segment.id = number
                        yield segment

    def _add_words(self, segments: list[Segment], mel: Any, frames: int, options: dict[str, Any]) -> None:
        timed: list[dict[str, Any]] = [{"seek": one.seek, "start": one.start, "end": one.end, "tokens": one.tokens} for one in segments]
        add_word_timestamps(segments=timed, model=self.model.whisper, mel=self.model._padded(mel), num_frames=frames,
                            last_speech_timestamp=self.last_speech_timestamp, **options)  # fmt: skip
        for segment, found in zip(segments, timed):
            segment.start, segment.end = round(found["start"], 3), round(found["end"], 3)
            segment.words = [Word(**word) for word in found["words"]]
            if found["words"]:
                self.last_speech_timestamp = found["end"]

    def _hear(self, mel: Any, options: dict[str, Any]) -> dict[str, Any]:
        return self.model.whisper._window(self.model._padded(mel), options, ("tokens", "avg_logprob", "no_speech_prob"))

    def _cut(self, found: dict[str, Any], offset: float, duration: float, temperature: float) -> Iterator[Segment]:
        model = self.model
        for start, end, tokens in _split(found["tokens"], model._first_time, duration):
            text = model.whisper._tokens.decode([token for token in tokens if token < model._end])
            yield Segment(0, int(offset * model.frames_per_second), round(offset + start, 3), round(offset + end, 3), text, tokens,
                          found["avg_logprob"], compression_ratio(text), found["no_speech_prob"], None, temperature)  # fmt: skip
