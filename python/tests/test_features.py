import copy
import gc
import os
import pickle
import sys
import tracemalloc

import numpy as np
import pytest
from conftest import write_wav

import sibyl
from sibyl import _sibyl
from sibyl._arrays import as_samples
from sibyl.bench import log_mel_double, whisper_bands


@pytest.mark.parametrize("n_mels", [80, 128, 40])
@pytest.mark.parametrize("padding", [0, 1, 16000])
def test_shape_and_values(speech, n_mels, padding):
    mel = sibyl.log_mel_spectrogram(speech, n_mels, padding)
    assert isinstance(mel, np.ndarray) and mel.dtype == np.float32 and mel.flags.c_contiguous
    assert mel.shape == (n_mels, (len(speech) + padding) // 160)
    assert np.abs(mel - log_mel_double(speech, n_mels, padding)).max() < 1e-4


def test_files(tmp_path, speech):
    samples = np.round(speech * 32767).astype(np.int16)
    path = write_wav(tmp_path / "speech.wav", samples)
    expected = sibyl.log_mel_spectrogram(samples.astype(np.float32) / 32768)
    for name in (path, str(path), os.fsencode(path)):
        assert np.array_equal(sibyl.log_mel_spectrogram(name), expected)
    with pytest.raises(FileNotFoundError, match="nowhere.wav"):
        sibyl.log_mel_spectrogram(tmp_path / "nowhere.wav")


def test_mel_filters():
    for n_mels in (80, 128):
        filters = sibyl.mel_filters(n_mels)
        assert filters.dtype == np.float32 and filters.shape == (n_mels, 201)
        assert np.abs(filters - whisper_bands(n_mels)).max() < 1e-8


def test_mel_filters_equal_openai_whispers(data):
    with np.load(data / "whisper" / "mel_filters.npz") as reference:
        for n_mels in (80, 128):
            assert np.abs(sibyl.mel_filters(n_mels) - reference[f"mel_{n_mels}"]).max() < 1e-8


# ---- What goes in -----------------------------------------------------------------------------------


def test_other_types_are_converted(speech):
    expected = sibyl.log_mel_spectrogram(speech)
    assert np.array_equal(sibyl.log_mel_spectrogram(speech.astype(np.float64)), expected)
    assert np.array_equal(sibyl.log_mel_spectrogram(speech.astype(">f4")), expected)
    half = speech.astype(np.float16)
    assert np.array_equal(sibyl.log_mel_spectrogram(half), sibyl.log_mel_spectrogram(half.astype(np.float32)))
    pcm = np.round(speech * 32767).astype(np.int16)
    as_float = pcm.astype(np.float32) / 32768
    assert np.array_equal(sibyl.log_mel_spectrogram(pcm), sibyl.log_mel_spectrogram(as_float))


def test_views_are_copied_and_left_alone(speech):
    wide = np.repeat(speech, 2)
    assert np.array_equal(sibyl.log_mel_spectrogram(wide[::2]), sibyl.log_mel_spectrogram(speech))
    backward = speech[::-1]
    assert np.array_equal(sibyl.log_mel_spectrogram(backward), sibyl.log_mel_spectrogram(backward.copy()))
    raw = b"x" + speech.tobytes()
    misaligned = np.frombuffer(raw, np.float32, offset=1)
    assert not misaligned.flags.aligned
    assert np.array_equal(sibyl.log_mel_spectrogram(misaligned), sibyl.log_mel_spectrogram(speech))
    frozen = speech.copy()
    frozen.flags.writeable = False
    assert np.array_equal(sibyl.log_mel_spectrogram(frozen), sibyl.log_mel_spectrogram(speech))
    assert np.array_equal(frozen, speech)


def test_contiguous_float32_is_not_copied():
    samples = np.random.default_rng(0).standard_normal(16000 * 60).astype(np.float32) * 0.1
    assert as_samples(samples) is samples
    rows = samples.reshape(4, -1)
    assert as_samples(rows) is rows
    sibyl.log_mel_spectrogram(samples)
    before = _sibyl.alloc_counters()
    tracemalloc.start()  # NumPy tells it of the arrays that it makes
    mel = sibyl.log_mel_spectrogram(samples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    after = _sibyl.alloc_counters()
    assert peak < mel.nbytes + 100_000 < mel.nbytes + samples.nbytes
    assert after["bytes_current"] == before["bytes_current"]
    assert after["bytes_peak"] - before["bytes_current"] < max(samples.nbytes // 2, before["bytes_peak"])


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.uint16, np.bool_, np.complex64, object, "U4"])
def test_wrong_types_are_refused(dtype):
    with pytest.raises(TypeError, match="audio has the type"):
        sibyl.log_mel_spectrogram(np.zeros(1000).astype(dtype))


@pytest.mark.parametrize("value", [None, [0.0] * 1000, 3.5, memoryview(b"1234")])
def test_other_objects_are_refused(value):
    with pytest.raises(TypeError, match="audio must be"):
        sibyl.log_mel_spectrogram(value)


def test_bad_numbers_are_refused(speech):
    with pytest.raises(ValueError, match="no dimensions"):
        sibyl.log_mel_spectrogram(np.array(1, np.float32))
    for padding in (-1, 2**62, 2**80):
        with pytest.raises(ValueError, match="padding"):
            sibyl.log_mel_spectrogram(speech, padding=padding)
    for n_mels in (0, -1, 5000, 2**40):
        with pytest.raises(ValueError, match="n_mels"):
            sibyl.log_mel_spectrogram(speech, n_mels)
    for wrong in ("80", 80.0, None):
        with pytest.raises(TypeError):
            sibyl.log_mel_spectrogram(speech, wrong)
    with pytest.raises((MemoryError, ValueError)):
        sibyl.log_mel_spectrogram(speech, padding=2**61)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 777, 159999])
def test_a_sample_that_is_no_number_is_named(speech, bad, at):
    samples = speech.copy()
    samples[at] = bad
    with pytest.raises(ValueError, match=str(at)) as info:
        sibyl.log_mel_spectrogram(samples)
    assert info.value.code == "value" and isinstance(info.value, sibyl.SibylError)


def test_doubles_beyond_float32_are_named(speech):
    samples = speech.astype(np.float64)
    samples[5] = 1e300
    with pytest.raises(ValueError, match="5"):
        sibyl.log_mel_spectrogram(samples)


@pytest.mark.parametrize("n", [0, 1, 159, 200])
def test_short_recordings(n):
    samples = np.ones(n, np.float32)
    with pytest.raises(ValueError):
        sibyl.log_mel_spectrogram(samples)
    assert sibyl.log_mel_spectrogram(samples, padding=480000).shape == (80, (n + 480000) // 160)
    assert sibyl.log_mel_spectrogram(np.ones(201, np.float32)).shape == (80, 1)


# ---- Batches ----------------------------------------------------------------------------------------


def test_a_batch_is_clamped_to_its_common_maximum(speech):
    batch = np.stack([speech, speech * 0.01, np.zeros_like(speech)])
    mel = sibyl.log_mel_spectrogram(batch, padding=160)
    assert mel.shape == (3, 80, len(speech) // 160 + 1)
    alone = [sibyl.log_mel_spectrogram(row, padding=160) for row in batch]
    assert np.array_equal(mel[0], alone[0])
    floor = np.float32(alone[0].max() - 2)
    for row, one in zip(mel, alone):
        # Nothing of the quiet rows lies below their own floors, so their clamped parts tell nothing.
        assert np.abs(row - np.maximum(one, floor)).max() < 1e-6
    assert alone[1].min() < mel[1].min()


def test_batches_of_any_rank(speech):
    rows = speech.reshape(2, 2, -1)
    mel = sibyl.log_mel_spectrogram(rows)
    assert mel.shape == (2, 2, 80, rows.shape[-1] // 160)
    assert np.array_equal(mel.reshape(4, 80, -1), sibyl.log_mel_spectrogram(rows.reshape(4, -1)))
    assert sibyl.log_mel_spectrogram(np.zeros((0, 16000), np.float32)).shape == (0, 80, 100)


def test_the_recording_of_a_batch_is_named(speech):
    batch = np.stack([speech, speech])
    batch[1, 77] = np.nan
    with pytest.raises(ValueError, match="recording 1: .*77"):
        sibyl.log_mel_spectrogram(batch)


# ---- LogMel -----------------------------------------------------------------------------------------


def test_log_mel_whisper_is_the_function(speech):
    assert np.array_equal(sibyl.LogMel()(speech), sibyl.log_mel_spectrogram(speech))
    assert np.array_equal(sibyl.LogMel("whisper", n_mels=128)(speech, 99), sibyl.log_mel_spectrogram(speech, 128, 99))


def test_log_mel_clamps_each_recording(speech):
    batch = np.stack([speech, speech * 0.01])
    mel = sibyl.LogMel()(batch)
    for row, samples in zip(mel, batch):
        assert np.array_equal(row, sibyl.log_mel_spectrogram(samples))


def test_presets_and_shape(speech):
    expected = {"whisper": (80, 1000), "librosa": (128, 313), "kaldi": (80, 998)}
    for name, shape in expected.items():
        front_end = sibyl.LogMel(name)
        assert front_end.shape(len(speech)) == front_end(speech).shape == shape
        assert front_end.spec == sibyl.MelSpec.preset(name)
        assert front_end.weights.shape == (shape[0], front_end.spec.n_fft // 2 + 1)
        assert name in ("librosa", "kaldi") or front_end.spec.log == "log10"


def test_fields_can_be_changed(speech):
    front_end = sibyl.LogMel("kaldi", n_mels=40, window="hamming", f_max=7600.0, preemphasis=0)
    assert front_end.spec.window == "hamming" and front_end.spec.n_mels == 40
    assert front_end(speech).shape == (40, 998)
    assert sibyl.LogMel(front_end.spec).spec == front_end.spec


def test_front_ends_can_be_pickled_and_copied(speech):
    front_end = sibyl.LogMel("kaldi", n_mels=40, precise=True, threads=2)
    for twin in (pickle.loads(pickle.dumps(front_end)), copy.deepcopy(front_end)):
        assert (twin.spec, twin.precise, twin.threads) == (front_end.spec, True, 2)
        assert np.array_equal(twin(speech), front_end(speech))


def test_wrong_fields_are_named():
    with pytest.raises(ValueError, match="nosuch"):
        sibyl.LogMel("nosuch")
    with pytest.raises(ValueError, match="window is 'blackman'"):
        sibyl.LogMel(window="blackman")
    with pytest.raises(ValueError, match="hop_length"):
        sibyl.LogMel(hop_length=0)
    with pytest.raises(ValueError, match="hop_length is 4294967456, which does not fit"):
        sibyl.LogMel(hop_length=2**32 + 160)
    with pytest.raises(ValueError, match="f_min"):
        sibyl.LogMel(f_min=float("nan"))
    with pytest.raises(ValueError, match="n_mels"):
        sibyl.LogMel(n_mels=0)
    with pytest.raises(ValueError, match="threads"):
        sibyl.LogMel(threads=-1)
    with pytest.raises(ValueError, match="1,?024"):
        sibyl.LogMel(threads=5000)
    with pytest.raises(TypeError):
        sibyl.LogMel(nosuch=1)
    with pytest.raises(TypeError, match="hop_length|integer"):
        sibyl.LogMel(hop_length=160.5)
    with pytest.raises(TypeError, match="int"):
        sibyl.LogMel(42)


def mean3x3(features, mode):
    """The average over what exists, or over full neighbourhoods, in double."""
    padded = np.pad(features.astype(np.float64), 1)
    ones = np.pad(np.ones(features.shape), 1)
    rows, columns = features.shape
    shifts = [(i, j) for i in range(3) for j in range(3)]
    total = sum(padded[i : i + rows, j : j + columns] for i, j in shifts)
    count = sum(ones[i : i + rows, j : j + columns] for i, j in shifts)
    return total / count if mode == "same" else (total / count)[1:-1, 1:-1]


@pytest.mark.parametrize("mode", ["same", "valid"])
def test_smoothing(speech, mode):
    plain = sibyl.LogMel()(speech)
    expected = mean3x3(plain, mode)
    assert np.abs(sibyl.LogMel(smooth=mode)(speech) - expected).max() < 1e-6
    assert np.abs(sibyl.smooth3x3(plain, mode) - expected).max() < 1e-6


def test_smoothing_alone():
    values = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    assert np.array_equal(sibyl.smooth3x3(values, "none"), values)
    with pytest.raises(ValueError, match="mode is 'full'"):
        sibyl.smooth3x3(values, "full")
    with pytest.raises(ValueError, match="dimensions"):
        sibyl.smooth3x3(values[0])
    with pytest.raises(ValueError, match="nothing"):
        sibyl.smooth3x3(values[:2], "valid")


def test_pictures(tmp_path, speech):
    front_end = sibyl.LogMel()
    mel = front_end(speech)
    front_end.save_png(mel, tmp_path / "mel.png", title="speech")
    assert (tmp_path / "mel.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileNotFoundError, match="mel.png"):
        front_end.save_png(mel, tmp_path / "no folder" / "mel.png")
    with pytest.raises(ValueError, match="bands, frames"):
        front_end.save_png(mel[0], tmp_path / "other.png")
    assert not (tmp_path / "other.png").exists()


# ---- Memory -----------------------------------------------------------------------------------------


def test_nothing_leaks(speech):
    def calls(samples):
        sibyl.log_mel_spectrogram(samples)
        sibyl.LogMel("kaldi", n_mels=41)(samples)
        with pytest.raises(ValueError):
            sibyl.log_mel_spectrogram(samples[:10])
        with pytest.raises(TypeError):
            _sibyl.mel_compute(sibyl.LogMel()._mel, None, samples, 3, 0, False)
        with pytest.raises(ValueError):
            _sibyl.mel_compute(sibyl.LogMel()._mel, None, samples, np.empty((2, 2), np.float32), 0, False)

    calls(speech)
    gc.collect()
    references, held = sys.getrefcount(speech), _sibyl.alloc_counters()["bytes_current"]
    for _ in range(5):
        calls(speech)
    gc.collect()
    assert sys.getrefcount(speech) == references
    assert _sibyl.alloc_counters()["bytes_current"] == held


def test_the_extension_checks_its_arguments(speech):
    mel, out = sibyl.LogMel()._mel, np.empty((80, 1000), np.float32)
    with pytest.raises(ValueError):
        _sibyl.mel_compute(object(), None, speech, out, 0, False)
    with pytest.raises(ValueError):
        _sibyl.mel_compute(mel, object(), speech, out, 0, False)
    with pytest.raises(TypeError, match="float64, expected float32"):
        _sibyl.mel_compute(mel, None, speech.astype(np.float64), out, 0, False)
    with pytest.raises(ValueError, match="contiguous"):
        _sibyl.mel_compute(mel, None, speech[::2], out, 0, False)
    with pytest.raises(ValueError, match="writable"):
        _sibyl.mel_compute(mel, None, speech, np.broadcast_to(np.float32(0), (80, 1000)), 0, False)
    with pytest.raises(ValueError, match="shape"):
        _sibyl.mel_compute(mel, None, speech, out.T.copy(), 0, False)
    with pytest.raises(ValueError, match="padding"):
        _sibyl.mel_compute(mel, None, speech, out, -1, False)
