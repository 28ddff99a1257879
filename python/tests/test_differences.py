"""sibyl.diff: the node in which another runtime's values part from ours."""

import numpy as np
import onnx_writer as w
import pytest

import sibyl


@pytest.fixture
def model():
    row = w.tensor_type("float32", ["N", 3])
    nodes = [w.node("MatMul", ["x", "w"], ["h"], name="product"), w.node("Tanh", ["h"], ["t"], name="tanh"),
             w.node("Neg", ["t"], ["y"])]  # fmt: skip
    weights = w.floats("w", np.linspace(-1, 1, 9), [3, 3])
    return w.model(nodes, {"x": row}, {"y": row}, [weights], opsets={"": 21})


@pytest.fixture
def values():
    x = np.array([[1, 2, 3], [0.5, -0.25, 4]], "f4")
    h = x @ np.linspace(-1, 1, 9, dtype="f4").reshape(3, 3)
    return {"x": x, "h": h, "t": np.tanh(h), "y": -np.tanh(h)}


def test_the_same_has_no_difference(model, values):
    rows = sibyl.diff(model, values)
    assert [row.name for row in rows] == ["h", "t", "y"]
    assert [row.node for row in rows][:2] == ["product", "tanh"]
    assert not any(row.differs or row.problem for row in rows)


@pytest.mark.parametrize("providers", [None, ["ref"]])
def test_a_fault_is_in_its_node_alone(model, values, providers):
    values["t"] = values["t"] * np.float32(1.001)
    values["y"] = -values["t"]
    found = [row for row in sibyl.diff(model, values, providers=providers) if row.differs]
    assert [(row.name, row.op_type, row.elements) for row in found] == [("t", "Tanh", 5)]  # the first is 0
    assert found[0].times > 64 and 9e-4 < found[0].relative_l2 < 1.1e-3 and found[0].cosine > 0.999
    assert sibyl.diff(model, values, factor=1e9)[1].differs is False


def test_what_cannot_be_compared_says_why(model, values):
    values["t"] = values["t"][:, :2].copy()
    rows = sibyl.diff(model, values)
    assert rows[1].differs and "(2, 3)" in rows[1].problem
    assert rows[2].differs and rows[2].problem


def test_bad_values_are_refused(model, values):
    with pytest.raises(ValueError, match="no value 'nobody'"):
        sibyl.diff(model, {**values, "nobody": values["x"]})
    with pytest.raises(ValueError, match="no node makes any"):
        sibyl.diff(model, {"x": values["x"]})
    with pytest.raises(ValueError, match="abacus"):
        sibyl.diff(model, values, providers=["abacus"])
