import gc
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import peer, write_wav

import sibyl
from sibyl import _sibyl
from sibyl.errors import SibylFileNotFoundError, SibylOSError


def test_constants_are_whispers():
    assert (sibyl.SAMPLE_RATE, sibyl.N_FFT, sibyl.HOP_LENGTH) == (16000, 400, 160)
    assert (sibyl.CHUNK_LENGTH, sibyl.N_SAMPLES, sibyl.N_FRAMES) == (30, 480000, 3000)


# ---- load_audio -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_load_audio_gives_the_samples_of_the_file(wav, kind):
    path, samples = wav
    audio = sibyl.load_audio(kind(path))
    assert audio.dtype == np.float32 and audio.shape == (16000,)
    assert np.array_equal(audio, samples.astype(np.float32) / 32768)


def test_load_audio_mixes_and_resamples(tmp_path):
    t = np.arange(44100) / 44100
    tone = np.round(10000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
    audio = sibyl.load_audio(write_wav(tmp_path / "s.wav", np.stack([tone, tone], 1), 44100))
    assert abs(len(audio) - 16000) <= 1
    expected = 10000 / 32768 * np.sin(2 * np.pi * 440 * np.arange(len(audio)) / 16000)
    assert np.abs(audio - expected)[100:-100].max() < 2e-3
    assert len(sibyl.load_audio(tmp_path / "s.wav", sr=44100)) == 44100


def test_load_audio_keeps_the_librarys_memory(wav):
    before = _sibyl.alloc_counters()["bytes_current"]
    audio = sibyl.load_audio(wav[0])
    assert _sibyl.alloc_counters()["bytes_current"] - before >= audio.nbytes
    assert audio.flags.writeable
    rest = audio[8000:]  # a view keeps the memory
    del audio
    gc.collect()
    assert _sibyl.alloc_counters()["bytes_current"] - before >= rest.nbytes
    del rest
    gc.collect()
    assert _sibyl.alloc_counters()["bytes_current"] == before


def test_load_audio_equals_openai_whispers(data):
    whisper = peer("whisper")
    if not shutil.which("ffmpeg"):
        pytest.skip("skipped for want of the ffmpeg command")
    for name in ("whisper/jfk.flac", "vad/test.mp3", "vad/test.opus"):
        expected = whisper.load_audio(str(data / name))
        assert np.array_equal(sibyl.load_audio(data / name), expected), name


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.wav") as info:
        sibyl.load_audio(tmp_path / "nothing.wav")
    assert isinstance(info.value, sibyl.SibylError) and isinstance(info.value, SibylFileNotFoundError)
    assert info.value.code == "io" and info.value.filename == str(tmp_path / "nothing.wav")
    assert info.value.errno == 2


@pytest.mark.parametrize("content", [b"", b"this is not audio\n" * 100])
def test_what_is_not_audio_is_named(tmp_path, content):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(sibyl.SibylError, match="bad.wav") as info:
        sibyl.load_audio(path)
    assert info.value.code in ("format", "unsupported") and not isinstance(info.value, OSError)


def test_a_folder_is_no_audio(tmp_path):
    with pytest.raises(sibyl.SibylError) as info:
        sibyl.load_audio(tmp_path)
    assert not isinstance(info.value, FileNotFoundError)
    if info.value.code == "io":
        assert isinstance(info.value, SibylOSError)


def test_truncated_files_are_refused_unless_allowed(tmp_path, wav):
    path, samples = wav
    cut = tmp_path / "cut.wav"
    cut.write_bytes(path.read_bytes()[:-16000])
    with pytest.raises(sibyl.SibylError, match="cut.wav"):
        sibyl.load_audio(cut)
    audio = sibyl.load_audio(cut, allow_truncated=True)
    assert np.array_equal(audio, samples[: len(audio)].astype(np.float32) / 32768) and len(audio) > 0


@pytest.mark.parametrize("sr", [0, -1, 2**31])
def test_bad_rates(wav, sr):
    with pytest.raises(ValueError, match="sr is"):
        sibyl.load_audio(wav[0], sr)


def test_longer_recordings_are_refused(wav):
    assert len(sibyl.load_audio(wav[0], max_seconds=1)) == 16000
    with pytest.raises(sibyl.SibylError, match="longer than 0.5 s"):
        sibyl.load_audio(wav[0], max_seconds=0.5)


def test_load_audio_wants_a_path():
    with pytest.raises(TypeError):
        sibyl.load_audio(42)


# ---- pad_or_trim ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7,), (3, 7), (7, 2), (2, 7, 3), (0,)])
@pytest.mark.parametrize("length", [0, 1, 6, 7, 8, 20])
@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.float64, np.complex64])
def test_pad_or_trim(shape, length, dtype):
    array = np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(dtype)
    for axis in range(-array.ndim, array.ndim):
        out = sibyl.pad_or_trim(array, length, axis=axis)
        moved, source = np.moveaxis(out, axis, 0), np.moveaxis(array, axis, 0)
        kept = min(length, len(source))
        assert out.dtype == dtype and len(moved) == length
        assert np.array_equal(moved[:kept], source[:kept]) and not moved[kept:].any()


def test_pad_or_trim_defaults_to_thirty_seconds():
    assert sibyl.pad_or_trim(np.ones(5, np.float32)).shape == (480000,)
    fits = np.ones((2, 480000), np.float32)
    assert sibyl.pad_or_trim(fits) is fits


def test_pad_or_trim_does_not_alias():
    array = np.ones(10, np.float32)
    sibyl.pad_or_trim(array, 5)[:] = 0
    assert array.all()


def test_pad_or_trim_of_tensors(torch):
    array = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)
    for axis in range(-3, 3):
        for length in (0, 2, 3, 5, 9):
            out = sibyl.pad_or_trim(torch.from_numpy(array), length, axis=axis)
            assert isinstance(out, torch.Tensor)
            assert np.array_equal(out.numpy(), sibyl.pad_or_trim(array, length, axis=axis))


def test_pad_or_trim_equals_openai_whispers(torch):
    whisper = peer("whisper")
    array = np.random.default_rng(0).standard_normal((2, 5)).astype(np.float32)
    for value in (array, torch.from_numpy(array)):
        for length in (3, 5, 9):
            for axis in (-1, 0):
                ours = sibyl.pad_or_trim(value, length, axis=axis)
                assert np.array_equal(np.asarray(ours), np.asarray(whisper.pad_or_trim(value, length, axis=axis)))


def test_pad_or_trim_refuses():
    with pytest.raises(TypeError, match="list"):
        sibyl.pad_or_trim([1.0, 2.0])
    with pytest.raises(ValueError, match="length is -1"):
        sibyl.pad_or_trim(np.zeros(3), -1)
    with pytest.raises(ValueError, match="axis is 1"):
        sibyl.pad_or_trim(np.zeros(3), 5, axis=1)
    with pytest.raises(ValueError, match="axis"):
        sibyl.pad_or_trim(np.zeros(()), 5)
