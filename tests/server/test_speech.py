#!/usr/bin/env python3
"""Speech to text by OpenAI's API: each format gives what `sibyl transcribe` writes; fields of the form; streams."""
import contextlib
import functools
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from serving import COMMAND, RECORDING, SPOKEN, Server, form


# Copies of the recording of 8.16 s, one after another: of several windows, and of minutes. Fewer for builds that make
# tests slow.
QUICK = "SIBYL_QUICK" in os.environ
SEVERAL, MANY = (4, 20) if QUICK else (9, 200)  # recordings in a row


@functools.cache
def transcribed(recording, *arguments) -> dict:
    """What the command writes, by form."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([COMMAND, "transcribe", recording, "--model", "digits", "--quiet", "--format", "all", "-o", folder, *arguments],
                       check=True, capture_output=True)
        return {file.suffix[1:]: file.read_text() for file in pathlib.Path(folder).iterdir()}


def segments_of(recording, *arguments) -> list:
    return json.loads(transcribed(recording, *arguments)["json"])["segments"]


def repeated(path, times: int):
    """Writes the recording several times in a row as a WAV file."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-stream_loop", str(times - 1), "-i", RECORDING, path], check=True)
    return path


def events(text: bytes) -> list:
    """Name or None, and data, of each server-sent event."""
    found = []
    for block in text.decode().split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((lines.get("event"), json.loads(lines["data"])))
    return found


class Speech(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.long = repeated(cls.folder / "long.wav", SEVERAL)
        cls.recordings = [RECORDING] if QUICK else [RECORDING, cls.long]
        cls.server = cls.enterClassContext(Server("digits", "--jobs", "2"))

    def ask(self, fields, recording=RECORDING, route="transcriptions"):
        body, headers = form(fields, {"file": (recording.name, recording.read_bytes())})
        return self.server.ask("POST", f"/v1/audio/{route}", body, headers)

    def given(self, fields, recording=RECORDING, route="transcriptions") -> str:
        status, _, text = self.ask(fields, recording, route)
        self.assertEqual(status, 200, text)
        return text.decode()

    def fails(self, part, fields, status=400):
        got, _, text = self.ask(fields)
        self.assertEqual(got, status, text)
        error = json.loads(text)["error"]
        self.assertIn(part, error["message"])
        return error

    # ---- Formats ----

    def test_subtitles_are_those_of_the_command(self):
        for recording in self.recordings:
            for name in "srt", "vtt":
                self.assertEqual(self.given({"response_format": name}, recording), transcribed(recording)[name])
        self.assertEqual(self.ask({"response_format": "vtt"})[1]["Content-Type"], "text/vtt; charset=utf-8")
        self.assertIn(" --> ", self.given({"response_format": "srt"}, route="translations"))

    def test_words_and_segments_are_those_of_the_command(self):
        for recording in self.recordings:
            expected = json.loads(transcribed(recording, "--word-timestamps")["json"])
            got = json.loads(self.given([("response_format", "verbose_json"), ("timestamp_granularities[]", "word"),
                                         ("timestamp_granularities[]", "segment")], recording))
            words = [w for s in expected["segments"] for w in s.get("words", [])]
            self.assertGreater(len(words), 8)
            self.assertEqual(got["words"], [{**w, "word": w["word"].strip()} for w in words])
            self.assertTrue(all(0 < w["probability"] <= 1 for w in words))
            for s in expected["segments"]:
                s.pop("words", None)
            self.assertEqual(got["segments"], expected["segments"])
            self.assertEqual(got["text"], expected["text"].strip())

    def test_segments_alone(self):
        recording = self.recordings[-1]
        expected = json.loads(transcribed(recording)["json"])
        for granularity in [], [("timestamp_granularities[]", "segment")]:
            got = json.loads(self.given([("response_format", "verbose_json"), *granularity], recording))
            self.assertEqual(got["segments"], expected["segments"])
            self.assertNotIn("words", got)
        self.assertEqual((got["task"], got["language"]), ("transcribe", "english"))
        self.assertAlmostEqual(got["duration"], (1 if QUICK else SEVERAL) * 8.16, delta=0.1)
        self.assertEqual(got["usage"], {"type": "duration", "seconds": got["duration"]})

    def test_words_alone(self):
        got = json.loads(self.given({"response_format": "verbose_json", "timestamp_granularities[]": "word"}))
        self.assertNotIn("segments", got)
        self.assertEqual(" ".join(w["word"] for w in got["words"]), SPOKEN)

    # ---- Fields ----

    def test_refused_fields(self):
        word, verbose = {"timestamp_granularities[]": "word"}, {"response_format": "verbose_json"}
        self.assertEqual(self.fails("verbose_json", word)["param"], "timestamp_granularities[]")
        self.fails("word, segment, not 'character'", {**verbose, "timestamp_granularities[]": "character"})
        self.fails("json, text, srt, vtt, verbose_json", {"response_format": "diarized_json"})
        for value in "1.5", "-0.1", "warm", "nan", "0x0", "0.5 ":
            self.assertEqual(self.fails("from 0 to 1", {"temperature": value})["param"], "temperature")
        for name in "languages[]", "chunking_strategy", "known_speaker_names[]", "known_speaker_references[]":
            self.assertEqual(self.fails("not supported", {name: "auto"})["param"], name)
        self.assertEqual(self.fails("'speed'", {"speed": "2"})["param"], "speed")
        self.fails("twice", [("language", "en"), ("language", "de")])
        self.fails("byte 0", {"prompt": "a\0b"})
        self.fails("klingon", {"language": "klingon"})
        self.fails("from 1 to 20", {"beam_size": "1000"})
        self.fails("stream", {"stream": "perhaps"})
        self.fails("json, text or verbose_json", {"stream": "true", "response_format": "srt"})

    def test_log_probabilities(self):
        """Of the text's tokens: they make it, and with those of times and of the end their mean is the segment's."""
        for recording in self.recordings:
            got = json.loads(self.given({"include[]": "logprobs"}, recording))
            self.assertEqual(set(got), {"text", "logprobs"})
            self.assertEqual(b"".join(bytes(t["bytes"]) for t in got["logprobs"]).decode().strip(), got["text"])
            self.assertEqual("".join(t["token"] for t in got["logprobs"]).strip(), got["text"])
            self.assertTrue(all(-20 < t["logprob"] <= 0 for t in got["logprobs"]))
            _, _, text = self.ask({"include[]": "logprobs", "stream": "true"}, recording)
            streamed = [data for _, data in events(text)]
            self.assertEqual(streamed[-1], {"type": "transcript.text.done", **got})
            self.assertEqual([t for e in streamed[:-1] for t in e["logprobs"]], got["logprobs"])
            for e in streamed[:-1]:
                self.assertEqual("".join(t["token"] for t in e["logprobs"]).strip(), e["delta"].strip())
        self.fails("response_format json", {"include[]": "logprobs", "response_format": "text"})
        self.fails("logprobs, not 'usage'", {"include[]": "usage"})

    def test_options_reach_the_procedure(self):
        def segment(**fields):
            return json.loads(self.given({"response_format": "verbose_json", **fields}))["segments"][0]

        self.assertEqual(segment(temperature="0")["temperature"], 0)
        self.assertEqual(segment(temperature="0.5")["temperature"], 0.5)
        expected = segments_of(RECORDING, "--beam", "1", "--initial-prompt", "nine nine")
        self.assertEqual(segment(beam_size="1", prompt="nine nine"), expected[0])
        plain = segment()["avg_logprob"]
        self.assertNotEqual(plain, expected[0]["avg_logprob"])
        expected = segments_of(RECORDING, "--hotwords", "six, nine")[0]
        self.assertEqual(json.loads(self.given([("response_format", "verbose_json"), ("keywords[]", "six"), ("keywords[]", "nine")]))
                         ["segments"][0], expected)
        self.assertEqual(segment(hotwords="six, nine"), expected)
        self.assertNotEqual(plain, expected["avg_logprob"])
        once = segment(temperature="1", seed="3", best_of="1")
        self.assertEqual(once, segment(temperature="1", seed="3", best_of="1"))

    # ---- Streams ----

    def test_stream(self):
        for recording in RECORDING, self.long:
            status, headers, text = self.ask({"stream": "true"}, recording)
            self.assertEqual((status, headers["Content-Type"]), (200, "text/event-stream"))
            got = events(text)
            deltas = [data["delta"] for name, data in got if data["type"] == "transcript.text.delta"]
            self.assertEqual("".join(deltas), json.loads(self.given({}, recording))["text"])
            self.assertEqual(got[-1], (None, {"type": "transcript.text.done", "text": "".join(deltas)}))
            self.assertEqual(len(got), len(deltas) + 1)
            self.assertGreaterEqual(len(deltas), 1 if recording == RECORDING else SEVERAL * 8.16 // 30) # one per window

    def test_segments_of_a_stream_are_those_of_the_command(self):
        verbose = {"response_format": "verbose_json"}
        entire = json.loads(self.given(verbose))
        entire.pop("segments")
        word = {"timestamp_granularities[]": "word"}, ["--word-timestamps"]
        for recording, (more, option) in [(RECORDING, ({}, [])), (RECORDING, word), (self.long, word)][:2 if QUICK else 3]:
            expected = segments_of(recording, *option)
            got = [data for _, data in events(self.ask({"stream": "true", **verbose, **more}, recording)[2])]
            self.assertEqual(got[:-1], [{"type": "transcript.text.segment", **s} for s in expected])
            if recording == RECORDING:
                self.assertEqual(got[-1], {"type": "transcript.text.done", **entire})

    def begin_stream(self, recording):
        body, headers = form({"stream": "true"}, {"file": (recording.name, recording.read_bytes())})
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=120)
        connection.request("POST", "/v1/audio/transcriptions", body, headers)
        return connection, connection.getresponse()

    def test_errors_before_a_stream_have_a_status(self):
        self.assertEqual(self.fails("klingon", {"stream": "true", "language": "klingon"})["type"], "invalid_request_error")

    def metric(self, name: str) -> float:
        text = self.server.ask("GET", "/metrics")[2].decode()
        return float(re.search(rf"^{name}\S* (\S+)$", text, re.M)[1])

    def test_a_client_that_goes_ends_the_work(self):
        recording = repeated(self.folder / "longer.wav", MANY)
        before = self.metric("sibyl_audio_seconds_total")
        connection, answer = self.begin_stream(recording)
        self.assertTrue(answer.readline().startswith(b"data:"))
        self.assertEqual(self.metric("sibyl_queue_running"), 1)  # text comes while the rest is decoded
        answer.close()
        connection.close()
        while self.metric("sibyl_queue_running"):
            time.sleep(0.005)
        self.assertEqual(self.metric("sibyl_audio_seconds_total"), before)  # it ended before the recording did


class End(unittest.TestCase):
    def test_an_error_in_a_stream_is_its_last_event(self):
        """And comes though the work takes longer to end than the server waits for clients: all of the process stands still."""
        with tempfile.TemporaryDirectory() as folder, Server("digits", "--grace", "0.5") as s:
            recording = repeated(pathlib.Path(folder) / "long.wav", MANY)
            body, headers = form({"stream": "true"}, {"file": ("long.wav", recording.read_bytes())})
            connection = http.client.HTTPConnection(s.host, s.port, timeout=120)
            connection.request("POST", "/v1/audio/transcriptions", body, headers)
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            first = answer.readline() + answer.readline()
            s.process.terminate()  # in the middle of the recording
            while True:  # until it takes no connections: it has begun to stop
                with socket.create_connection((s.host, s.port)) as other, contextlib.suppress(ConnectionResetError):
                    other.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    if not other.recv(1):
                        break
            s.process.send_signal(signal.SIGSTOP)
            time.sleep(3)  # beyond the grace and 2 s more
            s.process.send_signal(signal.SIGCONT)
            got = events(first + answer.read())
            connection.close()
            self.assertEqual(got[0][1]["type"], "transcript.text.delta")
            self.assertEqual(got[-1][0], "error")
            self.assertIn("cancelled", got[-1][1]["error"]["message"])
            self.assertNotIn("transcript.text.done", [data.get("type") for _, data in got])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
