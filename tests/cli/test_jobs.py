"""`sibyl job`, `transcribe`, `generate` and `vad` end to end, on small models."""

import json
import math
import os
import pty
import re
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

from command import COMMAND, SOURCE, Case, npy_bytes, read_npy, sibyl, tone, until_it_catches, w, write_wav

DIGITS = SOURCE / "assets" / "digits"
DATA = next((p for p in (Path(os.environ.get("SIBYL_DATA", "/nowhere")), SOURCE.parent / "shared" / "data") if (p / "README.md").is_file()), None)

COUNT = {"sibyl_job": 1, "kind": "counting", "doc": "x and a state", "models": {"m": "count.onnx"},
         "calls": {"count": {"model": "m", "inputs": {"x": "x"}, "outputs": {"y": "y"}, "state": {"s": "next"}}},
         "inputs": {"x": {"type": "tensor", "doc": "rows"}, "n": {"type": "number", "default": None}, "words": {"type": "text", "default": "none"}},
         "nodes": [{"name": "loop", "op": "loop", "over": {"row": "$x"}, "max_steps": "$n",
                    "body": [{"name": "next", "op": "call", "calls": {"model": "count"}, "inputs": {"x": "$row"}}], "collect": {"y": "$next"}}],
         "outputs": {"y": "$loop", "words": "$words"}}


class Jobs(Case):
    def setUp(self):
        super().setUp()
        self.wav.unlink()

    def counting(self, name="count.job.json", **changes):
        one = w.tensor_type("float32", [1])
        nodes = [w.node("Add", ["x", "s"], ["y"]), w.node("Add", ["s", "one"], ["next"])]
        (self.folder / "count.onnx").write_bytes(w.model(nodes, {"x": w.tensor_type("float32", ["N"]), "s": one}, {
            "y": w.tensor_type("float32", ["N"]), "next": one}, [w.floats("one", [1])]))
        (self.folder / name).write_text(json.dumps(COUNT | changes))
        (self.folder / "x.npy").write_bytes(npy_bytes([3, 2], [0, 10, 20, 30, 40, 50]))

    def digits(self):
        """In quick runs with windows of 10 s, whose encoder takes a third of the time."""
        windows = ("--audio-context", 500) if os.environ.get("SIBYL_QUICK") else ()
        self.done("import", DIGITS / "digits.pt", "-o", "digits.onnx", *windows)
        (self.folder / "digits.tiktoken").write_bytes((DIGITS / "digits.tiktoken").read_bytes())

    def silero(self):
        """A model with Silero's border whose probability is that the window's loudest sample is above 0.25."""
        nodes = [w.node("Abs", ["input"], ["loud"]), w.node("ReduceMax", ["loud"], ["most"]), w.node("Greater", ["most", "limit"], ["is"]),
                 w.node("Cast", ["is"], ["speech"], to=1), w.node("Cast", ["sr"], ["rate"], to=1),
                 w.node("Mul", ["rate", "none"], ["zero"]), w.node("Add", ["speech", "zero"], ["output"]), w.node("Identity", ["state"], ["stateN"])]
        state = w.tensor_type("float32", [2, "B", 128])
        (self.folder / "v.onnx").write_bytes(w.model(
            nodes, {"input": w.tensor_type("float32", ["B", "N"]), "state": state, "sr": w.tensor_type("int64", [])},
            {"output": w.tensor_type("float32", [1, 1]), "stateN": state}, [w.floats("limit", [0.25]), w.floats("none", [0], [])]))


class Job(Jobs):
    def test_installed_models_by_name(self):
        (self.folder / "models" / "small").mkdir(parents=True)
        self.done("import", DIGITS / "digits.pt", "-o", "models/small/small.onnx")
        shutil.copy(DIGITS / "digits.tiktoken", self.folder / "models" / "small" / "small.tiktoken")
        there = {"env": dict(os.environ, SIBYL_MODELS=str(self.folder / "models"))}
        self.assertEqual(self.done("job", "small", "--describe", **there), self.done("job", "models/small/small.onnx", "--describe"))
        self.assertIn("segments", self.done("job", "small", "--ports", **there))
        self.fails(1, "no model of that name is installed", "job", "large", "--describe", **there)

    def test_runs_and_shows(self):
        self.counting()
        text = self.done("job", "count.job.json", "-i", "x=x.npy")
        self.assertIn("words: none\n", text)
        self.assertIn("y  float32 (3, 2)  0 to 52", text)
        found = json.loads(self.done("job", "count.onnx", "-i", "x=x.npy", "--json", "--tap", "count/step[1]/y", "--tap", "*/model/next"))
        self.assertEqual(found["outputs"]["y"] | {"mean": 0}, {"dtype": "float32", "dims": [3, 2], "min": 0.0, "max": 52.0, "mean": 0})
        self.assertEqual([t["path"] for t in found["taps"]], ["count/step[0]/model/next", "count/step[1]/model/next", "count/step[1]/y",
                                                              "count/step[2]/model/next"])
        self.assertEqual(found["taps"][2]["max"], 31)
        found = json.loads(self.done("job", "count.job.json", "-i", "x=x.npy", "-i", "n=2", "--output", "y", "--json"))
        self.assertEqual((list(found["outputs"]), found["outputs"]["y"]["dims"]), (["y"], [2, 2]))

    def test_writes_files(self):
        self.counting("job.json")
        (self.folder / "out").mkdir()
        (self.folder / "t").write_bytes(b"a\xffb\n")
        self.done("job", ".", "-i", "x=x.npy", "-i", "words=@t", "-o", "out", "--tap", "loop/*/next/y")
        shape, values = read_npy(self.folder / "out" / "y.npy")
        self.assertEqual((shape, list(values)), ((3, 2), [0, 10, 21, 31, 42, 52]))
        self.assertEqual((self.folder / "out" / "words.txt").read_bytes(), b"a\xffb\n")
        self.assertEqual(len(list((self.folder / "out").iterdir())), 5)
        self.done("job", ".", "-i", "x=x.npy", "-i", "words=@t", "-o", "made")
        self.done("job", ".", "-i", "x=x.npy", "--output", "y", "--tap", "loop/step[0]/next/y")
        self.fails(1, "no value is named 'loop/step[0]/none'", "job", ".", "-i", "x=x.npy", "--output", "y", "--tap", "loop/step[0]/none")
        self.assertIn("y.npy", [p.name for p in (self.folder / "made").iterdir()])
        self.fails(1, "no/where", "job", ".", "-i", "x=x.npy", "-o", "no/where")
        self.fails(1, "is not a folder", "job", ".", "-i", "x=x.npy", "-o", "x.npy")
        (self.folder / "out" / "words.txt").unlink()
        (self.folder / "out" / "words.txt").mkdir()  # cannot be a file
        self.fails(1, "words.txt", "job", ".", "-i", "x=x.npy", "-o", "out", "--output", "words")
        self.assertEqual([p.name for p in (self.folder / "out").iterdir() if p.name.endswith(".part")], [])

    def test_ports_and_documents(self):
        self.counting()
        text = self.done("job", "count.job.json", "--ports")
        self.assertRegex(text, r"\Ainputs\n  x +tensor +rows \(needed\)\n  n +number +\n  words +text +\noutputs\n  y +tensor +\n  words +text +\n\Z")
        described = json.loads(self.done("job", "features", "--describe"))
        self.assertEqual(described, json.loads((SOURCE / "src/job/standard/features.json").read_text()))
        write_wav(self.folder / "a.wav", tone(1))
        found = json.loads(self.done("job", "features", "-i", "audio=a.wav", "--json"))["outputs"]["features"]
        self.assertEqual(found["dims"], [80, 100])
        self.silero()
        self.assertEqual(json.loads(self.done("job", "v.onnx", "--describe"))["kind"], "voice-activity")

    def test_confine(self):
        self.counting()
        self.done("job", "count.job.json", "-i", "x=x.npy", "--confine")
        self.counting("away.json", models={"m": str(self.folder / "count.onnx")})
        self.done("job", "away.json", "-i", "x=x.npy")
        self.fails(1, "is an absolute path, expected a path in the folder", "job", "away.json", "-i", "x=x.npy", "--confine")

    def test_misuse(self):
        self.counting()
        self.fails(2, "expected one job, got 0", "job")
        self.fails(2, "expected one job, got 2", "job", "a", "b")
        self.fails(1, "no file 'nothing', and no model", "job", "nothing")
        self.fails(1, "no input 'z'", "job", "count.job.json", "-i", "z=1")
        self.fails(1, "expected NAME=VALUE", "job", "count.job.json", "-i", "x")
        self.fails(1, "input 'n': 'three' is not a number", "job", "count.job.json", "-i", "n=three")
        self.fails(1, "no.npy", "job", "count.job.json", "-i", "x=no.npy")
        self.fails(1, "no output 'z'", "job", "count.job.json", "-i", "x=x.npy", "--output", "z")
        self.fails(1, "does not end within 2 steps", "job", "count.job.json", "-i", "x=x.npy", "--max-steps", 2)
        self.fails(1, "tensor with an axis", "job", "count.job.json")
        for name, change, place in (("port", {"outputs": {"y": "$loop.z"}}, "/outputs/y: 'loop' has no port 'z'"),
                                    ("ends", {"nodes": [{"name": "l", "op": "loop", "body": COUNT["nodes"][0]["body"]}]}, "/nodes/0/body/0/inputs/x"),
                                    ("model", {"models": {"m": "other.onnx"}}, "other.onnx")):
            self.counting(f"{name}.json", **change)
            self.fails(1, place, "job", f"{name}.json", "-i", "x=x.npy")
        (self.folder / "bad.json").write_text("{")
        self.fails(1, "bad.json: line 1", "job", "bad.json")


class Transcribe(Jobs):
    def setUp(self):
        super().setUp()
        self.digits()
        self.recording = DIGITS / "sample.flac"
        self.words = ("transcribe", self.recording, "--model", "digits.onnx")

    @staticmethod
    def clock(seconds, hours, point):
        ms = round(seconds * 1000)
        front = f"{ms // 3600000:02}:" if hours or ms >= 3600000 else ""
        return f"{front}{ms // 60000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"

    def expected(self, form, segments):
        """A file of openai-whisper's writers."""
        lines = []
        for i, s in enumerate(segments):
            begin, end, text = s["start"], s["end"], s["text"].strip()
            if s.get("words"):
                begin, end = s["words"][0]["start"], s["words"][-1]["end"]
            if form == "txt":
                lines.append(text + "\n")
            elif form == "tsv":
                lines.append(f"{round(1000 * s['start'])}\t{round(1000 * s['end'])}\t{text}\n")
            else:
                a, b = (self.clock(t, form == "srt", "," if form == "srt" else ".") for t in (begin, end))
                lines.append((f"{i + 1}\n" if form == "srt" else "") + f"{a} --> {b}\n{text}\n\n")
        return {"tsv": "start\tend\ttext\n", "vtt": "WEBVTT\n\n"}.get(form, "") + "".join(lines)

    def test_trace(self):
        """Nodes of the job, calls of its models, their runs and their nodes, inside each other."""
        self.done(*self.words, "--trace", "t.json", "--quiet", "--threads", "1")
        spans = [e for e in json.loads((self.folder / "t.json").read_text())["traceEvents"] if e["ph"] == "X"]
        names = {(e["cat"], e["name"]) for e in spans}
        for inner, outer in (("call", "job"), ("run", "call"), ("node", "run")):
            around = [e for e in spans if e["cat"] == outer]
            for e in (e for e in spans if e["cat"] == inner):
                self.assertTrue(any(o["ts"] <= e["ts"] + 0.001 and e["ts"] + e["dur"] <= o["ts"] + o["dur"] + 0.001
                                    for o in around), e)
        self.assertIn(("call", "decoder/step[0]"), names)

    def test_backend(self):
        """A job's models, and those of transcribe and vad, run on the backends that are named."""
        self.silero()
        for command in (("transcribe", "--vad", "v.onnx"), ("vad", "--model", "v.onnx"), ("job", "digits.onnx")):
            operands = ("-i", f"audio={self.recording}") if command[0] == "job" else (self.recording,)
            model = ("--model", "digits.onnx") if command[0] == "transcribe" else ()
            self.fails(1, "no backend 'abacus'", *command, *model, *operands, "--backend", "ref,abacus")
        if os.environ.get("SIBYL_QUICK"):
            return  # a window of 30 s on ref and on gpu-host takes minutes in instrumented builds
        texts = [self.done(*self.words, "--format", "json", "--trace", f"{b}.json", *more) for b, more in (
            ("all", ()), ("ref", ("--backend", "ref")), ("host", ("--backend", "gpu-host,cpu")))]
        self.assertEqual(len({json.loads(t)["text"] for t in texts}), 1)
        ran = [{e["args"]["backend"] for e in json.loads((self.folder / f"{b}.json").read_text())["traceEvents"]
                if e["ph"] == "X" and e["cat"] == "node"} for b in ("all", "ref", "host")]
        self.assertIn("cpu", ran[0])
        self.assertEqual(ran[1], {"ref"})
        self.assertIn("gpu-host", ran[2])

    def test_formats(self):
        found = json.loads(self.done(*self.words, "--format", "json", "--quiet"))
        self.assertEqual(list(found), ["text", "segments", "language"])
        self.assertEqual(found["language"], "en")
        self.assertTrue(found["segments"])
        self.assertEqual(list(found["segments"][0]), ["id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob",
                                                      "compression_ratio", "no_speech_prob"])
        self.assertEqual("".join(s["text"] for s in found["segments"]), found["text"])
        for form in ("txt", "srt", "vtt", "tsv"):
            self.assertEqual(self.done(*self.words, "--format", form), self.expected(form, found["segments"]), form)
        (self.folder / "out").mkdir()
        result = sibyl(*self.words, "--format", "all", "-o", "out", folder=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr.decode(), r"sample.flac: 8\.\d s transcribed in [0-9.]+ s, [0-9.]+ x real time\n\Z")
        self.assertEqual(result.stdout.decode(), "".join(
            f"[{self.clock(s['start'], False, '.')} --> {self.clock(s['end'], False, '.')}] {s['text']}\n" for s in found["segments"] if s["text"]))
        self.assertEqual(sorted(p.name for p in (self.folder / "out").iterdir()), [f"sample.{e}" for e in ("json", "srt", "tsv", "txt", "vtt")])
        for form in ("txt", "srt", "vtt", "tsv"):
            self.assertEqual((self.folder / "out" / f"sample.{form}").read_text(), self.expected(form, found["segments"]), form)
        self.assertEqual(json.loads((self.folder / "out" / "sample.json").read_text()), found)

    def test_features_in_fixed_point(self):
        """The same words from the features of a chip as from those in floating point."""
        texts = [self.done(*self.words, "--features", f, "--format", "txt", "--quiet") for f in ("float", "fixed", "int8")]
        self.assertRegex(texts[0], r"\A[a-z \n]{20,}\Z")
        self.assertEqual(texts, texts[:1] * 3)
        self.fails(2, "float|fixed|int16|int8", *self.words, "--features", "int4")

    def test_words(self):
        found = json.loads(self.done(*self.words, "--format", "json", "--word-timestamps"))
        for s in found["segments"]:
            self.assertIn("words", s)  # an empty list where there are none
            self.assertEqual("".join(x["word"] for x in s["words"]), s["text"])
            times = [t for x in s["words"] for t in (x["start"], x["end"])]
            self.assertEqual(times, sorted(times))
        self.assertTrue(any(s["words"] for s in found["segments"]))
        self.assertEqual(self.done(*self.words, "--format", "srt", "--word-timestamps"), self.expected("srt", found["segments"]))

    def test_silence_and_speech_only(self):
        write_wav(self.folder / "quiet.wav", tone(2, 0))
        self.silero()
        found = json.loads(self.done("transcribe", "quiet.wav", "--model", "digits.onnx", "--vad", "v.onnx", "--format", "json"))
        self.assertEqual((found["text"], found["segments"]), ("", []))
        self.fails(1, "both select what is transcribed", *self.words, "--vad", "v.onnx", "-i", "clip_timestamps=0,1")

    def test_several_recordings(self):
        write_wav(self.folder / "a.wav", tone(1))
        (self.folder / "b.wav").write_bytes(b"no sound")
        (self.folder / "out").mkdir()
        result = sibyl("transcribe", "a.wav", "b.wav", DIGITS / "sample.flac", "--model", "digits.onnx", "-o", "out", folder=self.folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"b.wav", result.stderr)
        self.assertIn(b"2 of 3 recordings", result.stderr)
        self.assertEqual(sorted(p.name for p in (self.folder / "out").iterdir()), ["a.txt", "sample.txt"])
        self.fails(1, "would be written to the same file", "transcribe", "a.wav", "out/a.flac", "--model", "digits.onnx", "-o", "out")

    def test_names_of_openai_whisper(self):
        """Its options by its names and values, in place of the command's own."""
        expected = self.done(*self.words, "--format", "json", "--beam", 2, "--best-of", 3)
        self.assertEqual(self.done(*self.words, "--format", "json", "-i", "beam_size=2", "-i", "best_of=3", "-i", "task=transcribe",
                                   "-i", "condition_on_previous_text=True", "-i", "no_speech_threshold=0.6", "-i", "patience=None"), expected)
        self.fails(1, "true or false", *self.words, "-i", "suppress_blank=Yes")

    def test_options_of_whisper(self):
        """openai-whisper's own, as they are typed there."""
        expected = self.done(*self.words, "--format", "json", "--word-timestamps", "--beam", 1, "-i", "temperature=0.4,0.6,0.8,1")
        self.done(*self.words, "--output_dir", "out", "--output_format", "json", "--verbose", "False", "--word_timestamps", "True",
                  "--beam_size", "None", "--temperature", 0.4, "--task", "transcribe", "--language", "English", "--threads", 2,
                  "--condition_on_previous_text=True", "--no_speech_threshold", 0.6, "--max_line_width", "None", "--suppress_tokens", "-1",
                  "--clip_timestamps", 0, "--carry_initial_prompt", "False", "--device", "cpu")
        self.assertEqual((self.folder / "out" / "sample.json").read_text(), expected)
        result = sibyl(*self.words, "--fp16", "False", "--fp16=False", "--model_dir", "x", "--quiet", folder=self.folder)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b"sibyl: taken without effect: --fp16, --model-dir\n"))
        spoken = [x for s in json.loads(expected)["segments"] for x in s["words"]]
        cues = self.done(*self.words, "-f", "vtt", "--beam", 1, "--temperature", 0.4, "--max_words_per_line", 2, "--highlight_words", "True").split("\n\n")
        self.assertEqual([re.findall("<u>(.*)</u>", cue) for cue in cues if "<u>" in cue], [[x["word"].strip()] for x in spoken])
        self.assertEqual({len(cue.split("\n")[-1].split()) for cue in cues if "-->" in cue}, {1, 2})

    def test_options_of_whisper_cli(self):
        """whisper.cpp's own, as they are typed there."""
        recording = shutil.copy(self.recording, self.folder / "a.flac")
        self.done("transcribe", "-m", "digits.onnx", "-f", recording, "-l", "auto", "-t", 2, "-otxt", "-osrt", "-ocsv", "-on", 4, "-np", "-bs", 1, "-nf")
        text = (self.folder / "a.flac.txt").read_text()
        self.assertEqual(self.done("transcribe", "-m", "digits.onnx", "a.flac", "--format", "txt", "--beam", 1, "-i", "temperature=0"), text)
        self.assertTrue((self.folder / "a.flac.srt").read_text().startswith("5\n00:00:0"))
        self.assertEqual((self.folder / "a.flac.csv").read_text().splitlines()[0], "start,end,text")
        result = sibyl("transcribe", "-m", "digits.onnx", "a.flac", "-of", "b", "-oj", "-ml", 1, "-sow", "-np", "-pp", folder=self.folder)
        self.assertEqual((result.returncode, result.stderr.decode().split("\n")[-2]), (0, "a.flac: 100%"))
        segments = json.loads((self.folder / "b.json").read_text())["segments"]
        self.assertTrue(all(len(s["text"].split()) <= 1 for s in segments))
        self.assertEqual(" ".join(s["text"].strip() for s in segments).split(), text.split())
        self.assertEqual(result.stdout.decode().count("-->"), len(segments))
        self.assertEqual(self.done("transcribe", "-m", "digits.onnx", "a.flac", "-dl", "-np"), "a.flac: en\n")
        part = self.done(*self.words, "-ot", 3000, "-d", 2500, "--format", "tsv").splitlines()[1:]
        # times are the model's, in steps of 20 ms: an end may be a few of them behind that of the part
        self.assertTrue(part and all(3000 <= int(n) <= 5600 for line in part for n in line.split("\t")[:2]), part)
        plain = self.done(*self.words, "-nt", "--print-colors", "--beam", 1)
        self.assertEqual(plain.split(), text.split())  # no terminal, no colours
        self.fails(2, ["--grammar is not built", "constrained"], *self.words, "--grammar", "x")
        self.fails(2, "one recording, not of 2", *self.words, "a.flac", "-of", "b", "-otxt")
        self.fails(2, "writes no transcript", *self.words, "-dl", "-otxt")
        self.fails(1, "both select what is transcribed", *self.words, "-ot", 1, "-i", "clip_timestamps=0,1")
        self.fails(2, "--live writes no files", "transcribe", "--live", "-", "-otxt")

    def test_picture_in_a_file(self):
        """Text of an SVG are the title, labels and words in their order."""
        self.silero()
        text = self.done(*self.words, "--png", "p.svg", "--format", "txt", "--vad", "v.onnx")
        written = re.findall(">([^<]*)</text>", (self.folder / "p.svg").read_text())
        self.assertEqual(written[0], "sample.flac")
        self.assertEqual([word for word in written if re.fullmatch("[a-z]+", word) and word != "value"], text.split())
        self.assertIn("#3c9a5f", (self.folder / "p.svg").read_text())  # where there is speech
        self.done(*self.words, "--png", "p.png", "--quiet")
        self.assertEqual((self.folder / "p.png").read_bytes()[:4], b"\x89PNG")
        self.fails(2, "one recording", *self.words, "a.flac", "--png", "p.png")
        text = self.done(*self.words, "--attention", "p.svg", "--format", "txt")
        written = re.findall(">([^<]*)</text>", (self.folder / "p.svg").read_text())
        self.assertEqual(written[:1] + [word.strip() for word in written if re.fullmatch(" *[a-z]+", word)], ["sample.flac, attention", *text.split()])
        write_wav(self.folder / "quiet.wav", tone(1, 0))
        self.fails(1, "no text whose attention", "transcribe", "quiet.wav", "--model", "digits.onnx", "--attention", "p.svg", "--quiet")
        self.fails(1, "no/p.png", *self.words, "--quiet", "--png", "no/p.png")

    def test_standard_input(self):
        expected = self.done(*self.words, "--format", "json")
        given = self.recording.read_bytes()
        self.assertEqual(self.done("transcribe", "-", "--model", "digits.onnx", "--format", "json", stdin=given), expected)
        self.done("transcribe", "-", "--model", "digits.onnx", "-o", "out", "--format", "json", stdin=given)
        self.assertEqual((self.folder / "out" / "stdin.json").read_text(), expected)

    def test_several_at_once(self):
        """Each has the text that it has alone, in the order given; a failure is that of one."""
        shutil.copy(self.recording, self.folder / "b.flac")
        write_wav(self.folder / "a.wav", tone(1))
        (self.folder / "c.wav").write_bytes(b"no sound")
        names = ("a.wav", "b.flac", "c.wav", "b.flac")
        alone = sibyl("transcribe", *names, "--model", "digits.onnx", folder=self.folder)
        together = sibyl("transcribe", *names, "--model", "digits.onnx", "--batch", "3", folder=self.folder)
        self.assertEqual((together.returncode, together.stdout), (1, alone.stdout))
        self.assertIn(b"3 of 4 recordings", together.stderr)
        self.assertIn(b"c.wav", together.stderr)

    def test_live(self):
        """Through a pipe at the pace of speech: partial texts before the final one, which is what comes last."""
        given = self.recording.read_bytes()
        piece = len(given) // 82 + 1  # of a tenth of a second
        process = subprocess.Popen([COMMAND, "transcribe", "--live", "-", "--model", "digits.onnx", "--format", "json"], cwd=self.folder,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for at in range(0, len(given), piece):
            process.stdin.write(given[at:at + piece])
            process.stdin.flush()
            time.sleep(0.03)  # three times as fast as it was spoken
        out, err = process.communicate()
        self.assertEqual((process.returncode, err), (0, b""))
        events = [json.loads(line) for line in out.decode().splitlines()]
        kinds = [e["event"] for e in events]
        self.assertEqual(kinds[0], "started")
        self.assertEqual(kinds[-1], "final")
        self.assertIn("partial", kinds)
        finals = [e for e in events if e["event"] == "final"]
        self.assertEqual([e["segment"] for e in finals], list(range(len(finals))))
        self.assertTrue(finals[0]["text"])
        text = self.done("transcribe", "--live", "-", "--model", "digits.onnx", "--format", "txt", stdin=given)
        self.assertEqual(text.split(), " ".join(e["text"] for e in finals).split())
        self.assertRegex(self.done("transcribe", "--live", "-", "--model", "digits.onnx", stdin=given), r"\A\[00:0")

    def test_misuse(self):
        self.fails(2, "no recording is given", "transcribe")
        self.fails(2, "--live takes one source", "transcribe", "--live", "a.wav", "b.wav")
        self.fails(2, "--format txt and json", "transcribe", "--live", "-", "--format", "srt")
        self.fails(1, "lavfi", "transcribe", "--live", "lavfi:sine", "--model", "digits.onnx")
        self.fails(1, "alsa:no_such_card", "transcribe", "--live", "alsa:no_such_card", "--model", "digits.onnx")
        self.fails(2, "need a folder", *self.words, "--format", "all")
        self.fails(2, ["txt|json|srt|vtt|tsv|all|csv", "'docx'"], *self.words, "--format", "docx")
        self.fails(2, "sing", *self.words, "--task", "sing")
        self.fails(1, "no/where", *self.words, "-o", "no/where")
        self.fails(1, "is not a folder", *self.words, "-o", "digits.onnx")
        self.fails(1, "no.wav", "transcribe", "no.wav", "--model", "digits.onnx")
        self.fails(1, "longer than 0.1 s", *self.words, "--max-seconds", "0.1")
        self.fails(1, "no file 'nothing'", "transcribe", DIGITS / "sample.flac", "--model", "nothing")
        self.fails(1, "klingon", *self.words, "--language", "klingon")
        self.fails(1, "no input 'volume'", *self.words, "-i", "volume=3")
        self.silero()
        self.fails(1, "speech-to-text", "transcribe", DIGITS / "sample.flac", "--model", "v.onnx")
        self.fails(1, "voice-activity", *self.words, "--vad", "digits.onnx")
        (self.folder / "digits.tiktoken").unlink()
        self.fails(1, "there is no tokenizer in its folder", *self.words)
        self.done(*self.words, "--tokenizer", DIGITS / "digits.tiktoken", "--quiet")

    def test_document_beside_the_model(self):
        text = self.done("import", DIGITS / "digits.pt", "-o", "d.onnx", "--tokenizer", DIGITS / "digits.tiktoken")
        self.assertRegex(text, "  tokenizer   whisper\n  job         d.job.json\n")
        beside = self.folder / "d.job.json"
        document = json.loads(beside.read_text())
        self.assertEqual(document, json.loads(self.done("job", "--describe", "d.onnx")))
        words = ("transcribe", DIGITS / "sample.flac", "--model", "d.onnx", "--quiet", "--format", "json", "-o", ".")
        self.done(*words)
        segments = json.loads((self.folder / "sample.json").read_text())["segments"]
        document["inputs"]["without_timestamps"]["default"] = True  # a changed one counts
        beside.write_text(json.dumps(document))
        self.done(*words)
        self.assertNotEqual(json.loads((self.folder / "sample.json").read_text())["segments"], segments)
        document["nodes"][0]["inputs"]["audio"] = "$nothing"  # and a faulty one is refused
        beside.write_text(json.dumps(document))
        self.fails(1, "d.job.json: job 'd': /nodes/0/inputs/audio", *words)
        beside.write_text(json.dumps(COUNT))
        self.fails(1, "d.job.json: the job is of kind counting, expected speech-to-text", *words)
        beside.unlink()
        self.done(*words)
        self.assertEqual(json.loads((self.folder / "sample.json").read_text())["segments"], segments)

    def test_interrupts_leave_nothing(self):
        write_wav(self.folder / "long.wav", 1200 * tone(1))
        write_wav(self.folder / "more.wav", tone(1))
        (self.folder / "out").mkdir()
        process = subprocess.Popen([COMMAND, "transcribe", "long.wav", "more.wav", "--model", "digits.onnx", "--word-timestamps", "-o", "out",
                                    "-i", "temperature=0", "--quiet"], cwd=self.folder, stderr=subprocess.PIPE)
        until_it_catches(process, signal.SIGINT)
        time.sleep(0.5)  # somewhere in the recording
        if process.poll() is not None:
            process.communicate()
            self.skipTest("it was done before it could be interrupted")
        process.send_signal(signal.SIGINT)
        line = process.communicate()[1].decode()
        self.assertEqual(process.returncode, 1)
        self.assertRegex(line, r"\Asibyl: long.wav: [^\n]*cancelled[^\n]*\n\Z")
        self.assertEqual(list((self.folder / "out").iterdir()), [])


class Generate(Jobs):
    @classmethod
    def setUpClass(cls):
        if not DATA:
            raise unittest.SkipTest("skipped for want of the shared data ($SIBYL_DATA): the models of rwkv/")

    def setUp(self):
        super().setUp()
        self.done("import", DATA / "rwkv" / "tiny-rwkv-7v0-834K-FP32.bin", "-o", "r.onnx")

    def made(self, *arguments, **more):
        return json.loads(self.done("generate", "--model", "r.onnx", "--json", *arguments, **more))

    def test_text_and_tokens(self):
        greedy = self.made("-p", "in", "-n", 20, "--temperature", 0)
        self.assertEqual(len(greedy["tokens"]), 20)
        self.assertEqual(len(greedy["logprobs"]), 20)
        self.assertEqual(self.made("--tokens", "105,110", "-n", 20, "--temperature", 0), greedy)
        self.assertEqual(self.made("-", "-n", 20, "--temperature", 0, stdin=b"in"), greedy)
        self.assertEqual(self.made("-p", "in", "-n", 20, "--top-k", 1), greedy)
        self.assertNotEqual(self.made("-", "-n", 20, "--temperature", 0, stdin=b"in\0in")["logprobs"], greedy["logprobs"])
        result = sibyl("generate", "--model", "r.onnx", "-p", "in", "-n", 20, "--temperature", 0, folder=self.folder)
        self.assertEqual(result.stdout, bytes(greedy["tokens"]) + b"\n")

    def test_seeds(self):
        texts = [self.made("-p", "in", "-n", 40, "--seed", s)["tokens"] for s in (1, 1, 2)]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    def test_stop_texts(self):
        whole = bytes(self.made("-p", "in", "-n", 60, "--temperature", 0, "-i", "repetition_penalty=1.05")["tokens"])
        stop = next(whole[i:i + 2] for i in range(8, 58) if all(32 < c < 127 or c == 32 for c in whole[i:i + 2])).decode()
        args = ("generate", "--model", "r.onnx", "-p", "in", "-n", 60, "--temperature", 0, "-i", "repetition_penalty=1.05", "--stop", "never so", "--stop", stop)
        result = sibyl(*args, folder=self.folder)
        self.assertEqual(result.stdout, whole[:whole.index(stop.encode())] + b"\n")
        token = whole[5]
        found = self.made("-p", "in", "-n", 60, "--temperature", 0, "-i", "repetition_penalty=1.05", "-i", f"stop_tokens={token}")["tokens"]
        self.assertEqual(bytes(found), whole[:whole.index(token)])

    def test_json(self):
        (self.folder / "s.json").write_text('{"type": "object", "properties": {"n": {"enum": [1, 2]}, "s": {"type": "string", "maxLength": 4}}, '
                                            '"required": ["n", "s"], "additionalProperties": false}')
        for seed in range(3):
            text = self.done("generate", "--model", "r.onnx", "-p", "in", "--json-schema", "s.json", "--seed", seed)
            got = json.loads(text)
            self.assertEqual(list(got), ["n", "s"])
            self.assertTrue(got["n"] in (1, 2) and len(got["s"]) <= 4, text)
        self.assertEqual(self.made("-p", "in", "--json-object", "-n", 3)["text"].strip()[0], "{")
        (self.folder / "s.json").write_text('{"type": "array", "uniqueItems": true}')
        self.fails(1, "'uniqueItems' is not supported", "generate", "--model", "r.onnx", "-p", "a", "--json-schema", "s.json")
        self.fails(1, "none.json", "generate", "--model", "r.onnx", "-p", "a", "--json-schema", "none.json")
        self.fails(2, "one of --json-schema, --json-object and --grammar", "generate", "--model", "r.onnx", "-p", "a", "--json-schema", "s.json", "--json-object")

    def test_grammars(self):
        (self.folder / "g.gbnf").write_text('root ::= word (", " word){2} "."\nword ::= [a-c]{2,4} | "x"\n')
        for seed in range(3):
            text = self.done("generate", "--model", "r.onnx", "-p", "in", "--grammar", "g.gbnf", "--seed", seed)
            self.assertRegex(text, r"^(([a-c]{2,4}|x)(, |\.$)){3}")
        (self.folder / "g.gbnf").write_text('root ::= root "a" | "b"')
        self.fails(1, "rule 'root' begins with itself", "generate", "--model", "r.onnx", "-p", "a", "--grammar", "g.gbnf")

    def test_samplers(self):
        greedy, plain = self.made("-p", "in", "-n", 30, "--temperature", 0), self.made("-p", "in", "-n", 30)
        for options in (("--min-p", 1), ("--typical-p", 1e-9, "--top-k", 1), ("--mirostat", 2, "--mirostat-tau", 0), ("--top-p", 1e-9)):
            self.assertEqual(self.made("-p", "in", "-n", 30, *options), greedy, options)
        for options in (("--min-p", 0.2), ("--typical-p", 0.5), ("--xtc-probability", 1, "--xtc-threshold", 0.05), ("--mirostat", 1), ("--mirostat", 2),
                        ("--samplers", "llama.cpp", "--top-p", 0.5), ("--repetition-penalty", 1.5, "--penalty-last-n", 64), ("--presence-penalty", 1.5),
                        ("--frequency-penalty", 1), ("--dry-multiplier", 5, "--dry-allowed-length", 1, "--dry-breaker", "never so")):
            self.assertNotEqual(self.made("-p", "in", "-n", 30, *options)["tokens"], plain["tokens"], options)
        self.fails(1, "samplers has 'top_q'", "generate", "--model", "r.onnx", "-p", "a", "--samplers", "top_k;top_q")

    def test_perplexity(self):
        words = "the rain in Spain"
        found = float(self.done("generate", "--model", "r.onnx", "-p", words, "--perplexity"))
        table = json.loads(self.done("job", "r.onnx", "-i", f"text={words}", "--output", "perplexity", "--json"))["outputs"]["perplexity"]
        self.assertAlmostEqual(found, table, delta=1e-5 * table)
        (self.folder / "out").mkdir()
        self.done("job", "r.onnx", "-i", f"text={words}", "--output", "logits", "-o", "out")
        (n, v), logits = read_npy(self.folder / "out" / "logits.npy")
        self.assertEqual(n, len(words))
        total = 0
        for i, c in enumerate(words.encode()[1:]):
            row = logits[i * v:(i + 1) * v]
            total += row[c] - max(row) - math.log(sum(math.exp(x - max(row)) for x in row))
        self.assertAlmostEqual(found, math.exp(-total / (len(words) - 1)), delta=1e-4 * found)

    def test_misuse(self):
        self.fails(2, "give the model with --model", "generate", "-p", "a")
        self.fails(2, "one of --prompt, --tokens and -", "generate", "--model", "r.onnx")
        self.fails(2, "--temperature takes a number from 0", "generate", "--model", "r.onnx", "-p", "a", "--temperature", "-1e-10")
        self.fails(2, "one of --prompt, --tokens and -", "generate", "--model", "r.onnx", "-p", "a", "--tokens", "1")
        self.fails(2, "'a': give the text with --prompt", "generate", "--model", "r.onnx", "a")
        self.fails(1, "not a list of numbers", "generate", "--model", "r.onnx", "--tokens", "1,x")
        self.fails(1, "not a list of token ids", "generate", "--model", "r.onnx", "--tokens", "1,-2")
        self.fails(1, "no backend 'abacus'", "generate", "--model", "r.onnx", "-p", "a", "--backend", "abacus")
        self.fails(1, "needs at least two tokens", "generate", "--model", "r.onnx", "-p", "a", "--perplexity")
        self.fails(1, "repetition_penalty is 0", "generate", "--model", "r.onnx", "-p", "a", "-i", "repetition_penalty=0")


class Chat(Jobs):
    setUpClass = Generate.setUpClass
    TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% for t in tools %}<{{ t.name }}>{% endfor %}{% if add_generation_prompt %}>{% endif %}"

    def setUp(self):
        super().setUp()
        (self.folder / "t.jinja").write_text(self.TEMPLATE)
        self.done("import", DATA / "rwkv" / "tiny-rwkv-7v0-834K-FP32.bin", "-o", "c.onnx", "--chat-template", "t.jinja")

    def chat(self, said, *options):
        return json.loads(self.done("chat", "--model", "c.onnx", "-n", 8, "--temperature", 0, "--json", *options, stdin=said.encode()))

    def reply(self, prompt):
        return self.done("generate", "--model", "c.onnx", "-n", 8, "--temperature", 0, "-p", prompt, "--json")

    def test_messages(self):
        first = json.loads(self.reply("[system]be[user]in>"))["text"]
        second = json.loads(self.reply(f"[system]be[user]in[assistant]{first}[user]a\nb>"))["text"]
        expected = [{"role": r, "content": t} for r, t in (("system", "be"), ("user", "in"), ("assistant", first), ("user", "a\nb"), ("assistant", second))]
        self.assertEqual(self.chat("in\na\\\nb\n", "--system", "be"), expected)
        self.assertEqual(self.chat('/system be\nin\n\n"""\na\nb\n"""\n/exit\nnever\n'), expected)
        self.assertEqual(self.chat("x\n/clear\nin\ny\n/undo\na\\\nb\n/again\n", "--system", "be"), expected)
        shown = self.done("chat", "--model", "c.onnx", "-n", 8, "--temperature", 0, "--system", "be", stdin=b"in\n")
        self.assertEqual(shown, first + "\n")

    def test_tools(self):
        (self.folder / "tools.json").write_text('[{"name": "look"}]')
        first = json.loads(self.reply("[user]in<look>>"))["text"]
        second = json.loads(self.reply(f"[user]in[assistant]{first}[tool]7<look>>"))["text"]
        self.assertEqual([m["content"] for m in self.chat("in\n/tool 7\n", "--tools", "tools.json")], ["in", first, "7", second])
        (self.folder / "tools.json").write_text("{}")
        self.fails(1, "not a JSON list of tools", "chat", "--model", "c.onnx", "--tools", "tools.json")

    def typed(self, keys, *options):
        """What is answered to a line that is typed into a terminal at the first prompt, and how the program ends at the second."""
        person, terminal = pty.openpty()
        chat = subprocess.Popen([COMMAND, "chat", "--model", "c.onnx", "-n", "8", "--temperature", "0", *options], cwd=self.folder,
                                stdin=terminal, stderr=terminal, stdout=subprocess.PIPE, env=os.environ | {"TERM": "xterm"})
        os.close(terminal)
        answer = b""
        for typed in (keys, b"/exit\n"):
            shown = b""
            while not shown.endswith(b"> "):
                shown += os.read(person, 4000)
            os.write(person, typed)
            answer += chat.stdout.readline()
        answer += chat.communicate(timeout=60)[0]
        os.close(person)
        return answer.decode(), chat.returncode

    def test_edited_lines(self):
        expected = json.loads(self.reply("[user]aXb>"))["text"] + "\n", 0
        left, delete, up = b"\x02", b"\x7f", b"\x1b[A"
        self.assertEqual(self.typed(b"abc" + delete + left + b"X\n", "--history", "h"), expected)
        self.assertEqual((self.folder / "h").stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.typed(up + up + b"\n", "--history", "h"), expected)  # above /exit
        self.assertEqual((self.folder / "h").read_text().split(), ["aXb", "/exit"] * 2)
        with self.assertRaises(OSError):  # no prompt: a folder is no history
            self.typed(b"a\n", "--history", ".")

    def test_misuse(self):
        self.fails(2, "give the model with --model", "chat")
        self.fails(2, "messages come from standard input", "chat", "--model", "c.onnx", "a")
        self.done("import", DATA / "rwkv" / "tiny-rwkv-7v0-834K-FP32.bin", "-o", "r.onnx")
        self.fails(1, "chat template", "chat", "--model", "r.onnx", stdin=b"a\n")


class VoiceActivity(Jobs):
    def test_spans(self):
        self.silero()
        silence = tone(1, 0)
        write_wav(self.folder / "a.wav", silence + tone(1.28) + silence + tone(0.64) + silence)
        text = self.done("vad", "a.wav", "--model", "v.onnx")
        spans = [tuple(map(float, line.split())) for line in text.splitlines()]
        self.assertEqual(len(spans), 2)
        for (begin, end), (a, b) in zip(spans, ((1, 2.28), (3.28, 3.92))):
            self.assertTrue(a - 0.063 <= begin <= a and b <= end <= b + 0.067, spans)
        found = json.loads(self.done("vad", "a.wav", "a.wav", "--model", "v.onnx", "--json"))
        self.assertEqual([f["path"] for f in found], ["a.wav", "a.wav"])
        self.assertEqual([[round(s["start"], 3), round(s["end"], 3)] for s in found[1]["spans"]], [list(s) for s in spans])
        self.assertEqual(len(self.done("vad", "a.wav", "--model", "v.onnx", "-i", "min_speech_duration_ms=1000").splitlines()), 1)
        self.assertEqual(len(self.done("vad", "a.wav", "--model", "v.onnx", "-i", "min_silence_duration_ms=1500").splitlines()), 1)

    def test_misuse(self):
        self.silero()
        self.fails(2, "no recording is given", "vad", "--model", "v.onnx")
        self.fails(2, "give the model with --model", "vad", "a.wav")
        self.fails(1, "a.wav", "vad", "a.wav", "--model", "v.onnx")
        write_wav(self.folder / "a.wav", tone(1))
        self.fails(1, "a.wav: speech: rate, window and threshold", "vad", "a.wav", "--model", "v.onnx", "-i", "threshold=-1")
        self.counting()
        self.fails(1, "voice-activity", "vad", "a.wav", "--model", "count.onnx")


if __name__ == "__main__":
    unittest.main()
