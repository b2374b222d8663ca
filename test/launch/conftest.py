import sys
from pathlib import Path

# The helpers of the live system's tests: the same behaviour is tested there through `msstan up`.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "ros"))
