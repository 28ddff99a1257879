"""Windows of audio to train on: utterances strung along a time line, with pauses, noise, level, room and line varied."""
import dataclasses
import math

import numpy
from scipy.signal import fftconvolve, lfilter, resample_poly

from . import features, speech
from .features import RATE

SHORTEST_PAUSE = 1.0  # seconds between segments; within an utterance pauses stay below LONGEST_GAP
LONGEST_GAP = 0.7


@dataclasses.dataclass
class Window:
    """Unscaled log-mel features of a stretch of audio and what is said in it, in seconds from its start."""
    power: object  # torch float16 [N_MELS, frames]
    segments: list  # [[(digit, start, end), ...], ...]; words cut by the end of the window end beyond it
    sources: frozenset  # whose speech
    louder: float  # by how much (log10) the recording is louder elsewhere than here


class Bank:
    """Digits to draw from: recordings by speaker, utterances of espeak-ng's voices."""

    def __init__(self, rng, folder, settings):
        """`settings`: how many draws of voice, speed and pitch; each says the ten digits and some strings."""
        self.recordings = {}
        for speaker, digits in speech.recordings(folder, range(5, 45)).items():
            self.recordings[speaker] = [[audio for audio in digits[digit] if len(audio) < 8000 * 1.2] for digit in range(10)]
        engine = speech.ESpeak()
        names = speech.voices(unseen=False)
        self.single, self.strings = [], []
        for _ in range(settings):
            voice = names[rng.integers(len(names))]
            how = dict(speed=rng.integers(90, 260), pitch=rng.integers(10, 90), pitch_range=rng.integers(20, 90),
                       gap=rng.choice([0, 0, 0, 2, 6]))
            said = [engine.digits([digit], voice, **how) for digit in range(10)]
            if all(said):
                self.single.append(said)
            for _ in range(4):
                said = engine.digits([int(d) for d in rng.integers(0, 10, rng.integers(2, 9))], voice, **how)
                if said and said.seconds < 7:
                    self.strings.append(said)

    def utterance(self, rng, most):
        """A group of 1 to 8 digits, at most `most` seconds where that can be had."""
        if self.recordings and rng.random() < 0.62:
            return self._strung(rng, most, *self._recorded(rng))
        if rng.random() < 0.6:
            for _ in range(6):
                said = self.strings[rng.integers(len(self.strings))]
                if said.seconds < most:
                    return said
        voice = self.single[rng.integers(len(self.single))]
        return self._strung(rng, most, lambda digit: voice[digit].audio, "espeak")

    def _recorded(self, rng):
        speaker = list(self.recordings)[rng.integers(len(self.recordings))]
        speed = 1 + rng.integers(-7, 8) / 40 if rng.random() < 0.6 else 1.0

        def say(digit):
            takes = self.recordings[speaker][digit]
            audio = takes[rng.integers(len(takes))]
            first, last = speech.trimmed(audio, rng.uniform(30, 42))
            return speech.resampled(audio[max(first - 80, 0):last + 80], 8000, speed)

        return say, speaker

    @staticmethod
    def _strung(rng, most, say, source):
        count = 1 if rng.random() < 0.25 else rng.integers(2, 9)
        usual = rng.choice([0.0, 0.05, 0.12, 0.25])
        audio, digits, at = [], [], 0
        for _ in range(count):
            digit = int(rng.integers(10))
            said = say(digit) * (10 ** rng.uniform(-0.2, 0.2))
            gap = 0 if not digits else int(RATE * (rng.uniform(0.3, LONGEST_GAP) if rng.random() < 0.06 else
                                                   usual * rng.uniform(0.3, 1.7)))
            if digits and (at + gap + len(said)) / RATE > most:
                break
            audio += [numpy.zeros(gap, numpy.float32), said]
            at += gap
            digits.append((digit, at / RATE, (at + len(said)) / RATE))
            at += len(said)
        return speech.Utterance(numpy.concatenate(audio), digits, source)


def coloured(rng, count):
    """Noise of unit power: white to brown, hum, or a murmur that comes and goes."""
    white = rng.standard_normal(count).astype(numpy.float32)
    kind = rng.integers(5)
    if kind == 0:
        noise = white
    elif kind < 3:
        noise = lfilter([1], [1, -rng.uniform(0.3, 0.995)], white)
    elif kind == 3:
        times = numpy.arange(count) / RATE
        base = rng.choice([50, 60, 100, 120, 400, 1000]) * rng.uniform(0.98, 1.02)
        noise = sum(numpy.sin(2 * math.pi * base * k * times + rng.uniform(0, 6)) / k ** rng.uniform(0.5, 2) for k in range(1, 5))
        noise = noise + rng.uniform(0.01, 0.5) * white
    else:
        centre, width = rng.uniform(200, 3000), rng.uniform(0.9, 0.99)
        angle = 2 * math.pi * centre / RATE
        slow = numpy.interp(numpy.arange(count), numpy.linspace(0, count, 24), rng.uniform(0.05, 1, 24))
        noise = lfilter([1], [1, -2 * width * math.cos(angle), width * width], white) * slow
    return (noise / math.sqrt(float(numpy.mean(noise ** 2)) + 1e-12)).astype(numpy.float32)


def room(rng, audio):
    """The audio with a short decaying tail, as a room gives it."""
    seconds = rng.uniform(0.05, 0.35)
    tail = rng.standard_normal(int(seconds * RATE)) * numpy.exp(-numpy.arange(int(seconds * RATE)) / (seconds * RATE / 5))
    tail *= rng.uniform(0.02, 0.25) / math.sqrt(float(numpy.mean(tail ** 2)) * len(tail))
    tail[0] = 1
    return fftconvolve(audio, tail)[:len(audio)].astype(numpy.float32)


def line(rng, audio):
    """A recorder's or a line's colour: tilt, a low sampling rate, coarse steps, clipping."""
    if rng.random() < 0.4:
        audio = lfilter([1, -rng.uniform(-0.5, 0.7)], [1], audio)
    if rng.random() < 0.3:
        rate = int(rng.choice([8000, 11025, 12000]))
        divisor = math.gcd(rate, RATE)
        low = resample_poly(audio, rate // divisor, RATE // divisor)
        audio = resample_poly(low, RATE // divisor, rate // divisor)[:len(audio)]
    peak = float(numpy.abs(audio).max()) + 1e-9
    if rng.random() < 0.08:
        audio = numpy.clip(audio, -peak * rng.uniform(0.3, 0.9), peak * rng.uniform(0.3, 0.9))
    if rng.random() < 0.1:  # the logarithmic 8 bits of telephones
        audio = numpy.round(numpy.sign(audio) * numpy.log1p(255 * numpy.abs(audio) / peak) / math.log(256) * 127) / 127
        audio = numpy.sign(audio) * (numpy.power(256, numpy.abs(audio)) - 1) / 255 * peak
    return audio.astype(numpy.float32)


def placed(rng, bank, seconds, cut):
    """(audio, segments, sources): utterances along `seconds`; with `cut` the last one may run over the end."""
    count = int(seconds * RATE)
    audio = numpy.zeros(count, numpy.float32)
    first = bank.utterance(rng, seconds - 0.2)
    same = first.source
    room_left = max(seconds - first.seconds - 0.05, 0.02)
    at = rng.uniform(0, min(0.12, room_left)) if rng.random() < 0.35 else rng.uniform(0, room_left)
    if cut and rng.random() < 0.5:
        at = seconds - rng.uniform(0.15, 0.95) * min(first.seconds, seconds)
    dense = rng.random() < 0.7
    segments, sources, said = [], set(), first
    while True:
        begin = int(at * RATE)
        if begin + len(said.audio) > count and not cut:
            break
        level = 10 ** (rng.uniform(-0.3, 0.3) if segments else 0)
        kept = said.audio[:count - begin]
        audio[begin:begin + len(kept)] += kept * level / (float(numpy.sqrt(numpy.mean(said.audio ** 2))) + 1e-6)
        sources.add(said.source)
        segments.append([(digit, at + start, at + end) for digit, start, end in said.digits])
        at += said.seconds + SHORTEST_PAUSE + rng.exponential(0.6 if dense else 5.0)
        if at > seconds - 0.3:
            break
        for _ in range(4):  # mostly one speaker in a window
            said = bank.utterance(rng, max(seconds - at, 0.8) if not cut else 7)
            if said.source == same or rng.random() < 0.1:
                break
    return audio, segments, frozenset(sources)


def window(rng, bank, seconds, cut=False):
    """A Window of `seconds` with speech; `cut` where it may run over the end."""
    audio, segments, sources = placed(rng, bank, seconds, cut)
    count = len(audio)
    if rng.random() < 0.25:
        audio = room(rng, audio)
    last = min(segments[-1][-1][2] * RATE, count)
    ends = count if cut or rng.random() < 0.5 else int(rng.uniform(last, count))  # of the recording; after it zeros
    if rng.random() < 0.75:
        ratio = rng.uniform(3, 45)
        audio[:ends] += coloured(rng, ends) * 10 ** (-ratio / 20) if ends > 400 else 0
    elif rng.random() < 0.7:
        audio[:ends] += rng.standard_normal(ends).astype(numpy.float32) * 10 ** rng.uniform(-4, -2.5)
    audio = line(rng, audio)
    audio[ends:] = 0
    audio *= 10 ** rng.uniform(-1.8, 0) / (float(numpy.abs(audio).max()) + 1e-9)
    if rng.random() < 0.5:
        audio = numpy.round(audio * 32767) / 32768
    louder = rng.uniform(0, 1.5) if rng.random() < 0.15 else 0.0
    return Window(features.log_power(audio).half(), segments, sources, louder)


def quiet(rng, seconds):
    """A Window without speech: nothing at all, noise, clicks, tones, in part of it or all through."""
    count = int(seconds * RATE)
    audio = numpy.zeros(count, numpy.float32)
    kind = rng.random()
    if kind > 0.12:
        begin, end = sorted(rng.integers(0, count, 2)) if rng.random() < 0.3 else (0, count)
        if end - begin > 800:
            audio[begin:end] = coloured(rng, end - begin) * 10 ** rng.uniform(-4.5, -0.5)
        if rng.random() < 0.25:
            for at in rng.integers(0, count - 400, rng.integers(1, 12)):  # clicks and thumps
                decay = numpy.exp(-numpy.arange(400) / rng.uniform(5, 120))
                audio[at:at + 400] += (rng.standard_normal(400) * decay * 10 ** rng.uniform(-3, -0.5)).astype(numpy.float32)
        if rng.random() < 0.2:
            times = numpy.arange(count) / RATE
            for _ in range(rng.integers(1, 6)):  # notes
                begin, length = rng.uniform(0, seconds), rng.uniform(0.05, 1.5)
                note = numpy.sin(2 * math.pi * rng.uniform(80, 2500) * times) * ((times > begin) & (times < begin + length))
                audio += (note * 10 ** rng.uniform(-3, -0.7)).astype(numpy.float32)
        audio = line(rng, audio)
        if rng.random() < 0.5:
            audio = numpy.round(numpy.clip(audio, -1, 1) * 32767) / 32768
    louder = rng.uniform(0, 6) if rng.random() < 0.4 else 0.0  # a silent window of a recording that speaks elsewhere
    return Window(features.log_power(audio).half(), [], frozenset(), louder)
