"""Adaptation of a running model to its cell, from what operators and inspectors label; it cannot make things worse.

Only the action head and an affine map of the embedding (the affine part of its LayerNorm) move, computed beside the
network on the embedding that it publishes, so that the exported graph never changes. One concept a file, in the order
in which they build on each other:

- adapted_head: what moves, how far it may, and what it adds to the network's logits
- settings: how much adaptation may do
- status: what it says of itself
- feedback: what a person labels, and the journal of it
- observed_ticks: the last minutes' embeddings, which feedback names by time
- labelled_memory: the labelled ones, balanced over actions
- guard: the sealed set that a shadow must not answer worse, and the examples of what the shipped head knows
- consistency: equation 48, corrected
- learning: one shadow head from the memory
- trial: whether learning pays, by labels answered before they are learnt
- teaching: memory, shadow and trial of one job
- promotion: whether a head may be used
- folder_lock: a folder of revisions belongs to one process
- revisions: every head ever used, numbered, on disk
- head_in_use: the one that answers, and what speaks against it
- answering: what the monitor tells of every tick, its job among it
- head_rules: which head answers: jobs, rollback, freezing, and what the disk must know
- output_prior: the only thing that learns without labels, at the output, off by default
- adapter: all of it as monitor and services see it
- opening: the adapter of a model folder
- learning_thread: its thread
"""
