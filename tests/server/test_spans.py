#!/usr/bin/env python3
"""Stretches of speech in a recording: those of `sibyl vad`, and what is refused."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from serving import COMMAND, RECORDING, Server, form
from voice_model import loud


class Spans(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.file = cls.folder / "loud.onnx"
        cls.file.write_bytes(loud())
        cls.server = cls.enterClassContext(Server("digits", str(cls.file)))

    def ask(self, fields, data=None):
        return self.server.json("POST", "/api/spans", *form(fields, {"file": ("sample.flac", data or RECORDING.read_bytes())}))

    def fails(self, part, fields, status=400, data=None):
        got, answer = self.ask(fields, data)
        self.assertEqual(got, status, answer)
        self.assertIn(part, answer["error"]["message"])
        return answer["error"]["param"]

    def command(self, options):
        made = subprocess.run([COMMAND, "vad", RECORDING, "--model", self.file, "--json", *options], check=True, capture_output=True)
        return json.loads(made.stdout)[0]["spans"]

    def test_spans_are_those_of_the_command(self):
        for fields, options in ({}, []), ({"min_silence_duration_ms": "400", "speech_pad_ms": "0", "model": "loud"},
                                          ["-i", "min_silence_duration_ms=400", "-i", "speech_pad_ms=0"]):
            expected = self.command(options)
            status, got = self.ask(fields)
            self.assertEqual(status, 200, got)
            self.assertEqual([{name: round(s[name], 3) for name in ("start", "end")} for s in got["spans"]], expected)
            self.assertGreater(len(expected), 1)
            self.assertAlmostEqual(got["duration"], 8.16, delta=0.1)

    def test_refused(self):
        self.assertEqual(self.fails("from 0 to 1", {"threshold": "2"}), "threshold")
        self.assertEqual(self.fails("unknown", {"speed": "2"}), "speed")
        self.assertEqual(self.fails("twice", [("threshold", "0.5"), ("threshold", "0.6")]), "threshold")
        self.assertEqual(self.fails("'speech-to-text'", {"model": "digits"}), "model")
        self.fails("'none'", {"model": "none"}, 404)
        self.fails("sample.flac", {}, data=b"no recording")
        status, answer = self.server.json("POST", "/api/spans", *form({}, {}))
        self.assertEqual((status, answer["error"]["param"]), (400, "file"))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
