#!/usr/bin/env python3
"""The Open Inference Protocol over HTTP: metadata, tensors as JSON and as bytes, what is refused, limits."""
import json
import math
import random
import socket
import struct
import sys
import time
import unittest

import onnx_file as onnx
from serving import Server, form
from test_runs import endless_server, small_model

# Name in the protocol, number in ONNX, format of struct, values that the type has, values that it does not have.
TYPES = [("BOOL", 9, "?", [True, False], [2, -1, "true"]), ("UINT8", 2, "B", [0, 255], [-1, 256, 1.0]),
         ("UINT16", 4, "H", [0, 65535], [-1, 65536]), ("UINT32", 12, "I", [0, (1 << 32) - 1], [-1, 1 << 32]),
         ("UINT64", 13, "Q", [0, (1 << 63) - 1], [-1, 0.5]), ("INT8", 3, "b", [-128, 127], [-129, 128]),
         ("INT16", 5, "h", [-32768, 32767], [-32769, 32768]), ("INT32", 6, "i", [-(1 << 31), (1 << 31) - 1], [1 << 31, -(1 << 31) - 1]),
         ("INT64", 7, "q", [-(1 << 63), (1 << 63) - 1], ["1", True]), ("FP32", 1, "f", [0.5, -3.25e38], [3.5e38, "1", None]),
         ("FP64", 11, "d", [0.1, -1.7e308], [True, [1.0]])]
BYTES_ONLY = [("FP16", 10, b"\x00\x3c\x00\xc0"), ("BF16", 16, b"\x80\x3f\x00\xc0")]
STRING = 8


def same_model(dtype: int) -> bytes:
    """y = x of [N]."""
    return onnx.model(onnx.graph("same", [onnx.node("Identity", ["x"], ["y"])], [onnx.value("x", ["N"], dtype)],
                                 [onnx.value("y", ["N"], dtype)]))


def odd_model() -> bytes:
    """plain = x * scale of [2], scale 3 unless it is given; list = [x]; maybe = x; raw = x as float8e4m3fn."""
    element = onnx.field(1, onnx.field(1, onnx.FLOAT))
    outputs = [onnx.value("plain", [2]), onnx.text(1, "list") + onnx.field(2, onnx.field(4, onnx.field(1, element))),
               onnx.text(1, "maybe") + onnx.field(2, onnx.field(9, onnx.field(1, element))), onnx.value("raw", [2], 17)]
    nodes = [onnx.node("Mul", ["x", "scale"], ["plain"]), onnx.node("SequenceConstruct", ["x"], ["list"]),
             onnx.node("Optional", ["x"], ["maybe"]), onnx.node("Cast", ["x"], ["raw"], to=17)]
    return onnx.model(onnx.graph("odd", nodes, [onnx.value("x", [2]), onnx.value("scale", [])], outputs,
                                 [onnx.tensor("scale", onnx.FLOAT, [], struct.pack("<f", 3))]), 19)


def wide_model() -> bytes:
    """y = x in as many elements as dims, all of one; log = log(x)."""
    nodes = [onnx.node("Expand", ["x", "dims"], ["y"]), onnx.node("Log", ["x"], ["log"])]
    return onnx.model(onnx.graph("wide", nodes, [onnx.value("x", [1]), onnx.value("dims", [1], onnx.INT64)],
                                 [onnx.value("y", ["N"]), onnx.value("log", [1])]))


def tensor(name, datatype, shape, data=None, **parameters):
    made = {"name": name, "datatype": datatype, "shape": shape}
    if data is not None:
        made["data"] = data
    if parameters:
        made["parameters"] = parameters
    return made


X = tensor("x", "FP32", [2, 3], [1, 2, 0.5, -3, 4, 5])
I = tensor("i", "INT64", [2], [5, -6])


class Inference(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("digits", "--max-upload", "1"))
        models = {"small": small_model(), "odd": odd_model(), "wide": wide_model(), "text": same_model(STRING)}
        models |= {name.lower(): same_model(number) for name, number, *_ in TYPES + BYTES_ONLY}
        for name, data in models.items():
            status, _, text = cls.server.ask("POST", "/api/models", *form({}, {"file": (f"{name}.onnx", data)}))
            assert status == 201, text

    def post(self, model, body, data=b"", headers=None):
        """Status, headers and body. body: a dict, or bytes; data: what follows it."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"}
        if data:
            sent["Inference-Header-Content-Length"] = str(len(text))
        return self.server.ask("POST", f"/v2/models/{model}/infer", text + data, sent | (headers or {}))

    def infer(self, model, inputs, data=b"", **more):
        """The answer's JSON, and the bytes of each output that came as bytes."""
        status, headers, text = self.post(model, {"inputs": inputs, **more}, data)
        self.assertEqual(status, 200, text)
        size = int(headers.get("Inference-Header-Content-Length", len(text)))
        answer, rest, parts = json.loads(text[:size]), text[size:], {}
        for output in answer["outputs"]:
            if "parameters" in output:
                n = output["parameters"]["binary_data_size"]
                self.assertGreaterEqual(len(rest), n)
                self.assertNotIn("data", output)
                parts[output["name"]], rest = rest[:n], rest[n:]
        self.assertEqual(rest, b"")
        self.assertEqual(headers["Content-Type"], "application/octet-stream" if parts else "application/json")
        return answer, parts

    def refused(self, status, part, model="small", data=b"", headers=None, **body):
        got, _, text = self.post(model, body, data, headers)
        self.assertEqual(got, status, text)
        answer = json.loads(text)
        self.assertEqual(list(answer), ["error"])
        self.assertIn(part, answer["error"])

    # ---- Server and models ----

    def test_server(self):
        status, answer = self.server.json("GET", "/v2")
        self.assertEqual((status, answer["name"], answer["extensions"]), (200, "sibyl", ["binary_tensor_data"]))
        self.assertRegex(answer["version"], r"^\d+\.\d+")
        self.assertEqual(self.server.json("GET", "/v2/health/live"), (200, {"live": True}))
        self.assertEqual(self.server.json("GET", "/v2/health/ready"), (200, {"ready": True}))

    def test_metadata(self):
        expected = {"name": "small", "versions": ["1"], "platform": "sibyl_onnx",
                    "inputs": [tensor("x", "FP32", [-1, 3]), tensor("i", "INT64", [2])],
                    "outputs": [tensor("y", "FP32", [-1, 3]), tensor("n", "INT64", [2])]}
        for path in "/v2/models/small", "/v2/models/small/versions/1":
            self.assertEqual(self.server.json("GET", path), (200, expected))
            self.assertEqual(self.server.json("GET", path + "/ready"), (200, {"name": "small", "ready": True}))
        for name in [t[0] for t in TYPES + BYTES_ONLY] + ["BYTES"]:
            model = "text" if name == "BYTES" else name.lower()
            self.assertEqual(self.server.json("GET", f"/v2/models/{model}")[1]["inputs"], [tensor("x", name, [-1])])
        self.assertEqual([o["datatype"] for o in self.server.json("GET", "/v2/models/odd")[1]["outputs"]],
                         ["FP32", "seq(float32 [2])", "optional(float32 [2])", "float8e4m3fn [2]"])

    def test_what_is_not_there(self):
        for path in ("", "/ready", "/versions/1", "/versions/1/ready"):
            status, answer = self.server.json("GET", f"/v2/models/none{path}")
            self.assertEqual((status, "'none'" in answer["error"]), (404, True))
        for path in ("/versions/2", "/versions/2/ready", "/versions/1.0", "?call=other"):
            self.assertEqual(self.server.json("GET", f"/v2/models/small{path}")[0], 404)
        self.refused(404, "'none'", "none", inputs=[])
        self.refused(404, "version", "small/versions/2", inputs=[])
        for method, path, expected in (("GET", "/v2/nothing", 404), ("GET", "/v2/models/small/infer", 405), ("POST", "/v2", 405)):
            status, answer = self.server.json(method, path, "{}" if method == "POST" else None)
            self.assertEqual((status, type(answer["error"])), (expected, str))

    def test_token(self):
        with Server("--token", "secret") as s:
            self.assertEqual(s.json("GET", "/v2/health/live")[0], 200)
            self.assertEqual(s.json("GET", "/v2/health/ready")[0], 200)
            status, answer = s.json("GET", "/v2")
            self.assertEqual((status, type(answer["error"])), (401, str))
            self.assertEqual(s.json("GET", "/v2", headers={"Authorization": "Bearer secret"})[0], 200)

    def test_job(self):
        """A graph of a job, of the call that the query names, gives what a run of it gives."""
        mel, = self.server.json("GET", "/v2/models/digits")[1]["inputs"]
        self.assertIn(mel, [tensor("mel", "FP32", [-1, 80, n]) for n in (3000, 1000)])  # 1000 where sanitizers are
        ports = self.server.json("GET", "/v2/models/digits?call=decoder")[1]["inputs"]
        inputs, sent = [], b""
        for port in ports:
            shape = [1, 2] if port["name"] == "tokens" else [0 if k == 2 and d < 0 else max(d, 1) for k, d in enumerate(port["shape"])]
            data = [0] * math.prod(shape)
            sent += struct.pack(f"<{len(data)}{'f' if port['datatype'] == 'FP32' else 'q'}", *data)
            inputs.append(port | {"shape": shape, "data": data})
        bound = [{k: v for k, v in i.items() if k != "data"} | {"parameters": {"binary_data_size": len(i["data"]) * (4 if i["datatype"] == "FP32" else 8)}}
                 for i in inputs]
        with Server("digits") as s:
            run = {"kind": "graph", "model": "digits", "call": "decoder", "outputs": ["logits"],
                   "inputs": {i["name"]: {"data": i["data"], "shape": i["shape"]} for i in inputs}}
            run = s.json("POST", "/api/runs", json.dumps(run))[1]["id"]
            text = json.dumps({"inputs": bound, "outputs": [{"name": "logits", "parameters": {"binary_data": True}}]}).encode()
            status, headers, body = s.ask("POST", "/v2/models/digits/infer?call=decoder", text + sent,
                                          {"Inference-Header-Content-Length": str(len(text))})
            self.assertEqual(status, 200, body)
            while s.json("GET", f"/api/runs/{run}")[1]["state"] in ("queued", "running"):
                time.sleep(0.01)
            logits = s.ask("GET", f"/api/runs/{run}/data?format=raw&name=logits")
            self.assertEqual(logits[0], 200, s.json("GET", f"/api/runs/{run}"))
            self.assertEqual(len(logits[2]), 1803 * 4)
            self.assertEqual(body[int(headers["Inference-Header-Content-Length"]):], logits[2])

    # ---- Tensors ----

    def test_json(self):
        answer, _ = self.infer("small", [I, X], id="r-1")
        self.assertEqual(answer, {"model_name": "small", "model_version": "1", "id": "r-1",
                                  "outputs": [tensor("y", "FP32", [2, 3], [2, 2, 0, 0, 4, 4]), tensor("n", "INT64", [2], [-5, 6])]})
        nested = tensor("x", "FP32", [2, 3], [[1, 2, 0.5], [-3, 4, 5]])
        self.assertEqual(self.infer("small/versions/1", [nested, I])[0]["outputs"], answer["outputs"])

    def test_subset_of_outputs(self):
        answer, _ = self.infer("small", [I, X], outputs=[{"name": "n"}])
        self.assertEqual(answer["outputs"], [tensor("n", "INT64", [2], [-5, 6])])
        answer, parts = self.infer("small", [I, X], outputs=[{"name": "n", "parameters": {"binary_data": True}}, {"name": "y"}])
        self.assertEqual([o["name"] for o in answer["outputs"]], ["n", "y"])
        self.assertEqual((parts, answer["outputs"][1]["data"]), ({"n": struct.pack("<2q", -5, 6)}, [2, 2, 0, 0, 4, 4]))
        self.assertEqual(len(self.infer("small", [I, X], outputs=[])[0]["outputs"]), 2)

    def test_bytes(self):
        x, i = struct.pack("<6f", 1, 2, 0.5, -3, 4, 5), struct.pack("<2q", 5, -6)
        inputs = [tensor("x", "FP32", [2, 3], binary_data_size=24), tensor("i", "INT64", [2], binary_data_size=16)]
        all_bytes = {"binary_data_output": True}
        for pad in range(8):  # elements at every alignment
            answer, parts = self.infer("small", inputs, x + i, parameters=all_bytes, id="p" * pad)
            self.assertEqual(parts, {"y": struct.pack("<6f", 2, 2, 0, 0, 4, 4), "n": struct.pack("<2q", -5, 6)})
            self.assertEqual([o["shape"] for o in answer["outputs"]], [[2, 3], [2]])
        answer, parts = self.infer("small", [I, inputs[0]], x, outputs=[{"name": "y", "parameters": {"binary_data": False}}, {"name": "n"}],
                                   parameters=all_bytes)
        self.assertEqual((list(parts), answer["outputs"][0]["data"]), (["n"], [2, 2, 0, 0, 4, 4]))
        empty, parts = self.infer("small", [tensor("x", "FP32", [0, 3], binary_data_size=0), I], parameters=all_bytes)
        self.assertEqual((empty["outputs"][0]["shape"], parts["y"]), ([0, 3], b""))

    def test_types(self):
        for name, _, code, good, bad in TYPES:
            with self.subTest(name):
                sent = struct.pack(f"<2{code}", *good)
                self.assertEqual(self.infer(name.lower(), [tensor("x", name, [2], good)], parameters={"binary_data_output": True})[1]["y"], sent)
                answer, _ = self.infer(name.lower(), [tensor("x", name, [2], binary_data_size=len(sent))], sent)
                got = answer["outputs"][0]
                self.assertEqual((got["datatype"], struct.pack(f"<2{code}", *got["data"])), (name, sent))
                for wrong in bad:
                    self.refused(400, "element 1 of the input 'x'" if not isinstance(wrong, list) else "'data'", name.lower(),
                                 inputs=[tensor("x", name, [2], [good[0], wrong])])
        self.assertEqual(self.infer("bool", [tensor("x", "BOOL", [2], [1, 0])])[0]["outputs"][0]["data"], [True, False])
        big = struct.pack("<Q", (1 << 64) - 1)
        self.assertEqual(self.infer("uint64", [tensor("x", "UINT64", [1], binary_data_size=8)], big)[0]["outputs"][0]["data"], [(1 << 64) - 1])

    def test_types_of_bytes_alone(self):
        for name, _, data in BYTES_ONLY:
            bound = tensor("x", name, [2], binary_data_size=4)
            self.assertEqual(self.infer(name.lower(), [bound], data, parameters={"binary_data_output": True})[1]["y"], data)
            self.refused(400, "JSON does not carry", name.lower(), data, inputs=[bound])
            self.refused(400, "JSON does not carry", name.lower(), inputs=[tensor("x", name, [2], [1, 2])],
                         parameters={"binary_data_output": True})

    def test_strings(self):
        words = ["", "é", "a\"\n", "long " * 100]
        wire = b"".join(struct.pack("<I", len(w.encode())) + w.encode() for w in words)
        given, bound = tensor("x", "BYTES", [4], words), tensor("x", "BYTES", [4], binary_data_size=len(wire))
        for one, data in ((given, b""), (bound, wire)):
            self.assertEqual(self.infer("text", [one], data)[0]["outputs"][0], tensor("y", "BYTES", [4], words))
            self.assertEqual(self.infer("text", [one], data, parameters={"binary_data_output": True})[1]["y"], wire)
        odd = struct.pack("<I", 2) + b"\xff\x00"
        one = tensor("x", "BYTES", [1], binary_data_size=6)
        self.assertEqual(self.infer("text", [one], odd, parameters={"binary_data_output": True})[1]["y"], odd)
        self.refused(400, "no UTF-8", "text", odd, inputs=[one])
        self.refused(400, "element 0", "text", inputs=[tensor("x", "BYTES", [1], [1])])
        for wrong in (wire[:-1], wire + b"\0", wire[:3], b"\xff" * 16, struct.pack("<4I", 0, 0, 0, 1), struct.pack("<5I", 0, 0, 0, 0, 0)):
            self.refused(400, "strings", "text", wrong, inputs=[tensor("x", "BYTES", [4], binary_data_size=len(wrong))])
        self.refused(400, "strings", "text", b"1234", inputs=[tensor("x", "BYTES", [1 << 40], binary_data_size=4)])

    def test_scalars_and_defaults(self):
        x = tensor("x", "FP32", [2], [1, 2])
        plain = [{"name": "plain"}]
        self.assertEqual(self.infer("odd", [x], outputs=plain)[0]["outputs"][0]["data"], [3, 6])
        for scale in [5], 5:
            answer, _ = self.infer("odd", [x, tensor("scale", "FP32", [], scale)], outputs=plain)
            self.assertEqual(answer["outputs"][0]["data"], [5, 10])

    def test_outputs_that_the_protocol_does_not_carry(self):
        x = tensor("x", "FP32", [2], [1, 2])
        for name, part in (("list", "'sequence'"), ("maybe", "'optional'"), ("raw", "float8e4m3fn")):
            self.refused(400, part, "odd", inputs=[x], outputs=[{"name": name}])
        self.refused(400, "'list'", "odd", inputs=[x])

    def test_not_a_number(self):
        """JSON has no NaN and no infinity; bytes have them."""
        for value, text in ((-1, "nan"), (0, "-inf")):
            inputs = [tensor("x", "FP32", [1], [value]), tensor("dims", "INT64", [1], [1])]
            self.refused(400, text, "wide", inputs=inputs)
            got = struct.unpack("<f", self.infer("wide", inputs, parameters={"binary_data_output": True})[1]["log"])[0]
            self.assertTrue(math.isnan(got) if text == "nan" else got == -math.inf)
        for literal in (b"NaN", b"Infinity", b"-Infinity", b"1e999"):
            body = json.dumps({"inputs": [tensor("x", "FP32", [1], [0])]}).encode().replace(b"[0]", b"[" + literal + b"]")
            status, _, text = self.post("fp32", body)
            self.assertEqual(status, 400, literal)
            self.assertIn("not JSON", json.loads(text)["error"])
        nan = struct.pack("<f", math.nan)
        self.assertEqual(self.infer("fp32", [tensor("x", "FP32", [1], binary_data_size=4)], nan, parameters={"binary_data_output": True})[1]["y"], nan)

    # ---- What is refused ----

    def test_inputs_refused(self):
        self.refused(400, "no input 'z'", inputs=[X, I, tensor("z", "FP32", [1], [1])])
        self.refused(400, "'i' is missing", inputs=[X])
        self.refused(400, "'inputs'")
        self.refused(400, "'inputs'", inputs={"x": 1})
        self.refused(400, "'name'", inputs=[1])
        self.refused(400, "'name'", inputs=[{"datatype": "FP32"}])
        self.refused(400, "'x' is there twice", inputs=[X, I, X])
        self.refused(400, "must be FP32, not 'FP64'", inputs=[X | {"datatype": "FP64"}, I])
        self.refused(400, "must be FP32, not 'float32'", inputs=[X | {"datatype": "float32"}, I])
        self.refused(400, "must be FP32", inputs=[X | {"datatype": 1}, I])
        self.refused(400, "either", inputs=[{k: X[k] for k in ("name", "datatype", "shape")}, I])
        self.refused(400, "either", inputs=[X | {"parameters": {"binary_data_size": 24}}, I], data=b"0" * 24)
        self.refused(400, "'shared_memory_region'", inputs=[X | {"parameters": {"shared_memory_region": "a"}}, I])
        self.refused(400, "'parameters'", inputs=[X | {"parameters": []}, I])

    def test_shapes_refused(self):
        for shape in ([-1, 3], [2, -3], [2.0, 3], ["2", 3], 6, None, [1] * 17):
            self.refused(400, "'shape'", inputs=[X | {"shape": shape}, I])
        for shape in ([1 << 62, 1 << 62], [1 << 32, 1 << 32], [1 << 63 - 1] * 16):
            self.refused(400, "counted", inputs=[X | {"shape": shape}, I])
        for shape in ([2, 2], [7], [1 << 62], [0, 3], [0, 1 << 62], []):
            self.refused(400, "'data'", inputs=[X | {"shape": shape}, I])
        self.refused(400, "'x'", inputs=[X | {"shape": [3, 2]}, I])  # the model's are [T, 3]
        for data in ([[1, 2, 3], [4, 5]], [[1, 2, 3]], [[1, 2], [3, 4], [5, 6]], [[[1], [2], [3]], [4, 5, 6]], "123456", 1, {}, [], None):
            self.refused(400, "'data'", inputs=[X | {"data": data}, I])
        self.refused(400, "'data'", inputs=[tensor("x", "FP32", [1 << 20, 3], [[1, 2, 3]] + [[]] * 1000), I])

    def test_bytes_refused(self):
        x, inputs = struct.pack("<6f", *range(6)), [tensor("x", "FP32", [2, 3], binary_data_size=24), I]
        self.refused(400, "left behind", inputs=inputs)
        self.refused(400, "left behind", inputs=inputs, data=x[:-1])
        self.refused(400, "belong to no input", inputs=inputs, data=x + b"\0")
        self.refused(400, "belong to no input", inputs=[X, I], data=b"\0")
        self.refused(400, "elements of 4 bytes", inputs=[tensor("x", "FP32", [2, 3], binary_data_size=20), I], data=x[:20])
        self.refused(400, "elements of 4 bytes", inputs=[tensor("x", "FP32", [2, 3], binary_data_size=23), I], data=x[:23])
        self.refused(400, "elements of 4 bytes", inputs=[tensor("x", "FP32", [1 << 61, 3], binary_data_size=24), I], data=x)
        for size in (-1, 24.0, "24", True, 1 << 62):
            self.refused(400, "24" if size == 1 << 62 else "'binary_data_size'", data=x,
                         inputs=[tensor("x", "FP32", [2, 3], binary_data_size=size), I])
        self.refused(400, "neither 0 nor 1", "bool", b"\1\2", inputs=[tensor("x", "BOOL", [2], binary_data_size=2)])

    def test_header_refused(self):
        body = {"inputs": [X, I]}
        for wrong in ("100000", "-1", "1x", "18446744073709551617"):
            status, _, text = self.post("small", body, headers={"Inference-Header-Content-Length": wrong})
            self.assertEqual((status, "Inference-Header-Content-Length" in json.loads(text)["error"]), (400, True), wrong)
        for text in (b"", b"[]", b"{", b"\xff", b'{"inputs": [], "inputs": []}'):
            status, _, answer = self.post("small", text)
            self.assertEqual((status, type(json.loads(answer)["error"])), (400, str), text)
        self.assertEqual(self.post("small", body, headers={"Inference-Header-Content-Length": "0"})[0], 400)
        status, _, text = self.post("small", body, headers={"Content-Encoding": "gzip"})
        self.assertEqual((status, "gzip" in json.loads(text)["error"]), (415, True))

    def test_outputs_refused(self):
        self.refused(400, "no output 'z'", inputs=[X, I], outputs=[{"name": "z"}])
        self.refused(400, "no output 'sum'", inputs=[X, I], outputs=[{"name": "sum"}])  # a value inside
        self.refused(400, "'y' is there twice", inputs=[X, I], outputs=[{"name": "y"}, {"name": "y"}])
        self.refused(400, "'outputs'", inputs=[X, I], outputs={"name": "y"})
        self.refused(400, "'name'", inputs=[X, I], outputs=["y"])
        self.refused(400, "'classification'", inputs=[X, I], outputs=[{"name": "y", "parameters": {"classification": 1}}])
        self.refused(400, "'binary_data'", inputs=[X, I], outputs=[{"name": "y", "parameters": {"binary_data": 1}}])
        self.refused(400, "'binary_data_output'", inputs=[X, I], parameters={"binary_data_output": "yes"})
        self.refused(400, "'sequence_id'", inputs=[X, I], parameters={"sequence_id": 1})
        self.refused(400, "'id'", inputs=[X, I], id=1)

    def test_damaged_requests(self):
        """Each is answered or refused; a fault of the server would end it, which the last test's end tells."""
        rng, words = random.Random(1), struct.pack("<I", 2) + b"ab" + struct.pack("<I", 0) + struct.pack("<I", 1) + b"c"
        seeds = [("small", [tensor("x", "FP32", [2, 3], binary_data_size=24), I], struct.pack("<6f", *range(6))), ("small", [X, I], b""),
                 ("text", [tensor("x", "BYTES", [3], binary_data_size=len(words))], words),
                 ("bool", [tensor("x", "BOOL", [4], binary_data_size=4)], b"\0\1\0\1")]
        counts = {200: 0, 400: 0}
        for _ in range(400):
            model, inputs, data = rng.choice(seeds)
            text = json.dumps({"inputs": inputs}).encode()
            size, body = len(text) + rng.choice((0, 0, 0, 1, -1)), bytearray(text + data)
            for _ in range(rng.choice((0, 1, 2))):
                at = rng.randrange(len(body))
                body[at:at + rng.randrange(3)] = rng.choice((b"", b"-", b"9", b"99999999999", b"[", b"null", b'"', bytes([rng.randrange(256)])))
            sent = {"Inference-Header-Content-Length": str(max(size, 0)), "Content-Type": "application/json"}
            status, _, answer = self.server.ask("POST", f"/v2/models/{model}/infer", bytes(body), sent)
            self.assertIn(status, counts, body)
            self.assertIn("outputs" if status == 200 else "error", json.loads(answer))
            counts[status] += 1
        self.assertTrue(all(counts.values()), counts)

    def test_numbers_read_back(self):
        rng = random.Random(2)
        for name, code, bits in (("FP32", "f", 32), ("FP64", "d", 64)):
            numbers = [x for x in struct.unpack(f"<2000{code}", rng.randbytes(250 * bits)) if math.isfinite(x)]
            sent = struct.pack(f"<{len(numbers)}{code}", *numbers)
            got = self.infer(name.lower(), [tensor("x", name, [len(numbers)], binary_data_size=len(sent))], sent)[0]["outputs"][0]["data"]
            self.assertEqual(struct.pack(f"<{len(numbers)}{code}", *got), sent)
            self.assertEqual(struct.pack(f"<{len(numbers)}{code}", *self.infer(name.lower(), [tensor("x", name, [len(got)], got)])[0]["outputs"][0]["data"]), sent)

    # ---- Limits ----

    def test_large_outputs(self):
        """An answer may have as many bytes as a body, here 1 MB."""
        def ask(n, value, binary):
            return {"inputs": [tensor("x", "FP32", [1], [value]), tensor("dims", "INT64", [1], [n])], "outputs": [{"name": "y"}],
                    "parameters": {"binary_data_output": binary}}
        for n in 300_000, 3_000_000:
            for binary in False, True:
                self.refused(400, "'y' have more than", "wide", **ask(n, 1, binary))
        self.refused(400, "'y' have more than", "wide", **ask(200_000, 1.2345678, False))  # as text
        self.assertEqual(self.infer("wide", **ask(200_000, 1.2345678, True))[1]["y"], struct.pack("<f", 1.2345678) * 200_000)
        self.assertEqual(self.infer("wide", **ask(200_000, 1, False))[0]["outputs"][0]["data"], [1] * 200_000)

    def test_answers_that_wait(self):
        """Of answers that nobody takes, those of four times --max-upload are held."""
        inputs = [tensor("x", "FP32", [1], [1]), tensor("dims", "INT64", [1], [3_500_000])]
        body = json.dumps({"inputs": inputs, "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}).encode()
        head = f"POST /v2/models/wide/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        clients, statuses = [], []
        with Server("--max-upload", "16") as s:
            s.ask("POST", "/api/models", *form({}, {"file": ("wide.onnx", wide_model())}))
            for _ in range(6):  # of 14 MB each
                clients.append(socket.socket())
                clients[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                clients[-1].connect((s.host, s.port))
                clients[-1].settimeout(30)
                clients[-1].sendall(head + body)
                statuses.append(clients[-1].recv(12, socket.MSG_WAITALL))
            self.assertEqual(statuses, [b"HTTP/1.1 200"] * 4 + [b"HTTP/1.1 503"] * 2)
            for client in clients:
                client.close()
            self.wait(s, running=0, waiting=0)
            status = 503
            while status == 503:
                status, _, answer = s.ask("POST", "/v2/models/wide/infer", body)
            self.assertEqual((status, answer[-4:]), (200, struct.pack("<f", 1)))

    def test_time_limit(self):
        with endless_server("--time-limit", "1") as server:
            ask = json.dumps({"inputs": [tensor("x", "FP32", [3], [1, 2, 3])]})
            status, answer = server.json("POST", "/v2/models/endless/infer", ask)
        self.assertEqual((status, answer["error"]), (504, "the request took longer than 1 s"))

    def wait(self, server, **expected):
        """Until the server says so; one that never does ends with the test's time limit."""
        while not expected.items() <= server.json("GET", "/readyz")[1].items():
            time.sleep(0.01)

    def test_a_client_that_goes_away_cancels(self):
        body = json.dumps({"inputs": [tensor("x", "FP32", [3], [1, 2, 3])]}).encode()
        with endless_server("--jobs", "1", "--queue", "1") as s:
            s.ask("POST", "/api/models", *form({}, {"file": ("small.onnx", small_model())}))
            head = f"POST /v2/models/endless/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            self.wait(s, running=0, waiting=0)
            with socket.create_connection((s.host, s.port)) as first, socket.create_connection((s.host, s.port)) as second:
                first.sendall(head + body)
                self.wait(s, running=1, waiting=0)
                second.sendall(head + body)
                self.wait(s, running=1, waiting=1)
                status, answer = s.json("POST", "/v2/models/small/infer", json.dumps({"inputs": [X, I]}))
                self.assertEqual((status, type(answer["error"])), (429, str))
                self.assertEqual(s.json("GET", "/v2/health/ready"), (503, {"ready": False}))
            self.wait(s, running=0, waiting=0)
            status, answer = s.json("POST", "/v2/models/small/infer", json.dumps({"inputs": [X, I]}))
            self.assertEqual((status, answer["outputs"][0]["data"]), (200, [2, 2, 0, 0, 4, 4]))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
