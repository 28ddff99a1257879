"""The n-th allocation of the whole process fails, in FFmpeg, PCRE2 or jansson as in Sibyl: a run then ends with an exit
code that is not 0, a message and no file left behind, or with the output that it has without the fault; it never crashes,
hangs or gives other output. The exceptions are KNOWN: libraries that follow pointers which they did not get, between our
call and their return.

$SIBYL_FAULT is the library that makes it fail (fail_allocation.c). A run has a few hundred to a hundred thousand
allocations: at most SAMPLES of them are tried for each command, at equal distances, all of them with SIBYL_FAULTS=all. Arguments name the
scenarios to try.
"""

import collections
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
from command import COMMAND, SOURCE, npy_bytes, tone, w, write_wav  # noqa: E402

FAULT = os.environ["SIBYL_FAULT"]
DIGITS = SOURCE / "assets" / "digits"
SAMPLES = 15 if os.environ.get("SIBYL_QUICK") else 30
AT_ONCE = 2  # runs
SECONDS = 10  # of a processor, of a run that takes under 1; beyond it hangs
LONGEST = 300  # seconds by the clock, of one that waits
PIXELS = [(17 * i) % 256 for i in range(4 * 4 * 3)]

# Where runs of a scenario may end inside a library, with its version where all allocations were tried, the calls of ours they
# were in and what the library does there. None of our calls gives cause: arguments are checked before, results after, and no
# handle is used once a call with it has failed, but to be freed; and the same calls with memory give the output.
KNOWN = {
    # FFmpeg 5.1.9, 1 of 537, in avformat_open_input: reads an ID3v2 tag
    "features_mp3": "libavformat",
    # 3 of 715, in avformat_open_input and avformat_find_stream_info: reads pages of Ogg into a buffer that was not made, or asks
    # for the same packet for ever, without a read or a check for interrupts at which we could end it
    "features_opus": "libavformat",
    # 3 of 435, in avformat_find_stream_info: runs transforms of its own AAC decoder that could not be made
    "features_m4a": "libavcodec",
    # OpenJPEG 2.5.0, 85 of 654, in opj_decode: a tag tree that could not be made is a warning there, and is then read
    "image_jp2": "libopenjp2",
    # libtiff 4.5.0, 1 of 288: TIFFClientOpenExt counts a tag before its list grows, and succeeds; TIFFClose reads past the list
    "image_tiff": "libtiff",
}

Outcome = collections.namedtuple("Outcome", "code text files message")


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def image_model(path):
    path.write_bytes(w.model([w.node("ImageDecoder", ["x"], ["y"])], {"x": w.tensor_type("uint8", ["N"])},
                             {"y": w.tensor_type("uint8", ["H", "W", 3])}))


def byte_npy(path, data):
    header = repr({"descr": "|u1", "fortran_order": False, "shape": (len(data),)}).ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + data)


def spent(process):
    """Seconds of a processor."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Allocation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="sibyl-faults-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.inputs = cls.folder / "in"
        cls.inputs.mkdir()
        write_wav(cls.inputs / "a.wav", tone(1))

    def run_once(self, arguments, at=None):
        """The outcome of a run in an empty folder."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            return self.run_in(Path(folder), arguments, at)

    @staticmethod
    def run_in(folder, arguments, at):
        out = folder / "out"
        out.mkdir()
        count = folder / "count"
        environment = os.environ | {"LD_PRELOAD": FAULT, "SIBYL_FAIL_COUNT": str(count)}
        if at:
            environment["SIBYL_FAIL_AT"] = str(at)
        process = subprocess.Popen([COMMAND, *map(str, arguments)], cwd=out, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        code, end = None, time.monotonic() + LONGEST
        while code is None:
            try:
                text, message = process.communicate(timeout=1)
                code = process.returncode
            except subprocess.TimeoutExpired:
                if spent(process) > SECONDS or time.monotonic() > end:
                    process.send_signal(signal.SIGABRT)
                    text, message = process.communicate()
                    code = "hang"
        text = re.sub(rb"\n  time .*| in [0-9.]+ s.*|\n[0-9.]+ ms\n", b"", text)  # how long it took
        n = int(count.read_text()) if count.exists() else 0
        return Outcome(code, text, tree(out), message), n

    @staticmethod
    def crashed_in(message):
        """The libraries, without their versions, of the frames of a call stack that are neither ours nor libc's; the innermost first."""
        frames = re.findall(r"([^/\s(]+)\([^)]*\) ?\[0x", message.decode(errors="replace").partition("call stack:")[2])
        libraries = [f.split(".so")[0] for f in frames]
        passed = (Path(FAULT).name.split(".so")[0], "libc")
        return [x for x in libraries if x not in passed] or ["an unknown place"]

    def sweep(self, name, arguments, may_leave=()):
        """may_leave: files that may be there after a failure, complete."""
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            self.skipTest("not named")
        good, n = self.run_once(arguments)
        self.assertEqual(good.code, 0, good.message)
        self.assertGreater(n, 100)
        step = 1 if os.environ.get("SIBYL_FAULTS") == "all" else -(-n // SAMPLES)
        outcomes, wrong = collections.Counter(), []
        positions = range(1, n + 1, step)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as runs:
            found_at = list(runs.map(lambda at: self.run_once(arguments, at)[0], positions))
        for at, found in zip(positions, found_at):
            if found.code == "hang" or found.code < 0:
                places = self.crashed_in(found.message)
                if found.code != "hang":  # a loop may be in what it calls when it is ended
                    places = places[:1]
                what = f"known, in {KNOWN[name]}" if KNOWN.get(name) in places else f"crash or hang in {places[0]}"
            elif found.code == 0:
                what = "same output" if found[1:3] == good[1:3] else "other output"
            elif any(k not in may_leave or data != good.files[k] for k, data in found.files.items()):
                what = "files left behind"
            else:
                what = "message" if found.message.startswith(b"sibyl: ") else "no message"
            outcomes[what] += 1
            if what not in ("same output", "message") and not what.startswith("known"):
                wrong.append(f"{name}: allocation {at} of {n}: {what}, exit code {found.code}, {found.message.decode(errors='replace')[:300]!r}")
        print(f"{name}: {sum(outcomes.values())} of {n} allocations: {dict(outcomes)}", flush=True)
        if wrong:
            self.fail("\n".join(wrong[:200]))

    def test_without_the_libraries_of_ffmpeg(self):
        def run(*arguments):
            return subprocess.run([COMMAND, *arguments], cwd=self.folder, capture_output=True, text=True,
                                  env={**os.environ, "LD_PRELOAD": FAULT, "SIBYL_FAIL_OPEN": "libavcodec"})
        done = run("features", self.inputs / "a.wav", "-o", "without.npy")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^sibyl: recordings cannot be read without FFmpeg's libraries: .*/lib.so")
        self.assertFalse((self.folder / "without.npy").exists())
        self.assertEqual(run("devices").returncode, 0)

    # ---- features ----

    def test_features_of_wav(self):
        self.sweep("features_wav", ["features", self.inputs / "a.wav", "-o", "o.npy", "--png", "o.png", "--threads", 1],
                   may_leave=["o.npy"])

    def features_of(self, ending):
        coded = self.inputs / f"a.{ending}"
        if not shutil.which("ffmpeg") or subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", self.inputs / "a.wav", coded]).returncode:
            self.skipTest(f"for want of an ffmpeg command that writes {ending}")
        self.sweep(f"features_{ending}", ["features", coded, "-o", "o.npy", "--threads", 1])

    def test_features_of_flac(self):
        self.features_of("flac")

    def test_features_of_mp3(self):
        self.features_of("mp3")

    def test_features_of_m4a(self):
        self.features_of("m4a")

    def test_features_of_opus(self):
        self.features_of("opus")

    # ---- import, transcribe, job ----

    def test_import(self):
        self.sweep("import", ["import", DIGITS / "digits.pt", "--tokenizer", DIGITS / "digits.tiktoken", "-o", "m.onnx"])

    def imported(self):
        model = self.inputs / "m.onnx"
        if not model.exists():
            subprocess.run([COMMAND, "import", DIGITS / "digits.pt", "--tokenizer", DIGITS / "digits.tiktoken", "-o", model],
                           check=True, capture_output=True)
        return model

    def test_transcribe(self):
        self.sweep("transcribe", ["transcribe", self.inputs / "a.wav", "--model", self.imported(), "--format", "json", "-o", ".", "--threads", 1])

    def test_job(self):
        one, row = w.tensor_type("float32", [1]), w.tensor_type("float32", ["N"])
        (self.inputs / "count.onnx").write_bytes(w.model(
            [w.node("Add", ["x", "s"], ["y"]), w.node("Add", ["s", "one"], ["next"])], {"x": row, "s": one}, {"y": row, "next": one},
            [w.floats("one", [1])]))
        (self.inputs / "count.json").write_text(json.dumps({
            "sibyl_job": 1, "kind": "counting", "models": {"m": "count.onnx"}, "tokenizers": {"t": {"kind": "bytes"}},
            "calls": {"count": {"model": "m", "inputs": {"x": "x"}, "outputs": {"y": "y"}, "state": {"s": "next"}}},
            "inputs": {"x": {"type": "tensor"}, "words": {"type": "text", "default": "none"}},
            "nodes": [{"name": "ids", "op": "tokenize", "tokenizer": "t", "inputs": {"text": "$words"}},
                      {"name": "loop", "op": "loop", "over": {"row": "$x"},
                       "body": [{"name": "next", "op": "call", "calls": {"model": "count"}, "inputs": {"x": "$row"}}], "collect": {"y": "$next"}}],
            "outputs": {"y": "$loop", "words": "$words", "ids": "$ids.tokens"}}))
        (self.inputs / "x.npy").write_bytes(npy_bytes([3, 2], [0, 10, 20, 30, 40, 50]))
        self.sweep("job", ["job", self.inputs / "count.json", "-i", f"x={self.inputs / 'x.npy'}", "-i", "words=hello", "--threads", 1])

    # ---- images ----

    def image(self, ending, *options):
        image_model(self.inputs / "image.onnx")
        (self.inputs / "p.ppm").write_bytes(b"P6 4 4 255\n" + bytes(PIXELS))
        coded = self.inputs / f"p.{ending}"
        if ending != "ppm" and (not shutil.which("ffmpeg") or subprocess.run(
                ["ffmpeg", "-v", "error", "-y", "-i", self.inputs / "p.ppm", "-update", "1", *options, coded]).returncode):
            self.skipTest(f"for want of an ffmpeg command that writes {ending}")
        byte_npy(self.inputs / f"{ending}.npy", coded.read_bytes())
        self.sweep(f"image_{ending}", ["run", self.inputs / "image.onnx", "-i", f"x={self.inputs / ending}.npy", "-o", ".", "--threads", 1])

    def test_png(self):
        self.image("png")

    def test_jpeg(self):
        self.image("jpg")

    def test_webp(self):
        self.image("webp")

    def test_tiff(self):
        self.image("tiff")

    def test_bmp(self):
        self.image("bmp")

    def test_jpeg2000(self):
        self.image("jp2")

    def test_pnm(self):
        self.image("ppm")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
