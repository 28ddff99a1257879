"""`sibyl inspect`, `run`, `diff`, `conform` and `quantize` on small models."""

import json
import math
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest
import warnings
import zipfile
from xml.etree import ElementTree

from command import COMMAND, sibyl, read_npy, npy_bytes, Case, Model, Cases, w


class Inspect(Model):
    def test_shapes_are_never_cut(self):
        dims = [letter * 150 for letter in "abcdef"]
        row = w.tensor_type("float32", dims)
        self.one("long.onnx", "Relu", {"x": row}, {"y": row})
        shape = "[" + ", ".join(dims) + "]"
        self.assertEqual(self.done("inspect", "long.onnx").count(shape), 2)
        self.assertEqual(json.loads(self.done("inspect", "long.onnx", "--json"))["outputs"][0]["type"], f"float32 {shape}")

    def test_text(self):
        text = self.done("inspect", "m.onnx")
        for words in ("3 nodes", "writer", "8 parameters", "ai.onnx 21", "MatMul", "float32 [N, 3]", "has a default",
                      "author = nobody"):
            self.assertIn(words, text)
        self.assertNotIn("layer/matmul", text)
        text = self.done("inspect", "m.onnx", "--nodes")
        self.assertRegex(text, r"layer/matmul +MatMul-\d+")
        self.assertIn("operations", text)

    def test_json(self):
        found = json.loads(self.done("inspect", "m.onnx", "--json"))
        self.assertEqual(found["inputs"][0], {"name": "x", "type": "float32 [N, 3]", "dtype": "float32", "dims": ["N", 3]})
        self.assertTrue(found["inputs"][1]["has_default"])
        self.assertEqual(found["operators"], {"MatMul": 1, "Add": 1, "Relu": 1})
        self.assertEqual((found["opsets"], found["unknown_operators"]), ({"ai.onnx": 21}, []))
        self.assertEqual((found["parameters"], found["parameter_bytes"]), (8, 32))
        node = found["nodes"][0]
        self.assertEqual((node["inputs"], node["outputs"]), (["x", "w"], ["layer/product"]))
        self.assertIn("N", node["flops"])

    def nested(self):
        """An If in an If, whose branches read values of the main graph; and a function that is called twice."""
        row = w.tensor_type("float32", ["N"])
        flag = w.tensor_type("bool", [])
        inner = w.graph([w.node("Softmax", ["x"], ["s"], name="deep", axis=0)], {}, {"s": row}, name="inner")
        plain = w.graph([w.node("Identity", ["x"], ["i"])], {}, {"i": row}, [w.floats("spare", [1, 2])], name="plain")
        outer = w.graph([w.node("If", ["c"], ["o"], name="inside", then_branch=inner, else_branch=plain)], {}, {"o": row})
        other = w.graph([w.node("Abs", ["x"], ["a"])], {}, {"a": row})
        block = w.function("Twice", "my", [w.node("Add", ["p", "p"], ["q"], name="add")], ["p"], ["q"])
        nodes = [w.node("If", ["c"], ["b"], name="choose", then_branch=outer, else_branch=other),
                 w.node("Twice", ["b"], ["t"], name="first", domain="my"),
                 w.node("Twice", ["t"], ["y"], name="second", domain="my")]
        self.write("n.onnx", w.model(nodes, {"x": row, "c": flag}, {"y": row}, opsets={"": 21, "my": 1}, functions=[block]))

    def test_subgraphs_and_functions(self):
        self.nested()
        text = self.done("inspect", "n.onnx")
        self.assertIn("weights   2 parameters in 1 tensors", text)
        self.assertRegex(text, r"2 If\n")
        self.assertRegex(text, r"1 Softmax\n")
        self.assertIn("2 then_branch of node 0 (If) of graph 1: 1 nodes, 0 parameters", text)
        found = json.loads(self.done("inspect", "n.onnx", "--json"))
        graphs = found["subgraphs"]
        self.assertEqual([(g["number"], g["outer"], g["holder"], g["attribute"]) for g in graphs],
                         [(1, 0, 0, "then_branch"), (2, 1, 0, "then_branch"), (3, 1, 0, "else_branch"),
                          (4, 0, 0, "else_branch")])
        self.assertEqual(found["nodes"][0]["graphs"], {"then_branch": [1], "else_branch": [4]})
        self.assertEqual(graphs[1]["nodes"][0]["name"], "deep")
        self.assertEqual(graphs[1]["nodes"][0]["input_types"], ["float32 [N]"])
        self.assertEqual([(n["name"], n.get("function")) for n in found["nodes"]],
                         [("choose", None), ("first/add", "my:Twice"), ("second/add", "my:Twice")])
        nodes = self.done("inspect", "n.onnx", "--graph", "2")
        self.assertIn("deep", nodes)
        self.assertNotIn("first/add", nodes)
        self.fails(1, "graphs 0 to 4", "inspect", "n.onnx", "--graph", "5")

    def test_milli_ops(self):
        self.nested()
        text = self.done("inspect", "n.onnx", "--graph", "2", "--milli", "deep")
        for words in ("milli-ops", "reduce_max", "exp", "reduce_sum", "div", "float32 [N]"):
            self.assertIn(words, text)
        found = json.loads(self.done("inspect", "n.onnx", "--graph", "2", "--milli", "0", "--dim", "N=7", "--json"))
        self.assertEqual(found["inputs"][0]["type"], "float32 [7]")
        self.assertEqual(found["outputs"][0]["name"], "s")
        made = {name for node in found["nodes"] for name in node["output_types"]}
        self.assertIn("float32 [7]", made)
        self.assertTrue(all("7" in node["bytes"] or node["bytes"].isdigit() for node in found["nodes"]))
        self.fails(1, "runs graphs", "inspect", "n.onnx", "--milli", "choose")
        self.fails(1, "has no node 'nowhere'", "inspect", "n.onnx", "--milli", "nowhere")
        self.fails(1, "has no dim 'M'", "inspect", "n.onnx", "--milli", "first/add", "--dim", "M=7")
        self.fails(1, "NAME=SIZE", "inspect", "n.onnx", "--milli", "first/add", "--dim", "7")
        self.fails(2, "--milli", "inspect", "n.onnx", "--dim", "N=7")

    def test_milli_ops_that_depend_on_elements(self):
        shape = w.tensor_type("int64", [2])
        self.write("r.onnx", w.model([w.node("Reshape", ["x", "to"], ["y"], name="r")],
                                     {"x": w.tensor_type("float32", ["N"]), "to": shape},
                                     {"y": w.tensor_type("float32", None)}))
        self.fails(1, ["elements of 'to'", "only a run knows"], "inspect", "r.onnx", "--milli", "r")

    def test_tune(self):
        weights = [((i * 37) % 101 - 50) / 100 for i in range(16 * 16 * 9)]
        self.write("conv.onnx", w.model([w.node("Conv", ["x", "w"], ["y"])], {"x": w.tensor_type("float32", [1, 16, 12, 12])},
                                        {"y": w.tensor_type("float32", [1, 16, 10, 10])},
                                        [w.floats("w", weights, [16, 16, 3, 3])]))
        run = ("run", "conv.onnx", "--random", "1", "--threads", "1", "--backend", "cpu")
        self.done(*run, "--tune", "tuning")
        file = self.folder / "tuning"
        found = file.read_text()
        self.assertRegex(found, r"^sibyl tuning 1\n\S+ \S+ t1 conv n1 g1 c16 m16 12:10k3s1d1p0 12:10k3s1d1p0 [a-z0-9-]+\n$")
        self.done(*run, "--tune", "tuning")
        self.assertEqual(file.read_text(), found)
        file.write_text(found[:-3])
        self.fails(1, ["tuning: line 2 is cut off"], *run, "--tune", "tuning")
        self.assertEqual(file.read_text(), found[:-3])
        self.fails(1, ["is no regular file"], *run, "--tune", ".")

    def test_plan(self):
        text = self.done("inspect", "m.onnx", "--plan", "--dim", "N=4", "--backend", "cpu,ref")
        for words in ("chosen by the costs of '", "graph 0, nodes 0 to", "planned for x float32 [4, 3]", "cpu/", "packed", "arena"):
            self.assertIn(words, text)
        found = json.loads(self.done("inspect", "m.onnx", "--plan", "--dim", "N=4", "--json", "--backend", "ref"))
        segment, = found["segments"]
        self.assertEqual({step["backend"] for step in segment["steps"]}, {"ref"})
        for step in segment["steps"]:
            for place in step["inputs"] + step["outputs"]:
                self.assertIn(segment["places"][place]["kind"], ("constant", "live", "arena", "own", "view"))
        self.assertIn("y", [place["name"] for place in segment["places"] if place["kind"] == "own"])
        self.nested()
        self.assertIn("runs its graphs", self.done("inspect", "n.onnx", "--plan", "--dim", "N=2"))
        self.fails(2, "--plan", "inspect", "m.onnx", "--backend", "ref")

    def test_dot(self):
        self.nested()
        text = self.done("inspect", "n.onnx", "--dot")
        self.assertEqual(text.count("digraph"), 1)
        self.assertRegex(text, r'n1 \[label="Add \| first/add"\]')
        self.assertRegex(text, r'n0 -> n1 \[label="float32 \[N\]"\]')
        self.assertIn("Softmax", self.done("inspect", "n.onnx", "--dot", "--graph", "2"))

    def drawing(self, *arguments):
        """The rectangles of the boxes by title, and the curves as lists of numbers."""
        svg = "{http://www.w3.org/2000/svg}"
        root = ElementTree.fromstring(self.done("inspect", *arguments, "--svg"))
        boxes = {g.find(f"{svg}title").text: [float(g.find(f"{svg}rect").get(k)) for k in ("x", "y", "width", "height")]
                 for g in root.iter(f"{svg}g")}
        curves = [[float(x) for x in re.findall(r"-?[0-9.]+", path.get("d"))] for path in root.iter(f"{svg}path")]
        return boxes, curves

    def test_svg(self):
        """No box covers another, every edge leads down from a box to a box, and what is written can be parsed."""
        row = w.tensor_type("float32", ["N", 4])
        nodes, last = [], ["x"]
        for i in range(40):  # edges that pass many rows, joins and forks
            inputs = [last[-1], last[i * 7 % len(last)]] if i % 3 else [last[i // 2]]
            nodes.append(w.node("Add" if len(inputs) > 1 else "Relu", inputs, [f"v{i}"], name=f'n<{i}>&"'))
            last.append(f"v{i}")
        self.write("g.onnx", w.model(nodes, {"x": row}, {"v39": row, "v38": row}))
        boxes, curves = self.drawing("g.onnx")
        self.assertEqual(len(boxes), 40 + 1 + 2)
        rectangles = list(boxes.values())
        for i, (x, y, width, height) in enumerate(rectangles):
            for a, b, c, d in rectangles[:i]:
                self.assertTrue(x + width <= a or a + c <= x or y + height <= b or b + d <= y)
        tops = {(round(x + width / 2), round(y)) for x, y, width, _ in rectangles}
        bottoms = {(round(x + width / 2), round(y + height)) for x, y, width, height in rectangles}
        near = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
        for curve in curves:
            self.assertTrue(any((round(curve[0]) + x, round(curve[1]) + y) in bottoms for x, y in near))
            self.assertTrue(any((round(curve[-2]) + x, round(curve[-1]) + y) in tops for x, y in near))
            self.assertEqual(sorted(curve[1::2]), curve[1::2])
        # a row read through a node's own name, escaped and back
        self.assertIn('Relu n<0>&"', boxes)

    def test_svg_of_subgraphs_and_limits(self):
        self.nested()
        self.assertIn("If choose", self.drawing("n.onnx")[0])
        self.assertIn("Softmax deep", self.drawing("n.onnx", "--graph", "2")[0])
        self.assertEqual(len(self.drawing("n.onnx")[1]), 5)  # x and c to If, If to Add, Add to Add, Add to y
        row = w.tensor_type("float32", [2])
        nodes = [w.node("Relu", [f"v{i}" if i else "x"], [f"v{i + 1}"]) for i in range(5001)]
        self.write("long.onnx", w.model(nodes, {"x": row}, {"v5001": row}))
        self.fails(1, "at most 5000 are drawn", "inspect", "long.onnx", "--svg")

    def test_notices_alike_are_counted(self):
        row = w.tensor_type("float32", [4])
        nodes = [w.node("Relu", ["x"], [f"y{i}"], name=f"relu{i}") for i in range(5)]
        self.write("d.onnx", w.model(nodes, {"x": w.tensor_type("float32", [3])}, {f"y{i}": row for i in range(5)}))
        text = self.done("inspect", "d.onnx")
        self.assertEqual(text.count("noticed:"), 1)
        self.assertIn("(and 4 alike)", text)
        self.assertEqual(len(json.loads(self.done("inspect", "d.onnx", "--json"))["noticed"]), 5)

    def test_unknown_operators_are_shown(self):
        row = w.tensor_type("float32", [2])
        self.one("u.onnx", "Frobnicate", {"x": row}, {"y": row}, level=3)
        self.assertIn("unknown operators", self.done("inspect", "u.onnx"))
        self.assertIn("level=3", self.done("inspect", "u.onnx", "--nodes"))
        self.assertEqual(json.loads(self.done("inspect", "u.onnx", "--json"))["unknown_operators"], ["Frobnicate"])
        self.fails(1, "Frobnicate", "run", "u.onnx", "-i", "x=1,2")

    def test_misuse(self):
        for command in ("inspect", "run", "diff"):
            self.fails(2, f"sibyl help {command}", command)
            self.fails(2, "got 2", command, "m.onnx", "m.onnx")
            self.fails(2, "--frobnicate", command, "m.onnx", "--frobnicate")
            self.fails(1, ["missing.onnx", "No such file"], command, "missing.onnx")
        self.write("short.onnx", (self.folder / "m.onnx").read_bytes()[:-40])
        self.write("empty.onnx", b"")
        self.write("text.onnx", b"no model at all\n" * 100)
        for name in ("short.onnx", "empty.onnx", "text.onnx"):
            self.fails(1, name, "inspect", name)


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


class Diff(Model):
    def test_the_same(self):
        text = self.done("diff", "m.onnx", "-i", "x=1,2,3", "--a", "ref", "--b", "ref", "--all")
        for name in ("layer/product", "sum", "y"):
            self.assertRegex(text, rf"(?m)^same .* {name}$")
        self.assertIn("0 differ", text)
        self.assertNotIn("same", self.done("diff", "m.onnx", "-i", "x=1,2,3"))
        self.assertIn("milli", self.done("diff", "m.onnx", "-i", "x=1,2,3", "--all", "--inside"))
        self.assertIn("0 differ", self.done("diff", "m.onnx", "--random", "3", "--dim", "N=4", "--oracle"))

    def test_json(self):
        document = json.loads(self.done("diff", "m.onnx", "-i", "x=1,2,3", "--a", "ref", "--b", "ref", "--all", "--json"))
        self.assertEqual((document["different"], document["first"]), (0, None))
        self.assertIn(("sum", True, 0.0), [(v["name"], v["equal"], v["max_abs"]) for v in document["values"]])
        (self.folder / "other").mkdir()
        self.write("other/sum.npy", npy_bytes([1, 2], [22.5, 1]))
        run = sibyl("diff", "m.onnx", "-i", "x=1,2,3", "--against", "other", "--json", folder=self.folder)
        document = json.loads(run.stdout)
        self.assertEqual((run.returncode, document["first"], document["compared"]), (1, "sum", 1))
        self.assertEqual((document["values"][0]["first"], document["values"][0]["first_expected"]), (1, 1.0))

    def test_against_files(self):
        (self.folder / "theirs").mkdir()
        arguments = ["diff", "m.onnx", "-i", "x=1,2,3", "--against", "theirs"]
        self.fails(1, "no value is on both sides", *arguments)
        self.write("theirs/layer_product.npy", npy_bytes([1, 2], [22, 28]))
        self.write("theirs/sum.npy", npy_bytes([1, 2], [22.5, -71.9]))
        self.write("theirs/y.npy", npy_bytes([1, 2], [22.5, 0]))
        result = sibyl(*arguments, folder=self.folder)
        text = result.stdout.decode()
        self.assertEqual(result.returncode, 1, text)
        self.assertRegex(text, r"first value that leaves tolerance: 'sum' of node 'layer/add' \(Add\)")
        self.assertIn("3 values compared, 1 differ", text)
        self.done(*arguments, "--rtol", "0.1")
        self.done(*arguments, "--atol", "0.2")
        self.write("theirs/sum.npy", npy_bytes([2], [22.5, -72]))
        self.assertEqual(sibyl(*arguments, folder=self.folder).returncode, 1)

    def test_node_by_node(self):
        """A fault is named in its node alone, with its index and what is known of it."""
        (self.folder / "theirs").mkdir()
        arguments = ["diff", "m.onnx", "-i", "x=1,2,3", "--against", "theirs"]
        self.write("theirs/layer_product.npy", npy_bytes([1, 2], [22, 28]))
        self.write("theirs/sum.npy", npy_bytes([1, 2], [22.5, -71]))
        self.write("theirs/y.npy", npy_bytes([1, 2], [22.5, 0]))
        text = sibyl(*arguments, "--local", folder=self.folder).stdout.decode()
        self.assertRegex(text, r"element \[0, 1\] is -72, expected -71")
        self.assertIn("1 of 2 elements differ by more than rounding explains", text)
        self.assertIn("1 at 0, 1 beyond 4096", text)
        document = json.loads(sibyl(*arguments, "--json", folder=self.folder).stdout)
        found = document["values"][0]
        self.assertEqual((document["first"], document["different"], found["elements"], found["first_index"]),
                         ("sum", 1, 1, [0, 1]))
        self.assertEqual(found["ulp_counts"], [1, 0, 0, 0, 0, 0, 0, 1])
        self.assertGreater(found["times"], 64)
        self.write("theirs/sum.npy", npy_bytes([1, 2], [22.5, -72.00001]))
        self.done(*arguments)
        self.assertEqual(sibyl(*arguments, "--factor", "1", folder=self.folder).returncode, 1)
        self.fails(2, "--local goes with none of", *arguments, "--local", "--rtol", "0")

    def test_misuse(self):
        self.fails(1, ["m.onnx", "neither a folder"], "diff", "m.onnx", "-i", "x=1,2,3", "--against", "m.onnx")
        self.fails(2, "--rtol takes a number from 0 to 1", "diff", "m.onnx", "-i", "x=1,2,3", "--rtol", "-0.5")
        self.fails(1, "'gpu'", "diff", "m.onnx", "-i", "x=1,2,3", "--b", "gpu")
        self.fails(1, "'x' is missing", "diff", "m.onnx")


class Peer(Model):
    """Pythons that are none; with onnxruntime itself: python/tests/test_dump.py."""

    ARGUMENTS = ("diff", "m.onnx", "-i", "x=1,2,3", "--peer", "onnxruntime")

    def fails_with(self, python, words):
        self.fails(1, words, *self.ARGUMENTS, env={**os.environ, "SIBYL_PYTHON": str(python), "TMPDIR": str(self.tmp)})
        self.assertEqual(list(self.tmp.iterdir()), [])

    def setUp(self):
        super().setUp()
        self.tmp = self.folder / "tmp"
        self.tmp.mkdir()

    def script(self, text):
        path = self.write("python", b"#!/bin/sh\n" + text.encode())
        path.chmod(0o755)
        return path

    def test_pythons_that_cannot(self):
        for python, words in ((self.folder / "none", "cannot be run"), ("/bin/false", "ended with 1")):
            self.fails_with(python, [f"{python} has no onnxruntime ({'it ' + words})", "pip install onnxruntime", "SIBYL_PYTHON"])
        self.fails_with(self.script("echo No module; exit 3"), ["has no onnxruntime (No module)"])
        self.fails_with(self.script("echo it has no kernel; exit 1"), ["m.onnx: onnxruntime: it has no kernel"])
        self.fails_with(self.script("kill -9 $$"), ["ended by signal 9"])

    def test_values_come_from_the_script(self):
        """What the Python is given, and what is read of it."""
        python = self.script('cp -r "$4" "$KEEP"; cp -r theirs/. "$5"')
        self.done("run", "m.onnx", "-i", "x=1,2,3", "--tap", "*", "-o", "theirs")
        keep = self.folder / "kept"
        text = self.done(*self.ARGUMENTS, env={**os.environ, "SIBYL_PYTHON": str(python), "KEEP": str(keep)})
        self.assertIn("3 values compared, 0 differ", text)
        self.assertEqual(json.loads((keep / "manifest.json").read_text()),
                         {"x": {"file": "x.npy", "dtype": "float32", "dims": [1, 3]}})
        self.assertEqual(tuple(read_npy(keep / "x.npy")[1]), (1, 2, 3))

    def test_misuse(self):
        self.fails(2, "--against and --peer", *self.ARGUMENTS, "--against", ".")
        self.fails(2, ["--peer", "onnxruntime"], "diff", "m.onnx", "--peer", "tensorflow")


class Reduce(Model):
    def reduced(self, check, *arguments, model="m.onnx"):
        shutil.rmtree(self.folder / "case", ignore_errors=True)
        found = json.loads(self.done("reduce", model, *arguments, "--check", check, "-o", "case", "--json"))
        nodes = json.loads(self.done("inspect", "case/model.onnx", "--json", "--nodes"))["nodes"]
        return found, [node["type"] for node in nodes]

    def test_one_node_against_files(self):
        self.done("run", "m.onnx", "-i", "x=1,2,3", "--tap", "*", "-o", "their values")
        self.write("their values/sum.npy", npy_bytes([1, 2], [22.5, -71]))
        self.write("their values/y.npy", npy_bytes([1, 2], [22.5, 0]))
        found, nodes = self.reduced("diff --against 'their values'", "-i", "x=1,2,3")
        self.assertEqual((found["value"], found["node"], found["operator"], found["nodes"], found["of"], found["checks"]),
                         ("sum", "layer/add", "Add", 1, 3, 2))
        self.assertEqual(len(nodes), 1)
        self.assertEqual(sorted(str(p.relative_to(self.folder / "case")) for p in (self.folder / "case").rglob("*.*")),
                         ["model.onnx", *(f"test_data_set_0/{name}.pb" for name in ("input_0", "input_1", "output_0"))])
        run = sibyl("conform", "case", folder=self.folder)
        self.assertIn("is -72, expected -71", run.stdout.decode() + run.stderr.decode())

    def test_inputs_with_defaults(self):
        """An input that was given in the place of its default is what the part reads."""
        self.done("run", "m.onnx", "-i", "x=1,2,3", "-i", "b=1,2", "--tap", "*", "-o", "theirs.npz")
        self.fails(1, "names no fault", "reduce", "m.onnx", "-i", "x=1,2,3", "-i", "b=1,2", "--check", "diff --against theirs.npz",
                   "-o", "case")
        found, _ = self.reduced("diff --against theirs.npz", "-i", "x=1,2,3", "-i", "b=1,3")
        self.assertEqual((found["value"], found["nodes"]), ("sum", 1))
        self.done("diff", "case/model.onnx", "-i", "layer/product=case/test_data_set_0/input_1.pb", "-i", "b=1,2",
                  "--against", "theirs.npz")

    def test_nodes_that_show_it_together(self):
        """A cancellation needs the sum before it; rows that are alike are left out, also of dims that are numbers."""
        for dim in ("N", 64):
            with self.subTest(dim):
                self.nodes_together(dim)

    def nodes_together(self, dim):
        row = w.tensor_type("float32", [dim])
        names = ["x", "a", "b", "sum", "same", "back", "c", "y"]
        operators = ["Neg", "Abs", "Add", "Identity", "Sub", "Neg", "Tanh"]
        nodes = [w.node(op, [names[i], *(["big"] if op in ("Add", "Sub") else [])], [names[i + 1]])
                 for i, op in enumerate(operators)]
        self.write("c.onnx", w.model(nodes, {"x": row}, {"y": row}, [w.floats("big", [1e7], [])], opsets={"": 18}))
        found, nodes = self.reduced("diff --oracle --a ref --b ref --rtol 1e-3", "--random", "1", "--dim", "N=64", model="c.onnx")
        self.assertEqual((found["value"], found["of"], found["nodes"]), ("back", 7, len(nodes)))
        self.assertLess(len(nodes), 4)
        self.assertEqual({nodes[0], nodes[-1]}, {"Add", "Sub"})
        self.assertLess((self.folder / "case/test_data_set_0/input_0.pb").stat().st_size, 40)
        self.assertIn("1 passed", self.done("conform", "case", "--backend", "ref"))

    def test_a_fault_inside_a_body_is_that_of_its_node(self):
        row = w.tensor_type("float32", ["N"])
        body = [w.graph([w.node("Add", ["a", "big"], ["s"]), w.node("Sub", ["s", "big"], ["o"])], {}, {"o": row}) for _ in range(2)]
        nodes = [w.node("Neg", ["x"], ["a"]), w.node("ReduceMax", ["a"], ["most"], keepdims=0),
                 w.node("Greater", ["most", "zero"], ["c"]), w.node("Abs", ["a"], ["b"]),
                 w.node("If", ["c"], ["z"], name="branch", then_branch=body[0], else_branch=body[1]), w.node("Tanh", ["z"], ["y"])]
        self.write("i.onnx", w.model(nodes, {"x": row}, {"y": row}, [w.floats("big", [1e7], []), w.floats("zero", [0], [])],
                                     opsets={"": 18}))
        found, nodes = self.reduced("diff --oracle --a ref --b ref --rtol 1e-3", "--random", "1", "--dim", "N=8", model="i.onnx")
        self.assertEqual((found["value"], found["node"], nodes), ("z", "branch", ["If"]))

    def test_with_a_peer(self):
        """The other side is asked again for each part; its values are the outputs of the case."""
        (self.folder / "theirs").mkdir()
        for name, y in (("sum", [22.5, -71]), ("y", [22.5, 0])):
            self.write(f"theirs/{name}.npy", npy_bytes([1, 2], y))
        self.write("theirs/manifest.json", json.dumps({name: {"file": f"{name}.npy", "dtype": "float32", "dims": [1, 2]}
                                                       for name in ("sum", "y")}).encode())
        python = self.write("python", b'#!/bin/sh\ncp -r theirs/. "$5"')
        python.chmod(0o755)
        result = self.done("reduce", "m.onnx", "-i", "x=1,2,3", "--check", "diff --peer onnxruntime", "-o", "case",
                           env={**os.environ, "SIBYL_PYTHON": str(python)})
        self.assertIn("case: 1 of 3 nodes show the fault in 'sum' of node 'layer/add' (Add)", result)
        self.assertEqual(sibyl("conform", "case", folder=self.folder).returncode, 1)

    def test_misuse(self):
        arguments = ("reduce", "m.onnx", "-i", "x=1,2,3", "-o", "case", "--check")
        self.fails(1, "names no fault", *arguments, "diff")
        self.fails(1, "expected diff", *arguments, "conform")
        self.fails(1, "expected diff", *arguments, "")
        self.fails(1, "quote is not closed", *arguments, "diff --against 'x")
        self.fails(1, "more than 64 words", *arguments, "diff " + "--all " * 64)
        self.fails(2, "--check and --out", "reduce", "m.onnx", "-i", "x=1,2,3", "--check", "diff")
        self.fails(2, "one model", "reduce")
        self.assertFalse((self.folder / "case").exists())


class Dumps(Case):
    """The values of a run in files, also those whose names clash as files' or are longer than these may be."""

    NAMES = ("a/b", "a_b", "a:b", "n" * 300 + "1", "n" * 300 + "2", "größer/" * 40)

    def setUp(self):
        super().setUp()
        row = w.tensor_type("float32", [2])
        names = ["x", *self.NAMES, "y"]
        nodes = [w.node("Neg" if i % 2 else "Exp", [names[i]], [names[i + 1]]) for i in range(len(names) - 1)]
        (self.folder / "m.onnx").write_bytes(w.model(nodes, {"x": row}, {"y": row}))

    def diff(self, against, *more):
        run = sibyl("diff", "m.onnx", "-i", "x=0.5,1", "--against", against, "--json", "--all", *more, folder=self.folder)
        self.assertEqual(run.stderr, b"")
        return json.loads(run.stdout)

    def test_what_run_writes_is_read(self):
        for out in ("dump", "dump.npz"):
            self.done("run", "m.onnx", "-i", "x=0.5,1", "--tap", "*", "-o", out)
            for more in ((), ("--rtol", "0.001")):
                found = self.diff(out, *more)
                self.assertEqual((found["compared"], found["different"]), (len(self.NAMES) + 1 + len(more) // 2, 0), (out, more))
        manifest = json.loads((self.folder / "dump" / "manifest.json").read_text())
        self.assertEqual(set(manifest), {"x", *self.NAMES, "y"})
        self.assertEqual(len({entry["file"] for entry in manifest.values()}), len(manifest))
        self.assertEqual({(entry["dtype"], *entry["dims"]) for entry in manifest.values()}, {("float32", 2)})
        self.assertEqual(set(zipfile.ZipFile(self.folder / "dump.npz").namelist()), {f"{name}.npy" for name in manifest})

    def test_a_fault_in_either(self):
        self.done("run", "m.onnx", "-i", "x=0.5,1", "--tap", "*", "-o", "dump")
        manifest = json.loads((self.folder / "dump" / "manifest.json").read_text())
        (self.folder / "dump" / manifest["a_b"]["file"]).write_bytes(npy_bytes([2], [7, 8]))
        with zipfile.ZipFile(self.folder / "dump.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, entry in manifest.items():
                archive.writestr(name + ".npy", (self.folder / "dump" / entry["file"]).read_bytes())
        for out in ("dump", "dump.npz"):
            found = self.diff(out)
            self.assertEqual([v["name"] for v in found["values"] if not v["equal"]], ["a_b", "a:b"])

    def test_values_that_are_no_tensors(self):
        row = w.tensor_type("float32", ["N"])
        (self.folder / "s.onnx").write_bytes(w.model([w.node("SequenceConstruct", ["x", "x"], ["s"]),
                                                      w.node("ConcatFromSequence", ["s"], ["y"], axis=0)],
                                                     {"x": row}, {"y": row}))
        self.done("run", "s.onnx", "-i", "x=1,2", "--tap", "s", "-o", "dump")
        manifest = json.loads((self.folder / "dump" / "manifest.json").read_text())
        self.assertEqual(manifest["s"], {"file": "s.pb", "type": "sequence of 2"})
        found = json.loads(self.done("diff", "s.onnx", "-i", "x=1,2", "--against", "dump", "--json"))
        self.assertEqual(found["compared"], 1)
        self.fails(1, ["'s'", "no tensor"], "run", "s.onnx", "-i", "x=1,2", "--tap", "s", "-o", "dump.npz")

    def test_hostile_files(self):
        def refused(words, against="dump"):
            self.fails(1, words, "diff", "m.onnx", "-i", "x=0.5,1", "--against", against)
            self.fails(1, words, "report", "m.onnx", "-i", "x=0.5,1", "--against", against)

        (self.folder / "dump").mkdir()
        (self.folder / "dump" / "y.npy").write_bytes(npy_bytes([2], [1, 2]))
        manifest = self.folder / "dump" / "manifest.json"
        good = {"file": "y.npy", "dtype": "float32", "dims": [2]}
        for words, document in (
                ("is not JSON", "{"), ("is not JSON", '{"y": {}, "y": {}}'), ("an object", "[]"), ("'y'", '{"y": 1}'),
                (["'y'", "in this folder"], json.dumps({"y": {**good, "file": "../m.onnx"}})),
                (["'y'", "in this folder"], json.dumps({"y": {**good, "file": ".."}})),
                (["'a/b' and to 'y'"], json.dumps({"a/b": good, "y": good})),
                (["'y'", "y.npy", "float32 (2)"], json.dumps({"y": {**good, "dims": [3]}})),
                (["'y'", "y.npy", "float32 (2)"], json.dumps({"y": {**good, "dims": 2}})),
                (["'y'", "y.npy", "float32 (2)"], json.dumps({"y": {**good, "dtype": "int32"}})),
                ("none.npy", json.dumps({"y": {**good, "file": "none.npy"}})), ("is not JSON", "[" * 5000)):
            manifest.write_text(document)
            refused(words)
        manifest.write_text(json.dumps({"y": good}))
        (self.folder / "dump" / "y.npy").write_bytes(npy_bytes([2], [1, 2])[:-1])
        refused("y.npy")
        for name, members in (("twice.npz", ["y", "y"]), ("bad.npz", ["y"])):
            with warnings.catch_warnings(), zipfile.ZipFile(self.folder / name, "w") as archive:
                warnings.simplefilter("ignore")
                for member in members:
                    archive.writestr(member + ".npy", b"no array" if name == "bad.npz" else npy_bytes([2], [1, 2]))
        refused("two arrays 'y'", "twice.npz")
        refused(["bad.npz", "'y'"], "bad.npz")
        (self.folder / "cut.npz").write_bytes((self.folder / "twice.npz").read_bytes()[:-30])
        refused("cut.npz", "cut.npz")
        refused("none.npz", "none.npz")
        self.bomb("bomb.npz")
        refused(["bomb.npz", "'zeros'", "takes more than"], "bomb.npz")

    def bomb(self, name):
        """An archive of some hundred bytes whose directory says that its array has 2 GiB, as its header does."""
        with zipfile.ZipFile(self.folder / name, "w") as archive:
            archive.writestr("zeros.npy", npy_bytes([(1 << 31) - 128], []).replace(b"<f4", b"|u1"))
        data = bytearray((self.folder / name).read_bytes())
        struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 1 << 31)
        (self.folder / name).write_bytes(data)


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
