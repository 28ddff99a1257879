"""Types of values, as the library writes them and as onnxruntime does."""

from __future__ import annotations

import dataclasses

# What onnxruntime calls the element types that have another name there.
_ONNX_NAMES = {"float32": "float", "float64": "double"}


@dataclasses.dataclass(frozen=True)
class Type:
    """kind: "tensor", "seq", "optional", "map", "sparse_tensor" or "unknown"."""

    kind: str
    dtype: str = "unknown"  # of a tensor's elements, or of a map's keys
    inner: Type | None = None  # of the items of a sequence, what an optional holds, the values of a map

    def __str__(self) -> str:
        name = _ONNX_NAMES.get(self.dtype, self.dtype)
        if self.kind in ("tensor", "sparse_tensor"):
            return f"{self.kind}({name})"
        if self.kind == "unknown":
            return self.kind
        return f"map({name},{self.inner})" if self.kind == "map" else f"{self.kind}({self.inner})"


UNKNOWN = Type("unknown")


def parse(text: str) -> Type:
    """The type in the library's words: "float32 [T, 80]", "seq(int64 [N])", "map(string, float32 [])"."""
    for word in ("seq", "optional"):
        if text.startswith(word + "("):
            return Type(word, inner=parse(text[len(word) + 1 : -1]))
    if text.startswith("map("):
        key, _, values = text[4:-1].partition(", ")
        return Type("map", key, parse(values))
    sparse = text.startswith("sparse")
    if sparse:
        text = text[text.index("(") + 1 : -1]
    dtype = text.split(" ")[0]
    return UNKNOWN if dtype in ("", "?", "unknown") else Type("sparse_tensor" if sparse else "tensor", dtype)
