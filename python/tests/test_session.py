"""InferenceSession: values in and out, names, refusals, taps, profiles, cancelling, threads."""

import gc
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx_writer as w
import pytest
from conftest import ROOT, peer

import sibyl
from sibyl import _sibyl, _values

F32 = w.tensor_type("float32", ["N", 3])


def session(*model, **more):
    return sibyl.InferenceSession(w.one(*model, **more))


def identity(value_type, **more):
    return sibyl.InferenceSession(w.one("Identity", {"x": value_type}, {"y": value_type}, **more))


def linear():
    """y = relu(x @ w + b), with names, metadata and a default for b."""
    weights = w.floats("w", [1, 2, 3, 4, 5, 6], [3, 2])
    nodes = [w.node("MatMul", ["x", "w"], ["product"], name="layer/matmul"),
             w.node("Add", ["product", "b"], ["sum"], name="layer/add"),
             w.node("Relu", ["sum"], ["y"], name="layer/relu")]  # fmt: skip
    return w.model(nodes, {"x": F32, "b": w.tensor_type("float32", [2])}, {"y": w.tensor_type("float32", ["N", 2])},
                   [weights, w.floats("b", [0.5, -100])], metadata={"author": "nobody", "größe": "klein"},
                   doc="a layer", graph_doc="three nodes", version=7)  # fmt: skip


WEIGHTS = np.array([[1, 2], [3, 4], [5, 6]], np.float32)


def expected(x, b=(0.5, -100)):
    return np.maximum(x @ WEIGHTS + np.array(b, np.float32), 0)


# ---- What a session says -----------------------------------------------------------------------------------


def test_inputs_and_outputs():
    s = sibyl.InferenceSession(linear())
    (x,), (b,), (y,) = s.get_inputs(), s.get_overridable_initializers(), s.get_outputs()
    assert (x.name, x.shape, x.type) == ("x", ["N", 3], "tensor(float)")
    assert (b.name, b.shape, b.type) == ("b", [2], "tensor(float)")
    assert (y.name, y.shape, y.type) == ("y", ["N", 2], "tensor(float)")


@pytest.mark.parametrize(
    ("value_type", "text", "shape"),
    [
        (w.tensor_type("float64", []), "tensor(double)", []),
        (w.tensor_type("float16", [None, 2]), "tensor(float16)", [None, 2]),
        (w.tensor_type("bfloat16", None), "tensor(bfloat16)", None),
        (w.tensor_type("float8e4m3fn", [1]), "tensor(float8e4m3fn)", [1]),
        (w.sequence_type(w.tensor_type("int64", ["N"])), "seq(tensor(int64))", None),
        (w.optional_type(w.tensor_type("float32", [2])), "optional(tensor(float))", None),
        (w.optional_type(w.sequence_type(w.tensor_type("float32"))), "optional(seq(tensor(float)))", None),
    ],
)
def test_types_in_onnxruntimes_words(value_type, text, shape):
    (x,) = identity(value_type).get_inputs()
    assert (x.type, x.shape) == (text, shape)


def test_metadata():
    meta = sibyl.InferenceSession(linear()).get_modelmeta()
    assert (meta.producer_name, meta.graph_name, meta.domain, meta.version) == ("writer", "tiny", "test.sibyl", 7)
    assert (meta.description, meta.graph_description) == ("a layer", "three nodes")
    assert meta.custom_metadata_map == {"author": "nobody", "größe": "klein"}


def test_providers():
    names = sibyl.get_available_providers()
    known = names[: names.index("ref") + 1]
    assert "gpu-host" in names and "gpu-host" not in known
    assert sibyl.InferenceSession(linear(), providers=["gpu-host", "ref"]).get_providers() == ["gpu-host", "ref"]
    assert sibyl.InferenceSession(linear()).get_providers() == known
    for given in (["CPUExecutionProvider"], [("CPUExecutionProvider", {})], ["CPUExecutionProvider", "ref"]):
        assert sibyl.InferenceSession(linear(), providers=given).get_providers() == known
    assert sibyl.InferenceSession(linear(), providers=["ref"]).get_providers() == ["ref"]
    for known_as in (["CPU"], [("CPU", {})], ["gpu-host", "CPU"], [("gpu-host", {"device_id": 0})]):
        assert sibyl.InferenceSession(linear(), providers=known_as).get_providers()[-1] in ("ref", "gpu-host")
    with pytest.raises(ValueError, match="'TensorrtExecutionProvider', expected some of .*'ref'.*'CPUExecutionProvider'"):
        sibyl.InferenceSession(linear(), providers=["TensorrtExecutionProvider"])
    with pytest.raises(TypeError, match="list of names"):
        sibyl.InferenceSession(linear(), providers="ref")
    for more, what in (
        ({"providers": [("ref", {"device_id": 0})]}, "'ref' has no option 'device_id'"),
        ({"providers": ["gpu-host"], "provider_options": [{"arena": 1}]}, "'gpu-host' has no option 'arena'"),
        ({"providers": [("cuda", {"device_id": -1})]}, "device_id is -1"),
        ({"providers": ["ref"], "provider_options": [{}, {}]}, "2 provider_options for 1 providers"),
        ({"providers": ["ref:1"]}, "no backend 'ref:1'"),
    ):
        with pytest.raises(ValueError, match=what):
            sibyl.InferenceSession(linear(), **more)


def test_devices():
    """One row for each device, or one that says why there is none; a provider's number or option chooses the device."""
    rows = sibyl.get_devices()
    assert {row.backend for row in rows} == set(sibyl.get_available_providers())
    (host,) = sibyl.get_devices("gpu-host")
    assert host.name and host.problem is None and host.number == 0
    for row in rows:
        assert (row.problem is None) or row.name == ""
    for second in (["gpu-host:1"], [("gpu-host", {"device_id": 1})]):
        with pytest.raises(sibyl.SibylError, match="no number 1"):
            sibyl.InferenceSession(linear(), providers=second)
    for name, backend in (("CUDAExecutionProvider", "cuda"), ("CUDA", "cuda"), ("Vulkan", "vulkan")):
        problem = sibyl.get_devices(backend)[0].problem
        if problem is None:
            assert sibyl.InferenceSession(linear(), providers=[name, "CPU"]).get_providers()[0] == backend
            continue
        with pytest.raises(sibyl.SibylError, match=re.escape(problem)):
            sibyl.InferenceSession(linear(), providers=[name, "CPU"])
    with pytest.raises(ValueError, match="no backend 'tpu', expected some of 'cpu'"):
        sibyl.get_devices("tpu")


# ---- Opening ------------------------------------------------------------------------------------------------


def test_a_path_or_bytes(tmp_path):
    path = tmp_path / "größe.onnx"
    path.write_bytes(linear())
    x = np.ones((1, 3), np.float32)
    for model in (path, str(path), linear(), bytearray(linear()), memoryview(linear())):
        (y,) = sibyl.InferenceSession(model).run(None, {"x": x})
        assert np.array_equal(y, expected(x))
    with pytest.raises(FileNotFoundError) as caught:
        sibyl.InferenceSession(tmp_path / "missing.onnx")
    assert isinstance(caught.value, sibyl.SibylError) and caught.value.filename == str(tmp_path / "missing.onnx")
    with pytest.raises(TypeError, match="path or as bytes"):
        sibyl.InferenceSession(None)


def test_paths_with_a_nul_are_refused():
    for open_it in (lambda: sibyl.InferenceSession("a\0b"),
                    lambda: sibyl.InferenceSession(linear(), sibyl.SessionOptions(tuning_file="a\0b")),
                    lambda: sibyl.InferenceSession(linear(), sibyl.SessionOptions(external_folder="a\0b"))):  # fmt: skip
        with pytest.raises(ValueError, match="null byte"):
            open_it()


def test_damaged_and_unknown_models():
    with pytest.raises(sibyl.SibylError) as caught:
        sibyl.InferenceSession(linear()[:-40])
    assert caught.value.code == "format" and caught.value.offset is not None
    with pytest.raises(sibyl.SibylError, match="Frobnicate") as caught:
        session("Frobnicate", {"x": F32}, {"y": F32})
    assert caught.value.code == "unsupported"


# ---- Running -------------------------------------------------------------------------------------------------


def test_run():
    s = sibyl.InferenceSession(linear())
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for names in (None, [], ["y"], ("y",)):
        (y,) = s.run(names, {"x": x})
        assert y.dtype == np.float32 and np.array_equal(y, expected(x))
    (y,) = s.run(None, {"x": x, "b": np.array([-1, 1], np.float32)})
    assert np.array_equal(y, expected(x, (-1, 1)))
    a, b = s.run(["y", "y"], {"x": x})
    a[:] = 0
    assert np.array_equal(b, expected(x))


@pytest.mark.parametrize(
    ("feed", "words"),
    [
        ({}, "'x' is missing"),
        ({"x": np.zeros((1, 3))}, "'x' is float64, the model expects float32"),
        ({"x": np.zeros((1, 3), np.int32)}, "'x' is int32"),
        ({"x": np.zeros((1, 4), np.float32)}, "axis 1 must be 3"),
        ({"x": np.zeros(3, np.float32)}, r"\(3,?\)|\[3\]"),
        ({"x": np.zeros((1, 3), np.float32), "z": np.zeros(1)}, "no input 'z'"),
        ({"x": [np.zeros((1, 3), np.float32)]}, "expected an array"),
        ({"x": None}, "None"),
        ({"x": np.zeros((1, 3), "datetime64[s]")}, "datetime64"),
        ({"x": np.array([["a", "b", "c"]])}, "'x' is string"),
        ({"x": [[1, 2], [3]]}, "'x'"),
        ({"x": np.zeros((1,) * 17, np.float32)}, "17 dimensions"),
    ],
)
def test_inputs_that_do_not_fit(feed, words):
    s = sibyl.InferenceSession(linear())
    with pytest.raises((ValueError, TypeError), match=words):
        s.run(None, feed)


def test_calls_that_do_not_fit():
    s = sibyl.InferenceSession(linear())
    feed = {"x": np.zeros((1, 3), np.float32)}
    with pytest.raises(ValueError, match="no output 'z'"):
        s.run(["z"], feed)
    with pytest.raises(TypeError, match="list of names"):
        s.run("y", feed)
    with pytest.raises(TypeError, match="dict from names"):
        s.run(None, [1])
    with pytest.raises(TypeError, match="RunOptions"):
        s.run(None, feed, {})
    with pytest.raises(TypeError, match="SessionOptions"):
        sibyl.InferenceSession(linear(), {"seed": 1})
    with pytest.raises(AttributeError):
        sibyl.SessionOptions().intra_op_threads = 3
    for bad in ({"seed": -1}, {"intra_op_num_threads": 2**32}, {"memory_limit": -5}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            sibyl.InferenceSession(linear(), sibyl.SessionOptions(**bad))


def test_numbers_and_lists_take_the_models_type():
    s = sibyl.InferenceSession(linear())
    assert np.array_equal(s.run(None, {"x": [[1, 2, 3]]})[0], expected(np.array([[1, 2, 3]], np.float32)))
    assert identity(w.tensor_type("int64", [])).run(None, {"x": 5})[0] == 5
    assert identity(w.tensor_type("string", [])).run(None, {"x": "hört"})[0].item() == "hört"
    with pytest.raises(ValueError, match="cannot hold"):
        identity(w.tensor_type("int64", [2])).run(None, {"x": [1.5, 2]})
    with pytest.raises(ValueError, match="cannot hold"):
        identity(w.tensor_type("uint8", [2])).run(None, {"x": [1, 300]})


def test_strided_swapped_and_unaligned_arrays():
    s = identity(w.tensor_type("float32", ["A", "B"]))
    base = np.random.default_rng(1).random((6, 8), np.float32)
    packed = np.zeros(6, [("pad", "u1"), ("x", "f4", 8)])
    packed["x"] = base
    for x in (base.T, base[::2, ::-1], base[::-3, 1:5], np.asfortranarray(base), base.astype(">f4"), packed["x"],
              np.broadcast_to(base[:1], (6, 8)), base[:0]):  # fmt: skip
        (y,) = s.run(None, {"x": x})
        assert y.dtype == np.float32 and y.flags.c_contiguous and np.array_equal(y, x)


PLAIN = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128".split()


@pytest.mark.parametrize("dtype", PLAIN)
def test_element_types_of_numpy(dtype):
    x = np.array([[0, 1, 2], [3, 0, 100]]).astype(dtype)
    (y,) = identity(w.tensor_type(dtype, ["A", "B"])).run(None, {"x": x})
    assert y.dtype == dtype and y.shape == x.shape and np.array_equal(x, y)
    (y,) = identity(w.tensor_type(dtype, ["A", "B"])).run(None, {"x": x[:0]})
    assert y.dtype == dtype and y.shape == (0, 3)
    (y,) = identity(w.tensor_type(dtype, [])).run(None, {"x": x[1, 2]})
    assert y.dtype == dtype and y.shape == () and y == x[1, 2]


def test_strings():
    s = identity(w.tensor_type("string", ["A", "B"]))
    texts = [["", "größe"], ["a\0b", "日本"]]
    for x in (np.array(texts, object), np.array([[t.encode() for t in row] for row in texts], object)):
        (y,) = s.run(None, {"x": x})
        assert y.dtype == object and y.tolist() == texts
    (y,) = s.run(None, {"x": np.array([["a", "bcd"]])})
    assert y.tolist() == [["a", "bcd"]]
    (y,) = s.run(None, {"x": np.empty((0, 2), object)})
    assert y.shape == (0, 2)
    with pytest.raises(TypeError, match="expected a string"):
        s.run(None, {"x": np.array([["a", 3]], object)})


@pytest.mark.parametrize("dtype", sorted(_values._EXTRA))
def test_element_types_that_numpy_has_not(dtype, monkeypatch):
    """Bits and numbers in the types that stand for them, as without ml_dtypes."""
    theirs, plain = _values._EXTRA[dtype]
    monkeypatch.setattr(_values, "_extra_dtype", lambda name: np.dtype(_values._EXTRA[name][1]))
    s = identity(w.tensor_type(dtype, ["A", "B"]))
    low, high = {"int4": (-8, 7), "int2": (-2, 1), "uint2": (0, 3), "uint4": (0, 15), "float4e2m1": (0, 15)}.get(
        dtype, (0, np.iinfo(plain).max)
    )
    x = np.linspace(low, high, 15).astype(plain).reshape(3, 5)
    for given in (x, x.T, x[::2, ::-1], x[:, :1], x[:0]):
        (y,) = s.run(None, {"x": given})
        assert y.dtype == plain and np.array_equal(y, given)
    if dtype in _values._BITS and dtype != "float4e2m1":
        with pytest.raises(ValueError, match=f"{dtype} cannot hold, expected {low} to {high}"):
            s.run(None, {"x": x + np.array(3, plain)})
    ml_dtypes = peer("ml_dtypes")
    monkeypatch.undo()
    if hasattr(ml_dtypes, theirs):
        known = np.dtype(getattr(ml_dtypes, theirs))
        x = x.astype(known) if "int" in dtype else x.view(known)
        for given in (x, x.T, x[::2, ::-1], x[:0]):
            (y,) = s.run(None, {"x": given})
            assert y.dtype == known and np.array_equal(y.view(plain), given.view(plain))


def test_bfloat16_arithmetic_of_bits():
    add = session("Add", {"a": w.tensor_type("bfloat16", [2]), "b": w.tensor_type("bfloat16", [2])},
                  {"c": w.tensor_type("bfloat16", [2])})  # fmt: skip
    bits = np.array([0x3F80, 0xC000], np.uint16)  # 1, -2
    (c,) = add.run(None, {"a": bits, "b": bits})
    assert c.view(np.uint16).tolist() == [0x4000, 0xC080]  # 2, -4
    with pytest.raises(ValueError, match="uint16, the model expects float32"):
        identity(w.tensor_type("float32", [2])).run(None, {"x": bits})


def test_sequences_optionals_and_nesting():
    tensor = w.tensor_type("float32")
    a, b = np.ones(2, np.float32), np.zeros((3, 1), np.float32)
    s = identity(w.sequence_type(tensor))
    (y,) = s.run(None, {"x": [a, b]})
    assert isinstance(y, list) and np.array_equal(y[0], a) and np.array_equal(y[1], b)
    y[0][0] = 5
    assert a[0] == 1
    assert s.run(None, {"x": []}) == [[]]
    with pytest.raises(TypeError, match="expected a list for seq"):
        s.run(None, {"x": a})
    with pytest.raises(TypeError, match=r"x\[1\]"):
        s.run(None, {"x": [a, None]})
    s = identity(w.optional_type(tensor))
    assert s.run(None, {"x": None}) == [None]
    assert np.array_equal(s.run(None, {"x": b})[0], b)
    s = identity(w.optional_type(w.sequence_type(tensor)))
    assert s.run(None, {"x": None}) == [None]
    (y,) = s.run(None, {"x": (a,)})
    assert np.array_equal(y[0], a)


def test_maps():
    opsets = {"ai.onnx.ml": 1, "": 21}
    floats = w.tensor_type("float32", [])
    node = w.node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["cat", "dog"])
    zipped = w.model([node], {"x": w.tensor_type("float32", ["N", 2])},
                     {"y": w.sequence_type(w.map_type("string", floats))}, opsets=opsets)  # fmt: skip
    s = sibyl.InferenceSession(zipped)
    assert s.get_outputs()[0].type == "seq(map(string,tensor(float)))"
    (y,) = s.run(None, {"x": np.array([[0.25, 0.75], [1, 0]], np.float32)})
    assert y == [{"cat": 0.25, "dog": 0.75}, {"cat": 1, "dog": 0}]
    node = w.node("DictVectorizer", ["x"], ["y"], domain="ai.onnx.ml", string_vocabulary=["a", "b", "c"])
    vectors = w.model([node], {"x": w.map_type("string", w.tensor_type("int64", []))},
                      {"y": w.tensor_type("int64", [1, 3])}, opsets=opsets)  # fmt: skip
    s = sibyl.InferenceSession(vectors)
    assert s.get_inputs()[0].type == "map(string,tensor(int64))"
    (y,) = s.run(None, {"x": {"c": 3, "a": 1}})
    assert y.ravel().tolist() == [1, 0, 3]
    with pytest.raises(TypeError, match="expected a dict"):
        s.run(None, {"x": [1, 2]})


def test_torch_tensors(torch):
    x = torch.arange(6, dtype=torch.float32).reshape(3, 2).T
    assert np.array_equal(identity(F32).run(None, {"x": x.requires_grad_()})[0], x.detach().numpy())
    x = torch.tensor([1.0, -2.0], dtype=torch.bfloat16)
    (y,) = identity(w.tensor_type("bfloat16", [2])).run(None, {"x": x})
    assert y.view(np.uint16).tolist() == [0x3F80, 0xC000]


# ---- Memory ---------------------------------------------------------------------------------------------------


def test_outputs_are_the_callers():
    """An output may be written to, whatever it stands for in the graph, and outlives its session."""
    weights = w.floats("w", [1, 2, 3])
    x = np.array([4, 5, 6], np.float32)
    three = w.tensor_type("float32", [3])
    nodes = [w.node("Identity", ["x"], ["same"]), w.node("Identity", ["w"], ["constant"]),
             w.node("Add", ["x", "w"], ["sum"]), w.node("Identity", ["sum"], ["again"])]  # fmt: skip
    names = ["same", "constant", "sum", "again"]
    s = sibyl.InferenceSession(w.model(nodes, {"x": three}, dict.fromkeys(names, three), [weights]))
    for _ in range(2):
        outputs = s.run(names, {"x": x})
        assert [y.tolist() for y in outputs] == [[4, 5, 6], [1, 2, 3], [5, 7, 9], [5, 7, 9]]
        for i, y in enumerate(outputs):
            y[:] = -i
        assert [y.tolist() for y in outputs] == [[-i] * 3 for i in range(4)]
    assert x.tolist() == [4, 5, 6]
    del s
    gc.collect()
    assert outputs[2].tolist() == [-2] * 3


def test_outputs_are_not_copied():
    s = session("Add", {"a": F32, "b": F32}, {"c": F32})
    x = np.ones((100_000, 3), np.float32)
    s.run(None, {"a": x, "b": x})
    before = _sibyl.alloc_counters()["bytes_current"]
    (c,) = s.run(None, {"a": x, "b": x})
    held = _sibyl.alloc_counters()["bytes_current"] - before
    assert type(c.base).__name__ == "Memory" and x.nbytes <= held < 1.5 * x.nbytes
    del c
    gc.collect()
    assert _sibyl.alloc_counters()["bytes_current"] <= before


def test_inputs_are_let_go():
    s = identity(w.sequence_type(w.tensor_type("float32")))
    x = np.ones(5, np.float32)
    count = sys.getrefcount(x)
    for _ in range(20):
        out = s.run(None, {"x": [x, x]})
        with pytest.raises(TypeError):
            s.run(None, {"x": [x, None]})
    del out
    gc.collect()
    assert sys.getrefcount(x) == count


def test_inputs_may_change_between_runs():
    s = session("Reshape", {"x": w.tensor_type("float32", ["N"]), "shape": w.tensor_type("int64", [2])},
                {"y": w.tensor_type("float32", ["A", "B"])})  # fmt: skip
    x, shape = np.arange(6, dtype=np.float32), np.array([2, 3])
    for a, b in ((2, 3), (3, 2), (6, 1)):
        shape[:] = a, b
        assert s.run(None, {"x": x, "shape": shape})[0].shape == (a, b)


def test_nothing_leaks():
    model = linear()
    x = np.ones((1, 3), np.float32)

    def round():
        s = sibyl.InferenceSession(model)
        s.run(None, {"x": x})
        s.run_with_taps("*", {"x": x}, inside=True)
        s.run_with_profile({"x": x})
        for feed in ({"x": x[:, :2]}, {}):
            with pytest.raises(ValueError):
                s.run(None, feed)
        del s
        gc.collect()

    round()
    before = _sibyl.alloc_counters()["bytes_current"]
    for _ in range(5):
        round()
    assert _sibyl.alloc_counters()["bytes_current"] <= before


# ---- What only Sibyl has -----------------------------------------------------------------------------------------


def test_taps():
    s = sibyl.InferenceSession(linear())
    x = np.array([[1, 2, 3]], np.float32)
    taps = s.run_with_taps(["product", "s*"], {"x": x})
    assert list(taps) == ["product", "sum"] and np.array_equal(taps["product"], x @ WEIGHTS)
    assert np.array_equal(s.run_with_taps("y", {"x": x})["y"], expected(x))
    assert {"product", "sum", "y"} <= set(s.run_with_taps(None, {"x": x}))
    assert s.run_with_taps([], {"x": x}) == {} and s.run_with_taps("nothing*", {"x": x}) == {}
    inside = s.run_with_taps("layer/*", {"x": x}, inside=True)
    assert any(name.startswith("layer/matmul/milli.") for name in inside)
    with pytest.raises(ValueError, match="'nothing'"):
        s.run_with_taps("nothing", {"x": x})
    first = s.run_with_taps("sum", {"x": x})["sum"]
    s.run_with_taps("sum", {"x": 2 * x})
    assert np.array_equal(first, x @ WEIGHTS + np.array([0.5, -100], np.float32))


def test_profile():
    s = sibyl.InferenceSession(linear(), providers=["ref"])
    feed = {"x": np.ones((4, 3), np.float32)}
    profile = s.run_with_profile(feed)
    for name in ("layer/matmul", "layer/add", "layer/relu"):
        assert sum(name in row.node for row in profile.by_node) == 1
    assert {row.op_type for row in profile.by_operator} == {"MatMul", "Add", "Relu"}
    assert profile.by_milli and all(row.backend == "ref" and row.seconds >= 0 for row in profile.by_milli)
    options = sibyl.RunOptions(sibyl.Profile())
    for _ in range(3):
        s.run(None, feed, options)
    assert all(row.calls == 3 for row in options.profile.by_operator)
    seconds = [row.seconds for row in options.profile.by_node]
    assert seconds == sorted(seconds, reverse=True)


def spinning():
    """A loop that does not end within any test's patience."""
    body = w.graph([w.node("Identity", ["go"], ["on"]), w.node("Add", ["v", "v"], ["next"])],
                   {"i": w.tensor_type("int64", []), "go": w.tensor_type("bool", []), "v": w.tensor_type("float32", [])},
                   {"on": w.tensor_type("bool", []), "next": w.tensor_type("float32", [])}, name="body")  # fmt: skip
    return w.model([w.node("Loop", ["n", "", "x"], ["y"], name="loop", body=body)],
                   {"n": w.tensor_type("int64", []), "x": w.tensor_type("float32", [])},
                   {"y": w.tensor_type("float32", [])})  # fmt: skip


def test_terminate():
    s = sibyl.InferenceSession(spinning())
    feed = {"n": np.array(2**40), "x": np.array(1, np.float32)}
    options = sibyl.RunOptions()
    timer = threading.Timer(0.2, setattr, (options, "terminate", True))
    timer.start()
    start = time.monotonic()
    with pytest.raises(sibyl.SibylError) as caught:
        s.run(None, feed, options)
    assert caught.value.code == "cancelled" and time.monotonic() - start < 20
    timer.join()
    feed["n"] = np.array(3)
    with pytest.raises(sibyl.SibylError):
        s.run(None, feed, options)
    options.terminate = False
    assert s.run(None, feed, options)[0] == 8
    assert [float(v) for k, v in s.run_with_taps("loop*next", feed).items()] == [2, 4, 8]


def test_threads_share_a_session():
    s = sibyl.InferenceSession(linear())
    failures = []

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(30):
            x = random.random((random.integers(1, 9), 3), np.float32)
            (y,) = s.run(None, {"x": x})
            if not np.allclose(y, expected(x), rtol=1e-5):
                failures.append(x)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_the_lock_is_free_during_a_run():
    s = sibyl.InferenceSession(spinning())
    options, ticks = sibyl.RunOptions(), []

    def tick():
        for _ in range(5):
            time.sleep(0.01)
            ticks.append(1)
        options.terminate = True

    thread = threading.Thread(target=tick)
    thread.start()
    with pytest.raises(sibyl.SibylError):
        s.run(None, {"n": np.array(2**40), "x": np.array(1, np.float32)}, options)
    thread.join()
    assert len(ticks) == 5


def test_tuning_file(tmp_path):
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((16, 16, 3, 3)).astype(np.float32)
    x = rng.standard_normal((1, 16, 12, 12)).astype(np.float32)
    conv = w.model([w.node("Conv", ["x", "w"], ["y"])], {"x": w.tensor_type("float32", x.shape)},
                   {"y": w.tensor_type("float32", [1, 16, 10, 10])},
                   [w.floats("w", weights.ravel().tolist(), list(weights.shape))])  # fmt: skip
    file = tmp_path / "tuning"

    def kernel_and_result(**options):
        s = sibyl.InferenceSession(conv, sibyl.SessionOptions(intra_op_num_threads=1, **options))
        (y,) = s.run(None, {"x": x})
        return s.plan()[0]["steps"][0]["kernel"], y

    plain = kernel_and_result()[1]
    assert np.allclose(kernel_and_result(tune=True)[1], plain, atol=1e-4)
    assert np.allclose(kernel_and_result(tuning_file=file)[1], plain, atol=1e-4)
    key = file.read_text().rsplit(" ", 1)[0]
    for way, kernel in (("features", "conv features"), ("winograd-2", "conv winograd"), ("pixels", "conv pixels")):
        file.write_text(f"{key} {way}\n")
        name, y = kernel_and_result(tuning_file=str(file))
        assert name == kernel
        assert np.allclose(y, plain, atol=1e-4)
    file.write_text("something else")
    with pytest.raises(sibyl.SibylError, match="is not a tuning file"):
        kernel_and_result(tuning_file=file)
    with pytest.raises(TypeError):
        kernel_and_result(tuning_file=3)


def test_options():
    draw = w.model([w.node("RandomNormal", [], ["y"], shape=[4])], {}, {"y": w.tensor_type("float32", [4])})
    (a,), (b,), (c,) = (
        sibyl.InferenceSession(draw, sibyl.SessionOptions(seed=seed)).run(None, {}) for seed in (1, 1, 2)
    )
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    exact = sibyl.InferenceSession(linear(), sibyl.SessionOptions(oracle=True, intra_op_num_threads=1))
    assert exact.get_session_options().oracle
    (y,) = exact.run(None, {"x": np.full((1, 3), 0.1, np.float32)})
    assert np.allclose(y, expected(np.full((1, 3), 0.1, np.float32)), rtol=1e-6)
    small = sibyl.InferenceSession(linear(), sibyl.SessionOptions(memory_limit=1000))
    small.run(None, {"x": np.ones((2, 3), np.float32)})
    with pytest.raises(MemoryError, match="1000"):
        small.run(None, {"x": np.ones((2000, 3), np.float32)})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_told():
    code = (
        "import os, sys, numpy as np, sibyl\n"
        "s = sibyl.InferenceSession(sys.stdin.buffer.read())\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    try: s.run(None, {'x': np.ones((1, 3), 'f4')})\n"
        "    except RuntimeError as e: os._exit(0 if 'forked' in str(e) else 1)\n"
        "    os._exit(2)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], input=linear(), timeout=60).returncode == 0


def test_inspect(tmp_path):
    path = tmp_path / "linear.onnx"
    path.write_bytes(linear())
    found = sibyl.inspect(path)
    assert found["path"] == str(path) and found["opsets"] == {"ai.onnx": 21} and found["parameters"] == 8
    assert found["operators"] == {"Add": 1, "MatMul": 1, "Relu": 1} and found["unknown_operators"] == []
    assert found["inputs"][0]["dims"] == ["N", 3] and found["inputs"][1]["has_default"]
    assert [n["name"] for n in found["nodes"]] == ["layer/matmul", "layer/add", "layer/relu"]
    assert "N" in found["nodes"][0]["flops"]
    assert sibyl.inspect(linear())["path"] is None
    assert sibyl.inspect(w.one("Frobnicate", {"x": F32}, {"y": F32}))["unknown_operators"] == ["Frobnicate"]
    command = ROOT / "build" / "sibyl"
    if not command.exists():
        pytest.skip("compared with itself only for want of build/sibyl")
    done = subprocess.run([command, "inspect", path, "--json"], capture_output=True, check=True)
    assert json.loads(done.stdout) == found


def test_milli_ops():
    row = w.tensor_type("float32", ["N"])
    model = w.one("Softmax", {"x": row}, {"y": row}, axis=0)
    found = sibyl.milli_ops(model, "it", dims={"N": 7})
    assert found["inputs"] == [{"name": "x", "type": "float32 [7]", "dtype": "float32", "dims": [7]}]
    assert "exp" in [node["type"] for node in found["nodes"]]
    assert sibyl.milli_ops(model, 0)["outputs"][0]["dims"] == ["N"]
    with pytest.raises(KeyError, match="nowhere"):
        sibyl.milli_ops(model, "nowhere")
    with pytest.raises(IndexError):
        sibyl.milli_ops(model, 0, graph=3)
    with pytest.raises(ValueError, match="'M'"):
        sibyl.milli_ops(model, 0, dims={"M": 1})
    with pytest.raises(TypeError):
        sibyl.milli_ops(model, 0, dims={"N": "7"})


def test_plan():
    s = sibyl.InferenceSession(linear())
    assert s.plan() == []
    s.run(None, {"x": np.ones([4, 3], np.float32)})
    (segment,) = s.plan()
    assert segment["facts"].startswith("x float32 [4, 3]") and segment["begin"] == 0 and not segment["runs_graphs"]
    kinds = {place["kind"] for place in segment["places"]}
    assert {"constant", "live", "own"} <= kinds
    for step in segment["steps"]:
        assert step["backend"] in s.get_providers()
        assert all(segment["places"][place]["last_step"] is not None for place in step["outputs"])
    assert "y" in [place["name"] for place in segment["places"] if place["kind"] == "own"]


def test_edits():
    nodes = [w.node("Identity", ["x"], ["same"]), w.node("Abs", ["same"], ["y"])]
    model = w.model(nodes, {"x": F32}, {"y": F32})
    (edit,) = sibyl.InferenceSession(model).edits()
    assert edit == {"pass": "identity", "graph": 0, "removed": [{"type": "Identity", "name": ""}], "added": [],
                    "rewired": [{"from": "same", "to": "x"}]}  # fmt: skip
    assert sibyl.InferenceSession(model, providers=["ref"]).edits() == []


# ---- Others' verdicts -----------------------------------------------------------------------------------------------


def test_against_onnxruntime():
    ort = peer("onnxruntime")
    random = np.random.default_rng(5)
    weights = random.standard_normal((4, 3, 3, 3)).astype(np.float32)
    nodes = [w.node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), w.node("Sigmoid", ["c"], ["g"]),
             w.node("Mul", ["c", "g"], ["m"]), w.node("GlobalAveragePool", ["m"], ["y"])]  # fmt: skip
    model = w.model(nodes, {"x": w.tensor_type("float32", ["N", 3, "H", "W"])},
                    {"y": w.tensor_type("float32", ["N", 4, 1, 1])},
                    [w.tensor("w", "float32", weights.shape, weights.tobytes())])  # fmt: skip
    theirs, ours = ort.InferenceSession(model, providers=["CPUExecutionProvider"]), sibyl.InferenceSession(model)
    assert [(i.name, i.shape, i.type) for i in theirs.get_inputs()] == [(i.name, i.shape, i.type) for i in ours.get_inputs()]
    x = random.standard_normal((2, 3, 9, 7)).astype(np.float32)
    assert np.allclose(ours.run(None, {"x": x})[0], theirs.run(None, {"x": x})[0], rtol=1e-4, atol=1e-5)


def test_models_made_with_onnx():
    onnx = peer("onnx")
    from onnx import helper

    node = helper.make_node("Gemm", ["a", "b"], ["c"], transB=1)
    values = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["M", "K"]) for n in "abc"]
    graph = helper.make_graph([node], "g", values[:2], values[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    a, b = np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)
    (c,) = sibyl.InferenceSession(model.SerializeToString()).run(None, {"a": a, "b": b})
    assert np.array_equal(c, a @ b.T)


def fields(data):
    """(number, value) of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        else:
            size = {1: 8, 5: 4}.get(tag & 7) or varint()
            at += size
            yield tag >> 3, data[at - size : at]


def read_tensor(path):
    """A TensorProto whose elements are raw, or float or int64 numbers in a row."""
    dims, dtype, raw = [], 0, b""
    for number, value in fields(path.read_bytes()):
        if number == 1:
            dims += [value] if isinstance(value, int) else list(value)
        elif number == 2:
            dtype = w.DTYPES[value - 1]
        elif number in (4, 9):
            raw = value
        elif number not in (8, 12):
            return None
    return np.frombuffer(raw, dtype).reshape(dims) if dtype in PLAIN else None


SAMPLE = "add sub matmul_2d gather_0 concat_1d_axis_0 softmax_axis_1 layer_normalization_2d_axis1 conv_with_strides_padding"
SAMPLE += " where_example transpose_default reduce_sum_keepdims_example top_k lstm_defaults einsum_transpose nonzero_example"
SAMPLE += " resize_upsample_scales_nearest gru_defaults cast_FLOAT_to_FLOAT16 isnan slice clip gelu_default_1 attention_4d"


@pytest.mark.parametrize("name", SAMPLE.split())
def test_official_cases(name):
    folders = [Path(os.environ.get("SIBYL_DATA") or ROOT.parent / "shared" / "data") / "onnx-conformance" / "node",
               *Path("/usr/share/libonnx-testdata").glob("**/node")]  # fmt: skip
    found = [f / f"test_{name}" for f in folders if (f / f"test_{name}" / "model.onnx").is_file()]
    if not found:
        pytest.skip("skipped for want of the official cases ($SIBYL_DATA or the package libonnx-testdata)")
    s = sibyl.InferenceSession(found[0] / "model.onnx")
    data = found[0] / "test_data_set_0"
    feed = {i.name: read_tensor(data / f"input_{k}.pb") for k, i in enumerate(s.get_inputs())}
    outputs = s.run(None, feed)
    for k, y in enumerate(outputs):
        want = read_tensor(data / f"output_{k}.pb")
        assert y.dtype == want.dtype and y.shape == want.shape
        assert np.allclose(y, want, rtol=1e-3, atol=1e-7, equal_nan=True)


def test_random_inputs_of_every_kind():
    row = w.tensor_type("float32", ["N"])
    kinds = {"s": w.sequence_type(row), "m": w.map_type("string", w.tensor_type("int64", [])),
             "o": w.optional_type(row), "t": w.tensor_type("string", [2])}  # fmt: skip
    nodes = [w.node("Identity", [name], [f"{name}2"]) for name in kinds]
    model = w.model(nodes, kinds, {f"{name}2": kind for name, kind in kinds.items()}, [], opsets={"": 21})
    drawn = sibyl.random_inputs(model, 3, dims={"N": 4})
    assert 1 <= len(drawn["s"]) <= 3 and drawn["s"][0].shape == drawn["o"].shape == (4,)
    assert "a" in drawn["m"] and all(1 <= len(word) <= 8 for word in drawn["t"])
    assert sibyl.random_inputs(model, 3, dims={"N": 4})["t"].tolist() == drawn["t"].tolist()
    assert sibyl.random_inputs(model, 4, dims={"N": 4})["t"].tolist() != drawn["t"].tolist()
    with pytest.raises(ValueError, match="the size of N is not given"):
        sibyl.random_inputs(model)
