"""What has no name yet: specimens grouped by what they look like or by their barcodes."""
