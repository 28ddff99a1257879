#!/usr/bin/env python3
"""HTTP/2 over TLS: a recording sent, streams side by side on one connection, one that is reset. Exits 77, which ctest counts as
skipped, where Python's package h2 or openssl is not installed."""
import json
import pathlib
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import h2.config
    import h2.connection
    import h2.events
except ImportError:
    print("skipped for want of Python's package h2")
    sys.exit(77)
if not shutil.which("openssl"):
    print("skipped for want of openssl")
    sys.exit(77)

from serving import RECORDING, SPOKEN, Server, form
from text_model import chain

UPLOAD = 2 << 20


class Connection:
    """One connection, on which any number of requests are under way."""

    def __init__(self, server, certificate):
        context = ssl.create_default_context(cafile=certificate)
        context.set_alpn_protocols(["h2"])
        self.authority = f"{server.host}:{server.port}"
        self.socket = context.wrap_socket(socket.create_connection((server.host, server.port), timeout=120), server_hostname=server.host)
        if self.socket.selected_alpn_protocol() != "h2":
            raise AssertionError("the server does not speak HTTP/2")
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.headers, self.bodies, self.ended = {}, {}, set()
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise AssertionError("the server has closed the connection")
        for event in self.h2.receive_data(data):
            stream = getattr(event, "stream_id", None)
            if isinstance(event, h2.events.ResponseReceived):
                self.headers[stream] = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[stream] = self.bodies.get(stream, b"") + event.data
                if event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(stream)
            elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                raise AssertionError(f"the server has ended it: {event}")
        self.flush()

    def request(self, method, path, body=None, headers=None, length=True):
        """Sends it and returns its stream."""
        stream = self.h2.get_next_available_stream_id()
        names = [(":method", method), (":scheme", "https"), (":authority", self.authority), (":path", path)]
        names += [("content-length", str(len(body)))] if body and length else []
        self.h2.send_headers(stream, names + [(k.lower(), v) for k, v in (headers or {}).items()], end_stream=body is None)
        self.flush()
        while body:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            if room:
                self.h2.send_data(stream, body[:room], end_stream=room == len(body))
                body = body[room:]
                self.flush()
            else:
                self.receive()
        return stream

    def answer(self, stream):
        while stream not in self.ended:
            self.receive()
        return int(self.headers[stream][":status"]), self.bodies.get(stream, b"")

    def close(self):
        self.h2.close_connection()
        try:
            self.flush()
        except OSError:
            pass  # the server has closed it already, as it does after a body that it has not read
        self.socket.close()


class Http2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (folder / "chain.onnx").write_bytes(chain()[0])
        key, cls.certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cls.certificate,
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        cls.server = cls.enterClassContext(Server("digits", f"{folder}/chain.onnx", "--tls-cert", cls.certificate, "--tls-key", key,
                                                  "--send-timeout", "5"))  # after which the server knows of a stream that was reset

    def setUp(self):
        self.connection = Connection(self.server, self.certificate)

    def tearDown(self):
        self.connection.close()

    def test_requests_one_after_the_other(self):
        status, text = self.connection.answer(self.connection.request("GET", "/v1/models"))
        self.assertEqual((status, [m["id"] for m in json.loads(text)["data"]]), (200, ["digits", "chain"]))
        body, headers = form({"model": "digits"}, {"file": ("a.flac", RECORDING.read_bytes())})
        status, text = self.connection.answer(self.connection.request("POST", "/v1/audio/transcriptions", body, headers))
        self.assertEqual((status, json.loads(text)), (200, {"text": SPOKEN}))
        status, text = self.connection.answer(self.connection.request("GET", "/nothing"))
        self.assertEqual((status, json.loads(text)["error"]["type"]), (404, "not_found_error"))

    def test_answers_of_many_frames(self):
        """Larger than a frame and than the window at the beginning: entire, and as a stream of events."""
        status, text = self.connection.answer(self.connection.request("GET", "/api/openapi.json"))
        self.assertEqual((status, json.loads(text)["openapi"][:3]), (200, "3.1"))
        self.assertGreater(len(text), 3 * 16384)
        ask = {"model": "chain", "prompt": "in", "max_tokens": 3000, "seed": 1}
        entire = json.loads(self.complete(ask))["choices"][0]["text"]
        events = self.complete({**ask, "stream": True}).decode().split("\n\n")
        self.assertEqual(events[-2:], ["data: [DONE]", ""])
        self.assertEqual("".join(json.loads(e.removeprefix("data: "))["choices"][0]["text"] for e in events[:-2]), entire)

    def test_a_body_without_length(self):
        status, text = self.connection.answer(self.connection.request("POST", "/v1/completions", b"{}", length=False))
        self.assertEqual((status, json.loads(text)["error"]["param"]), (411, "Content-Length"))

    def complete(self, ask):
        stream = self.connection.request("POST", "/v1/completions", json.dumps(ask).encode(), {"Content-Type": "application/json"})
        status, text = self.connection.answer(stream)
        self.assertEqual(status, 200)
        return text

    def test_side_by_side(self):
        """All are under way before any is answered."""
        asks = [json.dumps({"model": "chain", "prompt": "in", "max_tokens": 500, "seed": seed}).encode() for seed in (1, 2)]
        streams = [self.connection.request("POST", "/v1/completions", ask, {"Content-Type": "application/json"}) for ask in asks]
        self.assertEqual(self.connection.answer(self.connection.request("GET", "/v1/models"))[0], 200)
        texts = [json.loads(self.connection.answer(stream)[1])["choices"][0]["text"] for stream in streams]
        self.assertEqual(texts, [json.loads(self.complete(json.loads(ask)))["choices"][0]["text"] for ask in asks])

    def test_uploads_side_by_side(self):
        """Much larger than the windows at the beginning, in frames of all sizes, of both in turns."""
        ask = json.dumps({"model": "chain", "prompt": "in", "max_tokens": 3, "seed": 1}).encode()
        c, left, random_frames = self.connection, {}, random.Random(3)
        for _ in range(2):
            stream = c.h2.get_next_available_stream_id()
            c.h2.send_headers(stream, [(":method", "POST"), (":scheme", "https"), (":authority", c.authority), (":path", "/v1/completions"),
                                       ("content-length", str(UPLOAD)), ("content-type", "application/json")])
            left[stream] = memoryview(ask + b" " * (UPLOAD - len(ask)))
        c.socket.settimeout(20)
        while any(left.values()):
            before = sum(map(len, left.values()))
            for stream, body in left.items():
                room = min(c.h2.local_flow_control_window(stream), random_frames.randrange(1, 16384), len(body))
                if room > 0:  # a stream that began before the server told its windows may have less than none
                    c.h2.send_data(stream, bytes(body[:room]), end_stream=room == len(body))
                    left[stream] = body[room:]
            c.flush()
            if sum(map(len, left.values())) == before:
                c.receive()
        expected = json.loads(self.complete(json.loads(ask)))["choices"][0]["text"]
        for stream in left:
            status, text = c.answer(stream)
            self.assertEqual((status, json.loads(text)["choices"][0]["text"]), (200, expected))

    def test_a_stream_that_is_reset(self):
        """Another is answered while it goes on, and resetting it ends its work alone."""
        body = json.dumps({"model": "chain", "prompt": "in", "max_tokens": 1000000, "n": 100, "stream": True}).encode()
        endless = self.connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        while not self.connection.bodies.get(endless):
            self.connection.receive()
        self.assertEqual(self.connection.answer(self.connection.request("GET", "/healthz")), (200, b'{"status":"ok"}'))
        self.assertNotIn(endless, self.connection.ended)
        self.connection.h2.reset_stream(endless)
        self.connection.flush()
        while json.loads(self.connection.answer(self.connection.request("GET", "/readyz"))[1])["running"]:
            time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
