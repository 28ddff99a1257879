"""GreedySearch, Sampling and BeamSearch beside onnxruntime, over a small decoder of GPT-2's form with random weights."""

import numpy as np
import pytest
from conftest import peer

import sibyl.onnxruntime as sibyl_ort

VOCAB, HEADS, SIZE, LAYERS = 23, 2, 4, 2
EOS, PAD = 3, 1
WIDE = HEADS * SIZE


def decoder(seed):
    """input_ids, position_ids, attention_mask and past_i to logits and present_i."""
    onnx = peer("onnx")
    h, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    rng = np.random.default_rng(seed)
    nodes, known = [], []

    def constant(value, dtype=np.float32):
        known.append(numpy_helper.from_array(np.asarray(value, dtype), f"c{seed}_{len(known)}"))
        return known[-1].name

    def weight(*shape):
        return constant(rng.normal(0, 0.7, shape))

    def op(name, *inputs, out=None, **attributes):
        out = out or f"v{len(nodes)}"
        nodes.append(h.make_node(name, inputs, [out], **attributes))
        return out

    def heads(x, w):
        x = op("Reshape", op("MatMul", x, w), constant([0, 0, HEADS, SIZE], np.int64))
        return op("Transpose", x, perm=[0, 2, 1, 3])

    one = constant([1], np.int64)
    x = op("Add", op("Gather", weight(VOCAB, WIDE), "input_ids"), op("Gather", weight(64, WIDE), "position_ids"))
    mask = op("Cast", op("Unsqueeze", "attention_mask", constant([1, 2], np.int64)), to=kind.FLOAT)
    hidden = op("Mul", op("Sub", mask, constant(1)), constant(10000))  # [N, 1, 1, total]
    total = op("Slice", op("Shape", "attention_mask"), one, constant([2], np.int64))
    new = op("Slice", op("Shape", "input_ids"), one, constant([2], np.int64))
    scalar = constant([], np.int64)
    keys = op("Range", constant(0, np.int64), op("Reshape", total, scalar), constant(1, np.int64))
    rows = op("Range", op("Reshape", op("Sub", total, new), scalar), op("Reshape", total, scalar), constant(1, np.int64))
    later = op("Cast", op("Greater", keys, op("Unsqueeze", rows, one)), to=kind.FLOAT)
    hidden = op("Sub", hidden, op("Mul", later, constant(10000)))
    for i in range(LAYERS):
        q, k, v = (heads(x, weight(WIDE, WIDE)) for _ in range(3))
        fresh = op("Concat", *(op("Unsqueeze", t, constant([0], np.int64)) for t in (k, v)), axis=0)
        present = op("Concat", f"past_{i}", fresh, axis=3, out=f"present_{i}")
        k, v = (op("Gather", present, constant(j, np.int64), axis=0) for j in (0, 1))
        scores = op("Add", op("MatMul", q, op("Transpose", k, perm=[0, 1, 3, 2])), hidden)
        y = op("Transpose", op("MatMul", op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        x = op("Add", x, op("Reshape", y, constant([0, 0, WIDE], np.int64)))
    op("MatMul", x, weight(WIDE, VOCAB), out="logits")
    ids = [h.make_tensor_value_info(n, kind.INT32, dims) for n, dims in
           (("input_ids", ["N", "S"]), ("position_ids", ["N", "S"]), ("attention_mask", ["N", "T"]))]  # fmt: skip
    states = [h.make_tensor_value_info(f"past_{i}", kind.FLOAT, [2, "N", HEADS, "P", SIZE]) for i in range(LAYERS)]
    made = [h.make_tensor_value_info("logits", kind.FLOAT, ["N", "S", VOCAB])]
    made += [h.make_tensor_value_info(f"present_{i}", kind.FLOAT, [2, "N", HEADS, "T", SIZE]) for i in range(LAYERS)]
    return h.make_graph(nodes, "decoder", ids + states, made, known)


NAMES = {
    "GreedySearch": "input_ids max_length min_length repetition_penalty vocab_mask prefix_vocab_mask attention_mask",
    "Sampling": "input_ids max_length min_length repetition_penalty vocab_mask prefix_vocab_mask attention_mask "
    "presence_mask seed",
    "BeamSearch": "input_ids max_length min_length num_beams num_return_sequences length_penalty repetition_penalty "
    "vocab_mask prefix_vocab_mask attention_mask",
}


def search(op, seed, n_out, feeds, first=False, **attributes):
    """The bytes of a model of one search."""
    onnx = peer("onnx")
    h = onnx.helper
    graphs = {"decoder": decoder(seed)}
    if first:
        graphs["init_decoder"] = decoder(seed + 100)
    outs = ["sequences", "sequences_scores", "scores"][:n_out]
    node = h.make_node(op, [n if n in feeds else "" for n in NAMES[op].split()], outs, domain="com.microsoft",
                       eos_token_id=EOS, pad_token_id=PAD, model_type=0, **graphs, **attributes)  # fmt: skip
    while node.input and not node.input[-1]:
        node.input.pop()
    given = [h.make_tensor_value_info(n, h.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in feeds.items()]
    graph = h.make_graph([node], "g", given, [onnx.ValueInfoProto(name=n) for n in outs])
    opsets = [h.make_opsetid("", 17), h.make_opsetid("com.microsoft", 1)]
    return h.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


PROMPTS = np.array([[5, 7, 9, 2], [PAD, PAD, 4, 11]], np.int32)  # the second with padding before it
MASK = np.ones(VOCAB, np.int32)
MASK[[4, 9, 15]] = 0
PREFIX = np.ones((2, VOCAB), np.int32)
PREFIX[0, 10:] = 0
GREEDY = {
    "plain": {},
    "longer": {"min_length": 9},
    "penalty": {"repetition_penalty": 1.7},
    "masks": {"vocab_mask": MASK, "prefix_vocab_mask": PREFIX},
    "attention": {"attention_mask": np.array([[1, 1, 1, 1], [0, 1, 1, 1]], np.int32)},
    "grams": {"no_repeat_ngram_size": 2},
    "first": {"first": True},
}
SAMPLES = {
    **{name: {**changes, "top_p": 0.9} for name, changes in GREEDY.items()},
    "all": {"top_p": 1.0},
    "keep": {"min_tokens_to_keep": 5, "top_p": 0.2},
    "warm": {"temperature": 9.0, "top_p": 0.7},
    "custom": {"custom": 1, "top_p": 0.6, "temperature": 12.0},
    "filter": {"filter_value": 1.0, "temperature": 7.0, "top_p": 0.5},
}
BEAMS = {
    **GREEDY,
    "all": {"num_return_sequences": 4},
    "short": {"length_penalty": 0.3, "num_return_sequences": 2},
    "long": {"length_penalty": 2.0, "num_return_sequences": 3},
    "early": {"early_stopping": 1, "num_return_sequences": 4},
    "one": {"num_beams": 1},
}


def case(op, changes, seed, n_out):
    one = {"max_length": 14}
    if op == "BeamSearch":
        one.update(min_length=1, num_beams=4, num_return_sequences=1, length_penalty=1.0)
    attributes = {n: v for n, v in changes.items() if n not in NAMES[op].split()}
    one.update({n: v for n, v in changes.items() if n not in attributes})
    feeds = {"input_ids": PROMPTS}
    for name, v in one.items():
        feeds[name] = v if isinstance(v, np.ndarray) else np.array([v], np.float32 if "penalty" in name else np.int32)
    return search(op, seed, n_out, feeds, **attributes), feeds


def opened(runtime, model):
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(runtime, model, feeds):
    return opened(runtime, model).run(None, feeds)


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("changes", GREEDY.values(), ids=GREEDY)
def test_greedy_search(changes, seed):
    model, feeds = case("GreedySearch", changes, seed, 1)
    (want,), (got,) = run(peer("onnxruntime"), model, feeds), run(sibyl_ort, model, feeds)
    check_texts(got, want)


def check_texts(got, want):
    ends = min(int(np.flatnonzero((got != PAD).any(0))[-1]) + 2, got.shape[1])  # what onnxruntime writes: the rest is not set
    assert got[:, :ends].tolist() == want[:, :ends].tolist()
    assert (got[:, ends:] == PAD).all()


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("changes", SAMPLES.values(), ids=SAMPLES)
def test_sampling(changes, seed):
    model, feeds = case("Sampling", {"temperature": 6.0, "seed": 0, **changes}, seed, 1)
    theirs, ours = opened(peer("onnxruntime"), model), opened(sibyl_ort, model)
    for draws in range(4):
        feeds["seed"] = np.array([draws * 77], np.int32)
        (want,), (got,) = theirs.run(None, feeds), ours.run(None, feeds)
        check_texts(got, want)  # onnxruntime 1.31 leaves filtered_logits out, and holds presence against token 0 alone


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("changes", BEAMS.values(), ids=BEAMS)
def test_beam_search(changes, seed):
    model, feeds = case("BeamSearch", changes, seed, 3)
    want, got = run(peer("onnxruntime"), model, feeds), run(sibyl_ort, model, feeds)
    assert got[0].tolist() == want[0].tolist()
    assert got[1].shape == want[1].shape and got[2].shape == want[2].shape
    np.testing.assert_allclose(got[1], want[1], rtol=1e-5)
    # onnxruntime's logarithm of softmax is in float32, over logits of up to 80; where a text has ended its scores are not set
    steps = np.abs(want[2]) < 1e8
    np.testing.assert_allclose(got[2][steps], want[2][steps], rtol=2e-5, atol=1e-3)
