"""Clocks, statistics of what was measured, memory, and a monitor for long runs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from . import _html, _sibyl
from .session import _number


class Timer:
    """Seconds of the monotonic clock, since it was made or since its `with` began, until its `with` ended.

    with sibyl.Timer() as timer:
        session.run(None, feed)
    timer.seconds
    """

    __slots__ = ("_begin", "_end")

    def __init__(self) -> None:
        self._begin = _sibyl.time_ns()
        self._end: int | None = None

    def __enter__(self) -> Timer:
        self._begin, self._end = _sibyl.time_ns(), None
        return self

    def __exit__(self, *exception: Any) -> None:
        self._end = _sibyl.time_ns()

    @property
    def seconds(self) -> float:
        return ((_sibyl.time_ns() if self._end is None else self._end) - self._begin) * 1e-9

    def __repr__(self) -> str:
        return f"<sibyl.Timer {self.seconds:.6f} s{'' if self._end is not None else ', running'}>"


@dataclasses.dataclass(frozen=True)
class Series(_html.Fields):
    """Statistics of a series. Percentiles interpolate linearly between order statistics, as NumPy's do."""

    n: int
    min: float
    median: float
    mean: float
    p95: float
    p99: float
    max: float
    std: float  # of the sample (n - 1); 0 for one value
    outliers: list[int]  # places of values more than 1.5 interquartile ranges from the quartiles (Tukey 1977)


def series_stats(values: Any) -> Series:
    """Statistics of n numbers, such as seconds of runs. Raises ValueError: no values, one that is NaN or infinite."""
    numbers = np.ascontiguousarray(values, np.float64).reshape(-1)
    outliers = np.zeros(numbers.shape, np.bool_)
    return Series(*(*_sibyl.series_stats(numbers, outliers), np.flatnonzero(outliers).tolist()))


@dataclasses.dataclass(frozen=True)
class MemoryUse(_html.Fields):
    """Bytes: of this process as the system counts them (0 where unknown), and those that the library holds."""

    resident: int
    resident_peak: int
    allocated: int
    allocated_peak: int


def memory() -> MemoryUse:
    """What this process and the library hold now."""
    counters = _sibyl.alloc_counters()
    return MemoryUse(*_sibyl.memory_usage(), counters["bytes_current"], counters["bytes_peak"])


def set_memory_limit(bytes: int | None) -> None:
    """How many bytes the library may hold in this process; what needs more is a MemoryError.

    0, as at the start: as many megabytes as the environment variable SIBYL_MEMORY says, else seven eighths of what the
    machine has for this process. None: no limit. Weights in mapped files are not counted.
    """
    _sibyl.memory_limit_set(2**64 - 1 if bytes is None else _number(bytes, "bytes", 64))


@dataclasses.dataclass(frozen=True)
class MonitorSample:
    seconds: float  # since the monitor began
    cpu: float  # busy processors on average since the sample before
    resident: int  # bytes
    allocated: int  # bytes that the library holds


class Monitor:
    """Reads CPU and memory of this process every `interval` seconds in a thread of its own, from the time it is made.

    with sibyl.Monitor(0.05) as monitor:
        job.run({"audio": "long.flac"})
    max(sample.resident for sample in monitor.samples)

    capacity: samples kept; when full, every second one goes and the interval doubles. stop() and the end of `with` take a
    last one. Raises ValueError: interval below 0.001 s, capacity below 2.
    """

    __slots__ = ("_handle",)

    def __init__(self, interval: float = 0.1, capacity: int = 1000) -> None:
        self._handle = _sibyl.monitor_start(float(interval), _number(capacity, "capacity", 32))

    @property
    def samples(self) -> list[MonitorSample]:
        """Those so far, oldest first."""
        return [MonitorSample(*sample) for sample in _sibyl.monitor_samples(self._handle)]

    def stop(self) -> None:
        """Takes a last sample and ends the thread; may be called twice."""
        _sibyl.monitor_stop(self._handle)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<sibyl.Monitor of {len(self.samples)} samples>"
