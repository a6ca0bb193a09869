"""Chorale models in training."""
