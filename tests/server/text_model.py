"""A model that generates text, for tests: its logits depend on the last byte alone."""
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))
import onnx_writer as w  # noqa: E402

END = 10  # the stop token
LETTERS = [*range(97, 123), 32]
HALVES = 0xc3, 0xa9  # of a character: less likely


def chain(metadata=None):
    """The file's bytes, and the rows of its table: logits after each byte."""
    chance = random.Random(1)
    rows = [[round(chance.gauss(0, 3), 3) if j in LETTERS else -1 if j in HALVES else -30 for j in range(256)] for _ in range(256)]
    rows[ord("!")][END] = 40
    state = w.tensor_type("float32", [1, 2])
    nodes = [w.node("Gather", ["tokens", "at"], ["last"], axis=1), w.node("Gather", ["table", "last"], ["logits"], axis=0),
             w.node("Identity", ["state.0"], ["next.0"])]
    data = w.model(nodes, {"tokens": w.tensor_type("int32", ["B", "N"]), "at": w.tensor_type("int64", ["M"]), "state.0": state},
                   {"logits": w.tensor_type("float32", ["B", "M", 256]), "next.0": state},
                   [w.floats("table", [x for row in rows for x in row], [256, 256])],
                   metadata={"sibyl.recipe": "chain", "tokenizer": "bytes", "stop_tokens": f"[{END}]", **(metadata or {})})
    return data, rows


def normed(layers: int) -> bytes:
    """The file's bytes of a decoder whose norms are one node with the sums before them, as onnxruntime's tools write it."""
    chance, width = random.Random(2), 8
    state = w.tensor_type("float32", [1, 2])

    def matrix(name, rows, columns):
        return w.floats(name, [chance.gauss(0, 1) for _ in range(rows * columns)], [rows, columns])

    tensors = [matrix("table", 256, width), matrix("head", width, 256), w.floats("gamma", [1.0] * width)]
    nodes = [w.node("Gather", ["table", "tokens"], ["sum0"]), w.node("SimplifiedLayerNormalization", ["sum0", "gamma"], ["norm0"]),
             w.node("Identity", ["state.0"], ["next.0"])]
    for i in range(2 * layers):
        last = i + 1 == 2 * layers
        tensors.append(matrix(f"weight{i}", width, width))
        nodes += [w.node("MatMul", [f"norm{i}", f"weight{i}"], [f"product{i}"]), w.node("Relu" if i % 2 else "Tanh", [f"product{i}"], [f"part{i}"]),
                  w.node("SkipSimplifiedLayerNormalization", [f"sum{i}", f"part{i}", "gamma"],
                         [f"norm{i + 1}"] if last else [f"norm{i + 1}", "", "", f"sum{i + 1}"], domain="com.microsoft")]
    nodes += [w.node("Gather", [f"norm{2 * layers}", "at"], ["last"], axis=1), w.node("MatMul", ["last", "head"], ["logits"])]
    return w.model(nodes, {"tokens": w.tensor_type("int32", ["B", "N"]), "at": w.tensor_type("int64", ["M"]), "state.0": state},
                   {"logits": w.tensor_type("float32", ["B", "M", 256]), "next.0": state}, tensors,
                   metadata={"sibyl.recipe": "normed", "tokenizer": "bytes", "stop_tokens": f"[{END}]"})


def chain_file(tests) -> pathlib.Path:
    """chain.onnx in a folder of its own, which goes once the tests of the class have ended."""
    file = pathlib.Path(tests.enterClassContext(tempfile.TemporaryDirectory())) / "chain.onnx"
    file.write_bytes(chain()[0])
    return file
