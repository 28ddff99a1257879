#!/usr/bin/env python3
"""Transcription from the recording's file to text, beside openai-whisper, whisper.cpp and faster-whisper in the same run.

    bench/transcribe_peers.py [--whisper-cpp PATH/whisper-cli] [--models digits,tiny,base] [--threads 1,2] [--repeat 3]

Every figure is of a process of its own: the whole command with reading the model, what of it the recording took (real time
factor: seconds of work a second of sound), and the most memory it held. Rounds go through all programs in turns; the least of
the rounds is shown. Settings are the same for all: greedy, temperature 0 without fallback, no previous text.

`tiny` and `base` are random weights of those dimensions, which never end by themselves: 220 tokens for each window of 30 s,
no timestamps. `digits` is the checkpoint of this repository, by the whole procedure; texts are compared. Needs openai-whisper
to make the checkpoints. A peer that is missing is named and left out.
"""
import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RATE, TOKENS = 16000, 220  # whisper.cpp's number: half of n_text_ctx less 4
DIMS = {"tiny": (384, 6, 4), "base": (512, 8, 6), "small": (768, 12, 12)}  # width, heads, layers of encoder and decoder
DIGITS = ROOT / "assets" / "digits"


# ---- Made in processes of their own, so that this one stays small: a child begins with its parent's memory ----


def make_checkpoint(name, path):
    """Random weights in OpenAI's format. The end of text and all tokens behind it have embeddings of zeros, so they never come."""
    import torch
    import whisper

    torch.manual_seed(1)  # of biases, which the model draws by itself
    width, heads, layers = DIMS[name]
    model = whisper.model.Whisper(whisper.model.ModelDimensions(80, 1500, width, heads, layers, 51865, 448, width, heads, layers))
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if p.dim() > 1:
                p.copy_(torch.randn(p.shape, generator=random) * (0.3 if "embedding" in key else 1.5 / p[0].numel() ** 0.5))
        model.decoder.token_embedding.weight[50257:] = 0
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()}, path)


def ranks_of(name):
    import whisper

    return DIGITS / "digits.tiktoken" if name == "digits" else Path(whisper.__file__).parent / "assets" / "multilingual.tiktoken"


def tokens_of(ranks):
    import base64

    return [base64.b64decode(line.split()[0]) for line in Path(ranks).read_bytes().splitlines()]


def special_of_digits():
    """The special tokens of the model that ships, in their order."""
    names = "endoftext startoftranscript en translate transcribe startoflm startofprev nospeech notimestamps".split()
    return [f"<|{name}|>" for name in names + [f"{i * 0.02:.2f}" for i in range(1501)]]


def make_ggml(checkpoint, ranks, path, half):
    """whisper.cpp's file: numbers of the model, mel filters, tokens, then tensors with their dims innermost first."""
    import struct

    import numpy as np
    import torch
    import whisper

    c = torch.load(checkpoint, map_location="cpu", weights_only=True)
    d, words = c["dims"], tokens_of(ranks)
    names = ("n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer", "n_text_ctx", "n_text_state", "n_text_head",
             "n_text_layer", "n_mels")  # fmt: skip
    filters = whisper.audio.mel_filters("cpu", d["n_mels"]).numpy()  # [n_mels, 201]
    with open(path, "wb") as f:
        f.write(struct.pack("<12i", 0x67676D6C, *(d[n] for n in names), int(half)))
        f.write(struct.pack("<2i", *filters.shape) + filters.astype("<f4").tobytes())
        f.write(struct.pack("<i", len(words)) + b"".join(struct.pack("<i", len(w)) + w for w in words))
        for key, tensor in c["model_state_dict"].items():
            a = tensor.float().numpy()
            a = a.reshape(-1, 1) if key in ("encoder.conv1.bias", "encoder.conv2.bias") else a
            small = half and a.ndim > 1 and "positional_embedding" not in key and "bias" not in key
            f.write(struct.pack("<3i", a.ndim, len(key), int(small)) + struct.pack(f"<{a.ndim}i", *a.shape[::-1]))
            f.write(key.encode() + np.ascontiguousarray(a, "<f2" if small else "<f4").tobytes())


def make_ctranslate2(checkpoint, ranks, folder):
    """A model of CTranslate2 and, for faster-whisper, a tokenizer.json."""
    import ctranslate2
    import numpy as np
    import tokenizers as tk
    import torch
    from ctranslate2.specs import WhisperSpec

    c = torch.load(checkpoint, map_location="cpu", weights_only=True)
    d, w = c["dims"], {k: v.float().numpy() for k, v in c["model_state_dict"].items()}
    spec = WhisperSpec(d["n_audio_layer"], d["n_audio_head"], d["n_text_layer"], d["n_text_head"])

    def put(to, name):
        is_norm = hasattr(to, "gamma")
        setattr(to, "gamma" if is_norm else "weight", w[name + ".weight"])
        if is_norm or name + ".bias" in w:
            setattr(to, "beta" if is_norm else "bias", w[name + ".bias"])

    def attention(to, name, cross):
        put(to.layer_norm, name + "_ln")
        parts = [(w[f"{name}.{p}.weight"], w.get(f"{name}.{p}.bias", np.zeros(d["n_text_state"], "f4"))) for p in ("query", "key", "value")]
        for linear, group in zip(to.linear, ([parts[:1], parts[1:]] if cross else [parts])):
            linear.weight, linear.bias = (np.concatenate(x) for x in zip(*group))
        put(to.linear[-1], name + ".out")

    for side, to, blocks in (("encoder", spec.encoder, spec.encoder.layer), ("decoder", spec.decoder, spec.decoder.layer)):
        for i, layer in enumerate(blocks):
            attention(layer.self_attention, f"{side}.blocks.{i}.attn", False)
            if side == "decoder":
                attention(layer.attention, f"{side}.blocks.{i}.cross_attn", True)
            put(layer.ffn.layer_norm, f"{side}.blocks.{i}.mlp_ln")
            put(layer.ffn.linear_0, f"{side}.blocks.{i}.mlp.0")
            put(layer.ffn.linear_1, f"{side}.blocks.{i}.mlp.2")
        put(to.layer_norm, "encoder.ln_post" if side == "encoder" else "decoder.ln")
        to.position_encodings.encodings = w[f"{side}.positional_embedding"]
    put(spec.encoder.conv1, "encoder.conv1")
    put(spec.encoder.conv2, "encoder.conv2")
    spec.decoder.embeddings.weight = spec.decoder.projection.weight = w["decoder.token_embedding.weight"]

    import whisper

    tokenizer = whisper.tokenizer.get_tokenizer(True, num_languages=99)
    alphabet = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in alphabet]
    shown = {b: chr(b) for b in alphabet} | {b: chr(256 + i) for i, b in enumerate(others)}
    words = ["".join(shown[b] for b in word) for word in tokens_of(ranks)]
    special = [name for name, _ in sorted(tokenizer.special_tokens.items(), key=lambda item: item[1])]
    special = special if d["n_vocab"] > len(words) + len(special) - 10 else special_of_digits()
    ids = {word: i for i, word in enumerate(words)}
    splits = (sorted((ids[w[:k]], ids[w[k:]], w[:k], w[k:]) for k in range(1, len(w)) if w[:k] in ids and w[k:] in ids) for w in words)
    model = tk.Tokenizer(tk.models.BPE(ids, [pair[2:] for pairs in splits for pair in pairs]))
    model.pre_tokenizer, model.decoder = tk.pre_tokenizers.ByteLevel(add_prefix_space=False), tk.decoders.ByteLevel()
    model.add_special_tokens([tk.AddedToken(name, special=True) for name in special])
    spec.register_vocabulary((words + special)[: d["n_vocab"]])
    spec.config.suppress_ids, spec.config.suppress_ids_begin, spec.config.alignment_heads = [], [], []
    spec.validate()
    spec.optimize()
    os.makedirs(folder, exist_ok=True)
    spec.save(str(folder))
    model.save(str(Path(folder) / "tokenizer.json"))
    assert ctranslate2.contains_model(str(folder))


def hear_openai(checkpoint, recording, threads, name):
    import torch
    import whisper

    torch.set_num_threads(threads)
    options = {"language": "en", "temperature": 0.0, "condition_on_previous_text": False}
    if name == "digits":
        import tiktoken

        words = tokens_of(ranks_of(name))
        special = special_of_digits()
        encoding = tiktoken.Encoding("digits", pat_str=r" ?\S+|\s+", mergeable_ranks={w: i for i, w in enumerate(words)},
                                     special_tokens={w: len(words) + i for i, w in enumerate(special)})  # fmt: skip
        whisper.tokenizer.get_encoding = lambda *_, **__: encoding
    else:
        options |= {"without_timestamps": True, "sample_len": TOKENS, "no_speech_threshold": None, "suppress_tokens": ""}
    model = whisper.load_model(str(checkpoint))
    since = time.perf_counter()
    result = model.transcribe(str(recording), fp16=False, **options)
    print(json.dumps({"seconds": time.perf_counter() - since, "text": result["text"],
                      "tokens": sum(len(s["tokens"]) for s in result["segments"])}))  # fmt: skip


def hear_faster(folder, recording, threads, compute):
    """CTranslate2 decodes half of the length that it is given, with the 4 tokens of the prompt."""
    import faster_whisper

    model = faster_whisper.WhisperModel(str(folder), device="cpu", cpu_threads=threads, compute_type=compute)
    since = time.perf_counter()
    segments, _ = model.transcribe(str(recording), language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False,
                                   without_timestamps=True, max_new_tokens=2 * TOKENS - 4, no_speech_threshold=None, suppress_tokens=[],
                                   log_prob_threshold=None, compression_ratio_threshold=None)  # fmt: skip
    segments = list(segments)
    print(json.dumps({"seconds": time.perf_counter() - since, "text": "".join(s.text for s in segments),
                      "tokens": sum(len(s.tokens) for s in segments)}))  # fmt: skip


CHILDREN = {f.__name__: f for f in (make_checkpoint, make_ggml, make_ctranslate2, hear_openai, hear_faster)}


# ---- The programs ----


def child(function, *arguments, python=sys.executable):
    return [python, str(Path(__file__).resolve()), "--child", json.dumps([function, [str(a) if isinstance(a, Path) else a for a in arguments]])]


def run(command, cores):
    """(seconds of the whole command, most MB resident, standard output, standard error)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        since = time.perf_counter()
        p = subprocess.Popen([str(c) for c in command], stdout=out, stderr=err, env=dict(os.environ, OMP_NUM_THREADS=str(cores)),
                             preexec_fn=lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:]))  # fmt: skip
        _, status, usage = os.wait4(p.pid, 0)
        took = time.perf_counter() - since
        p.returncode = os.waitstatus_to_exitcode(status)
        texts = [(f.seek(0), f.read().decode(errors="replace"))[1] for f in (out, err)]
    if p.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {p.returncode}\n{texts[1]}")
    return took, usage.ru_maxrss / 1024, *texts


def by_sibyl(program, model, recording, threads, name):
    command = [program, "transcribe", recording, "--model", model, "--threads", threads, "--beam", 1, "--language", "en", "--format", "json"]
    command += ["-i", "temperature=0", "-i", "condition_on_previous_text=false"]
    if name != "digits":
        command += ["-i", "without_timestamps=true", "-i", f"sample_len={TOKENS}", "-i", "no_speech_threshold=nan", "-i", "suppress_tokens="]

    def read(out, err):
        result = json.loads(out)
        return float(re.search(r"transcribed in ([\d.]+) s", err)[1]), result["text"], sum(len(s["tokens"]) for s in result["segments"])

    return command, read


def by_python(function, *arguments, python=sys.executable):
    def read(out, _):
        last = json.loads(out.splitlines()[-1])
        return last["seconds"], last["text"], last["tokens"]

    return child(function, *arguments, python=python), read


def by_whisper_cpp(program, model, recording, threads):
    """Its work begins when the model is read: all of its time less that of loading."""
    command = [program, "-m", model, "-f", recording, "-t", threads, "-l", "en", "-bs", 1, "-bo", 1, "-tp", 0, "-nf", "-nt", "-mc", 0, "-nth", 1]

    def read(out, err):
        times = {k: float(re.search(rf"{k} time\s*=\s*([\d.]+) ms", err)[1]) for k in ("load", "total")}
        windows, steps = (int(re.search(rf"{k} time\s*=.*?/\s*(\d+) runs", err)[1]) for k in ("encode", "decode"))
        return (times["total"] - times["load"]) / 1000, out, windows + steps  # a window's first comes of its prompt

    return command, read


def missing(python, *modules):
    """The first of the modules that an interpreter does not have, or None."""
    test = "import importlib.util as u, sys; print(next((m for m in sys.argv[1:] if not u.find_spec(m)), ''))"
    return subprocess.run([python, "-c", test, *modules], check=True, capture_output=True, text=True).stdout.strip() or None


def make_recording(path, seconds):
    """Noise whose level changes ten times a second, the same in each run."""
    import array
    import random
    import wave

    r, samples = random.Random(2), array.array("h")
    for _ in range(int(seconds * 10)):
        level = r.uniform(0, 3000)
        samples.extend(int(r.gauss(0, 1) * level) for _ in range(RATE // 10))
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(RATE)
        f.writeframes(samples.tobytes())


def programs(o, name, folder):
    """Rows of (title, function of the recording and the threads that gives command and reader)."""
    checkpoint, rows = (DIGITS / "digits.pt" if name == "digits" else folder / f"{name}.pt"), []
    ranks = Path(subprocess.run(child("print_ranks", name), check=True, capture_output=True, text=True).stdout.strip())
    if name != "digits":
        subprocess.run(child("make_checkpoint", name, checkpoint), check=True)
    for dtype in ("f32",) if name == "digits" else ("f32", "f16", "int8"):
        model = folder / f"{name}-{dtype}.onnx"
        subprocess.run([o.sibyl, "import", checkpoint, "-o", model, "--dtype", dtype, "--tokenizer", ranks], check=True, capture_output=True)
        rows.append((f"sibyl, {dtype}", lambda recording, threads, model=model: by_sibyl(o.sibyl, model, recording, threads, name)))
    rows.append(("openai-whisper, f32", lambda recording, threads: by_python("hear_openai", checkpoint, recording, threads, name)))
    if name == "digits":
        print("whisper.cpp, faster-whisper: left out, they know OpenAI's vocabularies alone")
        return rows
    if not o.whisper_cpp:
        print("whisper.cpp: left out, --whisper-cpp names no program")
    for half in (False, True) if o.whisper_cpp else ():
        model = folder / f"{name}-{'f16' if half else 'f32'}.bin"
        subprocess.run(child("make_ggml", checkpoint, ranks, model, half), check=True)
        title = f"whisper.cpp, {'f16' if half else 'f32'}"
        rows.append((title, lambda recording, threads, model=model: by_whisper_cpp(o.whisper_cpp, model, recording, threads)))
    lacks = missing(o.faster_python, "faster_whisper", "torch", "whisper")
    if lacks:
        print(f"faster-whisper: left out for want of the package {lacks}")
    else:
        model = folder / f"{name}-ct2"
        subprocess.run(child("make_ctranslate2", checkpoint, ranks, model, python=o.faster_python), check=True)
        for compute in ("float32", "int8"):
            rows.append((f"faster-whisper, {compute}", lambda recording, threads, compute=compute:
                         by_python("hear_faster", model, recording, threads, compute, python=o.faster_python)))  # fmt: skip
    return rows


def measure(rows, recording, threads, repeat, seconds, same_text):
    best, texts = {}, {}  # texts without what stands between words
    for _ in range(repeat):
        for title, make in rows:
            command, read = make(recording, threads)
            took, resident, out, err = run(command, threads)
            own, text, tokens = read(out, err)
            texts[title] = "".join(text.split())
            old = best.get(title, (took, own, resident, tokens))
            best[title] = (min(took, old[0]), min(own, old[1]), max(resident, old[2]), tokens)
    assert not same_text or len(set(texts.values())) == 1, texts
    exact = texts["openai-whisper, f32"]
    for title, (took, own, resident, tokens) in best.items():
        same = len(os.path.commonprefix((texts[title], exact))) / max(1, len(exact))
        print(f"  {title:24} {took:7.2f} s whole, {own:7.2f} s the recording, real time factor {own / seconds:.4f}, "
              f"{resident:6.0f} MB, {tokens} tokens, openai-whisper's text for {100 * same:.0f} %", flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--sibyl", type=Path, default=ROOT / "build" / "release" / "cli" / "sibyl")
    parser.add_argument("--whisper-cpp", type=Path, default=os.environ.get("WHISPER_CPP"), help="its whisper-cli")
    parser.add_argument("--faster-python", default=sys.executable, help="an interpreter with faster-whisper")
    parser.add_argument("--models", default="digits,tiny,base")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=120.0, help="of the recording that random weights hear")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where models are put and kept")
    o = parser.parse_args()
    if o.child:
        name, arguments = json.loads(o.child)
        return print(ranks_of(*arguments)) if name == "print_ranks" else CHILDREN[name](*arguments)
    if importlib.util.find_spec("whisper") is None:
        sys.exit("openai-whisper is missing, which makes the checkpoints")
    with tempfile.TemporaryDirectory() as made:
        folder = o.folder or Path(made)
        folder.mkdir(exist_ok=True)
        noise = folder / "noise.wav"
        make_recording(noise, o.seconds)
        for name in o.models.split(","):
            rows = programs(o, name, folder)
            recording, seconds = (DIGITS / "sample.flac", 8.2) if name == "digits" else (noise, o.seconds)
            for threads in map(int, o.threads.split(",")):
                print(f"{name}, {seconds:.1f} s, {threads} thread{'s' * (threads > 1)}")
                measure(rows, recording, threads, o.repeat, seconds, name == "digits")


if __name__ == "__main__":
    main()
