#!/usr/bin/env python3
"""Runs of jobs over HTTP: inputs and outputs by port, inner values, cancelling, what is refused."""
import json
import pathlib
import struct
import sys
import tempfile
import unittest

from serving import RECORDING, SPOKEN, RunTests, Server, form
from text_model import chain
from test_runs import small_model

LONG = 1 << 30  # tokens


class Jobs(RunTests):
    kind = "job"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        file = pathlib.Path(folder.name) / "chain.onnx"
        file.write_bytes(chain()[0])
        cls.server = Server("digits", str(file))
        cls.addClassCleanup(cls.server.__exit__)
        assert cls.server.ask("POST", "/api/models", *form({}, {"file": ("small.onnx", small_model())}))[0] == 201

    def finish(self, files=None, **body):
        """The run, and its outputs by name."""
        done = self.end(files, **body)
        outputs = self.server.json("GET", f"/api/runs/{done['id']}/outputs")[1]["outputs"]
        return done, {o["name"]: o["value"] for o in outputs}

    def refused(self, expected, part, files=None, **body):
        status, answer = self.ask_run(files, **{"model": "chain", **body})
        self.assertEqual(status, expected, answer)
        self.assertIn(part, answer["error"]["message"])

    def test_text_and_tokens(self):
        """The same as OpenAI's API gives; a prompt as text, as a part and as ids."""
        status, answer = self.server.json("POST", "/v1/completions", json.dumps(
            {"model": "chain", "prompt": "Once", "max_tokens": 12, "temperature": 0}), {"Content-Type": "application/json"})
        self.assertEqual(status, 200, answer)
        options = {"max_tokens": 12, "temperature": 0}
        done, outputs = self.finish(model="chain", inputs={"text": "Once", **options})
        self.assertEqual((done["state"], done["kind"]), ("done", "job"), done)
        self.assertEqual(outputs["text"], answer["choices"][0]["text"])
        self.assertEqual(len(outputs["tokens"]), 12)
        self.assertIn({"name": "tokens", "type": "tokens"}, done["outputs"])
        _, again = self.finish({"text": ("p.txt", b"Once")}, model="chain", inputs=options)
        self.assertEqual(again, outputs)
        _, again = self.finish(model="chain", inputs={"tokens": list(b"Once"), **options}, outputs=["text"])
        self.assertEqual(again, {"text": outputs["text"]})

    def test_audio(self):
        done, outputs = self.finish({"audio": ("a.flac", RECORDING.read_bytes())}, model="digits")
        self.assertEqual(done["state"], "done", done)
        self.assertEqual(outputs["text"].strip(), SPOKEN)
        self.assertEqual("".join(s["text"] for s in outputs["segments"]), outputs["text"])
        _, named = self.finish({"x": ("a.flac", RECORDING.read_bytes())}, model="digits", inputs={"audio": {"file": "x"}})
        self.assertEqual(named["text"], outputs["text"])

    def test_inner_values(self):
        done, _ = self.finish(model="chain", inputs={"text": "Once", "max_tokens": 3, "temperature": 0},
                              keep=["generate/step[?]/choose/logprob"], outputs=["text"], profile=True)
        values = self.server.json("GET", f"/api/runs/{done['id']}/values")[1]["values"]
        self.assertEqual([v["name"] for v in values], [f"generate/step[{i}]/choose/logprob" for i in range(3)])
        status, _, body = self.server.ask("GET", f"/api/runs/{done['id']}/data?format=raw&name=generate/step[1]/choose/logprob")
        self.assertEqual(status, 200, body)
        self.assertLessEqual(struct.unpack("<d", body)[0], 0)
        profile = self.server.json("GET", f"/api/runs/{done['id']}/profile")[1]
        self.assertIn("job", {s["kind"] for s in profile["spans"]})

    def test_cancelled(self):
        run = self.start(model="chain", inputs={"text": "Once", "max_tokens": LONG})
        self.wait(run, "running")
        self.assertEqual(self.server.ask("POST", f"/api/runs/{run}/cancel")[0], 200)
        self.assertEqual(self.wait(run, "cancelled", "done", "failed")["state"], "cancelled")
        self.assertEqual(self.server.json("GET", f"/api/runs/{run}/outputs")[1], {"outputs": []})

    def test_refused(self):
        self.refused(400, "has no job", model="small")
        self.refused(400, "runs of jobs have no 'oracle'", oracle=True)
        self.refused(400, "the job has no input 'none'", inputs={"none": 1})
        self.refused(400, "the input 'text' must be a text", inputs={"text": 1})
        self.refused(400, "the input 'max_tokens' must be a number", inputs={"max_tokens": "1"})
        for ids in ([-1], [1.5], ["a"], [1 << 31], 1):
            self.refused(400, "ids of tokens", inputs={"tokens": ids})
        self.refused(400, "list of texts", inputs={"stop": ["a", 1]})
        self.refused(400, "the part 'other'", {"other": ("a", b"b")}, inputs={"text": "a"})
        self.refused(400, "'audio'", model="digits")
        self.refused(400, "must be a recording", model="digits", inputs={"audio": {"file": "none"}})
        self.refused(400, "'inputs'", inputs=[1])
        done, _ = self.finish(model="chain", inputs={"text": "a"}, outputs=["none"])
        self.assertEqual(done["state"], "failed")
        self.assertIn("'none'", done["error"]["message"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
