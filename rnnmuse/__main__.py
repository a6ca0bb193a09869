"""`python -m rnnmuse` is the command line. The one-file program starts here too, and so do its child processes."""

from __future__ import annotations

import multiprocessing
import runpy
import sys

from rnnmuse.system import CHILD, MACHINE


def main() -> None:
    """Run the command line; in the one-file program, a module of rnnmuse where the first word asks for one."""
    multiprocessing.freeze_support()
    if MACHINE.frozen and sys.argv[1:2] == [CHILD] and len(sys.argv) > 2 and sys.argv[2].startswith("rnnmuse."):
        del sys.argv[:2]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        return
    from rnnmuse.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
