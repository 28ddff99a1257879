"""MelSpec: the description of a front end, field by field as in <sibyl/features.h>."""

from __future__ import annotations

import dataclasses
import operator
from typing import Any, TypedDict

from . import _sibyl

# Names of the library's enumerations, in the order of their numbers.
ENUMS: dict[str, tuple[str, ...]] = {
    "window": ("hann", "hann_symmetric", "hamming", "povey", "rectangular"),
    "framing": ("center_reflect", "center_zero", "whole"),
    "scale": ("slaney", "htk"),
    "norm": ("none", "slaney"),
    "slope": ("hz", "mel"),
    "log": ("none", "ln", "log10", "db"),
    "smooth": ("none", "same", "valid"),
}

PRESETS = ("whisper", "librosa", "kaldi")


class MelChanges(TypedDict, total=False):
    """Fields of MelSpec but n_mels and smooth."""

    sample_rate: int
    n_fft: int
    win_length: int
    hop_length: int
    window: str
    framing: str
    drop_last_frame: bool
    remove_dc: bool
    preemphasis: float
    power: float
    f_min: float
    f_max: float
    scale: str
    norm: str
    slope: str
    log: str
    log_floor: float
    log_reference: float
    dynamic_range: float
    offset: float
    gain: float


@dataclasses.dataclass(frozen=True)
class MelSpec:
    """One front end. Start from `MelSpec.preset` and change what differs with `dataclasses.replace`.

    Per frame: frame the signal, remove_dc, preemphasis, window, zero-pad to n_fft, transform, |X|^power, bands,
    y = log(max(e, log_floor)) - log(log_reference); then y = max(y, maximum - dynamic_range) where dynamic_range
    is positive, y = (y + offset) * gain, and smoothing last.
    """

    sample_rate: int  # Hz
    n_fft: int  # samples of the transform
    win_length: int  # samples of the window
    hop_length: int  # samples between frames
    window: str  # "hann" (periodic), "hann_symmetric", "hamming", "povey", "rectangular"
    framing: str  # "center_reflect", "center_zero", "whole" (Kaldi's snip_edges)
    drop_last_frame: bool
    remove_dc: bool  # subtract each frame's mean
    preemphasis: float  # 0: none
    power: float  # 1 (magnitude) or 2 (power)
    n_mels: int  # bands
    f_min: float  # Hz
    f_max: float  # Hz; 0: half the rate
    scale: str  # "slaney", "htk"
    norm: str  # "none", "slaney"
    slope: str  # the axis on which the triangles are straight: "hz", "mel"
    log: str  # "none", "ln", "log10", "db"
    log_floor: float
    log_reference: float
    dynamic_range: float  # in units of y; 0: no clamp
    offset: float
    gain: float
    smooth: str  # 3 x 3 average: "none", "same", "valid"

    @classmethod
    def preset(cls, name: str, n_mels: int | None = None) -> MelSpec:
        """ "whisper", "librosa" or "kaldi"; n_mels: bands, where not the preset's own number (80, 128, 80)."""
        fields: dict[str, Any] = _sibyl.spec_preset(name, 0)
        for field, names in ENUMS.items():
            fields[field] = names[fields[field]]
        spec = cls(**fields)
        return spec if n_mels is None else dataclasses.replace(spec, n_mels=operator.index(n_mels))

    def to_native(self) -> dict[str, Any]:
        """The fields as the extension takes them: enumerations as numbers."""
        fields = dataclasses.asdict(self)
        for field, names in ENUMS.items():
            if fields[field] not in names:
                raise ValueError(f"{field} is {fields[field]!r}, expected one of {', '.join(map(repr, names))}")
            fields[field] = names.index(fields[field])
        return fields
