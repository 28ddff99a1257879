"""Word error rates of `digits` on what training never heard, by Whisper's own procedure."""
import numpy
import torch

from . import decoding, features, model, speech, vocabulary, windows
from .features import RATE


def errors(said, heard):
    """The least number of words substituted, left out and put in."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1]


def words(digits):
    return [vocabulary.WORDS[digit] for digit in digits]


def singles(folder, speakers=speech.SPEAKERS):
    """Every recording held out, as it is: [(audio, words)]."""
    found = speech.recordings(folder, speech.HELD_OUT, [s for s in speech.SPEAKERS if s not in speakers])
    return [(speech.resampled(audio, 8000), words([digit]))
            for takes in found.values() for digit in range(10) for audio in takes[digit]]


def _string(rng, takes, count):
    """(audio, digits, seconds): recordings of one speaker one after another, 0.05 to 0.35 s apart."""
    digits = [int(digit) for digit in rng.integers(0, 10, count)]
    parts = []
    for digit in digits:
        audio = takes[digit][rng.integers(len(takes[digit]))]
        first, last = speech.trimmed(audio)
        parts += [speech.resampled(audio[max(first - 80, 0):last + 80], 8000),
                  numpy.zeros(int(rng.uniform(0.05, 0.35) * RATE), numpy.float32)]
    audio = numpy.concatenate(parts[:-1])
    return audio, digits


def _silence(seconds):
    return numpy.zeros(int(seconds * RATE), numpy.float32)


def strings(folder, rng, count, speakers=speech.SPEAKERS, noise=None):
    """Strings of 2 to 8 recordings held out, silence before and behind; `noise`: dB of speech above pink noise."""
    found = speech.recordings(folder, speech.HELD_OUT, [s for s in speech.SPEAKERS if s not in speakers])
    made = []
    for index in range(count):
        audio, digits = _string(rng, found[speakers[index % len(speakers)]], int(rng.integers(2, 9)))
        audio = numpy.concatenate([_silence(rng.uniform(0, 2)), audio, _silence(rng.uniform(0, 1))])
        if noise is not None:
            spectrum = numpy.fft.rfft(rng.standard_normal(len(audio)))
            pink = numpy.fft.irfft(spectrum / numpy.sqrt(numpy.arange(len(spectrum)) + 20), len(audio))
            power = numpy.mean(audio[numpy.abs(audio) > 0] ** 2)
            audio = audio + pink * numpy.sqrt(power / numpy.mean(pink ** 2) / 10 ** (noise / 10))
        made.append((audio.astype(numpy.float32), words(digits)))
    return made


def spoken(rng, count, least, most):
    """espeak-ng's voices that training never heard, saying `least` to `most` digits."""
    engine, names, made = speech.ESpeak(), speech.voices(unseen=True), []
    while len(made) < count:
        digits = [int(digit) for digit in rng.integers(0, 10, rng.integers(least, most + 1))]
        said = engine.digits(digits, names[len(made) % len(names)], speed=rng.integers(110, 220), pitch=rng.integers(20, 80))
        if said:
            made.append((numpy.concatenate([_silence(rng.uniform(0, 1)), said.audio, _silence(0.3)]), words(digits)))
    return made


def long(folder, rng, count):
    """Recordings of 40 to 80 s: strings of recordings held out, 1.2 to 5 s apart: [(audio, words, [(start, end)])]."""
    found = speech.recordings(folder, speech.HELD_OUT)
    made = []
    for index in range(count):
        takes = found[speech.SPEAKERS[index % len(speech.SPEAKERS)]]
        parts, digits, times, at, length = [], [], [], 0, rng.uniform(40, 80)
        while at < length * RATE:
            silence = _silence(rng.uniform(1.2, 5))
            audio, said = _string(rng, takes, int(rng.integers(1, 9)))
            parts += [silence, audio]
            times.append(((at + len(silence)) / RATE, (at + len(silence) + len(audio)) / RATE))
            digits += said
            at += len(silence) + len(audio)
        audio = numpy.concatenate(parts + [_silence(1)])
        audio += rng.standard_normal(len(audio)).astype(numpy.float32) * 1e-3
        made.append((audio, words(digits), times))
    return made


def wordless(rng, count):
    """Silence, noise of many colours and levels, hum, bursts; 1 to 40 s."""
    made = []
    for index in range(count):
        audio = _silence(rng.uniform(1, 40))
        if index % 8:
            audio = windows.coloured(rng, len(audio)) * numpy.float32(10 ** rng.uniform(-4, -0.7))
        if index % 3 == 1:
            for _ in range(4):
                begin = int(rng.integers(len(audio)))
                burst = audio[begin:begin + int(rng.uniform(0.02, 0.6) * RATE)]
                burst += rng.standard_normal(len(burst)).astype(numpy.float32) * numpy.float32(10 ** rng.uniform(-3, -1))
        made.append((numpy.clip(audio, -1, 1), []))
    return made


def report(name, network, made):
    segments, looked = decoding.transcribe(network, [one[0] for one in made])
    wrong = total = exact = 0
    for (_, said, *_), found in zip(made, segments):
        heard = " ".join(segment.text for segment in found).split()
        wrong, total, exact = wrong + errors(said, heard), total + len(said), exact + (said == heard)
    unsure = numpy.mean([chance < decoding.LOGPROB_THRESHOLD for one in looked for _, chance in one])
    if total:
        print(f"{name}: {wrong} errors in {total} words, {100 * wrong / total:.2f} %; {exact} of {len(made)} recordings exact; "
              f"{100 * unsure:.1f} % of windows below the log-probability threshold", flush=True)
    else:
        silent = numpy.mean([silence > decoding.NO_SPEECH_THRESHOLD for one in looked for silence, _ in one])
        print(f"{name}: {wrong} words in {len(made)} recordings; no speech found in {100 * silent:.1f} % of windows", flush=True)
    return segments


def report_times(made, segments):
    """How far the segments' starts and ends are from where the strings were put."""
    off = []
    for (_, _, times), found in zip(made, segments):
        for start, end in times:
            nearest = min(found, key=lambda segment: abs(segment.start - start), default=None)
            off += [abs(nearest.start - start), abs(nearest.end - end)] if nearest else []
    print(f"segment times: median {numpy.median(off):.3f} s, 95 % within {numpy.percentile(off, 95):.3f} s", flush=True)


@torch.no_grad()
def report_alignment(network, made):
    """How often the last layer's attention, where a word is written, is strongest within the word (strings of one group)."""
    hit = total = 0
    for audio, digits, spans in made:
        power = features.log_power(numpy.concatenate([audio, _silence(30)]))
        mel = torch.nn.functional.pad(features.normalise(power)[:, :len(audio) // 160], (0, 3000))[:, :3000]
        tokens = [vocabulary.START, vocabulary.NO_TIMESTAMPS, *[vocabulary.DIGIT[digit] for digit in digits]]
        _, weights = network.decoder(torch.tensor([tokens]), network.encoder(mel[None]))
        strongest = weights[0].exp().mean(dim=0)[1:-1].argmax(dim=1)
        for place, (start, end) in zip(strongest, spans):
            hit += start - 0.04 <= float(place) * 0.02 <= end + 0.04
            total += 1
    print(f"alignment: attention strongest within the word for {hit} of {total} words", flush=True)


def aligned(rng, count):
    """[(audio, digits, spans)] of unseen espeak-ng voices."""
    engine, names, made = speech.ESpeak(), speech.voices(unseen=True), []
    while len(made) < count:
        said = engine.digits([int(digit) for digit in rng.integers(0, 10, 5)], names[len(made) % len(names)], speed=140)
        if said:
            made.append((said.audio, [digit for digit, _, _ in said.digits], [(start, end) for _, start, end in said.digits]))
    return made


def main(path, fsdd, speaker=None, quick=False):
    """Prints every figure, or those of one speaker's recordings (one left out of training); `quick`: a third of each set."""
    network, scale = model.load(path), 3 if quick else 1
    rngs = [numpy.random.default_rng([20, index]) for index in range(6)]
    if speaker:
        report(f"single digits of {speaker}", network, singles(fsdd, (speaker,))[::scale])
        report(f"strings of {speaker}", network, strings(fsdd, rngs[0], 48 // scale, (speaker,)))
        return
    report("single digits, recordings held out", network, singles(fsdd)[::scale])
    report("strings, recordings held out", network, strings(fsdd, rngs[0], 150 // scale))
    report("silence and noise", network, wordless(rngs[1], 48 // scale))
    report("single digits, voices never heard", network, spoken(rngs[2], 192 // scale, 1, 1))
    report("strings, voices never heard", network, spoken(rngs[3], 96 // scale, 2, 8))
    made = long(fsdd, rngs[4], 12 // scale)
    report_times(made, report("40 to 80 s, recordings held out", network, made))
    report("strings, recordings held out, noise at 15 dB", network, strings(fsdd, rngs[0], 60 // scale, noise=15))
    report_alignment(network, aligned(rngs[5], 40 // scale))
