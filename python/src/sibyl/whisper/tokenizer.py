"""Whisper's tokens by openai-whisper's names, on Sibyl's tokenizer."""

from __future__ import annotations

import functools
import importlib.machinery
import os
import string
from typing import Any, NoReturn, Sequence

import sibyl

LANGUAGES: dict[str, str] = sibyl.whisper_languages()
TO_LANGUAGE_CODE = {name: code for code, name in LANGUAGES.items()}

# Languages that are written without blanks between words.
_WITHOUT_BLANKS = ("zh", "ja", "th", "lo", "my", "yue")


# OpenAI's files of ranks, of models with languages and without.
RANKS = ("multilingual.tiktoken", "gpt2.tiktoken")


def cache_folder() -> str:
    """Where openai-whisper keeps what it has downloaded."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "whisper")


def package_assets() -> str | None:
    """The folder of the package openai-whisper that has the ranks, where it is installed."""
    package = importlib.machinery.PathFinder.find_spec("whisper")
    return os.path.join(os.path.dirname(package.origin), "assets") if package is not None and package.origin else None


def find_ranks(multilingual: bool) -> str:
    """The file of ranks of Whisper's tokenizer: in openai-whisper's cache, or the package itself, if installed."""
    name, places = RANKS[not multilingual], [place for place in (cache_folder(), package_assets()) if place]
    for place in places:
        if os.path.isfile(os.path.join(place, name)):
            return os.path.join(place, name)
    raise FileNotFoundError(f"Whisper's tokenizer {name} is in none of {', '.join(places)}: put it there (it is in the package openai-whisper, whisper/assets)")


class Tokenizer:
    """Tokens of a Whisper: ids of special tokens, and texts to ids and back."""

    def __init__(self, tokens: sibyl.Tokenizer, num_languages: int, language: str | None = None, task: str | None = None) -> None:
        self._tokens = tokens
        self.num_languages, self.language, self.task = num_languages, language, task
        self.sot_sequence = tuple(
            self._id(name) for name in ("startoftranscript", language, task and ("transcribe" if task == "transcribe" else "translate")) if name
        )

    def _id(self, name: str) -> int:
        found = self._tokens.find(f"<|{name}|>")
        if found is None:
            raise KeyError(f"<|{name}|>")
        return found

    def encode(self, text: str, **more: Any) -> list[int]:
        if more:
            raise NotImplementedError(f"Tokenizer.encode({', '.join(more)}) is not built: names of special tokens are ordinary text")
        return self._tokens.encode(text)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self._tokens.decode([int(token) for token in token_ids if token < self.timestamp_begin])

    def decode_with_timestamps(self, token_ids: Sequence[int]) -> str:
        return self._tokens.decode([int(token) for token in token_ids])

    eot = functools.cached_property(lambda self: self._id("endoftext"))
    sot = functools.cached_property(lambda self: self._id("startoftranscript"))
    transcribe = functools.cached_property(lambda self: self._id("transcribe"))
    translate = functools.cached_property(lambda self: self._id("translate"))
    sot_lm = functools.cached_property(lambda self: self._id("startoflm"))
    sot_prev = functools.cached_property(lambda self: self._id("startofprev"))
    no_speech = functools.cached_property(lambda self: self._id("nospeech"))
    no_timestamps = functools.cached_property(lambda self: self._id("notimestamps"))
    timestamp_begin = functools.cached_property(lambda self: self._id("0.00"))

    @functools.cached_property
    def special_tokens(self) -> dict[str, int]:
        found = {}
        for id in range(self.eot, self._tokens.n_vocab):
            name = self._tokens.token(id)
            if name is not None:
                found[name.decode()] = id
        return found

    @property
    def language_token(self) -> int:
        if self.language is None:
            raise ValueError("the tokenizer was made without a language")
        return self.to_language_token(self.language)

    def to_language_token(self, language: str) -> int:
        found = self._tokens.find(f"<|{language}|>")
        if found is None:
            raise KeyError(f"the tokenizer has no language {language!r}")
        return found

    @property
    def all_language_codes(self) -> tuple[str, ...]:
        return tuple(LANGUAGES)[: self.num_languages]

    @property
    def all_language_tokens(self) -> tuple[int, ...]:
        return tuple(self._id(code) for code in self.all_language_codes)

    @property
    def sot_sequence_including_notimestamps(self) -> tuple[int, ...]:
        return (*self.sot_sequence, self.no_timestamps)

    def split_to_word_tokens(self, tokens: Sequence[int]) -> tuple[list[str], list[list[int]]]:
        """Words and their tokens: at blanks, or each letter apart in languages that are written without."""
        return self.split_tokens_on_unicode(tokens) if self.language in _WITHOUT_BLANKS else self.split_tokens_on_spaces(tokens)

    def split_tokens_on_unicode(self, tokens: Sequence[int]) -> tuple[list[str], list[list[int]]]:
        """Texts of as few tokens as give entire letters, and their tokens."""
        text, at = self.decode_with_timestamps(tokens), 0
        words: list[str] = []
        parts: list[list[int]] = []
        part: list[int] = []
        for token in tokens:
            part.append(token)
            word = self.decode_with_timestamps(part)
            if text.startswith(word, at):  # what is not UTF-8 in the text either stays U+FFFD
                words.append(word)
                parts.append(part)
                part, at = [], at + len(word)
        return words, parts

    def split_tokens_on_spaces(self, tokens: Sequence[int]) -> tuple[list[str], list[list[int]]]:
        """The same put together to words: a blank, a punctuation mark or a special token begins one."""
        words: list[str] = []
        parts: list[list[int]] = []
        for letters, part in zip(*self.split_tokens_on_unicode(tokens)):
            if not words or part[0] >= self.eot or letters.startswith(" ") or letters.strip() in string.punctuation:
                words.append(letters)
                parts.append(part)
            else:
                words[-1] += letters
                parts[-1] = parts[-1] + part
        return words, parts

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("encoding", "non_speech_tokens"):
            raise NotImplementedError(f"Tokenizer.{name} is not built: suppress_tokens does it inside")
        raise AttributeError(name)


@functools.lru_cache(maxsize=8)
def get_tokenizer(multilingual: bool, *, num_languages: int = 99, language: str | None = None, task: str | None = None) -> Tokenizer:
    """The tokenizer of OpenAI's models; its ranks are found as find_ranks says."""
    if language is not None:
        language = language.lower()
        if language not in LANGUAGES:
            if language not in TO_LANGUAGE_CODE:
                raise ValueError(f"{language!r} is no language of Whisper's")
            language = TO_LANGUAGE_CODE[language]
    tokens = sibyl.Tokenizer(find_ranks(multilingual), kind="whisper", n_vocab=51765 + num_languages + int(multilingual))
    if multilingual:
        return Tokenizer(tokens, num_languages, language or "en", task or "transcribe")
    return Tokenizer(tokens, num_languages)
