"""Files of SentencePiece as tokenizers: the ids and texts of the package itself, and of imported models those that
transformers' classes of tokenizers make of its pieces."""

import io
import json
import random

import pytest
from conftest import peer
from test_text_peers import N, string

import sibyl

TEXTS = ["", " ", "  a", "a ", "<s>", " x  y<user> z ", "\u3000a\u3000"] + [string(random.Random(k)) for k in range(N // 4)]
PLAIN = ["the and in you", "Hello you don't 12", "世界 Привет of xyz", "a to the is"]


def train(model, **options):
    out = io.BytesIO()
    lines = [line for k in range(1000, 1700) for line in string(random.Random(k)).splitlines() if line.strip()]
    given = {"vocab_size": 700, "character_coverage": 0.98, "normalization_rule_name": "nmt_nfkc"} | options
    peer("sentencepiece").SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, model_type=model, minloglevel=2,
                                                     hard_vocab_limit=False, **given)  # fmt: skip
    return out.getvalue()


# ---- The files themselves --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["unigram", "bpe", "char"])
@pytest.mark.parametrize("rules, options, more", [
    ("nmt_nfkc", {}, b""), ("nmt_nfkc_cf", {"byte_fallback": True}, b""), ("nfkc", {"add_dummy_prefix": False}, b""),
    ("identity", {"remove_extra_whitespaces": False, "byte_fallback": True}, b""), ("nfkc_cf", {"split_by_whitespace": False, "unk_surface": "?"}, b""),
    ("nmt_nfkc", {"remove_extra_whitespaces": False}, b"\x1a\x02\x28\x00")])  # fmt: skip
def test_files(model, rules, options, more, tmp_path):
    """more: a second normalizer_spec, which protobuf merges with the first: escape_whitespaces is false."""
    file = train(model, normalization_rule_name=rules, user_defined_symbols=["<user>", "xyz", "a b", "Ⅷ"], control_symbols=["<c>"], **options) + more
    theirs = peer("sentencepiece").SentencePieceProcessor(model_proto=file)
    (tmp_path / "a.model").write_bytes(file)
    ours = sibyl.Tokenizer(tmp_path / "a.model")
    assert ours.kind == "sentencepiece"
    for text in TEXTS:
        ids = theirs.encode(text)
        assert ours.encode(text) == ids, ascii(text)
        assert ours.decode(ids, skip_special=True) == theirs.decode(ids), ascii(text)


@pytest.mark.parametrize("model, options, more, said", [
    ("char", {}, b"\x0a\x04\x0a\x02ab", "model of characters"), ("word", {}, b"", "model of words"), ("bpe", {"treat_whitespace_as_suffix": True}, b"", "spaces behind words"),
    ("bpe", {}, b"\x2a\x03\x12\x01a", "map of characters for decoded text"), ("bpe", {}, b"\x0a\x02\x0a\x00", "piece [0-9]+ has no text"),
    ("bpe", {}, b"\x0a\x05\x0a\x01q\x18\x07", "unknown type"), ("bpe", {}, b"\x1a\x03\x12\x01a", "size of the map's trie"),
    ("bpe", {}, b"\x0a\x09", "cut short")])  # fmt: skip
def test_files_refused(model, options, more, said, tmp_path):
    (tmp_path / "a.model").write_bytes(train(model, **options) + more)
    with pytest.raises(sibyl.SibylError, match=said):
        sibyl.Tokenizer(tmp_path / "a.model")


# ---- Imported models -------------------------------------------------------------------------------------------------------

LANGUAGES = ["af_ZA", "fr_XX", "fra_Latn", "__fr__"]
FAIRSEQ = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
BERT = {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "control_symbols": "[CLS],[SEP],[MASK]"}
# class: its file, the algorithm, its options, tokenizer_config.json, tokens before and behind a text, and what follows the pieces
CLASSES = {
    "T5Tokenizer": ("spiece.model", "unigram", {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}, {}, [], ["</s>"], [f"<extra_id_{i}>" for i in range(99, -1, -1)]),
    "LlamaTokenizer": ("tokenizer.model", "bpe", {"byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False}, {}, ["<s>"], [], []),
    "AlbertTokenizer": ("spiece.model", "unigram", BERT, {}, ["[CLS]"], ["[SEP]"], []),
    "DebertaV2Tokenizer": ("spm.model", "unigram", {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": "[PAD]", "bos_piece": "[CLS]",
                           "eos_piece": "[SEP]", "unk_piece": "[UNK]"}, {"unk_token": "[UNK]"}, ["[CLS]"], ["[SEP]"], ["[MASK]"]),
    "XLMRobertaTokenizerFast": ("sentencepiece.bpe.model", "unigram", {}, {}, ["<s>"], ["</s>"], ["<mask>"]),
    "MBartTokenizer": ("sentencepiece.bpe.model", "unigram", {}, {"src_lang": "fr_XX"}, [], ["</s>", "fr_XX"], [*LANGUAGES, "<mask>"]),
    "MBart50Tokenizer": ("sentencepiece.bpe.model", "unigram", {}, {"src_lang": "fr_XX"}, ["fr_XX"], ["</s>"], [*LANGUAGES, "<mask>"]),
    "NllbTokenizer": ("sentencepiece.bpe.model", "bpe", {}, {"src_lang": "fra_Latn"}, ["fra_Latn"], ["</s>"], [*LANGUAGES, "<mask>"]),
    "M2M100Tokenizer": ("sentencepiece.bpe.model", "bpe", {}, {"src_lang": "fr"}, ["__fr__"], ["</s>"], LANGUAGES),
    "SpeechT5Tokenizer": ("spm_char.model", "char", {"bos_id": 0, "pad_id": 1, "eos_id": 2, "unk_id": 3}, {}, [], ["</s>"], []),
    "MarianTokenizer": ("source.spm", "unigram", {}, {}, [], ["</s>"], []),
}  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny model, beside which tokenizers are put."""
    transformers = peer("transformers")
    folder = tmp_path_factory.mktemp("checkpoint")
    config = transformers.LlamaConfig(vocab_size=1700, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def make(name, folder, checkpoint):
    """Writes a folder; gives the package's model, the ids of its pieces by the class's rule, and all that has an id."""
    file, model, options, config, before, after, more = CLASSES[name]
    raw = train(model, **options)
    theirs = peer("sentencepiece").SentencePieceProcessor(model_proto=raw)
    words = [theirs.id_to_piece(i) for i in range(theirs.get_piece_size())]
    for path in checkpoint.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / file).write_bytes(raw)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name, "legacy": True} | config))
    if LANGUAGES[0] in more:
        (folder / "special_tokens_map.json").write_text(json.dumps({"additional_special_tokens": LANGUAGES}))
    if name in ("M2M100Tokenizer", "MarianTokenizer"):  # not all pieces, and others
        some = [w for k, w in enumerate(words[3:]) if k % 7]
        listed = ["<s>", "<pad>", "</s>", "<unk>", *some, "▁target"] if name == "M2M100Tokenizer" else ["</s>", "<unk>", *some, ">>fr<<", "▁target", "<pad>"]
        (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(listed)}))
        (folder / "target.spm").write_bytes(raw)
        ids = {w: i for i, w in enumerate(listed)}
    elif file == "sentencepiece.bpe.model":
        ids = FAIRSEQ | {w: i + 4 for i, w in enumerate(words[3:])}
    else:
        ids = {w: i for i, w in enumerate(words)}
    n = len(ids)
    return theirs, ids, ids | {w: n + i for i, w in enumerate(more)}


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name, checkpoint, tmp_path):
    theirs, ids, all_ids = make(name, tmp_path, checkpoint)
    _, _, _, config, before, after, more = CLASSES[name]
    unknown = all_ids[config.get("unk_token", "<unk>")]
    sibyl.import_model(tmp_path, tmp_path / "m.onnx")
    ours = sibyl.Tokenizer(tmp_path / "m.tokenizer.json")
    front, back = [all_ids[w] for w in before], [all_ids[w] for w in after]
    texts = PLAIN if name == "AlbertTokenizer" else [t for t in TEXTS if not any(w in t for w in ("<s>", "<mask>"))]
    for text in texts:
        expected = [ids.get(w, unknown) for w in theirs.encode(text.lower() if name == "AlbertTokenizer" else text, out_type=str)]
        assert ours.encode(text) == expected, ascii(text)
        assert ours.encode(text, special=True) == [*front, *expected, *back], ascii(text)
        known = [i for i in expected if i != unknown]
        spoken = [w for w in theirs.encode(text, out_type=str) if ids.get(w, unknown) != unknown]
        if name != "AlbertTokenizer":
            assert ours.decode(known, skip_special=True) == theirs.decode(spoken), ascii(text)
    for token in [*before, *after, *more[:3], *more[-1:]]:
        assert ours.find(token) == all_ids[token] and ours.encode(f"a{token}", special=True)[len(front) :].count(all_ids[token]) >= 1
    if name not in ("LlamaTokenizer", "NllbTokenizer", "MBartTokenizer", "MBart50Tokenizer", "M2M100Tokenizer"):
        # those have lists of languages of their own, or add no <s> unless they are asked
        said = getattr(peer("transformers"), name.removesuffix("Fast")).from_pretrained(tmp_path)
        assert [ours.encode(text, special=True) for text in PLAIN] == [said(text)["input_ids"] for text in PLAIN]
    if name == "MarianTokenizer":
        assert ours.encode(">>fr<<the and", special=True) == said(">>fr<<the and")["input_ids"]


def test_prefix(checkpoint, tmp_path):
    """Without "legacy" a space is prepended to the start of a text alone."""
    theirs, ids, all_ids = make("LlamaTokenizer", tmp_path, checkpoint)
    sibyl.import_model(tmp_path, tmp_path / "m.onnx")
    legacy = sibyl.Tokenizer(tmp_path / "m.tokenizer.json").encode("a</s>the", special=True)
    # the class is that of the model's type
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"add_bos_token": False, "add_eos_token": True}))
    sibyl.import_model(tmp_path, tmp_path / "m.onnx")
    new = sibyl.Tokenizer(tmp_path / "m.tokenizer.json").encode("a</s>the", special=True)
    later = theirs.encode("the", out_type=str)
    assert legacy == [1, *theirs.encode("a"), 2, *theirs.encode("the")] and later[0].startswith("▁")
    bare = peer("sentencepiece").SentencePieceProcessor(model_proto=(tmp_path / "tokenizer.model").read_bytes() + b"\x1a\x02\x18\x00")
    assert new == [*theirs.encode("a"), 2, *bare.encode("the"), 2]


def test_given_and_refused(checkpoint, tmp_path):
    make("XLMRobertaTokenizerFast", tmp_path, checkpoint)
    (tmp_path / "other.model").write_bytes((tmp_path / "sentencepiece.bpe.model").read_bytes())
    (tmp_path / "sentencepiece.bpe.model").write_bytes(b"\x0a\x09")
    with pytest.raises(sibyl.SibylError, match="goes beyond.*fetch tokenizer.json"):
        sibyl.import_model(tmp_path, tmp_path / "m.onnx")
    sibyl.import_model(tmp_path, tmp_path / "m.onnx", tokenizer=tmp_path / "other.model")
    assert sibyl.Tokenizer(tmp_path / "m.tokenizer.json").find("<mask>") > 0
    config = tmp_path / "tokenizer_config.json"
    for said, words in (({"tokenizer_class": "XLNetTokenizer"}, "XLNetTokenizer.*LlamaTokenizer"), ({"tokenizer_class": "NllbTokenizer"}, "eng_Latn"),
                        ({"tokenizer_class": "M2M100Tokenizer"}, "vocab.json"), ({"tokenizer_class": "T5Tokenizer", "extra_ids": -1}, "extra_ids"),
                        ({"added_tokens_decoder": {"x": 1}}, "added_tokens_decoder"), ({"added_tokens_decoder": {"5": {"content": "q"}}}, "another token")):  # fmt: skip
        config.write_text(json.dumps(said))
        with pytest.raises(sibyl.SibylError, match=words):
            sibyl.import_model(tmp_path, tmp_path / "m.onnx", tokenizer=tmp_path / "other.model")
