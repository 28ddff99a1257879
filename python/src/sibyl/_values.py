"""What a model is given and gives: NumPy arrays, lists, None and dicts to the library's values and back.

Arrays whose elements have a type of NumPy's are lent to the library as they lie, strided ones too, and outputs are
arrays over the library's memory. The types that NumPy does not have are those of the package ml_dtypes. Without it
bfloat16 comes and goes as uint16 that holds its bits, the 8-bit and 4-bit floats as uint8 that holds theirs, one
element a byte, and 4- and 2-bit integers as int8 or uint8 that holds the number.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, Mapping

import numpy as np

from . import _sibyl
from ._arrays import is_tensor
from ._types import UNKNOWN, Type

# Element types that NumPy has under the same name.
_PLAIN = frozenset(
    "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128".split()
)
# Those that it has not: what ml_dtypes calls them, and the type that stands for them.
_EXTRA: dict[str, tuple[str, type]] = {
    "bfloat16": ("bfloat16", np.uint16),
    "float8e4m3fn": ("float8_e4m3fn", np.uint8),
    "float8e4m3fnuz": ("float8_e4m3fnuz", np.uint8),
    "float8e5m2": ("float8_e5m2", np.uint8),
    "float8e5m2fnuz": ("float8_e5m2fnuz", np.uint8),
    "float8e8m0": ("float8_e8m0fnu", np.uint8),
    "float4e2m1": ("float4_e2m1fn", np.uint8),
    "int4": ("int4", np.int8),
    "uint4": ("uint4", np.uint8),
    "int2": ("int2", np.int8),
    "uint2": ("uint2", np.uint8),
}
_OF_EXTRA = {theirs: ours for ours, (theirs, _) in _EXTRA.items()}
_BITS = {"float4e2m1": 4, "int4": 4, "uint4": 4, "int2": 2, "uint2": 2}
_NAMES = {number: name for name, number in _sibyl.dtypes.items()}


@functools.cache
def _extra_dtype(name: str) -> np.dtype[Any]:
    """The dtype of arrays of an extra type: that of ml_dtypes, or the one that stands for it."""
    theirs, plain = _EXTRA[name]
    try:
        return np.dtype(getattr(importlib.import_module("ml_dtypes"), theirs))
    except (ImportError, AttributeError):
        return np.dtype(plain)


# ---- In ---------------------------------------------------------------------------------------------------


def to_value(given: Any, type: Type, name: str) -> Any:
    """The library's value of what is given for an input of this type; it keeps the arrays in it."""
    if type.kind == "optional":
        inner = type.inner or UNKNOWN
        return _sibyl.value_optional(None if given is None else to_value(given, inner, name))
    if type.kind == "seq" or (type.kind == "unknown" and _is_list_of_arrays(given)):
        if not isinstance(given, (list, tuple)):
            raise TypeError(f"input '{name}' is {_kind(given)}, expected a list for {type}")
        return _sibyl.value_sequence([to_value(item, type.inner or UNKNOWN, f"{name}[{i}]") for i, item in enumerate(given)])
    if type.kind == "map" or isinstance(given, Mapping):
        return _map(given, type, name)
    return _tensor(given, type.dtype, name)


def _kind(given: Any) -> str:
    return "None" if given is None else f"of type {given.__class__.__name__}"


def _is_list_of_arrays(given: Any) -> bool:
    return isinstance(given, (list, tuple)) and any(isinstance(x, (np.ndarray, Mapping)) or is_tensor(x) for x in given)


def _map(given: Any, type: Type, name: str) -> Any:
    if not isinstance(given, Mapping):
        raise TypeError(f"input '{name}' is {_kind(given)}, expected a dict for {type}")
    values = type.inner.dtype if type.inner else "unknown"
    keys = _tensor(list(given), type.dtype, f"{name}, keys")
    return _sibyl.value_map(keys, _tensor(list(given.values()), values, f"{name}, values"))


def _tensor(given: Any, wanted: str, name: str) -> Any:
    array, dtype = _torch_array(given) if is_tensor(given) else _as_array(given, wanted, name)
    dtype = dtype or _dtype_of(array, wanted, name)
    number = _sibyl.dtypes[dtype]
    if dtype == "string":
        return _sibyl.value_strings(array.ravel().tolist(), array.shape)
    if dtype in _BITS:
        return _sibyl.value_packed(_pack(array, dtype, name), number, array.shape)
    if dtype in _EXTRA and array.dtype.kind not in "uif":
        array = array.view(_EXTRA[dtype][1])  # NumPy lends no memory of types that are not its own
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not array.flags.aligned or any(stride % array.itemsize for stride in array.strides):
        array = np.array(array, order="C")
    return _sibyl.value_tensor(array, number)


def _torch_array(tensor: Any) -> tuple[np.ndarray, str]:
    """A torch tensor's memory as an array, and its element type where NumPy has none such."""
    import torch

    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy(), "bfloat16"
    return tensor.numpy(), ""


def _as_array(given: Any, wanted: str, name: str) -> tuple[np.ndarray, str]:
    """Arrays as they are; numbers, texts and lists of them, which say no type, in the type that is wanted."""
    if isinstance(given, (np.ndarray, np.generic)):
        return np.asarray(given), ""
    if given is None or isinstance(given, Mapping) or _is_list_of_arrays(given):
        raise TypeError(f"input '{name}' is {_kind(given)}, expected an array")
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"input '{name}' makes no array: {error}") from None
    if wanted in _PLAIN and array.dtype.kind in "biuf" and array.dtype != wanted:
        cast = array.astype(wanted)
        if array.size == 0 or (array.dtype.kind != "f" and np.array_equal(cast, array)) or cast.dtype.kind in "fc":
            return cast, ""
        raise ValueError(f"input '{name}' holds numbers that {wanted} cannot hold")
    return array, ""


def _dtype_of(array: np.ndarray, wanted: str, name: str) -> str:
    """Sibyl's name of an array's element type. What stands for a type that NumPy has not is taken for it."""
    dtype = array.dtype
    if wanted in _EXTRA and (dtype == _EXTRA[wanted][1] or dtype.kind == "V" and dtype.str[1:] == f"V{dtype.itemsize}"
                             and dtype.names is None and dtype.itemsize == np.dtype(_EXTRA[wanted][1]).itemsize
                             and dtype.name not in _OF_EXTRA):  # fmt: skip
        return wanted
    if dtype.name in _OF_EXTRA:
        return _OF_EXTRA[dtype.name]
    if dtype.kind in "UTO" or dtype.kind == "S":
        return "string"
    if dtype.name in _PLAIN:
        return dtype.name
    raise TypeError(f"input '{name}' has elements of {dtype}, which no model takes")


def _pack(array: np.ndarray, dtype: str, name: str) -> bytes:
    """Elements narrower than a byte side by side, the first in the low bits."""
    bits = _BITS[dtype]
    if dtype != "float4e2m1" and array.dtype in (np.int8, np.uint8):
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if dtype.startswith("i") else (0, (1 << bits) - 1)
        if array.size and (array.min() < low or array.max() > high):
            raise ValueError(f"input '{name}' holds numbers that {dtype} cannot hold, expected {low} to {high}")
    per = 8 // bits
    codes = np.ascontiguousarray(array).reshape(-1).view(np.uint8) & ((1 << bits) - 1)
    codes = np.concatenate([codes, np.zeros(-len(codes) % per, np.uint8)]).reshape(-1, per)
    shifts = np.arange(per, dtype=np.uint8) * bits
    return np.bitwise_or.reduce(codes << shifts, axis=1).astype(np.uint8).tobytes()


# ---- Out ---------------------------------------------------------------------------------------------------


def from_value(value: tuple[Any, ...]) -> Any:
    """Arrays, lists, None and dicts of what the library gives."""
    kind = value[0]
    if kind == "tensor":
        return _array(*value[1:])
    if kind == "sequence":
        return [from_value(item) for item in value[1]]
    if kind == "optional":
        return None if value[1] is None else from_value(value[1])
    keys, values = from_value(value[1]), from_value(value[2])
    return dict(zip(keys.tolist(), values.tolist()))


def _array(number: int, shape: tuple[int, ...], memory: Any) -> np.ndarray:
    dtype = _NAMES[number]
    if dtype == "string":
        strings = np.empty(len(memory), object)
        strings[:] = memory
        return strings.reshape(shape)
    if dtype in _BITS:
        return _unpack(dtype, shape, memory)
    known = np.dtype(dtype) if dtype in _PLAIN else _extra_dtype(dtype)
    if 0 in shape:
        return np.empty(shape, known)
    if dtype in _PLAIN:
        return np.ndarray(shape, known, memory)
    return np.ndarray(shape, _EXTRA[dtype][1], memory).view(known)


def _unpack(dtype: str, shape: tuple[int, ...], memory: Any) -> np.ndarray:
    bits, known, plain = _BITS[dtype], _extra_dtype(dtype), _EXTRA[dtype][1]
    count = int(np.prod(shape, dtype=np.int64))
    if not count:
        return np.empty(shape, known)
    codes = np.frombuffer(memory, np.uint8)[:, None] >> (np.arange(8 // bits, dtype=np.uint8) * bits)
    codes = (codes.reshape(-1)[:count] & ((1 << bits) - 1)).reshape(shape)
    if plain is np.int8:  # the sign stands in the highest of the bits
        sign = 1 << (bits - 1)
        codes = (codes ^ sign).astype(np.int8) - np.int8(sign)
    if known == plain:
        return codes
    return codes.view(known) if dtype == "float4e2m1" else codes.astype(known)
