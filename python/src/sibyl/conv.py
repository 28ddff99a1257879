"""One-dimensional convolution, the speech stem."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from . import _sibyl
from ._arrays import empty_like, is_tensor, without_gradient
from ._threads import pool

_NAMES = ("float32", "float16", "bfloat16")


def conv1d(
    x: Any,
    w: Any,
    bias: Any = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    gelu: bool = False,
    *,
    threads: int | None = None,
) -> Any:
    """Cross-correlation of x (B, Ci, L) or (Ci, L) with w (Co, Ci / groups, k), as torch.nn.functional.conv1d.

    bias: (Co,) or None. Zeros stand beyond both ends, `padding` of them. gelu applies x * (1 + erf(x / sqrt 2)) / 2
    to the result. All arrays are NumPy (float32, float16) or all torch (bfloat16 too), of one type; sums are float,
    rounded once. What is contiguous is read where it is. Tensors have gradients, unless threads is given.

    Returns (B, Co, out) or (Co, out), out = (L + 2 padding - dilation (k - 1) - 1) // stride + 1, of x's kind and
    type. threads: 0 means one per processor; None means 1, and torch's own number for tensors.
    """
    if is_tensor(x) and threads is None:
        import torch

        from . import torch_ops  # noqa: F401  (registers torch.ops.sibyl)

        return torch.ops.sibyl.conv1d(x, w, bias, stride, padding, dilation, groups, gelu)
    y = compute(x, w, bias, stride, padding, dilation, groups, gelu, 1 if threads is None else threads)
    return without_gradient("sibyl.conv1d with threads", [x, w, bias], [y])[0]


def _type_name(array: Any) -> str:
    return getattr(array.dtype, "name", None) or str(array.dtype).removeprefix("torch.")


def _size(value: Any, name: str) -> int:
    value = operator.index(value)
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{name} is {value}, which does not fit in 64 bits")
    return value


def _prepare(array: Any, name: str, like: Any, ranks: tuple[int, ...]) -> Any:
    """array as dense memory of the CPU, itself where it is that already; of the kind and type of `like`."""
    tensor = is_tensor(array)
    if tensor != is_tensor(like) or not (tensor or isinstance(array, np.ndarray)):
        wanted = "a torch tensor" if is_tensor(like) else "a NumPy array"
        raise TypeError(f"{name} must be {wanted} as x is, not {type(array).__name__}")
    if _type_name(array) != _type_name(like):
        raise TypeError(f"{name} has the type {_type_name(array)}, but x has {_type_name(like)}")
    if array.ndim not in ranks:
        wanted = " or ".join(map(str, ranks))
        raise ValueError(f"{name} has {array.ndim} dimensions, expected {wanted}")
    return array.detach().contiguous() if tensor else np.require(array, array.dtype.newbyteorder("="), ["C", "ALIGNED"])


def compute(
    x: Any, w: Any, bias: Any, stride: int, padding: int, dilation: int, groups: int, gelu: bool, threads: int
) -> Any:
    """conv1d without the choice of who runs it."""
    if not (is_tensor(x) or isinstance(x, np.ndarray)):
        raise TypeError(f"x must be a NumPy array or a torch tensor, not {type(x).__name__}")
    if _type_name(x) not in _NAMES:
        raise TypeError(f"x has the type {_type_name(x)}, expected {', '.join(_NAMES)}")
    x = _prepare(x, "x", x, (2, 3))
    w = _prepare(w, "w", x, (3,))
    bias = None if bias is None else _prepare(bias, "bias", x, (1,))
    batch = x if x.ndim == 3 else x[None]
    sizes = _size(stride, "stride"), _size(padding, "padding"), _size(dilation, "dilation")
    length = _sibyl.conv1d_out_length(x.shape[-1], w.shape[2], *sizes)
    y = empty_like(x, (batch.shape[0], w.shape[0], length))
    if batch.shape[0] > 0:
        _sibyl.conv1d(pool(threads), batch, w, bias, y, *sizes, _size(groups, "groups"), gelu)
    return y if x.ndim == 3 else y[0]
