#!/usr/bin/env python3
"""SHA-256 of the files of models."""
import hashlib
import json
import pathlib
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

import onnx_file as onnx
from serving import Server, form

LARGE = 17 << 20  # bytes: more than is read when a file is opened


def model(name: str, weight_bytes=16) -> bytes:
    weight = onnx.tensor("w", onnx.FLOAT, [weight_bytes // 4], bytes(weight_bytes))
    return onnx.model(onnx.graph(name, [onnx.node("Add", ["x", "w"], ["y"])], [onnx.value("x", [weight_bytes // 4])],
                                 [onnx.value("y", [weight_bytes // 4])], [weight]))


JOB = {"sibyl_job": 1, "kind": "test", "models": {}, "tokenizers": {"t": {"kind": "bytes"}}, "calls": {}, "inputs": {},
       "nodes": [{"name": "w", "op": "tokenize", "tokenizer": "t", "inputs": {"text": "a"}}], "outputs": {"t": "$w"}}


class Hashes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.server = cls.enterClassContext(Server("--models", str(cls.folder)))

    def open(self, name):
        """A model from a file, as POST answers it."""
        body = json.dumps({"loader": "file", "options": {"file": name}})
        status, answer = self.server.json("POST", "/api/models", body, {"Content-Type": "application/json"})
        self.assertEqual(status, 201, answer)
        self.addCleanup(self.server.ask, "DELETE", f"/api/models/{answer['id']}")
        return answer

    def listed(self, opened):
        """The hash in the list and of the model alone, which are one."""
        one = self.server.json("GET", f"/api/models/{opened['id']}")[1]["hash"]
        self.assertEqual([m["hash"] for m in self.server.json("GET", "/api/models")[1]["models"] if m["id"] == opened["id"]], [one])
        return one

    def hash(self, opened):
        return self.server.json("GET", f"/api/models/{opened['id']}/hash")

    def test_every_size_of_the_last_block(self):
        sizes = set()
        for n in range(140):
            data = model("g" * (n + 1))
            sizes.add(len(data) % 64)
            status, answer = self.server.json("POST", "/api/models", *form({}, {"file": ("m.onnx", data)}))
            self.assertEqual((status, answer["hash"]), (201, hashlib.sha256(data).hexdigest()))
            self.assertEqual(self.server.ask("DELETE", f"/api/models/{answer['id']}")[0], 204)
        self.assertEqual(len(sizes), 64)

    def test_small_file(self):
        data = model("small")
        (self.folder / "small.onnx").write_bytes(data)
        opened = self.open("small.onnx")
        wanted = hashlib.sha256(data).hexdigest()
        self.assertEqual((opened["hash"], self.listed(opened)), (wanted, wanted))
        self.assertEqual(self.hash(opened), (200, {"hash": wanted}))

    def test_large_file_once_somebody_asks(self):
        data = model("large", LARGE)
        (self.folder / "large.onnx").write_bytes(data)
        opened = self.open("large.onnx")
        self.assertEqual((opened["hash"], self.listed(opened)), (None, None))
        with ThreadPoolExecutor(3) as clients:
            answers = [*clients.map(lambda _: self.hash(opened), range(3))]
        wanted = hashlib.sha256(data).hexdigest()
        self.assertEqual(answers, [(200, {"hash": wanted})] * 3)
        self.assertEqual(self.listed(opened), wanted)
        (self.folder / "large.onnx").unlink()
        self.assertEqual(self.hash(opened), (200, {"hash": wanted}))

    def test_file_that_is_another_by_now(self):
        file = self.folder / "changed.onnx"
        file.write_bytes(model("before", LARGE))
        before = self.open("changed.onnx")
        (self.folder / "next.onnx").write_bytes(model("behind", LARGE))
        (self.folder / "next.onnx").replace(file)
        for _ in range(2):
            status, answer = self.hash(before)
            self.assertEqual(status, 409)
            self.assertIn("is not what it was when it was opened", answer["error"]["message"])
        self.assertEqual(self.hash(self.open("changed.onnx")), (200, {"hash": hashlib.sha256(file.read_bytes()).hexdigest()}))
        file.unlink()
        self.assertEqual(self.hash(before)[0], 409)

    def test_folder(self):
        (self.folder / "job").mkdir()
        (self.folder / "job/job.json").write_text(json.dumps(JOB))
        opened = self.open("job")
        self.assertEqual((opened["job"], opened["hash"]), (True, None))
        status, answer = self.hash(opened)
        self.assertEqual(status, 400)
        self.assertIn("a folder, which has no hash", answer["error"]["message"])

    def test_no_model(self):
        self.assertEqual(self.hash({"id": "none"})[0], 404)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
