"""Pictures: networks that turn them into vectors (these need the extra `models`), and masks."""

from merian.image.features import image_features
from merian.image.otsu import components, otsu_mask, otsu_threshold

__all__ = ["components", "image_features", "otsu_mask", "otsu_threshold"]
