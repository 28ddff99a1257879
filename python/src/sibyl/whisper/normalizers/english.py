"""English texts made comparable: contractions and titles written out, numbers as digits, one spelling."""

from __future__ import annotations

import importlib.machinery
import json
import os
import re
from typing import Any, Mapping

from .basic import remove_symbols_and_diacritics, without_brackets
from .numbers import EnglishNumberNormalizer

_FILLERS = re.compile(r"\b(?:uh|um|mm|mmm|mhm|hmm)\b")
# Words that are replaced entirely.
_FORMS = {"won't": "will not", "can't": "can not", "let's": "let us", "ain't": "aint", "y'all": "you all", "ma'am": "madam", "i'ma": "i am going to",
          "imma": "i am going to", "gonna": "going to", "gotta": "got to", "wanna": "want to"}  # fmt: skip
_FORMS |= {f"{verb}a": f"{verb} have" for verb in ("could", "should", "would")}
_TITLES = {"ald": "alderman", "assoc": "associate", "asst": "assistant", "capt": "captain", "col": "colonel", "dr": "doctor", "esq": "esquire",
           "gen": "general", "gov": "governor", "hon": "honorable", "jr": "junior", "lt": "lieutenant", "mr": "mister", "mrs": "missus",
           "pres": "president", "prof": "professor", "rep": "representative", "rev": "reverend", "sen": "senator", "sr": "senior",
           "st": "saint"}  # fmt: skip
# Ends of contracted words; before these participles 'd and 's are of "have".
_ENDS = {"n't": "not", "'re": "are", "'s": "is", "'d": "would", "'ll": "will", "'t": "not", "'ve": "have", "'m": "am"}
_PERFECT = {"'d": ("had", ("been", "gone", "done")), "'s": ("has", ("been", "gone", "got"))}


def _either(words: Any) -> str:
    return "|".join(map(re.escape, words))


_RULES = [
    (re.compile(rf"\b({_either(_FORMS)})\b"), lambda m: _FORMS[m[1]]),
    (re.compile(rf"\b({_either(_TITLES)})\b"), lambda m: f"{_TITLES[m[1]]} "),
    *((re.compile(rf"{end} ({_either(participles)})\b"), lambda m, verb=verb: f" {verb} {m[1]}") for end, (verb, participles) in _PERFECT.items()),
    *((re.compile(rf"{end}\b"), lambda m, word=word: f" {word}") for end, word in _ENDS.items()),
]


def find_spellings(source: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """American spellings by British ones: of a file (normalizer.json), a Hugging Face folder that has one, or, where None is given, of
    the package openai-whisper, if it is installed; else none."""
    path = None if source is None else os.fspath(source)
    if path is None:
        package = importlib.machinery.PathFinder.find_spec("whisper")
        path = os.path.join(os.path.dirname(package.origin), "normalizers", "english.json") if package and package.origin else ""
        if not os.path.isfile(path):
            return {}
    elif os.path.isdir(path):
        path = os.path.join(path, "normalizer.json")
    with open(path, encoding="utf-8") as file:
        found: dict[str, str] = json.load(file)
    return found


class EnglishSpellingNormalizer:
    """Words of one spelling: by a table, or by find_spellings of a path."""

    def __init__(self, spellings: Mapping[str, str] | str | os.PathLike[str] | None = None) -> None:
        self.mapping = dict(spellings) if isinstance(spellings, Mapping) else find_spellings(spellings)

    def __call__(self, s: str) -> str:
        return " ".join(self.mapping.get(word, word) for word in s.split())


class EnglishTextNormalizer:
    """spellings: as EnglishSpellingNormalizer has it."""

    def __init__(self, spellings: Mapping[str, str] | str | os.PathLike[str] | None = None) -> None:
        self.standardize_numbers = EnglishNumberNormalizer()
        self.standardize_spellings = EnglishSpellingNormalizer(spellings)

    def __call__(self, s: str) -> str:
        s = _FILLERS.sub("", without_brackets(s.lower()))
        s = re.sub(r"\s+'", "'", s)
        for pattern, written in _RULES:
            s = pattern.sub(written, s)
        s = re.sub(r"(\d),(\d)", r"\1\2", s)
        s = re.sub(r"(?a)\.(\D|$)", r" \1", s)
        s = remove_symbols_and_diacritics(s, keep=".%$¢€£")
        s = self.standardize_spellings(self.standardize_numbers(s))
        s = re.sub(r"(?a)[.$¢€£](\D)", r" \1", s)
        s = re.sub(r"(?a)(\D)%", r"\1 ", s)
        return re.sub(r"\s+", " ", s)
