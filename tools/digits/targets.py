"""What the decoder is to write for a window, in OpenAI's form, and where in the audio each token is heard."""
import dataclasses

import torch

from . import vocabulary
from .model import Dimensions
from .vocabulary import FRAME

IGNORED = -100
CONTEXT = Dimensions.n_text_ctx  # tokens that the decoder reads, half of them text of before
MARGIN = 0.02  # seconds that a segment begins before its first sound and ends after its last


@dataclasses.dataclass
class Target:
    tokens: list  # what the decoder reads
    wanted: list  # what it is to write after each, or IGNORED
    spans: list  # (first, last) frame of the encoder where that is heard, or None


def _events(segments, seconds, at):
    """The window's tokens after the start: [(token, span)], spans in seconds of the audio at hand; `at`: where that begins."""
    def mark(time, side):
        return vocabulary.timestamp(at + time + side), (time - 0.04, time + 0.04)

    events = []
    for segment in segments:
        whole = [word for word in segment if word[2] <= seconds + 0.02]
        if len(whole) < len(segment) and events:  # cut by the window's end: only its start is told
            events.append(mark(segment[0][1], -MARGIN))
            break
        events.append(mark(segment[0][1], -MARGIN))
        events += [(vocabulary.DIGIT[digit], (start, end)) for digit, start, end in whole]
        if len(whole) < len(segment):
            if whole:  # the only one: what is whole is told, and where the cut word begins
                events += [mark(whole[-1][2], 0), mark(segment[len(whole)][1], 0)]
            break
        events.append(mark(segment[-1][2], MARGIN))
    return events


def _prompt(rng, longest):
    """Text of before, as Whisper's procedure puts it in front: words, mostly with their timestamps."""
    stamps, brief, tokens, time = rng.random() < 0.6, rng.random() < 0.5, [], 0.0
    while len(tokens) < longest:
        spoken = [vocabulary.DIGIT[digit] for digit in rng.integers(0, 10, rng.integers(1, 9))]
        start, time = time, time + 0.5 * len(spoken)
        tokens += [vocabulary.timestamp(start), *spoken, vocabulary.timestamp(time)] if stamps else spoken
        time = (time + rng.uniform(1, 4)) % 29
        if brief and rng.random() < 0.3:
            break
    return [vocabulary.START_OF_PREVIOUS] + tokens[-longest:]


def target(rng, segments, seconds, offset, frames, prompted=False):
    """The Target of a window whose audio stands `offset` frames after its beginning; `prompted`: mostly with text of before."""
    at = offset * FRAME
    events = _events(segments, seconds, at)
    longest = min(CONTEXT // 2 - 1, CONTEXT - 2 - len(events))
    prompt = _prompt(rng, longest if rng.random() < 0.4 else rng.integers(1, longest + 1)) if prompted and rng.random() < 0.8 else []
    tokens, wanted, spans = prompt + [vocabulary.START], [IGNORED] * len(prompt), [None] * len(prompt)

    def span(times):
        first = min(max(int(times[0] / FRAME), 0), frames - 1)
        return first, min(max(int(times[1] / FRAME + 0.999), first + 1), frames)

    if not events:
        # Where the procedure insists on a timestamp, nothing follows it.
        if rng.random() < 0.5:
            tokens += [vocabulary.timestamp(rng.choice([0, rng.uniform(0, 1)]))]
        elif rng.random() < 0.4:
            tokens += [vocabulary.NO_TIMESTAMPS]
        else:
            tokens += [vocabulary.NO_SPEECH]
        return Target(tokens, wanted + [vocabulary.NO_SPEECH, vocabulary.END], spans + [None, None])
    if rng.random() < 0.25:
        words = [event for event in events if event[0] < vocabulary.END]
        heard = [token for token, _ in words]
        last = span((words[-1][1][1] - 0.02, words[-1][1][1] + 0.1)) if words else None
        return Target(tokens + [vocabulary.NO_TIMESTAMPS] + heard, wanted + [IGNORED] + heard + [vocabulary.END],
                      spans + [None] + [span(times) for _, times in words] + [last])
    # The procedure allows a first timestamp of 1 s at most: it stands for any later one.
    if events[0][0] > vocabulary.timestamp(1) and rng.random() < 0.35:
        events[0] = (vocabulary.timestamp(1), events[0][1])
    heard = [token for token, _ in events]
    return Target(tokens + heard, wanted + heard + [vocabulary.END],
                  spans + [span(times) for _, times in events] + [None])


def batch(made, frames):
    """(tokens, wanted int64 [batch, length], spread float [batch, length, frames]: even over each span, or zero)"""
    length = max(len(one.tokens) for one in made)
    tokens = torch.full((len(made), length), vocabulary.END)
    wanted = torch.full((len(made), length), IGNORED)
    spread = torch.zeros(len(made), length, frames)
    for row, one in enumerate(made):
        tokens[row, :len(one.tokens)] = torch.tensor(one.tokens)
        wanted[row, :len(one.wanted)] = torch.tensor(one.wanted)
        for place, span in enumerate(one.spans):
            if span:
                spread[row, place, span[0]:span[1]] = 1 / (span[1] - span[0])
    return tokens, wanted, spread


def frame_labels(segments, frames):
    """int64 [frames]: the digit heard in each frame, 10 where none is."""
    labels = torch.full((frames,), 10)
    for segment in segments:
        for digit, start, end in segment:
            labels[int(start / FRAME):int(end / FRAME) + 1] = digit
    return labels
