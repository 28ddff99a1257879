#!/usr/bin/env python3
"""Chats with tools: what the template gets, and calls in the text of a model, at once and as a stream."""
import json
import pathlib
import sys
import tempfile
import unittest

from serving import Server
from text_model import MARK, scripted

TEMPLATE = ("{% for t in tools or [] %}[{{ t | tojson }}]{% endfor %}{% for m in messages %}{{ m.role }}={{ m.content | tojson }}"
            "{% for c in m.tool_calls or [] %}({{ c.id }} {{ c.function.name }} {{ c.function.arguments.city }}){% endfor %}"
            "{% if m.tool_call_id %}<{{ m.tool_call_id }}>{% endif %};{% endfor %}" + chr(MARK))
WEATHER = {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
TIME = {"type": "function", "function": {"name": "time_of-day"}}
USER = {"role": "user", "content": "hello"}
BERN = '{"name": "weather", "arguments": {"city": "Bern", "days": [1, 2]}}'


def tag(call):
    return f"<tool_call>\t{call} </tool_call>"


# What the models say; what of it is the content, and what calls there are.
ANSWERS = {
    "one": (tag(BERN), None, [("weather", {"city": "Bern", "days": [1, 2]})]),
    "two": ("Let me see. \t" + tag(BERN) + "\r" + tag('{"name": "time_of-day", "arguments": {}}') + "  ", "Let me see.",
            [("weather", {"city": "Bern", "days": [1, 2]}), ("time_of-day", {})]),
    "between": ("a" + tag(BERN) + " and " + tag(BERN) + " b", "a and b", 2 * [("weather", {"city": "Bern", "days": [1, 2]})]),
    "open": ("<tool_call>" + BERN, None, [("weather", {"city": "Bern", "days": [1, 2]})]),
    "llama": ('  {"name": "weather", "parameters": {"city": "Bern"}}', None, [("weather", {"city": "Bern"})]),
    "llamas": ('{"name": "weather", "parameters": {"city": "B;{"}} ; {"name": "time_of-day"}', None, [("weather", {"city": "B;{"}), ("time_of-day", {})]),
    "text": ("No <tool needed: 1 < 2 <tool_cal", "No <tool needed: 1 < 2 <tool_cal", []),
    "blank": (" \t a  b  ", " \t a  b  ", []),
    "object": ('{"name": "Ada", "born": 1815}', '{"name": "Ada", "born": 1815}', []),
    "broken": ('<tool_call>{"name": "weather", </tool_call> so', '<tool_call>{"name": "weather", </tool_call> so', []),
    "unknown": (tag('{"name": "none", "arguments": {}}'), tag('{"name": "none", "arguments": {}}'), []),
    "more": ('<tool_call>{"name": "weather", "arguments": {}} x</tool_call>', '<tool_call>{"name": "weather", "arguments": {}} x</tool_call>', []),
    "deep": ("<tool_call>" + 3000 * "[", "<tool_call>" + 3000 * "[", []),
    "as_text": (tag(r'{"name": "weather", "arguments": "{\"city\": \"Bern\"}"}'), None, [("weather", {"city": "Bern"})]),
}


class Tools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        for name, (said, _, _) in ANSWERS.items():
            (folder / f"{name}.onnx").write_bytes(scripted(said.encode(), {"chat_template": TEMPLATE}))
        cls.server = cls.enterClassContext(Server(*(str(folder / f"{name}.onnx") for name in ANSWERS), "--jobs", "2"))

    def ask(self, **fields):
        fields = {"model": "one", "messages": [USER], "tools": [WEATHER, TIME], "temperature": 0, **fields}
        status, _, text = self.server.ask("POST", "/v1/chat/completions", json.dumps(fields), {"Content-Type": "application/json"})
        return status, text

    def chat(self, **fields):
        status, text = self.ask(**fields)
        self.assertEqual(status, 200, text)
        return json.loads(text)["choices"]

    def stream(self, **fields):
        """Deltas, and why it ended."""
        status, text = self.ask(stream=True, **fields)
        self.assertEqual(status, 200, text)
        blocks = text.decode().split("\n\n")
        self.assertEqual(blocks[-2], "data: [DONE]")
        choices = [json.loads(b.removeprefix("data: "))["choices"][0] for b in blocks[:-2]]
        return [c["delta"] for c in choices], choices[-1]["finish_reason"], choices

    def fails(self, part, param, **fields):
        status, text = self.ask(**fields)
        self.assertEqual(status, 400, text)
        error = json.loads(text)["error"]
        self.assertIn(part, error["message"])
        self.assertEqual(error["param"], param)

    def check_calls(self, got, expected):
        self.assertEqual([(c["type"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in got],
                         [("function", name, arguments) for name, arguments in expected])
        self.assertEqual(len({c["id"] for c in got}), len(expected))

    # ---- Answers ----

    def test_calls_in_an_answer(self):
        for name, (_, content, calls) in ANSWERS.items():
            with self.subTest(name):
                choice = self.chat(model=name)[0]
                self.assertEqual(choice["message"]["content"], content)
                self.assertEqual(choice["finish_reason"], "tool_calls" if calls else "stop")
                self.assertEqual("tool_calls" in choice["message"], bool(calls))
                self.check_calls(choice["message"].get("tool_calls", []), calls)

    def test_calls_in_a_stream(self):
        for name, (_, content, calls) in ANSWERS.items():
            with self.subTest(name):
                deltas, finish, _ = self.stream(model=name)
                self.assertEqual(deltas[0], {"role": "assistant", "content": ""})
                self.assertEqual("".join(d.get("content", "") for d in deltas), content or "")
                self.assertEqual(finish, "tool_calls" if calls else "stop")
                got = [call for d in deltas for call in d.get("tool_calls", [])]
                self.assertEqual([c["index"] for c in got], list(range(len(calls))))
                self.check_calls(got, calls)

    def test_text_comes_before_the_calls_end(self):
        """What may begin a call is held back, no more."""
        deltas = self.stream(model="two")[0]
        texts = [d["content"] for d in deltas[1:] if "content" in d]
        self.assertEqual(texts[:4], ["L", "e", "t", " m"])
        self.assertGreater(len(self.stream(model="text")[0]), 15)

    def test_without_tools_nothing_is_looked_for(self):
        said = ANSWERS["one"][0]
        for fields in ({"tools": []}, {"tools": None}, {"tool_choice": "none"}):
            choice = self.chat(**fields)[0]
            self.assertEqual((choice["message"], choice["finish_reason"]), ({"role": "assistant", "content": said, "refusal": None}, "stop"))
            self.assertEqual("".join(d.get("content", "") for d in self.stream(**fields)[0]), said)

    def test_one_call_alone(self):
        self.check_calls(self.chat(model="two", parallel_tool_calls=False)[0]["message"]["tool_calls"], ANSWERS["two"][2][:1])
        self.check_calls([c for d in self.stream(model="two", parallel_tool_calls=False)[0] for c in d.get("tool_calls", [])], ANSWERS["two"][2][:1])

    def test_an_answer_that_is_cut(self):
        choice = self.chat(max_tokens=20)[0]
        self.assertEqual((choice["message"]["content"], choice["finish_reason"]), (ANSWERS["one"][0][:20], "length"))
        self.assertEqual(self.chat(max_tokens=len(tag(BERN)) - 3)[0]["finish_reason"], "length")

    def test_several_choices(self):
        choices = self.chat(n=3)
        for choice in choices:
            self.check_calls(choice["message"]["tool_calls"], ANSWERS["one"][2])
        self.assertEqual(len({choice["message"]["tool_calls"][0]["id"] for choice in choices}), 3)

    def test_log_probabilities_are_of_all_tokens(self):
        whole = self.chat(logprobs=True)[0]["logprobs"]["content"]
        self.assertEqual("".join(t["token"] for t in whole), ANSWERS["one"][0])
        pieces = [c["logprobs"] for c in self.stream(logprobs=True)[2]]
        self.assertEqual([t for p in pieces if p for t in p["content"]], whole)

    # ---- What the template gets ----

    def prompt_of(self, **fields):
        return bytes(self.chat(return_token_ids=True, max_tokens=1, **fields)[0]["prompt_token_ids"][:-1]).decode()

    def test_tools_in_the_template(self):
        self.assertEqual(self.prompt_of(), f'[{json.dumps(WEATHER)}][{json.dumps(TIME)}]user="hello";')
        self.assertEqual(self.prompt_of(tool_choice="auto"), self.prompt_of())
        self.assertEqual(self.prompt_of(tool_choice="none"), 'user="hello";')

    def test_calls_and_their_answers_in_the_template(self):
        call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
        answer = {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "rain"}]}
        for message in {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "assistant", "tool_calls": [call]}:
            self.assertEqual(self.prompt_of(tools=[], messages=[USER, message, answer]),
                             'user="hello";assistant=null(call_1 weather Bern);tool="rain"<call_1>;')
        self.assertEqual(self.prompt_of(tools=[], messages=[{"role": "assistant", "content": "a", "tool_calls": []}, USER]), 'assistant="a";user="hello";')

    # ---- What is refused ----

    def test_tools_refused(self):
        for tools in "a", {}, 129 * [TIME]:
            self.fails("a list of at most 128 tools", "tools", tools=tools)
        for tool in 1, {}, {"type": "function"}, *({"type": "function", "function": {"name": name}} for name in (1, "", "a b", 65 * "a")):
            self.fails("tool 1 must be", "tools", tools=[TIME, tool])
        self.fails("tool 0: the type 'web_search' is not supported", "tools", tools=[{"type": "web_search"}])
        self.fails("parallel_tool_calls must be", "parallel_tool_calls", parallel_tool_calls=1)

    def test_messages_refused(self):
        def call(**more):
            return {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}", **more}}
        for part, message in (
                ("a tool's needs 'tool_call_id'", {"role": "tool", "content": "a"}), ("a tool's needs 'tool_call_id'", {"role": "tool", "content": "a", "tool_call_id": 1}),
                ("'tool_call_id' is of messages of tools alone", {"role": "user", "content": "a", "tool_call_id": "1"}),
                ("its content must be", {"role": "tool", "tool_call_id": "1"}), ("of messages of assistants alone", {"role": "user", "content": "a", "tool_calls": [call()]}),
                ("a list of at most 128 calls", {"role": "assistant", "content": "a", "tool_calls": 129 * [call()]}),
                ("a list of at most 128 calls", {"role": "assistant", "content": "a", "tool_calls": {}}),
                ("a call must be", {"role": "assistant", "content": "a", "tool_calls": [1]}), ("a call must be", {"role": "assistant", "tool_calls": [call(arguments={})]}),
                ("the arguments of its call of 'weather' are no JSON object", {"role": "assistant", "tool_calls": [call(arguments="{")]}),
                ("its content must be", {"role": "assistant"}), ("its content must be", {"role": "assistant", "tool_calls": []}),
                ("are no JSON object", {"role": "assistant", "tool_calls": [call(arguments="[1]")]}), ("are no JSON object", {"role": "assistant", "tool_calls": [call(arguments=5000 * '{"a":')]})):
            self.fails(part, "messages", messages=[USER, message])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
