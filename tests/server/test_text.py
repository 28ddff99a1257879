#!/usr/bin/env python3
"""Text generation by OpenAI's API: what `sibyl generate` gives, as JSON and as a stream, and what is refused."""
import http.client
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

from serving import COMMAND, Server
from text_model import chain


def logprobs(row):
    most = max(row)
    total = most + math.log(sum(math.exp(x - most) for x in row))
    return [x - total for x in row]


class Text(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.file = cls.folder / "chain.onnx"
        data, cls.rows = chain()
        cls.file.write_bytes(data)
        cls.server = cls.enterClassContext(Server("digits", str(cls.file), "--jobs", "2"))

    def ask(self, **fields):
        return self.server.ask("POST", "/v1/completions", json.dumps(fields), {"Content-Type": "application/json"})

    def complete(self, prompt="in", **fields):
        status, _, text = self.ask(model="chain", prompt=prompt, **fields)
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def fails(self, part, status=400, **fields):
        got, _, text = self.ask(**{"model": "chain", "prompt": "in", **fields})
        self.assertEqual(got, status, text)
        error = json.loads(text)["error"]
        self.assertIn(part, error["message"])
        return error

    def command(self, *arguments):
        made = subprocess.run([COMMAND, "generate", "--model", self.file, "-p", "in", "--json", *map(str, arguments)], check=True,
                              capture_output=True)
        return json.loads(made.stdout)

    def greedy(self, prompt: bytes, n: int) -> bytes:
        made = b""
        for _ in range(n):
            row = self.rows[(prompt + made)[-1]]
            made += bytes([row.index(max(row))])
        return made

    # ---- Answers ----

    def test_greedy(self):
        got = self.complete(temperature=0, max_tokens=20)
        self.assertEqual(got["choices"], [{"text": self.greedy(b"in", 20).decode(), "index": 0, "logprobs": None, "finish_reason": "length"}])
        self.assertEqual((got["object"], got["model"]), ("text_completion", "chain"))
        self.assertTrue(got["id"].startswith("cmpl-"))
        self.assertLess(abs(got["created"] - time.time()), 60)
        self.assertEqual(got["usage"], {"prompt_tokens": 2, "completion_tokens": 20, "total_tokens": 22})
        self.assertEqual(self.complete([105, 110], temperature=0, max_tokens=20)["choices"], got["choices"])
        for prompt in ["in"], [[105, 110]]:
            self.assertEqual(self.complete(prompt, temperature=0, max_tokens=20)["choices"], got["choices"])
        self.assertEqual(len(self.complete(temperature=0)["choices"][0]["text"]), 16)

    def test_sampling_is_that_of_the_command(self):
        expected = self.command("--seed", 7, "--temperature", 0.9, "--top-p", 0.8, "-n", 40)
        got = self.complete(seed=7, temperature=0.9, top_p=0.8, max_tokens=40)
        self.assertEqual(got["choices"][0]["text"].encode(), bytes(expected["tokens"]).decode(errors="replace").encode())
        expected = self.command("--seed", 7, "--temperature", 1, "--top-k", 3, "-n", 40)
        got = self.complete(seed=7, top_k=3, max_tokens=40)
        self.assertEqual(got["choices"][0]["text"], bytes(expected["tokens"]).decode(errors="replace"))
        self.assertEqual(len({self.complete(max_tokens=60)["choices"][0]["text"] for _ in range(4)}), 4)

    def test_stop(self):
        text = self.greedy(b"in", 40).decode()
        stop = text[5:7]
        got = self.complete(temperature=0, max_tokens=40, stop=["never so", stop])["choices"][0]
        self.assertEqual((got["text"], got["finish_reason"]), (text[:text.index(stop)], "stop"))
        last = self.complete(temperature=0, max_tokens=text.index(stop) + 2, stop=stop)["choices"][0]
        self.assertEqual((last["text"], last["finish_reason"]), (text[:text.index(stop)], "stop"))
        got = self.complete("in!", temperature=0)
        self.assertEqual((got["choices"][0]["text"], got["choices"][0]["finish_reason"]), ("", "stop"))
        self.assertEqual(got["usage"], {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4})

    def test_logprobs(self):
        got = self.complete(temperature=0, max_tokens=12, logprobs=3)["choices"][0]
        lists, before = got["logprobs"], b"in"
        self.assertEqual("".join(lists["tokens"]), got["text"])
        self.assertEqual(lists["text_offset"], list(range(2, 14)))
        for i, made in enumerate(got["text"].encode()):
            expected = logprobs(self.rows[(before + got["text"].encode()[:i])[-1]])
            best = sorted(range(256), key=lambda k: -expected[k])[:3]
            self.assertEqual(made, best[0])
            self.assertAlmostEqual(lists["token_logprobs"][i], expected[made], places=4)
            top = lists["top_logprobs"][i]
            names = [chr(k) if k < 128 else f"bytes:\\x{k:02x}" for k in best]
            self.assertEqual(list(top), names)
            for name, k in zip(names, best):
                self.assertAlmostEqual(top[name], expected[k], places=4)
        none = self.complete(temperature=0, max_tokens=12, logprobs=0)["choices"][0]["logprobs"]
        self.assertEqual((none["token_logprobs"], none["top_logprobs"]), (lists["token_logprobs"], None))

    def test_bytes_that_are_no_text(self):
        for seed in range(5):
            expected = bytes(self.command("--seed", seed, "--temperature", 2, "-n", 200)["tokens"])
            self.assertRaises(UnicodeDecodeError, expected.decode)
            got = self.complete(seed=seed, temperature=2, max_tokens=200)["choices"][0]["text"]
            self.assertEqual(re.sub("\ufffd+", "\ufffd", got), re.sub("\ufffd+", "\ufffd", expected.decode(errors="replace")))

    def test_token_ids(self):
        options = {"temperature": 0, "max_tokens": 12}
        plain = self.complete(**options, logprobs=2)["choices"][0]
        got = self.complete(**options, logprobs=2, return_token_ids=True)["choices"][0]
        self.assertEqual((got["prompt_token_ids"], got["token_ids"]), ([105, 110], list(got["text"].encode())))
        tops = got["logprobs"].pop("top_tokens")
        self.assertEqual(got["logprobs"], plain["logprobs"])
        for made, expected in zip(tops, plain["logprobs"]["top_logprobs"], strict=True):
            self.assertEqual([(one["token"], one["logprob"]) for one in made], list(expected.items()))
            self.assertEqual([chr(one["id"]) for one in made], list(expected))
        self.assertNotIn("token_ids", plain)
        again = self.complete(got["prompt_token_ids"] + got["token_ids"][:5], temperature=0, max_tokens=7)["choices"][0]
        self.assertEqual(again["text"], got["text"][5:])
        self.assertEqual(self.complete(**options, return_token_ids=True)["choices"][0]["token_ids"], got["token_ids"])

    def test_several_choices_and_prompts(self):
        got = self.complete(["in", [105], "of"], n=2, max_tokens=9, seed=5)
        self.assertEqual([c["index"] for c in got["choices"]], list(range(6)))
        alone = [self.complete(prompt, max_tokens=9, seed=seed)["choices"][0]["text"] for prompt in ("in", [105], "of") for seed in (5, 6)]
        self.assertEqual([c["text"] for c in got["choices"]], alone)
        self.assertGreater(len(set(alone)), 4)
        self.assertEqual(got["usage"], {"prompt_tokens": 5, "completion_tokens": 54, "total_tokens": 59})
        self.assertEqual(len({c["text"] for c in self.complete(n=4, max_tokens=60)["choices"]}), 4)
        token_ids = self.complete(["in", "o"], temperature=0, max_tokens=2, return_token_ids=True, logprobs=1)["choices"]
        self.assertEqual([c["prompt_token_ids"] for c in token_ids], [[105, 110], [111]])
        self.assertEqual([c["logprobs"]["text_offset"] for c in token_ids], [[2, 3], [1, 2]])

    def test_several_choices_as_a_stream(self):
        options = {"model": "chain", "prompt": ["in", "on"], "n": 2, "seed": 3, "max_tokens": 12, "logprobs": 1}
        whole = json.loads(self.ask(**options)[2])
        text = self.ask(**options, stream=True, stream_options={"include_usage": True})[2].decode()
        chunks = [json.loads(b.removeprefix("data: ")) for b in text.split("\n\n")[:-2]]
        self.assertEqual(chunks.pop()["usage"], whole["usage"])
        for choice in whole["choices"]:
            own = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == choice["index"]]
            self.assertEqual("".join(c["text"] for c in own), choice["text"])
            self.assertEqual([c["finish_reason"] for c in own], [None] * (len(own) - 1) + ["length"])
            self.assertEqual([t for c in own if c["logprobs"] for t in c["logprobs"]["tokens"]], choice["logprobs"]["tokens"])

    def test_echo(self):
        made = self.greedy(b"in", 9).decode()
        for prompt in "in", [105, 110]:
            self.assertEqual(self.complete(prompt, echo=True, temperature=0, max_tokens=9)["choices"][0]["text"], "in" + made)
            pieces = self.choices(prompt=prompt, echo=True, temperature=0, max_tokens=9)
            self.assertEqual((pieces[0]["text"], "".join(p["text"] for p in pieces)), ("in", "in" + made))

    def test_penalties(self):
        """As OpenAI defines them: they count the tokens of the answer, not those of the prompt."""
        for presence, frequency in (2, 0), (0, 2), (1.5, 0.5), (-2, 0.25):
            made = b""
            for _ in range(60):
                row = self.rows[(b"in" + made)[-1]]
                now = [x - (j in made) * presence - made.count(j) * frequency for j, x in enumerate(row)]
                made += bytes([now.index(max(now))])
            got = self.complete(temperature=0, max_tokens=60, presence_penalty=presence, frequency_penalty=frequency)["choices"][0]["text"]
            self.assertEqual(got, made.decode())
            self.assertNotEqual(made, self.greedy(b"in", 60))

    def test_samplers_by_every_name(self):
        def text(**fields):
            return self.complete(max_tokens=30, temperature=0.9, seed=2, **fields)["choices"][0]["text"]

        plain = text()
        for one, other in (({"repetition_penalty": 1.8, "penalty_last_n": 20}, {"repeat_penalty": 1.8, "repeat_last_n": 20}),
                           ({"dry_multiplier": 3, "dry_last_n": 0, "dry_breakers": ["e"]},
                            {"dry_multiplier": 3, "dry_penalty_last_n": -1, "dry_sequence_breakers": ["e"]})):
            self.assertEqual(text(**one), text(**other))
            self.assertNotEqual(text(**one), plain)
        for fields in {"typical_p": 0.2}, {"xtc_probability": 1, "xtc_threshold": 0.02}, {"mirostat": 2, "mirostat_tau": 1}, {"min_p": 0.5}, {"samplers": "top_k", "top_k": 1}:
            self.assertNotEqual(text(**fields), plain, fields)
        for name in "grammar", "guided_grammar":
            self.assertIn(text(**{name: 'root ::= "yes" | "no"'}), ("yes", "no"))
        self.assertEqual(self.fails("another name", repeat_penalty=2, repetition_penalty=2)["param"], "repetition_penalty")

    def test_logit_bias(self):
        first = self.greedy(b"in", 1)[0]
        self.assertEqual(self.complete(temperature=0, max_tokens=5, logit_bias={"65": 100})["choices"][0]["text"], "AAAAA")
        self.assertNotIn(chr(first), self.complete(max_tokens=100, logit_bias={str(first): -100})["choices"][0]["text"])

    # ---- Streams ----

    def choices(self, **fields):
        """Of a stream, but for what is asked of all of them together."""
        text = self.ask(**{"model": "chain", "prompt": "in", "stream": True, **fields})[2].decode()
        return [json.loads(b.removeprefix("data: "))["choices"][0] for b in text.split("\n\n")[:-2]]

    def test_tokens_of_a_stream_are_those_of_an_answer(self):
        stop = self.greedy(b"in", 40).decode()[5:7]
        for more in {"temperature": 0}, {"temperature": 0, "stop": stop}, {"seed": 2, "temperature": 2}, {"temperature": 0, "logprobs": 0}:
            options = {"max_tokens": 40, "logprobs": 3, "return_token_ids": True, **more}
            entire = self.complete(**options)["choices"][0]
            pieces = self.choices(**options)
            self.assertGreater(len(pieces), 1)
            self.assertEqual([p.get("prompt_token_ids") for p in pieces], [[105, 110]] + [None] * (len(pieces) - 1))
            self.assertEqual([i for p in pieces for i in p["token_ids"]], entire["token_ids"])
            for name, expected in entire["logprobs"].items():
                lists = [p["logprobs"][name] for p in pieces if p["logprobs"]]
                self.assertEqual([x for one in lists if one for x in one] or None, expected, name)
            for p in pieces:
                self.assertEqual(p["logprobs"] is None, p["token_ids"] == [])
        ended = self.ask(model="chain", prompt="in!", stream=True, logprobs=1, temperature=0)[2].decode().split("\n\n")
        self.assertEqual(json.loads(ended[0].removeprefix("data: "))["choices"][0]["logprobs"], None)

    def test_echo_with_logprobs(self):
        """Of the prompt too, but for its first token."""
        for fields in {"prompt": "inn"}, {"prompt": [105, 110, 110]}:
            choice = self.complete(echo=True, logprobs=2, temperature=0, max_tokens=3, **fields)["choices"][0]
            text = choice["text"].encode()
            self.assertEqual((text[:3], len(text)), (b"inn", 6))
            self.assertEqual(choice["logprobs"]["tokens"], [chr(b) for b in text])
            self.assertEqual(choice["logprobs"]["text_offset"], list(range(6)))
            self.assertEqual((choice["logprobs"]["token_logprobs"][0], choice["logprobs"]["top_logprobs"][0]), (None, None))
            for i in range(1, 6):
                expected = logprobs(self.rows[text[i - 1]])
                self.assertAlmostEqual(choice["logprobs"]["token_logprobs"][i], expected[text[i]], 4)
                top = choice["logprobs"]["top_logprobs"][i]
                self.assertEqual(len(top), 2)
                for (token, number), best in zip(top.items(), sorted(expected)[:-3:-1]):
                    self.assertAlmostEqual(number, best, 4)
                    self.assertAlmostEqual(expected[ord(token)], best, 4)
        events = self.ask(model="chain", prompt="inn", echo=True, logprobs=2, temperature=0, max_tokens=3, stream=True)[2].decode().split("\n\n")
        first = json.loads(events[0].removeprefix("data: "))["choices"][0]
        self.assertEqual((first["text"], first["logprobs"]["tokens"]), ("inn", ["i", "n", "n"]))

    def test_stream(self):
        options = {"seed": 3, "max_tokens": 50, "model": "chain", "prompt": "in"}
        whole = json.loads(self.ask(**options)[2])
        status, headers, text = self.ask(**options, stream=True, stream_options={"include_usage": True})
        self.assertEqual((status, headers["Content-Type"]), (200, "text/event-stream"))
        blocks = text.decode().split("\n\n")
        self.assertEqual(blocks[-2:], ["data: [DONE]", ""])
        chunks = [json.loads(b.removeprefix("data: ")) for b in blocks[:-2]]
        self.assertEqual("".join(c["choices"][0]["text"] for c in chunks[:-1]), whole["choices"][0]["text"])
        self.assertEqual([c["choices"][0]["finish_reason"] for c in chunks[:-1]], [None] * (len(chunks) - 2) + ["length"])
        self.assertEqual((chunks[-1]["choices"], chunks[-1]["usage"]), ([], whole["usage"]))
        self.assertEqual({(c["id"], c["object"]) for c in chunks}, {(chunks[0]["id"], "text_completion")})
        self.assertGreater(len(chunks), 30)
        self.assertNotIn(b"usage", self.ask(**options, stream=True)[2])

    def running(self) -> int:
        text = self.server.ask("GET", "/metrics")[2].decode()
        return int(re.search(r"^sibyl_queue_running\S* (\d+)$", text, re.M)[1])

    def test_a_client_that_goes_ends_the_work(self):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        connection.request("POST", "/v1/completions", json.dumps({"prompt": "in", "max_tokens": 1000000, "stream": True}))
        answer = connection.getresponse()
        self.assertTrue(answer.readline().startswith(b"data:"))
        self.assertEqual(self.running(), 1)
        answer.close()
        connection.close()
        while self.running():  # within 0.1 s on a quiet machine; the million tokens take hours
            time.sleep(0.005)

    # ---- What is refused ----

    def test_refused(self):
        self.fails("'none'", 404, model="none")
        self.assertEqual(self.fails("'speech-to-text'", model="digits")["param"], "model")
        self.assertEqual(self.fails("no prompt", prompt=None)["param"], "prompt")
        for prompt in 5, {}, [], ["a", 1], [1, "a"], [-1], [1.5], [2 ** 31], [[]], ["a", []], [[[1]]], ["a"] * 65:
            self.assertEqual(self.fails("", prompt=prompt)["param"], "prompt", prompt)
        self.fails("256", prompt=[256])
        for name, value in {"best_of": 3, "suffix": "a"}.items():
            self.assertEqual(self.fails("not supported", **{name: value})["param"], name)
        for name, value in {"max_tokens": 0, "temperature": 2.1, "top_p": "1", "seed": -1, "logprobs": 6, "stream": 1, "return_token_ids": 1, "stop": [""],
                            "top_k": 1.5, "stream_options": {"more": 1}, "model": 1, "user": 1, "n": 129, "echo": 1, "presence_penalty": 2.5,
                            "frequency_penalty": "1", "logit_bias": {"a": 1}, "mirostat": 3, "typical_p": 1.5, "grammar": 1, "samplers": ["top_k"],
                            "repeat_last_n": 0, "dry_sequence_breakers": [""], "dry_breakers": ["a"] * 65}.items():
            self.assertEqual(self.fails("must be", **{name: value})["param"], name)
        for value in {"5": 101}, {"5": "1"}, {"-1": 1}, {"": 1}, [5], {str(i): 1 for i in range(1025)}, {"12345678901": 1}:
            self.assertEqual(self.fails("token ids as names", logit_bias=value)["param"], "logit_bias")
        self.fails("bias_tokens has 256", logit_bias={"256": 1})
        self.assertEqual(self.fails("128 at most", prompt=["a"] * 64, n=3)["param"], "n")
        self.assertEqual(self.fails("not supported with return_token_ids", echo=True, return_token_ids=True)["param"], "echo")
        self.assertEqual(self.fails("line 1", grammar="root ::= (")["param"], "grammar")
        self.fails("samplers has 'top_q'", samplers="top_q")
        self.fails("4 texts", stop=["a"] * 5)
        self.fails("no field 'speed'", speed=1)
        self.fails("needs stream", stream_options={"include_usage": True})

    def test_what_changes_nothing_is_taken(self):
        plain = self.complete(temperature=0)["choices"]
        self.assertEqual(self.complete(temperature=0.0, n=1, best_of=1, echo=False, suffix=None, logit_bias={}, presence_penalty=0.0,
                                       frequency_penalty=0, user="me", stream=False, logprobs=None, stop=None)["choices"], plain)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
