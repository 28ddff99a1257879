"""NumPy arrays and torch tensors on their way in and out.

What is already what the library takes passes through untouched, so the library reads the caller's own memory;
everything else is copied once, here.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any, Iterable

import numpy as np

PCM16_SCALE = 32768.0


def is_tensor(value: Any) -> bool:
    """True for a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    tensor = getattr(torch, "Tensor", None)
    return tensor is not None and isinstance(value, tensor)


def as_samples(audio: Any, name: str = "audio") -> Any:
    """audio as dense float32 on the CPU, itself where it is that already.

    float16, bfloat16 and float64 are rounded to float32, int16 is taken as PCM and divided by 32,768. Anything
    else is a TypeError, an array without dimensions a ValueError.
    """
    if is_tensor(audio):
        samples = _tensor_samples(audio, name)
    elif isinstance(audio, np.ndarray):
        samples = _numpy_samples(audio, name)
    else:
        raise TypeError(f"{name} must be a NumPy array or a torch tensor, not {type(audio).__name__}")
    if samples.ndim == 0:
        raise ValueError(f"{name} has no dimensions, expected (n,) or (..., n) samples")
    return samples


def _refuse(dtype: Any, name: str) -> TypeError:
    return TypeError(f"{name} has the type {dtype}, expected floating-point samples or int16")


def _numpy_samples(audio: np.ndarray, name: str) -> np.ndarray:
    if audio.dtype == np.int16:
        return np.divide(audio, np.float32(PCM16_SCALE), dtype=np.float32)
    if audio.dtype.kind != "f":
        raise _refuse(audio.dtype, name)
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, which the library names
        return np.require(audio, np.float32, ["C", "ALIGNED"])


def _tensor_samples(audio: Any, name: str) -> Any:
    return _as_float32(audio.detach().cpu(), name).contiguous()


def _as_float32(audio: Any, name: str) -> Any:
    import torch

    if audio.dtype == torch.int16:
        return audio.to(torch.float32) / PCM16_SCALE
    if not audio.dtype.is_floating_point:
        raise _refuse(audio.dtype, name)
    return audio.to(torch.float32)


def as_device_samples(audio: Any, name: str = "audio") -> Any:
    """A tensor as dense float32 on its own device, itself where it is that already; a copy of gaps is said."""
    if audio.ndim == 0:
        raise ValueError(f"{name} has no dimensions, expected (n,) or (..., n) samples")
    samples = _as_float32(audio.detach(), name)
    if not samples.is_contiguous():
        warnings.warn(f"{name} is not contiguous, so it is copied on {audio.device}", UserWarning, stacklevel=4)
        samples = samples.contiguous()
    return samples


def empty_like(array: Any, shape: tuple[int, ...], dtype: type | None = None) -> Any:
    """An uninitialised dense array of `shape`, of array's own kind and type, or float32 where dtype says so."""
    if is_tensor(array):
        import torch

        return torch.empty(shape, dtype=array.dtype if dtype is None else torch.float32)
    return np.empty(shape, array.dtype if dtype is None else dtype)


def without_gradient(name: str, inputs: Iterable[Any], results: list[Any]) -> list[Any]:
    """results of a call that has no gradient: where torch would want one, tensors whose backward pass is an error.

    So a gradient that is asked for is never silently missing. Other results pass through untouched.
    """
    wanting = [x for x in inputs if is_tensor(x) and x.requires_grad]
    if not wanting:
        return results
    import torch

    if not torch.is_grad_enabled():
        return results
    from ._gradients import NoGradient

    return [
        NoGradient.apply(name, result, *wanting) if is_tensor(result) and result.is_floating_point() else result
        for result in results
    ]
