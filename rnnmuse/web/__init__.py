"""The dashboard for browsers and projectors: `rnnmuse screen`."""
