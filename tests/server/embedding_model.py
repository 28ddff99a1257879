"""A model that gives a vector for each token, with its tokenizer, for tests: words are letters, vectors are rows of a table."""
import json
import math
import pathlib
import random
import struct

import onnx_file as onnx

LETTERS = "abcdefgh"
WIDTH = 5


def table() -> list:
    chance = random.Random(2)
    return [[struct.unpack("<f", struct.pack("<f", chance.gauss(0, 1)))[0] for _ in range(WIDTH)] for _ in range(len(LETTERS) + 2)]


def tokenizer() -> dict:
    """A tokenizer.json: [C] in front, [S] behind, one token a letter."""
    ids = {"[C]": 0, "[S]": 1, **{c: i + 2 for i, c in enumerate(LETTERS)}}
    special = [{"id": i, "content": t, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
               for t, i in (("[C]", 0), ("[S]", 1))]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
            "pre_tokenizer": {"type": "Whitespace"}, "decoder": None,
            "post_processor": {"type": "TemplateProcessing",
                               "single": [{"SpecialToken": {"id": "[C]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                                          {"SpecialToken": {"id": "[S]", "type_id": 0}}],
                               "pair": [], "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in (("[C]", 0), ("[S]", 1))}},
            "model": {"type": "WordLevel", "vocab": ids, "unk_token": "[C]"}}


def write(folder: pathlib.Path, name="embed", output="last_hidden_state", types=True) -> pathlib.Path:
    """NAME.onnx and its tokenizer: rows of the table, times the mask, plus the types."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = onnx.tensor("table", onnx.FLOAT, [len(LETTERS) + 2, WIDTH], b"".join(struct.pack(f"<{WIDTH}f", *row) for row in table()))
    last = onnx.tensor("last", onnx.INT64, [1], struct.pack("<q", -1))
    ids = [onnx.value(n, ["B", "N"], onnx.INT64) for n in ("input_ids", "attention_mask", *(["token_type_ids"] if types else []))]
    nodes = [onnx.node("Gather", ["table", "input_ids"], ["rows"], axis=0),
             onnx.node("Cast", ["attention_mask"], ["counts"], to=onnx.FLOAT), onnx.node("Unsqueeze", ["counts", "last"], ["mask"]),
             onnx.node("Mul", ["rows", "mask"], ["masked" if types else output])]
    if types:
        nodes += [onnx.node("Cast", ["token_type_ids"], ["kinds"], to=onnx.FLOAT), onnx.node("Unsqueeze", ["kinds", "last"], ["more"]),
                  onnx.node("Add", ["masked", "more"], [output])]
    path = folder / f"{name}.onnx"
    path.write_bytes(onnx.model(onnx.graph("g", nodes, ids, [onnx.value(output, ["B", "N", WIDTH])], [weights, last])))
    (folder / f"{name}.tokenizer.json").write_text(json.dumps(tokenizer()))
    return path


def expected(text) -> list:
    """The vector of a text of letters, or of ids."""
    ids = text if isinstance(text, list) else [0, *(2 + LETTERS.index(c) for c in text.split()), 1]
    rows = [table()[i] for i in ids]
    sums = [sum(column) for column in zip(*rows)]
    length = math.sqrt(sum(x * x for x in sums))
    return [x / length for x in sums]
