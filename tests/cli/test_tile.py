"""sibyl tile: plans, the simulated machine, code for the chip."""

import ctypes
import json
import os
import shutil
import struct
import subprocess
import sys
import unittest
import wave

from command import SOURCE, Case, sibyl, tone, write_wav

sys.path.insert(0, str(SOURCE / "tests" / "tile"))
import memory  # noqa: E402

GOLDEN = SOURCE / "tests" / "tile" / "golden"
FILES = ["aie.mlir", "aie_generic.mlir", "build.sh", "host.cpp", "sibyl_tile.c", "sibyl_tile.h"]


def read_whole(path):
    """Type, shape and bytes of a .npy in C order."""
    data = path.read_bytes()
    (size,) = struct.unpack("<H", data[8:10])
    header = eval(data[10:10 + size], {"__builtins__": {}}, {"False": False, "True": True})  # a literal
    assert not header["fortran_order"]
    return header["descr"], header["shape"], data[10 + size:]


class Plan(Case):
    def plan(self, *arguments, code=0):
        result = sibyl("tile", "plan", *arguments, "--json", folder=self.folder)
        self.assertEqual(result.returncode, code, result.stderr)
        return json.loads(result.stdout)

    def test_published_table(self):
        """Batch, KB in, KB out, KB in all, calls: as published, of 1,000 bytes."""
        rows = [(1, 1.6, 0.16, 5.36, 628163), (10, 16, 1.6, 21.7, 62817), (20, 32, 3.2, 39.2, 31409),
                (50, 80, 8, 92, 12564), (100, 160, 16, 177, 6282)]
        table = self.plan("--table")
        self.assertEqual([r["published"]["batch"] for r in table], [r[0] for r in rows])
        for (batch, fifo_in, fifo_out, total, calls), row in zip(rows, table):
            self.assertEqual(row["published"]["fifo_in"], round(1000 * fifo_in))
            self.assertEqual(row["published"]["fifo_out"], round(1000 * fifo_out))
            self.assertEqual(row["published"]["total"], round(1000 * total))
            self.assertEqual(row["published"]["calls"], calls)
            memory = row["plan"]["memory"]
            self.assertEqual(memory["total"], round(1000 * (fifo_in + fifo_out)) + memory["stack"] + memory["constants"]
                             + memory["state"])
            self.assertEqual(row["plan"]["recording"]["calls"], calls)
            self.assertEqual(row["plan"]["fits"], batch <= 20)
        text = self.done("tile", "plan", "--table")
        self.assertRegex(text, r"(?m)^ +50 +80 +8 +4 +92 \| .* no +12,564 ")

    def test_what_would_fit(self):
        plan = self.plan("--batch", 100, code=1)
        self.assertFalse(plan["fits"])
        found = {(a["change"], a["depth"], a["tiles"]) for a in plan["would_fit"]}
        self.assertIn(("more tiles, evenly", 2, 4), found)
        self.assertIn(("more tiles, depth 1", 1, 2), found)
        result = sibyl("tile", "plan", "--batch", 100)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr.decode(), r"2 x 100 x \(800 \+ 80\) \+ stack \d+ \+ constants \d+ \+ state \d+ = ")
        self.assertIn("batch 100, depth 2, 4 tiles of 25 frames", result.stdout.decode())
        self.assertFalse(self.plan("--batch", 100, "--tiles", 2, code=1)["fits"])
        self.assertTrue(self.plan("--batch", 100, "--tiles", 2, "--depth", 1)["fits"])
        self.assertTrue(self.plan("--batch", 100, "--tiles", 4)["fits"])
        self.assertTrue(self.plan("--batch", 30)["fits"])

    def test_costs_and_best(self):
        self.assertAlmostEqual(self.plan("--batch", 1)["time"]["seconds"], 628163 * 213e-6)
        slow = self.plan("--call-cost", 10, "--byte-cost", 1, "--frame-cost", 2, "--depth", 1, "--frames", 100)
        self.assertAlmostEqual(slow["time"]["seconds"], 10 * (10e-6 + 8800e-9 + 20e-6))
        published = self.plan("--batch", 10)["time"]["seconds"] / 62817
        self.assertTrue(1.10e-3 <= published <= 2.37e-3, published)
        self.assertGreater(self.plan("--best")["time"]["seconds"], 628163 / 16 * 110e-6)
        text = self.done("tile", "plan", "--best")
        self.assertRegex(text, r"(?m)^time +4\.\d+ s predicted.*\n +9\.\d+ s where a frame takes 237 us")
        best = self.plan("--best", "--frame-cost", 98.6, "--call-cost", 114.4)
        self.assertTrue(best["fits"])
        for batch, tiles in ((10, 1), (100, 4), (480, 16)):
            other = self.plan("--batch", batch, "--tiles", tiles, "--frame-cost", 98.6, "--call-cost", 114.4)
            self.assertLessEqual(best["time"]["seconds"], other["time"]["seconds"])
        self.assertLessEqual(self.plan("--best", "--tiles", 3)["tiles"], 3)

    def test_recording(self):
        self.assertEqual(self.plan("--audio", "a.wav")["recording"]["frames"], 100)
        self.assertEqual(self.plan("--frames", 12, "--batch", 5)["recording"]["calls"], 3)

    def test_refused(self):
        for words, arguments in (("batch is 0", ["--batch", 0]), ("tiles is 17", ["--tiles", 17]),
                                 ("tiles is 0", ["--tiles", 0]), ("depth is 3", ["--depth", 3]),
                                 ("bands is 40", ["--bands", 40]), ("less than the kernel's stack", ["--memory", 100]),
                                 ("less than the kernel's", ["--memory", "5K"]), ("at most", ["--memory", "64000K"]),
                                 ("--memory is '64M'", ["--memory", "64M"]), ("--memory is '-1'", ["--memory=-1"]),
                                 ("missing.wav", ["--audio", "missing.wav"])):
            self.fails(1, words, "tile", "plan", *arguments)
        self.fails(2, "--call-cost takes a number from 0", "tile", "plan", "--call-cost", -0.5)
        self.fails(2, "both give", "tile", "plan", "--audio", "a.wav", "--frames", 3)
        self.fails(2, "tile plan takes no name after it", "tile", "plan", "a.wav")
        self.fails(2, "does not take --fault", "tile", "plan", "--fault", "batch")
        self.fails(2, "does not take --output", "tile", "plan", "-o", "x")
        self.fails(2, "one of: plan, simulate, emit", "tile")
        self.fails(2, "tile has no 'x'", "tile", "x")


class Simulate(Case):
    def setUp(self):
        super().setUp()
        self.wav = write_wav(self.folder / "a.wav", tone(1.234, 0.7))

    def run_one(self, name, *arguments):
        self.done("tile", "simulate", "a.wav", "-o", name, *arguments)
        return (self.folder / name).read_bytes()

    def test_same_bits(self):
        plain = self.run_one("plain.npy", "--batch", 1)
        self.assertEqual(read_whole(self.folder / "plain.npy")[:2], ("|i1", (80, 123)))
        for i, arguments in enumerate((["--batch", 7], ["--depth", 1], ["--batch", 64, "--tiles", 16],
                                       ["--batch", 33, "--tiles", 9, "--depth", 1], ["--best", "--tiles", 5])):
            self.assertEqual(self.run_one(f"{i}.npy", *arguments), plain, arguments)
        self.run_one("wide.npy", "--out", "int16", "--bands", 128)
        self.assertEqual(read_whole(self.folder / "wide.npy")[:2], ("<i2", (128, 123)))

    def test_report(self):
        text = self.done("tile", "simulate", "a.wav", "-o", "x.npy", "--json", "--batch", 10, "--tiles", 3)
        report = json.loads(text)
        for name in ("calls", "transfers", "bytes_in", "bytes_out"):
            self.assertEqual(report["run"][name], report["plan"]["recording"][name])
        self.assertEqual(report["run"]["predicted_seconds"], report["plan"]["time"]["seconds"])
        self.assertGreater(report["run"]["measured_seconds"], 0)
        self.assertGreater(report["run"]["kernel_seconds"], 0)
        self.assertRegex(self.done("tile", "simulate", "a.wav", "-o", "x.npy"), r"(?s)stalls.*predicted.*measured")

    def test_raw_samples(self):
        plain = self.run_one("plain.npy")
        samples = tone(1.234, 0.7).tobytes()
        self.done("tile", "simulate", "-", "-o", "raw.npy", stdin=samples)
        self.assertEqual((self.folder / "raw.npy").read_bytes(), plain)
        self.fails(1, "inside a sample", "tile", "simulate", "-", "-o", "odd.npy", stdin=samples[:-1])
        self.assertNotIn("odd.npy", self.names())

    def test_faults(self):
        for kind, words in (("lost-lock", "lost lock"), ("late-dma", "late DMA"), ("batch", "batches differ"),
                            ("overrun", "overrun")):
            for tiles in (1, 11):
                self.fails(1, [words, "tile ("], "tile", "simulate", "a.wav", "-o", "x.npy", "--fault", kind, "--tiles",
                           tiles, "--batch", 22)
            if kind != "batch":
                self.fails(1, [words, "tile (1, 2)"], "tile", "simulate", "a.wav", "-o", "x.npy", "--fault", f"{kind}@3:1",
                           "--tiles", 2)
        self.assertEqual(self.names(), ["a.wav"])

    def write(self, name, channels, width, rate, data):
        with wave.open(str(self.folder / name), "wb") as w:
            w.setnchannels(channels)
            w.setsampwidth(width)
            w.setframerate(rate)
            w.writeframes(data)

    def test_any_recording(self):
        """Other rates, channels and sample sizes: the bits of `sibyl features --fixed`."""
        data = tone(1).tobytes()
        self.write("stereo.wav", 2, 2, 44100, data * 2)
        self.write("bytes.wav", 1, 1, 16000, bytes(range(256)) * 40)
        self.write("wide.wav", 1, 3, 16000, bytes(range(256)) * 3 * 40)
        self.write("slow.wav", 1, 2, 8000, data)
        for name in ("stereo.wav", "bytes.wav", "wide.wav", "slow.wav", "a.wav"):
            self.done("tile", "simulate", name, "-o", "tile.npy", "--batch", 7, "--tiles", 2)
            self.done("features", name, "-o", "fixed.npy", "--fixed=int8")
            self.assertEqual(read_whole(self.folder / "tile.npy"), read_whole(self.folder / "fixed.npy"), name)
            frames = json.loads(self.done("tile", "plan", "--audio", name, "--json"))["recording"]["frames"]
            self.assertEqual(frames, read_whole(self.folder / "fixed.npy")[1][1])

    def test_refused(self):
        data = tone(1).tobytes()
        self.write("short.wav", 1, 2, 16000, data[:400])
        (self.folder / "cut.wav").write_bytes((self.folder / "a.wav").read_bytes()[:-1001])
        before = self.names()
        for name, words in (("short.wav", "200 samples"), ("cut.wav", "truncated"), ("missing.wav", "missing.wav")):
            self.fails(1, [name, words], "tile", "simulate", name, "-o", "x.npy")
        self.fails(1, "does not fit", "tile", "simulate", "a.wav", "-o", "x.npy", "--batch", 100)
        self.fails(1, "batch is 0", "tile", "simulate", "a.wav", "-o", "x.npy", "--batch", 0)
        self.fails(1, "none", "tile", "simulate", "a.wav", "-o", "none/x.npy")
        self.fails(2, "one recording", "tile", "simulate", "-o", "x.npy")
        self.fails(2, "-o", "tile", "simulate", "a.wav")
        self.fails(2, "'fire'", "tile", "simulate", "a.wav", "-o", "x.npy", "--fault", "fire")
        self.fails(2, "would replace", "tile", "simulate", "a.wav", "-o", "a.wav")
        self.fails(2, "does not take --frames", "tile", "simulate", "a.wav", "-o", "x.npy", "--frames", 3)
        self.assertEqual(self.names(), before)


class Emit(Case):
    def emit(self, name, *arguments):
        self.done("tile", "emit", "-o", name, *arguments)
        folder = self.folder / name
        self.assertEqual(sorted(p.name for p in folder.iterdir()), FILES)
        return folder

    def test_golden(self):
        """Reviewed by eye. To write them anew: SIBYL_GOLDEN=write. The header is no source here, to be formatted."""
        same = (("aie.mlir", "aie.mlir"), ("aie_generic.mlir", "aie_generic.mlir"), ("sibyl_tile.h", "sibyl_tile.h.txt"))
        for name, arguments in (("one", ["--batch", 10]), ("two", ["--batch", 7, "--tiles", 2, "--depth", 1]),
                                ("nine", ["--batch", 26, "--tiles", 9, "--bands", 128, "--out", "int16"]),
                                ("of-2024", ["--batch", 10, "--dialect", "2024"])):
            folder = self.emit(name, *arguments)
            if os.environ.get("SIBYL_GOLDEN") == "write":
                (GOLDEN / name).mkdir(parents=True, exist_ok=True)
                for file, golden in same:
                    shutil.copy(folder / file, GOLDEN / name / golden)
            for file, golden in same:
                self.assertEqual((folder / file).read_text(), (GOLDEN / name / golden).read_text(), (name, file))

    def test_generic_form_is_parsed(self):
        if not shutil.which("mlir-opt-14"):
            self.skipTest("skipped for want of mlir-opt-14 (Debian's mlir-14-tools)")
        for tiles, dialect in ((1, "2026"), (2, "2024"), (7, "2026"), (8, "2024"), (9, "2024"), (16, "2026")):
            folder = self.emit(f"t{tiles}", "--tiles", tiles, "--batch", 3 * tiles - 1, "--dialect", dialect)
            result = subprocess.run(["mlir-opt-14", "--allow-unregistered-dialect", folder / "aie_generic.mlir"],
                                    capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertEqual(result.stdout.count('"aie.core"'), tiles)
        text = (folder / "aie_generic.mlir").read_text()
        broken = folder / "broken.mlir"
        broken.write_text(text.replace("(%pcm, %features, %row)", "(%pcm, %features, %frames)", 1))
        result = subprocess.run(["mlir-opt-14", "--allow-unregistered-dialect", broken], capture_output=True, text=True)
        self.assertNotEqual(result.returncode, 0)

    def test_both_forms_say_the_same(self):
        """The statements of one and of the other, by operation, with the numbers in them."""
        self.check_forms("2026", "aie.runtime_sequence")
        self.check_forms("2024", "aiex.runtime_sequence", "aie.objectfifo.subview.access")

    def check_forms(self, dialect, *own):
        folder = self.emit(dialect, "--tiles", 11, "--batch", 22, "--dialect", dialect)
        pretty, generic = ((folder / f).read_text() for f in ("aie.mlir", "aie_generic.mlir"))
        for text in pretty, generic:
            self.assertEqual(text.count("link_with"), 1 if dialect == "2026" else 11)
            self.assertEqual("subview" in text, dialect == "2024")
        for operation in (*own, "aie.tile", "aie.objectfifo", "aie.objectfifo.link", "aie.core", "aie.objectfifo.acquire",
                          "aie.objectfifo.release", "aiex.npu.dma_memcpy_nd", "aiex.npu.dma_wait", "scf.for", "func.call"):
            plain = sum(operation in line.replace("(", " ").split() for line in pretty.splitlines())
            self.assertEqual(plain, generic.count(f'"{operation}"'), operation)

    def test_kernel_alone(self):
        """The C file needs nothing else, and its frames are those of the simulated machine before the clamp."""
        compiler = shutil.which("gcc") or shutil.which("cc")
        write_wav(self.folder / "loud.wav", tone(0.5, 0.9))
        for bands, out, kind in ((80, "int8", ctypes.c_int8), (128, "int16", ctypes.c_int16)):
            folder = self.emit(f"k{bands}", "--bands", bands, "--out", out)
            subprocess.run([compiler, "-std=c11", "-O2", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-c",
                            "sibyl_tile.c", "-o", "sibyl_tile.o"], cwd=folder, check=True)
            undefined = subprocess.run(["nm", "-u", "sibyl_tile.o"], cwd=folder, capture_output=True, text=True, check=True)
            self.assertLessEqual(set(undefined.stdout.split()) - {"U"}, {"memcpy", "memset", "memmove"})
            subprocess.run([compiler, "-shared", "-fPIC", "-O2", "sibyl_tile.c", "-o", "k.so"], cwd=folder, check=True)
            frame = ctypes.CDLL(str(folder / "k.so")).sibyl_tile_frame
            frame.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32]
            samples = tone(0.5, 0.9)
            frames = len(samples) // 160
            rows = [[samples[abs(i) if i < len(samples) else 2 * len(samples) - 2 - i]
                     for i in range(160 * f - 200, 160 * f + 200)] for f in range(frames)]
            pcm = (ctypes.c_int16 * (400 * frames))(*(x for row in rows for x in row))
            values = (kind * (bands * frames))()
            for f in range(frames):
                frame(pcm, values, f)
            least = max(values) - 2 * (64 if out == "int8" else 16384)
            self.done("tile", "simulate", "loud.wav", "-o", "x.npy", "--bands", bands, "--out", out)
            data = read_whole(self.folder / "x.npy")[2]
            expected = memoryview(data).cast("b" if out == "int8" else "h").tolist()
            self.assertEqual([max(values[f * bands + b], least) for b in range(bands) for f in range(frames)], expected)

    def test_memory(self):
        """The design's stack covers the calls of the C file, and the plan its constants and variables."""
        if not shutil.which("gcc"):
            self.skipTest("skipped for want of gcc")
        for bands, out in ((80, "int8"), (80, "int16"), (128, "int8"), (128, "int16")):
            folder = self.emit(f"{bands}-{out}", "--bands", bands, "--out", out)
            size = int((folder / "aie.mlir").read_text().split("stack_size = ")[1].split()[0])
            plan = json.loads(self.done("tile", "plan", "--bands", bands, "--out", out, "--json"))["memory"]
            self.assertEqual(plan["stack"], size)
            for level in memory.LEVELS:
                subprocess.run(["gcc", "-std=c11", level, "-ffreestanding", "-fstack-usage", "-fcallgraph-info=su", "-c",
                                "sibyl_tile.c"], cwd=folder, check=True)
                self.assertLessEqual(memory.deepest((folder / "sibyl_tile.ci").read_text(), "sibyl_tile_frame"), size)
                self.assertLessEqual(memory.data_bytes(folder / "sibyl_tile.o"), plan["constants"] + plan["state"])
                if level == "-O2":
                    self.assertLessEqual(memory.code_bytes(folder / "sibyl_tile.o"), plan["program"])
                    self.assertLess(plan["program"], plan["program_bytes"])

    def test_host(self):
        """The host's program against stubs of XRT, which compute with the emitted kernel: the bits of simulate. No chip."""
        compiler = shutil.which("c++")
        if not compiler:
            self.skipTest("skipped for want of a C++ compiler")
        write_wav(self.folder / "a.wav", tone(1.234, 0.7))
        (self.folder / "a.raw").write_bytes(tone(1.234, 0.7).tobytes())
        (self.folder / "odd.raw").write_bytes(b"123")
        for name, arguments in (("plain", []), ("wide", ["--tiles", 9, "--batch", 26, "--bands", 128, "--out", "int16"])):
            folder = self.emit(name, *arguments)
            (folder / "insts.bin").write_bytes(bytes(64))
            subprocess.run(["cc", "-std=c11", "-O1", "-c", "sibyl_tile.c", "-o", "kernel.o"], cwd=folder, check=True)
            subprocess.run([compiler, "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE / 'tests/tile/xrt'}", "-I.",
                            "host.cpp", "kernel.o", "-o", "host"], cwd=folder, check=True)
            host = [folder / "host", "x.xclbin", folder / "insts.bin"]
            result = subprocess.run([*host, "a.raw", "chip.npy"], cwd=self.folder, capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertRegex(result.stdout, r"^123 frames in \d+ calls of \d+: \S+ s, \S+ us a call$")
            self.done("tile", "simulate", "a.wav", "-o", "x.npy", *arguments)
            self.assertEqual(read_whole(self.folder / "chip.npy"), read_whole(self.folder / "x.npy"))
            for wrong in ("odd.raw", "missing.raw"):
                result = subprocess.run([*host, wrong, "y.npy"], cwd=self.folder, capture_output=True, text=True)
                self.assertEqual((result.returncode, wrong in result.stderr), (1, True), result.stderr)

    def test_script(self):
        """build.sh with a compiler and an aiecc.py that only tell how they were called."""
        folder = self.emit("script")
        tools = self.folder / "tools"
        tools.mkdir()
        for name in ("clang", "aiecc.py", "cxx"):
            (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >> calls\n')
            (tools / name).chmod(0o755)
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "CLANG": str(tools / "clang"),
                       "CXX": str(tools / "cxx")}
        environment.pop("XILINX_XRT", None)
        size = tools / "llvm-size"
        size.write_text("#!/bin/sh\necho .text 15361 0\n")
        size.chmod(0o755)
        result = subprocess.run([folder / "build.sh"], env=environment, capture_output=True, text=True)
        self.assertEqual((result.returncode, "15361 bytes of code" in result.stderr), (1, True), result.stderr)
        (folder / "calls").unlink()
        size.write_text("#!/bin/sh\necho .text 9000 0\n")
        for more in {}, {"XILINX_XRT": "/xrt"}:
            subprocess.run([folder / "build.sh"], env={**environment, **more}, check=True)
            if not more:
                self.assertNotIn("cxx", (folder / "calls").read_text())
        self.assertIn("-I/xrt/include host.cpp", (folder / "calls").read_text())
        calls = (folder / "calls").read_text()
        self.assertIn("--target=aie2-none-unknown-elf", calls)
        for flag in ("--alloc-scheme=basic-sequential", "--aie-generate-xclbin", "--aie-generate-npu-insts",
                     "--no-compile-host", "--no-xchesscc", "--no-xbridge"):
            self.assertIn(f"{flag} ", calls)
        self.assertIn("sibyl_tile_insts.bin aie.mlir\n", calls)

    def test_one_batch(self):
        """The host's header and the design say the same."""
        folder = self.emit("batch", "--tiles", 3, "--batch", 32)
        header = dict(line.split()[1:3] for line in (folder / "sibyl_tile.h").read_text().splitlines()
                      if line.startswith("#define") and len(line.split()) > 2)
        self.assertEqual(header["SIBYL_TILE_BATCH"], "32")
        self.assertEqual(header["SIBYL_TILE_MOVED"], "33")
        self.assertEqual(header["SIBYL_TILE_STEP"], str(32 * 160))
        design = (folder / "aie.mlir").read_text()
        self.assertIn(f"%samples: memref<{header['SIBYL_TILE_SAMPLES']}xi16>", design)
        self.assertIn(f"%results: memref<{header['SIBYL_TILE_RESULTS']}xi8>", design)

    def test_refused(self):
        self.fails(1, "does not fit", "tile", "emit", "-o", "x", "--batch", 100)
        self.fails(1, "batch is 0", "tile", "emit", "-o", "x", "--batch", 0)
        self.fails(1, "none/x", "tile", "emit", "-o", "none/x")
        self.fails(1, "a.wav", "tile", "emit", "-o", "a.wav")
        self.fails(1, "counts to at most 1023", "tile", "emit", "-o", "x", "--batch", 2000, "--memory", "8000K")
        self.fails(2, "-o", "tile", "emit")
        self.fails(2, "takes no name", "tile", "emit", "a.wav", "-o", "x")
        self.fails(2, "does not take --table", "tile", "emit", "-o", "x", "--table")
        self.assertEqual(self.names(), ["a.wav"])
        (self.folder / "taken" / "build.sh").mkdir(parents=True)
        self.fails(1, "build.sh", "tile", "emit", "-o", "taken")
        self.assertEqual([p.name for p in (self.folder / "taken").iterdir()], ["build.sh"])


if __name__ == "__main__":
    unittest.main()
