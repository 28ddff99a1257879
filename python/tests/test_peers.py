"""Against the packages whose features the presets are."""

import numpy as np
import pytest
from conftest import peer

import sibyl


def within(ours, theirs, tolerance=1e-4):
    """Every value within 1e-4 of its scale."""
    assert ours.shape == theirs.shape
    difference = np.abs(ours.astype(np.float64) - theirs)
    bad = ~(difference <= tolerance * np.maximum(1, np.abs(theirs)))
    assert not bad.any(), f"{bad.sum()} of {bad.size} differ, by up to {difference.max()}"


@pytest.fixture(params=["speech-like", "jfk.flac", "noise"])
def samples(request, speech):
    if request.param == "jfk.flac":
        return request.getfixturevalue("jfk")
    return speech if request.param == "speech-like" else np.random.default_rng(1).uniform(-1, 1, 50000).astype("f4")


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("padding", [0, 480000])
def test_openai_whisper(samples, n_mels, padding):
    whisper, torch = peer("whisper"), peer("torch")
    expected = whisper.log_mel_spectrogram(samples, n_mels, padding).numpy()
    assert np.abs(sibyl.log_mel_spectrogram(samples, n_mels, padding) - expected).max() < 1e-4
    tensor = sibyl.log_mel_spectrogram(torch.from_numpy(samples), n_mels, padding)
    assert isinstance(tensor, torch.Tensor) and np.abs(tensor.numpy() - expected).max() < 1e-4


def test_openai_whisper_clamps_batches_to_the_common_maximum(samples):
    whisper = peer("whisper")
    batch = np.stack([samples, samples * np.float32(0.003)])
    expected = whisper.log_mel_spectrogram(batch).numpy()
    ours = sibyl.log_mel_spectrogram(batch)
    assert ours.shape == expected.shape and np.abs(ours - expected).max() < 1e-4


@pytest.mark.parametrize("precise", [False, True])
def test_librosa(samples, precise):
    librosa = peer("librosa")
    power = librosa.feature.melspectrogram(y=samples.astype(np.float64), sr=16000)
    within(sibyl.LogMel("librosa", precise=precise)(samples), librosa.power_to_db(power))


def test_librosa_bands():
    librosa = peer("librosa")
    for n_mels in (80, 128):
        expected = librosa.filters.mel(sr=16000, n_fft=400, n_mels=n_mels, dtype=np.float64)
        assert np.abs(sibyl.LogMel(n_mels=n_mels).weights - expected).max() < 1e-12


def kaldi_double(samples):
    """Kaldi's fbank (80, frames) in double, straight from the definition."""
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), 400)[::160].copy()
    frames -= frames.mean(axis=1, keepdims=True)
    frames -= 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.rfft(frames * window, 512))[:, :256] ** 2
    edges = np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(8000 / 700), 82)
    mels = 1127 * np.log1p(np.arange(256) * 16000 / 512 / 700)
    rising = (mels - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - mels) / (edges[2:] - edges[1:-1])[:, None]
    bands = np.maximum(0, np.minimum(rising, falling))
    return np.log(np.maximum(bands @ power.T, np.finfo(np.float32).eps))


@pytest.mark.parametrize("scale", [1, 32768])
@pytest.mark.parametrize("precise", [False, True])
def test_kaldi_against_its_definition(samples, scale, precise):
    scaled = samples * np.float32(scale)
    within(sibyl.LogMel("kaldi", precise=precise)(scaled), kaldi_double(scaled), 2e-6)


@pytest.mark.parametrize("scale", [1, 32768])
@pytest.mark.parametrize("precise", [False, True])
def test_kaldi(samples, scale, precise):
    kaldi = peer("kaldi_native_fbank")
    options = kaldi.FbankOptions()
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = 80
    fbank = kaldi.OnlineFbank(options)
    scaled = samples * np.float32(scale)
    fbank.accept_waveform(16000, scaled.tolist())
    fbank.input_finished()
    expected = np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)], axis=1)
    ours = sibyl.LogMel("kaldi", precise=precise)(scaled)
    # kaldi-native-fbank works in single precision, which in a few weak bands beside strong ones costs it more than
    # 1e-4 against the definition; there, and nowhere else, it is given the room of its own error.
    assert ours.shape == expected.shape
    difference, limit = np.abs(ours.astype(np.float64) - expected), 1e-4 * np.maximum(1, np.abs(expected))
    own_error = np.abs(expected - kaldi_double(scaled))
    assert (difference <= np.where(own_error <= limit / 2, limit, limit + own_error)).all()
    assert (difference <= limit).mean() >= 0.998
