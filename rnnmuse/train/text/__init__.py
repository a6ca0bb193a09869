"""Text models: characters one at a time."""
