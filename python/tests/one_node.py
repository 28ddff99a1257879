"""Models of one node, and how their results are compared: what the tests of operators beside others share."""

import warnings

import numpy as np
from conftest import peer

MS, CONTRIB, QONNX = "com.microsoft", "ai.onnx.contrib", "qonnx.custom_op.general"


def s(*words):
    return np.array(words, dtype=object)


def one(x, dtype=np.float32):
    return np.array(x, dtype=dtype)


# (domain, operator, opset, attributes, inputs (None: omitted), which of them are initializers, outputs: how many, or which)
def case(domain, op, inputs, consts=(), n_out=1, opset=1, **attributes):
    return domain, op, opset, attributes, inputs, consts, n_out


def model(domain, op, opset, attributes, inputs, consts, n_out):
    onnx = peer("onnx")
    helper = onnx.helper
    names = ["" if x is None else f"x{k}" for k, x in enumerate(inputs)]
    wanted = range(n_out) if isinstance(n_out, int) else n_out
    outs = [f"y{k}" if k in wanted else "" for k in range(max(wanted) + 1)]
    node = helper.make_node(op, names, outs, domain=domain, **attributes)

    def kind(x):
        return onnx.TensorProto.STRING if x.dtype == object else helper.np_dtype_to_tensor_dtype(x.dtype)

    given = [helper.make_tensor_value_info(n, kind(x), x.shape) for k, (n, x) in enumerate(zip(names, inputs))
             if x is not None and k not in consts]  # fmt: skip
    known = [onnx.numpy_helper.from_array(inputs[k], names[k]) for k in consts]
    graph = helper.make_graph([node], "g", given, [onnx.ValueInfoProto(name=n) for n in outs if n], known)
    opsets = [helper.make_opsetid("", opset if not domain else 17)]
    if domain:
        opsets.append(helper.make_opsetid(domain, opset))
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def run(runtime, c, library=None):
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1  # DynamicQuantizeLSTM there quantizes the rows of each thread apart
    if library:
        options.register_custom_ops_library(library)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = runtime.InferenceSession(model(*c), options, providers=["CPUExecutionProvider"])
    inputs, consts = c[4], c[5]
    return session.run(None, {f"x{k}": x for k, x in enumerate(inputs) if x is not None and k not in consts})


def agree(got, want, tolerance):
    assert len(got) == len(want)
    for a, b in zip(got, want):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape
        if b.dtype == object or b.dtype.kind == "U" or b.dtype.kind not in "fc":
            assert a.tolist() == b.tolist()
        else:
            scale = np.abs(b[np.isfinite(b)]).max(initial=1)
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


def name_of(c):
    return c[1] if isinstance(c, tuple) else ""
