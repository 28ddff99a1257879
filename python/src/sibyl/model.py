"""What a model file says."""

from __future__ import annotations

import logging
import os
from typing import Any

from . import _sibyl
from ._logging import log_function
from ._values import from_value
from .errors import SibylOSError, with_path
from .registry import Registry, default_registry


def open_model(
    model: str | os.PathLike[Any] | bytes | bytearray | memoryview,
    registry: Registry | None = None,
    logger: logging.Logger | str | None = None,
    external_folder: str | os.PathLike[Any] | None = None,
) -> Any:
    """The handle of a model from a file or from the bytes of one.

    registry: None is the default one. logger: where what was opened, its diagnostics and a failure are logged.
    external_folder: where external data is looked up; None is the file's.
    """
    known = (registry or default_registry())._handle
    log = log_function(logger)
    folder = None if external_folder is None else os.fsencode(external_folder)
    if isinstance(model, (bytes, bytearray, memoryview)):
        return _sibyl.model_open(None, model, folder, known, *log)
    if not isinstance(model, (str, os.PathLike)):
        raise TypeError(f"a model is given as a path or as bytes, not {type(model).__name__}")
    path = os.fsencode(model)
    try:
        return _sibyl.model_open(path, None, folder, known, *log)
    except SibylOSError as error:
        raise with_path(error, path, path) from None


def inspect(
    model: str | os.PathLike[Any] | bytes,
    *,
    registry: Registry | None = None,
    logger: logging.Logger | str | None = None,
) -> dict[str, Any]:
    """What a model is made of, as `sibyl inspect --json` prints it.

    The keys: path (None for bytes), graph, producer, producer_version, ir_version, model_version, opsets, metadata,
    parameters, parameter_bytes, inputs and outputs (name, type, dtype, dims), operators with their counts,
    unknown_operators, nodes (name, domain, type, version, inputs, outputs, input_types, output_types, attributes,
    flops and bytes as expressions of the symbolic dims; for some function, the function that it was inlined from, and
    graphs, the numbers of the subgraphs in its attributes), subgraphs (the same of each graph in a node's attribute, with
    its number and where it is: outer, holder, attribute), and noticed, what reading noticed. logger: where the same is
    logged.
    """
    handle = open_model(model, registry, logger)
    found = _sibyl.model_info(handle)
    nodes = _sibyl.model_nodes(handle)
    subgraphs = _sibyl.model_subgraphs(handle)
    for part in ("graph_description", "description", "domain"):
        del found[part]
    for graph in [found, *subgraphs]:
        _drop_defaults(graph)
    counts: dict[tuple[str, str, bool], int] = {}
    for node in nodes + [node for graph in subgraphs for node in graph["nodes"]]:
        key = node["domain"], node["type"], node["known"]
        counts[key] = counts.get(key, 0) + 1
    order = sorted(counts, key=lambda key: (-counts[key], key))
    path = None if isinstance(model, (bytes, bytearray, memoryview)) else os.fsdecode(model)
    return {
        "path": path,
        **found,
        "operators": {_name(key): counts[key] for key in order},
        "unknown_operators": [_name(key) for key in order if not key[2]],
        "nodes": nodes,
        "subgraphs": subgraphs,
    }


def milli_ops(
    model: str | os.PathLike[Any] | bytes,
    node: str | int,
    *,
    graph: int = 0,
    dims: dict[str, int] | None = None,
    registry: Registry | None = None,
) -> dict[str, Any]:
    """The milli-ops that a node is made of, as `sibyl inspect --milli` shows them: name, inputs, outputs and nodes.

    node is a name or a number in the graph, graph a number of `inspect`'s subgraphs (0: the main graph), dims gives
    symbolic dims a size.
    """
    handle = open_model(model, registry)
    if isinstance(node, str):
        nodes = _sibyl.model_nodes(handle) if graph == 0 else _sibyl.model_subgraphs(handle)[graph - 1]["nodes"]
        numbers = [i for i, found in enumerate(nodes) if found["name"] == node]
        if not numbers:
            raise KeyError(f"graph {graph} has no node {node!r}")
        node = numbers[0]
    found: dict[str, Any] = _sibyl.model_milli(handle, graph, node, dims or {})
    _drop_defaults(found)
    return found


def random_inputs(
    model: str | os.PathLike[Any] | bytes,
    seed: int = 0,
    *,
    dims: dict[str, int] | None = None,
    registry: Registry | None = None,
) -> dict[str, Any]:
    """Inputs of a model by name, drawn as `sibyl run --random SEED` draws them: arrays, lists, dicts.

    Floats in [-1, 1), integers and bools 0 or 1, strings of letters; sequences of 1 to 3 items, optionals that hold
    something, maps of 1 to 3 keys. dims gives symbolic dims a size. Inputs that have a default are left out.
    """
    handle = open_model(model, registry)
    state = (seed * 2 + 0x9E3779B97F4A7C15) % 2**64
    drawn = {}
    for number, entry in enumerate(_sibyl.model_info(handle)["inputs"]):
        if entry["has_default"]:
            continue
        value, state = _sibyl.model_draw(handle, number, dims or {}, state)
        drawn[entry["name"]] = from_value(value)
    return drawn


def _drop_defaults(graph: dict[str, Any]) -> None:
    for value in graph["inputs"] + graph["outputs"]:
        del value["declared"]
        if not value["has_default"]:
            del value["has_default"]


def _name(key: tuple[str, str, bool]) -> str:
    domain, type, _ = key
    return f"{domain}:{type}" if domain else type
