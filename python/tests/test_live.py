"""Streams of speech on the model that ships: texts are those of transcribe(), whatever the pieces."""

import numpy as np
import pytest
from conftest import ROOT

import sibyl

SPOKEN = "four one five two seven one eight two eight"
RATE = 16000


@pytest.fixture(scope="module")
def model():
    return sibyl.load_model("digits")


@pytest.fixture(scope="module")
def samples():
    return sibyl.load_audio(ROOT / "assets/digits/sample.flac")


def heard(live, samples, piece):
    events = []
    for i in range(0, len(samples), piece):
        events += live.push(samples[i : i + piece])
        events += live.refresh()
    return events + live.finish()


@pytest.mark.parametrize("piece", [800, 4001, 1 << 20])
def test_final_texts_are_what_is_said(model, samples, piece):
    events = heard(sibyl.LiveSpeech(model), samples, piece)
    final = [e for e in events if e.kind == "final"]
    assert " ".join(e.text for e in final) == SPOKEN
    for i, e in enumerate(final):
        assert e.segment == i and 0 <= e.start < e.end <= len(samples) / RATE + 1e-6
        assert "".join(s["text"] for s in e.segments).strip() == e.text
        assert all(e.start - 1e-9 <= s["start"] <= s["end"] for s in e.segments)
    assert [e.kind for e in events if e.kind != "partial"] == ["started", "stopped", "final"] * len(final)


def test_partial_texts_come_before_the_final_one(model, samples):
    events = heard(sibyl.LiveSpeech(model, partial=0.3), samples, 1600)
    partial = [e for e in events if e.kind == "partial"]
    assert len(partial) > 2 and all(e.text.startswith(e.stable) for e in partial)
    assert not [e for e in heard(sibyl.LiveSpeech(model, partial=None), samples, 1600) if e.kind == "partial"]


def test_a_segment_ends_where_it_is_asked_for(model, samples):
    live = sibyl.LiveSpeech(model, manual=True, begin=100.0)
    events = live.push((samples * 32767).astype(np.int16))
    assert live.pending > 5 and not [e for e in events if e.kind == "final"]
    events += live.commit()
    assert [e.kind for e in events if e.kind != "partial"] == ["final"]
    final = events[-1]
    assert final.text == SPOKEN
    assert final.start >= 100 and live.pending == 0 and live.commit() == []
    live.push(samples)
    live.clear()
    assert live.pending == 0 and live.finish() == []


def test_words_where_they_are_asked_for(model, samples):
    for words in (True, False):
        final = [e for e in heard(sibyl.LiveSpeech(model, {"word_timestamps": words}), samples, 16000) if e.kind == "final"]
        assert all(("words" in s) == words and "logprobs" not in s for e in final for s in e.segments)


def test_other_rates_and_jobs(model, samples):
    doubled = np.repeat(samples, 2)
    events = heard(sibyl.LiveSpeech(model.job, sample_rate=2 * RATE), doubled, 9600)
    assert " ".join(e.text for e in events if e.kind == "final") == SPOKEN


@pytest.mark.parametrize("options, message", [
    ({"sample_rate": 0}, "sample_rate is 0"), ({"threshold": 0}, "threshold is 0"), ({"padding": -1}, "padding is -1"),
    ({"partial": float("nan")}, "partial is nan"), ({"silence": 30}, "silence"), ({"sample_rate": 1000}, "1000")])
def test_options_out_of_range(model, options, message):
    with pytest.raises(ValueError, match=message):
        sibyl.LiveSpeech(model, **options)


def test_what_is_wrong_is_named(model, samples):
    with pytest.raises(TypeError, match="a model or its job"):
        sibyl.LiveSpeech("digits")
    with pytest.raises(ValueError, match="no input 'colour'"):
        sibyl.LiveSpeech(model, {"colour": 1})
    live = sibyl.LiveSpeech(model)
    with pytest.raises(ValueError, match=r"\(n\)"):
        live.push(samples.reshape(1, -1))
    with pytest.raises(TypeError, match="samples"):
        live.push([0.0])
    with pytest.raises(ValueError, match="finite"):
        live.push(np.array([0, np.nan], np.float32))
    assert " ".join(e.text for e in heard(live, samples, 16000) if e.kind == "final") == SPOKEN  # nothing of it was taken
