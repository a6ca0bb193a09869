"""Phrase models: a variational autoencoder of two and four bars."""
