"""Spoken digits: the recordings of the Free Spoken Digit Dataset, and espeak-ng's voices."""
import ctypes
import dataclasses
import math
import subprocess
import wave

import numpy
from scipy.signal import resample_poly

from . import vocabulary
from .features import RATE

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
HELD_OUT = range(45, 50)  # indices of recordings that training never sees

DIALECTS = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc")
# Voices (espeak-ng's variants) that training never hears, in any dialect.
UNSEEN_VARIANTS = ("m3", "f3", "Andy", "linda", "klatt2", "Gene", "steph", "Michael", "anika", "grandpa", "max", "travis")
# Left out on both sides: announcements and joke voices that add echoes or music of their own.
UNUSED_VARIANTS = ("fast", "Storm", "Demonic")


@dataclasses.dataclass
class Utterance:
    """A group of digits as one breath says them: samples at 16 kHz, and for each digit (value, start, end) in seconds."""
    audio: numpy.ndarray
    digits: list
    source: str  # the speaker, or "espeak"

    @property
    def seconds(self):
        return len(self.audio) / RATE


def resampled(audio, rate, speed=1.0):
    """Audio at RATE, played `speed` times as fast (pitch and tempo together; steps of a fortieth)."""
    up, down = RATE * 40, round(rate * 40 * speed)
    divisor = math.gcd(up, down)
    return resample_poly(audio, up // divisor, down // divisor).astype(numpy.float32)


def trimmed(audio, below=36.0):
    """The span (first, last) in samples where 10 ms frames come within `below` dB of the loudest one."""
    count = len(audio) // 160
    energy = (audio[:count * 160].reshape(count, 160) ** 2).mean(axis=1)
    loud = numpy.flatnonzero(energy > energy.max() * 10 ** (-below / 10))
    return int(loud[0]) * 160, int(loud[-1] + 1) * 160


def recording(path):
    """(samples in [-1, 1), rate) of a 16-bit mono WAV file."""
    with wave.open(str(path)) as file:
        return numpy.frombuffer(file.readframes(file.getnframes()), "<i2").astype(numpy.float32) / 32768, file.getframerate()


def recordings(folder, indices, without=()):
    """{speaker: {digit: [samples at 8 kHz]}} of the dataset's files {digit}_{speaker}_{index}.wav."""
    found = {}
    for speaker in SPEAKERS:
        if speaker not in without:
            found[speaker] = {
                digit: [recording(path)[0] for index in indices if (path := folder / f"{digit}_{speaker}_{index}.wav").exists()]
                for digit in range(10)
            }
    if not all(digits[0] for digits in found.values()):
        raise SystemExit(f"{folder}: no recordings such as 0_george_{indices[0]}.wav")
    return found


# What a voice says at once: espeak-ng's library, with the places of words.
class _Event(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
                ("user_data", ctypes.c_void_p), ("id", ctypes.c_char * 8)]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class ESpeak:
    """espeak-ng as a library (espeak-ng/speak_lib.h)."""
    SYNCHRONOUS, UTF8, WORD, RATE, PITCH, RANGE, WORD_GAP = 2, 1, 1, 1, 3, 4, 7

    def __init__(self):
        self.library = ctypes.CDLL("libespeak-ng.so.1")
        self.rate = self.library.espeak_Initialize(self.SYNCHRONOUS, 0, None, 0)
        if self.rate <= 0:
            raise SystemExit("espeak-ng does not start")
        self.chunks, self.words = [], {}
        self.callback = _Callback(self._receive)  # kept: C holds the pointer
        self.library.espeak_SetSynthCallback(self.callback)

    def _receive(self, samples, count, events):
        if samples and count > 0:
            self.chunks.append(numpy.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type:
            if events[index].type == self.WORD:
                self.words.setdefault(events[index].text_position, events[index].audio_position / 1000)
            index += 1
        return 0

    def say(self, words, voice, speed=160, pitch=50, pitch_range=50, gap=0):
        """(samples at 16 kHz, start of each word in seconds), or None where the voice is absent or says them otherwise."""
        self.chunks, self.words = [], {}
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            return None
        for parameter, value in ((self.RATE, speed), (self.PITCH, pitch), (self.RANGE, pitch_range), (self.WORD_GAP, gap)):
            self.library.espeak_SetParameter(parameter, int(value), 0)
        said = " ".join(words).encode()
        self.library.espeak_Synth(said, len(said) + 1, 0, 1, 0, self.UTF8, None, None)
        places = [sum(len(word) + 1 for word in words[:index]) + 1 for index in range(len(words))]
        if not self.chunks or not all(place in self.words for place in places):
            return None
        return resampled(numpy.concatenate(self.chunks).astype(numpy.float32) / 32768, self.rate), [self.words[place] for place in places]

    def digits(self, values, voice, **how):
        """An Utterance of the digits, without the silence around them, or None."""
        said = self.say([vocabulary.WORDS[value] for value in values], voice, **how)
        if said is None or not numpy.any(said[0]):
            return None
        audio, starts = said
        first, last = trimmed(audio, 45)
        begins = [max(start - first / RATE, 0) for start in starts] + [(last - first) / RATE]
        spans = [(value, begins[i], begins[i + 1]) for i, value in enumerate(values)]
        if any(end - begin < 0.05 for _, begin, end in spans):
            return None
        return Utterance(audio[first:last].copy(), spans, "espeak")


def variants():
    """The names of espeak-ng's installed voice variants."""
    lines = subprocess.run(["espeak-ng", "--voices=variant"], check=True, capture_output=True, text=True).stdout.splitlines()
    names = sorted({line.split("!v/")[1].split()[0] for line in lines[1:] if "!v/" in line})
    return [name for name in names if name not in UNUSED_VARIANTS]


def voices(unseen):
    """"dialect+variant" of every voice that training may hear, or of those it never does."""
    return [f"{dialect}+{variant}" for dialect in DIALECTS for variant in variants() if (variant in UNSEEN_VARIANTS) == unseen]
