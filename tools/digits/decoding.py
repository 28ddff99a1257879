"""Whisper's procedure as OpenAI's transcribe() runs it at temperature 0: windows, seek by timestamps, timestamp rules."""
import dataclasses

import numpy
import torch

from . import features, vocabulary
from .features import HOP, RATE
from .vocabulary import END, FIRST_TIMESTAMP, FRAME

WINDOW = 3000  # frames of features
NO_SPEECH_THRESHOLD = 0.6
LOGPROB_THRESHOLD = -1.0
LATEST_FIRST = FIRST_TIMESTAMP + 50  # a window's first timestamp is 1 s at most
INFINITE = float("inf")


@dataclasses.dataclass
class Segment:
    start: float
    end: float
    tokens: list

    @property
    def text(self):
        return vocabulary.text(self.tokens)


@dataclasses.dataclass
class _Recording:
    mel: torch.Tensor  # [n_mels, frames], of which the last WINDOW are padding
    seek: int = 0
    segments: list = dataclasses.field(default_factory=list)
    windows: list = dataclasses.field(default_factory=list)  # (no-speech probability, average log-probability)

    @property
    def content(self):
        return self.mel.shape[1] - WINDOW

    def window(self):
        held = self.mel[:, self.seek:min(self.seek + WINDOW, self.content)]
        return torch.nn.functional.pad(held, (0, WINDOW - held.shape[1]))


def _ruled(logits, written):
    """The logits after OpenAI's rules for timestamps; `written`: what stands behind the start token."""
    logits = logits.clone()
    logits[END + 1:FIRST_TIMESTAMP] = -INFINITE
    last = bool(written) and written[-1] >= FIRST_TIMESTAMP
    last_but_one = len(written) < 2 or written[-2] >= FIRST_TIMESTAMP
    if last:
        if last_but_one:
            logits[FIRST_TIMESTAMP:] = -INFINITE
        else:
            logits[:END] = -INFINITE
    stamps = [token for token in written if token >= FIRST_TIMESTAMP]
    if stamps:
        logits[FIRST_TIMESTAMP:stamps[-1] + (0 if last and not last_but_one else 1)] = -INFINITE
    if not written:
        logits[:FIRST_TIMESTAMP] = -INFINITE
        logits[LATEST_FIRST + 1:] = -INFINITE
    chances = logits.log_softmax(0)
    if chances[FIRST_TIMESTAMP:].logsumexp(0) > chances[:FIRST_TIMESTAMP].max():
        logits[:FIRST_TIMESTAMP] = -INFINITE
    return logits


def _decode(model, mel, prompts):
    """Greedy decoding of a batch of windows: for each (tokens, no-speech probability, average log-probability)."""
    audio = model.encoder(mel)
    most, starts = model.dims.n_text_ctx // 2, []
    for prompt in prompts:
        before = [vocabulary.START_OF_PREVIOUS, *prompt[-(most - 1):]] if prompt else []
        starts.append(before + [vocabulary.START])
    written, sums, silence, going = [[] for _ in prompts], [0.0] * len(prompts), [0.0] * len(prompts), set(range(len(prompts)))
    for _ in range(most):
        rows = sorted(going)
        if not rows:
            break
        lines = [starts[row] + written[row] for row in rows]
        tokens = torch.full((len(rows), max(map(len, lines))), END)
        for place, tokens_of in enumerate(lines):
            tokens[place, :len(tokens_of)] = torch.tensor(tokens_of)
        logits = model.decoder(tokens, audio[rows])[0]
        for place, row in enumerate(rows):
            at = len(lines[place]) - 1
            if not written[row]:
                silence[row] = float(logits[place, at].softmax(0)[vocabulary.NO_SPEECH])
            ruled = _ruled(logits[place, at], written[row])
            token = int(ruled.argmax())
            sums[row] += float(ruled.log_softmax(0)[token])
            if token == END:
                going.discard(row)
            else:
                written[row].append(token)
    return [(written[row], silence[row], sums[row] / (len(written[row]) + 1)) for row in range(len(prompts))]


def _advance(recording, tokens, silence, chance):
    """Takes the window's segments and moves the seek, as transcribe() does."""
    size = min(WINDOW, recording.content - recording.seek)
    begin = recording.seek * HOP / RATE
    recording.windows.append((silence, chance))
    if silence > NO_SPEECH_THRESHOLD and chance < LOGPROB_THRESHOLD:
        recording.seek += size
        return
    stamp = [token >= FIRST_TIMESTAMP for token in tokens]
    single_end = stamp[-2:] == [False, True]
    pairs = [i + 1 for i in range(len(tokens) - 1) if stamp[i] and stamp[i + 1]]
    found, step = [], size
    if pairs:
        cuts = pairs + [len(tokens)] if single_end else pairs
        for first, last in zip([0, *cuts], cuts):
            part = tokens[first:last]
            found.append(Segment(begin + (part[0] - FIRST_TIMESTAMP) * FRAME, begin + (part[-1] - FIRST_TIMESTAMP) * FRAME, part))
        if not single_end:
            step = (tokens[pairs[-1] - 1] - FIRST_TIMESTAMP) * 2
    else:
        stamps = [token for token in tokens if token >= FIRST_TIMESTAMP]
        ends = (stamps[-1] - FIRST_TIMESTAMP) * FRAME if stamps and stamps[-1] != FIRST_TIMESTAMP else size * HOP / RATE
        found.append(Segment(begin, begin + ends, tokens))
    recording.segments += [segment for segment in found if segment.text.strip() and segment.start != segment.end]
    recording.seek += max(step, 1)


@torch.no_grad()
def transcribe(model, recordings, at_once=24):
    """[[Segment]] and [[(no-speech probability, average log-probability)]] of each of the recordings (16 kHz samples)."""
    held = []
    for audio in recordings:
        padded = numpy.concatenate([numpy.asarray(audio, numpy.float32), numpy.zeros(30 * RATE, numpy.float32)])
        held.append(_Recording(features.normalise(features.log_power(padded))))
    while True:
        waiting = [recording for recording in held if recording.seek < recording.content][:at_once]
        if not waiting:
            break
        mel = torch.stack([recording.window() for recording in waiting])
        prompts = [[token for segment in recording.segments for token in segment.tokens] for recording in waiting]
        for recording, result in zip(waiting, _decode(model, mel, prompts)):
            _advance(recording, *result)
    return [recording.segments for recording in held], [recording.windows for recording in held]
