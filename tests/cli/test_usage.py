"""What the command says of itself: help, misuse, the man page, completions."""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from command import COMMAND, SOURCE, COMMANDS, sibyl, Case, w


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
        self.assertEqual(len(self.options("features")), 14)
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


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
