"""Text: a lineage in several wordings, the words a network reads it by, and that network."""

from merian.text.wording import WORDINGS, any_wording, worded
from merian.text.words import TextWords, learn_words

__all__ = ["WORDINGS", "TextWords", "any_wording", "learn_words", "worded"]
