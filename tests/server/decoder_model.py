"""Decoders of Llama's shape with random weights, for tests and measurements: a checkpoint, imported by the command."""
import array
import base64
import itertools
import json
import os
import pathlib
import random
import struct
import subprocess

COMMAND = os.environ["SIBYL_COMMAND"]
N_RANDOM = 65536  # random numbers, of which every weight is a stretch


def weights(width: int, layers: int, hidden: int, vocabulary: int, kv_width: int):
    """Names and shapes."""
    yield "model.embed_tokens.weight", (vocabulary, width)
    for i in range(layers):
        layer = f"model.layers.{i}."
        for name, rows, columns in [("self_attn.q_proj", width, width), ("self_attn.k_proj", kv_width, width),
                                    ("self_attn.v_proj", kv_width, width), ("self_attn.o_proj", width, width), ("mlp.gate_proj", hidden, width),
                                    ("mlp.up_proj", hidden, width), ("mlp.down_proj", width, hidden)]:
            yield f"{layer}{name}.weight", (rows, columns)
        yield layer + "input_layernorm.weight", (width,)
        yield layer + "post_attention_layernorm.weight", (width,)
    yield "model.norm.weight", (width,)


def file_head(shapes):
    """Of a safetensors file: what stands in it, how its bytes begin, and how many follow."""
    header, at = {}, 0
    for name, shape in shapes:
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return header, struct.pack("<Q", len(text)) + text, at


def write_weights(path: pathlib.Path, shapes, by: float):
    """A safetensors file: matrices of normal numbers times `by`, vectors of ones."""
    generator = random.Random(5)
    numbers = array.array("f", (generator.gauss(0, by) for _ in range(N_RANDOM))).tobytes()
    header, head, _ = file_head(shapes)
    with open(path, "wb") as out:
        out.write(head)
        for tensor in header.values():
            left = tensor["data_offsets"][1] - tensor["data_offsets"][0]
            if len(tensor["shape"]) == 1:
                out.write(array.array("f", [1.0] * (left // 4)).tobytes())
                continue
            while left:
                begin = 4 * generator.randrange(N_RANDOM)
                piece = numbers[begin:begin + left]
                out.write(piece)
                left -= len(piece)


def write_tokens(path: pathlib.Path, vocabulary: int):
    """A vocabulary for byte-pair encoding: all bytes, then letters by twos, threes and fours; the reader adds the end of a text."""
    letters = range(97, 123)
    longer = itertools.chain(*(itertools.product(letters, repeat=n) for n in (2, 3, 4)))
    tokens = [bytes([i]) for i in range(256)] + [bytes(t) for t in itertools.islice(longer, vocabulary - 257)]
    path.write_text("".join(f"{base64.b64encode(t).decode()} {i}\n" for i, t in enumerate(tokens)))


def write_config(path: pathlib.Path, heads: int, kv_heads: int, context: int):
    path.write_text(json.dumps({
        "model_type": "llama", "num_attention_heads": heads, "num_key_value_heads": kv_heads, "max_position_embeddings": context,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0}))


def write_zeros(folder: pathlib.Path, layers=8):
    """A checkpoint of 420 MB in a folder of its own, nothing but zeros, which take no room on the disc; its tokenizer is tokens.tiktoken.
    With two layers, 120."""
    folder.mkdir(exist_ok=True)
    _, head, size = file_head(weights(1024, layers, 2816, 4096, 1024))
    with open(folder / "model.safetensors", "wb") as out:
        out.write(head)
        out.truncate(len(head) + size)
    write_config(folder / "config.json", 8, 8, 512)
    write_tokens(folder / "tokens.tiktoken", 4096)


def make(folder: pathlib.Path, name: str, width=32, layers=2, hidden=48, vocabulary=257, heads=4, kv_heads=2, context=512,
         arguments=()) -> pathlib.Path:
    """NAME.onnx in the folder, with its tokenizer."""
    checkpoint = folder / f"{name}.safetensors"
    write_weights(checkpoint, weights(width, layers, hidden, vocabulary, width // heads * kv_heads), 0.25 if width < 256 else 0.03)
    write_tokens(folder / "tokens.tiktoken", vocabulary)
    write_config(folder / "config.json", heads, kv_heads, context)
    (folder / "template.jinja").write_text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    out = folder / f"{name}.onnx"
    subprocess.run([COMMAND, "import", checkpoint, folder / "config.json", "-o", out, "--tokenizer", folder / "tokens.tiktoken",
                    "--chat-template", folder / "template.jinja", *arguments], check=True, stdout=subprocess.DEVNULL)
    checkpoint.unlink()
    return out
