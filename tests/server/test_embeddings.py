#!/usr/bin/env python3
"""POST /v1/embeddings: vectors of texts and of ids, as floats and base64, and what is refused."""
import base64
import json
import pathlib
import random
import struct
import sys
import tempfile
import unittest

import embedding_model
from embedding_model import LETTERS, WIDTH, expected
from serving import Server, identity_model


class Embeddings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.file = embedding_model.write(folder)
        plain = embedding_model.write(folder / "plain", "plain", types=False)
        alone = embedding_model.write(folder / "alone", "alone")  # without a tokenizer: a graph
        (alone.parent / "alone.tokenizer.json").unlink()
        (folder / "one.onnx").write_bytes(identity_model())
        cls.server = cls.enterClassContext(Server("digits", str(cls.file), str(plain), str(alone), str(folder / "one.onnx")))

    def ask(self, **body):
        return self.server.json("POST", "/v1/embeddings", json.dumps(body), {"Content-Type": "application/json"})

    def vectors(self, **body):
        status, answer = self.ask(**body)
        self.assertEqual(status, 200, answer)
        self.assertEqual([(d["object"], d["index"]) for d in answer["data"]], [("embedding", i) for i in range(len(answer["data"]))])
        return answer, [d["embedding"] for d in answer["data"]]

    def near(self, got, text):
        self.assertEqual(len(got), WIDTH)
        for a, b in zip(got, expected(text)):
            self.assertAlmostEqual(a, b, places=6)

    def test_models(self):
        kinds = {m["id"]: m["kind"] for m in self.server.json("GET", "/api/models")[1]["models"]}
        self.assertEqual(kinds, {"digits": "speech-to-text", "embed": "text-embedding", "plain": "text-embedding", "alone": "graph",
                                 "one": "graph"})
        job = self.server.json("GET", "/api/models/plain/job")[1]
        self.assertEqual([n["name"] for n in job["nodes"]], ["prompt", "mask", "encode", "mean"])

    def test_one_text(self):
        answer, (got,) = self.vectors(input="a b c", model="embed")
        self.near(got, "a b c")
        self.assertEqual((answer["object"], answer["model"], answer["usage"]), ("list", "embed", {"prompt_tokens": 5, "total_tokens": 5}))
        _, (same,) = self.vectors(input="a b c")  # the first that there is
        self.assertEqual(same, got)
        _, (plain,) = self.vectors(input="a b c", model="plain", encoding_format="float", user="u", dimensions=WIDTH)
        self.near(plain, "a b c")

    def test_several(self):
        answer, got = self.vectors(input=["a", "h g", [2, 3, 3]], model="embed")
        for vector, text in zip(got, ["a", "h g", [2, 3, 3]], strict=True):
            self.near(vector, text)
        self.assertEqual(answer["usage"]["total_tokens"], 3 + 4 + 3)
        _, (ids,) = self.vectors(input=[2, 3, 3], model="embed")
        self.assertEqual(ids, got[2])

    def test_lengths(self):
        """Many at once, which share calls."""
        chance = random.Random(1)
        texts = [" ".join(chance.choices(LETTERS, k=chance.randint(1, 40))) for _ in range(70)]
        for model in ("embed", "plain"):
            _, got = self.vectors(input=texts, model=model)
            for vector, text in zip(got, texts, strict=True):
                self.near(vector, text)
        status, answer = self.ask(input=["a", "b", [99]], model="embed")
        self.assertEqual((status, "99" in answer["error"]["message"]), (400, True), answer)

    def test_base64(self):
        for text in ("a", "b c"):
            _, (floats,) = self.vectors(input=text)
            _, (packed,) = self.vectors(input=text, encoding_format="base64")
            self.assertEqual(list(struct.unpack(f"<{WIDTH}f", base64.b64decode(packed, validate=True))),
                             [struct.unpack("<f", struct.pack("<f", x))[0] for x in floats])

    def test_job(self):
        """The same by the model's job, without scaling too."""
        body = {"model": "embed", "kind": "job", "inputs": {"text": "a b", "normalize": False}}
        run = self.server.json("POST", "/api/runs", json.dumps(body))[1]["id"]
        while self.server.json("GET", f"/api/runs/{run}")[1]["state"] in ("queued", "running"):
            pass
        data = self.server.ask("GET", f"/api/runs/{run}/data?name=embedding&format=raw")[2]
        got, rows = struct.unpack(f"<{WIDTH}f", data), [embedding_model.table()[i] for i in (0, 2, 3, 1)]
        for a, column in zip(got, zip(*rows)):
            self.assertAlmostEqual(a, sum(column) / 4, places=6)

    def test_refused(self):
        for status, part, body in (
                (400, "there is no input", {}), (400, "input must be", {"input": 1}), (400, "none of them empty", {"input": ""}),
                (400, "none of them empty", {"input": []}), (400, "none of them empty", {"input": ["a", ""]}),
                (400, "none of them empty", {"input": ["a", []]}), (400, "none of them empty", {"input": [1, "a"]}),
                (400, "none of them empty", {"input": [-1]}), (400, "none of them empty", {"input": [[1.5]]}),
                (400, "at most 2048", {"input": ["a"] * 2049}), (400, "'float' or 'base64'", {"input": "a", "encoding_format": "hex"}),
                (400, "dimensions may be 5 alone", {"input": "a", "dimensions": 3}), (400, "an integer", {"input": "a", "dimensions": "3"}),
                (400, "there is no field 'more'", {"input": "a", "more": 1}), (404, "'none'", {"input": "a", "model": "none"}),
                (400, "none that gives embeddings", {"input": "a", "model": "digits"}),
                (400, "none that gives embeddings", {"input": "a", "model": "alone"}), (400, "", {"input": [99]})):
            got, answer = self.ask(**body)
            self.assertEqual(got, status, answer)
            self.assertIn(part, answer["error"]["message"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
