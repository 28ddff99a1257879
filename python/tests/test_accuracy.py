"""The Whisper preset against its definition in double: no further from it than torch in single precision."""

import numpy as np
import pytest
from conftest import peer

import sibyl
from sibyl.bench import log_mel_double, speech_like, torch_log_mel

MADE = {
    "speech-like": lambda: speech_like(30),
    "noise": lambda: np.random.default_rng(5).uniform(-1, 1, 480000).astype(np.float32),
    "silence": lambda: np.zeros(480000, np.float32),
    "full-scale tone": lambda: np.sin(2 * np.pi * 1000 * np.arange(480000) / 16000).astype(np.float32),
    "tone between bins": lambda: np.sin(2 * np.pi * 433.7 * np.arange(480000) / 16000).astype(np.float32),
    "impulse": lambda: np.eye(1, 16000, 8000, dtype=np.float32)[0],
}


def ten_minutes(jfk, more):
    """Speech, again and again, louder and softer, forward and backward, with other speech between."""
    gains = (1.0, 0.3, 0.05, 0.7, 1e-3, 0.5)
    parts = []
    for i, gain in enumerate(gains * 6):
        parts += [jfk[:: (-1) ** i] * np.float32(gain), more[i * 16000 % len(more) :][: 16000 * 6]]
    return np.concatenate(parts)[: 16000 * 600].astype(np.float32)


@pytest.fixture(scope="module")
def recordings(request):
    """By name; those made of shared data only where it is there."""

    def get(name):
        if name in MADE:
            return MADE[name]()
        data, jfk = request.getfixturevalue("data"), request.getfixturevalue("jfk")
        if name == "jfk.flac":
            return jfk
        if name == "jfk.flac, 30 s":
            return sibyl.pad_or_trim(jfk)
        return ten_minutes(jfk, sibyl.load_audio(data / "vad" / "test.wav"))

    return get


NAMES = [*MADE, "jfk.flac", "jfk.flac, 30 s", "ten minutes"]


def errors(features, exact):
    difference = np.abs(features.astype(np.float64) - exact)
    assert difference.shape == exact.shape and not np.isnan(difference).any()
    return difference.max(), np.percentile(difference, 99.9)


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("name", NAMES)
def test_precise(recordings, name, n_mels):
    samples = recordings(name)
    worst, _ = errors(sibyl.LogMel(n_mels=n_mels, precise=True)(samples), log_mel_double(samples, n_mels))
    assert worst <= 1e-7


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("name", NAMES)
def test_no_further_from_the_definition_than_torch(recordings, name, n_mels):
    torch = peer("torch")
    samples = recordings(name)
    exact = log_mel_double(samples, n_mels)
    ours = errors(sibyl.log_mel_spectrogram(samples, n_mels), exact)
    theirs = errors(torch_log_mel(torch, torch.from_numpy(samples), n_mels)().numpy(), exact)
    print(f"{name}, {n_mels} bands: max {ours[0]:.2e} (torch {theirs[0]:.2e}), 99.9% {ours[1]:.2e} ({theirs[1]:.2e})")
    assert ours[0] <= theirs[0] and ours[1] <= theirs[1]
