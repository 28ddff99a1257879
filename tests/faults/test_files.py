"""The n-th write, open, rename, close or read of the process fails, or ends it by SIGKILL, over the commands that write files.
After it no partial file stands under a final name and no temporary is left by a process that could remove it; the exit code
is not 0 where anything was lost, and a message names the file. A short read or write changes nothing. What a killed process
left is gone after the next run, whose files are those of a run without faults.

$SIBYL_FAULT is the library that makes it fail (fail_file.c). One or two calls of each kind are tried for each command, all with SIBYL_FAULTS=all. Arguments name the scenarios to try.
"""

import collections
import concurrent.futures
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
from command import COMMAND, SOURCE, npy_bytes, tone, w, write_wav  # noqa: E402

FAULT = os.environ["SIBYL_FAULT"]
DIGITS = SOURCE / "assets" / "digits"
ALL = os.environ.get("SIBYL_FAULTS") == "all"
AT_ONCE = 2  # runs
NO_FILTER = 98  # exit code: libc lies across addresses that the filter cannot compare; it lies elsewhere in the next run

# Kind of call, how it fails, and whether all behind it fail too.
FAULTS = [("write", errno.ENOSPC, True), ("write", errno.EIO, False), ("write", "short", False), ("open", errno.EACCES, False),
          ("rename", errno.EIO, False), ("make", errno.ENOSPC, False), ("size", errno.EIO, False), ("close", errno.EIO, False),
          ("read", errno.EIO, False), ("read", "short", False), ("find", errno.EIO, False), ("step", "kill", False)]

Outcome = collections.namedtuple("Outcome", "code text files message")


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def left(folder):
    """Folders, and files that are none of the tree: what a process might forget."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_file())


def is_complete(name, data):
    """Of a file with times in it, which differ between runs."""
    if name.endswith(".png"):
        return data.endswith(b"IEND\xaeB`\x82")
    if name.endswith(".json"):
        try:
            return bool(json.loads(data))
        except ValueError:
            return False
    return data.rstrip().endswith((b"</html>", b"</testsuite>"))


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="sibyl-faults-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.inputs = cls.folder / "in"
        cls.inputs.mkdir()
        cls.wav = write_wav(cls.inputs / "a.wav", tone(1))
        cls.model = cls.inputs / "m.onnx"
        row = w.tensor_type("float32", ["N", 3])
        nodes = [w.node("MatMul", ["x", "w"], ["p"], name="product"), w.node("Relu", ["p"], ["y"], name="relu"),
                 w.node("Neg", ["y"], ["z"], name="minus")]
        cls.model.write_bytes(w.model(nodes, {"x": row}, {"y": w.tensor_type("float32", ["N", 2]), "z": w.tensor_type("float32", ["N", 2])},
                                      [w.floats("w", [1, 2, 3, 4, 5, 6], [3, 2])]))
        cls.x = cls.inputs / "x.npy"
        cls.x.write_bytes(npy_bytes([2, 3], range(6)))

    def run_in(self, folder, arguments, preloaded=False, fault=None, at=None):
        """A run whose temporary folder and cache are in `folder`, beside its outputs. The outcome, how many calls of each kind it
        had, and the path that the fault was for."""
        out, beside = folder / "out", [folder / "tmp", folder / "cache"]
        for made in (out, *beside):
            made.mkdir(exist_ok=True)
        count, note = folder / "count", folder / "note"
        for old in (count, note):
            old.unlink(missing_ok=True)
        environment = os.environ | {"TMPDIR": str(beside[0]), "XDG_CACHE_HOME": str(beside[1])}
        if preloaded:
            environment |= {"LD_PRELOAD": FAULT, "SIBYL_FAIL_COUNT": str(count), "SIBYL_FAIL_NOTE": str(note)}
        if fault:
            kind, how, goes_on = fault
            environment |= {"SIBYL_FAIL_WHAT": kind, "SIBYL_FAIL_HOW": str(how), "SIBYL_FAIL_FROM" if goes_on else "SIBYL_FAIL_AT": str(at)}
        for _ in range(8):
            done = subprocess.run([COMMAND, *map(str, arguments)], cwd=out, env=environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=300)
            if done.returncode != NO_FILTER:
                break
        text = re.sub(rb"\n  time .*| in [0-9.]+ s.*|\n[0-9.]+ ms\n|[0-9.]+ [mu]?s\b|\n  stalls .*", b"", done.stdout)  # how long it took
        files = {f"{part.name}/{name}": data for part in (out, *beside) for name, data in tree(part).items()}
        n = json.loads(count.read_text()) if count.exists() else {}
        return Outcome(done.returncode, text, files, done.stderr), n, note.read_text() if note.exists() else ""

    def with_fault(self, arguments, good, varying, fault, at):
        """What came of it: a word, and whether it is wrong."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            found, _, path = self.run_in(Path(folder), arguments, True, fault, at)
            told = f"{path}, exit code {found.code}, {found.message.decode(errors='replace')[-300:]!r}"

            def is_good(name, data):
                return name in good.files and (data == good.files[name] or (name in varying and is_complete(name, data)))

            partial = [n for n, d in found.files.items() if n in good.files and not is_good(n, d)]
            if partial:
                return "partial file", f"{partial} {told}"
            if fault[1] == "kill":
                if found.code != -9:
                    return "not killed", told
                again = self.run_in(Path(folder), arguments)[0]
                stale = sorted(again.files.keys() ^ good.files.keys()) + [
                    n for n, d in again.files.items() if n in good.files and not is_good(n, d)]
                folders = left(Path(folder) / "out") + left(Path(folder) / "tmp")
                if again.code or stale or folders != self.folders:
                    return "stale after the next run", f"{stale} {folders} {told}, then {again.code} {again.message!r}"
                return "clean after the next run", None
            if fault[0] == "find" and Path(path).parent == Path(folder) / "tmp":
                return "a folder that cannot be listed to be removed", None
            if found.code == 0:
                same = found.files.keys() == good.files.keys() and all(is_good(n, d) for n, d in found.files.items())
                return ("same output", None) if same and found.text == good.text else ("other output", told)
            if found.code < 0:
                return "crash", told
            if fault[1] == "short":
                return "fails for a short one", told
            behind = [n for n in found.files if n not in good.files]
            if behind or [f for f in left(Path(folder) / "out") if f not in self.folders]:
                return "files left behind", f"{behind} {left(Path(folder) / 'out')} {told}"
            if not found.message.startswith(b"sibyl: ") and not re.search(rb"(?m)^FAIL .*: Input/output error", found.text):
                return "no message", told
            name = re.sub(r"^\.|(\.[0-9]+)*\.part$|-......$", "", Path(path).name)
            name = re.sub(r"^\.|(\.[0-9]+)*\.part$", "", Path(path).parent.name) if name.startswith("model.onnx") and "cache" in path else name
            if fault[0] in ("write", "open", "rename") and "/" in path and name not in found.message.decode(errors="replace"):
                return "does not name the file", told
            return "message", None

    def sweep(self, name, arguments, varying=()):
        """varying: outputs with times in them."""
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            self.skipTest("not named")
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            good, counts, _ = self.run_in(Path(folder), arguments, True)
            self.folders = left(Path(folder) / "out") + left(Path(folder) / "tmp")
        self.assertEqual(good.code, 0, good.message)
        self.assertEqual([n for n in good.files if n.startswith("tmp/")], [])
        outcomes, wrong = collections.Counter(), []
        for fault in FAULTS:
            n, samples = counts[fault[0]], 2 if fault[0] in ("write", "step") else 1
            step = 1 if ALL else max(1, n // samples)
            positions = range((step + 1) // 2, n + 1, step)
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as runs:
                results = list(runs.map(lambda at: self.with_fault(arguments, good, varying, fault, at), positions))
            for at, (what, why) in zip(positions, results):
                outcomes[what] += 1
                if why is not None:
                    wrong.append(f"{name}: {fault[0]} {at} of {n} ({fault[1]}): {what}: {why}")
        print(f"{name}: {sum(outcomes.values())} faults: {dict(outcomes)}", flush=True)
        if wrong:
            self.fail("\n".join(wrong[:200]))

    def imported(self):
        model = self.inputs / "digits.onnx"
        if not model.exists():
            subprocess.run([COMMAND, "import", DIGITS / "digits.pt", "--tokenizer", DIGITS / "digits.tiktoken", "-o", model],
                           check=True, capture_output=True)
        return model

    def test_features(self):
        self.sweep("features", ["features", self.wav, "-o", "o.npy", "--png", "o.png", "--threads", 1])

    def test_import(self):
        self.sweep("import", ["import", DIGITS / "digits.pt", "--tokenizer", DIGITS / "digits.tiktoken", "-o", "m.onnx"])

    def test_import_into_the_cache(self):
        self.sweep("cache", ["transcribe", self.wav, "--model", DIGITS / "digits.pt", "--tokenizer", DIGITS / "digits.tiktoken", "--threads", 1])

    def test_run(self):
        self.sweep("run", ["run", self.model, "-i", f"x={self.x}", "--tap", "p", "-o", "values", "--trace", "t.json", "--threads", 1],
                   varying=["out/t.json"])

    def test_run_to_archive(self):
        self.sweep("run_npz", ["run", self.model, "-i", f"x={self.x}", "-o", "o.npz", "--threads", 1])

    def test_transcribe(self):
        self.sweep("transcribe", ["transcribe", self.wav, "--model", self.imported(), "-o", ".", "--format", "json", "--threads", 1])

    def test_job(self):
        self.sweep("job", ["job", "features", "-i", f"audio={self.wav}", "-o", "values", "--threads", 1])

    def test_tile_emit(self):
        self.sweep("tile_emit", ["tile", "emit", "-o", "design"])

    def test_tile_simulate(self):
        self.sweep("tile_simulate", ["tile", "simulate", self.wav, "-o", "o.npy"])

    def test_quantize(self):
        self.sweep("quantize", ["quantize", self.model, "--min-weights", 1, "-o", "q.onnx"])

    def test_report(self):
        self.sweep("report", ["report", self.model, "-i", f"x={self.x}", "-o", "r.html", "--threads", 1], varying=["out/r.html"])

    def test_reduce(self):
        self.sweep("reduce", ["reduce", self.model, "-i", f"x={self.x}", "--check", "! grep -q MatMul", "-o", "case"])

    def case(self):
        case = self.inputs / "case"
        if not case.exists():
            data = case / "test_data_set_0"
            data.mkdir(parents=True)
            shutil.copy(self.model, case / "model.onnx")
            (data / "input_0.pb").write_bytes(w.floats("x", [1, 0, 0], [1, 3]))
            for i, y in enumerate(([1, 2], [-1, -2])):
                (data / f"output_{i}.pb").write_bytes(w.floats("yz"[i], y, [1, 2]))
        return case

    def test_conform(self):
        self.sweep("conform", ["conform", self.case(), "--junit", "j.xml", "--json", "c.json"], varying=["out/j.xml", "out/c.json"])

    def writers(self):
        """Commands that write one file, named last."""
        run = (self.model, "-i", f"x={self.x}")
        return [("features", self.wav, "-o"), ("features", self.wav, "--png"), ("run", *run, "--trace"), ("report", *run, "-o"),
                ("quantize", self.model, "--min-weights", 1, "-o"), ("tile", "simulate", self.wav, "-o"), ("conform", self.case(), "--json"),
                ("conform", self.case(), "--junit")]

    def test_full_device(self):
        """A device is written as it is, never replaced by a file."""
        for arguments in self.writers():
            with self.subTest(arguments):
                done = subprocess.run([COMMAND, *map(str, arguments), "/dev/full"], capture_output=True, cwd=self.folder)
                self.assertEqual(done.returncode, 1, done)
                self.assertRegex(done.stderr, rb"^sibyl: /dev/full: .*No space left")
                self.assertTrue(Path("/dev/full").is_char_device())
        self.assertEqual([p for p in Path("/dev").iterdir() if p.name.endswith(".part")], [])

    def test_closed_pipe(self):
        """The process ends as others do, and what it wrote is complete."""
        for arguments in self.writers():
            with self.subTest(arguments), tempfile.TemporaryDirectory(dir=self.folder) as folder:
                reader, writer = os.pipe()
                os.close(reader)
                done = subprocess.run([COMMAND, *map(str, arguments), "o"], stdout=writer, stderr=subprocess.PIPE, cwd=folder)
                os.close(writer)
                self.assertIn(done.returncode, (0, 1, -signal.SIGPIPE), done)
                self.assertFalse([n for n in tree(Path(folder)) if n.endswith(".part")])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
