"""What notebooks show of values, transcripts and lists of differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _html
from ._arrays import is_tensor
from .watch import digest

if TYPE_CHECKING:
    from .differences import NodeDifference


def _blocks(array: Any, most: int, axis: int) -> Any:
    """Means of equal runs along an axis, at most so many of them."""
    n = array.shape[axis]
    if n <= most:
        return array
    starts = np.arange(most) * n // most
    sizes = np.diff(np.append(starts, n))
    sums = np.add.reduceat(array, starts, axis)
    return sums / (sizes[:, None] if axis == 0 else sizes)


class View:
    """A value at a glance: statistics, a histogram, and a heat map of its last two axes; made by `view`."""

    def __init__(self, value: Any, name: str = "", *, upward: bool = False) -> None:
        self.value = value
        self.name = name
        self._upward = upward

    def _what(self) -> str:
        value = self.value
        if isinstance(value, (list, tuple)):
            return f"a list of {len(value)}"
        if is_tensor(value):
            return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        array = np.asarray(value)
        return f"{array.dtype} {array.shape}"

    def _is_text(self) -> bool:
        return not is_tensor(self.value) and np.asarray(self.value, dtype=None if not isinstance(self.value, (list, tuple)) else object).dtype.kind in "UST"

    def __repr__(self) -> str:
        return f"<sibyl.View {self.name!r} {self._what()}>"

    def _repr_html_(self) -> str:
        title = self.name or "value"
        if self._is_text():
            texts = np.asarray(self.value).ravel()
            return _html.block(title, self._what(), _html.table(["element", "text"], ((i, x) for i, x in enumerate(texts[: _html.MAX_ROWS]))))
        found = digest(self.value)
        names = ("count", "nan", "plus_infinity", "minus_infinity", "zero", "min", "max", "mean", "std")
        shown = [n for n in names if n not in ("nan", "plus_infinity", "minus_infinity", "zero") or found[n]]
        rows = [[int(found[n]) if n in names[:5] else float(found[n]) for n in shown]]
        parts = [_html.table([name.replace("_", " ") for name in shown], rows)]
        if found["max"] > found["min"]:
            parts.append(_html.histogram(found["histogram"].tolist(), found["min"], found["max"]))
        parts.append(_html.heat_map(self._cells(found), upward=self._upward))
        return _html.block(title, self._what(), *parts)

    def _cells(self, found: Any) -> Any:
        """The cells of a digest; of features, which are a picture, more of them."""
        value = self.value.detach().cpu().double().numpy() if is_tensor(self.value) and self._upward else self.value
        if not self._upward or isinstance(value, (list, tuple)) or np.ndim(value) != 2:
            return np.where(found["not_finite"], np.nan, found["cells"])
        return _blocks(_blocks(np.asarray(value, np.float64), 128, 0), 640, 1)


def view(value: Any, name: str = "", *, upward: bool = False) -> View:
    """A value for a notebook: an array of any shape and type, a tensor, or a list of arrays.

    name: its title. upward: row 0 of the heat map is the lowest, as features (bands, frames) are drawn.
    """
    return View(value, name, upward=upward)


class TranscriptDict(dict):  # type: ignore[type-arg]
    """What transcribe() gives: a dict that shows its text and its segments."""

    def _repr_html_(self) -> str:
        segments = self.get("segments", [])
        rows = [(f"{s['start']:.2f}", f"{s['end']:.2f}", s["text"].strip(), s.get("avg_logprob")) for s in segments]
        detail = f"{self.get('language') or ''}, {len(segments)} segment{'' if len(segments) == 1 else 's'}".lstrip(", ")
        text = f"<p>{_html.escape(self.get('text', '').strip(), 2000)}</p>"
        return _html.block("Transcript", detail, text, _html.table(["start", "end", "text", "log probability"], rows))


class Differences(list):  # type: ignore[type-arg]
    """Rows of sibyl.diff: a list that shows itself, those that differ first to be seen."""

    @property
    def first(self) -> NodeDifference | None:
        """The first row that differs."""
        return next((row for row in self if row.differs), None)

    def _repr_html_(self) -> str:
        order = sorted(self, key=lambda row: not row.differs)
        rows = [(row.name, row.node, row.op_type, row.problem or ("differs" if row.differs else "agrees"), row.times, row.relative_l2, row.elements)
                for row in order]  # fmt: skip
        bad = [row.differs for row in order]
        head = ["value", "node", "operator", "verdict", "× rounding", "relative L2", "elements"]
        detail = f"{sum(bad)} of {len(self)} values differ"
        return _html.block("Differences", detail, _html.table(head, rows, bad))
