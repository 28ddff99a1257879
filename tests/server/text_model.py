"""A model that generates text, for tests: its logits depend on the last byte alone."""
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))
import onnx_writer as w  # noqa: E402

END = 10  # the stop token
MARK = 1
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


def scripted(text: bytes, metadata) -> bytes:
    """The file's bytes of a model that says `text` behind a prompt whose last byte is MARK, and stops."""
    state = w.tensor_type("float32", [1, 1])
    rows = [40.0 if j == byte else 0.0 for byte in [*text, END] for j in range(256)]
    nodes = [w.node("Gather", ["tokens", "at"], ["last"], axis=1), w.node("Equal", ["last", "mark"], ["begins"]),
             w.node("Add", ["state.0", "one"], ["counted"]), w.node("Where", ["begins", "zero", "counted"], ["next.0"]),
             w.node("Cast", ["next.0"], ["number"], to=w.CODES["int64"]), w.node("Min", ["number", "most"], ["row"]),
             w.node("Gather", ["script", "row"], ["logits"])]
    return w.model(nodes, {"tokens": w.tensor_type("int32", ["B", "N"]), "at": w.tensor_type("int64", ["M"]), "state.0": state},
                   {"logits": w.tensor_type("float32", ["B", "M", 256]), "next.0": state},
                   [w.floats("script", rows, [len(text) + 1, 256]), w.floats("one", [1.0]), w.floats("zero", [0.0]), w.ints("most", [len(text)]),
                    w.tensor("mark", "int32", [1], bytes([MARK, 0, 0, 0]))],
                   metadata={"sibyl.recipe": "scripted", "tokenizer": "bytes", "stop_tokens": f"[{END}]", **metadata})


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
TOOL_CALL = 'Let me see.\t<tool_call>{"name": "weather", "arguments": {"city": "Bern"}}</tool_call>'


def caller() -> bytes:
    """The file's bytes of a model that calls the tool, and says what it answered behind the answer's message."""
    template = "{% for m in messages %}{{ m.role }}: {{ m.content or m.tool_calls[0].function.arguments.city }}{% endfor %}" + chr(MARK)
    return scripted(TOOL_CALL.encode(), {"chat_template": template})


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
