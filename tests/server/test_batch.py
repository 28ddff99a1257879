#!/usr/bin/env python3
"""Texts that one model generates at the same time: they share its steps, and each is what it is alone."""
import http.client
import json
import pathlib
import re
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import decoder_model
from serving import Server
from text_model import chain_file

CLIENTS = 8
PROMPTS = ["a", "Once upon a time", "x y", "The quick brown fox jumps over the lazy dog, and then it jumps back.", "12345", "\u00e9t\u00e9",
           "to be, or not to be", "z" * 200]


class Stream:
    """A completion as events, read one by one."""

    def __init__(self, server, **fields):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=300)
        self.connection.request("POST", "/v1/completions", json.dumps({"model": "decoder", "stream": True, **fields}))
        self.answer = self.connection.getresponse()

    def next(self):
        """The next event; None at the end."""
        while line := self.answer.readline():
            if line.startswith(b"data: {"):
                return json.loads(line.removeprefix(b"data: "))
        return None

    def close(self):
        self.answer.close()
        self.connection.close()


class Batch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.file = decoder_model.make(folder, "decoder")
        cls.server = cls.enterClassContext(Server(str(cls.file), str(chain_file(cls)), "--jobs", "2"))

    def complete(self, server=None, status=200, path="/v1/completions", **fields):
        got, _, text = (server or self.server).ask("POST", path, json.dumps({"model": "decoder", **fields}),
                                                   {"Content-Type": "application/json"})
        self.assertEqual(got, status, text)
        return json.loads(text)

    def batch(self, model="decoder"):
        return self.server.json("GET", f"/api/models/{model}")[1]["batch"]

    def running(self, server=None) -> int:
        text = (server or self.server).ask("GET", "/metrics")[2].decode()
        return int(re.search(r"^sibyl_queue_running (\d+)$", text, re.M)[1])

    def fields(self, i: int) -> dict:
        """Of request i: other lengths, samplers, logprobs, texts that end it."""
        return {"prompt": PROMPTS[i % len(PROMPTS)], "max_tokens": 20 + 7 * i, "temperature": 0 if i % 2 else 0.9, "seed": i, "logprobs": i % 3 or None,
                "stop": ["q", "zz"] if i % 4 == 3 else None, "return_token_ids": True}

    def same(self, got: dict, expected: dict):
        """The same tokens; log probabilities up to the rounding of products of other heights."""
        self.assertEqual(got["usage"], expected["usage"])
        for a, b in zip(got["choices"], expected["choices"], strict=True):
            for name in "text", "token_ids", "finish_reason", "index":
                self.assertEqual(a[name], b[name], name)
            for x, y in zip((a["logprobs"] or {}).get("token_logprobs", []), (b["logprobs"] or {}).get("token_logprobs", []), strict=True):
                self.assertAlmostEqual(x, y, 4)

    # ---- Together and alone ----

    def test_each_is_what_it_is_alone(self):
        with Server(str(self.file), "--batch", "1") as alone:
            expected = [self.complete(alone, **self.fields(i)) for i in range(CLIENTS)]
            self.assertEqual(alone.json("GET", "/api/models/decoder")[1]["batch"],
                             {"max_sequences": 1, "steps": 0, "tokens": 0, "largest": 0, "kept": 0, "kept_bytes": 0, "reused": 0, "alone": "the server makes no batches"})
        with ThreadPoolExecutor(CLIENTS) as clients:
            while True:  # until some shared a step
                for a, b in zip(clients.map(lambda i: self.complete(**self.fields(i)), range(CLIENTS)), expected):
                    self.same(a, b)
                if self.batch()["largest"] > 1:
                    break
        batch = self.batch()
        self.assertEqual((batch["max_sequences"], batch["alone"]), (16, None))
        self.assertGreater(batch["tokens"], batch["steps"])

    def test_texts_that_begin_alike_are_read_once(self):
        prompt = "a long beginning that everybody has: "
        options = {"max_tokens": 12, "temperature": 0, "return_token_ids": True}
        with Server(str(self.file), "--prefix-cache", "0") as without:
            expected = [self.complete(without, prompt=prompt + end, **options) for end in ("x", "y", "x")]
            batch = without.json("GET", "/api/models/decoder")[1]["batch"]
            self.assertEqual((batch["kept"], batch["kept_bytes"], batch["reused"]), (0, 0, 0))
        with Server(str(self.file)) as server:
            for i, end in enumerate(("x", "y", "x")):
                self.same(self.complete(server, prompt=prompt + end, **options), expected[i])
                batch = server.json("GET", "/api/models/decoder")[1]["batch"]
                self.assertEqual(batch["reused"], i * len(prompt))
        self.assertEqual(batch["kept"], 3)

    def test_choices_and_prompts_of_one_request(self):
        options = {"max_tokens": 30, "temperature": 0.9, "return_token_ids": True}
        several = self.complete(prompt=["ab", "to be"], n=3, seed=5, **options)
        self.assertEqual([c["index"] for c in several["choices"]], list(range(6)))
        for i, choice in enumerate(several["choices"]):
            one = self.complete(prompt=["ab", "to be"][i // 3], seed=5 + i % 3, **options)["choices"][0]
            self.assertEqual((choice["text"], choice["token_ids"]), (one["text"], one["token_ids"]))
        self.assertEqual(several["usage"], {"prompt_tokens": 7, "completion_tokens": 180, "total_tokens": 187})
        stream = Stream(self.server, prompt=["ab", "to be"], n=3, seed=5, **options)
        texts, ids = [""] * 6, [[] for _ in range(6)]
        while event := stream.next():
            for choice in event["choices"]:
                texts[choice["index"]] += choice["text"]
                ids[choice["index"]] += choice["token_ids"]
        stream.close()
        self.assertEqual(list(zip(texts, ids)), [(c["text"], c["token_ids"]) for c in several["choices"]])

    def test_chats(self):
        ask = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 12, "temperature": 0, "path": "/v1/chat/completions"}
        one = self.complete(**ask)["choices"][0]["message"]
        several = self.complete(n=4, **ask)["choices"]
        self.assertEqual([c["message"] for c in several], [one] * 4)

    # ---- Joining and leaving ----

    def test_who_comes_later_need_not_wait(self):
        long = Stream(self.server, prompt="a", max_tokens=1000000)
        first = long.next()
        short = self.complete(prompt="b", max_tokens=5, temperature=0)
        self.assertEqual(short["usage"]["completion_tokens"], 5)
        self.assertEqual(first["choices"][0]["finish_reason"], None)
        self.assertIsNotNone(long.next())  # it goes on
        while self.running() > 1:  # an answer may arrive before its request is counted as ended
            time.sleep(0.005)
        self.assertEqual(self.running(), 1)
        long.close()
        while self.running():
            time.sleep(0.005)

    def test_who_goes_disturbs_nobody(self):
        expected = [self.complete(**self.fields(i)) for i in range(CLIENTS)]
        goers = [Stream(self.server, prompt=PROMPTS[i], max_tokens=1000000) for i in range(3)]
        for stream in goers:
            stream.next()
        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = clients.map(lambda i: self.complete(**self.fields(i)), range(CLIENTS))
            wrong = [self.complete(prompt=[65, 300], max_tokens=5, status=400), self.complete(prompt=[257], status=400)]
            for stream in goers:
                stream.close()
            for got, alone in zip(answers, expected):
                self.same(got, alone)
        self.assertEqual(["300" in wrong[0]["error"]["message"], "257" in wrong[1]["error"]["message"]], [True, True])
        while self.running():
            time.sleep(0.005)

    def test_a_full_queue_is_answered_with_429(self):
        with Server(str(self.file), "--batch", "2", "--queue", "1") as server:
            streams = [Stream(server, prompt="a", max_tokens=1000000) for _ in range(2)]
            for stream in streams:
                stream.next()
            with ThreadPoolExecutor(1) as pool:
                waits = pool.submit(self.complete, server, prompt="b", max_tokens=3)
                while not re.search(r"^sibyl_queue_waiting 1$", server.ask("GET", "/metrics")[2].decode(), re.M):
                    time.sleep(0.005)
                self.complete(server, 429, prompt="c", max_tokens=3)
                streams[0].close()
                self.assertEqual(waits.result()["usage"]["completion_tokens"], 3)
            streams[1].close()

    # ---- Models that are not batched ----

    def test_a_model_without_a_batch_says_why(self):
        batch = self.batch("chain")
        self.assertEqual(batch["max_sequences"], 1)
        self.assertIn("cannot be batched", batch["alone"])
        with ThreadPoolExecutor(CLIENTS) as clients:
            texts = list(clients.map(lambda _: self.complete(model="chain", prompt="in", temperature=0, max_tokens=30)["choices"][0]["text"],
                                     range(CLIENTS)))
        self.assertEqual(len(set(texts)), 1)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
