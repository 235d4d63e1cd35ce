"""The transparency log of all records: leaves, tiles, signed checkpoints and proofs."""
