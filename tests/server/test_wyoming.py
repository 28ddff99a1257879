#!/usr/bin/env python3
"""Speech to text by the Wyoming protocol: what Home Assistant asks, and what clients do wrong."""
import subprocess
import sys
import unittest

from microphone import QUICK, SPOKEN, pcm, silence, until_idle
from serving import COMMAND, Server
from wyoming_client import Client


def wyoming(server):
    """Where the server speaks it: the line after the one with its address."""
    line = server.process.stdout.readline()
    host, port = line.removeprefix("sibyl: speaking Wyoming at tcp://").strip().rsplit(":", 1)
    return host.strip("[]"), int(port)


class Wyoming(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("digits", "--wyoming", "0", "--jobs", "2", "--threads", "1"))
        cls.place = wyoming(cls.server)

    def client(self):
        client = Client(self.place)
        self.addCleanup(client.socket.close)
        return client

    def text(self, client):
        events = client.until("transcript-stop")
        types = [t for t, _ in events]
        self.assertEqual((types[0], types[-2]), ("transcript-start", "transcript"))
        text = events[-2][1]["text"]
        self.assertEqual("".join(d["text"] for t, d in events if t == "transcript-chunk"), text)
        return text

    # ---- What it does ----

    def test_what_it_offers(self):
        c = self.client()
        c.send("describe")
        type, info = c.receive()
        self.assertEqual(type, "info")
        program = info["asr"][0]
        self.assertTrue(program["installed"] and program["supports_transcript_streaming"])
        model = program["models"][0]
        self.assertEqual((model["name"], model["languages"], model["installed"]), ("digits", ["en"], True))
        self.assertEqual(set(model["attribution"]), {"name", "url"})
        self.assertEqual([info[k] for k in ("tts", "handle", "intent", "wake", "mic", "snd")], [[]] * 6)

    def test_ping(self):
        c = self.client()
        c.send("ping", {"text": "here"})
        self.assertEqual(c.receive(), ("pong", {"text": "here"}))
        c.send("ping")
        self.assertEqual(c.receive(), ("pong", {}))

    def test_speech(self):
        c = self.client()
        for rate, size, apart in (16000, 2048, False), (16000, 1 << 20, True), (24000, 999 * 2, True):
            c.send("transcribe", {"name": "digits", "language": "en"}, apart=apart)
            c.say(pcm(rate), rate, size, apart)
            self.assertEqual(self.text(c), SPOKEN)

    def test_a_server_that_stops_tells_what_was_said(self):
        with Server("digits", "--wyoming", "0", "--jobs", "2", "--threads", "1", "--grace", "600") as server:
            c = Client(wyoming(server))
            format = {"rate": 16000, "width": 2, "channels": 1}
            c.send("audio-start", format)
            c.send("audio-chunk", format, pcm(16000))
            c.send("ping")
            events = c.until("pong")
            server.process.terminate()
            events += c.until("transcript-stop")
            self.assertEqual([d["text"] for t, d in events if t == "transcript"], [SPOKEN])
            with self.assertRaises(ConnectionError):
                c.receive()

    def test_speech_without_a_request(self):
        c = self.client()
        c.say(pcm(16000))
        self.assertEqual(self.text(c), SPOKEN)

    def test_bytes_one_by_one(self):
        c = self.client()
        for b in b'{"type": "ping", "data_length": 15}\n{"text": "two"}{"type": "ping"}\n':
            c.socket.sendall(bytes([b]))
        self.assertEqual(c.receive(), ("pong", {"text": "two"}))
        self.assertEqual(c.receive(), ("pong", {}))

    def test_long_speech_comes_in_chunks(self):
        c = self.client()
        c.say(pcm(16000, 7 if QUICK else 4), size=1 << 20)  # 33 s
        events = c.until("transcript-stop")
        self.assertGreater(len([t for t, _ in events if t == "transcript-chunk"]), 1)
        words = events[-2][1]["text"].split()
        self.assertTrue(set(words) <= set("zero one two three four five six seven eight nine".split()) and len(words) > 9, words)

    def test_silence_and_nothing(self):
        c = self.client()
        c.say(b"")
        self.assertEqual(self.text(c), "")
        c.say(silence(1, 16000))
        self.assertEqual(self.text(c), "")

    def test_other_events_are_ignored(self):
        c = self.client()
        c.send("detect", {"names": ["x"]})
        c.send("synthesize", {"text": "x"}, b"bytes")
        c.send("ping")
        self.assertEqual(c.receive()[0], "pong")

    # ---- What clients do wrong ----

    def test_bad_events_end_the_connection(self):
        for data, words in ((b"{\n", "no JSON object"), (b"[]\n", "no JSON object"), (b"{}\n", "no 'type'"),
                            (b'{"type": 3}\n', "no 'type'"), (b'{"type": "ping", "data_length": -1}\n', "data_length"),
                            (b'{"type": "ping", "payload_length": 99999999}\n', "payload_length"),
                            (b'{"type": "ping", "payload_length": "x"}\n', "payload_length"),
                            (b'{"type": "ping", "data_length": 2}\n[]', "no JSON object"), (b"x" * 70000, "64 KiB"),
                            (b"\0\xff\n", "no JSON object")):
            c = self.client()
            c.socket.sendall(data)
            type, error = c.receive()
            self.assertEqual(type, "error")
            self.assertIn(words, error["text"])
            with self.assertRaises(ConnectionError):
                c.receive()

    def test_bad_speech_leaves_it_open(self):
        c = self.client()
        for format in {}, {"rate": 16000, "width": 2, "channels": 2}, {"rate": 1, "width": 2, "channels": 1}:
            c.send("audio-chunk", format, b"1234")
            self.assertIn("audio must have", c.receive()[1]["text"])
        c.send("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}, b"123")
        self.assertIn("multiple of 2", c.receive()[1]["text"])
        c.send("transcribe", {"name": "nothing"})
        c.send("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}, b"1234")
        self.assertIn("no model 'nothing'", c.receive()[1]["text"])
        c.send("transcribe", {})
        c.say(pcm(16000))
        self.assertEqual(self.text(c), SPOKEN)

    def test_clients_that_go_or_say_nothing(self):
        silent = [self.client() for _ in range(20)]
        silent[0].socket.sendall(b'{"type": "audio-chunk", "payload_length": 4000000}\nhalf')
        gone = self.client()
        gone.say(pcm(16000, 3), size=1 << 20)
        gone.socket.close()
        c = self.client()
        c.say(pcm(16000))
        self.assertEqual(self.text(c), SPOKEN)
        until_idle(self.server)

    # ---- Where it listens ----

    def test_places(self):
        for place in "127.0.0.1:0", "localhost:0":
            with Server("--wyoming", place) as server, Client(wyoming(server)) as c:
                c.send("describe")
                self.assertEqual(c.receive()[1]["asr"][0]["models"], [])
        for place, words in ("0.0.0.0:0", "knows no tokens"), (":0", "HOST:PORT"), ("x", "HOST:PORT"), ("99999", "HOST:PORT"):
            made = subprocess.run([COMMAND, "serve", "--wyoming", place, "--port", "0", "--token", "t"], capture_output=True,
                                  text=True)
            self.assertNotEqual(made.returncode, 0)
            self.assertIn(words, made.stderr)

    def test_a_server_with_a_token_speaks_it_too(self):
        with Server("digits", "--wyoming", "0", "--token", "t") as server, Client(wyoming(server)) as c:
            c.say(pcm(16000))
            self.assertEqual(self.text(c), SPOKEN)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
