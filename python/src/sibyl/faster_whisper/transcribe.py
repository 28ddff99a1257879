"""faster-whisper's WhisperModel, on the model that sibyl.whisper opens."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Any, Iterable, Iterator, NoReturn, Sequence

import numpy as np

from .. import _waiting
from .. import whisper
from ..jobs import _segment
from ..voice import _speech_options, _show_texts
from ._results import Segment, TranscriptionInfo, TranscriptionOptions, VadOptions, Word, temperatures_of
from .audio import decode_audio
from .batched import BatchedInferencePipeline as BatchedInferencePipeline  # faster-whisper has it here
from .feature_extractor import FeatureExtractor
from .vad import cut, get_speech_timestamps, restore

_RATE = 16000
# What has one value that Sibyl does, and what to do for another.
_FIXED = {
    "repetition_penalty": (1, "there is no such penalty in Whisper's procedure"),
    "no_repeat_ngram_size": (0, "compression_ratio_threshold finds repetitions"),
    "length_penalty": (1, "hypotheses are ranked by their mean log probability; sibyl.whisper has another length_penalty"),
    "prompt_reset_on_temperature": (0.5, "condition_on_previous_text=False leaves out the text before"),
    "multilingual": (False, "the language is that of the recording's beginning; BatchedInferencePipeline hears it in each part"),
    "chunk_length": (None, "windows have 30 s"),
}


def _refuse(name: str, value: Any, why: str, of: str = "WhisperModel") -> NoReturn:
    raise NotImplementedError(f"{of}.transcribe({name}={value!r}) is not built; {why}")


class WhisperModel:
    """model_size_or_path: OpenAI's name, whose file is in ~/.cache/whisper or download_root, or what sibyl.whisper.load_model
    takes. cpu_threads: 0 for one per processor. compute_type, num_workers and what concerns downloads is taken."""

    def __init__(
        self,
        model_size_or_path: str | os.PathLike[Any],
        device: str = "auto",
        device_index: int | list[int] = 0,
        compute_type: str = "default",
        cpu_threads: int = 0,
        num_workers: int = 1,
        download_root: str | None = None,
        local_files_only: bool = False,
        files: Any = None,
        revision: str | None = None,
        use_auth_token: Any = None,
        **more: Any,
    ) -> None:
        if files is not None:
            raise NotImplementedError("WhisperModel(files=...) is not built; give a path")
        if os.path.isfile(os.path.join(model_size_or_path, "model.bin")) and not os.path.isfile(os.path.join(model_size_or_path, "pytorch_model.bin")):
            raise NotImplementedError(f"{model_size_or_path} is a folder of CTranslate2's, which is not read; give the checkpoint that it was made of")
        chosen = None if device == "auto" else device
        self.whisper = whisper.load_model(model_size_or_path, chosen, download_root, threads=cpu_threads)
        self.logger = logging.getLogger("faster_whisper")
        self.feat_kwargs = {"feature_size": self.whisper.dims.n_mels}
        self.feature_extractor = FeatureExtractor(**self.feat_kwargs)
        self.input_stride, self.time_precision = 2, 0.02
        self.num_samples_per_token = self.feature_extractor.hop_length * self.input_stride
        self.frames_per_second = self.feature_extractor.sampling_rate // self.feature_extractor.hop_length
        self.tokens_per_second = self.feature_extractor.sampling_rate // self.num_samples_per_token
        self.max_length = self.whisper.dims.n_text_ctx
        self._end, self._first_time = (self.whisper._tokens.find(f"<|{name}|>") or 0 for name in ("endoftext", "0.00"))

    @staticmethod
    def _check(of: str, given: dict[str, Any], fixed: dict[str, tuple[Any, str]]) -> None:
        for name, (only, why) in fixed.items():
            if given[name] != only:
                _refuse(name, given[name], why, of)

    def _padded(self, features: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.ascontiguousarray(whisper.pad_or_trim(features, 2 * self.whisper.dims.n_audio_ctx))

    def _multilingual(self, wanted: bool) -> bool:
        if wanted and not self.whisper.is_multilingual:
            self.logger.warning("The model is English-only: multilingual=True is taken as False.")
        return wanted and self.whisper.is_multilingual

    def _language(
        self, language: str | None, features: np.ndarray[Any, Any], segments: int, threshold: float | None
    ) -> tuple[str, float, list[tuple[str, float]] | None]:
        """The language that was given, which an English-only model does not hear, or else that of the features."""
        if not self.whisper.is_multilingual:
            if language not in (None, "en"):
                self.logger.warning("The model is English-only: language=%r is taken as 'en'.", language)
            return "en", 1, None
        if language is not None:
            return language, 1, None
        return self.detect_language(features=features, language_detection_segments=segments, language_detection_threshold=threshold)

    @property
    def supported_languages(self) -> list[str]:
        return list(whisper.tokenizer.LANGUAGES) if self.whisper.is_multilingual else ["en"]

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("model", "hf_tokenizer", "encode", "generate_segments", "generate_with_fallback", "find_alignment"):
            raise NotImplementedError(f"WhisperModel.{name} is not built; WhisperModel.whisper is a sibyl.whisper.Whisper")
        raise AttributeError(name)

    def detect_language(
        self, audio: Any = None, features: Any = None, vad_filter: bool = False, vad_parameters: Any = None,
        language_detection_segments: int = 1, language_detection_threshold: float | None = 0.5,
    ) -> tuple[str, float, list[tuple[str, float]]]:  # fmt: skip
        """The language of samples (n,), or of features (n_mels, frames), its probability, and all languages from the most
        probable on: that of the first window where it is more probable than the threshold, else that of most windows, of
        which as many as language_detection_segments are heard."""
        if audio is None and features is None:
            raise AssertionError("detect_language takes audio or features")
        extractor = self.feature_extractor
        if audio is not None:
            if vad_filter:
                audio = cut(audio, get_speech_timestamps(audio, _vad_options(vad_parameters)))
            features = extractor(audio[: language_detection_segments * extractor.n_samples])
        window, votes = extractor.nb_max_frames, dict[str, list[float]]()
        features = features[..., : language_detection_segments * window]
        ranked: list[tuple[str, float]] = []
        for at in range(0, features.shape[-1], window):
            _, probs = self.whisper.detect_language(self._padded(features[..., at : at + window]))
            ranked = sorted(probs.items(), key=lambda item: -item[1])
            if ranked[0][1] > (language_detection_threshold or 0.0):
                return *ranked[0], ranked
            votes.setdefault(ranked[0][0], []).append(ranked[0][1])
        language = max(votes, key=lambda code: len(votes[code]))
        return language, max(votes[language]), ranked

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
        initial_prompt: str | None = None,
        prefix: str | None = None,
        suppress_blank: bool = True,
        suppress_tokens: list[int] | None = [-1],
        without_timestamps: bool = False,
        max_initial_timestamp: float = 1.0,
        word_timestamps: bool = False,
        prepend_punctuations: str = "\"'“¿([{-",
        append_punctuations: str = "\"'.。,，!！?？:：”)]}、",
        multilingual: bool = False,
        vad_filter: bool = False,
        vad_parameters: Any = None,
        max_new_tokens: int | None = None,
        chunk_length: int | None = None,
        clip_timestamps: str | list[float] = "0",
        hallucination_silence_threshold: float | None = None,
        hotwords: str | None = None,
        language_detection_threshold: float | None = 0.5,
        language_detection_segments: int = 1,
    ) -> tuple[Iterable[Segment], TranscriptionInfo]:
        """Segments, which are made as they are asked for, and what is known of the recording."""
        given = dict(locals())
        given["multilingual"] = self._multilingual(multilingual)
        self._check("WhisperModel", given, _FIXED)
        for name in ("initial_prompt", "prefix"):
            if given[name] is not None and not isinstance(given[name], str):
                _refuse(name, given[name], "give the text")
        samples = audio if isinstance(audio, np.ndarray) else decode_audio(audio, _RATE)
        duration, chunks = len(samples) / _RATE, None
        if vad_filter and clip_timestamps == "0":
            vad_parameters = _vad_options(vad_parameters)
            chunks = get_speech_timestamps(samples, vad_parameters)
            samples = cut(samples, chunks)
        features: np.ndarray[Any, Any] = np.empty((self.whisper.dims.n_mels, 0), np.float32)
        if language is None and self.whisper.is_multilingual:
            clips = clip_timestamps.split(",") if isinstance(clip_timestamps, str) else clip_timestamps
            features, begin = self.feature_extractor(samples), int(float(clips[0]) * self.frames_per_second)
            features = features[..., begin if begin < features.shape[-1] - 1 else 0 :]
        language, probability, probs = self._language(language, features, language_detection_segments, language_detection_threshold)
        options = {name: given[name] for name in _SHARED} | {"language": language, "logprob_threshold": log_prob_threshold}
        options |= {"beam_size": beam_size, "patience": patience} if beam_size > 1 else {}
        options |= {} if max_new_tokens is None else {"sample_len": max_new_tokens}
        segments: Iterator[Segment] = self._segments(samples, options)
        if chunks:
            segments = restore(segments, chunks, _RATE)
        elif chunks is not None:
            segments = iter(())
        kept = {field: given[field] for field in TranscriptionOptions.__dataclass_fields__ if field != "temperatures"}
        said = TranscriptionOptions(temperatures=temperatures_of(temperature), **kept)
        return segments, TranscriptionInfo(language, probability, duration, len(samples) / _RATE, probs, said, vad_parameters)

    def _segments(self, samples: Any, options: dict[str, Any]) -> Iterator[Segment]:
        """Those of a run that goes on as they are asked for, and ends where the iterator is given up."""
        inputs = {"audio": samples, **_speech_options(options)}
        run, cancel = self.whisper.job._prepare(inputs, ["text"], None, None)
        work: Any = _waiting.Work(lambda tell: run(None, tell, None, None), cancel)
        with contextlib.closing(work.told()) as told:
            for number, (found,) in enumerate(told, start=1):
                found = _segment(found, options["word_timestamps"], False)
                _show_texts(found)
                words = [Word(**word) for word in found["words"]] if options["word_timestamps"] else None
                yield Segment(**{**found, "id": number, "words": words})
        work.result()


_SHARED = ("task", "best_of", "temperature", "compression_ratio_threshold", "no_speech_threshold", "condition_on_previous_text",
           "initial_prompt", "prefix", "suppress_blank", "suppress_tokens", "without_timestamps", "max_initial_timestamp",
           "word_timestamps", "prepend_punctuations", "append_punctuations", "clip_timestamps", "hallucination_silence_threshold",
           "hotwords")  # fmt: skip


def _vad_options(given: Any) -> VadOptions:
    return VadOptions(**given) if isinstance(given, dict) else given or VadOptions()
