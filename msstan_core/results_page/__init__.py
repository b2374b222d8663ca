"""docs/results.md, made from the result files and from nothing else."""
