"""The likeliest mistakes of new users. Each is answered by one line that names the thing, and says what is expected or what to do."""

import os
import re
import shlex
import socket
import unittest
from concurrent.futures import ThreadPoolExecutor

from command import SOURCE, Model, sibyl

# What is typed, and what the line holds: the thing, and what is expected. {port} is taken by another program.
MISTAKES = """
transribe talk.flac | unknown command 'transribe' | did you mean transcribe?
help transcrib | unknown command 'transcrib' | did you mean transcribe?
--frobnicate | unknown option '--frobnicate' | sibyl help
transcribe | no recording is given | sibyl help transcribe
transcribe missing.wav | missing.wav: cannot be opened | No such file
transcribe notes.txt | notes.txt: is not audio in a known format
transcribe empty.wav | empty.wav: is empty
transcribe cut.flac | cut.flac: cannot be read as 'flac'
transcribe folder | folder: is a folder | expected a file
transcribe talk.flac --model whisper-tiny | no file 'whisper-tiny' | give the path
transcribe talk.flac --model notes.txt | notes.txt: is no job's document | no model or checkpoint
transcribe talk.flac --model folder | folder has no file with weights | .safetensors
transcribe talk.flac --model cut.onnx | cut.onnx | cut short
transcribe talk.flac --language klingon | 'klingon' | such as en or english
transcribe talk.flac --format docx | --format takes txt|json|srt|vtt|tsv|all | not 'docx'
transcribe talk.flac --task summarize | --task takes transcribe|translate
transcribe talk.flac --temperature hot | --temperature takes a number from 0 | not 'hot'
transcribe talk.flac --threads -1 | --threads takes an integer from 0 to 1024
transcribe talk.flac --threads | --threads needs a value | N
transcribe talk.flac --beem-size 5 | unknown option '--beem-size' | did you mean --beam-size?
transcribe talk.flac -o talk.flac --format srt | talk.flac: is not a folder | expected one for the output
transcribe talk.flac -o a/b/c --format srt | a/b/c: the output folder cannot be created
transcribe talk.flac --backend gpu | there is no backend 'gpu' | ref, cpu
features | no input | give a recording
features talk.flac -o a/b.npy | a: the output folder cannot be used
features talk.flac --bands 0 | --bands is 0 | expected 1 to 4096
features talk.flac --preset wisper | --preset takes whisper|librosa|kaldi
features talk.flac --png x.jpg | 'x.jpg' | ends with .png or .svg
features talk.flac --bnds 3 | unknown option '--bnds' | did you mean --bands?
inspect | expected one model, got 0
inspect missing.onnx | missing.onnx: No such file
inspect notes.txt | notes.txt | is no ONNX model
inspect cut.onnx | cut.onnx | the file is cut short
inspect folder | folder: is a folder
inspect m.onnx --milli nothing | no node 'nothing' | --nodes shows names
run | model
run m.onnx | input 'x' is missing | -i x=FILE | --random SEED
run m.onnx -i z=1 | no input 'z' | its inputs are x, b
run m.onnx -i x=1,2 | input 'x' has dims (2,) | expects [N, 3]
run m.onnx -i x | 'x': give an input as NAME=VALUE
run m.onnx -i x=one,two,three | input 'x': element 0 is 'one' | expected a number
run m.onnx -i x=missing.npy | missing.npy: cannot be opened
run m.onnx --random 1 | input 'x' is float32 [N, 3] | --dim N=N
run m.onnx --random first --dim N=2 | --random takes an integer | not 'first'
run m.onnx --random 1 --dim N=2 --tap nothing | nothing
run m.onnx --random 1 --dim N=2 --backend ref,tpu | there is no backend 'tpu' | this build has ref, cpu
run m.onnx --random 1 --dim N | 'N': give a dim as NAME=SIZE
diff m.onnx --random 1 --dim N=2 --peer pytorch | --peer takes onnxruntime
diff m.onnx --random 1 --dim N=2 --against missing | missing
import | no checkpoint is given
import missing.pt -o n.onnx | missing.pt: No such file
import notes.txt -o n.onnx | is not in a format that Sibyl reads | safetensors, PyTorch
import folder -o n.onnx | folder has no file with weights
import m.onnx -o n.onnx | m.onnx: is an ONNX model already
generate --prompt hello | give the model with --model
generate --model digits --prompt hello | of kind speech-to-text, expected text-generation
vad talk.flac --model digits | of kind speech-to-text, expected voice-activity
tokenize hello | give the model with --model
job digits -i sound=talk.flac | no input 'sound' | --ports` lists them
job digits | input 'audio' | has no value
quantize m.onnx | give the file to write with -o
quantize m.onnx -o m.onnx | m.onnx: is the model itself
quantize m.onnx -o n.onnx --weights int3 | --weights takes int8|int4|f16
serve --port 99999 | --port takes an integer from 0 to 65535
serve --port {port} | {port}
serve --models missing | missing: is no folder
conform folder | no case was found in folder
bench nothing | bench has no 'nothing' | features
devices --only metal | no backend 'metal'
"""


class Mistakes(Model):
    def setUp(self):
        super().setUp()
        sample = (SOURCE / "assets" / "digits" / "sample.flac").read_bytes()
        for name, data in (("talk.flac", sample), ("cut.flac", sample[:2000]), ("empty.wav", b""), ("notes.txt", b"hello\n"),
                           ("cut.onnx", (self.folder / "m.onnx").read_bytes()[:-40])):
            (self.folder / name).write_bytes(data)
        (self.folder / "folder").mkdir()
        (self.folder / "folder" / "config.json").write_text("{}")

    def test_mistakes(self):
        """Of sanitizer builds, whose processes are slow to begin, each sixth."""
        rows = MISTAKES.strip().splitlines()
        with socket.create_server(("127.0.0.1", 0)) as taken, ThreadPoolExecutor(2) as several:
            def answered(row):
                typed, *parts = row.replace("{port}", str(taken.getsockname()[1])).split(" | ")
                words = shlex.split(typed)
                done = sibyl(*words, folder=self.folder)
                line = done.stderr.decode()
                right = done.returncode in (1, 2) and re.fullmatch(r"sibyl: [^\n]*\n", line) and all(part in line for part in parts)
                return None if right else f"{typed}: {done.returncode}, {line}"

            wrong = list(filter(None, several.map(answered, rows[:: 6 if os.environ.get("SIBYL_SANITIZE") else 1])))
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(len(rows), 60)


if __name__ == "__main__":
    unittest.main()
