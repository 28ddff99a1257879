#!/usr/bin/env python3
"""Writes the models and arrays of the page's tests: models.py FOLDER FOLDER

identity: one node. branch: an If whose branches are graphs. branch_edited: one of them changed. nested, nested_edited: an If in an If in an If, the
innermost graph changed. tower: a number of equal blocks, TOWER operators in all.
logs: values that are not finite. reshape: a run that fails for most sizes. turns: a loop that goes on until it is cancelled. few: the same loop, five times.
plain: nodes without names.
layers: a transformer of 32 layers in small operators, 6,793, with names as of an exporter; unnamed: the same without names.
edited: layers with one weight, one attribute and one operator changed, and one more layer. short, short_edited: the same with 8 layers.
rounds: a job of its own, with a loop in a loop.
zeros, many_zeros: checkpoints, which take a while to import. chain: text, letter by letter. tiny: a decoder of six layers with random weights, imported. loud: finds speech where it is loud.
"""
import json
import os
import pathlib
import struct
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/server"))
import decoder_model  # noqa: E402
import onnx_file as o  # noqa: E402
import text_model  # noqa: E402
import voice_model  # noqa: E402

TOWER = int(os.environ.get("TOWER", "10000"))
BOOL = 9
ROUNDS = {
    "sibyl_job": 1, "kind": "rounds", "name": "rounds", "doc": "Tokens for each row of each table.",
    "tokenizers": {"bytes": {"kind": "bytes"}},
    "inputs": {"audio": {"type": "audio", "default": None}, "words": {"type": "text", "default": "ab"}, "tables": "tensor"},
    "nodes": [
        {"name": "mel", "op": "features", "inputs": {"audio": "$audio", "preset": "kaldi"}},
        {"name": "ids", "op": "tokenize", "tokenizer": "bytes", "inputs": {"text": "$words"}},
        {"name": "each", "op": "loop", "over": {"table": "$tables"}, "state": {"seen": {"initial": "$ids.tokens", "next": "$rows.picked"}}, "max_steps": 4,
         "body": [
             {"name": "rows", "op": "loop", "over": {"row": "$table"},
              "body": [{"name": "pick", "op": "sample", "inputs": {"logits": "$row", "tokens": "$seen", "temperature": 0}}],
              "until": "$pick.end", "collect": {"picked": "$pick.token", "logprobs": "$pick.logprob"}},
             {"name": "letters", "op": "detokenize", "tokenizer": "bytes", "inputs": {"tokens": "$rows.picked", "special": True}}],
         "collect": {"text": "$letters.text"}}],
    "outputs": {"text": "$each.text", "seen": "$each.seen", "mel": "$mel"},
}


def identity() -> bytes:
    return o.model(o.graph("one", [o.node("Identity", ["x"], ["y"], "only", doc="What comes in goes out.")],
                           [o.value("x", [1])], [o.value("y", [1])]))


def branch(otherwise="Neg") -> bytes:
    def side(kind):
        return o.graph(f"{kind} side", [o.node(kind, ["x"], [f"{kind}_out"], f"{kind}_node")], [], [o.value(f"{kind}_out", ["N"])])

    choose = o.node("If", ["c"], ["y"], "choose", then_branch=side("Exp"), else_branch=side(otherwise))
    return o.model(o.graph("branch", [choose, o.node("Relu", ["y"], ["z"], "after")],
                           [o.value("c", [], BOOL), o.value("x", ["N"])], [o.value("z", ["N"])]))


def branch_edited() -> bytes:
    return branch("Abs")


def nested(inner="Neg") -> bytes:
    """An If in an If in an If."""
    body = o.graph("deepest", [o.node(inner, ["x"], ["r0"], "deep")], [], [o.value("r0", ["N"])])
    for depth in (1, 2, 3):
        flat = o.graph(f"flat {depth}", [o.node("Exp", ["x"], [f"e{depth}"], f"exp{depth}")], [], [o.value(f"e{depth}", ["N"])])
        choose = o.node("If", ["c"], [f"r{depth}"], f"choose{depth}", then_branch=body, else_branch=flat)
        body = o.graph(f"body {depth}", [choose], [], [o.value(f"r{depth}", ["N"])])
    return o.model(o.graph("nested", [choose], [o.value("c", [], BOOL), o.value("x", ["N"])], [o.value("r3", ["N"])]))


def nested_edited() -> bytes:
    return nested("Abs")


def tower() -> bytes:
    """Blocks as of a transformer: four operators side by side, joined, and a residual around each block."""
    nodes, x, i = [], "x", 0
    while len(nodes) < TOWER:
        for k, kind in enumerate(("Relu", "Tanh", "Sigmoid", "Neg")):
            nodes.append(o.node(kind, [x], [f"b{i}.{k}"], f"block{i}/{kind}"))
        nodes += [o.node("Add", [f"b{i}.0", f"b{i}.1"], [f"b{i}.4"], f"block{i}/left"),
                  o.node("Mul", [f"b{i}.2", f"b{i}.3"], [f"b{i}.5"], f"block{i}/right"),
                  o.node("Add", [f"b{i}.4", f"b{i}.5"], [f"b{i}.6"], f"block{i}/join"),
                  o.node("Add", [f"b{i}.6", x], [f"b{i}"], f"block{i}/residual")]
        x = f"b{i}"
        i += 1
    return o.model(o.graph("tower", nodes, [o.value("x", ["N", 16])], [o.value(x, ["N", 16])]))


def logs() -> bytes:
    return o.model(o.graph("logs", [o.node("Log", ["x"], ["y"], "log"), o.node("Abs", ["y"], ["z"], "last")],
                           [o.value("x", ["N", "K"])], [o.value("z", ["N", "K"])]))


def reshape() -> bytes:
    """[N] as [2, 3]."""
    return o.model(o.graph("reshape", [o.node("Reshape", ["x", "to"], ["y"], "fold")], [o.value("x", ["N"])], [o.value("y", [2, 3])],
                           [o.tensor("to", o.INT64, [2], struct.pack("<2q", 2, 3))]))


def turns(count: int = 1 << 40) -> bytes:
    body = o.graph("body", [o.node("Add", ["c", "one"], ["next"], "counts"), o.node("Identity", ["go"], ["on"], "goes")],
                   [o.value("turn", [], o.INT64), o.value("go", [], BOOL), o.value("c", ["C"])], [o.value("on", [], BOOL), o.value("next", ["C"])])
    return o.model(o.graph("turns", [o.node("Loop", ["count", "", "x"], ["y"], "loops", body=body)], [o.value("x", ["C"])], [o.value("y", ["C"])],
                           [o.tensor("count", o.INT64, [], struct.pack("<q", count)), o.tensor("one", o.FLOAT, [1], struct.pack("<f", 1))]))


def few() -> bytes:
    return turns(5)


def plain() -> bytes:
    return o.model(o.graph("plain", [o.node("Relu", ["x"], ["y"]), o.node("Neg", ["y"], ["z"])], [o.value("x", ["N"])], [o.value("z", ["N"])]))


WIDTH, HEADS = 12, 12


class Transformer:
    """Layers in small operators; `named`: nodes have the names of their scopes."""

    def __init__(self, named: bool, edited: bool = False, layers: int = 32):
        self.named, self.edited, self.layers = named, edited, layers
        self.nodes, self.weights, self.counter = [], [], 0

    def op(self, scope: str, kind: str, *inputs: str, **attributes) -> str:
        self.counter += 1
        out = f"v{self.counter}" if not self.named else f"/{scope}/{kind}_{self.counter}_output"
        self.nodes.append(o.node(kind, inputs, [out], f"/{scope}/{kind}_{self.counter}" if self.named else "", **attributes))
        return out

    def weight(self, name: str, dims, value: float) -> str:
        size = 1
        for d in dims:
            size *= d
        name = name if self.named else f"w{len(self.weights)}"
        self.weights.append(o.tensor(name, o.FLOAT, dims, struct.pack(f"<{size}f", *[value] * size)))
        return name

    def norm(self, scope: str, x: str) -> str:
        square = self.op(scope, "Mul", x, x)
        mean = self.op(scope, "ReduceMean", square, axes=[-1])
        root = self.op(scope, "Sqrt", self.op(scope, "Add", mean, self.weight(f"{scope}.eps", [], 1e-5)))
        return self.op(scope, "Mul", self.op(scope, "Div", x, root), self.weight(f"{scope}.weight", [WIDTH], 1))

    def head(self, scope: str, x: str) -> str:
        parts = []
        for name in "qkv":
            part = self.op(scope, "MatMul", x, self.weight(f"{scope}.{name}", [WIDTH, 4], 0.1))
            if name != "v":
                turned = self.op(scope, "Mul", self.op(scope, "Neg", part), "sin")
                part = self.op(scope, "Add", self.op(scope, "Mul", part, "cos"), turned)
            parts.append(part)
        scores = self.op(scope, "MatMul", parts[0], self.op(scope, "Transpose", parts[1], perm=[1, 0]))
        shares = self.op(scope, "Softmax", self.op(scope, "Div", scores, "scale"), axis=-1)
        return self.op(scope, "MatMul", shares, parts[2])

    def layer(self, i: int, x: str) -> str:
        scope = f"model/layers.{i}"
        changed = self.edited and i == 7
        normed = self.norm(f"{scope}/input_norm", x)
        heads = [self.head(f"{scope}/attn/head.{h}", normed) for h in range(HEADS)]
        joined = self.op(f"{scope}/attn", "Concat", *heads, axis=-1)
        value = 0.5 if changed else 0.1
        x = self.op(scope, "Add", x, self.op(f"{scope}/attn", "MatMul", joined, self.weight(f"{scope}.o", [4 * HEADS, WIDTH], value)))
        normed = self.norm(f"{scope}/post_norm", x)
        up = self.op(f"{scope}/mlp", "MatMul", normed, self.weight(f"{scope}.up", [WIDTH, 32], 0.1))
        act = self.op(f"{scope}/mlp", "Tanh" if changed else "Sigmoid", up)
        down = self.op(f"{scope}/mlp", "MatMul", self.op(f"{scope}/mlp", "Mul", up, act), self.weight(f"{scope}.down", [32, WIDTH], 0.1))
        return self.op(scope, "Add", x, down)

    def model(self) -> bytes:
        for name in ("sin", "cos", "scale"):
            self.weights.append(o.tensor(name, o.FLOAT, [], struct.pack("<f", 0.7)))
        x = self.op("model/embed", "Gather", self.weight("embed", [64, WIDTH], 0.2), "ids", axis=0)
        for i in range(self.layers + self.edited):
            x = self.layer(i, x)
        last = self.op("head", "MatMul", self.norm("model/norm", x), self.weight("head", [WIDTH, 64], 0.1))
        self.nodes.append(o.node("Softmax", [last], ["logits"], "/head/Softmax" if self.named else "", axis=1 if self.edited else -1))
        return o.model(o.graph("transformer", self.nodes, [o.value("ids", ["T"], o.INT64)], [o.value("logits", ["T", 64])], self.weights))


def layers() -> bytes:
    return Transformer(named=True).model()


def unnamed() -> bytes:
    return Transformer(named=False).model()


def edited() -> bytes:
    return Transformer(named=True, edited=True).model()


def short() -> bytes:
    return Transformer(named=True, layers=8).model()


def short_edited() -> bytes:
    return Transformer(named=True, edited=True, layers=8).model()


def heads() -> bytes:
    """Attention of four heads: each query's shares of the keys."""
    return o.model(o.graph("heads", [o.node("Softmax", ["x"], ["shares"], "attend")], [o.value("x", [1, 4, 12, 20])], [o.value("shares", [1, 4, 12, 20])]))


def npy(shape: list[int], numbers: list[float]) -> bytes:
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack(f"<{len(numbers)}f", *numbers)


def chain() -> bytes:
    return text_model.chain()[0]


def loud() -> bytes:
    return voice_model.loud()


folder, arrays = (pathlib.Path(argument) for argument in sys.argv[1:])
folder.mkdir(parents=True, exist_ok=True)
arrays.mkdir(parents=True, exist_ok=True)
(folder / "rounds.job.json").write_text(json.dumps(ROUNDS))
for make in (identity, branch, branch_edited, nested, nested_edited, tower, logs, reshape, turns, chain, few, loud, plain, layers, unnamed, edited, short, short_edited, heads):
    (folder / f"{make.__name__}.onnx").write_bytes(make())
decoder_model.make(folder, "tiny", layers=6)
decoder_model.write_zeros(folder / "zeros")
decoder_model.write_zeros(folder / "many_zeros", layers=80)
(arrays / "x.npy").write_bytes(npy([2, 3], [1, 2, 4, 8, 16, 32]))
with zipfile.ZipFile(arrays / "inputs.npz", "w") as archive:
    archive.writestr("x.npy", npy([1, 2], [1, 0.5]))
