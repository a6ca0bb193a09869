"""`python -m rnnmuse` is the command line."""

from __future__ import annotations

from rnnmuse.cli.main import main

if __name__ == "__main__":
    main()
