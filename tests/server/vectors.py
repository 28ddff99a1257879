"""Measures /v1/embeddings: 64 texts in one request, together and one by one, in turns; an encoder of 6 layers of 384 with random weights.

SIBYL_COMMAND=build/release/cli/sibyl SIBYL_SOURCE=. python tests/server/vectors.py"""
import base64
import json
import os
import pathlib
import random
import statistics
import struct
import subprocess
import tempfile
import time
import warnings

from serving import COMMAND, Server

ROUNDS, TEXTS, WORDS = 11, 64, 2998


def write_model(folder: pathlib.Path):
    import torch
    import transformers

    torch.manual_seed(0)
    bert = transformers.BertModel(transformers.BertConfig(vocab_size=WORDS + 2, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                                                          intermediate_size=1536, attn_implementation="eager"), add_pooling_layer=False).eval()

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = bert

        def forward(self, ids, mask, types):
            return self.bert(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state

    inputs, output = ["input_ids", "attention_mask", "token_type_ids"], "last_hidden_state"
    ones = torch.ones(2, 9, dtype=torch.int64)
    warnings.simplefilter("ignore")
    torch.onnx.export(Encoder(), (ones, ones, 0 * ones), folder / "embed.onnx", input_names=inputs, output_names=[output], opset_version=17,
                      dynamic_axes={name: {0: "B", 1: "N"} for name in [*inputs, output]}, dynamo=False)
    special = [{"id": i, "content": t, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
               for t, i in (("[C]", 0), ("[S]", 1))]
    around = [{"SpecialToken": {"id": t, "type_id": 0}} for t in ("[C]", "[S]")]
    (folder / "embed.tokenizer.json").write_text(json.dumps(
        {"version": "1.0", "added_tokens": special, "pre_tokenizer": {"type": "Whitespace"},
         "post_processor": {"type": "TemplateProcessing", "single": [around[0], {"Sequence": {"id": "A", "type_id": 0}}, around[1]], "pair": [],
                            "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in (("[C]", 0), ("[S]", 1))}},
         "model": {"type": "WordLevel", "vocab": {"[C]": 0, "[S]": 1, **{f"w{i}": i + 2 for i in range(WORDS)}}, "unk_token": "[C]"}}))


def seconds(server) -> float:
    """Of processors, by all threads so far."""
    tasks = pathlib.Path(f"/proc/{server.process.pid}/task").iterdir()
    return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks) / 1e9


def ask(server, texts) -> tuple:
    """Seconds of processors and of the clock, the vectors, and how many tokens."""
    began, used = time.monotonic(), seconds(server)
    status, answer = server.json("POST", "/v1/embeddings", json.dumps({"input": texts, "encoding_format": "base64"}),
                                 {"Content-Type": "application/json"})
    assert status == 200, answer
    vectors = [struct.unpack("<384f", base64.b64decode(d["embedding"])) for d in answer["data"]]
    return seconds(server) - used, time.monotonic() - began, vectors, answer["usage"]["total_tokens"]


def main():
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_model(folder)
        (folder / "alone").mkdir()
        for file in ("embed.onnx", "embed.tokenizer.json"):
            os.link(folder / file, folder / "alone" / file)
        job = json.loads(subprocess.run([COMMAND, "job", "--describe", folder / "embed.onnx"], capture_output=True, check=True).stdout)
        del job["calls"]["encoder"]["batch"]
        (folder / "alone/embed.job.json").write_text(json.dumps(job))
        with Server(str(folder / "embed.onnx")) as together, Server(str(folder / "alone/embed.onnx")) as alone:
            for longest in (8, 40, 120):
                texts = [" ".join(f"w{chance.randrange(WORDS)}" for _ in range(chance.randint(1, longest))) for _ in range(TEXTS)]
                rows = [(ask(together, texts), ask(alone, texts)) for _ in range(ROUNDS)]
                (*_, a, n), (*_, b, _) = rows[0]
                apart = max(abs(x - y) for v, w in zip(a, b) for x, y in zip(v, w))
                used, took, used_alone, took_alone = (statistics.median(r[k][i] for r in rows) for k in (0, 1) for i in (0, 1))
                print(f"1 to {longest} words, {n} tokens: together {used:.3f} s of processors, {took:.3f} s; one by one {used_alone:.3f}, "
                      f"{took_alone:.3f}; ratio {used_alone / used:.2f}; {apart:.1e} apart", flush=True)


main()
