"""OrtValue, and the devices and memory that it may lie in: the processor's alone."""

from __future__ import annotations

import ctypes
import dataclasses
import enum
import operator
from typing import Any, NoReturn, Sequence

import numpy as np

from .. import _sibyl, _types
from .._arrays import is_tensor
from .._values import _EXTRA, _OF_EXTRA, _extra_dtype
from ._errors import NotImplemented, failure
from ._options import _Enum

Array = np.ndarray[Any, np.dtype[Any]]

_NAMES = {number: name for name, number in _sibyl.dtypes.items()}  # by the numbers of ONNX's TensorProto


class OrtDeviceVendorId(enum.IntEnum):
    NONE = 0
    AMD = 0x1002
    NVIDIA = 0x10DE
    ARM = 0x13B5
    MICROSOFT = 0x1414
    HUAWEI = 0x19E5
    QUALCOMM = 0x5143
    INTEL = 0x8086


class OrtMemType(_Enum):
    CPU_INPUT = -2
    CPU_OUTPUT = -1
    CPU = -1
    DEFAULT = 0


class OrtAllocatorType(_Enum):
    INVALID = -1
    ORT_DEVICE_ALLOCATOR = 0
    ORT_ARENA_ALLOCATOR = 1


class OrtDeviceMemoryType(_Enum):
    DEFAULT = 0
    HOST_ACCESSIBLE = 5


class OrtMemoryInfoDeviceType(_Enum):
    CPU = 0
    GPU = 1
    FPGA = 2
    NPU = 3


class OrtHardwareDeviceType(_Enum):
    CPU = 0
    GPU = 1
    NPU = 2


class OrtSparseFormat(_Enum):
    ORT_SPARSE_UNDEFINED = 0
    ORT_SPARSE_COO = 1
    ORT_SPARSE_CSRC = 2
    ORT_SPARSE_BLOCK_SPARSE = 4


class OrtCompileApiFlags(_Enum):
    NONE = 0
    ERROR_IF_NO_NODES_COMPILED = 1
    ERROR_IF_OUTPUT_FILE_EXISTS = 2


class OrtDevice:
    """A place for values. There is one, the processor's memory; another is refused by name."""

    def __init__(self, device_type: int = 0, memory: int = 0, *ids: int) -> None:
        if operator.index(device_type) != 0:
            raise RuntimeError(
                f"device type {device_type} is not built: values lie in the processor's memory (0)"
            )
        if not 1 <= len(ids) <= 2:
            raise TypeError("expected a device's type, memory, perhaps vendor, and id")
        self._memory, self._id = operator.index(memory), operator.index(ids[-1])

    @staticmethod
    def make(ort_device_name: str, device_id: int, vendor_id: int = -1) -> OrtDevice:
        if ort_device_name.lower() != "cpu":
            raise RuntimeError(f"device {ort_device_name!r} is not built: values lie in the memory of 'cpu'")
        return OrtDevice(0, 0, device_id)

    @staticmethod
    def cpu() -> int:
        return 0

    @staticmethod
    def default_memory() -> int:
        return 0

    def device_id(self) -> int:
        return self._id

    def device_type(self) -> int:
        return 0

    def device_vendor_id(self) -> int:
        return 0

    vendor_id = device_vendor_id

    def device_mem_type(self) -> int:
        return self._memory

    mem_type = device_mem_type

    def _get_c_device(self) -> OrtDevice:
        return self


@dataclasses.dataclass(frozen=True)
class OrtMemoryInfo:
    name: str = "Cpu"
    allocator_type: OrtAllocatorType = OrtAllocatorType.ORT_DEVICE_ALLOCATOR
    device_id: int = 0
    mem_type: OrtMemType = OrtMemType.DEFAULT

    @property
    def device_mem_type(self) -> OrtDeviceMemoryType:
        return OrtDeviceMemoryType.DEFAULT

    @property
    def device_vendor_id(self) -> int:
        return 0


def dtype_of(element_type: Any) -> str:
    """The library's name of an element type, which is given as NumPy's or as a number of ONNX."""
    if isinstance(element_type, int) and not isinstance(element_type, bool):
        if element_type not in _NAMES:
            raise RuntimeError(f"there is no element type {element_type}")
        return _NAMES[element_type]
    name: str = np.dtype(element_type).name
    name = _OF_EXTRA.get(name, name)
    if name not in _sibyl.dtypes or name == "string":
        raise RuntimeError(f"tensors of {element_type} lie in no memory that NumPy lends")
    return name


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """The dtype of arrays of this element type."""
    if dtype == "string":
        raise RuntimeError("tensors of strings lie in no memory that NumPy lends")
    return _extra_dtype(dtype) if dtype in _EXTRA else np.dtype(dtype)


def array_at(address: int, dtype: str, shape: Sequence[int]) -> Array:
    """An array over the caller's memory, who keeps it."""
    dims, known = tuple(map(operator.index, shape)), numpy_dtype(dtype)
    if any(dim < 0 for dim in dims):
        raise ValueError(f"shape {list(dims)} has a negative dim")
    size = known.itemsize
    for dim in dims:
        size *= dim
    if not size:
        return np.empty(dims, known)
    if not address:
        raise ValueError("the memory has the address 0")
    memory: Any = (ctypes.c_byte * size).from_address(address)
    return np.ndarray(dims, known, memory)


class OrtValue:
    """A tensor, or a list, dict or None as sessions take and give them. Tensors share memory with their array."""

    def __init__(self, value: Any, dtype: str = "") -> None:
        if is_tensor(value):
            value = value.detach().cpu().numpy()
        self._value = value
        self._dtype = dtype

    # Programs reach for what onnxruntime's class wraps.
    @property
    def _ortvalue(self) -> OrtValue:
        return self

    def _get_c_value(self) -> OrtValue:
        return self

    # ---- Making them ---------------------------------------------------------------------------------------

    @classmethod
    def ortvalue_from_numpy(
        cls,
        numpy_obj: Array,
        /,
        device_type: str | OrtDevice = "cpu",
        device_id: int = 0,
        vendor_id: int = -1,
    ) -> OrtValue:
        """Over the array's memory where it is contiguous, over a copy otherwise."""
        if isinstance(device_type, str):
            OrtDevice.make(device_type, device_id, vendor_id)
        if not isinstance(numpy_obj, np.ndarray):
            raise RuntimeError(f"an OrtValue is made of a NumPy array, not {type(numpy_obj).__name__}")
        dtype_of(numpy_obj.dtype)
        return cls(np.require(numpy_obj, requirements="C"))

    @classmethod
    def ortvalue_from_numpy_with_onnx_type(cls, data: Array, /, onnx_element_type: int) -> OrtValue:
        """Over the array's memory, read as another element type of the same size."""
        dtype = dtype_of(operator.index(onnx_element_type))
        known = numpy_dtype(dtype)
        if known.itemsize != data.dtype.itemsize:
            raise RuntimeError(
                f"{dtype} has {known.itemsize} bytes an element, the array's {data.dtype} {data.dtype.itemsize}"
            )
        return cls(np.require(data, requirements="C").view(known), dtype)

    @classmethod
    def ortvalue_from_shape_and_type(
        cls,
        shape: Sequence[int],
        element_type: Any,
        device_type: str | OrtDevice = "cpu",
        device_id: int = 0,
        vendor_id: int = -1,
        memory_info: OrtMemoryInfo | None = None,
    ) -> OrtValue:
        """Uninitialised. element_type: NumPy's, or a number of ONNX (16 is bfloat16)."""
        if isinstance(device_type, str):
            OrtDevice.make(device_type, device_id, vendor_id)
        dtype = dtype_of(element_type)
        try:
            return cls(np.empty(tuple(map(operator.index, shape)), numpy_dtype(dtype)), dtype)
        except ValueError as error:
            raise RuntimeError(f"no tensor has the shape {list(shape)}: {error}") from None

    @classmethod
    def from_dlpack(cls, data: Any, /) -> OrtValue:
        if not hasattr(data, "__dlpack__"):
            raise TypeError(
                f"{type(data).__name__} has no __dlpack__; give the tensor itself, not a capsule of it"
            )
        return cls(data._value if isinstance(data, OrtValue) else np.from_dlpack(data))

    @classmethod
    def ort_value_from_sparse_tensor(cls, sparse_tensor: Any) -> NoReturn:
        raise failure(
            NotImplemented, "OrtValue.ort_value_from_sparse_tensor: sparse tensors are not built as values"
        )

    def as_sparse_tensor(self) -> NoReturn:
        raise failure(NotImplemented, "OrtValue.as_sparse_tensor: sparse tensors are not built as values")

    # ---- What they say -------------------------------------------------------------------------------------

    def _tensor(self) -> Array:
        if not isinstance(self._value, np.ndarray):
            raise RuntimeError(f"the value is no tensor: {self.data_type()}")
        return self._value

    def _type(self) -> _types.Type:
        value = self._value
        if isinstance(value, np.ndarray):
            name = self._dtype or ("string" if value.dtype.kind in "OUS" else dtype_of(value.dtype))
            return _types.Type("tensor", name)
        if isinstance(value, dict):
            keys, values = (np.asarray(list(part)) for part in (value.keys(), value.values()))
            return _types.Type("map", OrtValue(keys)._type().dtype, OrtValue(values)._type())
        if value is None:
            return _types.Type("optional", inner=_types.UNKNOWN)
        return _types.Type("seq", inner=OrtValue(value[0])._type() if value else _types.UNKNOWN)

    def data_ptr(self) -> int:
        return int(self._tensor().ctypes.data)

    def device_name(self) -> str:
        return "cpu"

    def shape(self) -> list[int]:
        return list(self._tensor().shape)

    def data_type(self) -> str:
        return str(self._type())

    def element_type(self) -> int:
        found = self._type()
        while found.inner is not None:
            found = found.inner
        return _sibyl.dtypes.get(found.dtype, 0)

    def tensor_size_in_bytes(self) -> int:
        return self._tensor().nbytes

    def has_value(self) -> bool:
        return self._value is not None

    def is_tensor(self) -> bool:
        return isinstance(self._value, np.ndarray)

    def is_sparse_tensor(self) -> bool:
        return False

    def is_tensor_sequence(self) -> bool:
        return isinstance(self._value, (list, tuple)) and not any(
            isinstance(item, dict) for item in self._value
        )

    # ---- What is in them -----------------------------------------------------------------------------------

    def numpy(self) -> Array:
        """The array itself, not a copy."""
        return self._tensor()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self._tensor()
        if copy:
            return np.array(array, dtype)
        if copy is False and dtype is not None and np.dtype(dtype) != array.dtype:
            raise ValueError(f"the tensor is {array.dtype}: an array of {np.dtype(dtype)} would be a copy")
        return np.asarray(array, dtype)

    def __dlpack__(self, *, stream: Any = None, **more: Any) -> Any:
        return self._tensor().__dlpack__(**more)

    def __dlpack_device__(self) -> tuple[int, int]:
        device, number = self._tensor().__dlpack_device__()
        return int(device), int(number)

    def update_inplace(self, data: Array | OrtValue) -> None:
        """Copies into the memory that this value has. The elements are of the same type and as many."""
        source, own = data._tensor() if isinstance(data, OrtValue) else data, self._tensor()
        if not isinstance(source, np.ndarray):
            raise TypeError(f"data must be a NumPy array or an OrtValue, not {type(source).__name__}")
        if source.shape != own.shape or source.dtype != own.dtype:
            raise RuntimeError(
                f"the value is {own.dtype} {list(own.shape)}, the data {source.dtype} {list(source.shape)}"
            )
        own[...] = source


class OrtValueVector(list[OrtValue]):
    """What run_with_ortvaluevector fills."""

    def push_back(self, value: OrtValue) -> None:
        self.append(value)


def copy_tensors(src: Sequence[OrtValue], dst: Sequence[OrtValue], stream: None = None) -> None:
    """Copies each of src into its fellow in dst."""
    if len(src) != len(dst):
        raise ValueError(f"{len(src)} tensors are to be copied to {len(dst)}")
    for source, target in zip(src, dst):
        target.update_inplace(source)
