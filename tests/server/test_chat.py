#!/usr/bin/env python3
"""Chats by OpenAI's API: the prompt that a model's template makes, answers as JSON and as a stream, and what is refused."""
import json
import pathlib
import sys
import tempfile
import unittest

from serving import Server
from test_text import logprobs
from text_model import END, chain

# Its last byte is what the model goes on from: "n" of a prompt, or what the template puts there.
TEMPLATE = """{{ bos_token }}{% for m in messages %}
{{ m.role }}: {{ m.content | trim }}{% if m.name %} ({{ m.name }}){% endif %}

{% endfor %}
{% if enable_thinking is false %}quick {% endif %}
{% if messages[0].content == 'raise' %}{{ raise_exception('no such chat') }}{% endif %}
{% if add_generation_prompt %}in{% endif %}"""
USER = {"role": "user", "content": " hello "}


class Chat(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        files = []
        for name, metadata in {"talk": {"chat_template": TEMPLATE, "bos_token": "<s>"}, "mute": {},
                               "short": {"chat_template": TEMPLATE, "n_ctx": "40"}, "ended": {"chat_template": "in!", "stop_tokens": f"[300, 301, {END}]"},
                               "odd": {"chat_template": "\n{% include 'x' %}"}}.items():
            data, cls.rows = chain(metadata)
            files.append(cls.folder / f"{name}.onnx")
            files[-1].write_bytes(data)
        cls.server = cls.enterClassContext(Server(*map(str, files), "--jobs", "2"))

    def ask(self, path="/v1/chat/completions", **fields):
        return self.server.ask("POST", path, json.dumps(fields), {"Content-Type": "application/json"})

    def chat(self, *messages, **fields):
        status, _, text = self.ask(**{"model": "talk", "messages": messages or [USER], **fields})
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def text_of(self, prompt, **fields):
        """What the same model makes of a prompt as text."""
        status, _, text = self.ask("/v1/completions", **{"model": "talk", "prompt": prompt, **fields})
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def fails(self, part, param, status=400, **fields):
        got, _, text = self.ask(**{"model": "talk", "messages": [USER], **fields})
        self.assertEqual(got, status, text)
        error = json.loads(text)["error"]
        self.assertIn(part, error["message"])
        self.assertEqual(error["param"], param)

    # ---- Answers ----

    def test_answer(self):
        got, expected = self.chat(seed=7, max_tokens=20), self.text_of("<s>user: hello\nin", seed=7, max_tokens=20)
        self.assertEqual(got["choices"], [{"index": 0, "message": {"role": "assistant", "content": expected["choices"][0]["text"], "refusal": None},
                                           "logprobs": None, "finish_reason": "length"}])
        self.assertEqual((got["object"], got["model"], got["id"][:9]), ("chat.completion", "talk", "chatcmpl-"))
        self.assertEqual(got["usage"], {"prompt_tokens": 17, "completion_tokens": 20, "total_tokens": 37})
        self.assertEqual(got["usage"], expected["usage"])
        self.assertEqual(self.chat(seed=7, max_completion_tokens=20)["choices"], got["choices"])

    def test_any_stop_token_ends_the_turn(self):
        got = self.chat(model="ended", temperature=0, max_tokens=20)
        self.assertEqual([(c["message"]["content"], c["finish_reason"]) for c in got["choices"]], [("", "stop")])
        self.assertEqual(got["usage"]["completion_tokens"], 1)

    def test_an_answer_fills_the_context(self):
        got = self.chat(model="short", temperature=0)
        self.assertEqual(got["usage"], {"prompt_tokens": 14, "completion_tokens": 26, "total_tokens": 40})
        self.assertEqual(self.chat(model="short", temperature=0, max_tokens=60)["usage"]["completion_tokens"], 60)
        self.fails("have 40 tokens, and the model's context has 40", "messages", model="short", messages=[{"role": "user", "content": "a" * 31}])
        self.assertEqual(self.chat(temperature=0)["usage"]["completion_tokens"], 4096)

    def test_several_choices(self):
        got = self.chat(n=3, seed=7, max_tokens=20, presence_penalty=0.5)
        alone = [self.chat(seed=seed, max_tokens=20, presence_penalty=0.5)["choices"][0]["message"] for seed in (7, 8, 9)]
        self.assertEqual([(c["index"], c["message"]) for c in got["choices"]], list(enumerate(alone)))
        self.assertEqual(got["usage"], {"prompt_tokens": 17, "completion_tokens": 60, "total_tokens": 77})
        text = self.ask(model="talk", messages=[USER], n=3, seed=7, max_tokens=20, presence_penalty=0.5, stream=True)[2].decode()
        pieces = [json.loads(b.removeprefix("data: "))["choices"][0] for b in text.split("\n\n")[:-2]]
        for i, message in enumerate(alone):
            own = [p["delta"] for p in pieces if p["index"] == i]
            self.assertEqual((own[0]["role"], "".join(d.get("content") or "" for d in own)), ("assistant", message["content"]))

    def test_messages(self):
        def prompt_size(*messages, **fields):
            return self.chat(*messages, max_tokens=1, **fields)["usage"]["prompt_tokens"]
        size = len("<s>system: a\nb\nuser: hello (me)\nassistant: \nin")
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        for role in "system", "developer":
            self.assertEqual(prompt_size({"role": role, "content": parts}, {**USER, "name": "me"}, {"role": "assistant", "content": ""}), size)
        self.assertEqual(prompt_size({"role": "user", "content": "h\u00e9"}), len("<s>user: h\u00e9\nin".encode()))
        self.assertEqual(prompt_size(USER, chat_template_kwargs={"enable_thinking": False}), 17 + len("quick "))

    def test_stop(self):
        text = self.chat(temperature=0, max_tokens=40)["choices"][0]["message"]["content"]
        choice = self.chat(temperature=0, max_tokens=40, stop=["never so", text[5:7]])["choices"][0]
        self.assertEqual((choice["message"]["content"], choice["finish_reason"]), (text[:text.index(text[5:7])], "stop"))

    def test_logprobs(self):
        choice = self.chat(temperature=0, max_tokens=8, logprobs=True, top_logprobs=7)["choices"][0]
        made, before = choice["message"]["content"].encode(), b"n"
        content = choice["logprobs"]["content"]
        self.assertEqual([c["bytes"] for c in content], [[b] for b in made])
        for entry, token in zip(content, made):
            expected = logprobs(self.rows[before[-1]])
            best = sorted(range(256), key=lambda k: -expected[k])[:7]
            self.assertEqual([t["bytes"] for t in entry["top_logprobs"]], [[k] for k in best])
            self.assertEqual(entry["token"], chr(token))
            self.assertAlmostEqual(entry["logprob"], expected[token], places=4)
            for t, k in zip(entry["top_logprobs"], best):
                self.assertAlmostEqual(t["logprob"], expected[k], places=4)
            before += bytes([token])
        plain = self.chat(temperature=0, max_tokens=8, logprobs=True)["choices"][0]["logprobs"]["content"]
        self.assertEqual([p["top_logprobs"] for p in plain], [[]] * 8)

    def test_stream(self):
        options = {"model": "talk", "messages": [USER], "seed": 3, "max_tokens": 50}
        whole = json.loads(self.ask(**options)[2])
        status, headers, text = self.ask(**options, stream=True, stream_options={"include_usage": True})
        self.assertEqual((status, headers["Content-Type"]), (200, "text/event-stream"))
        blocks = text.decode().split("\n\n")
        self.assertEqual(blocks[-2:], ["data: [DONE]", ""])
        chunks = [json.loads(b.removeprefix("data: ")) for b in blocks[:-2]]
        deltas = [c["choices"][0]["delta"] for c in chunks[:-1]]
        self.assertEqual((deltas[0], deltas[-1]), ({"role": "assistant", "content": ""}, {}))
        self.assertEqual("".join(d.get("content", "") for d in deltas), whole["choices"][0]["message"]["content"])
        self.assertEqual([c["choices"][0]["finish_reason"] for c in chunks[:-1]], [None] * (len(chunks) - 2) + ["length"])
        self.assertEqual((chunks[-1]["choices"], chunks[-1]["usage"]), ([], whole["usage"]))
        self.assertEqual({(c["id"], c["object"]) for c in chunks}, {(chunks[0]["id"], "chat.completion.chunk")})
        self.assertGreater(len(chunks), 30)

    def test_logprobs_in_a_stream(self):
        options = {"model": "talk", "messages": [USER], "seed": 3, "max_tokens": 9, "logprobs": True, "top_logprobs": 2}
        whole = json.loads(self.ask(**options)[2])["choices"][0]["logprobs"]["content"]
        blocks = self.ask(**options, stream=True)[2].decode().split("\n\n")[:-2]
        pieces = [json.loads(b.removeprefix("data: "))["choices"][0]["logprobs"] for b in blocks]
        self.assertEqual([entry for p in pieces if p for entry in p["content"]], whole)

    # ---- What is refused ----

    def test_models(self):
        self.fails("'mute' has no chat template", "model", model="mute")
        self.fails("line 2: the statement 'include'", "model", model="odd")
        self.fails("'none'", "model", 404, model="none")
        self.assertEqual(self.text_of("in", model="odd")["object"], "text_completion")

    def test_messages_refused(self):
        for messages in None, [], {}, "a":
            self.fails("messages", "messages", messages=messages)
        for message, part in [("a", "role"), ({"content": "a"}, "role"), ({"role": "judge", "content": "a"}, "role"), ({"role": "user"}, "content"),
                              ({"role": "user", "content": 1}, "content"), ({"role": "user", "content": None}, "content"),
                              ({"role": "user", "content": []}, "content"), ({"role": "user", "content": ["a"]}, "no type"),
                              ({"role": "user", "content": [{"type": "text"}]}, "no text"),
                              ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}, "'image_url'"),
                              ({"role": "user", "content": [{"type": "input_audio"}]}, "'input_audio'"),
                              ({"role": "assistant", "content": "", "function_call": {}}, "'function_call'"), ({"role": "tool", "content": "a"}, "tool_call_id")]:
            self.fails(part, "messages", messages=[USER, message])
        self.fails("message 1", "messages", messages=[USER, 1])
        self.fails("line 6: no such chat", None, messages=[{"role": "user", "content": "raise"}])

    def test_fields_refused(self):
        for name, value in {"functions": [{}], "function_call": "auto", "modalities": ["audio"], "audio": {}}.items():
            self.fails("not supported", name, **{name: value})
        for name, value in {"logprobs": 1, "top_logprobs": 21, "max_tokens": 0, "temperature": 3, "n": 0, "presence_penalty": -3, "chat_template_kwargs": []}.items():
            self.fails("must be", name, **{name: value})
        self.fails("needs logprobs", "top_logprobs", top_logprobs=1)
        self.fails("no field 'prompt'", "prompt", prompt="a")
        self.assertEqual(self.ask("/v1/completions", model="talk", prompt="a", messages=[])[0], 400)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
