"""Operators as plain calls: against NumPy's and torch's formulas, their gradients, and what does not fit."""

import math
import os

import numpy as np
import pytest

import sibyl
from sibyl import ops

RTOL = {"float16": 4e-3, "float32": 2e-5, "float64": 1e-11}
FLOATS = sorted(RTOL)


def draw(*shape, dtype="float32", seed=0):
    return np.random.default_rng(seed + sum(shape)).uniform(-1, 1, shape).astype(dtype)


def close(got, want):
    tolerance = RTOL[got.dtype.name]
    np.testing.assert_allclose(got.astype("float64"), want, rtol=tolerance, atol=tolerance)


def soft(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def attend(q, k, v, mask=None, causal=False, scale=None, cap=0.0):
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat(groups, 1), v.repeat(groups, 1)
    scores = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if cap:
        scores = cap * np.tanh(scores / cap)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    return soft(scores) @ v


# ---- NumPy --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backends", [None, "ref"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_formulas(dtype, backends, monkeypatch):
    if backends:
        compute = ops.compute
        monkeypatch.setattr(ops, "compute", lambda *a, **k: compute(*a, **{**k, "backends": backends}))
    x, w, b = draw(3, 5, 8, dtype=dtype), draw(8, dtype=dtype), draw(8, dtype=dtype, seed=1)
    wide, ww, wb = (a.astype("float64") for a in (x, w, b))
    close(ops.softmax(x), soft(wide))
    close(ops.softmax(x, 0), soft(wide, 0))
    erf = np.vectorize(math.erf)
    close(ops.gelu(x), wide * (1 + erf(wide / math.sqrt(2))) / 2)
    close(ops.gelu(x, "tanh"), wide * (1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3))) / 2)
    eps = 2.0**-10
    centred = wide - wide.mean(-1, keepdims=True)
    norm = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    close(ops.layer_norm(x, w, b, eps=eps), norm * ww + wb)
    close(ops.layer_norm(x, w, eps=eps), norm * ww)
    close(ops.rms_norm(x, w, eps=eps), wide / np.sqrt((wide**2).mean(-1, keepdims=True) + eps) * ww)
    m = draw(8, 4, dtype=dtype)
    close(ops.matmul(x, m), wide @ m.astype("float64"))
    close(ops.matmul(x[0, 0], m), wide[0, 0] @ m.astype("float64"))


@pytest.mark.parametrize("dtype", FLOATS)
def test_attention(dtype):
    q, k, v = draw(2, 4, 3, 8, dtype=dtype), draw(2, 2, 5, 8, dtype=dtype), draw(2, 2, 5, 6, dtype=dtype)
    wide = [a.astype("float64") for a in (q, k, v)]
    close(ops.attention(q, k, v), attend(*wide))
    bias = draw(3, 5, dtype=dtype)
    close(
        ops.attention(q, k, v, mask=bias, scale=0.5, softcap=2.0), attend(*wide, bias.astype("float64"), scale=0.5, cap=2.0)
    )
    seen = np.ones((2, 1, 3, 5), bool)
    seen[0, 0, :, 3:] = False
    close(ops.attention(q, k, v, mask=seen, is_causal=True), attend(*wide, seen, causal=True))
    joined = [a.swapaxes(1, 2).reshape(2, a.shape[2], -1) for a in (q, k, v)]
    packed = ops.attention(*joined, q_heads=4, kv_heads=2)
    close(packed, attend(*wide).swapaxes(1, 2).reshape(2, 3, 24))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary(dtype, interleaved):
    x, angles = draw(2, 3, 4, 8, dtype=dtype), draw(10, 3, dtype="float64")
    at = np.array([[0, 1, 2, 3], [5, 6, 7, 9]])
    cos, sin = np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)
    got = ops.rotary_embedding(x, cos, sin, at, interleaved=interleaved, rotated_dims=6)
    wide = x.astype("float64")
    first, second = (wide[..., :6:2], wide[..., 1:6:2]) if interleaved else (wide[..., :3], wide[..., 3:6])
    c, s = (a.astype("float64")[at][:, None] for a in (cos, sin))
    one, two = first * c - second * s, second * c + first * s
    pairs = np.stack([one, two], -1).reshape(2, 3, 4, 6) if interleaved else np.concatenate([one, two], -1)
    close(got, np.concatenate([pairs, wide[..., 6:]], -1))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_conv(axes):
    x, w, b = draw(2, 4, *[6] * axes), draw(6, 2, *[3] * axes), draw(6)
    got = ops.conv(x, w, b, stride=2, padding=1, groups=2)
    assert got.shape == (2, 6, *[3] * axes)
    padded = np.pad(x.astype("float64"), [(0, 0), (0, 0)] + [(1, 1)] * axes)
    windows = np.lib.stride_tricks.sliding_window_view(padded, [3] * axes, tuple(range(2, 2 + axes)))
    windows = windows[(slice(None), slice(None), *[slice(None, None, 2)] * axes)]
    inner = list(range(2 + axes, 2 + 2 * axes))
    want = np.concatenate(
        [
            np.moveaxis(
                np.tensordot(windows[:, 2 * g : 2 * g + 2], w[3 * g : 3 * g + 3], ([1, *inner], list(range(1, 2 + axes)))), -1, 1
            )
            for g in range(2)
        ],
        1,
    )
    close(got, want + b.reshape(-1, *[1] * axes))


def test_any_operator():
    x = draw(3, 7)
    values, indices = ops.call("TopK", x, np.array([2]), outputs=2, axis=-1)
    np.testing.assert_array_equal(indices, np.argsort(-x, -1)[:, :2])
    np.testing.assert_array_equal(values, -np.sort(-x, -1)[:, :2])
    np.testing.assert_array_equal(ops.call("Clip", x, None, np.float32(0)), np.minimum(x, 0))
    assert ops.call("AveragePool3x3", x, domain="ai.sibyl", mode="valid").shape == (1, 5)
    samples = draw(16000)
    np.testing.assert_array_equal(
        ops.call("LogMelSpectrogram", samples, domain="ai.sibyl", n_mels=128), sibyl.log_mel_spectrogram(samples, 128)
    )
    np.testing.assert_array_equal(ops.call("Transpose", x, perm=[1, 0]), x.T)
    filled = ops.call("ConstantOfShape", np.array([2, 2]), value=np.array([7], np.int32))
    assert filled.dtype == np.int32 and (filled == 7).all()


def test_an_operator_of_ones_own():
    @sibyl.operator("test.ops", "Half")
    def half(x):
        return x / 2

    x = draw(3, 4)
    np.testing.assert_array_equal(ops.call("Half", x, domain="test.ops"), x / 2)


def test_results_are_the_callers():
    x = draw(4, 4)
    first = ops.softmax(x)
    kept = first.copy()
    for seed in range(5):
        ops.softmax(draw(4, 4, seed=seed))
    np.testing.assert_array_equal(first, kept)
    same = ops.call("Identity", x)
    same[:] = 0
    assert x.any()


def test_strided_and_empty():
    x = draw(6, 8)
    np.testing.assert_array_equal(ops.softmax(x.T), ops.softmax(np.ascontiguousarray(x.T)))
    np.testing.assert_array_equal(ops.softmax(x[::-2]), ops.softmax(x[::-2].copy()))
    assert ops.softmax(np.empty((0, 3), "float32")).shape == (0, 3)
    assert ops.matmul(np.empty((2, 0), "float32"), np.empty((0, 3), "float32")).tolist() == [[0] * 3] * 2


def test_what_does_not_fit_is_named():
    x = draw(2, 3)
    with pytest.raises(ValueError, match="MatMul.*3.*2"):
        ops.matmul(x, x)
    with pytest.raises(ValueError, match="float64"):
        ops.matmul(x, x.T.astype("float64"))
    with pytest.raises(ValueError, match="axis"):
        ops.softmax(x, 5)
    with pytest.raises(ValueError, match="Attention.*rank"):
        ops.attention(x, x, x)
    with pytest.raises(ValueError, match="stride has 2"):
        ops.conv(draw(1, 2, 5), draw(2, 2, 3), stride=[1, 1])
    with pytest.raises(sibyl.SibylError, match="Telepathy"):
        ops.call("Telepathy", x)
    with pytest.raises(TypeError, match="attribute 'axis'"):
        ops.call("Softmax", x, axis={})
    with pytest.raises(ValueError, match="outputs"):
        ops.call("Softmax", x, outputs=0)
    with pytest.raises(ValueError, match="threads"):
        ops.softmax(x, threads=-1)


def test_after_fork():
    x = draw(64, 64)
    want = ops.softmax(x, threads=2)
    child = os.fork()
    if not child:
        os._exit(0 if (ops.softmax(x, threads=2) == want).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


# ---- torch --------------------------------------------------------------------------------------------------


def tensors(torch, *shapes, dtype=None, grad=True):
    torch.manual_seed(sum(map(sum, shapes)))
    return [(torch.rand(s, dtype=dtype or torch.float64) * 2 - 1).requires_grad_(grad) for s in shapes]


def calls(torch):
    """Name, function of tensors, their shapes: every operator with a gradient."""
    at = torch.tensor([[0, 2, 1]])
    angle = torch.linspace(0, 1, 8, dtype=torch.float64).reshape(4, 2)
    cos, sin = angle.cos(), angle.sin()
    seen = torch.tensor([[True, True, False], [True, True, True]])
    t = ops
    return [
        ("matmul", t.matmul, [(2, 3, 4), (4, 2)]),
        ("matmul", t.matmul, [(3, 4), (2, 4, 2)]),
        ("matmul", t.matmul, [(4,), (2, 4, 2)]),
        ("matmul", t.matmul, [(2, 3, 4), (4,)]),
        ("matmul", t.matmul, [(4,), (4,)]),
        ("softmax", t.softmax, [(3, 5)]),
        ("softmax", lambda x: t.softmax(x, 0), [(3, 5)]),
        ("gelu", t.gelu, [(3, 5)]),
        ("gelu", lambda x: t.gelu(x, "tanh"), [(3, 5)]),
        ("layer_norm", t.layer_norm, [(3, 6), (6,), (6,)]),
        ("layer_norm", lambda x, w: t.layer_norm(x, w, axis=1), [(2, 3, 4), (3, 4)]),
        ("rms_norm", t.rms_norm, [(3, 6), (6,)]),
        ("conv", t.conv, [(2, 2, 7), (3, 2, 3), (3,)]),
        ("conv", lambda x, w: t.conv(x, w, stride=2, padding=[1, 0], groups=2), [(1, 2, 5, 5), (4, 1, 3, 2)]),
        ("conv", t.conv, [(1, 2, 3, 3, 3), (2, 2, 2, 2, 2)]),
        ("rotary_embedding", lambda x: t.rotary_embedding(x, cos, sin, at), [(1, 2, 3, 4)]),
        ("rotary_embedding", lambda x: t.rotary_embedding(x, cos, sin, at, num_heads=2, interleaved=True), [(1, 3, 8)]),
        ("attention", t.attention, [(1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 3, 5)]),
        ("attention", lambda q, k, v: t.attention(q, k, v, is_causal=True, softcap=1.5), [(1, 4, 3, 2), (1, 2, 3, 2), (1, 2, 3, 2)]),
        ("attention", lambda q, k, v, m: t.attention(q, k, v, mask=m, scale=0.7), [(1, 2, 2, 4), (1, 2, 3, 4), (1, 2, 3, 4), (2, 3)]),
        ("attention", lambda q, k, v: t.attention(q, k, v, mask=seen), [(1, 2, 2, 4), (1, 2, 3, 4), (1, 2, 3, 4)]),
        ("attention", lambda q, k, v: t.attention(q, k, v, q_heads=2, kv_heads=1), [(1, 2, 8), (1, 3, 4), (1, 3, 4)]),
    ]  # fmt: skip


def test_gradients(torch):
    for name, run, shapes in calls(torch):
        given = tensors(torch, *shapes)
        assert torch.autograd.gradcheck(run, given, atol=1e-7), (name, shapes)


def test_gradients_of_halves_have_their_type(torch):
    for name, run, shapes in calls(torch):
        if name == "rotary_embedding":
            continue  # cos and sin are doubles here
        for dtype in (torch.float16, torch.bfloat16):
            given = tensors(torch, *shapes, dtype=torch.float32)
            halves = [x.detach().to(dtype).requires_grad_() for x in given]
            run(*given).sum().backward()
            y = run(*halves)
            assert y.dtype == dtype
            y.sum().backward()
            for x, h in zip(given, halves):
                assert h.grad.dtype == dtype
                torch.testing.assert_close(h.grad.float(), x.grad, rtol=0.1, atol=0.1)


def test_conv1d_has_a_gradient(torch):
    for gelu in (False, True):
        x, w, b = tensors(torch, (2, 3, 12), (4, 3, 3), (4,), dtype=torch.float32)
        y = sibyl.conv1d(x, w, b, 2, 1, gelu=gelu)
        y.square().sum().backward()
        got = [t.grad.clone() for t in (x, w, b)]
        for t in (x, w, b):
            t.grad = None
        want = torch.nn.functional.conv1d(x, w, b, 2, 1)
        (torch.nn.functional.gelu(want) if gelu else want).square().sum().backward()
        for g, t in zip(got, (x, w, b)):
            torch.testing.assert_close(g, t.grad, rtol=1e-4, atol=1e-5)


def test_a_gradient_that_does_not_exist_is_named(torch):
    samples = torch.rand(4000, requires_grad=True)
    features = torch.rand(20, 30, requires_grad=True)
    x, w = tensors(torch, (1, 2, 8), (2, 2, 3), dtype=torch.float32)
    cases = {
        "torch.ops.sibyl.log_mel_spectrogram": lambda: sibyl.log_mel_spectrogram(samples),
        "sibyl.log_mel_spectrogram": lambda: sibyl.log_mel_spectrogram(samples, threads=1),
        "sibyl.LogMel": lambda: sibyl.LogMel("kaldi")(samples),
        "sibyl.smooth3x3": lambda: sibyl.smooth3x3(features),
        "sibyl.conv1d": lambda: sibyl.conv1d(x, w, threads=1),
        r"sibyl.ops.call\('Relu'\)": lambda: ops.call("Relu", x),
        "sibyl.ops.softmax": lambda: ops.softmax(x, threads=1),
        "for cos and sin": lambda: ops.rotary_embedding(
            torch.rand(1, 1, 2, 4), torch.rand(1, 2, 2, requires_grad=True), torch.rand(1, 2, 2)
        ),
    }
    for name, run in cases.items():
        y = run()  # only the backward pass is refused
        assert y.requires_grad, name
        with pytest.raises(RuntimeError, match=name):
            y.sum().backward()
        with torch.no_grad():
            assert not run().requires_grad


def needs(torch, name):
    owner = torch
    for part in name.split("."):
        owner = getattr(owner, part, None)
    if owner is None:
        pytest.skip(f"torch {torch.__version__} has no torch.{name}")
    return owner


def test_opcheck(torch):
    opcheck = needs(torch, "library.opcheck")
    needs(torch, "library.register_autograd")
    x, w, b = tensors(torch, (3, 6), (6,), (6,), dtype=torch.float32)
    q, k, v = tensors(torch, (1, 2, 3, 4), (1, 1, 5, 4), (1, 1, 5, 4), dtype=torch.float32)
    c, k1, k2 = tensors(torch, (1, 2, 5, 5), (4, 2, 3, 3), (4,), dtype=torch.float32)
    cos = torch.rand(1, 3, 2)
    namespace = torch.ops.sibyl
    for op, args in [
        (namespace.matmul, (x, w)),
        (namespace.softmax, (x, 0)),
        (namespace.gelu, (x, "tanh")),
        (namespace.layer_norm, (x, w, b)),
        (namespace.rms_norm, (x, w)),
        (namespace.rotary_embedding, (q, cos, cos)),
        (namespace.conv, (c, k1, k2, [1, 1], [1, 0], [1, 1])),
        (namespace.attention, (q, k, v, None, True)),
    ]:
        opcheck(op.default, args)


def test_compile(torch):
    compile = needs(torch, "compile")
    q, w = tensors(torch, (1, 2, 5, 8), (8,), dtype=torch.float32)

    def block(q, w):
        return ops.attention(q, q, q, is_causal=True).relu() + ops.rms_norm(q, w)

    want = block(q, w)
    got = compile(block, backend="aot_eager", fullgraph=True)(q, w)
    torch.testing.assert_close(got, want)
    assert torch.allclose(torch.autograd.grad(got.sum(), q)[0], torch.autograd.grad(want.sum(), q)[0], atol=1e-6)


def test_tensors_in_tensors_out(torch):
    x = torch.rand(3, 8)
    torch.testing.assert_close(ops.softmax(x), torch.softmax(x, -1))
    torch.testing.assert_close(ops.softmax(x, threads=2), torch.softmax(x, -1))
    y = ops.gelu(x.bfloat16())
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), torch.nn.functional.gelu(x.bfloat16()).float(), rtol=0.02, atol=0.02)
    assert ops.call("Cast", x, to=4).dtype == torch.uint16
    with pytest.raises(TypeError, match="torch tensors"):
        ops.call("Add", x, x.numpy())
    q = torch.rand(2, 4, 6, 8)
    want = torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True)
    torch.testing.assert_close(ops.attention(q, q, q, is_causal=True), want)
