"""What notebooks show: small, well formed, and no name gets out of its place."""

import html.parser
import re

import numpy as np
import onnx_writer as w
import pytest
from conftest import ROOT

import sibyl
from sibyl import _html

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>&\ud800'
ROW = w.tensor_type("float32", ["N", 16])


class Reader(html.parser.HTMLParser):
    """Refuses tags that do not close, and those and attributes that no view needs."""

    TAGS = set("div style p b small table tr th td svg rect g path text image".split())
    ATTRIBUTES = set("class style width height viewbox role aria-label fill opacity x y d stroke font-size text-anchor href preserveaspectratio".split())

    def __init__(self, page):
        super().__init__()
        self.open, self.text = [], ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert tag in self.TAGS, tag
        for name, value in attributes:
            assert name in self.ATTRIBUTES, name
            assert name != "href" or value.startswith("data:image/png;base64,")
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(shown, limit=20000):
    """The text of what an object shows."""
    page = shown._repr_html_()
    page.encode()
    assert len(page) < limit
    return Reader(page).text


@pytest.fixture(scope="module")
def model():
    plain = HOSTILE.encode("utf-8", "replace").decode()
    weights = w.floats("w", np.linspace(-1, 1, 256), [16, 16])
    nodes = [w.node("MatMul", ["x", "w"], ["h"], name=plain), w.node("Tanh", ["h"], [plain + "y"], name="tanh")]
    return w.model(nodes, {"x": ROW}, {plain + "y": ROW}, [weights])


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).standard_normal((4, 16)).astype("f4")


def test_sessions_profiles_differences_and_reports(model, x, tmp_path):
    session = sibyl.InferenceSession(model)
    text = read(session)
    assert "tensor(float)" in text and "<script>alert(1)" in text and "cpu, ref" in text
    assert "tensor(float) ['N', 16]" in repr(session)
    profile = session.run_with_profile({"x": x})
    assert "MatMul" in read(profile) and repr(profile).startswith("<sibyl.Profile of ")
    values = sibyl.InferenceSession(model, providers=["ref"]).run_with_taps(None, {"x": x})
    values["h"][1, 2] += np.float32(0.5)
    rows = sibyl.diff(model, {"x": x, **values})
    assert rows.first.name == "h" and "2 of 2 values differ" in read(rows) and "MatMul" in read(rows.first)
    assert isinstance(rows, list) and sibyl.diff(model, {"x": x, "h": x @ np.linspace(-1, 1, 256, dtype="f4").reshape(16, 16)}).first is None
    report = sibyl.quantize(model, tmp_path / "out.onnx", min_weights=1, calibrate=[{"x": x}])
    assert "1 layers" in read(report) and "script" in read(report)


def test_values(x):
    bad = x.copy()
    bad[2, 3] = np.nan
    text = read(sibyl.view(bad, HOSTILE))
    assert "<script>alert(1)</script>" in text and "nan" in text and "float32 (4, 16)" in text
    page = sibyl.view(bad)._repr_html_()
    assert len(re.findall("<svg", page)) == 2 and "4 × 16 cells" in page
    assert HOSTILE[:8] in read(sibyl.view(np.array([HOSTILE, "b"])))
    for value in (np.float32(3), np.zeros(0, "f4"), np.zeros((3, 0)), np.full((2, 2), np.nan), np.int8([1, 2]), np.ones((5, 4, 3, 2), bool),
                  1 + 2j * np.ones(4), [x, x[:1]], np.zeros((1, 100000), "f2"), 3):  # fmt: skip
        read(sibyl.view(value))
    assert repr(sibyl.view(x, "name")) == "<sibyl.View 'name' float32 (4, 16)>"


def test_a_heat_map_is_its_cells():
    """The picture, read back: larger is lighter, and what is not finite stands apart."""
    import base64
    import zlib

    cells = np.array([[0.0, 1, 2], [3, np.nan, np.inf]])
    for upward in (False, True):
        page = _html.heat_map(cells, upward=upward)
        png = base64.b64decode(re.search("base64,([^\"]*)", page)[1])
        at = png.index(b"IDAT")
        data = zlib.decompress(png[at + 4 : at + 4 + int.from_bytes(png[at - 4 : at], "big")])
        rows = np.frombuffer(data, np.uint8).reshape(2, 4)
        assert png[16:24] == b"\0\0\0\3\0\0\0\2" and not rows[:, 0].any()
        codes = [[0, 85, 169], [254, 255, 255]]
        assert rows[:, 1:].tolist() == (codes[::-1] if upward else codes)


def test_features_and_numbers(speech):
    mel = sibyl.log_mel_spectrogram(speech)
    assert "80 × 640 cells" in read(sibyl.view(mel, "features", upward=True), 150000)
    assert "80 × 640 cells" not in read(sibyl.view(mel))
    assert "hop length" in read(sibyl.LogMel())
    for shown in (sibyl.stats(mel, 32), sibyl.level(speech), sibyl.compare(mel, mel), sibyl.memory(), sibyl.series_stats([1, 2]),
                  sibyl.tile.plan(100)):  # fmt: skip
        assert read(shown)


def test_models_and_transcripts():
    digits = sibyl.load_model("digits")
    text = read(digits)
    assert "sibyl.SpeechToText" in text and "audio" in text and "beam_size" in text
    assert "sibyl.Job" in read(digits.job)
    found = digits.transcribe(ROOT / "assets" / "digits" / "sample.flac")
    assert isinstance(found, dict) and found["text"].strip() in read(found)
    found["text"] = found["segments"][0]["text"] = HOSTILE
    found["language"] = HOSTILE
    assert read(found).count("<script>alert(1)</script>") == 3


def test_long_texts_and_tables_are_cut():
    assert len(_html.escape("&" * 10000)) == 199 * len("&amp;") + 1
    page = _html.table(["n"], ([i] for i in range(1000)))
    assert page.count("<tr") == 31 and "970 more" in page
