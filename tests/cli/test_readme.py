"""Examples of the command in README.md and in the pages for newcomers, as they are typed, on terminals of 80 and 120 columns; and pictures on terminals that
show no colours."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import termios
import unittest
import zipfile
from pathlib import Path

import test_jobs
from command import COMMAND, SOURCE, w

README = (SOURCE / "README.md").read_text()
PAGES = README + "".join((SOURCE / "docs" / f"{page}.md").read_text() for page in ("index", "concepts", "debugging", "quantising"))
BUILD = Path(COMMAND).resolve().parents[1]
MODEL = BUILD / "share" / "sibyl" / "models" / "digits"
# What needs other programs, a microphone, a network or much time: first words that an example has.
ELSEWHERE = {"--peer": "onnxruntime", "--peers": "onnxruntime", "--live": "a microphone", "serve": "a server that does not end",
             "diff --peer onnxruntime": "onnxruntime", "whisper-tiny/": "a checkpoint of 150 MB", "mms-tts-eng/": "another",
             "path/to/onnx/backend/test/data": "ONNX's cases, which test_conform.py and others run",
             "--against": "the dumps of another runtime, which test_diff.py makes"}

TYPED = {"chat": "Once upon a time\n/exit\n"}  # into commands that ask for it


def on_terminal(arguments, columns, folder, typed="", **environment):
    """What a program writes on a terminal of so many columns on which `typed` is typed, and its exit code."""
    process, terminal = pty.fork()
    if process == 0:  # which sets the size itself, before it asks for it
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.chdir(folder)
        os.execve(arguments[0], arguments, {**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment})
    os.write(terminal, typed.encode())
    written = b""
    while select.select([terminal], [], [], 120)[0]:
        try:
            more = os.read(terminal, 65536)
        except OSError:  # it has ended
            break
        written += more
        if not more:
            break
    else:  # it waits for what nobody types
        os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(terminal)
    text = re.sub(r"\r\x1b\[K[^\r\n]*?(?=\r\x1b\[K)|\r\x1b\[K", "", written.decode(errors="replace"))  # the bar of progress
    return code, text.replace("\r\n", "\n")


def examples():
    """Lines of the pages that begin with the command, each once, without their comments."""
    return dict.fromkeys(line.split("  #")[0].strip() for line in re.findall(r"^    (sibyl .*)$", PAGES, re.M))


class Readme(test_jobs.Jobs):
    def setUp(self):
        super().setUp()
        (self.folder / "build").mkdir()
        (self.folder / "build" / "release").symlink_to(BUILD)
        (self.folder / "assets").symlink_to(SOURCE / "assets")

    def test_examples_with_their_output(self):
        """Times and rates are those of a machine, and ... stands for further lines."""
        shown = re.findall(r"^    \$ build/sibyl (.*)\n((?:    .*\n)+)", README, re.M)
        self.assertEqual(len(shown), 3)
        for columns in (80, 120):
            for command, output in shown:
                code, text = on_terminal([COMMAND, *command.split()], columns, self.folder)
                self.assertEqual(code, 0, text)
                pattern = re.escape(re.sub(r"^    ", "", output, flags=re.M).rstrip())
                pattern = re.sub(r"[0-9]+\\\.[0-9]+(?=\\ s,\\ |\\ x)", "[0-9.]+", pattern)
                pattern = re.sub(r"(\\ )*\\\.\\\.\\\.", r"(.|\\n)*", pattern)
                self.assertRegex(text, rf"\A{pattern}\s*\Z")
                self.assertLessEqual(max(map(len, text.splitlines())), columns)

    def stand_ins(self):
        shutil.copy(SOURCE / "assets" / "digits" / "sample.flac", self.folder / "talk.mp4")
        for path in MODEL.iterdir():
            if path.suffix in (".tiktoken", ".onnx"):
                shutil.copy(path, self.folder / f"tiny{path.suffix}")
        shutil.copy(MODEL / "digits.onnx.data", self.folder / "digits.onnx.data")
        self.silero()
        (self.folder / "v.onnx").rename(self.folder / "silero_vad.onnx")
        row = w.tensor_type("float32", [2, 3])
        nodes = [w.node("MatMul", ["x", "w"], ["encoder/product"], name="encoder/product"),
                 w.node("Softmax", ["encoder/product"], ["y"], name="softmax_1")]
        (self.folder / "model.onnx").write_bytes(w.model(nodes, {"x": row}, {"y": row}, [w.floats("w", range(9), [3, 3])]))
        (self.folder / "x.npy").write_bytes(test_jobs.npy_bytes([2, 3], range(6)))
        (self.folder / "inputs").mkdir()
        with zipfile.ZipFile(self.folder / "inputs" / "0.npz", "w") as inputs:
            inputs.writestr("x.npy", (self.folder / "x.npy").read_bytes())
        if test_jobs.DATA:
            (self.folder / "chat.jinja").write_text("{% for m in messages %}{{ m.content }}\n{% endfor %}")
            self.done("import", test_jobs.DATA / "rwkv" / "tiny-rwkv-7v0-834K-FP32.bin", "-o", "llama.onnx", "--chat-template", "chat.jinja")

    def test_examples_run(self):
        """On small files of those names, each at one of the two widths."""
        self.stand_ins()
        ran = 0
        for i, line in enumerate(examples()):
            words = [word for word in re.findall(r"'[^']*'|\"[^\"]*\"|\S+", line)]
            words = [word.strip("'\"") for word in words][1:]
            if any(word in ELSEWHERE for word in words) or (any("llama" in word for word in words) and not test_jobs.DATA):
                continue
            ran += 1
            code, text = on_terminal([COMMAND, *words], (80, 120)[i % 2], self.folder, TYPED.get(words[0], ""))
            self.assertEqual(code, 0, f"{line}\n{text}")
        self.assertGreaterEqual(ran, 30)

    def test_pictures_follow_the_terminal(self):
        """Half blocks in colour as wide as it is; characters where NO_COLOR is set or TERM is dumb."""
        command = [COMMAND, "transcribe", str(SOURCE / "assets" / "digits" / "sample.flac"), "--picture", "--quiet", "--format", "txt"]
        code, text = on_terminal(command, 80, self.folder)
        self.assertEqual(code, 0, text)
        rows = [line for line in text.splitlines() if "▀" in line]
        self.assertEqual({line.count("▀") for line in rows}, {80})
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            code, text = on_terminal(command, 120, self.folder, **environment)
            self.assertEqual(code, 0, text)
            self.assertNotIn("\x1b", text)
            drawn = re.search(r"((?:.*\n){20})\|0s ", text).group(1).splitlines()
            self.assertEqual({len(line) for line in drawn}, {120}, text)
            self.assertIn("seven", text.splitlines()[-1] + text.splitlines()[-2])


if __name__ == "__main__":
    unittest.main()
