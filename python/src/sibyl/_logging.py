"""The library's logs as records of Python's logging."""

from __future__ import annotations

import logging
from typing import Any, Callable

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}


def log_function(logger: logging.Logger | str | None) -> tuple[Callable[[int, str], Any] | None, int]:
    """What the library calls for each message, and the finest level that it writes: the logger's own, as it is now."""
    if logger is None:
        return None, 0
    target = logging.getLogger(logger) if isinstance(logger, str) else logger
    level = max((ours for ours, theirs in _LEVELS.items() if target.isEnabledFor(theirs)), default=0)
    return lambda ours, message: target.log(_LEVELS[ours], "%s", message), level
