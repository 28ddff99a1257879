"""Tokenizers against the packages whose files they read: the same ids and the same text of 10,000 strings of many scripts,
emoji, marks, control characters and broken UTF-8. Quick runs take 2,500, and those where $SIBYL_PEERS is not set 500."""

import base64
import json
import os
import random
import unicodedata

import pytest
from conftest import peer

import sibyl

N = 500 if not os.environ.get("SIBYL_PEERS") else 2500 if os.environ.get("SIBYL_QUICK") else 10000
WORDS = (
    "the of and a to in is you that it don't we'll I'M THEY'VE internationalization Straße naïve façade ÀÉÎÕÜ İstanbul "
    "Ångström ﬁne ｆｕｌｌ ² ½ Ⅷ Привет мир ёлка 你好 世界 漢字 こんにちは 안녕 하세요 مرحبا שלום ไทย नमस्ते ελληνικά "
    "հայերեն ქართული 123 45678 3.14 e\u0301 a\u0308\u0323 <s> <user> xyz"
).split()
ODD = ["😀", "👨\u200d👩\u200d👧\u200d👦", "🇩🇪", "👍🏽", "\u0301\u0323", "\ufeff", "\u200b", "\x01", "\x7f", "\x85", "\u2028", "'s", "'LL", "'ſ", "...", "!?", "--",
       "<|endoftext|>", "<mask>", '"', "\\", "▁", "\t", "\r\n", "\n\n", "   ", " ", "\u00a0", "\u3000"]  # fmt: skip


def character(r):
    while True:
        c = chr(r.choice((r.randrange(0x20, 0x7F), r.randrange(0xA0, 0x3000), r.randrange(0x3000, 0xD800), r.randrange(0xE000, 0x20000))))
        if unicodedata.ucd_3_2_0.category(c) != "Cn":  # `tokenizers` knows no categories of later characters
            return c


def string(r):
    parts = []
    for _ in range(r.randrange(1, 25)):
        kind = r.random()
        parts.append(character(r) if kind < 0.15 else r.choice(ODD) if kind < 0.3 else r.choice(["", " ", " "]) + r.choice(WORDS))
    return "".join(parts)


@pytest.fixture(scope="module")
def strings():
    r = random.Random(2024)
    return ["", " ", "  a", "a ", "<s>", " <s> <mask> x", "a<s>b <mask>c"] + [string(r) for _ in range(N)]


@pytest.fixture(scope="module")
def broken(strings):
    """Bytes with some of them taken out or changed."""
    r = random.Random(7)
    out = []
    for s in strings:
        data = bytearray(s.encode())
        for _ in range(r.randrange(1, 4)):
            if data:
                at = r.randrange(len(data))
                data[at : at + r.randrange(2)] = r.randbytes(r.randrange(2))
        out.append(bytes(data))
    return out


@pytest.fixture(scope="module")
def corpus():
    r = random.Random(99)
    return [string(r) for _ in range(1500)]


# ---- tiktoken ---------------------------------------------------------------------------------------------------------


def read_ranks(path):
    lines = path.read_bytes().splitlines()
    return {base64.b64decode(word): int(rank) for word, rank in (line.split() for line in lines if line)}


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


@pytest.mark.parametrize("name", ["gpt2", "multilingual"])
def test_tiktoken(name, data, strings, broken):
    tiktoken, regex = peer("tiktoken"), peer("regex")
    path = data / "whisper" / f"{name}.tiktoken"
    ranks = read_ranks(path)
    end = {"<|endoftext|>": len(ranks)}
    theirs = tiktoken.Encoding(name, pat_str=GPT2, mergeable_ranks=ranks, special_tokens=end)
    ours = sibyl.Tokenizer(path)
    for s in strings:
        ids = ours.encode(s)
        assert ids == theirs.encode_ordinary(s), ascii(s)
        assert ours.decode_bytes(ids) == s.encode()
        special = ours.encode(s, special=True)
        assert special == theirs.encode(s, allowed_special="all"), ascii(s)
        assert ours.decode_bytes(special) == theirs.decode_bytes(special)
    for b in broken:  # pieces end where they would with U+FFFD for each broken byte, and keep their bytes
        text = b.decode("utf-8", "surrogateescape")
        pieces = [p.encode("utf-8", "surrogateescape") for p in regex.findall(GPT2, text)]
        ids = ours.encode(b)
        assert ids == [id for p in pieces for id in theirs._encode_single_piece(p)], b
        assert ours.decode_bytes(ids) == b and theirs.decode_bytes(ids) == b


def test_every_character(data):
    """Letters, numbers and spaces are where tiktoken has them."""
    tiktoken = peer("tiktoken")
    path = data / "whisper" / "gpt2.tiktoken"
    theirs = tiktoken.Encoding("gpt2", pat_str=GPT2, mergeable_ranks=read_ranks(path), special_tokens={})
    characters = [chr(c) for c in range(1, 0x110000, 1 if N > 1000 else 17) if not 0xD800 <= c < 0xE000]
    text = "".join(f"a{c}1{c} {c}." for c in characters)
    assert sibyl.Tokenizer(path).encode(text) == theirs.encode_ordinary(text)


@pytest.mark.parametrize("name, n_vocab, languages", [("gpt2", 51864, 99), ("multilingual", 51865, 99), ("multilingual", 51866, 100)])
def test_openai_whisper(name, n_vocab, languages, data, strings):
    tokenizer = pytest.importorskip("whisper.tokenizer") if not os.environ.get("SIBYL_PEERS") else peer("whisper").tokenizer
    theirs = tokenizer.get_encoding(name, languages)
    ours = sibyl.Tokenizer(data / "whisper" / f"{name}.tiktoken", n_vocab=n_vocab)
    assert ours.kind == "whisper" and theirs.n_vocab == n_vocab
    for special in theirs.special_tokens_set:
        assert ours.find(special) == theirs.encode_single_token(special)
    assert list(sibyl.whisper_languages().items()) == list(tokenizer.LANGUAGES.items())
    for s in strings[:500]:
        assert ours.encode(s) == theirs.encode_ordinary(s)


# ---- tokenizers ---------------------------------------------------------------------------------------------------------

LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = ["<s>", "</s>", "<unk>"]
BYTES = [f"<0x{i:02X}>" for i in range(256)]


def byte_level(tk, corpus, *steps, normalizer=None):
    t = tk.Tokenizer(tk.models.BPE())
    t.pre_tokenizer = tk.pre_tokenizers.Sequence(list(steps)) if len(steps) > 1 else steps[0]
    t.decoder = tk.decoders.ByteLevel()
    if normalizer:
        t.normalizer = normalizer
    alphabet = tk.pre_tokenizers.ByteLevel.alphabet()
    t.train_from_iterator(corpus, tk.trainers.BpeTrainer(vocab_size=900, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False))
    return t


def gpt2(tk, corpus):
    return byte_level(tk, corpus, tk.pre_tokenizers.ByteLevel(add_prefix_space=False))


def gpt2_prefix(tk, corpus):
    return byte_level(tk, corpus, tk.pre_tokenizers.ByteLevel(add_prefix_space=True))


def llama3(tk, corpus):
    p = tk.pre_tokenizers
    t = byte_level(tk, corpus, p.Split(tk.Regex(LLAMA), "isolated"), p.ByteLevel(add_prefix_space=False, use_regex=False))
    document = json.loads(t.to_str())
    document["model"]["ignore_merges"] = True
    t = tk.Tokenizer.from_str(json.dumps(document))
    t.post_processor = tk.processors.Sequence([tk.processors.ByteLevel(), tk.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])])
    return t


def qwen2(tk, corpus):
    p = tk.pre_tokenizers
    pattern = tk.Regex(LLAMA.replace("{1,3}", ""))
    return byte_level(tk, corpus, p.Split(pattern, "removed", invert=True), p.ByteLevel(add_prefix_space=False, use_regex=False),
                      normalizer=tk.normalizers.NFC())  # fmt: skip


def other_regex(tk, corpus):
    p = tk.pre_tokenizers
    return byte_level(tk, corpus, p.Digits(individual_digits=True), p.Split(tk.Regex(r"[\p{P}\p{S}]+|\n+"), "merged_with_previous"),
                      p.Split(tk.Regex(r"(?=[A-Z])"), "isolated"), p.Split("l", "contiguous"), p.Split("a", "merged_with_next"),
                      p.ByteLevel(add_prefix_space=False))  # fmt: skip


def added(tk, corpus):
    t = byte_level(tk, corpus, tk.pre_tokenizers.ByteLevel(add_prefix_space=False), normalizer=tk.normalizers.Lowercase())
    t.add_special_tokens([tk.AddedToken("<mask>", lstrip=True, rstrip=True)])
    t.add_tokens([tk.AddedToken("THEY", normalized=True), tk.AddedToken("wor", single_word=True, normalized=False),
                  tk.AddedToken("世界", normalized=False), tk.AddedToken("in", single_word=True, normalized=False)])  # fmt: skip
    return t


def llama2(tk, corpus):
    t = tk.Tokenizer(tk.models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.normalizer = tk.normalizers.Sequence([tk.normalizers.Prepend("▁"), tk.normalizers.Replace(" ", "▁")])
    d = tk.decoders
    t.decoder = d.Sequence([d.Replace("▁", " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", 1, 0)])
    words = (" " + w for line in corpus for w in line.split(" ") if w)  # so that no token reaches across words
    t.train_from_iterator(words, tk.trainers.BpeTrainer(vocab_size=1000, special_tokens=["<unk>", "<s>", "</s>"] + BYTES, limit_alphabet=80, show_progress=False))
    t.post_processor = tk.processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return t


def across_words(tk, corpus):
    t = llama2(tk, [line.replace(" ", "") for line in corpus])
    t.train_from_iterator(corpus, tk.trainers.BpeTrainer(vocab_size=1000, special_tokens=["<unk>", "<s>", "</s>"] + BYTES, limit_alphabet=80, show_progress=False))
    return t


def metaspace(scheme, fuse):
    def make(tk, corpus):
        t = tk.Tokenizer(tk.models.BPE(unk_token="<unk>", fuse_unk=fuse))
        t.pre_tokenizer = tk.pre_tokenizers.Metaspace(prepend_scheme=scheme)
        t.decoder = tk.decoders.Metaspace(prepend_scheme=scheme)
        t.train_from_iterator(corpus, tk.trainers.BpeTrainer(vocab_size=700, special_tokens=SPECIAL, limit_alphabet=60, show_progress=False))
        return t

    make.__name__ = f"metaspace_{scheme}"
    return make


def marked(tk, corpus):
    t = tk.Tokenizer(tk.models.BPE(unk_token="<unk>", continuing_subword_prefix="##", end_of_word_suffix="</w>"))
    t.pre_tokenizer = tk.pre_tokenizers.Whitespace()
    t.decoder = tk.decoders.BPEDecoder("</w>")
    t.train_from_iterator(corpus, tk.trainers.BpeTrainer(vocab_size=700, special_tokens=SPECIAL, continuing_subword_prefix="##", end_of_word_suffix="</w>",
                                                         limit_alphabet=80, show_progress=False))  # fmt: skip
    return t


def unigram(tk, corpus, bytes=()):
    t = tk.Tokenizer(tk.models.Unigram())
    t.normalizer = tk.normalizers.NFKC()
    t.pre_tokenizer = tk.pre_tokenizers.Metaspace()
    t.decoder = tk.decoders.Sequence([tk.decoders.ByteFallback(), tk.decoders.Metaspace()]) if bytes else tk.decoders.Metaspace()
    corpus = [line.replace("<s>", "") for line in corpus]  # else it is learned as a second piece of that name
    t.train_from_iterator(corpus, tk.trainers.UnigramTrainer(vocab_size=2500, special_tokens=SPECIAL + list(bytes), unk_token="<unk>", show_progress=False))
    document = json.loads(t.to_str())
    document["model"]["byte_fallback"] = bool(bytes)
    return tk.Tokenizer.from_str(json.dumps(document))


def unigram_bytes(tk, corpus):
    return unigram(tk, corpus, BYTES)


def unigram_whole(tk, corpus):
    """Without a pre-tokenizer: a text is one word."""
    document = json.loads(unigram(tk, corpus).to_str())
    document["pre_tokenizer"] = None
    return tk.Tokenizer.from_str(json.dumps(document))


def charsmap(rules):
    """The map of characters that sentencepiece compiles of its rules."""
    import io

    sentencepiece = peer("sentencepiece")
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["a b c d e f g h"] * 3), model_writer=out, vocab_size=12, model_type="char",
                                             normalization_rule_name=rules, minloglevel=2, hard_vocab_limit=False)  # fmt: skip
    model = out.getvalue()

    def fields(data):  # protobuf: field numbers and their bytes
        at = 0

        def varint():
            nonlocal at
            value = shift = 0
            while True:
                value |= (data[at] & 0x7F) << shift
                shift += 7
                at += 1
                if data[at - 1] < 0x80:
                    return value

        while at < len(data):
            key = varint()
            if key & 7 == 2:
                size = varint()
                yield key >> 3, data[at : at + size]
                at += size
            elif key & 7 == 0:
                varint()
            else:
                at += 8 if key & 7 == 1 else 4

    normalizer = next(value for field, value in fields(model) if field == 3)
    return next(value for field, value in fields(normalizer) if field == 2)


def precompiled(rules):
    def make(tk, corpus):
        """Gives the bytes of the normalized text."""
        t = tk.Tokenizer(tk.models.BPE(vocab={b: i for i, b in enumerate(BYTES + ["<unk>"])}, merges=[], unk_token="<unk>", byte_fallback=True))
        t.normalizer = tk.normalizers.Precompiled(charsmap(rules))
        t.decoder = tk.decoders.Sequence([tk.decoders.ByteFallback(), tk.decoders.Fuse()])
        return t

    make.__name__ = f"precompiled_{rules}"
    return make


def xlm_roberta(tk, corpus):
    t = unigram(tk, corpus)
    n = tk.normalizers
    t.normalizer = n.Sequence([n.Precompiled(charsmap("nmt_nfkc")), n.Replace(tk.Regex(" {2,}"), " ")])
    return t


def bert(tk, corpus):
    t = tk.Tokenizer(tk.models.WordPiece(unk_token="[UNK]"))
    t.normalizer = tk.normalizers.BertNormalizer()
    t.pre_tokenizer = tk.pre_tokenizers.BertPreTokenizer()
    t.decoder = tk.decoders.WordPiece()
    t.train_from_iterator(corpus, tk.trainers.WordPieceTrainer(vocab_size=700, special_tokens=["[UNK]", "[CLS]", "[SEP]"], limit_alphabet=200, show_progress=False))
    t.post_processor = tk.processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return t


def bert_cased(tk, corpus):
    t = bert(tk, corpus)
    t.normalizer = tk.normalizers.BertNormalizer(lowercase=False, strip_accents=False, handle_chinese_chars=False)
    t.pre_tokenizer = tk.pre_tokenizers.Sequence([tk.pre_tokenizers.WhitespaceSplit(), tk.pre_tokenizers.Punctuation("merged_with_previous")])
    t.decoder = tk.decoders.WordPiece(cleanup=False)
    return t


def words(tk, corpus):
    n = tk.normalizers
    t = tk.Tokenizer(tk.models.WordLevel(unk_token="<unk>"))
    t.normalizer = n.Sequence([n.NFKD(), n.StripAccents(), n.Replace(tk.Regex(r"\s+"), " "), n.Lowercase(), n.Strip()])
    t.pre_tokenizer = tk.pre_tokenizers.CharDelimiterSplit(" ")
    t.train_from_iterator(corpus, tk.trainers.WordLevelTrainer(vocab_size=700, special_tokens=SPECIAL, show_progress=False))
    return t


MAKERS = [gpt2, gpt2_prefix, llama3, qwen2, other_regex, added, llama2, across_words, metaspace("always", True), metaspace("first", False),
          metaspace("never", False), marked, unigram, unigram_bytes, unigram_whole, precompiled("nmt_nfkc"), precompiled("nmt_nfkc_cf"), xlm_roberta,
          bert, bert_cased, words]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_tokenizers(make, strings, broken, corpus, tmp_path):
    tk = peer("tokenizers")
    theirs = make(tk, corpus)
    path = tmp_path / "tokenizer.json"
    theirs.save(str(path))
    ours = sibyl.Tokenizer(path)
    assert ours.kind == "tokenizer.json"
    for special in (True, False):
        theirs.encode_special_tokens = not special
        for s, theirs_of_s in zip(strings, theirs.encode_batch(strings, add_special_tokens=special)):
            ids = theirs_of_s.ids
            assert ours.encode(s, special=special) == ids, ascii(s)
            for skip in (True, False):
                assert ours.decode(ids, skip_special=skip) == theirs.decode(ids, skip_special_tokens=skip), ascii(s)
    for b in broken:  # which the original doesn't take: whatever they become, it ends
        ids = ours.encode(b)
        if make in (gpt2, llama3, other_regex):
            assert ours.decode_bytes(ids) == b


@pytest.mark.parametrize("make", [across_words, unigram_whole], ids=lambda make: make.__name__)
def test_tokenizers_long(make, corpus, tmp_path):
    theirs = make(peer("tokenizers"), corpus)
    path = tmp_path / "tokenizer.json"
    theirs.save(str(path))
    r = random.Random(32)
    text = "".join(string(r) for _ in range(20 * N)).replace("<s>", "")
    assert sibyl.Tokenizer(path).encode(text) == theirs.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("rules", ["nmt_nfkc", "nmt_nfkc_cf"])
def test_precompiled_every_character(rules, tmp_path):
    """Every character alone, and in clusters with marks, joiners and what may stand before."""
    theirs = precompiled(rules)(peer("tokenizers"), None)
    path = tmp_path / "tokenizer.json"
    theirs.save(str(path))
    ours = sibyl.Tokenizer(path)
    step = 1 if N > 1000 else 23
    known = [c for c in map(chr, range(1, 0x30000)) if not 0xD800 <= ord(c) < 0xE000 and unicodedata.ucd_3_2_0.category(c) != "Cn"]
    for form in ("{} ", "{}\u0301 ", "A{} ", "e{}\u0301 ", "\u1100{} ", "{}\u200d😀 "):
        for k in range(0, len(known), 500):
            text = "".join(form.format(c) for c in known[k : k + 500 : step])
            if ours.encode(text) != theirs.encode(text).ids:
                wrong = [c for c in known[k : k + 500 : step] if ours.encode(form.format(c)) != theirs.encode(form.format(c)).ids]
                raise AssertionError(f"{form!a}: {wrong[:20]!a}")


# ---- sentencepiece ------------------------------------------------------------------------------------------------------


def pieces(model, corpus, path, bytes=True, prefix=True, trim=False):
    """A model of sentencepiece, and its pieces as a file."""
    import io

    sentencepiece = peer("sentencepiece")
    out = io.BytesIO()
    lines = [line for text in corpus for line in text.splitlines() if line.strip()]
    user = ["<user>", "xyz"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=out, vocab_size=1000, model_type=model, byte_fallback=bytes, user_defined_symbols=user,
        normalization_rule_name="identity", add_dummy_prefix=prefix, remove_extra_whitespaces=trim, character_coverage=0.98,
        minloglevel=2, hard_vocab_limit=False)  # fmt: skip
    theirs = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    ids = range(theirs.get_piece_size())
    words = [theirs.id_to_piece(i) for i in ids]
    types = [2 if theirs.is_unknown(i) else 3 if theirs.is_control(i) else 6 if theirs.is_byte(i) else 4 if words[i] in user else 1 for i in ids]
    path.write_text(json.dumps({"kind": "pieces", "model": model, "pieces": words, "scores": [theirs.get_score(i) for i in ids], "types": types,
                                "add_space_prefix": prefix, "remove_extra_whitespaces": trim}))  # fmt: skip
    return theirs, sibyl.Tokenizer(path)


@pytest.mark.parametrize("bytes", [True, False])
@pytest.mark.parametrize("prefix, trim", [(True, False), (False, False), (True, True)])
@pytest.mark.parametrize("model", ["bpe", "unigram"])
def test_sentencepiece(model, prefix, trim, bytes, strings, corpus, tmp_path):
    theirs, ours = pieces(model, corpus, tmp_path / "pieces.json", bytes, prefix, trim)
    for s in strings:
        expected = theirs.encode(s)
        assert ours.encode(s) == expected, ascii(s)
        assert ours.decode(expected, skip_special=True) == theirs.decode(expected), ascii(s)


@pytest.mark.parametrize("bytes", [True, False])
@pytest.mark.parametrize("model", ["bpe", "unigram"])
def test_sentencepiece_long(model, bytes, corpus, tmp_path):
    """One text of some hundred thousand tokens, whose scores are summed from end to end."""
    theirs, ours = pieces(model, corpus, tmp_path / "pieces.json", bytes)
    r = random.Random(31)
    text = "".join(string(r) for _ in range(20 * N))
    assert ours.encode(text) == theirs.encode(text)


# ---- RWKV World, by its definition ----------------------------------------------------------------------------------------


def test_rwkv_world(strings, broken, corpus, tmp_path):
    tokens = {bytes([i]) for i in range(256)} | {b"\xff\xfe", b"it's \"q\"", b"\n\n", b"\\n"}
    for word in {w for line in corpus for w in line.split()}:
        tokens |= {word.encode()[:k] for k in range(2, 12)} | {b" " + word.encode()[:k] for k in range(1, 12)}
    ids, lines = {}, []
    for i, token in enumerate(sorted(tokens, key=lambda b: (len(b), b)), 1):
        ids[token] = i
        try:
            lines.append(f"{i} {token.decode()!r} {len(token)}\n")
        except UnicodeDecodeError:
            lines.append(f"{i} {token!r} {len(token)}\n")
    path = tmp_path / "vocabulary.txt"
    path.write_text("".join(lines), encoding="utf-8", newline="")
    ours = sibyl.Tokenizer(path)
    assert ours.kind == "rwkv-world"
    most = max(map(len, tokens))
    for b in [s.encode() for s in strings] + broken:
        expected, at = [], 0
        while at < len(b):
            size = next(k for k in range(min(most, len(b) - at), 0, -1) if b[at : at + k] in ids)
            expected.append(ids[b[at : at + size]])
            at += size
        assert ours.encode(b) == expected and ours.decode_bytes(expected) == b
