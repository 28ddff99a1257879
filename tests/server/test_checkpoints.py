#!/usr/bin/env python3
"""Checkpoints of other programs, opened as models; nothing of that stays behind."""
import http.client
import json
import os
import pathlib
import shutil
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import decoder_model
from websocket import Client
from serving import RECORDING, SOURCE, SPOKEN, Server, form


QUICK = "SIBYL_QUICK" in os.environ  # builds in which the conversion takes long


class Checkpoints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.models, cls.temporary = (cls.folder / name for name in ("models", "temporary"))
        cls.models.mkdir()
        cls.temporary.mkdir()
        for name in ("digits.pt", "digits.tiktoken"):
            shutil.copy(SOURCE / "assets/digits" / name, cls.models)
        (cls.models / "away.pt").symlink_to("/etc/passwd")
        os.environ["TMPDIR"] = str(cls.temporary)  # the server's
        cls.addClassCleanup(os.environ.pop, "TMPDIR")
        cls.server = cls.enterClassContext(Server("--models", str(cls.models)))

    def client(self):
        client = Client(self.server)
        self.addCleanup(client.__exit__)
        return client

    def open(self, server=None, **options):
        body = json.dumps({"loader": "checkpoint", "options": options})
        status, _, text = (server or self.server).ask("POST", "/api/models", body, {"Content-Type": "application/json"})
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
            self.assertNotIn(str(self.folder), answer["error"]["message"])
        self.assertEqual(list(self.temporary.iterdir()), [])

    def test_what_is_too_large_is_not_written(self):
        """digits has 0.9 MB of weights in float32 and 0.5 in float16."""
        with Server("--models", str(self.models), "--max-import", "2") as s:
            self.assertEqual(self.open(s, file="digits.pt", tokenizer="digits.tiktoken", dtype="int8")[0], 201)
            status, answer = self.open(s, file="digits.pt", tokenizer="digits.tiktoken")
            self.assertEqual(status, 400, answer)
            self.assertRegex(answer["error"]["message"], r"^digits\.pt takes \d+\.\d MB as a model, and an import may write 2\.0 MB: "
                                                         r"a smaller 'dtype' takes less, and `sibyl serve --max-import MB` allows more$")
            self.assertEqual(list(self.temporary.iterdir()), [])

    def told_of_an_opening(self, client):
        """Messages to a client that follows while a model is opened, to one that comes meanwhile, and the answer."""
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.open, file="large", tokenizer="large/tokens.tiktoken", dtype="int8")
            told, came = [], []
            while not told or told[-1]:
                told.append(client.reply("opening")["models"])
                if told[-1] and not came:
                    other = self.client()
                    other.send(op="models")
                    came = other.reply("opening")["models"]
            return told, came, answer.result()

    def test_progress(self):
        """Each message lists all models that are being opened, to those who ask for it and those who come later."""
        decoder_model.write_zeros(self.models / "large", 2 if QUICK else 8)
        self.addCleanup(shutil.rmtree, self.models / "large")
        client = self.client()
        client.send(op="models")
        self.assertEqual(client.reply("opening")["models"], [])
        client.send(op="models")
        self.assertIn("already", client.reply("error")["message"])
        came = []
        while not came:  # who is as late as the end sees none
            told, came, (status, model) = self.told_of_an_opening(client)
            self.assertEqual(status, 201, model)
            self.assertEqual(self.server.ask("DELETE", f"/api/models/{model['id']}")[0], 204)
        self.assertEqual([row["file"] for row in came], ["large"])
        rows = [row for (row,) in told[:-1]]
        self.assertEqual({(row["number"], row["file"]) for row in rows}, {(rows[0]["number"], "large")})
        order = ["reading", "converting", "opening"]
        self.assertEqual([row["tier"] for row in rows], sorted((row["tier"] for row in rows), key=order.index))
        converting = [row for row in rows if row["tier"] == "converting"]
        self.assertTrue(converting, rows)
        self.assertEqual([row["done"] for row in converting], sorted(row["done"] for row in converting))
        self.assertTrue(all(0 <= row["done"] <= 1 and row["what"] for row in converting), rows)
        self.assertTrue(all(row["done"] is None for row in rows if row["tier"] != "converting"), rows)
        self.assertEqual(list(self.temporary.iterdir()), [])

    def test_what_ended_before_is_not_sent(self):
        """Who follows models learns of them once, also where some were opened while nobody followed."""
        model = self.open(file="digits.pt", tokenizer="digits.tiktoken", dtype="int8")[1]
        client = self.client()
        self.assertEqual(client.receive()["op"], "hello")
        client.send(op="models")
        self.assertEqual(client.receive(), {"op": "opening", "models": []})
        time.sleep(0.3)  # in which the server would send what it thinks is new
        client.send(op="models")
        self.assertIn("already", client.receive().get("message", ""))
        self.assertEqual(self.server.ask("DELETE", f"/api/models/{model['id']}")[0], 204)

    def test_a_client_that_goes_ends_its_import(self):
        decoder_model.write_zeros(self.models / "left")
        self.addCleanup(shutil.rmtree, self.models / "left")
        client = self.client()
        client.send(op="models")
        client.reply("opening")
        body = json.dumps({"loader": "checkpoint", "options": {"file": "left", "tokenizer": "left/tokens.tiktoken", "dtype": "int8"}})
        gone = http.client.HTTPConnection(self.server.host, self.server.port)
        gone.request("POST", "/api/models", body, {"Content-Type": "application/json"})
        self.assertEqual([row["file"] for row in client.reply("opening")["models"]], ["left"])
        gone.close()
        while client.reply("opening")["models"]:
            pass
        while list(self.temporary.iterdir()):
            time.sleep(0.01)
        self.assertNotIn("left", self.server.ask("GET", "/api/models")[2].decode().split("available")[0])


if __name__ == "__main__":
    unittest.main()
