"""python -m sibyl.dump: the values that another runtime computes, in files for `sibyl diff --against`.

    python -m sibyl.dump onnxruntime model.onnx -i x=x.npy -o theirs.npz
    python -m sibyl.dump torch network.py:Network --model model.onnx -i x=x.npy -o theirs.npz
    python -m sibyl.dump tflite model.tflite --model model.onnx -i x=x.npy -o theirs.npz

Values of torch and TensorFlow Lite have no names of an ONNX graph: each is given that of the value of --model, run here on
the same inputs, that has its shape and is nearest to it. OUT is a .npz, or a folder with a manifest.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.util
import inspect
import os
import sys
from typing import Any, Iterator, Mapping, Sequence

import numpy as np

from . import _dumps
from .session import InferenceSession

Path = str | os.PathLike[str]
Labelled = Sequence[tuple[str, np.ndarray]]  # arrays in the order in which they were computed
SAMPLE = 4096  # elements by which two arrays are compared
ALIKE = 1e-3  # distance, relative to the norm, within which an array is taken for a value
NEAR = 0.3  # the same where no other value is half as near: a fault may lie between

# ---- Names by shape and value ------------------------------------------------------------------------------------


@dataclasses.dataclass
class Named:
    """Arrays by the names of the graph's values."""

    values: dict[str, np.ndarray]
    names: dict[str, str]  # by the other runtime's
    unnamed: list[str]


def _sample(array: np.ndarray) -> np.ndarray:
    flat = array.reshape(-1)
    return flat[:: flat.size // SAMPLE + 1].astype(np.float64)


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        away, size = float(np.linalg.norm(a - b)), float(np.linalg.norm(b))
    return away / size if size > 0 else away if away == away else np.inf


def _layouts(array: np.ndarray, last: bool) -> Iterator[np.ndarray]:
    """As it is, and with its last axis, of channels, moved to where ONNX has it."""
    yield array
    if last and array.ndim in (3, 4, 5):
        yield np.moveaxis(array, -1, 1)


def _fitting(theirs: Labelled, ours: Mapping[str, np.ndarray], channels_last: bool) -> dict[int, np.ndarray]:
    """The arrays that have a shape of the graph's, by their place."""
    shapes = {array.shape for array in ours.values()}
    found = {}
    for i, (_, array) in enumerate(theirs):
        fitting = [a for a in _layouts(array, channels_last) if a.shape in shapes and a.dtype.kind in "fiub" and a.size]
        if fitting:
            found[i] = fitting[0]
    return found


def _nearest(array: np.ndarray, samples: Mapping[str, np.ndarray]) -> str | None:
    """The name of the value that it is, of those whose samples are given in the order of the graph."""
    sample = _sample(array)
    far = sorted((_distance(sample, other), k, name) for k, (name, other) in enumerate(samples.items()))
    if not far:
        return None
    best, _, name = far[0]
    others = [d for d, _, _ in far if d > best * 1.01 + 1e-9]  # what equals the best is the same value again
    return name if best <= ALIKE or (best <= NEAR and (not others or best <= others[0] / 2)) else None


def _between(i: int, arrays: Mapping[int, np.ndarray], found: Mapping[int, str], ours: Mapping[str, np.ndarray]) -> str | None:
    """By the order alone: between those that are known around array i, where both sides have as many of its shape."""
    order = list(ours)
    first = max((k for k in found if k < i), default=None)
    last = min((k for k in found if k > i), default=None)
    begin = 0 if first is None else order.index(found[first]) + 1
    end = len(order) if last is None else order.index(found[last])
    free = [name for name in order[begin:end] if ours[name].shape == arrays[i].shape and name not in found.values()]
    rivals = [k for k in arrays if k not in found and arrays[k].shape == arrays[i].shape
              and (first is None or k > first) and (last is None or k < last)]  # fmt: skip
    return free[rivals.index(i)] if len(free) == len(rivals) else None


def name_values(ours: Mapping[str, np.ndarray], theirs: Labelled, channels_last: bool = False) -> Named:
    """Gives arrays the names of the graph's values, both in the order in which they were computed: of the same shape and
    nearly the same elements; then, between two that are known, in order where as many of a shape are left on both sides."""
    ours = {name: array for name, array in ours.items() if array.dtype.kind in "fiub" and array.size}
    samples = {name: _sample(array) for name, array in ours.items()}
    arrays = _fitting(theirs, ours, channels_last)
    found: dict[int, str] = {}
    for i, array in arrays.items():
        name = _nearest(array, {n: s for n, s in samples.items() if ours[n].shape == array.shape})
        if name:
            found[i] = name
            del samples[name]
    for i in arrays:
        name = None if i in found else _between(i, arrays, found, ours)
        if name:
            found[i] = name
    places = sorted(found)
    return Named(
        {found[i]: np.ascontiguousarray(arrays[i].astype(ours[found[i]].dtype)) for i in places},
        {theirs[i][0]: found[i] for i in places},
        [label for i, (label, _) in enumerate(theirs) if i not in found],
    )


def _ours(model: Path, inputs: Mapping[str, np.ndarray]) -> tuple[InferenceSession, dict[str, np.ndarray]]:
    """What the model's nodes make here, in the order of the graph."""
    session = InferenceSession(model)
    given = {i.name for i in session.get_inputs()}
    values = session.run_with_taps("*", dict(inputs))
    return session, {k: v for k, v in values.items() if isinstance(v, np.ndarray) and k not in given}


# ---- Runtimes ----------------------------------------------------------------------------------------------------


def onnxruntime_values(model: Path, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Every tensor that onnxruntime computes of the main graph, without its optimisations. bfloat16 and float8 are codes."""
    return {name: array for name, (array, _) in _onnxruntime(model, inputs)}


def _onnxruntime(model: Path, inputs: Mapping[str, Any]) -> list[tuple[str, _dumps.Typed]]:
    _package("onnxruntime")
    try:
        return list(_dumps.onnxruntime_values(model, {k: _dumps.typed(np.asarray(v)) for k, v in inputs.items()}))
    except Exception as error:  # those of onnxruntime have no class of their own
        raise RuntimeError(f"{os.fspath(model)}: {error}") from error


def _tensors(label: str, output: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Of what a module returns: a tensor, or several in tuples, lists, dicts and objects with such fields."""
    if hasattr(output, "detach") and hasattr(output, "cpu"):
        array = output.detach().cpu()
        yield label, (array.float() if str(array.dtype) == "torch.bfloat16" else array).numpy().copy()
    elif isinstance(output, Mapping):
        for key, item in output.items():
            yield from _tensors(f"{label}.{key}", item)
    elif isinstance(output, (tuple, list)):
        for i, item in enumerate(output):
            yield from _tensors(f"{label}.{i}", item)


def torch_values(module: Any, model: Path, inputs: Mapping[str, Any]) -> Named:
    """What the modules inside a torch.nn.Module return, by the names of the values of its ONNX model.

    Inputs go by name where forward has parameters of all these names, else in the model's order.
    """
    torch = _package("torch")
    session, ours = _ours(model, inputs)
    order = [i.name for i in session.get_inputs() if i.name in inputs]
    given = {name: torch.from_numpy(np.array(inputs[name])) for name in order}
    theirs: list[tuple[str, np.ndarray]] = []

    def hook(label: str) -> Any:
        return lambda _module, _inputs, output: theirs.extend(_tensors(label, output))

    hooks = [inner.register_forward_hook(hook(name or "(all)")) for name, inner in module.named_modules()]
    by_name = set(order) <= set(inspect.signature(module.forward).parameters)
    was_training = module.training
    try:
        module.eval()
        with torch.no_grad():
            module(**given) if by_name else module(*given.values())
    finally:
        module.train(was_training)
        for handle in hooks:
            handle.remove()
    return name_values(ours, theirs)


def _interpreter() -> Any:
    for name in ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite"):
        try:
            return importlib.import_module(name).Interpreter
        except ImportError:
            continue
    raise ModuleNotFoundError("no TensorFlow Lite here: pip install ai-edge-litert (or tflite-runtime, or tensorflow)")


def tflite_values(tflite: Path, inputs: Mapping[str, Any], model: Path | None = None) -> Named:
    """Every tensor that TensorFlow Lite computes, by the names of the values of an ONNX model, or by its own.

    Inputs go by name where all are the file's, else in the order of both, with channels last where shapes ask for it.
    """
    interpreter = _interpreter()(model_path=os.fspath(tflite), experimental_preserve_all_tensors=True)
    details = interpreter.get_input_details()
    arrays = [np.asarray(array) for array in inputs.values()]
    if {d["name"] for d in details} == set(inputs):
        arrays = [np.asarray(inputs[d["name"]]) for d in details]
    if len(arrays) != len(details):
        raise ValueError(f"{tflite} has {len(details)} inputs, {len(arrays)} are given")
    for d, array in zip(details, arrays):
        if array.ndim > 2 and list(array.shape) != list(d["shape"]) and list(np.moveaxis(array, 1, -1).shape) == list(d["shape"]):
            array = np.moveaxis(array, 1, -1)
        interpreter.resize_tensor_input(d["index"], array.shape)
        d["array"] = np.ascontiguousarray(array)
    interpreter.allocate_tensors()
    for d in details:
        interpreter.set_tensor(d["index"], d["array"])
    interpreter.invoke()
    theirs = []
    given = {d["index"] for d in details}
    for d in interpreter.get_tensor_details():
        try:
            if d["index"] not in given:
                theirs.append((d["name"], np.array(interpreter.get_tensor(d["index"]))))
        except ValueError:  # one that was never filled
            continue
    if model is None:
        return Named(dict(theirs), {name: name for name, _ in theirs}, [])
    return name_values(_ours(model, inputs)[1], theirs, channels_last=True)


def save(path: Path, values: Mapping[str, Any]) -> int:
    """Writes arrays by the names of values: a .npz, or a folder with a manifest. Returns their number."""
    return _dumps.write(path, ((name, _dumps.typed(np.asarray(array))) for name, array in values.items()))


# ---- The command -------------------------------------------------------------------------------------------------


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModuleNotFoundError(f"no {name} here ({error}): pip install {name}") from None


def _inputs(items: Sequence[str]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for item in items:
        name, equals, path = item.partition("=")
        if equals:
            found[name] = np.load(path)
        elif item.endswith(".npz"):
            with np.load(item) as arrays:
                found.update(arrays)
        else:
            raise ValueError(f"'{item}': give an input as NAME=FILE.npy, or a .npz with all of them")
    return found


def _module(text: str) -> Any:
    """The torch.nn.Module that FILE.py:NAME or package:NAME is or, called, makes."""
    place, _, name = text.rpartition(":")
    if not place:
        raise ValueError(f"'{text}': give FILE.py:NAME or package.module:NAME")
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location("sibyl_dump_module", place)
        if spec is None or spec.loader is None or not os.path.isfile(place):
            raise ValueError(f"{place}: cannot be read")
        source = importlib.util.module_from_spec(spec)
        sys.path.insert(0, os.path.dirname(os.path.abspath(place)))
        spec.loader.exec_module(source)
    else:
        source = importlib.import_module(place)
    if not hasattr(source, name):
        raise ValueError(f"{place} has no '{name}'")
    found = getattr(source, name)
    made = found if hasattr(found, "named_modules") and not inspect.isclass(found) else found()
    if not hasattr(made, "named_modules"):
        raise ValueError(f"{text} is no torch.nn.Module and makes none")
    return made


def _values(options: argparse.Namespace) -> Named:
    inputs = _inputs(options.input)
    if options.runtime == "torch":
        _package("torch")
        return torch_values(_module(options.source), options.model, inputs)
    return tflite_values(options.source, inputs, options.model)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sibyl.dump", description=(__doc__ or "").partition("\n\n")[0])
    runtimes = parser.add_subparsers(dest="runtime", required=True)
    for name, source in (("onnxruntime", "MODEL.onnx"), ("torch", "FILE.py:NAME"), ("tflite", "MODEL.tflite")):
        of = runtimes.add_parser(name)
        of.add_argument("source", metavar=source)
        of.add_argument("-i", "--input", action="append", default=[], metavar="NAME=FILE.npy", help="an input; or a .npz with all")
        of.add_argument("-o", "--out", required=True, metavar="OUT", help="a .npz, or a folder")
        if name != "onnxruntime":
            of.add_argument("--model", required=name == "torch", metavar="MODEL.onnx", help="whose names values are given")
    options = parser.parse_args(arguments)
    try:
        if options.runtime == "onnxruntime":
            found = _onnxruntime(options.source, _inputs(options.input))
            print(f"{options.out}: {_dumps.write(options.out, found)} values")
            return 0
        named = _values(options)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        print(f"sibyl.dump: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    for label, name in named.names.items():
        if label != name:
            print(f"  {label} is {name}")
    if named.unnamed:
        print("  without a value of the graph: " + ", ".join(named.unnamed))
    print(f"{options.out}: {save(options.out, named.values)} values")
    return 0


if __name__ == "__main__":
    sys.exit(main())
