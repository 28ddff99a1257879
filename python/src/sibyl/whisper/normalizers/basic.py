"""Texts of any language without case, marks and symbols."""

from __future__ import annotations

import re
import unicodedata

# Letters that Unicode does not take apart, as ASCII.
_LETTERS = {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D",
            "ł": "l", "Ł": "L", "þ": "th", "Þ": "th"}  # fmt: skip
_BRACKETS = re.compile(r"[<\[][^>\]]*[>\]]|\([^)]+\)")


def without_brackets(text: str) -> str:
    """The text without what stands in square, pointed or, where it is not empty, round brackets."""
    return _BRACKETS.sub("", text)


def remove_symbols(s: str) -> str:
    """Blanks for marks, punctuation and symbols (Unicode's M, P, S), in the composed form (NFKC)."""
    return "".join(" " if unicodedata.category(c)[0] in "MPS" else c for c in unicodedata.normalize("NFKC", s))


def remove_symbols_and_diacritics(s: str, keep: str = "") -> str:
    """The same in the decomposed form (NFKD), with nothing for accents, and ASCII for letters that have no such form."""

    def plain(c: str) -> str:
        if c in keep:
            return c
        category = unicodedata.category(c)
        return _LETTERS.get(c) or ("" if category == "Mn" else " " if category[0] in "MPS" else c)

    return "".join(map(plain, unicodedata.normalize("NFKD", s)))


def _letters(text: str) -> list[str]:
    """Each letter with the marks on it."""
    try:
        import regex  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise ImportError("split_letters needs the package regex, which knows what Unicode takes for one letter") from error
    return list(regex.findall(r"\X", text))


class BasicTextNormalizer:
    """remove_diacritics: accents too. split_letters: a blank between letters, for languages that are written without."""

    def __init__(self, remove_diacritics: bool = False, split_letters: bool = False) -> None:
        self.clean = remove_symbols_and_diacritics if remove_diacritics else remove_symbols
        self.split_letters = split_letters

    def __call__(self, s: str) -> str:
        text = self.clean(without_brackets(s.lower())).lower()
        if self.split_letters:
            text = " ".join(_letters(text))
        return re.sub(r"\s+", " ", text)
