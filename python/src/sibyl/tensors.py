"""Arrays of every element type that ONNX has: conversion, statistics, comparison."""

from __future__ import annotations

import dataclasses
import operator
from typing import Any

import numpy as np

from . import _html, _sibyl
from ._types import UNKNOWN, Type
from ._values import from_value, to_value
from .session import _number

DTYPES = tuple(_sibyl.dtypes)  # "float32", ..., "int2": the 26 element types of ONNX


def _number_of(dtype: str) -> int:
    if dtype not in _sibyl.dtypes:
        raise ValueError(f"dtype is {dtype!r}, expected one of {', '.join(DTYPES)}")
    return _sibyl.dtypes[dtype]


def _value(array: Any, dtype: str | None, name: str) -> Any:
    """The library's value over an array. dtype: what its elements stand for, where NumPy has no such type."""
    if dtype is not None:
        _number_of(dtype)
    return to_value(array, UNKNOWN if dtype is None else Type("tensor", dtype), name)


def convert(array: Any, dtype: str, *, overflow: str = "saturate", source: str | None = None) -> np.ndarray[Any, Any]:
    """The elements of `array`, of any shape, as another of the 26 element types, in a new array.

    array: NumPy, torch or numbers. dtype: a name of DTYPES. Floats round to nearest, ties to even, once; integers from
    floats truncate toward zero; bool is x != 0; strings hold the shortest decimal and are parsed as numbers.

    overflow: "saturate" clamps integers and gives 8- and 4-bit floats their largest finite value; "ieee" wraps integers,
    as ONNX Cast between integers does, and gives floats their infinity or NaN. source: the type that the elements have,
    where NumPy has no such type and another one stands for it ("bfloat16" for uint16 that holds its bits). So do results
    without the package ml_dtypes.

    Raises ValueError: an unknown type, a string that is not a number.
    """
    if overflow not in ("saturate", "ieee"):
        raise ValueError(f"overflow is {overflow!r}, expected 'saturate' or 'ieee'")
    made: np.ndarray[Any, Any] = from_value(
        _sibyl.tensor_convert(_value(array, source, "array"), _number_of(dtype), overflow == "ieee")
    )
    return made


@dataclasses.dataclass(frozen=True)
class Stats(_html.Fields):
    """Of every element as double; of complex numbers, their modulus."""

    count: int
    nan: int
    inf: int
    zero: int
    min: float  # over elements that are not NaN; NaN where there are none
    max: float
    mean: float  # over finite elements; NaN where there are none
    std: float  # of the population
    histogram: list[int]  # finite elements in equal bins from `low` to `high`, the last one closed
    low: float
    high: float

    def _repr_html_(self) -> str:
        head = [f.name for f in dataclasses.fields(self) if f.name not in ("histogram", "low", "high")]
        row = [getattr(self, name) for name in head]
        return _html.block("sibyl.Stats", "", _html.table(head, [row]), _html.histogram(self.histogram, self.low, self.high))


def stats(
    array: Any, bins: int = 0, range: tuple[float, float] | None = None, *, source: str | None = None
) -> Stats:
    """Statistics of an array of any shape and element type but strings, in one pass over the memory and a second for std.

    bins: of the histogram, 0 to 4096. range: of its bins, where elements beyond are not counted; None is from the
    smallest finite element to the largest. source: as in `convert`. Raises ValueError: bins or range that do not fit.
    """
    low, high = (0.0, 0.0) if range is None else (float(range[0]), float(range[1]))
    if range is not None and not low < high:
        raise ValueError(f"range is {range!r}, expected (low, high) with low < high")
    found = _sibyl.tensor_stats(_value(array, source, "array"), operator.index(bins), low, high)
    if range is None:
        low, high = _finite_range(array, found)
    return Stats(*(*found, low, high))


def _finite_range(array: Any, found: Any) -> tuple[float, float]:
    """The range that the library took: from the smallest finite element to the largest."""
    low, high = found[4], found[5]
    if found[2]:  # infinities
        finite = np.abs(array) if np.iscomplexobj(array) else np.asarray(array, np.float64)
        finite = finite[np.isfinite(finite)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (float("nan"), float("nan"))
    return low, high


@dataclasses.dataclass(frozen=True)
class Comparison(_html.Fields):
    """Of two values, element by element; true where none differs. Indices are row-major."""

    equal: bool
    count: int
    different: int
    nan_mismatch: int  # NaN on one side only; counted in different too
    max_abs: float  # largest |a - b| over pairs that are both finite
    max_rel: float  # largest |a - b| / |b| over those with b != 0
    max_ulp: int  # largest distance in representable values; of floats
    worst: int | None  # the largest |a - b| among those that differ, or else among all; None where all are identical
    first: int | None  # the first that differs
    worst_a: float
    worst_b: float
    first_a: float
    first_b: float

    def __bool__(self) -> bool:
        return self.equal


def compare(
    a: Any, b: Any, *, atol: float = 0.0, rtol: float = 0.0, max_ulp: int = 0, source: str | None = None
) -> Comparison:
    """a beside the reference b: arrays, lists (sequences), dicts (maps) or None, of the same type and shape.

    Elements differ where !(|a - b| <= atol + rtol * |b|), so NaN equals NaN alone and an infinity itself alone. With
    max_ulp also those floats are equal that are at most so many representable numbers apart. Integers are compared
    exactly, strings byte by byte. source: as in `convert`.

    Raises ValueError: types or shapes that differ, a tolerance that is negative or NaN.
    """
    left, right = _value(a, source, "a"), _value(b, source, "b")
    return Comparison(*_sibyl.value_compare(left, right, float(atol), float(rtol), _number(max_ulp, "max_ulp", 64)))
