"""What a model file says."""

from __future__ import annotations

import os
from typing import Any

from . import _sibyl
from .errors import SibylOSError, with_path


def open_model(model: str | os.PathLike[Any] | bytes | bytearray | memoryview) -> Any:
    """The handle of a model from a file or from the bytes of one."""
    if isinstance(model, (bytes, bytearray, memoryview)):
        return _sibyl.model_open(None, model)
    if not isinstance(model, (str, os.PathLike)):
        raise TypeError(f"a model is given as a path or as bytes, not {type(model).__name__}")
    path = os.fsencode(model)
    try:
        return _sibyl.model_open(path, None)
    except SibylOSError as error:
        raise with_path(error, path, path) from None


def inspect(model: str | os.PathLike[Any] | bytes) -> dict[str, Any]:
    """What a model is made of, as `sibyl inspect --json` prints it.

    The keys: path (None for bytes), graph, producer, producer_version, ir_version, model_version, opsets, metadata,
    parameters, parameter_bytes, inputs and outputs (name, type, dtype, dims), operators with their counts,
    unknown_operators, nodes (name, domain, type, version, inputs, outputs, input_types, output_types, attributes,
    flops and bytes as expressions of the symbolic dims), and noticed, what reading noticed.
    """
    handle = open_model(model)
    found = _sibyl.model_info(handle)
    nodes = _sibyl.model_nodes(handle)
    for part in ("graph_description", "description", "domain"):
        del found[part]
    for value in found["inputs"] + found["outputs"]:
        if not value["has_default"]:
            del value["has_default"]
    counts: dict[tuple[str, str, bool], int] = {}
    for node in nodes:
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
    }


def _name(key: tuple[str, str, bool]) -> str:
    domain, type, _ = key
    return f"{domain}:{type}" if domain else type
