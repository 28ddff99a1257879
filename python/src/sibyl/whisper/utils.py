"""Transcripts as files: text, subtitles, tables and JSON, as openai-whisper writes them."""

from __future__ import annotations

import json
import os
import re
import zlib
from typing import Any, Iterator, TextIO

Result = dict[str, Any]
Options = dict[str, Any] | None


def compression_ratio(text: str) -> float:
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data))


def format_timestamp(seconds: float, always_include_hours: bool = False, decimal_marker: str = ".") -> str:
    if seconds < 0:
        raise AssertionError(f"a time of {seconds} s is before the beginning")
    rest, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, seconds = divmod(rest, 60)
    hours, minutes = divmod(minutes, 60)
    begin = f"{hours:02d}:" if always_include_hours or hours else ""
    return f"{begin}{minutes:02d}:{seconds:02d}{decimal_marker}{milliseconds:03d}"


class ResultWriter:
    """Called with a result and the recording's path, writes its file to output_dir."""

    extension: str

    def __init__(self, output_dir: str) -> None:
        self.output_dir = output_dir

    def __call__(self, result: Result, audio_path: str, options: Options = None, **more: Any) -> None:
        stem = os.path.splitext(os.path.basename(audio_path))[0]
        with open(os.path.join(self.output_dir, f"{stem}.{self.extension}"), "w", encoding="utf-8") as file:
            self.write_result(result, file, options, **more)

    def write_result(self, result: Result, file: TextIO, options: Options = None, **more: Any) -> None:
        raise NotImplementedError


class WriteTXT(ResultWriter):
    extension = "txt"

    def write_result(self, result: Result, file: TextIO, options: Options = None, **more: Any) -> None:
        file.writelines(f"{segment['text'].strip()}\n" for segment in result["segments"])


def _cues(result: Result, width: int | None, lines: int | None, per_line: int) -> Iterator[list[dict[str, Any]]]:
    """Words that are shown together; the first of a line has a line break in front."""
    of_segments = lines is None or width is None  # each segment begins a cue
    spoken = [segment["words"] for segment in result["segments"]]
    last = next((word["start"] for words in spoken for word in words), 0.0)
    cue: list[dict[str, Any]] = []
    used, n_lines = 0, 1
    for chunk in (words[at : at + per_line] for words in spoken for at in range(0, len(words), per_line)):
        for i, word in enumerate(chunk):
            text = word["word"]
            pause = not of_segments and word["start"] - last > 3.0
            begins = i == 0 and bool(cue) and of_segments
            if used > 0 and used + len(text) <= (width or 1000) and not pause and not begins:
                used += len(text)
            else:
                text = text.strip()
                if begins or (cue and lines is not None and (pause or n_lines >= lines)):
                    yield cue
                    cue, n_lines = [], 1
                elif used > 0:
                    n_lines += 1
                    text = "\n" + text
                used = len(text.strip())
            cue.append({**word, "word": text})
            last = word["start"]
    if cue:
        yield cue


class SubtitlesWriter(ResultWriter):
    always_include_hours: bool
    decimal_marker: str

    def iterate_result(
        self,
        result: Result,
        options: Options = None,
        *,
        max_line_width: int | None = None,
        max_line_count: int | None = None,
        highlight_words: bool = False,
        max_words_per_line: int | None = None,
    ) -> Iterator[tuple[str, str, str]]:
        """Begin, end and text of each cue."""
        given = options or {}
        segments = result["segments"]
        if not segments or "words" not in segments[0]:
            for segment in segments:
                text = segment["text"].strip().replace("-->", "->")
                yield self.format_timestamp(segment["start"]), self.format_timestamp(segment["end"]), text
            return
        width, lines = max_line_width or given.get("max_line_width"), max_line_count or given.get("max_line_count")
        per_line = max_words_per_line or given.get("max_words_per_line") or 1000
        for cue in _cues(result, width, lines, per_line):
            yield from self._shown(cue, highlight_words or given.get("highlight_words", False))

    def _shown(self, cue: list[dict[str, Any]], highlight: bool) -> Iterator[tuple[str, str, str]]:
        words = [word["word"] for word in cue]
        times = [(self.format_timestamp(word["start"]), self.format_timestamp(word["end"])) for word in cue]
        if not highlight:
            yield times[0][0], times[-1][1], "".join(words)
            return
        last = times[0][0]
        for at, (start, end) in enumerate(times):
            if last != start:
                yield last, start, "".join(words)
            marked = re.sub(r"^(\s*)(.*)$", r"\1<u>\2</u>", words[at])
            yield start, end, "".join([*words[:at], marked, *words[at + 1 :]])
            last = end

    def format_timestamp(self, seconds: float) -> str:
        return format_timestamp(seconds, self.always_include_hours, self.decimal_marker)


class WriteVTT(SubtitlesWriter):
    extension, always_include_hours, decimal_marker = "vtt", False, "."

    def write_result(self, result: Result, file: TextIO, options: Options = None, **more: Any) -> None:
        file.write("WEBVTT\n\n")
        file.writelines(f"{a} --> {b}\n{text}\n\n" for a, b, text in self.iterate_result(result, options, **more))


class WriteSRT(SubtitlesWriter):
    extension, always_include_hours, decimal_marker = "srt", True, ","

    def write_result(self, result: Result, file: TextIO, options: Options = None, **more: Any) -> None:
        cues = enumerate(self.iterate_result(result, options, **more), start=1)
        file.writelines(f"{i}\n{a} --> {b}\n{text}\n\n" for i, (a, b, text) in cues)


class WriteTSV(ResultWriter):
    extension = "tsv"

    def write_result(self, result: Result, file: TextIO, options: Options = None, **more: Any) -> None:
        file.write("start\tend\ttext\n")
        for segment in result["segments"]:
            text = segment["text"].strip().replace("\t", " ")
            file.write(f"{round(1000 * segment['start'])}\t{round(1000 * segment['end'])}\t{text}\n")


class WriteJSON(ResultWriter):
    extension = "json"

    def write_result(self, result: Result, file: TextIO, options: Options = None, **more: Any) -> None:
        json.dump(result, file)


_WRITERS = {writer.extension: writer for writer in (WriteTXT, WriteVTT, WriteSRT, WriteTSV, WriteJSON)}


def get_writer(output_format: str, output_dir: str) -> Any:
    """The writer of "txt", "vtt", "srt", "tsv", "json", or one of all."""
    if output_format != "all":
        return _WRITERS[output_format](output_dir)
    writers = [writer(output_dir) for writer in _WRITERS.values()]

    def write_all(result: Result, file: Any, options: Options = None, **more: Any) -> None:
        for writer in writers:
            writer(result, file, options, **more)

    return write_all
