"""InferenceSession: ONNX models run, with the calls of onnxruntime and a view of every value inside."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import operator
import os
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from . import _html, _sibyl, _types
from ._logging import log_function
from ._values import from_value, to_value
from .errors import SibylOSError, SibylValueError, with_path
from .model import open_model
from .providers import backends_of
from .registry import Registry, default_registry
from .watch import Digest, Span, ValueEvent, Watch, spans_of

# The name under which onnxruntime's users ask for the processor; here it means the default list.

# ---- Options ----------------------------------------------------------------------------------------------


@dataclasses.dataclass(slots=True)
class SessionOptions:
    """Of a session. Names that it has not are refused, so that no setting is lost silently."""

    intra_op_num_threads: int = 0  # 0: one per processor
    seed: int = 0  # of random operators that have none of their own
    oracle: bool = False  # every float value in double; outputs are float64 then
    memory_limit: int = 0  # bytes that the values of a run may take together; 0: 4 GiB, or 1,024 times weights and inputs
    passes: str | None = None  # over the graph: "all", "-all", "-NAME"; None: all where a backend other than ref runs
    pass_limit: int | None = None  # most edits that passes may make; None: any number
    tune: bool = False  # kernels whose modelled costs are close are measured at first use; results may differ in last bits
    tuning_file: str | os.PathLike[str] | None = None  # implies tune: keeps what was measured, for later processes
    logger: logging.Logger | str | None = None  # of what was opened, backends, plans, kernels, failures
    outputs: Sequence[str] | None = None  # the part of the model that these values need, and its inputs; None: all
    external_folder: str | os.PathLike[str] | None = None  # where external data is looked up; None: the model's folder


class Profile:
    """Time of a run, or of all runs that were given it.

    Rows of by_node, by_operator, by_milli and by_phase, longest first; and a timeline, of which max_spans are kept.
    """

    __slots__ = ("_handle",)

    def __init__(self, max_spans: int | None = None) -> None:
        self._handle = _sibyl.profile_create()
        if max_spans is not None:
            _sibyl.profile_limit(self._handle, max_spans)

    @property
    def by_node(self) -> list[ProfileRow]:
        """A row for each node of the graph."""
        return self._rows(0)

    @property
    def by_operator(self) -> list[ProfileRow]:
        """A row for each operator type."""
        return self._rows(1)

    @property
    def by_milli(self) -> list[ProfileRow]:
        """A row for each kind of step that operators are made of."""
        return self._rows(2)

    @property
    def by_phase(self) -> list[ProfileRow]:
        """Rows whose op_type is a kind of spans ("plan", "pack", "node", ...): time in those but in none inside them."""
        return self._rows(3)

    @property
    def spans(self) -> list[Span]:
        """The timeline, in the order in which the spans began."""
        return spans_of(self._handle)

    @property
    def dropped(self) -> int:
        """Spans that were not kept."""
        return _sibyl.profile_dropped(self._handle)

    @contextlib.contextmanager
    def span(self, name: str) -> Iterator[None]:
        """A span of your own around what is run inside it, in this thread."""
        token = _sibyl.profile_begin(self._handle, name)
        try:
            yield
        finally:
            _sibyl.profile_end(self._handle, token)

    def __repr__(self) -> str:
        rows = self.by_operator
        return f"<sibyl.Profile of {sum(row.calls for row in rows):,} calls in {sum(row.seconds for row in rows):.6f} s>"

    def _repr_html_(self) -> str:
        rows, phases = self.by_operator, self.by_phase
        total = sum(row.seconds for row in rows) or 1.0
        operators = [(row.op_type, row.backend, row.calls, 1e3 * row.seconds, _html.bar(row.seconds / total),
                      row.flops / row.seconds / 1e9 if row.seconds else 0.0) for row in rows]  # fmt: skip
        times = [(row.op_type, row.calls, 1e3 * row.seconds) for row in phases]
        return _html.block(
            "sibyl.Profile", f"{1e3 * sum(row.seconds for row in rows):.4g} ms in operators",
            _html.table(["operator", "backend", "calls", "ms", "share", "GFLOP/s"], operators),
            _html.table(["phase", "calls", "ms"], times),
        )  # fmt: skip

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Writes the timeline as Chrome trace JSON, which ui.perfetto.dev shows."""
        name = os.fsencode(path)
        try:
            _sibyl.profile_save_trace(self._handle, name)
        except SibylOSError as error:
            raise with_path(error, name, name) from None

    def _rows(self, by: int) -> list[ProfileRow]:
        return [ProfileRow(*row) for row in _sibyl.profile_rows(self._handle, by)]


@dataclasses.dataclass(frozen=True)
class ProfileRow:
    node: str  # "" in rows by operator
    op_type: str
    backend: str
    calls: int
    seconds: float
    flops: float = 0.0  # a multiply-add counts as 2; 0 where unknown
    bytes_read: int = 0
    bytes_written: int = 0
    memory: int = 0  # most bytes of values that existed during a call


class RunOptions:
    """Of a run. `terminate`, set to True from any thread, ends the runs that were given these options."""

    __slots__ = ("_cancel", "_terminate", "profile")

    def __init__(self, profile: Profile | None = None) -> None:
        self.profile = profile
        self._terminate = False
        self._cancel = _sibyl.cancel_create()

    @property
    def terminate(self) -> bool:
        return self._terminate

    @terminate.setter
    def terminate(self, value: bool) -> None:
        if value:
            _sibyl.cancel_set(self._cancel)
        elif self._terminate:
            self._cancel = _sibyl.cancel_create()
        self._terminate = bool(value)


# ---- What a session says of its model ------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class NodeArg:
    """An input or output.

    shape: a list of ints, names or expressions of symbolic dims ("T", "2*T + 1") and None for dims that have no name;
    None as a whole where the rank is not known or the value is no tensor. type: "tensor(float)", "seq(tensor(int64))",
    "optional(tensor(float))", "map(int64,tensor(float))".
    """

    name: str
    shape: list[int | str | None] | None
    type: str


@dataclasses.dataclass(frozen=True)
class ModelMetadata:
    producer_name: str
    graph_name: str
    domain: str
    description: str
    graph_description: str
    version: int
    custom_metadata_map: dict[str, str]


def _node_arg(info: dict[str, Any]) -> NodeArg:
    type = _types.parse(info["type"])
    shape = None
    if type.kind in ("tensor", "sparse_tensor") and info["dims"] is not None:
        shape = [None if isinstance(dim, str) and dim.startswith("?") else dim for dim in info["dims"]]
    return NodeArg(info["name"], shape, str(type))


# ---- Sessions -----------------------------------------------------------------------------------------------


class InferenceSession:
    """A model, ready to run. Several threads may run one session at once.

    path_or_bytes: a file, or what stands in one. providers: names of backends in order of choice, as
    get_available_providers gives them, those of devices also with a number ("cuda:1") or the option device_id, as a tuple
    ("cuda", {"device_id": 1}) or in provider_options. "CPUExecutionProvider" or "CPU" stands for all that need no device,
    "CUDAExecutionProvider" or "CUDA" for "cuda", "Vulkan" for "vulkan". registry: the operators of yours that the model may use; None is the
    one that `sibyl.operator` fills.

    Inputs are NumPy arrays (or torch tensors) of exactly the model's element type, lists for sequences, None or a value
    for optionals, dicts for maps; numbers, texts and lists of them, which have no type, take the model's. Arrays are
    read where they lie. Outputs are arrays over the library's memory, which are the caller's to keep and to change.
    """

    _profile: Profile | None = None  # of runs that are given none of their own

    def __init__(
        self,
        path_or_bytes: str | os.PathLike[Any] | bytes,
        sess_options: SessionOptions | None = None,
        providers: Sequence[str | tuple[str, Mapping[str, Any]]] | None = None,
        provider_options: Sequence[Mapping[str, Any]] | None = None,
        registry: Registry | None = None,
    ) -> None:
        options = sess_options or SessionOptions()
        if not isinstance(options, SessionOptions):
            raise TypeError(f"sess_options must be sibyl.SessionOptions, not {type(options).__name__}")
        self._providers = backends_of(providers, provider_options, registry or default_registry())
        model = open_model(path_or_bytes, registry, options.logger, options.external_folder)
        if options.outputs is not None:
            model = _sibyl.model_part(model, [str(name) for name in options.outputs])
        self._info = _sibyl.model_info(model)
        self._types = {info["name"]: _types.parse(info["type"]) for info in self._info["inputs"]}
        self._options = dataclasses.replace(options)
        self._handle = _sibyl.session_create(
            model,
            ",".join(self._providers),
            _number(options.intra_op_num_threads, "intra_op_num_threads", 32),
            _number(options.seed, "seed", 64),
            bool(options.oracle),
            _number(options.memory_limit, "memory_limit", 64),
            options.passes,
            None if options.pass_limit is None else _number(options.pass_limit, "pass_limit", 64),
            bool(options.tune),
            None if options.tuning_file is None else os.fsencode(options.tuning_file),
            *log_function(options.logger),
        )

    def __repr__(self) -> str:
        ends = [", ".join(f"{arg.name}: {arg.type} {arg.shape}" for arg in args) for args in (self.get_inputs(), self.get_outputs())]
        return f"<sibyl.{type(self).__name__} {self._info['graph']!r} on {', '.join(self._providers)}: {ends[0]} -> {ends[1]}>"

    def _repr_html_(self) -> str:
        info = self._info
        sides = (("input", self.get_inputs()), ("with default", self.get_overridable_initializers()), ("output", self.get_outputs()))
        ends = [(side, arg.name, arg.type, "" if arg.shape is None else str(arg.shape)) for side, args in sides for arg in args]
        facts = [("producer", f"{info['producer']} {info['producer_version']}".strip()), ("parameters", info["parameters"]),
                 ("backends", ", ".join(self._providers))]  # fmt: skip
        return _html.block(
            f"sibyl.{type(self).__name__}", info["graph"], _html.pairs(facts), _html.table(["", "name", "type", "shape"], ends)
        )

    def get_inputs(self) -> list[NodeArg]:
        """The inputs that every run must be given."""
        return [_node_arg(info) for info in self._info["inputs"] if not info["has_default"]]

    def get_overridable_initializers(self) -> list[NodeArg]:
        """The inputs that have a default."""
        return [_node_arg(info) for info in self._info["inputs"] if info["has_default"]]

    def get_outputs(self) -> list[NodeArg]:
        return [_node_arg(info) for info in self._info["outputs"]]

    def get_modelmeta(self) -> ModelMetadata:
        info = self._info
        return ModelMetadata(
            producer_name=info["producer"],
            graph_name=info["graph"],
            domain=info["domain"],
            description=info["description"],
            graph_description=info["graph_description"],
            version=info["model_version"],
            custom_metadata_map=dict(info["metadata"]),
        )

    def get_providers(self) -> list[str]:
        """The backends of this session, in order of choice."""
        return list(self._providers)

    def get_session_options(self) -> SessionOptions:
        """A copy of the options that the session was made with."""
        return dataclasses.replace(self._options)

    def plan(self) -> list[dict[str, Any]]:
        """The plans that runs of this session have made, in order of graphs and nodes, as `sibyl inspect --plan --json` prints them.

        Of each: graph and nodes (begin, end), facts (the dims it was made for), steps (node, type, backend, kernel, members of
        a fused step, inputs, outputs and packed constants as numbers of places), places (name, type, kind, offset and bytes in
        the arena, first_step and last_step), arena_bytes, own_bytes and plan_bytes.
        """
        return _sibyl.session_plan(self._handle)

    def edits(self) -> list[dict[str, Any]]:
        """What passes changed in the model's graphs for this session, edit by edit.

        Of each: pass, graph (its number, None where a later edit removed it), removed and added (lists of nodes: type and
        name), rewired (values of which the readers read another one instead: from and to).
        """
        return _sibyl.session_edits(self._handle)

    def run(
        self,
        output_names: Iterable[str] | None,
        input_feed: Mapping[str, Any],
        run_options: RunOptions | None = None,
    ) -> list[Any]:
        """The outputs of these names, or all in the model's order; input_feed: inputs by name."""
        return [from_value(value) for value in self._run(output_names, input_feed, run_options, None, False)[0]]

    def run_with_taps(
        self,
        names: str | Iterable[str] | None,
        input_feed: Mapping[str, Any],
        inside: bool = False,
        run_options: RunOptions | None = None,
    ) -> dict[str, Any]:
        """Copies of the values of these names, or that these globs match ("encoder/*"), in the order they were made.

        Outputs count as values; None stands for every value. Values inside a subgraph are called "loop[4]/name".
        inside: the values of the steps that operators are made of too, as "node/milli.3:add". A name that no value of
        this run has is a SibylValueError.
        """
        names = ["*"] if names is None else [names] if isinstance(names, str) else list(names)
        if not names:
            return {}
        taps = self._run(None, input_feed, run_options, names, inside)[1]
        found = {name: from_value(value) for name, value in taps}
        for name in names:
            if name not in found and not any(c in name for c in "*?["):
                raise SibylValueError(f"no value of the run is called '{name}'")
        return found

    def watch(
        self,
        names: str | Iterable[str] | None = None,
        on_value: Callable[[ValueEvent, Any], Any] | None = None,
        on_digest: Callable[[ValueEvent, Digest], Any] | None = None,
        on_event: Callable[[Span, bool], Any] | None = None,
        *,
        inside: bool = False,
        optimised: bool = False,
        exact: bool = False,
        share: float | None = None,
    ) -> Watch:
        """Watches runs of this session, also those under way in other threads, until it is removed.

        names: as in run_with_taps. on_value(event, array) gets copies, on_digest(event, digest) what sibyl.digest gives, and
        on_event(span, begins) is called for runs, plans and nodes; what the first two raise ends that run. Without a function
        the newest digest of each value is kept:

            with session.watch("encoder/*") as watch:
                session.run(None, feed)
            watch.digests["encoder/out"]["nan"]

        inside: values of milli-ops too. optimised: runs stay as fast as unwatched ones, and of the values those are seen
        that passes and fusing leave; otherwise runs that begin while it is there compute every value of the file's graph.
        exact: histograms of every element. share: the part of the time of runs that watching may take: once a run was seen,
        none is until the following have taken long enough; watch.skipped counts these. None: every run where there is
        on_value, and 0.05 for digests alone, once these have taken 0.05 s. 0: every run.
        """
        return Watch(
            self._handle, names, on_value, on_digest, on_event, inside=inside, optimised=optimised, exact=exact, share=share
        )

    def run_with_profile(self, input_feed: Mapping[str, Any], output_names: Iterable[str] | None = None) -> Profile:
        """The times of one run."""
        profile = Profile()
        self._run(output_names, input_feed, RunOptions(profile), None, False)
        return profile

    def _run(
        self,
        output_names: Iterable[str] | None,
        input_feed: Mapping[str, Any],
        run_options: RunOptions | None,
        taps: list[str] | None,
        inside: bool,
    ) -> tuple[list[Any], list[tuple[str, Any]]]:
        if not isinstance(input_feed, Mapping):
            raise TypeError(f"input_feed must be a dict from names to values, not {type(input_feed).__name__}")
        if run_options is not None and not isinstance(run_options, RunOptions):
            raise TypeError(f"run_options must be sibyl.RunOptions, not {type(run_options).__name__}")
        if isinstance(output_names, str):
            raise TypeError(f"output_names must be a list of names, not the text {output_names!r}")
        names = list(input_feed)
        values = [to_value(given, self._types.get(name, _types.UNKNOWN), name) for name, given in input_feed.items()]
        outputs = list(output_names or []) or None
        profile = (run_options.profile if run_options else None) or self._profile
        cancel = run_options._cancel if run_options else None
        handle = profile._handle if profile else None
        return _sibyl.session_run(self._handle, names, values, outputs, taps, inside, handle, cancel)


def _number(value: Any, name: str, bits: int) -> int:
    value = operator.index(value)
    if not 0 <= value < 2**bits:
        raise ValueError(f"{name} is {value}, expected 0 to 2^{bits} - 1")
    return value
