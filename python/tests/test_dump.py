"""Values that other runtimes compute, as dumps: `sibyl diff --peer` and python -m sibyl.dump."""

import json
import os
import subprocess
import sys

import numpy as np
import onnx_writer as w
import pytest
from conftest import ROOT, peer

ROW = w.tensor_type("float32", [2])


def command(*arguments, code=0, folder=None):
    run = subprocess.run([ROOT / "build" / "sibyl", *map(str, arguments)], capture_output=True, text=True, check=False, cwd=folder,
                         env={**os.environ, "SIBYL_PYTHON": sys.executable})  # fmt: skip
    assert run.returncode == code, run.stderr
    return run.stdout


def compared(folder, *inputs):
    """Names that `sibyl diff --peer onnxruntime` compares, of which none differs."""
    given = [part for text in inputs for part in ("-i", text)]
    document = json.loads(command("diff", "m.onnx", *given, "--peer", "onnxruntime", "--all", "--json", folder=folder))
    assert document["different"] == 0
    return [value["name"] for value in document["values"]]


def saved(folder, nodes, inputs=None, outputs=None, weights=(), opsets=None):
    path = folder / "m.onnx"
    model = w.model(nodes, inputs or {"x": ROW}, outputs or {"y": ROW}, list(weights), opsets=opsets or {"": 18})
    path.write_bytes(model)
    return path


# ---- sibyl diff --peer ----


@pytest.fixture
def ort():
    return peer("onnxruntime")


def test_peer_sees_every_value(ort, tmp_path):
    name = "n" * 300 + "/größer"
    saved(tmp_path, [w.node("Exp", ["x"], [name]), w.node("Neg", [name], ["a/b"]), w.node("Abs", ["a/b"], ["a_b"]),
                     w.node("Tanh", ["a_b"], ["y"])])  # fmt: skip
    assert compared(tmp_path, "x=1,2") == [name, "a/b", "a_b", "y"]


def test_peer_with_types_that_numpy_lacks(ort, tmp_path):
    saved(tmp_path, [w.node("Cast", ["x"], ["b"], to=w.CODES["bfloat16"]), w.node("Cast", ["b"], ["c"], to=1),
                     w.node("Cast", ["c"], ["e"], to=w.CODES["float8e5m2"]), w.node("Cast", ["e"], ["y"], to=1)],
          opsets={"": 19})  # fmt: skip
    assert compared(tmp_path, "x=1.0078125,-3") == ["b", "c", "e", "y"]


def test_peer_with_inputs_of_such_types(ort, tmp_path):
    saved(tmp_path, [w.node("Cast", ["x"], ["y"], to=1)], {"x": w.tensor_type("bfloat16", [2])})
    assert compared(tmp_path, "x=1.0078125,-3") == ["y"]
    strings = w.tensor_type("string", [2])
    saved(tmp_path, [w.node("Identity", ["x"], ["y"])], {"x": strings}, {"y": strings})
    assert compared(tmp_path, 'x=["a","größer"]') == ["y"]


def test_peer_with_graphs_inside_and_values_that_are_no_tensors(ort, tmp_path):
    branch = [w.graph([w.node(op, ["x"], [f"inner{op}"])], {}, {f"inner{op}": ROW}) for op in ("Neg", "Exp")]
    nodes = [w.node("ReduceSum", ["x"], ["sum"], keepdims=0), w.node("Greater", ["sum", "zero"], ["more"]),
             w.node("If", ["more"], ["z"], then_branch=branch[0], else_branch=branch[1]),
             w.node("SequenceConstruct", ["z", "x"], ["s"]), w.node("ConcatFromSequence", ["s"], ["y"], axis=0)]  # fmt: skip
    saved(tmp_path, nodes, weights=[w.floats("zero", [0], [])], outputs={"y": w.tensor_type("float32", [4])})
    assert compared(tmp_path, "x=1,2") == ["sum", "more", "z", "y"]


def test_peer_with_weights_in_a_file(ort, tmp_path):
    """As of models above 2 GB, from another folder than theirs."""
    onnx = peer("onnx")
    weight = onnx.TensorProto(name="w", data_type=1, dims=[2], data_location=1)
    weight.external_data.add(key="location", value="w.bin")
    (tmp_path / "w.bin").write_bytes(np.array([3, 4], "f4").tobytes())
    saved(tmp_path, [w.node("Mul", ["x", "w"], ["h"]), w.node("Neg", ["h"], ["y"])], weights=[weight.SerializeToString()])
    document = command("diff", tmp_path / "m.onnx", "-i", "x=1,2", "--peer", "onnxruntime", "--all")
    assert "2 values compared, 0 differ" in document


def test_peer_that_refuses_says_why(ort, tmp_path):
    path = saved(tmp_path, [w.node("Nothing", ["x"], ["y"], domain="nowhere")], opsets={"": 18, "nowhere": 1})
    (tmp_path / "own.txt").write_text('<opset_import: ["" : 18], domain: "nowhere"> Nothing (x) => (y) { y = Neg(x) }')
    run = subprocess.run([ROOT / "build" / "sibyl", "diff", path, "-i", "x=1,2", "--peer", "onnxruntime", "--functions",
                          tmp_path / "own.txt"], capture_output=True, text=True, check=False,
                         env={**os.environ, "SIBYL_PYTHON": sys.executable})  # fmt: skip
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert "onnxruntime: " in run.stderr and "Nothing" in run.stderr
