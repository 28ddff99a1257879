"""Small ONNX files, written as protobuf by hand: what tests need without the package onnx."""
FLOAT, INT64 = 1, 7


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number: int, data: bytes | int) -> bytes:
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    return varint(number << 3 | 2) + varint(len(data)) + data


def text(number: int, value: str | bytes) -> bytes:
    return field(number, value.encode() if isinstance(value, str) else value)


def value(name, dims=(), dtype=FLOAT) -> bytes:
    """ValueInfoProto of a tensor; dims are numbers or names."""
    shape = b"".join(field(1, field(1, d) if isinstance(d, int) else text(2, d)) for d in dims)
    return text(1, name) + field(2, field(1, field(1, dtype) + field(2, shape)))


def tensor(name, dtype: int, dims, raw: bytes) -> bytes:
    return b"".join(field(1, d) for d in dims) + field(2, dtype) + text(8, name) + field(9, raw)


def attribute(name: str, what) -> bytes:
    """An integer, a list of integers, a string, or bytes of a GraphProto."""
    if isinstance(what, bytes):
        return text(1, name) + field(6, what) + field(20, 5)
    if isinstance(what, int):
        return text(1, name) + field(3, what) + field(20, 2)
    if isinstance(what, str):
        return text(1, name) + text(4, what) + field(20, 3)
    return text(1, name) + b"".join(field(8, i) for i in what) + field(20, 7)


def node(kind: str, inputs, outputs, name="", doc="", **attributes) -> bytes:
    return (b"".join(text(1, i) for i in inputs) + b"".join(text(2, o) for o in outputs) + text(3, name) + text(4, kind)
            + b"".join(field(5, attribute(k, a)) for k, a in attributes.items()) + text(6, doc))


def graph(name: str, nodes, inputs, outputs, initializers=()) -> bytes:
    return (b"".join(field(1, n) for n in nodes) + text(2, name) + b"".join(field(5, t) for t in initializers)
            + b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs))


def model(main: bytes, opset=17) -> bytes:
    return field(1, 8) + field(7, main) + field(8, field(2, opset))
