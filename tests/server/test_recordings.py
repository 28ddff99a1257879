#!/usr/bin/env python3
"""Recordings that are uploaded once: named by transcriptions, features, spans and runs; how many are kept, and which give way."""
import hashlib
import json
import pathlib
import sys
import tempfile
import unittest

from serving import RECORDING, SPOKEN, RunTests, Server, form
from voice_model import loud

DATA = RECORDING.read_bytes()


def silence(samples: int) -> bytes:
    """A WAV file of 16 bits at 16 kHz."""
    head = b"WAVEfmt " + b"".join(n.to_bytes(size, "little") for n, size in ((16, 4), (1, 2), (1, 2), (16000, 4), (32000, 4), (2, 2), (16, 2)))
    body = head + b"data" + (2 * samples).to_bytes(4, "little") + bytes(2 * samples)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


class Recordings(RunTests):
    kind = "job"

    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        file = folder / "loud.onnx"
        file.write_bytes(loud())
        cls.server = cls.enterClassContext(Server("digits", str(file), "--max-upload", "1"))

    def add(self, data=DATA, name="a.flac", status=201):
        got, answer = self.server.json("POST", "/api/recordings", *form({}, {"file": (name, data)}))
        self.assertEqual(got, status, answer)
        return answer

    def kept(self):
        return [r["id"] for r in self.server.json("GET", "/api/recordings")[1]["recordings"]]

    def test_one_upload(self):
        """Every route answers the same as where the recording comes with the request."""
        added = self.add()
        self.assertEqual((added["id"], added["bytes"], added["file"]), (hashlib.sha256(DATA).hexdigest(), len(DATA), "a.flac"))
        self.assertAlmostEqual(added["seconds"], 8.16, delta=0.1)
        for route, fields in (("/api/features", {"smooth": "same"}), ("/api/spans", {"model": "loud"}),
                              ("/v1/audio/transcriptions", {"model": "digits"}), ("/v1/audio/translations", {"response_format": "srt"})):
            sent = self.server.ask("POST", route, *form(fields, {"file": ("a.flac", DATA)}))
            named = self.server.ask("POST", route, *form({**fields, "recording": added["id"]}, {}))
            self.assertEqual(sent[0], 200, sent)
            self.assertEqual((named[0], named[2]), (200, sent[2]), route)
        done = self.end(model="digits", inputs={"audio": {"recording": added["id"]}}, outputs=["text"])
        outputs = self.server.json("GET", f"/api/runs/{done['id']}/outputs")[1]["outputs"]
        self.assertEqual(outputs[0]["value"].strip(), SPOKEN)

    def test_same_bytes(self):
        first = self.add()
        again = self.add(name="b.flac")
        self.assertEqual(again, first)
        self.assertEqual(self.kept().count(first["id"]), 1)

    def test_gone(self):
        added = self.add()
        path = f"/api/recordings/{added['id']}"
        self.assertEqual(self.server.json("GET", path), (200, added))
        self.assertEqual(self.server.ask("DELETE", path)[0], 204)
        self.assertNotIn(added["id"], self.kept())
        asked = [self.server.json(method, path) for method in ("GET", "DELETE")]
        asked += [self.server.json("POST", route, *form({"recording": added["id"]}, {}))
                  for route in ("/api/features", "/api/spans", "/v1/audio/transcriptions")]
        asked.append(self.ask_run(model="digits", inputs={"audio": {"recording": added["id"]}}))
        for status, answer in asked:
            self.assertEqual((status, answer["error"]["param"]), (404, "recording"), answer)
            self.assertIn(added["id"], answer["error"]["message"])

    def test_giving_way(self):
        """Those used longest ago, where there are more or larger ones than are kept."""
        for gone in self.kept():
            self.server.ask("DELETE", f"/api/recordings/{gone}")
        used, unused = (self.add(silence(100_000 + i))["id"] for i in range(2))
        self.assertEqual(self.server.ask("POST", "/api/features", *form({"recording": used}, {}))[0], 200)
        self.assertEqual(self.kept(), [unused, used])
        large = [self.add(silence(150_000 + i))["id"] for i in range(3)]  # of 300 kB: 1 MiB in all
        self.assertEqual(self.kept(), large)
        small = [self.add(silence(160 + i))["id"] for i in range(65)]
        self.assertEqual(self.kept(), small[1:])

    def test_refused(self):
        self.assertIn("a.flac", self.add(b"no recording", status=400)["error"]["message"])
        for fields, files in (({}, {}), ({"name": "x"}, {"file": ("a.flac", DATA)})):
            status, answer = self.server.json("POST", "/api/recordings", *form(fields, files))
            self.assertEqual((status, answer["error"]["param"]), (400, "file"), answer)
        added = self.add()
        status, answer = self.server.json("POST", "/api/features", *form({"recording": added["id"]}, {"file": ("a.flac", DATA)}))
        self.assertEqual((status, answer["error"]["param"]), (400, "recording"), answer)
        self.assertEqual(self.ask_run(model="digits", inputs={"audio": {"recording": 5}})[0], 400)
        self.assertEqual(self.server.ask("GET", "/api/recordings/none")[0], 404)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
