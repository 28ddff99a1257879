"""`sibyl inspect` on small models."""

import json
import re
import sys
import unittest
from xml.etree import ElementTree

from command import Model, w


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


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
