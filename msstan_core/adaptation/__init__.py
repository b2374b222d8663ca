"""Adaptation of a running model to its cell, from what operators and inspectors label; it cannot make things worse.

Only the action head and an affine map of the embedding (the affine part of its LayerNorm) move, computed beside the
network on the embedding that it publishes, so that the exported graph never changes. One concept a file:

- adapted_head: what moves, how far it may; correction: what the answering path adds to the network's logits
- observed_ticks: the last minutes' embeddings, which feedback names by time; memory: the labelled ones, balanced
- consistency: equation 48, corrected; learning: one shadow head from the memory
- trial: whether learning pays, by labels answered before they are learnt
- guard: the sealed set that a shadow must not answer worse; promotion: whether it may be used
- revisions: every head ever used, numbered, on disk; head_in_use: the one that answers, and what speaks against it
- adapter: the rules that join them; background: its thread
- output_prior: the only thing that learns without labels, at the output, off by default
"""
