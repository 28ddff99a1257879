"""Packages from the index that use onnxruntime compute the same on Sibyl, unchanged."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import peer

PROGRAM = Path(__file__).with_name("onnxruntime_packages.py")


def computed(name, out, *runner):
    done = subprocess.run(
        [sys.executable, *runner, str(PROGRAM), name, str(out)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(out))


@pytest.mark.parametrize("name", ["silero_vad", "magika", "piper", "speechmos", "nudenet"])
def test_package(name, tmp_path):
    peer("onnxruntime")
    peer(name)
    theirs = computed(name, tmp_path / "theirs.npz")
    ours = computed(name, tmp_path / "ours.npz", "-m", "sibyl.onnxruntime")
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert ours[key].shape == value.shape and ours[key].dtype == value.dtype
        if value.dtype.kind in "fc":
            np.testing.assert_allclose(ours[key], value, rtol=1e-4, atol=1e-4, err_msg=key)
        else:
            assert ours[key].tolist() == value.tolist(), key
