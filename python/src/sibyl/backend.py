"""Backends written in Python: what runs operators and milli-ops in the place of Sibyl's own."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from . import _sibyl
from ._types import UNKNOWN
from ._values import _NAMES, from_value, to_value
from .registry import Registry, default_registry


@dataclasses.dataclass(frozen=True)
class NodeEnd:
    """An input or output of a node."""

    dtype: str  # "float32", "unknown"
    shape: tuple[int | None, ...] | None  # None for dims that depend on data
    constant: np.ndarray[Any, Any] | None  # a weight, or another value known before the run


@dataclasses.dataclass(frozen=True)
class Node:
    """A node of a plan: an operator, or a milli-op (domain "milli", as in docs/operators.md)."""

    name: str
    domain: str
    type: str
    version: int
    inputs: tuple[NodeEnd | None, ...]  # None for one that is omitted
    outputs: tuple[NodeEnd | None, ...]
    attributes: dict[str, Any]


class Backend:
    """A backend: subclass it, then `MyBackend().register(registry)`.

    Sessions of models with that registry offer it each node before their other backends, or where `providers` names it;
    nodes that it does not support go to the next one. Methods are called from the threads that run sessions, several at
    once.
    """

    name: str  # letters, digits, - and _

    def supports(self, node: Node) -> bool:
        """Whether it runs this node; without effects. What it raises is printed, and the node goes to others."""
        raise NotImplementedError

    def prepare(self, node: Node) -> Any:
        """Called once per plan; what it returns is the state that run gets."""
        return node

    # With **none type checkers take methods of any inputs in its place.
    def run(self, state: Any, *inputs: Any, **none: Any) -> Any:
        """The output, or a tuple of several; inputs are copies, None for one that is omitted."""
        raise NotImplementedError

    def register(self, registry: Registry | None = None) -> None:
        """Adds it to a registry; None is the default one."""
        _sibyl.backend_register((registry or default_registry())._handle, self.name, self)

    # ---- What the extension calls

    def _supports(self, node: tuple[Any, ...]) -> bool:
        return self.supports(_node(node))

    def _prepare(self, node: tuple[Any, ...]) -> Any:
        return self.prepare(_node(node))

    def _run(self, state: Any, inputs: list[Any], n: int) -> list[Any]:
        result = self.run(state, *(None if value is None else from_value(value) for value in inputs))
        results = list(result) if isinstance(result, tuple) else [result]
        if len(results) < n:
            raise ValueError(f"the backend gives {len(results)} outputs, the node has {n}")
        return [None if r is None else to_value(r, UNKNOWN, f"output {i}") for i, r in enumerate(results[:n])]


def _end(end: tuple[Any, ...] | None) -> NodeEnd | None:
    if end is None:
        return None
    dtype, dims, constant = end
    return NodeEnd(_NAMES.get(dtype, "unknown"), None if dims is None else tuple(dims),
                   None if constant is None else from_value(constant))  # fmt: skip


def _node(node: tuple[Any, ...]) -> Node:
    name, domain, type, version, inputs, outputs, attributes = node
    plain = {key: from_value(value) if isinstance(value, tuple) else value for key, value in attributes.items()}
    return Node(name, domain, type, version, tuple(map(_end, inputs)), tuple(map(_end, outputs)), plain)
