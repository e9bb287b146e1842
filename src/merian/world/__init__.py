"""A synthetic biota with a known truth, on which every other part is tested."""

from merian.world.make import Settings, make_world

__all__ = ["Settings", "make_world"]
