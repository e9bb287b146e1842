"""Naming with a promise: the posterior over the tree of life, and the node that is stood by."""

from merian.identify.determination import Determination, Match, Outcome, Trace
from merian.identify.identifier import Identifier
from merian.identify.learned import let_speak
from merian.identify.learning import learn_barcodes
from merian.identify.learning_across import learn_across
from merian.identify.learning_pictures import learn_pictures
from merian.identify.promise import Choice, Promise, Stratum
from merian.library.index import write_index

__all__ = [
    "PARTS",
    "PICTURE_PARTS",
    "Choice",
    "Determination",
    "Identifier",
    "Match",
    "Outcome",
    "Promise",
    "Stratum",
    "Trace",
]

PARTS = (write_index, let_speak, learn_barcodes, learn_across)
"""What a library needs to answer, for `merian.library.build_library` and `add_to_library`."""

PICTURE_PARTS = (learn_pictures,)
"""The same of a library of pictures."""
