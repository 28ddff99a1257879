"""The job of a Whisper with further outputs: one window decoded, its audio features, logits of given tokens."""

from __future__ import annotations

import json
import os
from typing import Any

import sibyl


# Inputs of the document, and of the nodes that are added to it.
_INPUTS = {
    "mel": "tensor",
    "previous": "tokens",
    "decode_temperature": "number",
    "window_tokens": "tensor",
    "window_at": "tensor",
}
_DECODING = ("language", "task", "best_of", "beam_size", "patience", "length_penalty", "sample_len", "prefix", "suppress_tokens",
             "suppress_blank", "without_timestamps", "max_initial_timestamp", "seed")  # fmt: skip
_OUTPUTS = ("tokens", "text", "language", "language_probabilities", "avg_logprob", "no_speech_prob", "compression_ratio")


def document_of(model: str, tokenizer: str | None) -> tuple[dict[str, Any], str]:
    """The job document next to a model, or that Sibyl has for it, and the folder of its files."""
    beside = os.path.splitext(model)[0] + ".job.json"
    if model.endswith(".json"):
        beside = model
    if tokenizer is None and os.path.isfile(beside):
        with open(beside, encoding="utf-8") as file:
            text = file.read()
    else:
        text = sibyl.describe_job(model, "speech-to-text", tokenizer)
    document: dict[str, Any] = json.loads(text)
    return document, os.path.dirname(os.path.abspath(model))


def transcribing(document: dict[str, Any]) -> dict[str, Any]:
    """Its node that transcribes. A TypeError where there is none."""
    found = [node for node in document.get("nodes", []) if node.get("op") == "transcribe"]
    if not found:
        raise TypeError(f"the job is of kind {document.get('kind')!r} and has no node of kind 'transcribe', as a Whisper's has")
    node: dict[str, Any] = found[0]
    return node


def with_attention(document: dict[str, Any], layers: int) -> dict[str, Any]:
    """The document with the scores of each layer's attention to the audio as outputs; as it is where it has no call that gives them."""
    aligner = document["calls"].get(transcribing(document)["calls"].get("aligner"))
    if aligner is None:
        return document
    pattern = aligner["outputs"]["scores.*"]
    given = {f"scores_{i}": pattern.replace("*", str(i)) for i in range(layers)} | {"logits": aligner["outputs"]["logits"]}
    inputs = {"tokens": "$window_tokens", "at": "$window_at"}
    return {
        **document,
        "calls": document["calls"] | {"attention": {**aligner, "outputs": given}},
        "nodes": [*document["nodes"], {"name": "attended", "op": "call", "calls": {"model": "attention"}, "inputs": inputs}],
        "outputs": document["outputs"] | {f"attention_{name}": f"$attended.{name}" for name in given},
    }


def with_windows(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the added nodes, inputs and outputs."""
    node = transcribing(document)
    calls = {name: node["calls"][name] for name in ("encoder", "decoder")}
    model = {name: node["inputs"][name] for name in ("n_text_ctx", "multilingual") if name in node["inputs"]}
    options = {name: f"${name}" for name in _DECODING if name in document["inputs"]}
    window = {
        "name": "window",
        "op": "decode",
        "tokenizer": node["tokenizer"],
        "calls": calls,
        "inputs": {"features": "$mel", "previous": "$previous", "temperature": "$decode_temperature", **model, **options},
    }
    encoded = {"name": "encoded", "op": "call", "calls": {"model": calls["encoder"]}, "inputs": {"mel": "$mel"}}
    inputs = {"tokens": "$window_tokens", "at": "$window_at"}
    scored = {"name": "scored", "op": "call", "calls": {"model": calls["decoder"]}, "inputs": inputs}
    return {
        **document,
        "inputs": document["inputs"] | {name: {"type": type, "default": None} for name, type in _INPUTS.items()},
        "nodes": [*document["nodes"], window, encoded, scored],
        "outputs": document["outputs"]
        | {f"window_{name}": f"$window.{name}" for name in _OUTPUTS}
        | {"audio_features": "$encoded.audio", "window_logits": "$scored.logits"},
    }
