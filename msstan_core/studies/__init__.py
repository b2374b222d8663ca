"""Studies: protocols that measure what the decision layer is worth, each behind `msstan study NAME`."""
