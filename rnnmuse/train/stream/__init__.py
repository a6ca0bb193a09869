"""Stream models: note events one at a time."""
