"""Sibyl beside librosa: the rows of docs/moving-from-librosa.md, run by both."""

import re

import numpy as np
import pytest
from conftest import ROOT, peer

import sibyl

ROWS = re.findall(r"^\| `(.+)` \| `(.+)` \|$", (ROOT / "docs" / "moving-from-librosa.md").read_text(encoding="utf-8"), re.M)


def test_the_document_has_rows():
    assert len(ROWS) > 15


@pytest.mark.parametrize(("theirs", "ours"), ROWS, ids=[ours for _, ours in ROWS])
def test_row(theirs, ours, speech):
    names = {"librosa": peer("librosa"), "scipy": peer("scipy"), "np": np, "sibyl": sibyl}
    peer("scipy.signal")
    expected = eval(theirs, names | {"y": speech.astype(np.float64)})
    got = eval(ours, names | {"y": speech})
    assert got.shape == expected.shape
    linear = re.search("weights|log=.none", ours)
    scale = np.abs(expected).max() if linear else np.maximum(1, np.abs(expected))
    assert np.all(np.abs(got - expected) <= 1e-4 * scale)
