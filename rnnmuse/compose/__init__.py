"""Offline composition: continue, generate, fill in, phrases."""
