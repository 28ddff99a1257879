"""The exceptions that programs written for onnxruntime catch, and the failures of the library that become them."""

from __future__ import annotations

import contextlib
from typing import Iterator

from ..errors import SibylError


class Fail(Exception):
    """A call failed: a run that was cancelled, a limit that was reached."""


class InvalidArgument(Exception):
    """A value, a name or an option is not what the call takes."""


class NoSuchFile(Exception):
    """There is no file of this name."""


class NoModel(Exception):
    pass


class EngineError(Exception):
    pass


class RuntimeException(Exception):
    """Memory could not be had."""


class InvalidProtobuf(Exception):
    """The file or the bytes are no ONNX model, or a damaged one."""


class ModelLoaded(Exception):
    pass


class NotImplemented(Exception):  # noqa: A001: the name that programs import
    """What is asked for is not built; the message names it."""


class InvalidGraph(Exception):
    """A node has inputs or attributes that its operator does not take."""


class EPFail(Exception):
    pass


class ModelLoadCanceled(Exception):
    """The options said that no model shall be opened."""


class ModelRequiresCompilation(Exception):
    pass


class NotFound(Exception):
    pass


class DeviceReset(Exception):
    pass


# The number and the word with which onnxruntime's messages begin.
_STATUS = {
    Fail: (1, "FAIL"),
    InvalidArgument: (2, "INVALID_ARGUMENT"),
    NoSuchFile: (3, "NO_SUCHFILE"),
    RuntimeException: (6, "RUNTIME_EXCEPTION"),
    InvalidProtobuf: (7, "INVALID_PROTOBUF"),
    NotImplemented: (9, "NOT_IMPLEMENTED"),
    InvalidGraph: (10, "INVALID_GRAPH"),
    ModelLoadCanceled: (12, "MODEL_LOAD_CANCELED"),
}

# By the library's code, while a model is opened and while it runs.
_OPENING = {
    "argument": InvalidGraph,
    "format": InvalidProtobuf,
    "memory": RuntimeException,
    "unsupported": NotImplemented,
}
_RUNNING = {
    "argument": InvalidArgument,
    "value": InvalidArgument,
    "memory": RuntimeException,
    "unsupported": NotImplemented,
}


def failure(kind: type[Exception], text: object) -> Exception:
    """An exception of this kind with a message that begins as onnxruntime's."""
    number, word = _STATUS[kind]
    return kind(f"[ONNXRuntimeError] : {number} : {word} : {text}")


def _translated(error: SibylError, opening: bool) -> Exception:
    if isinstance(error, FileNotFoundError):
        return failure(NoSuchFile, error)
    return failure((_OPENING if opening else _RUNNING).get(error.code, Fail), error)


@contextlib.contextmanager
def translated(*, opening: bool = False) -> Iterator[None]:
    """Failures of what is done inside become onnxruntime's exceptions; the library's own stays their cause."""
    try:
        yield
    except SibylError as error:
        raise _translated(error, opening) from error
