"""Metabarcoding: from a table of reads to taxa by sample, with how sure each is."""

from merian.metabarcoding.features import Features, open_features
from merian.metabarcoding.job import Metabarcoded, metabarcode
from merian.metabarcoding.reckoning import Distances

__all__ = ["Distances", "Features", "Metabarcoded", "metabarcode", "open_features"]
