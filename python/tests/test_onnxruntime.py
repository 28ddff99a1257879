"""sibyl.onnxruntime beside onnxruntime: a row of docs/moving-from-onnxruntime.md is a scenario here, run by both."""

import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import onnx_writer as w
import pytest
from conftest import ROOT, peer

import sibyl
import sibyl.onnxruntime as sibyl_ort
from sibyl.onnxruntime.capi import onnxruntime_pybind11_state as state

F32 = w.tensor_type("float32", ["N", 3])
X = np.arange(6, dtype=np.float32).reshape(2, 3)


def linear():
    """y = relu(x @ w + b), with a default for b."""
    nodes = [w.node("MatMul", ["x", "w"], ["product"], name="matmul"),
             w.node("Add", ["product", "b"], ["sum"], name="add"),
             w.node("Relu", ["sum"], ["y"], name="relu")]  # fmt: skip
    return w.model(nodes, {"x": F32, "b": w.tensor_type("float32", [2])}, {"y": w.tensor_type("float32", ["N", 2])},
                   [w.floats("w", [1, 2, 3, 4, 5, 6], [3, 2]), w.floats("b", [0.5, -100])],
                   metadata={"author": "nobody"}, doc="a layer", graph_doc="three nodes", version=7)  # fmt: skip


def identity(value_type):
    return w.one("Identity", {"x": value_type}, {"y": value_type})


def session(ort, options=None, **more):
    return ort.InferenceSession(linear(), options, **more)


def attempt(call):
    """What it gives, or the name of what it raises."""
    try:
        return call()
    except Exception as error:
        return f"raises {type(error).__name__}"


def quietly(call):
    """What it gives, and the categories of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return attempt(call), [found.category.__name__ for found in caught]


def assert_same(ours, theirs):
    if isinstance(theirs, np.ndarray):
        assert isinstance(ours, np.ndarray) and ours.dtype == theirs.dtype and ours.shape == theirs.shape
        if theirs.dtype.kind in "fc":
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
        else:
            assert ours.tolist() == theirs.tolist()
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is type(theirs) and len(ours) == len(theirs)
        for one, other in zip(ours, theirs):
            assert_same(one, other)
    elif isinstance(theirs, dict):
        assert set(ours) == set(theirs)
        for key, value in theirs.items():
            assert_same(ours[key], value)
    else:
        assert ours == theirs


# ---- What is equal -----------------------------------------------------------------------------------------


def fields(options):
    names = [name for name in dir(options) if not name.startswith("_")]
    values = {name: getattr(options, name) for name in names}
    return {name: str(value) for name, value in values.items() if not callable(value) and name != "profile"}


def set_all(ort, options):
    """Every field set to another value."""
    for name, value in list(vars_of(options).items()):
        if isinstance(value, bool):
            setattr(options, name, not value)
        elif isinstance(value, (int, str)):
            setattr(options, name, type(value)(7))
    options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return fields(options)


def vars_of(options):
    names = [name for name in dir(options) if not name.startswith("_") and name != "profile"]
    return {name: getattr(options, name) for name in names if not callable(getattr(options, name))}


def options_refuse(ort):
    options = ort.SessionOptions()
    bad = [
        ("nosuch", 1),
        ("graph_optimization_level", 99),
        ("enable_profiling", "yes"),
        ("intra_op_num_threads", "3"),
    ]
    return [attempt(lambda name=name, value=value: setattr(options, name, value)) for name, value in bad]


def enumerations(ort):
    names = (
        "ExecutionMode ExecutionOrder GraphOptimizationLevel OrtAllocatorType OrtMemType OrtDeviceMemoryType"
    )
    found = {name: getattr(ort, name) for name in [*names.split(), "OrtExecutionProviderDevicePolicy"]}
    one = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return (
        {
            name: {key: int(member) for key, member in kind.__members__.items()}
            for name, kind in found.items()
        },
        [str(one), one.name, one.value, int(one), one == ort.GraphOptimizationLevel(1), one == 1, hash(one)],
    )


def config_entries(ort):
    found = []
    for options, add, get in (
        (ort.SessionOptions(), "add_session_config_entry", "get_session_config_entry"),
        (ort.RunOptions(), "add_run_config_entry", "get_run_config_entry"),
    ):
        found.append(attempt(lambda: getattr(options, get)("a.b")))
        getattr(options, add)("a.b", "c")
        found += [getattr(options, get)("a.b"), attempt(lambda: getattr(options, add)("a.b", 1))]
    return found


def free_dimensions(ort):
    options = ort.SessionOptions()
    options.add_free_dimension_override_by_name("N", 2)
    s = session(ort, options)
    return [
        s.get_inputs()[0].shape,
        s.get_outputs()[0].shape,
        s.run(None, {"x": X}),
        attempt(lambda: s.run(None, {"x": X[:1]})),
    ]


def optimization_levels(ort):
    found = []
    for level in ort.GraphOptimizationLevel.__members__.values():
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        found.append(session(ort, options).run(None, {"x": X}))
    return found


def options_are_copied(ort):
    options = ort.SessionOptions()
    options.logid = "mine"
    s = session(ort, options)
    return s.get_session_options().logid, s.get_session_options() is options


def load_cancelled(ort):
    options = ort.SessionOptions()
    options.set_load_cancellation_flag(True)
    return attempt(lambda: session(ort, options))


def providers_in_options(ort):
    options = ort.SessionOptions()
    before = options.has_providers()
    options.add_provider("CPUExecutionProvider", {})
    return before, options.has_providers(), attempt(lambda: options.add_provider("CUDAExecutionProvider", {}))


def providers(ort):
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    given = [
        None,
        [],
        ["CPUExecutionProvider"],
        [("CPUExecutionProvider", {"a": 1})],
        both,
        ["CPUExecutionProvider"] * 2,
    ]
    found = [quietly(lambda some=some: session(ort, providers=some).get_providers()) for some in given]
    one = session(ort, providers=["CPUExecutionProvider"], provider_options=[{"a": 1}])
    one.set_providers(["CPUExecutionProvider"])
    return (
        found,
        one.get_provider_options(),
        one.run(None, {"x": X}),
        ort.get_device(),
        "CPUExecutionProvider" in ort.get_available_providers(),
    )


def inputs_and_outputs(ort):
    types = [w.tensor_type("float64", []), w.tensor_type("float16", [None, 2]), w.tensor_type("float32", None),
             w.sequence_type(w.tensor_type("int64", ["N"])), w.optional_type(w.tensor_type("float32", [2]))]  # fmt: skip
    sessions = [session(ort), *(ort.InferenceSession(identity(kind)) for kind in types)]
    args = [
        arg
        for s in sessions
        for arg in [*s.get_inputs(), *s.get_overridable_initializers(), *s.get_outputs()]
    ]
    return [(arg.name, arg.shape, arg.type, str(arg)) for arg in args]


def declared_dims(ort):
    """Names as the file declares them where something else is inferred; IR versions before 4 call weights inputs."""
    nodes = [w.node("Concat", ["x", "x"], ["y"], axis=0), w.node("Add", ["x", "b"], ["z"])]
    model = w.model(nodes, {"x": F32, "b": w.tensor_type("float32", [3])},
                    {"y": w.tensor_type("float32", ["twice", 3]), "z": w.tensor_type("float32", [None, 3])},
                    [w.floats("b", [1, 2, 3])], ir_version=3)  # fmt: skip
    s = ort.InferenceSession(model)
    return [
        (arg.name, arg.shape)
        for arg in [*s.get_inputs(), *s.get_overridable_initializers(), *s.get_outputs()]
    ]


def metadata(ort):
    meta = session(ort).get_modelmeta()
    names = "producer_name graph_name domain version description graph_description custom_metadata_map"
    return [getattr(meta, name) for name in names.split()]


def opening(ort, folder):
    path = folder / "größe.onnx"
    path.write_bytes(linear())
    (folder / "garbage.onnx").write_bytes(b"hello world" * 10)
    given = [
        path,
        str(path),
        linear(),
        folder / "missing.onnx",
        folder / "garbage.onnx",
        b"hello world",
        linear()[:-40],
        None,
    ]
    return [attempt(lambda model=model: ort.InferenceSession(model).run(None, {"x": X})) for model in given]


def external_data(ort, folder):
    """Weights in a file beside the model, and in a folder that the options name for a model given as bytes."""
    onnx = peer("onnx")
    model = onnx.load_from_string(linear())
    onnx.save_model(model, folder / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    options = ort.SessionOptions()
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    data = (folder / "m.onnx").read_bytes()
    return [
        s.run(None, {"x": X})
        for s in (ort.InferenceSession(folder / "m.onnx"), ort.InferenceSession(data, options))
    ]


def running(ort):
    s = session(ort)
    y = [s.run(names, {"x": X}) for names in (None, [], ["y"], ("y",), ["y", "y"])]
    y.append(
        s.run(output_names=["y"], input_feed={"x": X, "b": np.array([-1, 1], np.float32)}, run_options=None)
    )
    y.append(s.run(None, {"x": X[:0]}, ort.RunOptions()))
    y.append(s.run(None, {"x": X.reshape(3, 2).T}))
    y.append(s.run(None, {"x": [[1, 2, 3]]}))
    y.append(s.run(None, {"x": ort.OrtValue.ortvalue_from_numpy(X)}))
    return y


def refused_inputs(ort):
    s = session(ort)
    feeds = [
        {},
        {"x": X.astype(np.float64)},
        {"x": X.astype(np.int32)},
        {"x": X[:, :2]},
        {"x": X[0]},
        {"x": X, "z": X},
    ]
    found = [attempt(lambda feed=feed: s.run(None, feed)) for feed in feeds]
    calls = [lambda: s.run(["z"], {"x": X}), lambda: s.run("y", {"x": X}), lambda: s.run(None, {"x": X}, {}),
             lambda: s.run(None, [1]), lambda: session(ort, 3)]  # fmt: skip
    return found + [attempt(call) for call in calls]


def kinds_of_values(ort):
    tensor = w.tensor_type("float32", ["N"])
    x = np.array([1, 2], np.float32)
    cases = [(w.tensor_type("string", ["N"]), np.array(["a", "größe"])), (w.tensor_type("string", ["N"]), np.array(["a"], object)),
             (w.tensor_type("bool", []), np.array(True)), (w.tensor_type("float16", [2]), x.astype(np.float16)),
             (w.sequence_type(tensor), [x, x[:1]]), (w.optional_type(tensor), x), (w.optional_type(tensor), None)]  # fmt: skip
    found = [ort.InferenceSession(identity(kind)).run(None, {"x": value}) for kind, value in cases]
    return [*found, ort.InferenceSession(identity(w.optional_type(tensor))).run(None, {})]


def terminate(ort):
    s, options = session(ort), ort.RunOptions()
    options.terminate = True
    first = attempt(lambda: s.run(None, {"x": X}, options))
    options.terminate = False
    return first, s.run(None, {"x": X}, options)


def run_async(ort):
    s, options = session(ort), ort.SessionOptions()
    options.intra_op_num_threads = 2
    s = session(ort, options)
    found = []
    for feed in ({"x": X}, {"x": X[:, :2]}):
        told, done = [], threading.Event()
        s.run_async(["y"], feed, lambda *what: (told.append(what), done.set()), "me")
        assert done.wait(60)
        outputs, user_data, error = told[0]
        found.append((outputs, user_data, bool(error)))
    return found


def ort_values(ort):
    x = X.copy()
    v = ort.OrtValue.ortvalue_from_numpy(x)
    said = [v.shape(), v.data_type(), v.element_type(), v.device_name(), v.is_tensor(), v.is_sparse_tensor(),
            v.is_tensor_sequence(), v.has_value(), v.tensor_size_in_bytes(), v.data_ptr() == x.ctypes.data]  # fmt: skip
    v.numpy()[0, 0] = 5
    v.update_inplace(X + 1)
    wrong = [attempt(lambda: v.update_inplace(X[:1])), attempt(lambda: v.update_inplace([1, 2]))]
    return said, x, np.asarray(v), ort.OrtValue.ortvalue_from_numpy(X.T).numpy(), wrong


def ort_values_made(ort):
    make = ort.OrtValue.ortvalue_from_shape_and_type
    made = [make([2, 3], np.float32), make((4,), 16), make([0, 2], np.int64, "cpu", 0),
            ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.array([0x3F80], np.uint16), 16)]  # fmt: skip
    wrong = [lambda: make([2], 999), lambda: make([-2], np.float32), lambda: make([2], str), lambda: make([2], np.float32, "cuda", 0),
             lambda: ort.OrtValue.ortvalue_from_numpy([1, 2]), lambda: ort.OrtValue.ortvalue_from_numpy(X, "cuda", 0),
             lambda: ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.array([1], np.uint16), 1)]  # fmt: skip
    return [(v.shape(), v.data_type(), v.element_type(), v.tensor_size_in_bytes()) for v in made], list(
        map(attempt, wrong)
    )


def dlpack(ort):
    v = ort.OrtValue.ortvalue_from_numpy(X.copy())
    others = [ort.OrtValue.from_dlpack(value) for value in (v, X.copy())]
    others[0].numpy()[0, 0] = 9
    return v.__dlpack_device__(), np.from_dlpack(v), [(other.data_type(), other.numpy()) for other in others]


def run_with_ort_values(ort):
    s, v = session(ort), ort.OrtValue.ortvalue_from_numpy(X)
    found = s.run_with_ort_values(
        output_names=["y"], input_dict_ort_values={"x": v}, run_options=ort.RunOptions()
    )
    return [type(value).__name__ for value in found], [
        value.numpy() for value in s.run_with_ort_values(None, {"x": v})
    ]


def io_binding(ort):
    s, x = session(ort), X.copy()
    binding, y = s.io_binding(), np.zeros((2, 2), np.float32)
    binding.bind_cpu_input("x", x)
    binding.bind_output("y")
    binding.synchronize_inputs()
    s.run_with_iobinding(binding)
    binding.synchronize_outputs()
    found = [binding.copy_outputs_to_cpu(), [(v.numpy(), v.device_name()) for v in binding.get_outputs()]]
    at = s.io_binding()
    at.bind_input("x", "cpu", 0, np.float32, x.shape, x.ctypes.data)
    at.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
    s.run_with_iobinding(at, ort.RunOptions())
    x += 1
    s.run_with_iobinding(at)
    value = ort.OrtValue.ortvalue_from_shape_and_type([2, 2], np.float32)
    binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(x))
    binding.bind_ortvalue_output("y", value)
    s.run_with_iobinding(binding)
    return (
        found,
        y.copy(),
        at.copy_outputs_to_cpu(),
        value.numpy(),
        binding.get_outputs()[0].data_ptr() == value.data_ptr(),
    )


def refused_bindings(ort):
    s = session(ort)

    def bound(output="y", **value):
        binding = s.io_binding()
        binding.bind_cpu_input("x", X)
        binding.bind_ortvalue_output(output, ort.OrtValue.ortvalue_from_shape_and_type(**value))
        s.run_with_iobinding(binding)

    calls = [lambda: s.io_binding().bind_cpu_input("q", X), lambda: bound("q", shape=[2, 2], element_type=np.float32),
             lambda: bound(shape=[3, 2], element_type=np.float32), lambda: bound(shape=[2, 2], element_type=np.float64),
             lambda: s.io_binding().bind_output("y", "cpu", 0, None, None, 5), lambda: s.run_with_iobinding(s.io_binding()),
             lambda: s.run_with_iobinding(session(ort).io_binding())]  # fmt: skip
    return list(map(attempt, calls))


def profiling(ort, folder):
    options = ort.SessionOptions()
    none = session(ort, options).end_profiling()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    s = session(ort, options)
    began = s.get_profiling_start_time_ns()
    s.run(None, {"x": X})
    name = s.end_profiling()
    with open(name, encoding="utf-8") as file:
        events = json.load(file)
    s.run(None, {"x": X})
    keys = set.intersection(*(set(event) for event in events))
    nodes = [event for event in events if event["cat"] == "Node" and event["name"].endswith("_kernel_time")]
    said = [type(began).__name__, bool(re.search(r"profile_\d{4}-\d\d-\d\d_\d\d-", name))]
    session_events = {"model_run", "session_initialization"} & {
        event["name"] for event in events if event["cat"] == "Session"
    }
    return (
        none,
        said,
        sorted(keys),
        bool(nodes),
        "op_name" in nodes[0]["args"],
        sorted(session_events),
        s.end_profiling(),
    )


def settings_of_the_process(ort):
    model = w.model([w.node("RandomNormal", [], ["y"], shape=[4])], {}, {"y": w.tensor_type("float32", [4])})

    def drawn(seed):
        ort.set_seed(seed)
        return ort.InferenceSession(model).run(None, {})[0]

    a, b, again = drawn(3), drawn(4), drawn(3)
    bad = attempt(lambda: ort.set_default_logger_severity(9))
    ort.set_default_logger_severity(2)
    ort.set_default_logger_verbosity(0)
    return (
        np.array_equal(a, again),
        np.array_equal(a, b),
        bad,
        ort.has_collective_ops(),
        ort.get_version_string(),
    )


def exceptions(ort):
    module = sys.modules[f"{ort.__name__}.capi.onnxruntime_pybind11_state"]
    names = "DeviceReset EPFail EngineError Fail InvalidArgument InvalidGraph InvalidProtobuf ModelLoadCanceled ModelLoaded"
    names += " ModelRequiresCompilation NoModel NoSuchFile NotFound NotImplemented RuntimeException"
    found = {name: [base.__name__ for base in getattr(module, name).__mro__[1:]] for name in names.split()}
    with pytest.raises(module.InvalidArgument, match=r"^\[ONNXRuntimeError\] : 2 : INVALID_ARGUMENT : "):
        session(ort).run(None, {"x": X.astype(np.int32)})
    with pytest.raises(module.NoSuchFile, match=r"^\[ONNXRuntimeError\] : 3 : NO_SUCHFILE : .*nosuch"):
        ort.InferenceSession("nosuch.onnx")
    return found


SCENARIOS = [lambda ort: fields(ort.SessionOptions()), lambda ort: fields(ort.RunOptions()),
             lambda ort: set_all(ort, ort.SessionOptions()), options_refuse, enumerations, config_entries, free_dimensions,
             optimization_levels, options_are_copied, load_cancelled, providers_in_options, providers, inputs_and_outputs,
             declared_dims, metadata, opening, external_data, running, refused_inputs, kinds_of_values, terminate, run_async,
             ort_values, ort_values_made, dlpack, run_with_ort_values, io_binding, refused_bindings, profiling,
             settings_of_the_process, exceptions]  # fmt: skip
SCENARIOS = dict(zip(["session_options", "run_options", "set_all"], SCENARIOS)) | {
    s.__name__: s for s in SCENARIOS[3:]
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_as_the_original(name, tmp_path):
    scenario, found = SCENARIOS[name], []
    for ort in (peer("onnxruntime"), sibyl_ort):
        folder = tmp_path / ort.__name__
        folder.mkdir()
        found.append(scenario(ort, folder) if scenario.__code__.co_argcount == 2 else scenario(ort))
    assert_same(found[1], found[0])


def test_every_name_is_there():
    """Of the module, its classes and the places that programs import from; what a class wraps and builds is its own."""
    theirs = peer("onnxruntime")
    modules = {"", ".capi.onnxruntime_inference_collection"}
    for place in modules:
        other, ours = sys.modules["onnxruntime" + place], sys.modules["sibyl.onnxruntime" + place]
        kinds = (type, type(peer), type(len))
        names = [
            n
            for n in dir(other)
            if n[0] != "_"
            and isinstance(getattr(other, n), kinds)
            and "onnxruntime" in str(getattr(other, n).__module__)
        ]
        internal = {
            "get_ort_device_type",
            "get_vendor_id_for_device_type",
            "check_and_normalize_provider_args",
        }
        internal |= {n for n in names if n.startswith("make_get_initializer")} | {
            "OrtArenaCfg",
            "OrtCompileApiFlags",
        }
        assert not [n for n in names if not hasattr(ours, n) and n not in internal]
    for name in "InferenceSession IOBinding OrtValue OrtDevice SessionOptions RunOptions NodeArg ModelMetadata".split():
        public = [n for n in dir(getattr(theirs, name)) if n[0] != "_"]
        s = session(sibyl_ort)
        ours = {"NodeArg": s.get_inputs()[0], "ModelMetadata": s.get_modelmeta()}.get(
            name, getattr(sibyl_ort, name)
        )
        devices = ("cann", "cuda", "dml", "fpga", "gpu", "npu", "webgpu")
        assert not [n for n in public if not hasattr(ours, n) and n not in devices], name


# ---- What differs ------------------------------------------------------------------------------------------


def unknown_operator(ort):
    return attempt(lambda: ort.InferenceSession(w.one("Frobnicate", {"x": F32}, {"y": F32})))


def missing_value(ort):
    return attempt(
        lambda: ort.InferenceSession(w.model([w.node("Relu", ["zz"], ["y"])], {"x": F32}, {"y": F32}))
    )


def bfloat16(ort):
    ml_dtypes = peer("ml_dtypes")
    given = np.array([1, 2], ml_dtypes.bfloat16)
    return attempt(
        lambda: (
            ort.InferenceSession(identity(w.tensor_type("bfloat16", [2]))).run(None, {"x": given})[0].tolist()
        )
    )


def big_endian(ort):
    return session(ort).run(None, {"x": np.ones((1, 3), ">f4")})[0].tolist()


def random_runs(ort):
    model = w.model([w.node("RandomNormal", [], ["y"], shape=[4])], {}, {"y": w.tensor_type("float32", [4])})
    s = ort.InferenceSession(model)
    return np.array_equal(s.run(None, {}), s.run(None, {}))


DIFFERENCES = [
    (unknown_operator, "raises InvalidGraph", "raises NotImplemented"),
    (missing_value, "raises InvalidArgument", "raises InvalidProtobuf"),
    (bfloat16, "raises RuntimeError", [1, 2]),
    (big_endian, [[0.5, 0]], [[9.5, 0]]),
    (random_runs, False, True),
]


@pytest.mark.parametrize(("scenario", "theirs", "ours"), DIFFERENCES)
def test_unlike_the_original(scenario, theirs, ours):
    assert scenario(sibyl_ort) == ours
    assert scenario(peer("onnxruntime")) == theirs


# ---- What is refused ---------------------------------------------------------------------------------------


def unbuilt():
    options, s, ort = sibyl_ort.SessionOptions(), session(sibyl_ort), sibyl_ort
    value = ort.OrtValue.ortvalue_from_numpy(X)
    saving, ort_format = ort.SessionOptions(), ort.SessionOptions()
    saving.optimized_model_filepath = "out.onnx"
    ort_format.add_session_config_entry("session.load_model_format", "ORT")
    return {
        "SparseTensor": lambda: ort.SparseTensor.sparse_coo_from_numpy([2, 2], X, X, ort.OrtDevice.make("cpu", 0)),
        "OrtValue.ort_value_from_sparse_tensor": lambda: ort.OrtValue.ort_value_from_sparse_tensor(None),
        "OrtValue.as_sparse_tensor": value.as_sparse_tensor,
        "LoraAdapter": ort.LoraAdapter,
        "AdapterFormat": lambda: ort.AdapterFormat.read_adapter("a"),
        "ModelCompiler": lambda: ort.ModelCompiler(options, linear()),
        "OrtExternalInitializerInfo": lambda: ort.OrtExternalInitializerInfo("a", 0, 1),
        "get_ep_devices": ort.get_ep_devices,
        "register_execution_provider_library": lambda: ort.register_execution_provider_library("a", "b"),
        "create_and_register_allocator": lambda: ort.create_and_register_allocator(ort.OrtMemoryInfo(), None),
        "SessionOptions.optimized_model_filepath": lambda: session(ort, saving),
        "the ORT format": lambda: session(ort, ort_format),
        "SessionOptions.register_custom_ops_library": lambda: options.register_custom_ops_library(__file__),
        "SessionOptions.add_initializer": lambda: options.add_initializer("w", value),
        "SessionOptions.add_external_initializers": lambda: options.add_external_initializers([], []),
        "SessionOptions.add_free_dimension_override_by_denotation":
            lambda: options.add_free_dimension_override_by_denotation("N", 1),
        "SessionOptions.add_provider_for_devices": lambda: options.add_provider_for_devices([], {}),
        "SessionOptions.set_provider_selection_policy_delegate":
            lambda: options.set_provider_selection_policy_delegate(print),
        "RunOptions.add_active_adapter": lambda: ort.RunOptions().add_active_adapter(None),
        "InferenceSession.get_tuning_results": s.get_tuning_results,
        "InferenceSession.set_tuning_results": lambda: s.set_tuning_results([]),
        "InferenceSession.get_provider_graph_assignment_info": s.get_provider_graph_assignment_info,
        "InferenceSession.set_ep_dynamic_options": lambda: s.set_ep_dynamic_options({}),
    }  # fmt: skip


UNBUILT = unbuilt()


@pytest.mark.parametrize("name", UNBUILT)
def test_what_is_not_built_says_so_by_its_name(name):
    with pytest.raises(state.NotImplemented, match=re.escape(name)):
        UNBUILT[name]()


# ---- Ours alone --------------------------------------------------------------------------------------------


def test_the_document_has_every_row():
    text = (ROOT / "docs" / "moving-from-onnxruntime.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"\| `(\w+)` \|$", text, re.M))
    assert rows == set(SCENARIOS) | {scenario.__name__ for scenario, _, _ in DIFFERENCES}
    assert not [name for name in UNBUILT if name.split(".")[-1] not in text]


def test_backends_by_their_names():
    s = session(sibyl_ort, providers=["ref"])
    assert s.get_providers() == ["ref"] and {
        step["backend"] for plan in planned(s) for step in plan["steps"]
    } == {"ref"}
    assert session(sibyl_ort, providers=["gpu-host"]).get_providers() == ["gpu-host", "CPUExecutionProvider"]
    with pytest.warns(
        UserWarning, match="no provider 'TensorrtExecutionProvider', it is skipped; there are CPUExec"
    ):
        session(sibyl_ort, providers=["TensorrtExecutionProvider"])
    with pytest.raises(ValueError, match="list of names"):
        session(sibyl_ort, providers="CPUExecutionProvider")
    with pytest.raises(ValueError, match="2 provider_options for 1 providers"):
        session(sibyl_ort, providers=["ref"], provider_options=[{}, {}])


def planned(s):
    s.run(None, {"x": X})
    return s.plan()


def test_sibyls_own_calls_are_there():
    s = session(sibyl_ort)
    assert np.array_equal(
        s.run_with_taps("product", {"x": X})["product"], X @ np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    )
    profile = sibyl.Profile()
    s.run(None, {"x": X}, sibyl_ort.RunOptions(profile))
    assert [row.op_type for row in profile.by_operator]
    off = sibyl_ort.SessionOptions()
    off.graph_optimization_level = sibyl_ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    assert session(sibyl_ort, off).edits() == []
    with pytest.raises(state.InvalidArgument) as caught:
        s.run(None, {"x": X[0]})
    assert isinstance(caught.value.__cause__, sibyl.SibylError) and caught.value.__cause__.code in (
        "argument",
        "value",
    )


def test_runs_of_many_threads_with_bindings_and_a_profile(tmp_path):
    options = sibyl_ort.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "p")
    s = session(sibyl_ort, options)
    assert 0 <= time.monotonic_ns() - s.get_profiling_start_time_ns() < 60e9

    def work(i):
        binding = s.io_binding()
        binding.bind_cpu_input("x", X + i)
        binding.bind_output("y")
        for _ in range(20):
            s.run_with_iobinding(binding)
        np.testing.assert_array_equal(binding.copy_outputs_to_cpu()[0], s.run(None, {"x": X + i})[0])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = json.loads((tmp_path / os.path.basename(s.end_profiling())).read_text())
    assert sum(event["name"] == "model_run" for event in events) == 84


def test_a_callback_that_fails_is_reported(monkeypatch):
    seen, done = [], threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda args: (seen.append(args.exc_type), done.set()))
    session(sibyl_ort).run_async(None, {"x": X}, lambda *what: 1 / 0, None)
    assert done.wait(60) and seen == [ZeroDivisionError]
    with pytest.raises(TypeError, match="callback must be a function"):
        session(sibyl_ort).run_async(None, {"x": X}, None, None)


def test_severity(caplog):
    options = sibyl_ort.SessionOptions()
    for severity, expected in ((3, set()), (1, {logging.INFO})):
        caplog.clear()
        options.log_severity_level = severity
        session(sibyl_ort, options)
        assert {record.levelno for record in caplog.records} == expected
    assert not logging.getLogger("sibyl.onnxruntime").handlers


def test_addresses_are_checked():
    binding = session(sibyl_ort).io_binding()
    with pytest.raises(ValueError, match="address 0"):
        binding.bind_input("x", "cpu", 0, np.float32, [2, 3], 0)
    with pytest.raises(ValueError, match="negative"):
        binding.bind_input("x", "cpu", 0, np.float32, [-2, 3], X.ctypes.data)
    with pytest.raises(RuntimeError, match="'cuda' is not built"):
        binding.bind_output("y", "cuda", 0)


def test_quantized_model_as_optimised(data):
    """Passes move one logit of nano_kws_int8 by a step of quantization: that and no other is moved by onnxruntime's (the
    exception of tests/conform/passes.manifest)."""
    ort, onnx = peer("onnxruntime"), peer("onnx")
    folder = data / "real-models" / "nano_kws_int8"
    x = onnx.numpy_helper.to_array(onnx.load_tensor(folder / "test_data_set_0" / "input_0.pb"))

    def logits(api, level):
        options = api.SessionOptions()
        options.graph_optimization_level = getattr(api.GraphOptimizationLevel, level)
        model = api.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        return model.run(None, {"input": x})[0]

    plain, optimised = (logits(ort, level) for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL"))
    assert np.flatnonzero(np.abs(plain - optimised) > 1e-4).tolist() == [20]
    assert np.allclose(logits(sibyl_ort, "ORT_DISABLE_ALL"), plain, 1e-3, 1e-4)
    assert np.allclose(logits(sibyl_ort, "ORT_ENABLE_ALL"), optimised, 1e-3, 1e-4)


PROGRAM = """
import sys
import onnxruntime, onnxruntime as ort
from onnxruntime import InferenceSession
from onnxruntime.capi import _pybind_state as C
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from onnxruntime.capi.onnxruntime_inference_collection import OrtValue
assert ort.package_name == "sibyl" and ort.OrtValue is OrtValue and C.InvalidArgument is InvalidArgument
try:
    import onnxruntime.quantization
except ModuleNotFoundError as error:
    assert error.name == "onnxruntime.quantization"
print(__name__, sys.argv[1:], InferenceSession.__module__)
"""


def test_programs_run_unchanged(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    expected = "__main__ ['--flag', 'x'] sibyl.onnxruntime._session\n"
    for how in (["program.py"], ["-m", "program"]):
        command = [sys.executable, "-m", "sibyl.onnxruntime", *how, "--flag", "x"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (done.stdout, done.returncode) == (expected, 0), done.stderr
    done = subprocess.run([sys.executable, "-m", "sibyl.onnxruntime"], capture_output=True, text=True)
    assert done.returncode == 1 and "usage" in done.stderr


def test_install_refuses_beside_the_original():
    code = "import sys, types; sys.modules['onnxruntime'] = types.ModuleType('onnxruntime')\n"
    code += "import sibyl.onnxruntime\ntry: sibyl.onnxruntime.install()\nexcept RuntimeError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "imported already" in done.stdout
    code = (
        "import sibyl.onnxruntime as o; o.install(); o.install(); import onnxruntime; assert onnxruntime is o"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
