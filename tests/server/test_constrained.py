#!/usr/bin/env python3
"""Chats whose answer must be JSON: response_format, and calls of tools that are required."""
import json
import pathlib
import sys
import tempfile
import unittest

from serving import Server
from text_model import chain

TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}in"
USER = {"role": "user", "content": "hello"}
PERSON = {"type": "object", "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 8}, "kind": {"enum": ["a", "b", None, 12]},
                                           "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "maxItems": 2}},
          "required": ["name", "kind", "tags"], "additionalProperties": False, "$defs": {"tag": {"type": "string", "maxLength": 3}}}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"$ref": "#/$defs/city"}, "days": {"enum": [1, 2, 7]}}, "required": ["city", "days"],
    "additionalProperties": False, "$defs": {"city": {"type": "string", "maxLength": 6}}}}}
TIME = {"type": "function", "function": {"name": "time"}}


def named(schema, **more):
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, **more}}


class Constrained(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (folder / "talk.onnx").write_bytes(chain({"chat_template": TEMPLATE})[0])
        cls.server = cls.enterClassContext(Server(str(folder / "talk.onnx"), "--jobs", "2"))

    def ask(self, **fields):
        fields = {"model": "talk", "messages": [USER], "seed": 1, "max_tokens": 300, **fields}
        return self.server.ask("POST", "/v1/chat/completions", json.dumps(fields), {"Content-Type": "application/json"})

    def chat(self, **fields):
        status, _, text = self.ask(**fields)
        self.assertEqual(status, 200, text)
        return json.loads(text)["choices"]

    def stream(self, **fields):
        """Deltas of the message, and why it ended."""
        status, _, text = self.ask(stream=True, **fields)
        self.assertEqual(status, 200, text)
        choices = [json.loads(b.removeprefix("data: "))["choices"][0] for b in text.decode().split("\n\n")[:-2]]
        return [c["delta"] for c in choices], choices[-1]["finish_reason"]

    def fails(self, part, param, **fields):
        status, _, text = self.ask(**fields)
        self.assertEqual(status, 400, text)
        error = json.loads(text)["error"]
        self.assertIn(part, error["message"])
        self.assertEqual(error["param"], param)

    def check_person(self, text):
        person = json.loads(text)
        self.assertEqual(list(person), ["name", "kind", "tags"])
        self.assertTrue(1 <= len(person["name"]) <= 8, text)
        self.assertIn(person["kind"], ["a", "b", None, 12])
        self.assertTrue(len(person["tags"]) <= 2 and all(len(tag) <= 3 for tag in person["tags"]), text)

    def check_call(self, call):
        name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
        self.assertIn(name, ("weather", "time"))
        if name == "weather":
            self.assertEqual(list(arguments), ["city", "days"])
            self.assertTrue(len(arguments["city"]) <= 6 and arguments["days"] in (1, 2, 7), arguments)
        else:
            self.assertEqual(arguments, {})
        return name

    # ---- response_format ----

    def test_schemas(self):
        texts = set()
        for seed in range(6):
            choices = self.chat(response_format=named(PERSON, strict=True), seed=10 * seed, n=3, temperature=seed / 4)
            for choice in choices:
                self.check_person(choice["message"]["content"])
                self.assertEqual(choice["finish_reason"], "stop")
                texts.add(choice["message"]["content"])
        self.assertGreater(len(texts), 5)

    def test_streams(self):
        whole = self.chat(response_format=named(PERSON))[0]["message"]["content"]
        deltas, finish = self.stream(response_format=named(PERSON))
        self.assertEqual("".join(d.get("content", "") for d in deltas), whole)
        self.assertGreater(len(deltas), 10)
        self.assertEqual(finish, "stop")

    def test_objects(self):
        choice = self.chat(response_format={"type": "json_object"}, max_tokens=30)[0]
        self.assertRegex(choice["message"]["content"], r"\A\s?\{")
        self.assertEqual(choice["finish_reason"], "length")
        self.assertEqual(self.chat(response_format={"type": "text"}), self.chat())

    def test_the_end_is_no_lack_of_tokens(self):
        form = named({"type": "object", "properties": {"ok": {"const": True}}, "required": ["ok"], "additionalProperties": False})
        for n, finish in ((11, "stop"), (10, "length")):
            choice = self.chat(response_format=form, max_tokens=n, temperature=0, logit_bias={"32": -100, "10": -100})[0]
            self.assertEqual((choice["message"]["content"], choice["finish_reason"]), ('{"ok":true}'[:n], finish))

    # ---- Tools ----

    def test_calls_that_are_required(self):
        seen = set()
        for seed in range(6):
            bias = {str(ord("tw"[seed % 2])): -100}
            choice = self.chat(tools=[WEATHER, TIME], tool_choice="required", seed=seed, logit_bias=bias)[0]
            self.assertEqual((choice["finish_reason"], choice["message"]["content"]), ("tool_calls", None))
            seen.add(self.check_call(choice["message"]["tool_calls"][0]))
        self.assertEqual(seen, {"weather", "time"})

    def test_a_call_that_is_named(self):
        for name in "weather", "time":
            choice = {"type": "function", "function": {"name": name}}
            deltas, finish = self.stream(tools=[TIME, WEATHER], tool_choice=choice, response_format=named(PERSON))
            calls = [call for d in deltas for call in d.get("tool_calls", [])]
            self.assertEqual((len(calls), finish), (1, "tool_calls"))
            self.assertEqual(self.check_call(calls[0]), name)

    def test_an_answer_or_a_call(self):
        """Which of them tells the first name that is written."""
        first = {**PERSON, "properties": {"person": {"const": 1}, **PERSON["properties"]}, "required": ["person", *PERSON["required"]]}
        for letter in "pn":
            message = self.chat(tools=[TIME], response_format=named(first), logit_bias={str(ord(letter)): -100})[0]["message"]
            if letter == "p":
                self.check_call(message["tool_calls"][0])
            else:
                self.assertEqual(list(json.loads(message["content"])), ["person", "name", "kind", "tags"])
        self.check_person(self.chat(tools=[TIME], tool_choice="none", response_format=named(PERSON))[0]["message"]["content"])

    # ---- What is refused ----

    def test_formats_refused(self):
        for value in 1, {}, {"type": "xml"}:
            self.fails("must be 'text', 'json_object' or 'json_schema'", "response_format", response_format=value)
        for value in {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"name": "a"}}, named(True):
            self.fails("response_format must be", "response_format", response_format=value)
        self.fails("no member 'grammar'", "response_format", response_format=named({}, grammar="a"))
        self.fails("'not' is not supported, at /properties/a", "response_format",
                   response_format=named({"properties": {"a": {"not": {}}}}))
        self.fails("the limit is", "response_format", response_format=named({"enum": ["a" * 300000]}))

    def test_choices_refused(self):
        self.fails("tool_choice must be", "tool_choice", tools=[TIME], tool_choice="always")
        self.fails("tool_choice must be", "tool_choice", tools=[TIME], tool_choice={"type": "function", "function": {}})
        self.fails("names 'clock', which is none of the tools", "tool_choice", tools=[TIME], tool_choice={"type": "function", "function": {"name": "clock"}})
        for tools in {}, {"tools": []}:
            self.fails("tool_choice needs tools", "tool_choice", tool_choice="required", **tools)
        self.fails("'minProperties' is not supported", "tools", tool_choice="required",
                   tools=[{"type": "function", "function": {"name": "a", "parameters": {"properties": {"x": {"minProperties": 1}}}}}])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
