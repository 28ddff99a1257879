"""Operators as plain calls, on the lowering and kernels that a model's node of the operator has.

    y = sibyl.ops.attention(q, k, v, mask=mask, is_causal=True)
    y = sibyl.ops.call("TopK", x, np.array([3]), outputs=2, axis=-1)

Arrays are NumPy's, or torch tensors, all of one call of one kind; those on the CPU are read where they are. Results are
new arrays of the same kind. Element types are float32, float16, bfloat16 and float64, one for all floats of a call.
threads: 0 means one per processor; None means 1, and torch's own number for tensors. What does not fit is an error that
names the operator and the shapes.

On tensors the functions below are torch.ops.sibyl.attention and so on: they trace, compile and have gradients, except
where their text says otherwise.
"""

from __future__ import annotations

import functools
import operator
import os
from typing import Any, Sequence

import numpy as np

from . import _sibyl
from ._arrays import is_tensor, without_gradient
from ._types import UNKNOWN
from ._values import from_value, to_value
from .registry import default_registry

_KINDS = {"float": 1, "int": 2, "str": 3, "tensor": 4, "floats": 6, "ints": 7, "strs": 8}
_NUMBERS = {np.dtype(name): _sibyl.dtypes[name] for name in ("float32", "float64", "float16", "int64", "int32", "bool")}
_DTYPES = {number: dtype for dtype, number in _NUMBERS.items()}


@functools.lru_cache(maxsize=8)
def _made(threads: int, backends: str | None, process: int) -> Any:
    return _sibyl.ops_create(threads, backends, default_registry()._handle)


def _context(threads: int, backends: str | None) -> Any:
    threads = operator.index(threads)
    if threads < 0:
        raise ValueError(f"threads is {threads}, expected at least 0")
    return _made(min(threads, 2**31), backends, os.getpid())


# ---- In and out -------------------------------------------------------------------------------------------


def _attribute(name: str, given: Any) -> tuple[str, int, list[Any]]:
    """(name, kind, items) as the extension takes them."""
    if isinstance(given, (int, float, str)):
        return _single(name, given)
    if isinstance(given, np.ndarray) or is_tensor(given):
        return name, _KINDS["tensor"], [to_value(given, UNKNOWN, name)]
    return _plain(name, given)


def _plain(name: str, given: Any) -> tuple[str, int, list[Any]]:
    items = list(given) if isinstance(given, (list, tuple)) else [given]
    plural = "s" if isinstance(given, (list, tuple)) else ""
    if all(isinstance(item, (str, bytes)) for item in items) and items:
        return name, _KINDS["str" + plural], [item.encode() if isinstance(item, str) else item for item in items]
    if all(isinstance(item, (bool, int, np.integer, np.bool_)) for item in items):
        return name, _KINDS["int" + plural], [int(item) for item in items]
    if all(isinstance(item, (int, float, np.integer, np.floating)) for item in items):
        return name, _KINDS["float" + plural], [float(item) for item in items]
    raise TypeError(f"attribute '{name}' is of type {type(given).__name__}, expected numbers, texts or an array")


_single = functools.lru_cache(maxsize=256, typed=True)(_plain)


def _value(given: Any, name: str, place: int) -> Any:
    """The library's value of an input."""
    if type(given) is np.ndarray:
        number = _NUMBERS.get(given.dtype)
        if number is not None and given.flags.carray:
            return _sibyl.value_tensor(given, number)
    return None if given is None else to_value(given, UNKNOWN, f"{name}, input {place}")


def _given(value: tuple[Any, ...]) -> Any:
    """from_value, by a shorter way for arrays of the usual types."""
    dtype = _DTYPES.get(value[1]) if value[0] == "tensor" else None
    if dtype is None or 0 in value[2]:
        return from_value(value)
    return np.ndarray(value[2], dtype, value[3])


def _torch_value(value: tuple[Any, ...], device: Any) -> Any:
    """from_value with a torch tensor in place of an array, over the same memory."""
    import torch

    given = from_value(value)
    if not isinstance(given, np.ndarray):
        return given
    if value[1] == _sibyl.dtypes["bfloat16"]:
        return torch.from_numpy(given.view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(given).to(device)


def compute(
    name: str,
    inputs: Sequence[Any],
    attributes: dict[str, Any],
    *,
    domain: str = "",
    opset: int = 0,
    outputs: int = 1,
    threads: int | None = None,
    backends: str | None = None,
) -> list[Any]:
    """All outputs of one call. torch's operators end here too; gradients are not looked at."""
    device = next((x.device for x in inputs if is_tensor(x)), None)
    if device is not None and not all(x is None or is_tensor(x) for x in inputs):
        raise TypeError(f"{name}: some inputs are torch tensors and others are not")
    if threads is None:
        threads = 1 if device is None else _torch_threads()
    results = _sibyl.ops_call(
        _context(threads, backends),
        domain,
        name,
        opset,
        [_attribute(key, value) for key, value in attributes.items() if value is not None],
        [_value(x, name, i) for i, x in enumerate(inputs)],
        outputs,
    )
    if device is not None:
        return [_torch_value(value, device) for value in results]
    return [_given(value) for value in results]


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def call(
    name: str,
    *inputs: Any,
    domain: str = "",
    opset: int = 0,
    outputs: int = 1,
    threads: int | None = None,
    backends: str | None = None,
    **attributes: Any,
) -> Any:
    """Any operator that Sibyl or the default registry has, with tensors as inputs; None stands for an omitted one.

    attributes: ints, floats, texts, lists of them, or an array; None leaves one out. opset: the version of the domain, 0
    for the newest. outputs: how many of the operator's outputs are wanted; with one the result is the array itself,
    else a list. backends: "ref" for the definition, None for the fastest. There is no gradient: asked for one, the
    backward pass is a RuntimeError with the operator's name.
    """
    results = compute(
        name, inputs, attributes, domain=domain, opset=opset, outputs=outputs, threads=threads, backends=backends
    )
    results = without_gradient(f"sibyl.ops.call('{name}')", inputs, results)
    return results[0] if outputs == 1 else results


def _face(torch_name: str, torch_args: Sequence[Any], name: str, inputs: Sequence[Any], threads: int | None, **attributes: Any) -> Any:
    """The operator of torch for tensors, which knows gradients, else the call itself."""
    if is_tensor(inputs[0]) and threads is None and all(x is None or is_tensor(x) for x in inputs):
        import torch

        from . import torch_ops  # noqa: F401  (registers torch.ops.sibyl)

        return getattr(torch.ops.sibyl, torch_name)(*torch_args)
    return without_gradient(f"sibyl.ops.{torch_name} with threads", inputs, compute(name, inputs, attributes, threads=threads))[0]


# ---- The operators ------------------------------------------------------------------------------------------


def matmul(a: Any, b: Any, *, threads: int | None = None) -> Any:
    """a (..., m, k) by b (..., k, n), broadcast as numpy.matmul does."""
    return _face("matmul", (a, b), "MatMul", (a, b), threads)


def softmax(x: Any, axis: int = -1, *, threads: int | None = None) -> Any:
    """e^x / sum of e^x along an axis."""
    return _face("softmax", (x, axis), "Softmax", (x,), threads, axis=axis)


def gelu(x: Any, approximate: str = "none", *, threads: int | None = None) -> Any:
    """x (1 + erf(x / sqrt 2)) / 2, or its form by tanh where approximate is "tanh"."""
    return _face("gelu", (x, approximate), "Gelu", (x,), threads, approximate=approximate)


def layer_norm(
    x: Any, weight: Any, bias: Any = None, *, axis: int = -1, eps: float = 1e-5, threads: int | None = None
) -> Any:
    """(x - mean) / sqrt(variance + eps) * weight + bias over the axes from `axis` on."""
    given = (x, weight) if bias is None else (x, weight, bias)
    return _face("layer_norm", (x, weight, bias, axis, eps), "LayerNormalization", given, threads, axis=axis, epsilon=float(eps))


def rms_norm(x: Any, weight: Any, *, axis: int = -1, eps: float = 1e-5, threads: int | None = None) -> Any:
    """x / sqrt(mean of x^2 + eps) * weight over the axes from `axis` on."""
    return _face("rms_norm", (x, weight, axis, eps), "RMSNormalization", (x, weight), threads, axis=axis, epsilon=float(eps))


def rotary_embedding(
    x: Any,
    cos: Any,
    sin: Any,
    position_ids: Any = None,
    *,
    interleaved: bool = False,
    num_heads: int = 0,
    rotated_dims: int = 0,
    threads: int | None = None,
) -> Any:
    """Rotates x (batch, heads, sequence, head) or (batch, sequence, heads * head), which needs num_heads.

    cos, sin: (positions, rotated / 2) with position_ids, int64 (batch, sequence); (batch, sequence, rotated / 2) without.
    Pairs are elements i and i + rotated / 2 of a head, or neighbours where interleaved; rotated_dims: of a head, 0 for
    all. cos and sin have no gradient.
    """
    given = (x, cos, sin) if position_ids is None else (x, cos, sin, position_ids)
    return _face(
        "rotary_embedding",
        (x, cos, sin, position_ids, interleaved, num_heads, rotated_dims),
        "RotaryEmbedding",
        given,
        threads,
        interleaved=int(interleaved),
        num_heads=num_heads,
        rotary_embedding_dim=rotated_dims,
    )


def _each(given: int | Sequence[int], axes: int, name: str) -> list[int]:
    """A number for each axis."""
    numbers = [operator.index(n) for n in given] if isinstance(given, (list, tuple)) else [operator.index(given)] * axes
    if len(numbers) != axes:
        raise ValueError(f"{name} has {len(numbers)} numbers, expected {axes}, one for each axis of x")
    return numbers


def conv(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    *,
    threads: int | None = None,
) -> Any:
    """Cross-correlation of x (batch, channels, size...) with weight (out, channels / groups, kernel...), of one to three
    axes, as torch.nn.functional.conv1d to conv3d. padding: zeros at both ends of an axis."""
    axes = max(x.ndim - 2, 0)
    strides, pads, dilations = _each(stride, axes, "stride"), _each(padding, axes, "padding"), _each(dilation, axes, "dilation")
    given = (x, weight) if bias is None else (x, weight, bias)
    return _face(
        "conv",
        (x, weight, bias, strides, pads, dilations, groups),
        "Conv",
        given,
        threads,
        strides=strides,
        pads=pads + pads,
        dilations=dilations,
        group=groups,
    )


def attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    softcap: float = 0.0,
    q_heads: int = 0,
    kv_heads: int = 0,
    threads: int | None = None,
) -> Any:
    """softmax(scale q k^T + mask) v, as ONNX Attention-23.

    q (batch, heads, queries, head); k and v (batch, kv heads, keys, ...), where heads is a multiple of kv heads and each of
    these serves as many in a row; or all of rank 3, (batch, queries, heads * head), with q_heads and kv_heads. mask: bool,
    False where a key is not seen, or floats that are added; it broadcasts to (batch, heads, queries, keys). is_causal: query
    i sees keys up to i. scale: None for 1 / sqrt(head). softcap: scores become softcap * tanh(score / softcap) before the
    mask, 0 for none.
    """
    given = (q, k, v) if mask is None else (q, k, v, mask)
    return _face(
        "attention",
        (q, k, v, mask, is_causal, scale, softcap, q_heads, kv_heads),
        "Attention",
        given,
        threads,
        is_causal=int(is_causal),
        scale=None if scale is None else float(scale),
        softcap=float(softcap),
        q_num_heads=q_heads or None,
        kv_num_heads=kv_heads or None,
    )
