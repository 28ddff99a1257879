"""A Whisper by the names of openai-whisper's class, on a job of Sibyl's."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Iterable, NoReturn

import numpy as np

import sibyl

from ..jobs import shown
from ..voice import SpeechToText
from . import decoding
from ._document import document_of, transcribing, with_attention, with_windows
from ._tensors import HAS_TORCH, tensor
from .tokenizer import Tokenizer
from .transcribe import transcribe


@dataclasses.dataclass
class ModelDimensions:
    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int


def _dimensions(path: str) -> ModelDimensions:
    said = sibyl.inspect(path)["metadata"]
    missing = [field.name for field in dataclasses.fields(ModelDimensions) if field.name not in said]
    if missing:
        raise ValueError(f"{path} does not say its {missing[0]} in its metadata, as models that sibyl.import_model made do")
    return ModelDimensions(**{field.name: int(said[field.name]) for field in dataclasses.fields(ModelDimensions)})


class Whisper:
    """A model that sibyl.whisper.load_model gives. job: what it runs, with the outputs of single windows too."""

    def __init__(self, path: str, tokenizer: str | None = None, backends: Any = None, threads: int = 0) -> None:
        document, folder = document_of(path, tokenizer)
        node = transcribing(document)
        model = document["models"][document["calls"][node["calls"]["encoder"]]["model"]]
        self._ranks = {**document["tokenizers"][node["tokenizer"]]}
        self._ranks["file"] = os.path.join(folder, self._ranks["file"])
        self.dims = _dimensions(os.path.join(folder, model))
        heads = node["inputs"].get("alignment_heads")
        layers, per_layer = self.dims.n_text_layer, self.dims.n_text_head
        upper = [(layer, head) for layer in range(layers // 2, layers) for head in range(per_layer)]
        self._alignment_heads = upper if not isinstance(heads, list) else list(zip(heads[::2], heads[1::2]))
        self.job = sibyl.Job(with_attention(with_windows(document), layers), backends=backends, threads=threads, folder=folder)
        self._hearer = SpeechToText(self.job)

    def __repr__(self) -> str:
        return f"<sibyl.whisper.Whisper {self.job.name!r}>"

    @property
    def _tokens(self) -> sibyl.Tokenizer:
        if not hasattr(self, "_opened"):
            self._opened = sibyl.Tokenizer(self._ranks["file"], kind=self._ranks.get("kind"), n_vocab=self._ranks.get("n_vocab", 0))
        return self._opened

    def _tokenizer(self, language: str | None, task: str | None) -> Tokenizer:
        """The model's own, for a language and a task."""
        if not self.is_multilingual:
            return Tokenizer(self._tokens, self.num_languages)
        return Tokenizer(self._tokens, self.num_languages, language or "en", task or "transcribe")

    def _window(self, mel: Any, inputs: dict[str, Any], outputs: Iterable[str] = ()) -> dict[str, Any]:
        """Runs one window; outputs by their names of the node `decode`, all where none is named."""
        names = [f"window_{name}" for name in outputs] or [port.name for port in self.job.outputs if port.name.startswith("window_")]
        names = [name for name in names if name != "window_logits"]
        found = {name.removeprefix("window_"): value for name, value in self.job.run({"mel": mel, **inputs}, names).items()}
        if "text" in found:
            found["text"] = shown(found["text"])
        return found

    def _attention(self, mel: Any, tokens: list[int]) -> tuple[Any, Any]:
        """Scores of the alignment heads, (heads, tokens, n_audio_ctx), and logits (tokens, n_vocab) of tokens fed together."""
        parts, _ = decoding.windows(self, mel)
        names = [f"attention_scores_{layer}" for layer in dict.fromkeys(layer for layer, _ in self._alignment_heads)] + ["attention_logits"]
        if "attention_logits" not in {port.name for port in self.job.outputs}:
            raise NotImplementedError(f"{self.job.name} has no call 'aligner', which gives the attention that words are found by")
        ids, at = np.array([tokens], np.int64), np.arange(len(tokens))
        # the encoder's output, so that its node runs before the call that is made on it
        found = self.job.run({"mel": parts[0][None], "window_tokens": ids, "window_at": at}, ["audio_features", *names])
        return np.stack([found[f"attention_scores_{layer}"][0, head] for layer, head in self._alignment_heads]), found["attention_logits"][0]

    def embed_audio(self, mel: Any) -> Any:
        """(n_audio_ctx, n_audio_state) of mel (n_mels, frames), with the batch dim that mel has."""
        parts, single = decoding.windows(self, mel)
        rows = [self.job.run({"mel": part[None]}, ["audio_features"])["audio_features"][0] for part in parts]
        return tensor(rows[0] if single else np.stack(rows))

    @property
    def is_multilingual(self) -> bool:
        return self.dims.n_vocab >= 51865

    @property
    def num_languages(self) -> int:
        return self.dims.n_vocab - 51765 - int(self.is_multilingual)

    @property
    def device(self) -> Any:
        if not HAS_TORCH:
            return "cpu"
        import torch

        return torch.device("cpu")

    def _same(self, *args: Any, **more: Any) -> Whisper:
        """Taken: weights stay where they are."""
        return self

    to = eval = half = float = cpu = requires_grad_ = _same

    decode = decoding.decode
    detect_language = decoding.detect_language
    transcribe = transcribe

    def __getattr__(self, name: str) -> NoReturn:
        why = {
            "logits": "sibyl.Job's taps show the decoder's logits: model.job.run_with_taps('decoder/step[0]/logits', ...)",
            "encoder": "embed_audio gives its output",
            "decoder": "sibyl.Job's taps show its values",
            "alignment_heads": "heads are the input alignment_heads of the node that transcribes, in the model's job.json",
            "set_alignment_heads": "heads are the input alignment_heads of the node that transcribes, in the model's job.json",
            "install_kv_cache_hooks": "sibyl.Job's taps show keys and values",
            "parameters": "weights are in the ONNX model",
            "state_dict": "weights are in the ONNX model",
        }.get(name)
        if why is None:
            raise AttributeError(name)
        raise NotImplementedError(f"Whisper.{name} is not built; {why}")
