"""What the command says of itself: help, misuse, the man page, completions."""

import json
import os
import re
import shutil
import subprocess
import sys
import unittest
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
            self.assertTrue(all(len(line) <= 80 for line in text.splitlines()))

    def test_devices(self):
        free = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")  # a driver of Vulkan's keeps 128 bytes, and is unloaded
        found = {b["backend"]: b for b in json.loads(self.done("devices", "--json", env=free))}
        self.assertLessEqual({"ref", "cpu", "gpu-host", "vulkan", "cuda"}, set(found))
        self.assertFalse(found["ref"]["by_name"])
        self.assertTrue(found["gpu-host"]["by_name"] and found["gpu-host"]["available"])
        text = self.done("devices", env=free)
        for name, backend in found.items():
            self.assertRegex(text, rf"(?m)^{name} ")
            self.assertIn(backend.get("device") or backend.get("problem") or "", text)
        self.fails(2, "unexpected operand 'x'", "devices", "x")

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
        for value in ("-1", "1025", "many"):
            self.fails(2, ["--threads", f"'{value}'"], "features", "a.wav", "--threads", value)
        for value in ("0", "-3", "nan", "inf", "1s", ""):
            self.fails(2, ["--chunk", f"'{value}'"], "features", "a.wav", "--chunk", value)
        self.fails(2, "empty", "features", "")
        self.fails(2, "empty", "features", "a.wav", "-o", "")
        self.fails(2, "only once", "features", "-", "-")
        self.fails(2, "one of: features, conv1d, peak, costs, models, layers, whisper, llama, first", "bench")
        self.fails(2, ["bench has no 'x'", "whisper, llama, first"], "bench", "x")
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
    """The manual and the completions, which are made of the tables that the command parses with."""

    def options(self, command):
        return set(re.findall(r"^ +(?:-\w+, )?--([a-z0-9-]+)", self.done("help", command), re.M))

    def manual(self):
        return self.done("help", "--manual", SOURCE / "docs" / "sibyl.1.in").replace("\\-", "-")

    def completion(self, shell):
        return self.done("help", "--completion", shell)

    def test_tables(self):
        self.assertEqual(len(self.options("features")), 18)
        self.assertEqual(self.options("help"), {"completion", "help", "manual"})

    def test_manual(self):
        page = self.manual()
        self.assertNotIn("\n@", page)
        for command in COMMANDS:
            part = re.search(rf"^\.SS sibyl {command}$(.*?)^\.S[SH]", page, re.M | re.S).group(1)
            self.assertEqual(set(re.findall(r"^\.TP\n.*?\\fB--([a-z0-9-]+)\\fR", part, re.M)), self.options(command))
            self.assertIn(f"\\fBsibyl {command}\\fR:", page)
        self.assertIn("\\fBwhisper\\fR, speech to text", page)  # recipes with what they build

    def test_manual_is_without_fault(self):
        if not shutil.which("groff"):
            self.skipTest("skipped for want of groff")
        page = self.done("help", "--manual", SOURCE / "docs" / "sibyl.1.in")
        result = subprocess.run(["groff", "-man", "-ww", "-z"], input=page, capture_output=True, text=True)
        self.assertEqual(result.stderr, "")

    def test_passes(self):
        """The manual and the completions name the passes that a session names."""
        part = re.search(r"^\.SH PASSES$(.*?)^\.SH", self.manual(), re.M | re.S).group(1)
        path = self.folder / "m.onnx"
        row = w.tensor_type("float32", [2])
        path.write_bytes(w.one("Relu", {"x": row}, {"y": row}))
        words = sibyl("run", path, "-i", "x=1,2", "--passes", "no_such").stderr.decode()
        names = re.search(r"'no_such' is not a pass; the passes are ([a-z0-9_, ]+)", words).group(1).split(", ")
        self.assertEqual(re.findall(r"^\.TP\n\\fB([a-z0-9_]+)\\fR$", part, re.M), names)
        for shell in ("bash", "zsh", "fish"):
            self.assertIn("all -all " + " ".join(names), self.completion(shell))

    def test_names_of_other_commands(self):
        """The document's tables have a row for each, with what help says of it."""
        document = re.sub(r"\s+", " ", (SOURCE / "docs" / "moving-from-whisper.md").read_text())
        names = self.done("help", "transcribe").partition("Names of ")[2].partition("\n\nFollows")[0].partition(":\n")[2]
        rows = re.findall(r"^  (?:   |(-\w+),) (--\S+(?: [A-Z]+)?) *\n?((?:  +\S.*(?:\n {26}.*)*))", names, re.M)
        self.assertGreater(len(rows), 60)
        for word, name, text in rows:
            both = f"`{word}`, `{name}`" if word else f"`{name}`"
            self.assertIn(f"| {both} | " + " ".join(text.split()) + " |", document)

    def test_completions(self):
        bash, zsh, fish = (self.completion(shell) for shell in ("bash", "zsh", "fish"))
        for command in COMMANDS:
            options = self.options(command)
            words = re.search(rf"^    {command}\) options='([^']*)'", bash, re.M).group(1)
            self.assertEqual(set(re.findall(r"--([a-z0-9-]+)", words)), options)
            part = re.search(rf"^{command}\)(.*?);;", zsh, re.S | re.M).group(1)
            self.assertEqual(set(re.findall(r"--([a-z0-9-]+)(?=[\[}])", part)), options)
            lines = re.findall(rf"'__sibyl_command {command}'.*? -l ([a-z0-9-]+)", fish)
            self.assertEqual(set(lines), options)
        for text in (bash, zsh, fish):
            for words in ("ref cpu", "whisper gpt2 rwkv mamba t5 bart llama bert wav2vec2 moonshine parakeet vits speecht5 vit clip", "txt json srt vtt tsv all", "f32 f16 bf16 int8",
                          "features conv1d peak costs models layers whisper llama first", "plan simulate emit"):
                self.assertIn(words, text)

    def test_bash_completes(self):
        if not shutil.which("bash"):
            self.skipTest("skipped for want of bash")
        (self.folder / "in.onnx").touch()
        (self.folder / "dir").mkdir()
        for words, offered in (
            ("features --pre", ["--preset", "--precise"]),
            ("features --preset ''", ["whisper", "librosa", "kaldi"]),
            ("run --in", ["--input", "--inside"]),
            ("run i", ["in.onnx"]),
            ("run m.onnx -o ''", ["dir", "in.onnx", "a.wav"]), ("job . -o ''", ["dir"]),
            ("run m.onnx --backend c", ["cpu", "cuda"]),
            ("diff --a", ["--a", "--against", "--all", "--atol"]),
            ("conform --filter ''", []),
            ("conform ''", ["dir"]),
            ("inspect ''", ["a.wav", "dir", "in.onnx"]),
            ("bench ''", ["features", "conv1d", "peak", "costs", "models", "layers", "whisper", "llama", "first"]),
            ("bench models i", ["in.onnx"]),
            ("help conf", ["conform"]),
            ("c", ["chat", "conform"]),
        ):
            n = len(words.split())
            script = (f"source <('{COMMAND}' help --completion bash); COMP_WORDS=(sibyl {words}); COMP_CWORD={n}; "
                      "_sibyl; echo ${COMPREPLY[@]}")
            result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=self.folder)
            self.assertEqual(sorted(result.stdout.split()), sorted(offered), words)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
