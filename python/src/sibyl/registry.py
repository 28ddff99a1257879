"""Registries: what models know beside Sibyl's own operators."""

from __future__ import annotations

import functools

from . import _sibyl


class Registry:
    """Operators of yours, for the models that are opened with it; see `sibyl.operator`. Thread-safe."""

    __slots__ = ("_handle",)

    def __init__(self) -> None:
        self._handle = _sibyl.registry_create()

    @property
    def operators(self) -> list[str]:
        """Their names, as "my.dom:Foo"."""
        return _sibyl.registry_operators(self._handle)

    def __repr__(self) -> str:
        return f"<sibyl.Registry of {', '.join(self.operators) or 'nothing'}>"


@functools.cache
def default_registry() -> Registry:
    """The registry of decorators and models that name none."""
    return Registry()
