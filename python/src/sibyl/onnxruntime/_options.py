"""Options of sessions and of runs, with onnxruntime's names. docs/moving-from-onnxruntime.md says which change something."""

from __future__ import annotations

import enum
import operator
import os
from typing import Any, Callable, Mapping, NoReturn, Sequence

import sibyl.session as _base

from ._errors import Fail, InvalidArgument, NotImplemented, failure


class _Enum(enum.Enum):
    def __int__(self) -> int:
        return int(self.value)

    __index__ = __int__

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, int) and not isinstance(other, bool) and self.value == other
        )

    def __hash__(self) -> int:
        return hash(self.value)


class ExecutionMode(_Enum):
    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class ExecutionOrder(_Enum):
    DEFAULT = 0
    PRIORITY_BASED = 1
    MEMORY_EFFICIENT = 2


class GraphOptimizationLevel(_Enum):
    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class OrtExecutionProviderDevicePolicy(_Enum):
    DEFAULT = 0
    PREFER_CPU = 1
    PREFER_NPU = 2
    PREFER_GPU = 3
    MAX_PERFORMANCE = 4
    MAX_EFFICIENCY = 5
    MIN_OVERALL_POWER = 6


def _as(wanted: type, value: Any, name: str) -> Any:
    """value where it is of the type that the field has; a TypeError otherwise."""
    if wanted is int and not isinstance(value, bool):
        return operator.index(value)
    if wanted is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    if not isinstance(value, wanted):
        raise TypeError(f"{name} must be of type {wanted.__name__}, not {type(value).__name__}")
    return value


class _Fields:
    """A class whose attributes are its fields: their values the defaults, which also say the types."""

    def __setattr__(self, name: str, value: Any) -> None:
        default = getattr(type(self), name, None)
        if isinstance(default, (bool, int, str, _Enum)):
            value = _as(type(default), value, name)
        elif not hasattr(default, "__set__") and not name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no field {name!r}")
        object.__setattr__(self, name, value)


class _Config(_Fields):
    """Entries of text under names of text."""

    _entries: dict[str, str]

    def _set(self, key: str, value: str) -> None:
        self._entries[_as(str, key, "key")] = _as(str, value, "value")

    def _get(self, key: str) -> str:
        if key not in self._entries:
            raise RuntimeError(f"no entry {key!r} was set in these {type(self).__name__}")
        return self._entries[key]


class SessionOptions(_Config):
    enable_cpu_mem_arena: bool = True
    enable_mem_pattern: bool = True
    enable_mem_reuse: bool = True
    enable_profiling: bool = False
    execution_mode: ExecutionMode = ExecutionMode.ORT_SEQUENTIAL
    execution_order: ExecutionOrder = ExecutionOrder.DEFAULT
    graph_optimization_level: GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL
    inter_op_num_threads: int = 0
    intra_op_num_threads: int = 0
    log_severity_level: int = -1
    log_verbosity_level: int = 0
    logid: str = ""
    optimized_model_filepath: str = ""
    profile_file_prefix: str = "onnxruntime_profile_"
    use_deterministic_compute: bool = False
    use_per_session_threads: bool = True

    def __init__(self) -> None:
        self._entries = {}
        self._dims: dict[str, int] = {}
        self._providers: list[tuple[str, dict[str, str]]] = []
        self._cancelled = False

    def _copy(self) -> SessionOptions:
        """These options as they are now."""
        copy = SessionOptions()
        copy.__dict__.update(self.__dict__)
        copy._entries, copy._dims, copy._providers = (
            dict(self._entries),
            dict(self._dims),
            list(self._providers),
        )
        return copy

    def add_session_config_entry(self, key: str, value: str) -> None:
        self._set(key, value)

    def get_session_config_entry(self, key: str) -> str:
        return self._get(key)

    def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
        """Inputs and outputs have this size where the model says this name; runs with another size are refused."""
        self._dims[_as(str, name, "name")] = operator.index(size)

    def add_provider(self, name: str, options: Mapping[str, str]) -> None:
        """A provider that sessions have which are given none themselves."""
        from ._process import get_all_providers

        if name not in get_all_providers():
            raise failure(
                InvalidArgument, f"there is no provider {name!r}, expected one of {get_all_providers()}"
            )
        self._providers.append((name, dict(options)))

    def has_providers(self) -> bool:
        return bool(self._providers)

    def set_load_cancellation_flag(self, cancelled: bool) -> None:
        """Sessions that are made with these options after this are refused with ModelLoadCanceled."""
        self._cancelled = bool(cancelled)

    def set_provider_selection_policy(self, policy: OrtExecutionProviderDevicePolicy) -> None:
        """Every policy chooses the processor, the only device that is chosen without being named."""
        _as(OrtExecutionProviderDevicePolicy, policy, "policy")

    def clear_ep_context_data_read_func(self) -> None:
        """There never is one."""

    # ---- What is not built ---------------------------------------------------------------------------------

    def add_free_dimension_override_by_denotation(self, denotation: str, size: int) -> NoReturn:
        raise _refusal(
            "add_free_dimension_override_by_denotation", "name the dim: add_free_dimension_override_by_name"
        )

    def add_initializer(self, name: str, value: Any) -> NoReturn:
        raise _refusal("add_initializer", "make the weight an input of the model with a default, and feed it")

    def add_external_initializers(self, names: Sequence[str], values: Sequence[Any]) -> NoReturn:
        raise _refusal("add_external_initializers", "keep the files beside the model")

    def add_external_initializers_from_files_in_memory(
        self, names: Sequence[str], files: Sequence[Any], lengths: Sequence[int]
    ) -> NoReturn:
        raise _refusal("add_external_initializers_from_files_in_memory", "write the files beside the model")

    def add_provider_for_devices(self, devices: Sequence[Any], options: Mapping[str, str]) -> NoReturn:
        raise _refusal("add_provider_for_devices", "name a provider: add_provider")

    def set_provider_selection_policy_delegate(self, delegate: Callable[..., Any]) -> NoReturn:
        raise _refusal("set_provider_selection_policy_delegate", "name a provider: add_provider")

    def set_ep_context_data_read_func(
        self, read_func: Callable[..., Any], max_data_size: int = 0
    ) -> NoReturn:
        raise _refusal("set_ep_context_data_read_func", "models compiled for a device are not read")

    def register_custom_ops_library(self, path: str) -> NoReturn:
        if not os.path.exists(path):
            raise failure(Fail, f"{path}: no such file")
        raise _refusal(
            "register_custom_ops_library",
            "libraries of onnxruntime's are not loaded; docs/extending.md says how operators are added",
        )


def _refusal(name: str, instead: str) -> Exception:
    return failure(NotImplemented, f"SessionOptions.{name} is not built; {instead}")


class RunOptions(_Config, _base.RunOptions):
    """`profile`, a sibyl.Profile, collects the times of the runs that have these options."""

    log_severity_level: int = -1
    log_verbosity_level: int = 0
    logid: str = ""
    only_execute_path_to_fetches: bool = False

    def __init__(self, profile: _base.Profile | None = None) -> None:
        super().__init__(profile)
        self._entries = {}

    def add_run_config_entry(self, key: str, value: str) -> None:
        self._set(key, value)

    def get_run_config_entry(self, key: str) -> str:
        return self._get(key)

    def add_active_adapter(self, adapter: Any) -> NoReturn:
        raise failure(
            NotImplemented, "RunOptions.add_active_adapter is not built; merge the adapter into the weights"
        )
