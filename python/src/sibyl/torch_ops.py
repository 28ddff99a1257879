"""Registers torch.ops.sibyl: operators that torch sees as its own, so that graphs with them trace and compile.

`import sibyl` sees to it that this module is imported once torch is. The operators run on the CPU with torch's
number of threads and have meta implementations; they have no gradients.
"""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor

from . import conv, features

_SCHEMAS = (
    "log_mel_spectrogram(Tensor audio, int n_mels=80, int padding=0) -> Tensor",
    "conv1d(Tensor x, Tensor weight, Tensor? bias, int stride=1, int padding=0, int dilation=1, int groups=1, "
    "bool gelu=False) -> Tensor",
)


def _log_mel_cpu(audio: Tensor, n_mels: int = 80, padding: int = 0) -> Tensor:
    return features.whisper_features(audio, n_mels, padding, torch.get_num_threads())


def _log_mel_meta(audio: Tensor, n_mels: int = 80, padding: int = 0) -> Tensor:
    if audio.dim() == 0:
        raise ValueError("audio has no dimensions, expected (n,) or (..., n) samples")
    frames = (audio.shape[-1] + padding) // 160
    return audio.new_empty((*audio.shape[:-1], n_mels, frames), dtype=torch.float32)


def _conv1d_cpu(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor] = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    gelu: bool = False,
) -> Tensor:
    return conv.compute(x, weight, bias, stride, padding, dilation, groups, gelu, torch.get_num_threads())


def _conv1d_meta(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor] = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    gelu: bool = False,
) -> Tensor:
    if x.dim() not in (2, 3) or weight.dim() != 3:
        raise ValueError(f"x and weight have {x.dim()} and {weight.dim()} dimensions, expected 2 or 3, and 3")
    length = (x.shape[-1] + 2 * padding - dilation * (weight.shape[2] - 1) - 1) // stride + 1
    return x.new_empty((*x.shape[:-2], weight.shape[0], length))


def _register() -> torch.library.Library:
    library = torch.library.Library("sibyl", "DEF")
    tag = getattr(torch.Tag, "pt2_compliant_tag", None) if hasattr(torch, "Tag") else None
    for schema in _SCHEMAS:
        library.define(schema, **({} if tag is None else {"tags": (tag,)}))
    # torch 1 falls through from the autograd key to the kernel on every device but meta.
    meta_keys = ("Meta", "AutogradMeta") if torch.__version__.startswith("1.") else ("Meta",)
    kernels = {"log_mel_spectrogram": (_log_mel_cpu, _log_mel_meta), "conv1d": (_conv1d_cpu, _conv1d_meta)}
    for name, (cpu, meta) in kernels.items():
        library.impl(name, cpu, "CPU")
        for key in meta_keys:
            library.impl(name, meta, key)
    return library


_library = globals().get("_library") or _register()  # once, also where the module is reloaded
