"""What a lowering or shape function sees: values and dims, which may be symbols, and the milli-ops to build with."""

from __future__ import annotations

import dataclasses
import numbers
from typing import Any, Iterable, Sequence, Union

import numpy as np

from . import _sibyl
from ._types import UNKNOWN
from ._values import _NAMES, from_value, to_value

DimLike = Union["Dim", int, None]


def dtype_number(dtype: Any) -> int:
    """The library's number of "float32", np.float32 or np.dtype("float32")."""
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name not in _sibyl.dtypes:
        raise TypeError(f"there is no dtype {name!r}")
    return _sibyl.dtypes[name]


class Dim:
    """A size: a number, or an expression over symbolic dims, which +, -, *, // and the functions of Lowering extend.

    int(dim) is its number; where that is not known yet, the lowering ends and is called again once it is.
    """

    __slots__ = ("_id", "_of")

    def __init__(self, of: Lowering, id: int) -> None:
        self._of, self._id = of, id

    def __int__(self) -> int:
        return _sibyl.mdim_number(self._of._handle, self._id)

    __index__ = __int__

    def _compute(self, op: int, x: DimLike, y: DimLike) -> Dim:
        if not all(isinstance(d, (Dim, int)) for d in (x, y)):
            return NotImplemented
        return Dim(self._of, _sibyl.mdim_compute(self._of._handle, op, self._of._dim(x), self._of._dim(y)))

    def __add__(self, other: DimLike) -> Dim:
        return self._compute(0, self, other)

    def __radd__(self, other: DimLike) -> Dim:
        return self._compute(0, other, self)

    def __sub__(self, other: DimLike) -> Dim:
        return self._compute(1, self, other)

    def __rsub__(self, other: DimLike) -> Dim:
        return self._compute(1, other, self)

    def __mul__(self, other: DimLike) -> Dim:
        return self._compute(2, self, other)

    def __rmul__(self, other: DimLike) -> Dim:
        return self._compute(2, other, self)

    def __floordiv__(self, other: DimLike) -> Dim:
        return self._compute(3, self, other)

    def __rfloordiv__(self, other: DimLike) -> Dim:
        return self._compute(3, other, self)


class Value:
    """A value of a lowering, with NumPy's operators: each appends a milli-op."""

    __slots__ = ("_id", "_of")
    __array_ufunc__ = None  # arrays leave `array + value` to __radd__

    def __init__(self, of: Lowering, id: int) -> None:
        self._of, self._id = of, id

    @property
    def dtype(self) -> str:
        """ "float32"; "unknown" where inference does not know it."""
        number = _sibyl.mval_dtype(self._of._handle, self._id)
        return _NAMES.get(number, "unknown")

    @property
    def shape(self) -> tuple[Dim, ...]:
        return tuple(Dim(self._of, id) for id in _sibyl.mval_dims(self._of._handle, self._id))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def numpy(self) -> np.ndarray:
        """Its elements; where they are not known yet, the lowering ends and is called again once they are."""
        array: np.ndarray = from_value(_sibyl.mval_content(self._of._handle, self._id))
        return array

    def astype(self, dtype: Any) -> Value:
        return self._of.cast(self, to=dtype)

    def reshape(self, *dims: DimLike | Sequence[DimLike]) -> Value:
        return self._of.reshape(self, dims=dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims)

    def transpose(self, *perm: int) -> Value:
        return self._of.transpose(self, perm=list(perm) or list(range(self.ndim))[::-1])

    def _with(self, name: str, other: Any, swap: bool = False) -> Value:
        other = self._of._like(other, self)
        return self._of.build(name, *((other, self) if swap else (self, other)))

    def __add__(self, other: Any) -> Value:
        return self._with("add", other)

    def __radd__(self, other: Any) -> Value:
        return self._with("add", other, True)

    def __sub__(self, other: Any) -> Value:
        return self._with("sub", other)

    def __rsub__(self, other: Any) -> Value:
        return self._with("sub", other, True)

    def __mul__(self, other: Any) -> Value:
        return self._with("mul", other)

    def __rmul__(self, other: Any) -> Value:
        return self._with("mul", other, True)

    def __truediv__(self, other: Any) -> Value:
        return self._with("div", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._with("div", other, True)

    def __pow__(self, other: Any) -> Value:
        return self._with("pow", other)

    def __matmul__(self, other: Any) -> Value:
        return self._with("matmul", other)

    def __lt__(self, other: Any) -> Value:
        return self._with("less", other)

    def __le__(self, other: Any) -> Value:
        return self._with("less_equal", other)

    def __gt__(self, other: Any) -> Value:
        return self._with("less", other, True)

    def __ge__(self, other: Any) -> Value:
        return self._with("less_equal", other, True)

    def __neg__(self) -> Value:
        return self._of.build("neg", self)

    def __abs__(self) -> Value:
        return self._of.build("abs", self)


class Lowering:
    """Builds milli-ops: each is a method, with values as arguments and parameters by name.

        l.softmax(x * l.sigmoid(x), axis=-1)
        l.reduce_mean(x, axes=[-1], keep=1)
        values, indices = l.sort(x, axis=0)
        parts, counts = l.string_split(x, delimiter=",")

    `Lowering.words()` lists them. What they compute is in docs/operators.md.
    """

    __slots__ = ("_handle",)

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    @staticmethod
    def words() -> dict[str, str]:
        """The methods and their parameters, those that may be left out with "?": {"arg_max": "axis last? keep?"}."""
        return _sibyl.milli_words()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in _sibyl.milli_words():
            raise AttributeError(f"there is no milli-op {name!r} to build")
        return lambda *values, **params: self.build(name, *values, **params)

    def build(self, name: str, *values: Any, **params: Any) -> Any:
        """A milli-op by its name; `sort` and `string_split` give two values, `unique` four."""
        like = next((v for v in values if isinstance(v, Value)), None)
        ids = [self._like(v, like)._id for v in values]
        given = {key: self._param(key, value) for key, value in params.items()}
        made = _sibyl.milli_emit(self._handle, name, ids, given)
        out = tuple(Value(self, id) for id in made)
        return out if len(out) > 1 else out[0]

    def constant(self, array: Any) -> Value:
        """A constant of the array's own dtype."""
        return Value(self, _sibyl.milli_constant(self._handle, to_value(np.asarray(array), UNKNOWN, "constant")))

    def dim_value(self, dim: DimLike) -> Value:
        """A dim as an int64 scalar."""
        return Value(self, _sibyl.milli_dim(self._handle, self._dim(dim)))

    def ceil_div(self, x: DimLike, y: DimLike) -> Dim:
        return self._dims(4, x, y)

    def minimum(self, x: DimLike, y: DimLike) -> Dim:
        return self._dims(5, x, y)

    def maximum(self, x: DimLike, y: DimLike) -> Dim:
        return self._dims(6, x, y)

    def broadcast(self, x: DimLike, y: DimLike) -> Dim:
        """Where one is 1, the other."""
        return self._dims(7, x, y)

    def _dims(self, op: int, x: DimLike, y: DimLike) -> Dim:
        return Dim(self, _sibyl.mdim_compute(self._handle, op, self._dim(x), self._dim(y)))

    def _dim(self, dim: DimLike) -> int:
        """The id of a dim, 0 for None."""
        if dim is None:
            return 0
        return dim._id if isinstance(dim, Dim) else _sibyl.mdim_of(self._handle, int(dim))

    def _like(self, given: Any, like: Value | None) -> Value:
        """given as a value; a Python number takes the dtype of `like`."""
        if isinstance(given, Value):
            return given
        if isinstance(given, Dim):
            return self.dim_value(given)
        if isinstance(given, (bool, int, float)) and like is not None:
            return Value(self, _sibyl.milli_number(self._handle, like._id, float(given)))
        return self.constant(given)

    def _param(self, name: str, value: Any) -> str | tuple[list[int]] | list[int] | list[float] | list[str]:
        if isinstance(value, str) and name not in ("to", "dtype"):
            return value
        if name in ("to", "dtype"):
            return [dtype_number(value)]
        items = list(value) if isinstance(value, Iterable) else [value]
        if any(isinstance(item, Dim) for item in items):
            return ([self._dim(item) for item in items],)
        if any(isinstance(item, str) for item in items):
            return [str(item) for item in items]
        if any(isinstance(item, numbers.Real) and not isinstance(item, numbers.Integral) for item in items):
            return [float(item) for item in items]
        return [int(item) for item in items]


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """The type of an output: dtype as "float32" or np.float32; shape of numbers, Dims, and None for what only a run
    knows; None as a whole: so is the rank."""

    dtype: Any
    shape: Sequence[DimLike] | None = None
