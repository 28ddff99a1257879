"""Whisper's procedure against openai-whisper's: with scripted models, and with random weights from checkpoint to text."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, loud_noise, peer, save_random_whisper, write_wav

BUILD = Path(os.environ.get("SIBYL_BUILD", ROOT / "build" / "release"))


def built(*parts):
    """A program of the build, or a skip that names it; with SIBYL_PEERS set a failure."""
    path = BUILD.joinpath(*parts)
    if path.is_file():
        return str(path)
    if os.environ.get("SIBYL_PEERS"):
        pytest.fail(f"{path} is missing: build the tests first (make test-c)")
    pytest.skip(f"skipped for want of {path}")


# In a program of its own, since the script takes the place of parts of openai-whisper.
SCRIPTED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import whisper_peer
lines = []
wrong, met = whisper_peer.compare(sys.argv[2], int(sys.argv[3]), show=lines.append)
print(json.dumps([wrong, lines, dict(met)]))
"""


@pytest.mark.long
def test_scripted_models():
    peer("whisper")
    program = built("tests", "job", "whisper", "whisper_script")
    n_cases = int(os.environ.get("SIBYL_WHISPER_CASES", 20 if os.environ.get("SIBYL_QUICK") else 300))
    command = [sys.executable, "-c", SCRIPTED, ROOT / "tests" / "job" / "whisper", program, str(n_cases)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    wrong, lines, met = json.loads(done.stdout.splitlines()[-1])
    assert wrong == 0, "\n".join(lines)
    for name in ("segments", "words", "fallbacks", "beams"):
        assert met[name] > n_cases / 8, met


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    whisper, folder = peer("whisper"), tmp_path_factory.mktemp("whisper")
    save_random_whisper(folder / "m.pt")
    ranks = Path(whisper.__file__).parent / "assets" / "multilingual.tiktoken"
    command = [built("cli", "sibyl"), "import", folder / "m.pt", "-o", folder / "m.onnx", "--tokenizer", ranks]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def loud(checkpoint):
    """45 s of noise that swells and fades, as a file and as samples."""
    samples = loud_noise()
    return write_wav(checkpoint / "loud.wav", samples), samples.astype(np.float32) / 32768


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"language": "en", "condition_on_previous_text": False},
        {"language": "de", "beam_size": 3, "length_penalty": 0.5},
        {"language": "fr", "task": "translate", "initial_prompt": "Hello there"},
        {"language": "en", "word_timestamps": True},
        {"language": "ja", "word_timestamps": True, "without_timestamps": True},
    ],
    ids=str,
)
def test_random_weights(checkpoint, loud, options):
    whisper, (wav, samples) = peer("whisper"), loud
    shared = {"temperature": 0.0, "sample_len": 40, "no_speech_threshold": None}
    expected = whisper.load_model(str(checkpoint / "m.pt")).transcribe(samples, fp16=False, **shared, **options)
    command = [built("cli", "sibyl"), "transcribe", wav, "--model", checkpoint / "m.onnx", "--quiet"]
    command += ["--format", "json", "-o", checkpoint, "--beam", str(options.get("beam_size", 1))]
    command += ["-i", "temperature=0", "-i", "sample_len=40", "-i", "no_speech_threshold=nan"]
    for name, value in options.items():
        if name == "word_timestamps":
            command += ["--word-timestamps"]
        elif name in ("language", "task"):
            command += [f"--{name}", value]
        elif name != "beam_size":
            command += ["-i", f"{name}={str(value).lower() if isinstance(value, bool) else value}"]
    subprocess.run(command, check=True, capture_output=True)
    ours = json.loads((checkpoint / "loud.json").read_text())
    assert ours["language"] == expected["language"] and ours["text"] == expected["text"]
    assert [s["tokens"] for s in ours["segments"]] == [s["tokens"] for s in expected["segments"]]
    assert sum(len(s["tokens"]) for s in ours["segments"]) > 5
    for a, b in zip(ours["segments"], expected["segments"]):
        assert np.allclose([a["start"], a["end"]], [b["start"], b["end"]], atol=1e-6)
        for name in ("avg_logprob", "no_speech_prob", "compression_ratio"):
            assert abs(a[name] - b[name]) < 1e-3, name
        for x, y in zip(a.get("words", []), b.get("words", []), strict=True):
            assert x["word"] == y["word"] and abs(x["probability"] - y["probability"]) < 1e-3
            assert np.allclose([x["start"], x["end"]], [y["start"], y["end"]], atol=1e-6)
