#!/usr/bin/env python3
"""Runs of graphs over HTTP: inputs, kept values, limits, cancelling."""
import contextlib
import http.client
import io
import json
import os
import pathlib
import struct
import sys
import tempfile
import time
import unittest
import zipfile
from concurrent.futures import ThreadPoolExecutor

import onnx_file as onnx
from serving import RunTests, Server, form


def small_model() -> bytes:
    """y = Relu(x + w) of [T, 3]; n = -i of int64 [2]."""
    nodes = [onnx.node("Add", ["x", "w"], ["sum"], "adds"), onnx.node("Relu", ["sum"], ["y"]), onnx.node("Neg", ["i"], ["n"])]
    return onnx.model(onnx.graph("main", nodes, [onnx.value("x", ["T", 3]), onnx.value("i", [2], onnx.INT64)],
                                 [onnx.value("y", ["T", 3]), onnx.value("n", [2], onnx.INT64)],
                                 [onnx.tensor("w", onnx.FLOAT, [3], struct.pack("<3f", 1, 0, -1))]))


def wave() -> bytes:
    """A tenth of a second of silence."""
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16) + b"data" + struct.pack("<I", 3200)
    return b"RIFF" + struct.pack("<I", len(head) + 3200) + head + bytes(3200)


def endless_model() -> bytes:
    """A loop of 2^40 iterations."""
    body = onnx.graph("body", [onnx.node("Add", ["c", "c"], ["d"]), onnx.node("Identity", ["go"], ["on"])],
                      [onnx.value("turn", [], onnx.INT64), onnx.value("go", [], 9), onnx.value("c", [3])],
                      [onnx.value("on", [], 9), onnx.value("d", [3])])
    return onnx.model(onnx.graph("main", [onnx.node("Loop", ["count", "", "x"], ["y"], body=body)], [onnx.value("x", [3])],
                                 [onnx.value("y", [3])], [onnx.tensor("count", onnx.INT64, [], struct.pack("<q", 1 << 40))]))


@contextlib.contextmanager
def endless_server(*arguments):
    """A server that has the endless model when it begins to answer: a short limit is that of the model's runs alone."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "endless.onnx"
        file.write_bytes(endless_model())
        with Server(str(file), *arguments) as server:
            yield server


def start_endless(server) -> str:
    """The id of a run that goes on."""
    run = server.json("POST", "/api/runs", '{"model": "endless", "kind": "graph"}')[1]["id"]
    while server.json("GET", f"/api/runs/{run}")[1]["state"] != "running":
        time.sleep(0.01)
    return run


class Runs(RunTests):
    kind = "graph"

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("digits"))
        for name, data in (("small", small_model()), ("endless", endless_model())):
            status, _, text = cls.server.ask("POST", "/api/models", *form({}, {"file": (f"{name}.onnx", data)}))
            assert status == 201, text

    def refused(self, expected, part, **body):
        status, answer = self.ask_run(**{"model": "small", **body})
        self.assertEqual(status, expected, answer)
        self.assertIn(part, answer["error"]["message"])

    def raw(self, run, name, query=""):
        status, _, body = self.server.ask("GET", f"/api/runs/{run}/data?format=raw&name={name}{query}")
        self.assertEqual(status, 200, body)
        return body

    def test_given_inputs(self):
        done = self.end(model="small", inputs={"x": {"data": [[1, 2, 0.5], [-3, 4, 5]]}, "i": {"data": [5, -6]}}, keep=["*"])
        self.assertEqual((done["state"], done["error"], done["dropped"], done["backends"], done["call"]), ("done", None, 0, "", None))
        self.assertEqual(done["outputs"], [{"name": "y", "type": "float32 [2, 3]"}, {"name": "n", "type": "int64 [2]"}])
        listed = [v["name"] for v in self.server.json("GET", f"/api/runs/{done['id']}/values")[1]["values"]]
        self.assertEqual(sorted(listed), sorted(set(listed)), "an output that was also kept is listed once")
        outputs = self.server.json("GET", f"/api/runs/{done['id']}/outputs")[1]
        self.assertEqual(outputs, {"outputs": done["outputs"]})
        self.assertEqual(struct.unpack("<6f", self.raw(done["id"], "sum")), (2, 2, -0.5, -2, 4, 4))
        self.assertEqual(struct.unpack("<6f", self.raw(done["id"], "y")), (2, 2, 0, 0, 4, 4))
        self.assertEqual(struct.unpack("<2f", self.raw(done["id"], "y", "&slice=:,1")), (2, 4))
        self.assertEqual(struct.unpack("<2q", self.raw(done["id"], "n")), (-5, 6))
        values = self.server.json("GET", f"/api/runs/{done['id']}/values?q=sum")[1]
        self.assertEqual((values["total"], values["values"][0]["node"]), (1, "adds"))
        self.assertNotIn("cells", values["values"][0]["digest"])
        value = self.server.json("GET", f"/api/runs/{done['id']}/value?name=sum")[1]
        self.assertEqual((value["shape"], value["bytes"], value["op_type"]), ([2, 3], 24, "Add"))
        self.assertEqual((value["digest"]["min"], value["digest"]["max"], len(value["digest"]["cells"])), (-2, 4, 6))

    def test_calls_of_a_job(self):
        done = self.end(model="digits", call="decoder", dims={"B": 1, "N": 2, "M": 2, "P": 4})
        self.assertEqual((done["state"], done["call"]), ("done", "decoder"), done)
        listed = self.server.json("GET", "/api/runs")[1]["runs"]
        self.assertEqual([r["call"] for r in listed if r["id"] == done["id"]], ["decoder"])

    def test_outputs_alone_are_kept_unless_more_is_asked_for(self):
        done = self.end(model="small", dims={"T": 4})
        names = [v["name"] for v in self.server.json("GET", f"/api/runs/{done['id']}/values")[1]["values"]]
        self.assertEqual(names, ["y", "n"])
        done = self.end(model="small", dims={"T": 4}, outputs=["n"])
        self.assertEqual([o["name"] for o in done["outputs"]], ["n"])

    def test_random_inputs(self):
        runs = [self.end(model="small", dims={"T": 4}, keep=["*"], seed=s) for s in (1, 1, 2)]
        a, b, c = (self.raw(r["id"], "sum") for r in runs)
        self.assertEqual(a, b)
        self.assertNotEqual(a, c)
        self.assertTrue(all(-2 <= v <= 2 for v in struct.unpack("<12f", a)))
        self.assertEqual(len(self.raw(self.end(model="small", inputs={"x": {"random": 3}}, dims={"T": 0})["id"], "y")), 0)

    def test_shapes_and_types(self):
        done = self.end(model="small", inputs={"x": {"data": [1, 2, 3, 4, 5, 6], "shape": [2, 3]}, "i": {"random": 1}})
        self.assertEqual(len(self.raw(done["id"], "y")), 24)
        self.refused(400, "'x' must be float32 [T, 3], not float32 [1, 2]", inputs={"x": {"data": [[1, 2]]}})
        self.refused(400, "'x' must be float32 [T, 3], not float64 [1, 3]", inputs={"x": {"data": [[1, 2, 3]], "dtype": "float64"}})

    def test_refused(self):
        self.refused(400, "'T'")
        self.refused(400, "no dim 'U'", dims={"U": 1})
        self.refused(400, "integer", dims={"T": -1})
        self.refused(400, "integer", dims={"T": 1.5})
        self.refused(400, "too large", dims={"T": 1 << 40})
        self.refused(400, "too large", dims={"T": (1 << 63) - 1})
        self.refused(400, "no input 'z'", inputs={"z": {"random": 1}})
        self.refused(400, "'data'", inputs={"x": {"text": "a"}})
        self.refused(400, "equal lengths", inputs={"x": {"data": [[1, 2, 3], [1, 2]]}})
        self.refused(400, "equal lengths", inputs={"x": {"data": [[1, 2, 3], [1, 2, [3]]]}})
        self.refused(400, "equal lengths", inputs={"x": {"data": [[1, 2, 3], 1]}})
        self.refused(400, "element 0 of the input 'x' must be a number", inputs={"x": {"data": [["a"]]}})
        self.refused(400, "element 0 of the input 'i' must be an integer that the type has (int64)",
                     inputs={"x": {"data": [[1, 2, 3]]}, "i": {"data": [1.5, 2]}})
        self.refused(400, "'shape'", inputs={"x": {"data": [1, 2, 3], "shape": [-1, 3]}})
        self.refused(400, "elements", inputs={"x": {"data": [1, 2, 3], "shape": [2, 3]}})
        self.refused(400, "no type", inputs={"x": {"data": [1], "dtype": "nothing"}})
        self.refused(400, "'kind'", kind="none")
        self.refused(400, "'profile'", profile=1)
        self.refused(400, "'keep'", keep="x")
        self.refused(400, "'outputs'", outputs=[1])
        self.refused(400, "no graph of a call other", call="other")
        self.refused(404, "no model 'none'", model="none")
        deep = 1
        for _ in range(20):
            deep = [deep]
        self.refused(400, "more than 16", inputs={"x": {"data": deep}})

    def test_elements_that_the_type_does_not_have(self):
        """Refused by name as by /v2, where saturation would change them silently."""
        def text(dtype, number):
            return json.dumps({"model": dtype, "kind": "graph", "inputs": {"x": {"data": [0, number]}}})

        numbers = {"int8": (3, -128, 127), "uint8": (2, 0, 255), "int16": (5, -32768, 32767), "uint16": (4, 0, 65535),
                   "int32": (6, -2**31, 2**31 - 1), "uint32": (12, 0, 2**32 - 1), "uint64": (13, 0, 2**63 - 1),
                   "int64": (7, -2**63, 2**63 - 1), "bool": (9, 0, 1), "float16": (10, -65519.0, 65519.0),
                   "float32": (1, -3.4e38, 3.4e38)}
        for dtype, (number, low, high) in numbers.items():
            one = onnx.model(onnx.graph("g", [onnx.node("Identity", ["x"], ["y"])], [onnx.value("x", [2], number)],
                                        [onnx.value("y", [2], number)]))
            self.assertEqual(self.server.ask("POST", "/api/models", *form({}, {"file": (f"{dtype}.onnx", one)}))[0], 201)
            self.addCleanup(self.server.ask, "DELETE", f"/api/models/{dtype}")
            for good in (low, high):
                status, run = self.server.json("POST", "/api/runs", text(dtype, good))
                self.assertEqual((status, self.wait(run["id"], "done", "failed")["state"]), (201, "done"), (dtype, run))
            beyond = [1e39, -1e39] if dtype == "float32" else [65520.0, -65520.0] if dtype == "float16" else [low - 1, high + 1]
            for wrong in [*beyond, "1", None] + ([] if dtype.startswith("float") else [0.5]):
                status, answer = self.server.json("POST", "/api/runs", text(dtype, wrong))
                part = "not JSON" if isinstance(wrong, int) and not -2**63 <= wrong < 2**63 else "element 1 of the input 'x'"
                self.assertEqual((status, part in answer["error"]["message"]), (400, True), (dtype, wrong, answer))

    def test_failures_are_told(self):
        done = self.end(model="small", dims={"T": 2}, outputs=["nothing"])
        self.assertEqual((done["state"], "nothing" in done["error"]["message"]), ("failed", True))
        done = self.end(model="small", dims={"T": 2}, backends="none-such")
        self.assertIn("none-such", done["error"]["message"])

    def test_failures_name_files_without_folders_and_nodes_entirely(self):
        """PyTorch's exporter names nodes like paths."""
        bad = onnx.model(onnx.graph("main", [onnx.node("Add", ["a", "b"], ["y"], "/encoder/conv1/Add")],
                                    [onnx.value("a", ["M"]), onnx.value("b", ["N"])], [onnx.value("y", ["K"])]))
        with tempfile.TemporaryDirectory() as folder, Server("--models", folder) as server:
            pathlib.Path(folder, "bad.onnx").write_bytes(bad)
            opened = {"loader": "file", "options": {"file": "bad.onnx"}}
            self.assertEqual(server.ask("POST", "/api/models", json.dumps(opened))[0], 201)
            run = server.json("POST", "/api/runs", json.dumps({"kind": "graph", "model": "bad", "dims": {"M": 2, "N": 3}}))[1]
            while run["state"] in ("queued", "running"):
                run = server.json("GET", f"/api/runs/{run['id']}")[1]
            self.assertIn("/encoder/conv1/Add", run["error"]["message"])
            self.assertNotIn(folder, run["error"]["message"])

    def test_profile(self):
        run = self.end(model="small", dims={"T": 4}, backends="ref", profile=True)
        self.assertEqual((run["state"], run["profile"]), ("done", True))
        status, profile = self.server.json("GET", f"/api/runs/{run['id']}/profile")
        self.assertEqual((status, profile["dropped"], profile["total"]), (200, 0, len(profile["spans"])))
        nodes = [s for s in profile["spans"] if s["kind"] == "node"]
        self.assertEqual(sorted(s["op_type"] for s in nodes), ["Add", "Neg", "Relu"])
        self.assertIn("adds", [s["name"] for s in nodes])
        for s in nodes:
            self.assertEqual(s["backend"], "ref")
            self.assertTrue(0 <= s["begin"] <= s["end"] and s["thread"] > 0 and s["parent"] >= 0, s)
        whole = profile["spans"][0]
        self.assertEqual((whole["kind"], whole["begin"], whole["parent"]), ("run", 0, -1))
        self.assertTrue(all(s["end"] <= whole["end"] for s in nodes))
        self.assertAlmostEqual(sum(r["seconds"] for r in profile["by_phase"]) * 1e6, whole["end"], delta=1)
        self.assertEqual(sorted(r["op_type"] for r in profile["by_operator"]), ["Add", "Neg", "Relu"])
        self.assertEqual([r["calls"] for r in profile["by_node"]], [1, 1, 1])
        page = self.server.json("GET", f"/api/runs/{run['id']}/profile?from=1&count=2")[1]
        self.assertEqual((page["total"], page["spans"]), (profile["total"], profile["spans"][1:3]))
        status, headers, text = self.server.ask("GET", f"/api/runs/{run['id']}/profile?format=chrome")
        trace = json.loads(text)
        complete = [e for e in trace["traceEvents"] if e["ph"] == "X"]
        self.assertEqual((status, len(complete)), (200, profile["total"]))
        self.assertEqual([e["args"].get("operator", "") for e in complete], [s["op_type"] for s in profile["spans"]])
        for e, s in zip(complete, profile["spans"]):
            self.assertAlmostEqual(e["ts"], s["begin"], delta=0.01)
            self.assertAlmostEqual(e["dur"], s["end"] - s["begin"], delta=0.01)
        self.assertIn(f"{run['id']}.trace.json", headers["Content-Disposition"])

    def test_profile_that_is_not_there(self):
        for profile in ({}, {"profile": False}):
            run = self.end(model="small", dims={"T": 1}, **profile)
            self.assertEqual((run["profile"], self.server.ask("GET", f"/api/runs/{run['id']}/profile")[0]), (False, 404))
        run = self.end(model="small", dims={"T": 1}, profile=True)["id"]
        for query in ("format=svg", "from=a", "count=10001"):
            self.assertEqual(self.server.ask("GET", f"/api/runs/{run}/profile?{query}")[0], 400, query)

    def test_profile_of_a_run_that_goes_on(self):
        """Of a loop without end: 65,536 spans, the others are counted."""
        run = self.start(model="endless", profile=True)
        profile = {"dropped": 0}
        while not profile["dropped"]:
            status, profile = self.server.json("GET", f"/api/runs/{run}/profile?count=1")
            self.assertEqual(status, 200)
            self.assertEqual(self.server.ask("GET", f"/api/runs/{run}/profile?format=chrome")[0], 200)
            self.assertIn(self.server.json("GET", f"/api/runs/{run}")[1]["state"], ("queued", "running"))
        self.assertEqual(profile["total"], 65536)
        self.server.ask("POST", f"/api/runs/{run}/cancel", "{}")
        ended = self.wait(run, "cancelled", "failed")
        self.assertGreater(ended["kept_bytes"], 65536 * 100)

    def test_compare(self):
        x, i = [[1, 2, 0.5], [-3, 4, 5]], {"data": [5, -6]}
        a, b, c = (self.end(model="small", inputs={"x": {"data": d}, "i": i}, **more)["id"] for d, more in (
            (x, {"keep": ["*"]}), ([x[0], [-3, 4.25, 5]], {"keep": ["sum"]}), (x, {"keep": ["*"], "oracle": True})))
        status, found = self.server.json("GET", f"/api/runs/{a}/compare?with={b}&atol=0.1&rtol=0")
        self.assertEqual(status, 200, found)
        kept, other = ([v["name"] for v in self.server.json("GET", f"/api/runs/{r}/values")[1]["values"]] for r in (a, b))
        both = set(kept) & set(other)
        self.assertEqual((sorted(both), found["compared"], found["different"]), (["n", "sum", "y"], 3, 2))
        self.assertEqual((found["first"], found["only_a"], found["only_b"]), ("sum", len(set(kept)) - 3, 0))
        rows = {r["name"]: r for r in found["rows"]}
        worst = rows["sum"]
        self.assertEqual((worst["node"], worst["op_type"], worst["within"], worst["why"]), ("adds", "Add", False, None))
        self.assertEqual((worst["elements"], worst["n_over"], worst["max_abs"], worst["worst"]), (6, 1, 0.25, [1, 1]))
        self.assertEqual((worst["worst_a"], worst["worst_b"], worst["first"]), (4, 4.25, [1, 1]))
        self.assertAlmostEqual(worst["max_rel"], 0.25 / 4.25)
        self.assertEqual(worst["ulp_max"], 1 << 19)
        self.assertEqual((rows["n"]["within"], rows["n"]["worst"], rows["n"]["max_abs"]), (True, [], 0))
        for query in ("atol=0.25&rtol=0", "atol=0&rtol=0.06", f"atol=0&rtol=0&ulp={1 << 19}"):
            self.assertIsNone(self.server.json("GET", f"/api/runs/{a}/compare?with={b}&{query}")[1]["first"], query)
        for query in (f"atol=0&rtol=0&ulp={(1 << 19) - 1}", "atol=0&rtol=0.058"):
            self.assertEqual(self.server.json("GET", f"/api/runs/{a}/compare?with={b}&{query}")[1]["first"], "sum", query)
        found = self.server.json("GET", f"/api/runs/{a}/compare?with={c}&atol=0&rtol=0")[1]
        self.assertEqual((found["first"], found["different"]), (None, 0), "the oracle's float64 is rounded")

    def test_compare_what_is_not_alike(self):
        a, b = (self.end(model="small", dims={"T": t})["id"] for t in (1, 2))
        found = self.server.json("GET", f"/api/runs/{a}/compare?with={b}")[1]
        row = next(r for r in found["rows"] if r["name"] == "y")
        self.assertEqual((found["first"], row["within"], "dims" in row["why"] or "shape" in row["why"]), ("y", False, True), row)

    def compare_backends(self, files=None, query="", **body):
        request = json.dumps({"model": "small", **body})
        return self.server.json("POST", f"/api/compare{query}", *(form({"request": request}, files) if files else (request,)))

    def test_compare_backends(self):
        """Two runs of the same inputs by one request, which are kept as any other."""
        x = {"x": {"data": [[1, 2, 0.5], [-3, 4, 5]]}, "i": {"data": [5, -6]}}
        status, found = self.compare_backends(backends="cpu,ref", reference={"backends": "ref"}, inputs=x)
        self.assertEqual((status, found["first"], found["different"], found["compared"], found["only_a"], found["only_b"]),
                         (200, None, 0, len(found["rows"]), 0, 0), found)
        self.assertLessEqual({"sum", "y", "n"}, {row["name"] for row in found["rows"]})
        runs = [self.server.json("GET", f"/api/runs/{found[member]}")[1] for member in ("run", "with")]
        self.assertEqual([(run["state"], run["backends"], run["oracle"]) for run in runs],
                         [("done", "cpu,ref", False), ("done", "ref", False)])
        again = self.server.json("GET", f"/api/runs/{found['run']}/compare?with={found['with']}")[1]
        self.assertEqual(again, found)

    def test_compare_with_the_oracle(self):
        """Without a reference; random inputs are the same for both, as are those of files."""
        for request in ({"dims": {"T": 5}, "seed": 3}, {"dims": {"T": 5}, "reference": {"oracle": True, "backends": "ref"}}):
            status, found = self.compare_backends(**request, query="?atol=1e-6&rtol=1e-6")
            self.assertEqual((status, found["first"]), (200, None), found)
            self.assertTrue(self.server.json("GET", f"/api/runs/{found['with']}")[1]["oracle"])
        decoder = {"model": "digits", "call": "decoder", "dims": {"B": 1, "N": 2, "M": 2, "P": 4}}
        found = self.compare_backends(**decoder, query="?atol=0&rtol=0")[1]
        self.assertTrue(found["first"] and found["different"] > 10, "float32 is not float64")
        self.assertIsNone(self.server.json("GET", f"/api/runs/{found['run']}/compare?with={found['with']}")[1]["first"])
        kept = self.compare_backends(dims={"T": 1}, keep=[])[1]
        self.assertEqual({row["name"] for row in kept["rows"]}, {"y", "n"}, "outputs alone")
        data = self.raw(kept["run"], "y")
        files = {"x": ("x.raw", data)}
        status, found = self.compare_backends(files, inputs={"x": {"file": "x", "format": "raw", "shape": [1, 3]}})
        self.assertEqual((status, found["first"]), (200, None), found)

    def npz(self, **arrays):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, (shape, values) in arrays.items():
                head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
                head += b" " * (-(len(head) + 11) % 64) + b"\n"
                archive.writestr(f"{name}.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head
                                 + struct.pack(f"<{len(values)}f", *values))
        return {"dump": ("dump.npz", buffer.getvalue())}

    def test_compare_by_node(self):
        """A fault of the reference is named in its node alone, not in those that read what it made."""
        x = {"x": {"data": [[1, 2, 0.5], [-3, 4, 5]]}, "i": {"data": [5, -6]}}
        run = self.end(model="small", inputs=x, keep=["*"])["id"]
        dump = self.npz(sum=((2, 3), (2, 2, -0.5, -2, 4.25, 4)), y=((2, 3), (2, 2, 0, 0, 4.25, 4)))
        ask = lambda way: self.server.json("POST", f"/api/runs/{run}/compare{way}", *form({}, dump))
        self.assertEqual([row["name"] for row in ask("")[1]["rows"] if not row["within"]], ["sum", "y"])
        status, found = ask("?by=node")
        self.assertEqual((status, found["first"], found["different"], found["compared"], found["with"]), (200, "sum", 1, 2, None), found)
        rows = {row["name"]: row for row in found["rows"]}
        self.assertEqual([rows["sum"][m] for m in ("node", "op_type", "n_over", "worst", "worst_a", "worst_b")], ["adds", "Add", 1, [1, 1], 4, 4.25])
        self.assertGreater(rows["sum"]["times"], 1e4)
        self.assertTrue(rows["sum"]["rounding"] < 1e-6 < rows["sum"]["relative_l2"] < 0.1, rows)
        self.assertLess(rows["y"]["times"], 1)
        self.assertEqual(ask("?by=node&factor=1e9")[1]["different"], 0)

    def test_compare_backends_by_node(self):
        for more in ({"backends": "cpu,ref", "reference": {"backends": "ref"}}, {}):
            decoder = {"model": "digits", "call": "decoder", "dims": {"B": 1, "N": 2, "M": 2, "P": 4}, **more}
            status, found = self.compare_backends(**decoder, query="?by=node")
            self.assertEqual((status, found["first"], found["different"]), (200, None, 0), found)
            self.assertGreater(found["compared"], 60)
            again = self.server.json("GET", f"/api/runs/{found['run']}/compare?by=node&with={found['with']}")[1]
            self.assertEqual(again, found)

    def test_compare_by_node_refused(self):
        a, b = (self.end(model="small", dims={"T": 1}, keep=keep)["id"] for keep in (["*"], []))
        oracle = self.end(model="small", dims={"T": 1}, keep=["*"], oracle=True)["id"]
        for run, query, part in ((a, "by=nodes", "'by' must be"), (a, "factor=2", "goes with by=node"), (a, "by=node&rtol=1", "'rtol' is of complete runs"),
                                 (a, "by=node&factor=0", "from 1 on"), (oracle, "by=node", "no nodes are judged"), (b, "by=node", "the input 'x'")):
            status, answer = self.server.json("GET", f"/api/runs/{run}/compare?with={b}&{query}")
            self.assertEqual(status, 400, query)
            self.assertIn(part, answer["error"]["message"])
        before = max(self.numbers())
        for body in ({"keep": []}, {"oracle": True}):
            self.assertEqual(self.compare_backends(dims={"T": 1}, query="?by=node", **body)[0], 400)
        self.assertLessEqual(max(self.numbers()), before, "runs of a request that failed are not kept")

    def numbers(self):
        return [0, *(int(run["id"][1:]) for run in self.server.json("GET", "/api/runs")[1]["runs"])]

    def test_compare_backends_refused(self):
        before = max(self.numbers())
        for part, status, body in (("'reference' must be", 400, {"reference": "ref"}), ("'reference' must be", 400, {"reference": {"backend": "ref"}}),
                                   ("'reference' must be", 400, {"reference": {"oracle": 1}}), ("no model 'none'", 404, {"model": "none"}),
                                   ("jobs choose no backends", 400, {"model": "digits", "kind": "job", "inputs": {"audio": {"file": "a"}}}),
                                   ("none", 400, {"reference": {"backends": "none"}, "dims": {"T": 1}}), ("dims", 400, {})):
            files = {"a": ("a.wav", wave())} if body.get("kind") else None
            got, answer = self.compare_backends(files, **body)
            self.assertEqual(got, status, (body, answer))
            self.assertIn(part, answer["error"]["message"])
        self.assertEqual(self.compare_backends(dims={"T": 1}, query="?rtol=x")[0], 400)
        self.assertLessEqual(max(self.numbers()), before, "runs of a request that failed are not kept")

    def test_a_client_that_goes_ends_its_comparison(self):
        gone = http.client.HTTPConnection(self.server.host, self.server.port)
        gone.request("POST", "/api/compare", json.dumps({"model": "endless", "keep": []}))
        while not (on := [r for r in self.server.json("GET", "/api/runs")[1]["runs"] if r["model"] == "endless" and r["state"] == "running"]):
            time.sleep(0.01)
        gone.close()
        while any(r["id"] == on[0]["id"] for r in self.server.json("GET", "/api/runs")[1]["runs"]):
            time.sleep(0.01)

    def test_compare_refused(self):
        a = self.end(model="small", dims={"T": 1})["id"]
        for query, status in (("", 400), ("?with=r0", 404), (f"?with={a}&atol=-1", 400), (f"?with={a}&rtol=nan", 400),
                              (f"?with={a}&rtol=1x", 400), (f"?with={a}&rtol=", 400), (f"?with={a}&ulp=-1", 400)):
            self.assertEqual(self.server.ask("GET", f"/api/runs/{a}/compare{query}")[0], status, query)
        self.assertEqual(self.server.ask("GET", f"/api/runs/r0/compare?with={a}")[0], 404)
        on = self.start(model="endless")
        status, answer = self.server.json("GET", f"/api/runs/{a}/compare?with={on}")
        self.assertEqual((status, f"'{on}' goes on" in answer["error"]["message"]), (400, True))

    def test_cancel(self):
        run = self.start(model="endless")
        self.wait(run, "running")
        self.assertEqual(self.server.ask("POST", f"/api/runs/{run}/cancel", "{}")[0], 200)
        self.assertEqual(self.wait(run, "cancelled", "failed", "done")["state"], "cancelled")

    def test_time_limit(self):
        with endless_server("--time-limit", "1") as server:
            run = server.json("POST", "/api/runs", json.dumps({"kind": "graph", "model": "endless"}))[1]
            while run["state"] in ("queued", "running"):
                run = server.json("GET", f"/api/runs/{run['id']}")[1]
            self.assertEqual((run["state"], "longer than 1 s" in run["error"]["message"]), ("failed", True), run)

    def test_what_is_kept_has_a_limit(self):
        """Of a loop that goes on, 16,384 values; the others are counted."""
        run = self.start(model="endless", keep=["*"])
        answer = {"dropped": 0}
        while not answer["dropped"]:
            time.sleep(0.05)
            answer = self.server.json("GET", f"/api/runs/{run}")[1]
            self.assertIn(answer["state"], ("queued", "running"))
        self.assertLessEqual(answer["kept"], 16384)
        self.assertGreater(answer["kept"], 100)
        page = self.server.json("GET", f"/api/runs/{run}/values?from=10&count=3")[1]
        self.assertEqual(len(page["values"]), 3)

    def test_forgotten(self):
        run = self.start(model="endless")
        self.wait(run, "running")
        self.assertEqual(self.server.ask("DELETE", f"/api/runs/{run}")[0], 204)
        for path in ("", "/values", "/value?name=y", "/data?name=y"):
            self.assertEqual(self.server.ask("GET", f"/api/runs/{run}{path}")[0], 404)
        self.assertEqual(self.server.ask("DELETE", f"/api/runs/{run}")[0], 404)

    def test_what_is_not_there(self):
        run = self.end(model="small", dims={"T": 1})["id"]
        for path, status in (("value", 400), ("data", 400), ("value?name=none", 404), ("data?name=none", 404), ("values?from=-1", 400)):
            self.assertEqual(self.server.ask("GET", f"/api/runs/{run}/{path}")[0], status, path)
        for wrong in ("r0", "r", "1", "r-1", "r01", "r18446744073709551617", "x1", "r1x"):
            self.assertEqual(self.server.ask("GET", f"/api/runs/{wrong}")[0], 404, wrong)
        self.assertEqual(self.server.json("GET", f"/api/runs/{run}/values?q=nowhere")[1], {"total": 0, "values": []})

    def test_old_runs_go(self):
        first = self.end(model="small", dims={"T": 1})["id"]
        for _ in range(64):
            self.end(model="small", dims={"T": 1})
        self.assertEqual(self.server.ask("GET", f"/api/runs/{first}")[0], 404)
        self.assertLessEqual(len(self.server.json("GET", "/api/runs")[1]["runs"]), 64)

    def test_model_closed_meanwhile(self):
        self.server.ask("POST", "/api/models", *form({}, {"file": ("gone.onnx", small_model())}))
        run = self.start(model="gone", dims={"T": 2})
        self.assertEqual(self.server.ask("DELETE", "/api/models/gone")[0], 204)
        self.assertEqual(self.wait(run, "done", "failed")["state"], "done")
        self.assertEqual(len(self.raw(run, "y")), 24)


class Peaks(unittest.TestCase):
    def test_measured_once(self):
        """Those who ask at once have the same figures, to the last digit, as those who ask later."""
        with Server("digits", "--threads", "1", "--jobs", "3") as server, ThreadPoolExecutor(3) as clients:
            answers = [*clients.map(lambda _: server.json("GET", "/api/peaks"), range(3)), server.json("GET", "/api/peaks")]
        status, first = answers[0]
        self.assertEqual(status, 200)
        self.assertEqual(first["threads"], 1)
        self.assertGreater(first["flops"], 1e8)
        self.assertGreater(first["read_bytes"], 1e7)
        self.assertEqual(answers, [answers[0]] * 4)

    def test_too_little_memory(self):
        with Server("digits", environment={"SIBYL_MEMORY": "100"}) as server:
            for _ in range(2):
                status, answer = server.json("GET", "/api/peaks")
                self.assertEqual(status, 503)
                self.assertIn("the buffer that is read", answer["error"]["message"])
            self.assertEqual(server.ask("GET", "/healthz")[0], 200)


class Waits(unittest.TestCase):
    def test_an_answer_without_a_body_of_the_request_may_take_long(self):
        """Longer than libwebsockets gives a client for its headers: behind a run on the one thread that computes."""
        time.sleep(max(0, waiting.until - time.monotonic()))
        self.assertFalse(waiting.answer.done(), "answered, or its connection closed")
        waiting.end()
        self.assertEqual(waiting.answer.result()[0], 200)


class Waiting:
    """A request that waits while the other tests go on. The run before it computes where processors have nothing else to do."""

    def __init__(self):
        self.server = unittest.enterModuleContext(endless_server("--jobs", "1", "--threads", "1"))
        clients = unittest.enterModuleContext(ThreadPoolExecutor(1))
        self.run = start_endless(self.server)
        self.set_policy(os.SCHED_IDLE)
        self.answer = clients.submit(self.server.ask, "GET", "/api/peaks")
        self.until = time.monotonic() + 22
        unittest.addModuleCleanup(self.end)

    def set_policy(self, policy):
        """Of all threads of the server but the event loop's, which is the first."""
        for thread in pathlib.Path(f"/proc/{self.server.process.pid}/task").iterdir():
            if int(thread.name) != self.server.process.pid:
                os.sched_setscheduler(int(thread.name), policy, os.sched_param(0))

    def end(self):
        self.set_policy(os.SCHED_OTHER)
        self.server.ask("POST", f"/api/runs/{self.run}/cancel", "{}")


def setUpModule():
    global waiting
    waiting = Waiting()


class Ends(unittest.TestCase):
    def test_the_server_ends_while_a_run_goes_on(self):
        with endless_server("--grace", "1") as s:
            start_endless(s)
            s.process.terminate()
            self.assertEqual(s.process.wait(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
