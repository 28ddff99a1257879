#!/usr/bin/env python3
"""Runs of jobs told over /api/ws: tokens, text, segments and progress as they come, none of it lost but progress."""
import sys
import time
import unittest

from serving import RECORDING, SPOKEN, RunTests, Server
from text_model import chain_file
from websocket import Client, ended, frames


class LiveJobs(RunTests):
    kind = "job"

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("digits", str(chain_file(cls)), "--jobs", "4"))

    def subscribed(self, client=None, id=1, **fields):
        client = client or Client(self.server)
        self.addCleanup(client.socket.close)
        client.send(op="subscribe", id=id, names=[], **fields)
        client.reply("subscribed")
        return client

    def outputs(self, run):
        return {o["name"]: o["value"] for o in self.server.json("GET", f"/api/runs/{run}/outputs")[1]["outputs"]}

    def told(self, messages, run, op):
        """The messages of an op; what the run told is numbered without a gap."""
        of_run = [m for m in messages if m.get("run") == run and "number" in m]
        self.assertEqual([m["number"] for m in of_run], list(range(1, len(of_run) + 1)))
        return [m for m in of_run if m["op"] == op]

    def same_text(self, messages, run):
        outputs = self.outputs(run)
        tokens = self.told(messages, run, "token")
        self.assertEqual([t["token"] for t in tokens], outputs["tokens"])
        self.assertEqual([t["logprob"] for t in tokens], outputs["logprobs"])
        self.assertEqual("".join(t["text"] for t in self.told(messages, run, "text")), outputs["text"])

    def joined(self, join):
        """A run of 4000 tokens, and the messages of join(run), which subscribes to it: begun anew where it had ended by then,
        and nothing is told any more."""
        while True:
            run = self.start(model="chain", inputs={"text": "Once", "max_tokens": 4000})
            messages = [m for m in join(run) if isinstance(m, dict)]
            if any(m["op"] == "token" for m in messages):
                return run, messages

    def test_tokens_and_text(self):
        client = self.subscribed(model="chain")
        other = Client(self.server)
        self.addCleanup(other.socket.close)
        other.send(op="runs")
        run = self.start(model="chain", inputs={"text": "Once", "max_tokens": 40})
        messages = client.until(ended(run))
        self.assertEqual(len(self.told(messages, run, "token")), 40)
        self.same_text(messages, run)
        # who follows the states of all runs has these alone
        self.assertEqual({m["op"] for m in other.until(ended(run))} - {"progress"}, {"hello", "run"})

    def test_segments_and_progress(self):
        client = self.subscribed(model="digits")
        run = self.start({"audio": ("a.flac", RECORDING.read_bytes())}, model="digits")
        messages = client.until(ended(run))
        segments = [m["segment"] for m in self.told(messages, run, "segment")]
        self.assertEqual("".join(s["text"] for s in segments).strip(), SPOKEN)
        self.assertEqual(segments, [s for s in self.outputs(run)["segments"] if s["text"]])
        self.assertEqual("".join(t["text"] for t in self.told(messages, run, "text")).strip(), SPOKEN)
        for m in messages:
            if m["op"] == "progress":
                self.assertEqual((m["run"], m["tier"]), (run, "seconds"))
                self.assertLessEqual(m["done"], m["total"])
                self.assertNotIn("node", m)

    def test_who_comes_later_has_all_of_it(self):
        """And once, whatever subscriptions it has."""
        first = self.subscribed(model="chain")

        def join(run):
            first.until(lambda m: m.get("run") == run and m.get("number", 0) >= 100)
            later = self.subscribed(run=run)
            later.send(op="subscribe", id=2, names=[], model="chain")
            return later.until(ended(run))

        run, messages = self.joined(join)
        self.assertEqual(len(self.told(messages, run, "token")), 4000)
        self.same_text(messages, run)

    def test_a_slow_client_loses_no_token_and_holds_up_nothing(self):
        slow = self.subscribed(Client(self.server, buffer=4096), model="chain")
        run = self.start(model="chain", inputs={"text": "Once", "max_tokens": 8000})
        while self.server.json("GET", f"/api/runs/{run}")[1]["state"] in ("queued", "running"):
            time.sleep(0.05)
        messages = slow.until(ended(run))
        self.assertEqual(len(self.told(messages, run, "token")), 8000)
        self.same_text(messages, run)

    def test_values_and_events_of_models(self):
        """Those of the calls of a job, by call; the text is the same."""
        every, encoder = Client(self.server), Client(self.server)
        for client, fields in ((every, {"interval": 60, "events": True}), (encoder, {"call": "encoder", "what": "value", "slice": "0,0,:2"})):
            self.addCleanup(client.socket.close)
            client.send(op="subscribe", id=1, model="digits", names=["*"], **fields)
            client.reply("subscribed")
        run = self.start({"audio": ("a.flac", RECORDING.read_bytes())}, model="digits")
        messages = every.until(ended(run))
        self.assertEqual(self.outputs(run)["text"].strip(), SPOKEN)
        digests = frames(messages, run=run, op="digest")
        self.assertEqual({head["call"] for head, _ in digests}, {"encoder", "decoder"})
        self.assertTrue(any(head["count"] > 0 for head, _ in digests))
        events = [e for m in messages if isinstance(m, dict) and m["op"] == "events" for e in m["events"]]
        self.assertEqual({e["call"] for e in events}, {"encoder", "decoder"})
        values = frames(encoder.until(ended(run)), run=run)
        self.assertEqual({head["call"] for head, _ in values}, {"encoder"})
        self.assertTrue(any(head["bytes"] for head, _ in values))

    def test_values_without_what_is_told(self):
        """Another subscription of the connection has it all the same, from the beginning."""
        client = Client(self.server)
        self.addCleanup(client.socket.close)
        client.send(op="subscribe", id=1, model="chain", names=["logits"], values_only=True)
        client.reply("subscribed")
        run = self.start(model="chain", inputs={"text": "Once", "max_tokens": 20})
        messages = client.until(ended(run))
        self.assertEqual(len(frames(messages, run=run, op="digest")), 21)  # and the score of all
        self.assertEqual([m for m in messages if isinstance(m, dict) and m["op"] in ("token", "text", "segment")], [])

        def join(run):
            client.until(lambda m: frames([m], run=run))
            self.subscribed(client, id=int(run[1:]) + 1, run=run)
            return client.until(ended(run))

        run, messages = self.joined(join)
        self.assertEqual(len(self.told(messages, run, "token")), 4000)
        self.same_text(messages, run)

    def test_another_run_is_told_to_its_own(self):
        client = self.subscribed(model="digits")
        run = self.start(model="chain", inputs={"text": "Once", "max_tokens": 5})
        self.wait(run, "done")
        client.send(op="ping", t=1)
        self.assertEqual([m for m in client.until(lambda m: m["op"] == "pong") if m.get("run") == run], [])


class First(RunTests):
    """The first run of a server."""
    kind = "job"

    def test_loading_of_weights(self):
        self.server = Server("digits")
        self.addCleanup(self.server.__exit__)
        with Client(self.server) as client:
            client.send(op="subscribe", id=1, names=[], events=True)
            client.reply("subscribed")
            run = self.start({"audio": ("a.flac", RECORDING.read_bytes())}, model="digits")
            messages = [m for m in client.until(ended(run)) if m["op"] == "events"]
        packed = [e for m in messages for e in m["events"] if e["kind"] == "pack"]
        self.assertEqual({e["call"] for e in packed}, {"encoder", "decoder"})
        self.assertTrue(all(e["bytes_written"] > 0 and e["name"] for e in packed), packed)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
