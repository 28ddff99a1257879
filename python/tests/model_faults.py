"""Faults put into models, and the values that onnxruntime computes of them: does `sibyl diff` name the node?

    python python/tests/model_faults.py [--seed N] [--faults N] [MODEL-FOLDER...]

prints a line for each fault that is named wrongly or not found, and a table. Each fault is one change of one node, drawn by
the seed: a weight (all of it by 1%, a row by 2%, or its largest element by 10%), an epsilon, an axis, pads and other
attributes, a scale, another rounding or operator, a transposed weight or permutation, a node left out. A change that
leaves all results of its node as they were is no fault, and is drawn again.
"""

import argparse
import json
import random
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from sibyl import _dumps, dump

ROOT = Path(__file__).resolve().parents[2]
NORMS = ("BatchNormalization", "InstanceNormalization", "LayerNormalization", "SkipLayerNormalization")
OTHER_OPERATOR = {"Relu": "LeakyRelu", "Sigmoid": "HardSigmoid", "Tanh": "Softsign", "Add": "Sub", "Mul": "Div", "Max": "Min",
                  "Sqrt": "Abs", "Elu": "Selu", "Exp": "Softplus", "ReduceMean": "ReduceSum", "LessOrEqual": "Less",
                  "GreaterOrEqual": "Greater"}  # fmt: skip
OTHER_ROUNDING = {"Floor": "Ceil", "Ceil": "Floor", "Round": "Floor"}
LEFT_OUT = ("Relu", "LeakyRelu", "Sigmoid", "Tanh", "BatchNormalization", "Clip", "Add", "Mul", "Softmax", "LayerNormalization",
            "Elu", "PRelu")  # fmt: skip


# ---- Changes of a node: each returns what it changed, or None where it does not fit ----


def attribute(node, name):
    return next((onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name), None)


def set_attribute(node, name, value):
    for a in [a for a in node.attribute if a.name == name]:
        node.attribute.remove(a)
    node.attribute.append(onnx.helper.make_attribute(name, value))
    return name


def constant(graph, name):
    found = next((t for t in graph.initializer if t.name == name), None)
    return None if found is None else numpy_helper.to_array(found)


def set_constant(graph, node, i, array):
    name = f"{node.input[i]} (fault)"
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
    node.input[i] = name


def weight(graph, node, draw):
    weights = [(i, constant(graph, name)) for i, name in enumerate(node.input)]
    weights = [(i, a) for i, a in weights if a is not None and a.dtype.kind == "f" and a.ndim and a.any()]
    if not weights or node.op_type in ("Resize", "Upsample", "Reshape", "Pad", "Clip"):
        return None
    i, a = draw.choice(weights)
    a = a.copy()
    how = draw.choice(["all of it", "a row", "its largest element"])
    if how == "all of it":
        a *= a.dtype.type(1.01)
    elif how == "a row":
        a[draw.randrange(len(a))] *= a.dtype.type(1.02)
    else:
        a.reshape(-1)[np.argmax(np.abs(a))] *= a.dtype.type(1.1)
    set_constant(graph, node, i, a)
    return f"weight {i}, {how}"


def epsilon(_graph, node, _draw):
    if node.op_type not in NORMS:
        return None
    return set_attribute(node, "epsilon", 10 * (attribute(node, "epsilon") or 1e-5) + 1e-5)


def axis(_graph, node, _draw):
    if node.op_type not in ("Softmax", "LogSoftmax", "Concat", "Gather", "Split", "Flatten"):
        return None
    now = attribute(node, "axis")
    return set_attribute(node, "axis", 1 if now == 0 else (-1 if now is None else now) - 1)


def other_attribute(_graph, node, _draw):
    pads = list(attribute(node, "pads") or [])
    half = len(pads) // 2
    if node.op_type in ("Conv", "MaxPool", "AveragePool") and any(pads):
        if pads[0] == pads[half] and not pads[0]:
            return None
        if pads[0] != pads[half]:
            return set_attribute(node, "pads", pads[half:] + pads[:half])
        pads[0], pads[half] = pads[0] - 1, pads[half] + 1
        return set_attribute(node, "pads", pads)
    match node.op_type:
        case "LeakyRelu":
            return set_attribute(node, "alpha", 1.1 * (attribute(node, "alpha") or 0.01))
        case "Gemm":
            return set_attribute(node, "alpha", 1.05 * (attribute(node, "alpha") or 1.0))
        case "AveragePool":
            return set_attribute(node, "count_include_pad", 1 - (attribute(node, "count_include_pad") or 0))
        case "LSTM" if attribute(node, "direction") is None:
            return set_attribute(node, "direction", "reverse")
        case "GRU":
            return set_attribute(node, "linear_before_reset", 1 - (attribute(node, "linear_before_reset") or 0))
        case "Resize":
            now = attribute(node, "coordinate_transformation_mode")
            return set_attribute(node, "coordinate_transformation_mode", "half_pixel" if now == b"asymmetric" else "asymmetric")
    return None


def rounding(graph, node, _draw):
    if node.op_type in OTHER_ROUNDING:
        node.op_type = OTHER_ROUNDING[node.op_type]
        return "rounding"
    scale = constant(graph, node.input[1]) if node.op_type in ("QuantizeLinear", "DequantizeLinear") else None
    if scale is None:
        return None
    set_constant(graph, node, 1, scale * scale.dtype.type(1.01))
    return "scale"


def other_operator(_graph, node, _draw):
    if node.domain or node.op_type not in OTHER_OPERATOR:
        return None
    node.op_type = OTHER_OPERATOR[node.op_type]
    return "operator"


def layout(graph, node, _draw):
    order = list(attribute(node, "perm") or [])
    if node.op_type == "Transpose" and len(order) >= 3:
        return set_attribute(node, "perm", order[:-2] + [order[-1], order[-2]])
    w = constant(graph, node.input[1]) if node.op_type in ("MatMul", "Gemm", "Conv") else None
    if w is None or w.ndim < 2 or w.shape[-1] != w.shape[-2] or w.shape[-1] == 1:
        return None
    set_constant(graph, node, 1, np.swapaxes(w, -1, -2))
    return "weights transposed"


def left_out(graph, node, _draw):
    if node.domain or node.op_type not in LEFT_OUT or constant(graph, node.input[0]) is not None:
        return None
    node.op_type = "Identity"
    del node.attribute[:], node.input[1:], node.output[1:]
    return "left out"


CHANGES = [weight, weight, epsilon, axis, other_attribute, rounding, other_operator, layout, left_out]


# ---- Values ----


def values_of(model, inputs):
    """Every tensor that onnxruntime computes, without its optimisations, by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    every = _dumps.every_output(model.SerializeToString())
    session = onnxruntime.InferenceSession(every, options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return {name: v for name, v in zip(names, session.run(names, inputs)) if isinstance(v, np.ndarray) and v.dtype != object}


def case_of(folder):
    """The model, its inputs, and the command's arguments for them."""
    model = onnx.load(folder / "model.onnx")
    constants = {t.name for t in model.graph.initializer}
    inputs, arguments = {}, []
    for i, name in enumerate(v.name for v in model.graph.input if v.name not in constants):
        path = folder / "test_data_set_0" / f"input_{i}.pb"
        if path.is_file():
            inputs[name] = numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))
            arguments += ["-i", f"{name}={path}"]
    return model, inputs, arguments


def named(command, folder, arguments, values):
    """What `sibyl diff` says: the document it prints."""
    with tempfile.TemporaryDirectory() as dumps:
        dump.save(dumps, values)
        run = subprocess.run([command, "diff", folder / "model.onnx", *arguments, "--against", dumps, "--json"],
                             capture_output=True, text=True, check=False)  # fmt: skip
    if run.returncode not in (0, 1) or not run.stdout:
        raise RuntimeError(f"{folder.name}: {run.stderr}")
    return json.loads(run.stdout)


def draw_fault(draw, model, inputs, clean):
    """A changed model that runs: (the node's operator and name, its outputs, what was changed, values), or None."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    node = draw.choice(changed.graph.node)
    operator, outputs = node.op_type, [name for name in node.output if name in clean]
    try:
        what = draw.choice(CHANGES)(changed.graph, node, draw)
        values = values_of(changed, inputs) if what and outputs else None
    except Exception:  # onnxruntime refuses the changed model in many ways: another is drawn
        return None
    if not values or all(name in values and np.array_equal(values[name], clean[name], equal_nan=True) for name in outputs):
        return None
    return f"{operator} {node.name}", outputs, what, values


def faults_named(command, folder, seed, wanted):
    """Counter of "right", "wrong" and "not found" for faults of one model, and "false alarm" for the model itself."""
    model, inputs, arguments = case_of(folder)
    clean = values_of(model, inputs)
    counts = Counter({"false alarm": 1} if named(command, folder, arguments, clean)["different"] else {})
    draw = random.Random(f"{seed} {folder.name}")
    for _ in range(30 * wanted):
        if counts["right"] + counts["wrong"] + counts["not found"] == wanted:
            break
        fault = draw_fault(draw, model, inputs, clean)
        if not fault:
            continue
        node, outputs, what, values = fault
        first = named(command, folder, arguments, values)["first"]
        verdict = "right" if first in outputs else "wrong" if first else "not found"
        counts[verdict] += 1
        if verdict != "right":
            print(f"{folder.name}: {node}, {what}: {verdict} {first or ''}", flush=True)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default=ROOT / "build" / "sibyl")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=14, help="of each model")
    parser.add_argument("models", nargs="*", type=Path)
    options = parser.parse_args()
    models = options.models or sorted((ROOT.parent / "shared" / "data" / "real-models").iterdir())
    total = Counter()
    for folder in models:
        counts = faults_named(options.command, folder, options.seed, options.faults)
        total += counts
        print(f"{folder.name:32}", *(f"{k} {n}" for k, n in sorted(counts.items()) if n), flush=True)
    print(f"{len(models)} models:", ", ".join(f"{n} {k}" for k, n in sorted(total.items())))


if __name__ == "__main__":
    main()
