#!/usr/bin/env python3
"""The logit lens: values between the blocks of decoders, as the end of the model reads them."""
import json
import math
import pathlib
import tempfile
import unittest

import decoder_model
from serving import Server
from text_model import chain_file, normed

WORDS = [105, 110, 32, 97, 32, 119, 111, 114, 100]  # "in a word" in bytes


class Lens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        tiny = decoder_model.make(folder, "tiny", layers=3)
        (folder / "normed.onnx").write_bytes(normed(layers=3))
        cls.server = cls.enterClassContext(Server(str(tiny), str(folder / "normed.onnx"), str(chain_file(cls)), "digits"))

    def ask(self, path="/api/lens", **fields):
        status, _, text = self.server.ask("POST", path, json.dumps({"model": "tiny", **fields}), {"Content-Type": "application/json"})
        return status, json.loads(text)

    def look(self, **fields):
        status, answer = self.ask(**fields)
        self.assertEqual(status, 200, answer)
        return answer

    def test_values_between_blocks(self):
        answer = self.look(prompt="in a word")
        self.assertEqual([token["id"] for token in answer["tokens"]], WORDS)
        self.assertEqual([(v["block"], v["part"], v["whole"]) for v in answer["values"]],
                         [(0, 0, True), (1, 1, False), (1, 2, True), (2, 1, False), (2, 2, True), (3, 1, False), (3, 2, True)])
        self.assertEqual([row["value"] for row in answer["rows"]], [0, 2, 4, 6])  # what comes out of whole blocks
        for row in answer["rows"]:
            self.assertEqual(len(row["cells"]), len(WORDS))
            self.assertIsNone(row["cells"][-1]["next"])
            for cell in row["cells"]:
                logprobs = [one["logprob"] for one in cell["top"]]
                self.assertEqual(len(logprobs), 5)
                self.assertEqual(logprobs, sorted(logprobs, reverse=True))
                self.assertLessEqual(sum(map(math.exp, logprobs)), 1 + 1e-6)

    def test_the_last_is_what_the_model_says(self):
        for model in ("tiny", "normed"):
            with self.subTest(model):
                self.check_last(model)

    def test_norms_fused_with_the_sums_before_them(self):
        answer = self.look(prompt="in a word", model="normed", values=[0, 1, 5, 6])
        self.assertEqual([v["name"] for v in answer["values"]], [*(f"sum{i}" for i in range(6)), "norm6"])
        self.assertEqual([v["block"] for v in answer["values"]], [0, 1, 1, 2, 2, 3, 3])
        self.assertNotEqual(answer["rows"][2]["cells"], answer["rows"][3]["cells"])

    def check_last(self, model):
        cells = self.look(prompt=WORDS, model=model, values=[6])["rows"][0]["cells"]
        status, answer = self.ask("/v1/completions", model=model, prompt=WORDS, max_tokens=1, temperature=0, echo=True, logprobs=5)
        self.assertEqual(status, 200, answer)
        said = answer["choices"][0]["logprobs"]
        for i, cell in enumerate(cells):
            if i + 1 == len(cells):
                break
            expected = said["top_logprobs"][i + 1]
            for one in cell["top"]:
                self.assertAlmostEqual(one["logprob"], expected[one["token"]], places=4)
            self.assertAlmostEqual(cell["next"]["logprob"], said["token_logprobs"][i + 1], places=4)

    def test_parts_of_the_text(self):
        """Also where the text is longer than what is fed at once."""
        text = [97 + i * 7 % 26 for i in range(300)]
        whole = {at: self.look(prompt=text[:at + 1], values=[2], **{"from": at})["rows"][0]["cells"][0] for at in (3, 255, 256, 260)}
        self.assertEqual(len(self.look(prompt=text)["rows"][0]["cells"]), 128)
        for begin, count in ((3, 1), (200, 100), (256, 5), (250, 7)):
            cells = self.look(prompt=text, values=[2], count=count, **{"from": begin})["rows"][0]["cells"]
            self.assertEqual(len(cells), count)
            for at, cell in whole.items():
                if begin <= at < begin + count:
                    got = cells[at - begin]["top"]
                    self.assertEqual([one["id"] for one in got], [one["id"] for one in cell["top"]])
                    for one, other in zip(got, cell["top"]):
                        self.assertAlmostEqual(one["logprob"], other["logprob"], places=3)

    def test_rank_of_the_next_token(self):
        for row in self.look(prompt=WORDS, top=20)["rows"]:
            for i, cell in enumerate(row["cells"][:-1]):
                ids = [one["id"] for one in cell["top"]]
                if WORDS[i + 1] in ids:
                    self.assertEqual(cell["next"]["rank"], ids.index(WORDS[i + 1]) + 1)
                else:
                    self.assertGreater(cell["next"]["rank"], 20)

    def test_what_is_wrong_is_named(self):
        for part, fields in (
                ("prompt must be", {}), ("prompt must be", {"prompt": ""}), ("prompt must be", {"prompt": []}), ("prompt must be", {"prompt": [1, -1]}),
                ("prompt must be", {"prompt": [97] * 4097}), ("top must be", {"prompt": "a", "top": 21}), ("count must be", {"prompt": "a", "count": 129}),
                ("from is 9, and the text has 1 tokens", {"prompt": "a", "from": 9}), ("values must be numbers from 0 to 6", {"prompt": "a", "values": [7]}),
                ("values must be a list", {"prompt": "a", "values": []}), ("no field 'layers'", {"prompt": "a", "layers": 1}),
                ("tokens, and 4096 at most", {"prompt": "a" * 5000}), ("999", {"prompt": [999]}),
                ("no values between blocks", {"prompt": "a", "model": "chain"}), ("digits", {"prompt": "a", "model": "digits"})):
            status, answer = self.ask(**fields)
            self.assertEqual(status, 400, (fields, answer))
            self.assertIn(part, answer["error"]["message"])
        self.assertEqual(self.ask(prompt="a", model="none")[0], 404)


if __name__ == "__main__":
    unittest.main()
