"""docs/job.schema.json: the library's own documents and others that are right pass, those of a wrong structure do not."""

import copy
import json
import re

import pytest
from conftest import ROOT, peer

LOOP = {"name": "l", "op": "loop", "over": {"row": "$x"}, "state": {"s": {"initial": "$x", "next": "$call.y"}}, "max_steps": 3,
        "body": [{"name": "call", "op": "call", "calls": {"model": "c"}, "inputs": {"x": "$row"}}], "until": ["$f"], "collect": {"y": "$call.y"}}
RIGHT = {"sibyl_job": 1, "kind": "k", "name": "n", "doc": "d", "sample_rate": 8000, "models": {"m": "m.onnx"},
         "tokenizers": {"t": {"kind": "bytes"}, "u": {"file": "u.json", "n_vocab": 5}},
         "calls": {"c": {"model": "m", "inputs": {"x": {"name": "x", "transpose": [1, 0]}}, "outputs": {"y": "y"},
                         "state": {"p.*": {"name": "q.*", "dims": [1, 0], "fill": -1.5}}, "fixed": {"at": [-1], "rate": 16000}},
                   "d": {"model": "m", "outputs": {"z": "z"}, "of": "c", "context": {"k": "y"}}},
         "inputs": {"x": "tensor", "f": {"type": "flag", "default": None}, "ids": {"type": "tokens", "default": [1, 2], "doc": "ids"}},
         "nodes": [{"name": "w", "op": "tokenize", "tokenizer": "t", "doc": "?", "inputs": {"text": "$$a", "begin": [1], "special": False}}, LOOP],
         "outputs": {"w": "$w", "y": {"from": "$l.y", "doc": "rows"}}}
# where, what is put there ("" for: taken away)
WRONG = [(["sibyl_job"], 2), (["sibyl_job"], ""), (["kind"], 3), (["kind"], ""), (["extra"], 1), (["sample_rate"], 0), (["models"], []),
         (["models", "m"], 1), (["models", "a/b"], "m"), (["tokenizers", "t"], "bytes"), (["tokenizers", "t", "kind"], "whisper"),
         (["tokenizers", "u", "n_vocab"], -1), (["tokenizers", "t", "size"], 1), (["calls", "c", "model"], ""), (["calls", "c", "inputs"], ["x"]),
         (["calls", "c", "inputs", "x"], 1), (["calls", "c", "inputs", "a*b*"], "x"), (["calls", "c", "inputs", "x", "transpose"], [1, 1]),
         (["calls", "c", "state", "p.*", "dims"], [-1]), (["calls", "c", "state", "p.*", "full"], 1), (["calls", "c", "fixed", "at"], ["1"]),
         (["calls", "d", "of"], ""), (["calls", "d", "context"], ""), (["calls", "d", "outputs"], ""), (["inputs"], ""), (["inputs", "x"], "sound"),
         (["inputs", "x"], "segments"), (["inputs", "f", "type"], ""), (["inputs", "f", "min"], 0), (["inputs", "a.b"], "text"),
         (["inputs", "ids", "default"], [1, "2"]), (["nodes"], []), (["nodes", 0, "name"], ""), (["nodes", 0, "name"], "a.b"),
         (["nodes", 0, "op"], "future"), (["nodes", 0, "body"], []), (["nodes", 0, "dock"], "?"), (["nodes", 0, "inputs"], ["$x"]),
         (["nodes", 0, "tokenizer"], 1), (["nodes", 0, "calls"], "c"), (["nodes", 1, "inputs"], {}), (["nodes", 1, "body"], ""),
         (["nodes", 1, "state", "s", "initial"], ""), (["nodes", 1, "state", "s", "initial"], 3), (["nodes", 1, "state", "s", "last"], 1),
         (["nodes", 1, "over"], "$x"), (["nodes", 1, "until"], 3), (["nodes", 1, "collect", "a.b"], "$x"), (["nodes", 1, "while"], True),
         (["outputs"], {}), (["outputs", "w"], "w"), (["outputs", "y", "from"], ""), (["outputs", "../y"], "$w")]


@pytest.fixture(scope="module")
def check():
    jsonschema = peer("jsonschema")
    schema = json.loads((ROOT / "docs" / "job.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid


@pytest.mark.parametrize("path", sorted((ROOT / "src" / "job" / "standard").glob("*.json")), ids=lambda p: p.stem)
def test_documents_of_the_library(check, path):
    assert check(json.loads(path.read_text()))


def test_right_documents(check):
    assert check(RIGHT)
    examples = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "jobs.md").read_text(), re.S)
    assert examples and all(check(json.loads(e)) for e in examples)


@pytest.mark.parametrize("where, what", WRONG, ids=lambda v: "/".join(map(str, v)) if isinstance(v, list) else None)
def test_wrong_structures(check, where, what):
    document = copy.deepcopy(RIGHT)
    at = document
    for key in where[:-1]:
        at = at[key]
    if what == "":
        del at[where[-1]]
    else:
        at[where[-1]] = what
    assert not check(document)
