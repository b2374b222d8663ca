"""Names of the files that a bag is made of."""

from __future__ import annotations

METADATA_FILE = "metadata.yaml"
#: Of files that hold messages, and are a bag alone.
STORAGE_SUFFIXES = (".mcap", ".db3")
