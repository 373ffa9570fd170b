"""Writes `docs/reference/` from the code, so that those pages cannot say anything else."""
