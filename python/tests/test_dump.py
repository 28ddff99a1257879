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


# ---- python -m sibyl.dump ----


def dumped(*arguments, code=0, **more):
    run = subprocess.run([sys.executable, "-m", "sibyl.dump", *map(str, arguments)], capture_output=True, text=True, check=False,
                         **more)  # fmt: skip
    assert run.returncode == code, run.stderr
    return run.stdout if code == 0 else run.stderr


@pytest.mark.parametrize("out", ["theirs.npz", "theirs"])
def test_dump_of_onnxruntime(ort, tmp_path, out):
    path = saved(tmp_path, [w.node("Exp", ["x"], ["a/b"]), w.node("Neg", ["a/b"], ["a_b"]), w.node("Abs", ["a_b"], ["y"])])
    np.save(tmp_path / "x.npy", np.array([1, 2], "f4"))
    dumped("onnxruntime", path, "-i", f"x={tmp_path / 'x.npy'}", "-o", tmp_path / out)
    assert "3 values compared, 0 differ" in command("diff", path, "-i", f"x={tmp_path / 'x.npy'}", "--against", tmp_path / out)
    np.savez(tmp_path / "all.npz", x=np.array([1, 2], "f4"))
    assert "3 values" in dumped("onnxruntime", path, "-i", tmp_path / "all.npz", "-o", tmp_path / out)
    assert "m.onnx" in dumped("onnxruntime", path, "-o", tmp_path / out, code=1)
    assert "NAME=FILE.npy" in dumped("onnxruntime", path, "-i", "x", "-o", tmp_path / out, code=1)


NETWORK = """
import torch


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.conv = torch.nn.Conv1d(3, 4, 3)
        self.norm = torch.nn.BatchNorm1d(4)
        self.act = torch.nn.ReLU()
        self.last = torch.nn.Conv1d(4, 4, 3)
        torch.nn.init.uniform_(self.norm.running_mean)
        torch.nn.init.uniform_(self.norm.bias)

    def forward(self, x):
        return self.last(self.act(self.norm(self.conv(x)))) * 2
"""


@pytest.fixture
def network(torch, tmp_path):
    """The network as torch has it and as a graph with other names, and an input."""
    (tmp_path / "network.py").write_text(NETWORK)
    sys.path.insert(0, str(tmp_path))
    try:
        import network
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("network", None)
    module = network.Network().eval()
    state = {name: value.numpy() for name, value in module.state_dict().items() if value.ndim}
    weights = [w.floats(name, value.reshape(-1).tolist(), value.shape) for name, value in state.items()]
    nodes = [w.node("Conv", ["x", "conv.weight", "conv.bias"], ["/conv/out"]),
             w.node("BatchNormalization", ["/conv/out", *(f"norm.{p}" for p in ("weight", "bias", "running_mean", "running_var"))],
                    ["/norm/out"]),
             w.node("Relu", ["/norm/out"], ["/act/out"]),
             w.node("Conv", ["/act/out", "last.weight", "last.bias"], ["/last/out"]),
             w.node("Add", ["/last/out", "/last/out"], ["y"])]  # fmt: skip
    saved(tmp_path, nodes, {"x": w.tensor_type("float32", [1, 3, 20])}, {"y": w.tensor_type("float32", [1, 4, 16])}, weights)
    np.save(tmp_path / "x.npy", np.random.default_rng(3).standard_normal((1, 3, 20)).astype("f4"))
    return module


def test_dump_of_torch(network, tmp_path):
    text = dumped("torch", "network.py:Network", "--model", "m.onnx", "-i", "x=x.npy", "-o", "theirs.npz", cwd=tmp_path)
    for label, name in (("conv", "/conv/out"), ("norm", "/norm/out"), ("act", "/act/out"), ("last", "/last/out"), ("(all)", "y")):
        assert f"  {label} is {name}\n" in text
    assert "5 values compared, 0 differ" in command("diff", "m.onnx", "-i", "x=x.npy", "--against", "theirs.npz", folder=tmp_path)


@pytest.mark.parametrize(("change", "fault"), [("norm.eps", "/norm/out"), ("last.bias", "/last/out"), ("conv.weight", "/conv/out")])
def test_a_fault_in_torch_is_named(network, torch, tmp_path, change, fault):
    import sibyl
    from sibyl import dump

    module, field = change.split(".")
    part = getattr(network, module)
    if field == "eps":
        part.eps = 0.2
    else:
        getattr(part, field).data[:2] += 0.5
    x = np.load(tmp_path / "x.npy")
    named = dump.torch_values(network, tmp_path / "m.onnx", {"x": x})
    rows = sibyl.diff(tmp_path / "m.onnx", {"x": x, **named.values})
    assert [row.name for row in rows if row.differs] == [fault], named


def test_names_by_order_where_as_many_are_left():
    from sibyl import dump

    draw = np.random.default_rng(1)
    ours = {name: draw.standard_normal(n).astype("f4") for name, n in (("a", 8), ("b", 8), ("c", 8), ("d", 5))}
    far = draw.standard_normal(8).astype("f4")
    named = dump.name_values(ours, [("1", ours["a"]), ("2", far), ("3", ours["c"]), ("4", ours["d"][:4])])
    assert named.names == {"1": "a", "2": "b", "3": "c"} and named.unnamed == ["4"]
    assert dump.name_values(ours, [("1", far)]).unnamed == ["1"]
    assert dump.name_values(ours, [(str(k), far * (k + 2)) for k in range(3)]).names == {"0": "a", "1": "b", "2": "c"}


FAKE = """
import numpy as np


class Interpreter:
    '''Conv of 1 x 1 with channels last, as a file would have it: y = 2 x, z = -y.'''

    def __init__(self, model_path, experimental_preserve_all_tensors):
        assert experimental_preserve_all_tensors
        self.t = {}

    def get_input_details(self):
        return [{"name": "serving_x", "index": 0, "shape": np.array([1, 4, 5, 3])}]

    def get_tensor_details(self):
        return [{"name": n, "index": i} for i, n in enumerate(("serving_x", "conv/y", "never", "z"))]

    def resize_tensor_input(self, index, shape):
        assert tuple(shape) == (1, 4, 5, 3)

    def allocate_tensors(self):
        pass

    def set_tensor(self, index, array):
        self.t[index] = array

    def invoke(self):
        self.t[1] = 2 * self.t[0]
        self.t[3] = -self.t[1]

    def get_tensor(self, index):
        if index not in self.t:
            raise ValueError("null")
        return self.t[index]
"""


def test_dump_of_tflite(tmp_path):
    """With an interpreter that stands in for the package's: its calls, and channels that are last there."""
    box = w.tensor_type("float32", [1, 3, 4, 5])
    saved(tmp_path, [w.node("Add", ["x", "x"], ["sum"]), w.node("Neg", ["sum"], ["y"])], {"x": box}, {"y": box})
    np.save(tmp_path / "x.npy", np.random.default_rng(3).standard_normal((1, 3, 4, 5)).astype("f4"))
    (tmp_path / "tflite_runtime").mkdir()
    (tmp_path / "tflite_runtime" / "interpreter.py").write_text(FAKE)
    (tmp_path / "ai_edge_litert.py").write_text("raise ImportError")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    arguments = ("tflite", "m.tflite", "-i", "x=x.npy", "-o", "theirs.npz")
    text = dumped(*arguments, "--model", "m.onnx", cwd=tmp_path, env=env)
    assert "conv/y is sum" in text and "z is y" in text
    assert "2 values compared, 0 differ" in command("diff", "m.onnx", "-i", "x=x.npy", "--against", "theirs.npz", folder=tmp_path)
    dumped(*arguments, cwd=tmp_path, env=env)
    with np.load(tmp_path / "theirs.npz") as found:
        assert set(found) == {"conv/y", "z"} and found["z"].shape == (1, 4, 5, 3)


def test_what_is_missing_is_named(tmp_path):
    for name in ("ai_edge_litert", "tflite_runtime", "tensorflow", "onnxruntime", "torch"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')")
    saved(tmp_path, [w.node("Neg", ["x"], ["y"])])
    np.save(tmp_path / "x.npy", np.zeros(2, "f4"))
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    for words, arguments in (("pip install ai-edge-litert", ("tflite", "m.tflite")), ("pip install onnxruntime", ("onnxruntime", "m.onnx")),
                             ("pip install torch", ("torch", "m.py:M", "--model", "m.onnx"))):  # fmt: skip
        error = dumped(*arguments, "-i", "x=x.npy", "-o", "o.npz", cwd=tmp_path, env=env, code=1)
        assert words in error and error.count("\n") == 1
