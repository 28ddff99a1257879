"""Long calls of the library that can be interrupted.

Python hears Ctrl-C on the main thread alone, and only between its own steps; a call of the library is one step. So there the
call goes to a thread of its own, while the main thread waits, answers what the call tells, and ends it when it is
interrupted.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import Any, Callable, Generic, Iterator, TypeVar

T = TypeVar("T")


class _GivenUp(Exception):
    """Whoever listened has gone."""


class Work(Generic[T]):
    """A call on a thread of its own. call(tell): it tells something with tell(*what), and goes on when that was taken in.

    cancel: ends the call soon, from any thread. `told` must be gone through to the end, or closed, before `result`.
    """

    def __init__(self, call: Callable[[Callable[..., None]], T], cancel: Callable[[], None]) -> None:
        self._told: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._go_on: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._result: T | None = None
        self._error: BaseException | None = None
        self._cancel = cancel
        self._thread = threading.Thread(target=self._run, args=(call,), name="sibyl", daemon=True)

    def _run(self, call: Callable[[Callable[..., None]], T]) -> None:
        try:
            self._result = call(self._tell)
        except BaseException as error:
            self._error = error
        self._told.put(None)

    def _tell(self, *what: Any) -> None:
        self._told.put(what)
        if not self._go_on.get():
            raise _GivenUp

    def told(self) -> Iterator[tuple[Any, ...]]:
        """What the call tells, as it comes; the call waits until the next is asked for."""
        try:
            self._thread.start()
            while (what := self._told.get()) is not None:
                yield what
                self._go_on.put(True)
        finally:
            self._cancel()
            self._go_on.put(False)
            if self._thread.ident is not None:
                self._thread.join()

    def result(self) -> T:
        if self._error:
            try:
                raise self._error
            finally:
                self._error = None
        return self._result  # type: ignore[return-value]


def call(function: Callable[..., T], listeners: list[Callable[..., Any] | None], cancel: Callable[[], None]) -> T:
    """function(*listeners), interruptible; the listeners are called on this thread."""
    if threading.current_thread() is not threading.main_thread():
        return function(*listeners)

    def relayed(tell: Callable[..., None]) -> T:
        def relay(listener: Callable[..., Any]) -> Callable[..., None]:
            return lambda *what: tell(listener, *what)

        return function(*(listener and relay(listener) for listener in listeners))

    work = Work(relayed, cancel)
    with contextlib.closing(work.told()) as told:  # type: ignore[type-var]
        for listener, *what in told:
            listener(*what)
    return work.result()
