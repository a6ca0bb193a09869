"""Models as they are played: one architecture a file, loaded from bundles, without torch."""
