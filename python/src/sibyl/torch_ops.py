"""Registers torch.ops.sibyl: operators that torch sees as its own, so that graphs with them trace and compile.

`import sibyl` sees to it that this module is imported once torch is. The operators run on the CPU with torch's
number of threads, have meta implementations, and gradients where _gradients has their formula; a gradient of another is
an error that names the operator.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

import torch
from torch import Tensor

from . import _gradients, conv, features, ops

# ---- Features and the speech stem ---------------------------------------------------------------------------


def _log_mel_cpu(audio: Tensor, n_mels: int = 80, padding: int = 0, smooth: str = "none") -> Tensor:
    return features.whisper_features(audio, n_mels, padding, torch.get_num_threads(), smooth)


def _log_mel_meta(audio: Tensor, n_mels: int = 80, padding: int = 0, smooth: str = "none") -> Tensor:
    if audio.dim() == 0:
        raise ValueError("audio has no dimensions, expected (n,) or (..., n) samples")
    frames, cut = (audio.shape[-1] + padding) // 160, 2 if smooth == "valid" else 0
    return audio.new_empty((*audio.shape[:-1], n_mels - cut, frames - cut), dtype=torch.float32)


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


# ---- Plain calls ----------------------------------------------------------------------------------------------


def _call(name: str, inputs: tuple[Optional[Tensor], ...], **attributes: Any) -> Tensor:
    given = list(inputs)
    while given and given[-1] is None:
        given.pop()
    return ops.compute(name, given, attributes)[0]


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    return _call("MatMul", (a, b))


def _matmul_meta(a: Tensor, b: Tensor) -> Tensor:
    return torch.matmul(a, b)


def _softmax(x: Tensor, dim: int = -1) -> Tensor:
    return _call("Softmax", (x,), axis=dim)


def _gelu(x: Tensor, approximate: str = "none") -> Tensor:
    return _call("Gelu", (x,), approximate=approximate)


def _layer_norm(x: Tensor, weight: Tensor, bias: Optional[Tensor] = None, axis: int = -1, eps: float = 1e-5) -> Tensor:
    return _call("LayerNormalization", (x, weight, bias), axis=axis, epsilon=float(eps))


def _rms_norm(x: Tensor, weight: Tensor, axis: int = -1, eps: float = 1e-5) -> Tensor:
    return _call("RMSNormalization", (x, weight), axis=axis, epsilon=float(eps))


def _rotary(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    position_ids: Optional[Tensor] = None,
    interleaved: bool = False,
    num_heads: int = 0,
    rotated_dims: int = 0,
) -> Tensor:
    return _call(
        "RotaryEmbedding",
        (x, cos, sin, position_ids),
        interleaved=int(interleaved),
        num_heads=num_heads,
        rotary_embedding_dim=rotated_dims,
    )


def _like(x: Tensor, *others: Any) -> Tensor:
    """The meta function of operators whose result is as the first input."""
    return x.new_empty(x.shape)


def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int = 1,
) -> Tensor:
    pads = [*padding, *padding]
    return _call(
        "Conv", (x, weight, bias), strides=list(stride), pads=pads, dilations=list(dilation), group=groups
    )


def _conv_meta(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int = 1,
) -> Tensor:
    if x.dim() != weight.dim() or x.dim() < 3:
        raise ValueError(f"x and weight have {x.dim()} and {weight.dim()} dimensions, expected the same, 3 to 5")
    sizes = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    out = [(n + 2 * pad - apart * (k - 1) - 1) // step + 1 for n, k, step, pad, apart in sizes]
    return x.new_empty((x.shape[0], weight.shape[0], *out))


def _attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Optional[Tensor] = None,
    is_causal: bool = False,
    scale: Optional[float] = None,
    softcap: float = 0.0,
    q_heads: int = 0,
    kv_heads: int = 0,
) -> Tensor:
    return _call(
        "Attention",
        (q, k, v, mask),
        is_causal=int(is_causal),
        scale=None if scale is None else float(scale),
        softcap=float(softcap),
        q_num_heads=q_heads or None,
        kv_num_heads=kv_heads or None,
    )


def _attention_meta(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Optional[Tensor] = None,
    is_causal: bool = False,
    scale: Optional[float] = None,
    softcap: float = 0.0,
    q_heads: int = 0,
    kv_heads: int = 0,
) -> Tensor:
    if q.dim() == 3:
        if q_heads < 1 or kv_heads < 1:
            raise ValueError("q has 3 dimensions, which needs q_heads and kv_heads")
        return q.new_empty((q.shape[0], q.shape[1], v.shape[2] // kv_heads * q_heads))
    return q.new_empty((*q.shape[:3], v.shape[3]))


# ---- Registering ------------------------------------------------------------------------------------------------


class _Operator(NamedTuple):
    schema: str
    cpu: Callable[..., Tensor]
    meta: Callable[..., Tensor]
    saved: tuple[int, ...] = ()  # inputs that the backward pass needs, -1 for the output
    backward: Optional[Callable[..., Any]] = None


_OPERATORS = (
    _Operator(
        'log_mel_spectrogram(Tensor audio, int n_mels=80, int padding=0, str smooth="none") -> Tensor',
        _log_mel_cpu,
        _log_mel_meta,
    ),
    _Operator(
        "conv1d(Tensor x, Tensor weight, Tensor? bias, int stride=1, int padding=0, int dilation=1, int groups=1, "
        "bool gelu=False) -> Tensor",
        _conv1d_cpu,
        _conv1d_meta,
        (0, 1, 2),
        _gradients.conv1d,
    ),
    _Operator("matmul(Tensor a, Tensor b) -> Tensor", _matmul, _matmul_meta, (0, 1), _gradients.matmul),
    _Operator("softmax(Tensor x, int dim=-1) -> Tensor", _softmax, _like, (-1,), _gradients.softmax),
    _Operator('gelu(Tensor x, str approximate="none") -> Tensor', _gelu, _like, (0,), _gradients.gelu),
    _Operator(
        "layer_norm(Tensor x, Tensor weight, Tensor? bias=None, int axis=-1, float eps=1e-5) -> Tensor",
        _layer_norm,
        _like,
        (0, 1, 2),
        _gradients.layer_norm,
    ),
    _Operator(
        "rms_norm(Tensor x, Tensor weight, int axis=-1, float eps=1e-5) -> Tensor",
        _rms_norm,
        _like,
        (0, 1),
        _gradients.rms_norm,
    ),
    _Operator(
        "rotary_embedding(Tensor x, Tensor cos, Tensor sin, Tensor? position_ids=None, bool interleaved=False, "
        "int num_heads=0, int rotated_dims=0) -> Tensor",
        _rotary,
        _like,
        (1, 2, 3),
        _gradients.rotary_embedding,
    ),
    _Operator(
        "conv(Tensor x, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, int groups=1) -> Tensor",
        _conv,
        _conv_meta,
        (0, 1, 2),
        _gradients.conv,
    ),
    _Operator(
        "attention(Tensor q, Tensor k, Tensor v, Tensor? mask=None, bool is_causal=False, float? scale=None, "
        "float softcap=0.0, int q_heads=0, int kv_heads=0) -> Tensor",
        _attention,
        _attention_meta,
        (0, 1, 2, 3),
        _gradients.attention,
    ),
)


def _refusing(name: str, kernel: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A kernel for a torch that takes no backward passes: it refuses tensors that want one."""

    def run(*args: Any, **kwargs: Any) -> Tensor:
        if torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in (*args, *kwargs.values())):
            raise _gradients.refuse(f"torch.ops.sibyl.{name}")
        return kernel(*args, **kwargs)

    return run


def _register() -> torch.library.Library:
    library = torch.library.Library("sibyl", "DEF")
    tag = getattr(torch.Tag, "pt2_compliant_tag", None) if hasattr(torch, "Tag") else None
    # torch 1 falls through from the autograd key to the kernel on every device but meta.
    meta_keys = ("Meta", "AutogradMeta") if torch.__version__.startswith("1.") else ("Meta",)
    register_autograd = getattr(torch.library, "register_autograd", None)  # since torch 2.4
    for operator in _OPERATORS:
        name = operator.schema.partition("(")[0]
        library.define(operator.schema, **({} if tag is None else {"tags": (tag,)}))
        library.impl(name, operator.cpu if register_autograd else _refusing(name, operator.cpu), "CPU")
        for key in meta_keys:
            library.impl(name, operator.meta, key)
        if register_autograd:
            backward = operator.backward or _gradients.none(name)
            register_autograd(
                f"sibyl::{name}", backward, setup_context=_gradients.save(*operator.saved), lib=library
            )
    return library


_library = globals().get("_library") or _register()  # once, also where the module is reloaded
