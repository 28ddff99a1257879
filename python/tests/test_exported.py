"""Decoders that other programs export: the job is found by names and shapes, and its tokens are those of onnxruntime."""

import json
import subprocess
from pathlib import Path

import exported_decoders as made
import numpy as np
import pytest
from conftest import peer

import sibyl

PROMPT = "Once upon"
STEPS = 40


@pytest.fixture
def onnx():
    return peer("onnx")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tokenizer.json").write_text(made.byte_tokenizer())
    return tmp_path


def greedy(path, prompt):
    """The most likely tokens by onnxruntime, fed by hand: with the cache where the model has one."""
    ort = peer("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = {i.name: i for i in session.get_inputs()}
    outputs = [o.name for o in session.get_outputs()]
    kinds = {"tensor(float)": "f4", "tensor(float16)": "f2"}
    state = {name: np.zeros((1, made.KV, 0, made.SIZE), kinds[i.type]) for name, i in inputs.items() if len(i.shape) == 4}
    ids, fed, gap, found = list(prompt), list(prompt), [], []
    tokens = next(name for name in inputs if name in ("input_ids", "x"))
    while len(found) < STEPS:
        feeds = {tokens: np.array([fed if state else ids], "i8"), "attention_mask": np.ones((1, len(ids)), "i8"),
                 "position_ids": np.arange(len(ids) - len(fed), len(ids))[None],
                 "use_cache_branch": np.array([len(fed) < len(ids)])}  # fmt: skip
        feeds = {name: value for name, value in feeds.items() if name in inputs} | state
        values = dict(zip(outputs, session.run(outputs, feeds)))
        row = np.sort(values["logits"][0, -1].astype("f8"))
        gap.append(row[-1] - row[-2])
        fed = [int(values["logits"][0, -1].argmax())]
        found += fed
        ids += fed
        state = dict(zip(state, [values[name] for name in outputs if name != "logits"]))
    return found, min(gap)


def generate(path, **more):
    job = sibyl.Job(path, kind="text-generation", threads=1)
    inputs = {"text": PROMPT, "temperature": 0, "max_tokens": STEPS, "stop_tokens": [], **more}
    return job, job.run(inputs, ["tokens"])["tokens"]


def check(path, model):
    expected, gap = greedy(model, PROMPT.encode())
    assert gap > 1e-5  # else rounding decides
    assert len(set(expected)) > 5
    job, tokens = generate(path)
    assert tokens == expected
    return job, json.loads(sibyl.describe_job(path))["calls"]["decoder"]


@pytest.mark.parametrize("opset, name", [(14, "input_ids"), (21, "x")])
def test_plain(onnx, folder, opset, name):
    made.plain(onnx, folder / "model.onnx", opset, name)
    job, call = check(folder, folder / "model.onnx")
    assert call["count"] == {"of": "tokens", "inputs": {}, "history": True}
    assert "state" not in call
    whole = job.run({"text": "abcdefgh", "max_tokens": 1}, ["logits"])["logits"]
    assert whole.shape == (8, made.VOCAB)


@pytest.mark.parametrize("positions", [True, False])
def test_optimum(onnx, folder, positions):
    made.cached(onnx, folder / "model.onnx", 17, positions)
    job, call = check(folder, folder / "model.onnx")
    assert call["state"] == {"past_key_values.*": "present.*"}
    assert call["count"]["inputs"]["attention_mask"] == "ones"
    assert ("position_ids" in call["count"]["inputs"]) == positions
    # in pieces of 256 tokens and at once
    text = bytes(np.random.default_rng(0).integers(32, 126, 300, "u1")).decode()
    session = sibyl.InferenceSession(folder / "model.onnx")
    feeds = {"input_ids": np.frombuffer(text.encode(), "u1").astype("i8")[None], "attention_mask": np.ones((1, 300), "i8"),
             "position_ids": np.arange(300)[None]}  # fmt: skip
    empty = {name: np.zeros((1, made.KV, 0, made.SIZE), "f4") for name in sum(made.cache_names()[0], [])}
    feeds = {name: value for name, value in feeds.items() if positions or name != "position_ids"} | empty
    whole = session.run(["logits"], feeds)[0][0]
    assert np.abs(job.run({"text": text}, ["logits"])["logits"] - whole).max() < 1e-4


def test_optimum_without_dims(onnx, folder):
    made.cached(onnx, folder / "model.onnx", 17, True, ("batch_size", "heads", "past_sequence_length", "size"))
    (folder / "config.json").write_text(json.dumps({"num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 64,
                                                    "eos_token_id": 7}))  # fmt: skip
    (folder / "generation_config.json").write_text('{"eos_token_id": [7, 9]}')
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages[0].content }}!", "eos_token": "x"}))
    job, call = check(folder, folder / "model.onnx")
    assert call["state"] == {"past_key_values.*": {"name": "present.*", "dims": [1, 2, 0, 16]}}
    document = json.loads(sibyl.describe_job(folder / "model.onnx"))
    assert document["inputs"]["stop_tokens"]["default"] == [7, 9]
    assert document["chat"] == {"template": "{{ messages[0].content }}!", "eos_token": "x"}


def test_optimum_merged(onnx, folder):
    made.merged(onnx, folder / "decoder_model_merged.onnx")
    call = check(folder, folder / "decoder_model_merged.onnx")[1]
    assert call["count"]["inputs"] == {"attention_mask": "ones", "use_cache_branch": "begun"}


def test_in_a_folder_below(onnx, folder):
    (folder / "onnx").mkdir()
    made.cached(onnx, folder / "onnx" / "model.onnx")
    check(folder, folder / "onnx" / "model.onnx")


@pytest.mark.parametrize("names", [{}, {"past": "cache_{1}_{0}", "present": "after_{1}_{0}"}])
def test_genai(onnx, folder, names):
    made.genai(onnx, folder, **names)
    check(folder, folder / "model.onnx")
    document = json.loads(sibyl.describe_job(folder))
    assert document["inputs"]["stop_tokens"]["default"] == [2, 3]


def test_genai_int4(onnx, folder):
    made.genai(onnx, folder, writer=made.Quantized)
    check(folder, folder / "model.onnx")


def test_genai_halves(onnx, folder):
    """Rounding of halves may decide between tokens; the first ones must agree, and all of them in float32 of the same weights."""
    made.genai(onnx, folder, dtype="f2")
    expected, _ = greedy(folder / "model.onnx", PROMPT.encode())
    assert generate(folder)[1] == expected


def test_a_strange_input(onnx, folder):
    made.cached(onnx, folder / "model.onnx")
    model = onnx.load(folder / "model.onnx")
    model.graph.input.append(onnx.helper.make_tensor_value_info("image", 1, ["batch_size", 3]))
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(sibyl.SibylError, match=r"'image' \(float32 \[batch_size, 3\]\) is neither.*model.job.json by hand"):
        sibyl.Job(folder)


def test_corrected_by_hand(onnx, folder):
    made.cached(onnx, folder / "model.onnx")
    document = json.loads(sibyl.describe_job(folder))
    document["inputs"]["max_tokens"]["default"] = 3
    (folder / "model.job.json").write_text(json.dumps(document))
    assert len(sibyl.Job(folder).run({"text": PROMPT, "temperature": 0}, ["tokens"])["tokens"]) == 3


def test_the_command(onnx, folder):
    command = Path(__file__).resolve().parents[2] / "build" / "sibyl"
    if not command.exists():
        pytest.skip("skipped for want of build/sibyl")
    made.genai(onnx, folder)
    expected = generate(folder)[1]
    arguments = ["generate", "--model", folder, "--prompt", PROMPT, "--temperature", "0", "-n", str(STEPS), "--json",
                 "-i", "stop_tokens="]  # fmt: skip
    shown = subprocess.run([command, *map(str, arguments)], capture_output=True, check=True).stdout
    assert json.loads(shown)["tokens"] == expected
