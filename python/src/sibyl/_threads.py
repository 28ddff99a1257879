"""Pools of threads, made once for each number of threads."""

from __future__ import annotations

import functools
import operator
import os
from typing import Any

from . import _sibyl


@functools.lru_cache(maxsize=8)
def _made(threads: int, process: int) -> Any:
    return _sibyl.pool_create(threads)


def pool(threads: int) -> Any:
    """A pool of `threads` threads, 0 for one per processor; None where the calling thread works alone.

    A pool belongs to the process that made it: after a fork the child makes its own.
    """
    threads = operator.index(threads)
    if threads < 0:
        raise ValueError(f"threads is {threads}, expected at least 0")
    return None if threads == 1 else _made(min(threads, 2**31), os.getpid())
