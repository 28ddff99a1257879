"""Names that programs import and that are not built: classes that refuse, by name, to be used."""

from __future__ import annotations

from typing import Any, NoReturn

from ._errors import NotImplemented, failure


class _Refusing(type):
    why: str

    def _refuse(cls, what: str) -> NoReturn:
        raise failure(NotImplemented, f"{what} is not built; {cls.why}")

    def __call__(cls, *args: Any, **more: Any) -> NoReturn:
        cls._refuse(cls.__name__)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        cls._refuse(f"{cls.__name__}.{name}")


class SparseTensor(metaclass=_Refusing):
    why = "sparse weights inside a model are, and values of runs are dense arrays"


class LoraAdapter(metaclass=_Refusing):
    why = "merge the adapter into the weights"


class AdapterFormat(metaclass=_Refusing):
    why = "merge the adapter into the weights"


class ModelCompiler(metaclass=_Refusing):
    why = "models are planned when they run, and need no compiling before"


class OrtEpDevice(metaclass=_Refusing):
    why = "devices are named as providers: get_all_providers()"


OrtHardwareDevice = OrtSyncStream = OrtEpAssignedNode = OrtEpAssignedSubgraph = OrtEpDevice


class OrtExternalInitializerInfo(metaclass=_Refusing):
    why = "external data is read from the files that the model names"


class OrtArenaCfg(metaclass=_Refusing):
    why = "sibyl.SessionOptions.memory_limit bounds a run"


class OrtEpContextData(metaclass=_Refusing):
    why = "models compiled for a device are not read"


OrtEpContextDataBuffer = OrtEpContextData


def _function(name: str, why: str) -> Any:
    def refuse(*args: Any, **more: Any) -> NoReturn:
        raise failure(NotImplemented, f"{name} is not built; {why}")

    refuse.__name__ = name
    return refuse


_BACKENDS = "docs/extending.md says how backends are added"
get_ep_devices = _function("get_ep_devices", "devices are named as providers: get_all_providers()")
register_execution_provider_library = _function("register_execution_provider_library", _BACKENDS)
unregister_execution_provider_library = _function("unregister_execution_provider_library", _BACKENDS)
create_and_register_allocator = _function(
    "create_and_register_allocator", "sibyl.SessionOptions.memory_limit bounds a run"
)
create_and_register_allocator_v2 = create_and_register_allocator
