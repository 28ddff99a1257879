#!/usr/bin/env python3
"""`sibyl serve` asked over HTTP as its clients do, with the model that ships, and as strangers may."""
import concurrent.futures
import gzip
import http.client
import json
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

import onnx_file
from serving import COMMAND, RECORDING, SPOKEN, Server, form, identity_model


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.server = cls.enterClassContext(Server("digits", "--models", str(cls.folder), "--max-upload", "1"))

    def transcribe(self, fields, data=None, file="sample.flac"):
        body, headers = form(fields, {"file": (file, RECORDING.read_bytes() if data is None else data)})
        return self.server.ask("POST", "/v1/audio/transcriptions", body, headers)

    def fails(self, expected, part, result):
        status, _, text = result
        self.assertEqual(status, expected, text)
        error = json.loads(text)["error"]
        self.assertIn(part, error["message"])
        self.assertEqual(sorted(error), ["code", "message", "param", "type"])

    def test_health(self):
        self.assertEqual(self.server.json("GET", "/healthz"), (200, {"status": "ok"}))
        status, ready = self.server.json("GET", "/readyz")
        self.assertEqual((status, ready["ready"]), (200, True))

    def test_an_empty_body_is_answered_once(self):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        for _ in range(200):
            connection.request("POST", "/api/models", b"")
            answer = connection.getresponse()
            self.fails(400, "not JSON", (answer.status, answer.headers, answer.read()))
        connection.close()

    def test_transcription(self):
        status, _, text = self.transcribe({"model": "digits"})
        self.assertEqual((status, json.loads(text)), (200, {"text": SPOKEN}))
        status, headers, text = self.transcribe({"model": "whisper-1", "response_format": "text"})
        self.assertEqual((status, text.decode()), (200, SPOKEN))
        self.assertTrue(headers["Content-Type"].startswith("text/plain"))

    def test_verbose_is_what_the_command_gives(self):
        status, _, text = self.transcribe({"model": "digits", "response_format": "verbose_json"})
        self.assertEqual(status, 200)
        answer = json.loads(text)
        made = subprocess.run([COMMAND, "transcribe", RECORDING, "--model", "digits", "--format", "json"], check=True,
                              capture_output=True, text=True)
        expected = json.loads(made.stdout)
        self.assertEqual([s["text"] for s in answer["segments"]], [s["text"] for s in expected["segments"]])
        for got, wanted in zip(answer["segments"], expected["segments"]):
            self.assertEqual((got["start"], got["end"], got["tokens"]), (wanted["start"], wanted["end"], wanted["tokens"]))
        self.assertAlmostEqual(answer["duration"], 8.16, places=2)

    def test_many_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            texts = list(pool.map(lambda _: json.loads(self.transcribe({"model": "digits"})[2])["text"], range(8)))
        self.assertEqual(texts, [SPOKEN] * 8)

    def test_models(self):
        status, listed = self.server.json("GET", "/v1/models")
        self.assertEqual((status, listed["data"][0]["id"], listed["object"]), (200, "digits", "list"))
        status, model = self.server.json("GET", "/api/models/digits")
        self.assertEqual((status, model["kind"], model["job"]), (200, "speech-to-text", True))
        self.assertIn("audio", [p["name"] for p in model["ports"]["inputs"]])
        self.fails(404, "'nothing'", self.server.ask("GET", "/api/models/nothing"))

    def test_model_in_full(self):
        """What the page shows of a model, as web/src/api/types.ts says."""
        status, model = self.server.json("GET", "/api/models/digits")
        self.assertEqual((status, model["name"], model["calls"]), (200, "digits", ["encoder", "decoder", "aligner"]))
        self.assertEqual([o["domain"] for o in model["opsets"]], [""])
        self.assertIn("ref", model["backends"])
        for value in model["inputs"]:
            self.assertEqual((value["role"], value["dtype"]), ("input", "float32"))
        self.assertEqual(model["symbols"], sorted({d for v in model["inputs"] for d in v["dims"] if isinstance(d, str)}))
        body, headers = form({}, {"file": ("named.onnx", onnx_file.model(onnx_file.graph(
            "g", [onnx_file.node("Relu", ["x"], ["y"])], [onnx_file.value("x", ["N", "T", 3, "N"])], [onnx_file.value("y")])))})
        self.assertEqual(self.server.ask("POST", "/api/models", body, headers)[0], 201)
        status, model = self.server.json("GET", "/api/models/named")
        self.assertEqual((status, model["symbols"], model["graph_name"], model["calls"]), (200, ["N", "T"], "g", []))
        self.assertEqual((model["inputs"][0]["dims"], model["inputs"][0]["i"]), (["N", "T", 3, "N"], 0))
        self.assertEqual(self.server.ask("DELETE", "/api/models/named")[0], 204)

    def test_files_and_loaders(self):
        folder = self.folder
        (folder / "below/deeper").mkdir(parents=True)
        for name in ("a.onnx", "below/deeper/b.onnx", "below/c.job.json", "below/notes.txt", ".hidden.onnx"):
            (folder / name).write_bytes(b"12345")
        (folder / "below/away").symlink_to("/")
        (folder / "below/link.onnx").symlink_to(RECORDING)
        status, listed = self.server.json("GET", "/api/models")
        here = [f for f in listed["available"] if f["file"] in ("a.onnx", ".hidden.onnx") or f["file"].startswith("below/")]
        self.assertEqual((status, here), (200, [{"file": f, "bytes": 5} for f in ("a.onnx", "below/c.job.json",
                                                                                   "below/deeper/b.onnx")]))
        status, answer = self.server.json("GET", "/api/loaders")
        self.assertEqual((status, [row["id"] for row in answer["loaders"]]), (200, ["file", "checkpoint", "upload"]))
        shutil.rmtree(folder / "below")
        with Server() as s:
            self.assertEqual(s.json("GET", "/api/models"), (200, {"models": [], "available": []}))
            self.assertEqual([row["id"] for row in s.json("GET", "/api/loaders")[1]["loaders"]], ["upload"])

    def test_open_and_close(self):
        (self.folder / "broken.onnx").write_bytes(b"\x08\x08nothing")
        broken = self.open_file("broken.onnx")
        self.fails(400, "broken.onnx", broken)
        self.assertNotIn(str(self.folder), broken[2].decode())
        for name in ("../digits.onnx", "/etc/passwd", "a/../../x", "", "missing.onnx"):
            status, _, text = self.open_file(name)
            self.assertEqual(status, 400, text)
            self.assertNotIn(str(self.folder), text.decode())
        (self.folder / "link.onnx").symlink_to(RECORDING)
        self.fails(400, "link.onnx", self.open_file("link.onnx"))
        body, headers = form({}, {"file": ("again.onnx", identity_model())})
        status, opened = self.server.json("POST", "/api/models", body, headers)
        self.assertEqual((status, opened["id"], opened["kind"], opened["n_nodes"]), (201, "again", "graph", 1))
        self.assertEqual(self.server.json("GET", "/api/models/again")[1]["inputs"][0]["type"], "float32 [1]")
        self.assertEqual(self.server.ask("DELETE", "/api/models/again")[0], 204)
        self.fails(404, "'again'", self.server.ask("GET", "/api/models/again"))
        self.fails(400, "loader", self.server.ask("POST", "/api/models", '{"loader": "none"}'))
        self.fails(404, "'nothing'", self.server.ask("DELETE", "/api/models/nothing"))

    def open_file(self, name):
        return self.server.ask("POST", "/api/models", json.dumps({"loader": "file", "options": {"file": name}}))

    def test_bad_forms(self):
        ask = self.server.ask
        self.fails(400, "'file'", ask("POST", "/v1/audio/transcriptions", *form({"model": "digits"}, {})))
        self.fails(404, "'none'", self.transcribe({"model": "none"}))
        self.fails(400, "response_format", self.transcribe({"response_format": "doc"}))
        self.fails(400, "empty", self.transcribe({}, b""))
        self.fails(400, "not audio", self.transcribe({}, b"a line of text\n" * 9, "a.txt"))
        body, headers = form({"model": "digits"}, {"file": ("a.flac", RECORDING.read_bytes())})
        self.fails(400, "cut off", ask("POST", "/v1/audio/transcriptions", body[:-30], headers))
        self.fails(400, "boundary", ask("POST", "/v1/audio/transcriptions", body, {"Content-Type": "multipart/form-data"}))
        self.fails(400, "64 parts", ask("POST", "/v1/audio/transcriptions", *form({str(i): "" for i in range(70)}, {})))
        playlist = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nfile:///etc/passwd\n"
        self.fails(400, "not audio", self.transcribe({}, playlist, "list.m3u8"))

    def test_part_of_the_boundary_inside_a_part(self):
        """A reader that gives up half a match must not lose bytes of the part."""
        body, headers = form({"model": "\r\n--sibyl-test"}, {"file": ("a", b"x")})
        self.fails(404, "sibyl-test'", self.server.ask("POST", "/v1/audio/transcriptions", body, headers))

    def test_sizes(self):
        head = b"POST /api/models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000000\r\n\r\n"
        got = self.server.raw(head)
        self.assertIn(b" 413 ", got.split(b"\r\n")[0])
        self.assertIn(b"1048576", got)
        deep = b"[" * 100000
        self.fails(400, "not JSON", self.server.ask("POST", "/api/models", b'{"a":' + deep))
        self.fails(400, "object", self.server.ask("POST", "/api/models", b"[1]"))

    def test_methods_and_paths(self):
        status, headers, _ = self.server.ask("PUT", "/healthz", b"x")
        self.assertEqual((status, headers["Allow"]), (405, "GET"))
        for path in ("/nothing", "/api/models/a/b/c", "//nothing", "/api/models/"):
            self.assertEqual(self.server.ask("GET", path)[0], 404, path)
        status, headers, body = self.server.ask("HEAD", "/healthz")
        self.assertEqual((status, body), (200, b""))

    def test_headers(self):
        _, headers, body = self.server.ask("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        self.assertEqual(headers["Content-Encoding"], "gzip")
        self.assertIn(b"sibyl_request_seconds_bucket", gzip.decompress(body))
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        _, headers, _ = self.server.ask("GET", "/healthz", headers={"traceparent": "00-aa-bb-01"})
        self.assertEqual(headers["traceparent"], "00-aa-bb-01")

    def test_other_pages(self):
        """A page of another origin, and a name that an attacker's DNS points here."""
        self.fails(403, "origin", self.server.ask("DELETE", "/api/models/digits", headers={"Origin": "http://evil.example"}))
        self.fails(403, "Host", self.server.ask("GET", "/api/models", headers={"Host": "evil.example"}))
        self.assertEqual(self.server.ask("GET", "/healthz", headers={"Host": f"localhost:{self.server.port}"})[0], 200)

    def test_encoded_line_ends(self):
        """A request line that would forge the header Host: the parser of libwebsockets ends the line at them."""
        for end in ("%0A", "%0D", "%0D%0A"):
            for path in (f"/api/models?q=a{end}Host:127.0.0.1", f"/api/models{end}Host:127.0.0.1", f"/{end}"):
                for host in ("evil.example", "localhost"):
                    answer = self.server.raw(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                    self.assertIn(b" 400 ", answer.partition(b"\r\n")[0], (path, host))
            answer = self.server.raw((f"GET /api/ws?{end}Host:localhost HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\n"
                                      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                      "Sec-WebSocket-Version: 13\r\n\r\n").encode())
            self.assertNotIn(b" 101 ", answer)
        self.fails(400, "version", self.server.ask("GET", "/api/models?q=a%0Ab"))

    def test_requests_sent_at_once(self):
        """At most the first is answered. Of a body behind others libwebsockets told the end for ever, and served nobody else."""
        host = f"Host: localhost:{self.server.port}\r\n"
        get = f"GET /healthz HTTP/1.1\r\n{host}\r\n".encode()
        post = f"POST /v1/completions HTTP/1.1\r\n{host}Content-Length: 2\r\n\r\n{{}}".encode()
        for sent in (get * 3, get * 2 + post, get * 2 + post + b"more than it has announced"):
            with socket.create_connection((self.server.host, self.server.port), timeout=60) as s:
                s.sendall(sent)
                s.shutdown(socket.SHUT_WR)
                got = b""
                try:
                    while more := s.recv(65536):
                        got += more
                except ConnectionResetError:
                    pass  # closed before all of it was read
            self.assertLessEqual(got.count(b"HTTP/1.1 "), 1, got)
            self.assertEqual(self.server.ask("GET", "/healthz")[0], 200)

    def test_refused_handshakes_are_json(self):
        ask = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
        self.fails(404, "WebSocket", self.server.ask("GET", "/api/none", headers=ask))
        status, headers, text = self.server.ask("GET", "/api/ws", headers={**ask, "Origin": "http://evil.example"})
        self.fails(403, "origin", (status, headers, text))
        self.assertEqual(headers["Content-Type"], "application/json")

    def test_keeps_connections(self):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        for _ in range(3):
            connection.request("GET", "/healthz")
            self.assertEqual(connection.getresponse().read(), b'{"status":"ok"}')
        body, headers = form({"model": "digits"}, {"file": ("a.flac", RECORDING.read_bytes())})
        connection.request("POST", "/v1/audio/transcriptions", body, headers)
        self.assertEqual(json.loads(connection.getresponse().read())["text"], SPOKEN)
        connection.close()

    def test_garbage(self):
        """The server answers others after each of these."""
        for data in (b"\0\1\2\3" * 50, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nHost: " + b"a" * 60000 + b"\r\n\r\n",
                     b"POST /api/models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n{}",
                     b"POST /api/models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n"):
            with socket.create_connection((self.server.host, self.server.port)) as s:
                s.sendall(data)
        half = [socket.create_connection((self.server.host, self.server.port)) for _ in range(100)]
        for s in half:
            s.sendall(b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nabc")
        self.assertEqual(self.server.ask("GET", "/healthz")[0], 200)
        self.assertEqual(json.loads(self.transcribe({"model": "digits"})[2])["text"], SPOKEN)
        for s in half:
            s.close()


class Life(unittest.TestCase):
    def test_token(self):
        with Server("--token", "secret") as s:
            self.assertEqual(s.ask("GET", "/healthz")[0], 200)
            for headers in ({}, {"Authorization": "Bearer secreT"}, {"Authorization": "Bearer "}, {"Authorization": "secret"}):
                status, got, _ = s.ask("GET", "/api/models", headers=headers)
                self.assertEqual((status, got["WWW-Authenticate"]), (401, "Bearer"))
            self.assertEqual(s.ask("GET", "/api/models", headers={"Authorization": "Bearer secret"})[0], 200)

    def test_refused_options(self):
        for arguments, why in ((["--host", "0.0.0.0"], "token"), (["--tls-cert", "x"], "key"), (["nothing-here"], "nothing-here")):
            made = subprocess.run([COMMAND, "serve", "--port", "0", *arguments], capture_output=True, text=True, timeout=60)
            self.assertNotEqual(made.returncode, 0)
            self.assertIn(why, made.stderr)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            made = subprocess.run([COMMAND, "serve", "--port", port], capture_output=True, text=True, timeout=60)
            self.assertIn(f"port {port}", made.stderr)

    @unittest.skipUnless(shutil.which("openssl"), "openssl is missing")
    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            key, certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True,
                           capture_output=True)
            with Server("digits", "--tls-cert", certificate, "--tls-key", key) as s:
                trusted = ssl.create_default_context(cafile=certificate)
                connection = http.client.HTTPSConnection(s.host, s.port, timeout=120, context=trusted)
                connection.request("POST", "/v1/audio/transcriptions", *form({}, {"file": ("a.flac", RECORDING.read_bytes())}))
                self.assertEqual(json.loads(connection.getresponse().read()), {"text": SPOKEN})
                connection.close()

    def test_stop_finishes_what_runs(self):
        with Server("digits", "--grace", "600") as s, concurrent.futures.ThreadPoolExecutor(1) as pool:
            body, headers = form({"model": "digits"}, {"file": ("a.flac", RECORDING.read_bytes())})
            running = pool.submit(s.json, "POST", "/v1/audio/transcriptions", body, headers)
            while not s.json("GET", "/readyz")[1]["running"] and not running.done():
                time.sleep(0.001)
            s.process.send_signal(signal.SIGTERM)
            self.assertEqual(running.result(), (200, {"text": SPOKEN}))
            self.assertEqual(s.process.wait(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
