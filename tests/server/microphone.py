"""What a microphone would send: the sample's PCM at a rate, with silence or again and again."""
import functools
import os
import subprocess
import time

from serving import RECORDING

QUICK = "SIBYL_QUICK" in os.environ  # builds that make speech slow hear its first half
SENTENCES = ["four one five", "two seven" if QUICK else "two seven one eight two eight"]  # with silence between
SPOKEN = " ".join(SENTENCES)


@functools.cache
def pcm(rate: int, times=1, form="s16le") -> bytes:
    """The recording as raw samples, several times in a row."""
    return subprocess.run(["ffmpeg", "-v", "error", "-i", RECORDING, "-t", "4.75" if QUICK else "60", "-ar", str(rate), "-ac", "1", "-f", form, "-"],
                          check=True, capture_output=True).stdout * times


def pieces(data: bytes, size: int):
    return [data[i:i + size] for i in range(0, len(data), size)]


def silence(seconds: float, rate: int) -> bytes:
    return bytes(2 * int(seconds * rate))


def until_idle(server):
    """Returns once no request and no stream is worked on."""
    while True:
        state = server.json("GET", "/readyz")[1]
        if state["running"] == state["waiting"] == 0:
            return
        time.sleep(0.05)
