"""What the tests share: recordings, and peers that may not be there."""

import importlib
import json
import os
import re
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from sibyl.bench import speech_like

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "models"))  # onnx_writer


def peer(name):
    """A package to compare with, or a skip that names it; with SIBYL_PEERS set, which says they are there, a failure."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if os.environ.get("SIBYL_PEERS"):
            raise
        pytest.skip(f"skipped for want of the Python package {name}")


def note_model(layout, family, error):
    """A line for docs/models.md (`make models`): the largest error of a checkpoint of the family, of its results' scale."""
    if "SIBYL_MODELS" in os.environ:
        with open(os.environ["SIBYL_MODELS"], "a", encoding="utf-8") as lines:
            lines.write(json.dumps([layout, family, float(error)]) + "\n")


def pytest_configure(config):
    config.addinivalue_line("markers", "peers: of a file that compares with other software")
    config.addinivalue_line("markers", "long: takes a large part of all the time, and begins first")


def pytest_collection_modifyitems(items):
    """Marks the tests of files that compare with other software, which `make compare` runs by that mark."""
    for item in items:
        if re.search(r"\bpeer\(|\btorch\b|importorskip|SIBYL_PEERS", item.path.read_text(encoding="utf-8")):
            item.add_marker("peers")
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture
def torch():
    return peer("torch")


@pytest.fixture(scope="session")
def data():
    """The folder with the shared data sets."""
    for folder in (os.environ.get("SIBYL_DATA"), ROOT.parent / "shared" / "data"):
        if folder and (Path(folder) / "README.md").is_file():
            return Path(folder)
    pytest.skip("skipped for want of the shared data ($SIBYL_DATA)")


@pytest.fixture(scope="session")
def jfk(data):
    import sibyl

    return sibyl.load_audio(data / "whisper" / "jfk.flac")


@pytest.fixture(scope="session")
def speech():
    """Ten seconds of noise that is like speech."""
    return speech_like(10)


def write_wav(path, samples, rate=16000):
    """int16 samples (n,) or (n, channels) as a .wav file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(samples, "<i2").tobytes())
    return path


@pytest.fixture
def wav(tmp_path):
    """A second of 16-bit noise: its path and its samples."""
    samples = np.random.default_rng(3).integers(-32768, 32768, 16000).astype(np.int16)
    return write_wav(tmp_path / "noise.wav", samples), samples


def save_random_whisper(path):
    """A small multilingual Whisper of random weights in openai-whisper's format, scaled so that no two logits are near."""
    torch, whisper = peer("torch"), peer("whisper")
    dims = whisper.model.ModelDimensions(80, 1500, 64, 2, 2, 51865, 448, 64, 2, 2)
    model = whisper.model.Whisper(dims)
    scales = {"decoder.token_embedding.weight": 0.35, "decoder.positional_embedding": 1.0}
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() > 1:
                p.copy_(torch.randn(p.shape, generator=random) * scales.get(name, 1.5 / p.shape[-1] ** 0.5))
    torch.save({"dims": vars(dims), "model_state_dict": model.state_dict()}, path)
    return path


def loud_noise():
    """45 s of noise that swells and fades, int16."""
    random = np.random.default_rng(1)
    level = np.repeat(random.uniform(0, 3000, 450), 1600)
    return (random.standard_normal(level.size) * level).astype(np.int16)
