"""The process that steps the models, a little ahead of the beat."""
