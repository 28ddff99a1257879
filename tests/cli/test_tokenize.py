"""`sibyl tokenize` with vocabularies as small as can be."""

import base64
import json
import unittest

from command import Case, sibyl


class Tokenize(Case):
    def setUp(self):
        super().setUp()
        words = [bytes([i]) for i in range(256)] + [b"he", b"ll", b"hell", b" w"]
        self.write_ranks("r.tiktoken", words)

    def write_ranks(self, name, words):
        lines = [base64.b64encode(w) + b" %d\n" % i for i, w in enumerate(words)]
        (self.folder / name).write_bytes(b"".join(lines))

    def test_both_ways(self):
        text = self.done("tokenize", "--model", "r.tiktoken", "hello\n w")
        self.assertEqual([line.split(None, 1) for line in text.splitlines()],
                         [["258", "hell"], ["111", "o"], ["10", "\\n"], ["259", "w"]])  # fmt: skip
        ids = self.done("tokenize", "--model", "r.tiktoken", "--ids", "hello w")
        self.assertEqual(ids, "258 111 259\n")
        result = sibyl("tokenize", "--model", "r.tiktoken", "--decode", "-", stdin=ids.encode(), folder=self.folder)
        self.assertEqual(result.stdout, b"hello w")
        self.assertEqual(self.done("tokenize", "--model", "r.tiktoken", "--decode", "[258, 111]"), "hello")

    def test_any_bytes(self):
        data = bytes(range(256)) * 300
        for model in ("r.tiktoken", "bytes"):
            ids = sibyl("tokenize", "--model", model, "--ids", "-", stdin=data, folder=self.folder).stdout
            back = sibyl("tokenize", "--model", model, "--decode", "-", stdin=ids, folder=self.folder)
            self.assertEqual(back.stdout, data)

    def test_special(self):
        self.assertEqual(self.done("tokenize", "--model", "r.tiktoken", "--ids", "--special", "o<|endoftext|>"), "111 260\n")
        self.assertEqual(len(self.done("tokenize", "--model", "r.tiktoken", "--ids", "<|endoftext|>").split()), 13)
        self.assertEqual(self.done("tokenize", "--model", "r.tiktoken", "--decode", "111 260"), "o")
        self.assertEqual(self.done("tokenize", "--model", "r.tiktoken", "--decode", "--special", "260"), "<|endoftext|>")

    def test_what_it_is(self):
        self.assertEqual(self.done("tokenize", "--model", "r.tiktoken"),
                         "gpt2: ids below 261, 261 tokens, 1 of them special\n")
        found = json.loads(self.done("tokenize", "--model", "r.tiktoken", "--n-vocab", 260 + 1509 + 1, "--json"))
        self.assertEqual(found, {"kind": "whisper", "n_vocab": 1770, "tokens": 1770, "special": 1510})
        found = json.loads(self.done("tokenize", "--model", "r.tiktoken", "--json", "hell\\"))
        self.assertEqual(found, {"n": 2, "ids": [258, 92], "tokens": ["hell", "\\\\"]})

    def test_misuse(self):
        self.fails(2, "--model", "tokenize", "a")
        self.fails(2, "one text", "tokenize", "--model", "bytes", "a", "b")
        self.fails(2, "one argument", "tokenize", "--model", "bytes", "--decode")
        self.fails(1, "'x1' is not an id", "tokenize", "--model", "bytes", "--decode", "1 x1")
        self.fails(1, "id 300", "tokenize", "--model", "bytes", "--decode", "300")
        self.fails(1, "no file 'nothing'", "tokenize", "--model", "nothing", "a")
        self.fails(1, "'runes'", "tokenize", "--model", "r.tiktoken", "--kind", "runes", "a")
        (self.folder / "no.txt").write_text("no tokenizer")
        self.fails(1, "not a tokenizer of a known kind", "tokenize", "--model", "no.txt", "a")


if __name__ == "__main__":
    unittest.main()
