"""What a failing call raises: SibylError, and beside it the built-in exception that says the same.

Each exception has `code`, the library's name of the failure ("io", "value", ...), and `offset`, the byte in the
file that was read, or None.
"""

from __future__ import annotations

import errno
import os

from . import _sibyl

__all__ = [
    "SibylError",
    "SibylValueError",
    "SibylMemoryError",
    "SibylOSError",
    "SibylFileNotFoundError",
]


class SibylError(RuntimeError):
    """A call of the library failed; the message is the library's."""

    code: str = "unknown"
    offset: int | None = None


class SibylValueError(SibylError, ValueError):
    """An argument or a number is not what the call takes ("argument", "value")."""


class SibylMemoryError(SibylError, MemoryError):
    """Memory could not be had ("memory")."""


class SibylOSError(SibylError, OSError):
    """A file could not be opened, read or written ("io")."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class SibylFileNotFoundError(SibylOSError, FileNotFoundError):
    """The file that was to be read, or the folder that was to be written to, is not there ("io")."""


_CLASSES = {
    "argument": SibylValueError,
    "value": SibylValueError,
    "memory": SibylMemoryError,
    "io": SibylOSError,
}
_NAMES = {number: name for name, number in _sibyl.codes.items()}


def from_code(number: int, message: str, offset: int | None) -> SibylError:
    """The exception for a code of the library; the extension calls this."""
    name = _NAMES.get(number, "unknown")
    error = _CLASSES.get(name, SibylError)(message)
    error.code, error.offset = name, offset
    return error


def with_path(error: SibylOSError, path: bytes, needed: bytes) -> SibylOSError:
    """The error with the file it is about: SibylFileNotFoundError where `needed` does not exist."""
    missing = not os.path.exists(needed)
    told = SibylFileNotFoundError(str(error)) if missing else error
    told.code, told.offset = error.code, error.offset
    told.filename = os.fsdecode(path)
    if missing:
        told.errno = errno.ENOENT
    return told
