"""Arrays that have no buffer but DLPack, as tensors do; NumPy lends its own."""

import numpy as np
import pytest

import sibyl
from sibyl import _sibyl


class Lent:
    """An array of which only __dlpack__ is seen."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self):
        return self._array.__dlpack__()


@pytest.fixture
def mel():
    return sibyl.LogMel()._mel


def compute(mel, samples, features):
    _sibyl.mel_compute(mel, None, Lent(samples), Lent(features), 0, False)


def test_samples_are_read_and_features_written_in_place(mel, speech):
    features = np.zeros((80, 1000), np.float32)
    compute(mel, speech, features)
    assert np.array_equal(features, sibyl.log_mel_spectrogram(speech))


def test_parts_begin_where_they_begin(mel, speech):
    room = np.zeros((3, 80, 900), np.float32)
    compute(mel, speech[16000:], room[1])
    assert np.array_equal(room[1], sibyl.log_mel_spectrogram(speech[16000:].copy()))
    assert not room[0].any() and not room[2].any()


def test_strides_of_single_elements_mean_nothing(speech):
    x = np.lib.stride_tricks.as_strided(speech, (1, 1, 16000), (12, 8, 4))
    y = np.zeros((1, 1, 16000), np.float32)
    one = np.ones((1, 1, 1), np.float32)
    _sibyl.conv1d(None, Lent(x), Lent(one), None, Lent(y), 1, 0, 1, 1, False)
    assert np.array_equal(y, x)


@pytest.mark.parametrize(
    "dtype,name",
    [("f8", "float64"), ("f2", "float16"), ("i1", "int8"), ("i2", "int16"), ("i4", "int32"), ("i8", "int64"),
     ("u1", "uint8")],
)  # fmt: skip
def test_other_types_are_named(mel, dtype, name):
    with pytest.raises(TypeError, match=f"samples holds {name}, expected float32"):
        compute(mel, np.zeros(1000, dtype), np.zeros((80, 6), np.float32))


def test_what_cannot_be_taken_is_named(mel, speech):
    out = np.zeros((80, 1000), np.float32)
    with pytest.raises(TypeError, match="DLPack type 5 with 64 bits"):
        compute(mel, speech.astype(np.complex64), out)
    with pytest.raises(ValueError, match="contiguous"):
        compute(mel, np.repeat(speech, 2)[::2], out)
    with pytest.raises(ValueError, match="contiguous"):
        compute(mel, speech, np.zeros((1000, 80), np.float32).T)
    with pytest.raises(ValueError, match="17 dimensions"):
        compute(mel, speech.reshape((1,) * 16 + (-1,)), out)
    with pytest.raises(TypeError, match="samples must be an array"):
        _sibyl.mel_compute(mel, None, 3, Lent(out), 0, False)

    class Wrong:
        def __dlpack__(self):
            return self.answer

    wrong = Wrong()
    for wrong.answer in (None, 3, object()):
        with pytest.raises((TypeError, ValueError)):
            _sibyl.mel_compute(mel, None, wrong, Lent(out), 0, False)


def test_a_capsule_is_not_used_up(mel, speech):
    """It is only looked at, so its owner is told once, when the capsule goes."""
    samples = speech.copy()

    class Once:
        capsule = samples.__dlpack__()

        def __dlpack__(self):
            return self.capsule

    out = np.zeros((80, 1000), np.float32)
    for _ in range(2):
        _sibyl.mel_compute(mel, None, Once(), Lent(out), 0, False)
    assert "dltensor" in repr(Once.capsule) and "used" not in repr(Once.capsule)
