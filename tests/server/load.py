#!/usr/bin/env python3
"""A `sibyl serve` of its own under load, on the loopback interface.

    load.py [--seconds 60] [--transcriptions 32] [--watchers 64]
    load.py --cost [--rounds 5]

Clients transcribe a recording, one request after the other, and follow every value of runs that go on; beside them one
client reads nothing, one sends garbage frames, one disconnects in mid-upload, and 1,000 connections stay half open. Prints
answers and latencies, memory, and the throughput beside the command's on the same cores. Ends with 1 where an answer is wrong.

With --cost nothing else is asked of the server: processor time of a recording, of the server (two clients) and of the command in turns.
"""
import argparse
import collections
import contextlib
import http.client
import json
import multiprocessing
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time

from serving import COMMAND, RECORDING, SPOKEN, Server, form
from websocket import Client

AUDIO_SECONDS = 8.16
HALF_OPEN = 1000


class Load:
    def __init__(self, server, seconds):
        self.server, self.end = server, time.monotonic() + seconds
        self.lock, self.faults = threading.Lock(), []
        self.counts, self.latencies = collections.Counter(), collections.defaultdict(list)

    def goes_on(self):
        return time.monotonic() < self.end

    def note(self, what, latency=None):
        with self.lock:
            self.counts[what] += 1
            if latency is not None:
                self.latencies[what].append(latency)

    def fault(self, words):
        with self.lock:
            self.faults.append(words)

    def ask(self, what, *request):
        """Status and body; the time of an answer of 200 is noted."""
        began = time.monotonic()
        status, _, body = self.server.ask(*request)
        if status == 200:
            self.note(what, time.monotonic() - began)
        return status, body

    # Each of these is what a thread does until the end.

    def transcribe(self):
        body, headers = form({"model": "whisper-1", "response_format": "json"}, {"file": ("a.flac", RECORDING.read_bytes())})
        while self.goes_on():
            status, text = self.ask("transcription", "POST", "/v1/audio/transcriptions", body, headers)
            if status == 429:
                self.note("refused: the queue is full")
                time.sleep(0.1)
            elif status != 200 or json.loads(text)["text"].strip() != SPOKEN:
                self.fault(f"transcription: {status} {text[:200]}")

    def run(self):
        request = json.dumps({"model": "digits", "kind": "graph", "dims": {"B": 1}})
        while self.goes_on():
            status, _, text = self.server.ask("POST", "/api/runs", request)
            if status == 201:
                run = json.loads(text)["id"]
                while json.loads(self.server.ask("GET", f"/api/runs/{run}")[2])["state"] in ("queued", "running"):
                    time.sleep(0.02)
                self.server.ask("DELETE", f"/api/runs/{run}")
                self.note("run")
            elif status != 429:
                self.fault(f"run: {status} {text[:200]}")
            time.sleep(0.2)

    def watch(self):
        with Client(self.server) as client:
            client.socket.settimeout(1)
            client.send(op="subscribe", id=1, names=["*"], interval=0.1)
            while self.goes_on():
                with contextlib.suppress(TimeoutError):
                    client.receive()
                    self.note("live message")

    def health(self):
        """In a process of its own: a hundred threads of one interpreter would wait for each other, not for the server."""
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            latencies, faults = pool.apply(probe, (self.server.host, self.server.port, self.end))
        for latency in latencies:
            self.note("/healthz", latency)
        for words in faults:
            self.fault(words)

    def deaf(self):
        with Client(self.server, buffer=4096) as client:
            client.send(op="subscribe", id=1, names=["*"], what="value")
            while self.goes_on():
                time.sleep(0.1)

    def garbage(self):
        chance = random.Random(1)
        while self.goes_on():
            with contextlib.suppress(OSError), Client(self.server) as client:
                client.socket.settimeout(1)  # some ask for more than there is
                client.socket.sendall(chance.randbytes(2000))
                client.socket.recv(1)
            self.note("garbage frames")

    def leave(self):
        body, headers = form({"model": "whisper-1"}, {"file": ("a.flac", RECORDING.read_bytes())})
        while self.goes_on():
            connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
            connection.putrequest("POST", "/v1/audio/transcriptions")
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders(body[:len(body) // 2])
            connection.close()
            self.note("left in mid-upload")
            time.sleep(0.05)

    def half_open(self):
        with contextlib.ExitStack() as stack:
            for _ in range(HALF_OPEN):
                s = stack.enter_context(socket.create_connection((self.server.host, self.server.port), timeout=60))
                s.sendall(b"GET /healthz HT")
            self.note("half open", 0)
            while self.goes_on():
                time.sleep(0.1)


def probe(host, port, end):
    """Latencies of /healthz until a time, and what went wrong."""
    latencies, faults = [], []
    while time.monotonic() < end:
        began = time.monotonic()
        connection = http.client.HTTPConnection(host, port, timeout=60)
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
        connection.close()
        latencies.append(time.monotonic() - began)
        if status != 200:
            faults.append(f"/healthz: {status}")
        time.sleep(0.02)
    return latencies, faults


def resident(pid):
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def guarded(load, act):
    try:
        act()
    except Exception as e:  # noqa: BLE001 a thread's end must be seen
        load.fault(f"{act.__name__}: {type(e).__name__}: {e}")


def command_seconds(recordings=100):
    """Seconds, and seconds of processors, that `sibyl transcribe` takes for a recording, the start of the process and of the
    model left out."""
    def seconds(n):
        began, children = time.monotonic(), sum(os.times()[2:4])
        subprocess.run([COMMAND, "transcribe", "--model", "digits", *[str(RECORDING)] * n], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        return time.monotonic() - began, sum(os.times()[2:4]) - children
    few, many = 2, 2 + recordings
    return [(a - b) / (many - few) for a, b in zip(seconds(many), seconds(few))]


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as line:
        return sum(map(int, line.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def cost(rounds, recordings=32):
    """Processor seconds of a recording in the server and in the command, in turns."""
    found = []
    body, headers = form({"model": "whisper-1", "response_format": "json"}, {"file": ("a.flac", RECORDING.read_bytes())})
    with Server("digits") as server:
        def transcribe(n):
            for _ in range(n):
                status, _, text = server.ask("POST", "/v1/audio/transcriptions", body, headers)
                if status != 200 or json.loads(text)["text"].strip() != SPOKEN:
                    raise AssertionError(f"transcription: {status} {text[:200]}")

        for k in range(rounds + 1):
            before = processor_seconds(server.process.pid)
            threads = [threading.Thread(target=transcribe, args=(recordings // 2,)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            used = (processor_seconds(server.process.pid) - before) / recordings
            if k:  # the first opens and packs
                found.append((used, command_seconds(recordings)[1]))
    of_server, of_command = zip(*found)
    ratios = [a / b for a, b in found]
    print(f"processors of a recording, ms, median and least of {rounds}: the server {statistics.median(of_server) * 1e3:.1f}, {min(of_server) * 1e3:.1f}; "
          f"the command {statistics.median(of_command) * 1e3:.1f}, {min(of_command) * 1e3:.1f}; ratio {statistics.median(ratios):.3f}, "
          f"of the least {min(of_server) / min(of_command):.3f}")
    return 0


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--transcriptions", type=int, default=32)
    options.add_argument("--watchers", type=int, default=64)
    options.add_argument("--cost", action="store_true")
    options.add_argument("--rounds", type=int, default=5)
    options = options.parse_args()
    if options.cost:
        return cost(options.rounds)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    alone, alone_processor = command_seconds()
    of_command = sum(os.times()[2:4])
    with Server("digits") as server:
        load = Load(server, options.seconds)
        acts = [load.transcribe] * options.transcriptions + [load.watch] * options.watchers + [
            load.run, load.health, load.deaf, load.garbage, load.leave, load.half_open]
        threads = [threading.Thread(target=guarded, args=(load, act)) for act in acts]
        for thread in threads:
            thread.start()
        memory, before = [], processor_seconds(server.process.pid)
        while load.goes_on():
            memory.append(resident(server.process.pid))
            time.sleep(1)
        used = processor_seconds(server.process.pid) - before
        for thread in threads:
            thread.join()
    clients = sum(os.times()[:4]) - of_command - used
    for what in sorted(load.counts):
        at = sorted(load.latencies[what])
        spread = f"  p50 {at[len(at) // 2] * 1e3:8.1f} ms  p99 {at[len(at) * 99 // 100] * 1e3:8.1f} ms" if len(at) > 1 else ""
        print(f"{what:28}{load.counts[what]:8}{spread}")
    recordings = load.counts["transcription"]
    print(f"transcribed {recordings * AUDIO_SECONDS / options.seconds:.1f} s of audio a second, the command {AUDIO_SECONDS / alone:.1f}: "
          f"{recordings * alone / options.seconds:.2f} of it")
    print(f"processors: the server {used / options.seconds:.2f}, its clients {clients / options.seconds:.2f}; of a recording, with all else "
          f"that was asked meanwhile, the server {used / recordings * 1e3:.1f} ms, the command {alone_processor * 1e3:.1f}: "
          f"{recordings * alone_processor / used:.2f} of it")
    print(f"memory: {memory[min(10, len(memory) - 1)]:.1f} MiB after 10 s, at most {max(memory[10:] or memory):.1f} later, {memory[-1]:.1f} at the end")
    for words in load.faults[:20]:
        print(words)
    print(f"{len(load.faults)} faults")
    return 1 if load.faults else 0


if __name__ == "__main__":
    sys.exit(main())
