"""Groove models: velocity and timing of drum hits."""
