"""The actors of sibyl.ray as Ray calls them, without Ray; test_ray.py has them on a cluster."""

from pathlib import Path

import numpy as np
import onnx_writer as w
import pytest

import sibyl
import sibyl.ray

SAMPLE = Path(__file__).parent.parent.parent / "assets" / "hello.flac"


def test_features_of_whatever_a_recording_is():
    expected = sibyl.LogMel(n_mels=40)(str(SAMPLE))
    samples = sibyl.load_audio(SAMPLE)
    data = SAMPLE.read_bytes()
    actor = sibyl.ray.Features(n_mels=40)
    for column, item in (("path", str(SAMPLE)), ("bytes", data), ("audio", {"bytes": data, "path": None}), ("audio", samples),
                         ("audio", {"array": samples, "sampling_rate": 16000})):
        made = actor({column: sibyl.ray._column([item]), "id": np.array([7])})
        assert list(made["error"]) == [""] and list(made["id"]) == [7]
        assert (column in made) == (column == "path")
        assert np.array_equal(made["features"][0], expected)
    assert "bytes" in sibyl.ray.Features(keep=True)({"bytes": sibyl.ray._column([data])})


def test_rows_that_fail_are_kept():
    batch = {"path": np.array(["none.wav", str(SAMPLE)], dtype=object)}
    made = sibyl.ray.Features()(batch)
    assert made["error"][0].startswith("SibylFileNotFoundError: none.wav") and made["error"][1] == ""
    assert made["features"][0].shape == (80, 0) and made["features"][1].shape[1] > 10
    other = sibyl.ray.Features()({"audio": sibyl.ray._column([{"array": [0.0], "sampling_rate": 8000}]), "x": [1]})
    assert "8000 Hz, expected 16000" in other["error"][0]
    assert "name it by column=" in sibyl.ray.Features()({"x": [1]})["error"][0]


def test_run(tmp_path):
    path = tmp_path / "m.onnx"
    row = w.tensor_type("float32", ["N"])
    path.write_bytes(w.model([w.node("Add", ["x", "x"], ["y"])], {"x": row}, {"y": row}))
    rows = [np.arange(n, dtype=np.float32) for n in (2, 3)]
    made = sibyl.ray.Run(str(path), {"x": "features"}, {"y": "doubled"})({"features": sibyl.ray._column(rows), "id": np.arange(2)})
    assert set(made) == {"id", "doubled", "error"} and list(made["error"]) == ["", ""]
    for row, doubled in zip(rows, made["doubled"], strict=True):
        assert np.array_equal(doubled, 2 * row)
    failed = sibyl.ray.Run(str(path))({"x": sibyl.ray._column(["text"])})
    assert failed["error"][0] and failed["y"][0].size == 0


def test_transcripts():
    if "digits" not in sibyl.available_models():
        pytest.skip("no model is installed: the package brings digits")
    sample = SAMPLE.parent / "digits" / "sample.flac"
    made = sibyl.ray.Transcribe("digits")({"path": np.array([str(sample), "none"], dtype=object)})
    alone = sibyl.load_model("digits", "speech-to-text").transcribe(str(sample))
    assert list(made["text"]) == [alone["text"], ""] and made["error"][0] == ""
