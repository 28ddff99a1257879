#!/usr/bin/env python3
"""MB/s of encoding on one core, beside tiktoken, tokenizers and sentencepiece in the same run.

    bench/tokenize_peers.py [--text FILE] [--ranks FILE.tiktoken]

Needs the package sibyl and those of tools/requirements-peers.txt. Without --text: 4 MB of words in ten scripts, the same in
each run, of which every third is new. The tokenizers but --ranks (multilingual.tiktoken of Whisper in $SIBYL_DATA) are
trained on a part of it.
"""
import argparse
import io
import json
import os
import random
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one core

import sentencepiece
import sibyl
import tiktoken
import tokenizers as tk

ALPHABETS = ["etaoinshrdlu", "etaoinshrdlcumwfgypb", "оеаинтсрвлкмдпу", "αοιετσνηυρπ", "éèàçùâê" "aeiourst", "的一是不了人我在有他", "ありがとうのはをに",
             "가나다라마바사아", "اليومنرتب", "नकरतमसहिा"]  # fmt: skip
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def words_of(size):
    r = random.Random(3)
    made, parts, n = [], [], 0
    while n < size:
        if not made or r.random() < 0.33:
            alphabet = r.choice(ALPHABETS[:2] * 4 + ALPHABETS)
            made.append("".join(r.choices(alphabet, k=r.randrange(1, 10))))
        word = r.choice((r.choice(made[:2000]), made[-1]))
        parts.append(word + r.choice([" "] * 12 + [", ", ". ", "\n", " 42 ", "'s "]))
        n += len(parts[-1].encode())
    return "".join(parts)


def best(run, text, seconds=2.0):
    """MB/s of the fastest of the runs that fit into some seconds, two at least."""
    times = []
    while len(times) < 2 or sum(times) < seconds:
        since = time.perf_counter()
        run(text)
        times.append(time.perf_counter() - since)
    return len(text.encode()) / min(times) / 1e6


def row(name, ours, theirs, peer, text):
    part = text[:20000]
    assert ours.encode(part) == theirs(part), name
    print(f"{name:34} sibyl {best(lambda t: ours.encode(t), text):7.1f} MB/s   {peer} {best(theirs, text):6.1f} MB/s")


def opened(document, suffix):
    with tempfile.NamedTemporaryFile("w", suffix=suffix, encoding="utf-8") as file:
        file.write(document)
        file.flush()
        return sibyl.Tokenizer(file.name)


def gpt2(text):
    t = tk.Tokenizer(tk.models.BPE())
    t.pre_tokenizer = tk.pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = tk.decoders.ByteLevel()
    alphabet = tk.pre_tokenizers.ByteLevel.alphabet()
    t.train_from_iterator(text, tk.trainers.BpeTrainer(vocab_size=8000, initial_alphabet=alphabet, show_progress=False))
    return t


def across_words(text):
    """Without a pre-tokenizer: a text is one word, and tokens reach across spaces."""
    t = tk.Tokenizer(tk.models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.normalizer = tk.normalizers.Sequence([tk.normalizers.Prepend("▁"), tk.normalizers.Replace(" ", "▁")])
    t.decoder = tk.decoders.Sequence([tk.decoders.Replace("▁", " "), tk.decoders.ByteFallback(), tk.decoders.Fuse(), tk.decoders.Strip(" ", 1, 0)])
    alphabet = ["<unk>"] + [f"<0x{i:02X}>" for i in range(256)]
    t.train_from_iterator(text, tk.trainers.BpeTrainer(vocab_size=8000, special_tokens=alphabet, show_progress=False))
    return t


def unigram(text):
    t = tk.Tokenizer(tk.models.Unigram())
    t.normalizer = tk.normalizers.NFKC()
    t.pre_tokenizer = tk.pre_tokenizers.Metaspace()
    t.decoder = tk.decoders.Metaspace()
    t.train_from_iterator(text, tk.trainers.UnigramTrainer(vocab_size=8000, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False))
    return t


def bert(text):
    t = tk.Tokenizer(tk.models.WordPiece(unk_token="[UNK]"))
    t.normalizer = tk.normalizers.BertNormalizer()
    t.pre_tokenizer = tk.pre_tokenizers.BertPreTokenizer()
    t.decoder = tk.decoders.WordPiece()
    t.train_from_iterator(text, tk.trainers.WordPieceTrainer(vocab_size=8000, special_tokens=["[UNK]"], show_progress=False))
    return t


def pieces(text, model):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(text), model_writer=out, vocab_size=8000, model_type=model, byte_fallback=True,
                                             normalization_rule_name="identity", remove_extra_whitespaces=False, minloglevel=2)  # fmt: skip
    p = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    ids = range(p.get_piece_size())
    types = [2 if p.is_unknown(i) else 3 if p.is_control(i) else 6 if p.is_byte(i) else 1 for i in ids]
    document = {"kind": "pieces", "model": model, "pieces": [p.id_to_piece(i) for i in ids], "scores": [p.get_score(i) for i in ids],
                "types": types, "add_space_prefix": True, "remove_extra_whitespaces": False}  # fmt: skip
    return p, opened(json.dumps(document), ".json")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--text", type=Path)
    parser.add_argument("--ranks", type=Path, default=Path(os.environ.get("SIBYL_DATA", "../shared/data")) / "whisper/multilingual.tiktoken")
    options = parser.parse_args()
    text = options.text.read_text(encoding="utf-8") if options.text else words_of(4_000_000)
    sample = text[: len(text) // 4].splitlines()
    if options.ranks.is_file():
        import base64

        lines = options.ranks.read_bytes().splitlines()
        ranks = {base64.b64decode(w): int(i) for w, i in map(bytes.split, lines)}
        theirs = tiktoken.Encoding("ranks", pat_str=GPT2, mergeable_ranks=ranks, special_tokens={})
        row(options.ranks.name, sibyl.Tokenizer(options.ranks), theirs.encode_ordinary, "tiktoken     ", text)
    for make in (gpt2, across_words, unigram, bert):
        theirs = make(sample)
        row(f"tokenizer.json, {make.__name__}", opened(theirs.to_str(), ".json"), lambda t: theirs.encode(t).ids, "tokenizers   ", text)
    for model in ("bpe", "unigram"):
        theirs, ours = pieces(sample, model)
        row(f"pieces, {model}", ours, theirs.encode, "sentencepiece", text)


main()
