"""Tokenizers: text to token ids and back, exact on arbitrary bytes."""

from __future__ import annotations

import os
from typing import Any, Sequence

from . import _sibyl, errors


class Tokenizer:
    """A tokenizer of a file: ranks of tiktoken (GPT-2, Whisper), a tokenizer.json, a model file or pieces of SentencePiece, or RWKV World.

    kind: "gpt2", "whisper", "tokenizer.json", "pieces", "sentencepiece", "rwkv-world" or "bytes", which needs no file;
    None: what the file looks like. n_vocab: ids of the model; for ranks it says which Whisper. May be used by several threads.
    """

    def __init__(self, path: str | os.PathLike[Any] | None = None, *, kind: str | None = None, n_vocab: int = 0) -> None:
        name = None if path is None else os.fsencode(path)
        try:
            self._handle = _sibyl.tokenizer_open(name, kind, n_vocab)
        except errors.SibylOSError as error:
            raise errors.with_path(error, name or b"", name or b"") from None
        self.kind, self.n_vocab = _sibyl.tokenizer_info(self._handle)

    def encode(self, text: str | bytes, *, special: bool = False) -> list[int]:
        """Ids of a text. special: names such as "<|endoftext|>" become the special tokens, and what a tokenizer.json
        puts round a text is put there. Raises ValueError where there is no token for something."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        return _sibyl.tokenizer_encode(self._handle, data, special)

    def decode_bytes(self, ids: Sequence[int], *, skip_special: bool = False) -> bytes:
        """Bytes of ids. skip_special: special tokens give nothing, else their names."""
        return _sibyl.tokenizer_decode(self._handle, ids, skip_special)

    def decode(self, ids: Sequence[int], *, skip_special: bool = False, broken: str = "replace") -> str:
        """The same as a string; broken: what bytes that are no UTF-8 become, as `errors` of bytes.decode."""
        return self.decode_bytes(ids, skip_special=skip_special).decode("utf-8", broken)

    def token(self, id: int) -> bytes | None:
        """The bytes that an id stands for, None where it stands for none."""
        found = _sibyl.tokenizer_token(self._handle, id)
        return None if found is None else found[0]

    def is_special(self, id: int) -> bool:
        found = _sibyl.tokenizer_token(self._handle, id)
        return found is not None and found[1]

    def find(self, token: str | bytes) -> int | None:
        """The id of these bytes as one token, special ones by name; None where there is none."""
        id = _sibyl.tokenizer_find(self._handle, token.encode() if isinstance(token, str) else token)
        return None if id < 0 else id


def whisper_languages() -> dict[str, str]:
    """Whisper's languages in the order of their ids: {"en": "english", ...}."""
    return _sibyl.whisper_languages()
