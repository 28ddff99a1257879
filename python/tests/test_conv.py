import gc
import math
import sys

import numpy as np
import pytest

import sibyl
from sibyl import _sibyl

TOLERANCE = {"float32": 1e-5, "float16": 1e-3, "bfloat16": 8e-3}  # of the norm of the output row

# B, Ci, L, Co, k, stride, padding, dilation, groups
SHAPES = [
    (1, 8, 50, 16, 3, 1, 1, 1, 1),
    (2, 12, 64, 12, 3, 2, 1, 1, 1),
    (1, 4, 100, 8, 10, 5, 0, 1, 1),
    (1, 80, 300, 38, 3, 1, 1, 1, 1),
    (2, 6, 33, 9, 4, 3, 5, 2, 3),
    (3, 5, 17, 10, 1, 1, 0, 1, 5),
    (1, 1, 1, 1, 1, 1, 0, 1, 1),
]


def definition(x, w, bias, stride, padding, dilation, groups, gelu):
    """conv1d in double."""
    x = np.pad(np.asarray(x, np.float64), ((0, 0), (0, 0), (padding, padding)))
    w = np.asarray(w, np.float64)
    span = dilation * (w.shape[2] - 1) + 1
    windows = np.lib.stride_tricks.sliding_window_view(x, span, axis=2)[:, :, ::stride, ::dilation]  # B, Ci, out, k
    per_in, per_out = x.shape[1] // groups, w.shape[0] // groups
    parts = [
        np.einsum("bctk,ock->bot", windows[:, g * per_in : (g + 1) * per_in], w[g * per_out : (g + 1) * per_out])
        for g in range(groups)
    ]
    y = np.concatenate(parts, axis=1)
    if bias is not None:
        y += np.asarray(bias, np.float64)[:, None]
    return y * (1 + np.vectorize(math.erf)(y / math.sqrt(2))) / 2 if gelu else y


def check(y, expected, dtype, **context):
    assert y.shape == expected.shape
    norms = np.linalg.norm(expected, axis=-1, keepdims=True)
    difference = np.abs(np.asarray(y, np.float64) - expected)
    assert (difference <= TOLERANCE[dtype] * np.maximum(norms, 1e-30)).all(), context


def make(shape, dtype=np.float32, seed=0):
    batch, channels, length, out, kernel, stride, padding, dilation, groups = shape
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch, channels, length)).astype(dtype)
    w = rng.standard_normal((out, channels // groups, kernel)).astype(dtype)
    return x, w, rng.standard_normal(out).astype(dtype), dict(
        stride=stride, padding=padding, dilation=dilation, groups=groups
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_against_the_definition(shape, dtype, gelu, with_bias):
    x, w, bias, sizes = make(shape, dtype)
    bias = bias if with_bias else None
    y = sibyl.conv1d(x, w, bias, **sizes, gelu=gelu)
    assert y.dtype == dtype and isinstance(y, np.ndarray) and y.flags.c_contiguous
    check(y, definition(x, w, bias, **sizes, gelu=gelu), dtype)
    assert np.array_equal(y, sibyl.conv1d(x, w, bias, **sizes, gelu=gelu, threads=2))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("threads", [None, 1, 2])
def test_tensors(torch, dtype, threads):
    for shape in SHAPES:
        arrays = make(shape)
        x, w, bias = (torch.from_numpy(array).to(getattr(torch, dtype)) for array in arrays[:3])
        y = sibyl.conv1d(x, w, bias, **arrays[3], gelu=True, threads=threads)
        assert isinstance(y, torch.Tensor) and y.dtype == x.dtype and y.is_contiguous()
        expected = definition(x.double().numpy(), w.double().numpy(), bias.double().numpy(), **arrays[3], gelu=True)
        check(y.double().numpy(), expected, dtype, shape=shape)


def test_without_a_batch():
    x, w, bias, sizes = make(SHAPES[4])
    whole = sibyl.conv1d(x, w, bias, **sizes)
    for i in range(len(x)):
        assert np.array_equal(sibyl.conv1d(x[i], w, bias, **sizes), whole[i])
    assert sibyl.conv1d(x[:0], w, bias, **sizes).shape == (0, *whole.shape[1:])


def test_views_are_copied():
    x, w, bias, sizes = make(SHAPES[1])
    expected = sibyl.conv1d(x, w, bias, **sizes)
    turned = np.ascontiguousarray(x.transpose(2, 0, 1)).transpose(1, 2, 0)
    assert np.array_equal(sibyl.conv1d(turned, w[:, ::-1][:, ::-1], bias, **sizes), expected)
    assert np.array_equal(sibyl.conv1d(x.astype(">f4"), w, bias, **sizes), expected)


def test_what_does_not_fit_is_named():
    x, w, bias, sizes = make(SHAPES[0])
    cases = [
        (ValueError, "positive|length", (x[..., :1], w), dict()),
        (ValueError, "stride", (x, w), dict(stride=0)),
        (ValueError, "padding", (x, w), dict(padding=-1)),
        (ValueError, "dilation", (x, w), dict(dilation=0)),
        (ValueError, "groups", (x, w), dict(groups=0)),
        (ValueError, "groups", (x, w), dict(groups=3)),
        (ValueError, "w has 8 input channels, expected 4", (x, w), dict(groups=2)),
        (ValueError, "w has 7", (x, w[:, :7]), dict()),
        (ValueError, "bias", (x, w, bias[:5]), dict()),
        (ValueError, "w has 2 dimensions", (x, w[0]), dict()),
        (ValueError, "x has 1 dimensions", (x[0, 0], w), dict()),
        (TypeError, "w has the type float16, but x has float32", (x, w.astype(np.float16)), dict()),
        (TypeError, "bias has the type float64", (x, w, bias.astype(np.float64)), dict()),
        (TypeError, "x has the type float64", (x.astype(np.float64), w.astype(np.float64)), dict()),
        (TypeError, "x must be", ([[1.0]], w), dict()),
        (TypeError, "w must be a NumPy array", (x, w.tolist()), dict()),
        (TypeError, "integer", (x, w), dict(stride=1.5)),
    ]
    for kind, words, arrays, sizes in cases:
        with pytest.raises(kind, match=words):
            sibyl.conv1d(*arrays, **sizes)
    for size in ("padding", "dilation", "groups"):
        with pytest.raises(sibyl.SibylError):
            sibyl.conv1d(x, w, **{size: 2**62})
    for size in ("stride", "padding", "dilation", "groups"):
        with pytest.raises(ValueError, match=f"{size} is 1180591620717411303424"):
            sibyl.conv1d(x, w, **{size: 2**70})
    assert sibyl.conv1d(x, w, stride=2**62).shape == (1, 16, 1)


def test_arrays_and_tensors_are_not_mixed(torch):
    x, w, _, _ = make(SHAPES[0])
    with pytest.raises(TypeError, match="w must be a torch tensor"):
        sibyl.conv1d(torch.from_numpy(x), w, threads=1)
    with pytest.raises(TypeError, match="w must be a NumPy array"):
        sibyl.conv1d(x, torch.from_numpy(w))


def test_nothing_leaks():
    x, w, bias, sizes = make(SHAPES[3])

    def calls():
        sibyl.conv1d(x, w, bias, **sizes)
        with pytest.raises(ValueError):
            sibyl.conv1d(x, w, bias[:3], **sizes)

    calls()
    gc.collect()
    before = [sys.getrefcount(array) for array in (x, w, bias)], _sibyl.alloc_counters()["bytes_current"]
    for _ in range(5):
        calls()
    gc.collect()
    assert before == ([sys.getrefcount(array) for array in (x, w, bias)], _sibyl.alloc_counters()["bytes_current"])
