"""What openai-whisper gives as torch tensors: those where torch is installed, arrays of NumPy with their methods where not."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from .._arrays import is_tensor

HAS_TORCH = importlib.util.find_spec("torch") is not None


class Array(np.ndarray):  # type: ignore[type-arg]
    """An array that programs may treat as a tensor on the processor."""

    def to(self, *where: Any, **more: Any) -> Array:
        return self

    float = cpu = detach = contiguous = to

    def numpy(self) -> Any:
        return self.view(np.ndarray)

    def unsqueeze(self, axis: int) -> Any:
        return np.expand_dims(self, axis)


def tensor(values: Any) -> Any:
    array = np.ascontiguousarray(values) if np.ndim(values) else np.asarray(values)
    if not HAS_TORCH:
        return array.view(Array)
    import torch

    return torch.from_numpy(array if array.flags.writeable else array.copy())


def array(values: Any, what: str) -> np.ndarray[Any, Any]:
    """float32 of a tensor or array, dense."""
    if is_tensor(values):
        values = values.detach().cpu().float().numpy()
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        raise TypeError(f"{what} is of type {type(values).__name__}, expected a tensor or an array of floats")
    return np.ascontiguousarray(values, np.float32)
