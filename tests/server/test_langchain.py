#!/usr/bin/env python3
"""LangChain's package for OpenAI's API against `sibyl serve`. Exits 77, which ctest counts as skipped, where it is not installed."""
import os
import pathlib
import sys
import tempfile
import unittest

os.environ["LANGSMITH_TRACING"] = "false"  # it would ask a server of its own
try:
    from langchain_core.messages import AIMessageChunk, ToolMessage
    from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
except ImportError as missing:
    print(f"skipped for want of Python's package {missing.name}")
    sys.exit(77)

import embedding_model
from serving import Server
from text_model import TOOL, caller, chain


class LangChain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        model = folder / "chain.onnx"
        model.write_bytes(chain({"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}in"})[0])
        tools = folder / "caller.onnx"
        tools.write_bytes(caller())
        server = cls.enterClassContext(Server(str(model), str(tools), str(embedding_model.write(folder / "embed")), "--token", "secret"))
        cls.options = {"base_url": f"http://{server.host}:{server.port}/v1", "api_key": "secret", "max_retries": 0}

    def test_chats(self):
        chat = ChatOpenAI(model="chain", temperature=0, max_completion_tokens=9, **self.options)
        messages = [("system", "be brief"), ("human", "hello")]
        whole = chat.invoke(messages)
        self.assertEqual((whole.response_metadata["finish_reason"], whole.usage_metadata["output_tokens"]), ("length", 9))
        self.assertEqual("".join(piece.content for piece in chat.stream(messages)), whole.content)
        self.assertEqual([m.content for m in chat.batch([messages, messages])], [whole.content] * 2)

    def test_tools(self):
        chat = ChatOpenAI(model="caller", temperature=0, **self.options).bind_tools([TOOL])
        messages = [("human", "hello")]
        whole = chat.invoke(messages)
        self.assertEqual([(call["name"], call["args"]) for call in whole.tool_calls], [("weather", {"city": "Bern"})])
        pieces = sum(chat.stream(messages), AIMessageChunk(content=""))
        self.assertEqual([(call["name"], call["args"]) for call in pieces.tool_calls], [("weather", {"city": "Bern"})])
        again = chat.invoke([*messages, whole, ToolMessage("rain", tool_call_id=whole.tool_calls[0]["id"])])
        self.assertGreater(again.usage_metadata["input_tokens"], 40)

    def test_texts(self):
        text = OpenAI(model="chain", temperature=0, max_tokens=9, **self.options)
        whole = text.invoke("in")
        self.assertEqual(len(whole), 9)
        self.assertEqual("".join(text.stream("in")), whole)

    def test_embeddings(self):
        """Texts as they are: by default it would send ids of OpenAI's own tokenizer."""
        embeddings = OpenAIEmbeddings(model="embed", check_embedding_ctx_length=False, **self.options)
        for got, text in zip([*embeddings.embed_documents(["a b", "c"]), embeddings.embed_query("h")], ["a b", "c", "h"], strict=True):
            for a, b in zip(got, embedding_model.expected(text), strict=True):
                self.assertAlmostEqual(a, b, places=6)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
