#!/usr/bin/env python3
"""What the decoder looks at in a recording, and alternatives to the tokens of a transcript."""
import base64
import json
import math
import unittest

from serving import RECORDING, Server, form

FILE = {"file": ("sample.flac", RECORDING.read_bytes())}


class Attention(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("digits"))
        status, _, text = cls.server.ask("POST", "/v1/audio/transcriptions", *form(
            {"model": "digits", "response_format": "verbose_json", "timestamp_granularities[]": "word"}, FILE))
        assert status == 200, text
        cls.words = json.loads(text)["words"]
        status, _, text = cls.server.ask("POST", "/v1/audio/transcriptions", *form(
            {"model": "digits", "response_format": "verbose_json", "timestamp_granularities[]": "segment"}, FILE))
        cls.segments = json.loads(text)["segments"]

    def ask(self, files=FILE, **fields):
        status, _, text = self.server.ask("POST", "/api/attention", *form({"model": "digits", **fields}, files))
        return status, json.loads(text)

    def window(self, **fields):
        """Of the first window."""
        first = [s for s in self.segments if s["seek"] == self.segments[0]["seek"]]
        tokens = [t for s in first for t in s["tokens"]]
        status, answer = self.ask(tokens=",".join(map(str, tokens)), start=str(first[0]["seek"] / 100), **fields)
        self.assertEqual(status, 200, answer)
        return answer, first

    def cells(self, answer):
        data = base64.b64decode(answer["cells"])
        n, positions = len(answer["tokens"]), answer["positions"]
        self.assertEqual(len(data), answer["heads"] * n * positions)
        return [[[(b / 255) ** 2 for b in data[(h * n + i) * positions:][:positions]] for i in range(n)] for h in range(answer["heads"])]

    def test_shares_of_the_audio(self):
        for layer in range(self.window()[0]["layers"]):
            answer, _ = self.window(layer=str(layer))
            self.assertEqual(answer["layer"], layer)
            for head in self.cells(answer):
                for row in head:
                    self.assertAlmostEqual(sum(row), 1, delta=0.1)  # bytes are rounded

    def test_tokens_are_as_likely_as_their_words(self):
        answer, segments = self.window()
        words = [w for w in self.words if w["end"] <= segments[-1]["end"] + 0.01]
        said = "".join(token["token"] for token in answer["tokens"])
        self.assertEqual(said.strip(), " ".join(w["word"].strip() for w in words))
        at = 0
        for word in words:
            probabilities, text = [], ""
            while text.strip() != word["word"].strip():
                text += answer["tokens"][at]["token"]
                probabilities.append(math.exp(answer["tokens"][at]["logprob"]))
                at += 1
            self.assertAlmostEqual(sum(probabilities) / len(probabilities), word["probability"], places=3)

    def test_alternatives(self):
        for token in self.window()[0]["tokens"]:
            logprobs = [one["logprob"] for one in token["top"]]
            self.assertEqual(len(logprobs), 5)
            self.assertEqual(logprobs, sorted(logprobs, reverse=True))
            same = [one for one in token["top"] if one["id"] == token["id"]]
            if same:
                self.assertAlmostEqual(same[0]["logprob"], token["logprob"], places=6)

    def test_attends_where_words_are(self):
        """Some head of the last layer looks at the time of each word."""
        last = self.window()[0]["layers"] - 1
        answer, segments = self.window(layer=str(last))
        heads, found = self.cells(answer), 0
        words = [w for w in self.words if w["end"] <= segments[-1]["end"] + 0.01]
        starts = [i for i, t in enumerate(answer["tokens"]) if t["token"].startswith(" ")] or list(range(len(words)))
        for i, word in zip(starts, words):
            at = [answer["start"] + answer["step"] * max(range(len(h[i])), key=h[i].__getitem__) for h in heads]
            found += any(word["start"] - 0.4 <= t <= word["end"] + 0.4 for t in at)
        self.assertGreaterEqual(found, 0.7 * len(words))

    def test_what_is_wrong_is_named(self):
        for part, fields in (("tokens must be", {}), ("tokens must be", {"tokens": ""}), ("tokens must be", {"tokens": "a"}),
                             ("out of range", {"tokens": "999999"}), ("start must be", {"tokens": "16", "start": "-1"}),
                             ("cannot begin at 9999", {"tokens": "16", "start": "9999"}), ("layer must be", {"tokens": "16", "layer": "x"}),
                             ("no layer 99", {"tokens": "16", "layer": "99"}), ("task must be", {"tokens": "16", "task": "sing"}),
                             ("'klingon'", {"tokens": "16", "language": "klingon"}), ("unknown", {"tokens": "16", "head": "1"})):
            status, answer = self.ask(**fields)
            self.assertEqual(status, 400, (fields, answer))
            self.assertIn(part, answer["error"]["message"])
        self.assertEqual(self.ask(files={"file": ("a.flac", b"none")}, tokens="16")[0], 400)
        self.assertEqual(self.ask(files={}, tokens="16")[0], 400)


if __name__ == "__main__":
    unittest.main()
