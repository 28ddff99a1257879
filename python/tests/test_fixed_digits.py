"""The model that ships, fed with fixed-point features: no more than 0.5 points more word errors than with those in float."""

import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, peer, write_wav

COMMAND = Path(os.environ.get("SIBYL_BUILD", ROOT / "build" / "release")) / "cli" / "sibyl"
POINTS = 0.005


def features(folder, names, *more):
    """(80, frames) of each recording, 1.0 being 1."""
    done = subprocess.run([COMMAND, "features", *[folder / f"{n}.wav" for n in names], "-o", folder, *more],
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    arrays = [np.load(folder / f"{n}.npy") for n in names]
    return [a.astype(np.float32) / {"float32": 1, "int16": 16384, "int8": 64}[a.dtype.name] for a in arrays]


def errors(tools, torch, network, recordings, held):
    """Word errors of the procedure of tools/digits where each recording's features are those of `held`."""
    given = iter(held)
    source = types.SimpleNamespace(log_power=lambda _: torch.from_numpy(next(given)), normalise=lambda mel: mel)
    own, tools.decoding.features = tools.decoding.features, source
    try:
        segments, _ = tools.decoding.transcribe(network, [audio for audio, _ in recordings])
    finally:
        tools.decoding.features = own
    heard = [" ".join(s.text for s in found).split() for found in segments]
    return sum(tools.evaluation.errors(said, words) for (_, said), words in zip(recordings, heard))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["singles", "strings"])
def test_word_errors(tmp_path, data, torch, kind):
    if not COMMAND.is_file():
        pytest.skip(f"skipped for want of {COMMAND}")
    peer("scipy")
    sys.path.insert(0, str(ROOT / "tools"))
    from digits import decoding, evaluation, model

    tools = types.SimpleNamespace(decoding=decoding, evaluation=evaluation)
    network = model.load(ROOT / "assets" / "digits" / "digits.pt")
    step = 6 if os.environ.get("SIBYL_QUICK") else 1
    if kind == "singles":
        recordings = evaluation.singles(data / "fsdd")[::step]
    else:
        recordings = evaluation.strings(data / "fsdd", np.random.default_rng([20, 0]), 60 // step)
    names = [f"{i:03}" for i in range(len(recordings))]
    for name, (audio, _) in zip(names, recordings):
        padded = np.concatenate([audio, np.zeros(30 * 16000, np.float32)])
        write_wav(tmp_path / f"{name}.wav", np.clip(np.rint(padded * 32768), -32768, 32767).astype(np.int16))
    count = sum(len(said) for _, said in recordings)
    wrong = {width: errors(tools, torch, network, recordings, features(tmp_path, names, *(["--fixed", width] if width else [])))
             for width in ("", "int16", "int8")}
    print(f"\n{kind}: {count} words; errors with float {wrong['']}, int16 {wrong['int16']}, int8 {wrong['int8']}")
    for width in ("int16", "int8"):
        assert wrong[width] <= wrong[""] + POINTS * count
