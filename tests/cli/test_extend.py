"""--plugin and --functions: operators of the user's own, in each command that opens models."""

import json
import os
import sys
import unittest

from command import Model, npy_bytes, sibyl, w

PLUGIN = os.environ["SIBYL_PLUGIN"]  # tests/extend/plugin_good.c: my.dom:Twice
ROW = w.tensor_type("float32", ["N"])
SWISH = """<domain: "my.dom", opset_import: ["" : 20]>
Swish <beta: float = 1.0> (x) => (y)
{
    b = Constant <value_float: float = @beta> ()
    scaled = Mul (x, b)
    gate = Sigmoid (scaled)
    y = Mul (x, gate)
}
"""


class Extensions(Model):
    def setUp(self):
        super().setUp()
        nodes = [w.node("Twice", ["x"], ["t"], name="twice", domain="my.dom"),
                 w.node("Swish", ["t"], ["y"], name="swish", domain="my.dom", beta=2.0)]
        self.model = w.model(nodes, {"x": ROW}, {"y": ROW}, opsets={"": 21, "my.dom": 1})
        self.write("own.onnx", self.model)
        self.write("swish.txt", SWISH.encode())
        self.own = ("--plugin", PLUGIN, "--functions", "swish.txt")

    def test_run(self):
        self.assertIn("own.onnx", self.fails(1, "operator my.dom:Twice is not known", "run", "own.onnx", "-i", "x=0").args)
        text = self.done("run", "own.onnx", "-i", "x=0,1", *self.own, "--tap", "*", "--profile", "--warmup", "1")
        self.assertRegex(text, r"swish/scaled +float32")
        self.assertIn("Sigmoid", text)
        self.assertIn("1.964", text)  # 2 / (1 + e^-4)

    def test_inspect(self):
        found = json.loads(self.done("inspect", "own.onnx", "--json", *self.own))
        self.assertEqual(found["unknown_operators"], [])
        self.assertEqual(found["outputs"][0]["type"], "float32 [N]")
        self.assertEqual(found["nodes"][1]["function"], "my.dom:Swish")
        self.assertIn("add", self.done("inspect", "own.onnx", "--milli", "twice", *self.own))
        self.assertRegex(self.done("inspect", "own.onnx", "--plan", "--dim", "N=3", *self.own), "fused|add")

    def test_diff_conform_and_quantize(self):
        self.done("diff", "own.onnx", "-i", "x=0,1", *self.own)
        self.write("cases/test_own/model.onnx", self.model)
        self.write("cases/test_own/test_data_set_0/input_0.pb", w.floats("x", [0, 1]))
        self.write("cases/test_own/test_data_set_0/output_0.pb", w.floats("y", [0, 1.9640276]))
        self.assertIn("1 passed", self.done("conform", "cases", *self.own))
        nodes = [w.node("Twice", ["x"], ["t"], domain="my.dom"), w.node("MatMul", ["t", "w"], ["y"])]
        self.write("layer.onnx", w.model(nodes, {"x": w.tensor_type("float32", ["N", 2])}, {"y": w.tensor_type("float32")},
                                         [w.floats("w", [1, 2, 3, 4], [2, 2])], opsets={"": 21, "my.dom": 1}))
        self.assertIn("1 ", self.done("quantize", "layer.onnx", "-o", "q.onnx", "--min-weights", "1", *self.own))
        self.assertRegex(self.done("run", "q.onnx", "-i", "x=[[1,1]]", *self.own), r"(7\.9|8)\S* 12\S*\n")

    def test_job(self):
        self.write("job.json", json.dumps({
            "sibyl_job": 1, "kind": "own", "models": {"m": "own.onnx"},
            "calls": {"m": {"model": "m", "inputs": {"x": "x"}, "outputs": {"y": "y"}}},
            "inputs": {"x": {"type": "tensor"}}, "outputs": {"y": "$call"},
            "nodes": [{"name": "call", "op": "call", "calls": {"model": "m"}, "inputs": {"x": "$x"}}]}).encode())
        self.write("x.npy", npy_bytes([2], [0, 1]))
        self.fails(1, "my.dom:Twice is not known", "job", "job.json", "-i", "x=x.npy")
        self.assertIn("1.964", self.done("job", "job.json", "-i", "x=x.npy", *self.own))

    def test_bench(self):
        result = sibyl("bench", "models", "own.onnx", "--dim", "N=3", "--repeat", "1", folder=self.folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"my.dom:Twice is not known", result.stdout)
        text = self.done("bench", "models", "own.onnx", "--dim", "N=3", "--repeat", "2", *self.own)
        self.assertRegex(text, r"(?m)^own +\d+ +[0-9.]+ +[0-9.]+$")

    def test_speech_and_text(self):
        sample = os.path.join(os.environ["SIBYL_SOURCE"], "assets", "digits", "sample.flac")
        self.assertEqual(self.done("transcribe", sample, *self.own), self.done("transcribe", sample))
        for command in (("transcribe", sample), ("generate", "--model", "m", "--prompt", "a"), ("vad", sample, "--model", "m")):
            self.fails(1, "missing.so", *command, "--plugin", "missing.so")

    def test_faults(self):
        self.fails(1, "missing.so", "run", "own.onnx", "--plugin", "missing.so")
        self.fails(1, "missing.txt", "run", "own.onnx", "--functions", "missing.txt")
        self.write("bad.txt", SWISH.replace("Sigmoid (scaled)", "Sigmoid (scald)").encode())
        self.fails(1, "bad.txt:6:21: 'scald' is not defined before this node", "inspect", "own.onnx", "--functions", "bad.txt")
        self.write("plain.so", b"no library")
        self.fails(1, "plain.so", "conform", ".", "--plugin", "plain.so")
        self.fails(1, "my.dom:Twice is registered already", "run", "own.onnx", "--plugin", PLUGIN, "--plugin", PLUGIN)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
