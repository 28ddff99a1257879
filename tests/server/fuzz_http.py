#!/usr/bin/env python3
"""Mutated HTTP requests and WebSocket frames at a `sibyl serve` of its own, on the loopback interface.

    fuzz_http.py --cases 2000 | --seconds 600 [--seed N] [--save DIR]

Ends with 1 where the server dies or no longer answers /healthz; the latest connections are then kept below DIR. Under the
sanitizers what they find ends the server, so a build of `make asan` is the one to try: `make fuzz-http TIME=600`.
"""
import argparse
import base64
import collections
import json
import pathlib
import random
import socket
import struct
import sys
import tempfile
import time

import embedding_model
from serving import Server, form, identity_model
from test_documents import copy, echo
from text_model import chain

TOKENS = [b"Transfer-Encoding: chunked\r\n", b"Content-Length: 18446744073709551615\r\n", b"Content-Length: -1\r\n", b"Content-Length: 0\r\n",
          b"Content-Encoding: gzip\r\n", b"Expect: 100-continue\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Upgrade: h2c\r\n",
          b"Range: bytes=0-,5-,-1\r\n", b"Host: evil.com\r\n", b"Origin: null\r\n", b"traceparent: 00-\xff\r\n", b"Accept-Encoding: gzip\r\n",
          b"HTTP/1.0", b"HTTP/9.9", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"%00", b"%0a", b"%2e%2e%2f", b"?slice=::-1", b"\r\n\r\n", b"\n\n", b"\0", b"\xff" * 9,
          b"ffffffffffffffff\r\n", b"0\r\n\r\n", b"A" * 5000, b'[' * 400, b'{"a":' * 200, b"1e999", b'\\u0000', b'\\ud800', b"-9223372036854775808"]
MAX_SENT = 200_000  # bytes of a connection


def request(method, path, body=b"", **headers):
    lines = {"Host": "127.0.0.1", **({"Content-Length": len(body)} if body else {}), **headers}
    return f"{method} {path} HTTP/1.1\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in lines.items()).encode() + b"\r\n" + body


def seeds():
    """Requests of every kind, each right by itself."""
    paths = ["/healthz", "/metrics", "/api/models", "/api/openapi.json", "/api/models/chain/graphs/0/nodes?from=0&count=2", "/api/models/chain/plan",
             "/api/models/chain/graphs/0/values/0/data?format=raw&slice=0", "/api/models/chain/graphs/0/nodes/0/milli?dims=B:1", "/api/runs", "/v2/models/chain",
             "/api/models/chain/graphs/0/nodes?attributes=true", "/api/models/chain/graphs/0/values/0/digest", "/api/models/chain/hash",
             "/api/models/chain/job", "/api/peaks"]
    made = [request("GET", path) for path in paths]
    graph_run = {"model": "chain", "kind": "graph", "dims": {"B": 1, "N": 2, "M": 1}, "keep": ["*"], "profile": True}
    bodies = [("/v1/completions", {"model": "chain", "prompt": "in", "max_tokens": 4, "logprobs": 2, "n": 2, "logit_bias": {"5": -1}}),
              ("/v1/completions", {"model": "chain", "prompt": ["in", [5, 6]], "max_tokens": 2, "echo": True, "logprobs": 1}),
              ("/v1/chat/completions", {"model": "chain", "messages": [{"role": "user", "content": "in"}], "max_tokens": 4, "stream": True}),
              ("/api/runs", graph_run),
              ("/api/runs", {"model": "chain", "kind": "job", "inputs": {"text": "in", "max_tokens": 3}}),
              ("/api/jobs/check", copy("chain")), ("/api/jobs/check", echo()), ("/api/jobs", {**echo(), "models": {"m": "chain/none"}}),
              ("/v1/embeddings", {"input": ["a b", [2, 3]], "encoding_format": "base64"}),
              ("/v2/models/one/infer", {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]})]
    texts = [(path, json.dumps(body).encode()) for path, body in bodies]
    made += [request("POST", path, text, **{"Content-Type": "application/json"}) for path, text in texts]
    path, text = texts[0]
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(text[i:i + 9]), text[i:i + 9]) for i in range(0, len(text), 9)) + b"0\r\n\r\n"
    made.append(request("POST", path, **{"Content-Type": "application/json", "Transfer-Encoding": "chunked"}) + pieces)
    sound = b"RIFF" + struct.pack("<I4s4sIHHIIHH4sI", 36 + 640, b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16, b"data", 640) + bytes(640)
    for path, fields in (("/api/features", {"preset": "whisper"}), ("/api/runs", {"request": json.dumps(graph_run)})):
        body, headers = form(fields, {"file" if path == "/api/features" else "tokens": ("a.wav", sound)})
        made.append(request("POST", path, body, **headers))
    return made + [made[0] + made[2] + made[len(paths)]]


def frame(chance, data):
    """A frame of a client, often with a wrong header."""
    first = chance.choice([0x81, 0x81, 0x81, 0x82, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8a, 0xc1, 0xf3, chance.randrange(256)])
    n = chance.choice([len(data)] * 6 + [0, len(data) + 1, 1 << 16, 1 << 40, (1 << 64) - 1])
    size = bytes([n | 128]) if n < 126 else b"\xfe" + struct.pack(">H", n) if n < 65536 else b"\xff" + struct.pack(">Q", n)
    if chance.random() < 0.05:
        size = bytes([size[0] & 127]) + size[1:]
    return bytes([first]) + size + bytes(4) + data  # a mask of zeros changes nothing


def frames(chance):
    key = base64.b64encode(bytes(16)).decode()
    path = chance.choice(["/api/ws", "/api/ws", "/v1/realtime?intent=transcription"])
    messages = [{"op": "runs"}, {"op": "subscribe", "id": 1, "names": ["*"], "interval": 0.1}, {"op": "unsubscribe", "id": 1}, {"op": "ping", "t": 1},
                {"op": "listen", "id": 2, "rate": 8000}, {"op": "commit"}, {"op": "stop"}, {"type": "input_audio_buffer.append", "audio": "AAAA"},
                {"type": "session.update", "session": {"type": "transcription"}}, {"type": "input_audio_buffer.commit"}]
    sent = [json.dumps(chance.choice(messages)).encode() for _ in range(chance.randrange(1, 6))]
    sent = [mutate(chance, m) if chance.random() < 0.4 else m for m in sent]
    head = request("GET", path, **{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": 13})
    return head + b"".join(frame(chance, m) for m in sent)


def mutate(chance, data):
    for _ in range(chance.choice([1, 1, 2, 3, 8])):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice([1, 2, 8, 64]))
        change = chance.randrange(5)
        if change == 0:
            data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1:]
        elif change == 1:
            data = data[:at] + data[end:]
        elif change == 2:
            data = data[:at] + data[at:end] * chance.choice([2, 3, 50]) + data[end:]
        elif change == 3:
            data = data[:at] + chance.choice(TOKENS) + data[at:]
        else:
            line = data.find(b"\r\n", at)
            data = data[:line + 2] + chance.choice(TOKENS) + data[line + 2:]
    return data[:MAX_SENT]


def send(server, chance, data):
    """Sends it in some pieces, then no more, and reads what comes, without waiting for a server that waits."""
    try:
        with socket.create_connection((server.host, server.port), timeout=0.05) as s:
            cut = chance.randrange(len(data) + 1)
            s.sendall(data[:cut])
            s.sendall(data[cut:])
            if chance.random() < 0.8:
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
    except OSError:
        pass  # it may close at any time


def save(folder, latest):
    folder.mkdir(parents=True, exist_ok=True)
    for i, data in enumerate(latest):
        (folder / f"{i:03}").write_bytes(data)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--cases", type=int, default=1 << 40)
    options.add_argument("--seconds", type=float, default=1e9)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--save", type=pathlib.Path, default=pathlib.Path("build/fuzz-http"))
    options = options.parse_args()
    chance, made, cases, end = random.Random(options.seed), seeds(), 0, time.monotonic() + options.seconds
    latest = collections.deque(maxlen=64)
    with tempfile.TemporaryDirectory() as folder:
        names = [pathlib.Path(folder) / "chain.onnx", pathlib.Path(folder) / "one.onnx", embedding_model.write(pathlib.Path(folder) / "embed")]
        names[0].write_bytes(chain({"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"})[0])
        names[1].write_bytes(identity_model())
        try:
            with Server(*map(str, names), "--time-limit", "10") as server:
                while cases < options.cases and time.monotonic() < end:
                    data = frames(chance) if chance.random() < 0.3 else mutate(chance, chance.choice(made))
                    latest.append(data)
                    send(server, chance, data)
                    cases += 1
                    if cases % 100 == 0:
                        status, _, _ = server.ask("GET", "/healthz")
                        assert status == 200, status
        except (AssertionError, OSError) as fault:
            save(options.save, latest)
            sys.exit(f"after {cases} connections (seed {options.seed}): {fault}\nthe latest are in {options.save}")
    print(f"{cases} connections with mutated bytes, and the server answered to the end")


if __name__ == "__main__":
    main()
