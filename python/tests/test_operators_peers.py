"""Operators beyond ai.onnx beside those that define them: one-node models of random inputs, run here and by
onnxruntime, onnxruntime-extensions or qonnx; by a definition in NumPy where onnxruntime has it on GPUs alone."""

import numpy as np
import pytest
from conftest import peer
from one_node import CONTRIB, MS, QONNX, agree, case, name_of, one, run, s

import sibyl.onnxruntime as sibyl_ort

RNG = np.random.default_rng(7)


def f(*shape, low=-2, high=2):
    return RNG.uniform(low, high, shape).astype(np.float32)


def i(low, high, *shape, dtype=np.int64):
    return RNG.integers(low, high, shape).astype(dtype)


# ---- onnxruntime --------------------------------------------------------------------------------------------

X4, V = f(2, 3, 5, 6), f(7)
EXPERTS, ROUTER = f(3, 4), f(3, 5)
CODES = i(0, 256, 48, dtype=np.uint8)
IDS = np.array([[1, 2, 3, 1, 2], [4, 4, 4, 4, 4], [0, 1, 0, 1, 0]])


def bytes_of(*shape):
    return i(0, 256, *shape, dtype=np.uint8)


def qmoe(bits, block=0, zeros=False, k=2, fused=False, **more):
    """16 to 32 columns: `block` divides both."""
    wide, rows = 32, 64 if fused else 32
    scales = [f(4, n, *([wide // block] if block else []), low=0.01, high=0.1) for n in (rows, wide)]
    inputs = [f(5, wide), f(5, 4), bytes_of(4, rows, wide * bits // 8), scales[0], None,
              bytes_of(4, wide, wide * bits // 8), scales[1]]  # fmt: skip
    consts = [2, 3, 5, 6]
    if zeros:
        inputs += [None] * 4
        for n in (rows, wide):
            inputs.append(bytes_of(4, n, -(-wide // block * bits // 8)) if block else bytes_of(4, n * bits // 8))
        consts += [11, 12]
    if block:
        more["block_size"] = block
    return case(MS, "QMoE", inputs, consts, k=k, expert_weight_bits=bits, **more)


def lstm(directions=1, steps=5, batch=2, width=3, hidden=4, more=0, extra=()):
    """X, W, R, B, sequence_lens, initial_h, initial_c and P of an LSTM, then `extra`."""
    d, h = directions, hidden
    return [f(steps, batch, width), f(d, 4 * h, width + more, low=-0.6, high=0.6), f(d, 4 * h, h, low=-0.6, high=0.6),
            f(d, 8 * h), None, None, None, None, *extra]  # fmt: skip


def byte_lstm(directions=1, signed=False, by_column=False, lengths=None, states=False, peepholes=False, **attributes):
    """One whose weights are bytes."""
    d, h, dtype = directions, 4, np.int8 if signed else np.uint8
    x = lstm(d)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    x[1], x[2] = i(low, high, d, 3, 4 * h, dtype=dtype), i(low, high, d, h, 4 * h, dtype=dtype)
    parameters = (d, 4 * h) if by_column else (d,)
    for _ in range(2):
        x += [f(*parameters, low=0.002, high=0.01), np.full(parameters, 0 if signed else 128, dtype)]
    if lengths:
        x[4] = np.array(lengths, np.int32)
    if states:
        x[5], x[6] = f(d, 2, h), f(d, 2, h)
    if peepholes:
        x[7] = f(d, 3 * h)
    attributes["direction"] = attributes.get("direction", "bidirectional" if d == 2 else "forward")
    return case(MS, "DynamicQuantizeLSTM", x, (1, 2, 3, 8, 9, 10, 11), 3, hidden_size=h, **attributes)


def attention_lstm(directions=1, lengths=None, memory_lengths=None, layer=0, **attributes):
    d, h, depth, size = directions, 4, 5, 6
    x = lstm(d, hidden=h, more=layer or depth)
    x[4] = None if lengths is None else np.array(lengths, np.int32)
    x += [f(d, h, size), f(d, depth, size), f(d, size), f(2, 7, depth),
          None if memory_lengths is None else np.array(memory_lengths, np.int32)]  # fmt: skip
    x += [f(d, depth + h, layer)] if layer else []
    attributes["direction"] = attributes.get("direction", "bidirectional" if d == 2 else "forward")
    return case(MS, "AttnLSTM", x, (1, 2, 3), 3, hidden_size=h, **attributes)


ORIGINAL = [
    byte_lstm(),
    byte_lstm(2, signed=True, by_column=True),
    byte_lstm(signed=True, states=True, peepholes=True, direction="reverse"),
    byte_lstm(2, lengths=[4, 4], clip=0.5),
    byte_lstm(activations=["HardSigmoid", "Relu", "Softsign"], states=True),
    attention_lstm(),
    attention_lstm(2, memory_lengths=[7, 3], layer=3),
    attention_lstm(lengths=[5, 2], memory_lengths=[2, 6], direction="reverse"),
    attention_lstm(2, lengths=[1, 4], layer=4),
    case("", "Affine", [V], alpha=2.5, beta=-1.0),
    case("", "Affine", [V], opset=9),
    case("", "Scale", [V], scale=0.5),
    case("", "ScaledTanh", [V], alpha=2.0, beta=0.5),
    case("", "ParametricSoftplus", [V], alpha=2.0, beta=0.5),
    case("", "ThresholdedRelu", [V], alpha=0.5),
    case("", "ImageScaler", [X4], scale=2.0, bias=[1.0, -2.0, 3.0]),
    case("", "Crop", [X4], border=[1, 2, 0, 1]),
    case("", "Crop", [X4], border=[1, 2, 0, 0], scale=[3, 2]),
    case("", "DynamicSlice", [X4, np.array([1, -3]), np.array([3, 100]), np.array([1, 3])]),
    case(MS, "SampleOp", [V]),
    case(MS, "TransposeMatMul", [f(2, 4, 3), f(2, 4, 5)], transA=1, alpha=0.5),
    case(MS, "MatMulInteger16", [i(-99, 99, 2, 3, dtype=np.int16), i(-99, 99, 3, 4, dtype=np.int16)]),
    case(MS, "MatMulBnb4", [f(2, 32), CODES, f(3, low=0.1)], (1, 2), K=32, N=3, block_size=32, quant_type=0),
    case(MS, "MatMulBnb4", [f(2, 32), CODES, f(6, low=0.1)], (1, 2), K=32, N=3, block_size=16, quant_type=1),
    case(MS, "NhwcMaxPool", [i(-99, 99, 2, 5, 6, 3, dtype=np.int8)], kernel_shape=[2, 3], strides=[2, 1]),
    case(MS, "NhwcMaxPool", [bytes_of(1, 5, 6, 2)], kernel_shape=[3, 3], pads=[1, 1, 1, 1], dilations=[1, 2]),
    case(MS, "UnfoldTensor", [f(2, 7, 3)], dim=1, size=3, step=2),
    case(MS, "UnfoldTensor", [i(0, 9, 2, 5)], size=2),
    case(MS, "NGramRepeatBlock", [IDS, f(3, 6)], ngram_size=3),
    case(MS, "NGramRepeatBlock", [IDS, f(3, 6)], ngram_size=1),
    case(MS, "NGramRepeatBlock", [IDS, f(3, 6)], ngram_size=9),
    case(MS, "CropAndResize", [X4, f(3, 4, low=-0.2, high=1.2), np.array([1, 0, 1], np.int32),
                               np.array([3, 4], np.int32)], (3,), extrapolation_value=-7.0),
    case(MS, "CropAndResize", [X4, f(3, 4, low=0, high=1), np.array([1, 0, 1], np.int32),
                               np.array([1, 3], np.int32)], (3,), mode="nearest"),
    case(MS, "MurmurHash3", [s("a", "bcé", "", "abcdefgh")]),
    case(MS, "MurmurHash3", [i(-9, 9, 5)], positive=0, seed=3),
    case(MS, "MurmurHash3", [f(4)], seed=2**31),
    case(MS, "GatedAdd", [f(2, 3, 4), f(2, 3, 4), f(2, 3, 1)]),
    case(MS, "ScaledSiLU", [f(2, 3)], alpha=0.5),
    case(MS, "ScaledSiLU", [f(2, 3), one(1.5)]),
    case(MS, "GatedRMSNorm", [f(2, 3, 8), f(4), f(2, 3, 8)]),
    case(MS, "GatedRMSNorm", [f(2, 8), f(8), f(2, 8)], activation="sigmoid", epsilon=0.01),
    case(MS, "BranchwiseRMSNorm", [f(2, 3, 4), f(3, 4)]),
    case(MS, "BranchwiseRMSNorm", [f(2, 12), f(12)], num_branches=3),
    case(MS, "BranchwiseRMSNorm", [f(2, 12), f(4)], num_branches=3),
    case(MS, "HyperConnectionPreMix", [f(2, 3, 4), f(2, 3)], reduction_scale=0.5),
    case(MS, "HyperConnectionPreMix", [f(2, 12), f(2, 12)], num_branches=3),
    case(MS, "HyperConnectionPostMix", [f(2, 3, 4), f(2, 4), f(2, 3)]),
    case(MS, "HyperConnectionPostMix", [f(2, 12), f(2, 4), f(2, 3, 1), f(2, 3, 3)], num_branches=3),
    case(MS, "LinearAttentionGate", [f(2, 3, 4), f(4), f(4), f(2, 3, 4)], n_out=2),
    case(MS, "Tokenizer", [s("ab c,de  fg", "x", "")], mark=1, mincharnum=1, pad_value="#", separators=[" ", ","]),
    case(MS, "Tokenizer", [s("ab c,de  fg", "x", "")], mark=0, mincharnum=2, pad_value="#", separators=[" ", ","]),
    case(MS, "Tokenizer", [s("abé", "x", "", "日本").reshape(2, 2)], mark=1, mincharnum=1, pad_value="", separators=[""]),
    case(MS, "Tokenizer", [s("ab c,de  fg", "x")], mark=0, mincharnum=1, pad_value="#", tokenexp="[a-c]+|,"),
    case(MS, "Tokenizer", [s(" ", "")], mark=1, mincharnum=1, pad_value="#", separators=[" "]),
    case(MS, "Tokenizer", [s("abcdbe", "bb")], mark=0, mincharnum=1, pad_value="#", separators=["b|bc", "e"]),
    *[case(MS, "MoE", [EXPERTS, ROUTER, f(5, 6, 4), f(5, 6), f(5, 4, 6), f(5, 4)], k=k, activation_type=kind,
           normalize_routing_weights=k % 2) for k, kind in enumerate(("relu", "gelu", "silu", "identity"), 1)],
    case(MS, "MoE", [f(2, 3, 4), f(6, 5), f(5, 6, 4), None, f(5, 4, 6)], k=2),
    case(MS, "MoE", [EXPERTS, ROUTER, f(5, 12, 4), f(5, 12), f(5, 4, 6), f(5, 4)], k=2, activation_type="swiglu",
         swiglu_fusion=1, activation_alpha=1.7, activation_beta=0.5, swiglu_limit=1.0),
    qmoe(4),
    qmoe(8, normalize_routing_weights=1, activation_type="silu"),
    qmoe(4, block=16, zeros=True),
    qmoe(8, block=32, zeros=True, k=1),
    qmoe(4, zeros=True, activation_type="swiglu", swiglu_fusion=1, fused=True),
]  # fmt: skip


@pytest.mark.parametrize("c", ORIGINAL, ids=name_of)
def test_beside_onnxruntime(c, monkeypatch):
    monkeypatch.setenv("ORT_QMOE_CPU_QNBIT_GEMM", "0")  # it rounds what is multiplied by blocks of 8 bits to 8 bits, else
    agree(run(sibyl_ort, c), run(peer("onnxruntime"), c), 2e-5)


# ---- NumPy: onnxruntime has these on GPUs alone -------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def group_norm(x, gamma, beta, groups, epsilon, silu, last):
    x = np.moveaxis(x, -1, 1) if last else x
    parts = x.reshape(x.shape[0], groups, -1).astype(np.float64)
    parts = (parts - parts.mean(2, keepdims=True)) / np.sqrt(parts.var(2, keepdims=True) + epsilon)
    wide = (1, -1) + (1,) * (x.ndim - 2)
    y = parts.reshape(x.shape) * gamma.reshape(wide) + beta.reshape(wide)
    y = y * sigmoid(y) if silu else y
    return np.moveaxis(y, 1, -1) if last else y


def skip_group_norm(x, gamma, beta, skip, bias, **more):
    total = x + (skip if skip.ndim == 4 else skip[:, None, None]) + bias
    return [group_norm(total, gamma, beta, **more), total]


def conv(x, w, b=None, z=None, relu=False, **attributes):
    """Conv of onnxruntime on channels first."""
    inputs = [np.moveaxis(x, -1, 1).copy(), w] + ([b] if b is not None else [])
    y = np.moveaxis(run(peer("onnxruntime"), case("", "Conv", inputs, opset=17, **attributes))[0], 1, -1)
    y = y if z is None else y + z
    return np.maximum(y, 0) if relu else y


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gemma(emb, q, q_rot, k, k_rot):
    angle = emb.astype(np.float64)[:, None]
    return [q * np.cos(angle) + q_rot * np.sin(angle), k * np.cos(angle) + k_rot * np.sin(angle)]


def beams(x, w, b, mask, past, bias, used, width, cache):
    """Attention of onnxruntime for one token, on a past in which every row was taken from the beam that cache names."""
    rows = np.arange(len(x))[:, None] // width[0] * width[0] + cache.reshape(len(x), -1)[:, : past.shape[3]]
    taken = np.stack([[past[:, row, :, t] for t, row in enumerate(of)] for of in rows])  # [rows, T, 2, N, D]
    taken = np.ascontiguousarray(taken.transpose(2, 0, 3, 1, 4))
    there = run(peer("onnxruntime"), case(MS, "Attention", [x, w, b, mask, taken, bias], n_out=2, num_heads=2))
    return [there[0], np.concatenate([past, there[1][:, :, :, past.shape[3]:]], 3)]


def in_groups(past):
    """The keys of a buffer [2, B, N, M, D] as [B, N, D / 4, M, 4]."""
    shape = past.shape[1:]
    keys = past[0].reshape(*shape[:3], -1, 4).transpose(0, 1, 3, 2, 4).reshape(shape)
    return np.stack([keys, past[1]])


def of_groups(past):
    b, n, m, d = past.shape[1:]
    return np.stack([past[0].reshape(b, n, d // 4, m, 4).transpose(0, 1, 3, 2, 4).reshape(b, n, m, d), past[1]])


def shared(x, w, b, mask, past, bias, used):
    """Attention of onnxruntime over the rows of a buffer that are used."""
    plain = of_groups(past)
    inputs = [x, w, b, mask, np.ascontiguousarray(plain[:, :, :, : used[0]]), bias]
    there = run(peer("onnxruntime"), case(MS, "Attention", inputs, n_out=2, num_heads=2))
    plain[:, :, :, : used[0] + 1] = there[1]
    return [there[0], in_groups(plain)]


X_LAST, W, B, Z = f(2, 5, 6, 4), f(6, 2, 3, 3), f(6), f(2, 5, 6, 6)
GAMMA, BETA = f(4), f(4)
OWN = np.random.default_rng(18)
SHARED = [(*(OWN.uniform(-2, 2, dims).astype(np.float32) for dims in ((3, 1, 6), (6, 48), (48,))), mask,
           OWN.uniform(-2, 2, (2, 3, 2, 9, 8)).astype(np.float32), None, used)
          for mask, used in ((None, 5), (OWN.integers(0, 2, (3, 9)).astype(np.int32), 8), (None, 0))]  # fmt: skip
Q8, Q8B = i(-128, 128, 2, 3, dtype=np.int8), i(0, 256, 3, dtype=np.uint8)
DEFINED = [
    (case(MS, "GroupNorm", [X_LAST, GAMMA, BETA], groups=2, activation=1),
     lambda x, g, b: group_norm(x, g, b, 2, 1e-5, True, True)),
    (case(MS, "GroupNorm", [f(2, 4, 3, 3), GAMMA, BETA], groups=4, activation=0, channels_last=0, epsilon=0.1),
     lambda x, g, b: group_norm(x, g, b, 4, 0.1, False, False)),
    (case(MS, "SkipGroupNorm", [X_LAST, GAMMA, BETA, f(2, 4), f(4)], n_out=2, groups=2, activation=0),
     lambda *x: skip_group_norm(*x, groups=2, epsilon=1e-5, silu=False, last=True)),
    (case(MS, "SkipGroupNorm", [X_LAST, GAMMA, BETA, f(2, 5, 6, 4), f(4)], n_out=2, groups=1, activation=1),
     lambda *x: skip_group_norm(*x, groups=1, epsilon=1e-5, silu=True, last=True)),
    (case(MS, "NhwcConv", [X_LAST, W, B], group=2, pads=[1, 1, 1, 1], strides=[2, 1]),
     lambda *x: conv(*x, group=2, pads=[1, 1, 1, 1], strides=[2, 1])),
    (case(MS, "NhwcFusedConv", [X_LAST, W, B, Z], group=2, pads=[1, 1, 1, 1], activation="Relu"),
     lambda *x: conv(*x, relu=True, group=2, pads=[1, 1, 1, 1])),
    (case(MS, "GemmFastGelu", [f(2, 3, 4), f(4, 5), f(5)]), lambda x, w, b: gelu_tanh(x @ w + b)),
    (case(MS, "FusedMatMulActivation", [f(2, 3), f(4, 3)], transB=1, alpha=0.5, activation="Relu"),
     lambda a, b: np.maximum(0.5 * (a @ b.T), 0)),
    (case(MS, "SparseToDenseMatMul", [f(2, 3), f(4, 3)], transB=1), lambda a, b: a @ b.T),
    (case(MS, "BiasDropout", [f(2, 4), f(4), f(2, 4)], n_out=2), lambda x, b, r: [x + b + r, np.ones((2, 4), bool)]),
    (case(MS, "IsAllFinite", [f(3), one([1, np.inf])]), lambda *x: np.array(False)),
    (case(MS, "IsAllFinite", [f(3), one([1, np.inf])], isnan_only=1), lambda *x: np.array(True)),
    (case(MS, "MulInteger", [Q8, one(3, np.int8), Q8B, one(9, np.uint8)]),
     lambda a, az, b, bz: (a.astype(np.int32) - az) * (b.astype(np.int32) - bz)),
    (case(MS, "ReduceSumInteger", [Q8], axes=[1], keepdims=0), lambda a: a.sum(1, dtype=np.int32)),
    (case(MS, "Rfft", [f(2, 6)], signal_ndim=1),
     lambda x: np.stack([np.fft.rfft(x).real, np.fft.rfft(x).imag], -1)),
    (case(MS, "Irfft", [f(2, 4, 2)], signal_ndim=1), lambda x: np.fft.irfft(x[..., 0] + 1j * x[..., 1])),
    (case(MS, "GemmaRotaryEmbedding", [f(1, 3, 4)] + [f(1, 2, 3, 4) for _ in range(4)], n_out=2), gemma),
    (case(MS, "DecoderMaskedSelfAttention", [f(6, 1, 8), f(8, 24), f(24), i(0, 2, 6, 4, dtype=np.int32), f(2, 6, 2, 3, 4),
          None, one([3], np.int32), one([3], np.int32), i(0, 3, 2, 3, 7, dtype=np.int32)], n_out=2, num_heads=2),
     beams),
    *[(case(MS, "DecoderMaskedSelfAttention", [x, w, b, mask, past, bias, one([used], np.int32)], n_out=2, num_heads=2,
            past_present_share_buffer=1), shared) for x, w, b, mask, past, bias, used in SHARED],
    (case("", "GivenTensorFill", [], values=[1.0, 2.0, 3.0, 4.0], shape=[2, 2]),
     lambda: np.array([[1, 2], [3, 4]], np.float32)),
]  # fmt: skip


@pytest.mark.parametrize("c, definition", DEFINED, ids=name_of)
def test_beside_definitions(c, definition):
    want = definition(*c[4])
    agree(run(sibyl_ort, c), want if isinstance(want, list) else [want], 2e-5)


# ---- onnxruntime-extensions ---------------------------------------------------------------------------------

WORDS = s("Hello World", "", "straße, ΟΔΟΣ! ", "  a-b_c \t", "日本語 text", "aaa")
MAP = "a\t1 2\nbé\t3 4\n\nc\t-5 6\n"
SPLITS = np.array([0, 2, 2, 5])
LABELS, MATRIX = [0, 0, 1, 2, 3, 2, 0, 0, 1, 1, 2, 2, 3], one([[2, 1, 0], [1, 3, 0.5], [0, -1, 4]])
HASHED = s("", "a", "abc", "abcdefg", "abcdefgh", "é" * 9, "x" * 100)
PLAIN = s("Hello World", "", "  a-b_c \t", "aaa", "foo123bar", "x\ny\r\nz", "Aa{1}")
ECMA = [("a*", "x"), (r"(\w)(\w)", "$2$1"), ("^", "_"), ("$", "_"), (r"\b", "|"), ("(a)|b", "[$1]"), ("[^a-z]+", "<$&>"),
        ("o", "$`|$'"), ("o", "$$0$00$01$9$12"), ("o", "$x$"), (".", "."), (r"\y", "1"), ("[]", "e"), ("[^]", "e"), ("(?=o)", "="),
        (r"(\w)\1", "D"), ("[[:alpha:]]", "L"), (r"\x41|\u0061", "A"), ("a{2}", "2"), (r"[\d\s]", "."), (r"\cA", "."),
        ("a|aa", "r"), ("(?:a|(b))*", "<$1>"), (r"\d+$", "n"), (r"[\w-]+", "w"), (r"\ba", "u"), (r"o+?", "0"), (r"(?!a)\w", "!"),
        (r"[\w]{2,3}?", "#"), (r"\{1\}", "()"), ("(((((((((((l)))))))))))", "$11"), (r"\v|\0|[\b]", "?")]  # fmt: skip
EXTENSIONS = [
    *[case(CONTRIB, "StringRegexReplace", [WORDS, s(pattern), s(rewrite)], (1, 2), global_replace=all_of)
      for all_of in (0, 1)
      for pattern, rewrite in ((r"(\w)(\w)", r"\2\1"), (r"a*", "x"), (r"[^a-z]+", r"<\0>"), (r"^", "_"), ("aa|a", r"\\"))],
    case(CONTRIB, "StringRegexSplitWithOffsets", [WORDS, s(r"(\s)"), s()], (1, 2), n_out=4),
    case(CONTRIB, "StringRegexSplitWithOffsets", [WORDS, s(r"([\s,!-])"), s("[,!]")], (1, 2), n_out=4),
    case(CONTRIB, "StringRegexSplitWithOffsets", [WORDS, s(r"\s"), s()], (1, 2), n_out=4),
    case(CONTRIB, "StringJoin", [WORDS.reshape(2, 3), s(", ").reshape(1), np.array([1])], (1, 2)),
    case(CONTRIB, "StringJoin", [WORDS.reshape(2, 3), s("").reshape(1), np.array([0])], (1, 2)),
    case(CONTRIB, "StringJoin", [WORDS, s("-").reshape(1), np.array([0])], (1, 2)),
    *[case(CONTRIB, "StringSplit", [WORDS, s(sep), np.array([skip])], (1, 2), n_out=3)
      for sep in (" ", " ,-") for skip in (False, True)],
    case(CONTRIB, "StringConcat", [WORDS, WORDS[::-1].copy()]),
    case(CONTRIB, "StringEqual", [WORDS, np.where(np.arange(6) % 2, WORDS, "x").astype(object)]),
    case(CONTRIB, "StringUpper", [WORDS]),
    case(CONTRIB, "StringLower", [s("Hello", "ÄÖÜ", "ABC日")]),
    case(CONTRIB, "StringStrip", [WORDS]),
    case(CONTRIB, "StringLength", [WORDS]),
    case(CONTRIB, "StringMapping", [s("a", "b", "c", "")], map="a\tx y\n\nc\tz\na\tw\n"),
    case(CONTRIB, "StringToVector", [s("a", "bé", "?", "c")], map=MAP, unk="7 8"),
    case(CONTRIB, "VectorToString", [np.array([[[1, 2], [3, 4]], [[-5, 6], [0, 0]]])], map=MAP, unk="?"),
    case(CONTRIB, "VectorToString", [np.array([1, 2, 3])], map="a\t1\nb\t2\n", unk="?"),
    case(CONTRIB, "MaskedFill", [WORDS, np.array([True, False, True, True, False, False])]),
    case(CONTRIB, "NegPos", [V], n_out=2),
    case(CONTRIB, "SegmentSum", [f(5, 2), np.array([0, 0, 1, 2, 2])]),
    case(CONTRIB, "RaggedTensorToSparse", [SPLITS], n_out=2),
    case(CONTRIB, "RaggedTensorToDense", [SPLITS, i(0, 9, 5), np.array([-1]), SPLITS]),
    case(CONTRIB, "StringRaggedTensorToDense", [SPLITS, WORDS[1:], SPLITS, WORDS[:4]]),
    *[case(CONTRIB, "SegmentExtraction", [np.array(x)], n_out=2) for x in (LABELS, [LABELS], [0, 0], [3, 3, -1], [7])],
    case(CONTRIB, "Inverse", [MATRIX]),
    *[case(CONTRIB, name, [HASHED, np.array([count])]) for name in ("StringToHashBucket", "StringToHashBucketFast")
      for count in (1, 1000, 2**63 - 1)],
    *[case(CONTRIB, "StringECMARegexReplace", [PLAIN, s(pattern), s(rewrite)], (1, 2), global_replace=all_of, ignore_case=cased)
      for all_of, cased in ((1, 0), (0, 0), (1, 1)) for pattern, rewrite in ECMA],
    *[case(CONTRIB, "StringECMARegexSplitWithOffsets", [PLAIN, one(pattern, object), one(keep, object)], (1, 2), 4, ignore_case=cased)
      for cased in (0, 1) for pattern, keep in ((r"\s", ""), (r"(\s)", r"\s"), (r"\w", "[a-z]"), ("a*", ""), (r"[\s-]", "-"),
                                               ("(l+)(o)", "l"), ("(?:)", ""), ("o|oo", "oo?"))],
]  # fmt: skip


@pytest.mark.parametrize("c", EXTENSIONS, ids=name_of)
def test_beside_extensions(c):
    library = peer("onnxruntime_extensions").get_library_path()
    agree(run(sibyl_ort, c), run(peer("onnxruntime"), c, library), 2e-6)


# ---- onnxruntime again, behind the others so that their random numbers stay as they were ---------------------

BYTES = [[i(low, low + 256, *dims, dtype=kind) for dims in ((4, 5), (6, 5), (2, 5), (5,), (5,))]
         for low, kind in ((0, np.uint8), (-128, np.int8))]  # fmt: skip
MORE = [
    *[case(MS, "MRotaryEmbedding", [x, i(0, 6, 3, 2, 3), f(6, 6), f(6, 6)], mrope_section=section, mrope_layout=layout, **more)
      for section, layout in (([1, 3, 2], 0), ([3, 2, 1], 1), ([0, 6, 0], 0))
      for x, more in ((f(2, 2, 3, 12), {}), (f(2, 3, 24), {"num_heads": 2, "interleaved": 1}),
                      (f(2, 3, 32), {"num_heads": 2, "rotary_embedding_dim": 12}))],
    *[case(MS, "QEmbedLayerNormalization", [i(0, 4, 2, 3, dtype=np.int32), part and i(0, 2, 2, 3, dtype=np.int32), *b[:2],
           part and b[2], *b[3:], mask, one(0.02), one(0.03), part and one(0.05), one(0.01), one(0.04),
           *(one(z, b[0].dtype) for z in (12, 30)), part and one(10, b[0].dtype), *(one(z, b[0].dtype) for z in (9, 28))],
           n_out=2) for b in BYTES for part, mask in ((None, None), (True, i(0, 2, 2, 3, dtype=np.int32)))],
    *[case(MS, "DecoderMaskedMultiHeadAttention", [f(6, 1, 8), f(6, 1, 8), f(6, 1, 8), mask, None, f(6, 2, 5, 4),
           f(6, 2, 5, 4), one([3], np.int32), one([3], np.int32), i(0, 3, 2, 3, 5, dtype=np.int32), *more], n_out=3,
           num_heads=2, past_present_share_buffer=1)
      for mask, more in ((None, []), (i(0, 2, 6, 4, dtype=np.int32), [f(24)]))],
]  # fmt: skip


@pytest.mark.parametrize("c", MORE, ids=name_of)
def test_more_beside_onnxruntime(c):
    agree(run(sibyl_ort, c), run(peer("onnxruntime"), c), 2e-5)


# ---- QONNX --------------------------------------------------------------------------------------------------

TIES = one([[-9.5, -2.5, -1.5, -0.5, -0.3, 0.0], [0.5, 1.5, 2.5, 3.49, 130.0, 9.5]]) * 0.25
MODES = ["ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]


def qonnx_says(c):
    quant, trunc = peer("qonnx.custom_op.general.intquant"), peer("qonnx.custom_op.general.trunc")
    x, a = c[4], c[3]
    if c[1] in ("Quant", "IntQuant"):
        return quant.int_quant(*x, a.get("signed", 1), a.get("narrow", 0), a.get("rounding_mode", "ROUND"))
    if c[1] == "BipolarQuant":
        return peer("qonnx.custom_op.general.bipolar_quant").binary_quant(*x)
    if c[1] == "Trunc" and len(x) == 5:
        return trunc.trunc_v1(*x, a.get("rounding_mode", "FLOOR"))
    if c[1] == "Trunc":
        return trunc.trunc_v2(*x[:4], a.get("narrow", 0), a.get("signed", 1), *x[4:], a.get("rounding_mode", "FLOOR"))
    if c[1] == "FloatQuant":
        more = {k: a[k] for k in ("has_inf", "has_nan", "rounding_mode", "saturation") if k in a}
        return peer("qonnx.custom_op.general.floatquant").float_quant(*x[:5], True, x[5], **more)
    layout = a.get("data_layout", "NCHW")
    multithreshold = peer("qonnx.custom_op.general.multithreshold").multithreshold
    return multithreshold(*x, a.get("out_scale", 1.0), a.get("out_bias", 0.0), layout[-1] == "C")


QUANTIZERS = [
    *[case(QONNX, "Quant", [TIES, one(0.25), one(1), one(4)], signed=sign, narrow=narrow, rounding_mode=mode)
      for mode in MODES for sign, narrow in ((1, 0), (1, 1), (0, 0), (0, 1))],
    case("onnx.brevitas", "Quant", [f(2, 3, 4), f(3, 1, low=0.1), one(0), one(8)], signed=1, narrow=1),
    case("finn.custom_op.general", "IntQuant", [f(2, 3), one(0.1), one(0), one(1)], signed=1, narrow=0),
    case(QONNX, "BipolarQuant", [f(2, 3), f(3, low=0.1)]),
    *[case(QONNX, "Trunc", [TIES, one(0.25), one(1), one(8), one(6)], rounding_mode=mode) for mode in MODES],
    *[case(QONNX, "Trunc", [TIES, one(0.25), one(2), one(8), one(1), one(3)], rounding_mode="ROUND", signed=sign)
      for sign in (0, 1)],
    *[case(QONNX, "FloatQuant", [f(40, low=-300, high=300), one(0.5), one(4), one(3), one(7), one(240)],
           rounding_mode=mode) for mode in MODES[:3]],
    case(QONNX, "FloatQuant", [f(40, low=-0.02, high=0.02), one(1), one(4), one(3), one(7), one(1e9)]),
    case(QONNX, "FloatQuant", [f(20, low=-900, high=900), one(1), one(4), one(3), one(7), one(240)], has_inf=1,
         saturation=0),
    case(QONNX, "FloatQuant", [f(20, low=-900, high=900), one(1), one(4), one(3), one(7), one(240)], has_nan=1,
         saturation=0),
    case(QONNX, "MultiThreshold", [f(2, 3, 4), np.sort(f(3, 7), 1)], out_scale=0.5, out_bias=-1.0),
    case(QONNX, "MultiThreshold", [f(2, 4, 3), np.sort(f(1, 7), 1)], data_layout="NHWC"),
]  # fmt: skip


@pytest.mark.parametrize("c", QUANTIZERS, ids=name_of)
def test_beside_qonnx(c):
    want = np.asarray(qonnx_says(c), np.float32)
    agree(run(sibyl_ort, c), [want], 1e-6)
