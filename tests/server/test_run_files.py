#!/usr/bin/env python3
"""Inputs of runs from files of a form: .npy and raw bytes, what they must be, what is told otherwise."""
import io
import json
import struct
import sys
import time
import unittest
import zipfile

import onnx_file as onnx
from serving import Server, form


def sum_model() -> bytes:
    """y = x + w of float32 [T, 3]; n = -i of int64 [2]; f = !b of bool [2]; i and b have defaults."""
    nodes = [onnx.node("Add", ["x", "w"], ["y"]), onnx.node("Neg", ["i"], ["n"]), onnx.node("Not", ["b"], ["f"])]
    return onnx.model(onnx.graph(
        "main", nodes, [onnx.value("x", ["T", 3]), onnx.value("i", [2], onnx.INT64), onnx.value("b", [2], 9)],
        [onnx.value("y", ["T", 3]), onnx.value("n", [2], onnx.INT64), onnx.value("f", [2], 9)],
        [onnx.tensor("w", onnx.FLOAT, [3], struct.pack("<3f", 1, 0, -1)),
         onnx.tensor("i", onnx.INT64, [2], struct.pack("<2q", 7, 8)), onnx.tensor("b", 9, [2], b"\0\1")]))


def npy(data: bytes, descr="<f4", shape=(2, 3), fortran=False) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + data


SIX = struct.pack("<6f", 1, 2, 0.5, -3, 4, 5)


class RunFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("--max-upload", "2"))
        status, _, text = cls.server.ask("POST", "/api/models", *form({}, {"file": ("sum.onnx", sum_model())}))
        assert status == 201, text

    def post(self, files: dict, **request):
        request = json.dumps({"model": "sum", "kind": "graph", **request})
        return self.server.json("POST", "/api/runs", *form({"request": request}, {k: (k, v) for k, v in files.items()}))

    def outputs(self, files: dict, **request):
        status, run = self.post(files, **request)
        self.assertEqual(status, 201, run)
        while run["state"] in ("queued", "running"):
            time.sleep(0.01)
            run = self.server.json("GET", f"/api/runs/{run['id']}")[1]
        self.assertEqual(run["state"], "done", run)
        return {o["name"]: self.server.ask("GET", f"/api/runs/{run['id']}/data?format=raw&name={o['name']}")[2]
                for o in run["outputs"]}

    def refused(self, part, files: dict, status=400, **request):
        got, answer = self.post(files, **request)
        self.assertEqual(got, status, answer)
        self.assertIn(part, answer["error"]["message"])
        return answer["error"]["message"]

    def test_npy_under_the_name_of_the_input(self):
        self.assertEqual(struct.unpack("<6f", self.outputs({"x": npy(SIX)})["y"]), (2, 2, -0.5, -2, 4, 4))
        outputs = self.outputs({"x": npy(SIX), "i": npy(struct.pack("<2q", 5, -6), "<i8", (2,))})
        self.assertEqual(struct.unpack("<2q", outputs["n"]), (-5, 6))

    def test_npy_that_an_input_names(self):
        for x in ({"file": "some part"}, {"file": "some part", "format": "npy"}):
            outputs = self.outputs({"some part": npy(SIX)}, inputs={"x": x})
            self.assertEqual(struct.unpack("<6f", outputs["y"]), (2, 2, -0.5, -2, 4, 4))

    def test_one_file_for_two_inputs_of_one_type(self):
        message = self.refused("'i' must be int64 [2], not float32 [2, 3]", {"a": npy(SIX)},
                               inputs={"x": {"file": "a"}, "i": {"file": "a"}})
        self.assertNotIn("'x'", message)

    def test_orders_of_bytes_and_axes(self):
        big = struct.pack(">6f", 1, -3, 2, 4, 0.5, 5)
        outputs = self.outputs({"x": npy(big, ">f4", (2, 3), True)})
        self.assertEqual(struct.unpack("<6f", outputs["y"]), (2, 2, -0.5, -2, 4, 4))

    def test_raw(self):
        x = {"file": "a", "format": "raw", "dtype": "float32", "shape": [2, 3]}
        self.assertEqual(struct.unpack("<6f", self.outputs({"a": SIX}, inputs={"x": x})["y"]), (2, 2, -0.5, -2, 4, 4))
        del x["dtype"]
        outputs = self.outputs({"a": SIX, "b": b"\1\0"},
                               inputs={"x": x, "b": {"file": "b", "format": "raw", "shape": [2]}})
        self.assertEqual((outputs["f"], struct.unpack("<6f", outputs["y"])), (b"\0\1", (2, 2, -0.5, -2, 4, 4)))

    def test_beside_other_inputs(self):
        outputs = self.outputs({"i": npy(struct.pack("<2q", 1, 2), "<i8", (2,))}, inputs={"x": {"data": [[0, 0, 0]]}})
        self.assertEqual((struct.unpack("<3f", outputs["y"]), struct.unpack("<2q", outputs["n"])), ((1, 0, -1), (-1, -2)))
        self.assertEqual(self.outputs({"x": npy(b"", shape=(0, 3))})["y"], b"")

    def test_what_an_input_must_be(self):
        self.refused("'x' must be float32 [T, 3], not float64 [2, 3]", {"x": npy(SIX * 2, "<f8")})
        self.refused("'x' must be float32 [T, 3], not float32 [6]", {"x": npy(SIX, shape=(6,))})
        self.refused("'x' must be float32 [T, 3], not float32 [3, 2]", {"x": npy(SIX, shape=(3, 2))})
        raw = {"file": "x", "format": "raw"}
        self.refused("'shape' of the input 'x'", {"x": SIX}, inputs={"x": raw})
        self.refused("'shape' of the input 'x'", {"x": SIX}, inputs={"x": {**raw, "shape": [-2, 3]}})
        self.refused("'x' has 24 bytes, not 9 elements", {"x": SIX}, inputs={"x": {**raw, "shape": [3, 3]}})
        self.refused("more elements than", {"x": SIX}, inputs={"x": {**raw, "shape": [1 << 62, 1 << 62]}})
        self.refused("'x' must be float32 [T, 3], not float64 [1, 3]", {"x": SIX},
                     inputs={"x": {**raw, "shape": [1, 3], "dtype": "float64"}})
        for dtype in ("none", "string", "int4", 1):
            self.refused("'x' has no 'dtype'", {"x": SIX}, inputs={"x": {**raw, "shape": [2, 3], "dtype": dtype}})
        self.refused("'b' (BOOL) is neither 0 nor 1", {"b": b"\1\2", "x": npy(SIX)},
                     inputs={"b": {"file": "b", "format": "raw", "shape": [2]}})

    def test_requests_that_do_not_fit_their_form(self):
        self.refused("no 'b'", {"a": npy(SIX)}, inputs={"x": {"file": "b"}})
        self.refused("'file' of the input 'x'", {"a": npy(SIX)}, inputs={"x": {"file": 1}})
        self.refused("'format' of the input 'x' must be", {"a": npy(SIX)}, inputs={"x": {"file": "a", "format": "csv"}})
        self.refused("the format 'raw'", {"a": npy(SIX)}, inputs={"x": {"file": "a", "shape": [2, 3]}})
        self.refused("not 'name'", {"a": npy(SIX)}, inputs={"x": {"file": "a", "name": "b"}})
        self.refused("the part 'z'", {"x": npy(SIX), "z": b""})
        self.refused("the part 'x'", {"x": npy(SIX)}, inputs={"x": {"random": 1}}, dims={"T": 1})
        body, headers = form([("request", '{"model": "sum", "kind": "graph"}'), ("x", "a"), ("x", "b")], {})
        status, answer = self.server.json("POST", "/api/runs", body, headers)
        self.assertEqual((status, answer["error"]["message"]), (400, "the form has two parts 'x'"))
        for fields, part in (({"other": "{}"}, "no field 'request'"), ({"request": "{"}, "is not JSON"),
                             ({"request": "[]"}, "must be a JSON object")):
            status, answer = self.server.json("POST", "/api/runs", *form(fields, {}))
            self.assertEqual((status, answer["error"]["param"]), (400, "request"))
            self.assertIn(part, answer["error"]["message"])
        request = {"model": "sum", "kind": "graph", "inputs": {"x": {"file": "x"}}}
        status, answer = self.server.json("POST", "/api/runs", json.dumps(request))
        self.assertEqual((status, "'file' of the input 'x'" in answer["error"]["message"]), (400, True))

    def test_archives(self):
        def npz(members, compression=zipfile.ZIP_DEFLATED):
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w", compression) as z:
                for name, data in members.items():
                    z.writestr(name, data)
            return file.getvalue()

        both = npz({"x.npy": npy(SIX), "numbers.npy": npy(struct.pack("<2q", 5, -6), "<i8", (2,)), "notes": b"-"})
        outputs = self.outputs({"a": both}, inputs={"x": {"file": "a"}, "i": {"file": "a", "array": "numbers"}})
        self.assertEqual(struct.unpack("<6f", outputs["y"]), (2, 2, -0.5, -2, 4, 4))
        self.assertEqual(struct.unpack("<2q", outputs["n"]), (-5, 6))
        self.assertEqual(self.outputs({"x": npz({"x.npy": npy(SIX)}, zipfile.ZIP_STORED)})["y"], outputs["y"])
        self.refused("no array 'i'", {"a": both}, inputs={"x": {"file": "a"}, "i": {"file": "a"}})
        self.refused("no array ''", {"a": both}, inputs={"x": {"file": "a", "array": 1}})
        self.refused("no .npz", {"a": npy(SIX)}, inputs={"x": {"file": "a", "array": "x"}})
        self.refused("array 'x': is not a .npy file", {"x": npz({"x.npy": bytes(100)})})
        for size in range(5, len(both), 7):
            self.refused("the file of the input 'x'", {"x": both[:size]})
        bomb = npz({"x.npy": npy(bytes(12 << 20), shape=(1 << 20, 3))})
        self.assertLess(len(bomb), 100000)
        self.refused("more than", {"x": bomb})
        self.refused("more than", {"x": npz({f"{i}.npy": npy(bytes(3 << 20), shape=(1 << 18, 3)) for i in range(4)})})
        self.refused("more than", {"x": npz({"x.npy": npy(SIX) + bytes(16 << 20)})})

    def test_hostile_files(self):
        good = npy(SIX)
        for size in range(len(good)):
            self.refused("the file of the input 'x'", {"x": good[:size]})
        for descr, part in (("|O", "'|O' are not supported"), ("<M8[s]", "not supported"), ("<f16", "not supported")):
            self.refused(part, {"x": npy(SIX, descr)})
        for shape in ("(9223372036854775807,)", "(4294967296, 4294967296, 4)", "(1000000, 3)", "(-1, 3)", "(2, 3", "()" * 40,
                      "(" + "1, " * 17 + ")"):
            self.refused("the file of the input 'x'", {"x": npy(SIX, shape=shape)})
        self.refused("claims", {"x": b"\x93NUMPY\2\0" + struct.pack("<I", 1 << 31) + good[12:]})
        self.assertEqual(len(self.outputs({"x": good})["y"]), 24)

    def test_limits(self):
        """Strings take more memory than their bytes: 2 MB of them more than the 8 MB that this server may hold."""
        self.refused("more than", {"x": npy(b"a" * 1900000, "|S1", (1900000,))})

    def test_what_inputs_take_is_given_back(self):
        """Ten times 1.2 MB: more than the server may hold at once, were anything left of them."""
        many = npy(bytes(1200000), shape=(100000, 3))
        for _ in range(10):
            self.outputs({"x": many}, outputs=["n"])
            self.refused("'b'", {"x": many, "b": npy(b"\1", "|b1", (1,))})

    def compare(self, run, files: dict, query=""):
        return self.server.json("POST", f"/api/runs/{run}/compare{query}", *form({}, {k: (k, v) for k, v in files.items()}))

    def test_compare(self):
        """What a run kept beside files, which are the reference."""
        run = self.post({"x": npy(SIX)})[1]["id"]
        while self.server.json("GET", f"/api/runs/{run}")[1]["state"] in ("queued", "running"):
            time.sleep(0.01)
        y, n = npy(struct.pack("<6f", 2, 2, -0.5, -2, 4.25, 4)), npy(struct.pack("<2q", -7, -8), "<i8", (2,))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as z:
            for name, data in (("y", y), ("n", n), ("other", n)):
                z.writestr(f"{name}.npy", data)
        for files, only in ({"y": y, "n": n}, 0), ({"all.npz": archive.getvalue()}, 1):
            status, found = self.compare(run, files)
            self.assertEqual((status, found["compared"], found["different"], found["first"], found["only_a"], found["only_b"]),
                             (200, 2, 1, "y", 1, only), found)
            row = next(r for r in found["rows"] if r["name"] == "y")
            self.assertEqual((row["n_over"], row["worst"], row["worst_a"], row["worst_b"], row["max_abs"]), (1, [1, 1], 4, 4.25, 0.25))
            self.assertIsNone(self.compare(run, files, "?atol=0.25")[1]["first"])
        for part, files, status in (("form with files", {}, 400), ("the part 'y'", {"y": b"none"}, 400), ("twice", {"y": y, "a": archive.getvalue()}, 400),
                                    ("the part 'y'", {"y": npy(b"", shape=(1 << 40,))}, 400)):
            got, answer = self.compare(run, files)
            self.assertEqual(got, status, answer)
            self.assertIn(part, answer["error"]["message"])
        self.assertEqual(self.compare(run, {"y": y}, "?atol=-1")[0], 400)
        self.assertEqual(self.compare("r0", {"y": y})[0], 404)
        found = self.compare(run, {"y": npy(SIX, shape=(3, 2))})[1]
        self.assertIn("shape", found["rows"][0]["why"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
