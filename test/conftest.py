"""What all tests share."""

from __future__ import annotations

import os

# Small networks gain nothing from threads, and spinning ones starve the node processes of the tests beside them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
