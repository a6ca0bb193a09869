"""Covers: what music asks of a picture, the picture, its lettering, its loops."""
