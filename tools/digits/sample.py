"""The recording that the demo transcribes: two groups of digits, spoken by espeak-ng."""
import subprocess

import numpy

from . import speech
from .features import RATE

GROUPS = ((4, 1, 5), (2, 7, 1, 8, 2, 8))
VOICE = dict(voice="en", speed=120, pitch=45, gap=6)


def write(path):
    engine, parts = speech.ESpeak(), [numpy.zeros(RATE // 2, numpy.float32)]
    for digits in GROUPS:
        parts += [engine.digits(list(digits), **VOICE).audio, numpy.zeros(RATE * 3 // 2, numpy.float32)]
    audio = numpy.concatenate(parts)
    samples = numpy.round(audio * (0.7 / numpy.abs(audio).max()) * 32767).astype("<i2")
    subprocess.run(["ffmpeg", "-y", "-v", "error", "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "pipe:0", "-map_metadata",
                    "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact", "-compression_level", "12", str(path)],
                   input=samples.tobytes(), check=True)
    print(f"wrote {path}: {len(audio) / RATE:.1f} s")
