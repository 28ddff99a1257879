import numpy as np
import pytest

import sibyl
from sibyl import _sibyl


def pieces(samples, sizes):
    start = 0
    while start < len(samples):
        size = sizes[start % len(sizes)]
        yield samples[start : start + size]
        start += size


@pytest.mark.parametrize("name", ["whisper", "librosa", "kaldi"])
@pytest.mark.parametrize("sizes", [[1600], [1, 7, 401, 3000], [10**6]])
def test_a_stream_gives_the_bits_of_the_whole(speech, name, sizes):
    front_end = sibyl.LogMel(name)
    stream = front_end.stream()
    assert stream.maximum == -np.inf
    blocks = []
    for piece in pieces(speech, sizes):
        stream.push(piece)
        blocks.append(stream.pull(max_frames=3))
    stream.end()
    blocks.append(stream.pull())
    assert stream.pull().shape == (front_end.spec.n_mels, 0)
    frames = np.concatenate(blocks, axis=1)
    whole = front_end(speech)
    assert frames.shape == whole.shape and frames.dtype == np.float32
    assert stream.maximum == frames.max()
    assert front_end.finish(frames, stream.maximum) is frames
    assert np.array_equal(frames, whole)


def test_push_takes_all_and_frames_wait():
    """Four minutes at once: more than the stream itself holds."""
    samples = np.random.default_rng(0).standard_normal(16000 * 240).astype(np.float32) * 0.1
    front_end = sibyl.LogMel()
    stream = front_end.stream()
    stream.push(samples)
    stream.end()
    first = stream.pull(5)
    frames = np.concatenate([first, stream.pull(0), stream.pull(4096), stream.pull()], axis=1)
    assert first.shape == (80, 5) and frames.shape == (80, 24000)
    assert np.array_equal(front_end.finish(frames, stream.maximum), front_end(samples))


def test_memory_does_not_grow():
    stream = sibyl.LogMel().stream()
    second = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    held = []
    for _ in range(600):
        stream.push(second)
        stream.pull()
        held.append(_sibyl.alloc_counters()["bytes_current"])
    assert max(held[100:]) <= max(held[:100])


def test_streams_take_tensors_and_other_types(torch, speech):
    expected = sibyl.LogMel().stream()
    expected.push(speech)
    expected = expected.pull()
    for samples in (torch.from_numpy(speech), speech.astype(np.float64), torch.from_numpy(speech).double()):
        stream = sibyl.LogMel().stream()
        stream.push(samples)
        assert np.array_equal(stream.pull(), expected)


def test_errors(speech):
    stream = sibyl.LogMel().stream()
    with pytest.raises(ValueError, match="dimensions"):
        stream.push(np.zeros((2, 100), np.float32))
    with pytest.raises(TypeError):
        stream.push([0.0])
    with pytest.raises(ValueError, match="max_frames"):
        stream.pull(-1)
    stream.push(speech)
    stream.end()
    with pytest.raises(ValueError):
        stream.push(speech)

    stream = sibyl.LogMel().stream()
    stream.push(speech)
    bad = speech.copy()
    bad[3] = np.nan
    with pytest.raises(ValueError, match=str(len(speech) + 3)):
        stream.push(bad)

    short = sibyl.LogMel().stream()
    short.push(np.zeros(100, np.float32))
    with pytest.raises(ValueError):
        short.end()


def test_finish_refuses_what_it_cannot_change(speech):
    front_end = sibyl.LogMel()
    mel = front_end(speech)
    for bad in (mel.astype(np.float64), mel.T, mel.tolist()):
        with pytest.raises(TypeError):
            front_end.finish(bad, 1.0)
    with pytest.raises(ValueError, match="n_mels"):
        front_end.finish(mel[:40].copy(), 1.0)


@pytest.mark.parametrize("smooth", ["none", "same", "valid"])
@pytest.mark.parametrize("preset", ["whisper", "kaldi"])
def test_finished_frames_are_those_of_the_whole_file(speech, preset, smooth):
    samples = speech[:80000]
    front_end = sibyl.LogMel(preset, smooth=smooth)
    want = front_end(samples)
    stream = front_end.stream(finished=True, maximum=float(sibyl.LogMel(preset)(samples).max()))
    pieces = []
    for start in range(0, len(samples), 7001):
        stream.push(samples[start : start + 7001])
        pieces.append(stream.pull(100))
    stream.end()
    pieces.append(stream.pull())
    np.testing.assert_array_equal(np.concatenate(pieces, 1), want)
