"""What holds for the process: the seed, the severity of logs, numbers of threads, and the names of providers."""

from __future__ import annotations

import logging
import operator
import warnings
from typing import Any, Mapping, Sequence

import sibyl.providers as _base

# The processor, with every backend of the library that needs no device.
CPU = _base.CPU
CUDA = "CUDAExecutionProvider"

LOGGER = "sibyl.onnxruntime"
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)

_settings = {"seed": 0, "severity": 2, "threads": 0}


def set_seed(seed: int) -> None:
    """Of random operators without a seed of their own, in sessions that are made after this."""
    _settings["seed"] = operator.index(seed) & (2**64 - 1)


def seed() -> int:
    return _settings["seed"]


def set_default_logger_severity(severity: int) -> None:
    """0 (everything) to 4 (nothing but what ends the process), for sessions whose options say none."""
    if not 0 <= operator.index(severity) <= 4:
        raise RuntimeError(f"severity is {severity}, expected 0 to 4")
    _settings["severity"] = operator.index(severity)


def set_default_logger_verbosity(verbosity: int) -> None:
    """Accepted: there are no degrees below severity 0."""
    operator.index(verbosity)


def logger(severity: int, name: str) -> logging.Logger:
    """Where a session logs: Python's logger "sibyl.onnxruntime", or stderr where nobody has given that a handler."""
    parent = logging.getLogger(LOGGER)
    own = logging.Logger(name or LOGGER, _LEVELS[min(_settings["severity"] if severity < 0 else severity, 4)])
    own.parent = parent
    if not parent.hasHandlers():
        own.addHandler(logging.StreamHandler())
    return own


def set_global_thread_pool_sizes(intra_op_num_threads: int, inter_op_num_threads: int) -> None:
    """Threads of sessions whose options have use_per_session_threads off; each has as many of its own."""
    operator.index(inter_op_num_threads)
    _settings["threads"] = max(operator.index(intra_op_num_threads), 0)


def threads() -> int:
    return _settings["threads"]


def _has_cuda() -> bool:
    return any(device.problem is None for device in _base.get_devices("cuda"))


def get_device() -> str:
    return "GPU" if _has_cuda() else "CPU"


def get_available_providers() -> list[str]:
    """The processor, which sessions have where none is named, behind CUDA where there is a device of NVIDIA's."""
    return [CUDA, CPU] if _has_cuda() else [CPU]


def get_all_providers() -> list[str]:
    """What may be named: the processor, and Sibyl's own backends by their names ("ref", "vulkan", "cuda")."""
    return [*get_available_providers(), *_base.get_available_providers()]


def _named(provider: Any) -> tuple[str, Mapping[Any, Any]]:
    if isinstance(provider, str):
        return provider, {}
    if isinstance(provider, tuple) and len(provider) == 2 and isinstance(provider[0], str):
        if isinstance(provider[1], Mapping):
            return provider[0], provider[1]
    raise ValueError(f"a provider is a name or a tuple of a name and a dict, not {provider!r}")


def providers_of(
    providers: Sequence[Any] | None,
    provider_options: Sequence[Mapping[Any, Any]] | None,
    own: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """The providers that a session has: those that are known, in order, and the processor at the end, with the option
    device_id where one has it, of those that run on devices the only one that counts.

    Unknown ones and second mentions are skipped with a warning. own: names of backends of a registry.
    """
    if isinstance(providers, str):
        raise ValueError(f"providers must be a list of names, not the text {providers!r}")
    named = [_named(provider) for provider in providers or []]
    if provider_options is not None and len(provider_options) != len(named):
        raise ValueError(f"there are {len(provider_options)} provider_options for {len(named)} providers")
    known = [*own, *get_all_providers()]
    names: dict[str, dict[str, Any]] = {}
    for i, (name, options) in enumerate(named):
        options = {**options, **(provider_options[i] if provider_options else {})}
        if name not in known:
            warnings.warn(
                f"Sibyl has no provider {name!r}, it is skipped; there are {', '.join(known)}", stacklevel=4
            )
        elif name in names:
            warnings.warn(f"provider {name!r} is named twice", stacklevel=4)
        else:
            names[name] = {"device_id": options["device_id"]} if name != CPU and "device_id" in options else {}
    return names if CPU in names or "ref" in names else {**names, CPU: {}}
