"""Operators written in Python: arrays in and out, shapes, lowerings, refusals, exceptions, threads."""

import functools
import gc
import re
import shutil
import subprocess
import threading
import weakref

import numpy as np
import onnx_writer as w
import pytest
from conftest import ROOT

import sibyl

OPSETS = {"": 21, "my.dom": 1}
F32 = w.tensor_type("float32", ["N"])


@pytest.fixture
def registry():
    return sibyl.Registry()


def model(op, inputs=1, outputs=1, x=F32, y=None, after=None, **attributes):
    """x (and further inputs) -> my.dom:op -> y, perhaps through another operator."""
    names = ["x", "x1", "x2"][:inputs]
    made = ["y", "y1", "y2"][:outputs]
    first = "h" if after else made[0]
    nodes = [w.node(op, names, [first, *made[1:]], domain="my.dom", name="it", **attributes)]
    if after:
        nodes.append(w.node(after, ["h"], ["y"]))
    kinds = {name: x for name in names}
    return w.model(nodes, kinds, {name: y or w.tensor_type("float32") for name in made}, opsets=OPSETS)


def run(session, **inputs):
    return session.run(None, {name: np.asarray(value, np.float32) for name, value in inputs.items()})


# ---- Functions --------------------------------------------------------------------------------------------------


def test_function(registry):
    @sibyl.operator("my.dom", "Scale", shape="same", registry=registry)
    def scale(x, *, alpha: float = 2.0):
        return np.float32(alpha) * x

    assert scale(3) == 6  # it stays a function
    assert registry.operators == ["my.dom:Scale"] and "my.dom:Scale" in repr(registry)
    s = sibyl.InferenceSession(model("Scale", after="Neg"), registry=registry)
    assert s.get_outputs()[0].shape == ["N"]
    np.testing.assert_array_equal(run(s, x=[1, 2])[0], [-2, -4])
    s = sibyl.InferenceSession(model("Scale", alpha=3.0), registry=registry)
    np.testing.assert_array_equal(run(s, x=[1, 2, 3])[0], [3, 6, 9])
    taps = s.run_with_taps(None, {"x": np.ones(1, np.float32)}, inside=True)
    assert list(taps) == ["x", "it/milli.0:call", "y"]


def test_default_registry():
    @sibyl.operator("my.dom", "OfTestDefaultRegistry", shape="same")
    def one(x):
        return x + 1

    assert "my.dom:OfTestDefaultRegistry" in sibyl.default_registry().operators
    s = sibyl.InferenceSession(model("OfTestDefaultRegistry"))
    np.testing.assert_array_equal(run(s, x=[1, 2])[0], [2, 3])
    with pytest.raises(sibyl.SibylError, match="operator my.dom:OfTestDefaultRegistry is not known"):
        sibyl.InferenceSession(model("OfTestDefaultRegistry"), registry=sibyl.Registry())


def test_without_shape_the_dims_depend_on_data(registry):
    @sibyl.operator("my.dom", "Positive", registry=registry)
    def positive(x):
        return x[x > 0]

    s = sibyl.InferenceSession(model("Positive", after="Neg"), registry=registry)
    for x in ([1, -2, 3], [1, 2, 3], [-1]):
        np.testing.assert_array_equal(run(s, x=x)[0], -np.array([v for v in x if v > 0], np.float32))


def test_shape_function(registry):
    @sibyl.operator("my.dom", "Pairs", registry=registry, types=["float32"],
                    shape=lambda x: sibyl.TensorSpec(x.dtype, [2, x.shape[0] // 2 + 1 - 1]))  # fmt: skip
    def pairs(x):
        return x.reshape(2, -1)

    s = sibyl.InferenceSession(model("Pairs"), registry=registry)
    assert s.get_outputs()[0].shape == [2, "floor(N/2)"]
    np.testing.assert_array_equal(run(s, x=[1, 2, 3, 4])[0], [[1, 2], [3, 4]])


def test_shape_function_reads_elements(registry):
    @sibyl.operator("my.dom", "Repeat", registry=registry, types=["float32", "int64"],
                    shape=lambda x, n: sibyl.TensorSpec(x.dtype, [x.shape[0] * int(n.numpy())]))  # fmt: skip
    def repeat(x, n):
        return np.tile(x, int(n))

    nodes = [w.node("Neg", ["n"], ["m"]), w.node("Repeat", ["x", "m"], ["y"], domain="my.dom")]
    s = sibyl.InferenceSession(
        w.model(nodes, {"x": F32, "n": w.tensor_type("int64", [])}, {"y": w.tensor_type("float32")}, opsets=OPSETS),
        registry=registry,
    )
    for n in (1, 3):
        got = s.run(None, {"x": np.ones(2, np.float32), "n": np.int64(-n)})[0]
        assert got.shape == (2 * n,)


def test_optional_inputs_several_outputs_and_attributes(registry):
    seen = []

    @sibyl.operator("my.dom", "Many", outputs=2, registry=registry)
    def many(x, y=None, *rest, axes: list[int], scale: float = 1.0, mode: str = "up", table: np.ndarray = np.arange(3)):
        seen.append((y is None, len(rest), axes, scale, mode, table.tolist()))
        return x, x.sum(dtype=np.float64)

    s = sibyl.InferenceSession(
        model("Many", axes=[1, 2], outputs=2, y=w.tensor_type("float32")), registry=registry
    )
    first, second = run(s, x=[1, 2])
    np.testing.assert_array_equal(first, [1, 2])
    assert second.dtype == np.float64 and second == 3
    assert seen == [(True, 0, [1, 2], 1.0, "up", [0, 1, 2])]
    with pytest.raises(sibyl.SibylError, match="attribute axes is missing"):
        sibyl.InferenceSession(model("Many"), registry=registry)


def test_texts_and_sequences(registry):
    @sibyl.operator("my.dom", "Split", registry=registry)
    def split(x):
        return [np.array(list(text), object) for text in x]

    @sibyl.operator("my.dom", "Count", registry=registry, types=[""])
    def count(items):
        return np.array([len(item) for item in items])

    nodes = [w.node("Split", ["x"], ["s"], domain="my.dom"), w.node("Count", ["s"], ["y"], domain="my.dom")]
    s = sibyl.InferenceSession(
        w.model(nodes, {"x": w.tensor_type("string", ["N"])}, {"y": w.tensor_type("int64")}, opsets=OPSETS),
        registry=registry,
    )
    np.testing.assert_array_equal(s.run(None, {"x": np.array(["one", "three"], object)})[0], [3, 5])


def test_oracle_mode_keeps_the_precision_of_the_function(registry):
    dtypes = []

    @sibyl.operator("my.dom", "Id", shape="same", registry=registry)
    def same(x):
        dtypes.append(x.dtype)
        return x

    s = sibyl.InferenceSession(model("Id", after="Neg"), sibyl.SessionOptions(oracle=True), registry=registry)
    assert run(s, x=[1])[0].dtype == np.float64
    assert dtypes == [np.float32]


# ---- Faults -------------------------------------------------------------------------------------------------------


def test_exceptions_are_causes(registry):
    @sibyl.operator("my.dom", "Fails", shape="same", registry=registry)
    def fails(x):
        raise LookupError("no such thing")

    s = sibyl.InferenceSession(model("Fails"), registry=registry)
    with pytest.raises(sibyl.SibylError, match=r"node 'it' \(Fails\): LookupError: no such thing") as caught:
        run(s, x=[1])
    assert isinstance(caught.value.__cause__, LookupError)
    assert "in fails" in "".join(__import__("traceback").format_exception(caught.value))
    with pytest.raises(sibyl.SibylError, match="the model expects") as caught:  # an error of its own has no cause
        s.run(None, {"x": np.ones(1)})
    assert caught.value.__cause__ is None


def test_interrupts_pass(registry):
    @sibyl.operator("my.dom", "Stops", registry=registry)
    def stops(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(sibyl.InferenceSession(model("Stops"), registry=registry), x=[1])


@pytest.mark.parametrize(
    "result, words",
    [
        (lambda x: x.astype(np.float64), r"output 0 is float64 \(2,\), expected float32 \[2\]"),
        (lambda x: x[:1], r"output 0 is float32 \(1,\), expected float32 \[2\]"),
        (lambda x: None, "did not set output 0"),
        (lambda x: object(), "TypeError|no model takes|ValueError"),
    ],
)
def test_wrong_results(registry, result, words):
    sibyl.operator("my.dom", "Wrong", shape="same", registry=registry)(lambda x: result(x))
    s = sibyl.InferenceSession(model("Wrong"), registry=registry)
    with pytest.raises(sibyl.SibylError, match=words):
        run(s, x=[1, 2])


def test_wrong_definitions(registry):
    with pytest.raises(sibyl.SibylError, match="Relu is one of Sibyl's own"):
        sibyl.operator("", "Relu", registry=registry)(lambda x: x)
    with pytest.raises(TypeError, match="attribute scale needs an annotation"):
        sibyl.operator("my.dom", "A", registry=registry)(lambda x, *, scale: x)
    with pytest.raises(TypeError, match="the attributes of an operator have names"):
        sibyl.operator("my.dom", "A", registry=registry)(lambda x, **more: x)
    with pytest.raises(ValueError, match="expected 'same'"):
        sibyl.operator("my.dom", "A", shape="like", registry=registry)(lambda x: x)
    with pytest.raises(sibyl.SibylError, match="'flaot32' is not a dtype"):
        sibyl.operator("my.dom", "A", types=["int64|flaot32"], registry=registry)(lambda x: x)
    sibyl.operator("my.dom", "A", registry=registry)(lambda x: x)
    with pytest.raises(sibyl.SibylError, match="my.dom:A is registered already"):
        sibyl.operator("my.dom", "A", registry=registry)(lambda x: x)
    assert registry.operators == ["my.dom:A"]


def test_replaces_standard(registry):
    sibyl.operator("", "Neg", shape="same", replaces_standard=True, registry=registry)(lambda x: x + 100)
    one = w.one("Neg", {"x": F32}, {"y": F32})
    np.testing.assert_array_equal(run(sibyl.InferenceSession(one, registry=registry), x=[1])[0], [101])
    np.testing.assert_array_equal(run(sibyl.InferenceSession(one), x=[1])[0], [-1])


# ---- Lowerings ------------------------------------------------------------------------------------------------------


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def test_lowering(registry):
    @sibyl.lowering("my.dom", "SwishNorm", registry=registry)
    def swish_norm(l, x, *, beta: float = 1.0):
        return l.softmax(x * l.sigmoid(x * beta), axis=-1)

    x = np.random.default_rng(3).normal(size=(4, 5))
    expected = softmax(x / (1 + np.exp(-2 * x)), -1)
    m = model("SwishNorm", beta=2.0, x=w.tensor_type("float32", ["B", "N"]))
    x32 = x.astype(np.float32).astype(np.float64)
    exact = softmax(x32 / (1 + np.exp(-2 * x32)), -1)
    for providers in (["ref"], None):
        s = sibyl.InferenceSession(m, providers=providers, registry=registry)
        assert s.get_outputs()[0].shape == ["B", "N"]
        np.testing.assert_allclose(run(s, x=x)[0], expected, rtol=1e-5)
    s = sibyl.InferenceSession(m, sibyl.SessionOptions(oracle=True), registry=registry)
    np.testing.assert_allclose(run(s, x=x)[0], exact, rtol=1e-14)
    steps = [n["type"] for n in sibyl.milli_ops(m, "it", registry=registry)["nodes"]]
    assert "exp" in steps and "mul" in steps


def test_lowering_with_dims_constants_and_several_outputs(registry):
    @sibyl.lowering("my.dom", "Top", outputs=2, registry=registry)
    def top(l, x, *, k: int = 2):
        values, places = l.sort(x, axis=0, descending=1)
        cut = {"axis": 0, "start": 0, "count": l.minimum(k, x.shape[0])}
        return l.slice(values, **cut) + np.float32(0.5), l.slice(places, **cut)

    s = sibyl.InferenceSession(model("Top", outputs=2, y=w.tensor_type("float32")), registry=registry)
    values, places = run(s, x=[3, 1, 4, 1, 5])
    np.testing.assert_array_equal(values, [5.5, 4.5])
    np.testing.assert_array_equal(places, [4, 2])
    assert len(run(s, x=[7])[0]) == 1


def test_lowering_with_places_of_elements(registry):
    @sibyl.lowering("my.dom", "Places", outputs=2, registry=registry)
    def places(l, x):
        values, first, inverse, counts = l.unique(x)
        rows = l.transpose(l.nonzero(x), perm=[1, 0])
        return l.gather(counts, inverse, axis=0), l.scatter_nd(x, rows, l.gather_nd(x, rows), reduction="add")

    s = sibyl.InferenceSession(model("Places", outputs=2, y=w.tensor_type("float32")), registry=registry)
    counts, doubled = run(s, x=[3, 0, 3, 1])
    np.testing.assert_array_equal(counts, [2, 1, 2, 1])
    np.testing.assert_array_equal(doubled, [6, 0, 6, 2])


def test_lowering_with_sequences_and_text(registry):
    @sibyl.lowering("my.dom", "Text", outputs=3, registry=registry)
    def text(l, x):
        words = l.constant(np.array(["b", "a b", "c"], object))
        parts, counts = l.string_split(words, maxsplit=-1)
        pool = {"ngram_counts": [0], "ngram_indexes": [1, 0], "pool_strings": ["b", "c"], "weights": [2.0, 0.5]}
        both = l.sequence_insert(l.sequence_make(x), -x)
        return l.sequence_concat(both, axis=0), counts, l.tfidf(words, mode="TFIDF", **pool)

    s = sibyl.InferenceSession(model("Text", outputs=3), registry=registry)
    both, counts, scores = run(s, x=[1, 2])
    np.testing.assert_array_equal(both, [1, 2, -1, -2])
    np.testing.assert_array_equal(counts, [1, 2, 1])
    np.testing.assert_array_equal(scores, [0.5, 2])


def test_lowering_operators_as_numpy_has_them(registry):
    @sibyl.lowering("my.dom", "Mixed", registry=registry)
    def mixed(l, x):
        assert x.dtype in ("float32", "float64") and x.ndim == 2
        y = (2 - x) / (1 + abs(x)) ** 2 + -x @ x.transpose()
        small = (x < 1).astype("float32") + (x >= 1).astype(np.float32) * 3
        return (y * small).reshape(x.shape[0] * x.shape[1])

    x = np.array([[0.5, 2], [-1, 1]], np.float32)
    s = sibyl.InferenceSession(model("Mixed", x=w.tensor_type("float32", ["M", "N"])), registry=registry)
    y = (2 - x) / (1 + abs(x)) ** 2 - x @ x.T
    np.testing.assert_allclose(run(s, x=x)[0], (y * np.where(x < 1, 1, 3)).reshape(-1), rtol=1e-5)


def test_lowering_that_needs_numbers(registry):
    calls = []

    @sibyl.lowering("my.dom", "Sum", registry=registry)
    def total(l, x):
        calls.append(1)
        out = 0
        for i in range(int(x.shape[0])):  # ends inference, which has a symbol there
            out = l.slice(x, axis=0, start=i, count=1) + out
        return out

    s = sibyl.InferenceSession(model("Sum"), registry=registry)
    assert len(calls) >= 1
    np.testing.assert_array_equal(run(s, x=[1, 2, 3])[0], [6])


def test_faults_of_lowerings(registry):
    kept = []

    @sibyl.lowering("my.dom", "Bad", registry=registry)
    def bad(l, x, *, how: str):
        kept.append(x)
        return {"word": lambda: l.sofmax(x), "param": lambda: l.softmax(x, keepdims=1), "axis": lambda: l.softmax(x, axis=3),
                "raise": lambda: 1 / 0}[how]()  # fmt: skip

    for how, words, cause in [("word", "AttributeError: there is no milli-op 'sofmax'", AttributeError),
                              ("param", "softmax has no parameter keepdims; it has: axis", None),
                              ("axis", "axis is 3, expected -1 to below 1", None),
                              ("raise", "ZeroDivisionError", ZeroDivisionError)]:  # fmt: skip
        s = sibyl.InferenceSession(model("Bad", how=how), registry=registry)
        with pytest.raises(sibyl.SibylError, match=words) as caught:
            run(s, x=[1])
        assert type(caught.value.__cause__) is (cause or type(None))
    with pytest.raises(RuntimeError, match="after it has returned"):
        kept[0] + 1


# ---- The page ------------------------------------------------------------------------------------------------------


def test_the_page_runs(tmp_path, monkeypatch):
    """Every block of Python of docs/extending.md."""
    monkeypatch.setattr("sibyl.registry.default_registry", functools.cache(sibyl.Registry))
    for name in ("extend", "model", "session", "backend"):  # a default registry of this test's own
        monkeypatch.setattr(f"sibyl.{name}.default_registry", sibyl.registry.default_registry)
    monkeypatch.setattr("sibyl.default_registry", sibyl.registry.default_registry)
    monkeypatch.chdir(tmp_path)
    nodes = [w.node("Swish", ["x"], ["s"], domain="my.dom"), w.node("Clamp", ["s"], ["y"], domain="my.dom")]
    (tmp_path / "model.onnx").write_bytes(w.model(nodes, {"x": F32}, {"y": F32}, opsets=OPSETS))
    (tmp_path / "sum.onnx").write_bytes(sum_model())
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "docs/extending.md", "exec"), {})


# ---- Functions in text, plug-ins ----------------------------------------------------------------------------------

SWISH = """<domain: "my.dom", opset_import: ["" : 20]>
Swish <beta: float = 1.0> (x) => (y)
{
    b = Constant <value_float: float = @beta> ()
    scaled = Mul (x, b)
    gate = Sigmoid (scaled)
    y = Mul (x, gate)
}
"""


def test_functions_in_text(registry):
    sibyl.functions(SWISH, registry)
    assert registry.operators == ["my.dom:Swish"]
    x = np.array([-1, 0, 2], np.float32)
    for beta, more in [(1, {}), (3, {"beta": 3.0})]:
        s = sibyl.InferenceSession(model("Swish", **more), registry=registry)
        np.testing.assert_allclose(run(s, x=x)[0], x / (1 + np.exp(-beta * x)), rtol=1e-5)
    found = sibyl.inspect(model("Swish"), registry=registry)
    assert {node["function"] for node in found["nodes"]} == {"my.dom:Swish"}
    with pytest.raises(sibyl.SibylError, match="swish.txt:5:14: expected an operator"):
        sibyl.functions(SWISH.replace("Mul (x, b)", "?"), sibyl.Registry(), label="swish.txt")


def test_functions_call_operators(registry):
    """A function in text, and one of the model's own, call an operator that Python has."""
    sibyl.functions("""<domain: "my.dom", opset_import: ["" : 20, "other" : 1]>
        Outer <k: float = 2.0> (x) => (y) { h = other.Scale <k: float = @k> (x) y = Neg (h) }""", registry)  # fmt: skip

    @sibyl.operator("other", "Scale", shape="same", registry=registry)
    def scale(x, *, k: float):
        return x * np.float32(k)

    s = sibyl.InferenceSession(model("Outer", k=3.0), registry=registry)
    np.testing.assert_array_equal(run(s, x=[1, 2])[0], [-3, -6])
    own = w.function("Outer", "my.dom", [w.node("Scale", ["a"], ["b"], domain="other", k=5.0)], ["a"], ["b"],
                     {"": 21, "other": 1})  # fmt: skip
    m = w.model([w.node("Outer", ["x"], ["y"], domain="my.dom")], {"x": F32}, {"y": F32}, opsets=OPSETS, functions=[own])
    np.testing.assert_array_equal(run(sibyl.InferenceSession(m, registry=registry), x=[1])[0], [5])  # the model keeps its own


PLUGIN = """
#include <sibyl/extend.h>

static sib_code add_one(void *context, sib_call *c, sib_error *err)
{
    const sib_tensor *x = sib_call_tensor(c, 0);
    sib_tensor *y = NULL;
    (void)context;
    sib_code code = sib_call_output(c, 0, SIB_F32, sib_tensor_rank(x), sib_tensor_dims(x), &y, err);
    for (uint64_t i = 0; code == SIB_OK && i < sib_tensor_count(x); i++)
        ((float *)sib_tensor_data(y))[i] = ((const float *)sib_tensor_data(x))[i] + 1;
    return code;
}

SIB_PLUGIN(registry, err)
{
    const sib_operator op = {.domain = "my.dom", .name = "AddOne", .min_inputs = 1, .max_inputs = 1, .run = add_one};
    return sib_operator_register(registry, &op, err);
}
"""


def test_plugin(registry, tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("skipped for want of a C compiler")
    (tmp_path / "plugin.c").write_text(PLUGIN)
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", f"-I{ROOT / 'include'}", "plugin.c", "-o", "plugin.so"],
                   cwd=tmp_path, check=True)  # fmt: skip
    sibyl.load_plugin(tmp_path / "plugin.so", registry)
    assert registry.operators == ["my.dom:AddOne"]
    s = sibyl.InferenceSession(model("AddOne"), registry=registry)
    np.testing.assert_array_equal(run(s, x=[1, 2])[0], [2, 3])
    with pytest.raises(sibyl.SibylError, match="missing.so"):
        sibyl.load_plugin("missing.so", registry)


# ---- Backends -----------------------------------------------------------------------------------------------------


class Adder(sibyl.Backend):
    name = "adder"

    def __init__(self):
        self.seen, self.runs = [], 0

    def supports(self, node):
        return node.type == "Add" and node.inputs[0].dtype == "float32"

    def prepare(self, node):
        self.seen.append(node)
        return node.inputs[1].constant

    def run(self, state, a, b):
        self.runs += 1
        assert state is None or np.array_equal(state, b)
        return a + b


def sum_model():
    return w.model([w.node("Add", ["x", "c"], ["s"], name="sum"), w.node("Neg", ["s"], ["y"])], {"x": F32}, {"y": F32},
                   [w.floats("c", [10])])  # fmt: skip


def test_backend(registry):
    adder = Adder()
    adder.register(registry)
    assert registry.backends == ["adder"]
    s = sibyl.InferenceSession(sum_model(), registry=registry)
    assert s.get_providers()[0] == "adder"
    for _ in range(2):
        np.testing.assert_array_equal(run(s, x=[1, 2])[0], [-11, -12])
    assert adder.runs == 2 and len(adder.seen) == 1
    node = adder.seen[0]
    assert (node.name, node.domain, node.type) == ("sum", "", "Add")
    assert node.inputs[0] == sibyl.NodeEnd("float32", (2,), None)
    assert node.inputs[1].constant == [10] and node.outputs[0].shape == (2,)
    assert any(row.backend == "adder" for row in s.run_with_profile({"x": np.ones(2, np.float32)}).by_node)
    s = sibyl.InferenceSession(sum_model(), providers=["ref"], registry=registry)
    run(s, x=[1])
    assert adder.runs == 3  # that of the profile
    with pytest.raises(ValueError, match="there is no backend 'adder'"):
        sibyl.InferenceSession(sum_model(), providers=["adder", "ref"])


def test_faults_of_backends(registry, monkeypatch):
    class Bad(Adder):
        name = "bad"

        def run(self, state, a, b):
            raise OSError("the device is gone")

    Bad().register(registry)
    s = sibyl.InferenceSession(sum_model(), registry=registry)
    with pytest.raises(sibyl.SibylError, match="OSError: the device is gone") as caught:
        run(s, x=[1])
    assert isinstance(caught.value.__cause__, OSError)

    class Broken(Adder):
        name = "broken"

        def supports(self, node):
            raise AssertionError("a bug")

    unraised = []
    monkeypatch.setattr("sys.unraisablehook", lambda args: unraised.append(args.exc_value))
    other = sibyl.Registry()
    Broken().register(other)
    np.testing.assert_array_equal(run(sibyl.InferenceSession(sum_model(), registry=other), x=[1])[0], [-11])
    assert unraised and all(isinstance(error, AssertionError) for error in unraised)
    with pytest.raises(sibyl.SibylError, match="backend cpu is one of Sibyl's own"):
        type("Cpu", (Adder,), {"name": "cpu"})().register(other)


def test_jobs_take_a_registry(registry, tmp_path):
    sibyl.operator("my.dom", "Scale", shape="same", registry=registry)(lambda x: x * 3)
    (tmp_path / "m.onnx").write_bytes(model("Scale"))
    document = {"sibyl_job": 1, "kind": "own", "models": {"m": "m.onnx"},
                "calls": {"m": {"model": "m", "inputs": {"x": "x"}, "outputs": {"y": "y"}}},
                "inputs": {"x": {"type": "tensor"}}, "outputs": {"y": "$call"},
                "nodes": [{"name": "call", "op": "call", "calls": {"model": "m"}, "inputs": {"x": "$x"}}]}  # fmt: skip
    job = sibyl.Job(document, folder=tmp_path, backends=["cpu", "ref"], registry=registry)
    np.testing.assert_array_equal(job.run({"x": np.array([1, 2], np.float32)})["y"], [3, 6])
    with pytest.raises(sibyl.SibylError, match="my.dom:Scale is not known"):
        sibyl.Job(document, folder=tmp_path)


# ---- Lives and threads -----------------------------------------------------------------------------------------------


def test_functions_live_as_long_as_their_models():
    class Function:
        def __call__(self, x):
            return x

    function = Function()
    gone = weakref.ref(function)
    registry = sibyl.Registry()
    sibyl.operator("my.dom", "Id", shape="same", registry=registry)(lambda x, _f=function: _f(x))
    s = sibyl.InferenceSession(model("Id"), registry=registry)
    del registry, function
    gc.collect()
    np.testing.assert_array_equal(run(s, x=[1])[0], [1])
    del s
    gc.collect()
    assert gone() is None


def test_threads(registry):
    @sibyl.operator("my.dom", "Double", shape="same", registry=registry)
    def double(x):
        return x * 2

    s = sibyl.InferenceSession(model("Double"), registry=registry)
    wrong = []

    def work(k):
        for i in range(50):
            if not np.array_equal(run(s, x=[k, i])[0], [2 * k, 2 * i]):
                wrong.append((k, i))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
