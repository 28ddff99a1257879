#!/usr/bin/env python3
"""OpenAI's own package for Python against `sibyl serve`. Exits 77, which ctest counts as skipped, where it is not installed."""
import json
import pathlib
import sys
import tempfile
import typing
import unittest

try:
    import openai
    import pydantic
except ImportError:
    print("skipped for want of Python's package openai")
    sys.exit(77)

import embedding_model
from serving import RECORDING, SPOKEN, Server
from test_text import chain
from text_model import TOOL, caller


class Answer(pydantic.BaseModel):
    kind: typing.Literal["a", "b"]
    last: bool | None


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        model = folder / "chain.onnx"
        model.write_bytes(chain({"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}in"})[0])
        tools = folder / "caller.onnx"
        tools.write_bytes(caller())
        embed = embedding_model.write(folder / "embed")
        cls.server = cls.enterClassContext(Server("digits", str(model), str(embed), str(tools), "--token", "secret"))
        cls.client = cls.enterClassContext(openai.OpenAI(base_url=f"http://{cls.server.host}:{cls.server.port}/v1", api_key="secret", max_retries=0))

    def transcribe(self, **more):
        return self.client.audio.transcriptions.create(model="whisper-1", file=RECORDING, **more)

    def test_models(self):
        self.assertEqual([m.id for m in self.client.models.list()], ["digits", "chain", "embed", "caller"])

    def test_transcriptions(self):
        self.assertEqual(self.transcribe().text, SPOKEN)
        self.assertEqual(self.transcribe(response_format="text"), SPOKEN)
        self.assertIn(" --> ", self.transcribe(response_format="srt"))
        self.assertTrue(self.transcribe(response_format="vtt").startswith("WEBVTT\n\n"))
        got = self.transcribe(response_format="verbose_json", timestamp_granularities=["word", "segment"], temperature=0.2,
                              language="en", prompt="nine")
        self.assertEqual(" ".join(w.word for w in got.words), SPOKEN)
        self.assertEqual((got.language, got.segments[0].start, got.segments[0].temperature), ("english", 0.0, 0.2))

    def test_stream(self):
        events = list(self.transcribe(stream=True))
        self.assertEqual("".join(e.delta for e in events[:-1]), SPOKEN)
        self.assertEqual((events[-1].type, events[-1].text), ("transcript.text.done", SPOKEN))

    def test_log_probabilities(self):
        got = self.transcribe(include=["logprobs"])
        self.assertEqual("".join(t.token for t in got.logprobs).strip(), SPOKEN)
        self.assertEqual(bytes(int(b) for t in got.logprobs for b in t.bytes).decode().strip(), SPOKEN)
        events = list(self.transcribe(include=["logprobs"], stream=True))
        self.assertEqual([t.logprob for t in events[-1].logprobs], [t.logprob for t in got.logprobs])
        self.assertEqual([t.logprob for e in events[:-1] for t in e.logprobs], [t.logprob for t in got.logprobs])

    def test_completions(self):
        create = self.client.completions.create
        whole = create(model="chain", prompt="in", max_tokens=9, seed=1, logprobs=2)
        self.assertEqual(len(whole.choices[0].logprobs.top_logprobs), 9)
        self.assertEqual(whole.usage.total_tokens, 11)
        pieces = list(create(model="chain", prompt="in", max_tokens=9, seed=1, stream=True))
        self.assertEqual("".join(p.choices[0].text for p in pieces), whole.choices[0].text)
        self.assertEqual(pieces[-1].choices[0].finish_reason, "length")

    def test_chats(self):
        create = self.client.chat.completions.create
        options = {"model": "chain", "messages": [{"role": "user", "content": "hello"}], "max_completion_tokens": 9, "seed": 1}
        whole = create(**options, logprobs=True, top_logprobs=2)
        self.assertEqual([len(t.top_logprobs) for t in whole.choices[0].logprobs.content], [2] * 9)
        self.assertEqual((whole.choices[0].message.role, whole.usage.prompt_tokens), ("assistant", 7))
        pieces = list(create(**options, stream=True))
        self.assertEqual("".join(p.choices[0].delta.content or "" for p in pieces), whole.choices[0].message.content)
        self.assertEqual(pieces[-1].choices[0].finish_reason, "length")
        with self.assertRaisesRegex(openai.BadRequestError, "'image_url'"):
            create(model="chain", messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])

    def test_tools(self):
        options = {"model": "caller", "messages": [{"role": "user", "content": "hello"}], "tools": [TOOL], "tool_choice": "auto"}
        choice = self.client.chat.completions.create(**options).choices[0]
        call = choice.message.tool_calls[0]
        self.assertEqual((choice.finish_reason, choice.message.content, call.type), ("tool_calls", "Let me see.", "function"))
        self.assertEqual((call.function.name, call.function.arguments), ("weather", '{"city":"Bern"}'))
        with self.client.chat.completions.stream(**options) as stream:
            done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
            message = stream.get_final_completion().choices[0].message
        self.assertEqual([(event.name, event.arguments, event.index) for event in done], [("weather", '{"city":"Bern"}', 0)])
        self.assertEqual((message.content, message.tool_calls[0].function.arguments), ("Let me see.", '{"city":"Bern"}'))
        options["messages"] += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
        self.assertGreater(self.client.chat.completions.create(**options).usage.prompt_tokens, 40)

    def test_constrained(self):
        """Formats and calls as the package asks for them, of a model that would say something else."""
        options = {"model": "chain", "messages": [{"role": "user", "content": "hello"}], "seed": 1}
        got = self.client.chat.completions.parse(**options, response_format=Answer).choices[0].message.parsed
        self.assertTrue(got.kind in ("a", "b") and got.last in (None, True, False), got)
        tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"enum": ["Bern", "Basel"]}}, "required": ["city"],
                                                                                     "additionalProperties": False}}}
        for choice in "required", {"type": "function", "function": {"name": "weather"}}:
            call = self.client.chat.completions.create(**options, tools=[tool], tool_choice=choice).choices[0].message.tool_calls[0]
            self.assertIn(json.loads(call.function.arguments)["city"], ("Bern", "Basel"))
        with self.assertRaisesRegex(openai.BadRequestError, "names 'x', which is none of the tools"):
            self.client.chat.completions.create(**options, tools=[tool], tool_choice={"type": "function", "function": {"name": "x"}})

    def test_several_choices(self):
        options = {"model": "chain", "n": 2, "seed": 1, "max_tokens": 9, "presence_penalty": 0.5, "frequency_penalty": 0.5, "logit_bias": {"97": -100}}
        got = self.client.completions.create(prompt=["in", "on"], echo=True, **options)
        self.assertEqual([(c.index, c.text[:2]) for c in got.choices], [(0, "in"), (1, "in"), (2, "on"), (3, "on")])
        self.assertNotIn("a", "".join(c.text for c in got.choices))
        chat = self.client.chat.completions.create(messages=[{"role": "user", "content": "hello"}], **options)
        self.assertEqual([c.index for c in chat.choices], [0, 1])
        self.assertNotEqual(chat.choices[0].message.content, chat.choices[1].message.content)

    def test_embeddings(self):
        """The package asks for base64 and unpacks it."""
        got = self.client.embeddings.create(model="embed", input=["a b", "c"])
        for vector, text in zip(got.data, ("a b", "c"), strict=True):
            for a, b in zip(vector.embedding, embedding_model.expected(text), strict=True):
                self.assertAlmostEqual(a, b, places=6)
        self.assertEqual(got.usage.total_tokens, 7)
        floats = self.client.embeddings.create(model="embed", input="a b", encoding_format="float").data[0].embedding
        self.assertEqual(len(floats), embedding_model.WIDTH)

    def test_errors(self):
        with self.assertRaisesRegex(openai.NotFoundError, "'none'"):
            self.client.completions.create(model="none", prompt="a")
        with self.assertRaisesRegex(openai.BadRequestError, "suffix is not supported"):
            self.client.completions.create(model="chain", prompt="a", suffix="b")
        with self.assertRaises(openai.AuthenticationError):
            self.client.with_options(api_key="other").models.list()


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
