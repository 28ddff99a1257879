"""The same names as in onnxruntime_pybind11_state."""

from .onnxruntime_pybind11_state import *
