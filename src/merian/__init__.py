"""Merian names what you found and says how sure it is.

The rooms of the house are sub-packages; ``merian.taxonomy``, ``merian.catalogue`` and
``merian.formats`` each have one door, their ``__init__``. Nothing heavy is imported here.
"""

from merian.errors import MerianError

__all__ = ["MerianError", "__version__"]

__version__ = "0.1.0"
