#!/usr/bin/env python3
"""Elements of a model's weights over HTTP: .npy and raw, slices, ranges, digests."""
import ast
import http.client
import itertools
import math
import socket
import struct
import sys
import unittest

import onnx_file as onnx
from serving import Server, form

DIMS = (3, 4, 5)
COUNT = math.prod(DIMS)
INT4, BFLOAT16, STRING = 22, 16, 8


def weights_model() -> bytes:
    """Weights of several types behind Identity, one of them in an If, one of a Constant node."""
    body = onnx.graph("body", [onnx.node("Identity", ["grid"], ["seen"])], [], [onnx.value("seen", DIMS)])
    letters = b"".join(onnx.field(6, s) for s in (b"one", "zwölf".encode(), b"", b"x"))
    tensors = [onnx.tensor("grid", onnx.FLOAT, DIMS, struct.pack(f"<{COUNT}f", *range(COUNT))),
               onnx.tensor("nibbles", INT4, [3, 3], bytes([0x21, 0x43, 0x65, 0xf7, 0x08])),
               onnx.tensor("brain", BFLOAT16, [2], struct.pack("<2H", 0x3f80, 0xc000)),
               onnx.tensor("odd", onnx.FLOAT, [4], struct.pack("<4f", 1, math.nan, math.inf, 0)),
               onnx.tensor("none", onnx.FLOAT, [0, 2], b""), onnx.tensor("scalar", onnx.FLOAT, [], struct.pack("<f", 7)),
               onnx.field(1, 2) + onnx.field(1, 2) + onnx.field(2, STRING) + letters + onnx.text(8, "words")]
    fixed = onnx.tensor("", onnx.INT64, [2], struct.pack("<2q", 5, -6))
    constant = (onnx.text(2, "fixed") + onnx.text(4, "Constant")
                + onnx.field(5, onnx.text(1, "value") + onnx.field(5, fixed) + onnx.field(20, 4)))
    nodes = [onnx.node("If", ["flag"], ["chosen"], then_branch=body, else_branch=body), constant,
             onnx.node("Add", ["odd", "live"], ["y"])]
    return onnx.model(onnx.graph("main", nodes, [onnx.value("flag", [], 9), onnx.value("live", [4])],
                                 [onnx.value("chosen", DIMS), onnx.value("fixed", [2], onnx.INT64), onnx.value("y", [4])],
                                 tensors), 21)


def sliced(items):
    """What NumPy makes of a grid of range(COUNT) for slices and indices of each axis: dims and elements."""
    axes = [range(n)[i] if isinstance(i, slice) else [range(n)[i]] for n, i in zip(DIMS, items)]
    dims = [len(a) for a, i in zip(axes, items) if isinstance(i, slice)]
    return dims, [(a * DIMS[1] + b) * DIMS[2] + c for a, b, c in itertools.product(*axes)]


class Weights(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server())
        status, _, text = cls.server.ask("POST", "/api/models", *form({}, {"file": ("w.onnx", weights_model())}))
        assert status == 201, text
        values = cls.server.json("GET", "/api/models/w/graphs/0/values")[1]["values"]
        cls.numbers = {v["name"]: v["i"] for v in values}

    def path(self, name, what="data"):
        return f"/api/models/w/graphs/0/values/{self.numbers[name]}/{what}"

    def npy(self, path):
        """Type, dims and bytes of a .npy answer."""
        status, headers, body = self.server.ask("GET", path)
        self.assertEqual(status, 200, body)
        self.assertEqual((body[:8], headers["Content-Length"]), (b"\x93NUMPY\1\0", str(len(body))))
        size = 10 + struct.unpack("<H", body[8:10])[0]
        about = ast.literal_eval(body[10:size].decode())
        self.assertFalse(about["fortran_order"])
        return about["descr"], about["shape"], body[size:]

    def raw(self, path, name="grid"):
        status, headers, body = self.server.ask("GET", f"{self.path(name)}?format=raw&{path}")
        self.assertEqual(status, 200, body)
        return [int(d) for d in (headers["X-Shape"] or "").split(",") if d], body

    def fails(self, expected, part, path, headers=None):
        status, answer = self.server.json("GET", path, headers=headers)
        self.assertEqual(status, expected, (path, answer))
        self.assertIn(part, answer["error"]["message"])

    def test_npy(self):
        self.assertEqual(self.npy(self.path("grid")), ("<f4", DIMS, struct.pack(f"<{COUNT}f", *range(COUNT))))
        self.assertEqual(self.npy(self.path("scalar")), ("<f4", (), struct.pack("<f", 7)))
        self.assertEqual(self.npy(self.path("none")), ("<f4", (0, 2), b""))
        self.assertEqual(self.npy(self.path("fixed")), ("<i8", (2,), struct.pack("<2q", 5, -6)))
        self.assertEqual(self.npy(self.path("brain")), ("<V2", (2,), struct.pack("<2H", 0x3f80, 0xc000)))
        self.assertEqual(self.npy(self.path("nibbles"))[1:], ((3, 3), bytes([1, 2, 3, 4, 5, 6, 7, 15, 8])))
        kind, dims, data = self.npy(self.path("words"))
        self.assertEqual((kind, dims, data.decode("utf-32-le").replace("\0", "")), ("<U5", (2, 2), "onezwölfx"))
        name = self.server.ask("GET", self.path("grid"))[1]["Content-Disposition"]
        self.assertEqual(name, "attachment; filename=grid.npy")

    def test_slices_are_numpys(self):
        whole = slice(None)
        for text, items in {"0:2,:,3": (slice(0, 2), whole, 3), "...,-1": (whole, whole, -1), "1": (1, whole, whole),
                            "::-1": (slice(None, None, -1), whole, whole), "...": (whole, whole, whole),
                            "1,...,2": (1, whole, 2), "2,3,4": (2, 3, 4), "-2:,1::2,4:0:-2": (slice(-2, None), slice(1, None, 2), slice(4, 0, -2)),
                            "1:1": (slice(1, 1), whole, whole), "9:": (slice(9, None), whole, whole),
                            "-9:9": (slice(-9, 9), whole, whole), " 0 : 2 , : , -1 ": (slice(0, 2), whole, -1),
                            "::999999999999999999": (slice(None, None, 10**18 - 1), whole, whole),
                            "1:2,2:4": (slice(1, 2), slice(2, 4), whole), "2::-9": (slice(2, None, -9), whole, whole)}.items():
            dims, elements = sliced(items)
            got, body = self.raw("slice=" + text.replace(" ", "%20"))
            self.assertEqual((got, list(struct.unpack(f"<{len(body) // 4}f", body))), (dims, elements), text)
            about = self.npy(f"{self.path('grid')}?slice={text.replace(' ', '%20')}")
            self.assertEqual((list(about[1]), about[2]), (dims, body), text)

    def test_slices_of_small_types(self):
        self.assertEqual(self.npy(self.path("nibbles") + "?slice=::2,1")[1:], ((2,), bytes([2, 15])))
        self.assertEqual(self.raw("slice=1:", "nibbles"), ([2, 3], bytes([0x54, 0x76, 0x8f])))
        self.assertEqual(self.raw("", "nibbles"), ([3, 3], bytes([0x21, 0x43, 0x65, 0xf7, 0x08])))
        self.assertEqual(self.npy(self.path("words") + "?slice=1,1"), ("<U1", (), b"x\0\0\0"))

    def test_wrong_slices(self):
        for text, why in (("0,0,0,0", "more items"), ("3", "out of range"), ("-4", "out of range"), ("::0", "step of 0"),
                          ("a", "no slice"), (",", "no slice"), ("0:1:2:3", "no slice"), ("...,...", "ellipsis"), ("1.5", "no slice"),
                          ("9223372036854775808", "18 digits"), ("0:99999999999999999999", "18 digits"), ("0,1,2...", "no slice"), ("0,1,2,...,3", "more items"),
                          ("None", "no slice"), ("[0]", "no slice"), ("0:,,", "no slice")):
            self.fails(400, why, f"{self.path('grid')}?slice={text}")
            self.fails(400, why, f"{self.path('grid', 'digest')}?slice={text}")
        self.fails(400, "more items", self.path("scalar") + "?slice=0")
        self.fails(400, "'format'", self.path("grid") + "?format=csv")
        self.fails(400, "no raw form", self.path("words") + "?format=raw")

    def test_what_is_not_there(self):
        for what in ("data", "digest"):
            self.fails(404, "before a run", self.path("y", what))
            self.fails(404, "before a run", self.path("flag", what))
            self.fails(404, "no value", f"/api/models/w/graphs/0/values/99/{what}")
            self.fails(404, "no graph", f"/api/models/w/graphs/3/values/0/{what}")
            self.fails(404, "no model", f"/api/models/none/graphs/0/values/0/{what}")

    def test_captures_are_the_outer_value(self):
        inner = self.server.json("GET", "/api/models/w/graphs/1/values")[1]["values"]
        grid = next(v for v in inner if v["name"] == "grid")
        self.assertEqual(grid["role"], "capture")
        self.assertEqual(self.npy(f"/api/models/w/graphs/1/values/{grid['i']}/data"), self.npy(self.path("grid")))

    def test_ranges(self):
        everything = self.server.ask("GET", self.path("grid"))[2]
        for text, begin, end in (("0-0", 0, 1), ("10-300", 10, 301), ("200-", 200, None), ("-7", -7, None), ("100-99999", 100, None)):
            status, headers, body = self.server.ask("GET", self.path("grid"), headers={"Range": f"bytes={text}"})
            self.assertEqual((status, body), (206, everything[begin:end]), text)
            self.assertEqual(headers["Content-Range"].split("/")[1], str(len(everything)))
        self.fails(416, "no byte", self.path("grid"), {"Range": f"bytes={len(everything)}-"})
        status, headers, body = self.server.ask("HEAD", self.path("grid"))
        self.assertEqual((status, headers["Content-Length"], body), (200, str(len(everything)), b""))

    def test_unchanged(self):
        _, headers, _ = self.server.ask("GET", self.path("grid"))
        self.assertEqual(self.server.ask("GET", self.path("grid"), headers={"If-None-Match": headers["ETag"]})[0], 304)

    def test_digest(self):
        status, d = self.server.json("GET", self.path("grid", "digest"))
        self.assertEqual((status, d["count"], d["min"], d["max"], d["zero"], d["nan"]), (200, 60, 0, 59, 1, 0))
        self.assertAlmostEqual(d["mean"], 29.5)
        self.assertEqual((d["rows"], d["columns"], len(d["cells"]), sum(d["histogram"])), (4, 5, 20, 60))
        self.assertAlmostEqual(d["cells"][0], 20)
        _, d = self.server.json("GET", self.path("grid", "digest") + "?slice=1,:,::2")
        self.assertEqual((d["count"], d["min"], d["max"], d["rows"], d["columns"]), (12, 20, 39, 4, 3))
        _, d = self.server.json("GET", self.path("odd", "digest"))
        self.assertEqual((d["nan"], d["plus_inf"], d["not_finite"], d["cells"][1], d["max"]), (1, 1, [[0, 1], [0, 2]], None, 1))
        _, d = self.server.json("GET", self.path("none", "digest"))
        self.assertEqual((d["count"], d["min"], d["mean"]), (0, None, None))
        _, d = self.server.json("GET", self.path("nibbles", "digest") + "?slice=0")
        self.assertEqual((d["count"], d["min"], d["max"]), (3, 1, 3))

    def test_many_digests(self):
        names = ["grid", "y", "odd", "words", "grid"]
        path = "/api/models/w/graphs/0/digests?values="
        status, answer = self.server.json("GET", path + ",".join(str(self.numbers[name]) for name in names))
        self.assertEqual(status, 200)
        for name, got in zip(names, answer["digests"], strict=True):
            status, one = self.server.json("GET", self.path(name, "digest"))
            self.assertEqual(got, one if status == 200 else None, name)
        for values in ("", "x", "1,,2", "1,99", ",".join(["0"] * 129), "-1"):
            self.fails(400, "'values' must be 1 to 128 numbers", path + values)


class Large(unittest.TestCase):
    """A weight of 96 MiB: what is not asked for is not held."""

    def test_large(self):
        rows, columns = 24, 1 << 20
        line = struct.pack(f"<{columns}f", *range(columns))
        data = onnx.model(onnx.graph("g", [onnx.node("Identity", ["w"], ["y"])], [], [onnx.value("y", [rows, columns])],
                                     [onnx.tensor("w", onnx.FLOAT, [rows, columns], line * rows)]))
        with Server() as s:
            self.assertEqual(s.ask("POST", "/api/models", *form({}, {"file": ("big.onnx", data)}))[0], 201)
            values = s.json("GET", "/api/models/big/graphs/0/values")[1]["values"]
            path = f"/api/models/big/graphs/0/values/{next(v['i'] for v in values if v['name'] == 'w')}/data"
            before = self.memory(s)
            status, headers, body = s.ask("GET", path + "?slice=5,1000:1010")
            self.assertEqual((status, body[-40:]), (200, line[4000:4040]))
            status, headers, body = s.ask("GET", path + "?format=raw&slice=::2,7")
            self.assertEqual(body, line[28:32] * 12)
            status, _, body = s.ask("GET", path + "?format=raw", headers={"Range": "bytes=4194304-4194311"})
            self.assertEqual((status, body), (206, line[:8]))
            self.leave_early(s, path)
            self.assertLess(self.memory(s) - before, 60 << 20)
            self.assertEqual(s.ask("GET", path + "?format=raw")[2], line * rows)
            self.close_meanwhile(s, path, line * rows)

    def memory(self, s):
        text = s.ask("GET", "/metrics")[2].decode()
        return int(float(next(l for l in text.splitlines() if l.startswith("process_resident_memory_bytes")).split()[1]))

    def leave_early(self, s, path):
        """Clients that read a little and go."""
        for _ in range(8):
            with socket.create_connection((s.host, s.port)) as c:
                c.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                self.assertTrue(c.recv(1000).startswith(b"HTTP/1.1 200"))

    def close_meanwhile(self, s, path, wanted):
        """A model that is closed while its weight is sent stays until that has ended."""
        connection = http.client.HTTPConnection(s.host, s.port, timeout=60)
        connection.request("GET", path + "?format=raw")
        answer = connection.getresponse()
        begin = answer.read(1000)
        self.assertEqual(s.ask("DELETE", "/api/models/big")[0], 204)
        self.assertEqual(begin + answer.read(), wanted)
        connection.close()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
