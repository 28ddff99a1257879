"""Jobs and models by name, with models made here and those of the shared data; Whisper against openai-whisper."""

import base64
import itertools
import json
import os
import signal
import threading

import numpy as np
import onnx_writer as w
import pytest
from conftest import ROOT, peer, write_wav

import sibyl

# ---- Models made here --------------------------------------------------------------------------------------------------


def save_safetensors(path, tensors):
    header, at = {}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(array.tobytes() for array in tensors.values()))
    return path


def save_bytes_tokenizer(path):
    """Ranks of tiktoken's form, a token each byte."""
    path.write_text("".join(f"{base64.b64encode(bytes([b])).decode()} {b}\n" for b in range(256)))


def whisper_weights(n_vocab, d=64, layers=1, ctx=1500, seed=0):
    """A Whisper by OpenAI's names, its weights random."""
    rng = np.random.default_rng(seed)
    w = {}

    def noise(name, *shape, scale=0.15):
        w[name] = (scale * rng.standard_normal(shape)).astype("f4")

    def norm(name):
        w[name + ".weight"] = np.ones(d, "f4")
        noise(name + ".bias", d, scale=0.1)

    def attention(name):
        for part in ("query", "key", "value", "out"):
            noise(f"{name}.{part}.weight", d, d)
            if part != "key":
                noise(f"{name}.{part}.bias", d, scale=0.1)
        norm(name + "_ln")

    for i, bands in (1, 80), (2, d):
        noise(f"encoder.conv{i}.weight", d, bands, 3)
        noise(f"encoder.conv{i}.bias", d)
    noise("encoder.positional_embedding", ctx, d)
    noise("decoder.token_embedding.weight", n_vocab, d, scale=0.3)
    noise("decoder.positional_embedding", 448, d)
    for side in "encoder", "decoder":
        for i in range(layers):
            block = f"{side}.blocks.{i}."
            attention(block + "attn")
            if side == "decoder":
                attention(block + "cross_attn")
            for part, out, into in (0, 4 * d, d), (2, d, 4 * d):
                noise(f"{block}mlp.{part}.weight", out, into)
                noise(f"{block}mlp.{part}.bias", out, scale=0.1)
            norm(block + "mlp_ln")
    norm("encoder.ln_post")
    norm("decoder.ln")
    return w


@pytest.fixture(scope="module")
def hearer(tmp_path_factory):
    """A small Whisper in English whose tokens are bytes, and what it makes of noise is noise."""
    folder = tmp_path_factory.mktemp("models") / "noise"
    folder.mkdir()
    save_safetensors(folder / "weights", whisper_weights(256 + 1509 + 1))
    save_bytes_tokenizer(folder / "ranks")
    report = sibyl.import_model(folder / "weights", folder / "noise.onnx", tokenizer=folder / "ranks")
    assert report["tokenizer"] == "whisper" and (folder / "noise.tiktoken").is_file()
    return sibyl.load_model(folder / "noise.onnx", threads=1)


@pytest.fixture(scope="module")
def writer(data, tmp_path_factory):
    """RWKV of the shared data: bytes in, bytes out."""
    path = tmp_path_factory.mktemp("models") / "rwkv.onnx"
    sibyl.import_model(data / "rwkv" / "tiny-rwkv-5v2-730K-FP32.bin", path)
    return sibyl.load_model(path, threads=1)


QUICK = dict(temperature=0.0, sample_len=20)


@pytest.fixture(scope="module")
def some_noise():
    return (0.1 * np.random.default_rng(5).standard_normal(3 * 16000)).astype("f4")


# ---- Any job -----------------------------------------------------------------------------------------------------------


def test_features(wav):
    path, samples = wav
    job = sibyl.load_model("features")
    assert isinstance(job, sibyl.Job) and job.kind == "features" and job.sample_rate == 16000
    assert [(p.name, p.type, p.optional) for p in job.inputs[:2]] == [("audio", "audio", False), ("preset", "text", True)]
    assert [(p.name, p.type) for p in job.outputs] == [("features", "tensor")]
    expected = sibyl.log_mel_spectrogram(path)
    taken = [path, str(path), os.fsencode(path), samples, samples.astype("f4") / 32768, samples.astype("f8") / 32768]
    for audio in taken:
        found = job.run({"audio": audio, "preset": None})
        assert list(found) == ["features"]
        np.testing.assert_array_equal(found["features"], expected)
    found["features"][:] = 0  # the caller's own
    samples = sibyl.load_audio(path)
    np.testing.assert_array_equal(
        job.run({"audio": samples, "preset": "kaldi"}, ["features"])["features"], sibyl.LogMel("kaldi")(samples)
    )


def test_features_of_tensors(wav, torch):
    path, samples = wav
    expected = sibyl.log_mel_spectrogram(path)
    job = sibyl.load_model("features")
    np.testing.assert_array_equal(job.run({"audio": torch.from_numpy(samples)})["features"], expected)

    class Lent:  # nothing but DLPack
        def __init__(self, tensor):
            self.tensor = tensor

        def __dlpack__(self, **options):
            return self.tensor.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.tensor.__dlpack_device__()

    np.testing.assert_array_equal(job.run({"audio": Lent(torch.from_numpy(sibyl.load_audio(path)))})["features"], expected)


def test_documents():
    text = sibyl.describe_job()
    job = sibyl.Job(text)
    assert job.document == text and job.kind == "features" and "of kind features" in repr(job)
    document = json.loads(text)
    document["name"] = "mel"
    assert sibyl.Job(document).name == "mel" and sibyl.Job(document).doc == document["doc"]
    with pytest.raises(sibyl.SibylError, match="voice-activity"):
        sibyl.Job(text, kind="voice-activity")
    document["nodes"][0]["inputs"]["audio"] = "$nosuch"
    with pytest.raises(sibyl.SibylError, match="nosuch"):
        sibyl.Job(document)
    with pytest.raises(sibyl.SibylError, match="/sibyl_job"):
        sibyl.Job("{}")


def test_nodes(writer):
    """Ports with types and sources, calls, and a loop with its body."""
    job = writer.job
    nodes = {node.name: node for node in job.nodes}
    assert [(node.op, node.loop) for node in job.nodes] == [("tokenize", None), ("loop", None), ("call", 1), ("sample", 1), ("detokenize", 1), ("score", None)]
    assert nodes["next"].calls == nodes["score"].calls == {"model": "decoder"} and nodes["choose"].calls == {}
    assert (nodes["prompt"].tokenizer, nodes["next"].tokenizer) == ("text", None)
    text, logits = nodes["prompt"].takes[0], nodes["choose"].takes[0]
    assert (text.name, text.type, text.optional, text.source) == ("text", "text", True, ("input", 0))
    assert (logits.name, logits.type, logits.optional, logits.source) == ("logits", "tensor", False, ("node", 2, 0))
    loop = nodes["generate"]
    assert [(port.name, port.source) for port in loop.takes + loop.body_takes] == [("fed", ("node", 0, 0)), ("fed", None)]
    assert [(port.name, port.type) for port in loop.body_gives][-3:] == [("logprobs", "number"), ("until", "flag"), ("until", "flag")]
    assert dict((port.name, port.source) for port in nodes["next"].takes)["tokens"] == ("loop", 1, 0)
    assert job.output_sources[0] == ("node", 1, 2)
    document = json.loads(sibyl.describe_job())
    document["nodes"][0]["inputs"]["preset"] = "kaldi"
    document["nodes"][0]["doc"] = "bands"
    (mel,) = sibyl.Job(document).nodes
    assert mel.doc == "bands" and ("preset", ("literal", "kaldi")) in [(port.name, port.source) for port in mel.takes]


def test_documents_in_files(tmp_path, hearer):
    text = sibyl.describe_job()
    (tmp_path / "job.json").write_text(text)
    assert sibyl.Job(tmp_path).document == sibyl.Job(tmp_path / "job.json").document == text
    assert isinstance(sibyl.load_model(tmp_path), sibyl.Job)
    assert json.loads(hearer.job.document)["tokenizers"]["text"]["file"] == "noise.tiktoken"
    with pytest.raises(FileNotFoundError, match="nosuch"):
        sibyl.Job(tmp_path / "nosuch.json")
    with pytest.raises(FileNotFoundError, match="no model of that name"):
        sibyl.load_model("nosuch")
    with pytest.raises(TypeError):
        sibyl.Job(3)
    with pytest.raises(ValueError, match="folder"):
        sibyl.Job(tmp_path, folder=tmp_path)


ECHO = {  # what comes in goes out
    "sibyl_job": 1,
    "kind": "echo",
    "inputs": {type: {"type": type, "default": None} for type in ("tensor", "tokens", "text", "number", "numbers", "flag", "texts")},
    "nodes": [{"name": "unused", "op": "features", "inputs": {"audio": "$tensor"}}],
    "outputs": {type: f"${type}" for type in ("tensor", "tokens", "text", "number", "numbers", "flag", "texts")},
}


def test_confined_documents(tmp_path):
    document = ECHO | {"tokenizers": {"t": {"file": "../ranks", "kind": "gpt2"}}}
    with pytest.raises(sibyl.SibylError, match="expected a path in the folder"):
        sibyl.Job(document, folder=tmp_path, confine=True)
    with pytest.raises(OSError, match="ranks"):
        sibyl.Job(document, folder=tmp_path)


def test_documents_of_what_is_given(tmp_path, some_noise):
    """Models and tokenizers that are there already: no file is read."""
    digits = ROOT / "assets" / "digits"
    sibyl.import_model(digits / "digits.pt", tmp_path / "digits.onnx", tokenizer=digits / "digits.tiktoken")
    whole = sibyl.load_model(tmp_path / "digits.onnx", threads=1).job
    document = json.loads(whole.document)
    assert list(document["models"].values()) == ["digits.onnx"] * len(document["models"])
    document["models"] = {name: "my model" for name in document["models"]}
    document["tokenizers"]["text"]["file"] = "ranks"
    n_vocab = document["tokenizers"]["text"].get("n_vocab", 0)
    tokenizer = sibyl.Tokenizer(tmp_path / "digits.tiktoken", kind="whisper", n_vocab=n_vocab)
    inputs = {"audio": some_noise, "temperature": 0.0, "sample_len": 20}
    expected = whole.run(inputs, ["text"])
    file = tmp_path / "digits.onnx"
    for model in sibyl.InferenceSession(file), file:
        given = {"my model": model}
        job = sibyl.Job(document, models=given, tokenizers={"ranks": tokenizer}, threads=1)
        given.clear()  # the job has what it needs
        assert job.run(inputs, ["text"]) == expected
    with pytest.raises(ValueError, match="no model is given for 'my model'"):
        sibyl.Job(document, models={}, tokenizers={"ranks": tokenizer})
    with pytest.raises(ValueError, match="no tokenizer is given for 'ranks'"):
        sibyl.Job(document, models={"my model": file})
    for more in {"folder": tmp_path}, {"confine": True}, {"kind": "echo"}, {"tokenizer": tmp_path}:
        with pytest.raises(ValueError, match="models and tokenizers are for a document that is given as text"):
            sibyl.Job(ECHO, models={}, **more)
    with pytest.raises(ValueError, match="given as text"):
        sibyl.Job(tmp_path, models={})
    with pytest.raises(TypeError, match="a model is given"):
        sibyl.Job(ECHO, models={"a": 3})
    assert sibyl.Job(ECHO, models={}).run({"number": 2}, ["number"]) == {"number": 2.0}


def test_runs_at_once():
    """Texts of several lengths share one call of the model, and each gets what it gets alone."""
    nodes = [w.node("Gather", ["table", "ids"], ["hidden"], name="embed")]
    model = w.model(nodes, {"ids": w.tensor_type("int64", ["B", "N"])}, {"hidden": w.tensor_type("float32", ["B", "N", 2])},
                    [w.floats("table", range(10), [5, 2])])  # fmt: skip
    document = {
        "sibyl_job": 1, "kind": "embedding", "models": {"m": "m"}, "inputs": {"ids": "tokens"},
        "calls": {"embed": {"model": "m", "inputs": {"ids": "ids"}, "outputs": {"hidden": "hidden"}, "batch": {"pad": 0, "cut": ["hidden"]}}},
        "nodes": [{"name": "embed", "op": "call", "calls": {"model": "embed"}, "inputs": {"ids": "$ids"}}],
        "outputs": {"hidden": "$embed.hidden", "ids": "$ids"},
    }  # fmt: skip
    job = sibyl.Job(document, models={"m": model}, threads=1)
    runs = [{"ids": list(range(1, 1 + n))} for n in (3, 1, 4)]
    calls = []
    with job.watch("embed", on_event=lambda span, begins: calls.append(span) if begins and span.kind == "run" else None):
        made = job.run_many(iter(runs), ["ids", "hidden"])
    assert len(calls) == 1
    for given, found in zip(runs, made, strict=True):
        assert list(found) == ["ids", "hidden"] and found["ids"] == given["ids"]
        np.testing.assert_array_equal(found["hidden"], job.run(given)["hidden"])
    assert [list(found) for found in job.run_many(runs[:1])] == [["hidden", "ids"]] and job.run_many([]) == []
    with pytest.raises(ValueError, match="run 1 has other inputs than run 0"):
        job.run_many([{"ids": [1]}, {}])
    with pytest.raises(sibyl.SibylError, match="index 7 is out of range"):
        job.run_many([{"ids": [1]}, {"ids": [7]}])
    with pytest.raises(ValueError, match="max_steps is 0"):
        job.run_many(runs, max_steps=0)


def test_values_of_every_type():
    given = {"tensor": np.arange(6, dtype="i8").reshape(2, 3)[:, ::2], "tokens": [1, 2, 50256], "text": "köpfe \udcff",
             "number": 2.5, "numbers": (1, 2.5), "flag": True, "texts": ["a", b"b"]}  # fmt: skip
    job = sibyl.Job(ECHO)
    found = job.run(given)
    np.testing.assert_array_equal(found.pop("tensor"), given["tensor"])
    assert found == {"tokens": [1, 2, 50256], "text": "köpfe \udcff", "number": 2.5, "numbers": [1.0, 2.5], "flag": True,
                     "texts": ["a", "b"]}  # fmt: skip
    assert job.run({"text": b"\xff"}, ["text"]) == {"text": "\udcff"}
    assert job.run({"tokens": np.array([3], "u2"), "numbers": 4, "texts": "c"}, ["numbers", "texts", "tokens"]) == {
        "numbers": [4.0], "texts": ["c"], "tokens": [3]}  # fmt: skip
    assert job.run({}, []) == {}
    wrong = [{"tokens": "ab"}, {"tokens": [1.5]}, {"text": 3}, {"number": "3"}, {"number": True}, {"numbers": "1,2"},
             {"flag": 1}, {"texts": [3]}]  # fmt: skip
    for inputs in wrong:
        with pytest.raises(TypeError, match=f"input '{next(iter(inputs))}'"):
            job.run(inputs)
    with pytest.raises(ValueError, match="no ids"):
        job.run({"tokens": [2**31]})


def test_wrong_calls(wav):
    job = sibyl.load_model("features")
    for error, words, call in [
        (ValueError, "no input 'nosuch'", lambda: job.run({"nosuch": 1})),
        (ValueError, "no output 'nosuch'", lambda: job.run({"audio": wav[0]}, ["nosuch"])),
        (ValueError, "input 'audio'", lambda: job.run({})),
        (ValueError, "2 dimensions", lambda: job.run({"audio": np.zeros((2, 80), "f4")})),
        (TypeError, "input 'audio'", lambda: job.run({"audio": 3})),
        (TypeError, "dict", lambda: job.run([("audio", wav[0])])),
        (TypeError, "a list of names", lambda: job.run({"audio": wav[0]}, "features")),
        (ValueError, "together", lambda: job.run({"audio": wav[0]}, taps="*")),
        (ValueError, "max_steps", lambda: job.run({"audio": wav[0]}, max_steps=0)),
        (ValueError, "nosuch/value", lambda: job.run_with_taps("nosuch/value", {"audio": wav[0]})),
        (FileNotFoundError, "nosuch.wav", lambda: job.run({"audio": "nosuch.wav"})),
        (ValueError, "backend", lambda: sibyl.Job(sibyl.describe_job(), backends=["nosuch"])),
    ]:
        with pytest.raises(error, match=words):
            call()


def test_taps(wav):
    job = sibyl.load_model("features")
    found = job.run_with_taps(["mel/features"], {"audio": wav[0]})
    np.testing.assert_array_equal(found["mel/features"], sibyl.log_mel_spectrogram(wav[0]))


# ---- Speech to text ------------------------------------------------------------------------------------------------------

KEYS = ["id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob"]


def test_transcribe(hearer, some_noise, wav, capsys):
    assert isinstance(hearer, sibyl.SpeechToText) and hearer.job.kind == "speech-to-text"
    found = hearer.transcribe(some_noise, **QUICK)
    assert list(found) == ["text", "segments", "language"] and found["language"] == "en" and found["segments"]
    for segment in found["segments"]:
        assert [key for key in segment if key != "words"] == KEYS
        assert ("words" in segment) == (not segment["text"])
    assert hearer.transcribe(some_noise, **QUICK) == found
    again = hearer.job.run({"audio": some_noise, **QUICK})
    assert again["text"].encode("utf-8", "surrogateescape").decode("utf-8", "replace") == found["text"]
    assert not capsys.readouterr().out
    hearer.transcribe(some_noise, verbose=True, **QUICK)
    assert capsys.readouterr().out.startswith("[00:0")
    hearer.transcribe(some_noise, verbose=False, **QUICK)
    shown = capsys.readouterr()
    assert not shown.out and "3 s of 3 s" in shown.err
    assert hearer.transcribe(wav[0], **QUICK) == hearer.transcribe(wav[1], **QUICK)


def test_options_of_transcribe(hearer, some_noise):
    found = hearer.transcribe(some_noise, word_timestamps=True, fp16=True, **QUICK)
    words = [word for segment in found["segments"] for word in segment["words"]]
    assert words and all(list(word) == ["word", "start", "end", "probability"] for word in words)
    for none in (0.6, None):  # a window of one second that is cut out of three
        clipped = hearer.transcribe(some_noise, clip_timestamps="1,2", no_speech_threshold=none, **QUICK)
        assert clipped["segments"] and all(segment["seek"] == 100 for segment in clipped["segments"])
        assert clipped == hearer.transcribe(some_noise, clip_timestamps=[1, 2], no_speech_threshold=none, **QUICK)
    assert hearer.transcribe(some_noise, no_speech_threshold=0.0, logprob_threshold=None, **QUICK)["segments"] == []
    some = hearer.transcribe(some_noise, suppress_tokens=[-1, 65], **QUICK)
    assert some == hearer.transcribe(some_noise, suppress_tokens="-1,65", **QUICK)
    plain = [segment["tokens"] for segment in hearer.transcribe(some_noise, suppress_tokens=None, **QUICK)["segments"]]
    assert plain == [s["tokens"] for s in hearer.transcribe(some_noise, suppress_tokens="", **QUICK)["segments"]]
    for error, words, options in [(ValueError, "nosuch", dict(nosuch=1)), (ValueError, "task", dict(task="sing")),
                                  (ValueError, "temperature", dict(temperature=-1.0)), (TypeError, "beam_size", dict(beam_size="5")),
                                  (ValueError, "best_of|beam", dict(beam_size=-1))]:  # fmt: skip
        with pytest.raises(error, match=words):
            hearer.transcribe(some_noise, **{**QUICK, **options})


def test_what_a_run_tells(hearer, some_noise):
    inputs = {"audio": np.tile(some_noise, 11), **QUICK}
    segments, progress, threads = [], [], set()
    found = hearer.job.run(
        inputs,
        on_segment=lambda segment: (segments.append(segment), threads.add(threading.current_thread())),
        on_progress=lambda done, total: progress.append((done, total)),
    )
    assert segments == [segment for segment in found["segments"] if segment["text"]] and segments
    assert progress == sorted(progress) and progress[-1] == (33.0, 33.0)
    assert threads == {threading.current_thread()}
    tapped = hearer.job.run_with_taps("encoder/step[*]/audio", inputs)
    assert list(tapped) == [f"encoder/step[{i}]/audio" for i in range(len(tapped))] and len(tapped) > 1
    assert all(value.shape == (1, 1500, 64) for value in tapped.values())


def test_log_probabilities_of_tokens(hearer, some_noise):
    """One of each token; without a wish segments are those of openai-whisper."""
    inputs, told = {"audio": some_noise, **QUICK}, []
    segments = hearer.job.run(inputs, ["segments"], on_segment=told.append, logprobs=True)["segments"]
    assert segments and told == [s for s in segments if s["text"]]
    for segment in segments:
        assert len(segment["logprobs"]) == len(segment["tokens"]) and all(p <= 0 for p in segment["logprobs"])
    assert all("logprobs" not in s for s in hearer.job.run(inputs, ["segments"])["segments"])


@pytest.mark.parametrize("aside", [False, True])
@pytest.mark.parametrize("told", ["on_segment", "on_progress", "on_tap"])
def test_functions_that_raise(hearer, some_noise, told, aside):
    class Raised(Exception):
        pass

    def listener(*what):
        calls.append(what)
        raise Raised

    def run():
        taps = dict(taps="encoder/*/audio") if told == "on_tap" else {}
        try:
            hearer.job.run({"audio": some_noise, **QUICK}, **{told: listener}, **taps)
        except Raised as error:
            caught.append(error)

    calls, caught = [], []
    if aside:  # not on the main thread
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    else:
        run()
    assert len(calls) == 1 and len(caught) == 1


def test_several_threads(hearer, some_noise):
    expected = hearer.transcribe(some_noise, **QUICK)
    found = []
    threads = [threading.Thread(target=lambda: found.append(hearer.transcribe(some_noise, **QUICK))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_models_by_name(hearer, monkeypatch, tmp_path, some_noise):
    folder = tmp_path / "installed" / "noise"
    folder.mkdir(parents=True)
    save_safetensors(tmp_path / "noise.safetensors", whisper_weights(256 + 1509 + 1))
    sibyl.import_model(tmp_path / "noise.safetensors", folder / "noise.onnx")
    save_bytes_tokenizer(folder / "noise.tiktoken")
    before = sibyl.available_models()
    monkeypatch.setenv("SIBYL_MODELS", str(tmp_path / "installed"))
    monkeypatch.chdir(tmp_path)
    assert sibyl.available_models() == sorted({*before, "noise"})
    found = sibyl.load_model("noise", threads=1).transcribe(some_noise, **QUICK)
    assert found == hearer.transcribe(some_noise, **QUICK)
    (folder / "job.json").write_text(json.dumps({**json.loads(hearer.job.document), "name": "from job.json"}))
    assert sibyl.load_model("noise").job.name == "from job.json"


def test_tokenizers_that_are_not_there(tmp_path):
    save_safetensors(tmp_path / "m.safetensors", whisper_weights(256 + 1509 + 1))
    sibyl.import_model(tmp_path / "m.safetensors", tmp_path / "m.onnx")
    with pytest.raises(OSError, match="no tokenizer"):
        sibyl.load_model(tmp_path / "m.onnx")
    save_bytes_tokenizer(tmp_path / "ranks")
    assert sibyl.load_model(tmp_path / "m.onnx", tokenizer=tmp_path / "ranks").job.kind == "speech-to-text"


def test_the_model_that_ships():
    weights = ROOT / "assets" / "digits" / "digits.pt"
    if not weights.is_file():
        pytest.skip("skipped for want of assets/digits/digits.pt, which is trained with tools/train_digits.py")
    assert "digits" in sibyl.available_models()
    found = sibyl.load_model("digits").transcribe(weights.with_name("sample.flac"))
    words = "zero one two three four five six seven eight nine".split()
    assert found["language"] == "en" and len(found["text"].split()) > 2 and set(found["text"].split()) <= set(words)


# ---- Text generation -----------------------------------------------------------------------------------------------------


def test_generate(writer):
    assert isinstance(writer, sibyl.TextGeneration)
    found = writer.generate('"in', max_tokens=40, temperature=0)
    assert list(found) == ["text", "tokens", "logprobs"]
    assert len(found["tokens"]) == len(found["logprobs"]) == 40 and all(x <= 0 for x in found["logprobs"])
    assert bytes(found["tokens"]).decode() == found["text"]
    assert writer.generate(list(b'"in'), max_tokens=40, temperature=0) == found
    pieces = list(writer.stream('"in', max_tokens=40, temperature=0))
    assert len(pieces) > 20 and "".join(pieces) == found["text"]
    told = []
    writer.job.run({"text": '"in', "max_tokens": 40, "temperature": 0}, ["text"], on_text=told.append)
    assert told == pieces
    by_chance = [writer.generate('"in', max_tokens=40, temperature=1.5, seed=seed)["text"] for seed in (1, 1, 2)]
    assert by_chance[0] == by_chance[1] != by_chance[2]
    stop = found["text"][5:8]
    assert writer.generate('"in', max_tokens=40, temperature=0, stop=stop)["text"] == found["text"][: found["text"].index(stop)]


def test_json_schema(writer):
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}, "s": {"type": "string", "maxLength": 4}}, "required": ["n", "s"], "additionalProperties": False}
    for given in schema, json.dumps(schema):
        got = json.loads(writer.generate("in", json_schema=given, seed=3)["text"])
        assert got["n"] in (1, 2) and len(got["s"]) <= 4
    assert json.loads("".join(writer.stream("in", json_schema=schema, seed=3))) == got
    with pytest.raises(sibyl.SibylError, match="'not' is not supported"):
        writer.generate("in", json_schema={"not": {}})


def test_grammar_and_samplers(writer):
    for seed in range(3):
        assert writer.generate("in", grammar='root ::= [a-c]{2,4} "!" | "x"', seed=seed)["text"].rstrip("!") in {"x"} | {
            "".join(t) for n in (2, 3, 4) for t in itertools.product("abc", repeat=n)}
    with pytest.raises(sibyl.SibylError, match="'root' begins with itself"):
        writer.generate("in", grammar="root ::= root")
    with pytest.raises(sibyl.SibylError, match="one of json_schema and grammar"):
        writer.generate("in", grammar='root ::= "a"', json_schema={})
    assert writer.generate("in", max_tokens=20, typical_p=1e-9, top_k=1) == writer.generate("in", max_tokens=20, temperature=0)
    assert writer.generate("in", max_tokens=20, mirostat=2, mirostat_tau=0) == writer.generate("in", max_tokens=20, temperature=0)


def test_logits_and_perplexity(writer, data):
    expected = np.fromfile(data / "rwkv" / "expected-logits-5v2-730K.bin", "f4")
    logits = writer.logits(b'"in')
    assert logits.shape == (3, 256) and np.abs(logits[-1] - expected).max() < 1e-3
    tokens = list(b"in the beginning")
    rows = writer.logits(tokens)[:-1].astype("f8")
    logprobs = rows - rows.max(1, keepdims=True)
    logprobs -= np.log(np.exp(logprobs).sum(1, keepdims=True))
    perplexity = np.exp(-np.mean([row[token] for row, token in zip(logprobs, tokens[1:])]))
    assert writer.perplexity(tokens) == pytest.approx(perplexity, rel=1e-9) == writer.perplexity("in the beginning")
    with pytest.raises(ValueError, match="two tokens"):
        writer.perplexity("a")


def test_streams_that_are_given_up(writer):
    before = threading.active_count()
    stream = writer.stream("in", max_tokens=10**6)
    assert next(stream) and next(stream)
    assert threading.active_count() == before + 1
    stream.close()
    assert threading.active_count() == before
    for _ in zip(range(3), writer.stream("in", max_tokens=10**6)):
        pass
    assert threading.active_count() == before
    with pytest.raises(ValueError, match="max_tokens"):
        list(writer.stream("in", max_tokens=-1))


@pytest.fixture
def interruptible():
    """Python's own handler of Ctrl-C, which does not exist where a shell in the background started it all."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupts(writer, interruptible):
    """Ctrl-C ends a run of a million tokens, and the next is as ever."""
    for listener in (None, lambda text: None):
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            writer.job.run({"text": "in", "max_tokens": 10**6}, ["text"], on_text=listener)
        timer.join()
    assert writer.generate("in", max_tokens=3)["text"]


def test_loops_that_do_not_end(writer):
    with pytest.raises(ValueError, match="does not end within 5 steps") as refused:
        writer.job.run({"text": "in"}, ["text"], max_steps=5)
    assert refused.value.code == "value"


# ---- Voice activity ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vad(data):
    path = data / "real-models" / "silero_vad_v6_16k" / "model.onnx"
    return sibyl.load_model(path, threads=1)


def test_voice_activity(vad, data):
    assert isinstance(vad, sibyl.VoiceActivity)
    path = data / "vad" / "test.wav"
    spans = vad.spans(path)
    assert len(spans) > 10 and all(list(span) == ["start", "end"] for span in spans)
    edges = [span[edge] for span in spans for edge in ("start", "end")]
    assert edges == sorted(edges) and 0 <= edges[0] and edges[-1] <= 60
    samples = sibyl.load_audio(path)
    assert vad.spans(samples) == spans
    probabilities = vad.probabilities(samples)
    assert probabilities.dtype == np.float32 and probabilities.shape == (60 * 16000 // 512,)
    heard = [probabilities[int(span["start"] * 31.25) : int(span["end"] * 31.25) + 1] for span in spans]
    assert all(p.max() > 0.5 for p in heard) and np.concatenate(heard).mean() > 0.5 > probabilities.min()
    assert vad.spans(samples, threshold=0.9) != spans
    assert vad.spans(np.zeros(16000, "f4")) == []


def test_speech_alone_is_heard(hearer, vad, data):
    path = data / "vad" / "test.wav"
    spans = [{"start": 1.0, "end": 2.5}]
    listener = sibyl.VoiceActivity(vad.job)
    listener.spans = lambda audio: spans
    found = hearer.transcribe(path, vad=listener, **QUICK)
    assert found == hearer.transcribe(path, clip_timestamps=[1.0, 2.5], **QUICK)
    spans.clear()
    assert hearer.transcribe(path, vad=listener, **QUICK)["segments"] == []
    assert hearer.transcribe(np.zeros(32000, "f4"), vad=vad, **QUICK)["text"] == ""
    with pytest.raises(ValueError, match="clip_timestamps and vad"):
        hearer.transcribe(path, vad=vad, clip_timestamps="0")
    with pytest.raises(TypeError, match="voice activity"):
        hearer.transcribe(path, vad=write_wav)


# ---- Against openai-whisper ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(data, tmp_path_factory):
    """A multilingual Whisper with random weights, in Sibyl and in openai-whisper."""
    torch, whisper = peer("torch"), peer("whisper")
    folder = tmp_path_factory.mktemp("pair")
    dims = whisper.model.ModelDimensions(80, 1500, 64, 1, 2, 51865, 448, 64, 1, 2)
    theirs = whisper.model.Whisper(dims)
    weights = {name: torch.from_numpy(w) for name, w in whisper_weights(51865, layers=2, seed=2).items()}
    theirs.load_state_dict(weights)
    torch.save({"dims": dict(dims.__dict__), "model_state_dict": theirs.state_dict()}, folder / "w.pt")
    sibyl.import_model(folder / "w.pt", folder / "w.onnx", tokenizer=data / "whisper" / "multilingual.tiktoken")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # such small products are slower on several
    yield sibyl.load_model(folder / "w.onnx", threads=1), theirs.eval()
    torch.set_num_threads(threads)


def differences(ours, theirs, path=""):
    """Where two results are not of the same shape, or not the same within what float32 leaves open."""
    if isinstance(theirs, dict):
        same = isinstance(ours, dict) and list(ours) == list(theirs)
        return sum((differences(ours[k], theirs[k], f"{path}/{k}") for k in theirs), []) if same else [(path, ours, theirs)]
    if isinstance(theirs, list):
        same = isinstance(ours, list) and len(ours) == len(theirs)
        return sum((differences(a, b, f"{path}/{i}") for i, (a, b) in enumerate(zip(ours, theirs))), []) if same else [(path, ours, theirs)]  # fmt: skip
    if isinstance(theirs, float):  # NumPy's too
        return [] if type(ours) is float and abs(ours - theirs) <= 1e-3 * max(1, abs(theirs)) else [(path, ours, theirs)]
    return [] if type(ours) is type(theirs) and ours == theirs else [(path, ours, theirs)]


@pytest.mark.parametrize("options", [
    dict(sample_len=40),
    dict(beam_size=5, sample_len=40, word_timestamps=True),
    dict(word_timestamps=True, sample_len=30),
    dict(task="translate", language="de", clip_timestamps="1,4.5,6", initial_prompt="and so", sample_len=25),
    dict(without_timestamps=True, suppress_tokens=None, language="en", sample_len=50, no_speech_threshold=None),
], ids=["greedy", "beam", "words", "translate", "plain"])  # fmt: skip
def test_transcribe_as_openai_whisper(pair, data, options):
    ours, theirs = pair
    path = data / "whisper" / "jfk.flac"
    expected = theirs.transcribe(str(path), temperature=0.0, fp16=False, **options)
    assert sum(len(segment["tokens"]) for segment in expected["segments"]) > 10
    assert differences(ours.transcribe(path, temperature=0.0, **options), expected) == []
