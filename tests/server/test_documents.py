#!/usr/bin/env python3
"""Job documents of requests: opened as models of the kind `document`, run, checked, and confined to what is open."""
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

from serving import COMMAND, RECORDING, SPOKEN, RunTests, Server, form
from text_model import chain
from test_runs import small_model


def echo(**more) -> dict:
    """A document without models: the ids of a text."""
    return {"sibyl_job": 1, "kind": "echo", "name": "echo", "tokenizers": {"t": {"kind": "bytes"}},
            "inputs": {"text": {"type": "text", "default": "in"}},
            "nodes": [{"name": "ids", "op": "tokenize", "tokenizer": "t", "inputs": {"text": "$text"}}],
            "outputs": {"ids": "$ids"}, **more}


def copy(model: str) -> dict:
    """A document that decodes with another model's graph and tokenizer: one token behind a text."""
    return {"sibyl_job": 1, "kind": "copy", "name": "one more", "models": {"m": model}, "tokenizers": {"t": {"file": model}},
            "calls": {"decoder": {"model": "m", "inputs": {"tokens": "tokens"}, "outputs": {"logits": "logits"},
                                  "state": {"past_*": "present_*"}}},
            "inputs": {"text": "text"},
            "nodes": [{"name": "ids", "op": "tokenize", "tokenizer": "t", "inputs": {"text": "$text"}},
                      {"name": "next", "op": "call", "calls": {"model": "decoder"}, "inputs": {"tokens": "$ids"}}],
            "outputs": {"logits": "$next.logits"}}


class Documents(RunTests):
    kind = "job"

    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.file = folder / "chain.onnx"
        cls.file.write_bytes(chain()[0])
        cls.server = cls.enterClassContext(Server("digits", str(cls.file)))
        assert cls.server.ask("POST", "/api/models", *form({}, {"file": ("small.onnx", small_model())}))[0] == 201

    def open(self, document) -> str:
        status, answer = self.server.json("POST", "/api/jobs", json.dumps(document))
        self.assertEqual(status, 201, answer)
        self.addCleanup(self.server.ask, "DELETE", f"/api/models/{answer['id']}")
        self.assertEqual((answer["kind"], answer["job"]), ("document", True))
        return answer["id"]

    def check(self, document):
        status, answer = self.server.json("POST", "/api/jobs/check", document if isinstance(document, str) else json.dumps(document))
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["valid"], not answer["errors"])
        return answer

    def outputs(self, **body):
        done = self.end(**body)
        self.assertEqual(done["state"], "done", done)
        return {o["name"]: o["value"] for o in self.server.json("GET", f"/api/runs/{done['id']}/outputs")[1]["outputs"]}

    def refused(self, document, path, message):
        """By both routes, with the place."""
        answer = self.check(document)
        self.assertEqual([(e["path"], e["line"]) for e in answer["errors"]], [(path, None)], answer)
        self.assertIn(message, answer["errors"][0]["message"])
        self.assertIsNone(answer["job"])
        status, answer = self.server.json("POST", "/api/jobs", json.dumps(document))
        self.assertEqual((status, answer["error"]["param"]), (400, path or None), answer)
        self.assertIn(message, answer["error"]["message"])

    def test_runs(self):
        name = self.open(echo())
        self.assertEqual(self.outputs(model=name, inputs={"text": "ab"}), {"ids": [97, 98]})
        self.assertEqual(self.outputs(model=name), {"ids": [105, 110]})
        job = self.server.json("GET", f"/api/models/{name}/job")[1]
        self.assertEqual([p["name"] for p in job["inputs"]], ["text"])
        self.assertEqual(job["document"], echo())

    def test_models_of_others(self):
        """A graph and a tokenizer of an open model; they stay while the document does."""
        self.assertEqual(self.server.json("POST", "/api/models", *form({}, {"file": ("g.onnx", small_model())}))[0], 201)
        call = {"sibyl_job": 1, "kind": "c", "models": {"m": "g"},
                "calls": {"c": {"model": "m", "inputs": {"x": "x"}, "outputs": {"y": "y"}}},
                "inputs": {"x": "tensor"},
                "nodes": [{"name": "n", "op": "call", "calls": {"model": "c"}, "inputs": {"x": "$x"}}], "outputs": {"y": "$n.y"}}
        name = self.open(call)
        self.assertEqual(self.server.ask("DELETE", "/api/models/g")[0], 204)
        inputs = {"x": {"data": [[1, 2, 3]]}}
        self.assertEqual(self.outputs(model=name, inputs=inputs), {"y": None})
        self.assertEqual(self.outputs(model=self.open({**call, "models": {"m": f"{name}/m"}}), inputs=inputs), {"y": None})

    def test_round_trip(self):
        """The document that a model's job has, changed, and run on the model's own graph and tokenizer."""
        for model, inputs in (("chain", {"text": "Once", "temperature": 0}), ("digits", {"audio": {"file": "audio"}})):
            document = self.server.json("GET", f"/api/models/{model}/job")[1]["document"]
            document["inputs"] |= {"max_tokens": {"type": "number", "default": 5}} if model == "chain" else {}
            name = self.open(document)
            files = {"audio": ("a.flac", RECORDING.read_bytes())} if model == "digits" else None
            outputs = self.outputs(files=files, model=name, inputs=inputs)
            self.assertEqual(*((outputs["text"].strip(), SPOKEN) if files else (len(outputs["tokens"]), 5)))
        # routes that choose a model by its kind never choose a document
        self.assertEqual(self.server.json("POST", "/v1/completions", json.dumps({"model": name, "prompt": "a"}))[0], 400)

    def test_checked(self):
        answer = self.check(echo())
        self.assertEqual((answer["valid"], [n["name"] for n in answer["job"]["nodes"]]), (True, ["ids"]))
        before = len(self.server.json("GET", "/api/models")[1]["models"])
        self.check(copy("chain"))
        self.assertEqual(len(self.server.json("GET", "/api/models")[1]["models"]), before)  # it opens nothing
        answer = self.check('{"sibyl_job": 1,\n"kind": }')
        self.assertEqual([(e["path"], e["line"]) for e in answer["errors"]], [("", 2)], answer)
        self.assertEqual(self.check("")["errors"][0]["line"], 1)

    def test_places(self):
        self.refused(echo(kind=3), "/kind", "expected a string")
        self.refused(echo(outputs={"ids": "$none"}), "/outputs/ids", "does not exist")
        node = dict(echo()["nodes"][0])
        self.refused(echo(nodes=[{**node, "inputs": {"text": 1}}]), "/nodes/0/inputs/text", "expected a literal of type text")
        self.refused(echo(nodes=[{**node, "op": "none"}]), "/nodes/0", "there is no op 'none'")
        self.refused(echo(models={"m": "none"}), "/models/m", "there is no model 'none'")
        self.refused(echo(models={"m": "digits/none"}), "/models/m", "has no graph of this name")
        self.refused(echo(tokenizers={"t": {"file": "small"}}), "/tokenizers/t", "has no tokenizer")
        self.refused(echo(tokenizers={"t": {"file": "chain", "kind": "gpt2"}}), "/tokenizers/t", "expected gpt2")
        self.refused(echo(tokenizers={"t": {"file": "chain", "n_vocab": 7}}), "/tokenizers/t", "expected 7")
        wrong = copy("chain")
        wrong["calls"]["decoder"]["outputs"] = {"logits": "none"}
        self.refused(wrong, "/calls/decoder", "has no output 'none'")
        self.refused([], "", "expected an object")

    def test_confined(self):
        """No file is read, whatever a document names."""
        for file in (str(self.file), "/etc/passwd", "../chain.onnx", "chain.onnx", "", "/", "chain/../chain", "x" * 5000):
            self.refused(echo(models={"m": file}), "/models/m", "")
            self.refused(echo(tokenizers={"t": {"file": file}}), "/tokenizers/t", "")
        self.refused(echo(chat={"file": "/etc/passwd"}), "/chat/file", "no files are read")
        self.refused(echo(chat={"file": "chain"}), "/chat/file", "no files are read")

    def test_limits(self):
        self.refused(echo(models={f"m{i}": "small" for i in range(17)}), "/models", "at most 16")
        self.refused(echo(tokenizers={"t": {"kind": "bytes", "n_vocab": 1 << 30}}), "/tokenizers/t", "'n_vocab'")
        call = {"model": "m", "outputs": {"y": "y"}}
        self.refused(echo(models={"m": "small"}, calls={f"c{i}": call for i in range(65)}), "/calls", "at most 64")
        state = {"model": "m", "state": {"x": {"name": "y", "dims": [1 << 20, 1 << 20]}}}
        self.refused(echo(models={"m": "small"}, calls={"c": state}), "/calls/c/state", "elements")
        status, answer = self.server.json("POST", "/api/jobs", json.dumps(echo(doc="x" * (1 << 20))))
        self.assertEqual(status, 413, answer)

    def test_a_file_that_is_wrong_is_named_once(self):
        wrong = self.file.with_name("wrong.job.json")
        wrong.write_text('{"sibyl_job": 1}')
        ended = subprocess.run([COMMAND, "serve", str(wrong)], capture_output=True, text=True)
        self.assertEqual((ended.returncode, ended.stderr), (1, f"sibyl: {wrong}: job '': /kind: expected a string\n"))

    def test_several_at_once(self):
        """Opened, run and closed from several threads."""
        failures = []

        def work():
            try:
                for _ in range(4):
                    name = self.server.json("POST", "/api/jobs", json.dumps(echo()))[1]["id"]
                    run = self.server.json("POST", "/api/runs", json.dumps({"model": name, "kind": "job", "inputs": {"text": "a"}}))[1]["id"]
                    self.wait(run, "done")
                    self.assertEqual(self.server.ask("DELETE", f"/api/models/{name}")[0], 204)
            except (AssertionError, KeyError, OSError) as fault:
                failures.append(fault)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
