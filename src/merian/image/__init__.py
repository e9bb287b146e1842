"""Pictures: read, transformed, turned into vectors (these need the extra `models`), and masks."""

from merian.image.features import image_features
from merian.image.otsu import components, otsu_mask, otsu_threshold
from merian.pictures import BadPictureError, Picture, PictureFacts, read_picture

__all__ = ["BadPictureError", "Picture", "PictureFacts", "components", "image_features",
           "otsu_mask", "otsu_threshold", "read_picture"]  # fmt: skip
