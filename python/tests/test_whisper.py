"""Whisper's procedure against openai-whisper's, both with the same scripted models."""

import os
import sys
from pathlib import Path

import pytest
from conftest import ROOT, peer

BUILD = Path(os.environ.get("SIBYL_BUILD", ROOT / "build" / "release"))


def test_procedure_of_openai_whisper():
    peer("whisper")
    program = BUILD / "tests" / "job" / "whisper_script"
    if not program.is_file():
        if os.environ.get("SIBYL_PEERS"):
            pytest.fail(f"{program} is missing: build the tests first (make test-c)")
        pytest.skip(f"skipped for want of {program}")
    sys.path.insert(0, str(ROOT / "tests" / "job"))
    import whisper_peer

    lines = []
    wrong, met = whisper_peer.compare(str(program), int(os.environ.get("SIBYL_WHISPER_CASES", 300)), show=lines.append)
    assert wrong == 0, "\n".join(lines)
    assert met["segments"] > 500 and met["words"] > 500 and met["fallbacks"] > 50 and met["beams"] > 50
