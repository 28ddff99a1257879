"""Quantised checkpoints against the same weights as numbers, made in NumPy of what each scheme's publication says."""

import json
import struct

import numpy as np
import pytest

import sibyl

HIDDEN, INNER, VOCAB, HEADS, LAYERS = 128, 256, 67, 4, 1
SHAPES = {
    "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (64, HIDDEN), "self_attn.v_proj": (64, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN), "mlp.down_proj": (HIDDEN, INNER),
}  # fmt: skip
CONFIG = dict(
    model_type="llama", hidden_size=HIDDEN, intermediate_size=INNER, vocab_size=VOCAB, num_attention_heads=HEADS, num_key_value_heads=2,
    num_hidden_layers=LAYERS, max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=1e4, tie_word_embeddings=False, hidden_act="silu",
)  # fmt: skip
NF4 = np.array([-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1], "f4")  # fmt: skip
FP4 = np.array([0, 0.005208333333, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25], "f4")
FP4 = np.concatenate([FP4, -FP4])
NAMES = {"f4": "F32", "f2": "F16", "i1": "I8", "u1": "U8", "i4": "I32", "i8": "I64"}


class Float8(np.ndarray):
    """Bytes that are elements F8_E4M3."""


def save(folder, weights, config):
    folder.mkdir(exist_ok=True)
    header, at = {}, 0
    weights = dict(sorted(weights.items(), key=lambda item: -item[1].itemsize))  # aligned
    for name, x in weights.items():
        dtype = "F8_E4M3" if isinstance(x, Float8) else NAMES[x.dtype.str[1:]]
        header[name] = {"dtype": dtype, "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(np.ascontiguousarray(x).tobytes() for x in weights.values())
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def packed(codes, bits, order=None):
    """Integers along the last axis in words of 32 bits; order: of a word's integers, from the lowest bits."""
    per = 32 // bits
    codes = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % per)])
    words = codes.reshape(*codes.shape[:-1], -1, per).astype("u4")[..., order or range(per)]
    return np.bitwise_or.reduce(words << (bits * np.arange(per, dtype="u4")), axis=-1).view("i4")


def groups_of(rng, columns, size, shuffled=False):
    groups = np.arange(columns) // size
    return rng.permutation(groups) if shuffled else groups


def gptq(rng, rows, columns, bits=4, size=32, shuffled=False, first=True, sym=False):
    g = groups_of(rng, columns, size, shuffled)
    q = rng.integers(0, 1 << bits, (rows, columns))
    zero = np.full((g.max() + 1, rows), 1 << (bits - 1)) if sym else rng.integers(1, 1 << bits, (g.max() + 1, rows))
    scale = rng.uniform(0.01, 0.02, zero.shape).astype("f2")
    parts = {".qweight": packed(q, bits).T.copy(), ".qzeros": packed(zero - first, bits), ".scales": scale, ".g_idx": g.astype("i4")}
    return parts, (q - zero[g].T).astype("f4") * scale[g].T.astype("f4")


def awq(rng, rows, columns, size=32):
    g = groups_of(rng, columns, size)
    q, zero = rng.integers(0, 16, (rows, columns)), rng.integers(0, 16, (g.max() + 1, rows))
    scale = rng.uniform(0.01, 0.02, zero.shape).astype("f2")
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    parts = {".qweight": packed(q.T, 4, order), ".qzeros": packed(zero, 4, order), ".scales": scale}
    return parts, (q - zero[g].T).astype("f4") * scale[g].T.astype("f4")


def pack_quantized(rng, rows, columns, bits=4, size=32, zeros=False, shuffled=False):
    g = groups_of(rng, columns, size, shuffled)
    half = 1 << (bits - 1)
    q = rng.integers(-half, half, (rows, columns))
    zero = rng.integers(-half, half, (rows, g.max() + 1)) if zeros else np.zeros((rows, g.max() + 1), int)
    scale = rng.uniform(0.01, 0.02, zero.shape).astype("f2")
    parts = {".weight_packed": packed(q + half, bits), ".weight_scale": scale, ".weight_shape": np.array([rows, columns], "i8")}
    if zeros:
        parts[".weight_zero_point"] = packed((zero + half).T, bits).T.copy()
    if shuffled:
        parts[".weight_g_idx"] = g.astype("i4")
    return parts, (q - zero[:, g]).astype("f4") * scale[:, g].astype("f4")


def float8(codes):
    sign, e, m = codes >> 7, codes >> 3 & 15, codes & 7
    x = np.where(e > 0, (1 + m / 8) * 2.0 ** (e - 7.0), m / 8 * 2.0**-6)
    return np.where(sign, -x, x).astype("f4")


def scaled(rng, rows, columns, kind="i1", by="channel", zeros=False):
    scale = rng.uniform(0.01, 0.02, {"channel": (rows, 1), "tensor": (1,), "group": (rows, columns // 32)}[by]).astype("f4")
    if kind == "i1":
        q = rng.integers(-128, 128, (rows, columns)).astype("i1")
        x = q.astype("f4")
    else:
        q = rng.integers(0, 120, (rows, columns)).astype("u1") | rng.integers(0, 2, (rows, columns)).astype("u1") << 7
        x, q = float8(q), q.view(Float8)
    parts = {".weight": q, ".weight_scale": scale}
    if zeros:
        parts[".weight_zero_point"] = rng.integers(-8, 8, scale.shape).astype("i1")
        x = x - np.repeat(parts[".weight_zero_point"], columns // scale.shape[-1], axis=-1)
    return parts, x * (scale if by == "tensor" else np.repeat(scale, columns // scale.shape[-1], axis=-1))


def fp8(rng, rows, columns, block=(128, 128)):
    parts, _ = scaled(rng, rows, columns, "f8", "tensor")
    scale = rng.uniform(0.01, 0.02, (-(-rows // block[0]), -(-columns // block[1]))).astype("f4")
    each = np.repeat(np.repeat(scale, block[0], 0), block[1], 1)[:rows, :columns]
    return {".weight": parts[".weight"], ".weight_scale_inv": scale}, float8(np.asarray(parts[".weight"])) * each


def llm_int8(rng, rows, columns):
    q, most = rng.integers(-127, 128, (rows, columns)).astype("i1"), rng.uniform(1, 2, rows).astype("f4")
    parts = {".weight": q, ".SCB": most, ".weight_format": np.array(0, "u1")}
    return parts, q.astype("f4") * most[:, None] * np.float32(7.874015718698502e-3)


def bnb4(rng, rows, columns, kind="nf4", block=64, nested=False):
    values, count = (NF4 if kind == "nf4" else FP4), rows * columns
    q = rng.integers(0, 16, count)
    state = {"quant_type": kind, "blocksize": block, "dtype": "float16", "shape": [rows, columns]}
    absmax = rng.uniform(0.1, 0.2, -(-count // block)).astype("f4")
    parts = {".weight": (q[::2] << 4 | q[1::2]).astype("u1")[:, None], ".weight.absmax": absmax, ".weight.quant_map": values}
    if nested:
        table, most = np.linspace(-1, 1, 256).astype("f4"), rng.uniform(0.1, 0.2, -(-absmax.size // 32)).astype("f4")
        codes, offset = rng.integers(0, 256, absmax.size).astype("u1"), np.float32(0.3125)
        absmax = table[codes] * np.repeat(most, 32)[: codes.size] + offset
        parts |= {".weight.absmax": codes, ".weight.nested_absmax": most, ".weight.nested_quant_map": table}
        state |= {"nested_blocksize": 32, "nested_dtype": "float32", "nested_offset": float(offset)}
    parts[f".weight.quant_state.bitsandbytes__{kind}"] = np.frombuffer(json.dumps(state).encode(), "u1")
    return parts, (values[q] * np.repeat(absmax, block)[:count]).reshape(rows, columns)


def ct(**weights):
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": weights, "targets": ["Linear"]}}}


GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32}
SCHEMES = {
    "gptq": (gptq, {}, GPTQ),
    "gptq-sym": (gptq, dict(sym=True), GPTQ),
    "gptq-act": (gptq, dict(shuffled=True), dict(GPTQ, desc_act=True)),
    "gptq-v2": (gptq, dict(first=False), dict(GPTQ, checkpoint_format="gptq_v2")),
    "gptq-8": (gptq, dict(bits=8, size=64), dict(GPTQ, bits=8, group_size=64)),
    "gptq-one": (gptq, dict(size=1 << 20), dict(GPTQ, group_size=-1)),
    "awq": (awq, {}, {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": "gemm"}),
    "packed": (pack_quantized, {}, ct(num_bits=4, group_size=32)),
    "packed-zeros": (pack_quantized, dict(zeros=True), ct(num_bits=4, group_size=32)),
    "packed-act": (pack_quantized, dict(shuffled=True), ct(num_bits=4, group_size=32)),
    "packed-8": (pack_quantized, dict(bits=8, size=64), ct(num_bits=8, group_size=64)),
    "int8": (scaled, {}, ct(num_bits=8)),
    "int8-zeros": (scaled, dict(zeros=True), ct(num_bits=8)),
    "int8-groups": (scaled, dict(by="group"), ct(num_bits=8, group_size=32)),
    "float8": (scaled, dict(kind="f8"), ct(num_bits=8, type="float")),
    "float8-tensor": (scaled, dict(kind="f8", by="tensor"), ct(num_bits=8, type="float")),
    "fp8": (fp8, {}, {"quant_method": "fp8", "weight_block_size": [128, 128]}),
    "fp8-odd": (fp8, dict(block=(48, 80)), {"quant_method": "fp8", "weight_block_size": [48, 80]}),
    "llm-int8": (llm_int8, {}, {"quant_method": "bitsandbytes", "load_in_8bit": True}),
    "nf4": (bnb4, {}, {"quant_method": "bitsandbytes", "load_in_4bit": True}),
    "nf4-double": (bnb4, dict(nested=True), {"quant_method": "bitsandbytes", "load_in_4bit": True}),
    "fp4": (bnb4, dict(kind="fp4", block=128), {"quant_method": "bitsandbytes", "load_in_4bit": True}),
}


def checkpoints(tmp_path, scheme):
    """A Llama in a scheme, and the same with its weights as numbers: folders. Also the parts and the settings."""
    make, settings, quantization = SCHEMES[scheme]
    rng = np.random.default_rng(5)
    front = "model.layers.0."
    plain = {name: rng.normal(size=(VOCAB, HIDDEN)).astype("f4") for name in ("model.embed_tokens.weight", "lm_head.weight")}
    norms = (front + "input_layernorm.weight", front + "post_attention_layernorm.weight", "model.norm.weight")
    plain |= {name: rng.uniform(0.5, 1.5, HIDDEN).astype("f4") for name in norms}
    parts, numbers = dict(plain), dict(plain)
    for name, shape in SHAPES.items():
        its_parts, numbers[f"{front}{name}.weight"] = make(rng, *shape, **settings)
        parts |= {f"{front}{name}{ending}": x for ending, x in its_parts.items()}
    assert all(x.dtype == np.float32 for x in numbers.values())
    config = dict(CONFIG, quantization_config=dict(quantization))
    return save(tmp_path / "parts", parts, config), save(tmp_path / "numbers", numbers, CONFIG), parts, config


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_numbers_are_those_of_the_scheme(scheme, tmp_path):
    parts, numbers, _, _ = checkpoints(tmp_path, scheme)
    for dtype in ("f32", "int8"):
        sibyl.import_model(parts, tmp_path / "a.onnx", dtype=dtype)
        sibyl.import_model(numbers, tmp_path / "b.onnx", dtype=dtype)
        assert (tmp_path / "a.onnx.data").read_bytes() == (tmp_path / "b.onnx.data").read_bytes()


Q = "model.layers.0.self_attn.q_proj"
FAULTS = [
    ("gptq", "qzeros' is missing", lambda p, c: p.pop(Q + ".qzeros")),
    ("gptq", r"scales' is \[3, 128\], expected \[4, 128\]", lambda p, c: p.update({Q + ".scales": p[Q + ".scales"][:3]})),
    ("gptq", "group 4 at 0, expected 0 to 3", lambda p, c: p.update({Q + ".g_idx": np.full(HIDDEN, 4, "i4")})),
    ("gptq", "group -1 at 0", lambda p, c: p.update({Q + ".g_idx": np.full(HIDDEN, -1, "i4")})),
    ("gptq", "scales' is int32", lambda p, c: p.update({Q + ".scales": p[Q + ".qzeros"]})),
    ("gptq", "bits is 3; known are 2, 4 and 8", lambda p, c: c.update(bits=3)),
    ("gptq", "known are gptq and gptq_v2", lambda p, c: c.update(checkpoint_format="marlin")),
    ("gptq", "quant_method 'exl3' are not read; known are fp8.*gptq, awq", lambda p, c: c.update(quant_method="exl3")),
    ("awq", "version is not known; known is gemm", lambda p, c: c.update(version="gemv")),
    ("packed", "weight_packed' does not have the dims", lambda p, c: p.update({Q + ".weight_shape": np.array([5, 128], "i8")})),
    ("int8", "is int8 without the parts", lambda p, c: p.pop(Q + ".weight_scale")),
    ("fp8", r"expected \[2, 2\]", lambda p, c: c.update(weight_block_size=[64, 64])),
    ("fp8", "weight_block_size says no sizes", lambda p, c: (c.pop("weight_block_size"), p.update({Q + ".weight_scale_inv": np.ones((2, 2), "f4")}))),
    ("llm-int8", "weight_format' is 2", lambda p, c: p.update({Q + ".weight_format": np.array(2, "u1")})),
    ("nf4", "quant_state is missing", lambda p, c: p.pop(Q + ".weight.quant_state.bitsandbytes__nf4")),
    ("nf4", "no 'shape'", lambda p, c: p.update({Q + ".weight.quant_state.bitsandbytes__nf4": np.frombuffer(b'{"blocksize":64}', "u1")})),
    ("nf4-double", "nested_absmax' is", lambda p, c: p.update({Q + ".weight.nested_absmax": np.ones(3, "f4")})),
]  # fmt: skip


@pytest.mark.parametrize("scheme, words, spoil", FAULTS)
def test_a_fault_is_named(scheme, words, spoil, tmp_path):
    _, _, parts, config = checkpoints(tmp_path, scheme)
    spoil(parts, config["quantization_config"])
    with pytest.raises(sibyl.SibylError, match=words):
        sibyl.import_model(save(tmp_path / "spoiled", parts, config), tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()
