"""Lengths of pictures in millimetres, with what they rest on and how far they may be off."""
