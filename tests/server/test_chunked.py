#!/usr/bin/env python3
"""Bodies in chunks (Transfer-Encoding: chunked), as clients send them that do not know the length, and what is refused."""
import http.client
import json
import random
import socket
import sys
import unittest

from serving import RECORDING, SPOKEN, Server, form

HEAD = b"POST /api/models HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b'{"loader": "none"}'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Chunked(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("digits", "--max-upload", "1"))

    def send(self, *pieces: bytes):
        """The status and the error's message of what comes back, until the server closes."""
        with socket.create_connection((self.server.host, self.server.port), timeout=120) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                s.sendall(piece)
            answer = http.client.HTTPResponse(s)
            answer.begin()
            text = answer.read()
            self.assertEqual(answer.headers["Connection"], "close")
            self.assertEqual(s.recv(1), b"")
        return answer.status, json.loads(text)["error"]["message"]

    def test_a_form_by_the_library(self):
        body, headers = form({"model": "digits"}, {"file": ("a.flac", RECORDING.read_bytes())})
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=120)
        pieces = [body[i:i + 5000] for i in range(0, len(body), 5000)]
        connection.request("POST", "/v1/audio/transcriptions", iter(pieces), headers, encode_chunked=True)
        answer = connection.getresponse()
        self.assertEqual((answer.status, json.loads(answer.read())), (200, {"text": SPOKEN}))
        connection.close()

    def test_cut_anywhere(self):
        whole = b"1;name=value\r\n" + BODY[:1] + b"\r\n0011\r\n" + BODY[1:] + b"\r\n0;last\r\nA-Trailer: b\r\n\r\n"
        for data in [HEAD + whole], [HEAD, whole], [HEAD, *(bytes([byte]) for byte in whole)]:
            status, message = self.send(*data)
            self.assertEqual((status, message[:10]), (400, "the loader"))
        self.assertEqual(self.send(HEAD, b"0\r\n\r\n")[0], 400)  # an empty body is no JSON
        form_head = HEAD[:-2] + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        self.assertEqual(self.send(form_head, b"0\r\n\r\n"), (400, "the multipart body does not begin with its boundary"))

    def test_wrong_chunks(self):
        whole = chunk(BODY) + b"0\r\n\r\n"
        for wrong in (b"\r\n", b"g\r\n", b"-1\r\n", b"0x1\r\n", b" 1\r\n", b"1 \r\n", b"1\n", b"12345678901234567\r\n", b"5\r\nabcdefg\r\n", b"1\r\na\n0\r\n",
                      b"1\r\naXX", b"1;a\0", b"1;" + b"a" * 9000, b"0\r\nA: " + b"b" * 9000, b"0\r\n\rX", b"0\r\na\rX", b"\xff\r\n", whole[1:]):
            self.assertEqual(self.send(HEAD, wrong), (400, "the body is not in chunks as HTTP has them"), wrong)

    def test_limits(self):
        self.assertIn("1048576", self.send(HEAD, chunk(b"a" * 1048577))[1])
        self.assertEqual(self.send(HEAD, chunk(b"a" * 600000), chunk(b"a" * 600000))[0], 413)
        self.assertEqual(self.send(HEAD, b"fffffffffffffff\r\n" + b"a" * 1048577)[0], 413)

    def test_headers_that_lie(self):
        for more, status in {"Content-Length: 5": 400, "Transfer-Encoding: gzip": 501, "Transfer-Encoding: identity": 501}.items():
            head = HEAD.replace(b"\r\n\r\n", f"\r\n{more}\r\n\r\n".encode())
            self.assertEqual(self.send(head)[0], status, more)
        self.assertEqual(self.send(HEAD.replace(b"chunked", b"gzip, chunked"))[0], 501)
        for method, status in {b"GET": 400, b"DELETE": 405}.items():  # what follows must not be read as a request
            head = HEAD.replace(b"POST", method)
            self.assertEqual(self.send(head + chunk(BODY) + b"0\r\n\r\n" + b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")[0], status, method)
        self.assertEqual(self.server.raw(HEAD.replace(b"Transfer-Encoding: chunked\r\n", b""))[9:12], b"411")

    def test_random_cuts(self):
        chance = random.Random(4)
        for _ in range(100):
            whole = b"".join(chunk(BODY[i:i + 1]) for i in range(len(BODY))) + b"0\r\n\r\n"
            cuts = sorted(chance.sample(range(len(whole)), 5))
            status, message = self.send(HEAD, *(whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)])))
            self.assertEqual((status, message[:10]), (400, "the loader"))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
