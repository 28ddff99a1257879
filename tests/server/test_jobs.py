#!/usr/bin/env python3
"""Runs of jobs over HTTP: inputs and outputs by port, inner values, cancelling, what is refused."""
import json
import struct
import sys
import unittest

from serving import RECORDING, SPOKEN, RunTests, Server, form
from text_model import chain_file
from test_runs import small_model

LONG = 1 << 30  # tokens


class Jobs(RunTests):
    kind = "job"

    @classmethod
    def setUpClass(cls):
        file = chain_file(cls)
        below = file.parent / "below"
        below.mkdir()
        (below / "small.onnx").write_bytes(small_model())
        away = file.parent / "away.job.json"
        away.write_text(json.dumps({
            "sibyl_job": 1, "kind": "away", "models": {"m": "below/small.onnx"}, "tokenizers": {"t": {"kind": "bytes"}},
            "inputs": {"text": "text"}, "nodes": [{"name": "ids", "op": "tokenize", "tokenizer": "t", "inputs": {"text": "$text"}}],
            "outputs": {"ids": "$ids"}}))
        cls.server = cls.enterClassContext(Server("digits", str(file), str(away)))
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

    def test_graph(self):
        """Nodes in loops with typed ports, calls, and where each value comes from."""
        status, job = self.server.json("GET", "/api/models/chain/job")
        self.assertEqual((status, job["kind"]), (200, "text-generation"), job)
        self.assertEqual([(n["name"], n["op"], n["loop"]) for n in job["nodes"]],
                         [("prompt", "tokenize", -1), ("generate", "loop", -1), ("next", "call", 1), ("choose", "sample", 1),
                          ("words", "detokenize", 1), ("score", "score", -1)])
        self.assertEqual([n["calls"] for n in job["nodes"]], [[], [], [{"as": "model", "call": "decoder"}], [], [],
                                                              [{"as": "model", "call": "decoder"}]])
        inputs = [p["name"] for p in job["inputs"]]
        prompt, generate, following, choose, words, _ = job["nodes"]
        self.assertEqual({p["name"]: (p["type"], p["from"]) for p in prompt["takes"]}["text"], ("text", {"input": inputs.index("text")}))
        self.assertEqual([(p["name"], p["type"], p["from"]) for p in generate["takes"]], [("fed", "tokens", {"node": 0, "port": 0})])
        self.assertEqual([(p["name"], p["from"]) for p in generate["body_takes"]], [("fed", None)])
        self.assertEqual([(p["name"], p["type"], p["from"]) for p in generate["body_gives"]],
                         [("fed", "tokens", {"node": 3, "port": 0}), ("tokens", "tokens", {"node": 3, "port": 1}),
                          ("text", "text", {"node": 4, "port": 0}), ("logprobs", "number", {"node": 3, "port": 3}),
                          ("until", "flag", {"node": 3, "port": 2}), ("until", "flag", {"node": 4, "port": 1})])
        self.assertEqual([(p["name"], p["type"]) for p in generate["gives"]],
                         [("fed", "tokens"), ("tokens", "tokens"), ("text", "text"), ("logprobs", "numbers")])
        self.assertEqual([(p["name"], p["type"], p["from"]) for p in following["takes"] if p["name"] == "tokens"],
                         [("tokens", "tensor", {"loop": 1, "port": 0})])
        self.assertEqual({p["name"]: p["from"] for p in job["outputs"]}["text"], {"node": 1, "port": 2})
        self.assertEqual([n["name"] for n in job["document"]["nodes"]], ["prompt", "generate", "score"])
        status, digits = self.server.json("GET", "/api/models/digits/job")
        self.assertEqual([c["call"] for c in digits["nodes"][0]["calls"]], ["encoder", "decoder", "aligner"])
        takes = {p["name"]: p["from"] for p in digits["nodes"][0]["takes"]}
        self.assertEqual((takes["n_text_ctx"], takes["alignment_heads"]), ({"literal": digits["document"]["nodes"][0]["inputs"]["n_text_ctx"]}, None))
        status, away = self.server.json("GET", "/api/models/away/job")
        self.assertEqual((status, away["document"]["models"]), (200, {"m": "away/m"}), away)  # the folder is the server's own
        status, answer = self.server.json("GET", "/api/models/small/job")
        self.assertEqual((status, answer["error"]["message"]), (404, "the model 'small' has no job: it is a graph alone"))
        self.assertEqual(self.server.ask("GET", "/api/models/none/job")[0], 404)

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
