"""Training, evaluation and export: the only place where torch is imported."""
