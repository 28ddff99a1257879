#!/usr/bin/env python3
"""Checkpoints of other programs, opened as models; nothing of that stays behind."""
import json
import os
import pathlib
import shutil
import tempfile
import unittest

from serving import RECORDING, SOURCE, SPOKEN, Server, form


class Checkpoints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.models, cls.temporary = (pathlib.Path(cls.folder.name) / name for name in ("models", "temporary"))
        cls.models.mkdir()
        cls.temporary.mkdir()
        for name in ("digits.pt", "digits.tiktoken"):
            shutil.copy(SOURCE / "assets/digits" / name, cls.models)
        (cls.models / "away.pt").symlink_to("/etc/passwd")
        os.environ["TMPDIR"] = str(cls.temporary)  # the server's
        cls.addClassCleanup(os.environ.pop, "TMPDIR")
        cls.server = Server("--models", str(cls.models))
        cls.addClassCleanup(cls.server.__exit__)

    def open(self, **options):
        body = json.dumps({"loader": "checkpoint", "options": options})
        status, _, text = self.server.ask("POST", "/api/models", body, {"Content-Type": "application/json"})
        return status, json.loads(text)

    def test_opened(self):
        for dtype, parameter in ((None, 4), ("float16", 2), ("int8", 1)):
            status, model = self.open(file="digits.pt", tokenizer="digits.tiktoken", **({"dtype": dtype} if dtype else {}))
            self.assertEqual((status, model["kind"], model["file"]), (201, "speech-to-text", "digits.onnx"), model)
            self.assertLess(model["parameter_bytes"], (parameter + 1.5) * model["parameters"])
            status, _, text = self.server.ask("POST", "/v1/audio/transcriptions", *form({"model": model["id"]}, {"file": ("a.flac", RECORDING.read_bytes())}))
            self.assertEqual((status, json.loads(text)["text"]), (200, SPOKEN))
            self.assertEqual(len(self.server.json("GET", f"/api/models/{model['id']}/hash")[1]["hash"]), 64)
            self.assertEqual(list(self.temporary.iterdir()), [])
            self.assertEqual(self.server.ask("DELETE", f"/api/models/{model['id']}")[0], 204)

    def test_loader(self):
        loaders = {row["id"]: row for row in self.server.json("GET", "/api/loaders")[1]["loaders"]}
        fields = {field["name"]: field for field in loaders["checkpoint"]["fields"]}
        self.assertEqual(list(fields), ["file", "tokenizer", "dtype"])
        self.assertEqual(fields["dtype"]["choices"][0], "float32")
        self.assertFalse(fields["tokenizer"]["required"])

    def test_what_is_wrong_is_named(self):
        for part, options in (("needs the option 'file'", {}), ("no file 'none.pt'", {"file": "none.pt"}), ("no file", {"file": "away.pt"}),
                              ("no file", {"file": "../../none.pt"}), ("the option 'tokenizer' names one", {"file": "digits.pt"}),
                              ("relative", {"file": "/etc/passwd"}),
                              ("is not in a format", {"file": "digits.tiktoken"}), ("'file' must be a path", {"file": 1}),
                              ("no file 'none'", {"file": "digits.pt", "tokenizer": "none"}), ("'dtype' must be", {"file": "digits.pt", "dtype": "int4"})):
            status, answer = self.open(**options)
            self.assertEqual(status, 400, (options, answer))
            self.assertIn(part, answer["error"]["message"])
            self.assertNotIn(self.folder.name, answer["error"]["message"])
        self.assertEqual(list(self.temporary.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
