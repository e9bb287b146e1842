"""Nucleotide barcodes: which references are nearest to a sequence."""

from merian.barcode.nearest import Neighbours, nearest

__all__ = ["Neighbours", "nearest"]
