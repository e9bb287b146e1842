"""Nucleotide barcodes: which references are nearest to a sequence."""

from merian.barcode.align import Alignments, align
from merian.barcode.index import Scores, WordIndex, best, build_index, score
from merian.barcode.nearest import Neighbours, nearest
from merian.barcode.reading import MINIMUM_BASES, read_query
from merian.barcode.words import clean, query_words

__all__ = [
    "MINIMUM_BASES",
    "Alignments",
    "Neighbours",
    "Scores",
    "WordIndex",
    "align",
    "best",
    "build_index",
    "clean",
    "nearest",
    "query_words",
    "read_query",
    "score",
]
