"""``python -m msstan_ros NODE --ros-args ...``: run a node by its executable's name, without an installed script."""

from __future__ import annotations

import importlib
import signal
import sys
from pathlib import Path

#: What can be run.
NODES = tuple(sorted(file.stem for file in Path(__file__).parent.glob("*_node.py")))


def main() -> None:
    """Load the node's module and run it; the first argument names it, the others are the node's own.

    A node told to end while it still loads has nothing to close: it ends at once and prints nothing.
    """
    if len(sys.argv) < 2 or sys.argv[1] not in NODES:
        sys.exit(f"usage: python -m msstan_ros NODE [--ros-args ...]; NODE is one of {', '.join(NODES)}")
    executable = sys.argv.pop(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    module = importlib.import_module(f"msstan_ros.{executable}")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    module.main()


if __name__ == "__main__":
    main()
