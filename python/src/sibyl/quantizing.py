"""Models whose weights take fewer bits."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Iterable, Mapping, Sequence

from . import _html, _sibyl, _types
from ._values import to_value
from .errors import SibylOSError, with_path
from .model import open_model
from .providers import backends_of
from .registry import Registry, default_registry
from .session import _number

WEIGHTS = ("int8", "int4", "f16")


@dataclasses.dataclass(frozen=True)
class QuantizedLayer(_html.Fields):
    """A relative RMS error is sqrt(sum (b - a)^2 / sum a^2), where a is the original; NaN where it was not measured."""

    node: str
    op_type: str
    weights: str
    k: int  # numbers that are summed
    n: int  # columns
    bytes_before: int
    bytes_after: int  # scales included
    weight_error: float
    output_error: float  # of the layer's products with the inputs of calibration


@dataclasses.dataclass(frozen=True)
class QuantizeReport(_html.Fields):
    layers: list[QuantizedLayer]
    outputs: dict[str, float]  # relative RMS error of each output of the model over all sets of calibration
    bytes_before: int  # of the weights that changed
    bytes_after: int

    def _repr_html_(self) -> str:
        head = ["layer", "operator", "k × n", "bytes before", "after", "weight error", "output error"]
        rows = [(x.node, x.op_type, f"{x.k} × {x.n}", x.bytes_before, x.bytes_after, x.weight_error, x.output_error) for x in self.layers]
        outputs = _html.table(["output", "error"], self.outputs.items()) if self.outputs else ""
        detail = f"{len(self.layers)} layers, {self.bytes_before:,} bytes became {self.bytes_after:,}"
        return _html.block("sibyl.QuantizeReport", detail, _html.table(head, rows), outputs)


def quantize(
    model: str | os.PathLike[Any] | bytes,
    out: str | os.PathLike[Any],
    weights: str = "int8",
    *,
    block: int = 0,
    dynamic: bool = False,
    min_weights: int = 4096,
    calibrate: Iterable[Mapping[str, Any]] = (),
    providers: Sequence[str] | None = None,
    registry: Registry | None = None,
) -> QuantizeReport:
    """Writes a model with narrower weights to the file `out`, as `sibyl quantize` does: ordinary ONNX.

    weights: "int8" or "int4", integers with scales, or "f16". Layers that change are MatMul and Gemm with constant
    float32 weights, with int8 Conv too, with f16 Conv and Gather. block: weights of a column that share a scale, a power
    of two from 16 to 65,536; 0 is the entire column, for int4 32. dynamic: inputs are quantized too, in every run (int8
    without blocks). min_weights: layers of fewer are not changed. calibrate: inputs by name, a dict for each run, to
    choose scales and measure errors by. providers: backends for those runs.

    Raises FileNotFoundError, OSError, ValueError (what does not go together, weights that are NaN, infinite or out of
    float16's range, by the layer's name) and SibylError.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights is {weights!r}, expected one of {', '.join(map(repr, WEIGHTS))}")
    if block and weights == "f16":
        raise ValueError("float16 weights cannot be in blocks")
    if dynamic and (weights != "int8" or block):
        raise ValueError("dynamic is for int8 weights without block")
    target = os.fsencode(out)
    if isinstance(model, (str, os.PathLike)) and os.path.exists(target) and os.path.samefile(model, target):
        raise ValueError(f"out is the model itself, {os.fsdecode(target)}")
    handle = open_model(model, registry)
    types = {info["name"]: _types.parse(info["type"]) for info in _sibyl.model_info(handle)["inputs"]}
    sets = [
        ([str(name) for name in given], [to_value(array, types.get(name, _types.UNKNOWN), name) for name, array in given.items()])
        for given in calibrate
    ]
    backends = None if providers is None else ",".join(backends_of(providers, None, registry or default_registry()))
    external = os.path.basename(target) + b".data"
    try:
        layers, outputs, before, after = _sibyl.model_quantize(
            handle, target, external, WEIGHTS.index(weights), _number(block, "block", 32), dynamic,
            _number(min_weights, "min_weights", 64), sets, backends,
        )  # fmt: skip
    except SibylOSError as error:
        raise with_path(error, target, os.path.dirname(target) or b".") from None
    return QuantizeReport([QuantizedLayer(*row) for row in layers], dict(outputs), before, after)
