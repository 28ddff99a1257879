"""onnxruntime's Python API on Sibyl:

    import sibyl.onnxruntime as ort

and for programs and packages that say `import onnxruntime`, unchanged:

    import sibyl.onnxruntime; sibyl.onnxruntime.install()          # before they are imported
    python -m sibyl.onnxruntime script.py ...                      # or: -m module ...

What is equal, what is accepted without a meaning here and what is refused: docs/moving-from-onnxruntime.md.
"""

from __future__ import annotations

import sibyl as _sibyl_package

from .. import _programs
from . import capi
from ._options import (
    ExecutionMode,
    ExecutionOrder,
    GraphOptimizationLevel,
    OrtExecutionProviderDevicePolicy,
    RunOptions,
    SessionOptions,
)
from ._process import (
    get_all_providers,
    get_available_providers,
    get_device,
    set_default_logger_severity,
    set_default_logger_verbosity,
    set_global_thread_pool_sizes,
    set_seed,
)
from ._session import InferenceSession, IOBinding, ModelMetadata, NodeArg
from ._unbuilt import (
    AdapterFormat,
    LoraAdapter,
    ModelCompiler,
    OrtArenaCfg,
    OrtEpAssignedNode,
    OrtEpAssignedSubgraph,
    OrtEpContextData,
    OrtEpContextDataBuffer,
    OrtEpDevice,
    OrtExternalInitializerInfo,
    OrtHardwareDevice,
    OrtSyncStream,
    SparseTensor,
    create_and_register_allocator,
    create_and_register_allocator_v2,
    get_ep_devices,
    register_execution_provider_library,
    unregister_execution_provider_library,
)
from ._values import (
    OrtAllocatorType,
    OrtCompileApiFlags,
    OrtDevice,
    OrtDeviceMemoryType,
    OrtDeviceVendorId,
    OrtHardwareDeviceType,
    OrtMemoryInfo,
    OrtMemoryInfoDeviceType,
    OrtMemType,
    OrtSparseFormat,
    OrtValue,
    copy_tensors,
)

__all__ = [
    "AdapterFormat",
    "ExecutionMode",
    "ExecutionOrder",
    "GraphOptimizationLevel",
    "IOBinding",
    "InferenceSession",
    "LoraAdapter",
    "ModelCompiler",
    "ModelMetadata",
    "NodeArg",
    "OrtAllocatorType",
    "OrtArenaCfg",
    "OrtCompileApiFlags",
    "OrtDevice",
    "OrtDeviceMemoryType",
    "OrtDeviceVendorId",
    "OrtEpAssignedNode",
    "OrtEpAssignedSubgraph",
    "OrtEpContextData",
    "OrtEpContextDataBuffer",
    "OrtEpDevice",
    "OrtExecutionProviderDevicePolicy",
    "OrtExternalInitializerInfo",
    "OrtHardwareDevice",
    "OrtHardwareDeviceType",
    "OrtMemType",
    "OrtMemoryInfo",
    "OrtMemoryInfoDeviceType",
    "OrtSparseFormat",
    "OrtSyncStream",
    "OrtValue",
    "RunOptions",
    "SessionIOBinding",
    "SessionOptions",
    "SparseTensor",
    "capi",
    "copy_tensors",
    "create_and_register_allocator",
    "create_and_register_allocator_v2",
    "cuda_version",
    "disable_telemetry_events",
    "enable_telemetry_events",
    "get_all_providers",
    "get_available_providers",
    "get_build_info",
    "get_device",
    "get_ep_devices",
    "get_version_string",
    "has_collective_ops",
    "install",
    "package_name",
    "preload_dlls",
    "print_debug_info",
    "register_execution_provider_library",
    "set_default_logger_severity",
    "set_default_logger_verbosity",
    "set_global_thread_pool_sizes",
    "set_seed",
    "unregister_execution_provider_library",
    "__version__",
]

# The version of onnxruntime whose API this is: programs choose what they call by it.
__version__ = "1.31.1"
package_name, cuda_version = "sibyl", ""
SessionIOBinding = IOBinding


def get_version_string() -> str:
    return __version__


def get_build_info() -> str:
    return f"Sibyl {_sibyl_package.__version__}, with the Python API of onnxruntime {__version__}"


def has_collective_ops() -> bool:
    return False


def disable_telemetry_events() -> None:
    """There are none."""


def enable_telemetry_events() -> None:
    """Accepted: nothing is ever sent."""


def preload_dlls(
    cuda: bool = True, cudnn: bool = True, msvc: bool = True, directory: str | None = None
) -> None:
    """Accepted: libraries of devices are opened where a session names one."""


def print_debug_info() -> None:
    print(get_build_info())


def install() -> None:
    """From here on `import onnxruntime`, in this process, gives this module.

    A RuntimeError where onnxruntime itself is imported already. Its parts that are not here (quantization, transformers,
    tools, training) cannot be imported then: the import says that there is no such module.
    """
    _programs.install(__name__, "onnxruntime")
