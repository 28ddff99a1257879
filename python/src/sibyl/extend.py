"""Operators written in Python, for models that have nodes of them.

    @sibyl.operator("my.dom", "Scale", shape="same")
    def scale(x, *, alpha: float = 2.0):
        return np.float32(alpha) * x                      # NumPy in and out

    @sibyl.lowering("my.dom", "Swish")
    def swish(l, x, *, beta: float = 1.0):
        return x * l.sigmoid(x * beta)                    # milli-ops: every backend, oracle mode, symbolic dims

The parameters say what a node has: positional ones are inputs, those with a default None may be omitted and *rest takes
any number; keyword-only ones are attributes, their kind from the annotation or the default.

Functions are called from whatever thread runs the session, several at once where several do. What they raise becomes a
SibylError that names the node, with the exception as its cause.
"""

from __future__ import annotations

import inspect as _inspect
import typing
from typing import Any, Callable, Mapping, Sequence, TypeVar

import numpy as np

from . import _sibyl
from ._types import UNKNOWN
from ._values import from_value, to_value
from ._lowering import Lowering, TensorSpec, Value, dtype_number
from .registry import Registry, default_registry

F = TypeVar("F", bound=Callable[..., Any])

# AttributeProto.AttributeType by what an annotation says: the kind of one, the kind of a list.
_KINDS: dict[Any, tuple[int, int]] = {bool: (2, 7), int: (2, 7), float: (1, 6), str: (3, 8), np.ndarray: (4, 0)}
_MISSING = object()


def operator(
    domain: str,
    name: str,
    *,
    shape: str | Callable[..., Any] | None = None,
    outputs: int = 1,
    types: Sequence[str] = (),
    versions: tuple[int, int] = (0, 0),
    replaces_standard: bool = False,
    registry: Registry | None = None,
) -> Callable[[F], F]:
    """Registers a function of arrays as an operator; gives the function back.

    shape: types of the outputs before the run: "same" as the first input, or a function with the operator's parameters,
    whose inputs have dtype and shape (of Dims, which may be symbols) and, where it asks for them, elements (numpy()); it
    returns a TensorSpec, or one for each output. None: they are known once the function has run, and planning waits for it.
    outputs: the most that it has; where there are several, it returns a tuple.
    types: of the inputs: "float32|float16"; "T", the same for all that say T; "T=float32|float16"; "" for any.
    versions: the first and last version of the domain that it defines, 0 for no bound.
    replaces_standard: needed to take the place of an operator of Sibyl's own. registry: None is the default one.
    """

    def decorate(function: F) -> F:
        inputs, attributes = _signature(function, 0)

        def run(given: list[Any], options: dict[str, Any], n: int) -> list[Any]:
            arrays = [None if value is None else from_value(value) for value in given]
            return _outputs(function(*arrays, **_attributes(options)), n, outputs)

        _register(domain, name, inputs, attributes, outputs, types, versions, replaces_standard, registry, False, run,
                  None if shape is None else _shape_function(shape))  # fmt: skip
        return function

    return decorate


def lowering(
    domain: str,
    name: str,
    *,
    outputs: int = 1,
    types: Sequence[str] = (),
    versions: tuple[int, int] = (0, 0),
    replaces_standard: bool = False,
    registry: Registry | None = None,
) -> Callable[[F], F]:
    """Registers a function of a Lowering and values, which builds milli-ops, as an operator; gives the function back.

    The other arguments are those of `operator`. It is called when the model is opened, with symbolic dims, and for each
    plan, so it must build the same each time.
    """

    def decorate(function: F) -> F:
        inputs, attributes = _signature(function, 1)

        def lower(handle: Any, options: dict[str, Any]) -> None:
            l = Lowering(handle)
            ids, n = _sibyl.lowering_ends(handle)
            values = [None if id is None else Value(l, id) for id in ids]
            made = function(l, *values, **_attributes(options))
            made = [made] if outputs == 1 else list(made)
            first = next((value for value in values if value is not None), None)
            for i, value in enumerate(made[:n]):
                if value is not None:
                    _sibyl.lowering_output(handle, i, l._like(value, first)._id)

        _register(domain, name, inputs, attributes, outputs, types, versions, replaces_standard, registry, True, lower,
                  None)  # fmt: skip
        return function

    return decorate


def _register(
    domain: str,
    name: str,
    inputs: tuple[int, int],
    attributes: list[tuple[str, int, bool, list[Any]]],
    outputs: int,
    types: Sequence[str],
    versions: tuple[int, int],
    replaces: bool,
    registry: Registry | None,
    lowers: bool,
    function: Callable[..., Any],
    shape: Callable[..., Any] | None,
) -> None:
    if isinstance(types, str):
        raise TypeError(f"types must be a list with a text for each input, not the text {types!r}")
    _sibyl.operator_register(
        (registry or default_registry())._handle, domain, name, *versions, *inputs, outputs, list(types), attributes,
        replaces, lowers, function, shape,
    )  # fmt: skip


# ---- Signatures -----------------------------------------------------------------------------------------------------


def _signature(function: Callable[..., Any], skip: int) -> tuple[tuple[int, int], list[tuple[str, int, bool, list[Any]]]]:
    """Numbers of inputs, and attributes with kind, whether they are required, and the items of their default."""
    hints = typing.get_type_hints(function)
    fewest = most = 0
    attributes = []
    for p in list(_inspect.signature(function).parameters.values())[skip:]:
        if p.kind == p.VAR_POSITIONAL:
            most = -1
        elif p.kind == p.KEYWORD_ONLY:
            attributes.append(_attribute(p.name, hints.get(p.name), _MISSING if p.default is p.empty else p.default))
        elif p.kind == p.VAR_KEYWORD:
            raise TypeError(f"**{p.name}: the attributes of an operator have names")
        else:
            most += 1
            fewest = most if p.default is p.empty else fewest
    return (fewest, most), attributes


def _attribute(name: str, hint: Any, default: Any) -> tuple[str, int, bool, list[Any]]:
    known = None if default is _MISSING or default is None else default
    hint = _without_none(hint)
    is_list = typing.get_origin(hint) in (list, tuple) or (hint is None and isinstance(known, (list, tuple)))
    item = (typing.get_args(hint) or (None,))[0] if is_list else hint
    if item is None and known is not None:
        item = type((list(known) or [0])[0] if is_list else known)
    if item not in _KINDS or (is_list and not _KINDS[item][1]):
        raise TypeError(f"attribute {name} needs an annotation or a default: int, float, str, np.ndarray or a list")
    items = [] if known is None else list(known) if is_list else [known]
    if item is np.ndarray:
        items = [to_value(array, UNKNOWN, name) for array in items]
    return name, _KINDS[item][is_list], default is _MISSING, items


def _without_none(hint: Any) -> Any:
    """int of int | None."""
    args = [a for a in typing.get_args(hint) if a is not type(None)]
    return args[0] if type(None) in typing.get_args(hint) and len(args) == 1 else hint


def _attributes(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: from_value(value) if isinstance(value, tuple) else value for name, value in options.items()}


# ---- Outputs --------------------------------------------------------------------------------------------------------


def _outputs(result: Any, n: int, most: int) -> list[Any]:
    results = [result] if most == 1 else list(result)
    if len(results) < n:
        raise ValueError(f"the function gives {len(results)} outputs, the node has {n}")
    return [None if r is None else to_value(r, UNKNOWN, f"output {i}") for i, r in enumerate(results[:n])]


def _shape_function(shape: str | Callable[..., Any]) -> Callable[[Any, dict[str, Any]], None]:
    if isinstance(shape, str) and shape != "same":
        raise ValueError(f"shape is {shape!r}, expected 'same', a function or None")

    def declare(handle: Any, options: dict[str, Any]) -> None:
        l = Lowering(handle)
        ids, n = _sibyl.lowering_ends(handle)
        values = [None if id is None else Value(l, id) for id in ids]
        if callable(shape):
            specs = shape(*values, **_attributes(options))
        else:
            specs = TensorSpec(values[0].dtype, values[0].shape) if values and values[0] is not None else None
        for i, spec in enumerate([specs] if isinstance(specs, TensorSpec) or specs is None else list(specs)):
            if spec is not None and i < n and spec.dtype != "unknown":
                dims = None if spec.shape is None else [l._dim(dim) for dim in spec.shape]
                _sibyl.lowering_declare(handle, i, dtype_number(spec.dtype), dims)

    return declare
