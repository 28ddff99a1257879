"""The command `sibyl`, run from outside, and files to give it. Needs Python's standard library only.

$SIBYL_COMMAND is the program, $SIBYL_SOURCE the folder of the sources.
"""

import array
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import wave
from pathlib import Path

COMMAND = os.environ["SIBYL_COMMAND"]
SOURCE = Path(os.environ["SIBYL_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests" / "models"))
import onnx_writer as w  # noqa: E402
RATE = 16000


def sibyl(*arguments, stdin=b"", folder=None, **more):
    return subprocess.run([COMMAND, *map(str, arguments)], input=stdin, capture_output=True, cwd=folder, timeout=300,
                          **more)


COMMANDS = re.findall(r"^  (\w+)  ", sibyl("help").stdout.decode().partition("Commands:")[2], re.M)


def until_it_catches(process, number):
    """Until the process would not be ended by the signal, or has ended."""
    caught = 0
    while process.poll() is None and not caught >> (number - 1) & 1:
        time.sleep(0.001)
        try:
            caught = int(re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text(), re.M)[1], 16)
        except (OSError, TypeError):
            pass  # it has just ended


def tone(seconds, peak=0.5):
    return array.array("h", (round(32767 * peak * math.sin(2 * math.pi * 440 * i / RATE))
                             for i in range(round(seconds * RATE))))


def write_wav(path, samples, rate=RATE):
    with wave.open(str(path), "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes(samples.tobytes())
    return path


def read_npy(path):
    """Shape and values of a float32 .npy in C order."""
    data = Path(path).read_bytes()
    assert data[:6] == b"\x93NUMPY", path
    (size,) = struct.unpack("<H", data[8:10])
    header = eval(data[10:10 + size], {"__builtins__": {}}, {"False": False, "True": True})  # a literal
    assert header["descr"] == "<f4" and not header["fortran_order"], header
    values = array.array("f", data[10 + size:])
    assert len(values) == math.prod(header["shape"])
    return header["shape"], values


def npy_bytes(shape, values, code="f"):
    """A .npy of float32, or of what the code of struct says."""
    header = repr({"descr": {"f": "<f4", "d": "<f8", "q": "<i8"}[code], "fortran_order": False, "shape": tuple(shape)})
    header = header.ljust(118 - 1) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}{code}", *values)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sibyl-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.wav = write_wav(self.folder / "a.wav", tone(1))

    def done(self, *arguments, **more):
        result = sibyl(*arguments, folder=self.folder, **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.decode()

    def fails(self, code, words, *arguments, **more):
        """One line on stderr that names the thing."""
        result = sibyl(*arguments, folder=self.folder, **more)
        line = result.stderr.decode()
        self.assertEqual(result.returncode, code, line)
        self.assertRegex(line, r"\Asibyl: [^\n]*\n\Z")
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(str(word), line)
        return result

    def names(self):
        return sorted(p.name for p in self.folder.iterdir())


class Model(Case):
    """y = relu(x @ w + b), of three nodes with names."""

    def setUp(self):
        super().setUp()
        self.wav.unlink()
        row = w.tensor_type("float32", ["N", 3])
        nodes = [w.node("MatMul", ["x", "w"], ["layer/product"], name="layer/matmul"),
                 w.node("Add", ["layer/product", "b"], ["sum"], name="layer/add"),
                 w.node("Relu", ["sum"], ["y"], name="layer/relu")]
        weights = [w.floats("w", [1, 2, 3, 4, 5, 6], [3, 2]), w.floats("b", [0.5, -100])]
        self.write("m.onnx", w.model(nodes, {"x": row, "b": w.tensor_type("float32", [2])},
                                     {"y": w.tensor_type("float32", ["N", 2])}, weights, metadata={"author": "nobody"}))

    def write(self, name, data):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def one(self, name, *arguments, **more):
        return self.write(name, w.one(*arguments, **more))


class Cases(Model):
    def setUp(self):
        super().setUp()
        for name, y in (("test_good", (22.5, 0)), ("test_wrong", (22.5, 1)), ("test_shape", (22.5,))):
            self.case(name, y)
        self.write("cases/test_bare/model.onnx", (self.folder / "m.onnx").read_bytes())

    def case(self, name, y):
        self.write(f"cases/{name}/model.onnx", (self.folder / "m.onnx").read_bytes())
        self.write(f"cases/{name}/test_data_set_0/input_0.pb", w.floats("x", [1, 2, 3], [1, 3]))
        self.write(f"cases/{name}/test_data_set_0/output_0.pb", w.floats("y", y, [1, len(y)]))
