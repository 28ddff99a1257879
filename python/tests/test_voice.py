"""Spans of speech against Silero's own get_speech_timestamps: on recordings with the same model, and on probabilities by chance."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, peer

import sibyl

COMMAND = Path(os.environ.get("SIBYL_BUILD", ROOT / "build" / "release")) / "cli" / "sibyl"
CASES = [{}, {"threshold": 0.3}, {"threshold": 0.9}, {"threshold": 0.6, "neg_threshold": 0.55},
         {"min_speech_duration_ms": 0, "min_silence_duration_ms": 0, "speech_pad_ms": 0},
         {"min_speech_duration_ms": 1000, "speech_pad_ms": 200}, {"min_silence_duration_ms": 500, "speech_pad_ms": 300},
         {"max_speech_duration_s": 3}, {"max_speech_duration_s": 1.5, "min_silence_duration_ms": 400},
         {"max_speech_duration_s": 0.7, "min_silence_duration_ms": 2000, "speech_pad_ms": 10}]


def command(*arguments):
    if not COMMAND.is_file():
        if os.environ.get("SIBYL_PEERS"):
            pytest.fail(f"{COMMAND} is missing")
        pytest.skip(f"skipped for want of {COMMAND}")
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def options(case):
    return [word for k, v in case.items() for word in ("-i", f"{k}={v}")]


def pairs(spans, scale=1.0):
    return [(s["start"] * scale, s["end"] * scale) for s in spans]


def equal(ours, theirs):
    """Theirs in samples; ours are printed in seconds with nine digits."""
    return len(ours) == len(theirs) and all(abs(a - b) < 1e-2 for x, y in zip(ours, theirs) for a, b in zip(x, y))


class Scripted:
    """What get_speech_timestamps asks of a model."""

    def __init__(self, torch, probabilities):
        self.torch, self.p = torch, probabilities

    def reset_states(self):
        self.at = -1

    def __call__(self, chunk, rate):
        self.at += 1
        return self.torch.tensor([[self.p[self.at]]])


class Narrowed:
    """A session that is given no more than its model takes: the half model has no rate."""

    def __init__(self, session):
        self.session, self.names = session, {i.name for i in session.get_inputs()}

    def run(self, wanted, inputs):
        return self.session.run(wanted, {k: v for k, v in inputs.items() if k in self.names})


class Kept:
    """A model whose answers are kept, so that it hears a recording once."""

    def __init__(self, model):
        self.model, self.p = model, []
        self.reset_states = model.reset_states

    def __call__(self, chunk, rate):
        self.p.append(self.model(chunk, rate))
        return self.p[-1]


@pytest.mark.parametrize("name", ["test.wav", "test.mp3", "test.opus"])
@pytest.mark.parametrize("model", ["silero_vad_16k_op15", "silero_vad_half", "silero_vad_v6_16k"])
def test_spans_of_recordings(data, name, model):
    torch, silero = peer("torch"), peer("silero_vad")
    peer("onnxruntime")
    path = data / "real-models" / model / "model.onnx"
    theirs = Kept(silero.utils_vad.OnnxWrapper(str(path), force_onnx_cpu=True))
    audio = torch.from_numpy(np.array(sibyl.load_audio(data / "vad" / name)))
    theirs.model.session = Narrowed(theirs.model.session)
    silero.get_speech_timestamps(audio, theirs)
    theirs, number = Scripted(torch, [p.item() for p in theirs.p]), 0
    for case in CASES:
        found = command("vad", data / "vad" / name, "--model", path, "--json", *options(case))
        expected = silero.get_speech_timestamps(audio, theirs, **case)
        assert equal(pairs(found[0]["spans"], 16000), pairs(expected)), (case, found, expected)
        number += len(expected)
    assert number > 50 or name != "test.wav"  # there may be none in eight seconds of opus


JOB = {"sibyl_job": 1, "kind": "spans", "inputs": {"p": "tensor", "audio": "audio"} | {
    k: {"type": "number", "default": None} for k in ("threshold", "neg_threshold", "min_speech_duration_ms", "min_silence_duration_ms",
                                                     "max_speech_duration_s", "speech_pad_ms", "min_silence_at_max_speech_ms")},
       "nodes": [{"name": "it", "op": "spans", "inputs": {"probabilities": "$p", "window": 512, "audio": "$audio"}}], "outputs": {"spans": "$it"}}
JOB["nodes"][0]["inputs"] |= {k: f"${k}" for k in JOB["inputs"] if k not in ("p", "audio")}


def test_spans_of_probabilities(tmp_path):
    from conftest import write_wav

    torch, silero = peer("torch"), peer("silero_vad")
    rng = np.random.default_rng(5)
    (tmp_path / "job.json").write_text(json.dumps(JOB))
    number = 0
    for k in range(int(os.environ.get("SIBYL_VOICE_CASES", 60))):
        windows = int(rng.integers(1, 400))
        samples = windows * 512 - int(rng.integers(0, 512))
        # speech and silence in turns of all lengths, with doubt in between
        p = np.clip(np.repeat(rng.random(windows), rng.integers(1, 30, windows))[:windows] + 0.2 * rng.standard_normal(windows), 0, 1)
        case = {"threshold": round(float(rng.uniform(0.2, 0.9)), 3)}
        for name, most in (("min_speech_duration_ms", 600), ("min_silence_duration_ms", 600), ("speech_pad_ms", 300), ("min_silence_at_max_speech", 200)):
            if rng.random() < 0.7:
                case[name] = int(rng.integers(0, most))
        if rng.random() < 0.5:
            case["max_speech_duration_s"] = round(float(rng.uniform(0.7, 4)), 2)
        if rng.random() < 0.3:
            case["neg_threshold"] = round(case["threshold"] * float(rng.uniform(0.3, 1)), 3)
        wav = write_wav(tmp_path / "a.wav", np.zeros(samples, np.int16))
        np.save(tmp_path / "p.npy", p.astype("f4"))
        ours = {("min_silence_at_max_speech_ms" if n == "min_silence_at_max_speech" else n): v for n, v in case.items()}
        found = command("job", tmp_path, "-i", f"p={tmp_path / 'p.npy'}", "-i", f"audio={wav}", *options(ours), "--json")["outputs"]["spans"]
        expected = silero.get_speech_timestamps(torch.zeros(samples), Scripted(torch, p.astype("f4")), **case)
        number += len(expected)
        assert equal(pairs(found, 16000), pairs(expected)), (k, case, found, pairs(expected, 1 / 16000))
    assert number > 100


@pytest.mark.parametrize("ending, codec", [("mp3", ["-ar", "48000", "-b:a", "128k"]), ("opus", ["-b:a", "128k"])])
def test_spans_of_encoded_speech(data, tmp_path, ending, codec):
    """The folder's own mp3 and opus are other recordings, of 2.5 s and of 8 s, so the wav is encoded here.

    mp3 at 48 kHz: at the wav's own 16 kHz, LAME takes away so much that the model's probability in a pause of 100 ms falls from
    0.41 to 0.32, past the 0.35 at which speech ends.
    """
    wav, coded = data / "vad" / "test.wav", tmp_path / f"test.{ending}"
    try:
        subprocess.run(["ffmpeg", "-loglevel", "error", "-i", wav, *codec, coded], check=True)
    except FileNotFoundError:
        pytest.skip("skipped for want of the command ffmpeg")
    model = data / "real-models" / "silero_vad_v6_16k" / "model.onnx"
    plain, lossy = (pairs(command("vad", path, "--model", model, "--json")[0]["spans"]) for path in (wav, coded))
    assert len(plain) == len(lossy) > 3
    assert max(abs(a - b) for x, y in zip(plain, lossy) for a, b in zip(x, y)) <= 0.032 + 1e-9, (plain, lossy)
