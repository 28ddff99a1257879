"""Texts made comparable, as openai-whisper's normalizers make them for word error rates."""

from .basic import BasicTextNormalizer
from .english import EnglishTextNormalizer

__all__ = ["BasicTextNormalizer", "EnglishTextNormalizer"]
