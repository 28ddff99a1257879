"""`sibyl run` on small models."""

import json
import re
import shutil
import signal
import subprocess
import time
import sys
import unittest
import zipfile

from command import COMMAND, sibyl, read_npy, npy_bytes, Model, w


class Run(Model):
    Y = (22.5, 0, 49.5, 0)  # of x = [[1, 2, 3], [4, 5, 6]]

    def values(self, *arguments):
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        (self.folder / "out").mkdir()
        self.done("run", *arguments, "-o", "out")
        return {p.name: read_npy(p) for p in (self.folder / "out").glob("*.npy")}

    def test_inputs(self):
        self.write("x.npy", npy_bytes([2, 3], range(1, 7)))
        self.write("x.pb", w.floats("x", range(1, 7), [2, 3]))
        self.write("x.txt", b"1 2 3\n4 5 6\n")
        with zipfile.ZipFile(self.folder / "all.npz", "w") as archive:
            archive.writestr("x.npy", npy_bytes([2, 3], range(1, 7)))
            archive.writestr("other.npy", npy_bytes([1], [0]))
        for given in ("x=x.npy", "x=x.pb", "x=x.txt", "x=all.npz", "all.npz", "x=1,2,3,4,5,6", "x=[[1,2,3],[4,5,6]]",
                      "x=[[1.0, 2, 3e0], [4, 5, 6]]"):
            found = self.values("m.onnx", "-i", given)
            self.assertEqual(list(found), ["y.npy"], given)
            shape, values = found["y.npy"]
            self.assertEqual((shape, tuple(values)), ((2, 2), self.Y), given)
        shape, values = self.values("m.onnx", "-i", "x=1,2,3", "--input=b=[1,-200]")["y.npy"]
        self.assertEqual((shape, tuple(values)), ((1, 2), (23, 0)))

    def test_bad_inputs(self):
        self.write("x.npy", npy_bytes([2, 2], range(4)))
        self.write("d.npy", npy_bytes([2, 3], range(6), "d"))
        with zipfile.ZipFile(self.folder / "no.npz", "w") as archive:
            archive.writestr("other.npy", npy_bytes([1], [0]))
        for words, given in ((["'x'", "axis 1 must be 3"], "x=x.npy"), (["'x'", "float64"], "x=d.npy"),
                             ("no input 'z'", "z=1"), ("NAME=VALUE", "1,2,3"), (["'x'", "'a'"], "x=a,b,c"),
                             ("differ in length", "x=[[1,2],[3]]"), ("no.npz", "x=no.npz"), ("missing.npy", "x=missing.npy"),
                             ("missing.txt", "x=missing.txt"), ("missing.pb", "x=missing.pb")):
            self.fails(1, words, "run", "m.onnx", "-i", given)
        self.fails(1, "'x' is missing", "run", "m.onnx")
        self.fails(1, "no/such", "run", "m.onnx", "-i", "x=1,2,3", "-o", "no/such")
        self.fails(1, "'gpu'", "run", "m.onnx", "-i", "x=1,2,3", "--backend", "gpu")
        self.fails(2, ["--threads", "'-1'"], "run", "m.onnx", "--threads", "-1")
        self.fails(2, ["--memory", "'much'"], "run", "m.onnx", "--memory", "much")

    def test_all_processors_and_a_folder_that_is_made(self):
        self.done("run", "m.onnx", "-i", "x=1,2,3", "-o", "made", "--threads", "0")
        self.assertEqual(sorted(p.name for p in (self.folder / "made").iterdir()), ["manifest.json", "y.npy"])

    def test_interrupts_leave_nothing(self):
        made = self.folder / "made"
        process = subprocess.Popen([COMMAND, "run", "m.onnx", "-i", "x=1,2,3", "--repeat", "1000000", "-o", "made"],
                                   cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while process.poll() is None and not (made.is_dir() and list(made.iterdir())):
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        line = process.communicate()[1].decode()
        self.assertEqual((process.returncode, line.count("cancelled")), (1, 1), line)
        self.assertEqual(list(made.iterdir()), [])

    def test_a_tap_that_matches_nothing(self):
        arguments = ("run", "m.onnx", "-i", "x=1,2,3", "--tap", "sum")
        self.done(*arguments)
        self.fails(1, "no value is named 'summ'", *arguments, "--tap", "summ", "--tap", "layer/*")

    def test_calls_of_a_node_on_two_backends(self):
        """The lowering of Bernoulli draws on ref and compares on cpu: each row tells that it was called."""
        row = w.tensor_type("float32", [64])
        self.write("draw.onnx", w.model([w.node("Bernoulli", ["x"], ["y"], name="draw")], {"x": row}, {"y": row}, []))
        text = self.done("run", "draw.onnx", "--random", "1", "--profile")
        rows = re.findall(r"^ +[0-9.]+ +[0-9.]+ % +(\d+)  (\w+) +[-0-9. %]+  Bernoulli  draw$", text, re.M)
        self.assertEqual(sorted(rows), [("1", "cpu"), ("1", "ref")])

    def test_random_inputs(self):
        self.fails(1, ["'x'", "--dim N="], "run", "m.onnx", "--random", "1")
        self.fails(1, "T=100", "run", "m.onnx", "--random", "1", "--dim", "N")
        a, b, c = (self.values("m.onnx", "--random", seed, "--dim", "N=5", "--tap", "layer/product")
                   for seed in ("1", "1", "2"))
        self.assertEqual(a["y.npy"][0], (5, 2))
        self.assertEqual(a, b)
        self.assertNotEqual(a, c)

    def test_random_inputs_of_every_kind(self):
        row, words = w.tensor_type("float32", [2]), w.tensor_type("string", ["N"])
        kinds = {"s": w.sequence_type(row), "m": w.map_type("int64", w.tensor_type("float32", [])),
                 "o": w.optional_type(words), "t": words}  # fmt: skip
        made = {"n": w.tensor_type("int64", []), "d": w.tensor_type("float32", None), "h": w.tensor_type("bool", []),
                "u": words}  # fmt: skip
        nodes = [w.node("SequenceLength", ["s"], ["n"]), w.node("OptionalHasElement", ["o"], ["h"]),
                 w.node("CastMap", ["m"], ["d"], domain="ai.onnx.ml", map_form="SPARSE", max_map=4),
                 w.node("Identity", ["t"], ["u"])]  # fmt: skip
        self.write("kinds.onnx", w.model(nodes, kinds, made, [], opsets={"": 21, "ai.onnx.ml": 1}))
        one, two = (self.done("run", "kinds.onnx", "--random", seed, "--dim", "N=2") for seed in (5, 6))
        self.assertRegex(one, r'(?m)^u +string \(2\) .*"[a-z]{1,8}" "[a-z]{1,8}"$')
        self.assertRegex(one, r"(?m)^n +int64 \(\) .*: [123]$")
        self.assertNotEqual(one, two)

    def test_shown(self):
        text = self.done("run", "m.onnx", "-i", "x=1,2,3,4,5,6", "--backend", "ref", "--threads", "1")
        self.assertRegex(text, r"(?m)^y +float32 \(2, 2\) .*: 22.5 0 49.5 0$")
        self.assertRegex(text, r"(?m)^[0-9.]+ ms$")

    def test_taps(self):
        found = self.values("m.onnx", "-i", "x=1,2,3", "--tap", "s*", "--tap", "layer/product")
        self.assertEqual(sorted(found), ["layer_product.npy", "sum.npy", "y.npy"])
        self.assertEqual(tuple(found["layer_product.npy"][1]), (22, 28))
        text = self.done("run", "m.onnx", "-i", "x=1,2,3", "--tap", "*", "--inside")
        self.assertRegex(text, r"(?m)^ *layer/matmul/milli\.\d+:")

    def test_profile(self):
        text = self.done("run", "m.onnx", "-i", "x=1,2,3", "--profile")
        for words in ("by phase", "planning", "by node", "by operator", "by milli-op", "layer/matmul", "MatMul", "cpu", "GFLOP/s"):
            self.assertIn(words, text)

    def test_profile_as_a_picture(self):
        text = self.done("run", "m.onnx", "-i", "x=1,2,3", "--png", "p.svg", "--passes=-all")
        self.assertNotIn("by phase", text)
        picture = (self.folder / "p.svg").read_text()
        for words in ("by operator", "by node", "MatMul layer/matmul", " %"):
            self.assertIn(f"{words}</text>", picture)
        self.assertEqual(picture.count('fill="#3b5b92"'), picture.count(" %</text>"))
        self.fails(1, "no/p.png", "run", "m.onnx", "-i", "x=1,2,3", "--png", "no/p.png")

    def test_json(self):
        document = json.loads(self.done("run", "m.onnx", "-i", "x=1,2,nan", "--json", "--tap", "sum", "--profile",
                                        "--repeat", "2", "--backend", "ref", "-o", "out"))
        self.assertEqual([v["name"] for v in document["outputs"]], ["y"])
        y, tapped = document["outputs"][0], document["taps"]
        self.assertEqual((y["dtype"], y["dims"], y["digest"]["count"]), ("float32", [1, 2], 2))
        self.assertEqual([(v["name"], v["first"], v["digest"]["nan"], v["digest"]["min"]) for v in tapped],
                         [("sum", ["NaN", "NaN"], 2, "NaN")])
        self.assertEqual(len(document["times_ms"]), 2)
        profile = document["profile"]
        self.assertEqual({row["phase"] for row in profile["phases"]}, {"run", "plan", "node", "step"})
        self.assertAlmostEqual(sum(row["share"] for row in profile["nodes"]), 1, places=6)
        product = next(row for row in profile["operators"] if row["operator"] == "MatMul")
        self.assertEqual((product["calls"], product["flops"]), (2, 2 * 2 * 3 * 2))
        self.assertGreater(profile["peak_gflops"], 0)
        self.assertTrue((self.folder / "out" / "sum.npy").exists())
        self.fails(2, "--oracle", "run", "m.onnx", "-i", "x=1,2,3", "--json", "--oracle")

    def test_trace(self):
        self.done("run", "m.onnx", "-i", "x=1,2,3", "--trace", "t.json", "--repeat", "3", "--backend", "ref")
        events = json.loads((self.folder / "t.json").read_text())["traceEvents"]
        spans = [e for e in events if e["ph"] == "X"]
        self.assertEqual([e["cat"] for e in spans].count("run"), 3)
        self.assertEqual([e["cat"] for e in spans].count("plan"), 1)
        self.assertIn("layer/matmul", {e["name"] for e in spans})
        for e in spans:  # each within the run that it belongs to
            self.assertTrue(any(r["ts"] <= e["ts"] and e["ts"] + e["dur"] <= r["ts"] + r["dur"] + 0.001
                                for r in spans if r["cat"] == "run"), e)
        self.fails(1, "no/such/t.json", "run", "m.onnx", "-i", "x=1,2,3", "--trace", "no/such/t.json")

    def test_profile_of_warm_runs(self):
        text = self.done("run", "m.onnx", "-i", "x=1,2,3", "--profile", "--warmup", "2", "--repeat", "3", "--backend", "ref")
        self.assertRegex(text, "[mu]s/run")
        nodes = text.split("by node")[1].split("by operator")[0]
        shares = [float(share) for share in re.findall(r"([0-9.]+) % ", nodes)]
        self.assertAlmostEqual(sum(shares), 100, delta=1)
        calls = [int(n) for n in re.findall(r" % +([0-9]+) ", nodes)]
        self.assertEqual({n % 3 for n in calls}, {0})  # of the runs that count
        self.assertRegex(text, r"ms min, [0-9.]+ ms median of 3 runs")
        self.fails(2, "--repeat", "run", "m.onnx", "-i", "x=1,2,3", "--repeat", "0")

    def test_verbose(self):
        arguments = ("run", "m.onnx", "-i", "x=1,2,3", "--threads", "1", "--backend", "cpu,ref")
        self.assertEqual(sibyl(*arguments, folder=self.folder).stderr, b"")
        lines = sibyl(*arguments, "-v", folder=self.folder).stderr.decode()
        for words in ("m.onnx: IR version", "session on cpu, ref", "planned nodes 0 to"):
            self.assertIn(words, lines)
        self.assertNotIn("step 0", lines)
        self.assertIn("step 0: node", sibyl(*arguments, "--verbose", "debug", folder=self.folder).stderr.decode())
        arguments = ("inspect", "m.onnx", "-v", "--dim", "N=1")
        lines = sibyl(*arguments[:3], folder=self.folder).stderr.decode()
        self.assertIn("m.onnx: IR version", lines)
        self.assertNotIn("session on", lines)
        self.assertIn("session on", sibyl(*arguments, "--plan", folder=self.folder).stderr.decode())

    def test_oracle(self):
        text = self.done("run", "m.onnx", "-i", "x=0.1,0.2,0.3", "--oracle")
        self.assertIn("against the run in double", text)
        self.assertRegex(text, r"(?m)^same .* sum$")
        self.assertRegex(text, r"\d+ values compared, 0 differ")

    def test_memory(self):
        self.fails(1, ["limit", "node"], "run", "m.onnx", "--random", "1", "--dim", "N=10000", "--memory", "0.001")

    def test_strings_and_integers(self):
        self.one("s.onnx", "Identity", {"x": w.tensor_type("string", ["N"])}, {"y": w.tensor_type("string", ["N"])})
        self.assertIn('"hello there"', self.done("run", "s.onnx", "-i", "x=hello there"))
        self.assertRegex(self.done("run", "s.onnx", "-i", 'x=["a","b,c"]'), r'"a" "b,c"')
        self.one("i.onnx", "Neg", {"x": w.tensor_type("int64", ["N"])}, {"y": w.tensor_type("int64", ["N"])})
        self.assertRegex(self.done("run", "i.onnx", "-i", "x=9223372036854775807,2"), r": -9.22337e\+18 -2")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
