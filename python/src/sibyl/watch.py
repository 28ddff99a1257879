"""What goes on inside runs: digests of values, watches, and the spans of timelines."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Iterable

import numpy as np

from . import _sibyl, _types
from ._values import from_value, to_value
from .errors import SibylValueError

Digest = dict[str, Any]


def _digest(raw: tuple[Any, ...]) -> Digest:
    names = "count nan plus_infinity minus_infinity zero min max mean std counted".split()
    histogram, rows, columns, cells, not_finite = raw[10:]
    found: Digest = dict(zip(names, raw))
    found["histogram"] = np.frombuffer(histogram, np.uint64)
    found["cells"] = np.frombuffer(cells, np.float32).reshape(32, 32)[:rows, :columns]
    bits = np.frombuffer(not_finite, np.uint32)[:rows, None] >> np.arange(columns, dtype=np.uint32)
    found["not_finite"] = (bits & 1).astype(bool)
    return found


def digest(value: Any, exact: bool = False) -> Digest:
    """What is in an array (or a list of arrays), at a glance; NaN and infinities are counted and spoil nothing else.

    count, nan, plus_infinity, minus_infinity, zero: numbers of elements. min, max, mean, std: of the finite ones. histogram:
    64 equal bins from min to max, of `counted` elements: a sample of 1,024 at most where there are more, unless exact. cells: the last
    two axes as the means of up to 32 x 32 cells over all other axes, NaN where a cell has no finite element; not_finite: the
    cells in which some element is not.
    """
    return _digest(_sibyl.digest_of(to_value(value, _types.UNKNOWN, "value"), exact))


@dataclasses.dataclass(frozen=True, slots=True)
class ValueEvent:
    """A value as a run computes it: see InferenceSession.run_with_taps for its name."""

    name: str
    node: str  # that computed it; "" for an input
    op_type: str
    milli: bool  # a value inside an operator
    run: int  # number of the run in its session, from 1
    time_ns: int  # of the monotonic clock, time.monotonic_ns()


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """Something that took time: times are of time.monotonic_ns(), end is 0 while it goes on."""

    kind: str  # "job", "call", "run", "body", "plan", "pack", "node" or "step"
    name: str
    op_type: str
    backend: str
    kernel: str
    run: int
    thread: int  # native id of the thread
    begin: int
    end: int
    depth: int
    parent: int | None  # index in the profile's spans
    flops: float
    bytes_read: int
    bytes_written: int
    memory: int  # bytes of values that exist while a node runs

    @property
    def seconds(self) -> float:
        return (self.end - self.begin) * 1e-9 if self.end else 0.0


def spans_of(profile: Any) -> list[Span]:
    none = 2**32 - 1
    return [
        Span(*raw[:10], None if parent == none else parent, *raw[11:]) for raw, parent in _sibyl.profile_spans(profile)
    ]


class Watch:
    """Sees values and events of a session's runs until it is removed: a context manager, made by InferenceSession.watch.

    digests: the newest digest of each value by name, where no callback was given.
    """

    def __init__(
        self,
        session: Any,
        names: str | Iterable[str] | None = None,
        on_value: Callable[[ValueEvent, Any], Any] | None = None,
        on_digest: Callable[[ValueEvent, Digest], Any] | None = None,
        on_event: Callable[[Span, bool], Any] | None = None,
        *,
        inside: bool = False,
        optimised: bool = False,
        exact: bool = False,
        share: float | None = None,
    ) -> None:
        self.digests: dict[str, Digest] = {}
        self._skipped = 0
        if on_value is None and on_digest is None and on_event is None:
            on_digest = self._keep
        self._handle = _sibyl.watch_add(
            session,
            None if names is None else [names] if isinstance(names, str) else list(names),
            inside,
            optimised,
            exact,
            -1.0 if share is None else self._share(share),
            on_value and (lambda *e: on_value(ValueEvent(*e[:6]), from_value(e[6]))),
            on_digest and (lambda *e: on_digest(ValueEvent(*e[:6]), _digest(e[6]))),
            on_event and (lambda span, begins: on_event(Span(*span), begins)),
        )

    @staticmethod
    def _share(share: float) -> float:
        if not 0 <= share <= 1:
            raise SibylValueError(f"the share is {share}, expected 0 to 1")
        return float(share)

    @property
    def skipped(self) -> int:
        """Runs that were not seen so far, for the share of the time."""
        return self._skipped if self._handle is None else _sibyl.watch_skipped(self._handle)

    def _keep(self, event: ValueEvent, found: Digest) -> None:
        self.digests[event.name] = found

    def remove(self) -> None:
        """Ends it: no callback of it runs in another thread any more, and none will. May be called twice."""
        self._skipped = self.skipped
        handle, self._handle = self._handle, None
        if handle is not None:
            _sibyl.watch_remove(handle)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()
