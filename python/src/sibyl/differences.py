"""Where two runs of a model part: each node on the other run's values."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Mapping, Sequence

from . import _html, _sibyl, _types
from ._values import to_value
from .views import Differences
from .model import open_model
from .registry import Registry, default_registry
from .providers import backends_of
from .session import _number


@dataclasses.dataclass(frozen=True)
class NodeDifference(_html.Fields):
    """One value, as a node of ours makes it of the other run's values."""

    name: str
    node: str  # "" where it has no name
    op_type: str
    differs: bool
    problem: str | None  # why it could not be compared
    relative_l2: float  # norm of the differences over the norm of the other's value
    rounding: float  # norm of what rounding explains over the same
    times: float  # how many times what rounding explains the farthest element is away, or all of them together
    cosine: float
    max_abs: float
    elements: int  # that rounding does not explain
    nan_ours: int
    nan_theirs: int
    max_rel: float
    first: int | None  # row-major index of the first element that rounding does not explain
    worst: int | None  # of the one that is farthest away
    # elements of floats by how many representable numbers lie between ours and theirs: 0, 1, to 4, to 16, to 64, to 256,
    # to 4,096, more
    distances: list[int]


def diff(
    model: str | os.PathLike[Any] | bytes,
    values: Mapping[str, Any],
    *,
    providers: Sequence[str] | None = None,
    threads: int = 0,
    factor: float = 64,
    registry: Registry | None = None,
) -> list[NodeDifference]:
    """Runs each node on the values of another run, and compares what it makes of them with what that run made.

    values: arrays by name: the model's inputs, and values that the other runtime computed (with onnxruntime: the outputs of
    the model with every value as an output). A fault so shows in the node that has it, and in none behind it. What rounding
    explains is measured: in double precision, on inputs moved by their last bit, and on the reference backend; a value
    differs where it is `factor` times as far away. Nodes whose inputs are not among the values get what ours make; names that
    the model does not have are refused. Rows are in the order of the graph.

        first = next((row for row in sibyl.diff("model.onnx", values) if row.differs), None)
    """
    handle = open_model(model, registry)
    arrays = [to_value(given, _types.UNKNOWN, name) for name, given in values.items()]
    backends = ",".join(backends_of(providers, None, registry or default_registry()))
    found = _sibyl.diff_nodes(
        handle, [str(name) for name in values], arrays, backends, _number(threads, "threads", 32), float(factor)
    )
    return Differences(NodeDifference(*row) for row in found)
