#!/usr/bin/env python3
"""Whisper's procedure beside openai-whisper's own, both with the same model that is a hash of what it is given.

    whisper_peer.py --program build/release/tests/job/whisper/whisper_script [--cases N] [--first SEED]

The model's features are no sound: the first band holds the frame's number, the second 1, so that it knows which window
it hears. Its logits and its attention are those of hashed_model.c. Sampling draws the same numbers. Prints a line for
each case that differs, and how often what was met.
"""
import argparse
import collections
import json
import math
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import whisper
import whisper.decoding
import whisper.model
import whisper.transcribe
from whisper.tokenizer import get_tokenizer

MULTILINGUAL, ENGLISH = 51865, 51864
M32 = 0xFFFFFFFF
# Numbers of segments; those from logits are sums in float32 there.
TOLERANCES = {"start": 1e-9, "end": 1e-9, "compression_ratio": 0, "avg_logprob": 1e-4, "no_speech_prob": 1e-4}


def mixed(x):
    x = np.uint32(x) if np.isscalar(x) else x
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x85EBCA6B)
    x = x ^ (x >> np.uint32(13))
    x = x * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def mixed_int(x):
    x ^= x >> 16
    x = x * 0x85EBCA6B & M32
    x ^= x >> 13
    x = x * 0xC2B2AE35 & M32
    return x ^ x >> 16


def fold(h, x):
    h = ((h ^ (x & M32)) * 0x9E3779B1) & M32
    return h ^ h >> 15


def draw(h, k):
    return mixed_int((h + (k + 1) * 0x9E3779B9) & M32)


def height(h, k, most):
    return np.float32(draw(h, k) % (most + 1)) / np.float32(1024)


JITTER = mixed(np.arange(65536, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(12345)) & np.uint32(0x7FFFFF)
JITTER = np.tile(JITTER.astype(np.float32) / np.float32(0x800000), 2)


class Hashed:
    """Logits and attention, as in hashed_model.c."""

    def __init__(self, script, n_vocab, tokenizer):
        self.script, self.n_vocab, self.tokenizer = script, n_vocab, tokenizer
        self.languages = tokenizer.translate - tokenizer.sot - 1 if n_vocab >= MULTILINGUAL else 0

    def window(self, seek, size):
        return fold(fold(fold(0x2545F491, self.script["seed"]), seek), size)

    def logits(self, tokens, seek, size):
        s, t = self.script, self.tokenizer
        window = h = self.window(seek, size)
        low = np.float32(s["low"]) / np.float32(1024)
        since_start = last = since_stamp = 0
        for token in tokens:
            h = fold(h, token)
            since_start += 1
            since_stamp += 1
            if token == t.sot:
                since_start = last = since_stamp = 0
            if token >= t.timestamp_begin:
                last, since_stamp = token - t.timestamp_begin, 0
        out = JITTER[h % 65536 : h % 65536 + self.n_vocab].copy()
        looping = draw(window, 0) % 100 < s["looping"]
        for k in range(6):
            token = s["palette"][0 if looping else draw(h, 10 + k) % len(s["palette"])]
            out[token] = low + height(h, 20 + k, s["sharp"]) + np.float32(6 if looping else 0)
        for k in range(3):
            to = last + (0 if k == 0 and since_stamp == 0 else draw(h, 30 + k) % 150)
            token = t.timestamp_begin + min(to, 1500)
            if token < self.n_vocab:
                out[token] = low + height(h, 40 + k, s["stamp"]) + np.float32(min(since_stamp, 16)) / np.float32(4)
        out[t.eot] = low + height(h, 50, s["end"]) * np.float32(min(since_start, 64)) / np.float32(16)
        if since_start == 0:
            out[t.no_speech] = low + height(h, 51, s["silence"])
            for k in range(3 if self.languages else 0):
                out[t.sot + 1 + draw(h, 60 + k) % self.languages] = low + height(h, 70 + k, s["sharp"])
        return out

    def attention(self, layer, n_heads, n, seek, size):
        window = self.window(seek, size)
        middle = np.cumsum([draw(window, 1000 + i) % (self.script["spread"] + 1) for i in range(n)])
        frames = np.arange(1500)
        off = np.minimum(np.abs(frames[None, :] - middle[:, None]), 1500).astype(np.float32)
        fall = off * np.float32(self.script["slope"]) / np.float32(64)
        out = np.empty((n_heads, n, 1500), np.float32)
        for head in range(n_heads):
            h = fold(fold(window, layer), head)
            k = np.arange(n * 1500, dtype=np.uint32).reshape(n, 1500) + np.uint32(1)
            noise = mixed(np.uint32(h) + k * np.uint32(0x9E3779B9)) & np.uint32(0xFFFF)
            out[head] = noise.astype(np.float32) / np.float32(65536) - fall
        return out


class Rows:
    """Logits (beams, positions, n_vocab), computed where they are looked at."""

    def __init__(self, model, tokens, audio):
        self.model, self.tokens, self.audio = model, tokens, audio

    def __getitem__(self, index):
        assert index[0] == slice(None)
        length = self.tokens.shape[1]
        end = index[1] % length + 1
        seek, size = (int(x) for x in self.audio[0, 0])
        return torch.from_numpy(np.stack([self.model.logits(row[:end], seek, size) for row in self.tokens.tolist()]))


class Inference(whisper.decoding.Inference):
    def __init__(self, model, initial_token_length):
        self.model = model

    def logits(self, tokens, audio_features):
        return Rows(self.model.hashed, tokens, audio_features)

    def rearrange_kv_cache(self, source_indices):
        pass


class Standstill(Exception):
    """Ten windows in a row lead no farther: often without end there, stepped over here."""


class Encoder(torch.nn.Module):
    def forward(self, mel):
        seek, size = mel[0, 0, 0], (mel[0, 1] == 1).sum()
        return torch.tensor([[[float(seek), float(size)]]])


class Model(whisper.model.Whisper):
    """Counts windows, which begin with the first of the temperatures."""

    def begin(self, temperature):
        self.first_temperature, self.farthest, self.standstill = temperature, -1, 0

    def decode(self, mel, options):
        if options.temperature == self.first_temperature:
            seek = int(mel[0, 0])
            self.standstill = 0 if seek > self.farthest else self.standstill + 1
            self.farthest = max(seek, self.farthest)
            if self.standstill >= 10:
                raise Standstill
        return super().decode(mel, options)


class Attention(torch.nn.Module):
    def __init__(self, layer, n_heads):
        super().__init__()
        self.layer, self.n_heads = layer, n_heads

    def forward(self, hashed, n, seek, size):
        return None, torch.from_numpy(hashed.attention(self.layer, self.n_heads, n, seek, size))[None]


class Block(torch.nn.Module):
    def __init__(self, layer, n_heads):
        super().__init__()
        self.cross_attn = Attention(layer, n_heads)


class Decoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.owner = [model]
        self.nothing = torch.nn.Parameter(torch.zeros(1))  # what the model takes its device from
        self.blocks = torch.nn.ModuleList(Block(i, model.dims.n_text_head) for i in range(model.dims.n_text_layer))

    def forward(self, tokens, audio):
        hashed = self.owner[0].hashed
        seek, size = (int(x) for x in audio[0, 0])
        for block in self.blocks:
            block.cross_attn(hashed, tokens.shape[1], seek, size)
        row = tokens[0].tolist()
        # in double: a float32 sum over a vocabulary, lane by lane, loses what is small beside the greatest
        logits = np.stack([hashed.logits(row[: i + 1], seek, size) for i in range(len(row))])
        return torch.from_numpy(logits)[None].double()


def make_model(n_vocab):
    dims = whisper.model.ModelDimensions(80, 1500, 4, 2, 1, n_vocab, 448, 4, 2, 2)
    model = Model(dims)
    model.encoder = Encoder()
    model.decoder = Decoder(model)
    model.default_heads = model.alignment_heads
    return model


class Sampler:
    """In the place of torch's Categorical: the numbers of whisper_draw()."""

    seed = steps = 0

    def __init__(self, logits):
        self.logits = logits.double().numpy()

    @staticmethod
    def mixed(x):
        mask = (1 << 64) - 1
        x &= mask
        x ^= x >> 30
        x = x * 0xBF58476D1CE4E5B9 & mask
        x ^= x >> 27
        x = x * 0x94D049BB133111EB & mask
        return x ^ x >> 31

    def sample(self):
        golden = 0x9E3779B97F4A7C15
        out = []
        for row, logits in enumerate(self.logits):
            x = self.mixed(Sampler.seed + golden)
            x = self.mixed(x + golden * (Sampler.steps + 1))
            x = self.mixed(x + golden * (row + 1))
            weights = np.cumsum(np.exp(logits - logits.max()))
            out.append(int(np.searchsorted(weights, (x >> 11) * 2.0**-53 * weights[-1], side="right")))
        Sampler.steps += 1
        return torch.tensor(out)


# ---- Cases ----------------------------------------------------------------------------------------------------


def make_case(seed, tokenizer, multilingual):
    """A script and options, by chance."""
    r = random.Random(seed)
    words = " the and hello world, one. two! three? four; yes no (well) \"quoted\" it's don't Mr. end..."
    words += " 語 の は。 ñ é ß 🎵 -dash [x]"
    palette = [t for t in tokenizer.encode(words) if t < tokenizer.eot]
    palette = r.sample(palette, r.choice([3, 8, 20, len(palette)]) if len(palette) >= 20 else len(palette))[:64]
    if r.random() < 0.2:  # bytes that are no characters
        palette = palette[:40] + [r.randrange(94, 256) for _ in range(10)]
    script = {
        "seed": seed,
        "low": r.choice([2, 8, 11]) * 1024,
        "sharp": r.choice([2, 6, 12]) * 1024,
        "end": r.choice([1, 3, 8]) * 1024,
        "stamp": r.choice([2, 6, 12]) * 1024,
        "silence": r.choice([1, 8, 24]) * 1024,
        "looping": r.choice([0, 0, 20, 60]),
        "spread": r.choice([10, 40, 120, 300]),
        "slope": r.choice([1, 2, 3]),
        "palette": palette,
    }
    o = {}
    if r.random() < 0.7:
        o["language"] = r.choice(["en", "de", "German", "ja", "zh", "mandarin", "th", "castilian"])
    if r.random() < 0.15:
        o["task"] = "translate"
    o["temperature"] = r.choice([[0], [0], [0, 0.4, 0.8], [0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.3], [0.7, 1.0]])
    if r.random() < 0.4:
        o["beam_size"] = r.choice([1, 2, 3, 5])
        if r.random() < 0.5:
            o["patience"] = r.choice([0.5, 1.0, 1.5, 2.0]) if o["beam_size"] > 1 else 1.0
    if r.random() < 0.4:
        o["best_of"] = r.choice([1, 2, 4])
    if r.random() < 0.3:
        o["length_penalty"] = r.choice([0.0, 0.5, 1.0])
    if r.random() < 0.4:
        o["sample_len"] = r.choice([3, 10, 30, 60])
    else:
        o["sample_len"] = r.choice([40, 90])
    if r.random() < 0.3:
        del o["sample_len"]
    for name, values in (
        ("compression_ratio_threshold", [None, 1.2, 2.4]),
        ("logprob_threshold", [None, -0.3, -1.0, -3.0]),
        ("no_speech_threshold", [None, 0.1, 0.6]),
    ):
        if r.random() < 0.5:
            o[name] = r.choice(values)
    if r.random() < 0.3:
        o["condition_on_previous_text"] = False
    if r.random() < 0.4:
        o["initial_prompt"] = r.choice(["Hello there.", "  a name: Sibyl  ", "one two three four five " * 60, ""])
        o["carry_initial_prompt"] = r.random() < 0.5
    if r.random() < 0.2:
        o["prefix"] = r.choice(["So", " and then the ", "one two three four five six seven eight nine"])
    if r.random() < 0.3:
        o["suppress_tokens"] = r.choice(["", "-1", "50", "-1,%d,%d" % (palette[0], palette[1]), "11, 13"])
    if r.random() < 0.2:
        o["suppress_blank"] = False
    if r.random() < 0.2:
        o["without_timestamps"] = True
        o["suppress_blank"] = True
    if r.random() < 0.3:
        o["max_initial_timestamp"] = r.choice([None, 0.5, 3.0, 30.0])
    if r.random() < 0.6:
        o["word_timestamps"] = True
        if r.random() < 0.6:
            o["hallucination_silence_threshold"] = r.choice([0.1, 0.5, 2.0, 8.0])
    frames = r.choice([0, 1, 7, 150, 2999, 3000, 3001, 6500, 9000])
    if r.random() < 0.25:
        end = frames / 100
        clips = [0.5], [0.2, 0.3 * end + 0.3], [0, 0.4 * end, 0.5 * end], [0.1 * end, 0.3 * end, 0.2 * end, end]
        o["clip_timestamps"] = [min(t, end) for t in r.choice(clips)]
    o["seed"] = seed * 7919 + 1
    heads = r.choice([None, None, [[0, 1]], [[0, 0], [1, 1]]])
    return {"script": script, "frames": frames, "heads": heads, "options": o}


def theirs(case, model, tokenizer, n_vocab):
    options = dict(case["options"])
    Sampler.seed, Sampler.steps = options.pop("seed"), 0
    options["temperature"] = tuple(options["temperature"])
    model.begin(options["temperature"][0])
    model.hashed = Hashed(case["script"], n_vocab, tokenizer)
    if case["heads"]:
        mask = torch.zeros(2, 2, dtype=torch.bool)
        for layer, head in case["heads"]:
            mask[layer, head] = True
        model.alignment_heads = mask.to_sparse()
    else:
        model.alignment_heads = model.default_heads
    frames = case["frames"] + 3000
    mel = torch.zeros(80, frames)
    mel[0] = torch.arange(frames)
    mel[1] = 1
    whisper.transcribe.__globals__["log_mel_spectrogram"] = lambda *a, **k: mel
    return whisper.transcribe(model, np.zeros(1, np.float32), fp16=False, **options)


def language_code(name):
    return whisper.tokenizer.TO_LANGUAGE_CODE.get(name.lower(), name.lower())


def differences(ours, expected):
    """What differs, in words; empty where all is the same."""

    def near(a, b, tolerance):
        a = math.nan if a is None else a
        return abs(a - b) <= tolerance * max(1, abs(b)) or (not math.isfinite(a) and not math.isfinite(b))

    if "error" in ours:
        return f"failed: {ours['error']}"
    if ours["text"] != expected["text"]:
        return f"text: {ours['text']!r}, not {expected['text']!r}"
    if ours["language"] != language_code(expected["language"]):
        return f"language: {ours['language']!r}, not {expected['language']!r}"
    if len(ours["segments"]) != len(expected["segments"]):
        return f"{len(ours['segments'])} segments, not {len(expected['segments'])}"
    for i, (a, b) in enumerate(zip(ours["segments"], expected["segments"])):
        for name in ("id", "seek", "tokens", "text", "temperature"):
            if a[name] != b[name]:
                return f"segment {i}: {name} {a[name]!r}, not {b[name]!r}"
        for name, tolerance in TOLERANCES.items():
            if not near(a[name], b[name], tolerance):
                return f"segment {i}: {name} {a[name]!r}, not {b[name]!r}"
        if ("words" in a) != ("words" in b):
            return f"segment {i}: words {a.get('words')}, not {b.get('words')}"
        ours_words, words = a.get("words", []), b.get("words", [])
        if len(ours_words) != len(words):
            return f"segment {i}: {len(ours_words)} words, not {len(words)}"
        for x, y in zip(ours_words, words):
            same = x["word"] == y["word"] and all(near(x[n], y[n], 1e-9) for n in ("start", "end"))
            if not (same and near(x["probability"], y["probability"], 1e-4)):
                return f"segment {i}: word {x}, not {y}"
    return ""


def compare(program, n_cases, first=1, show=print):
    """Runs n_cases cases on both; returns how many differ and what was met."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    np.seterr(over="ignore")
    whisper.decoding.PyTorchInference = Inference
    whisper.decoding.Categorical = Sampler
    assets = Path(whisper.__file__).parent / "assets"
    met, wrong = collections.Counter(), 0
    for n_vocab, ranks in ((MULTILINGUAL, "multilingual"), (ENGLISH, "gpt2")):
        multilingual = n_vocab >= MULTILINGUAL
        tokenizer = get_tokenizer(multilingual, num_languages=99, language="en", task="transcribe")
        model = make_model(n_vocab)
        seeds = [s for s in range(first, first + n_cases) if (s % 5 != 0) == multilingual]
        cases = [make_case(s, tokenizer, multilingual) for s in seeds]
        lines = "".join(json.dumps(c) + "\n" for c in cases)
        command = [program, str(assets / f"{ranks}.tiktoken"), str(n_vocab)]
        done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
        results = [json.loads(line) for line in done.stdout.splitlines()]
        for case, ours in zip(cases, results):
            seed = case["script"]["seed"]
            met["cases"] += 1
            try:
                expected = theirs(case, model, tokenizer, n_vocab)
            except Standstill:
                met["without end"] += 1
                if "error" in ours:
                    show(f"case {seed}: {ours['error']}")
                continue
            different = differences(ours, expected)
            met["segments"] += len(expected["segments"])
            met["emptied"] += sum(not s["tokens"] for s in expected["segments"])
            coldest = case["options"]["temperature"][0]
            met["fallbacks"] += sum(s["temperature"] != coldest for s in expected["segments"])
            met["words"] += sum(len(s.get("words", [])) for s in expected["segments"])
            met["beams"] += "beam_size" in case["options"]
            if different:
                wrong += 1
                show(f"case {seed}: {different}; options {case['options']}")
    return wrong, met


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--first", type=int, default=1)
    a = parser.parse_args()
    wrong, met = compare(a.program, a.cases, a.first)
    print(", ".join(f"{n} {name}" for name, n in met.items()))
    print(f"{wrong} of {met['cases']} cases differ")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
