"""Numbers in words, in English, as digits: "one hundred and five dollars" is "$105", "nineteen sixties" "1960s".

A text is read word by word. Of a number that is being said either its value is known, an int that more words may add to, or its digits
alone, a str that more words are appended to: those of telephone numbers, years in two halves, decimals.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Iterator

_UNITS = ("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split())
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_POWERS = {"hundred": 2} | {name: 3 * i for i, name in enumerate(
    "thousand million billion trillion quadrillion quintillion sextillion septillion octillion nonillion decillion".split(), start=1)}  # fmt: skip
# Ordinals that the rule does not make. As in openai-whisper "ninth" is none of them, and stays.
_IRREGULAR = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "twelve": "twelfth"}
_CURRENCIES = {"dollar": "$", "cent": "¢", "pound": "£", "euro": "€"}
_SIGNS = {"minus": "-", "negative": "-", "plus": "+", "positive": "+"}
_TIMES = {"double": 2, "triple": 3}
_ZEROS = ("o", "oh", "zero")
_MAX_DIGITS = 4000  # with those of a decillion below 4,300, at which Python refuses
_FIGURE = re.compile(r"([-+$¢£€]?)(\d+(?:\.\d+)?)(%?)")


def _ordinal(word: str) -> str:
    return _IRREGULAR.get(word) or (f"{word[:-1]}ieth" if word.endswith("y") else f"{word}th")


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}es" if word.endswith("x") else f"{word}s"


def _table() -> dict[str, tuple[str, int, str]]:
    """What a word of a number is: its kind, its value, and the letters that end the number with it."""
    plain = {word: ("unit", n) for n, word in enumerate(_UNITS, start=1)}
    plain |= {word: ("ten", 10 * n) for n, word in enumerate(_TENS, start=2)}
    plain |= {word: ("power", 10**n) for word, n in _POWERS.items()}
    found = {word: (kind, n, "") for word, (kind, n) in plain.items()}
    for word, (kind, n) in plain.items():
        found[_plural(word)] = (kind, n, "s")
        found[_ordinal(word)] = (kind, n, {"first": "st", "second": "nd", "third": "rd"}.get(_ordinal(word), "th"))
    return found | {word: ("zero", 0, "") for word in _ZEROS}


_WORDS = _table()
_MONEY = {word: sign for name, sign in _CURRENCIES.items() for word in (name, f"{name}s")}
_KNOWN = {*_WORDS, *_SIGNS, *_TIMES, *_MONEY, "and", "point", "per", "percent"}


def _is_plain(word: str | None, *kinds: str) -> bool:
    """Whether it is a word of these kinds without an ending."""
    kind, _, suffix = _WORDS.get(word or "", ("", 0, ""))
    return kind in kinds and not suffix


def _is_figure(word: str | None) -> bool:
    return re.fullmatch(r"\d+(?:\.\d+)?", word or "") is not None


def _integer(digits: str, times: int = 1) -> int | None:
    """The number times a power of ten, where that is an integer; None too where there are two points, or more digits than Python reads."""
    try:
        found = Fraction(digits) * times
    except ValueError:
        return None
    return found.numerator if found.denominator == 1 and len(digits) <= _MAX_DIGITS else None


class _Reader:
    """Words in, words and numbers out."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.value: int | str | None = None
        self.sign = ""

    def end(self, suffix: str = "", sign: str | None = None) -> None:
        """The number that is being said is complete."""
        if self.value is not None:
            self.out.append(f"{self.sign if sign is None else sign}{self.value}{suffix}")
            self.value, self.sign = None, ""

    def word(self, word: str) -> None:
        self.end()
        self.out.append(f"{self.sign}{word}")
        self.sign = ""

    def unit(self, n: int, before: str | None) -> None:
        value = self.value
        if value is None:
            self.value = n
        elif isinstance(value, str) or _is_plain(before, "unit"):
            joins = _is_plain(before, "ten") and n < 10  # "nineteen twenty five"
            self.value = f"{str(value)[:-1]}{n}" if joins else f"{value}{n}"
        else:
            self.value = value + n if value % (10 if n < 10 else 100) == 0 else f"{value}{n}"

    def ten(self, n: int, before: str | None) -> None:
        value = self.value
        if value is None:
            self.value = n
        else:
            self.value = value + n if isinstance(value, int) and value % 100 == 0 else f"{value}{n}"

    def zero(self, n: int, before: str | None) -> None:
        self.value = f"{self.value or ''}0"

    def power(self, n: int, before: str | None) -> None:
        value = self.value
        if value is None:
            self.value = n
        elif isinstance(value, str) or value == 0:
            scaled = _integer(str(value), n)
            if scaled is None:
                self.end()
            self.value = n if scaled is None else scaled
        else:
            self.value = value - value % 1000 + value % 1000 * n

    def figure(self, sign: str, digits: str, percent: str) -> None:
        if isinstance(self.value, str) and self.value.endswith("."):
            self.value += digits
        else:
            if self.value is not None:
                self.end()
            number = _integer(digits)
            self.sign, self.value = sign or self.sign, digits if number is None else number
        if percent:
            self.end("%")

    def sign_word(self, word: str, after: str | None) -> None:
        if after in _KNOWN or _is_figure(after):
            self.end()
            self.sign = _SIGNS[word]
        else:
            self.word(word)


def _read(reader: _Reader, words: list[str], at: int) -> int:
    """Takes the word at `at`, and says how many were taken."""
    word, before, after = words[at], words[at - 1] if at else None, words[at + 1] if at + 1 < len(words) else None
    if match := _FIGURE.fullmatch(word):
        reader.figure(*match.groups())
    elif word in _WORDS:
        kind, n, suffix = _WORDS[word]
        getattr(reader, kind)(n, before)
        if suffix:
            reader.end(suffix)
    elif word in _SIGNS:
        reader.sign_word(word, after)
    elif word in _MONEY and reader.value is not None:
        reader.end(sign=_MONEY[word])
    elif word == "percent" and reader.value is not None:
        reader.end("%")
    elif word == "per" and after == "cent" and reader.value is not None:
        reader.end("%")
        return 2
    elif word in _TIMES and _is_plain(after, "unit", "zero") and after is not None:
        reader.value = f"{reader.value or ''}{str(_WORDS[after][1]) * _TIMES[word]}"
        return 2
    elif word == "point" and (_is_plain(after, "unit", "ten", "zero") or _is_figure(after)):
        reader.value = f"{reader.value or ''}."
    elif not ((after in _KNOWN or _is_figure(after)) and (word == "point" or (word == "and" and _is_plain(before, "power")))):
        reader.word(word)
    return 1


def _runs(words: list[str]) -> Iterator[str]:
    reader, at = _Reader(), 0
    while at < len(words):
        at += _read(reader, words, at)
    reader.end()
    yield from reader.out


def _cents(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}.{int(match[3]):02d}"


class EnglishNumberNormalizer:
    """Numbers in words as digits, with signs of currencies before them, "%", and the letters of ordinals and decades behind."""

    def preprocess(self, s: str) -> str:
        parts = s.split(" and a half")
        s = "".join(part + ("" if i == len(parts) - 1 else self._half(part)) for i, part in enumerate(parts))
        s = re.sub(r"(?<=[a-z])(?=[0-9])|(?<=[0-9])(?=[a-z])", " ", s)
        return re.sub(r"([0-9])\s+(st|nd|rd|th|s)\b", r"\1\2", s)

    @staticmethod
    def _half(text: str) -> str:
        """What stands for "and a half" behind a text."""
        last = text.rsplit(maxsplit=1)[-1:]
        return " point five" if last and last[0] in _WORDS else " and a half"

    def postprocess(self, s: str) -> str:
        s = re.sub(r"([$£€])(\d+) (?:and )?¢(\d{1,2})\b", _cents, s)
        s = re.sub(r"[$£€]0.(\d{1,2})\b", lambda m: f"¢{int(m[1])}", s)  # as openai-whisper, whatever stands behind the 0
        return re.sub(r"\b1(s?)\b", r"one\1", s)

    def __call__(self, s: str) -> str:
        return self.postprocess(" ".join(_runs(self.preprocess(s).split())))
