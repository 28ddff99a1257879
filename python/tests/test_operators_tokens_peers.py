"""Operators of com.microsoft on tokens, masks and blocks beside onnxruntime: one-node models of random inputs."""

import numpy as np
import pytest
from conftest import peer
from one_node import MS, agree, case, model, name_of, one, run

import sibyl.onnxruntime as sibyl_ort

RNG = np.random.default_rng(18)


def f(*shape, low=-2, high=2):
    return RNG.uniform(low, high, shape).astype(np.float32)


def i(low, high, *shape, dtype=np.int64):
    return RNG.integers(low, high, shape).astype(dtype)


IDS = np.array([[1, 2, 3, 1, 2], [4, 4, 4, 4, 4], [0, 1, 0, 1, 0]])
NGRAMS = {"max_ngram_size": 3, "n_head_per_ngram": 2, "pad_id": 1}
FACTORS, SIZES = np.array([3, 2**31 - 7, -5, 9]), np.array([101, 103, 107, 10**6])
ENDS = one([0, 1, 6], np.int32)
SEGMENTS = one([9, 0, 3, 3, 4, 4], np.int32)
DRAFTED = np.array([5, 6, 7, 5, 6, 8, 9])


def ngrams(ids, past=None, offsets=None, eos=None, segments=None, n_out=2, ends=None, more=(), **attributes):
    name = "NGramHashMapping" if ends is None else "VarlenNGramHashMapping"
    inputs = [ids, FACTORS.astype(ids.dtype), SIZES.astype(ids.dtype), *([] if ends is None else [ends]),
              past, offsets, eos, segments, *more]  # fmt: skip
    return case(MS, name, inputs, (1, 2), n_out, **NGRAMS | attributes)


def q4(kind, k, n):
    """MatMulFpQ4 of random blocks: a scale, a zero point where the kind has one, and 4-bit numbers."""
    block, blocks = (64 if kind == 2 else 32), []
    for _ in range(n * -(-k // block)):
        blocks += [one(RNG.uniform(0.01, 0.1)).tobytes(), i(0, 16, 1, dtype=np.uint8).tobytes() if kind == 1 else b"", i(0, 256, block // 2, dtype=np.uint8).tobytes()]
    return case(MS, "MatMulFpQ4", [f(2, 3, k), np.frombuffer(b"".join(blocks), np.uint8), np.array([k, n])], (1, 2), blk_quant_type=kind)


CASES = [
    *[ngrams(IDS.astype(kind), **more) for kind in (np.int32, np.int64)
      for more in ({}, {"past": one([[7, 4], [2, 4], [9, 1]], kind), "offsets": one([0, 101, 204, 311], kind)})],
    *[ngrams(IDS, past=past, eos=np.array(1), segments=segments, reset_on_eos=reset) for reset in (0, 1)
      for past in (None, np.array([[7, 4], [1, 4], [9, 1]]))
      for segments in (None, one([[0, 0, 1, 1, 2], [5, 5, 5, 5, 5], [1, 2, 3, 3, 3]], np.int32))],
    ngrams(IDS[:, :1], segments=np.zeros((3, 1), np.int32), max_ngram_size=2, n_head_per_ngram=4),
    *[ngrams(IDS.ravel()[:6], past=past, eos=eos, segments=SEGMENTS, ends=ENDS, n_out=3, more=more, reset_on_eos=1)
      for past in (None, np.array([[21, 22], [3, 32]])) for eos in (None, np.array(3))
      for more in ((), (one([[5, 6], [0, 1]], np.int32),))],
    *[ngrams(IDS.ravel()[:6], past=past, ends=ENDS, n_out=(0, 1, 3), more=(None, one(counts, np.int32)), state_update_capacity=3)
      for past in (None, np.array([[21, 22], [3, 32]])) for counts in ([1, 9], [-1, 2])],
    *[case(MS, "EngramGate", [f(2, 3, 2, 8), f(2, 3, 2, 8), f(2, 3, 8), *(f(2, 8) for _ in range(n_out + 1))], n_out=n_out,
           epsilon=1e-3) for n_out in (1, 2)],
    *[case(MS, "MaxpoolWithMask", [f(2, 3, *dims), i(0, 3, *mask, *dims, dtype=np.int32)], kernel_shape=[2] * len(dims), **more)
      for dims in ((9,), (5, 6), (3, 4, 5)) for mask in ((1, 1), (2, 3))
      for more in ({}, {"strides": [2] * len(dims), "pads": [1] * 2 * len(dims)}, {"auto_pad": "SAME_UPPER"})],
    *[case(MS, "ConvTransposeWithDynamicPads", [f(2, 4, 5, 4), f(4, 3, 3, 2), np.array([1, 0, 2, 1]), bias], strides=[2, 3],
           group=group, dilations=[1, 2], **more)
      for group, bias in ((1, f(3)), (2, None)) for more in ({}, {"output_padding": [1, 0]})],
    case(MS, "WordConvEmbedding", [one([[3, 1, 4, 1, 5], [2, 0, 0, 0, 0], [1, 6, 0, 0, 0], [4, 4, 4, 4, 0]], np.int32), f(4, 1, 3, 2), f(4),
                                   f(7, 2)], embedding_size=4, conv_window_size=3, char_embedding_size=2),
    case(MS, "BifurcationDetector", [DRAFTED, np.array([1, 2]), np.array([0])], n_out=2),
    *[case(MS, "BifurcationDetector", [DRAFTED, np.array([1, 2]), np.array([start]), np.array(guess)], n_out=2, **more)
      for start, guess in ((0, [5, 6, 7, 5, 6, 8, 9, 3]), (0, [5, 6, 1, 5, 6, 8, 9, 3]), (4, [6, 8, 9, 5]), (4, [7, 8, 9, 5]), (7, [5]))
      for more in ({}, {"min_ngram_size": 2, "max_ngram_size": 4})],
    *[case(MS, "DynamicTimeWarping", [x]) for x in (f(4, 7), f(1, 9, 3), np.zeros((3, 4), np.float32), f(5, 1),
                                                   np.array([[1, np.nan, 2], [0, 1, 1]], np.float32))],
    q4(0, 130, 5),
    q4(1, 64, 3),
]  # fmt: skip


@pytest.mark.parametrize("c", CASES, ids=name_of)
def test_beside_onnxruntime(c):
    agree(run(sibyl_ort, c), run(peer("onnxruntime"), c), 2e-5)


LAYOUTS = [one([[0, 1, 3, 5, 8, 12], [0, 1, 3, 6, 9, 11]], np.int32),
           one([[0, 0, 1, 1, 2, 1, 2, 3, 0, 1, 2, 4], [0, 0, 1, 0, 1, 2, 0, 2, 3, 0, 4, -1]], np.int32)]  # fmt: skip


def sparse(steps, lengths, packed=False, width=8, rotary=0):
    parts = [f(2, steps, heads * width) for heads in (4, 2, 2)]
    inputs = [np.concatenate(parts, 2), None, None] if packed else parts
    inputs += [f(2, 2, 20, width), f(2, 2, 20, width), *LAYOUTS, one([max(lengths)], np.int32), one(lengths, np.int32)]
    inputs += [f(24, 8), f(24, 8)] if rotary else []
    return case(MS, "SparseAttention", inputs, (5, 6), 3, num_heads=4, kv_num_heads=2, sparse_block_size=4, scale=0.3,
                do_rotary=int(rotary > 0), rotary_interleaved=int(rotary == 2))  # fmt: skip


@pytest.mark.parametrize("steps, total", [(6, 6), (1, 17), (3, 11)])
@pytest.mark.parametrize("more", [{}, {"packed": True}, {"width": 16, "rotary": 1}, {"packed": True, "width": 16, "rotary": 2}])
def test_sparse_attention(steps, total, more):
    """There caches must be one buffer before and after."""
    ort, c = peer("onnxruntime"), sparse(steps, [total, total], **more)
    session = ort.InferenceSession(model(*c), providers=["CPUExecutionProvider"])
    bound, caches = session.io_binding(), [ort.OrtValue.ortvalue_from_numpy(x.copy()) for x in c[4][3:5]]
    for k, x in enumerate(c[4]):
        if x is not None and k not in c[5]:
            bound.bind_ortvalue_input(f"x{k}", caches[k - 3] if k in (3, 4) else ort.OrtValue.ortvalue_from_numpy(x))
    bound.bind_output("y0")
    for k in range(2):
        bound.bind_ortvalue_output(f"y{k + 1}", caches[k])
    session.run_with_iobinding(bound)
    agree(run(sibyl_ort, c), [x.numpy() for x in bound.get_outputs()], 2e-5)


@pytest.mark.parametrize("steps, lengths", [(6, [6, 4]), (1, [9, 17]), (3, [20, 11])])
def test_sparse_attention_of_lengths(steps, lengths):
    """By its definition: onnxruntime 1.31 mixes up the rows of sequences that are shorter than others."""
    c = sparse(steps, lengths)
    q, k, v, keys, values = (x.astype(np.float64) for x in c[4][:5])
    want = np.zeros(q.shape)
    for b, length in enumerate(lengths):
        past = 0 if steps == max(lengths) else length - steps
        for cache, rows in ((keys, k), (values, v)):
            cache[b, :, past : past + steps] = rows[b].reshape(steps, 2, 8).transpose(1, 0, 2)
        for h, s in np.ndindex(4, steps):
            row, at = (past + s) // 4, past + s + 1
            seen = LAYOUTS[1][h % 2][slice(*LAYOUTS[0][h % 2][row : row + 2])]
            scores = 0.3 * keys[b, h // 2, :at] @ q[b, s, 8 * h : 8 * h + 8]
            p = np.where(np.isin(np.arange(at) // 4, seen), np.exp(scores), 0)
            want[b, s, 8 * h : 8 * h + 8] = p / p.sum() @ values[b, h // 2, :at]
    agree(run(sibyl_ort, c), [want, keys, values], 2e-5)
