#!/usr/bin/env python3
"""The document of Sibyl's own API beside the routes and real answers. Exits 77, which ctest counts as skipped, where
the packages jsonschema and schemathesis are not installed."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

try:
    import jsonschema
    import schemathesis  # noqa: F401
except ImportError as missing:
    print(f"skipped for want of Python's package {missing.name}")
    sys.exit(77)

import decoder_model
import test_documents
import test_graphs
import test_hashes
import test_runs
import voice_model
from serving import RECORDING, SOURCE, Server, form

QUICK = os.environ.get("SIBYL_QUICK") == "1"
DOCUMENT = json.loads((SOURCE / "src/server/openapi.json").read_text())
OPERATIONS = {(method.upper(), path): operation for path, item in DOCUMENT["paths"].items()
              for method, operation in item.items()}


def resolve(found: dict) -> dict:
    while "$ref" in found:
        name = found["$ref"]
        found = DOCUMENT
        for key in name.removeprefix("#/").split("/"):
            found = found[key]
    return found


def operation_of(method: str, path: str):
    """The one that a request is for; longest without names in braces first."""
    for (known, pattern), operation in sorted(OPERATIONS.items(), key=lambda row: row[0][1].count("{")):
        if known == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path.partition("?")[0]):
            return operation
    raise AssertionError(f"no operation for {method} {path}")


class Document(unittest.TestCase):
    def test_routes(self):
        rows = re.findall(r'^ROUTE\("(\w+)", "([^"]+)"', (SOURCE / "src/server/routes.def").read_text(), re.M)
        own = {row for row in rows if row[1].startswith(("/api/", "/healthz", "/readyz", "/metrics"))}
        self.assertEqual(own, set(OPERATIONS))

    def test_schemas(self):
        for name, schema in DOCUMENT["components"]["schemas"].items():
            jsonschema.Draft202012Validator.check_schema(schema)
            self.assertIn(f'"#/components/schemas/{name}"', json.dumps(DOCUMENT), "nothing refers to it")
        for (_, path), operation in OPERATIONS.items():
            parameters = [resolve(p) for p in operation.get("parameters", [])]
            self.assertEqual({p["name"] for p in parameters if p["in"] == "path" and p["required"]}, set(re.findall(r"\{(\w+)\}", path)))


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (cls.folder / "file.onnx").write_bytes(test_runs.small_model())
        (cls.folder / "loud.onnx").write_bytes(voice_model.loud())
        decoder_model.make(cls.folder, "tiny")
        cls.server = cls.enterClassContext(Server("digits", "--models", str(cls.folder), "--time-limit", "20"))
        for name, data in (("small", test_runs.small_model()), ("loop", test_graphs.small_model())):
            assert cls.server.ask("POST", "/api/models", *form({}, {"file": (name + ".onnx", data)}))[0] == 201

    def ask(self, method, path, body=None, headers=None):
        """An answer that fits its schema."""
        operation = operation_of(method, path)
        status, given, text = self.server.ask(method, path, body, headers or {})
        where = f"{method} {path}: {status} {text[:300]}"
        self.assertIn(str(status), operation["responses"], where)
        self.asked.add((operation["operationId"], str(status)))
        content = resolve(operation["responses"][str(status)]).get("content")
        self.assertEqual(bool(content), bool(text), where)
        if not content:
            return None
        kind = given["Content-Type"].partition(";")[0]
        self.assertIn(kind, content, where)
        if kind != "application/json":
            return text
        answer = json.loads(text)
        jsonschema.validate(answer, {**content[kind]["schema"], "components": DOCUMENT["components"]},
                            cls=jsonschema.Draft202012Validator)
        return answer

    def test_answers(self):
        """Each operation's success, and each of its errors that a request can bring about."""
        self.asked = set()
        for path in ("/healthz", "/readyz", "/metrics", "/api/openapi.json", "/api/loaders", "/api/models", "/api/peaks", "/api/runs"):
            self.ask("GET", path)
        self.graphs()
        self.plans()
        self.run_values()
        self.features()
        self.spans()
        self.lens()
        self.recordings()
        self.attention()
        self.hashes()
        self.opened()
        self.documents()
        wanted = {(o["operationId"], status) for o in OPERATIONS.values() for status in o["responses"]}
        left = {row for row in wanted - self.asked if row[1] not in ("413", "429", "503")}
        self.assertEqual(left, set(), "no request of this test had these answers")

    def graphs(self):
        self.ask("GET", "/api/models/digits/job")
        self.ask("GET", "/api/models/small/job")  # a graph alone
        for model in ("digits", "small", "loop"):
            detail = self.ask("GET", f"/api/models/{model}")
            graphs = self.ask("GET", f"/api/models/{model}/graphs")["graphs"]
            for view in ("", "?view=planned"):
                for g in range(len(graphs) if not view else 1):
                    root = f"/api/models/{model}/graphs/{g}"
                    self.ask("GET", root + view)
                    nodes = self.ask("GET", root + "/nodes" + view)["nodes"]
                    values = self.ask("GET", root + "/values" + view)["values"]
                    for n in nodes[:6]:
                        self.ask("GET", f"{root}/nodes/{n['i']}{view}")
                    for v in values[:6]:
                        self.ask("GET", f"{root}/values/{v['i']}{view}")
            self.assertTrue(detail["inputs"])
        root = "/api/models/loop/graphs/0"
        self.ask("GET", root + "/nodes/2?dims=T:3")
        self.ask("GET", root + "/nodes/3/milli")
        weight = next(v["i"] for v in self.ask("GET", root + "/values?q=m")["values"] if v["name"] == "m")
        self.ask("GET", f"{root}/values/{weight}/data?slice=0:2")
        self.ask("GET", f"{root}/values/{weight}/digest")
        self.ask("GET", f"{root}/digests?values=0,{weight}")
        self.ask("GET", f"{root}/digests")
        self.ask("GET", "/api/models/none/graphs/0/digests?values=0")
        for path in ("/values/{}/data?slice=9", "/values/{}/digest?slice=9", "/values/{}?view=none", "/nodes?count=x",
                     "/values?from=-1", "/nodes/3?dims=T", "/nodes/3/milli?dims=T", "?view=none"):
            self.ask("GET", root + path.format(weight))
        self.ask("GET", "/api/models/loop/graphs?view=none")
        for path in ("", "/graphs", "/graphs/0", "/graphs/0/nodes", "/graphs/0/values", "/graphs/0/nodes/0",
                     "/graphs/0/nodes/0/milli", "/graphs/0/values/0", "/graphs/0/values/0/data",
                     "/graphs/0/values/0/digest", "/plan"):
            self.ask("GET", "/api/models/none" + path)

    def plans(self):
        self.assertEqual(self.server.json("POST", "/v2/models/small/infer", json.dumps({"inputs": [
            {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]},
            {"name": "i", "datatype": "INT64", "shape": [2], "data": [1, 2]}]}))[0], 200)
        self.assertTrue(self.ask("GET", "/api/models/small/plan")["segments"])
        self.ask("GET", "/api/models/small/plan?from=x")

    def run_values(self):
        start = {"model": "small", "kind": "graph", "keep": ["*"], "profile": True, "dims": {"T": 2}}
        first, second = (self.ask("POST", "/api/runs", json.dumps({**start, "seed": seed}))["id"] for seed in (1, 2))
        failed = self.ask("POST", "/api/runs", json.dumps({**start, "outputs": ["none"]}))["id"]
        states = {}
        for run in (first, second, failed):
            while (state := self.ask("GET", f"/api/runs/{run}")["state"]) in ("queued", "running"):
                pass
            states[run] = state
        self.assertEqual(list(states.values()), ["done", "done", "failed"])
        root = f"/api/runs/{first}"
        for path in ("/outputs", "/values", "/values?count=1&q=y", "/value?name=y", "/data?name=y", "/data?name=y&format=raw&slice=0", "/profile",
                     "/profile?format=chrome", f"/compare?with={second}", f"/compare?with={first}",
                     "/values?from=x", "/value", "/value?name=none", "/data", "/data?name=none", "/data?name=y&slice=9",
                     "/profile?count=x", "/compare"):
            self.ask("GET", root + path)
        for path in ("", "/outputs", "/values", "/value?name=y", "/data?name=y", "/profile", f"/compare?with={first}"):
            self.ask("GET", "/api/runs/r0" + path)
        data = self.server.ask("GET", root + "/data?name=y")[2]
        for files in ({"y": ("y", data)}, {}):
            self.ask("POST", root + "/compare", *form({}, files))
        self.ask("POST", "/api/runs/r0/compare", *form({}, {}))
        both = {"model": "small", "dims": {"T": 2}, "backends": "ref"}
        for request in (both, {**both, "model": "none"}, {**both, "outputs": ["none"]}):
            self.ask("POST", "/api/compare", json.dumps(request))
        self.ask("POST", root + "/cancel")
        for run in (first, "r0"):
            self.ask("DELETE", f"/api/runs/{run}")
        self.ask("POST", "/api/runs/r0/cancel")
        self.ask("POST", "/api/runs", "{")
        self.ask("POST", "/api/runs", json.dumps({**start, "model": "none"}))

    def documents(self):
        for document in (test_documents.echo(), {}):
            self.ask("POST", "/api/jobs", json.dumps(document))
            self.ask("POST", "/api/jobs/check", json.dumps(document))

    def features(self):
        for file in (RECORDING.read_bytes(), b"none"):
            self.ask("POST", "/api/features", *form({}, {"file": ("a.flac", file)}))
        self.ask("POST", "/api/features", *form({"recording": "none"}, {}))

    def recordings(self):
        recording = self.ask("POST", "/api/recordings", *form({}, {"file": ("a.flac", RECORDING.read_bytes())}))["id"]
        self.ask("POST", "/api/recordings", *form({}, {"file": ("a.flac", b"none")}))
        self.ask("GET", "/api/recordings")
        for method in ("GET", "DELETE"):
            for name in (recording, "0" * 64):
                self.ask(method, f"/api/recordings/{name}")

    def spans(self):
        self.open("loud.onnx")
        for fields in ({}, {"threshold": "high"}, {"model": "none"}):
            self.ask("POST", "/api/spans", *form(fields, {"file": ("a.flac", RECORDING.read_bytes())}))

    def attention(self):
        for fields in ({"tokens": "16,17"}, {"tokens": ""}, {"tokens": "16", "model": "none"}):
            self.ask("POST", "/api/attention", *form(fields, {"file": ("a.flac", RECORDING.read_bytes())}))

    def lens(self):
        self.open("tiny.onnx")
        for fields in ({"prompt": "in"}, {"prompt": [97, 98], "values": [0, 1], "top": 1}, {}, {"prompt": "in", "model": "none"}):
            self.ask("POST", "/api/lens", json.dumps(fields))

    def open(self, file):
        opened = json.dumps({"loader": "file", "options": {"file": file}})
        return self.ask("POST", "/api/models", opened, {"Content-Type": "application/json"})["id"]

    def hashes(self):
        folder = self.folder
        (folder / "job").mkdir()
        (folder / "job/job.json").write_text(json.dumps(test_hashes.JOB))
        (folder / "large.onnx").write_bytes(test_hashes.model("large", test_hashes.LARGE))
        models = [self.open(file) for file in ("file.onnx", "job", "large.onnx")]
        (folder / "large.onnx").unlink()
        for model in (*models, "none"):
            self.ask("GET", f"/api/models/{model}/hash")

    def opened(self):
        name = self.open("file.onnx")
        self.ask("POST", "/api/models", "{}")
        for model in (name, "none"):
            self.ask("DELETE", f"/api/models/{model}")

    def test_fuzzing(self):
        """Requests that schemathesis makes of the document: no server errors, and answers as the document says."""
        start = {"model": "small", "kind": "graph", "keep": ["*"], "profile": True, "dims": {"T": 2}}
        run = self.server.json("POST", "/api/runs", json.dumps(start))[1]["id"]
        config = self.folder / "schemathesis.toml"
        config.write_text(f'[parameters]\n"path.id" = "loop"\n"path.graph" = 0\n"path.run" = "{run}"\n'
                          "[generation]\nallow-x00 = false\n")  # libwebsockets closes the connection at %00
        command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "--config-file",
                   str(config), "run", str(SOURCE / "src/server/openapi.json"), "--url",
                   f"http://{self.server.host}:{self.server.port}", "--seed", "1", "--max-examples", "5" if QUICK else "10",
                   "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
                   "--exclude-operation-id", "closeModel", "--generation-database", "none", "--no-color"]
        made = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        self.assertEqual(made.returncode, 0, made.stdout[-6000:] + made.stderr[-2000:])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
