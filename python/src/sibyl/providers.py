"""Backends and the devices they run on, by Sibyl's names and by onnxruntime's."""

from __future__ import annotations

import dataclasses
import operator
from typing import Any, Mapping, Sequence

from . import _sibyl
from .registry import Registry

CPU = "CPUExecutionProvider"  # every backend that needs no device
# Other names of backends.
_NAMES = {"CPU": CPU, "CUDAExecutionProvider": "cuda", "CUDA": "cuda", "Vulkan": "vulkan"}


@dataclasses.dataclass(frozen=True)
class Device:
    """What a backend runs on; the processor that runs the program has no name."""

    backend: str
    number: int  # providers name the second one as "vulkan:1"
    name: str
    features: str  # what it says of its arithmetic
    memory: int  # bytes of its own; 0: unknown
    max_value: int  # max bytes of one value; 0: unknown
    problem: str | None  # why it is not available; None: it is


def default_backends() -> list[str]:
    return _sibyl.backend_names(False)[::-1]


def get_available_providers() -> list[str]:
    """Names of the backends of this build: those of the processor, which sessions have where nothing else is said, the
    fastest first and the reference "ref" last, then those of devices, which they have only where they are named."""
    return default_backends() + _sibyl.backend_names(True)


def get_devices(backend: str | None = None) -> list[Device]:
    """The devices of every backend, or of one. Each is opened for that; a backend that finds none has a row that says why."""
    known = get_available_providers()
    if backend is not None and backend not in known:
        raise ValueError(f"there is no backend {backend!r}, expected some of {', '.join(map(repr, known))}")
    return [Device(*row) for row in _sibyl.devices(backend)]


def _read(provider: Any) -> tuple[str, Mapping[str, Any]]:
    """The name and the options of a provider, which is a name or both."""
    named = provider if isinstance(provider, tuple) and len(provider) == 2 else (provider, {})
    if not isinstance(named[0], str):
        raise TypeError(f"a provider is a name, or a name and a dict of options, not {provider!r}")
    return _NAMES.get(named[0], named[0]), named[1] or {}


def _numbered(name: str, options: Mapping[str, Any]) -> str:
    """The backend's name with the device that its options choose."""
    others = [key for key in options if key != "device_id"]
    if others or (options and name not in _sibyl.backend_names(True)):
        raise ValueError(f"backend {name!r} has no option {(others or list(options))[0]!r}; those of devices have 'device_id'")
    number = operator.index(int(options.get("device_id", 0)))
    if number < 0:
        raise ValueError(f"device_id is {number}, expected 0 or more")
    return f"{name}:{number}" if number else name


def backends_of(
    providers: Sequence[Any] | None, provider_options: Sequence[Any] | None, registry: Registry | None = None
) -> list[str]:
    """Names of backends in order, none twice, for providers as InferenceSession takes them."""
    own = registry.backends if registry else []
    known = own + get_available_providers()
    if isinstance(providers, str):
        raise TypeError(f"providers must be a list of names, not the text {providers!r}")
    given = [_read(provider) for provider in providers or [CPU]]
    if provider_options is not None and len(provider_options) != len(given):
        raise ValueError(f"there are {len(provider_options)} provider_options for {len(given)} providers")
    names: list[str] = []
    for i, (name, options) in enumerate(given):
        backend, _, number = name.partition(":")
        if name != CPU and backend not in known or (number and not (backend in _sibyl.backend_names(True) and number.isdecimal())):
            raise ValueError(f"there is no backend {name!r}, expected some of {', '.join(map(repr, [*known, CPU]))}")
        chosen = _numbered(name, {**options, **(provider_options[i] if provider_options else {})})
        names += [n for n in (own + default_backends() if name == CPU else [chosen]) if n not in names]
    return names
