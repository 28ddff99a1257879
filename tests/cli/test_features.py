"""`sibyl features`: recordings in, arrays and pictures out."""

import array
import errno
import json
import math
import os
import pty
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest
import wave

from command import COMMAND, RATE, sibyl, tone, write_wav, read_npy, Case, w


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

    def test_long_recordings(self):
        self.done("features", "a.wav", "--max-seconds", 1)
        self.fails(1, ["a.wav", "longer than 0.5 s"], "features", "a.wav", "--max-seconds", 0.5)

    @unittest.skipIf(os.environ.get("SIBYL_SANITIZE"), "sanitizers keep memory that was freed")
    def test_memory_of_long_recordings_is_bounded(self):
        """45 minutes, of which samples and features take 259 MB."""
        with wave.open(str(self.folder / "long.wav"), "wb") as long:
            long.setparams((1, 2, RATE, 0, "NONE", None))
            for _ in range(45):
                long.writeframes(os.urandom(2 * RATE * 60))
        process = subprocess.Popen([COMMAND, "features", "long.wav", "--threads", "2"], cwd=self.folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        self.assertLess(usage.ru_maxrss, 100 * 1024)
        with open(self.folder / "long.npy", "rb") as f:
            self.assertIn(b"(80, 270000)", f.read(128))
        self.assertEqual(self.names(), ["a.wav", "long.npy", "long.wav"])

    def test_fixed_point_is_near(self):
        for smooth in "none", "same":
            self.done("features", "a.wav", "-o", "f.npy", "--smooth", smooth)
            want = read_npy(self.folder / "f.npy")[1]
            for width, code, one, bound in (("int16", "h", 16384, 0.004), ("int8", "b", 64, 0.012)):
                text = self.done("features", "a.wav", "-o", "x.npy", "--fixed", width, "--png", "x.png", "--smooth", smooth)
                self.assertIn(width, text)
                data = (self.folder / "x.npy").read_bytes()
                self.assertIn(b"(80, 100)", data[:128])
                got = array.array(code, data[-80 * 100 * array.array(code).itemsize:])
                again = 0.5 / one if smooth == "same" else 0  # the average is rounded too
                self.assertLess(max(abs(g / one - w) for g, w in zip(got, want)), bound + again)
        self.done("features", "a.wav", "-o", "y.npy", "--fixed", "int16")
        for arguments in (["--fixed", "a.wav", "-o", "z.npy"], ["a.wav", "-o", "z.npy", "--fixed"]):
            self.done("features", *arguments)
            self.assertEqual((self.folder / "z.npy").read_bytes(), (self.folder / "y.npy").read_bytes())
        self.fails(2, "--fixed", "features", "a.wav", "-o", "x.npy", "--fixed=int32")
        told = json.loads(self.done("features", "a.wav", "-o", "x.npy", "--fixed", "int8", "--bands", "128", "--json"))
        self.assertEqual((told["dtype"], told["one"], told["shape"]), ("int8", 64, [128, 100]))
        told = json.loads(self.done("features", "a.wav", "-o", "x.npy", "--fixed", "--smooth", "valid", "--json"))
        self.assertEqual((told["dtype"], told["shape"]), ("int16", [78, 98]))

    def test_fixed_point_is_whispers(self):
        self.fails(1, "80 or 128", "features", "a.wav", "-o", "x.npy", "--fixed", "int8", "--bands", "64")
        for more in (("--preset", "kaldi"), ("--precise",), ("--float",)):
            self.fails(2, "--fixed", "features", "a.wav", "-o", "x.npy", "--fixed", "int16", *more)
        self.assertEqual(self.names(), ["a.wav"])

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
        while not select.select([leader], [], [], 0.2)[0]:
            process.stdin.write(block)
            process.stdin.flush()
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

    def test_interrupts_leave_nothing(self):
        with wave.open(str(self.folder / "long.wav"), "wb") as long:
            long.setparams((1, 2, RATE, 0, "NONE", None))
            for _ in range(30):
                long.writeframes(bytes(2 * RATE * 60))
        before = self.names()
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen([COMMAND, "features", "long.wav", "a.wav", "--precise", "--threads", "1", "--json"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder)
            seen = 0  # the samples' file has a name for a moment too, before it is unnamed
            while process.poll() is None and seen < 2:
                time.sleep(0.01)
                seen = seen + 1 if any(name.endswith(".part") for name in self.names()) else 0
            if seen < 2:
                process.communicate()
                self.skipTest("it was done before it could be interrupted")
            process.send_signal(number)
            found, line = process.communicate()
            self.assertEqual((process.returncode, line.decode()), (1, "sibyl: long.wav: cancelled\n"))
            self.assertEqual([f["error"]["code"] for f in json.loads(found)["files"]], ["cancelled"])
            self.assertEqual(self.names(), before)


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
            self.fails(1, "no/such", "features", "a.wav", "missing.wav", option, "no/such")
            self.fails(1, "not a folder", "features", "b.wav", "missing.wav", option, "a.wav")
        self.assertEqual(self.names(), ["a.wav"])

    def test_a_container_on_standard_input(self):
        """It is decoded as it comes: through a pipe, from a file, and where a header does not say how long it is."""
        data = self.wav.read_bytes()
        self.done("features", "a.wav", "-o", "named.npy")
        expected = read_npy(self.folder / "named.npy")
        endless = data[:4] + b"\xff" * 4 + data[8:40] + b"\xff" * 4 + data[44:]  # as ffmpeg writes it to a pipe
        for name, given in (("raw", data[44:]), ("wav", data), ("endless", endless)):
            self.done("features", "-", "-o", f"{name}.npy", stdin=given)
            self.assertEqual(read_npy(self.folder / f"{name}.npy"), expected, name)
        with self.wav.open("rb") as file:
            done = subprocess.run([COMMAND, "features", "-", "-o", "file.npy"], stdin=file, capture_output=True, cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(read_npy(self.folder / "file.npy"), expected)
        told = json.loads(self.done("features", "-", "--json", stdin=data))
        self.assertEqual((told["container"], told["codec"]), ("wav", "pcm_s16le"))
        self.fails(1, "-: ", "features", "-", stdin=b"fLaC" + bytes(400))
        self.fails(1, "-: ", "features", "-", stdin=b"\0\0\0\x20ftypisom" + bytes(400))

    def test_frames_without_a_mark_on_standard_input(self):
        """MPEG audio is recognised by three headers at the distances that they state."""
        frame = b"\xff\xfb\x90\x00" + bytes(413)  # MPEG 1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes of silence
        self.assertEqual(json.loads(self.done("features", "-", "--json", "-o", "m.npy", stdin=40 * frame))["container"], "mp3")
        for raw in (frame + bytes(40000), b"\xff\xfb" * 20000):
            self.assertEqual(json.loads(self.done("features", "-", "--json", "-o", "r.npy", stdin=raw + bytes(len(raw) % 2)))["container"], "pcm")

    def test_a_picture_is_png(self):
        self.fails(2, ["'x.jpg'", ".png"], "features", "a.wav", "--png", "x.jpg")
        self.done("features", "a.wav", "--png", "x.svg")
        self.assertIn("a.wav, whisper, 80 bands</text>", (self.folder / "x.svg").read_text())
        (self.folder / "x.svg").unlink()
        self.done("features", "a.wav", "--png", "x.PNG")
        self.assertEqual(self.names(), ["a.npy", "a.wav", "x.PNG"])

    def test_output_folder_is_made(self):
        write_wav(self.folder / "b.wav", tone(1))
        self.done("features", "a.wav", "b.wav", "-o", "made", "--png", "pictures")
        self.assertEqual(sorted(p.name for p in (self.folder / "made").iterdir()), ["a.npy", "b.npy"])
        self.assertEqual(sorted(p.name for p in (self.folder / "pictures").iterdir()), ["a.png", "b.png"])

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


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
