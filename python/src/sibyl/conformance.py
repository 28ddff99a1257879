"""Cases of ONNX's backend tests, run and compared."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import fnmatch
import os
from typing import Iterator, Sequence

from . import _html, _sibyl
from .providers import backends_of
from .registry import Registry, default_registry
from .session import _number

_VERDICTS = ("failed", "passed", "skipped")
_MAX_DEPTH = 6  # of cases below a folder, as in the command


@dataclasses.dataclass(frozen=True)
class ConformCase(_html.Fields):
    """The verdict on one case."""

    case: str  # the name of its folder
    path: str
    verdict: str  # "passed", "failed" or "skipped"
    reason: str  # why it failed or was skipped
    outputs: int  # that were compared
    by_distribution: bool  # random numbers without a seed: dtype, dims and distribution were compared
    by_double: bool  # half floats whose reference kept more precision, as a run in double shows
    recast: bool  # its files hold bfloat16 as uint16
    seconds: float


def _cases(folder: str, depth: int = 0) -> Iterator[str]:
    """Folders with a model.onnx at or below this one, in order of names."""
    if os.path.exists(os.path.join(folder, "model.onnx")):
        yield folder
    elif depth < _MAX_DEPTH:
        for name in sorted(os.listdir(folder)):
            inside = os.path.join(folder, name)
            if not name.startswith(".") and os.path.isdir(inside):
                yield from _cases(inside, depth + 1)


def conform(
    folder: str | os.PathLike[str],
    *,
    filter: str = "*",
    rtol: float = 1e-3,
    atol: float = 1e-7,
    jobs: int = 0,
    any_input_dims: bool = False,
    passes: str | None = None,
    providers: Sequence[str] | None = None,
    registry: Registry | None = None,
) -> list[ConformCase]:
    """Runs the cases in `folder`, or that it is, in the layout of the ONNX backend tests, as `sibyl conform` does.

    A case is model.onnx beside test_data_set_0 and so on with input_N.pb and output_N.pb. It passes where every output
    was compared: dtype, dims, and each element within atol + rtol * |expected|. filter: names of cases, as "test_add*".
    jobs: cases at once; 0 is one per processor. any_input_dims: inputs need not have the dims that models declare.

    Raises OSError: a folder that is not there; ValueError: one without a case.
    """
    known = registry or default_registry()
    backends = None if providers is None else ",".join(backends_of(providers, None, known))
    paths = [path for path in _cases(os.fspath(folder)) if fnmatch.fnmatchcase(os.path.basename(os.path.abspath(path)), filter)]
    if not paths:
        raise ValueError(f"no case was found in {os.fspath(folder)}" + (f" for {filter}" if filter != "*" else ""))

    def run(path: str) -> ConformCase:
        verdict, *rest = _sibyl.conform_case(os.fsencode(path), backends, passes, known._handle, any_input_dims, float(rtol), float(atol))
        return ConformCase(os.path.basename(os.path.abspath(path)), path, _VERDICTS[verdict], *rest)

    workers = _number(jobs, "jobs", 10) or len(os.sched_getaffinity(0))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, paths))
