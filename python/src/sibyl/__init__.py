"""Sibyl hears: any recording to exact log-mel features, fast; runs ONNX models, every value open to view; and does jobs
with them: speech to text, text generation, voice activity.

    import sibyl
    mel = sibyl.log_mel_spectrogram("speech.flac")                  # (80, frames), as OpenAI Whisper's
    mel = sibyl.LogMel("kaldi", precise=True)(samples)              # other front ends by description
    session = sibyl.InferenceSession("model.onnx")                  # as onnxruntime's
    outputs = session.run(None, {"x": mel})
    sibyl.load_model("digits", "speech-to-text").transcribe("speech.flac")["text"]    # as openai-whisper's

    sibyl.ops.attention(q, k, v, is_causal=True)                    # operators as plain calls

Where torch is imported, before or after, its operators torch.ops.sibyl.log_mel_spectrogram, conv1d, attention and those
of sibyl.ops are registered too.
"""

from . import _sibyl, _torch_hook, ops, tile
from .audio import (
    CHUNK_LENGTH,
    HOP_LENGTH,
    N_FFT,
    N_FRAMES,
    N_SAMPLES,
    SAMPLE_RATE,
    AudioLevel,
    chunk,
    level,
    load_audio,
    normalize,
    pad_or_trim,
)
from .backend import Backend, Node, NodeEnd
from .conformance import ConformCase, conform
from .conv import conv1d
from .differences import NodeDifference, diff
from .errors import SibylError
from .features import LogMel, LogMelStream, log_mel_spectrogram, mel_filters, smooth3x3
from .fixed import log_mel_fixed
from .generation import PrefixCache, Speculation
from .importing import import_cached, import_model, is_checkpoint
from .extend import lowering, operator
from .jobs import Job, JobNode, JobNodePort, JobPort, describe_job
from .live import LiveSpeech, SpeechEvent
from ._lowering import Dim, Lowering, TensorSpec, Value
from .model import inspect, milli_ops, random_inputs
from .quantizing import QuantizedLayer, QuantizeReport, quantize
from .registry import Registry, default_registry, functions, load_plugin
from .providers import Device, get_available_providers, get_devices
from .session import (
    InferenceSession,
    ModelMetadata,
    NodeArg,
    Profile,
    ProfileRow,
    RunOptions,
    SessionOptions,
)
from .spec import MelSpec
from .tensors import DTYPES, Comparison, Stats, compare, convert, stats
from .text import Tokenizer, whisper_languages
from .timing import MemoryUse, Monitor, MonitorSample, Series, Timer, memory, series_stats, set_memory_limit
from .views import View, view
from .voice import SpeechToText, TextGeneration, TextToSpeech, VoiceActivity, available_models, load_model
from .watch import Digest, Span, ValueEvent, Watch, digest

__version__: str = _sibyl.version

__all__ = [
    "CHUNK_LENGTH",
    "DTYPES",
    "HOP_LENGTH",
    "N_FFT",
    "N_FRAMES",
    "N_SAMPLES",
    "SAMPLE_RATE",
    "AudioLevel",
    "Backend",
    "Comparison",
    "ConformCase",
    "Device",
    "Digest",
    "Dim",
    "InferenceSession",
    "Job",
    "JobNode",
    "JobNodePort",
    "JobPort",
    "LiveSpeech",
    "LogMel",
    "LogMelStream",
    "Lowering",
    "MelSpec",
    "MemoryUse",
    "ModelMetadata",
    "Monitor",
    "MonitorSample",
    "Node",
    "NodeArg",
    "NodeDifference",
    "NodeEnd",
    "PrefixCache",
    "Profile",
    "ProfileRow",
    "QuantizeReport",
    "QuantizedLayer",
    "Registry",
    "RunOptions",
    "Series",
    "SessionOptions",
    "SibylError",
    "Span",
    "Speculation",
    "SpeechEvent",
    "SpeechToText",
    "Stats",
    "TensorSpec",
    "TextGeneration",
    "TextToSpeech",
    "Timer",
    "Tokenizer",
    "Value",
    "ValueEvent",
    "View",
    "VoiceActivity",
    "Watch",
    "__version__",
    "available_models",
    "chunk",
    "compare",
    "conform",
    "conv1d",
    "convert",
    "default_registry",
    "describe_job",
    "diff",
    "digest",
    "functions",
    "get_available_providers",
    "get_devices",
    "import_cached",
    "import_model",
    "inspect",
    "is_checkpoint",
    "level",
    "load_audio",
    "load_model",
    "load_plugin",
    "log_mel_fixed",
    "log_mel_spectrogram",
    "lowering",
    "mel_filters",
    "memory",
    "milli_ops",
    "normalize",
    "operator",
    "ops",
    "pad_or_trim",
    "quantize",
    "random_inputs",
    "series_stats",
    "set_memory_limit",
    "smooth3x3",
    "stats",
    "tile",
    "view",
    "whisper_languages",
]

_torch_hook.install()
