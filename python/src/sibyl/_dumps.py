"""Values of a run in files, as `sibyl diff --against` reads them, and those that onnxruntime computes.

Stands alone: `sibyl diff --peer` hands this text to a Python that need not have the package sibyl, as

    python -c TEXT MODEL INPUTS OUT

INPUTS and OUT are folders with a manifest. Ends with 3 where onnxruntime is missing; what is wrong is one line on stdout.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
import zipfile
from typing import Any, BinaryIO, Iterable, Iterator, Mapping

try:
    import numpy as np
except ImportError as error:
    if __name__ != "__main__":
        raise
    print(error)
    sys.exit(3)

# Types by their names in ONNX's type strings, where these differ from those here.
NAMES = {"float": "float32", "double": "float64"}
# What NumPy has no type for: the number in TensorProto.DataType, and the words that hold the codes.
CODES = {"bfloat16": (16, "u2"), "float8e4m3fn": (17, "u1"), "float8e4m3fnuz": (18, "u1"), "float8e5m2": (19, "u1"),
         "float8e5m2fnuz": (20, "u1")}  # fmt: skip
NAME_LIMIT = 200  # bytes of a file's name before what makes it differ from others

# An array and the name of its type: codes are of another type than the array's.
Typed = tuple[np.ndarray, str]


def typed(array: np.ndarray) -> Typed:
    """With the name of its type; strings as NumPy's fixed ones, types of ml_dtypes as codes."""
    name = {"float8_e4m3fn": "float8e4m3fn", "float8_e4m3fnuz": "float8e4m3fnuz", "float8_e5m2": "float8e5m2",
            "float8_e5m2fnuz": "float8e5m2fnuz"}.get(array.dtype.name, array.dtype.name)  # fmt: skip
    if array.dtype.kind in "OU":
        return array.astype("U"), "string"
    return (array.view(CODES[name][1]) if name in CODES else array), name


# ---- Files -------------------------------------------------------------------------------------------------------


def _write_npy(file: BinaryIO, array: np.ndarray, dtype: str) -> None:
    """NumPy's format; of codes with the comment from which sibyl takes their type."""
    if dtype not in CODES:
        np.lib.format.write_array(file, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
        return
    text = f"{{'descr': '|V{array.itemsize}', 'fortran_order': False, 'shape': {array.shape}}} # {dtype}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    file.write(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode() + array.tobytes())


def _file_name(name: str, taken: set[str]) -> str:
    stem = re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", name) or "_"
    stem = re.sub(r"^\.", "_", stem).encode()[:NAME_LIMIT].decode(errors="ignore")
    file = f"{stem}.npy"
    if file in taken:
        file = f"{stem}~{len(taken)}.npy"
    while file in taken:
        file = "~" + file
    taken.add(file)
    return file


def write(path: str | os.PathLike[str], values: Iterable[tuple[str, Typed]]) -> int:
    """A dump: an archive where the path ends in .npz, else a folder with a manifest. Returns how many values."""
    n = 0
    if str(path).endswith(".npz"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, (array, dtype) in values:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    _write_npy(member, array, dtype)  # type: ignore[arg-type]
                n += 1
        return n
    os.makedirs(path, exist_ok=True)
    manifest, taken = {}, set[str]()
    for name, (array, dtype) in values:
        file = _file_name(name, taken)
        manifest[name] = {"file": file, "dtype": dtype, "dims": list(array.shape)}
        with open(os.path.join(path, file), "wb") as out:
            _write_npy(out, array, dtype)
    with open(os.path.join(path, "manifest.json"), "w", encoding="utf-8") as out:
        json.dump(manifest, out, indent=1)
    return len(manifest)


def read(folder: str) -> dict[str, Typed]:
    """Of a folder with a manifest."""
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    found = {}
    for name, entry in manifest.items():
        if "dtype" not in entry:
            raise ValueError(f"input '{name}' is no tensor")
        array = np.load(os.path.join(folder, entry["file"]))
        found[name] = (array.view(CODES[entry["dtype"]][1]) if array.dtype.kind == "V" else array, entry["dtype"])
    return found


# ---- Every value as an output ------------------------------------------------------------------------------------


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _fields(data: memoryview, wanted: int) -> Iterator[memoryview]:
    """The messages and texts of one number in a message."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind, size = tag & 7, 0
        if kind == 0:
            _, at = _varint(data, at)
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("the model is no ONNX file")
        if tag >> 3 == wanted and kind == 2:
            yield data[at : at + size]
        at += size


def _message(number: int, content: bytes) -> bytes:
    size, length = b"", len(content)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content


def every_output(model: bytes) -> bytes:
    """The model with every value that a node of its graph makes as an output too.

    Protobuf joins a message that stands twice in a file: what is missing is appended, and nothing read but names.
    """
    view = memoryview(model)
    graphs = list(_fields(view, 7))  # ModelProto.graph
    outputs = {bytes(name) for g in graphs for value in _fields(g, 12) for name in _fields(value, 1)}
    made = [bytes(name) for g in graphs for node in _fields(g, 1) for name in _fields(node, 2)]
    missing = dict.fromkeys(name for name in made if name and name not in outputs)
    return model + _message(7, b"".join(_message(12, _message(1, name)) for name in missing))


def _numpy_of(value: Any) -> Typed | None:
    """Of an OrtValue; None of what is no tensor, or of a type that has no name here."""
    if not value.is_tensor():
        return None
    name = value.data_type()[len("tensor(") : -1]
    name = NAMES.get(name, name)
    if name not in CODES:
        return typed(value.numpy())
    codes = np.dtype(CODES[name][1])
    size = int(np.prod(value.shape(), dtype=np.int64)) * codes.itemsize
    return np.frombuffer(ctypes.string_at(value.data_ptr(), size), codes).reshape(value.shape()), name


def onnxruntime_values(model: str | os.PathLike[str], inputs: Mapping[str, Typed]) -> Iterator[tuple[str, Typed]]:
    """Every tensor that onnxruntime computes in the main graph, without its optimisations, by name."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    folder = os.path.dirname(os.path.abspath(model))
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    with open(model, "rb") as file:
        every = every_output(file.read())
    session = ort.InferenceSession(every, options, providers=["CPUExecutionProvider"])
    del every
    types = {o.name: NAMES.get(o.type[len("tensor(") : -1], o.type[len("tensor(") : -1]) for o in session.get_outputs()}
    names = list(types)
    if not any(dtype in CODES for dtype in [*types.values(), *(dtype for _, dtype in inputs.values())]):
        found = session.run(names, {name: array for name, (array, _) in inputs.items()})
        yield from ((name, typed(v)) for name, v in zip(names, found) if isinstance(v, np.ndarray))
        return
    make = ort.OrtValue
    given = {
        name: make.ortvalue_from_numpy_with_onnx_type(array, CODES[dtype][0]) if dtype in CODES else make.ortvalue_from_numpy(array)
        for name, (array, dtype) in inputs.items()
    }
    for name, value in zip(names, session.run_with_ort_values(names, given)):
        array = _numpy_of(value)
        if array is not None:
            yield name, array


def main(arguments: list[str]) -> int:
    model, inputs, out = arguments
    try:
        import onnxruntime  # noqa: F401
    except Exception as error:  # a broken installation is as good as none
        print(" ".join(str(error).split())[:200])
        return 3
    try:
        write(out, onnxruntime_values(model, read(inputs)))
    except Exception as error:  # onnxruntime's have no class of their own
        print(" ".join(str(error).split())[:1000])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
