#!/usr/bin/env python3
"""POST /v1/audio/speech: texts as WAV files and as samples, and what is refused."""
import json
import pathlib
import struct
import sys
import tempfile
import unittest

import onnx_file as onnx
from serving import Server, identity_model

SYMBOLS = "_^$ab"


def write_voice(path: pathlib.Path, several: bool) -> None:
    """A voice as Piper exports them, whose samples are its ids, a hundredth of each, times the length scale and the speaker's number and one."""
    ids = [("input", ["B", "N"], onnx.INT64), ("input_lengths", ["B"], onnx.INT64), ("scales", [3], onnx.FLOAT)]
    nodes = [onnx.node("Cast", ["input"], ["floats"], to=onnx.FLOAT), onnx.node("Gather", ["scales", "one"], ["slower"], axis=0),
             onnx.node("Cast", ["input_lengths"], ["length"], to=onnx.FLOAT), onnx.node("Div", ["length", "length"], ["unity"]),
             onnx.node("Mul", ["floats", "small"], ["tiny"]), onnx.node("Mul", ["tiny", "unity"], ["little"]), onnx.node("Mul", ["little", "slower"], ["output" if not several else "own"])]
    if several:
        ids.append(("sid", ["B"], onnx.INT64))
        nodes += [onnx.node("Cast", ["sid"], ["number"], to=onnx.FLOAT), onnx.node("Add", ["number", "unit"], ["by"]), onnx.node("Mul", ["own", "by"], ["output"])]
    constants = [onnx.tensor("one", onnx.INT64, [1], struct.pack("<q", 1)), onnx.tensor("small", onnx.FLOAT, [1], struct.pack("<f", 0.01)),
                 onnx.tensor("unit", onnx.FLOAT, [1], struct.pack("<f", 1))]
    path.write_bytes(onnx.model(onnx.graph("g", nodes, [onnx.value(*i) for i in ids], [onnx.value("output", ["B", "N"])], constants[: 3 if several else 2])))
    config = {"audio": {"sample_rate": 8000}, "phoneme_type": "text", "phoneme_id_map": {c: [i] for i, c in enumerate(SYMBOLS)},
              "num_speakers": 3 if several else 1}
    pathlib.Path(f"{path}.json").write_text(json.dumps(config))


def samples(text: str, by: float = 1) -> list:
    ids = [1, 0, *(i for c in text for i in (SYMBOLS.index(c), 0)), 2]
    return [round(32768 * 0.01 * i * by) for i in ids]


class Spoken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        write_voice(folder / "one.onnx", False)
        write_voice(folder / "three.onnx", True)
        (folder / "same.onnx").write_bytes(identity_model())
        cls.server = cls.enterClassContext(Server(str(folder / "three.onnx"), str(folder / "one.onnx"), str(folder / "same.onnx")))

    def ask(self, **body):
        status, headers, data = self.server.ask("POST", "/v1/audio/speech", json.dumps(body), {"Content-Type": "application/json"})
        return status, headers, data

    def said(self, by=1.0, **body):
        status, headers, data = self.ask(response_format="pcm", **body)
        self.assertEqual((status, headers["Content-Type"]), (200, "audio/pcm;rate=8000"), data)
        found = struct.unpack(f"<{len(data) // 2}h", data)
        for a, b in zip(found, samples(body["input"], by), strict=True):
            self.assertLessEqual(abs(a - b), 1)
        return data

    def test_kinds(self):
        kinds = {m["id"]: m["kind"] for m in self.server.json("GET", "/api/models")[1]["models"]}
        self.assertEqual(kinds, {"three": "text-to-speech", "one": "text-to-speech", "same": "graph"})

    def test_a_text(self):
        data = self.said(input="abba", model="one", voice="alloy")
        status, headers, wav = self.ask(input="abba", model="one", voice="alloy", response_format="wav", stream_format="audio", speed=None)
        self.assertEqual((status, headers["Content-Type"]), (200, "audio/wav"))
        self.assertEqual((wav[:4], wav[8:12], wav[44:]), (b"RIFF", b"WAVE", data))
        self.assertEqual(struct.unpack("<I", wav[24:28])[0], 8000)
        self.assertEqual(self.ask(input="abba", model="one")[2], wav)

    def test_speakers_and_speed(self):
        self.said(input="ab", voice="0")  # the first model
        self.said(input="ab", voice="2", by=3)
        self.said(input="ab", voice="2", speed=0.5, by=6)

    def test_refused(self):
        for body, status, words in (
            ({}, 400, "no input"),
            ({"input": 1}, 400, "input must be a text"),
            ({"input": "a" * 65537}, 400, "input must be a text"),
            ({"input": "a", "voice": "x"}, 400, "voice must be the number"),
            ({"input": "a", "voice": "3"}, 400, "speaker is 3"),
            ({"input": "a", "response_format": "mp3"}, 400, "'wav' or 'pcm'"),
            ({"input": "a", "stream_format": "sse"}, 400, "stream_format must be"),
            ({"input": "a", "speed": 5}, 400, "speed must be"),
            ({"input": "a", "seed": -1}, 400, "seed must be"),
            ({"input": "a", "seed": 1}, 400, "takes no seed"),
            ({"input": "a", "instructions": "softly"}, 400, "there is no field 'instructions'"),
            ({"input": "a", "phonemes": True}, 400, "no phonemes"),
            ({"input": "c"}, 400, "U+0063"),
            ({"input": ""}, 400, "no character"),
            ({"input": "a", "model": "same"}, 400, "speaks"),
            ({"input": "a", "model": "none"}, 404, "none"),
        ):
            with self.subTest(body):
                got, _, data = self.ask(**body)
                self.assertEqual(got, status, data)
                self.assertIn(words, json.loads(data)["error"]["message"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
