"""Registries: what models know beside Sibyl's own operators and backends."""

from __future__ import annotations

import functools
import os
from typing import Any

from . import _sibyl


class Registry:
    """Operators and backends of yours, for the models that are opened with it. Thread-safe.

    `sibyl.operator`, `sibyl.lowering`, `sibyl.Backend.register`, `sibyl.functions` and `sibyl.load_plugin` fill it.
    """

    __slots__ = ("_handle",)

    def __init__(self) -> None:
        self._handle = _sibyl.registry_create()

    @property
    def operators(self) -> list[str]:
        """Their names, as "my.dom:Foo", functions in text among them."""
        return _sibyl.registry_operators(self._handle)

    @property
    def backends(self) -> list[str]:
        """Names of the registered backends."""
        return _sibyl.registry_backends(self._handle)

    def __repr__(self) -> str:
        return f"<sibyl.Registry of {', '.join(self.operators + self.backends) or 'nothing'}>"


@functools.cache
def default_registry() -> Registry:
    """The registry of decorators and models that name none."""
    return Registry()


def load_plugin(path: str | os.PathLike[Any], registry: Registry | None = None) -> None:
    """Loads a shared library that registers operators or backends (sibyl/extend.h); its code runs in this process."""
    _sibyl.plugin_load((registry or default_registry())._handle, os.fsencode(path))


def functions(text: str, registry: Registry | None = None, *, label: str = "functions") -> None:
    """Registers operators written as ONNX functions in ONNX's textual syntax; label names the text in errors.

    sibyl.functions('''
        <domain: "my.dom", opset_import: ["" : 20]>
        Swish <beta: float = 1.0> (x) => (y)
        {
            b = Constant <value_float: float = @beta> ()
            scaled = Mul (x, b)
            gate = Sigmoid (scaled)
            y = Mul (x, gate)
        }
    ''')
    """
    _sibyl.functions_register((registry or default_registry())._handle, text.encode(), label)
