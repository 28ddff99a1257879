#!/usr/bin/env python3
"""Features of a recording: those of the command, as .npy, and what is refused."""
import ast
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from serving import COMMAND, RECORDING, Server, form


class Features(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("--max-upload", "1"))

    def ask(self, fields, data=None, name="sample.flac"):
        files = {} if data == b"" else {"file": (name, data or RECORDING.read_bytes())}
        return self.server.ask("POST", "/api/features", *form(fields, files))

    def fails(self, part, fields, data=None, status=400):
        got, _, text = self.ask(fields, data)
        self.assertEqual(got, status, text)
        error = json.loads(text)["error"]
        self.assertIn(part, error["message"])
        return error

    def test_features_are_those_of_the_command(self):
        for fields, options in (({}, []), ({"smooth": "same"}, ["--smooth", "same"]), ({"smooth": "valid"}, ["--smooth", "valid"]),
                                ({"preset": "kaldi"}, ["--preset", "kaldi"]), ({"n_mels": "128"}, ["--bands", "128"])):
            status, headers, got = self.ask(fields)
            self.assertEqual(status, 200, got[:200])
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "expected.npy"
                subprocess.run([COMMAND, "features", RECORDING, *options, "-o", path], check=True, capture_output=True)
                self.assertEqual(got, path.read_bytes(), fields)
            self.assertEqual((headers["X-Sample-Rate"], headers["X-Hop-Length"]), ("16000", "160"))
        shape = ast.literal_eval(self.ask({})[2][10:].split(b"\n")[0].decode())["shape"]
        self.assertEqual(shape, (80, 816))

    def test_refused(self):
        self.assertEqual(self.fails("no part 'file'", {}, b"")["param"], "file")
        self.assertEqual(self.fails("none, same, valid", {"smooth": "much"})["param"], "smooth")
        for bands in "257", "-1", "8.5", "many", "1" * 20:
            self.assertEqual(self.fails("from 0 to 256", {"n_mels": bands})["param"], "n_mels")
        self.fails("'plain'", {"preset": "plain"})
        self.assertEqual(self.fails("'speed'", {"speed": "2"})["param"], "speed")
        self.fails("sample.flac", {}, b"no recording")

    def test_too_much(self):
        """Bytes that are few as a file and many as features."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "silence.flac"
            subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", "40", path], check=True)
            self.fails("--max-upload", {}, path.read_bytes())


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
