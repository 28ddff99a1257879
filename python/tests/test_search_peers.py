"""GreedySearch, Sampling, BeamSearch and WhisperBeamSearch beside onnxruntime, over small decoders with random weights."""

import numpy as np
import pytest
from conftest import peer

import sibyl.onnxruntime as sibyl_ort

VOCAB, HEADS, SIZE, LAYERS, FEATURES = 23, 2, 4, 2, 5
EOS, PAD, START = 3, 1, 2
WIDE = HEADS * SIZE


class Writer:
    """Writes the nodes and random weights of a graph."""

    def __init__(self, seed, scale=0.7):
        self.onnx, self.seed, self.scale = peer("onnx"), seed, scale
        self.rng, self.nodes, self.known = np.random.default_rng(seed), [], []

    def constant(self, value, dtype=np.float32):
        self.known.append(self.onnx.numpy_helper.from_array(np.asarray(value, dtype), f"c{self.seed}_{len(self.known)}"))
        return self.known[-1].name

    def weight(self, *shape):
        return self.constant(self.rng.normal(0, self.scale, shape))

    def op(self, name, *inputs, out=None, **attributes):
        out = out or f"v{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(name, inputs, [out], **attributes))
        return out

    def heads(self, x, w):
        x = self.op("Reshape", self.op("MatMul", x, w), self.constant([0, 0, HEADS, SIZE], np.int64))
        return self.op("Transpose", x, perm=[0, 2, 1, 3])

    def attend(self, q, k, v, hidden=None):
        scores = self.op("MatMul", q, self.op("Transpose", k, perm=[0, 1, 3, 2]))
        scores = self.op("Add", scores, hidden) if hidden else scores
        y = self.op("Transpose", self.op("MatMul", self.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        return self.op("Reshape", y, self.constant([0, 0, WIDE], np.int64))

    def hidden(self, mask):
        """What a mask [N, T] leaves out, as [N, 1, 1, T] to add."""
        mask = self.op("Cast", self.op("Unsqueeze", mask, self.constant([1, 2], np.int64)), to=1)
        return self.op("Mul", self.op("Sub", mask, self.constant(1)), self.constant(10000))

    def graph(self, name, given, made):
        """given, made: name to dims, of int32 where it is of ids or a mask, else of float32."""

        def infos(of):
            kinds = {n: 6 if n.endswith(("ids", "mask")) and len(dims) == 2 else 1 for n, dims in of.items()}
            return [self.onnx.helper.make_tensor_value_info(n, kinds[n], dims) for n, dims in of.items()]

        return self.onnx.helper.make_graph(self.nodes, name, infos(given), infos(made), self.known)


def decoder(seed):
    """input_ids, position_ids, attention_mask and past_i to logits and present_i."""
    g = Writer(seed)
    op, constant, weight = g.op, g.constant, g.weight
    one = constant([1], np.int64)
    x = op("Add", op("Gather", weight(VOCAB, WIDE), "input_ids"), op("Gather", weight(64, WIDE), "position_ids"))
    hidden = g.hidden("attention_mask")
    total = op("Slice", op("Shape", "attention_mask"), one, constant([2], np.int64))
    new = op("Slice", op("Shape", "input_ids"), one, constant([2], np.int64))
    scalar = constant([], np.int64)
    keys = op("Range", constant(0, np.int64), op("Reshape", total, scalar), constant(1, np.int64))
    rows = op("Range", op("Reshape", op("Sub", total, new), scalar), op("Reshape", total, scalar), constant(1, np.int64))
    later = op("Cast", op("Greater", keys, op("Unsqueeze", rows, one)), to=1)
    hidden = op("Sub", hidden, op("Mul", later, constant(10000)))
    for i in range(LAYERS):
        q, k, v = (g.heads(x, weight(WIDE, WIDE)) for _ in range(3))
        fresh = op("Concat", *(op("Unsqueeze", t, constant([0], np.int64)) for t in (k, v)), axis=0)
        present = op("Concat", f"past_{i}", fresh, axis=3, out=f"present_{i}")
        k, v = (op("Gather", present, constant(j, np.int64), axis=0) for j in (0, 1))
        x = op("Add", x, g.attend(q, k, v, hidden))
    op("MatMul", x, weight(WIDE, VOCAB), out="logits")
    given = {"input_ids": ["N", "S"], "position_ids": ["N", "S"], "attention_mask": ["N", "T"]}
    given |= {f"past_{i}": [2, "N", HEADS, "P", SIZE] for i in range(LAYERS)}
    made = {"logits": ["N", "S", VOCAB]} | {f"present_{i}": [2, "N", HEADS, "T", SIZE] for i in range(LAYERS)}
    return g.graph("decoder", given, made)


def attention_decoder(seed, shares=False):
    """The same by onnxruntime's Attention, whose states grow, or are buffers of as many tokens as a text may have."""
    g = Writer(seed)
    op, weight, helper = g.op, g.weight, g.onnx.helper
    x = op("Add", op("Gather", weight(VOCAB, WIDE), "input_ids"), op("Gather", weight(64, WIDE), "position_ids"))
    for i in range(LAYERS):
        inputs = [x, weight(WIDE, 3 * WIDE), weight(3 * WIDE), "attention_mask", f"past_{i}"]
        more = {"past_present_share_buffer": 1} if shares else {}
        g.nodes.append(helper.make_node("Attention", inputs + ["", "past_sequence_length"] * shares, [f"y_{i}", f"present_{i}"],
                                        domain="com.microsoft", num_heads=HEADS, unidirectional=1, **more))  # fmt: skip
        x = op("Add", x, f"y_{i}")
    op("MatMul", x, weight(WIDE, VOCAB), out="logits")
    given = {"input_ids": ["N", "S"], "position_ids": ["N", "S"], "attention_mask": ["N", "T"]}
    given |= {f"past_{i}": [2, "N", HEADS, "P", SIZE] for i in range(LAYERS)}
    made = {"logits": ["N", "S", VOCAB]} | {f"present_{i}": [2, "N", HEADS, "M", SIZE] for i in range(LAYERS)}
    graph = g.graph("decoder", given, made)
    if shares:
        graph.input.append(helper.make_tensor_value_info("past_sequence_length", 6, [1]))
    return graph


def sharing_decoder(seed):
    return attention_decoder(seed, True)


def named(prefix, which, length):
    """Names of the states of one attention, as T5's exports have them."""
    return {f"{prefix}_{part}_{which}_{i}": ["N", HEADS, length, SIZE] for i in range(LAYERS) for part in ("key", "value")}


def decode(g, ids, positions, memory, hidden, later, cached):
    """The decoder's layers on ids; memory: names of keys and values of the source, made or given."""
    op, weight = g.op, g.weight
    x = op("Add", op("Gather", weight(VOCAB, WIDE), ids), op("Gather", g.constant(g.rng.normal(0, 2, (64, WIDE))), positions))
    for i in range(LAYERS):
        q, k, v = (g.heads(x, weight(WIDE, WIDE)) for _ in range(3))
        own = []
        for part, fresh in (("key", k), ("value", v)):
            out = f"present_{part}_self_{i}"
            own.append(op("Concat", f"past_{part}_self_{i}", fresh, axis=2, out=out) if cached
                       else op("Identity", fresh, out=out))  # fmt: skip
        x = op("Add", x, g.attend(q, *own, later))
        x = op("Add", x, g.attend(g.heads(x, weight(WIDE, WIDE)), *memory[i], hidden))
    return op("MatMul", x, weight(WIDE, VOCAB), out="logits")


def encoder_decoder(seed, whisper, reads_hidden):
    """An encoder that also decodes the first tokens, and a decoder of one token, with the same weights."""
    source, mask = "encoder_input_ids", None if whisper else "encoder_attention_mask"
    enc = Writer(seed, 0.45)
    if whisper:
        x = enc.op("MatMul", enc.op("Transpose", source, perm=[0, 2, 1]), enc.weight(FEATURES, WIDE))
        x = enc.op("Tanh", x, out="encoder_hidden_states")
    else:
        x = enc.op("Gather", enc.weight(VOCAB, WIDE), source, out="encoder_hidden_states")
    memory = [[enc.op("Identity", enc.heads(x, enc.weight(WIDE, WIDE)), out=f"present_{part}_cross_{i}")
               for part in ("key", "value")] for i in range(LAYERS)]  # fmt: skip
    seed_of_decoder = enc.rng.bit_generator.state
    square = enc.op("Shape", "decoder_input_ids")
    new = enc.op("Slice", square, enc.constant([1], np.int64), enc.constant([2], np.int64))
    later = enc.op("Trilu", enc.op("Expand", enc.constant(-10000.0), enc.op("Concat", new, new, axis=0)),
                   enc.constant(1, np.int64), upper=1)  # fmt: skip
    scalar, zero, one = enc.constant([], np.int64), enc.constant(0, np.int64), enc.constant(1, np.int64)
    positions = enc.op("Range", zero, enc.op("Reshape", new, scalar), one)
    decode(enc, "decoder_input_ids", positions, memory, enc.hidden(mask) if mask else None, later, False)
    given = {source: ["N", FEATURES, "F"]} if whisper else {source: ["N", "F"], mask: ["N", "F"]}
    made = {"logits": ["N", "P", VOCAB], "encoder_hidden_states": ["N", "F", WIDE]}
    made |= named("present", "self", "P") | named("present", "cross", "F")
    encoder = enc.graph("encoder", {**given, "decoder_input_ids": ["N", "P" if whisper else 1]}, made)

    dec = Writer(seed + 100, 0.45)
    dec.rng.bit_generator.state = seed_of_decoder
    memory = [[f"past_{part}_cross_{i}" for part in ("key", "value")] for i in range(LAYERS)]
    past = dec.op("Shape", "past_key_self_0")
    positions = dec.op("Slice", past, dec.constant([2], np.int64), dec.constant([3], np.int64))
    decode(dec, "input_ids", positions, memory, dec.hidden(mask) if mask else None, None, True)
    given = {"input_ids": ["N", 1]} | ({mask: ["N", "F"]} if mask else {})
    given |= {"encoder_hidden_states": ["N", "F", WIDE]} if reads_hidden else {}
    given |= named("past", "self", "T") | named("past", "cross", "F")
    made = {"logits": ["N", 1, VOCAB]} | named("present", "self", "T1")
    return encoder, dec.graph("decoder", given, made)


NAMES = {
    "GreedySearch": "input_ids max_length min_length repetition_penalty vocab_mask prefix_vocab_mask attention_mask",
    "Sampling": "input_ids max_length min_length repetition_penalty vocab_mask prefix_vocab_mask attention_mask "
    "presence_mask seed",
    "BeamSearch": "input_ids max_length min_length num_beams num_return_sequences length_penalty repetition_penalty "
    "vocab_mask prefix_vocab_mask attention_mask decoder_input_ids logits_processor",
}
NAMES["WhisperBeamSearch"] = NAMES["BeamSearch"] + " cross_qk_layer_head extra_decoding_ids temperature"


def search(op, seed, n_out, feeds, first=False, model_type=0, reads_hidden=True, of=decoder, **attributes):
    """The bytes of a model of one search."""
    onnx = peer("onnx")
    h = onnx.helper
    if model_type:
        encoder, after = encoder_decoder(seed, model_type == 2, reads_hidden)
        graphs = {"encoder": encoder, "decoder": after, "decoder_start_token_id": START}
    else:
        graphs = {"decoder": of(seed)}
    if first:
        graphs["init_decoder"] = of(seed + 100)
    outs = ["sequences", "sequences_scores", "scores"][:n_out]
    node = h.make_node(op, [n if n in feeds else "" for n in NAMES[op].split()], outs, domain="com.microsoft",
                       eos_token_id=EOS, pad_token_id=PAD, model_type=model_type, **graphs, **attributes)  # fmt: skip
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
    if "BeamSearch" in op:
        one.update(min_length=1, num_beams=4, num_return_sequences=1, length_penalty=1.0)
    attributes = {n: v for n, v in changes.items() if n not in NAMES[op].split()}
    one.update({n: v for n, v in changes.items() if n not in attributes})
    feeds = {"input_ids": FRAMES if changes.get("model_type") == 2 else PROMPTS}
    for name, v in one.items():
        feeds[name] = v if isinstance(v, np.ndarray) else np.array([v], np.float32 if "penalty" in name or name == "temperature" else np.int32)
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


def check_beams(op, changes, seed):
    model, feeds = case(op, changes, seed, 3)
    want, got = run(peer("onnxruntime"), model, feeds), run(sibyl_ort, model, feeds)
    assert got[0].tolist() == want[0].tolist()
    assert got[1].shape == want[1].shape and got[2].shape == want[2].shape
    np.testing.assert_allclose(got[1], want[1], rtol=1e-5, atol=1e-6)
    # onnxruntime's logarithm of softmax is in float32, over logits of up to 80; where a text has ended its scores are not set
    steps = np.abs(want[2]) < 1e8
    np.testing.assert_allclose(got[2][steps], want[2][steps], rtol=2e-5, atol=1e-3)


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("changes", BEAMS.values(), ids=BEAMS)
def test_beam_search(changes, seed):
    check_beams("BeamSearch", changes, seed)


FRAMES = np.random.default_rng(9).normal(0, 1, (2, FEATURES, 7)).astype(np.float32)
ENCODED = {
    **{name: {"num_return_sequences": 4, **changes} for name, changes in BEAMS.items() if name not in ("first", "one")},
    "one": {"num_beams": 1},
    "without_hidden": {"reads_hidden": False},
}


@pytest.mark.parametrize("changes", ENCODED.values(), ids=ENCODED)
def test_beam_search_with_encoder(changes):
    check_beams("BeamSearch", {**changes, "model_type": 1}, 2)


SPEECH = {
    **{name: ENCODED[name] for name in ("plain", "masks", "early", "one", "without_hidden")},
    "begun": {"decoder_input_ids": np.array([[2, 7, 5], [2, 8, 6]], np.int32)},
    "warm": {"temperature": 3.0},
}


@pytest.mark.parametrize("changes", SPEECH.values(), ids=SPEECH)
def test_whisper_beam_search(changes):
    check_beams("WhisperBeamSearch", {**changes, "model_type": 2}, 3)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("op", ["GreedySearch", "Sampling", "BeamSearch"])
def test_shared_buffers(op, first):
    """Beside growing states: onnxruntime's Attention has shared buffers on GPUs alone."""
    changes, n_out = {"first": first, "attention_mask": np.array([[1, 1, 1, 1], [0, 1, 1, 1]], np.int32)}, 1
    if op == "BeamSearch":
        n_out, changes["num_return_sequences"] = 2, 4
    if op == "Sampling":
        changes |= {"temperature": 6.0, "seed": 5, "top_p": 0.9}
    (grown, feeds), (shared, _) = (case(op, {**changes, "of": of}, 2, n_out) for of in (attention_decoder, sharing_decoder))
    want, got = run(peer("onnxruntime"), grown, feeds), run(sibyl_ort, shared, feeds)
    if op == "BeamSearch":
        assert got[0].tolist() == want[0].tolist()
        np.testing.assert_allclose(got[1], want[1], rtol=1e-5, atol=1e-6)
    else:
        check_texts(got[0], want[0])
