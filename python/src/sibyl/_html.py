"""HTML of what notebooks show: tables, and histograms and heat maps as inline SVG.

Text, lines and bars have the colour of the text around them or one that stands out from light and dark alike, so the
page's theme need not be known. Every text goes through `escape`, and long ones and long tables are cut.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import struct
import zlib
from typing import Any, Iterable, Sequence

import numpy as np

MAX_ROWS = 30
MAX_TEXT = 200
ACCENT = "#3f8fd2"  # contrast of 3 or more with black and with white
WARNING = "#d9534f"

_STYLE = (
    "<style>.sibyl{font:13px/1.5 system-ui,sans-serif;color:inherit;max-width:60em}.sibyl b{font-weight:600}"
    ".sibyl small{opacity:.7}.sibyl p{margin:.3em 0}.sibyl table{border-collapse:collapse;margin:.4em 0;font-size:inherit}"
    ".sibyl tr{background:none!important}.sibyl th,.sibyl td{padding:1px 14px 1px 0;text-align:left!important;"
    "border:0;vertical-align:top;overflow-wrap:break-word;max-width:32em}.sibyl th{font-weight:600;opacity:.7;white-space:nowrap}"
    ".sibyl td.n{text-align:right!important;white-space:nowrap;font-variant-numeric:tabular-nums}"
    ".sibyl th.n{text-align:right!important}"
    f".sibyl .bad{{color:{WARNING};font-weight:600}}.sibyl svg{{display:block;margin:.4em 0}}</style>"
)


def escape(text: Any, limit: int = MAX_TEXT) -> str:
    """A text as it stands in HTML, also within quotes; lone surrogates, which no page can hold, are replaced."""
    text = str(text).encode("utf-8", "replace").decode()
    return html.escape(text if len(text) <= limit else text[: limit - 1] + "…")


def number(x: Any) -> str:
    """An integer in groups of three, another number in four digits."""
    if isinstance(x, (bool, np.bool_)):
        return "yes" if x else "no"
    return f"{x:,}" if isinstance(x, (int, np.integer)) else f"{x:.4g}"


class Html(str):
    """HTML, which goes into a cell as it is."""


def _cell(x: Any) -> str:
    if isinstance(x, Html):
        return f"<td>{x}</td>"
    if isinstance(x, (int, float, np.number)) and not isinstance(x, bool):
        return f'<td class="n">{number(x)}</td>'
    return f"<td>{escape('' if x is None else number(x) if isinstance(x, bool) else x)}</td>"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], bad: Sequence[bool] = ()) -> str:
    """Rows under a head, cut after MAX_ROWS; `bad` ones stand out."""
    body, given = [], list(rows)
    numeric = [bool(given) and isinstance(x, (int, float, np.number)) and not isinstance(x, bool) for x in (given[0] if given else [])]
    for i, row in enumerate(given[:MAX_ROWS]):
        mark = ' class="bad"' if i < len(bad) and bad[i] else ""
        body.append(f"<tr{mark}>{''.join(map(_cell, row))}</tr>")
    more = f"<p><small>… {len(given) - MAX_ROWS:,} more</small></p>" if len(given) > MAX_ROWS else ""
    names = "".join(
        f"<th{' class=n' if i < len(numeric) and numeric[i] else ''}>{escape(name)}</th>" for i, name in enumerate(head)
    )
    return f"<table><tr>{names}</tr>{''.join(body)}</table>{more}"


def pairs(items: Iterable[tuple[str, Any]]) -> str:
    """Names and what they have, one below the other; None is a dash."""
    texts = ((name, "–" if x is None else x if isinstance(x, str) else number(x)) for name, x in items)
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text, 1000)}</td></tr>" for name, text in texts)
    return f"<table>{rows}</table>"


def block(title: str, detail: str, *parts: str) -> str:
    """What one object shows: a title, a few words, and HTML below them."""
    return f'<div class="sibyl">{_STYLE}<p><b>{escape(title)}</b> <small>{escape(detail)}</small></p>{"".join(parts)}</div>'


def bar(share: float) -> Html:
    """A bar of a share, 0 to 1."""
    width = 100 * min(max(share, 0.0), 1.0)
    return Html(
        f'<svg width="100" height="9" role="img" aria-label="{100 * share:.1f} %" style="margin:5px 0 0">'
        f'<rect width="100" height="9" fill="currentColor" opacity=".12"/><rect width="{width:.1f}" height="9" fill="{ACCENT}"/></svg>'
    )


def histogram(counts: Sequence[int], low: float, high: float) -> str:
    """Bars of counts in equal bins from low to high, with these and the largest count written beside them."""
    most, n = max(counts, default=0), len(counts)
    if not most:
        return ""
    step = 320 / n
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="{60 - 60 * c / most:.1f}" width="{max(step - 0.5, 0.5):.1f}" height="{60 * c / most:.1f}"/>'
        for i, c in enumerate(map(int, counts)) if c
    )  # fmt: skip
    label = 'font-size="10" fill="currentColor" opacity=".7"'
    return (
        f'<svg width="320" height="78" viewBox="0 0 320 78" role="img" aria-label="histogram"><g fill="{ACCENT}">{bars}</g>'
        f'<path d="M0 60.5H320" stroke="currentColor" opacity=".4"/><text y="73" {label}>{number(float(low))}</text>'
        f'<text x="320" y="73" text-anchor="end" {label}>{number(float(high))}</text></svg>'
    )


# Five colours from low to high; between them each channel is linear. Their lightness rises, so they are read in grey too.
_COLOURS = np.array([[40, 34, 92], [52, 96, 150], [36, 146, 138], [126, 196, 84], [250, 226, 70]], np.float64)
_NOT_FINITE = (217, 83, 79)


def _png(codes: Any) -> bytes:
    """Codes (rows, columns), uint8: a PNG of the palette above, 255 for what is not finite."""
    at = np.linspace(0, len(_COLOURS) - 1, 255)
    palette = np.stack([np.interp(at, range(len(_COLOURS)), channel) for channel in _COLOURS.T], 1)
    palette = np.concatenate([np.rint(palette), [_NOT_FINITE]]).astype(np.uint8)
    rows, columns = codes.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), codes], 1).tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, data)
        for kind, data in ((b"IHDR", head), (b"PLTE", palette.tobytes()), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    )


def heat_map(cells: Any, *, upward: bool = False) -> str:
    """Cells (rows, columns) as an image in an SVG, its range written below; upward: row 0 is the lowest."""
    cells = np.asarray(cells, np.float64)
    if cells.ndim != 2 or not cells.size:
        return ""
    finite = cells[np.isfinite(cells)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    known = np.where(np.isfinite(cells), cells, low)
    scaled = (known - low) / (high - low) if high > low else np.full(cells.shape, 0.5)
    codes = np.where(np.isfinite(cells), np.rint(254 * scaled), 255).astype(np.uint8)
    if upward:
        codes = codes[::-1]
    rows, columns = codes.shape
    side = max(1.0, min(12.0, 320 / columns, 200 / rows))
    width, height = max(side, min(640.0, side * columns)), max(side, min(200.0, side * rows))
    image = base64.b64encode(_png(np.ascontiguousarray(codes))).decode()
    room = max(width, 200)
    return (
        f'<svg width="{room:.0f}" height="{height + 16:.0f}" role="img" aria-label="heat map"><image width="{width:.0f}" height="{height:.0f}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,{image}"/>'
        f'<text y="{height + 13:.0f}" font-size="10" fill="currentColor" opacity=".7">{rows} × {columns} cells, '
        f"{number(float(low))} to {number(float(high))}</text></svg>"
    )


class Fields:
    """A dataclass that shows its fields, one below the other; lists by how many they hold."""

    def _repr_html_(self) -> str:
        items = [(field.name, getattr(self, field.name)) for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        shown = [(name.replace("_", " "), f"{len(x)}" if isinstance(x, (list, dict)) else x) for name, x in items]
        return block(f"sibyl.{type(self).__name__}", "", pairs(shown))
