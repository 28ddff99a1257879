"""The command `sibyl`, from outside: exit codes, words, files. Needs Python's standard library only.

$SIBYL_COMMAND is the program, $SIBYL_SOURCE the folder of the sources.
"""

import array
import errno
import json
import math
import os
import pty
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import wave
import zipfile
from pathlib import Path
from xml.etree import ElementTree

COMMAND = os.environ["SIBYL_COMMAND"]
SOURCE = Path(os.environ["SIBYL_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests" / "models"))
import onnx_writer as w  # noqa: E402
COMMANDS = ("features", "inspect", "run", "diff", "conform", "quantize", "bench", "help")
RATE = 16000


def sibyl(*arguments, stdin=b"", folder=None, **more):
    return subprocess.run([COMMAND, *map(str, arguments)], input=stdin, capture_output=True, cwd=folder, timeout=300,
                          **more)


def tone(seconds, peak=0.5):
    return array.array("h", (round(32767 * peak * math.sin(2 * math.pi * 440 * i / RATE))
                             for i in range(round(seconds * RATE))))


def write_wav(path, samples, rate=RATE):
    with wave.open(str(path), "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes(samples.tobytes())
    return path


def read_npy(path):
    """Shape and values of a float32 .npy in C order."""
    data = Path(path).read_bytes()
    assert data[:6] == b"\x93NUMPY", path
    (size,) = struct.unpack("<H", data[8:10])
    header = eval(data[10:10 + size], {"__builtins__": {}}, {"False": False, "True": True})  # a literal
    assert header["descr"] == "<f4" and not header["fortran_order"], header
    values = array.array("f", data[10 + size:])
    assert len(values) == math.prod(header["shape"])
    return header["shape"], values


def npy_bytes(shape, values, code="f"):
    """A .npy of float32, or of what the code of struct says."""
    header = repr({"descr": {"f": "<f4", "d": "<f8", "q": "<i8"}[code], "fortran_order": False, "shape": tuple(shape)})
    header = header.ljust(118 - 1) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}{code}", *values)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sibyl-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.wav = write_wav(self.folder / "a.wav", tone(1))

    def done(self, *arguments, **more):
        result = sibyl(*arguments, folder=self.folder, **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.decode()

    def fails(self, code, words, *arguments, **more):
        """One line on stderr that names the thing."""
        result = sibyl(*arguments, folder=self.folder, **more)
        line = result.stderr.decode()
        self.assertEqual(result.returncode, code, line)
        self.assertRegex(line, r"\Asibyl: [^\n]*\n\Z")
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(str(word), line)
        return result

    def names(self):
        return sorted(p.name for p in self.folder.iterdir())


class Usage(Case):
    def test_help_and_version(self):
        for arguments in (["help"], ["--help"], ["-h"]):
            text = self.done(*arguments)
            for command in COMMANDS:
                self.assertRegex(text, rf"(?m)^  {command} ")
        self.assertRegex(self.done("--version"), r"\Asibyl \d+\.\d+\.\d+\n\Z")
        for command in COMMANDS:
            text = self.done("help", command)
            self.assertEqual(text, self.done(command, "--help"))
            self.assertEqual(text, self.done(command, "-h"))
            self.assertTrue(all(len(line) <= 100 for line in text.splitlines()))

    def test_nothing_to_do(self):
        result = sibyl()
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stdout, b"")
        self.assertIn(b"Usage", result.stderr)

    def test_misuse(self):
        hint = "sibyl help features"
        self.fails(2, ["unknown command 'transform'", "sibyl help"], "transform")
        self.fails(2, "unknown option '--frobnicate'", "--frobnicate")
        self.fails(2, "unknown command 'x'", "help", "x")
        self.fails(2, "one command", "help", "bench", "features")
        self.fails(2, ["no input", hint], "features")
        self.fails(2, ["unknown option '--frobnicate'", hint], "features", "--frobnicate", "a.wav")
        self.fails(2, ["unknown option '--frob'", hint], "features", "--frob=3", "a.wav")
        self.fails(2, ["unknown option '-z'", hint], "features", "-z", "a.wav")
        self.fails(2, ["--out needs a value", hint], "features", "a.wav", "-o")
        self.fails(2, ["--json takes no value", hint], "features", "a.wav", "--json=yes")
        self.fails(2, ["--preset", "'mel'"], "features", "a.wav", "--preset", "mel")
        self.fails(2, ["--smooth", "'3'"], "features", "a.wav", "--smooth=3")
        self.fails(2, ["--normalize", "'loud'"], "features", "a.wav", "--normalize", "loud")
        self.fails(2, ["--pcm", "'u8'"], "features", "-", "--pcm", "u8")
        for value in ("80x", "", "99999999999999999999", "8.5"):
            self.fails(2, ["--bands", f"'{value}'"], "features", "a.wav", "--bands", value)
        for value in ("0", "-1", "4097"):
            self.fails(1, [f"--bands is {value}, expected 1 to 4096"], "features", "a.wav", "--bands", value)
        for value in ("0", "1025", "many"):
            self.fails(2, ["--threads", f"'{value}'"], "features", "a.wav", "--threads", value)
        for value in ("0", "-3", "nan", "inf", "1s", ""):
            self.fails(2, ["--chunk", f"'{value}'"], "features", "a.wav", "--chunk", value)
        self.fails(2, "empty", "features", "")
        self.fails(2, "empty", "features", "a.wav", "-o", "")
        self.fails(2, "only once", "features", "-", "-")
        self.fails(2, "one of features, conv1d, peak, models and whisper", "bench")
        self.fails(2, "unknown benchmark 'x'", "bench", "x")
        self.fails(2, ["--repeat", "'0'"], "bench", "peak", "--repeat", "0")
        self.assertEqual(self.names(), ["a.wav"])

    def test_names_of_control_characters_stay_in_one_line(self):
        self.fails(1, "a?b", "features", "a\nb")

    def test_standard_output_that_is_full(self):
        with open("/dev/full", "wb") as full:
            for arguments in (["--version"], ["help"], ["features", str(self.wav), "--json"]):
                result = subprocess.run([COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, cwd=self.folder)
                self.assertEqual(result.returncode, 1)
                self.assertIn(b"standard output", result.stderr)


class Documents(Case):
    """Help, man page and completions hold the same options."""

    def options(self, command):
        return set(re.findall(r"^ +(?:-\w, )?--([a-z0-9-]+)", self.done("help", command), re.M))

    def test_tables(self):
        self.assertEqual(len(self.options("features")), 13)
        self.assertEqual(self.options("help"), {"help"})

    def test_man_page(self):
        page = (SOURCE / "docs" / "sibyl.1").read_text().replace("\\-", "-")
        parts = re.split(r"^\.S[SH] ", page, flags=re.M)
        common = next(p for p in parts if p.startswith("All commands"))
        for command in COMMANDS[:-1]:
            part = next(p for p in parts if p.startswith(f"sibyl {command}"))
            listed = set(re.findall(r'^\.B[IR]? .*?"?--([a-z0-9-]+)', common + part, re.M))
            self.assertEqual(listed, self.options(command), command)

    def test_passes_in_man_page(self):
        page = (SOURCE / "docs" / "sibyl.1").read_text()
        part = re.search(r"^\.SH PASSES$(.*?)^\.SH", page, re.M | re.S).group(1)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.onnx"
            row = w.tensor_type("float32", [2])
            path.write_bytes(w.one("Relu", {"x": row}, {"y": row}))
            words = sibyl("run", path, "-i", "x=1,2", "--passes", "no_such").stderr.decode()
        names = re.search(r"'no_such' is no pass; there are ([a-z0-9_, ]+)", words).group(1).split(", ")
        self.assertEqual(re.findall(r"^\.B ([a-z0-9_]+)$", part, re.M), names)

    def test_completions(self):
        folder = SOURCE / "cli" / "completion"
        bash = (folder / "sibyl.bash").read_text()
        zsh = (folder / "_sibyl").read_text()
        fish = (folder / "sibyl.fish").read_text()
        for command in COMMANDS[:-1]:
            options = self.options(command)
            words = re.search(rf"{command}:\*\).*?words='([^']*)'", bash, re.S).group(1)
            self.assertEqual(set(re.findall(r"--([a-z0-9-]+)", words)), options)
            part = re.search(rf"^{command}\)(.*?);;", zsh, re.S | re.M).group(1)
            self.assertEqual(set(re.findall(r"--([a-z0-9-]+)(?=[\[}])", part)), options)
            lines = re.findall(rf"'__sibyl_command {command}'.*? -l ([a-z0-9-]+)", fish)
            self.assertEqual(set(lines) | {"help"}, options)

    def test_bash_completes(self):
        if not shutil.which("bash"):
            self.skipTest("skipped for want of bash")
        (self.folder / "in.onnx").touch()
        for words, offered in (
            ("features --pre", ["--preset", "--precise"]),
            ("features --preset ''", ["whisper", "librosa", "kaldi"]),
            ("run --in", ["--input", "--inside"]),
            ("run i", ["in.onnx"]),
            ("diff --a", ["--a", "--against", "--all", "--atol"]),
            ("conform --filter ''", []),
            ("inspect ''", ["a.wav", "in.onnx"]),
            ("c", ["conform"]),
        ):
            n = len(words.split())
            script = (f"source {SOURCE}/cli/completion/sibyl.bash; COMP_WORDS=(sibyl {words}); COMP_CWORD={n}; "
                      "_sibyl; echo ${COMPREPLY[@]}")
            result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=self.folder)
            self.assertEqual(sorted(result.stdout.split()), sorted(offered), words)


class Features(Case):
    def test_one_input(self):
        text = self.done("features", "a.wav")
        self.assertEqual(self.names(), ["a.npy", "a.wav"])
        self.assertEqual(read_npy(self.folder / "a.npy")[0], (80, 100))
        for word in ("a.wav", "1.000 s", "80 bands x 100 frames", "a.npy", "decode", "x real time"):
            self.assertIn(word, text)

    def test_values(self):
        """A tone of 440 Hz: its band is the loudest in every frame, and the range is Whisper's."""
        self.done("features", "a.wav")
        (bands, frames), values = read_npy(self.folder / "a.npy")
        for t in range(5, frames - 5):
            column = [values[b * frames + t] for b in range(bands)]
            self.assertIn(column.index(max(column)), (11, 12))  # centred at 416 and 453 Hz
        self.assertAlmostEqual(max(values) - min(values), 2, places=5)

    def test_options_change_what_they_say(self):
        def shape(*more):
            self.done("features", "a.wav", "-o", "x.npy", *more)
            return read_npy(self.folder / "x.npy")[0]

        self.assertEqual(shape("--bands", "128"), (128, 100))
        self.assertEqual(shape("--bands=7"), (7, 100))
        self.assertEqual(shape("--smooth", "same"), (80, 100))
        self.assertEqual(shape("--smooth", "valid"), (78, 98))
        self.assertEqual(shape("--preset", "librosa"), (128, 32))
        self.assertEqual(shape("--preset", "kaldi"), (80, 98))
        self.assertEqual(shape("--chunk", "0.3"), (80, 120))
        self.assertEqual(shape("--chunk", "30"), (80, 3000))

    def test_same_values_whatever_the_threads(self):
        self.done("features", "a.wav", "-o", "1.npy", "--threads", "1")
        self.done("features", "a.wav", "-o", "3.npy", "--threads=3")
        self.assertEqual((self.folder / "1.npy").read_bytes(), (self.folder / "3.npy").read_bytes())

    def test_precise_is_near(self):
        self.done("features", "a.wav", "-o", "1.npy")
        self.done("features", "a.wav", "-o", "2.npy", "--precise")
        a, b = (read_npy(self.folder / f"{i}.npy")[1] for i in (1, 2))
        self.assertLess(max(abs(x - y) for x, y in zip(a, b)), 1e-4)

    def test_chunks_are_recordings_of_their_own(self):
        samples = tone(0.5, 0.9) + tone(0.5, 0.01)
        write_wav(self.folder / "b.wav", samples)
        write_wav(self.folder / "first.wav", samples[:RATE // 2])
        write_wav(self.folder / "second.wav", samples[RATE // 2:])
        document = json.loads(self.done("features", "b.wav", "--chunk", "0.5", "--json"))
        self.assertEqual((document["chunks"], document["frames_per_chunk"]), (2, 50))
        self.done("features", "first.wav", "second.wav")
        whole = read_npy(self.folder / "b.npy")[1]
        halves = [read_npy(self.folder / f"{name}.npy")[1] for name in ("first", "second")]
        for b in range(80):
            self.assertEqual(whole[b * 100:b * 100 + 50], halves[0][b * 50:b * 50 + 50])
            self.assertEqual(whole[b * 100 + 50:b * 100 + 100], halves[1][b * 50:b * 50 + 50])

    def test_normalize(self):
        """Whatever the level was, it is the same afterwards."""
        for i, peak in enumerate((0.9, 0.3)):
            write_wav(self.folder / f"{i}.wav", tone(1, peak))
        for kind in ("peak", "rms"):
            self.done("features", "0.wav", "1.wav", "--normalize", kind)
            a, b = (read_npy(self.folder / f"{i}.npy")[1] for i in (0, 1))
            self.assertLess(abs(max(a) - max(b)), 1e-3)
        self.done("features", "0.wav", "1.wav")
        a, b = (read_npy(self.folder / f"{i}.npy")[1] for i in (0, 1))
        self.assertGreater(abs(max(a) - max(b)), 0.1)

    def test_standard_input(self):
        samples = tone(1)
        self.done("features", "a.wav")
        self.done("features", "-", stdin=samples.tobytes())
        self.assertEqual(read_npy(self.folder / "features.npy"), read_npy(self.folder / "a.npy"))
        floats = array.array("f", (x / 32768 for x in samples))
        self.done("features", "-", "--pcm", "f32le", "-o", "f.npy", "--float", stdin=floats.tobytes())
        self.assertEqual(read_npy(self.folder / "f.npy"), read_npy(self.folder / "a.npy"))

    def test_several_inputs(self):
        write_wav(self.folder / "b.wav", tone(0.5))
        (self.folder / "out").mkdir()
        text = self.done("features", "a.wav", "b.wav", "-o", "out", "--png", "out")
        self.assertEqual(sorted(os.listdir(self.folder / "out")), ["a.npy", "a.png", "b.npy", "b.png"])
        self.assertIn("2 of 2", text)
        document = json.loads(self.done("features", "a.wav", "b.wav", "-o", "out", "--json"))
        self.assertEqual([f["shape"] for f in document["files"]], [[80, 100], [80, 50]])
        self.assertEqual(document["failed"], 0)

    def test_several_inputs_of_which_some_fail(self):
        result = self.fails(1, "nothere.wav", "features", "nothere.wav", "a.wav", "--json")
        document = json.loads(result.stdout)
        self.assertEqual(document["failed"], 1)
        self.assertIn("nothere.wav", document["files"][0]["error"]["message"])
        self.assertEqual(self.names(), ["a.npy", "a.wav"])

    def test_names_that_collide(self):
        (self.folder / "b").mkdir()
        write_wav(self.folder / "b" / "a.wav", tone(1))
        self.fails(2, ["'a.wav'", "'b/a.wav'", "a.npy"], "features", "a.wav", "b/a.wav")
        self.fails(2, ["'a.wav'", "would replace"], "features", "a.wav", "-o", "a.wav")
        self.fails(2, ["'a.wav'", "would replace"], "features", "a.wav", "--png", "a.wav")
        self.fails(2, "both be written", "features", "a.wav", "-o", "x", "--png", "x")
        self.assertEqual(self.names(), ["a.wav", "b"])

    def test_one_input_into_a_folder(self):
        (self.folder / "out").mkdir()
        self.done("features", "a.wav", "-o", "out")
        self.assertEqual(os.listdir(self.folder / "out"), ["a.npy"])

    def test_dashes(self):
        write_wav(self.folder / "-x.wav", tone(1))
        self.done("features", "--", "-x.wav")
        self.done("features", "-o", "y.npy", "./-x.wav")
        self.done("features", "-oz.npy", "./-x.wav")
        self.assertEqual(self.names(), ["-x.npy", "-x.wav", "a.wav", "y.npy", "z.npy"])

    def test_array_on_standard_output(self):
        self.done("features", "a.wav")
        for name in ("-", "/dev/stdout"):
            result = sibyl("features", "a.wav", "-o", name, folder=self.folder)
            self.assertEqual(result.returncode, 0)
            self.assertEqual(result.stdout, (self.folder / "a.npy").read_bytes())
            self.assertIn(b"80 bands", result.stderr)
        self.fails(2, "standard output", "features", "a.wav", "-o", "-", "--json")

    def test_picture(self):
        self.done("features", "a.wav", "--png", "p.png")
        data = (self.folder / "p.png").read_bytes()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", data[16:24])
        self.assertGreater(width, 800)
        self.assertGreater(height, 400)

    def test_json(self):
        document = json.loads(self.done("features", "a.wav", "--json", "--png", "p.png", "--threads", "2"))
        self.assertEqual(document["input"], "a.wav")
        self.assertEqual(document["output"], "a.npy")
        self.assertEqual(document["picture"], "p.png")
        self.assertEqual(document["shape"], [80, 100])
        self.assertEqual((document["samples"], document["seconds"]), (RATE, 1))
        self.assertEqual((document["chunks"], document["frames_per_chunk"]), (1, 100))
        self.assertEqual(document["threads"], 2)
        self.assertEqual(document["warnings"], [])
        times = document["times"]
        parts = times["decode_seconds"] + times["features_seconds"] + times["write_seconds"]
        self.assertAlmostEqual(times["total_seconds"], parts, places=6)
        result = self.fails(1, "nothere", "features", "nothere", "--json")
        self.assertEqual(json.loads(result.stdout)["error"]["code"], "io")

    def test_names_that_are_not_unicode(self):
        name = b"\xff\xfe.wav"
        shutil.copy(self.wav, os.path.join(os.fsencode(self.folder), name))
        result = subprocess.run([os.fsencode(COMMAND), b"features", name, b"--json"], capture_output=True,
                                cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["input"], "??.wav")

    def test_warnings(self):
        write_wav(self.folder / "silent.wav", array.array("h", bytes(2 * RATE)))
        write_wav(self.folder / "clipped.wav", array.array("h", ([32767] * 8 + [-32767] * 8) * 1000))
        write_wav(self.folder / "offset.wav", array.array("h", [x + 3000 for x in tone(1)]))
        for name, word in (("silent", "silent"), ("clipped", "clipped"), ("offset", "DC offset")):
            self.assertRegex(self.done("features", f"{name}.wav"), f"warning +{word}")
            document = json.loads(self.done("features", f"{name}.wav", "--json"))
            self.assertTrue(any(w.startswith(word) for w in document["warnings"]))

    def terminal(self):
        try:
            return pty.openpty()
        except OSError as error:
            self.skipTest(f"for want of a pseudo-terminal: {error}")

    def test_bar_on_a_terminal_only_when_it_takes_long(self):
        leader, follower = self.terminal()
        result = subprocess.run([COMMAND, "features", "a.wav"], stdout=subprocess.DEVNULL, stderr=follower,
                                cwd=self.folder)
        os.close(follower)
        try:
            shown = os.read(leader, 1000)
        except OSError as error:  # nothing was written
            self.assertEqual(error.errno, errno.EIO)
            shown = b""
        os.close(leader)
        self.assertEqual((result.returncode, shown), (0, b""))

    def test_bar_on_a_terminal_when_work_passes_a_second(self):
        leader, follower = self.terminal()
        process = subprocess.Popen([COMMAND, "features", "-", "-o", "x.npy"], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=follower, cwd=self.folder)
        os.close(follower)
        block = tone(2).tobytes()
        for _ in range(8):
            process.stdin.write(block)
            process.stdin.flush()
            time.sleep(0.2)
        process.stdin.close()
        self.assertEqual(process.wait(), 0)
        shown = b""
        try:
            while part := os.read(leader, 1000):
                shown += part
        except OSError as error:
            self.assertEqual(error.errno, errno.EIO)
        os.close(leader)
        self.assertRegex(shown, rb"\r\x1b\[K\[[#.]{30}\] +\d+% decoding standard input")
        self.assertTrue(shown.endswith(b"\r\x1b[K"))


class BadInput(Case):
    def refused(self, name, *words, **more):
        self.fails(1, [name, *words], "features", name, **more)
        self.assertFalse([n for n in self.names() if n.endswith((".npy", ".part"))])

    def test_files(self):
        (self.folder / "empty.wav").write_bytes(b"")
        (self.folder / "text.wav").write_text("no audio at all\n" * 100)
        (self.folder / "short.wav").write_bytes(self.wav.read_bytes()[:30])
        (self.folder / "folder").mkdir()
        for name in ("missing.wav", "empty.wav", "text.wav", "short.wav", "folder"):
            self.refused(name)

    def test_too_few_samples(self):
        for n in (0, 1, 200):
            write_wav(self.folder / "few.wav", tone(1)[:n])
            self.refused("few.wav")
        write_wav(self.folder / "few.wav", tone(1)[:1])
        self.done("features", "few.wav", "--chunk", "1")

    def test_standard_input(self):
        self.fails(1, "no sample", "features", "-")
        for bad in (math.nan, math.inf, -math.inf):
            samples = array.array("f", [0.1] * RATE)
            samples[1234] = bad
            for more in ([], ["--normalize", "rms"], ["--float"]):
                self.fails(1, ["standard input", "1234"], "features", "-", "--pcm", "f32le", *more,
                           stdin=samples.tobytes())
        self.assertEqual(self.names(), ["a.wav"])

    def test_huge_samples(self):
        samples = array.array("f", [3e38, -3e38] * RATE)
        self.fails(1, "standard input", "features", "-", "--pcm", "f32le", "--float", stdin=samples.tobytes())

    def test_output_folder_is_looked_at_first(self):
        for option in ("-o", "--png"):
            self.fails(1, ["no/such", "No such file"], "features", "missing.wav", option, "no/such/x")
            self.fails(1, ["a.wav", "not a folder"], "features", "missing.wav", option, "a.wav/x")
            self.fails(1, "nofolder", "features", "a.wav", "missing.wav", option, "nofolder")
            self.fails(1, "not a folder", "features", "b.wav", "missing.wav", option, "a.wav")
        self.assertEqual(self.names(), ["a.wav"])

    def test_read_only_folder(self):
        """Root may write everywhere, so root becomes nobody for this."""
        user = {}
        (self.folder / "locked").mkdir()
        (self.folder / "locked").chmod(0o555)
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            user = {"user": 65534, "group": 65534, "extra_groups": []}
            try:
                subprocess.run([COMMAND, "--version"], capture_output=True, check=True, **user)
            except (OSError, subprocess.CalledProcessError):
                self.skipTest("skipped for want of a user who may not write everywhere")
        self.fails(1, ["locked", "Permission denied"], "features", "missing.wav", "-o", "locked/x.npy", **user)
        self.fails(1, ["locked", "Permission denied"], "features", "a.wav", "b.wav", "-o", "locked", **user)

    def test_full_disk(self):
        self.fails(1, ["/dev/full", "No space left"], "features", "a.wav", "-o", "/dev/full")
        self.fails(1, ["/dev/full", "No space left"], "features", "a.wav", "--png", "/dev/full")

    def test_file_size_limit(self):
        """As on a full disk, but in a folder: what was there before stays."""
        (self.folder / "a.npy").write_text("old")

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        self.fails(1, "a.npy", "features", "a.wav", preexec_fn=limit)
        self.assertEqual((self.folder / "a.npy").read_text(), "old")
        self.assertEqual(self.names(), ["a.npy", "a.wav"])


class Model(Case):
    """y = relu(x @ w + b), of three nodes with names."""

    def setUp(self):
        super().setUp()
        self.wav.unlink()
        row = w.tensor_type("float32", ["N", 3])
        nodes = [w.node("MatMul", ["x", "w"], ["layer/product"], name="layer/matmul"),
                 w.node("Add", ["layer/product", "b"], ["sum"], name="layer/add"),
                 w.node("Relu", ["sum"], ["y"], name="layer/relu")]
        weights = [w.floats("w", [1, 2, 3, 4, 5, 6], [3, 2]), w.floats("b", [0.5, -100])]
        self.write("m.onnx", w.model(nodes, {"x": row, "b": w.tensor_type("float32", [2])},
                                     {"y": w.tensor_type("float32", ["N", 2])}, weights, metadata={"author": "nobody"}))

    def write(self, name, data):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def one(self, name, *arguments, **more):
        return self.write(name, w.one(*arguments, **more))


class Inspect(Model):
    def test_text(self):
        text = self.done("inspect", "m.onnx")
        for words in ("3 nodes", "writer", "8 parameters", "ai.onnx 21", "MatMul", "float32 [N, 3]", "has a default",
                      "author = nobody"):
            self.assertIn(words, text)
        self.assertNotIn("layer/matmul", text)
        text = self.done("inspect", "m.onnx", "--nodes")
        self.assertRegex(text, r"layer/matmul +MatMul-\d+")
        self.assertIn("operations", text)

    def test_json(self):
        found = json.loads(self.done("inspect", "m.onnx", "--json"))
        self.assertEqual(found["inputs"][0], {"name": "x", "type": "float32 [N, 3]", "dtype": "float32", "dims": ["N", 3]})
        self.assertTrue(found["inputs"][1]["has_default"])
        self.assertEqual(found["operators"], {"MatMul": 1, "Add": 1, "Relu": 1})
        self.assertEqual((found["opsets"], found["unknown_operators"]), ({"ai.onnx": 21}, []))
        self.assertEqual((found["parameters"], found["parameter_bytes"]), (8, 32))
        node = found["nodes"][0]
        self.assertEqual((node["inputs"], node["outputs"]), (["x", "w"], ["layer/product"]))
        self.assertIn("N", node["flops"])

    def test_unknown_operators_are_shown(self):
        row = w.tensor_type("float32", [2])
        self.one("u.onnx", "Frobnicate", {"x": row}, {"y": row}, level=3)
        self.assertIn("unknown operators", self.done("inspect", "u.onnx"))
        self.assertIn("level=3", self.done("inspect", "u.onnx", "--nodes"))
        self.assertEqual(json.loads(self.done("inspect", "u.onnx", "--json"))["unknown_operators"], ["Frobnicate"])
        self.fails(1, "Frobnicate", "run", "u.onnx", "-i", "x=1,2")

    def test_misuse(self):
        for command in ("inspect", "run", "diff"):
            self.fails(2, f"sibyl help {command}", command)
            self.fails(2, "2 are named", command, "m.onnx", "m.onnx")
            self.fails(2, "--frobnicate", command, "m.onnx", "--frobnicate")
            self.fails(1, ["missing.onnx", "No such file"], command, "missing.onnx")
        self.write("short.onnx", (self.folder / "m.onnx").read_bytes()[:-40])
        self.write("empty.onnx", b"")
        self.write("text.onnx", b"no model at all\n" * 100)
        for name in ("short.onnx", "empty.onnx", "text.onnx"):
            self.fails(1, name, "inspect", name)


class Run(Model):
    Y = (22.5, 0, 49.5, 0)  # of x = [[1, 2, 3], [4, 5, 6]]

    def values(self, *arguments):
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        (self.folder / "out").mkdir()
        self.done("run", *arguments, "-o", "out")
        return {p.name: read_npy(p) for p in (self.folder / "out").iterdir()}

    def test_inputs(self):
        self.write("x.npy", npy_bytes([2, 3], range(1, 7)))
        self.write("x.pb", w.floats("x", range(1, 7), [2, 3]))
        self.write("x.txt", b"1 2 3\n4 5 6\n")
        with zipfile.ZipFile(self.folder / "all.npz", "w") as archive:
            archive.writestr("x.npy", npy_bytes([2, 3], range(1, 7)))
            archive.writestr("other.npy", npy_bytes([1], [0]))
        for given in ("x=x.npy", "x=x.pb", "x=x.txt", "x=all.npz", "all.npz", "x=1,2,3,4,5,6", "x=[[1,2,3],[4,5,6]]",
                      "x=[[1.0, 2, 3e0], [4, 5, 6]]"):
            found = self.values("m.onnx", "-i", given)
            self.assertEqual(list(found), ["y.npy"], given)
            shape, values = found["y.npy"]
            self.assertEqual((shape, tuple(values)), ((2, 2), self.Y), given)
        shape, values = self.values("m.onnx", "-i", "x=1,2,3", "--input=b=[1,-200]")["y.npy"]
        self.assertEqual((shape, tuple(values)), ((1, 2), (23, 0)))

    def test_bad_inputs(self):
        self.write("x.npy", npy_bytes([2, 2], range(4)))
        self.write("d.npy", npy_bytes([2, 3], range(6), "d"))
        with zipfile.ZipFile(self.folder / "no.npz", "w") as archive:
            archive.writestr("other.npy", npy_bytes([1], [0]))
        for words, given in ((["'x'", "axis 1 should be 3"], "x=x.npy"), (["'x'", "float64"], "x=d.npy"),
                             ("no input 'z'", "z=1"), ("NAME=WHAT", "1,2,3"), (["'x'", "'a'"], "x=a,b,c"),
                             ("differ in length", "x=[[1,2],[3]]"), ("no.npz", "x=no.npz"), ("missing.npy", "x=missing.npy"),
                             ("missing.txt", "x=missing.txt"), ("missing.pb", "x=missing.pb")):
            self.fails(1, words, "run", "m.onnx", "-i", given)
        self.fails(1, "'x' is missing", "run", "m.onnx")
        self.fails(1, "no/such", "run", "m.onnx", "-i", "x=1,2,3", "-o", "no/such")
        self.fails(1, "'gpu'", "run", "m.onnx", "-i", "x=1,2,3", "--backend", "gpu")
        self.fails(2, ["--threads", "'0'"], "run", "m.onnx", "--threads", "0")
        self.fails(2, ["--memory", "'much'"], "run", "m.onnx", "--memory", "much")

    def test_random_inputs(self):
        self.fails(1, ["'x'", "--dim N="], "run", "m.onnx", "--random", "1")
        self.fails(1, "T=100", "run", "m.onnx", "--random", "1", "--dim", "N")
        a, b, c = (self.values("m.onnx", "--random", seed, "--dim", "N=5", "--tap", "layer/product")
                   for seed in ("1", "1", "2"))
        self.assertEqual(a["y.npy"][0], (5, 2))
        self.assertEqual(a, b)
        self.assertNotEqual(a, c)

    def test_shown(self):
        text = self.done("run", "m.onnx", "-i", "x=1,2,3,4,5,6", "--backend", "ref", "--threads", "1")
        self.assertRegex(text, r"(?m)^y +float32 \(2, 2\) .*: 22.5 0 49.5 0$")
        self.assertRegex(text, r"(?m)^[0-9.]+ ms$")

    def test_taps(self):
        found = self.values("m.onnx", "-i", "x=1,2,3", "--tap", "s*", "--tap", "layer/product")
        self.assertEqual(sorted(found), ["layer_product.npy", "sum.npy", "y.npy"])
        self.assertEqual(tuple(found["layer_product.npy"][1]), (22, 28))
        text = self.done("run", "m.onnx", "-i", "x=1,2,3", "--tap", "*", "--inside")
        self.assertRegex(text, r"(?m)^ *layer/matmul/milli\.\d+:")
        text = self.done("run", "m.onnx", "-i", "x=1,2,3", "--tap", "nothing*")
        self.assertNotIn("sum", text)

    def test_profile(self):
        text = self.done("run", "m.onnx", "-i", "x=1,2,3", "--profile")
        for words in ("by node", "by operator", "by milli-op", "layer/matmul", "MatMul", "cpu"):
            self.assertIn(words, text)

    def test_oracle(self):
        text = self.done("run", "m.onnx", "-i", "x=0.1,0.2,0.3", "--oracle")
        self.assertIn("against the run in double", text)
        self.assertRegex(text, r"(?m)^same .* sum$")
        self.assertRegex(text, r"\d+ values compared, 0 differ")

    def test_memory(self):
        self.fails(1, ["limit", "node"], "run", "m.onnx", "--random", "1", "--dim", "N=10000", "--memory", "0.001")

    def test_strings_and_integers(self):
        self.one("s.onnx", "Identity", {"x": w.tensor_type("string", ["N"])}, {"y": w.tensor_type("string", ["N"])})
        self.assertIn('"hello there"', self.done("run", "s.onnx", "-i", "x=hello there"))
        self.assertRegex(self.done("run", "s.onnx", "-i", 'x=["a","b,c"]'), r'"a" "b,c"')
        self.one("i.onnx", "Neg", {"x": w.tensor_type("int64", ["N"])}, {"y": w.tensor_type("int64", ["N"])})
        self.assertRegex(self.done("run", "i.onnx", "-i", "x=9223372036854775807,2"), r": -9.22337e\+18 -2")


class Diff(Model):
    def test_the_same(self):
        text = self.done("diff", "m.onnx", "-i", "x=1,2,3", "--a", "ref", "--b", "ref", "--all")
        for name in ("layer/product", "sum", "y"):
            self.assertRegex(text, rf"(?m)^same .* {name}$")
        self.assertIn("0 differ", text)
        self.assertNotIn("same", self.done("diff", "m.onnx", "-i", "x=1,2,3"))
        self.assertIn("milli", self.done("diff", "m.onnx", "-i", "x=1,2,3", "--all", "--inside"))
        self.assertIn("0 differ", self.done("diff", "m.onnx", "--random", "3", "--dim", "N=4", "--oracle"))

    def test_against_files(self):
        (self.folder / "theirs").mkdir()
        arguments = ["diff", "m.onnx", "-i", "x=1,2,3", "--against", "theirs"]
        self.fails(1, "no value is on both sides", *arguments)
        self.write("theirs/layer_product.npy", npy_bytes([1, 2], [22, 28]))
        self.write("theirs/sum.npy", npy_bytes([1, 2], [22.5, -71.9]))
        self.write("theirs/y.npy", npy_bytes([1, 2], [22.5, 0]))
        result = sibyl(*arguments, folder=self.folder)
        text = result.stdout.decode()
        self.assertEqual(result.returncode, 1, text)
        self.assertRegex(text, r"first value that leaves tolerance: 'sum' of node 'layer/add' \(Add\)")
        self.assertIn("3 values compared, 1 differ", text)
        self.done(*arguments, "--rtol", "0.1")
        self.done(*arguments, "--atol", "0.2")
        self.write("theirs/sum.npy", npy_bytes([2], [22.5, -72]))
        self.assertEqual(sibyl(*arguments, folder=self.folder).returncode, 1)

    def test_misuse(self):
        self.fails(1, ["m.onnx", "not a folder"], "diff", "m.onnx", "-i", "x=1,2,3", "--against", "m.onnx")
        self.fails(2, "tolerance", "diff", "m.onnx", "-i", "x=1,2,3", "--rtol", "-0.5")
        self.fails(1, "'gpu'", "diff", "m.onnx", "-i", "x=1,2,3", "--b", "gpu")
        self.fails(1, "'x' is missing", "diff", "m.onnx")


class Cases(Model):
    def setUp(self):
        super().setUp()
        for name, y in (("test_good", (22.5, 0)), ("test_wrong", (22.5, 1)), ("test_shape", (22.5,))):
            self.case(name, y)
        self.write("cases/test_bare/model.onnx", (self.folder / "m.onnx").read_bytes())

    def case(self, name, y):
        self.write(f"cases/{name}/model.onnx", (self.folder / "m.onnx").read_bytes())
        self.write(f"cases/{name}/test_data_set_0/input_0.pb", w.floats("x", [1, 2, 3], [1, 3]))
        self.write(f"cases/{name}/test_data_set_0/output_0.pb", w.floats("y", y, [1, len(y)]))


class Conform(Cases):
    def test_verdicts(self):
        result = sibyl("conform", "cases", "-j", "2", "-v", "--json", "r.json", "--junit", "r.xml", folder=self.folder)
        text = result.stdout.decode()
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(text.splitlines()[-1], "1 passed, 2 failed, 1 skipped")
        self.assertRegex(text, r"(?m)^pass test_good [0-9.]+ s$")
        self.assertRegex(text, r"(?m)^FAIL test_wrong: .*element 1, is 0 where 1 is expected")
        self.assertRegex(text, r"(?m)^FAIL test_shape: ")
        self.assertRegex(text, r"(?m)^skip test_bare: .*test_data_set_0")
        report = json.loads((self.folder / "r.json").read_text())
        self.assertEqual((report["passed"], report["failed"], report["skipped"]), (1, 2, 1))
        verdicts = {c["case"]: c["verdict"] for c in report["cases"]}
        self.assertEqual(verdicts, {"test_good": "passed", "test_wrong": "failed", "test_shape": "failed",
                                    "test_bare": "skipped"})
        self.assertTrue(all("reason" in c for c in report["cases"] if c["verdict"] != "passed"))
        suite = ElementTree.parse(self.folder / "r.xml").getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures"), suite.get("skipped")), ("4", "2", "1"))
        self.assertEqual({c.get("name") for c in suite.iter("testcase")}, set(verdicts))
        self.assertEqual(len(list(suite.iter("failure"))), 2)

    def test_all_pass(self):
        text = self.done("conform", "cases", "--filter", "*_good", "--backend", "ref")
        self.assertEqual(text.splitlines()[-1], "1 passed, 0 failed, 0 skipped")
        self.assertNotIn("pass test_good", text)
        self.assertIn("1 passed", self.done("conform", "cases/test_good"))
        self.assertIn("2 passed", self.done("conform", "cases", "--filter", "*_[gw]*", "--atol", "2"))
        self.assertIn("2 passed", self.done("conform", "cases", "--filter", "*_[gw]*", "--rtol", "1"))

    def test_draws_are_compared_by_distribution(self):
        row = w.tensor_type("float32", [1000])
        self.write("draw/model.onnx", w.model([w.node("RandomNormal", [], ["y"], shape=[1000])], {}, {"y": row}))
        values = [math.cos(1.7 * i) * math.sqrt(2) for i in range(1000)]
        self.write("draw/test_data_set_0/output_0.pb", w.floats("y", values))
        text = self.done("conform", "draw")
        self.assertIn("1 compared by dtype, dims and distribution", text)
        self.write("draw/test_data_set_0/output_0.pb", w.floats("y", [v + 3 for v in values]))
        self.assertEqual(sibyl("conform", "draw", folder=self.folder).returncode, 1)

    def half(self, c, expected):
        """A case of (x + c) - c in half floats, which loses what x + c cannot hold; x is 0.1."""
        scalar = w.tensor_type("float16", [1])
        one = lambda name, x: w.tensor(name, "float16", [1], struct.pack("<e", x))
        nodes = [w.node("Add", ["x", "c"], ["s"]), w.node("Sub", ["s", "c"], ["y"])]
        self.write("half/model.onnx", w.model(nodes, {"x": scalar}, {"y": scalar}, [one("c", c)]))
        self.write("half/test_data_set_0/input_0.pb", one("x", 0.1))
        self.write("half/test_data_set_0/output_0.pb", one("y", expected))
        return sibyl("conform", "half", folder=self.folder)

    def test_half_floats_that_a_reference_kept_wider(self):
        wider = self.half(1, 0.1)
        self.assertEqual(wider.returncode, 0, wider.stdout)
        self.assertIn("1 whose reference kept more precision", wider.stdout.decode())
        exact = self.half(1, 1.0996 - 1)  # what half floats give: nothing special
        self.assertEqual(exact.returncode, 0, exact.stdout)
        self.assertNotIn("precision", exact.stdout.decode())
        self.assertEqual(self.half(1, 0.1005).returncode, 1)  # not what double gives
        self.assertEqual(self.half(8, 0.1).returncode, 1)  # what double gives, but too far from it

    def test_manifest(self):
        self.write("off.manifest", b"# known\ntest_wrong 0 1.5 written down badly\n")
        text = self.done("conform", "cases", "--filter", "*_[gw]*", "--manifest", "off.manifest")
        self.assertIn("test_wrong at rtol 0, atol 1.5: written down badly", text)
        self.assertEqual(text.splitlines()[-1], "2 passed, 0 failed, 0 skipped")
        self.write("off.manifest", b"test_wrong 0 0.5 not off by so little\n")
        strict = sibyl("conform", "cases", "--filter", "*_[gw]*", "--manifest", "off.manifest", folder=self.folder)
        self.assertEqual(strict.returncode, 1)
        self.write("off.manifest", b"test_wrong 0 0.5\n")
        self.fails(1, "line 1 is not CASE RTOL ATOL", "conform", "cases", "--manifest", "off.manifest")
        self.fails(1, "nothere", "conform", "cases", "--manifest", "nothere")

    def test_misuse(self):
        self.fails(2, ["no folder", "sibyl help conform"], "conform")
        self.fails(1, "no case was found", "conform", "nothere")
        self.fails(1, "no case was found", "conform", "cases", "--filter", "nothing*")
        self.fails(2, ["--jobs", "'0'"], "conform", "cases", "-j", "0")
        self.fails(2, ["--rtol", "'x'"], "conform", "cases", "--rtol", "x")
        self.fails(1, "no/r.json", "conform", "cases", "--filter", "*_good", "--json", "no/r.json")
        self.fails(1, "no/r.xml", "conform", "cases", "--filter", "*_good", "--junit", "no/r.xml")


class Quantize(Model):
    """y = x @ w of 64 x 64."""

    def setUp(self):
        super().setUp()
        row = w.tensor_type("float32", ["N", 64])
        values = [math.sin(i * i) for i in range(64 * 64)]
        self.write("big.onnx", w.model([w.node("MatMul", ["x", "w"], ["y"], name="product")], {"x": row}, {"y": row},
                                       [w.floats("w", values, [64, 64])]))
        array = npy_bytes([2, 64], [math.cos(i) for i in range(128)])
        (self.folder / "sets").mkdir()
        with zipfile.ZipFile(self.folder / "sets" / "a.npz", "w") as z:
            z.writestr("x.npy", array)

    def test_files(self):
        for words, operator in (([], "DequantizeLinear"), (["--weights", "int4"], "com.microsoft:MatMulNBits"),
                                (["--weights", "f16"], "Cast"), (["--dynamic"], "MatMulInteger")):
            text = self.done("quantize", "big.onnx", "-o", "out.onnx", "--calibrate", "sets", "--report", *words)
            self.assertRegex(text, r"64 x 64 +product")
            self.assertRegex(text, r"output y: relative RMS error [0-9.e-]+\n1 layers as ")
            found = json.loads(self.done("inspect", "out.onnx", "--json"))
            self.assertIn(operator, found["operators"])
            self.assertLess((self.folder / "out.onnx").stat().st_size, 10000)
            self.done("run", "out.onnx", "--random", 1, "--dim", "N=2")

    def test_json(self):
        found = json.loads(self.done("quantize", "big.onnx", "-o", "out.onnx", "--json"))
        self.assertEqual([found["layers"][0][k] for k in ("node", "k", "n", "bytes_before", "output_error")],
                         ["product", 64, 64, 16384, None])
        self.assertIn("no layer found", self.done("quantize", "m.onnx", "-o", "out.onnx"))

    def test_misuse(self):
        self.fails(2, "is named with -o", "quantize", "big.onnx")
        self.fails(2, "have no blocks", "quantize", "big.onnx", "-o", "o.onnx", "--weights", "f16", "--block", 32)
        self.fails(2, "--dynamic is for int8", "quantize", "big.onnx", "-o", "o.onnx", "--weights", "int4", "--dynamic")
        self.fails(1, "block is 33", "quantize", "big.onnx", "-o", "o.onnx", "--block", 33)
        self.fails(1, "is the model itself", "quantize", "big.onnx", "-o", "./big.onnx")
        self.fails(1, "no folder test_data_set_N", "quantize", "big.onnx", "-o", "o.onnx", "--calibrate", ".")
        self.assertFalse((self.folder / "o.onnx").exists())


class Bench(Case):
    def test_features(self):
        absent = dict(os.environ, SIBYL_PYTHON="/nonexistent/python")
        text = self.done("bench", "features", "--repeat", "2", "--threads", "2", "--json", "--peers", "--monitor",
                         "0.01", env=absent)
        document = json.loads(text)
        figures = {f["name"]: f for f in document["figures"]}
        for name in ("whisper-80", "whisper-128", "precise-80", "stream-80", "whisper-80, threads"):
            series = figures[name]["series"]
            self.assertEqual(series["n"], 2)
            self.assertTrue(0 < series["min"] <= series["median"] <= series["p95"] <= series["p99"] <= series["max"])
        self.assertEqual(figures["whisper-80, threads"]["threads"], 2)
        self.assertTrue(any("torch: skipped, /nonexistent/python" in n for n in document["notes"]))
        self.assertGreater(document["memory"]["resident_peak"], 0)
        self.assertGreater(len(document["monitor"]), 0)
        self.assertIn("cpu_level", document["machine"])

    def test_a_python_without_torch_is_skipped(self):
        fake = self.folder / "python"
        fake.write_text("#!/bin/sh\necho absent of mind\n")
        fake.chmod(0o755)
        text = self.done("bench", "features", "--repeat", "1", "--peers", env=dict(os.environ, SIBYL_PYTHON=fake))
        self.assertIn("of mind", text)
        fake.write_text("#!/bin/sh\necho ready 1.0\n")
        text = self.done("bench", "features", "--repeat", "1", "--peers", env=dict(os.environ, SIBYL_PYTHON=fake))
        self.assertIn("its Python ended", text)

    def test_tables(self):
        text = self.done("bench", "peak", "--repeat", "1", "--threads", "1")
        self.assertRegex(text, r"(?m)^fma +1 GFLOP/s")
        self.assertRegex(text, r"(?m)^read +1 GB/s")
        document = json.loads(self.done("bench", "conv1d", "--repeat", "1", "--json"))
        self.assertEqual(len(document["figures"]), 7)
        self.assertTrue(all(f["unit"] == "GFLOP/s" for f in document["figures"]))


class BenchModels(Cases):
    absent = dict(os.environ, SIBYL_PYTHON="/nonexistent/python")

    def bench(self, *arguments):
        return self.done("bench", "models", *arguments, "--repeat", "2", env=self.absent)

    def test_cases_and_files(self):
        document = json.loads(self.bench("cases/test_good", "cases/test_wrong", "--json", "--backend", "ref"))
        self.assertEqual([m["name"] for m in document["models"]], ["test_good", "test_wrong"])
        for model in document["models"]:
            side = model["sibyl"]
            self.assertGreater(side["n"], 1)
            self.assertTrue(0 < side["min"] <= side["median"] <= side["p95"] <= side["max"])
            self.assertNotIn("onnxruntime", model)
        text = self.bench("m.onnx", "--dim", "N=3")
        self.assertRegex(text, r"(?m)^m +\d+ +[0-9.]+ +[0-9.]+$")

    def test_without_a_peer(self):
        text = self.bench("cases/test_good", "--peers")
        self.assertIn("onnxruntime: skipped, /nonexistent/python has no onnxruntime", text)
        other = dict(self.absent, SIBYL_ONNXRUNTIME="/nonexistent/lib.so")
        text = self.done("bench", "models", "cases/test_good", "--peers", "--repeat", "2", env=other)
        self.assertIn("/nonexistent/lib.so", text)

    def test_first_runs(self):
        document = json.loads(self.bench("cases/test_good", "--fresh", "--json"))
        first = document["models"][0]["sibyl"]["first"]
        self.assertGreater(first["open_seconds"] + first["run_seconds"], 0)
        self.assertGreaterEqual(first["peak_bytes"], 0)
        line = self.done("bench", "first", "sibyl", "cases/test_good").split()
        self.assertEqual(len(line), 4)
        self.fails(1, "no onnxruntime", "bench", "first", "onnxruntime", "cases/test_good", env=self.absent)

    @unittest.skipIf(os.environ.get("SIBYL_QUICK"), "a quick run: a Whisper takes minutes in instrumented builds")
    def test_whisper(self):
        scratch = self.folder / "scratch"
        scratch.mkdir()
        fake = self.folder / "python"
        fake.write_text("#!/bin/sh\necho ready 1.0\n")
        fake.chmod(0o755)
        for dtype in ("f32", "bf16"):
            document = json.loads(self.done("bench", "whisper", "--repeat", "1", "--json", "--dtype", dtype, "--peers",
                                            env=dict(os.environ, SIBYL_PYTHON=fake, TMPDIR=str(scratch))))
            models = document["models"]
            self.assertEqual("encoder: torch skipped, its Python ended" in document["notes"], dtype == "f32")
            stored = "" if dtype == "f32" else "_" + dtype
            self.assertEqual([m["name"] for m in models],
                             [p + stored + form for p in ("encoder", "prompt", "step") for form in ("", "_decomposed")])
            for model in models:
                self.assertGreater(model["sibyl"]["gflops"], 0, model)
        self.assertEqual(list(scratch.iterdir()), [])

    def test_claims(self):
        row = w.tensor_type("float32", [64])
        ours = [w.node("Relu", ["x"], ["y"])]
        self.write("ours.onnx", w.model(ours, {"x": row}, {"y": row}, []))
        theirs = [*ours, w.node("RandomNormalLike", ["y"], ["z"])]  # drawing is ref's
        self.write("mixed.onnx", w.model(theirs, {"x": row}, {"z": row}, []))
        arguments = ("ours.onnx", "mixed.onnx", "--claims", "--backend", "cpu,ref")
        document = json.loads(self.bench(*arguments, "--json"))
        whole, part = (m["claims"] for m in document["models"])
        self.assertEqual((whole["share"], whole["ref"]), (1, ""))
        self.assertTrue(0 < part["share"] < 0.99)
        self.assertIn("RandomNormalLike", part["ref"])
        ratios = {r["name"]: r for r in document["ratios"]}
        self.assertFalse(ratios["share of time in claimed operators, least"]["met"])
        self.assertEqual(ratios["share of time in claimed operators, least"]["value"], part["share"])
        text = self.bench(*arguments)
        self.assertRegex(text, r"(?m)^ours .* 100\.00%$")
        self.assertRegex(text, r"on ref, .*RandomNormalLike")
        self.assertIn("1 of 2 models spend at least 99 % of their time in claimed operators; least: mixed", text)
        document = json.loads(self.bench("ours.onnx", "--claims", "--backend", "ref", "--json"))
        self.assertEqual(document["models"][0]["claims"]["share"], 0)

    def test_errors_against_the_run_in_double(self):
        document = json.loads(self.bench("cases/test_good", "m.onnx", "--dim", "N=50", "--error", "--json"))
        for model in document["models"]:
            error = model["sibyl"]["error"]
            self.assertTrue(0 <= error["rms"] <= error["worst"] <= 1e-6, error)
        row = w.tensor_type("float32", [64])
        nodes = [w.node("Cast", ["x"], ["h"], to=10), w.node("Cast", ["h"], ["y"], to=1)]
        self.write("half.onnx", w.model(nodes, {"x": row}, {"y": row}, []))
        error = json.loads(self.bench("half.onnx", "--error", "--json"))["models"][0]["sibyl"]["error"]
        self.assertTrue(1e-5 < error["rms"] < error["worst"] < 2**-10, error)
        self.assertRegex(self.bench("half.onnx", "--error"),
                         r"(?m)^  error of sibyl +to ref in double, same weights: +max abs [0-9.e-]+, RMS ")

    @unittest.skipIf(os.environ.get("SIBYL_QUICK"), "a quick run: it takes minutes in instrumented builds")
    def test_errors_of_conv1d(self):
        document = json.loads(self.done("bench", "conv1d", "--repeat", "1", "--error", "--json"))
        self.assertEqual(len(document["errors"]), 10)
        for row in document["errors"]:
            # a half of the last digit of the result's type, and what rounding 240 or 1152 products leaves
            own = 2e-6 if "float32" in row["name"] else 2**-11 if "bfloat16" not in row["name"] else 2**-8
            bar = own * (1.02 if row["against"] == "same numbers" else 4)
            self.assertTrue(0 < row["error"]["rms"] < row["error"]["worst"] < bar, row)

    def test_a_model_that_cannot_run_is_skipped(self):
        self.write("bad/model.onnx", b"no model")
        document = json.loads(self.bench("bad", "cases/test_good", "--json"))
        self.assertIn("skipped", document["models"][0]["sibyl"])
        self.assertIn("n", document["models"][1]["sibyl"])

    def test_misuse(self):
        self.fails(2, "files or folders", "bench", "models")
        self.fails(2, "no name behind it, got 'x'", "bench", "peak", "x")
        (self.folder / "none").mkdir()
        self.fails(1, "no model was found", "bench", "models", "none", env=self.absent)
        self.assertEqual(sibyl("bench", "models", "theirs", folder=self.folder).returncode, 1)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
