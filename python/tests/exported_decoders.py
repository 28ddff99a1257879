"""Tiny decoders of random weights, in the layouts that other programs export."""

import json

import numpy as np

HEADS, KV, SIZE, LAYERS, VOCAB = 4, 2, 16, 2, 256
WIDTH = HEADS * SIZE


def byte_tokenizer():
    """A tokenizer.json of single bytes, whose ids are their numbers."""
    codes = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in codes]
    letters = {b: chr(b) for b in codes} | {b: chr(256 + i) for i, b in enumerate(others)}
    part = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    vocab = {letter: b for b, letter in letters.items()}
    return json.dumps({"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": part, "post_processor": None,
                       "decoder": part, "model": {"type": "BPE", "vocab": vocab, "merges": []}})  # fmt: skip


class Writer:
    """Nodes and weights of a graph, named one after another."""

    def __init__(self, onnx, dtype="f4", seed=0):
        self.onnx, self.dtype, self.seed = onnx, np.dtype(dtype), seed
        self.nodes, self.weights, self.n = [], [], 0
        self.element = onnx.helper.np_dtype_to_tensor_dtype(self.dtype)

    def op(self, kind, *inputs, outputs=None, **attributes):
        self.n += 1
        names = outputs or [f"{kind}_{self.n}"]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), names, **attributes))
        return names[0]

    def constant(self, value, dtype="i8"):
        value = np.array(value, dtype)
        return self.weight(f"constant_{value.dtype}_{value.shape}_{value.tolist()}", value)

    def weight(self, name, value):
        if all(w.name != name for w in self.weights):
            self.weights.append(self.onnx.numpy_helper.from_array(value, name))
        return name

    def random(self, name, *dims):
        rng = np.random.default_rng([self.seed, *name.encode()])
        return self.weight(name, (rng.standard_normal(dims) * (1.5 if "embed" in name else dims[0] ** -0.5)).astype(self.dtype))

    def product(self, x, name, n_in, n_out):
        return self.op("MatMul", x, self.random(name, n_in, n_out))

    def norm(self, x, name):
        rng = np.random.default_rng([1, *name.encode()])
        scale = self.weight(name, (1 + 0.1 * rng.standard_normal(WIDTH)).astype("f4"))
        x = self.op("Cast", x, to=1)
        mean = self.op("ReduceMean", self.op("Mul", x, x), axes=[-1]) if self.opset < 18 else self.op(
            "ReduceMean", self.op("Mul", x, x), self.constant([-1]))  # fmt: skip
        root = self.op("Sqrt", self.op("Add", mean, self.constant(1e-5, "f4")))
        return self.op("Cast", self.op("Mul", self.op("Div", x, root), scale), to=self.element)

    def dim(self, x, axis):
        return self.op("Gather", self.op("Shape", x), self.constant([axis]), axis=0)


class Quantized(Writer):
    """Products of 4-bit weights in blocks of 32, as onnxruntime-genai's int4 models have them."""

    def product(self, x, name, n_in, n_out):
        rng = np.random.default_rng([self.seed, *name.encode()])
        blocks = n_in // 32
        bits = self.weight(name + ".q", rng.integers(0, 256, (n_out, blocks, 16), "u1"))
        scales = self.weight(name + ".s", (rng.random((n_out * blocks,)) * 0.5 * n_in**-0.5).astype(self.dtype))
        return self.op("MatMulNBits", x, bits, scales, K=n_in, N=n_out, bits=4, block_size=32, accuracy_level=0, domain="com.microsoft")


def heads(w, x, n):
    """[B, N, n * SIZE] to [B, n, N, SIZE]."""
    return w.op("Transpose", w.op("Reshape", x, w.constant([0, 0, n, SIZE])), perm=[0, 2, 1, 3])


def rotate(w, x, cos, sin):
    half = SIZE // 2
    a = w.op("Slice", x, w.constant([0]), w.constant([half]), w.constant([3]))
    b = w.op("Slice", x, w.constant([half]), w.constant([SIZE]), w.constant([3]))
    back = w.op("Concat", w.op("Neg", b), a, axis=3)
    return w.op("Add", w.op("Mul", x, cos), w.op("Mul", back, sin))


def angles(w, positions):
    """cos and sin [B, 1, N, SIZE] of positions [B, N]."""
    rates = 10000.0 ** (-np.arange(0, SIZE, 2) / SIZE)
    table = w.weight("rates", np.concatenate([rates, rates])[None, None].astype("f4"))
    angle = w.op("Mul", w.op("Unsqueeze", w.op("Cast", positions, to=1), w.constant([2])), table)
    return [w.op("Cast", w.op("Unsqueeze", w.op(kind, angle), w.constant([1])), to=w.element) for kind in ("Cos", "Sin")]


def mask_of(w, ids, attention_mask, total):
    """0 for keys that a query reads, else the lowest number: [B, 1, N, total]."""
    n = w.dim(ids, 1)
    keys = w.op("Range", w.constant(0), w.op("Squeeze", total), w.constant(1))
    queries = w.op("Range", w.op("Squeeze", w.op("Sub", total, n)), w.op("Squeeze", total), w.constant(1))
    reads = w.op("LessOrEqual", w.op("Unsqueeze", keys, w.constant([0])), w.op("Unsqueeze", queries, w.constant([1])))
    reads = w.op("Unsqueeze", reads, w.constant([0, 1]))
    if attention_mask:
        given = w.op("Unsqueeze", w.op("Cast", attention_mask, to=9), w.constant([1, 2]))
        reads = w.op("And", reads, given)
    low = w.weight("low", np.array(np.finfo(w.dtype).min, w.dtype))
    return w.op("Where", reads, w.weight("zero", np.array(0, w.dtype)), low)


def repeated(w, x):
    """Each head of keys or values for the queries that read it."""
    x = w.op("Unsqueeze", x, w.constant([2]))
    x = w.op("Concat", *[x] * (HEADS // KV), axis=2)
    shape = w.op("Concat", w.constant([0, HEADS, -1, SIZE]), axis=0)
    return w.op("Reshape", x, shape)


def layers(w, ids, attention_mask, positions, past, present):
    """A decoder in plain operators. past: names (LAYERS, 2), or None; present: names of the outputs, or None."""
    x = w.op("Gather", w.random("embed", VOCAB, WIDTH), ids)
    before = w.dim(past[0][0], 2) if past else w.constant([0])
    total = w.op("Add", before, w.dim(ids, 1))
    if not positions:
        first, last = w.op("Squeeze", before), w.op("Squeeze", total)
        positions = w.op("Unsqueeze", w.op("Range", first, last, w.constant(1)), w.constant([0]))
    cos, sin = angles(w, positions)
    mask = mask_of(w, ids, attention_mask, total)
    for i in range(LAYERS):
        h = w.norm(x, f"l{i}.norm1")
        q = rotate(w, heads(w, w.product(h, f"l{i}.q", WIDTH, WIDTH), HEADS), cos, sin)
        k = rotate(w, heads(w, w.product(h, f"l{i}.k", WIDTH, KV * SIZE), KV), cos, sin)
        v = heads(w, w.product(h, f"l{i}.v", WIDTH, KV * SIZE), KV)
        pair = [w.op("Concat", a, b, axis=2) if past else b for a, b in zip(past[i] if past else (0, 0), (k, v))]
        if present:
            pair = [w.op("Identity", x, outputs=[name]) for x, name in zip(pair, present[i])]
        k, v = (repeated(w, x) for x in pair)
        scores = w.op("MatMul", q, w.op("Transpose", k, perm=[0, 1, 3, 2]))
        scores = w.op("Add", w.op("Mul", scores, w.weight("scale", np.array(SIZE**-0.5, w.dtype))), mask)
        read = w.op("MatMul", w.op("Softmax", scores, axis=-1), v)
        read = w.op("Reshape", w.op("Transpose", read, perm=[0, 2, 1, 3]), w.constant([0, 0, WIDTH]))
        x = w.op("Add", x, w.product(read, f"l{i}.o", WIDTH, WIDTH))
        x = gated(w, x, i)
    return w.op("MatMul", w.norm(x, "norm"), w.random("head", WIDTH, VOCAB), outputs=["logits"])


def gated(w, x, i):
    h = w.norm(x, f"l{i}.norm2")
    gate = w.product(h, f"l{i}.gate", WIDTH, 2 * WIDTH)
    gate = w.op("Mul", gate, w.op("Sigmoid", gate))
    return w.op("Add", x, w.product(w.op("Mul", gate, w.product(h, f"l{i}.up", WIDTH, 2 * WIDTH)), f"l{i}.down", 2 * WIDTH, WIDTH))


def grouped(w, ids, attention_mask, past, present):
    """A decoder of onnxruntime-genai's: GroupQueryAttention that rotates, of packed lengths."""
    micro = {"domain": "com.microsoft"}
    rates = 10000.0 ** (-np.arange(0, SIZE, 2) / SIZE)
    angle = np.arange(256)[:, None] * rates
    cos, sin = (w.weight(name, f(angle).astype(w.dtype)) for name, f in (("cos_cache", np.cos), ("sin_cache", np.sin)))
    lengths = w.op("Cast", w.op("Sub", w.op("ReduceSum", attention_mask, w.constant([1])), w.constant([1])), to=6)
    total = w.op("Cast", w.op("Gather", w.op("Shape", attention_mask), w.constant(1), axis=0), to=6)
    x = w.op("Gather", w.random("embed", VOCAB, WIDTH), ids)
    for i in range(LAYERS):
        h = w.norm(x, f"l{i}.norm1")
        q, k, v = (w.product(h, f"l{i}.{n}", WIDTH, m * SIZE) for n, m in (("q", HEADS), ("k", KV), ("v", KV)))
        read = w.op("GroupQueryAttention", q, k, v, *past[i], lengths, total, cos, sin, outputs=[f"read{i}", *present[i]],
                    num_heads=HEADS, kv_num_heads=KV, scale=SIZE**-0.5, do_rotary=1, rotary_interleaved=0, **micro)  # fmt: skip
        x = w.op("Add", x, w.product(read, f"l{i}.o", WIDTH, WIDTH))
        x = gated(w, x, i)
    return w.op("MatMul", w.norm(x, "norm"), w.random("head", WIDTH, VOCAB), outputs=["logits"])


def cache_names(past="past_key_values.{}.{}", present="present.{}.{}"):
    return [[[form.format(i, kind) for kind in ("key", "value")] for i in range(LAYERS)] for form in (past, present)]


def infos(onnx, w, inputs, past=None, present=None, dims=("batch_size", KV, "past_sequence_length", SIZE)):
    """The borders of a model: inputs are (name, dims) of int64."""
    make = onnx.helper.make_tensor_value_info
    ins = [make(name, 7, list(shape)) for name, shape in inputs]
    outs = [make("logits", w.element, ["batch_size", "sequence_length", VOCAB])]
    after = [*dims[:2], "total_sequence_length", dims[3]]
    ins += [make(name, w.element, list(dims)) for pair in past or [] for name in pair]
    outs += [make(name, w.element, after) for pair in present or [] for name in pair]
    return ins, outs


def save(onnx, path, w, inputs, outputs, opset, nodes=None):
    graph = onnx.helper.make_graph(w.nodes if nodes is None else nodes, "main_graph", inputs, outputs, w.weights)
    opsets = [onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid("com.microsoft", 1)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, path)


IDS = ("input_ids", ("batch_size", "sequence_length"))
MASK = ("attention_mask", ("batch_size", "total_sequence_length"))
POSITIONS = ("position_ids", ("batch_size", "sequence_length"))


def plain(onnx, path, opset=17, name="input_ids"):
    """Tokens to logits, without a cache."""
    w = Writer(onnx)
    w.opset = opset
    layers(w, name, None, None, None, None)
    save(onnx, path, w, *infos(onnx, w, [(name, IDS[1])]), opset)


def cached(onnx, path, opset=17, positions=True, dims=("batch_size", KV, "past_sequence_length", SIZE)):
    """Optimum's model.onnx."""
    w = Writer(onnx)
    w.opset = opset
    past, present = cache_names()
    layers(w, "input_ids", "attention_mask", "position_ids" if positions else None, past, present)
    ins = [IDS, MASK, *([POSITIONS] if positions else [])]
    save(onnx, path, w, *infos(onnx, w, ins, past, present, dims), opset)


def merged(onnx, path, opset=14):
    """Optimum's decoder_model_merged.onnx: an If between the decoder without a past and that with one."""
    past, present = cache_names()
    outer, branches = Writer(onnx), {}
    for branch, given in (("then_branch", past), ("else_branch", None)):
        w = Writer(onnx)
        w.opset, w.weights = opset, outer.weights  # which both share, by name
        layers(w, "input_ids", "attention_mask", None, given, present)
        around = {"input_ids", "attention_mask", *sum(past, []), *(x.name for x in w.weights)}
        for n in w.nodes:  # names of a body are apart from those around it
            n.output[:] = [f"{branch}/{x}" for x in n.output]
            n.input[:] = [x if x in around else f"{branch}/{x}" for x in n.input]
        outs = infos(onnx, w, [], None, present)[1]
        for out in outs:
            out.name = f"{branch}/{out.name}"
        branches[branch] = onnx.helper.make_graph(w.nodes, branch, [], outs)
    ins, outs = infos(onnx, outer, [IDS, MASK], past, present)
    ins.append(onnx.helper.make_tensor_value_info("use_cache_branch", 9, [1]))
    node = onnx.helper.make_node("If", ["use_cache_branch"], [o.name for o in outs], **branches)
    save(onnx, path, outer, ins, outs, opset, [node])


def genai(onnx, folder, dtype="f4", writer=Writer, past="past_key_values.{}.{}", present="present.{}.{}"):
    """A folder of onnxruntime-genai's: GroupQueryAttention, names in genai_config.json."""
    w = writer(onnx, dtype)
    w.opset = 21
    names = cache_names(past, present)
    grouped(w, "input_ids", "attention_mask", *names)
    save(onnx, folder / "model.onnx", w, *infos(onnx, w, [IDS, MASK], *names), 21)
    form = [{f"{side}_{kind}_names": text.format("%d", kind) for kind in ("key", "value")}
            for side, text in (("past", past), ("present", present))]  # fmt: skip
    decoder = {"session_options": {"provider_options": []}, "filename": "model.onnx", "head_size": SIZE, "hidden_size": WIDTH,
               "inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask", **form[0]},
               "outputs": {"logits": "logits", **form[1]},
               "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "num_key_value_heads": KV}  # fmt: skip
    config = {"model": {"bos_token_id": 1, "eos_token_id": [2, 3], "context_length": 256, "decoder": decoder, "type": "llama",
                        "vocab_size": VOCAB}, "search": {"do_sample": False, "past_present_share_buffer": False}}  # fmt: skip
    (folder / "genai_config.json").write_text(json.dumps(config))
