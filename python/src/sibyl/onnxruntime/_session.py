"""InferenceSession and IOBinding as onnxruntime's, over sibyl.InferenceSession, whose other calls they keep."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import sys
import threading
import time
from typing import Any, Callable, Container, Iterable, Mapping, Sequence

import numpy as np

import sibyl.session as _base

from .. import _types
from ..errors import SibylError
from ..registry import Registry, default_registry
from ._errors import InvalidArgument, ModelLoadCanceled, NotImplemented, failure, translated
from ._options import GraphOptimizationLevel, RunOptions, SessionOptions
from ._process import logger, providers_of, seed, threads
from ._profile import SessionProfile
from ._values import OrtDevice, OrtMemoryInfo, OrtValue, array_at, dtype_of

ModelMetadata = _base.ModelMetadata

_FOLDER = "session.model_external_initializers_file_folder_path"
_FORMAT = "session.load_model_format"


class NodeArg(_base.NodeArg):
    """An input or output. shape is [] where the rank is not known and for what is no tensor."""

    def __str__(self) -> str:
        return f"NodeArg(name={self.name!r}, type={self.type!r}, shape={self.shape!r})"


def _declared_dims(text: str | None) -> list[str]:
    """Of a type's text, as "float32 [T, 80]"."""
    inside = text[text.index("[") + 1 : text.rindex("]")] if text and "[" in text else ""
    return inside.split(", ") if inside else []


def _shape(info: Mapping[str, Any], symbols: Container[Any]) -> list[int | str | None]:
    """Numbers where they are known, names as the file declares them, and None for what has neither.

    symbols: those of the inputs. What is inferred may be an expression of them, for which onnxruntime has no word.
    """
    declared = _declared_dims(info["declared"])
    shape: list[int | str | None] = []
    for axis, dim in enumerate(info["dims"] or []):
        if not isinstance(dim, int):
            given = declared[axis] if len(declared) == len(info["dims"]) else "?"
            dim = (
                given
                if not given.startswith("?")
                else dim
                if dim in symbols and not dim.startswith("?")
                else None
            )
        shape.append(dim)
    return shape


def _node_arg(info: Mapping[str, Any], symbols: Container[Any], sizes: Mapping[str, int]) -> NodeArg:
    type = _types.parse(info["type"])
    dims = _shape(info, symbols) if type.kind in ("tensor", "sparse_tensor", "optional") else []
    return NodeArg(
        info["name"], [sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in dims], str(type)
    )


def _base_options(options: SessionOptions) -> _base.SessionOptions:
    own_threads = options.intra_op_num_threads if options.use_per_session_threads else threads()
    return _base.SessionOptions(
        intra_op_num_threads=max(own_threads, 0),
        seed=seed(),
        passes="-all" if options.graph_optimization_level is GraphOptimizationLevel.ORT_DISABLE_ALL else None,
        logger=logger(options.log_severity_level, options.logid),
        external_folder=options._entries.get(_FOLDER),
    )


def _refuse(options: SessionOptions, path: str | None) -> None:
    """What options may ask for and is not built."""
    if options._cancelled:
        raise failure(ModelLoadCanceled, "the options' load cancellation flag is set")
    if options.optimized_model_filepath:
        raise failure(
            NotImplemented,
            "SessionOptions.optimized_model_filepath is not built; InferenceSession.edits() tells what passes changed",
        )
    if options._entries.get(_FORMAT, "ONNX") != "ONNX" or (path or "").endswith(".ort"):
        raise failure(
            NotImplemented,
            f"{path or 'the model'}: the ORT format is not read; give the ONNX file that it was made of",
        )


class InferenceSession(_base.InferenceSession):
    """A model, ready to run. Several threads may run one session at once."""

    def __init__(
        self,
        path_or_bytes: str | os.PathLike[Any] | bytes,
        sess_options: SessionOptions | None = None,
        providers: Sequence[str | tuple[str, Mapping[Any, Any]]] | None = None,
        provider_options: Sequence[Mapping[Any, Any]] | None = None,
        registry: Registry | None = None,
        *,
        enable_fallback: int = 1,
        read_config_from_model: int = 0,
        disabled_optimizers: Iterable[str] | None = None,
    ) -> None:
        if sess_options is not None and not isinstance(sess_options, SessionOptions):
            raise TypeError(f"sess_options must be SessionOptions, not {type(sess_options).__name__}")
        self._source, self._registry = path_or_bytes, registry
        self._model_path = (
            None if isinstance(path_or_bytes, (bytes, bytearray, memoryview)) else os.fspath(path_or_bytes)
        )
        self._sess_options = (sess_options or SessionOptions())._copy()
        self._runner: concurrent.futures.ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._open(providers, provider_options)

    def _open(
        self, providers: Sequence[Any] | None, provider_options: Sequence[Mapping[Any, Any]] | None
    ) -> None:
        options = self._sess_options
        _refuse(options, self._model_path)
        if not providers and options._providers:
            providers = options._providers
        self._named = providers_of(
            providers, provider_options, (self._registry or default_registry()).backends
        )
        self._kept = SessionProfile(options.profile_file_prefix) if options.enable_profiling else None
        self._profile = self._kept.spans if self._kept else None
        begin = time.monotonic_ns()
        with translated(opening=True):
            super().__init__(self._source, _base_options(options), list(self._named.items()), None, self._registry)
        if self._kept:
            self._kept.add("session_initialization", begin)
        infos = [info for info in self._info["inputs"] if not info["has_default"]]
        self._required = [info["name"] for info in infos if self._types[info["name"]].kind != "optional"]
        self._optional = [info["name"] for info in infos if self._types[info["name"]].kind == "optional"]
        names = {info["name"]: info["dims"] or [] for info in self._info["inputs"]}
        self._fixed = {
            name: [(axis, options._dims[dim]) for axis, dim in enumerate(dims) if dim in options._dims]
            for name, dims in names.items()
            if not options._dims.keys().isdisjoint(dims)
        }

    @property
    def _sess(self) -> InferenceSession:
        """Programs reach for what onnxruntime's class wraps."""
        return self

    # ---- What it says --------------------------------------------------------------------------------------

    def _args(self, infos: Iterable[Mapping[str, Any]]) -> list[NodeArg]:
        symbols = {dim for info in self._info["inputs"] for dim in info["dims"] or []}
        return [_node_arg(info, symbols, self._sess_options._dims) for info in infos]

    def get_inputs(self) -> list[NodeArg]:  # type: ignore[override]
        """The inputs that every run must be given."""
        return self._args(info for info in self._info["inputs"] if not info["has_default"])

    def get_overridable_initializers(self) -> list[NodeArg]:  # type: ignore[override]
        """The inputs that have a default; none where the model is of an IR version before 4, which calls weights inputs."""
        overridable = self._info["ir_version"] >= 4
        return self._args(info for info in self._info["inputs"] if info["has_default"] and overridable)

    def get_outputs(self) -> list[NodeArg]:  # type: ignore[override]
        return self._args(self._info["outputs"])

    def get_input_memory_infos(self) -> list[OrtMemoryInfo]:
        return [OrtMemoryInfo() for _ in self.get_inputs()]

    def get_output_memory_infos(self) -> list[OrtMemoryInfo]:
        return [OrtMemoryInfo() for _ in self.get_outputs()]

    def get_session_options(self) -> SessionOptions:  # type: ignore[override]
        """A copy of the options that the session was made with."""
        return self._sess_options._copy()

    def get_providers(self) -> list[str]:
        """The providers that were asked for and are there, and the processor. Sibyl's backends are those of plan()."""
        return list(self._named)

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        """What was chosen: device_id, of providers that run on devices."""
        return {name: {key: str(value) for key, value in options.items()} for name, options in self._named.items()}

    def set_providers(
        self,
        providers: Sequence[Any] | None = None,
        provider_options: Sequence[Mapping[Any, Any]] | None = None,
    ) -> None:
        """Opens the model again, with these."""
        self._open(providers, provider_options)

    def disable_fallback(self) -> None:
        """Accepted: a session does not change its providers by itself."""

    enable_fallback = disable_fallback

    # ---- Running -------------------------------------------------------------------------------------------

    def _feed(self, input_feed: Mapping[str, Any]) -> dict[str, Any]:
        """What the base takes: no OrtValues, and every optional input."""
        feed = {
            name: given._value if isinstance(given, OrtValue) else given for name, given in input_feed.items()
        }
        missing = [name for name in self._required if name not in feed]
        if missing:
            raise ValueError(f"no value is given for {missing}: the model needs them, and the feed has {list(feed)}")
        for name in self._optional:
            feed.setdefault(name, None)
        for name, sizes in self._fixed.items():
            shape = np.shape(feed[name]) if name in feed else ()
            for axis, size in sizes:
                if axis < len(shape) and shape[axis] != size:
                    raise failure(
                        InvalidArgument,
                        f"input '{name}': axis {axis} is {shape[axis]}, the options fix it at {size}",
                    )
        return feed

    def _run(self, output_names: Any, input_feed: Any, run_options: Any, taps: Any, inside: bool) -> Any:
        with translated():
            try:
                return super()._run(output_names, self._feed(input_feed), run_options, taps, inside)
            except (TypeError, ValueError) as error:
                if isinstance(error, SibylError) or not str(error).startswith("input '"):
                    raise
                raise failure(InvalidArgument, error) from error

    def run_with_ort_values(
        self,
        output_names: Iterable[str] | None,
        input_dict_ort_values: Mapping[str, OrtValue],
        run_options: RunOptions | None = None,
    ) -> list[OrtValue]:
        """As run, from OrtValues to OrtValues."""
        for name, value in input_dict_ort_values.items():
            if not isinstance(value, OrtValue):
                raise TypeError(f"input '{name}' must be an OrtValue, not {type(value).__name__}")
        return [OrtValue(value) for value in self.run(output_names, input_dict_ort_values, run_options)]

    def run_with_ortvaluevector(
        self,
        run_options: RunOptions | None,
        feed_names: Sequence[str],
        feeds: Sequence[OrtValue],
        fetch_names: Sequence[str],
        fetches: list[OrtValue],
        fetch_devices: Sequence[OrtDevice],
    ) -> None:
        """As run_with_ort_values, from a list in a list: `fetches` is filled."""
        fetches[:] = self.run_with_ort_values(
            fetch_names, dict(zip(feed_names, feeds, strict=True)), run_options
        )

    def run_async(
        self,
        output_names: Iterable[str] | None,
        input_feed: Mapping[str, Any],
        callback: Callable[[list[Any], Any, str], Any],
        user_data: Any,
        run_options: RunOptions | None = None,
    ) -> None:
        """Runs on another thread and then calls callback(outputs, user_data, error); error is "" where there is none.

        As many runs go on at once as the process has processors; others wait.
        """

        def run() -> None:
            outputs: list[Any] = []
            message = ""
            try:
                outputs = self.run(output_names, input_feed, run_options)
            except Exception as error:
                message = str(error) or type(error).__name__
            try:
                callback(outputs, user_data, message)
            except BaseException:
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

        if not callable(callback):
            raise TypeError(f"callback must be a function, not {type(callback).__name__}")
        with self._lock:
            if self._runner is None:
                self._runner = concurrent.futures.ThreadPoolExecutor(
                    len(os.sched_getaffinity(0)), "sibyl-run"
                )
        self._runner.submit(run)

    def io_binding(self) -> IOBinding:
        return IOBinding(self)

    def run_with_iobinding(self, iobinding: IOBinding, run_options: RunOptions | None = None) -> None:
        """Runs on what is bound, and leaves the outputs there."""
        if iobinding._session is not self:
            raise ValueError("the IOBinding is that of another session")
        iobinding._run(run_options)

    # ---- Profiling -----------------------------------------------------------------------------------------

    def end_profiling(self) -> str:
        """Writes the timeline of the runs so far, where the options said enable_profiling: the file's name, or ""."""
        with self._lock:
            kept, self._kept = self._kept, None
            self._profile = None
        return kept.write() if kept else ""

    def get_profiling_start_time_ns(self) -> int:
        """Of time.monotonic_ns(); 0 where nothing is profiled."""
        kept = self._kept
        return kept.begin if kept else 0

    # ---- What is not built ---------------------------------------------------------------------------------

    def _unbuilt(self, name: str, why: str) -> Exception:
        return failure(NotImplemented, f"InferenceSession.{name} is not built; {why}")

    def get_tuning_results(self) -> list[Any]:
        raise self._unbuilt("get_tuning_results", "sibyl.SessionOptions.tuning_file keeps what was measured")

    def set_tuning_results(self, results: Any, *, error_on_invalid: bool = False) -> None:
        raise self._unbuilt("set_tuning_results", "sibyl.SessionOptions.tuning_file keeps what was measured")

    def get_provider_graph_assignment_info(self) -> list[Any]:
        raise self._unbuilt("get_provider_graph_assignment_info", "plan() tells the backend of each step")

    def get_input_epdevices(self) -> list[Any]:
        raise self._unbuilt("get_input_epdevices", "inputs lie in the processor's memory")

    def set_ep_dynamic_options(self, options: Mapping[str, str]) -> None:
        raise self._unbuilt("set_ep_dynamic_options", "providers have no options")

    def create_ortvalue_from_shape_and_type(
        self,
        shape: Sequence[int],
        element_type: Any,
        device_type: str,
        device_id: int = 0,
        vendor_id: int = -1,
    ) -> OrtValue:
        """In the processor's memory, which every session shares."""
        return OrtValue.ortvalue_from_shape_and_type(shape, element_type, device_type, device_id, vendor_id)

    def release_captured_graph(self, graph_annotation_id: int = 0) -> None:
        """Nothing is captured."""


Session = InferenceSession


@dataclasses.dataclass
class _Output:
    value: OrtValue | None  # memory of the caller for it; None where the run brings its own
    found: OrtValue | None = None


class IOBinding:
    """Inputs and outputs that stay from run to run. Bound inputs are read where they lie; outputs are copied once into
    memory that is bound for them."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        self._inputs: dict[str, OrtValue] = {}
        self._outputs: dict[str, _Output] = {}

    # Programs reach for what onnxruntime's class wraps.
    @property
    def _iobinding(self) -> IOBinding:
        return self

    def bind_cpu_input(self, name: str, arr_on_cpu: Any) -> None:
        self.bind_ortvalue_input(name, OrtValue(arr_on_cpu))

    def bind_input(
        self,
        name: str,
        device_type: str,
        device_id: int,
        element_type: Any,
        shape: Sequence[int],
        buffer_ptr: int,
    ) -> None:
        """The elements at an address, which the caller keeps there while it is bound."""
        OrtDevice.make(device_type, device_id)
        dtype = dtype_of(element_type)
        self.bind_ortvalue_input(name, OrtValue(array_at(buffer_ptr, dtype, shape), dtype))

    def bind_ortvalue_input(self, name: str, ortvalue: OrtValue) -> None:
        if name not in self._session._types:
            raise RuntimeError(f"the model has no input '{name}', only {', '.join(self._session._types)}")
        self._inputs[name] = ortvalue

    def bind_output(
        self,
        name: str,
        device_type: str = "cpu",
        device_id: int = 0,
        element_type: Any = None,
        shape: Sequence[int] | None = None,
        buffer_ptr: int | None = None,
    ) -> None:
        """In memory of its own, or written to an address, which the caller keeps there while it is bound."""
        OrtDevice.make(device_type, device_id)
        if buffer_ptr is None:
            self._outputs[name] = _Output(None)
            return
        if element_type is None or shape is None:
            raise ValueError("memory at an address needs its element_type and shape")
        dtype = dtype_of(element_type)
        self._outputs[name] = _Output(OrtValue(array_at(buffer_ptr, dtype, shape), dtype))

    def bind_ortvalue_output(self, name: str, ortvalue: OrtValue) -> None:
        """Written into the memory of a value, which must have the element type and the shape of what is computed."""
        self._outputs[name] = _Output(ortvalue)

    def _run(self, run_options: RunOptions | None) -> None:
        if not self._outputs:
            raise RuntimeError("no output is bound: bind_output says where they go")
        try:
            found = self._session.run(list(self._outputs), self._inputs, run_options)
            for output, value in zip(self._outputs.values(), found):
                output.found = OrtValue(value) if output.value is None else output.value
                if output.value is not None:
                    output.value.update_inplace(value)
        except Exception as error:
            raise RuntimeError(str(error)) from error

    def synchronize_inputs(self) -> None:
        """Values lie in the processor's memory, so there is nothing to wait for."""

    synchronize_outputs = synchronize_inputs

    def get_outputs(self) -> list[OrtValue]:
        """Of the last run, in the order in which they were bound."""
        return [output.found for output in self._outputs.values() if output.found is not None]

    get_outputs_as_ortvaluevector = get_outputs

    def copy_outputs_to_cpu(self) -> list[Any]:
        """The outputs of the last run, as run gives them; what lies in bound memory is not copied again."""
        return [value._value for value in self.get_outputs()]

    def clear_binding_inputs(self) -> None:
        self._inputs.clear()

    def clear_binding_outputs(self) -> None:
        self._outputs.clear()
