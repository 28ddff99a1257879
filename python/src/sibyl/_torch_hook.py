"""Registers torch.ops.sibyl as soon as torch is there, without importing torch."""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any


def _register() -> None:
    """Imports torch_ops. A torch that cannot take the operators costs a warning, never the import of torch."""
    try:
        importlib.import_module("sibyl.torch_ops")
    except Exception as error:
        warnings.warn(f"torch.ops.sibyl could not be registered: {error}", RuntimeWarning, stacklevel=2)


class _TorchWatcher(MetaPathFinder):
    """Finds nothing by itself: it lets the other finders find torch, and asks to be told when it has run."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> Any:
        if name != "torch":
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find else None
            if spec is not None:
                self._watch(spec.loader)
                return spec
        return None

    def _watch(self, loader: Any) -> None:
        """Makes this loader, which serves this one import, register the operators when the module has run."""
        run = getattr(loader, "exec_module", None)
        if run is None:
            return

        def run_and_register(module: ModuleType) -> None:
            del loader.exec_module
            run(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            _register()

        try:
            loader.exec_module = run_and_register
        except AttributeError:  # a loader that takes no attributes: torch is imported without the operators
            pass


def install() -> None:
    """Registers now where torch is imported already, else when it will be."""
    if sys.modules.get("torch") is not None:
        _register()
    else:
        sys.meta_path.insert(0, _TorchWatcher())
