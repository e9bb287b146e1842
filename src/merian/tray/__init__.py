"""Bulk photographs: every body in a tray, found tile by tile, put together, counted and cut out."""
