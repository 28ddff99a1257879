#!/usr/bin/env python3
"""`sibyl serve` beside whisper.cpp's server and faster-whisper-server: latency and throughput over HTTP, the same recording.

    bench/serve_peers.py [--whisper-cpp PATH/whisper-server] [--faster PATH/faster-whisper-server] [--clients 1,8] [--seconds 60]

A Whisper of random weights in the size of `tiny`, in float32, hears 30 s of noise; its end of text never comes, so each
answer takes the longest that decoders go (220 to 224 tokens). Servers run one after another on the same cores, each with
as many threads as cores. Needs what bench/transcribe_peers.py needs, which makes the models.
"""
import argparse
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from transcribe_peers import ROOT, child, make_recording

FIELDS = {"model": "tiny", "language": "en", "temperature": "0", "response_format": "json"}
RECORDED = 30.0


def form(recording, more):
    """Body and content type; more: fields of one server's own."""
    boundary = "serve-peers"
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    body = "".join(f'{part}{name}"\r\n\r\n{value}\r\n' for name, value in {**FIELDS, **more}.items()).encode()
    body += f'{part}file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'.encode() + recording.read_bytes()
    return body + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


@contextlib.contextmanager
def served(command, log):
    process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log, env=dict(os.environ, OMP_NUM_THREADS=str(os.cpu_count())))
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def transcribe(port, path, body, kind):
    """Seconds until the answer, and its text."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", path, body, {"Content-Type": kind})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {text[:200]}")
    return time.perf_counter() - began, json.loads(text)["text"]


def first_answer(port, path, body, kind, process):
    """Waits until a server transcribes; the text."""
    for _ in range(600):
        with contextlib.suppress(OSError):
            return transcribe(port, path, body, kind)[1]
        if process.poll() is not None:
            sys.exit(f"{process.args[0]} ended with {process.returncode}")
        time.sleep(0.2)
    sys.exit(f"{process.args[0]} does not answer")


def load(port, path, body, kind, clients, seconds):
    """Latencies in order of those that began within `seconds`, and the seconds that all took."""
    latencies, began = [], time.perf_counter()

    def client():
        while time.perf_counter() - began < seconds:
            latencies.append(transcribe(port, path, body, kind)[0])

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(latencies), time.perf_counter() - began


def servers(o, folder):
    """Rows of (title, command for a port, path, fields). Nothing is decoded again at a higher temperature, which the text of
    random weights would always ask for."""
    def make(function, *arguments, python=sys.executable):
        subprocess.run(child(function, *arguments, python=python), check=True)

    checkpoint = folder / "tiny.pt"
    ranks = Path(subprocess.run(child("print_ranks", "tiny"), check=True, capture_output=True, text=True).stdout.strip())
    make("make_checkpoint", "tiny", checkpoint)
    subprocess.run([o.sibyl, "import", checkpoint, "-o", folder / "tiny.onnx", "--tokenizer", ranks], check=True, capture_output=True)
    yield "sibyl", lambda port: [o.sibyl, "serve", folder / "tiny.onnx", "--port", port], "/v1/audio/transcriptions", {
        "beam_size": 1, "logprob_threshold": -100, "compression_ratio_threshold": 1000}  # fmt: skip
    if o.whisper_cpp:
        make("make_ggml", checkpoint, ranks, folder / "tiny.bin", False)
        yield "whisper.cpp", lambda port: [o.whisper_cpp, "-m", folder / "tiny.bin", "--port", port, "-t", os.cpu_count(),
                                           "-l", "en", "-bs", 1, "-bo", 1, "-nf"], "/inference", {"temperature_inc": 0}  # fmt: skip
    if o.faster:
        make("make_ctranslate2", checkpoint, ranks, folder / "ct2", python=o.faster_python)
        (folder / "faster.yaml").write_text(json.dumps({"models": [{
            "name": "whisper-1", "path": str(folder / "ct2"), "model_options": {"device": "cpu", "compute_type": "float32", "cpu_threads": os.cpu_count()},
            "transcribe_options": {"beam_size": 1, "suppress_tokens": []}}]}))  # fmt: skip
        yield "faster-whisper-server", lambda port: [o.faster, "--config", folder / "faster.yaml", "--host", "127.0.0.1", "--port", port], "/v1/audio/transcriptions", {}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sibyl", type=Path, default=ROOT / "build" / "release" / "cli" / "sibyl")
    parser.add_argument("--whisper-cpp", type=Path, help="its whisper-server")
    parser.add_argument("--faster", type=Path, help="the program faster-whisper-server")
    parser.add_argument("--faster-python", default=sys.executable, help="an interpreter with ctranslate2, openai-whisper and torch")
    parser.add_argument("--clients", default="1,8")
    parser.add_argument("--seconds", type=float, default=60.0)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, open(Path(made) / "log", "w+b") as log:
        folder = Path(made)
        make_recording(folder / "noise.wav", RECORDED)
        rows = list(servers(o, folder))
        for clients in map(int, o.clients.split(",")):
            for title, command, path, more in rows:
                body, kind = form(folder / "noise.wav", more)
                port = free_port()
                with served(command(port), log) as process:
                    text = first_answer(port, path, body, kind, process)
                    latencies, took = load(port, path, body, kind, clients, o.seconds)
                n = len(latencies)
                print(f"{title:22} {clients} client{'s' * (clients > 1)}: {n:4} answers, p50 {latencies[n // 2]:6.2f} s, p99 {latencies[n * 99 // 100]:6.2f} s, "
                      f"{n * RECORDED / took:6.1f} s of audio a second, {len(text)} characters each", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
