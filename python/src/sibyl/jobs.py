"""Jobs: audio in and text out, text in and text out, audio in and speech spans out, by documents that say how."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import math
import numbers
import operator
import os
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from . import _html, _sibyl, _waiting
from ._logging import log_function
from ._arrays import as_samples, is_tensor
from ._types import UNKNOWN
from ._values import from_value, to_value
from .audio import load_audio
from .errors import SibylOSError, SibylValueError, with_path
from .generation import PrefixCache, Speculation
from .model import open_model
from .registry import Registry, default_registry
from .providers import backends_of
from .session import InferenceSession, Profile, _number
from .text import Tokenizer
from .watch import Digest, Span, ValueEvent, Watch

Path = str | os.PathLike[Any]

_TYPES = _sibyl.port_types


@dataclasses.dataclass(frozen=True)
class JobPort:
    """An input or output of a job.

    type: "audio", "tensor", "tokens", "text", "number", "numbers", "flag", "texts", "segments" or "spans".
    """

    name: str
    type: str
    doc: str | None
    optional: bool  # an input that may be left out


JobSource = tuple[Any, ...] | None
"""Where a value comes from: ("literal", value) of the document, ("input", number) of the job, ("node", number, port) of what a
node gives, ("loop", number, port) of what a loop's body takes; None: it is left out, or the port gives."""


@dataclasses.dataclass(frozen=True)
class JobNodePort(JobPort):
    """A port of a node, with where its value comes from."""

    source: JobSource


@dataclasses.dataclass(frozen=True)
class JobNode:
    """A node of a job. Of a loop, body_takes are what its body reads in each iteration (states, then items), body_gives what is
    taken from it after each (states, what is collected, flags that end the loop)."""

    name: str
    op: str  # its kind
    doc: str
    tokenizer: str | None
    loop: int | None  # number of the loop in whose body it stands
    calls: dict[str, str]  # of models: as what the node uses it, to the name of the call
    takes: list[JobNodePort]
    gives: list[JobNodePort]
    body_takes: list[JobNodePort]
    body_gives: list[JobNodePort]


def _names(outputs: Iterable[str] | None) -> list[str] | None:
    if isinstance(outputs, str):
        raise TypeError(f"outputs must be a list of names, not the text {outputs!r}")
    return None if outputs is None else [str(name) for name in outputs]


def _steps(max_steps: int | None) -> int:
    """As the library takes it: 0 is its own limit."""
    steps = 0 if max_steps is None else _number(operator.index(max_steps), "max_steps", 64)
    if max_steps is not None and steps == 0:
        raise ValueError("max_steps is 0, expected at least 1")
    return steps


# ---- In ---------------------------------------------------------------------------------------------------------


def _is_number(given: Any) -> bool:
    return isinstance(given, (numbers.Real, np.number)) and not isinstance(given, (bool, np.bool_))


def _wrong(port: JobPort, given: Any, wanted: str) -> TypeError:
    return TypeError(f"input '{port.name}' is of type {type(given).__name__}, expected {wanted}")


def _audio(port: JobPort, given: Any, sample_rate: float) -> Any:
    if isinstance(given, (str, bytes, os.PathLike)):
        given = load_audio(given, int(sample_rate))
    elif not (isinstance(given, np.ndarray) or is_tensor(given)) and hasattr(given, "__dlpack__"):
        given = np.from_dlpack(given)
    samples = as_samples(given, f"input '{port.name}'")
    if samples.ndim != 1:
        raise ValueError(f"input '{port.name}' has {samples.ndim} dimensions, expected (n,) samples of one channel")
    return to_value(samples, UNKNOWN, port.name)


def _tensor(port: JobPort, given: Any) -> Any:
    if not (isinstance(given, (np.ndarray, np.generic)) or is_tensor(given)) and hasattr(given, "__dlpack__"):
        given = np.from_dlpack(given)
    return to_value(given, UNKNOWN, port.name)


def _tokens(port: JobPort, given: Any) -> np.ndarray[Any, Any]:
    if isinstance(given, (str, bytes)):
        raise _wrong(port, given, "ids of tokens")
    ids = np.asarray(given.detach().cpu() if is_tensor(given) else given).reshape(-1)
    if ids.size and ids.dtype.kind not in "iu":
        raise TypeError(f"input '{port.name}' has elements of {ids.dtype}, expected ids of tokens")
    if ids.size and not (-(2**31) <= int(ids.min()) and int(ids.max()) < 2**31):
        raise ValueError(f"input '{port.name}' holds numbers that are no ids of tokens")
    return np.ascontiguousarray(ids, np.int32)


def _text(port: JobPort, given: Any) -> bytes:
    if isinstance(given, str):
        return given.encode("utf-8", "surrogateescape")
    if isinstance(given, bytes):
        return given
    raise _wrong(port, given, "str or bytes")


def _texts(port: JobPort, given: Any) -> list[bytes]:
    return [_text(port, text) for text in ([given] if isinstance(given, (str, bytes)) else given)]


def _float(port: JobPort, given: Any) -> float:
    if not _is_number(given):
        raise _wrong(port, given, "a number")
    return float(given)


def _floats(port: JobPort, given: Any) -> np.ndarray[Any, Any]:
    if isinstance(given, (str, bytes)):
        raise _wrong(port, given, "numbers")
    given = [given] if _is_number(given) else list(given)
    return np.array([_float(port, number) for number in given], np.float64)


def _flag(port: JobPort, given: Any) -> bool:
    if not isinstance(given, (bool, np.bool_)):
        raise _wrong(port, given, "bool")
    return bool(given)


_TAKERS: dict[str, Callable[[JobPort, Any], Any]] = {
    "tensor": _tensor,
    "tokens": _tokens,
    "text": _text,
    "texts": _texts,
    "number": _float,
    "numbers": _floats,
    "flag": _flag,
}


# ---- Jobs --------------------------------------------------------------------------------------------------------


def describe_job(model: Path | None = None, kind: str | None = None, tokenizer: Path | None = None) -> str:
    """The JSON document that Sibyl has for a model, None being the job of features: to be kept beside it, and changed."""
    path = None if model is None else os.fsencode(model)
    try:
        return _sibyl.job_describe(path, kind, _encoded(tokenizer))
    except SibylOSError as error:
        raise with_path(error, path, path) if path is not None else error from None


def _model(model: InferenceSession | Path | bytes, registry: Registry, logger: logging.Logger | str | None) -> Any:
    """The handle of a model that a document names."""
    return _sibyl.session_model(model._handle) if isinstance(model, InferenceSession) else open_model(model, registry, logger)


def _encoded(path: Path | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


class Job:
    """A job by its document. Several threads may run one job at once.

    path_or_text: a file with a document, a folder with job.json in it, an ONNX model that Sibyl has a job for, or the
    document itself, as text that begins with "{" or as a dict. kind: of a job for a model, where more than one would do.
    tokenizer: a file to take instead of the one that the document names. backends: names in order of choice, as
    get_available_providers gives them. threads: 0 for one per processor. folder: where a document that is given as text
    finds its models. confine: for documents of strangers; they may name files of their own folder only, and absolute
    names, ".." and symbolic links that lead out are refused. logger: where its models and plans are logged.
    registry: the operators and backends of yours that its models may use; None is the default one.

    models, tokenizers: what a document that is given as text or as a dict names, by the names that it gives in place of files;
    where one of the two is given no file is read for it. A model is an InferenceSession, whose model is shared, a
    path or the bytes of a file, a tokenizer a Tokenizer or a path. Such a document may come from a stranger: it reaches
    nothing else, and has its chat template as text. kind, tokenizer, folder and confine are not for it.
    """

    def __init__(
        self,
        path_or_text: Path | Mapping[str, Any],
        kind: str | None = None,
        tokenizer: Path | None = None,
        backends: str | Sequence[str] | None = None,
        threads: int = 0,
        *,
        folder: Path | None = None,
        confine: bool = False,
        logger: logging.Logger | str | None = None,
        registry: Registry | None = None,
        models: Mapping[str, InferenceSession | Path | bytes] | None = None,
        tokenizers: Mapping[str, Tokenizer | Path] | None = None,
    ) -> None:
        path, text = None, None
        if isinstance(path_or_text, Mapping):
            text = json.dumps(path_or_text)
        elif isinstance(path_or_text, str) and path_or_text.lstrip().startswith("{"):
            text = path_or_text
        elif isinstance(path_or_text, (str, os.PathLike)):
            path = os.fsencode(path_or_text)
        else:
            raise TypeError(f"a job is given as a path, a text or a dict, not {type(path_or_text).__name__}")
        if folder is not None and path is not None:
            raise ValueError("folder is for a document that is given as text")
        names = [backends] if isinstance(backends, str) else backends
        known = registry or default_registry()
        chosen = None if names is None else ",".join(backends_of(names, None, known))
        number = _number(threads, "threads", 32)
        log = log_function(logger)
        try:
            if models is not None or tokenizers is not None:
                if text is None or confine or any(given is not None for given in (kind, tokenizer, folder)):
                    raise ValueError("models and tokenizers are for a document that is given as text, without kind, tokenizer, folder and confine")
                given = [(name, _model(model, known, logger)) for name, model in (models or {}).items()]
                named = [(name, (made if isinstance(made, Tokenizer) else Tokenizer(made))._handle) for name, made in (tokenizers or {}).items()]
                self._handle = _sibyl.job_open_from(text, chosen, number, *log, given, named)
            else:
                self._handle = _sibyl.job_open(path, text, _encoded(folder), kind, _encoded(tokenizer), chosen, number, confine, *log, known._handle)
        except SibylOSError as error:
            raise with_path(error, path, path) if path is not None else error from None
        info = _sibyl.job_info(self._handle)
        self.kind: str = info["kind"]
        self.name: str = info["name"]
        self.doc: str | None = info["doc"]
        self.sample_rate: float = info["sample_rate"]  # Hz, of audio inputs
        self.document: str = info["document"]  # JSON
        self.inputs = [JobPort(*port) for port in info["inputs"]]
        self.outputs = [JobPort(*port) for port in info["outputs"]]

    @property
    def nodes(self) -> list[JobNode]:
        """Its nodes in the order of the document, each loop before the nodes of its body."""
        return [JobNode(*known, *([JobNodePort(*port) for port in side] for side in sides)) for *known, sides in _sibyl.job_nodes(self._handle)]

    @property
    def output_sources(self) -> list[JobSource]:
        """Where the value of each output comes from."""
        return _sibyl.job_output_sources(self._handle)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} {self.name!r} of kind {self.kind}>"

    def _repr_html_(self) -> str:
        return self._html("sibyl.Job")

    def _html(self, title: str) -> str:
        ports = [(side, port.name, port.type, port.doc)
                 for side, known in (("takes", self.inputs), ("gives", self.outputs)) for port in known if not port.optional]  # fmt: skip
        options = ", ".join(port.name for port in self.inputs if port.optional)
        nodes = [(node.name, node.op, ", ".join(node.calls.values()), node.doc) for node in self.nodes]
        return _html.block(title, f"{self.name}, {self.kind}", _html.table(["", "port", "type", "what"], ports),
                           _html.pairs([("options", options)]) if options else "",
                           _html.table(["node", "kind", "models", "what"], nodes))  # fmt: skip

    def run(
        self,
        inputs: Mapping[str, Any],
        outputs: Iterable[str] | None = None,
        on_text: Callable[[str], Any] | None = None,
        on_segment: Callable[[dict[str, Any]], Any] | None = None,
        on_progress: Callable[[float, float], Any] | None = None,
        taps: str | Iterable[str] | None = None,
        on_tap: Callable[[str, Any], Any] | None = None,
        max_steps: int | None = None,
        profile: Profile | None = None,
        logprobs: bool = False,
        prefix_cache: PrefixCache | None = None,
        speculation: Speculation | None = None,
    ) -> dict[str, Any]:
        """Runs what these outputs need, None being all, and gives them by name.

        inputs: by name; one that is None is left out. Audio is a path, which is decoded at the job's rate, or samples (n,)
        at it: a NumPy array, a torch tensor or whatever has __dlpack__. Tensors come out as arrays, tokens as lists of int,
        text as str, in which bytes that are no UTF-8 stand as surrogates (errors="surrogateescape" gives them back),
        segments as the dicts that openai-whisper has, spans as dicts of start and end in seconds.

        Functions are called while the run goes on: on_text(text) and on_segment(segment) as soon as those are certain,
        on_progress(done, total) in seconds of audio or in tokens, total 0 where it is not known, on_tap(path, value) for the
        inner values that `taps` names by path or glob ("decoder/step[12]/logits", "mel/*"). What one raises ends the run.
        logprobs: segments also have logprobs, that of each of their tokens among those that were allowed there.
        prefix_cache, speculation: what runs of this job share.
        profile: filled with a timeline of nodes, calls and runs. max_steps: turns that a loop may take, 1,000,000 where nothing is said.
        """
        if (taps is None) != (on_tap is None):
            raise ValueError("taps and on_tap are given together")
        run, cancel = self._prepare(inputs, outputs, taps, max_steps, profile, logprobs, prefix_cache, speculation)
        tap = on_tap and (lambda path, value: on_tap(path, from_value(value)))
        words = bool(inputs.get("word_timestamps"))
        segment = on_segment and (lambda given: on_segment(_segment(given, words, logprobs)))
        return _waiting.call(run, [on_text, segment, on_progress, tap], cancel)

    def run_many(
        self,
        runs: Iterable[Mapping[str, Any]],
        outputs: Iterable[str] | None = None,
        max_steps: int | None = None,
    ) -> list[dict[str, Any]]:
        """Several runs at once, each as run gives it within float rounding: calls of models for which the document has "batch"
        are made for several runs together, so that 64 texts are embedded in half of the time.

        runs: the inputs of each, with the same names, at most 65,536. What fails is one run's error, and nothing is given.
        """
        given = [self._inputs(run) for run in runs]
        for i, inputs in enumerate(given):
            if {name for name, _, _ in inputs} != {name for name, _, _ in given[0]}:
                raise ValueError(f"run {i} has other inputs than run 0: all have the same names")
        if not given:
            return []
        names, steps = _names(outputs), _steps(max_steps)
        cancel = _sibyl.cancel_create()
        flat = [value for inputs in given for value in inputs]
        made = _waiting.call(
            lambda: _sibyl.job_run_many(self._handle, len(given), flat, names, steps, cancel), [], functools.partial(_sibyl.cancel_set, cancel)
        )
        return [self._outputs(names, each) for each in made]

    def watch(
        self,
        call: str,
        names: str | Iterable[str] | None = None,
        on_value: Callable[[ValueEvent, Any], Any] | None = None,
        on_digest: Callable[[ValueEvent, Digest], Any] | None = None,
        on_event: Callable[[Span, bool], Any] | None = None,
        *,
        inside: bool = False,
        optimised: bool = False,
        exact: bool = False,
        share: float = 0.0,
    ) -> Watch:
        """Watches the runs of the model that this call of the document makes: see InferenceSession.watch."""
        sessions = _sibyl.job_sessions(self._handle)
        if call not in sessions:
            raise SibylValueError(f"job '{self.name}' has no call '{call}', expected one of {', '.join(sessions)}")
        return Watch(sessions[call], names, on_value, on_digest, on_event, inside=inside, optimised=optimised, exact=exact, share=share)

    def run_with_taps(self, taps: str | Iterable[str], inputs: Mapping[str, Any], outputs: Iterable[str] | None = None) -> dict[str, Any]:
        """Copies of the inner values of these paths, or that these globs fit, in the order they were made.

        A path without * and ? that no value of this run has is a SibylValueError.
        """
        names = [taps] if isinstance(taps, str) else list(taps)
        found: dict[str, Any] = {}
        self.run(inputs, outputs, taps=names, on_tap=found.__setitem__)
        for name in names:
            if name not in found and not any(c in name for c in "*?"):
                raise SibylValueError(f"no value of the run is called '{name}'")
        return found

    def stream(
        self,
        inputs: Mapping[str, Any],
        outputs: Iterable[str] | None = None,
        max_steps: int | None = None,
        prefix_cache: PrefixCache | None = None,
        speculation: Speculation | None = None,
    ) -> Iterator[str]:
        """The text of a run, piece by piece as it becomes certain. The run goes on as pieces are asked for, and ends where
        the iterator is closed or given up."""
        run, cancel = self._prepare(inputs, outputs, None, max_steps, None, False, prefix_cache, speculation)
        work = _waiting.Work(lambda tell: run(tell, None, None, None), cancel)
        return self._pieces(work)

    @staticmethod
    def _pieces(work: _waiting.Work[Any]) -> Iterator[str]:
        told = work.told()
        try:
            for (piece,) in told:
                yield piece
        finally:
            told.close()  # type: ignore[attr-defined]
        work.result()

    def _prepare(
        self,
        inputs: Mapping[str, Any],
        outputs: Iterable[str] | None,
        taps: str | Iterable[str] | None,
        max_steps: int | None,
        profile: Profile | None = None,
        logprobs: bool = False,
        prefix_cache: PrefixCache | None = None,
        speculation: Speculation | None = None,
    ) -> tuple[Callable[..., dict[str, Any]], Callable[[], None]]:
        """The run as a function of its listeners, and what ends it."""
        given = self._inputs(inputs)
        names, steps = _names(outputs), _steps(max_steps)
        paths = None if taps is None else [taps] if isinstance(taps, str) else [str(path) for path in taps]
        cancel = _sibyl.cancel_create()
        words = bool(inputs.get("word_timestamps"))
        cache, guesses = prefix_cache and prefix_cache._handle, speculation and speculation._handle

        def run(*listeners: Callable[..., Any] | None) -> dict[str, Any]:
            made = _sibyl.job_run(self._handle, given, names, paths, *listeners, steps, cancel, profile and profile._handle, cache, guesses)
            return self._outputs(names, made, words, logprobs)

        return run, functools.partial(_sibyl.cancel_set, cancel)

    def _outputs(self, names: list[str] | None, made: list[Any], words: bool = False, logprobs: bool = False) -> dict[str, Any]:
        """What the library gives for these outputs, None being all, by name."""
        types = {port.name: port.type for port in self.outputs}
        return {name: _give(types[name], value, words, logprobs) for name, value in zip(names or types, made)}

    def _inputs(self, inputs: Mapping[str, Any]) -> list[tuple[str, int, Any]]:
        """Each as its name, the number of its type, and what the library takes."""
        if not isinstance(inputs, Mapping):
            raise TypeError(f"inputs must be a dict from names to values, not {type(inputs).__name__}")
        known = {port.name: port for port in self.inputs}
        given = []
        for name, value in inputs.items():
            if name not in known:
                raise SibylValueError(f"job '{self.name}' has no input '{name}', expected some of {', '.join(known)}")
            if value is not None:
                given.append((name, _TYPES[known[name].type], self._take(known[name], value)))
        return given

    def _take(self, port: JobPort, value: Any) -> Any:
        if port.type == "audio":
            return _audio(port, value, self.sample_rate)
        if port.type not in _TAKERS:
            raise _wrong(port, value, f"nothing: {port.type} are not given to jobs")
        return _TAKERS[port.type](port, value)


# ---- Out -----------------------------------------------------------------------------------------------------------


def _segment(given: dict[str, Any], words: bool, logprobs: bool) -> dict[str, Any]:
    """openai-whisper gives words where they were asked for, and none to a segment that it has emptied; it has no logprobs."""
    if not logprobs:
        del given["logprobs"]
    if words or not given["text"]:
        given.setdefault("words", [])
    return given


def _give(type: str, value: Any, words: bool, logprobs: bool) -> Any:
    if type in ("tensor", "audio"):
        return from_value(value)
    if type == "segments":
        return [_segment(segment, words, logprobs) for segment in value]
    return value


def shown(text: str) -> str:
    """A text of a job with U+FFFD for what is no UTF-8, as openai-whisper shows it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_off(value: Any) -> bool:
    """None and NaN, which switch a threshold off."""
    return value is None or (isinstance(value, float) and math.isnan(value))
