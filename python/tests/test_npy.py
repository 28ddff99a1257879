"""Arrays that NumPy writes, the library reads and writes again, and NumPy reads back.

Goes through the shared library that `make` builds, since the package itself leaves .npy files to NumPy.
"""

import ctypes
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

# Numbers of sib_dtype by NumPy's names.
DTYPES = {
    "float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10,
    "float64": 11, "uint32": 12, "uint64": 13, "complex64": 14, "complex128": 15,
}  # fmt: skip
SHAPES = [(), (0,), (7,), (3, 4), (2, 0, 5), (2, 3, 4, 5)]


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("offset", ctypes.c_uint64), ("message", ctypes.c_char * 1024)]


class Entry(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("tensor", ctypes.c_void_p)]


@pytest.fixture(scope="module")
def library():
    path = ROOT / "build" / "release" / "libsibyl.so"
    if not path.exists():
        pytest.skip("skipped for want of build/release/libsibyl.so: run make")
    library = ctypes.CDLL(str(path))
    library.sib_tensor_rank.restype = ctypes.c_size_t
    library.sib_tensor_dims.restype = ctypes.POINTER(ctypes.c_int64)
    for name in ("dtype", "rank", "dims"):
        getattr(library, f"sib_tensor_{name}").argtypes = [ctypes.c_void_p]
    return library


def check(call, *arguments):
    error = Error()
    assert call(*arguments, ctypes.byref(error)) == 0, error.message


def through_the_library(library, source, target):
    """source.npy to target.npy; returns what the library said of the array: dtype, dims."""
    tensor = ctypes.c_void_p()
    check(library.sib_npy_load, bytes(source), ctypes.byref(tensor))
    rank = library.sib_tensor_rank(tensor)
    found = library.sib_tensor_dtype(tensor), tuple(library.sib_tensor_dims(tensor)[:rank])
    check(library.sib_npy_save, bytes(target), tensor)
    library.sib_tensor_free(ctypes.byref(tensor))
    return found


def values(dtype, shape):
    count = int(np.prod(shape))
    bits = np.random.default_rng(1).integers(0, 256, count * np.dtype(dtype).itemsize, dtype=np.uint8)
    if np.dtype(dtype).kind == "b":
        bits &= 1
    return bits.view(dtype).reshape(shape)


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("byte_order", "<>")
def test_every_type_comes_back(library, tmp_path, name, order, byte_order):
    for shape in SHAPES:
        array = np.array(values(np.dtype(name).newbyteorder(byte_order), shape), order=order)
        np.save(tmp_path / "in.npy", array)
        found = through_the_library(library, tmp_path / "in.npy", tmp_path / "out.npy")
        assert found == (DTYPES[name], shape)
        back = np.load(tmp_path / "out.npy")
        assert back.dtype == np.dtype(name) and back.shape == shape
        assert back.tobytes() == array.astype(back.dtype, order="C").tobytes()  # bit by bit, NaNs too


def test_strings_come_back(library, tmp_path):
    for array in (np.array([["a", "", "grün"], ["日本", "x" * 50, "🎧"]]), np.array("one"), np.array([], "U3")):
        np.save(tmp_path / "in.npy", array)
        assert through_the_library(library, tmp_path / "in.npy", tmp_path / "out.npy") == (8, array.shape)
        back = np.load(tmp_path / "out.npy")
        assert back.dtype.kind == "U" and np.array_equal(back, array)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("compress", [False, True])
def test_archives_come_back(library, tmp_path, save, compress):
    arrays = {name: values(name, (3, 5)) for name in DTYPES} | {"empty": np.zeros(0), "long": np.arange(100_000)}
    save(tmp_path / "in.npz", **arrays)
    entries, count = ctypes.POINTER(Entry)(), ctypes.c_size_t()
    check(library.sib_npz_load, bytes(tmp_path / "in.npz"), ctypes.byref(entries), ctypes.byref(count))
    check(library.sib_npz_save, bytes(tmp_path / "out.npz"), entries, count, ctypes.c_bool(compress))
    library.sib_npz_free(ctypes.byref(entries), count)
    with np.load(tmp_path / "out.npz") as back:
        assert set(back.files) == set(arrays)
        for name, array in arrays.items():
            assert back[name].dtype == array.dtype and back[name].tobytes() == array.tobytes()
    assert (tmp_path / "out.npz").stat().st_size > 0


def test_copies_of_the_library_in_one_process_keep_apart(library, tmp_path):
    """A plug-in makes the extension's functions visible to libraries that are loaded later, which must use their own."""
    np.savez(tmp_path / "in.npz", a=np.arange(1000), b=np.zeros(3))
    script = f"""if True:
        import ctypes
        from sibyl import _sibyl
        ctypes.CDLL(_sibyl.__file__, mode=ctypes.RTLD_GLOBAL)
        library = ctypes.CDLL({library._name!r})
        before = _sibyl.alloc_counters()
        entries, count = ctypes.c_void_p(), ctypes.c_size_t()
        assert library.sib_npz_load({bytes(tmp_path / "in.npz")!r}, ctypes.byref(entries), ctypes.byref(count), None) == 0
        library.sib_npz_free(ctypes.byref(entries), count)
        assert count.value == 2 and _sibyl.alloc_counters() == before"""
    subprocess.run([sys.executable, "-c", script], check=True)
