"""`sibyl conform` and `quantize` on small models."""

import json
import math
import re
import struct
import sys
import unittest
import zipfile
from xml.etree import ElementTree

from command import sibyl, npy_bytes, Model, Cases, w


class Conform(Cases):
    def test_verdicts(self):
        result = sibyl("conform", "cases", "-j", "2", "-v", "--json", "r.json", "--junit", "r.xml", folder=self.folder)
        text = result.stdout.decode()
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(text.splitlines()[-1], "1 passed, 2 failed, 1 skipped")
        self.assertRegex(text, r"(?m)^pass test_good [0-9.]+ s$")
        self.assertRegex(text, r"(?m)^FAIL test_wrong: .*element 1, is 0, expected 1")
        self.assertRegex(text, r"(?m)^FAIL test_shape: ")
        self.assertRegex(text, r"(?m)^skip test_bare: .*test_data_set_0")
        report = json.loads((self.folder / "r.json").read_text())
        self.assertEqual((report["passed"], report["failed"], report["skipped"]), (1, 2, 1))
        verdicts = {c["case"]: c["verdict"] for c in report["cases"]}
        self.assertEqual(verdicts, {"test_good": "passed", "test_wrong": "failed", "test_shape": "failed",
                                    "test_bare": "skipped"})
        self.assertTrue(all("reason" in c for c in report["cases"] if c["verdict"] != "passed"))
        suite = ElementTree.parse(self.folder / "r.xml").getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures"), suite.get("skipped")), ("4", "2", "1"))
        self.assertEqual({c.get("name") for c in suite.iter("testcase")}, set(verdicts))
        self.assertEqual(len(list(suite.iter("failure"))), 2)

    def test_all_pass(self):
        text = self.done("conform", "cases", "--filter", "*_good", "--backend", "ref")
        self.assertEqual(text.splitlines()[-1], "1 passed, 0 failed, 0 skipped")
        self.assertNotIn("pass test_good", text)
        self.assertIn("1 passed", self.done("conform", "cases/test_good"))
        self.assertIn("2 passed", self.done("conform", "cases", "--filter", "*_[gw]*", "--atol", "2"))
        self.assertIn("2 passed", self.done("conform", "cases", "--filter", "*_[gw]*", "--rtol", "1"))

    def test_passes(self):
        scalar = w.tensor_type("float32", [1])
        nodes = [w.node("Abs", ["x"], ["a"]), w.node("Identity", ["a"], ["b"]), w.node("Neg", ["b"], ["y"])]
        self.write("same/model.onnx", w.model(nodes, {"x": scalar}, {"y": scalar}))
        self.write("same/test_data_set_0/input_0.pb", w.floats("x", [1]))
        self.write("same/test_data_set_0/output_0.pb", w.floats("y", [-1]))
        ran = lambda *options: re.search(r"cpu ran (\d+)", self.done("conform", "same", "--share", "--backend", "cpu,ref", *options))[1]
        self.assertEqual([ran(), ran("--passes=-all"), ran("--pass-limit", 0)], ["1", "2", "2"])

    def test_draws_are_compared_by_distribution(self):
        row = w.tensor_type("float32", [1000])
        self.write("draw/model.onnx", w.model([w.node("RandomNormal", [], ["y"], shape=[1000])], {}, {"y": row}))
        values = [math.cos(1.7 * i) * math.sqrt(2) for i in range(1000)]
        self.write("draw/test_data_set_0/output_0.pb", w.floats("y", values))
        text = self.done("conform", "draw")
        self.assertIn("1 compared by dtype, dims and distribution", text)
        self.write("draw/test_data_set_0/output_0.pb", w.floats("y", [v + 3 for v in values]))
        self.assertEqual(sibyl("conform", "draw", folder=self.folder).returncode, 1)

    def half(self, c, expected):
        """A case of (x + c) - c in half floats, which loses what x + c cannot hold; x is 0.1."""
        scalar = w.tensor_type("float16", [1])
        one = lambda name, x: w.tensor(name, "float16", [1], struct.pack("<e", x))
        nodes = [w.node("Add", ["x", "c"], ["s"]), w.node("Sub", ["s", "c"], ["y"])]
        self.write("half/model.onnx", w.model(nodes, {"x": scalar}, {"y": scalar}, [one("c", c)]))
        self.write("half/test_data_set_0/input_0.pb", one("x", 0.1))
        self.write("half/test_data_set_0/output_0.pb", one("y", expected))
        return sibyl("conform", "half", folder=self.folder)

    def test_half_floats_that_a_reference_kept_wider(self):
        wider = self.half(1, 0.1)
        self.assertEqual(wider.returncode, 0, wider.stdout)
        self.assertIn("1 whose reference kept more precision", wider.stdout.decode())
        exact = self.half(1, 1.0996 - 1)  # what half floats give: nothing special
        self.assertEqual(exact.returncode, 0, exact.stdout)
        self.assertNotIn("precision", exact.stdout.decode())
        self.assertEqual(self.half(1, 0.1005).returncode, 1)  # not what double gives
        self.assertEqual(self.half(8, 0.1).returncode, 1)  # what double gives, but too far from it

    def test_manifest(self):
        self.write("off.manifest", b"# known\ntest_wrong 0 1.5 written down badly\n")
        text = self.done("conform", "cases", "--filter", "*_[gw]*", "--manifest", "off.manifest")
        self.assertIn("test_wrong at rtol 0, atol 1.5: written down badly", text)
        self.assertEqual(text.splitlines()[-1], "2 passed, 0 failed, 0 skipped")
        self.write("off.manifest", b"test_wrong 0 0.5 not off by so little\n")
        strict = sibyl("conform", "cases", "--filter", "*_[gw]*", "--manifest", "off.manifest", folder=self.folder)
        self.assertEqual(strict.returncode, 1)
        self.write("off.manifest", b"test_wrong 0 0.5\n")
        self.fails(1, "line 1 is not CASE RTOL ATOL", "conform", "cases", "--manifest", "off.manifest")
        self.fails(1, "nothere", "conform", "cases", "--manifest", "nothere")

    def test_misuse(self):
        self.fails(2, ["no folder", "sibyl help conform"], "conform")
        self.fails(1, "no case was found", "conform", "nothere")
        self.fails(1, "no case was found", "conform", "cases", "--filter", "nothing*")
        self.fails(2, ["--jobs", "'-1'"], "conform", "cases", "-j", "-1")
        self.fails(2, "--rtol takes a number from 0 to 1", "conform", "cases", "--rtol", "-1e-9")
        self.fails(2, ["--rtol", "'x'"], "conform", "cases", "--rtol", "x")
        self.fails(1, "no/r.json", "conform", "cases", "--filter", "*_good", "--json", "no/r.json")
        self.fails(1, "no/r.xml", "conform", "cases", "--filter", "*_good", "--junit", "no/r.xml")


    def test_dots_in_names(self):
        """The folder's name is the case's, all of it."""
        for name, y in (("v1.0", (22.5, 0)), ("v1.1", (22.5, 1))):
            self.case(name, y)
        result = sibyl("conform", "cases", "--filter", "v1.*", "--json", "r.json", folder=self.folder)
        verdicts = {c["case"]: (c["verdict"], c["path"]) for c in json.loads((self.folder / "r.json").read_text())["cases"]}
        self.assertEqual(verdicts, {"v1.0": ("passed", "cases/v1.0"), "v1.1": ("failed", "cases/v1.1")})
        self.assertIn("v1.1", result.stdout.decode())
        self.write("one.manifest", b"v1.1 0 1 as a test\n")
        self.done("conform", "cases", "--filter", "v1.*", "--manifest", "one.manifest")

    def test_half_floats(self):
        """References of half floats that were computed in float32: what cancels near 0 is judged by the tensor's scale."""
        half, single = w.tensor_type("float16", [2]), w.tensor_type("float32", [2])
        for output, to in ((half, []), (single, [w.node("Cast", ["d"], ["y"], to=1)])):
            nodes = [w.node("Add", ["x", "c"], ["s"]), w.node("Sub", ["s", "c"], ["y" if not to else "d"]), *to]
            for name, c, passes in (("near", 1000, True), ("far", 30000, False)):
                folder = f"halves/{name}"
                self.write(f"{folder}/model.onnx", w.model(nodes, {"x": half}, {"y": output}, [w.halves("c", [c, c])]))
                self.write(f"{folder}/test_data_set_0/input_0.pb", w.halves("x", [100, 0.001]))
                expected = struct.unpack("<2e", struct.pack("<2e", 100, 0.001))
                self.write(f"{folder}/test_data_set_0/output_0.pb", (w.floats if to else w.halves)("y", expected))
                result = sibyl("conform", folder, folder=self.folder)
                self.assertEqual(result.returncode == 0, passes, result.stdout)
                self.assertEqual(b"kept more precision" in result.stdout, passes)

    def test_exact(self):
        """A tolerance may be 0: elements are then equal or differ."""
        self.done("conform", "cases/test_good", "--rtol", "0", "--atol", "0")
        self.write("cases/test_good/test_data_set_0/output_0.pb", w.floats("y", [22.50001, 0], [1, 2]))
        self.done("conform", "cases/test_good")
        result = sibyl("conform", "cases/test_good", "--rtol", "0", "--atol", "0", folder=self.folder)
        self.assertEqual(result.returncode, 1, result.stdout)


class Quantize(Model):
    """y = x @ w of 64 x 64."""

    def setUp(self):
        super().setUp()
        row = w.tensor_type("float32", ["N", 64])
        values = [math.sin(i * i) for i in range(64 * 64)]
        self.write("big.onnx", w.model([w.node("MatMul", ["x", "w"], ["y"], name="product")], {"x": row}, {"y": row},
                                       [w.floats("w", values, [64, 64])]))
        array = npy_bytes([2, 64], [math.cos(i) for i in range(128)])
        (self.folder / "sets").mkdir()
        with zipfile.ZipFile(self.folder / "sets" / "a.npz", "w") as z:
            z.writestr("x.npy", array)

    def test_files(self):
        for words, operator in (([], "DequantizeLinear"), (["--weights", "int4"], "com.microsoft:MatMulNBits"),
                                (["--weights", "f16"], "Cast"), (["--dynamic"], "MatMulInteger")):
            text = self.done("quantize", "big.onnx", "-o", "out.onnx", "--calibrate", "sets", "--report", *words)
            self.assertRegex(text, r"64 x 64 +product")
            self.assertRegex(text, r"output y: relative RMS error [0-9.e-]+\n1 layers as ")
            found = json.loads(self.done("inspect", "out.onnx", "--json"))
            self.assertIn(operator, found["operators"])
            self.assertLess((self.folder / "out.onnx").stat().st_size, 10000)
            self.done("run", "out.onnx", "--random", 1, "--dim", "N=2")

    def test_json(self):
        found = json.loads(self.done("quantize", "big.onnx", "-o", "out.onnx", "--json"))
        self.assertEqual([found["layers"][0][k] for k in ("node", "k", "n", "bytes_before", "output_error")],
                         ["product", 64, 64, 16384, None])
        self.assertIn("no layer found", self.done("quantize", "m.onnx", "-o", "out.onnx"))
        self.assertIn("no layer found", self.done("quantize", "big.onnx", "-o", "out.onnx", "--min-weights", 64 * 64 + 1))

    def test_misuse(self):
        self.fails(2, "the file to write with -o", "quantize", "big.onnx")
        self.fails(2, "cannot be in blocks", "quantize", "big.onnx", "-o", "o.onnx", "--weights", "f16", "--block", 32)
        self.fails(2, "--dynamic is for int8", "quantize", "big.onnx", "-o", "o.onnx", "--weights", "int4", "--dynamic")
        self.fails(1, "block is 33", "quantize", "big.onnx", "-o", "o.onnx", "--block", 33)
        self.fails(1, "is the model itself", "quantize", "big.onnx", "-o", "./big.onnx")
        self.fails(1, "no folder test_data_set_N", "quantize", "big.onnx", "-o", "o.onnx", "--calibrate", ".")
        self.assertFalse((self.folder / "o.onnx").exists())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
