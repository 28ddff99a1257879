#!/usr/bin/env python3
"""Live speech over /api/ws: a microphone's samples in, partial and final text out, what clients do wrong."""
import json
import pathlib
import random
import socket
import struct
import sys
import tempfile
import unittest

import voice_model
from microphone import SENTENCES, SPOKEN, pcm, pieces, silence, until_idle
from serving import Server, form, real_model
from test_ws import loop_model
from websocket import BINARY, Client

RATE = 16000


class Listen(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("digits", "--jobs", "2", "--threads", "1"))

    def client(self, **listen):
        client = Client(self.server)
        self.addCleanup(client.socket.close)
        client.reply("hello")
        if listen:
            client.send(op="listen", **listen)
            self.assertEqual(client.reply("listening"), {"op": "listening", "id": listen.get("id", 0), "model": "digits"})
        return client

    def say(self, client, data: bytes, size=3200):
        for piece in pieces(data, size):
            client.send_frame(BINARY, piece)

    def stop(self, client):
        client.send(op="stop")
        messages = [client.receive()]
        while messages[-1]["op"] not in ("stopped", "error"):
            messages.append(client.receive())
        return messages

    def refused(self, client, words, **message):
        client.send(**message)
        self.assertIn(words, client.reply("error")["message"])

    # ---- Text ----

    def test_sentences(self):
        c = self.client(id=7)
        self.say(c, pcm(RATE))
        messages = self.stop(c)
        self.assertEqual([m["text"] for m in messages if m["op"] == "final"], SENTENCES)
        self.assertTrue(all(m["id"] == 7 for m in messages))
        self.assertAlmostEqual(messages[-1]["seconds"], len(pcm(RATE)) / 2 / RATE)
        for segment in 0, 1:
            own = [m for m in messages if m.get("segment") == segment]
            self.assertEqual([m["op"] for m in own if m["op"] != "partial"], ["speech_started", "speech_stopped", "final"])
            self.assertEqual((own[0]["op"], own[-1]["op"]), ("speech_started", "final"))
            final = own[-1]
            self.assertEqual(final["language"], "en")
            self.assertEqual("".join(s["text"] for s in final["segments"]).strip(), final["text"])
            for s in final["segments"]:
                self.assertTrue(final["start"] <= s["start"] <= s["end"] <= final["end"] + 1, final)

    def test_words_with_times(self):
        c = self.client(words=True, manual=True)
        self.say(c, pcm(RATE), 1 << 20)
        final = self.stop(c)[-2]
        self.assertEqual(final["text"], SPOKEN)
        words = [w for s in final["segments"] for w in s["words"]]
        self.assertEqual("".join(w["word"] for w in words).strip(), SPOKEN)
        times = [t for w in words for t in (w["start"], w["end"])]
        self.assertEqual(times, sorted(times))

    def test_partial_texts(self):
        c = self.client(manual=True)
        self.say(c, pcm(RATE)[:2 * 2 * RATE])
        partial = c.reply("partial")
        while not partial["stable"]:
            self.say(c, silence(0.6, RATE))
            partial = c.reply("partial")
        self.assertTrue(partial["text"].startswith(partial["stable"]))
        self.assertTrue(SENTENCES[0].startswith(partial["stable"]), partial)

    def test_floats_and_other_rates(self):
        c = self.client(rate=24000, format="f32le")
        self.say(c, pcm(24000, form="f32le"), 9600)
        self.assertEqual([m["text"] for m in self.stop(c) if m["op"] == "final"], SENTENCES)

    def test_commit_and_listening_again(self):
        c = self.client(manual=True, id=1)
        self.say(c, pcm(RATE))
        c.send(op="commit")
        self.assertEqual(c.reply("final")["text"], SPOKEN)
        self.assertEqual(self.stop(c)[-1]["op"], "stopped")
        c.send(op="listen", id=2, language="en", prompt="one two", threshold=0.4, silence=0.4, model="digits")
        self.assertEqual(c.reply("listening")["id"], 2)
        self.say(c, pcm(RATE))
        messages = self.stop(c)
        self.assertEqual([(m["text"], m["id"]) for m in messages if m["op"] == "final"], [(t, 2) for t in SENTENCES])
        self.assertEqual(messages[0]["segment"], 0)
        self.assertLess(messages[0]["start"], 2)

    def test_silence_and_nothing(self):
        c = self.client(id=0)
        self.say(c, silence(3, RATE))
        self.assertEqual([m["op"] for m in self.stop(c)], ["stopped"])

    def test_runs_are_watched_meanwhile(self):
        c = self.client(id=3)
        self.say(c, pcm(RATE))
        c.send(op="subscribe", id=3, names=[])
        c.send(op="ping", t=1)
        self.assertEqual(c.reply("subscribed")["id"], 3)
        c.send(op="stop")
        self.assertEqual(c.reply("final")["text"], SENTENCES[0])

    # ---- A model of voice activity ----

    def test_a_model_finds_turns(self):
        """One that hears samples above 0.1: noise that the level takes for speech begins no segment."""
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "loud.onnx"
            file.write_bytes(voice_model.loud())
            with Server("digits", str(file), "--jobs", "2", "--threads", "1") as server:
                chance = random.Random(1)
                noise = struct.pack("<24000h", *(chance.randrange(-2000, 2000) for _ in range(24000)))
                for voice, segments in ({}, 1), ({"voice": "loud"}, 0):
                    with Client(server) as c:
                        c.send(op="listen", **voice)
                        self.say(c, silence(0.5, RATE) + noise + silence(1, RATE))
                        self.assertEqual(len([m for m in self.stop(c) if m["op"] == "final"]), segments, voice)
                with Client(server) as c:
                    c.send(op="listen", voice="loud", threshold=0.5)
                    self.say(c, pcm(RATE))
                    self.assertEqual(" ".join(m["text"] for m in self.stop(c) if m["op"] == "final"), SPOKEN)
                    self.refused(c, "'none'", op="listen", voice="none")
                    self.refused(c, "none that finds speech", op="listen", voice="digits")

    def test_silero(self):
        file = real_model("silero_vad_v6_16k")
        with Server("digits", str(file), "--jobs", "2", "--threads", "1") as server, Client(server) as c:
            c.send(op="listen", voice="model", words=True)
            self.say(c, silence(0.5, RATE) + pcm(RATE) + silence(1, RATE))
            finals = [m for m in self.stop(c) if m["op"] == "final"]
            self.assertEqual(" ".join(m["text"] for m in finals), SPOKEN)
            self.assertGreater(finals[0]["start"], 0.3)

    # ---- A server that stops ----

    def test_an_open_segment_is_finished(self):
        """SIGTERM: the text of what was said comes before the close."""
        with Server("digits", "--jobs", "2", "--threads", "1", "--grace", "600") as server:
            c = Client(server)
            c.send(op="listen", id=4, manual=True)
            self.say(c, pcm(RATE))
            c.send(op="ping", t=1)
            c.reply("pong")
            server.process.terminate()
            messages = []
            with self.assertRaises(ConnectionError) as closed:
                while True:
                    messages.append(c.receive())
            self.assertEqual([m["text"] for m in messages if m.get("op") == "final"], [SPOKEN])
            self.assertEqual(messages[-1]["op"], "stopped")
            self.assertEqual(closed.exception.args, ("the server is stopping", 1001))
            self.assertEqual(server.process.wait(), 0)

    # ---- What clients do wrong ----

    def test_bad_messages(self):
        c = self.client()
        c.send_frame(BINARY, b"1234")
        self.assertIn("send 'listen' before", c.reply("error")["message"])
        self.refused(c, "does not listen", op="stop")
        self.refused(c, "does not listen", op="commit")
        c.send_frame(BINARY, b"1234")
        self.assertIn("send 'listen' before", c.reply("error")["message"])
        for words, fields in (("'rate'", {"rate": 10}), ("'rate'", {"rate": 16000.5}), ("'format'", {"format": "mp3"}),
                              ("'manual'", {"manual": 1}), ("'threshold'", {"threshold": 0}), ("'silence'", {"silence": "1"}),
                              ("'prompt'", {"prompt": "x" * 5000}), ("'language'", {"language": 5}),
                              ("no member 'loud'", {"loud": True}), ("no model 'x'", {"model": "x"})):
            self.refused(c, words, op="listen", id=5, **fields)
        c.send(op="listen", id=5)
        c.reply("listening")
        self.refused(c, "listens already", op="listen", id=6)
        c.send_frame(BINARY, b"123")
        error = c.reply("error")
        self.assertEqual(error["id"], 5)
        self.assertIn("multiple of 2", error["message"])
        self.say(c, pcm(RATE))
        self.assertEqual([m["text"] for m in self.stop(c) if m["op"] == "final"], SENTENCES)

    def test_samples_that_are_not_finite(self):
        c = self.client(format="f32le")
        c.send_frame(BINARY, b"\0\0\xc0\x7f")
        self.assertIn("sample 0 is NaN", c.reply("error")["message"])

    def test_models_of_other_kinds(self):
        with Server() as server:
            with Client(server) as c:
                c.send(op="listen")
                self.assertIn("no model '' that transcribes", c.reply("error")["message"])

    # ---- Many, slow, gone ----

    def test_clients_that_go_or_do_not_read(self):
        gone = self.client(id=1)
        self.say(gone, pcm(RATE, 3), 1 << 20)
        gone.socket.close()
        silent = self.client(id=1)
        self.say(silent, pcm(RATE), 1 << 20)
        c = self.client(id=1)
        self.say(c, pcm(RATE))
        self.assertEqual([m["text"] for m in self.stop(c) if m["op"] == "final"], SENTENCES)
        until_idle(self.server)

    def test_a_client_that_goes_unread(self):
        """Its connection ends though nothing that it sent is read any more: the only thread has something else to do."""
        with Server("digits", "--jobs", "1") as server, Client(server) as c:
            self.assertEqual(server.ask("POST", "/api/models", *form({}, {"file": ("endless.onnx", loop_model(1 << 40))}))[0], 201)
            c.reply("hello")
            c.send(op="listen")
            c.reply("listening")
            run = server.json("POST", "/api/runs", json.dumps({"kind": "graph", "model": "endless", "dims": {"C": 1}}))[1]["id"]
            while server.json("GET", f"/api/runs/{run}")[1]["state"] != "running":
                pass
            self.say(c, bytes(300 << 10), 60 << 10)
            c.socket.shutdown(socket.SHUT_WR)
            while c.socket.recv(1 << 16):
                pass
            self.assertEqual(server.json("GET", f"/api/runs/{run}")[1]["state"], "running")
            self.assertEqual(server.ask("DELETE", f"/api/runs/{run}")[0], 204)

    def test_a_model_that_is_closed_meanwhile(self):
        with Server("digits") as server:
            with Client(server) as c:
                c.send(op="listen")
                c.reply("listening")
                self.say(c, pcm(RATE)[:RATE])
                self.assertEqual(server.ask("DELETE", "/api/models/digits")[0], 204)
                self.say(c, pcm(RATE)[RATE:])
                self.assertEqual([m["text"] for m in self.stop(c) if m["op"] == "final"], SENTENCES)

    def test_more_than_the_server_listens_to(self):
        with Server("digits") as server:
            clients = [Client(server) for _ in range(129)]
            for c in clients:
                c.send(op="listen")
            answers = []
            for c in clients:
                c.reply("hello")
                answers.append(c.receive())
            for c in clients:
                c.socket.close()
        refused = [a for a in answers if a["op"] == "error"]
        self.assertTrue(refused)
        self.assertIn("128 streams", refused[0]["message"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
