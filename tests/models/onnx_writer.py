"""Small ONNX models written byte by byte, for tests: the few messages and fields of onnx.proto that they need.

Needs Python's standard library only.
"""

import struct

DTYPES = ("float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64 complex64 complex128 "
          "bfloat16 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz uint4 int4 float4e2m1 float8e8m0 uint2 "
          "int2").split()
CODES = {name: number for number, name in enumerate(DTYPES, 1)}


# ---- Protobuf -------------------------------------------------------------------------------------------------


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def block(field, data):
    """A message, a text or bytes."""
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def blocks(field, items):
    return b"".join(block(field, item) for item in items)


# ---- Types ----------------------------------------------------------------------------------------------------


def tensor_type(dtype, dims=None):
    """dims: numbers, names of symbolic dims, None for one that is not known; None as a whole for an unknown rank."""
    shape = b""
    for dim in dims or ():
        shape += block(1, number(1, dim) if isinstance(dim, int) else block(2, dim) if dim else b"")
    return block(1, number(1, CODES[dtype]) + (b"" if dims is None else block(2, shape)))


def sequence_type(item):
    return block(4, block(1, item))


def optional_type(item):
    return block(9, block(1, item))


def map_type(key, value):
    return block(5, number(1, CODES[key]) + block(2, value))


def value_info(name, value_type):
    return block(1, name) + block(2, value_type)


# ---- Tensors --------------------------------------------------------------------------------------------------


def tensor(name, dtype, dims, raw):
    """raw: the elements as bytes, or a list of texts."""
    data = blocks(6, raw) if dtype == "string" else block(9, raw)
    return b"".join(number(1, d) for d in dims) + number(2, CODES[dtype]) + block(8, name) + data


def floats(name, values, dims=None):
    return tensor(name, "float32", [len(values)] if dims is None else dims, struct.pack(f"<{len(values)}f", *values))


def halves(name, values, dims=None):
    return tensor(name, "float16", [len(values)] if dims is None else dims, struct.pack(f"<{len(values)}e", *values))


def ints(name, values, dims=None):
    return tensor(name, "int64", [len(values)] if dims is None else dims, struct.pack(f"<{len(values)}q", *values))


# ---- Graphs ---------------------------------------------------------------------------------------------------


class Graph(bytes):
    """An attribute that is a subgraph."""


def attribute(name, value):
    """int, float, text, lists of them, Graph; other bytes are a tensor."""
    if isinstance(value, (list, tuple)):
        kind, data = {
            int: (7, lambda v: b"".join(number(8, x) for x in v)),
            float: (6, lambda v: b"".join(varint(7 << 3 | 5) + struct.pack("<f", x) for x in v)),
            str: (8, lambda v: blocks(9, v)),
        }[type(value[0])]
        return block(1, name) + data(value) + number(20, kind)
    if isinstance(value, int):
        return block(1, name) + number(3, value) + number(20, 2)
    if isinstance(value, float):
        return block(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
    if isinstance(value, str):
        return block(1, name) + block(4, value) + number(20, 3)
    field, kind = (6, 5) if isinstance(value, Graph) else (5, 4)
    return block(1, name) + block(field, value) + number(20, kind)


def node(op, inputs, outputs, name="", domain="", **attributes):
    return (blocks(1, inputs) + blocks(2, outputs) + block(3, name) + block(4, op)
            + blocks(5, (attribute(k, v) for k, v in attributes.items())) + block(7, domain))


def graph(nodes, inputs, outputs, initializers=(), name="tiny", doc=""):
    """inputs, outputs: dicts from names to types."""
    return Graph(blocks(1, nodes) + block(2, name) + blocks(5, initializers) + block(10, doc)
                 + blocks(11, (value_info(n, t) for n, t in inputs.items()))
                 + blocks(12, (value_info(n, t) for n, t in outputs.items())))


def function(name, domain, nodes, inputs, outputs, opsets={"": 21}):
    """A model-local function; inputs, outputs: names."""
    return (block(1, name) + blocks(4, inputs) + blocks(5, outputs) + blocks(7, nodes)
            + blocks(9, (block(1, d) + number(2, v) for d, v in opsets.items())) + block(10, domain))


def model(nodes, inputs, outputs, initializers=(), opsets={"": 21}, metadata={}, doc="", graph_doc="", version=0,
          functions=(), ir_version=10):
    """The bytes of a model file."""
    parts = number(1, ir_version) + block(2, "writer") + block(3, "1") + block(4, "test.sibyl") + number(5, version)
    parts += block(6, doc) + block(7, graph(nodes, inputs, outputs, initializers, doc=graph_doc))
    parts += blocks(8, (block(1, domain) + number(2, v) for domain, v in opsets.items()))
    return parts + blocks(14, (block(1, k) + block(2, v) for k, v in metadata.items())) + blocks(25, functions)


def one(op, inputs, outputs, opsets={"": 21}, **attributes):
    """A model of one node."""
    return model([node(op, inputs, outputs, name="it", **attributes)], inputs, outputs, opsets=opsets)
