"""A session's timeline as a file of the form that onnxruntime's tools read: a list of Chrome-trace events."""

from __future__ import annotations

import datetime
import json
import os
import time

from .. import watch
from ..session import Profile

_MAX_SPANS = 1_000_000  # as many events as onnxruntime keeps


class SessionProfile:
    """Collects the runs of a session from when it is made."""

    def __init__(self, prefix: str) -> None:
        self.begin = time.monotonic_ns()
        self.spans = Profile(_MAX_SPANS)
        self._events: list[dict[str, object]] = []
        stamp = datetime.datetime.now()
        self._path = f"{prefix}_{stamp:%Y-%m-%d_%H-%M-%S}_{stamp.microsecond // 1000:03}.json"

    def add(self, name: str, begin: int) -> int:
        """Something of the session that began at `begin` and ends now, which is returned."""
        now = time.monotonic_ns()
        self._events.append(self._event("Session", name, os.getpid(), begin, now, {}))
        return now

    def _event(
        self, category: str, name: str, thread: int, begin: int, end: int, details: dict[str, object]
    ) -> dict[str, object]:
        microseconds = {"dur": (end - begin) // 1000, "ts": (begin - self.begin) // 1000}
        return {
            "cat": category,
            "pid": os.getpid(),
            "tid": thread,
            **microseconds,
            "ph": "X",
            "name": name,
            "args": details,
        }

    def _of_span(self, span: watch.Span) -> dict[str, object]:
        if span.kind != "node":
            name = "model_run" if span.kind == "run" else " ".join(filter(None, (span.kind, span.name)))
            return self._event("Session", name, span.thread, span.begin, span.end, {})
        details: dict[str, object] = {
            "op_name": span.op_type,
            "provider": span.backend,
            "kernel": span.kernel,
        }
        for field in ("flops", "bytes_read", "bytes_written", "memory"):
            details[field] = str(getattr(span, field))
        return self._event("Node", f"{span.name}_kernel_time", span.thread, span.begin, span.end, details)

    def write(self) -> str:
        """The name of the file, which lies where the prefix says."""
        events = self._events + [self._of_span(span) for span in self.spans.spans if span.end]
        with open(self._path, "w", encoding="utf-8") as file:
            file.write("[\n" + ",\n".join(map(json.dumps, events)) + "\n]\n")
        return self._path
