"""Whisper's procedure against openai-whisper's: with scripted models, and with random weights from checkpoint to text."""

import importlib
import inspect
import io
import json
import os
import random
import re
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


FORMATS = ("txt", "json", "srt", "vtt", "tsv")  # of sib_transcript_format, in its order
BLANKS = " \t\n\x0b\x0c\r\x1c\x1f\x85\xa0\u1680\u2000\u2009\u200b\u2028\u202f\u205f\u3000"


def synthetic_transcript(draw):
    """Segments and words with texts and times of all kinds; draw: a random.Random."""

    def text():
        letters = "abcé日🙂->\t\"<u>,.'" + (BLANKS if draw.random() < 0.3 else " ")
        return draw.choice(("", " ", " ")) + "".join(draw.choice(letters) for _ in range(draw.choice((0, 1, 3, 5, 9))))

    at, segments, worded = draw.choice((0.0, 3590.0)), [], draw.random() < 0.8
    for _ in range(draw.randrange(6)):
        words, start = [], at
        for _ in range(draw.randrange(12)):
            begin = at + draw.choice((0, 0, 0.0005, 0.25, 2.9995, 3.0, 3.1))
            at = begin + draw.choice((0, 0.02, 0.3, 1.0015))
            words.append({"word": text(), "start": begin, "end": at, "probability": 1.0})
        segment = {"start": start, "end": at + draw.random(), "text": "".join(w["word"] for w in words) or text()}
        segments.append({**segment, "words": words} if worded else segment)
    return segments


def test_subtitles_are_openai_whispers():
    """Every byte of its writers but that of JSON, for random segments, words and layouts."""
    utils, draw, cases, expected = peer("whisper.utils"), random.Random(1), [], []
    for _ in range(2000):
        segments, layout = synthetic_transcript(draw), [draw.choice((None, 1, 7, 12, 42)), draw.choice((None, 1, 2, 3))]
        layout += [draw.choice((None, 1, 2, 5)), draw.random() < 0.4]
        name, file = draw.choice(("txt", "srt", "vtt", "vtt", "srt", "tsv")), io.StringIO()
        names = ("max_line_width", "max_line_count", "max_words_per_line", "highlight_words")
        utils.get_writer(name, "").write_result({"segments": segments}, file, dict(zip(names, layout)))
        expected.append(file.getvalue())
        cases.append({"format": FORMATS.index(name), "layout": [int(n or 0) for n in layout], "segments": segments})
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run([built("tests", "job", "transcript_script")], input=lines, check=True, capture_output=True, text=True)
    results = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    assert len(results) == len(cases)
    for case, ours, theirs in zip(cases, results, expected):
        assert ours == theirs, case
    assert sum("<u>" in text for text in expected) > 200 and sum("\n" in text[20:-3] for text in expected) > 800


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


def test_options_of_the_command():
    """Each of openai-whisper's is known to ours, which refuses none but devices."""
    peer("whisper")
    source = inspect.getsource(importlib.import_module("whisper.transcribe").cli)
    names = set(re.findall(r'"--([a-z][a-z0-9_]+)"', source))
    assert len(names) > 30
    ours = subprocess.run([built("cli", "sibyl"), "help", "transcribe"], check=True, capture_output=True, text=True).stdout
    for name in names:
        row = re.search(rf"^ +(?:-\w+, )?--{name.replace('_', '-')}\b.*\n?.*", ours, re.M)
        assert row and ("not built" not in row[0] or name == "device"), name


def test_detected_language(checkpoint, loud):
    whisper, (wav, samples) = peer("whisper"), loud
    model = whisper.load_model(str(checkpoint / "m.pt"))
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(samples), model.dims.n_mels)
    probabilities = model.detect_language(mel)[1]
    command = [built("cli", "sibyl"), "transcribe", wav, "--model", checkpoint / "m.onnx", "-dl", "-np"]
    language, probability = re.search(r": (\w+) \(p = ([0-9.]+)\)\n\Z", subprocess.check_output(command, text=True)).groups()
    assert language == max(probabilities, key=probabilities.get)
    assert abs(float(probability) - probabilities[language]) < 1e-3


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
