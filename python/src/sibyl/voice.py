"""Models opened by name for what they do: speech to text, text generation, voice activity, text to speech."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from typing import Any, Iterable, Iterator, Literal, Mapping, Sequence, Unpack, cast, overload

from .errors import SibylFileNotFoundError
from .generation import PrefixCache, Speculation
from .importing import import_cached, is_checkpoint
from .jobs import Job, Path, describe_job, is_off, shown
from .views import TranscriptDict
from .options import GeneratedText, SpeakOptions, SpeechOptions, SpeechSpan, Spoken, TextOptions, Transcript, VoiceActivityOptions

# Options that None switches off; of the others None means what the job has.
_SWITCHES = ("compression_ratio_threshold", "logprob_threshold", "no_speech_threshold", "max_initial_timestamp")


# ---- Finding models ------------------------------------------------------------------------------------------------


def _folders() -> list[str]:
    """Where models are installed: $SIBYL_MODELS, beside the package, and where `make install` puts them."""
    package = os.path.dirname(os.path.abspath(__file__))
    folders = [os.path.join(place, "share", "sibyl", "models") for place in (package, sys.prefix)]
    folders.insert(0, os.path.join(package, "models"))
    given = os.environ.get("SIBYL_MODELS")
    return [given, *folders] if given else folders


def _installed_in(folder: str, name: str) -> str | None:
    for file in ("job.json", f"{name}.onnx"):
        path = os.path.join(folder, name, file)
        if os.access(path, os.R_OK):
            return path
    return None


def available_models() -> list[str]:
    """Names of the installed models, which load_model takes."""
    found = set()
    for folder in _folders():
        with contextlib.suppress(OSError):
            found |= {name for name in os.listdir(folder) if _installed_in(folder, name)}
    return sorted(found)


@overload
def load_model(
    name_or_path: Path,
    kind: Literal["speech-to-text"],
    tokenizer: Path | None = None,
    backends: str | Sequence[str] | None = None,
    threads: int = 0,
) -> SpeechToText: ...
@overload
def load_model(
    name_or_path: Path,
    kind: Literal["text-generation"],
    tokenizer: Path | None = None,
    backends: str | Sequence[str] | None = None,
    threads: int = 0,
) -> TextGeneration: ...
@overload
def load_model(
    name_or_path: Path,
    kind: Literal["voice-activity"],
    tokenizer: Path | None = None,
    backends: str | Sequence[str] | None = None,
    threads: int = 0,
) -> VoiceActivity: ...
@overload
def load_model(
    name_or_path: Path,
    kind: Literal["text-to-speech"],
    tokenizer: Path | None = None,
    backends: str | Sequence[str] | None = None,
    threads: int = 0,
) -> TextToSpeech: ...
@overload
def load_model(
    name_or_path: Path,
    kind: str | None = None,
    tokenizer: Path | None = None,
    backends: str | Sequence[str] | None = None,
    threads: int = 0,
) -> SpeechToText | TextGeneration | VoiceActivity | TextToSpeech | Job: ...
def load_model(
    name_or_path: Path,
    kind: str | None = None,
    tokenizer: Path | None = None,
    backends: str | Sequence[str] | None = None,
    threads: int = 0,
) -> SpeechToText | TextGeneration | VoiceActivity | TextToSpeech | Job:
    """What a model does, by the kind of its job: SpeechToText, TextGeneration, VoiceActivity, TextToSpeech, or else the Job
    itself.

    name_or_path: an ONNX model that import_model made or that Sibyl has a job for, a checkpoint, of which a model is made in the
    cache (import_cached), a job's document, a folder with one, or the name of an installed model ("digits"), which is looked for in $SIBYL_MODELS and then where Sibyl is installed;
    "features" is the job of features. kind: what is expected, which type checkers then know; another is an error. The rest is
    as in Job.
    """
    path = os.fsdecode(name_or_path)
    if os.sep not in path and not os.path.exists(path):
        if path == "features":
            return Job(describe_job(), kind, tokenizer, backends, threads)
        name, found = path, (_installed_in(folder, path) for folder in _folders())
        path = next(filter(None, found), "")
        if not path:
            known = ", ".join(available_models()) or "none"
            error = SibylFileNotFoundError(f"there is no file '{name}', and no model of that name is installed, but: {known}")
            error.code, error.filename = "io", name
            raise error
    if is_checkpoint(path):
        path, tokenizer = import_cached(path, tokenizer=tokenizer), None
    job = Job(path, kind, tokenizer, backends, threads)
    made = _KINDS.get(job.kind)
    return made(job) if made else job


class _Model:
    """A job with calls of its kind."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __repr__(self) -> str:
        return f"<sibyl.{type(self).__name__} {self.job.name!r}>"

    def _repr_html_(self) -> str:
        return self.job._html(f"sibyl.{type(self).__name__}")


# ---- Speech to text --------------------------------------------------------------------------------------------------


class SpeechToText(_Model):
    """A model that hears what is said, by Whisper's procedure."""

    def transcribe(self, audio: Any, *, verbose: bool | None = None, vad: VoiceActivity | Path | None = None, **options: Unpack[SpeechOptions]) -> Transcript:
        """The text of a recording: {"text", "segments", "language"}, each as in the result of openai-whisper's transcribe().

        audio: a path, or samples (n,) at 16 kHz. verbose: True prints each segment as it is recognised, False shows how far
        it is, None nothing. vad: a model of voice activity; only what it takes for speech is heard.

        options: those of openai-whisper's transcribe() by its names and with its defaults, where the job says nothing else:
        language=None (detected), task="transcribe", temperature=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0), best_of, beam_size,
        patience, length_penalty, sample_len, compression_ratio_threshold=2.4, logprob_threshold=-1.0,
        no_speech_threshold=0.6, condition_on_previous_text=True, initial_prompt, carry_initial_prompt=False, prefix,
        suppress_tokens="-1", suppress_blank=True, without_timestamps=False, max_initial_timestamp=1.0,
        word_timestamps=False, prepend_punctuations, append_punctuations, clip_timestamps="0",
        hallucination_silence_threshold; fp16 is taken and means nothing. Further: hotwords, words to listen for; seed, of
        the samples above temperature 0. None switches a threshold off.
        """
        inputs = {"audio": audio, **_speech_options(options)}
        if vad is not None:
            if "clip_timestamps" in inputs:
                raise ValueError("clip_timestamps and vad cannot both say what is heard")
            inputs["clip_timestamps"] = _clips(vad, audio)
        segment = _print_segment if verbose else None
        progress = _show_progress if verbose is False else None
        try:
            found = self.job.run(inputs, ["text", "segments", "language"], on_segment=segment, on_progress=progress)
        finally:
            if progress:
                print(file=sys.stderr)
        for segment in found["segments"]:
            _show_texts(segment)
        texts = {"text": shown(found["text"]), "segments": found["segments"], "language": found["language"]}
        return cast(Transcript, TranscriptDict(texts))


def _speech_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """openai-whisper's options as inputs of the job."""
    inputs = {name: value for name, value in given.items() if name != "fp16"}
    for name in _SWITCHES:
        if name in inputs and is_off(inputs[name]):
            inputs[name] = math.nan
    suppressed = inputs.get("suppress_tokens", "-1")
    if suppressed is None:
        inputs["suppress_tokens"] = ""
    elif not isinstance(suppressed, str):
        inputs["suppress_tokens"] = ",".join(str(int(token)) for token in suppressed)
    clips = inputs.get("clip_timestamps")
    if isinstance(clips, str):
        clips = [float(time) for time in clips.split(",")] if clips else []
    inputs["clip_timestamps"] = None if clips is None or not len(clips) else [float(time) for time in clips]
    return {name: value for name, value in inputs.items() if value is not None}


def _clips(vad: VoiceActivity | Path, audio: Any) -> list[float]:
    """What is heard of a recording, to the millisecond."""
    model = load_model(vad, "voice-activity") if isinstance(vad, (str, os.PathLike)) else vad
    if not isinstance(model, VoiceActivity):
        raise TypeError(f"vad is {model!r}, expected a model of voice activity")
    spans = model.spans(audio)
    return [round(span[edge], 3) for span in spans for edge in ("start", "end")] or [0.0, 0.0]


def _show_texts(segment: dict[str, Any]) -> None:
    segment["text"] = shown(segment["text"])
    for word in segment.get("words", []):
        word["word"] = shown(word["word"])


def _clock(seconds: float) -> str:
    """openai-whisper's: [HH:]MM:SS.mmm."""
    ms = round(seconds * 1000)
    hours = f"{ms // 3600000:02d}:" if ms >= 3600000 else ""
    return f"{hours}{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _print_segment(segment: dict[str, Any]) -> None:
    line = f"[{_clock(segment['start'])} --> {_clock(segment['end'])}] {shown(segment['text'])}"
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)


def _show_progress(done: float, total: float) -> None:
    print(f"\r{done:.0f} s of {total:.0f} s", end="", file=sys.stderr, flush=True)


# ---- Text generation --------------------------------------------------------------------------------------------------


class TextGeneration(_Model):
    """A model that goes on from a text, token by token.

    A prompt is a str (or bytes), or a list of ids. Options are inputs of the job: max_tokens=128, temperature=0.8 (0: always
    the likeliest), top_k, top_p, min_p, typical_p, xtc_probability, xtc_threshold, mirostat (1 or 2), mirostat_tau,
    mirostat_eta, samplers (their order: "huggingface", "llama.cpp", or a list), repetition_penalty, presence_penalty,
    frequency_penalty, penalty_last_n, dry_multiplier, dry_base, dry_allowed_length, dry_last_n, dry_breakers, bias_tokens
    and biases, seed=0, stop (a text or several), stop_tokens, begin_tokens, json_schema (a JSON Schema, as a dict or a
    text: the text is JSON of it), grammar (GBNF, docs/jobs.md: the text is one of it).
    """

    def generate(
        self,
        prompt: str | bytes | Iterable[int],
        *,
        prefix_cache: PrefixCache | None = None,
        speculation: Speculation | None = None,
        **options: Unpack[TextOptions],
    ) -> GeneratedText:
        """What comes behind a prompt: {"text", "tokens", "logprobs"}, a logarithm of a probability for each token.

        prefix_cache: what of prompts that begin alike is not read again. speculation: who guesses tokens.
        """
        wanted = ["text", "tokens", "logprobs"]
        return cast(GeneratedText, self.job.run(_inputs(prompt, options), wanted, prefix_cache=prefix_cache, speculation=speculation))

    def stream(
        self,
        prompt: str | bytes | Iterable[int],
        *,
        prefix_cache: PrefixCache | None = None,
        speculation: Speculation | None = None,
        **options: Unpack[TextOptions],
    ) -> Iterator[str]:
        """The same text piece by piece; the next piece is made as it is asked for."""
        return self.job.stream(_inputs(prompt, options), ["text"], None, prefix_cache, speculation)

    def logits(self, prompt: str | bytes | Iterable[int], **options: Unpack[TextOptions]) -> Any:
        """float32 (tokens, vocabulary): what the model gives behind each token of the prompt."""
        return self.job.run(_inputs(prompt, options), ["logits"])["logits"]

    def perplexity(self, prompt: str | bytes | Iterable[int], **options: Unpack[TextOptions]) -> float:
        """exp of the negative mean of the logarithms of the probabilities of all tokens but the first.

        context, stride: of texts longer than the model's context: windows of so many tokens, each of which begins `stride`
        behind the one before and gives the probabilities of those tokens that the one before has not.
        """
        return float(self.job.run(_inputs(prompt, options), ["perplexity"])["perplexity"])


def _inputs(prompt: str | bytes | Iterable[int], options: Mapping[str, Any]) -> dict[str, Any]:
    inputs = {"text" if isinstance(prompt, (str, bytes)) else "tokens": prompt, **options}
    if isinstance(inputs.get("json_schema"), (dict, bool)):
        inputs["json_schema"] = json.dumps(inputs["json_schema"])
    return inputs


# ---- Voice activity ------------------------------------------------------------------------------------------------------


class VoiceActivity(_Model):
    """A model that hears where speech is.

    Options are Silero's: threshold=0.5, neg_threshold, min_speech_duration_ms=250, min_silence_duration_ms=100,
    max_speech_duration_s, speech_pad_ms=30.
    """

    def spans(self, audio: Any, **options: Unpack[VoiceActivityOptions]) -> list[SpeechSpan]:
        """Where speech is, [{"start", "end"}, ...] in seconds. audio: a path, or samples (n,) at the job's rate."""
        return cast(list[SpeechSpan], self.job.run({"audio": audio, **options}, ["spans"])["spans"])

    def probabilities(self, audio: Any) -> Any:
        """float32, of speech in each window of 512 samples."""
        return self.job.run({"audio": audio}, ["probabilities"])["probabilities"].reshape(-1)


# ---- Text to speech ------------------------------------------------------------------------------------------------------


class TextToSpeech(_Model):
    """A model that says a text.

    Options are inputs of the job: seed=0 (the same gives the same speech), speed (2: twice as fast), speaker=0, noise_scale and
    duration_noise_scale (how much speech and durations vary; 0: not at all), phonemes=False (the text is phonemes, for models that
    read those), noise and duration_noise in place of drawn numbers. Where one is left out the model's own holds.
    """

    def __call__(self, text: str | bytes, **options: Unpack[SpeakOptions]) -> Spoken:
        """The text, spoken: {"samples": float32 (n,), "sample_rate": Hz}."""
        made = self.job.run({"text": text, **options}, ["samples", "sample_rate"])
        return {"samples": made["samples"], "sample_rate": int(made["sample_rate"])}


_KINDS: dict[str, type[SpeechToText] | type[TextGeneration] | type[VoiceActivity] | type[TextToSpeech]] = {
    "speech-to-text": SpeechToText,
    "text-generation": TextGeneration,
    "voice-activity": VoiceActivity,
    "text-to-speech": TextToSpeech,
}
