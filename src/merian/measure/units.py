"""Units of length."""

from __future__ import annotations

__all__ = ["MILLIMETRES"]

MILLIMETRES = {
    "mm": 1.0, "millimetre": 1.0, "millimeter": 1.0, "millimetres": 1.0, "millimeters": 1.0,
    "cm": 10.0, "centimetre": 10.0, "centimeter": 10.0, "centimetres": 10.0, "centimeters": 10.0,
    "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micrometre": 1e-3, "micrometer": 1e-3, "micron": 1e-3,
    "m": 1e3, "metre": 1e3, "meter": 1e3, "in": 25.4, "inch": 25.4, "inches": 25.4,
}  # fmt: skip
"""How many millimetres each is, by its name in lower case."""
