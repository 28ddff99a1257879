"""The tile: Whisper's features in fixed point on compute tiles with little memory, above all those of AMD's XDNA1 NPU.

    plan = sibyl.tile.plan(628163, tiles=4, batch=40)
    plan.fits, plan.total, plan.seconds
    features, report = sibyl.tile.simulate(plan_of_the_recording, samples)
    sibyl.tile.emit(plan, "design")
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np

from . import _html, _sibyl
from .errors import SibylOSError, with_path
from .fixed import pcm16
from .session import _number

_OUTS = ("int8", "int16")
_DIALECTS = ("2026", "2024")
_CHANGES = ("depth 1", "smaller batch", "more tiles", "more tiles, evenly", "more tiles, depth 1")
FAULTS = ("lost-lock", "late-dma", "batch", "overrun")


@dataclasses.dataclass(frozen=True)
class Plan(_html.Fields):
    """A recording divided over tiles. Memory is in bytes, times are in seconds by the cost model."""

    batch: int  # frames of a call, over all tiles
    depth: int  # elements of each FIFO
    tiles: int
    bands: int
    out: str  # "int8" or "int16"
    memory: int  # of a compute tile's data
    call_cost: float  # seconds per call
    byte_cost: float  # seconds per byte that a shim channel moves
    frame_cost: float  # seconds per frame that a tile computes
    dialect: str  # of MLIR-AIE: "2026" or "2024"
    frames: int  # of the recording
    rows: int  # frames of one FIFO element
    tiles_used: int  # that have frames to compute
    channels: int  # shim channels in each direction
    linked: int  # columns that use their memory tile
    element_in: int
    element_out: int
    fifo_in: int
    fifo_out: int
    stack: int  # of the kernel, measured; so are constants and state
    constants: int
    state: int
    total: int
    fits: bool
    program: int  # of the kernel's code, apart from the others
    memory_tile: int  # in the fullest memory tile
    calls: int
    transfers: int
    bytes_in: int  # moved, padding included
    bytes_out: int
    bytes_host: int  # of the samples on the host
    seconds: float
    seconds_in: float  # of one call; so are the next two
    seconds_compute: float
    seconds_out: float

    def _options(self) -> tuple[Any, ...]:
        return (self.batch, self.depth, self.tiles, self.bands, _OUTS.index(self.out), self.memory, self.call_cost,
                self.byte_cost, self.frame_cost, _DIALECTS.index(self.dialect))  # fmt: skip

    def advice(self) -> dict[str, Plan]:
        """Plans that fit, by what changes ("depth 1", "smaller batch", ...); empty where this one does."""
        return {_CHANGES[change]: _plan_of(found) for change, found in _sibyl.tile_advise(self._options(), self.frames)}


def _plan_of(found: dict[str, Any]) -> Plan:
    return Plan(**{**found, "out": _OUTS[found["out"]], "dialect": _DIALECTS[found["dialect"]]})


def _index(name: str, value: str, names: tuple[str, ...]) -> int:
    if value not in names:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(repr, names))}")
    return names.index(value)


def frames_of(samples: int) -> int:
    """Frames of so many samples at 16 kHz: samples // 160. Raises ValueError for 200 or fewer."""
    return _sibyl.tile_frames(_number(samples, "samples", 64))


def plan(
    frames: int,
    *,
    batch: int = 10,
    depth: int = 2,
    tiles: int | None = None,
    bands: int = 80,
    out: str = "int8",
    memory: int = 65536,
    call_cost: float = 103e-6,
    byte_cost: float = 0.0,
    frame_cost: float = 110e-6,
    dialect: str = "2026",
    best: bool = False,
) -> Plan:
    """Plans `frames` frames, as `sibyl tile plan` does; one that does not fit is returned too, with `fits` false.

    The costs are of seconds. tiles: 1 to 16; None is 1. best: the fastest plan that fits over batches, depths and up to
    `tiles` tiles (None: 16); batch and depth are then not read.

    Raises ValueError: a number out of range, memory smaller than what the kernel has, nothing that fits (best).
    """
    if tiles is None:
        tiles = 16 if best else 1
    options = (_number(batch, "batch", 32), _number(depth, "depth", 32), _number(tiles, "tiles", 32), _number(bands, "bands", 32),
               _index("out", out, _OUTS), _number(memory, "memory", 64), float(call_cost), float(byte_cost), float(frame_cost),
               _index("dialect", dialect, _DIALECTS))  # fmt: skip
    return _plan_of(_sibyl.tile_plan(options, _number(frames, "frames", 64), best))


@dataclasses.dataclass(frozen=True)
class Report(_html.Fields):
    """What the simulated machine did, as its DMA engines counted it."""

    calls: int
    transfers: int
    bytes_in: int
    bytes_out: int
    stalls_input: int  # waits of a core for samples
    stalls_output: int  # and for room
    stalls_dma: int  # waits of an engine
    stall_seconds: float  # of all cores together
    predicted_seconds: float  # by the plan
    measured_seconds: float  # of the simulation on this machine
    kernel_seconds: float  # in the kernel, all cores together


def simulate(
    plan: Plan, audio: Any, *, fault: str | None = None, fault_call: int = 2**64 - 1, fault_tile: int = 2**32 - 1
) -> tuple[np.ndarray[Any, Any], Report]:
    """Features (bands, frames) of a recording, int8 or int16 by the plan, through a model of the machine, and a report.

    plan: one that fits, made for the frames of this recording (frames_of). audio: a file, or samples (n,) at 16 kHz;
    int16 is read where it is. The bits are those of log_mel_fixed, whatever the plan. fault: one of FAULTS, which breaks
    the machine at that call and tile (the last ones by default), to see it noticed.

    Raises ValueError: another recording's plan, and what went wrong in the machine; SibylError: a plan that does not fit.
    """
    samples = pcm16(audio)
    features = np.empty((plan.frames, plan.bands), plan.out)
    kind = 0 if fault is None else 1 + _index("fault", fault, FAULTS)
    place = _number(fault_call, "fault_call", 64), _number(fault_tile, "fault_tile", 32)
    report = _sibyl.tile_simulate(plan._options(), plan.frames, samples, features, kind, *place)
    return features.T, Report(*report)


def emit(plan: Plan, folder: str | os.PathLike[Any]) -> None:
    """Writes the plan's program into a folder, which is made: aie.mlir, the kernel, a host program, build.sh.

    Raises OSError, and SibylError for a plan that does not fit.
    """
    path = os.fsencode(folder)
    try:
        _sibyl.tile_emit(plan._options(), plan.frames, path)
    except SibylOSError as error:
        raise with_path(error, path, os.path.dirname(path) or b".") from None


def check(design: str, plan: Plan) -> None:
    """Refuses a design, the text of an aie.mlir, that has not this plan's memory and transfers: ValueError or SibylError."""
    _sibyl.tile_check(plan._options(), plan.frames, design)


@dataclasses.dataclass(frozen=True)
class Published(_html.Fields):
    """A row of the one published plan: 80 bands, int8, depth 2, one tile, 628,163 frames, constants left out."""

    batch: int
    stack: int
    fifo_in: int
    fifo_out: int
    total: int
    calls: int


def published() -> list[Published]:
    """The rows of the published table."""
    return [Published(*row) for row in _sibyl.tile_published()]
