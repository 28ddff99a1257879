"""Tokenizers through the package, with vocabularies made here."""

import base64

import pytest

import sibyl


@pytest.fixture
def ranks(tmp_path):
    words = [bytes([i]) for i in range(256)] + [b"he", b"ll", b"hell"]
    path = tmp_path / "r.tiktoken"
    path.write_bytes(b"".join(base64.b64encode(w) + b" %d\n" % i for i, w in enumerate(words)))
    return path


def test_both_ways(ranks):
    t = sibyl.Tokenizer(ranks)
    assert (t.kind, t.n_vocab) == ("gpt2", 260)
    assert t.encode("hello") == [258, 111] and t.decode([258, 111]) == "hello"
    assert t.encode(b"\xff\xfe") == [255, 254] and t.decode_bytes((255, 254)) == b"\xff\xfe"
    assert t.encode("\udcff") == [255] and t.decode([255]) == "\ufffd"
    assert t.encode("<|endoftext|>", special=True) == [259] and len(t.encode("<|endoftext|>")) == 13
    assert t.decode([258, 259]) == "hell<|endoftext|>" and t.decode([258, 259], skip_special=True) == "hell"
    assert t.token(258) == b"hell" and t.token(260) is None and t.find("hell") == 258 and t.find(b"hel") is None
    assert t.is_special(259) and not t.is_special(258)


def test_whisper(ranks):
    t = sibyl.Tokenizer(ranks, n_vocab=259 + 1509 + 2)
    assert t.kind == "whisper" and t.find("<|zh|>") == 262 and t.find("<|de|>") is None
    languages = sibyl.whisper_languages()
    assert len(languages) == 100 and list(languages)[:2] == ["en", "zh"] and languages["yue"] == "cantonese"


def test_bytes():
    data = bytes(range(256))
    t = sibyl.Tokenizer(kind="bytes")
    assert t.encode(data) == list(data) and t.decode_bytes(list(data)) == data


def test_failures(ranks, tmp_path):
    with pytest.raises(ValueError, match="id 300"):
        sibyl.Tokenizer(ranks).decode([300])
    with pytest.raises(ValueError, match="not in the vocabulary"):
        sibyl.Tokenizer(ranks).decode([-1])
    with pytest.raises(TypeError):
        sibyl.Tokenizer(ranks).decode(["a"])
    with pytest.raises(FileNotFoundError):
        sibyl.Tokenizer(tmp_path / "nothing")
    with pytest.raises(sibyl.SibylError, match="runes"):
        sibyl.Tokenizer(ranks, kind="runes")
    with pytest.raises(ValueError, match="negative"):
        sibyl.Tokenizer(ranks, n_vocab=-1)
