"""Speech to text while somebody speaks: samples go in piece by piece, text comes out with its times."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping

from . import _sibyl
from ._arrays import as_samples
from .jobs import Job, _segment, shown
from .voice import SpeechToText, VoiceActivity, _show_texts, _speech_options

_KINDS = ("started", "stopped", "partial", "final")


@dataclasses.dataclass(frozen=True)
class SpeechEvent:
    """What a LiveSpeech tells.

    kind: "started" where speech begins, "stopped" where silence follows, "partial" for what an open segment seems to say so
    far, "final" for what a segment says, which never changes. segment: its number, from 0. start, end: of the segment's
    audio, in seconds from the beginning of the stream. text: of "partial" and "final". stable: the beginning of a partial
    text whose words were in the partial text before, too. language, segments: of "final", segments as transcribe() gives
    them, with times of the stream.
    """

    kind: str
    segment: int
    start: float
    end: float
    text: str
    stable: str
    language: str
    segments: list[dict[str, Any]]


class LiveSpeech:
    """A stream of speech, cut into segments at silence or where one becomes too long, each of which is transcribed.

    model: SpeechToText or its job; several streams may share it. options: those of SpeechToText.transcribe, but for
    verbose, vad and clip_timestamps. sample_rate: of the samples pushed, Hz. manual: silence ends no segment, commit()
    does, and max_seconds. voice: a model of voice activity, of Silero's for 16 kHz, that tells speech from other sound;
    where there is none the level does. threshold: above 0 to 1, speech stands this times 18 dB above the background, or has
    this probability. silence: seconds of it that end a segment, 0.1 to 10. padding: seconds of audio before and after
    speech that belong to its segment, 0 to 2. max_seconds: of a segment, 2 to 30. partial: seconds of new audio between
    two partial texts; None: there are none. begin: time of the first sample in seconds.

    Every call gives the events that it made, in order. One thread at a time; an error leaves the segment out that could
    not be transcribed, and the stream may go on.
    """

    def __init__(
        self,
        model: SpeechToText | Job,
        options: Mapping[str, Any] | None = None,
        *,
        sample_rate: int = 16000,
        manual: bool = False,
        voice: VoiceActivity | Job | None = None,
        threshold: float = 0.5,
        silence: float = 0.5,
        padding: float = 0.3,
        max_seconds: float = 28.0,
        partial: float | None = 0.5,
        begin: float = 0.0,
    ) -> None:
        # 0 is the library's word for its defaults, and what is below 0 for none
        for name, value in {"sample_rate": sample_rate, "threshold": threshold, "silence": silence, "max_seconds": max_seconds}.items():
            if not value > 0:
                raise ValueError(f"{name} is {value}, expected more than 0")
        for name, least in {"padding": padding, "partial": partial}.items():
            if least is not None and not least >= 0:
                raise ValueError(f"{name} is {least}, expected 0 or more")
        job, ear = _job(model), None if voice is None else _job(voice)
        self._words = bool(options and options.get("word_timestamps"))
        self._handle = _sibyl.live_create(
            job._handle, job._inputs(_speech_options(dict(options or {}))), sample_rate, manual, ear and ear._handle, threshold, silence,
            padding or -1.0, max_seconds, -1.0 if partial is None else partial or 1e-9, begin,
        )

    def push(self, samples: Any) -> list[SpeechEvent]:
        """Takes samples (n,), as many as there are, from -1 to 1 or int16; what they complete is transcribed."""
        return self._events(_sibyl.live_push(self._handle, as_samples(samples, "samples")))

    def refresh(self) -> list[SpeechEvent]:
        """A partial text, where a segment is open and enough of it is new: for when all samples that have come are pushed."""
        return self._events(_sibyl.live_refresh(self._handle))

    def commit(self) -> list[SpeechEvent]:
        """Ends the open segment now; nothing where none is open."""
        return self._events(_sibyl.live_commit(self._handle))

    def finish(self) -> list[SpeechEvent]:
        """The same at the end of the stream; samples that are pushed afterwards go on from there."""
        return self._events(_sibyl.live_finish(self._handle))

    def clear(self) -> None:
        """Forgets the open segment."""
        _sibyl.live_clear(self._handle)

    @property
    def pending(self) -> float:
        """Seconds of the open segment; 0: none is open."""
        return _sibyl.live_pending(self._handle)

    def _events(self, told: list[tuple[Any, ...]]) -> list[SpeechEvent]:
        return [self._event(*one) for one in told]

    def _event(self, kind: int, segment: int, start: float, end: float, text: str, stable: str, language: str, segments: list[dict[str, Any]]) -> SpeechEvent:
        for one in segments:
            _show_texts(_segment(one, self._words, False))
        return SpeechEvent(_KINDS[kind], segment, start, end, shown(text), shown(stable), language, segments)


def _job(model: Any) -> Job:
    job = getattr(model, "job", model)
    if not isinstance(job, Job):
        raise TypeError(f"expected a model or its job, not {type(model).__name__}")
    return job
