"""What runs of text generation share: prefix caches and speculations give the text that is given without them."""

import base64
import json
import subprocess

import numpy as np
import pytest
from conftest import ROOT

import sibyl

VOCAB, WIDTH, HEADS = 257, 32, 4  # bytes, and <|endoftext|>


def llama(folder, layers, seed):
    """A Llama with random weights whose tokens are bytes."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    weights = {}

    def add(name, *shape):
        weights[name] = (rng.standard_normal(shape) / 4 + (len(shape) == 1)).astype("f4")

    add("model.embed_tokens.weight", VOCAB, WIDTH)
    for i in range(layers):
        block = f"model.layers.{i}."
        for part, rows in ("q", WIDTH), ("k", WIDTH // 2), ("v", WIDTH // 2), ("o", WIDTH):
            add(f"{block}self_attn.{part}_proj.weight", rows, WIDTH)
        for part, shape in ("gate", (48, WIDTH)), ("up", (48, WIDTH)), ("down", (WIDTH, 48)):
            add(f"{block}mlp.{part}_proj.weight", *shape)
        add(block + "input_layernorm.weight", WIDTH)
        add(block + "post_attention_layernorm.weight", WIDTH)
    add("model.norm.weight", WIDTH)
    header, at = {}, 0
    for name, array in weights.items():
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"".join(array.tobytes() for array in weights.values()))
    config = {"model_type": "llama", "num_attention_heads": HEADS, "num_key_value_heads": HEADS // 2, "max_position_embeddings": 512,
              "rms_norm_eps": 1e-5, "rope_theta": 10000, "tie_word_embeddings": True}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "ranks").write_text("".join(f"{base64.b64encode(bytes([b])).decode()} {b}\n" for b in range(256)))
    sibyl.import_model(folder, folder / "m.onnx", tokenizer=folder / "ranks")
    return folder / "m.onnx"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return llama(folder / "large", 2, 0), llama(folder / "small", 1, 0)


@pytest.fixture(scope="module")
def models(paths):
    return [sibyl.load_model(path, threads=1) for path in paths]


PROMPT = "abcd abcd abcd ab"
# of few tokens, so that the text repeats
FEW = dict(max_tokens=60, bias_tokens=list(b"abc"), biases=[20.0] * 3)
CHOICES = [dict(FEW, temperature=0), dict(FEW, temperature=0.4, seed=3), dict(max_tokens=40, temperature=0.9, top_p=0.9, repetition_penalty=1.2, seed=1)]


def same(a, b):
    assert a["text"] == b["text"] and a["tokens"] == b["tokens"]
    np.testing.assert_allclose(a["logprobs"], b["logprobs"], atol=1e-4)


@pytest.mark.parametrize("options", CHOICES)
def test_speculation(models, options):
    model, draft = models
    plain = model.generate(PROMPT, **options)
    for by in sibyl.Speculation(model, max_guesses=5), sibyl.Speculation(model.job, draft), sibyl.Speculation(model, model, 3):
        same(model.generate(PROMPT, speculation=by, **options), plain)
        assert by.guessed >= by.accepted and by.steps + by.accepted == options["max_tokens"]
        assert "".join(model.stream(PROMPT, speculation=by, **options)) == plain["text"]


def test_guesses_are_accepted(models):
    model, draft = models
    looks, agrees = sibyl.Speculation(model, max_guesses=5), sibyl.Speculation(model, model, 4)
    model.generate(PROMPT, speculation=looks, **CHOICES[0])
    assert 0 < looks.accepted < looks.guessed
    model.generate(PROMPT, speculation=agrees, temperature=0, max_tokens=50)
    assert (agrees.steps, agrees.accepted) == (10, 40)


def test_speculations_that_cannot_be(models, data):
    model, draft = models
    for wrong in 0, 65:
        with pytest.raises(ValueError, match="max_guesses is 0|at most 64"):
            sibyl.Speculation(model, max_guesses=wrong)
    with pytest.raises(TypeError, match="not int"):
        sibyl.Speculation(3)
    with pytest.raises(sibyl.SibylError, match="another job"):
        draft.generate("a", speculation=sibyl.Speculation(model))


def test_recurrent_states_are_refused(models, data, tmp_path):
    sibyl.import_model(data / "rwkv" / "tiny-rwkv-5v2-730K-FP32.bin", tmp_path / "rwkv.onnx")
    writer = sibyl.load_model(tmp_path / "rwkv.onnx", threads=1)
    with pytest.raises(sibyl.SibylError, match="is no cache of keys or values, and cannot be cut back"):
        sibyl.Speculation(writer)
    with pytest.raises(sibyl.SibylError, match="the draft 'rwkv' cannot guess"):
        sibyl.Speculation(models[0], writer)


@pytest.mark.parametrize("options", CHOICES)
def test_prefix_cache(models, options):
    model, draft = models
    cache, by = sibyl.PrefixCache(model, 2), sibyl.Speculation(model, draft)
    first = model.generate(PROMPT, prefix_cache=cache, **options)
    same(first, model.generate(PROMPT, **options))
    assert (cache.entries, cache.reused) == (1, 0) and cache.tokens >= len(PROMPT)
    more = list(PROMPT.encode()) + first["tokens"] + list(b" and")
    plain = model.generate(more, **options)
    same(model.generate(more, prefix_cache=cache, **options), plain)
    assert cache.reused == len(PROMPT) + options["max_tokens"] - 1
    same(model.generate(more, prefix_cache=cache, speculation=by, **options), plain)
    assert "".join(model.stream(more, prefix_cache=cache, speculation=by, **options)) == plain["text"]
    with pytest.raises(sibyl.SibylError, match="another job"):
        draft.generate("a", prefix_cache=cache)


def command(*arguments, **more):
    made = subprocess.run([ROOT / "build" / "sibyl", *map(str, arguments)], capture_output=True, **more)
    return made.returncode, made.stdout, made.stderr.decode()


def test_command(paths):
    model, draft = paths
    words = ["generate", "--model", model, "-p", PROMPT, "-n", 60, "--threads", 1, "-i", "bias_tokens=97,98,99", "-i", "biases=20,20,20", "--temperature"]
    for temperature in 0, 0.5:
        plain = json.loads(command(*words, temperature, "--json")[1])
        for how in ["--lookup", 5], ["--draft", draft], ["--draft", model, "--draft-max", 3]:
            found = json.loads(command(*words, temperature, "--json", *how)[1])
            guesses = found.pop("guesses")
            assert found["tokens"] == plain["tokens"] and guesses["steps"] + guesses["accepted"] == 60
    code, text, said = command(*words, 0, "--lookup", 5, "-v")
    assert code == 0 and text.decode() == json.loads(command(*words, 0, "--json")[1])["text"] + "\n"
    assert "tokens guessed" in said and "0 accepted" not in said
    for how, why in (["--lookup", 5, "--draft", draft], "one of --lookup and --draft"), (["--draft-max", 3], "--draft-max is for --draft"):
        code, _, said = command(*words, 0, *how)
        assert code == 2 and why in said


def windowed(model, ids, context, stride):
    """A perplexity by the loop of transformers' documentation, each token once."""
    total, known = 0.0, 1
    for begin in range(0, len(ids), stride):
        end = min(begin + context, len(ids))
        rows = model.logits(ids[begin:end]).astype("f8")
        rows -= np.log(np.exp(rows).sum(-1, keepdims=True))
        for i in range(max(known, begin + 1), end):
            total += rows[i - 1 - begin, ids[i]]
        known = end
        if end == len(ids):
            break
    return total


@pytest.mark.parametrize("n, context, stride", [(50, 20, 7), (50, 20, 0), (41, 10, 9), (20, 20, 5), (19, 20, 5), (600, 300, 250)])
def test_perplexity_in_windows(models, paths, n, context, stride):
    model = models[0]
    ids = [int(i) for i in np.random.default_rng(n).integers(0, 256, n)]
    expected = np.exp(-windowed(model, ids, context, stride or context // 2) / (n - 1))
    options = dict(context=context, **({"stride": stride} if stride else {}))
    np.testing.assert_allclose(model.perplexity(ids, **options), expected, rtol=1e-5)
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    code, text, _ = command("generate", "--model", paths[0], "--tokens", ",".join(map(str, ids)), "--perplexity", *words)
    assert code == 0 and abs(float(text) / expected - 1) < 1e-5


def test_windows_that_cannot_be(models, paths):
    for context, stride in (1, 0), (4, 5), (0, 2), (-3, 0):
        with pytest.raises(sibyl.SibylError, match="windows have at least 2 tokens|expected an integer"):
            models[0].perplexity("abcdef", context=context, stride=stride)
    words = ["generate", "--model", paths[0], "-p", "abc"]
    for how in ["--context", 5], ["--perplexity", "--stride", 5]:
        code, _, said = command(*words, *how)
        assert code == 2 and "--context and --stride are for --perplexity" in said


def test_log_probabilities(paths):
    words = ["generate", "--model", paths[0], "-p", "ab", "-n", 12, "--seed", 4]
    found = json.loads(command(*words, "--json")[1])
    lines = command(*words, "--logprobs")[1].decode().splitlines()
    assert len(lines) == 12
    for line, token, logprob in zip(lines, found["tokens"], found["logprobs"]):
        given, number, text = line.split("\t")
        assert int(number) == token and abs(float(given) - logprob) < 1e-6
        assert token >= 128 or json.loads(text) == chr(token)
    assert "one of --perplexity and --logprobs" in command(*words, "--logprobs", "--perplexity")[2]


def test_operators_of_the_program_leave_other_models_as_they_are(paths):
    """Whose caches are still buffers, and whose tokens are still guessed."""

    @sibyl.operator("tests.generation", "Unused")
    def unused(x):
        return x

    assert sibyl.Speculation(sibyl.load_model(paths[0], threads=1))
