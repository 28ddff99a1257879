"""`sibyl import` on a GPT-2 as small as can be."""

import array
import json
import math
import os
import shutil
import signal
import struct
import subprocess
import time
import unittest
from pathlib import Path

from command import COMMAND, Case, sibyl

WIDTH, WORDS, PLACES = 64, 16, 12
SHAPES = {"wte.weight": [WORDS, WIDTH], "wpe.weight": [PLACES, WIDTH], "ln_f.weight": [WIDTH], "ln_f.bias": [WIDTH]}
for _name, _in, _out in (("attn.c_attn", WIDTH, 3 * WIDTH), ("attn.c_proj", WIDTH, WIDTH), ("mlp.c_fc", WIDTH, 4 * WIDTH),
                         ("mlp.c_proj", 4 * WIDTH, WIDTH)):
    SHAPES |= {f"h.0.{_name}.weight": [_in, _out], f"h.0.{_name}.bias": [_out]}
for _name in ("ln_1", "ln_2"):
    SHAPES |= {f"h.0.{_name}.weight": [WIDTH], f"h.0.{_name}.bias": [WIDTH]}

TOKENIZER = {"model": {"type": "BPE", "vocab": {c: i for i, c in enumerate("abcdefghijklmnop")}, "merges": []}}


def safetensors(shapes, change=None):
    """The bytes of a file; change: {(name, index): value}."""
    header, data = {}, b""
    for k, (name, shape) in enumerate(shapes.items()):
        values = array.array("f", (math.sin(k + i * i) for i in range(math.prod(shape))))
        for (of, i), value in (change or {}).items():
            if of == name:
                values[i] = value
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(values)]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def gguf(facts, shapes):
    """The bytes of a GGUF file. facts: texts, numbers, flags, lists of texts."""
    def text(s):
        return struct.pack("<Q", len(s.encode())) + s.encode()

    def fact(v):
        if isinstance(v, list):
            return struct.pack("<IIQ", 9, 8, len(v)) + b"".join(map(text, v))
        if isinstance(v, str):
            return struct.pack("<I", 8) + text(v)
        return struct.pack("<If", 6, v) if isinstance(v, float) else struct.pack("<II", 4, v)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(facts)) + b"".join(text(k) + fact(v) for k, v in facts.items())
    at = 0
    for name, shape in shapes.items():
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), 0, at)
        at += 4 * math.prod(shape)
    return head + bytes(-len(head) % 32) + array.array("f", (math.sin(i) for i in range(at // 4))).tobytes()


class Small(Case):
    def setUp(self):
        super().setUp()
        self.wav.unlink()
        self.write("g.safetensors", SHAPES)
        (self.folder / "config.json").write_text('{"n_head": 2, "eos_token_id": 15}')

    def write(self, name, *arguments):
        (self.folder / name).write_bytes(safetensors(*arguments))


class Import(Small):
    def test_files(self):
        text = self.done("import", "g.safetensors", "config.json", "-o", "g.onnx")
        self.assertRegex(text, r"\Agpt2\n  checkpoint  safetensors, 16 weights, 5\d{4} parameters, .*\n  written     g.onnx and g.onnx.data, .* as f32\n  tokenizer   none found; give one with --tokenizer\n\Z")
        self.assertEqual(self.names(), ["config.json", "g.onnx", "g.onnx.data", "g.safetensors"])
        found = json.loads(self.done("inspect", "g.onnx", "--json"))
        self.assertIn("Attention", found["operators"])
        self.assertEqual([found["metadata"][k] for k in ("sibyl.recipe", "n_head", "n_layer", "stop_tokens")],
                         ["gpt2", "2", "1", "[15]"])
        self.assertFalse({"bos", "eos"} & set(found["metadata"]))
        self.done("run", "g.onnx", "--random", 1, "--dim", "B=1", "--dim", "N=4", "--dim", "M=1", "--dim", "P=0")

    def test_folders_and_narrow_weights(self):
        sizes = []
        for dtype in ("f32", "f16", "bf16", "int8"):
            self.done("import", ".", "-o", "g.onnx", "--dtype", dtype)
            sizes.append(sum((self.folder / f"g.onnx{end}").stat().st_size for end in ("", ".data")))
        self.assertGreater(sizes[0], sizes[1])
        self.assertEqual(sizes[1], sizes[2])

    def test_check(self):
        self.write("z.safetensors", SHAPES, {("ln_f.bias", i): 0 for i in range(WIDTH)})
        result = sibyl("import", "z.safetensors", "--check", folder=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout.decode(), r"\n +-?[0-9.]+ .* float32 +\[64, 192\] +h.0.attn.c_attn.weight\n")
        self.assertEqual(result.stderr, b"zero: ln_f.bias: all of its 64 elements are 0\n")
        self.assertEqual(self.names(), ["config.json", "g.safetensors", "z.safetensors"])
        self.write("n.safetensors", SHAPES, {("ln_f.bias", 3): math.nan})
        result = sibyl("import", "n.safetensors", "--check", "-o", "n.onnx", folder=self.folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"nan: ln_f.bias: 1 of 64 elements are NaN\n", result.stderr)
        self.assertFalse((self.folder / "n.onnx").exists())

    def test_json(self):
        found = json.loads(self.done("import", "g.safetensors", "-o", "g.onnx", "--check", "--json"))
        self.assertEqual([found[k] for k in ("path", "format", "recipe", "error", "problems")],
                         ["g.onnx", "safetensors", "gpt2", None, []])
        self.assertEqual(found["parameters"], sum(math.prod(s) for s in SHAPES.values()))
        self.assertTrue(all(w["used"] and w["nan"] == 0 for w in found["weights"]))

    def test_all_that_is_wrong(self):
        shapes = {k: v for k, v in SHAPES.items() if k not in ("ln_f.bias", "h.0.mlp.c_fc.bias")}
        self.write("w.safetensors", shapes | {"h.0.ln_1.bias": [WIDTH + 1], "adapter.weight": [2]})
        result = sibyl("import", "w.safetensors", "-o", "w.onnx", folder=self.folder)
        lines = result.stderr.decode().splitlines()
        self.assertEqual(result.returncode, 1)
        self.assertEqual(sorted(lines[:-1]), ["missing: h.0.mlp.c_fc.bias: is missing", "missing: ln_f.bias: is missing",
                                              "shape: h.0.ln_1.bias: is [65], expected [64]",
                                              "unexpected: adapter.weight: is not known to the recipe"])
        self.assertRegex(lines[-1], r"\Asibyl: w.safetensors: .*2 missing \(.*1 of the wrong shape \(.*1 unexpected \(")
        self.assertFalse((self.folder / "w.onnx").exists())

    def stops(self, *arguments, model="g.onnx"):
        self.done("import", *arguments, "-o", model)
        return json.loads(self.done("inspect", model, "--json"))["metadata"].get("stop_tokens")

    def test_stop_tokens_of_folders(self):
        """Those of generation_config.json too, which may be a number or a list."""
        generation = self.folder / "generation_config.json"
        for given, expected in {"15": "[15]", "9": "[15, 9]", "[9, 15, 8]": "[15, 9, 8]", "null": "[15]", "[]": "[15]", "-1": "[15]"}.items():
            generation.write_text(f'{{"eos_token_id": {given}, "temperature": 0.6}}')
            self.assertEqual(self.stops("."), expected, given)
        (self.folder / "config.json").write_text('{"n_head": 2}')
        generation.write_text('{"eos_token_id": [9]}')
        self.assertEqual(self.stops("."), "[9]")
        for given in '"</s>"', "[1.5]", "{}", "true":
            generation.write_text(f'{{"eos_token_id": {given}}}')
            result = sibyl("import", ".", "-o", "g.onnx", folder=self.folder)
            self.assertEqual(result.returncode, 1, given)
            self.assertIn(b"generation_config.json: eos_token_id is neither a token id nor", result.stderr)
        generation.write_text("{")
        self.fails(1, "generation_config.json: ", "import", ".", "-o", "g.onnx")

    def chat(self, *arguments, model="g.onnx"):
        """What the model's metadata say of chats."""
        self.done("import", *arguments, "-o", model)
        metadata = json.loads(self.done("inspect", model, "--json"))["metadata"]
        return {k: v for k, v in metadata.items() if k in ("chat_template", "bos_token", "eos_token")}

    def test_chat_templates_of_folders(self):
        """Wherever Hugging Face's folders have them."""
        config, own = self.folder / "tokenizer_config.json", self.folder / "chat_template.jinja"
        self.assertEqual(self.chat("."), {})
        config.write_text(json.dumps({"bos_token": "<s>"}))
        self.assertEqual(self.chat("."), {})
        long = "{{ 'é' }}\n" * 2000
        config.write_text(json.dumps({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": long}))
        self.assertEqual(self.chat("."), {"chat_template": long, "bos_token": "<s>", "eos_token": "</s>"})
        config.write_text(json.dumps({"bos_token": None, "chat_template": [{"name": "tools", "template": "a"},
                                                                           {"name": "default", "template": "b"}]}))
        self.assertEqual(self.chat("."), {"chat_template": "b"})
        own.write_text("c")
        self.assertEqual(self.chat("."), {"chat_template": "c"})
        (self.folder / "given").write_text("d")
        self.assertEqual(self.chat(".", "--chat-template", "given"), {"chat_template": "d"})
        own.write_bytes(b"\xff")
        self.fails(1, "chat_template.jinja: its chat_template is no UTF-8", "import", ".", "-o", "g.onnx")
        own.write_text("a" * (1 << 20) + "a")
        self.fails(1, "more than 1 MiB", "import", ".", "-o", "g.onnx")
        own.unlink()
        config.write_text("{")
        self.fails(1, "tokenizer_config.json: line 1", "import", ".", "-o", "g.onnx")
        self.fails(1, "none.jinja", "import", ".", "-o", "g.onnx", "--chat-template", "none.jinja")

    def test_chat_templates_of_gguf(self):
        """The template and the names of its tokens, also in the job's document."""
        shapes = {"token_embd.weight": [4, 64], "output_norm.weight": [64], "blk.0.attn_norm.weight": [64], "blk.0.ffn_norm.weight": [64]}
        shapes |= {f"blk.0.{n}.weight": [64, 64] for n in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")}
        facts = {"general.architecture": "llama", "llama.attention.head_count": 2, "llama.context_length": 16,
                 "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.freq_base": 1e4, "tokenizer.ggml.model": "llama",
                 "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "a"], "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
                 "tokenizer.chat_template": "{{ bos_token }}{{ messages[0].content }}"}
        (self.folder / "m.gguf").write_bytes(gguf(facts, shapes))
        expected = {"chat_template": facts["tokenizer.chat_template"], "bos_token": "<s>", "eos_token": "</s>"}
        self.assertEqual(self.chat("m.gguf", model="m.onnx"), expected)
        document = json.loads((self.folder / "m.job.json").read_text())
        self.assertEqual(document["chat"], {"template" if k == "chat_template" else k: v for k, v in expected.items()})
        facts["tokenizer.ggml.eot_token_id"] = 3
        facts["tokenizer.ggml.eom_token_id"] = 2
        (self.folder / "m.gguf").write_bytes(gguf(facts, shapes))
        (self.folder / "generation_config.json").write_text('{"eos_token_id": 1}')
        self.assertEqual(self.stops("m.gguf", model="m.onnx"), "[2, 3]")  # what lies next to a GGUF file is another's
        facts["tokenizer.ggml.bos_token_id"] = 9
        (self.folder / "m.gguf").write_bytes(gguf(facts, shapes))
        self.assertNotIn("bos_token", self.chat("m.gguf", model="m.onnx"))

    def test_misuse(self):
        self.fails(2, "no checkpoint", "import", "-o", "g.onnx")
        self.fails(2, "the model to write with -o", "import", "g.safetensors")
        self.fails(2, "int4", "import", "g.safetensors", "-o", "g.onnx", "--dtype", "int4")
        self.fails(1, "is the checkpoint itself", "import", "g.safetensors", "-o", "./g.safetensors")
        self.fails(1, "'cake' is not a recipe", "import", "g.safetensors", "-o", "g.onnx", "--recipe", "cake")
        self.fails(1, "no.safetensors", "import", "no.safetensors", "-o", "g.onnx")
        self.assertEqual(self.names(), ["config.json", "g.safetensors"])

    def test_interrupts_leave_nothing(self):
        """A large file of zeros, which takes no room on the disk."""
        shapes = SHAPES | {"wte.weight": [2_500_000, WIDTH]}
        header, at = {}, 0
        for name, shape in shapes.items():
            size = 4 * math.prod(shape)
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
            at += size
        text = json.dumps(header).encode()
        with (self.folder / "big.safetensors").open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + at)
        before = self.names()
        made = self.folder / "big.onnx"
        while True:
            process = subprocess.Popen([COMMAND, "import", "big.safetensors", "-o", made.name], cwd=self.folder,
                                       stderr=subprocess.PIPE)
            while process.poll() is None and not any(name.endswith(".part") for name in self.names()):
                time.sleep(0.001)
            process.send_signal(signal.SIGINT)
            line = process.communicate()[1].decode()
            if not made.exists():
                break
            made.unlink()  # it was done before it could be interrupted
        self.assertEqual((process.returncode, line), (1, "sibyl: the import was cancelled\n"))
        self.assertEqual(self.names(), before)


class Cached(Small):
    """Checkpoints where a model is expected: imported once."""

    def setUp(self):
        super().setUp()
        self.home = self.folder / "cache"
        self.models = self.home / "sibyl" / "models"
        self.there = {"env": dict(os.environ, XDG_CACHE_HOME=str(self.home))}
        (self.folder / "g").mkdir()
        for name in ("g.safetensors", "config.json"):
            (self.folder / name).rename(self.folder / "g" / name)
        (self.folder / "g" / "tokenizer.json").write_text(json.dumps(TOKENIZER))

    def describe(self, checkpoint, **env):
        return self.done("job", checkpoint, "--describe", env=self.there["env"] | env)

    def kept(self):
        """Folders of models: what has another name is a link or of an import that goes on."""
        found = [p for p in self.models.iterdir() if not p.is_symlink()]
        self.assertFalse([p for p in found if len(p.name) != 64])
        return set(found)

    def test_once_by_content(self):
        first = self.describe("g")
        self.assertIn('"kind": "text-generation"', first)
        made = self.kept()
        self.assertEqual(len(made), 1)
        model, = (p / "model.onnx" for p in made)
        stamp = model.stat()
        self.assertEqual(self.describe("g/g.safetensors"), first)  # with the config.json beside it
        shutil.copytree(self.folder / "g", self.folder / "copy")
        self.assertEqual(self.describe("copy"), first)
        self.assertEqual((self.kept(), model.stat().st_mtime_ns, model.stat().st_ino), (made, stamp.st_mtime_ns, stamp.st_ino))
        self.assertEqual(self.done("generate", "--model", "g", "-p", "ab", "-n", 2, "--temperature", 0, **self.there),
                         self.done("generate", "--model", model, "-p", "ab", "-n", 2, "--temperature", 0))
        (self.folder / "g" / "g.safetensors").write_bytes(safetensors(SHAPES, {("ln_f.bias", 3): 4.0}))
        self.describe("g")
        self.assertEqual(len(self.kept()), 2)
        shutil.rmtree(next(iter(made)))  # somebody cleans up
        self.describe("copy")
        self.assertEqual(len(self.kept()), 2)

    def test_files_beside_it_count(self):
        self.describe("g")
        for made, name in enumerate(("tokenizer.model", "source.spm", "special_tokens_map.json", "1_Pooling/config.json"), 2):
            (self.folder / "g" / name).parent.mkdir(exist_ok=True)
            (self.folder / "g" / name).write_text(json.dumps({"of": name}))
            self.describe("g")
            self.assertEqual(len(self.kept()), made, name)

    def test_limit(self):
        """The model that was not used for longest goes, and what an import left that was ended."""
        left = self.models / "making-abcdef"
        left.mkdir(parents=True)
        (left / "model.onnx.data").write_bytes(bytes(100))
        used = []
        for k in range(3):
            (self.folder / "g" / "g.safetensors").write_bytes(safetensors(SHAPES, {("ln_f.bias", 3): float(k)}))
            before = set(self.models.iterdir())
            self.describe("g")
            used.append(next(p for p in set(self.models.iterdir()) - before if not p.is_symlink()))
            os.utime(used[k], (1e9 + k,) * 2)
            shutil.copytree(self.folder / "g", self.folder / f"g{k}")
        self.assertFalse(left.exists())
        self.describe("g0")  # the oldest is used again
        (self.folder / "g" / "g.safetensors").write_bytes(safetensors(SHAPES, {("ln_f.bias", 3): 9.0}))
        self.describe("g", SIBYL_CACHE_MB="1")  # each takes 0.24 MB
        self.assertEqual(len(self.kept()), 4)
        (self.folder / "g" / "g.safetensors").write_bytes(safetensors(SHAPES, {("ln_f.bias", 3): 10.0}))
        self.describe("g", SIBYL_CACHE_MB="0")
        self.assertEqual(len(self.kept()), 1)
        self.assertTrue(all(p.exists() for p in self.models.iterdir()))  # no link to what is gone
        self.fails(1, "SIBYL_CACHE_MB is 'much'", "job", "g", "--describe", env=self.there["env"] | {"SIBYL_CACHE_MB": "much"})

    def test_tokenizers(self):
        """Missing and damaged ones are refused at import, with what to fetch."""
        (self.folder / "g" / "tokenizer.json").unlink()
        self.fails(1, ["has no tokenizer", "fetch tokenizer.json"], "job", "g", "--describe", **self.there)
        self.assertEqual(self.kept() if self.models.exists() else set(), set())
        (self.folder / "other.json").write_text(json.dumps(TOKENIZER))
        self.done("job", "g", "--describe", "--tokenizer", "other.json", **self.there)
        (self.folder / "g" / "tokenizer.json").write_text(json.dumps(TOKENIZER)[:60])
        self.fails(1, ["tokenizer.json", "fetch tokenizer.json"], "job", "g", "--describe", **self.there)
        whisper = Path(os.environ["SIBYL_SOURCE"]) / "assets" / "digits"
        shutil.copy(whisper / "digits.pt", self.folder / "d.pt")
        self.fails(1, ["d.pt: has no tokenizer", "whisper/assets/gpt2.tiktoken", "github.com/openai/whisper"],
                   "transcribe", "--model", "d.pt", "x.wav", **self.there)
        ranks = (whisper / "digits.tiktoken").read_bytes()
        for name in ("d.tiktoken", "gpt2.tiktoken", "cache/whisper/gpt2.tiktoken"):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_bytes(ranks)
            self.assertIn("speech-to-text", self.describe("d.pt"))
            (self.folder / name).write_bytes(ranks[:100])
            self.fails(1, [Path(name).name, "whisper/assets/gpt2.tiktoken"], "job", "d.pt", "--describe", **self.there)
            (self.folder / name).unlink()

    def test_unknown_models_are_named(self):
        (self.folder / "g" / "config.json").write_text('{"model_type": "sew"}')
        (self.folder / "g" / "g.safetensors").write_bytes(safetensors({"sew.masked_spec_embed": [4]}))
        self.fails(1, ["'sew'", "model_type", "whisper, gpt2, rwkv, mamba, mamba2, falcon_mamba, t5, mt5, umt5, bart, mbart, m2m_100, marian, pegasus, llama, mistral, qwen2, qwen3"], "job", "g", "--describe", **self.there)
        (self.folder / "x.pt").write_bytes(b"PK\x03\x04 no archive")
        self.fails(1, "x.pt", "transcribe", "--model", "x.pt", "a.wav", **self.there)
        self.assertFalse(self.models.exists() and self.kept())


if __name__ == "__main__":
    unittest.main()
