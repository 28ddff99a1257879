#!/usr/bin/env python3
"""Runs watched live over WebSocket: digests, values, states, losses, and what clients do wrong."""
import json
import math
import struct
import sys
import time
import unittest
import urllib.parse

import onnx_file as onnx
from serving import Server, form, real_model
from websocket import BINARY, TEXT, Client, Refused, ended, frames


def small_model() -> bytes:
    """y = Relu(x + w) of [T, 3]."""
    nodes = [onnx.node("Add", ["x", "w"], ["sum"], "adds"), onnx.node("Relu", ["sum"], ["y"], "last")]
    return onnx.model(onnx.graph("main", nodes, [onnx.value("x", ["T", 3])], [onnx.value("y", ["T", 3])],
                                 [onnx.tensor("w", onnx.FLOAT, [3], struct.pack("<3f", 1, 0, -1))]))


def loop_model(turns: int) -> bytes:
    """A loop whose value d is always twice the input of [C], and same the input."""
    body = onnx.graph("body", [onnx.node("Add", ["c", "x"], ["d"], "doubles"), onnx.node("Identity", ["go"], ["on"], "goes"),
                               onnx.node("Sub", ["d", "x"], ["same"], "halves")],
                      [onnx.value("turn", [], onnx.INT64), onnx.value("go", [], 9), onnx.value("c", ["C"])],
                      [onnx.value("on", [], 9), onnx.value("same", ["C"])])
    return onnx.model(onnx.graph("main", [onnx.node("Loop", ["count", "", "x"], ["y"], "loops", body=body)],
                                 [onnx.value("x", ["C"])], [onnx.value("y", ["C"])],
                                 [onnx.tensor("count", onnx.INT64, [], struct.pack("<q", turns))]))


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("--time-limit", "120", "--jobs", "4"))
        for name, data in (("small", small_model()), ("endless", loop_model(1 << 40)), ("long", loop_model(20000)), ("shorter", loop_model(3000))):
            status, _, text = cls.server.ask("POST", "/api/models", *form({}, {"file": (f"{name}.onnx", data)}))
            assert status == 201, text

    def client(self, **arguments):
        client = Client(self.server, **arguments)
        self.addCleanup(client.socket.close)
        self.assertEqual(client.reply("hello")["op"], "hello")
        return client

    def subscribe(self, client, **fields):
        client.send(op="subscribe", id=1, **fields)
        client.reply("subscribed")

    def start(self, **body):
        status, answer = self.server.json("POST", "/api/runs", json.dumps({"kind": "graph", **body}))
        self.assertEqual(status, 201, answer)
        self.addCleanup(self.server.ask, "DELETE", f"/api/runs/{answer['id']}")
        return answer["id"]

    def refused(self, client, part, **message):
        client.send(**message)
        answer = client.reply("error")
        self.assertIn(part, answer["message"])
        self.assertEqual(answer.get("id"), message.get("id") if isinstance(message.get("id"), int) else None)

    # ---- States ----

    def test_states_of_runs_in_their_order(self):
        client = self.client()
        client.send(op="runs")
        client.send(op="ping", t=0)
        client.reply("pong")
        run = self.start(model="small", dims={"T": 2})
        messages = client.until(ended(run))
        states = [m["state"] for m in messages if m["op"] == "run" and m["id"] == run]
        order = ["queued", "running", "done"]
        self.assertEqual(sorted(states, key=order.index), states)
        self.assertEqual(states[-1], "done")
        self.assertIn("running", states)
        self.assertEqual(messages[-1]["outputs"], [{"name": "y", "type": "float32 [2, 3]"}])
        run = self.start(model="small", dims={"T": 2}, outputs=["nothing"])
        last = client.until(ended(run))[-1]
        self.assertEqual((last["state"], "nothing" in last["error"]["message"]), ("failed", True))

    def test_runs_that_are_there_are_told(self):
        run = self.start(model="endless", inputs={"x": {"data": [1, 2]}})
        client = self.client()
        client.send(op="runs")
        client.until(lambda m: m["op"] == "run" and m["id"] == run)

    def test_a_run_that_has_ended(self):
        run = self.start(model="small", dims={"T": 2})
        while self.server.json("GET", f"/api/runs/{run}")[1]["state"] != "done":
            time.sleep(0.01)
        client = self.client()
        self.subscribe(client, run=run, names=["*"])
        self.assertEqual(client.reply("run")["state"], "done")

    def test_a_run_that_nobody_watches_is_not_tapped(self):
        """Nor is one with a connection alone, with states alone, or optimised."""
        name = "untapped"
        self.assertEqual(self.server.ask("POST", "/api/models", *form({}, {"file": (f"{name}.onnx", small_model())}))[0], 201)
        client = self.client()
        for ask in (None, {"op": "runs"}, {"op": "subscribe", "id": 1, "names": []},
                    {"op": "subscribe", "id": 2, "names": ["*"], "optimised": True},
                    {"op": "subscribe", "id": 3, "names": ["y"]}):
            if ask:
                client.send(**ask)
                client.send(op="ping", t=0)
                client.reply("pong")
            self.start(model=name, dims={"T": 2}, backends="ref")
            while [r["state"] for r in self.server.json("GET", "/api/runs")[1]["runs"] if r["model"] == name][0] != "done":
                time.sleep(0.01)
            tapped = any(s["tapped"] for s in self.server.json("GET", f"/api/models/{name}/plan?backends=ref")[1]["segments"])
            self.assertEqual(tapped, bool(ask) and ask.get("id") == 3, ask)

    def test_nodes_without_names(self):
        """They are "node" and their number in their graph: with values, in paths of loops and in profiles."""
        body = onnx.graph("body", [onnx.node("Add", ["c", "x"], ["d"]), onnx.node("Identity", ["go"], ["on"]), onnx.node("Sub", ["d", "x"], ["same"])],
                          [onnx.value("turn", [], onnx.INT64), onnx.value("go", [], 9), onnx.value("c", ["C"])],
                          [onnx.value("on", [], 9), onnx.value("same", ["C"])])
        model = onnx.model(onnx.graph("main", [onnx.node("Neg", ["x"], ["less"]), onnx.node("Loop", ["count", "", "less"], ["y"], body=body)],
                                      [onnx.value("x", ["C"])], [onnx.value("y", ["C"])],
                                      [onnx.tensor("count", onnx.INT64, [], struct.pack("<q", 2))]))
        self.assertEqual(self.server.ask("POST", "/api/models", *form({}, {"file": ("nameless.onnx", model)}))[0], 201)
        client = self.client()
        self.subscribe(client, model="nameless", names=["*"])
        run = self.start(model="nameless", dims={"C": 2}, profile=True, keep=["*"])
        told = {m[0]["name"]: m[0]["node"] for m in frames(client.until(ended(run)), op="digest")}
        kept = {v["name"]: v["node"] for v in self.server.json("GET", f"/api/runs/{run}/values")[1]["values"]}
        for nodes in told, kept:
            self.assertEqual({n: nodes[n] for n in ("x", "less", "y", "node1[1]/d", "node1[1]/same")},
                             {"x": "", "less": "node0", "y": "node1", "node1[1]/d": "node0", "node1[1]/same": "node2"})
        spans = {s["name"] for s in self.server.json("GET", f"/api/runs/{run}/profile")[1]["spans"] if s["kind"] in ("node", "body")}
        self.assertEqual(spans, {"node0", "node1", "node2", "node1[0]", "node1[1]"})

    def test_a_share_of_the_time(self):
        client = self.client()
        client.send(op="runs")
        self.subscribe(client, model="small", names=["y"], share=1e-12)
        client.send(op="subscribe", id=2, model="small", names=["y"])
        client.reply("subscribed")
        got = []
        for _ in range(4):
            got += client.until(ended(self.start(model="small", dims={"T": 2})))
        self.assertEqual((len(frames(got, id=1)), len(frames(got, id=2))), (1, 4))

    def test_iterations_within_an_interval_are_left_out(self):
        self.assertEqual(self.server.ask("POST", "/api/models", *form({}, {"file": ("fifty.onnx", loop_model(50))}))[0], 201)
        client = self.client()
        client.send(op="runs")
        self.subscribe(client, model="fifty", names=["*d", "*same"], interval=60)
        client.send(op="subscribe", id=2, model="fifty", names=["*d"])
        client.reply("subscribed")
        got = client.until(ended(self.start(model="fifty", inputs={"x": {"data": [1, 2]}})))
        self.assertEqual([h["name"] for h, _ in frames(got, id=1)], ["loops[0]/d", "loops[0]/same"])
        self.assertEqual(len(frames(got, id=2)), 50)

    def test_progress_names_the_node(self):
        client = self.client()
        self.subscribe(client, model="long", names=[])
        run = self.start(model="long", inputs={"x": {"data": [1.0] * 20000}})
        messages = client.until(ended(run))
        progress = [m for m in messages if m["op"] == "progress"]
        self.assertTrue(progress)
        self.assertLess(len(progress), 12 * messages[-1]["seconds"] + 2)
        for m in progress:
            self.assertEqual((m["run"], m["total"], m["done"]), (run, 1, 0))
            self.assertIn(m["node"]["name"], ("loops", "doubles", "goes", "halves"))
        self.assertEqual(frames(messages), [])

    # ---- Digests ----

    def test_events(self):
        """The ends of spans, many in a message; those who did not ask for them get none."""
        client, other = self.client(), self.client()
        self.subscribe(client, model="small", names=[], events=True)
        self.subscribe(other, model="small", names=[])
        run = self.start(model="small", inputs={"x": {"data": [[1, 2, 3]]}})
        messages = [m for m in client.until(ended(run)) if m["op"] == "events"]
        events = [e for m in messages for e in m["events"]]
        self.assertEqual({(m["run"], m["lost"]) for m in messages}, {(run, 0)})
        node = next(e for e in events if e["kind"] == "node")
        self.assertEqual(sorted(node), ["backend", "begin", "bytes_written", "call", "end", "kernel", "kind", "name", "op_type"])
        self.assertEqual((node["call"], node["bytes_written"]), ("", 12))
        self.assertLessEqual(node["begin"], node["end"])
        self.assertIn("adds", {e["name"] for e in events})
        self.assertIn("plan", {e["kind"] for e in events})
        self.assertNotIn("events", {m["op"] for m in other.until(ended(run))})

    def test_more_events_than_anybody_reads(self):
        client = self.client()
        self.subscribe(client, model="endless", names=[], events=True)
        run = self.start(model="endless", inputs={"x": {"data": [1]}})
        message = client.until(lambda m: m["op"] == "events" and m["lost"])[-1]
        self.assertLess(len(json.dumps(message)), 100_000)
        self.assertEqual(self.server.ask("POST", f"/api/runs/{run}/cancel", "{}")[0], 200)
        client.until(ended(run))

    def test_digests_from_before_the_run(self):
        client = self.client()
        self.subscribe(client, model="small", names=["*"])
        run = self.start(model="small", inputs={"x": {"data": [[1, 2, 0.5], [-3, 4, 5]]}}, keep=["sum"])
        got = frames(client.until(ended(run)), op="digest")
        self.assertEqual([h["name"] for h, _ in got], ["x", "sum", "y"])
        self.assertEqual([h["number"] for h, _ in got], [1, 2, 3])
        header, payload = got[1]
        self.assertEqual((header["run"], header["id"], header["node"], header["op_type"], header["dtype"], header["shape"]),
                         (run, 1, "adds", "Add", "float32", [2, 3]))
        kept = self.server.json("GET", f"/api/runs/{run}/value?name=sum")[1]["digest"]
        for key in ("count", "nan", "plus_inf", "minus_inf", "zero", "min", "max", "histogram", "n_histogram",
                    "rows", "columns"):
            self.assertEqual(header[key], kept[key], key)
        for key in ("mean", "std"):
            self.assertAlmostEqual(header[key], kept[key], 12)
        self.assertEqual(list(struct.unpack("<6f", payload)), kept["cells"])
        self.assertEqual((header["mean"], header["not_finite"]), (9.5 / 6, [0, 0]))

    def test_what_is_not_finite(self):
        client = self.client()
        self.subscribe(client, model="small", names=["sum"])
        run = self.start(model="small", inputs={"x": {"data": [[1e38, 2, 3e38], [0, 0, 1]], "dtype": "float32"}})
        (header, _), = frames(client.until(ended(run)))
        self.assertEqual((header["nan"], header["plus_inf"], header["zero"]), (0, 0, 2))
        data = onnx.model(onnx.graph("main", [onnx.node("Log", ["x"], ["y"])], [onnx.value("x", [2, 2])], [onnx.value("y", [2, 2])]))
        self.assertEqual(self.server.ask("POST", "/api/models", *form({}, {"file": ("log.onnx", data)}))[0], 201)
        client.send(op="subscribe", id=2, model="log", names=["y"])
        client.reply("subscribed")
        run = self.start(model="log", inputs={"x": {"data": [[1, -1], [0, 1]]}})
        (header, payload), = frames(client.until(ended(run)))
        self.assertEqual((header["nan"], header["minus_inf"], header["zero"], header["not_finite"]), (1, 1, 2, [2, 1]))
        cells = struct.unpack("<4f", payload)
        self.assertEqual((cells[0], cells[3]), (0, 0))
        self.assertTrue(math.isnan(cells[1]) and math.isnan(cells[2]))

    def test_globs_models_and_runs(self):
        client = self.client()
        self.subscribe(client, model="small", names=["s?m", "none"])
        client.send(op="subscribe", id=2, model="other", names=["*"])
        client.reply("subscribed")
        run = self.start(model="small", dims={"T": 1})
        self.assertEqual([(h["id"], h["name"]) for h, _ in frames(client.until(ended(run)))], [(1, "sum")])
        first = self.start(model="endless", inputs={"x": {"data": [1, 2]}})
        second = self.start(model="endless", inputs={"x": {"data": [3, 4]}})
        client.send(op="subscribe", id=4, run=second, names=["*same"], interval=60)
        got = client.until(lambda m: frames([m], id=4))
        client.send(op="subscribe", id=3, run=first, names=["*same"], interval=60)
        got += client.until(lambda m: frames([m], id=3))
        for run in (first, second):
            self.server.ask("POST", f"/api/runs/{run}/cancel", "{}")
        got = frames(got + client.until(ended(first)), id=3)
        self.assertEqual({(h["run"], h["min"], h["max"]) for h, _ in got}, {(first, 1, 2)})

    def test_two_runs_of_a_session_at_once(self):
        """Each value arrives once, with the number of its own run."""
        client = self.client()
        self.subscribe(client, model="shorter", names=["*/same"], optimised=True)
        runs = {self.start(model="shorter", inputs={"x": {"data": [float(i)]}}): i for i in (1, 2)}
        seen = {run: [] for run in runs}
        open_runs = set(runs)
        while open_runs:
            m = client.receive()
            if isinstance(m, tuple):
                seen[m[0]["run"]].append(m[0])
            elif m["op"] == "run" and m["state"] == "done":
                open_runs.discard(m["id"])
        for run, i in runs.items():
            self.assertTrue(seen[run])
            self.assertEqual({h["max"] for h in seen[run]}, {i})
            names = [h["name"] for h in seen[run]]
            self.assertEqual(len(set(names)), len(names))

    def test_change_while_the_run_goes_on(self):
        run = self.start(model="endless", inputs={"x": {"data": [1, 2]}})
        client = self.client()
        self.subscribe(client, run=run, names=["*same"], interval=0.001)
        client.until(lambda m: isinstance(m, tuple))
        client.send(op="subscribe", id=2, run=run, names=["loops[[]*]/same"], what="value", interval=0.001)
        client.until(lambda m: isinstance(m, tuple) and m[0]["id"] == 2)
        client.send(op="unsubscribe", id=1)
        client.reply("unsubscribed")
        rest = [client.receive() for _ in range(200)]
        self.assertEqual(frames(rest, id=1)[5:], [])
        self.assertGreater(len(frames(rest, id=2)), 100)
        client.send(op="unsubscribe", id=2)
        client.reply("unsubscribed")
        client.send(op="subscribe", id=1, run=run, names=["*same"])
        client.until(lambda m: isinstance(m, tuple) and m[0]["id"] == 1)

    # ---- Values ----

    def test_values_and_slices(self):
        client = self.client()
        self.subscribe(client, model="small", names=["sum"], what="value")
        client.send(op="subscribe", id=2, model="small", names=["sum", "y"], what="value", slice=":,1")
        client.reply("subscribed")
        client.send(op="subscribe", id=3, model="small", names=["sum"], what="value", slice="7")
        client.reply("subscribed")
        run = self.start(model="small", inputs={"x": {"data": [[1, 2, 0.5], [-3, 4, 5]]}})
        got = client.until(ended(run))
        (header, payload), = frames(got, id=1)
        self.assertEqual((header["op"], header["bytes"], header["shape"]), ("value", 24, [2, 3]))
        self.assertEqual(struct.unpack("<6f", payload), (2, 2, -0.5, -2, 4, 4))
        self.assertEqual([(h["name"], h["shape"], struct.unpack("<2f", p)) for h, p in frames(got, id=2)],
                         [("sum", [2], (2, 4)), ("y", [2], (2, 4))])
        (header, payload), = frames(got, id=3)
        self.assertEqual((header["bytes"], payload, "out of range" in header["missing"]), (0, b"", True))

    def test_a_value_above_the_limit_has_no_elements(self):
        client = self.client()
        self.subscribe(client, model="small", names=["y"], what="value")
        client.send(op="subscribe", id=2, model="small", names=["y"], what="value", slice="5:7")
        client.reply("subscribed")
        got = client.until(ended(self.start(model="small", dims={"T": 400000})))
        (header, payload), = frames(got, id=1)
        self.assertEqual((header["shape"], header["bytes"], payload), ([400000, 3], 0, b""))
        self.assertIn("slice", header["missing"])
        self.assertEqual([len(p) for _, p in frames(got, id=2)], [24])

    # ---- Slow clients, and those that vanish ----

    def test_a_client_that_reads_nothing(self):
        """The run ends without it, and it is told how much it has lost."""
        slow = self.client(buffer=4096)
        self.subscribe(slow, model="long", names=["*d"])
        slow.send(op="subscribe", id=2, model="long", names=["*same"], what="value")
        slow.reply("subscribed")
        run = self.start(model="long", inputs={"x": {"data": [1.0] * 2000}})
        while (state := self.server.json("GET", f"/api/runs/{run}")[1]["state"]) in ("queued", "running"):
            time.sleep(0.01)
        self.assertEqual(state, "done")
        rest = slow.until(lambda m: isinstance(m, dict) and m["op"] == "run" and m["state"] == "done")
        for i in (1, 2):
            numbers = [h["number"] for h, _ in frames(rest, id=i)]
            self.assertEqual((numbers, numbers[-1]), (sorted(numbers), 20000))
            self.assertLess(len(numbers), 10000)
        lost = sum(m["count"] for m in rest if isinstance(m, dict) and m["op"] == "lost")
        while lost < 40000 - len(frames(rest)):  # the count also has progress that was dropped
            lost += slow.reply("lost")["count"]
        self.assertLess(lost, 40000)

    def test_clients_that_vanish(self):
        run = self.start(model="endless", inputs={"x": {"data": [1, 2]}})
        for _ in range(20):
            client = self.client()
            self.subscribe(client, run=run, names=["*"])
            client.until(lambda m: isinstance(m, tuple))
            client.socket.close()
        self.assertEqual(self.server.json("GET", f"/api/runs/{run}")[1]["state"], "running")
        other = self.client()
        self.subscribe(other, run=run, names=["*same"])
        other.until(lambda m: isinstance(m, tuple))

    # ---- What is wrong ----

    def test_messages_that_are_wrong(self):
        client = self.client()
        for data in (b"nonsense", b"[1]", b'"op"', b"", b"{", b'{"op": 1}', b'{"op": "fly"}', b'{"op": "runs", "op": "runs"}',
                     b"\xff"):
            client.send_frame(TEXT, data)
            if data == b"\xff":  # no UTF-8: closed by the protocol, or refused as no JSON
                try:
                    self.assertIn("JSON", client.reply("error")["message"])
                except ConnectionError:
                    client = self.client()
                continue
            self.assertRegex(client.reply("error")["message"], "JSON object|'op'", data)
        client.send_frame(BINARY, b"\x00\x01")
        self.assertIn("bytes are audio", client.reply("error")["message"])
        client.send_frame(TEXT, b" " * 70000)
        self.assertIn("64 KiB", client.reply("error")["message"])
        client.send_frame(TEXT, b"[" * 60000)
        self.assertIn("JSON", client.reply("error")["message"])
        for part, message in (("'id'", {}), ("'id'", {"id": "a"}), ("'id'", {"id": -1}), ("'names'", {"id": 1}),
                              ("'names'", {"id": 1, "names": "x"}), ("number 1", {"id": 1, "names": ["x", 2]}),
                              ("256 bytes", {"id": 1, "names": ["x" * 257]}), ("64 names", {"id": 1, "names": ["x"] * 65}),
                              ("'what'", {"id": 1, "names": [], "what": "all"}),
                              ("'slice'", {"id": 1, "names": [], "slice": ":"}),
                              ("'share'", {"id": 1, "names": [], "share": 2}), ("'interval'", {"id": 1, "names": [], "interval": 61}), ("'inside'", {"id": 1, "names": [], "inside": 1}),
                              ("'model'", {"id": 1, "names": [], "model": 1}),
                              ("no run 'r999'", {"id": 1, "names": [], "run": "r999"}),
                              ("no run", {"id": 1, "names": [], "run": 3}), ("'values'", {"id": 1, "values": "x"})):
            if message.get("id") == -1:
                client.send(op="subscribe", **message)
                self.assertIn(part, client.reply("error")["message"])
            else:
                self.refused(client, part, op="subscribe", **message)
        self.refused(client, "no subscription 5", op="unsubscribe", id=5)
        client.send(op="runs")
        self.refused(client, "already", op="runs")
        self.subscribe(client, names=[])
        self.refused(client, "already", op="subscribe", id=1, names=[])
        client.send(op="ping", t=7)
        self.assertEqual(client.reply("pong")["t"], 7)

    def test_too_many_subscriptions(self):
        client = self.client()
        for i in range(64):
            client.send(op="subscribe", id=i, names=["*"])
            client.reply("subscribed")
        self.refused(client, "64 subscriptions", op="subscribe", id=64, names=[])
        client.send(op="unsubscribe", id=3)
        client.reply("unsubscribed")
        client.send(op="subscribe", id=64, names=[])
        client.reply("subscribed")

    def test_frames_that_are_wrong(self):
        for frame in (b"\x81\x05hello", b"\xf1\x80\0\0\0\0", b"\x83\x80\0\0\0\0", b"\x81\xff" + b"\xff" * 12, b"\x80\x80\0\0\0\0"):
            with Client(self.server) as client:
                client.reply("hello")
                client.socket.sendall(frame)
                client.socket.settimeout(2)
                try:
                    for _ in range(10):
                        client.receive()
                except (ConnectionError, TimeoutError):
                    pass
        client = self.client()
        client.send_frame(TEXT, b'{"op": "pi', final=False)
        client.send_frame(0, b'ng", "t": 2}')
        self.assertEqual(client.reply("pong")["t"], 2)

    def test_who_may_connect(self):
        here = f"http://{self.server.host}:{self.server.port}"
        for headers, status in (({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 403),
                                ({"Origin": "null"}, 403), ({"Origin": here}, 101), ({}, 101)):
            try:
                with Client(self.server, **headers):
                    got = 101
            except Refused as why:
                got = why.status
            self.assertEqual(got, status, headers)
        with self.assertRaises(Refused) as why:
            Client(self.server, "/api/nothing")
        self.assertEqual(why.exception.status, 404)


class Alone(unittest.TestCase):
    def test_token(self):
        with Server("--token", "secret") as server:
            for path, headers in (("/api/ws", {}), ("/api/ws?token=wrong", {}), ("/api/ws", {"Authorization": "Bearer wrong"})):
                with self.assertRaises(Refused) as why:
                    Client(server, path, **headers)
                self.assertEqual(why.exception.status, 401)
            for path, headers in (("/api/ws?token=secret", {}), ("/api/ws", {"Authorization": "Bearer secret"})):
                with Client(server, path, **headers) as client:
                    self.assertEqual(client.receive()["op"], "hello")

    def test_the_server_ends_while_clients_watch(self):
        with Server("--grace", "1") as server:
            server.ask("POST", "/api/models", *form({}, {"file": ("endless.onnx", loop_model(1 << 40))}))
            client = Client(server)
            client.send(op="subscribe", id=1, names=["*"])
            server.json("POST", "/api/runs", '{"model": "endless", "kind": "graph", "dims": {"C": 2}}')
            client.until(lambda m: isinstance(m, tuple))
            server.process.terminate()
            self.assertEqual(server.process.wait(timeout=120), 0)
            client.socket.close()


class Trained(unittest.TestCase):
    def test_every_value_of_a_trained_model(self):
        """Each digest is that of the value which the run has kept."""
        with Server(str(real_model("crepe_tiny"))) as server, Client(server) as client:
            model = server.json("GET", "/api/models")[1]["models"][0]["id"]
            symbols = server.json("GET", f"/api/models/{model}")[1]["symbols"]
            client.send(op="subscribe", id=1, model=model, names=["*"])
            client.reply("subscribed")
            run = server.json("POST", "/api/runs", json.dumps({"kind": "graph", "model": model, "keep": ["*"],
                                                               "dims": {s: 2 for s in symbols}}))[1]["id"]
            got = frames(client.until(ended(run)))
            self.assertGreater(len(got), 20)
            for header, payload in got:
                kept = server.json("GET", f"/api/runs/{run}/value?" + urllib.parse.urlencode({"name": header["name"]}))[1]
                self.assertEqual((header["shape"], header["dtype"]), (kept["shape"], kept["dtype"]))
                for key in ("count", "nan", "plus_inf", "minus_inf", "zero", "min", "max", "mean", "std", "histogram", "rows",
                            "columns"):
                    self.assertEqual(header[key], kept["digest"][key], (header["name"], key))
                self.assertEqual(list(struct.unpack(f"<{len(payload) // 4}f", payload)), kept["digest"]["cells"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
