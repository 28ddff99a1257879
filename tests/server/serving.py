"""What the tests of `sibyl serve` share: a server of their own, forms, runs, a small model."""
import faulthandler
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import unittest

import onnx_file

SOURCE = pathlib.Path(os.environ["SIBYL_SOURCE"])
COMMAND = os.environ["SIBYL_COMMAND"]
RECORDING = SOURCE / "assets/digits/sample.flac"
SPOKEN = "four one five two seven one eight two eight"
# No test is judged by its time: what it waits for may take as long as ctest gives it, and then this tells where it waits.
if pathlib.Path(sys.argv[0]).name.startswith("test_"):
    faulthandler.dump_traceback_later(590)


class Server:
    """A server of its own: `with Server("digits", "--token", "t") as s`."""

    def __init__(self, *arguments: str, environment: dict | None = None):
        self.process = subprocess.Popen([COMMAND, "serve", *arguments, "--port", "0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline()
        if not line.startswith("sibyl: serving at http"):
            raise AssertionError(f"no ready line but {line!r}: {self.process.stderr.read()}")
        self.host, port = line.split("//")[1].strip().split(":")
        self.port = int(port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        _, errors = self.process.communicate(timeout=300)
        if self.process.returncode != 0:
            raise AssertionError(f"the server ended with {self.process.returncode}: {errors}")

    def ask(self, method, path, body=None, headers=None):
        """Returns status, headers and body."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        result = answer.status, answer.headers, answer.read()
        connection.close()
        return result

    def json(self, method, path, body=None, headers=None):
        status, _, text = self.ask(method, path, body, headers)
        return status, json.loads(text)

    def raw(self, data: bytes) -> bytes:
        """What comes back for bytes that no client library would send, until the server closes."""
        with socket.create_connection((self.host, self.port)) as s:
            s.sendall(data)
            got = b""
            while more := s.recv(65536):
                got += more
        return got


def form(fields, files: dict, boundary="sibyl-test-boundary"):
    """Body and headers. fields: a dict, or pairs where a name comes several times."""
    body = b""
    for name, value in fields.items() if isinstance(fields, dict) else fields:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, (file, data) in files.items():
        body += (f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n'
                 "Content-Type: application/octet-stream\r\n\r\n").encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


class RunTests(unittest.TestCase):
    """Tests that start runs of `kind`, which are forgotten after them, at `server`."""

    kind: str
    server: Server

    def ask_run(self, files=None, **body):
        request = json.dumps({"kind": self.kind, **body})
        return self.server.json("POST", "/api/runs", *(form({"request": request}, files) if files else (request,)))

    def start(self, files=None, **body):
        status, answer = self.ask_run(files, **body)
        self.assertEqual(status, 201, answer)
        self.addCleanup(self.server.ask, "DELETE", f"/api/runs/{answer['id']}")
        return answer["id"]

    def wait(self, run, *states):
        """The run once it is in one of the states; a run that never gets there ends with the test's time limit."""
        while (answer := self.server.json("GET", f"/api/runs/{run}")[1])["state"] not in states:
            self.assertIn(answer["state"], ("queued", "running"))
            time.sleep(0.01)
        return answer

    def end(self, files=None, **body):
        return self.wait(self.start(files, **body), "done", "failed", "cancelled")


def identity_model() -> bytes:
    """An ONNX file (opset 13) of one node: y = Identity(x), float32 [1]."""
    one = onnx_file.node("Identity", ["x"], ["y"])
    return onnx_file.model(onnx_file.graph("g", [one], [onnx_file.value("x", [1])], [onnx_file.value("y", [1])]), 13)


def real_model(name: str) -> pathlib.Path:
    """A trained model of the shared data; the test is skipped where that is missing."""
    for folder in (os.environ.get("SIBYL_DATA"), SOURCE / "../shared/data"):
        path = pathlib.Path(folder or "/nonexistent") / "real-models" / name / "model.onnx"
        if path.exists():
            return path
    raise unittest.SkipTest(f"the model {name} is not in the shared data")
