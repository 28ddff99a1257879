"""A small WebSocket client (RFC 6455), and the CBOR of binary messages (RFC 8949)."""
import base64
import hashlib
import json
import os
import socket
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def cbor(data: bytes, at=0):
    """The item at `at` and where it ends: what the server's headers use."""
    major, low = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        if low == 27:
            return struct.unpack_from(">d", data, at)[0], at + 8
        return {20: False, 21: True, 22: None}[low], at
    number = low
    if low >= 24:
        size = 1 << (low - 24)
        number = int.from_bytes(data[at:at + size], "big")
        at += size
    if major == 0:
        return number, at
    if major == 3:
        return data[at:at + number].decode(), at + number
    items = []
    for _ in range(number * (2 if major == 5 else 1)):
        item, at = cbor(data, at)
        items.append(item)
    assert major in (4, 5), major
    return (items if major == 4 else dict(zip(items[::2], items[1::2]))), at


class Refused(Exception):
    """The handshake's status is not 101."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Client:
    """One connection. JSON messages are dicts; binary ones are (header, payload)."""

    def __init__(self, server, path="/api/ws", buffer=None, **headers):
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect((server.host, server.port))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = {"Host": f"{server.host}:{server.port}", "Upgrade": "websocket", "Connection": "Upgrade",
                 "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13", **headers}
        self.socket.sendall((f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n").encode())
        self.got = b""
        while b"\r\n\r\n" not in self.got:
            self.more()
        head, self.got = self.got.split(b"\r\n\r\n", 1)
        status = int(head.split()[1])
        if status != 101:
            self.socket.close()
            raise Refused(status)
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert accept in head, head

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def more(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.got += data

    def send_frame(self, code, data: bytes, final=True, masked=True):
        mask = os.urandom(4) if masked else b""
        n = len(data)
        head = bytes([code | (128 if final else 0)])
        size = bytes([n]) if n < 126 else b"\x7e" + struct.pack(">H", n) if n < 65536 else b"\x7f" + struct.pack(">Q", n)
        if masked:
            size = bytes([size[0] | 128]) + size[1:]
            data = bytes(b ^ mask[i & 3] for i, b in enumerate(data))
        self.socket.sendall(head + size + mask + data)

    def send(self, **message):
        self.send_frame(TEXT, json.dumps(message).encode())

    def frame(self):
        """The next frame: its code and bytes."""
        def take(n):
            while len(self.got) < n:
                self.more()
            data, self.got = self.got[:n], self.got[n:]
            return data
        first, second = take(2)
        n = second & 127
        if n >= 126:
            n = int.from_bytes(take(2 if n == 126 else 8), "big")
        return first & 15, bool(first & 128), take(n)

    def receive(self):
        """The next message, in pieces or not; pings are answered."""
        data, kind = b"", None
        while True:
            code, final, part = self.frame()
            if code == PING:
                self.send_frame(PONG, part)
            elif code == CLOSE:
                raise ConnectionError(part[2:].decode(), int.from_bytes(part[:2], "big"))
            elif code != PONG:
                kind, data = kind or code, data + part
                if final:
                    break
        if kind == TEXT:
            return json.loads(data)
        n = int.from_bytes(data[:4], "little")
        header, end = cbor(data[4:4 + n])
        assert end == n, (end, n)
        return header, data[4 + n:]

    def until(self, wanted):
        """Messages up to the first that `wanted` accepts, which is the last of them."""
        messages = [self.receive()]
        while not wanted(messages[-1]):
            messages.append(self.receive())
        return messages

    def reply(self, op):
        """The next JSON message with this op."""
        return self.until(lambda m: isinstance(m, dict) and m["op"] == op)[-1]


def ended(run):
    """For until: the message that the run has ended."""
    return lambda m: isinstance(m, dict) and m["op"] == "run" and m["id"] == run and m["state"] in ("done", "failed", "cancelled")


def frames(messages, **fields):
    """Binary ones whose headers have these fields."""
    return [m for m in messages if isinstance(m, tuple) and all(m[0][k] == v for k, v in fields.items())]
