"""The classes that onnxruntime defines in its module of this name."""

from .._session import InferenceSession, IOBinding, Session
from .._unbuilt import AdapterFormat, ModelCompiler, SparseTensor
from .._values import OrtDevice, OrtDeviceVendorId, OrtValue, copy_tensors

__all__ = [
    "AdapterFormat",
    "IOBinding",
    "InferenceSession",
    "ModelCompiler",
    "OrtDevice",
    "OrtDeviceVendorId",
    "OrtValue",
    "Session",
    "SparseTensor",
    "copy_tensors",
]
