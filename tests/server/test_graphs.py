#!/usr/bin/env python3
"""What the server shows of models: graphs, nodes, values, milli-ops."""
import json
import struct
import sys
import time
import unittest

import onnx_file as onnx
from serving import RECORDING, Server, form, real_model

WRONG = ("-1", "1e9", "x", "0x1", "+0", "4294967295", "4294967296", "18446744073709551616", "9" * 40)


def small_model() -> bytes:
    """y = a loop over x that adds w; z = x * x or x, by a flag. Its dims are [T, 3]."""
    body = onnx.graph("body", [onnx.node("Add", ["carried", "w"], ["sum"]), onnx.node("Identity", ["go"], ["on"])],
                      [onnx.value("turn", [], onnx.INT64), onnx.value("go", [], 9), onnx.value("carried", ["T", 3])],
                      [onnx.value("on", [], 9), onnx.value("sum", ["T", 3])])
    square = onnx.graph("square", [onnx.node("Mul", ["x", "x"], ["squared"])], [], [onnx.value("squared", ["T", 3])])
    same = onnx.graph("same", [onnx.node("Identity", ["x"], ["copied"])], [], [onnx.value("copied", ["T", 3])])
    nodes = [onnx.node("Loop", ["count", "", "x"], ["y"], "repeat", body=body),
             onnx.node("If", ["flag"], ["z"], "choose", then_branch=square, else_branch=same),
             onnx.node("Concat", ["y", "z"], ["both"], "join", doc="two halves", axis=1),
             onnx.node("MatMul", ["both", "m"], ["product"], b"name \xff of bytes"),
             onnx.node("Transpose", ["product"], ["last"], perm=[1, 0])]
    weights = [onnx.tensor("w", onnx.FLOAT, [3], struct.pack("<3f", 1, 2, 3)),
               onnx.tensor("m", onnx.FLOAT, [6, 2], struct.pack("<12f", *range(12))),
               onnx.tensor("count", onnx.INT64, [], struct.pack("<q", 2))]
    return onnx.model(onnx.graph("main", nodes, [onnx.value("x", ["T", 3]), onnx.value("flag", [], 9)],
                                 [onnx.value("last", [2, "T"]), onnx.value("y", ["T", 3])], weights))


class Graphs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("digits"))
        cls.upload("small", small_model())

    @classmethod
    def upload(cls, name, data):
        status, _, text = cls.server.ask("POST", "/api/models", *form({}, {"file": (f"{name}.onnx", data)}))
        assert status == 201, text
        return f"/api/models/{json.loads(text)['id']}"

    def get(self, path):
        status, answer = self.server.json("GET", path)
        self.assertEqual(status, 200, answer)
        return answer

    def fails(self, expected, part, path):
        status, answer = self.server.json("GET", path)
        self.assertEqual(status, expected, (path, answer))
        self.assertIn(part, answer["error"]["message"])

    def by_name(self, model, graph=0, query=""):
        """Nodes by type, and values by name, of a graph."""
        nodes = self.get(f"{model}/graphs/{graph}/nodes{query}")["nodes"]
        values = self.get(f"{model}/graphs/{graph}/values{query}")["values"]
        return {n["type"]: n for n in nodes}, {v["name"]: v for v in values}

    def test_graphs(self):
        graphs = self.get("/api/models/small/graphs")["graphs"]
        self.assertEqual([(g["name"], g["outer"], g["holder"], g["attribute"]) for g in graphs],
                         [("main", -1, -1, ""), ("body", 0, 0, "body"), ("square", 0, 1, "then_branch"),
                          ("same", 0, 1, "else_branch")])
        main = self.get("/api/models/small/graphs/0")
        self.assertEqual((main["n_nodes"], main["parameters"], main["captures"]), (5, 16, 0))
        body = self.get("/api/models/small/graphs/1")
        self.assertEqual((body["n_inputs"], body["n_outputs"], body["captures"]), (3, 2, 1))

    def test_nodes_and_values(self):
        nodes, values = self.by_name("/api/models/small")
        self.assertEqual({n: v["role"] for n, v in values.items()},
                         {"x": "input", "flag": "input", "last": "output", "y": "output", "w": "initializer",
                          "m": "initializer", "count": "initializer", "z": "value", "both": "value", "product": "value"})
        self.assertEqual((values["x"]["type"], values["x"]["dims"], values["x"]["bytes"]), ("float32 [T, 3]", ["T", 3], None))
        self.assertEqual((values["m"]["dims"], values["m"]["bytes"], values["m"]["kind"]), ([6, 2], 48, "tensor"))
        self.assertEqual(nodes["Loop"]["in"], [values["count"]["i"], -1, values["x"]["i"]])
        self.assertEqual((nodes["Loop"]["graphs"], nodes["If"]["graphs"], nodes["Concat"]["graphs"]), ([1], [2, 3], []))
        self.assertEqual(values["y"]["producer"], nodes["Loop"]["i"])
        self.assertEqual(nodes["MatMul"]["name"], "name \ufffd of bytes")
        _, inner = self.by_name("/api/models/small", 1)
        self.assertEqual((inner["w"]["role"], inner["w"]["captured"]), ("capture", values["w"]["i"]))

    def test_node(self):
        nodes, values = self.by_name("/api/models/small")
        path = f"/api/models/small/graphs/0/nodes/{nodes['Concat']['i']}"
        node = self.get(path)
        self.assertEqual((node["doc"], node["version"], node["known"]), ("two halves", 17, True))
        self.assertEqual(node["attributes"], [{"name": "axis", "kind": "int", "text": "1", "value": 1}])
        self.assertEqual([v["name"] for v in node["inputs"] + node["outputs"]], ["y", "z", "both"])
        node = self.get(f"/api/models/small/graphs/0/nodes/{nodes['Transpose']['i']}")
        self.assertEqual(node["attributes"][0]["value"], [1, 0])
        node = self.get(f"/api/models/small/graphs/0/nodes/{nodes['Loop']['i']}")
        self.assertEqual((node["inputs"][1], node["attributes"][0]["graph"]), (None, 1))
        self.assertNotIn("value", node["attributes"][0])
        matmul = f"/api/models/small/graphs/0/nodes/{nodes['MatMul']['i']}"
        node = self.get(matmul)
        self.assertIn("T", node["flops"])
        self.assertIsNone(node["cost"])
        self.assertEqual(self.get(matmul + "?dims=T:5")["cost"], {"flops": 120, "bytes": 4 * (5 * 6 + 12 + 5 * 2)})
        self.assertEqual(self.get(matmul + "?dims=T:0")["cost"]["flops"], 0)

    def test_wrong_sizes(self):
        for dims in ("T", "T:", ":5", "T:-1", "T:x", "T:9223372036854775808", "T:1:", "T:1,,U", ",".join(["T:1"] * 65)):
            self.fails(400, "'dims'", f"/api/models/small/graphs/0/nodes/3?dims={dims}")
            self.fails(400, "'dims'", f"/api/models/small/graphs/0/nodes/3/milli?dims={dims}")
        self.assertEqual(self.get("/api/models/small/graphs/0/nodes/3?dims=T:9223372036854775807")["cost"], None)

    def test_milli(self):
        milli = self.get("/api/models/small/graphs/0/nodes/2/milli")
        values = {v["i"]: v for v in milli["values"]}
        self.assertEqual([values[i]["name"] for i in milli["inputs"] + milli["outputs"]], ["y", "z", "both"])
        self.assertEqual({n["domain"] for n in milli["nodes"]}, {"milli"})
        self.assertEqual(values[milli["outputs"][0]]["dims"], ["T", 6])
        milli = self.get("/api/models/small/graphs/0/nodes/2/milli?dims=T:7")
        self.assertEqual([v["dims"] for v in milli["values"] if v["i"] == milli["outputs"][0]], [[7, 6]])
        self.fails(400, "If", "/api/models/small/graphs/0/nodes/1/milli")

    def test_value(self):
        _, values = self.by_name("/api/models/small")
        self.assertEqual(self.get(f"/api/models/small/graphs/0/values/{values['x']['i']}")["users"], [0, 1])
        self.assertEqual(self.get(f"/api/models/small/graphs/0/values/{values['w']['i']}")["users"], [0])
        self.assertEqual(self.get(f"/api/models/small/graphs/0/values/{values['last']['i']}")["users"], [])

    def test_what_is_not_there(self):
        for wrong in WRONG + ("4",):
            self.fails(404, "no graph", f"/api/models/small/graphs/{wrong}")
            self.fails(404, "no graph", f"/api/models/small/graphs/{wrong}/nodes/0")
        for wrong in WRONG + ("5",):
            self.fails(404, "no node", f"/api/models/small/graphs/0/nodes/{wrong}")
            self.fails(404, "no node", f"/api/models/small/graphs/0/nodes/{wrong}/milli")
        for wrong in WRONG + ("10",):
            self.fails(404, "no value", f"/api/models/small/graphs/0/values/{wrong}")
        for path in ("graphs", "graphs/0", "graphs/0/nodes", "graphs/0/values", "graphs/0/nodes/0", "graphs/0/values/0"):
            self.fails(404, "no model 'nothing'", f"/api/models/nothing/{path}")
            self.fails(404, "no call 'other'", f"/api/models/small/{path}?call=other")
            self.fails(400, "'view'", f"/api/models/small/{path}?view=other")

    def test_pages(self):
        path = "/api/models/small/graphs/0/nodes"
        everything = self.get(path)
        self.assertEqual((everything["total"], len(everything["nodes"])), (5, 5))
        self.assertEqual([n["i"] for n in self.get(path + "?from=3&count=1")["nodes"]], [3])
        for query in ("from=5", "from=9223372036854775807", "count=0"):
            self.assertEqual(self.get(f"{path}?{query}"), {"total": 5, "nodes": []})
        for query, name in (("from=-1", "'from'"), ("from=18446744073709551616", "'from'"), ("count=10001", "'count'"),
                            ("count=x", "'count'"), ("count=-5", "'count'"), ("count=", "'count'")):
            self.fails(400, name, f"{path}?{query}")

    def test_filter(self):
        path = "/api/models/small/graphs/0"
        self.assertEqual([n["name"] for n in self.get(path + "/nodes?q=LOOP")["nodes"]], ["repeat"])
        self.assertEqual([n["type"] for n in self.get(path + "/nodes?q=choo")["nodes"]], ["If"])
        self.assertEqual(self.get(path + "/nodes?q=nowhere"), {"total": 0, "nodes": []})
        found = self.get(path + "/nodes?q=o&from=1&count=1")
        self.assertEqual((found["total"], [n["name"] for n in found["nodes"]]), (5, ["choose"]))
        self.assertEqual([v["name"] for v in self.get(path + "/values?q=PROD")["values"]], ["product"])

    def test_long_names_end_pages_early(self):
        """Pages have about 16 MiB: the client asks for the rest."""
        n = 5000
        nodes = [onnx.node("Identity", ["x" if i == 0 else f"v{i}"], [f"v{i + 1}"], f"{i}" + "n" * 5000) for i in range(n)]
        path = self.upload("long", onnx.model(onnx.graph("g", nodes, [onnx.value("x", [1])], [onnx.value(f"v{n}", [1])])))
        page = self.get(f"{path}/graphs/0/nodes")
        self.assertEqual(page["total"], n)
        self.assertLess(len(page["nodes"]), n)
        self.assertLess(len(page["nodes"][0]["name"]), 5000)
        rest = self.get(f"{path}/graphs/0/nodes?from={len(page['nodes'])}")
        self.assertEqual([n["i"] for n in page["nodes"] + rest["nodes"]], list(range(n)))

    def test_names_as_text(self):
        """Names of nodes are written as that of their graph is, which goes through jansson, whatever their bytes."""
        names = ["", 'a "quoted" \\ /', "".join(map(chr, range(1, 0x21))) + "\x7f", "\u00e9\u20ac\U0001f600", b"\xff\xc0\x80a\xed\xa0\x80\xf4\x90\x80\x80",
                 b"\xe2\x82", "n" * 4096, "n" * 4097, "n" * 4094 + "\u20ac", "n" * 4095 + "\u20ac", b"\xff" * 4097, "\u00e9\n" * 3000]
        for i, name in enumerate(names):
            nodes = [onnx.node("Identity", ["x"], ["y"], name)]
            path = self.upload(f"named{i}", onnx.model(onnx.graph(name, nodes, [onnx.value("x", [1])], [onnx.value("y", [1])])))
            graph, page, node = (self.server.ask("GET", f"{path}/graphs{more}")[2] for more in ("", "/0/nodes", "/0/nodes/0"))
            written = graph.split(b'"name":', 1)[1].split(b',"outer":', 1)[0]
            expected = (b'{"total":1,"nodes":[{"i":0,"name":' + written + b',"type":"Identity","domain":"","function":null,"in":[0],"out":[1],'
                        b'"graphs":[],"known":true}]}')
            self.assertEqual(page, expected)
            self.assertTrue(node.startswith(expected[len('{"total":1,"nodes":['):-3] + b',"version":17,'), node[:200])
            self.assertEqual(self.server.ask("DELETE", path)[0], 204)

    def test_attributes_in_pages(self):
        path = "/api/models/small/graphs/0/nodes"
        self.assertFalse(any("attributes" in node for node in self.get(path)["nodes"] + self.get(path + "?attributes=false")["nodes"]))
        listed = self.get(path + "?attributes=true")["nodes"]
        self.assertEqual([node["attributes"] for node in listed], [self.get(f"{path}/{node['i']}")["attributes"] for node in listed])
        self.assertIn([{"name": "axis", "kind": "int", "text": "1", "value": 1}], [node["attributes"] for node in listed])
        self.fails(400, "'attributes'", path + "?attributes=1")

    def test_long_attributes_end_pages_early(self):
        n = 500  # of 41 KB each
        nodes = [onnx.node("Identity", ["x" if i == 0 else f"v{i}"], [f"v{i + 1}"], list=list(range(10 ** 8, 10 ** 8 + 4096))) for i in range(n)]
        path = self.upload("wide", onnx.model(onnx.graph("g", nodes, [onnx.value("x", [1])], [onnx.value(f"v{n}", [1])])))
        page = self.get(f"{path}/graphs/0/nodes?attributes=true")
        self.assertEqual(page["total"], n)
        self.assertLess(len(page["nodes"]), n)
        self.assertEqual(len(self.get(f"{path}/graphs/0/nodes")["nodes"]), n)

    def test_many_nodes(self):
        n = 25000
        nodes = [onnx.node("Relu", ["x" if i == 0 else f"v{i}"], [f"v{i + 1}"]) for i in range(n)]
        path = self.upload("many", onnx.model(onnx.graph("g", nodes, [onnx.value("x", ["T"])], [onnx.value(f"v{n}", ["T"])])))
        seen = []
        while len(seen) < n:
            page = self.get(f"{path}/graphs/0/nodes?from={len(seen)}&count=10000")
            self.assertEqual(page["total"], n)
            self.assertTrue(page["nodes"])
            seen += [node["i"] for node in page["nodes"]]
        self.assertEqual(seen, list(range(n)))
        self.assertEqual(self.get(f"{path}/graphs/0/values?q=v24999")["total"], 1)

    def test_no_nodes(self):
        path = self.upload("none", onnx.model(onnx.graph("g", [], [onnx.value("x", [0])], [onnx.value("x", [0])])))
        self.assertEqual(self.get(f"{path}/graphs/0/nodes"), {"total": 0, "nodes": []})
        self.fails(404, "it has none", f"{path}/graphs/0/nodes/0")
        self.assertEqual(self.get(f"{path}/graphs/0/values")["values"][0]["bytes"], 0)

    def test_unchanged(self):
        path = "/api/models/small/graphs/0/nodes"
        _, headers, _ = self.server.ask("GET", path)
        tag = {"If-None-Match": headers["ETag"]}
        self.assertEqual(self.server.ask("GET", path, headers=tag)[0], 304)
        self.assertEqual(self.server.ask("GET", "/api/models/digits/graphs/0/nodes", headers=tag)[0], 200)

    def test_calls_of_a_job(self):
        encoder, decoder = (self.get(f"/api/models/digits/graphs/0?call={c}") for c in ("encoder", "decoder"))
        self.assertEqual(self.get("/api/models/digits/graphs/0"), encoder)
        self.assertNotEqual(encoder, decoder)

    def test_planned(self):
        """Passes take out what does nothing."""
        nodes = [onnx.node("Relu", ["x"], ["a"]), onnx.node("Identity", ["a"], ["b"]), onnx.node("Neg", ["b"], ["y"])]
        path = self.upload("idle", onnx.model(onnx.graph("g", nodes, [onnx.value("x", ["T"])], [onnx.value("y", ["T"])])))
        self.assertEqual(sorted(self.by_name(path)[0]), ["Identity", "Neg", "Relu"])
        nodes, values = self.by_name(path, 0, "?view=planned")
        self.assertEqual(sorted(nodes), ["Neg", "Relu"])
        self.assertEqual((values["x"]["role"], values["y"]["role"]), ("input", "output"))
        self.assertEqual(self.get(f"{path}/graphs?view=planned")["graphs"][0]["n_nodes"], 2)
        self.assertEqual(self.get(f"{path}/graphs/0?view=planned&backends=ref")["n_nodes"], 3)
        self.fails(400, "nothing-here", f"{path}/graphs/0?view=planned&backends=nothing-here")
        # what is planned has buffers for caches: positions, and where rows begin and end, are inputs too
        self.assertEqual(self.get("/api/models/digits/graphs/0?call=decoder&view=planned")["n_inputs"], 10 + 3)
        self.assertEqual(self.get("/api/models/digits/graphs/0?call=decoder&view=planned&backends=ref")["n_inputs"], 10)

    def test_plan(self):
        """Of the decoder, which has run once there was something to transcribe."""
        body, headers = form({"model": "digits"}, {"file": ("a.flac", RECORDING.read_bytes())})
        self.assertEqual(self.server.ask("POST", "/v1/audio/transcriptions", body, headers)[0], 200)
        path = "/api/models/digits/plan?call=decoder"
        plan = self.get(path)
        self.assertEqual(plan["total"], len(plan["segments"]))
        nodes = self.get("/api/models/digits/graphs/0/nodes?call=decoder&view=planned")["nodes"]
        steps = 0
        for segment in plan["segments"]:
            self.assertEqual(segment["graph"], 0)
            for step in segment["steps"]:
                steps += 1
                self.assertEqual((step["name"], step["type"]), (nodes[step["node"]]["name"], nodes[step["node"]]["type"]))
                for place in step["inputs"] + step["outputs"]:
                    self.assertLess(place, len(segment["places"]))
            for place in segment["places"]:
                if place["kind"] == "arena":
                    self.assertLessEqual(place["offset"] + place["bytes"], segment["arena_bytes"])
        self.assertGreater(steps, 20)
        self.assertIn("tokens int64", plan["segments"][0]["facts"])
        rest = self.get(f"{path}&from={plan['total'] - 1}")
        self.assertEqual((len(rest["segments"]), rest["total"], rest["edits"]), (1, plan["total"], []))
        self.assertEqual(self.get(f"{path}&from={plan['total']}")["segments"], [])
        self.fails(400, "'from'", f"{path}&from=-1")
        self.fails(404, "no call", "/api/models/digits/plan?call=nothing")
        self.fails(404, "no model", "/api/models/nothing/plan")

    def test_plan_before_any_run(self):
        plan = self.get("/api/models/small/plan")
        self.assertEqual((plan["total"], plan["segments"]), (0, []))
        nodes = [onnx.node("Relu", ["x"], ["a"], "first"), onnx.node("Identity", ["a"], ["b"], "second"),
                 onnx.node("Neg", ["b"], ["y"])]
        path = self.upload("edited", onnx.model(onnx.graph("g", nodes, [onnx.value("x", ["T"])], [onnx.value("y", ["T"])])))
        edits = self.get(f"{path}/plan")["edits"]
        self.assertIn({"type": "Identity", "name": "second"}, [n for e in edits for n in e["removed"]])
        self.assertEqual(self.get(f"{path}/plan?backends=ref")["edits"], [])
        for keep in ([], ["*"]):
            run = self.server.json("POST", "/api/runs", json.dumps({"model": "edited", "kind": "graph", "dims": {"T": 3}, "keep": keep}))[1]["id"]
            while self.server.json("GET", f"/api/runs/{run}")[1]["state"] != "done":
                time.sleep(0.01)
        plain, kept = self.get(f"{path}/plan")["segments"]
        self.assertEqual([(s["of_file"], s["tapped"], s["graph"], s["end"]) for s in (plain, kept)], [(False, False, 0, 2), (True, True, 0, 3)])
        self.assertEqual([step["name"] for step in kept["steps"]], ["first", ""])  # a view takes no step

    def test_sessions_have_a_limit(self):
        path = self.upload("sessions", small_model())
        for i in range(16):
            self.get(f"{path}/plan?backends=" + ",".join(["ref"] * (i + 1)))
        self.fails(400, "16 sessions", f"{path}/plan?backends=cpu,ref")
        self.get(f"{path}/plan?backends=ref")

    def test_silero(self):
        model = self.upload("silero", real_model("silero_vad_v6_16k").read_bytes())
        graphs = self.get(f"{model}/graphs")["graphs"]
        self.assertGreater(len(graphs), 10)
        for g in graphs[1:]:
            self.assertLess(g["outer"], g["number"])
            holder = self.get(f"{model}/graphs/{g['outer']}/nodes/{g['holder']}")
            self.assertEqual(holder["type"], "If")
            self.assertIn((g["attribute"], g["number"]), [(a["name"], a.get("graph")) for a in holder["attributes"]])

    def test_every_node_of_gtcrn(self):
        model = self.upload("gtcrn", real_model("gtcrn").read_bytes())
        nodes = self.get(f"{model}/graphs/0/nodes")
        values = self.get(f"{model}/graphs/0/values")["values"]
        self.assertEqual(nodes["total"], len(nodes["nodes"]))
        for n in nodes["nodes"][::50]:
            detail = self.get(f"{model}/graphs/0/nodes/{n['i']}")
            self.assertEqual({k: detail[k] for k in n}, n)
            self.assertEqual([v and v["i"] for v in detail["inputs"]], [None if i < 0 else i for i in n["in"]])
            for v in detail["outputs"]:
                self.assertEqual(v, values[v["i"]])
                self.assertEqual(v["producer"], n["i"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
